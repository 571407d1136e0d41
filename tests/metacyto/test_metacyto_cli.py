"""``--method metacyto`` on the command line and in study.yaml."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, metacyto, study, tables
from immport_cyto.cli._main import cli
from immport_cyto.exceptions import ImmportCytoError, OptionError
from support import population_files

MARKERS = population_files.MARKERS


def run(*arguments: object) -> str:
    """Run the command line; give what it says."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def acquired(folder: Path, n_files: int = 6) -> None:
    """FCS files as acquired, with their samples: more B cells in the old."""
    rows = []
    for i in range(n_files):
        age = 30 + 8 * i
        values, _ = population_files.cells(400, seed=i, shares={"B": 0.05 + 0.1 * i})
        raw = np.sinh(values) * 150
        fcs.write(
            folder / f"s{i}.fcs",
            np.column_stack([np.full(len(raw), 5e4), raw]),
            [("FSC-A", ""), *((f"FL{j}-A", marker) for j, marker in enumerate(MARKERS, 1))],
        )
        rows.append(
            f"s{i}.fcs\tES{i}\t{'SDY1' if i < 3 else 'SDY2'}\tSUB{i}\t{age + i % 2}\t{'Male' if i % 2 else 'Female'}"
        )
    header = "file_name\tsample_id\tstudy_accession\tsubject_accession\tage_years\tsex"
    (folder / "samples.tsv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture(scope="module")
def preprocessed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    acquired(folder)
    for i in range(6):
        said = run(
            "events", "preprocess", folder / f"s{i}.fcs", "--method", "metacyto", "--rename", "CD56=NCAM", "--out",
            folder / "out" / f"s{i}.fcs", "--qc", folder / "qc.tsv", "--json", folder / "p.json",
        )  # fmt: skip
    assert "s5.fcs: 400 of 400 events kept" in said
    parameters = json.loads((folder / "p.json").read_text())["parameters"]
    assert (parameters["method"], parameters["rename"]) == ("metacyto", ["CD56=NCAM"])
    return folder


def test_the_whole_way(preprocessed, tmp_path):
    files, samples = preprocessed / "out", preprocessed / "samples.tsv"
    at = {name: tmp_path / f"{name}.tsv" for name in (
        "cutoffs", "definitions", "clusters", "members", "counts", "medians", "populations", "effects", "over", "meta"
    )}  # fmt: skip
    run(
        "population",
        "cutoffs",
        files,
        "--samples",
        samples,
        "--method",
        "metacyto",
        "--seed",
        1,
        "--out",
        at["cutoffs"],
    )
    cutoffs = tables.read(at["cutoffs"], tables.CUTOFFS)
    assert set(cutoffs["method"]) == {"metacyto"}
    assert "NCAM" in set(cutoffs["marker"])
    said = run(
        "cluster", "metacyto", files, "--clustering", "flowhc", "--samples", samples, "--definitions",
        at["definitions"], "--clusters", at["clusters"], "--members", at["members"], "--cutoffs", at["cutoffs"],
    )  # fmt: skip
    labels = tables.read(at["definitions"], tables.DEFINITIONS)["population"].tolist()
    assert "CD19-|CD3+|CD4+|CD8-|HLA-DR-|NCAM-" in labels
    assert f"{len(labels)} labels from" in said
    members = tables.read(at["members"], tables.MEMBERS)
    assert len(members) == tables.read(at["clusters"], tables.CLUSTERS)["n_events"].sum()
    said = run(
        "population", "search", files, "--samples", samples, "--method", "metacyto", "--cutoffs", at["cutoffs"],
        "--definitions", at["definitions"], "--population", "B=CD19+|CD3-", "--population", "X=CD99+",
        "--out", at["counts"], "--medians", at["medians"],
    )  # fmt: skip
    assert "not possible on this panel: X (no CD99)" in said
    events = metacyto.stack({path.name: path for path in sorted(files.iterdir())[:3]})
    cut = cutoffs[cutoffs["study_accession"] == "SDY1"].set_index("marker")["cutoff"]
    inside = (events.column("CD19") > cut["CD19"]) & (events.column("CD3") < cut["CD3"])
    counts = tables.read(at["counts"], tables.COUNTS).query("population == 'B'").set_index("file_name")["n_events"]
    assert counts.loc["s0.fcs":"s2.fcs"].tolist() == inside.reshape(3, 400).sum(axis=1).tolist()
    run("population", "summary", "--counts", at["counts"], "--samples", samples, "--out", at["populations"])
    run(
        "meta", "effects", "--method", "metacyto", "--populations", at["populations"], "--samples", samples,
        "--formula", "age_years", "--regression", at["over"], "--out", at["effects"],
    )  # fmt: skip
    effects = tables.read(at["effects"], tables.EFFECTS)
    assert set(effects["study_accession"]) == {"SDY1_FCM-1", "SDY2_FCM-1"}
    over = tables.read(at["over"], tables.META).set_index("population")
    assert 0.03 < over.loc["B", "estimate"] < 0.1  # standard deviations per year
    run("meta", "pool", at["effects"], "--method", "metacyto", "--out", at["meta"], "--forest", tmp_path / "f.svg")
    pooled = tables.read(at["meta"], tables.META)
    assert set(pooled["estimator"]) == {"REML + z (MetaCyto)", "single study"}
    assert pooled.query("population == 'B'")["omitted"].tolist() == ["", "SDY1_FCM-1", "SDY2_FCM-1"]
    run(
        "meta", "effects", "--method", "metacyto", "--populations", at["populations"], "--samples", samples,
        "--formula", "age_years", "--medians", at["medians"], "--marker", "CD4", "--out", tmp_path / "cd4.tsv",
    )  # fmt: skip
    assert "z(CD4)" in tables.read(tmp_path / "cd4.tsv", tables.EFFECTS)["model"].iloc[0]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("events preprocess s0.fcs --method metacyto --no-qc --out x.fcs --qc q.tsv", "--no-qc has no meaning with"),
        (
            "events preprocess s0.fcs --rename A=B --out x.fcs --qc q.tsv",
            "--rename has no meaning with --method standard",
        ),
        ("population cutoffs out --seed 3 --out c.tsv", "--seed has no meaning with --method standard"),
        ("population search out --pre-gate CD3+ --out c.tsv", "--pre-gate has no meaning with --method standard"),
        ("population search out --method metacyto --population X=CD3++ --out c.tsv", "'CD3++': gate 'CD3++' is not"),
        (
            "meta effects --method metacyto --scale logit --populations p --samples samples.tsv --out e",
            "--scale logit has no meaning with --method metacyto; use zscore or fraction",
        ),
    ],
)
def test_options_without_meaning(preprocessed, monkeypatch, arguments, why):
    monkeypatch.chdir(preprocessed)
    result = CliRunner().invoke(cli, arguments.split())
    assert isinstance(result.exception, ImmportCytoError)
    assert why in str(result.exception)


