"""``immport-cyto population``: the commands on files, and their errors."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, population, tables
from immport_cyto.cli._main import cli
from immport_cyto.exceptions import OptionError
from support import population_files as pf


def run(*arguments):
    result = CliRunner().invoke(cli, ["population", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def study(tmp_path):
    """Two studies of two files each, one panel."""
    names = ["a.fcs", "b.fcs", "c.fcs", "d.fcs"]
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(names):
        values, kinds = pf.cells(1500, seed)
        member = {kind: number for number, kind in enumerate(pf.CELLS, 1)}
        labels = np.array([member[kind] for kind in kinds])
        pf.write(tmp_path / "in" / name, values + 0.5 * (name > "b.fcs"), extra={"FlowSOM_metacluster": labels})
    samples = pd.DataFrame(
        {
            "file_name": names,
            "sample_id": ["ES1", "ES2", "ES3", "ES4"],
            "study_accession": ["SDY1", "SDY1", "SDY2", "SDY2"],
            "subject_accession": ["SUB1", "SUB2", "SUB3", "SUB4"],
        }
    )
    tables.write(samples, tmp_path / "samples.tsv", tables.SAMPLES)
    return tmp_path


def test_cutoffs_search_and_summary(study):
    cuts, counts, out = study / "cuts.tsv", study / "counts.tsv", study / "populations.tsv"
    run("cutoffs", study / "in", "--samples", study / "samples.tsv", "--out", cuts, "--quiet")
    found = tables.read(cuts, tables.CUTOFFS)
    assert found.groupby("study_accession").size().to_dict() == {"SDY1": 6, "SDY2": 6}
    shift = found[found["study_accession"] == "SDY2"]["cutoff"].to_numpy() - found[:6]["cutoff"].to_numpy()
    assert shift == pytest.approx(0.5, abs=0.2)

    told = run(
        "search", study / "in", "--samples", study / "samples.tsv", "--cutoffs", cuts, "--out", counts, "--quiet",
        "--population", "T=CD3+", "--population", "Naive=CD3+ CCR7+", "--json", study / "s.json",
        "--medians", study / "m.tsv",
    )  # fmt: skip
    assert (
        "not possible on SDY2 flow-6m-abc123:\n  Naive (not on the panel: CCR7; possible in part as CD3+)\n"
        in told.output
    )
    assert len(json.loads((study / "s.json").read_text())["warnings"]) == 2
    again = study / "again.tsv"
    run("search", study / "in", "--samples", study / "samples.tsv", "--out", again, "--quiet",
        "--population", "T=CD3+", "--cutoffs-out", study / "cuts2.tsv")  # fmt: skip
    assert again.read_bytes() == counts.read_bytes()
    assert (study / "cuts2.tsv").read_bytes() == cuts.read_bytes()

    run("summary", "--counts", counts, "--samples", study / "samples.tsv", "--out", out)
    got = tables.read(out, tables.POPULATIONS)
    assert got["sample_id"].tolist() == ["ES1", "ES2", "ES3", "ES4"]
    for seed, fraction in enumerate(got["fraction"]):
        kinds = pf.cells(1500, seed)[1]
        assert fraction == pytest.approx(np.isin(kinds, ["CD4 T", "CD8 T"]).mean(), abs=0.01)


def test_boolean_and_partial_populations(study):
    counts, out = study / "counts.tsv", study / "populations.tsv"
    rows = "population\tdefinition\tparent\nT\tCD3+\t\nnot CD4\t[T] NOT CD4+\tT\nNaive\tCD3+ CCR7+ CD4+\tT\n"
    (study / "definitions.tsv").write_text(rows)
    told = run(
        "search", study / "in", "--samples", study / "samples.tsv", "--definitions", study / "definitions.tsv",
        "--population", "either=CD3+ (CD4+ | CD8+)", "--partial", "--out", counts, "--json", study / "s.json",
        "--quiet",
    )  # fmt: skip
    assert "not possible on SDY2 flow-6m-abc123:\n  Naive (not on the panel: CCR7; counted in part as CD3+ CD4+)" in (
        told.output
    )
    assert json.loads((study / "s.json").read_text())["parameters"]["partial"] is True
    run("summary", "--counts", counts, "--samples", study / "samples.tsv", "--out", out)
    got = tables.read(out, tables.POPULATIONS).set_index(["file_name", "population"])
    one = got.loc["a.fcs"]
    assert one["definition"].to_dict() == {
        "T": "CD3+", "not CD4": "CD3+ CD4-", "Naive (partial: without CCR7+)": "CD3+ CD4+",
        "either": "CD3+ (CD4+ OR CD8+)",
    }  # fmt: skip
    assert one["flag"].to_dict() == {
        "T": "", "not CD4": "", "Naive (partial: without CCR7+)": "partial", "either": "",
    }  # fmt: skip
    assert one["left_out"].to_dict()["Naive (partial: without CCR7+)"] == "CCR7+"
    both = one.loc[["not CD4", "Naive (partial: without CCR7+)"], "n_events"].sum()
    assert both == one.loc["T", "n_events"] == one.loc["not CD4", "n_parent"]


def test_standard_populations_are_the_default(study):
    run("search", study / "in", "--out", study / "counts.tsv", "--quiet")
    got = tables.read(study / "counts.tsv", tables.COUNTS)
    cd4 = got[(got["population"] == "CD4 T cells") & (got["file_name"] == "a.fcs")].iloc[0]
    assert cd4["n_events"] == pytest.approx((pf.cells(1500, 0)[1] == "CD4 T").sum(), abs=10)
    assert cd4["cl_id"] == "CL:0000624"


def test_names_instead_of_paths(study):
    listed = [{"name": "x.fcs", "path": str(study / "in" / "a.fcs")}]
    (study / "files.json").write_text(json.dumps(listed))
    run("search", "--files", study / "files.json", "--population", "T=CD3+", "--out", study / "one.tsv", "--quiet")
    run("search", study / "in" / "a.fcs", "--population", "T=CD3+", "--out", study / "two.tsv", "--quiet")
    assert (study / "one.tsv").read_text() == (study / "two.tsv").read_text().replace("a.fcs", "x.fcs")
    assert tables.read(study / "one.tsv", tables.COUNTS)["file_name"].tolist() == ["x.fcs"]


def test_label_and_summary_of_clustered_files(study):
    samples = tables.read(study / "samples.tsv", tables.SAMPLES)
    run("cutoffs", study / "in", "--samples", study / "samples.tsv", "--out", study / "cuts.tsv", "--quiet")
    clusters, medians = [], []
    for sdy in ("SDY1", "SDY2"):
        for number, (_, signs) in enumerate(pf.CELLS.values(), 1):
            key = {"study_accession": sdy, "panel_id": "flow-6m-abc123", "metacluster": number}
            clusters.append({**key, "n_nodes": 1, "n_events": 1, "fraction": 0.2})
            medians += [
                {**key, "marker": marker, "median": 4.0 if sign == "+" else 0.5}
                for marker, sign in zip(pf.MARKERS, signs, strict=True)
            ]
    tables.write(pd.DataFrame(clusters), study / "clusters.tsv", tables.CLUSTERS)
    tables.write(pd.DataFrame(medians), study / "medians.tsv", tables.CLUSTER_MEDIANS)
    run("label", "--clusters", study / "clusters.tsv", "--medians", study / "medians.tsv",
        "--cutoffs", study / "cuts.tsv", "--out", study / "named.tsv")  # fmt: skip
    named = tables.read(study / "named.tsv", tables.CLUSTERS)
    assert named["population"].tolist()[:4] == ["CD4 T cells", "CD8 T cells", "B cells", "NK cells"]
    assert named["population"][4] == "CD3- CD4- CD8- CD19- CD56- HLA-DR+"
    run("summary", "--clustered", study / "in", "--clusters", study / "named.tsv",
        "--samples", study / "samples.tsv", "--out", study / "populations.tsv")  # fmt: skip
    got = tables.read(study / "populations.tsv", tables.POPULATIONS)
    assert set(got["file_name"]) == set(samples["file_name"])
    kinds = pf.cells(1500, 3)[1]
    row = got[(got["file_name"] == "d.fcs") & (got["population"] == "B cells")]
    assert row["n_events"].item() == (kinds == "B").sum()


def test_errors_say_what_to_do(study):
    with pytest.raises(OptionError, match="nothing to summarise; give --counts, or --clustered with --clusters"):
        run("summary", "--samples", study / "samples.tsv", "--out", study / "x.tsv")
    with pytest.raises(OptionError, match="clustered FCS files need --clusters"):
        run("summary", "--clustered", study / "in", "--samples", study / "samples.tsv", "--out", study / "x.tsv")
    wrong = CliRunner().invoke(cli, ["population", "search", str(study / "in"), "--population", "CD3+", "--out", "x"])
    assert wrong.exit_code == 2
    assert "'CD3+' is not of the form NAME=GATES" in wrong.output


def test_files_that_were_not_preprocessed_are_told(study, tmp_path):
    source = fcs.open(study / "in" / "a.fcs")
    own = {key: text for key, text in source.keywords.items() if not key.startswith("ICYTO_")}
    (tmp_path / "raw").mkdir()
    fcs.write(tmp_path / "raw" / "a.fcs", source.events(), source.channels, own)
    said = "a.fcs was not written by 'events preprocess'; cut-offs of values that are not compensated and transformed"
    found = run("cutoffs", tmp_path / "raw", "--out", tmp_path / "c.tsv", "--json", tmp_path / "c.json", "--quiet")
    assert said in found.output
    assert json.loads((tmp_path / "c.json").read_text())["warnings"][0].startswith(said)
    searched = ("search", tmp_path / "raw", "--population", "T=CD3+", "--out", tmp_path / "n.tsv", "--quiet")
    assert said in run(*searched).output
    assert said not in run("cutoffs", study / "in", "--out", tmp_path / "d.tsv", "--quiet").output


def test_one_sentence_and_exit_code_1(study):
    code = "from immport_cyto.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "population", "search", str(study / "in"), "--quiet",
         "--population", "x=CD3+ CD1O9+", "--out", str(study / "x.tsv")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "immport-cyto: error: population 'x': no panel has the marker 'CD1O9', and it is unknown; did you mean CD19?\n"
    )
    assert not (study / "x.tsv").exists()


def test_help_is_light():
    code = (
        "import sys; from click.testing import CliRunner; from immport_cyto.cli._main import cli;"
        "CliRunner().invoke(cli, ['population', '--help']);"
        "heavy = ('pandas', 'scipy.stats', 'sklearn', 'matplotlib', 'statsmodels', 'numba');"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_list_of_what_the_stage_offers():
    assert all(getattr(population, name) is not None for name in population.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = population.nothing
