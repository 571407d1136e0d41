"""``cluster merge`` of FLOCK models, and what goes on with its results: mapping, naming, counting, extracting."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import cluster, fcs, tables
from immport_cyto.cli.population import group as population_group
from immport_cyto.cluster import flock
from immport_cyto.cluster.flock import outputs
from immport_cyto.exceptions import ModelError, OptionError, OutputExistsError, PanelError, TableError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.cluster_study import run
from support.flock_tables import write_text

SIZES = [400, 300, 200, 100]


def labels_of(path):
    with fcs.open(path) as file:
        return file.events(["FLOCK_population"])[:, 0].astype(int)


def values_of(path, markers):
    with fcs.open(path) as file:
        return file.events([f"D{MARKERS.index(marker)}" for marker in markers])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three files of a panel, the second with a shift; a model of version 1 and the files labelled by it."""
    folder = tmp_path_factory.mktemp("study")
    for i, name in enumerate(["a.fcs", "b.fcs", "c.fcs"]):
        X, _ = blobs(T_CELLS, SIZES, seed=i)
        preprocessed(folder / "in" / name, X + 0.4 * (name == "b.fcs"), panel_id="flow-4m-x")
    train = ("flock", folder / "in", "--models-dir", folder, "--flock-version", 1, "--max-populations", 9, "--quiet")
    run(
        *train, "--profiles", folder / "p.tsv", "--out-dir", folder / "labelled", "--clusters", folder / "clusters.tsv",
        "--cluster-medians", folder / "medians.tsv",
    )  # fmt: skip
    return folder


@pytest.fixture
def model(study):
    return study / "flow-4m-x.npz"


def by_profile(study, model, out, *options):
    return run(
        "merge", "--model", model, "--by-profile", "--out", out / "m.npz", "--merges", out / "merges.tsv",
        "--clusters", out / "clusters.tsv", "--profiles", out / "p.tsv", *options,
    )  # fmt: skip


def test_a_merged_model_is_one_like_any_other(study, model, tmp_path):
    shown = by_profile(
        study, model, tmp_path, "--markers", "CD3,CD4", "--levels", "-,lo/+,++", "--figures-dir", tmp_path / "figures",
        "--json", tmp_path / "r.json",
    )  # fmt: skip
    before, merged = flock.load(model), flock.load(tmp_path / "m.npz")
    assert merged.n_populations_ < before.n_populations_
    k = merged.n_populations_
    assert f"m.npz: {before.n_populations_} populations became {k}, {k} of them with a name" in shown.stderr
    merges = tables.read(tmp_path / "merges.tsv", tables.MERGES)
    new = np.array([0, *merges["merged_metacluster"]])
    run(
        "flock-map", study / "in", "--model", tmp_path / "m.npz", "--out-dir", tmp_path / "mapped",
        "--counts", tmp_path / "counts.tsv", "--quiet",
    )  # fmt: skip
    for name in ("a.fcs", "b.fcs", "c.fcs"):
        assert np.array_equal(labels_of(tmp_path / "mapped" / name), new[labels_of(study / "labelled" / name)])
    counts = tables.read(tmp_path / "counts.tsv", tables.COUNTS)
    assert counts.groupby("file_name")["n_events"].sum().tolist() == [1000] * 3
    profiles = tables.read(tmp_path / "p.tsv", outputs.PROFILES)
    assert profiles.equals(tables.conform(outputs.training_profiles(merged), outputs.PROFILES))
    text = (tmp_path / "figures" / "flow-4m-x.svg").read_text()
    shares = {f"{share:.1f}" for share in profiles.groupby("population")["percentage"].first()}
    assert shares <= {word.strip() for word in re.findall(r">([^<>]+)</text>", text)}
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["counts"] == {
        "populations_in": before.n_populations_, "populations_out": k, "named": k, "files": 0, "events": 0,
    }  # fmt: skip
    assert record["parameters"] == {"by_profile": True, "markers": "CD3,CD4", "levels": "-,lo/+,++"}


def test_files_are_labelled_by_the_merged_model(study, model, tmp_path):
    by_profile(
        study, model, tmp_path, study / "labelled", "--out-dir", tmp_path / "out", "--medians", tmp_path / "cm.tsv"
    )  # fmt: skip
    again = tmp_path / "again"
    run("flock-map", study / "in", "--model", tmp_path / "m.npz", "--out-dir", again, "--quiet")
    for name in ("a.fcs", "b.fcs", "c.fcs"):
        assert (tmp_path / "out" / name).read_bytes() == (again / name).read_bytes()
    clusters = tables.read(tmp_path / "clusters.tsv", tables.CLUSTERS)
    labels = np.concatenate([labels_of(again / name) for name in ("a.fcs", "b.fcs", "c.fcs")])
    assert clusters["n_events"].tolist() == np.bincount(labels)[1:].tolist()
    X = np.concatenate([values_of(study / "in" / name, MARKERS) for name in ("a.fcs", "b.fcs", "c.fcs")])
    medians = tables.read(tmp_path / "cm.tsv", tables.CLUSTER_MEDIANS)
    for row in medians.itertuples():
        expected = np.median(X[labels == row.metacluster, MARKERS.index(row.marker)])
        assert row.median == pytest.approx(expected)


