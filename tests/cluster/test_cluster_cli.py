"""``cluster flowsom`` and ``cluster map`` as a user calls them."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import cluster, fcs, tables
from immport_cyto.cli.cluster import group
from immport_cyto.exceptions import AnalysisError, MissingExtraError, ModelError, OptionError, OutputExistsError
from support.cluster_events import T_CELLS, blobs, preprocessed


def run(*arguments, code=0):
    """Run a verb in-process; an error of ours comes out as itself."""
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def folder(tmp_path):
    """Two studies of one panel, and a file of another panel in the second."""
    source = tmp_path / "in"
    source.mkdir()
    for i, name in enumerate(["a.fcs", "b.fcs", "c.fcs"]):
        X, _ = blobs(T_CELLS, [300 + 50 * i, 200, 150, 60], seed=i)
        preprocessed(source / name, X, panel_id="flow-4m-x")
    X, _ = blobs(T_CELLS, [100, 100, 100, 100], seed=9)
    preprocessed(source / "d.fcs", X[:, :3], ["CD14", "CD16", "CD56"], panel_id="flow-3m-y")
    samples = pd.DataFrame(
        {
            "file_name": ["a.fcs", "b.fcs", "c.fcs", "d.fcs"],
            "sample_id": ["ES1", "ES2", "ES3", "ES4"],
            "study_accession": ["SDY1", "SDY1", "SDY2", "SDY2"],
            "subject_accession": ["SUB1", "SUB2", "SUB3", "SUB4"],
        }
    )
    tables.write(samples, tmp_path / "samples.tsv", tables.SAMPLES)
    return source


def train(folder, out, *options):
    return run(
        "flowsom", folder, "--samples", folder.parent / "samples.tsv", "--models-dir", out / "models", "--clusters",
        out / "c.tsv", "--medians", out / "m.tsv", "--out-dir", out / "fcs", "--grid", "4x4", "--metaclusters", 4,
        "--seed", 3, "--json", out / "p.json", "--figures-dir", out / "figures", *options,
    )  # fmt: skip


def test_a_model_per_study_and_panel(folder, tmp_path):
    shown = train(folder, tmp_path / "out", "--jobs", 1)
    out = tmp_path / "out"
    assert "SDY1-flow-4m-x: 4 markers, 16 nodes, 4 metaclusters, 2 files, quantization error" in shown.stderr
    assert "mapping files: 2/2" in shown.stderr
    groups = {"SDY1-flow-4m-x", "SDY2-flow-3m-y", "SDY2-flow-4m-x"}
    assert {path.stem for path in (out / "models").iterdir()} == groups
    assert {path.stem for path in (out / "figures").iterdir()} == groups
    clusters = tables.read(out / "c.tsv", tables.CLUSTERS)
    assert clusters.groupby(["study_accession", "panel_id"])["n_events"].sum().to_dict() == {
        ("SDY1", "flow-4m-x"): 710 + 760,
        ("SDY2", "flow-4m-x"): 810,
        ("SDY2", "flow-3m-y"): 400,
    }
    medians = tables.read(out / "m.tsv", tables.CLUSTER_MEDIANS)
    assert len(medians) == 4 * (4 + 4 + 3)
    record = json.loads((out / "p.json").read_text())
    assert record["parameters"]["seed"] == 3
    assert record["counts"] == {"models": 3, "files": 4, "events": 2680, "metaclusters": 12}
    assert record["models"][0]["training"] == [
        {"file_name": "a.fcs", "n_events": 710},
        {"file_name": "b.fcs", "n_events": 760},
    ]


def test_the_same_bytes_for_any_number_of_threads(folder, tmp_path, monkeypatch):
    train(folder, tmp_path / "1", "--jobs", 1, "--quiet")
    monkeypatch.setenv("GALAXY_SLOTS", "2")
    train(folder, tmp_path / "2", "--quiet")
    # the bytes of figures are the report stage's to keep
    first = sorted(path for path in (tmp_path / "1").rglob("*") if path.is_file() and path.suffix != ".svg")
    assert [path.suffix for path in first].count(".fcs") == 4
    assert len(first) == 3 + 4 + 3
    for path in first:
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes(), path.name


def test_mapping_again_gives_the_files_of_the_training(folder, tmp_path):
    train(folder, tmp_path / "out", "--quiet")
    models = [f"--model={path}" for path in (tmp_path / "out" / "models").iterdir()]
    shown = run("map", folder, *models, "--out-dir", tmp_path / "again", "--clusters", tmp_path / "c.tsv", "--quiet")
    assert "2680 events of 4 files mapped" in shown.stderr
    for name in ("a.fcs", "b.fcs", "c.fcs", "d.fcs"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / "fcs" / name).read_bytes()
    again, before = (tables.read(path, tables.CLUSTERS) for path in (tmp_path / "c.tsv", tmp_path / "out" / "c.tsv"))
    key = ["study_accession", "panel_id", "metacluster"]
    assert again.sort_values(key, ignore_index=True).equals(before.sort_values(key, ignore_index=True))


def test_a_new_file_needs_one_model_of_its_panel(folder, tmp_path):
    train(folder, tmp_path / "out", "--quiet")
    models = {path.stem: f"--model={path}" for path in (tmp_path / "out" / "models").iterdir()}
    X, _ = blobs(T_CELLS, [50, 40, 30, 20], seed=77)
    new = preprocessed(tmp_path / "new.fcs", X, panel_id="flow-4m-x")
    with pytest.raises(ModelError, match=r"^new.fcs: has the panel flow-4m-x of 2 of the models .* give only the one"):
        run("map", new, *models.values(), "--out-dir", tmp_path / "new", "--quiet")
    run("map", new, models["SDY1-flow-4m-x"], models["SDY2-flow-3m-y"], "--out-dir", tmp_path / "new", "--quiet")
    model = cluster.load(tmp_path / "out" / "models" / "SDY1-flow-4m-x.npz")
    with fcs.open(tmp_path / "new" / "new.fcs") as file:
        assert np.array_equal(file.events(["FlowSOM_node"])[:, 0], model.predict(X[:, [3, 0, 1, 2]]) + 1)
    other = preprocessed(tmp_path / "other.fcs", X, panel_id="flow-9m-z")
    with pytest.raises(ModelError, match=r"^other.fcs: no model was trained on this file or its panel"):
        run("map", other, *models.values(), "--out-dir", tmp_path / "new", "--quiet")


def test_names_can_come_in_a_list(folder, tmp_path):
    listed = [{"name": "first sample.fcs", "path": str(folder / "a.fcs")}]
    (tmp_path / "list.json").write_text(json.dumps(listed))
    run(
        "flowsom", "--files", tmp_path / "list.json", "--models-dir", tmp_path / "models", "--clusters",
        tmp_path / "c.tsv", "--medians", tmp_path / "m.tsv", "--grid", "3x3", "--metaclusters", 2, "--quiet",
    )  # fmt: skip
    (path,) = (tmp_path / "models").iterdir()
    assert cluster.load(path).training == [("first sample.fcs", 710)]


def test_a_group_that_cannot_be_clustered_does_not_stop_the_others(folder, tmp_path):
    preprocessed(folder / "d.fcs", np.zeros((5, 3)), ["CD14", "CD16", "CD56"], panel_id="flow-3m-y")
    shown = train(folder, tmp_path / "out", "--quiet")
    assert "warning: SDY2 flow-3m-y: not clustered: d.fcs: 5 events for 16 nodes" in shown.stderr
    assert len(tables.read(tmp_path / "out" / "c.tsv", tables.CLUSTERS)) == 8
    for name in ("a.fcs", "b.fcs", "c.fcs"):
        (folder / name).unlink()
    with pytest.raises(AnalysisError, match="5 events for 16 nodes"):
        train(folder, tmp_path / "none", "--quiet")
    assert not (tmp_path / "none").exists()


def test_the_input_is_not_overwritten(folder, tmp_path):
    train(folder, tmp_path / "out", "--quiet")
    model = tmp_path / "out" / "models" / "SDY1-flow-4m-x.npz"
    with pytest.raises(OutputExistsError, match="would be overwritten by its own result; choose another --out-dir"):
        run("map", folder / "a.fcs", "--model", model, "--out-dir", folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--grid", "10"], "is not of the form 10x10"), (["--metaclusters", "x"], "is neither a number nor auto")],
)
def test_wrong_usage(folder, tmp_path, arguments, message):
    shown = run("flowsom", folder, "--models-dir", tmp_path / "m", *arguments, code=2)
    assert message in shown.stderr


def test_distance_and_choice_of_the_number_are_parameters_of_the_model(folder, tmp_path):
    out = tmp_path / "out"
    train(folder, out, "--distance", "manhattan", "--metaclusters", "delta-area", "--quiet")
    parameters = json.loads((out / "p.json").read_text())["parameters"]
    assert (parameters["distance"], parameters["n_metaclusters"]) == ("manhattan", "delta-area")
    model = cluster.load(out / "models" / "SDY1-flow-4m-x.npz")
    assert model.distance == "manhattan"
    assert len(model.consensus_area_) == 16


def test_a_scheduler_that_is_not_there_is_one_sentence(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("immport_cyto.cluster.execution.CONNECT_SECONDS", 1)
    with pytest.raises(
        (OptionError, MissingExtraError), match=r"no Dask scheduler answers there|immport-cyto\[distributed\]"
    ):
        train(folder, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert not (tmp_path / "out" / "models").exists()
