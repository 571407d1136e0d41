"""Small ImmPort packages with every trap that real ones have, made by the tests."""

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Rows = list[dict[str, str]]
Tables = dict[str, Rows]

# Two subjects, the second in arms of two studies; four FCS result files, one of them of two expsamples with two
# treatments; one control that is linked to all expsamples; a text result and a workspace; a visit that is missing.
STUDY: Tables = {
    "study": [{"STUDY_ACCESSION": "SDY901", "BRIEF_TITLE": "A study", "CONDITION_STUDIED": "Health"}],
    "arm_or_cohort": [
        {"ARM_ACCESSION": "ARM1", "NAME": "Young", "STUDY_ACCESSION": "SDY901"},
        {"ARM_ACCESSION": "ARM2", "NAME": "Old", "STUDY_ACCESSION": "SDY901"},
    ],
    "subject": [
        {"SUBJECT_ACCESSION": "SUB1", "GENDER": "Female", "RACE": "White", "ETHNICITY": "Other",
         "SPECIES": "Homo sapiens", "DESCRIPTION": "patient of Dr. X"},
        {"SUBJECT_ACCESSION": "SUB2", "GENDER": "Not_Specified", "RACE": "Asian", "ETHNICITY": "",
         "SPECIES": "Homo sapiens", "DESCRIPTION": ""},
    ],
    "arm_2_subject": [
        {"ARM_ACCESSION": "ARM1", "SUBJECT_ACCESSION": "SUB1", "AGE_UNIT": "Months", "MIN_SUBJECT_AGE": "18",
         "MAX_SUBJECT_AGE": "18", "AGE_EVENT": "Age at enrollment"},
        {"ARM_ACCESSION": "ARM2", "SUBJECT_ACCESSION": "SUB2", "AGE_UNIT": "Years", "MIN_SUBJECT_AGE": "90",
         "MAX_SUBJECT_AGE": "90", "AGE_EVENT": "Age at enrollment"},
    ],
    "planned_visit": [{"PLANNED_VISIT_ACCESSION": "PV1", "NAME": "Day 0", "STUDY_ACCESSION": "SDY901"}],
    "biosample": [
        {"BIOSAMPLE_ACCESSION": "BS1", "NAME": "my-secret-id", "PLANNED_VISIT_ACCESSION": "PV1",
         "STUDY_ACCESSION": "SDY901", "STUDY_TIME_COLLECTED": "36", "STUDY_TIME_COLLECTED_UNIT": "Hours",
         "STUDY_TIME_T0_EVENT": "Time of enrollment", "SUBJECT_ACCESSION": "SUB1", "TYPE": "PBMC"},
        {"BIOSAMPLE_ACCESSION": "BS2", "NAME": "", "PLANNED_VISIT_ACCESSION": "", "STUDY_ACCESSION": "SDY901",
         "STUDY_TIME_COLLECTED": "7", "STUDY_TIME_COLLECTED_UNIT": "Days", "STUDY_TIME_T0_EVENT": "",
         "SUBJECT_ACCESSION": "SUB2", "TYPE": "Whole blood"},
    ],
    "experiment": [
        {"EXPERIMENT_ACCESSION": "EXP1", "MEASUREMENT_TECHNIQUE": "Flow Cytometry", "STUDY_ACCESSION": "SDY901"},
        {"EXPERIMENT_ACCESSION": "EXP2", "MEASUREMENT_TECHNIQUE": "CyTOF", "STUDY_ACCESSION": "SDY901"},
    ],
    "expsample": [
        {"EXPSAMPLE_ACCESSION": "ES999", "EXPERIMENT_ACCESSION": "EXP1", "RESULT_SCHEMA": "FCM"},
        {"EXPSAMPLE_ACCESSION": "ES1000", "EXPERIMENT_ACCESSION": "EXP1", "RESULT_SCHEMA": "FCM"},
        {"EXPSAMPLE_ACCESSION": "ES1001", "EXPERIMENT_ACCESSION": "EXP1", "RESULT_SCHEMA": "FCM"},
        {"EXPSAMPLE_ACCESSION": "ES1002", "EXPERIMENT_ACCESSION": "EXP2", "RESULT_SCHEMA": "FCM"},
    ],
    "expsample_2_biosample": [
        {"BIOSAMPLE_ACCESSION": "BS1", "EXPSAMPLE_ACCESSION": "ES999"},
        {"BIOSAMPLE_ACCESSION": "BS1", "EXPSAMPLE_ACCESSION": "ES1000"},
        {"BIOSAMPLE_ACCESSION": "BS2", "EXPSAMPLE_ACCESSION": "ES1001"},
        {"BIOSAMPLE_ACCESSION": "BS2", "EXPSAMPLE_ACCESSION": "ES1002"},
    ],
    "expsample_2_file_info": [
        {"EXPSAMPLE_ACCESSION": es, "FILE_INFO_ID": number}
        for es, number in [
            ("ES999", "101"), ("ES1000", "101"), ("ES1000", "102"), ("ES1001", "103"), ("ES1002", "104"),
            ("ES999", "201"), ("ES1000", "201"), ("ES1001", "201"), ("ES1001", "301"),
        ]
    ],
    "expsample_2_treatment": [
        {"EXPSAMPLE_ACCESSION": "ES999", "TREATMENT_ACCESSION": "TRT1"},
        {"EXPSAMPLE_ACCESSION": "ES1000", "TREATMENT_ACCESSION": "TRT2"},
        {"EXPSAMPLE_ACCESSION": "ES1000", "TREATMENT_ACCESSION": "TRT3"},
    ],
    "treatment": [
        {"TREATMENT_ACCESSION": "TRT1", "NAME": "Unstim"},
        {"TREATMENT_ACCESSION": "TRT2", "NAME": "IL-6"},
        {"TREATMENT_ACCESSION": "TRT3", "NAME": "Brefeldin; 4 h"},
    ],
    "file_info": [
        {"FILE_INFO_ID": number, "NAME": name, "ORIGINAL_FILE_NAME": original, "DETAIL": detail,
         "FILESIZE_BYTES": size}
        for number, name, original, detail, size in [
            ("101", "a.101.fcs", "a.fcs", "Flow cytometry result", "1000"),
            ("102", "b.102.fcs", "b.fcs", "Flow cytometry result", "20"),
            ("103", "b.103.fcs", "b.fcs", "Flow cytometry result", "30"),
            ("104", "Mass 1.104.fcs", "Mass 1.fcs", "CyTOF result", "40"),
            ("201", "comp.201.fcs", "comp.fcs", "Flow cytometry compensation or control", "5"),
            ("301", "c.301.txt", "c.txt", "Flow cytometry result", "6"),
            ("401", "w.401.xml", "w.xml", "Flow cytometry workspace", "7"),
        ]
    ],
    "fcs_header": [
        {"FCS_HEADER_ID": "1", "FILE_INFO_ID": "103", "NUMBER_OF_EVENTS": "77", "NUMBER_OF_MARKERS": "2",
         "FCS_HEADER_TEXT": "$FIL=tube_7.fcs|GUID=abc-1|$DATE=01-JAN-2010|SPILL=1,A,1|"},
    ],
    "fcs_header_marker": [
        {"FCS_HEADER_ID": "1", "PARAMETER_NUMBER": "1", "PNN_REPORTED": "FITC-A", "PNS_REPORTED": "CD3"},
    ],
    "reagent": [
        {"REAGENT_ACCESSION": "ESR1", "NAME": "panel", "IS_SET": "Y"},
        {"REAGENT_ACCESSION": "ESR2", "NAME": "CD3 FITC", "ANALYTE_REPORTED": "CD3", "IS_SET": "N"},
        {"REAGENT_ACCESSION": "ESR3", "NAME": "CD4 PE", "ANALYTE_REPORTED": "CD4", "IS_SET": "N"},
    ],
    "reagent_set_2_reagent": [
        {"REAGENT_SET_ACCESSION": "ESR1", "REAGENT_ACCESSION": "ESR2"},
        {"REAGENT_SET_ACCESSION": "ESR1", "REAGENT_ACCESSION": "ESR3"},
    ],
    "expsample_2_reagent": [{"EXPSAMPLE_ACCESSION": "ES999", "REAGENT_ACCESSION": "ESR1"}],
    "fcs_analyzed_result": [
        {"RESULT_ID": "1", "STUDY_ACCESSION": "SDY901", "EXPSAMPLE_ACCESSION": "ES999",
         "POPULATION_NAME_REPORTED": "T cells", "POPULATION_STATISTIC_REPORTED": "12.5",
         "POPULATION_STAT_UNIT_REPORTED": "%"},
    ],
}  # fmt: skip


