"""Upload templates as a source of the store."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from immport_cyto import immport
from immport_cyto.exceptions import PackageError
from immport_cyto.immport import open_store, templates

DESIGN = """basic_study_design\tSchema Version 3.33
Please do not delete or edit this column

study
User Defined ID\tmystudy
Brief Title\tAges
Minimum Age\t20
Maximum Age\t90
Age Unit\tYears

study_2_condition_or_disease
Column Name\tCondition Reported
\thealth

arm_or_cohort
Column Name\tUser Defined ID\tName\tDescription\tType
\tarm-1\tYoung\tthe young\tObservational

planned_visit
Column Name\tUser Defined ID\tName\tOrder Number\tMin Start Day\tMax Start Day\tStart Rule\tEnd Rule
\tvisit-1\tDay 0\t1\t0\t0\t\t
"""


def table(name: str, *rows: dict[str, str]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [f"{name}\tSchema Version 3.33", "Please do not delete or edit this column",
             "\t".join(["Column Name", *columns])]  # fmt: skip
    return "\n".join([*lines, *("\t".join(["", *(row.get(c, "") for c in columns)]) for row in rows)]) + "\n"


PACKAGE = {
    "basic_study_design.txt": DESIGN,
    "subjectHumans.txt": table(
        "subjectHumans",
        {"Subject ID": "s-1", "Arm Or Cohort ID": "arm-1", "Gender": "Female", "Min Subject Age": "30",
         "Max Subject Age": "30", "Age Unit": "Years", "Age Event": "Age at enrollment", "Race": "White"},
    ),
    "treatments.txt": table("treatments", {"User Defined ID": "t-1", "Name": "LPS", "Use Treatment?": "Yes"}),
    "reagents.Flow_Cytometry.txt": table(
        "reagents.Flow_Cytometry",
        {"User Defined ID": "r-1", "Analyte Reported": "CD3", "Reporter Name": "FITC", "Clone Name": "UCHT1"},
        {"User Defined ID": "r-2", "Analyte Reported": "CD4", "Reporter Name": "PE", "Clone Name": "SK3"},
    ),
    "reagent_sets.txt": table("Reagent_Sets", {"User Defined ID": "set-1", "Reagent ID(s)": "r-1; r-2", "Name": "T"}),
    "bioSamples.txt": table(
        "bioSamples",
        {"User Defined ID": "b-1", "Subject ID": "s-1", "Study ID": "mystudy", "Planned Visit ID": "visit-1",
         "Type": "PBMC", "Study Time Collected": "0", "Study Time Collected Unit": "Days",
         "Study Time T0 Event": "Time of enrollment", "Treatment ID(s)": ""},
    ),
    "experiments.txt": table(
        "experiments",
        {"User Defined ID": "x-1", "Name": "flow", "Measurement Technique": "Flow Cytometry", "Study ID": "mystudy"},
    ),
    "experimentSamples.Flow_Cytometry.txt": table(
        "experimentSamples.Flow_Cytometry",
        {"Expsample ID": "e-1", "Biosample ID": "b-1", "Experiment ID": "x-1", "Reagent ID(s)": "set-1",
         "Treatment ID(s)": "t-1", ".Fcs Result File": "one.fcs",
         "Compensation Or Control File Name(s)": "comp1.fcs;comp2.fcs"},
        # this one describes its biosample in place
        {"Expsample ID": "e-2", "Biosample ID": "b-2", "Experiment ID": "x-1", ".Fcs Result File": "two.fcs",
         "Subject ID": "s-1", "Study ID": "mystudy", "Type": "Whole blood", "Study Time Collected": "7",
         "Study Time Collected Unit": "Days"},
    ),
    "FCM_Derived_data.txt": table(
        "FCM_Derived_data",
        {"Expsample ID": "e-1", "Population Name Reported": "T cells", "Gating Definition Reported": "CD3+",
         "Population Statistic (count, percentile, etc)": "61.5", "Population Stat Unit Reported": "%",
         "Workspace File": "w.xml"},
    ),
}  # fmt: skip


@pytest.fixture
def as_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "upload"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    (folder / "one.fcs").write_bytes(b"FCS")
    return folder


@pytest.fixture
def as_zip(as_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in PACKAGE.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def as_json(as_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "upload_json"
    templates.write(templates.read(as_folder), path, form="json")
    return path


@pytest.mark.parametrize("form", ["as_folder", "as_zip", "as_json"])
def test_an_upload_package_is_linked_like_a_shared_one(form: str, request: pytest.FixtureRequest) -> None:
    store = open_store()
    (report,) = store.load(request.getfixturevalue(form))
    assert (report.study_accession, report.kind, report.status) == ("mystudy", "upload", "loaded")
    assert report.counts["result_files"] == 2
    assert report.findings[0].endswith("ImmPort shares no such IDs, so do not share tables made from them")
    samples = store.link(["one.fcs", "two", "three.fcs"]).set_index("file_name")
    assert list(store.orphans["file_name"]) == ["three.fcs"]
    columns = ["sample_id", "subject_accession", "arm_name", "age_years", "sex", "species"]
    assert samples[columns].to_numpy().tolist() == [
        ["e-1", "s-1", "Young", 30.0, "Female", "Homo sapiens"],
        ["e-2", "s-1", "Young", 30.0, "Female", "Homo sapiens"],
    ]
    assert list(samples["biosample_type"]) == ["PBMC", "Whole blood"]
    assert list(samples["study_time_days"]) == [0.0, 7.0]
    assert list(samples["visit_name"]) == ["Day 0", ""]
    assert list(samples["treatment"]) == ["LPS", ""]
    assert list(samples["control_files"]) == ["comp1.fcs;comp2.fcs", ""]
    assert set(samples["technique"]) == {"Flow cytometry"}
    found = store.results()
    row = found.populations.iloc[0]
    assert (row["population"], row["fraction"], row["sample_id"]) == ("T cells", 0.615, "e-1")
    assert list(store.reagents()["target"]) == ["CD3", "CD4"]  # the set is expanded
    assert list(store.search("panels")["markers"]) == ["CD3;CD4"]
    assert list(store.search("studies")["condition_studied"]) == ["health"]


def test_loading_templates_twice_changes_nothing(as_folder: Path) -> None:
    store = open_store()
    store.load(as_folder)
    before = store.link(None)
    assert store.load(as_folder)[0].status == "unchanged"
    assert store.link(None).equals(before)


def test_templates_without_a_study_ask_for_the_others(tmp_path: Path) -> None:
    path = tmp_path / "subjectHumans.txt"
    path.write_text(PACKAGE["subjectHumans.txt"])
    with pytest.raises(PackageError, match=r"subjectHumans\.txt: names no study .*; give the whole upload package"):
        open_store().load(path)


def test_a_template_that_is_damaged_is_reported(as_folder: Path, tmp_path: Path) -> None:
    (as_folder / "bioSamples.txt").write_text("bioSamples\tSchema Version 3.33\n\nnonsense\n")
    report = open_store().load(as_folder)[0]
    assert any(finding.startswith("bioSamples.txt: ") for finding in report.findings)


def test_arms_without_a_design_are_kept(as_folder: Path) -> None:
    (as_folder / "basic_study_design.txt").unlink()
    store = open_store()
    store.load(as_folder)
    samples = store.link(None)
    assert list(samples["arm_accession"]) == ["arm-1", "arm-1"]
    assert list(samples["age_years"]) == [30.0, 30.0]


def test_sources_are_told_apart(
    as_folder: Path, make_zip: Callable[..., Path], study: dict[str, list[dict[str, str]]]
) -> None:
    assert [source.kind for source in immport.find_sources(as_folder)] == ["upload"]
    assert [source.kind for source in immport.find_sources(make_zip(study))] == ["tab"]
