"""``cluster flock`` and ``cluster flock-map`` as a user calls them."""

import json
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.cluster import group
from immport_cyto.cluster import FLOCK, flock
from immport_cyto.cluster.flock import outputs
from immport_cyto.exceptions import AnalysisError, LinkError, ModelError, OptionError, OutputExistsError, PanelError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.flock_tables import write_text

SIZES = [400, 300, 200, 100]


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
        X, _ = blobs(T_CELLS, SIZES, seed=i)
        preprocessed(source / name, X, panel_id="flow-4m-x")
    X, _ = blobs(T_CELLS, SIZES, seed=9)
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


def train(source, out, *options):
    return run(
        "flock", source, "--models-dir", out / "models", "--profiles", out / "p.tsv", "--counts", out / "c.tsv",
        "--medians", out / "m.tsv", "--out-dir", out / "files", "--json", out / "p.json", *options,
    )  # fmt: skip


def test_a_model_per_study_and_panel(folder, tmp_path):
    shown = train(folder, tmp_path / "out", "--samples", tmp_path / "samples.tsv", "--jobs", 1)
    out = tmp_path / "out"
    assert "SDY1 flow-4m-x: running FLOCK 2 on 2 files" in shown.stderr
    assert "mapping files: 2/2" in shown.stderr
    groups = {"SDY1-flow-4m-x", "SDY2-flow-3m-y", "SDY2-flow-4m-x"}
    models = {path.stem: flock.load(path) for path in (out / "models").iterdir()}
    assert set(models) == groups
    assert models["SDY1-flow-4m-x"].training == [("a.fcs", 1000), ("b.fcs", 1000)]
    counts = tables.read(out / "c.tsv", tables.COUNTS)
    assert counts.groupby("file_name")["n_events"].sum().to_dict() == dict.fromkeys(
        ["a.fcs", "b.fcs", "c.fcs", "d.fcs"], 1000
    )
    assert set(counts.loc[counts["file_name"] == "c.fcs", "population"]) == {
        f"FLOCK {p} of SDY2 flow-4m-x" for p in range(1, models["SDY2-flow-4m-x"].n_populations_ + 1)
    }
    for name in ("a.fcs", "c.fcs"):
        with fcs.open(out / "files" / name) as file:
            labels = file.events(["FLOCK_population"])[:, 0].astype(int)
        expected = counts.loc[counts["file_name"] == name, "n_events"].tolist()
        assert np.bincount(labels, minlength=len(expected) + 1)[1:].tolist() == expected
    profiles = tables.read(out / "p.tsv", outputs.PROFILES)
    assert len(profiles) == sum(model.n_populations_ * len(model.markers) for model in models.values())
    medians = tables.read(out / "m.tsv", tables.MEDIANS)
    assert len(medians) == sum(
        len(model.training) * model.n_populations_ * len(model.markers) for model in models.values()
    )
    record = json.loads((out / "p.json").read_text())
    assert record["parameters"]["version"] == 2
    assert record["counts"]["events"] == 4000
    assert record["models"][0]["found"]["density"] == 3


def test_the_same_bytes_for_any_number_of_threads(folder, tmp_path, monkeypatch):
    train(folder, tmp_path / "1", "--jobs", 1, "--quiet")
    monkeypatch.setenv("GALAXY_SLOTS", "2")
    train(folder, tmp_path / "2", "--quiet")
    first = sorted(path for path in (tmp_path / "1").rglob("*") if path.is_file())
    assert len(first) == 2 + 4 + 4
    for path in first:
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes(), path.name


def test_the_counts_go_into_the_summary(folder, tmp_path):
    from immport_cyto import population

    train(folder, tmp_path / "out", "--samples", tmp_path / "samples.tsv", "--quiet")
    counts = tables.read(tmp_path / "out" / "c.tsv", tables.COUNTS)
    samples = tables.read(tmp_path / "samples.tsv", tables.SAMPLES)
    summary = population.summary(counts, samples)
    assert set(summary["method"]) == {"flock"}
    assert summary.groupby("file_name")["fraction"].sum().to_numpy() == pytest.approx(np.ones(4))


