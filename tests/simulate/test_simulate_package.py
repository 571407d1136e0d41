import io
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from immport_cyto.simulate.release import COLUMNS, table_text

STUDIES = ("SDY9901", "SDY9902", "SDY9903")


def load(root: Path, study: str) -> dict[str, pd.DataFrame]:
    with zipfile.ZipFile(root / study / f"{study}-DR99_Tab.zip") as archive:
        return {
            Path(name).stem: pd.read_csv(
                io.BytesIO(archive.read(name)), sep="\t", dtype=str, keep_default_na=False, quoting=3
            )
            for name in archive.namelist()
        }


def truth(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / "truth" / f"{name}.tsv", sep="\t", dtype=str, keep_default_na=False)


def join(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Result files to subjects, by the way that the reference describes."""
    files = tables["file_info"]
    files = files[files["DETAIL"].isin(["Flow cytometry result", "CyTOF result"])].rename(columns={"NAME": "FILE"})
    arms = tables["arm_2_subject"].merge(tables["arm_or_cohort"], on="ARM_ACCESSION")
    return (
        files.merge(tables["expsample_2_file_info"], on="FILE_INFO_ID")
        .merge(tables["expsample"], on="EXPSAMPLE_ACCESSION")
        .merge(tables["experiment"], on="EXPERIMENT_ACCESSION", suffixes=("", "_exp"))
        .merge(tables["expsample_2_biosample"], on="EXPSAMPLE_ACCESSION")
        .merge(tables["biosample"], on="BIOSAMPLE_ACCESSION", suffixes=("", "_bs"))
        .merge(tables["subject"], on="SUBJECT_ACCESSION", suffixes=("", "_sub"))
        .merge(arms, on=["SUBJECT_ACCESSION", "STUDY_ACCESSION"], suffixes=("", "_arm"))
        .merge(tables["planned_visit"], on="PLANNED_VISIT_ACCESSION", how="left", suffixes=("", "_visit"))
    )


@pytest.mark.parametrize("study", STUDIES)
def test_every_result_file_joins_to_its_one_subject(small, study):
    linked = join(load(small, study)).set_index("FILE")
    samples = truth(small, "samples").set_index("file_name")
    samples = samples[samples["study_accession"] == study]
    on_disk = {p.name for p in (small / study).rglob("*.fcs")}
    assert on_disk == set(samples.index)
    ghost = set(linked.index) - on_disk
    assert len(ghost) == (1 if study == "SDY9901" else 0)
    linked = linked.drop(index=list(ghost)).loc[samples.index]
    assert not linked.index.has_duplicates
    for column, wanted in (
        ("SUBJECT_ACCESSION", samples["subject_accession"]),
        ("EXPSAMPLE_ACCESSION", samples["sample_id"]),
        ("GENDER", samples["sex"]),
        ("NAME_arm", samples["arm_name"]),
        ("MEASUREMENT_TECHNIQUE", samples["technique"]),
        ("NAME_visit", samples["visit_name"].where(samples["visit_missing"] == "false", "")),
        ("MIN_SUBJECT_AGE", samples["age_years"].where(samples["age_missing"] == "false", "")),
    ):
        assert linked[column].fillna("").tolist() == wanted.tolist(), column
    hours = linked["STUDY_TIME_COLLECTED_UNIT"].eq("Hours")
    assert hours.all() if study == "SDY9902" else not hours.any()
    days = linked["STUDY_TIME_COLLECTED"].astype(int) // hours.map({True: 24, False: 1})
    assert days.tolist() == samples["study_time_days"].astype(int).tolist()


@pytest.mark.parametrize("study", STUDIES)
def test_tables_have_the_columns_of_the_release_and_no_dangling_key(small, study):
    tables = load(small, study)
    assert {name: tuple(frame.columns) for name, frame in tables.items()} == COLUMNS
    keys = {
        "STUDY_ACCESSION": "study", "ARM_ACCESSION": "arm_or_cohort", "SUBJECT_ACCESSION": "subject",
        "PLANNED_VISIT_ACCESSION": "planned_visit", "BIOSAMPLE_ACCESSION": "biosample",
        "EXPERIMENT_ACCESSION": "experiment", "EXPSAMPLE_ACCESSION": "expsample", "REAGENT_ACCESSION": "reagent",
        "TREATMENT_ACCESSION": "treatment", "FILE_INFO_ID": "file_info", "FCS_HEADER_ID": "fcs_header",
    }  # fmt: skip
    for key, home in keys.items():
        known = tables[home][key]
        assert known.is_unique, key
        for name, frame in tables.items():
            if key in frame.columns:
                assert set(frame[key]) - {""} <= set(known), f"{name}.{key}"


def test_the_missing_values_are_there_and_are_few(small):
    samples = truth(small, "samples")
    missing_age = samples[samples["age_missing"] == "true"]
    assert len(set(missing_age["subject_accession"])) == 1
    assert set(missing_age["study_accession"]) == {"SDY9901"}
    for study in STUDIES:
        tables = load(small, study)
        assert (tables["biosample"]["PLANNED_VISIT_ACCESSION"] == "").sum() == 1
        results = set(tables["fcs_header"]["EXPSAMPLE_ACCESSION"])
        assert len(results - set(tables["expsample_2_treatment"]["EXPSAMPLE_ACCESSION"])) == 1
        assert set(tables["fcs_header"]["COMPENSATION_FLAG"]) == {"N"}
        controls = tables["file_info"][tables["file_info"]["DETAIL"] == "Flow cytometry compensation or control"]
        links = tables["expsample_2_file_info"]
        with_control = set(links[links["FILE_INFO_ID"].isin(controls["FILE_INFO_ID"])]["EXPSAMPLE_ACCESSION"])
        assert len(results - with_control) == (len(results) if study == "SDY9903" else 1)


def test_reagents_of_a_set_expand_to_the_markers_of_the_panel(small):
    tables = load(small, "SDY9902")
    links = tables["expsample_2_reagent"].merge(tables["reagent"], on="REAGENT_ACCESSION")
    assert set(links["IS_SET"]) == {"Y"}
    members = tables["reagent_set_2_reagent"].merge(tables["reagent"], on="REAGENT_ACCESSION")
    expanded = links[["EXPSAMPLE_ACCESSION", "REAGENT_ACCESSION"]].merge(
        members, left_on="REAGENT_ACCESSION", right_on="REAGENT_SET_ACCESSION"
    )
    panel = truth(small, "panel").merge(truth(small, "samples")[["file_name", "sample_id"]], on="file_name")
    for sample, rows in panel[panel["study_accession"] == "SDY9902"].groupby("sample_id"):
        markers = set(rows[rows["role"] == "marker"]["antigen"])
        analytes = set(expanded[expanded["EXPSAMPLE_ACCESSION"] == sample]["ANALYTE_REPORTED"])
        assert analytes - {"Aqua Live Dead"} == markers


def test_some_subjects_come_twice_and_sexes_and_arms_are_balanced(small):
    samples = truth(small, "samples")
    for _, rows in samples.groupby("study_accession"):
        visits = rows.drop_duplicates("biosample_accession").groupby("subject_accession").size()
        assert Counter(visits) == {1: 5, 2: 1}
        subjects = rows.drop_duplicates("subject_accession")
        assert subjects["sex"].value_counts().min() >= 2
        assert subjects["arm_name"].value_counts().min() >= 2


def test_accessions_are_unique_over_the_studies(small):
    samples = truth(small, "samples")
    assert samples["file_name"].is_unique
    assert samples["sample_id"].is_unique
    assert samples.groupby("subject_accession")["study_accession"].nunique().max() == 1


def test_line_ends_and_tabs_in_a_cell_become_blanks():
    assert table_text(("A", "B"), [{"A": "x\ty\nz", "B": None}]) == "A\tB\nx y z\t\n"