def test_adjusted_files_keep_their_populations(study, model, tmp_path):
    run("flock-map", study / "in", "--model", model, "--out-dir", tmp_path / "adjusted", "--adjust", "--quiet")
    by_profile(study, model, tmp_path, tmp_path / "adjusted", "--out-dir", tmp_path / "out", "--markers", "CD3")
    new = np.array([0, *tables.read(tmp_path / "merges.tsv", tables.MERGES)["merged_metacluster"]])
    for name in ("a.fcs", "b.fcs", "c.fcs"):
        found = labels_of(tmp_path / "out" / name)
        assert np.array_equal(found, new[labels_of(tmp_path / "adjusted" / name)])
        with fcs.open(tmp_path / "out" / name) as file:
            assert json.loads(file.keywords["ICYTO_FLOCK"])["adjusted"] is True


def test_tables_of_events(tmp_path):
    X, _ = blobs(T_CELLS, SIZES, seed=4)
    path = write_text(tmp_path / "x.flowtext", X, MARKERS, time=np.arange(len(X)))
    run(
        "flock", path, "--models-dir", tmp_path, "--profiles", tmp_path / "p.tsv", "--out-dir", tmp_path / "labelled",
        "--flock-version", 1, "--max-populations", 6, "--quiet",
    )  # fmt: skip
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n1\tboth\n2\tboth\n")
    run(
        "merge", tmp_path / "labelled" / "x.flowtext", "--model", tmp_path / "model.npz", "--table", tmp_path / "t.tsv",
        "--out", tmp_path / "m.npz", "--out-dir", tmp_path / "out", "--clusters", tmp_path / "c.tsv",
        "--medians", tmp_path / "cm.tsv",
    )  # fmt: skip
    before, after = (pd.read_csv(tmp_path / where / "x.flowtext", sep="\t") for where in ("labelled", "out"))
    assert list(after.columns) == ["Time", *MARKERS, "FLOCK_population"]
    new = np.maximum(before["FLOCK_population"] - 1, 1)
    assert after["FLOCK_population"].tolist() == new.tolist()
    clusters = tables.read(tmp_path / "c.tsv", tables.CLUSTERS)
    assert clusters["population"].tolist()[:2] == ["both", ""]
    assert clusters["n_events"].tolist() == np.bincount(new)[1:].tolist()
    medians = tables.read(tmp_path / "cm.tsv", tables.CLUSTER_MEDIANS)
    expected = after[list(MARKERS)].groupby(new).median()
    assert medians.pivot_table("median", "metacluster", "marker")[list(MARKERS)].to_numpy() == pytest.approx(
        expected.to_numpy()
    )