def test_text_tables_and_the_options_of_the_original(tmp_path):
    X, _ = blobs(T_CELLS, [3 * n for n in SIZES], seed=4)
    path = write_text(tmp_path / "x.flowtext", X, MARKERS, time=np.arange(len(X)))
    train(path, tmp_path / "out", "--flock-version", 1, "--bins", 8, "--density", 4, "--max-populations", 6, "--quiet")
    expected = FLOCK(1, bins=8, density=4, max_populations=6).fit(X.astype(np.float64))
    lines = (tmp_path / "out" / "files" / "x.flowtext").read_text().splitlines()
    assert [int(line.rsplit("\t", 1)[1]) for line in lines[1:]] == expected.labels_.tolist()
    counts = tables.read(tmp_path / "out" / "c.tsv", tables.COUNTS)
    assert counts["n_events"].tolist() == expected.counts_.tolist()
    assert counts["population"].tolist()[0] == "FLOCK 1"


def test_names_can_come_in_a_list(tmp_path):
    X, _ = blobs(T_CELLS, SIZES, seed=4)
    path = write_text(tmp_path / "dataset_1.dat", X, MARKERS)
    (tmp_path / "list.json").write_text(json.dumps([{"name": "first sample; rm -rf", "path": str(path)}]))
    run(
        "flock", "--files", tmp_path / "list.json", "--models-dir", tmp_path / "m", "--profiles", tmp_path / "p.tsv",
        "--out-dir", tmp_path / "files", "--quiet",
    )  # fmt: skip
    assert flock.load(tmp_path / "m" / "model.npz").training == [("first sample; rm -rf", 1000)]
    (written,) = (tmp_path / "files").iterdir()
    assert written.name.startswith("first_sample_rm_-rf")


def test_mapping_again_gives_the_files_of_the_training(folder, tmp_path):
    train(folder, tmp_path / "out", "--samples", tmp_path / "samples.tsv", "--quiet")
    models = [f"--model={path}" for path in (tmp_path / "out" / "models").iterdir()]
    shown = run("flock-map", folder, *models, "--out-dir", tmp_path / "again", "--counts", tmp_path / "c.tsv")
    assert "4000 events of 4 files mapped" in shown.stderr
    for name in ("a.fcs", "b.fcs", "c.fcs", "d.fcs"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / "files" / name).read_bytes()
    again, before = (tables.read(path, tables.COUNTS) for path in (tmp_path / "c.tsv", tmp_path / "out" / "c.tsv"))
    key = ["file_name", "number"]
    assert again.sort_values(key, ignore_index=True).equals(before.sort_values(key, ignore_index=True))


def test_known_centres_are_adjusted_to_each_file(folder, tmp_path):
    centres = write_text(tmp_path / "c.tsv", np.column_stack([[1, 2, 3, 4], T_CELLS]), ["Population", *MARKERS])
    run(
        "flock-map", folder / "a.fcs", folder / "b.fcs", "--centers", centres, "--counts", tmp_path / "counts.tsv",
        "--profiles", tmp_path / "p.tsv", "--json", tmp_path / "p.json", "--quiet",
    )  # fmt: skip
    counts = tables.read(tmp_path / "counts.tsv", tables.COUNTS)
    assert counts["n_events"].tolist() == SIZES * 2
    profiles = tables.read(tmp_path / "p.tsv", outputs.PROFILES)
    assert profiles["file_name"].unique().tolist() == ["a.fcs", "b.fcs"]
    assert profiles.loc[profiles["population"] == 1, "phenotype"].unique().tolist() == ["CD3++ CD4++ CD8- CD19-"]
    assert json.loads((tmp_path / "p.json").read_text())["counts"] == {"files": 2, "events": 2000}


def test_a_group_without_populations_does_not_stop_the_others(folder, tmp_path):
    preprocessed(folder / "d.fcs", np.zeros((5, 3)), ["CD14", "CD16", "CD56"], panel_id="flow-3m-y")
    shown = train(folder, tmp_path / "out", "--quiet")
    assert (
        "warning: flow-3m-y: not clustered: d.fcs: 5 events are too few, FLOCK needs at least 50; take a larger file"
        in shown.stderr
    )
    assert {path.stem for path in (tmp_path / "out" / "models").iterdir()} == {"flow-4m-x"}
    for name in ("a.fcs", "b.fcs", "c.fcs"):
        (folder / name).unlink()
    with pytest.raises(AnalysisError, match=r"^d\.fcs: 5 events are too few, FLOCK needs at least 50"):
        train(folder, tmp_path / "none", "--quiet")
    assert not (tmp_path / "none").exists()


