"""Templates filled from the tables of the project, and the command that does it."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from immport_cyto import immport, tables
from immport_cyto.cli._immport_validate import show
from immport_cyto.exceptions import OptionError, TableError
from immport_cyto.immport import templates
from immport_cyto.immport.templates.filling import gating_definition
from immport_cyto.immport.templates.findings import Finding

STATISTIC = "Population Statistic (count, percentile, etc)"


@pytest.fixture(scope="module")
def galaxy(test_data):
    return test_data / "galaxy"


@pytest.fixture(scope="module")
def populations(galaxy):
    return tables.read(galaxy / "populations.tsv", tables.POPULATIONS)


@pytest.fixture(scope="module")
def samples(galaxy):
    return tables.read(galaxy / "samples.tsv", tables.SAMPLES)


@pytest.fixture(scope="module")
def panel(galaxy):
    return tables.read(galaxy / "panel.tsv", tables.PANEL)


def run(*arguments, cwd):
    command = [sys.executable, "-m", "immport_cyto", "immport", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_derived_data_holds_every_population(populations, samples):
    cytof, flow = templates.derived_data(populations, "report.html", samples=samples)
    assert (flow.name, cytof.name) == ("fcm_derived_data", "cytof_derived_data")
    techniques = dict(zip(samples["file_name"], samples["technique"], strict=True))
    of_flow = populations[populations["file_name"].map(techniques) == "Flow cytometry"]
    left = sum(int(note.split(": ")[1].split(" ")[0]) for note in [*flow.notes, *cytof.notes])
    assert len(flow.frame) + len(cytof.frame) + left == len(populations)
    assert flow.frame["Expsample ID"].tolist() == of_flow["sample_id"].tolist()
    assert flow.frame[STATISTIC].astype(float).tolist() == pytest.approx(100 * of_flow["fraction"], abs=1e-6)
    row = flow.frame.iloc[0]
    source = of_flow.iloc[0]
    assert row["Comments"] == f"{source['n_events']} of {source['n_parent']} events; found by {source['method']}"
    assert row["Gating Definition Reported"].split(", ") == source["definition"].split(" ")
    counts = templates.derived_data(populations, "report.html", samples=samples, statistic="count")[1].frame
    assert counts[STATISTIC].astype(int).tolist() == of_flow["n_events"].tolist()
    assert set(counts["Population Stat Unit Reported"]) == {"cells"}


def test_parents_are_named(populations):
    (flow,) = templates.derived_data(populations[populations["panel_id"].str.startswith("flow")], "r.html")
    helper = flow.frame[flow.frame["Population Name Reported"] == "CD4 T cells"]
    assert set(helper["Parent Population Reported"]) == {"T cells"}


def test_rows_that_no_template_can_hold_are_left_out_and_counted(populations):
    rows = populations[populations["panel_id"].str.startswith("flow")].head(5).copy()
    long = " ".join(f"CD{n}+" for n in range(1, 40))
    rows["definition"] = ["", long, "no gates here", "CD3+", "CD3+ CD25++ CD127lo"]
    rows["fraction"] = [0.5, 0.5, 0.5, float("nan"), 0.125]
    (flow,) = templates.derived_data(rows, "r.html")
    assert flow.frame["Gating Definition Reported"].tolist() == ["CD3+, CD25++, CD127+-"]
    assert flow.frame[STATISTIC].tolist() == ["12.5"]
    assert flow.notes == [
        "populations.tsv: 1 rows left out: a definition of more than 150 characters",
        "populations.tsv: 1 rows left out: a definition that cannot be read",
        "populations.tsv: 1 rows left out: no definition",
        "populations.tsv: 1 rows left out: no events in the parent, or no value",
    ]
    with pytest.raises(TableError, match="1 rows left out: no definition"):
        templates.derived_data(rows.head(1), "r.html")


@pytest.mark.parametrize("text", ["CD3+ CD4+ CCR7- CD45RA++", "CD127lo CD25+~", "singlet CD3+"])
def test_definitions_read_back_as_the_same(text):
    from immport_cyto.panel import parse_gates

    assert parse_gates(gating_definition(text)) == parse_gates(text)


def test_samples(samples, panel):
    cytof, flow = templates.experiment_samples(samples, panel=panel)
    assert len(cytof.frame) + len(flow.frame) == len(samples)
    first = flow.frame.iloc[0]
    source = samples[samples["sample_id"] == first["Expsample ID"]].iloc[0]
    assert first[".Fcs Result File"] == source["file_name"]
    assert first["Subject ID"] == source["subject_accession"]
    assert float(first["Study Time Collected"]) == source["study_time_days"]
    assert first["Measurement Technique"] == "Flow Cytometry"
    of_file = panel[(panel["file_name"] == source["file_name"]) & (panel["role"] == "marker")]
    assert {f"{a} {r}" for a, r in zip(of_file["antigen"], of_file["reporter"], strict=True)} <= set(
        first["Reagent ID(s)"].split(";")
    )
    templates.set_values([flow, cytof], {"protocol id(s)": "protocol-1", "Compensation Or Control File Name(s)": "b"})
    assert set(flow.frame["Protocol ID(s)"]) == set(cytof.frame["Protocol ID(s)"]) == {"protocol-1"}
    with pytest.raises(OptionError, match="'Nonsense' is not a column of experimentSamples.Flow_Cytometry.txt"):
        templates.set_values([flow], {"Nonsense": "x"})
    published = samples.assign(file_name=samples["sample_id"])  # as 'immport results' names them: no files
    assert {
        one
        for filled in templates.experiment_samples(published)
        for one in filled.frame.filter(like="Result File").iloc[:, 0]
    } == {""}
    unknown = samples.head(1).assign(technique="")
    with pytest.raises(TableError, match="the technique of .* is unknown; fill the column 'technique'"):
        templates.experiment_samples(unknown)


def test_reagents_with_the_details_of_those_that_are_known(panel, samples):
    known = pd.DataFrame([{
        "reagent_accession": "ESR1", "target": "CD3", "reporter": "FITC", "clone": "UCHT1", "manufacturer": "BD",
        "catalog_number": "555332", "studies": "SDY1",
    }])  # fmt: skip
    known = tables.conform(known.reindex(columns=immport.REAGENTS.column_names), immport.REAGENTS)
    cytof, flow = templates.reagents(panel, known, samples=samples)
    assert flow.frame["User Defined ID"].is_unique
    used = set(";".join(templates.experiment_samples(samples, panel=panel)[1].frame["Reagent ID(s)"]).split(";"))
    assert used == set(flow.frame["User Defined ID"])
    cd3 = flow.frame[(flow.frame["Analyte Reported"] == "CD3") & (flow.frame["Reporter Name"] == "FITC")]
    others = flow.frame.drop(cd3.index)
    assert cd3["Clone Name"].tolist() == ["UCHT1"] * len(cd3)
    assert set(others["Clone Name"]) == {""}
    assert "CD3 170Er" in set(cytof.frame["User Defined ID"])
    (alone,) = templates.reagents(None, known)
    assert alone.frame[["User Defined ID", "Catalog Number"]].to_numpy().tolist() == [["ESR1", "555332"]]
    with pytest.raises(OptionError, match="reagents need panel.tsv"):
        templates.reagents()


def test_the_command_writes_reads_and_says_what_is_missing(galaxy, tmp_path):
    (tmp_path / "report.html").write_text("<html></html>")
    done = run(
        "template", "--populations", galaxy / "populations.tsv", "--samples", galaxy / "samples.tsv", "--method",
        "search", "--workspace-file", "report.html", "--attach", "report.html", "--fill", "derived", "--out",
        "upload.zip", "--json", "p.json", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["files"] == ["FCM_Derived_data.txt", "CyTOF_Derived_data.txt", "report.html"]
    assert record["still_to_do"] == []
    checked = run("validate", "upload.zip", "--out", "f.tsv", "--html", "f.html", "--json", "f.json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    findings = tables.read(tmp_path / "f.tsv", templates.FINDINGS)
    assert set(findings["severity"]) <= {"warning"}
    assert json.loads((tmp_path / "f.json").read_text())["counts"]["errors"] == 0
    assert "No errors" in (tmp_path / "f.html").read_text()
    again = templates.read(tmp_path / "upload.zip")
    assert [len(one.frame) for one in again] == [record["counts"][f] for f in record["files"][:2]]


def test_the_command_lists_and_writes_empty_templates(tmp_path):
    listed = run("template", "--list", cwd=tmp_path).stdout.splitlines()
    assert len(listed) == 62
    assert listed[1].split("\t") == ["1", "protocols", "protocols.txt", "single", "3.33", "5"]
    columns = run("template", "--columns", "bioSamples", cwd=tmp_path).stdout.splitlines()
    assert columns[2].split("\t") == ["", "Type", "yes", "text", "50", "lk_sample_type", ""]
    done = run(
        "template", "--empty", "bioSamples", "--empty", "protocols", "--form", "json", "--out", "t", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["bioSamples.json", "protocols.json"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["template", "--empty", "x"], 2, "give --out and what to write"),
        (["template", "--empty", "protocols", "--out", "p.txt"], 2, "give a folder or a zip"),
        (["template", "--samples", "none.tsv", "--set", "x", "--out", "o"], 1, "none.tsv: no such file; give"),
        (["template", "--empty", "nonsense", "--out", "o"], 1, "'nonsense' is no template of ImmPort; see --list"),
        (["template", "--list", "--schema", "new"], 1, "schema 'new' is no version; give one such as 3.33"),
        (
            ["template", "--list", "--schema", "9.9"],
            0,
            "schema 9.9 is unknown here; the columns are those of schema 3.33",
        ),
        (
            ["template", "--list", "--schema", "3.25"],
            0,
            "schema 3.25 is unknown here; the columns are those of schema 3.20",
        ),
        (["template", "--populations", "p.tsv", "--out", "o"], 2, "--populations needs --workspace-file"),
        (["template", "--samples", "none.tsv", "--out", "o"], 1, "none.tsv: no such file; give the samples.tsv"),
        (["validate", "none"], 1, "none: no such file or folder; check the path"),
        (["privacy", "none"], 1, "none: no such file or folder; check the path"),
    ],
)
def test_wrong_use(tmp_path, arguments, code, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_end_with_1_and_are_written_before(tmp_path):
    templates.write(templates.empty("protocols"), tmp_path / "p")
    path = tmp_path / "p" / "protocols.txt"
    path.write_text(path.read_text() + "\tp-1\t<script>.pdf\tA & B\t\tAssay\n\tp-1\t\t\t\tassay\n")
    done = run("validate", "p", "--out", "f.tsv", "--html", "f.html", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "immport-cyto: error: protocols.txt: 4 errors in the package, the first row 4, File Name: the file "
        "'<script>.pdf' is not in the package; add the file; correct the package and validate it again\n"
    )
    said = done.stdout.splitlines()
    assert said[:4] == [
        "1 error: file-exists, in protocols.txt", "1 error: key, in protocols.txt",
        "1 warning: vocabulary-case, in protocols.txt", "2 errors: required, in protocols.txt",
    ]  # fmt: skip
    assert said[4].startswith("error (file-exists): protocols.txt: row 4, File Name: the file '<script>.pdf' is not in")
    assert said[8].startswith("error (required): protocols.txt: row 5, ")
    assert said[9:] == ["1 template with 2 rows, 0 other files: 4 errors, 1 warning"]
    found = tables.read(tmp_path / "f.tsv", templates.FINDINGS)
    assert found[["row", "rule", "severity"]].to_numpy().tolist() == [
        [4, "file-exists", "error"], [5, "key", "error"], [5, "vocabulary-case", "warning"], [5, "required", "error"],
        [5, "required", "error"],
    ]  # fmt: skip
    page = (tmp_path / "f.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;.pdf" in page
    assert "4 errors: ImmPort would refuse this package" in page


def test_findings_that_differ_in_their_rows_only_are_one_line(capsys):
    rows = [Finding("a.txt", "", row, "Age", "error", "required", "is required; fill it") for row in range(4, 1204)]
    others = [
        Finding("b.txt", "", 4, f"C{n}", "warning", "preferred", "is no preferred term", "T cell") for n in range(30)
    ]
    show([*rows[:1], *others, *rows[1:]])
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == [
        "1,200 errors: required, in a.txt",
        "30 warnings: preferred, in b.txt",
        "error (required): a.txt: row 4, Age (and 1,199 more rows): is required; fill it",
        "warning (preferred): b.txt: row 4, C0: is no preferred term [T cell]",
    ]
    assert (len(said), said[-1]) == (23, "... and 11 more; --out writes all")