def ask(*arguments):
    result = CliRunner().invoke(population_group, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_populations_are_named_counted_and_extracted_as_metaclusters_are(study, tmp_path):
    cutoffs = pd.DataFrame({"marker": MARKERS, "cutoff": 2.0, "panel_id": "flow-4m-x", "study_accession": ""})
    cutoffs = cutoffs.assign(method="given", evidence=1.0, positive_fraction=0.5, n_events=1000)
    tables.write(cutoffs, tmp_path / "cutoffs.tsv", tables.CUTOFFS)
    ask(
        "label", "--clusters", study / "clusters.tsv", "--medians", study / "medians.tsv", "--cutoffs",
        tmp_path / "cutoffs.tsv", "--out", tmp_path / "named.tsv",
    )  # fmt: skip
    named = tables.read(tmp_path / "named.tsv", tables.CLUSTERS)
    assert set(named["channel"]) == {"FLOCK_population"}
    assert {"CD4 T cells", "CD8 T cells", "B cells"} <= set(named["population"])
    ids = [f"ES{i}" for i in range(3)]
    samples = pd.DataFrame({"file_name": ["a.fcs", "b.fcs", "c.fcs"], "sample_id": ids, "subject_accession": ids})
    tables.write(samples.assign(study_accession=""), tmp_path / "samples.tsv", tables.SAMPLES)
    ask(
        "summary", "--clustered", study / "labelled", "--clusters", tmp_path / "named.tsv", "--samples",
        tmp_path / "samples.tsv", "--out", tmp_path / "populations.tsv",
    )  # fmt: skip
    counted = tables.read(tmp_path / "populations.tsv", tables.POPULATIONS)
    assert set(counted["method"]) == {"flock"}
    b_cells = named.loc[named["population"] == "B cells", "metacluster"]
    for row in counted[counted["population"] == "B cells"].itertuples():
        assert row.n_events == np.isin(labels_of(study / "labelled" / row.file_name), b_cells).sum() == SIZES[2]
    ask("annotate", "--clusters", tmp_path / "named.tsv", "--out", tmp_path / "cl.tsv", "--top", 1)
    assert "CL:0000236" in set(tables.read(tmp_path / "cl.tsv", tables.ANNOTATIONS)["cl_id"])
    run(
        "extract", study / "labelled", "--clusters", tmp_path / "named.tsv", "--population", "B cells", "--out-dir",
        tmp_path / "b", "--out", tmp_path / "extracted.tsv",
    )  # fmt: skip
    extracted = tables.read(tmp_path / "extracted.tsv", tables.EXTRACTED)
    assert extracted["n_events"].tolist() == [SIZES[2]] * 3


def test_profiles_of_a_run_are_centres_for_the_next(study, tmp_path):
    run(
        "flock-map", study / "in", "--centers", study / "p.tsv", "--counts", tmp_path / "c.tsv", "--profiles",
        tmp_path / "p.tsv", "--center", "median", "--quiet",
    )  # fmt: skip
    first = tables.read(tmp_path / "c.tsv", tables.COUNTS).query("file_name == 'a.fcs'")
    model = flock.load(study / "flow-4m-x.npz")
    X = values_of(study / "in" / "a.fcs", model.markers)
    adjusted = model.adjust(X)
    assert first["n_events"].tolist() == adjusted.counts.tolist()
    rows = tables.read(tmp_path / "p.tsv", outputs.PROFILES).query("file_name == 'a.fcs'")
    for row in rows.itertuples():
        inside = X[adjusted.labels == row.population, model.markers.index(row.marker)]
        assert row.center == pytest.approx(np.median(inside)) if len(inside) else np.isnan(row.center)


def test_what_does_not_fit(study, model, tmp_path):
    som = cluster.FlowSOM((3, 3), n_metaclusters=3).fit(np.random.default_rng(0).normal(size=(200, 2)))
    som.save(tmp_path / "som.npz")
    out = ("--out", tmp_path / "m.npz")
    with pytest.raises(
        OptionError, match=r"som\.npz: is a FlowSOM model, and only populations of FLOCK have profiles; giv"
    ):
        run("merge", "--model", tmp_path / "som.npz", "--by-profile", *out)
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n1\tx\n")
    table = ("--table", tmp_path / "t.tsv")
    with pytest.raises(OptionError, match=r"som\.npz: is a FlowSOM model, and only .*; leave --profiles out"):
        run("merge", "--model", tmp_path / "som.npz", *table, *out, "--profiles", tmp_path / "p.tsv")
    with pytest.raises(OptionError, match=r"som\.npz: --figures-dir draws the medians of a FlowSOM model, which need"):
        run("merge", "--model", tmp_path / "som.npz", *table, *out, "--figures-dir", tmp_path / "f")
    with pytest.raises(OutputExistsError, match=r"would be overwritten by the merged model; give --out another name"):
        run("merge", "--model", model, "--by-profile", "--out", model)
    with pytest.raises(PanelError, match=r"^marker CD56 is not in the model"):
        run("merge", "--model", model, "--by-profile", "--markers", "CD56", *out)
    with pytest.raises(ModelError, match=r"t\.tsv: not a usable model; give the \.npz of cluster flow"):
        run("merge", "--model", tmp_path / "t.tsv", "--by-profile", *out)
    (tmp_path / "t.tsv").write_text("metacluster\tpopulation\n99\tx\n")
    with pytest.raises(TableError, match="the table of merges names metacluster 99; the model has 1 to"):
        run("merge", "--model", model, *table, *out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["som.npz", "t.tsv"]


def test_nothing_to_merge_is_said(study, model, tmp_path):
    assert (
        "warning: no two populations were merged" not in by_profile(study, model, tmp_path, "--markers", "CD3").stderr
    )
    run("merge", "--model", tmp_path / "m.npz", "--by-profile", "--markers", "CD3", "--out", tmp_path / "n.npz")
    again = run("merge", "--model", tmp_path / "m.npz", "--by-profile", "--markers", "CD3", "--out", tmp_path / "n.npz")
    assert "warning: no two populations were merged" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --table or --by-profile"),
        (("--by-profile", "--table", "t"), "give either --table or --by-profile"),
        (("--table", "t", "--markers", "CD3"), "--markers and --levels go with --by-profile"),
        (("--by-profile", "--medians", "m"), "--medians needs files and --out-dir"),
        (("--by-profile", "--out-dir", "m"), "give files and --out-dir together, or neither"),
    ],
)
def test_wrong_usage(options, message):
    assert message in run("merge", "--model", "m", "--out", "o", *options, code=2).stderr