def test_a_search_for_nothing_and_files_of_others(preprocessed, tmp_path):
    result = CliRunner().invoke(
        cli,
        ["population", "search", str(preprocessed / "out"), "--method", "metacyto", "--out", str(tmp_path / "c.tsv")],
    )
    assert "give --definitions of cluster metacyto, or --population" in str(result.exception)
    values, _ = population_files.cells(300, seed=1)
    population_files.write(tmp_path / "x.fcs", values)
    said = run("population", "cutoffs", tmp_path / "x.fcs", "--method", "metacyto", "--out", tmp_path / "c.tsv")
    assert "1 of 1 files were not preprocessed with --method metacyto (x.fcs, ...)" in said


def test_effects_of_no_population_are_refused(preprocessed, tmp_path):
    (tmp_path / "p.tsv").write_text("\t".join(tables.POPULATIONS.column_names) + "\n")
    result = CliRunner().invoke(cli, [
        "meta", "effects", "--method", "metacyto", "--populations", str(tmp_path / "p.tsv"), "--samples",
        str(preprocessed / "samples.tsv"), "--formula", "age_years", "--out", str(tmp_path / "e.tsv"),
    ])  # fmt: skip
    assert str(result.exception) == "populations.tsv: there are no rows; count populations first"
    assert not (tmp_path / "e.tsv").exists()


def test_tables_of_earlier_runs(tmp_path):
    (tmp_path / "stats.csv").write_text(
        "study_id,fcs_files,label,CD3,fraction\nSDY1_FCM-1,d/a.fcs,CD3+,2,.5\nSDY1_FCM-1,d/b.fcs,CD3+,3,.6\n"
    )
    (tmp_path / "info.csv").write_text("fcs_files,Subject Age,Gender\nd/a.fcs,40,Male\n")
    said = run(
        "population", "import", tmp_path / "stats.csv", "--sample-info", tmp_path / "info.csv", "--out",
        tmp_path / "p.tsv", "--samples-out", tmp_path / "s.tsv", "--medians", tmp_path / "m.tsv",
    )  # fmt: skip
    assert "1 files have no row in the sample info and will not be used (b.fcs, ...)" in said
    assert tables.read(tmp_path / "p.tsv", tables.POPULATIONS)["fraction"].tolist() == [0.5, 0.6]
    assert tables.read(tmp_path / "s.tsv", tables.SAMPLES)["age_years"].tolist() == [40]
    assert tables.read(tmp_path / "m.tsv", tables.MEDIANS)["marker"].tolist() == ["CD3", "CD3"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("pool: {test: z}", "pool.test has no meaning with method: metacyto"),
        ("preprocess: {qc: none}", "preprocess.qc has no meaning with method: metacyto"),
        ("cluster: {grid: [5, 5]}", "cluster.grid has no meaning"),
        ("cluster: {clustering: kmeans}", "cluster.clustering is 'kmeans'; choose one of flowsom, flowhc"),
        ("method: flowcore", "method must be|method"),
        ("preprocess: {rename: [a]}", "give old and new names of markers, as in CD8B: CD8"),
    ],
)
def test_study_yaml_is_checked(tmp_path, lines, why):
    (tmp_path / "s.tsv").write_text("")
    method = "" if lines.startswith("method") else "method: metacyto\n"
    path = tmp_path / "study.yaml"
    path.write_text(f"{method}studies: [{{metadata: s.tsv, fcs: s.tsv}}]\n{lines}\n")
    with pytest.raises(OptionError, match=why):
        study.read(path)


def test_study_yaml_with_method(tmp_path):
    (tmp_path / "s.tsv").write_text("")
    path = tmp_path / "study.yaml"
    path.write_text(
        "method: metacyto\nstudies: [{metadata: s.tsv, fcs: s.tsv}]\npreprocess: {rename: {CD8B: CD8}, cofactor: 100}\n"
    )
    config = study.read(path)
    assert (config.method, config.preprocess.method, config.preprocess.rename) == (
        "metacyto", "metacyto", (("CD8B", "CD8"),)
    )  # fmt: skip
    assert config.parameters()["method"] == "metacyto"
    path.write_text("studies: [{metadata: s.tsv, fcs: s.tsv}]\npreprocess: {rename: {CD8B: CD8}}\n")
    with pytest.raises(OptionError, match=r"preprocess.rename is for method: metacyto"):
        study.read(path)