def text_of(rows: Rows) -> str:
    header = list(rows[0])
    lines = ["\t".join(header), *("\t".join(row.get(name, "") for name in header) for row in rows)]
    return "\n".join(lines) + "\n"


def write_zip(path: Path, tables: Tables, root: str | None = None) -> Path:
    folder = path.stem if root is None else root
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            archive.writestr(f"{folder}/Tab/{name}.txt", text_of(rows))
    return path


def write_folder(path: Path, tables: Tables) -> Path:
    (path / "Tab").mkdir(parents=True)
    for name, rows in tables.items():
        (path / "Tab" / f"{name}.txt").write_text(text_of(rows), encoding="utf-8")
    return path


def renamed(tables: Tables, offset: int) -> Tables:
    """The same study under other accessions; the subject SUB2 stays, so that it is in arms of two studies."""
    result = {}
    for name, rows in tables.items():
        result[name] = [
            {
                column: _renamed(column, value, offset)
                for column, value in row.items()
            }
            for row in rows
        ]  # fmt: skip
    return result


def _renamed(column: str, value: str, offset: int) -> str:
    if value == "SUB2" or not value:
        return value
    if column.endswith(("_ACCESSION", "_ID")):
        head = value.rstrip("0123456789")
        return f"{head}{int(value[len(head) :]) + offset}"
    if column == "NAME" and value.count(".") == 2:
        stem, number, suffix = value.split(".")
        return f"{stem}.{int(number) + offset}.{suffix}"
    return value


@pytest.fixture
def study() -> Tables:
    """Tables of one study, to be changed at will."""
    return copy.deepcopy(STUDY)


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    """Write tables as ``<name>.zip``."""

    def make(tables: Tables, name: str = "SDY901-DR30_Tab", root: str | None = None) -> Path:
        return write_zip(tmp_path / f"{name}.zip", tables, root)

    return make


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write tables as a folder."""

    def make(tables: Tables, name: str = "SDY901-DR30_Tab") -> Path:
        return write_folder(tmp_path / name, tables)

    return make


@pytest.fixture
def other_accessions() -> Callable[[Tables, int], Tables]:
    """A second study from the first, sharing the subject SUB2."""
    return renamed
