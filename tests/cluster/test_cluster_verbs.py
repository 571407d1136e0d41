"""``cluster map``, ``compare``, ``merge``, ``extract``, ``match``, ``summary``, ``export`` as a user calls them."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from immport_cyto import cluster, fcs, tables
from immport_cyto.exceptions import AnalysisError, LinkError, ModelError, OptionError, PanelError, TableError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.cluster_study import PANEL, make_study, run
from support.export_schema import export_schema


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def clusters_path(study):
    """Names for the metaclusters; 2 and 4 share one, 5 and 6 are nodes without events."""
    names = ["one", "rest", "three <b>&", "rest", "five", "six"]
    frame, medians = cluster.summarize(study.model, study.labelled)
    frame["population"] = names
    path = study.folder / "clusters.tsv"
    tables.write(frame, path, tables.CLUSTERS)
    tables.write(medians, study.folder / "medians.tsv", tables.CLUSTER_MEDIANS)
    return path


def test_map_reports_drift_and_outliers(study, tmp_path):
    X, _ = blobs([*T_CELLS, [9.0, 9.0, 9.0, 9.0]], [100, 100, 100, 50, 200], seed=5)
    strange = preprocessed(tmp_path / "new.fcs", X, panel_id=PANEL)
    shown = run(
        "map", strange, study.files["a0.fcs"], "--model", study.model_path, "--out-dir", tmp_path / "out", "--drift",
        tmp_path / "drift.tsv", "--outliers", tmp_path / "outliers.tsv", "--outlier-channel", "--figures-dir",
        tmp_path / "figures", "--json", tmp_path / "p.json", "--quiet",
    )  # fmt: skip
    drift = tables.read(tmp_path / "drift.tsv", tables.DRIFT).set_index("file_name")
    assert drift["in_training"].to_dict() == {"a0.fcs": True, "new.fcs": False}
    assert drift.loc["new.fcs", "n_outliers"] >= 200
    assert drift.loc["a0.fcs", "outlier_percentage"] < 5
    share = f"{drift.loc['new.fcs', 'outlier_percentage']:.1f} %"
    assert f"warning: new.fcs: {share} of the events are far from every code (training: " in shown.stderr
    assert "a0.fcs:" not in shown.stderr
    outliers = tables.read(tmp_path / "outliers.tsv", tables.OUTLIERS)
    assert len(outliers) == 2 * 25
    assert outliers["n_outliers"].sum() == drift["n_outliers"].sum()
    with fcs.open(tmp_path / "out" / "new.fcs") as file:
        assert file.events(["FlowSOM_outlier"]).sum() == drift.loc["new.fcs", "n_outliers"]
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == [f"SDY1-{PANEL}-drift.svg", f"SDY1-{PANEL}.svg"]
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["parameters"]["mad"] == 4.0
    assert record["counts"]["outliers"] == drift["n_outliers"].sum()
    assert len(record["warnings"]) == 1
    run(
        "map", strange, "--model", study.model_path, "--out-dir", tmp_path / "loose", "--mad", 1000, "--outliers",
        tmp_path / "loose.tsv", "--quiet",
    )  # fmt: skip
    loose = tables.read(tmp_path / "loose.tsv", tables.OUTLIERS)
    assert (loose.loc[loose["mad_training"] > 0, "n_outliers"] == 0).all(), "left are nodes with hardly any training"


def test_compare_groups_finds_the_population_that_differs(study, clusters_path, tmp_path):
    shown = run(
        "compare", study.folder / "labelled", "--model", study.model_path, "--clusters", clusters_path, "--samples",
        study.samples_path, "--group", "arm_name", "--reference", "control", "--out", tmp_path / "c.tsv",
        "--figures-dir", tmp_path / "figures", "--json", tmp_path / "p.json",
    )  # fmt: skip
    found = tables.read(tmp_path / "c.tsv", tables.COMPARISON)
    assert found.groupby("level").size().to_dict() == {"metacluster": 6, "node": 25}
    truth = np.concatenate([study.truth[name] for name in sorted(study.truth)])
    labels = np.concatenate([fcs.open(study.labelled[n]).events(["FlowSOM_metacluster"])[:, 0] for n in study.truth])
    fourth = int(pd.Series(labels[truth == 3]).mode()[0])
    row = found[(found["level"] == "metacluster") & (found["cluster"] == fourth)].iloc[0]
    assert row["log_odds"] > 1
    assert row["cliffs_delta"] == 1
    assert row["p_value"] == pytest.approx(2 / 70), "the least that 4 against 4 can give"
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"abundances.svg", "comparison-case.svg"}
    assert "against control" in (tmp_path / "figures" / "comparison-case.svg").read_text()
    assert "1 group against control; q < 0.05 for" in shown.stderr
    assert json.loads((tmp_path / "p.json").read_text())["parameters"]["reference"] == "control"


def test_compare_two_clusterings(study, tmp_path):
    other = cluster.flowsom_files(study.files, grid=(4, 4), n_metaclusters=4, panel_id=PANEL)
    for name, path in study.files.items():
        cluster.map_file(other, path, tmp_path / "other" / name)
    shown = run(
        "compare", study.folder / "labelled", "--labels", "FlowSOM_metacluster", "FlowSOM_metacluster", "--with",
        tmp_path / "other", "--out", tmp_path / "a.tsv", "--contingency", tmp_path / "c.tsv", "--figures-dir",
        tmp_path / "figures",
    )  # fmt: skip
    found = tables.read(tmp_path / "a.tsv", tables.AGREEMENT)
    assert found["file_name"].tolist() == ["", *sorted(study.files)]
    n = sum(len(y) for y in study.truth.values())
    assert found.loc[0, "n_events"] == n
    assert 0.5 < found.loc[0, "ari"] <= 1
    assert tables.read(tmp_path / "c.tsv", tables.CONTINGENCY)["n_events"].sum() == n
    assert "FlowSOM_metacluster" in (tmp_path / "figures" / "contingency.svg").read_text()
    assert f"{n} events, ARI 0." in shown.stderr or f"{n} events, ARI 1." in shown.stderr
    same = run(
        "compare", study.folder / "labelled", "--labels", "FlowSOM_node", "FlowSOM_node", "--out", tmp_path / "s.tsv"
    )
    assert "ARI 1.000, NMI 1.000, mean F1 1.000" in same.stderr
    (tmp_path / "other" / "a0.fcs").unlink()
    with pytest.raises(LinkError, match=r"^a0.fcs: is only in one of the two sets of files"):
        run(
            "compare", study.folder / "labelled", "--labels", "FlowSOM_node", "FlowSOM_node", "--with",
            tmp_path / "other", "--out", tmp_path / "x.tsv",
        )  # fmt: skip
    with pytest.raises(PanelError, match=r"^a0.fcs: has no channel FLOCK_population; its channels are D0, "):
        run(
            "compare", study.folder / "labelled", "--labels", "FlowSOM_node", "FLOCK_population", "--out",
            tmp_path / "x.tsv",
        )  # fmt: skip
    with pytest.raises(AnalysisError, match=r"^a0.fcs: channel D0 holds values that are no labels"):
        run("compare", study.folder / "labelled", "--labels", "FlowSOM_node", "D0", "--out", tmp_path / "x.tsv")
    assert not (tmp_path / "x.tsv").exists()


def test_merge_names_and_maps_onto_the_merged_model(study, tmp_path):
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n1\tT cells\n3\tT cells\n2\tB cells\n")
    shown = run(
        "merge", study.folder / "labelled", "--model", study.model_path, "--table", tmp_path / "t.tsv", "--out",
        tmp_path / "merged.npz", "--clusters", tmp_path / "c.tsv", "--medians", tmp_path / "m.tsv", "--merges",
        tmp_path / "merges.tsv", "--out-dir", tmp_path / "out", "--quiet",
    )  # fmt: skip
    assert "merged.npz: 6 metaclusters became 5, 2 of them with a name" in shown.stderr
    numbers = tables.read(tmp_path / "merges.tsv", tables.MERGES)
    new = dict(zip(numbers["metacluster"].astype(int), numbers["merged_metacluster"].astype(int), strict=True))
    assert new[1] == new[3]
    clusters = tables.read(tmp_path / "c.tsv", tables.CLUSTERS)
    assert set(clusters["population"]) == {"T cells", "B cells", ""}
    total = 0
    for name, path in study.labelled.items():
        with fcs.open(path) as old, fcs.open(tmp_path / "out" / name) as file:
            before, after = old.events(["FlowSOM_metacluster"])[:, 0], file.events(["FlowSOM_metacluster"])[:, 0]
            assert np.array_equal([new[int(number)] for number in before], after)
            assert np.array_equal(old.events(["FlowSOM_node"]), file.events(["FlowSOM_node"]))
            assert file.names == old.names
            total += file.n_events
    assert clusters["n_events"].sum() == total
    assert len(tables.read(tmp_path / "m.tsv", tables.CLUSTER_MEDIANS)) == 5 * 4


def test_nothing_is_written_where_one_file_lacks_a_marker(study, tmp_path):
    preprocessed(tmp_path / "z.fcs", np.ones((5, 3)), MARKERS[:3], panel_id=PANEL)
    with pytest.raises(PanelError, match="z.fcs: marker .* of the model is not in the file"):
        run("map", *study.labelled.values(), tmp_path / "z.fcs", "--model", study.model_path, "--out-dir",
            tmp_path / "out", "--quiet")  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_merge_by_a_table_without_rows_for_the_model(study, tmp_path):
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n")
    with pytest.raises(
        TableError, match="there are no rows; give a row for each metacluster or population to merge or name"
    ):
        run("merge", "--model", study.model_path, "--table", tmp_path / "t.tsv", "--out", tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\tstudy_accession\n1\tT cells\tSDY77\n")
    shown = run("merge", "--model", study.model_path, "--table", tmp_path / "t.tsv", "--out", tmp_path / "m.npz")
    assert "no row is about the model (SDY1 " in shown.stderr


def test_merge_warns_of_files_far_from_the_model(study, tmp_path):
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n1\tT cells\n")
    source = next(iter(study.labelled.values()))
    with fcs.open(source) as file:
        moved = file.events() + 1000
        fcs.write(tmp_path / "far.fcs", moved, file.channels, file.keywords)
    shown = run(
        "merge", tmp_path / "far.fcs", "--model", study.model_path, "--table", tmp_path / "t.tsv", "--out",
        tmp_path / "m.npz", "--out-dir", tmp_path / "out", "--quiet",
    )  # fmt: skip
    assert "warning: far.fcs: 100.0 % of the events are far from every code" in shown.stderr


def test_extract_writes_the_events_of_a_population(study, clusters_path, tmp_path):
    shown = run(
        "extract", study.labelled["a0.fcs"], study.labelled["a1.fcs"], "--clusters", clusters_path, "--population",
        "rest", "--population", "three <b>&", "--out-dir", tmp_path / "out", "--out", tmp_path / "e.tsv", "--json",
        tmp_path / "p.json",
    )  # fmt: skip
    found = tables.read(tmp_path / "e.tsv", tables.EXTRACTED)
    assert found["clusters"].tolist() == ["2;4", "3", "2;4", "3"]
    assert len(list((tmp_path / "out").iterdir())) == (found["n_events"] > 0).sum()
    assert f"{found['n_events'].sum()} events in" in shown.stderr
    for row in found[found["n_events"] > 0].itertuples():
        with fcs.open(study.labelled[row.file_name]) as old, fcs.open(tmp_path / "out" / row.written) as new:
            chosen = np.isin(old.events(["FlowSOM_metacluster"])[:, 0], [int(n) for n in row.clusters.split(";")])
            assert np.array_equal(new.events(), old.events()[chosen])
            assert (new.n_events, row.n_events_in) == (row.n_events, old.n_events)
            kept = {key: value for key, value in old.keywords.items() if key.startswith("ICYTO_")}
            assert kept.items() <= dict(new.keywords).items()
            assert json.loads(new.keywords["ICYTO_EXTRACT"])["population"] == row.population
            assert new.names == old.names


def test_extract_by_number_together_and_empty(study, tmp_path):
    a0 = study.labelled["a0.fcs"]
    run("extract", a0, "--metacluster", 1, "--metacluster", 2, "--out-dir", tmp_path / "1", "--out", tmp_path / "1.tsv")
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["a0_FlowSOM_metacluster_1.fcs", "a0_FlowSOM_metacluster_2.fcs"]
    run("extract", a0, "--metacluster", 2, "--metacluster", 1, "--together", "--out-dir", tmp_path / "2")
    (path,) = (tmp_path / "2").iterdir()
    with fcs.open(path) as both, fcs.open(a0) as old:
        chosen = old.events(["FlowSOM_metacluster"])[:, 0] <= 2
        assert np.array_equal(both.events(), old.events()[chosen]), "events keep their order"
    run(
        "extract",
        a0,
        "--label",
        99,
        "--channel",
        "FlowSOM_node",
        "--out-dir",
        tmp_path / "3",
        "--out",
        tmp_path / "3.tsv",
    )
    assert not (tmp_path / "3").exists()
    (row,) = tables.read(tmp_path / "3.tsv", tables.EXTRACTED).to_dict("records")
    assert (row["n_events"], row["written"]) == (0, "")
    shown = run("extract", a0, "--label", 99, "--channel", "FlowSOM_node", "--out-dir", tmp_path / "4", "--write-empty")
    assert "warning: FlowSOM_node 99: no event in any file; check the number or the name" in shown.stderr
    (path,) = (tmp_path / "4").iterdir()
    assert fcs.open(path).n_events == 0


def test_names_of_populations_lead_to_no_other_folder(study, clusters_path, tmp_path):
    frame = tables.read(clusters_path, tables.CLUSTERS)
    frame["population"] = ["../../up", "/etc/x", "CD3+ CD4-", "", "..", "a"]
    tables.write(frame, tmp_path / "c.tsv", tables.CLUSTERS)
    run("extract", study.labelled["a0.fcs"], "--clusters", tmp_path / "c.tsv", "--out-dir", tmp_path / "deep" / "out")
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.fcs"))
    assert len(written) == 4, "a file per population with events"
    assert all(name.startswith("deep/out/a0_") and name.count("/") == 2 for name in written)
    assert "deep/out/a0_CD3+_CD4-.fcs" in written
    assert "deep/out/a0_unclassified.fcs" in written


def test_extract_counts_what_the_summary_counts(study, clusters_path, tmp_path):
    from immport_cyto import population

    counts, _ = population.count_clusters(study.labelled, tables.read(clusters_path, tables.CLUSTERS))
    run(
        "extract", study.folder / "labelled", "--clusters", clusters_path, "--out-dir", tmp_path / "out", "--out",
        tmp_path / "e.tsv",
    )  # fmt: skip
    found = tables.read(tmp_path / "e.tsv", tables.EXTRACTED)
    key = ["file_name", "population"]
    expected = counts.set_index(key)["n_events"].astype(int)
    assert found.set_index(key)["n_events"].astype(int).sort_index().to_dict() == expected.sort_index().to_dict()


def test_match_over_two_studies(study, clusters_path, tmp_path):
    other = make_study(tmp_path / "other", n_files=2, seed=50)
    frame, medians = cluster.summarize(other.model, other.labelled)
    tables.write(frame.assign(study_accession="SDY2"), tmp_path / "c.tsv", tables.CLUSTERS)
    tables.write(medians.assign(study_accession="SDY2"), tmp_path / "m.tsv", tables.CLUSTER_MEDIANS)
    shown = run(
        "match", "--clusters", clusters_path, "--clusters", tmp_path / "c.tsv", "--medians",
        study.folder / "medians.tsv", "--medians", tmp_path / "m.tsv", "--out", tmp_path / "out.tsv",
    )  # fmt: skip
    found = tables.read(tmp_path / "out.tsv", tables.MATCHES)
    assert len(found) == 4 + 4, "metaclusters without events are left out"
    best = found[found["mutual_best"].astype(bool) & (found["study_accession"] == "SDY1")]
    assert len(best) == 4
    assert best["distance"].max() < 0.1
    assert "8 metaclusters of 2 studies and panels" in shown.stderr
    assert "warning" not in shown.stderr
    shown = run(
        "match", "--clusters", clusters_path, "--clusters", tmp_path / "c.tsv", "--medians",
        study.folder / "medians.tsv", "--medians", tmp_path / "m.tsv", "--out", tmp_path / "out.tsv",
        "--min-shared", 9,
    )  # fmt: skip
    assert f"SDY1 {PANEL} and SDY2 {PANEL} share 4 markers and are not matched (--min-shared 9)" in shown.stderr


def test_summary_is_one_page_without_network(study, clusters_path, tmp_path):
    arguments = [
        "summary", study.folder / "labelled", "--model", study.model_path, "--clusters", clusters_path, "--title",
        "<script>alert(1)</script>",
    ]  # fmt: skip
    shown = run(
        *arguments, "--out", tmp_path / "s.html", "--statistics", tmp_path / "s.tsv", "--abundances",
        tmp_path / "a.tsv", "--figures-dir", tmp_path / "figures", "--jobs", 2,
    )  # fmt: skip
    page = (tmp_path / "s.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "three &lt;b&gt;&amp;" in page
    assert "three <b>" not in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert page.count('<img src="data:image/svg+xml;base64,') == 8
    statistics = tables.read(tmp_path / "s.tsv", tables.STATISTICS)
    assert len(statistics) == (25 + 6) * 4
    assert len(tables.read(tmp_path / "a.tsv", tables.ABUNDANCES)) == 8 * (25 + 6)
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"tree", "stars", "stars-grid", "heatmap", "markers", "abundances", "drift", "scatters"}
    assert "6 metaclusters, " in shown.stderr
    run(*arguments, "--out", tmp_path / "again.html", "--jobs", 1)
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "s.html").read_bytes()


def test_the_curves_behind_a_chosen_number_are_drawn(study, tmp_path):
    run(
        "flowsom", study.files["a0.fcs"], "--models-dir", tmp_path / "m", "--clusters", tmp_path / "c.tsv", "--medians",
        tmp_path / "d.tsv", "--grid", "4x4", "--metaclusters", "auto", "--out-dir", tmp_path / "fcs", "--figures-dir",
        tmp_path / "figures", "--quiet",
    )  # fmt: skip
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {f"{PANEL}.svg", f"{PANEL}-number.svg"}
    model = cluster.load(tmp_path / "m" / f"{PANEL}.npz")
    text = (tmp_path / "figures" / f"{PANEL}-number.svg").read_text()
    assert text.count(f"k = {model.n_metaclusters_}<") == 2
    run(
        "summary", tmp_path / "fcs", "--model", tmp_path / "m" / f"{PANEL}.npz", "--out", tmp_path / "s.html",
        "--figures-dir", tmp_path / "page",
    )  # fmt: skip
    assert (tmp_path / "page" / "number.svg").read_text() == text


def test_export_for_r_and_flowjo(study, clusters_path, tmp_path):
    run(
        "export", study.folder / "labelled", "--model", study.model_path, "--clusters", clusters_path, "--model-json",
        tmp_path / "m.json", "--codes", tmp_path / "codes.csv", "--events-dir", tmp_path / "all",
    )  # fmt: skip
    content = json.loads((tmp_path / "m.json").read_text())
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(export_schema(25, 4, 6))
    assert [error.message for error in validator.iter_errors(content)] == []
    assert [error.message for error in validator.iter_errors({**content, "codes": content["codes"][:-1]})]
    assert content["markers"] == study.model.markers
    assert np.array_equal(np.array(content["scaled_codes"], np.float32), study.model.codes_)
    assert np.allclose(content["codes"], study.model.codes_)
    assert content["metaclusters"] == study.model.metaclusters_.tolist()
    assert content["metacluster_names"] == ["one", "rest", "three <b>&", "rest", "five", "six"]
    assert np.array_equal(np.array(content["spanning_tree"]) - 1, study.model.spanning_tree())
    filled = study.model.node_counts_ > 0
    assert [limit is not None for limit in content["distance_thresholds"]] == filled.tolist()
    with (tmp_path / "codes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["metacluster"]) for row in rows] == content["metaclusters"]
    assert [float(row["CD19"]) for row in rows] == [code[0] for code in content["codes"]]
    assert [(row["grid_row"], row["grid_column"]) for row in rows[4:6]] == [("1", "5"), ("2", "1")]
    for name, path in study.labelled.items():
        table = pd.read_csv(tmp_path / "all" / f"{name}.csv")
        with fcs.open(path) as file:
            assert list(table.columns) == file.names
            assert np.array_equal(table.to_numpy(np.float32), file.events())
    run(
        "export",
        study.labelled["a0.fcs"],
        "--model",
        study.model_path,
        "--events-dir",
        tmp_path / "l",
        "--columns",
        "clusters",
    )
    assert list(pd.read_csv(tmp_path / "l" / "a0.fcs.csv").columns) == ["FlowSOM_node", "FlowSOM_metacluster"]


def test_exported_elements_have_the_names_of_the_inputs(study, tmp_path):
    source = next(iter(study.labelled.values()))
    given, made = tmp_path / "files.json", tmp_path / "galaxy.json"
    given.write_text(json.dumps([{"name": "Sample 1/2 (γδ)", "path": str(source)}]))
    more = ("--events-dir", tmp_path / "events", "--elements", made)
    run("export", "--files", given, "--model", study.model_path, *more)
    (element,) = json.loads(made.read_text())["events"]["elements"]
    assert (element["name"], element["ext"]) == ("Sample 1/2 (γδ)", "csv")
    with fcs.open(source) as file:
        assert np.array_equal(pd.read_csv(element["filename"]).to_numpy(np.float32), file.events())


def test_codes_are_exported_on_the_scale_of_the_events(tmp_path):
    X, _ = blobs(T_CELLS, [200, 200, 200, 200])
    model = cluster.FlowSOM((3, 3), n_metaclusters=3, scale="zscore").fit(X * [1, 10, 100, 1000] + [5, 0, 0, -7])
    model.save(tmp_path / "m.npz")
    run("export", "--model", tmp_path / "m.npz", "--model-json", tmp_path / "m.json")
    content = json.loads((tmp_path / "m.json").read_text())
    values = (np.array(content["codes"]) - content["offset"]) / content["scale"]
    assert np.allclose(values, content["scaled_codes"], atol=1e-6)
    assert np.array(content["codes"])[:, 3].max() > 3000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "x.fcs", "--out", "o"], "give either --group, to compare samples, or --labels"),
        (["compare", "{a0}", "--out", "o", "--group", "arm_name"], "--group needs --model and --samples"),
        (["extract", "{a0}", "--out-dir", "o"], "say what to extract: --metacluster, or --clusters with --population"),
        (["extract", "{a0}", "--out-dir", "o", "--population", "x"], "--population needs --clusters with the names"),
        (
            ["merge", "{a0}", "--model", "{model}", "--table", "t", "--out", "o"],
            "give files and --out-dir together",
        ),
        (
            ["merge", "--model", "{model}", "--table", "t", "--out", "o", "--medians", "m"],
            "--medians needs files and --out-dir",
        ),
        (["export", "--model", "{model}"], "nothing would be written; give --model-json, --codes or --events-dir"),
        (["map", "{a0}", "--model", "{model}", "--out-dir", "o", "--mad", "-1"], "Invalid value for '--mad'"),
    ],
)
def test_wrong_usage(study, arguments, message):
    places = {"a0": study.labelled["a0.fcs"], "model": study.model_path}
    shown = run(*(argument.format(**places) for argument in arguments), code=2)
    assert message in shown.stderr


def test_what_does_not_fit(study, clusters_path, tmp_path):
    a0 = study.labelled["a0.fcs"]
    with pytest.raises(OptionError, match=r"^a0.fcs: no population 'NK' in clusters.tsv; use one of: one, rest"):
        run("extract", a0, "--clusters", clusters_path, "--population", "NK", "--out-dir", tmp_path / "o")
    frame = tables.read(clusters_path, tables.CLUSTERS)
    tables.write(frame.assign(panel_id="other"), tmp_path / "other.tsv", tables.CLUSTERS)
    with pytest.raises(OptionError, match=r"^a0.fcs: clusters.tsv has no metacluster of flow-4m-x"):
        run("extract", a0, "--clusters", tmp_path / "other.tsv", "--out-dir", tmp_path / "o")
    both = tables.concat([frame, frame.assign(study_accession="SDY2")], tables.CLUSTERS)
    tables.write(both, tmp_path / "both.tsv", tables.CLUSTERS)
    with pytest.raises(
        OptionError, match=r"^a0.fcs: clusters.tsv holds several studies with its panel; give --samples"
    ):
        run("extract", a0, "--clusters", tmp_path / "both.tsv", "--out-dir", tmp_path / "o")
    run(
        "extract", a0, "--clusters", tmp_path / "both.tsv", "--samples", study.samples_path, "--population", "one",
        "--out-dir", tmp_path / "yes",
    )  # fmt: skip
    assert [path.name for path in (tmp_path / "yes").iterdir()] == ["a0_one.fcs"]
    with pytest.raises(
        OptionError, match=r"other.tsv: has no metacluster of .*model.npz; give the table that was written"
    ):
        run("summary", a0, "--model", study.model_path, "--clusters", tmp_path / "other.tsv", "--out", tmp_path / "x")
    with pytest.raises(ModelError, match="no such model file"):
        run("summary", a0, "--model", tmp_path / "none.npz", "--out", tmp_path / "x")
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "x").exists()


def test_map_refuses_another_scale_unless_it_is_allowed(tmp_path):
    X, _ = blobs(T_CELLS, [400, 300, 200, 100])
    for name, transform in (("a.fcs", "arcsinh:cofactor=5"), ("b.fcs", "arcsinh:cofactor=150")):
        preprocessed(tmp_path / name, X, transform=transform)
    run(
        "flowsom", tmp_path / "a.fcs", "--grid", "4x4", "--metaclusters", "4", "--models-dir", tmp_path / "models",
        "--clusters", tmp_path / "clusters.tsv", "--medians", tmp_path / "medians.tsv", "--quiet",
    )  # fmt: skip
    (model,) = (tmp_path / "models").iterdir()
    found = "b.fcs: markers CD19, CD3, CD4, CD8 are on the scale arcsinh:cofactor=150, in the training of the model on "
    call = ("map", tmp_path / "a.fcs", tmp_path / "b.fcs", "--model", model, "--out-dir", tmp_path / "out", "--quiet")
    with pytest.raises(PanelError, match=found):
        run(*call)
    assert not (tmp_path / "out").exists()
    shown = run(*call, "--any-scale", "--json", tmp_path / "p.json")
    assert f"warning: {found}arcsinh:cofactor=5" in shown.stderr
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["warnings"] == [f"{found}arcsinh:cofactor=5"]
    assert record["parameters"]["any_scale"] is True
