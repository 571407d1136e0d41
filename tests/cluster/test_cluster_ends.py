"""The ends of what is clustered: files without events, long work with its progress, outputs that cannot be written."""

import json

import pytest

from immport_cyto import cluster, fcs, tables
from immport_cyto.exceptions import InputError, OptionError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.cluster_study import PANEL, make_study, run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), n_files=4)


def test_a_file_without_events_goes_all_the_way(study, tmp_path):
    X, _ = blobs(T_CELLS, [1, 0, 0, 0])
    preprocessed(tmp_path / "e" / "e.fcs", X[:0], panel_id=PANEL)
    run(
        "map", tmp_path / "e", "--model", study.model_path, "--out-dir", tmp_path / "f",
        "--clusters", tmp_path / "c.tsv", "--medians", tmp_path / "m.tsv", "--drift", tmp_path / "d.tsv",
        "--outliers", tmp_path / "o.tsv", "--figures-dir", tmp_path / "figures", "--quiet",
    )  # fmt: skip
    with fcs.open(tmp_path / "f" / "e.fcs") as file:
        assert (file.n_events, file.names[-2:]) == (0, ["FlowSOM_node", "FlowSOM_metacluster"])
    clusters = tables.read(tmp_path / "c.tsv", tables.CLUSTERS)
    assert clusters["n_events"].tolist() == [0] * study.model.n_metaclusters_
    assert ">no events<" in (tmp_path / "figures" / f"SDY1-{PANEL}.svg").read_text()
    shown = run(
        "summary", tmp_path / "f", "--model", study.model_path, "--out", tmp_path / "s.html", "--statistics",
        tmp_path / "s.tsv", "--quiet",
    )  # fmt: skip
    assert shown.stderr.endswith("s.html: 6 metaclusters, 0 events of 1 files\n")
    assert tables.read(tmp_path / "s.tsv", tables.STATISTICS)["median"].isna().all()


def test_long_work_tells_where_it_is(study, tmp_path):
    arguments = ["summary", study.folder / "labelled", "--model", study.model_path, "--out", tmp_path / "s.html"]
    said = run(*arguments).stderr
    steps = [
        "mapping files: 4/4", "describing nodes (markers): 4/4", "describing metaclusters (markers): 4/4",
        "drawing figures: 8/8",
    ]  # fmt: skip
    for step in steps:
        assert step in said
    assert run(*arguments, "--quiet").stderr.count("\n") == 1


def test_outputs_that_cannot_be_written_are_refused_before_the_training(study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/c\.tsv: cannot be written \(.*file is a file\); choose another"):
        run(
            "flowsom", study.files["a0.fcs"], "--models-dir", tmp_path / "m", "--clusters", tmp_path / "file" / "c.tsv",
            "--medians", tmp_path / "m.tsv", "--out-dir", tmp_path / "f",
        )  # fmt: skip
    with pytest.raises(InputError, match=r"file/s\.tsv: cannot be written"):
        run(
            "summary", study.labelled["a0.fcs"], "--model", study.model_path, "--out", tmp_path / "s.html",
            "--statistics", tmp_path / "file" / "s.tsv",
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_with_blanks_in_their_names_keep_their_row_of_the_samples(study, tmp_path):
    samples = tables.read(study.samples_path, tables.SAMPLES)
    samples["file_name"] = [f"Sample {i} (x).fcs.gz" for i in range(len(samples))]
    tables.write(samples, tmp_path / "samples.tsv", tables.SAMPLES)
    files = {}
    for i, name in enumerate(samples["file_name"]):
        X, _ = blobs(T_CELLS, [300, 200, 100, 80], seed=i)
        files[name] = preprocessed(tmp_path / "pre" / f"{i}.fcs", X, MARKERS, panel_id=PANEL)
        keywords = {**fcs.open(files[name]).keywords, "ICYTO_FILE": name}
        fcs.write(files[name], X, list(zip("ABCD", MARKERS, strict=True)), keywords)
    model = cluster.flowsom_files(files, grid=(3, 3), n_metaclusters=3, study_accession="SDY1", panel_id=PANEL)
    model.save(tmp_path / "m.npz")
    listed = [{"name": name, "path": str(path)} for name, path in files.items()]
    (tmp_path / "files.json").write_text(json.dumps(listed))
    out = tmp_path / "f"
    run("map", "--files", tmp_path / "files.json", "--model", tmp_path / "m.npz", "--out-dir", out, "--quiet")
    assert min(path.name for path in out.iterdir()).startswith("Sample_0_x_")
    run(
        "compare", out, "--model", tmp_path / "m.npz", "--samples", tmp_path / "samples.tsv", "--group",
        "arm_name", "--out", tmp_path / "o.tsv",
    )  # fmt: skip
    assert set(tables.read(tmp_path / "o.tsv", tables.COMPARISON)["n_group"]) == {2}


def test_a_population_that_some_panels_lack_is_taken_from_the_others(tmp_path):
    X, _ = blobs(T_CELLS, [300, 200, 100, 80])
    rows = []
    for panel_id, population in (("p1", "B cells"), ("p2", "NK cells")):
        files = {f"{panel_id}.fcs": preprocessed(tmp_path / "pre" / f"{panel_id}.fcs", X, panel_id=panel_id)}
        model = cluster.flowsom_files(files, grid=(3, 3), n_metaclusters=2, panel_id=panel_id)
        cluster.map_file(model, files[f"{panel_id}.fcs"], tmp_path / "f" / f"{panel_id}.fcs")
        clusters, _ = cluster.summarize(model, {f"{panel_id}.fcs": tmp_path / "f" / f"{panel_id}.fcs"})
        rows.append(clusters.assign(population=["T cells", population]))
    tables.write(tables.concat(rows, tables.CLUSTERS), tmp_path / "c.tsv", tables.CLUSTERS)
    arguments = ["extract", tmp_path / "f", "--clusters", tmp_path / "c.tsv", "--out", tmp_path / "o.tsv"]
    shown = run(*arguments, "--population", "B cells", "--population", "T cells", "--out-dir", tmp_path / "out")
    said = "warning: 1 of 2 files are of a study or panel without the population 'B cells' (p2.fcs)"
    assert said in shown.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "p1_B_cells.fcs",
        "p1_T_cells.fcs",
        "p2_T_cells.fcs",
    ]
    assert len(tables.read(tmp_path / "o.tsv", tables.EXTRACTED)) == 3
    with pytest.raises(OptionError, match=r"^p1.fcs, p2.fcs: no population 'b cell' in .*; did you mean 'B cells'\?"):
        run(*arguments, "--population", "b cell", "--out-dir", tmp_path / "out")
