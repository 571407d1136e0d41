"""What points to a person or a day: each rule kept and broken, and no value in any finding."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from immport_cyto import fcs
from immport_cyto.exceptions import PackageError
from immport_cyto.immport import templates
from immport_cyto.immport.templates import privacy
from support import upload_package as upload

BROKEN = [
    (("biosamples", "Description", 0), "drawn 2012-03-05", "privacy-date", "error"),
    (("biosamples", "Name", 0), "blood of 5 March 2012", "privacy-date", "error"),
    (("biosamples", "Name", 0), "Day 14, tube 3", None, None),
    (("subjecthumans", "Subject Phenotype", 0), "ill since 03/05/2012", "privacy-date", "error"),
    (("subjecthumans", "Min Subject Age", 0), "91", "privacy-age", "error"),
    (("subjecthumans", "Min Subject Age", 0), "89.5", "privacy-age", "error"),
    (("subjecthumans", "Max Subject Age", 1), "90", None, None),
    (("subjecthumans", "Min Subject Age", 0), "89", None, None),
    (("subjecthumans", "Subject Location", 0), "Palo Alto, California", "privacy-location", "error"),
    (("subjecthumans", "Subject Location", 0), "US: California", None, None),
    (("biosamples", "Name", 1), "subject-2", "privacy-identifier", "warning"),
    (("biosamples", "Name", 1), "PBMC of subject-2, frozen", "privacy-identifier", "warning"),
    (("biosamples", "Name", 1), "PBMC of subject-22, frozen", None, None),
    (("flow_cytometry", "Expsample Description", 0), "run on 2012-03-05", "privacy-date", "warning"),
    (("flow_cytometry", "Biosample Name", 0), "2012-03-05", "privacy-date", "error"),
    (("flow_cytometry", "Additional Result File Names", 0), "T_030512.csv", "privacy-file-name", "warning"),
    (("flow_cytometry", "Additional Result File Names", 0), "T_blood-1.csv", "privacy-identifier", "warning"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "value", "rule", "severity"), BROKEN)
def test_one_cell(tmp_path, cell, value, rule, severity):
    package = upload.package()
    name, column, row = cell
    values = list(package[name].frame[column])
    values[row] = value
    package[name].blocks[""] = package[name].frame.assign(**{column: values})
    folder = upload.write(package, tmp_path, files={})
    report = templates.validate(folder, look_for_files=False)
    here = [f for f in report.findings if f.rule.startswith("privacy-")]
    shared = templates.check_privacy(folder)
    if rule is None:
        assert here == []
        assert shared.findings == []
        return
    assert [(f.column, f.row, f.rule, f.severity) for f in here] == [(column, 4 + row, rule, severity)]
    assert [(f.column, f.row, f.rule, f.severity) for f in shared.findings] == [(column, 4 + row, rule, "error")]
    assert value not in here[0].message + here[0].suggestion


def test_tables_of_the_project():
    samples = pd.DataFrame({
        "file_name": ["a.fcs", "b_2012-03-05.fcs", "c.fcs"], "subject_accession": ["SUB1", "SUB2", "SUB3"],
        "age_years": [30.0, 90.0, 92.5], "arm_name": ["PT-0012 arm", "control", "2012-03-05"],
        "study_time_days": [20120305.0, 0.0, 1.0],
    })  # fmt: skip
    found = templates.check_tables({"samples.tsv": samples}, identifiers=["PT-0012"])
    assert [(f.file, f.row, f.column, f.rule, f.severity) for f in found] == [
        ("samples.tsv", 2, "arm_name", "privacy-identifier", "error"),
        ("samples.tsv", 3, "file_name", "privacy-file-name", "error"),
        ("samples.tsv", 4, "age_years", "privacy-age", "error"),
        ("samples.tsv", 4, "arm_name", "privacy-date", "error"),
    ]
    assert templates.check_tables({"samples.tsv": samples.iloc[:1]}) == []
    assert templates.summarize(found[2:3] * 2) == [
        "samples.tsv, age_years: 2 rows: an age above 89 must not be shared; give 90, which stands for 90 and more"
    ]


def test_identifiers_that_cannot_be_told_from_numbers_are_counted():
    ids = privacy.Identifiers()
    ids.add(["7", "12", "123456", "S1", "SUB77", "Anna", "PT-0012"], "subject")
    assert ids.n_short == 2
    assert ids.whole == {"123456", "S1", "Anna", "PT-0012"}  # an accession is public
    assert ids.inside == {"123456", "PT-0012"}
    assert [ids.are_in(t) for t in ("12", "S1", "S1 x", "x (PT-0012)", "PT-00123", "file_PT-0012_a")] == [
        False, True, False, True, False, True,
    ]  # fmt: skip


def write_fcs(path, keywords):
    fcs.write(path, np.ones((3, 2), np.float32), [("FSC-A", ""), ("SSC-A", "")], keywords)


def test_fcs_files(tmp_path):
    write_fcs(tmp_path / "clean.fcs", {"$CYT": "LSRII"})
    write_fcs(tmp_path / "named.fcs", {"$OP": "Anna Maier", "$DATE": "05-MAR-2012"})
    (tmp_path / "broken.fcs").write_bytes(b"no")
    found = templates.check_privacy(tmp_path)
    assert [(f.file, f.column, f.rule) for f in found.findings] == [
        ("broken.fcs", "", "fcs-unreadable"), ("named.fcs", "$OP", "privacy-fcs-keyword"),
        ("named.fcs", "$DATE", "privacy-fcs-keyword"),
    ]  # fmt: skip
    assert not any("Maier" in f.message or "2012" in f.message for f in found.findings)
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "named.fcs", "ResultFiles/named.fcs")
    zipped = templates.check_privacy(tmp_path / "p.zip")
    assert [(f.file, f.column) for f in zipped.findings] == [
        ("ResultFiles/named.fcs", "$OP"), ("ResultFiles/named.fcs", "$DATE"),
    ]  # fmt: skip
    package = upload.write(upload.package(), tmp_path / "upload")
    for name in ("tube1.fcs", "tube2.fcs", "beads.fcs"):
        write_fcs(package / name, {"$OP": "Anna Maier"} if name == "tube2.fcs" else {})
    report = templates.validate(package)
    assert [(f.file, f.column, f.rule, f.severity) for f in report.findings if f.rule.startswith("privacy")] == [
        ("tube2.fcs", "$OP", "privacy-fcs-keyword", "warning")
    ]


def test_a_shared_package(tmp_path):
    """Tables of a Tab package: demographics and biosamples, and IDs of the user nowhere."""
    tab = tmp_path / "SDY1-DR50_Tab" / "Tab"
    tab.mkdir(parents=True)
    (tab / "biosample.txt").write_text("BIOSAMPLE_ACCESSION\tNAME\tDESCRIPTION\nBS1\tx\tdrawn 5-Mar-2012\n")
    (tab / "arm_2_subject.txt").write_text(
        "ARM_ACCESSION\tSUBJECT_ACCESSION\tMIN_SUBJECT_AGE\tAGE_UNIT\tSUBJECT_LOCATION\n"
        "ARM1\tSUB1\t1100\tMonths\tUS: Ohio\nARM1\tSUB2\t90\tYears\tColumbus, Ohio\n"
    )
    (tab / "study.txt").write_text("STUDY_ACCESSION\tACTUAL_START_DATE\nSDY1\t2010-01-05\n")
    (tab / "comment.txt").write_text("STUDY_ACCESSION\tTEXT\nSDY1\tas subject-2 said\n")
    (tab / "fcs_header.txt").write_text(
        "FCS_HEADER_ID\tFCS_FILE_NAME\tFCS_HEADER_TEXT\n1\ta.fcs\t$OP= |$DATE=|$TOT=20120305|\n"
        "2\tb.fcs\t$OP= |CST SETUP DATE=2012-03-05|\n"
    )
    upload.write(upload.package(), tmp_path / "upload", files={})
    found = templates.check_privacy(tmp_path / "SDY1-DR50_Tab", identifiers=tmp_path / "upload")
    assert [(f.file, f.row, f.column, f.rule) for f in found.findings] == [
        ("Tab/arm_2_subject.txt", 2, "MIN_SUBJECT_AGE", "privacy-age"),
        ("Tab/arm_2_subject.txt", 3, "SUBJECT_LOCATION", "privacy-location"),
        ("Tab/biosample.txt", 2, "DESCRIPTION", "privacy-date"),
        ("Tab/comment.txt", 2, "TEXT", "privacy-identifier"),
        ("Tab/fcs_header.txt", 3, "FCS_HEADER_TEXT", "privacy-fcs-keyword"),
    ]


def test_long_tables_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("immport_cyto.immport.templates.sharing._CHUNK", 100)
    rows = [f"a{n}.fcs\t{n % 90}.0\tarm" for n in range(500)]
    rows[7], rows[444] = "a7.fcs\t91.0\tarm", "a444.fcs\t3.0\tSince 2012-03-05\r"
    (tmp_path / "samples.tsv").write_text("\n".join(["file_name\tage_years\tarm_name", *rows, ""]))
    found = templates.check_privacy(tmp_path).findings
    assert [(f.row, f.column, f.rule) for f in found] == [
        (9, "age_years", "privacy-age"), (446, "arm_name", "privacy-date"),
    ]  # fmt: skip


def test_the_command(tmp_path):
    (tmp_path / "report.html").write_text("<p>nothing</p>\n<p>of subject-2</p>\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    upload.write(upload.package(), tmp_path / "upload", files={})
    command = [
        sys.executable, "-m", "immport_cyto", "immport", "privacy", "report.html", "picture.png", "--json", "p.json",
        "--out", "f.tsv",
    ]  # fmt: skip
    clean = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (clean.returncode, clean.stdout) == (0, "1 file, 0 IDs looked for: 0 findings\n")
    assert "picture.png: not looked into" in clean.stderr
    command += ["--identifiers", "upload"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "immport-cyto: error: report.html: 1 finding, the first row 2: the text holds an ID that was defined"
    )
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["counts"]["identifiers"] == 6
    assert [f["row"] for f in record["findings"]] == [2]
    assert "subject-2" not in json.dumps(record)


@pytest.mark.parametrize("text", ["file_name\tsex\na.fcs\tFemale\n", "nothing\n"])
def test_a_package_without_ids_to_look_for_is_refused(tmp_path, text):
    (tmp_path / "shared.tsv").write_text("a\n1\n")
    (tmp_path / "ids.tsv").write_text(text)
    with pytest.raises(PackageError, match=r"^ids.tsv: no user-defined IDs in it, so nothing could be looked for"):
        templates.check_privacy(tmp_path / "shared.tsv", identifiers=tmp_path / "ids.tsv")