def test_what_does_not_fit(folder, tmp_path):
    X, _ = blobs(T_CELLS, SIZES, seed=4)
    text = write_text(tmp_path / "x.txt", X, MARKERS)
    out = ["--models-dir", tmp_path / "m", "--profiles", tmp_path / "p.tsv"]
    with pytest.raises(OptionError, match=r"^x\.txt: is not an FCS file, others are; give FCS files and text tables"):
        run("flock", text, folder / "a.fcs", *out)
    with pytest.raises(LinkError, match=r"^x\.txt: has no row in samples\.tsv"):
        run("flock", text, "--samples", tmp_path / "samples.tsv", *out)
    with pytest.raises(OptionError, match="^max_populations is 3; give a whole number from 5 to 999 for version 1$"):
        run("flock", text, *out, "--flock-version", 1, "--max-populations", 3, "--quiet")
    with pytest.raises(OutputExistsError, match="would be overwritten by its own result; choose another --out-dir"):
        run("flock", text, *out, "--out-dir", tmp_path)
    with pytest.raises(ModelError, match=r"x\.txt: not a usable FLOCK model"):
        run("flock-map", text, "--model", text, "--counts", tmp_path / "c.tsv")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flock", "--bins", "5"], "5 is not in the range 6<=x<=50"),
        (["flock", "--flock-version", "3"], "'3' is not one of '1', '2'"),
        (["flock-map", "x"], "give either --model or --centers"),
        (["flock-map", "x", "--model", "m", "--centers", "c"], "give either --model or --centers"),
        (["flock-map", "x", "--model", "m"], "nothing would be written; give --out-dir, --counts"),
    ],
)
def test_wrong_usage(arguments, message):
    assert message in run(*arguments, code=2).stderr


def test_map_refuses_another_scale_unless_it_is_allowed(tmp_path):
    X, _ = blobs(T_CELLS, SIZES)
    for name, transform in (("a.fcs", "arcsinh:cofactor=5"), ("b.fcs", "")):
        preprocessed(tmp_path / name, X, transform=transform)
    run("flock", tmp_path / "a.fcs", "--models-dir", tmp_path / "models", "--profiles", tmp_path / "p.tsv", "--quiet")
    (model,) = (tmp_path / "models").iterdir()
    found = (
        "b.fcs: markers CD19, CD3, CD4, CD8 are on a scale that the file does not state, in the training of the model "
        "on arcsinh:cofactor=5"
    )
    call = ("flock-map", tmp_path / "a.fcs", tmp_path / "b.fcs", "--model", model, "--out-dir", tmp_path / "out")
    with pytest.raises(PanelError, match=found):
        run(*call, "--quiet")
    assert not (tmp_path / "out").exists()
    shown = run(*call, "--any-scale", "--json", tmp_path / "p.json", "--quiet")
    assert f"warning: {found}" in shown.stderr
    assert json.loads((tmp_path / "p.json").read_text())["warnings"] == [found]


def test_a_figure_of_the_populations(folder, tmp_path):
    train(folder, tmp_path / "out", "--figures-dir", tmp_path / "figures", "--quiet")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"flow-3m-y.svg", "flow-4m-x.svg"}
    text = (tmp_path / "figures" / "flow-4m-x.svg").read_text()
    rows = tables.read(tmp_path / "out" / "p.tsv", outputs.PROFILES).query("panel_id == 'flow-4m-x'")
    shown = re.findall(r">([^<>]+)</text>", text)
    assert [word for word in shown if word in MARKERS] == sorted(MARKERS, key=shown.index)
    signs = Counter(outputs.SIGNS[level - 1] for level in rows["level"])
    assert {sign: shown.count(sign) for sign in signs} == signs
    for share in rows.groupby("population")["percentage"].first():
        assert f"{share:.1f}" in [word.strip() for word in shown]
    train(folder, tmp_path / "again", "--figures-dir", tmp_path / "again", "--quiet")
    assert (tmp_path / "again" / "flow-4m-x.svg").read_text() == text
