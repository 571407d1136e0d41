"""The form of an ImmPort shared package: tables, columns in their order, and the zip they come in.

Columns are those of data release 32. The zip is the same for the same tables: members in order, one fixed time stamp,
stored without compression (compressors differ between machines).
"""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from immport_cyto.files import atomic_path

RELEASE = "DR99"
"""An artificial release, so that no simulated package is taken for a real one."""

COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "study": """STUDY_ACCESSION ACTUAL_COMPLETION_DATE ACTUAL_ENROLLMENT ACTUAL_START_DATE AGE_UNIT
            BRIEF_DESCRIPTION BRIEF_TITLE CLINICAL_TRIAL CONDITION_STUDIED DCL_ID DESCRIPTION DOI ENDPOINTS
            GENDER_INCLUDED HYPOTHESIS INITIAL_DATA_RELEASE_DATE INITIAL_DATA_RELEASE_VERSION INTERVENTION_AGENT
            LATEST_DATA_RELEASE_DATE LATEST_DATA_RELEASE_VERSION MAXIMUM_AGE MINIMUM_AGE OBJECTIVES OFFICIAL_TITLE
            SPONSORING_ORGANIZATION TARGET_ENROLLMENT WORKSPACE_ID""",
        "arm_or_cohort": "ARM_ACCESSION DESCRIPTION NAME STUDY_ACCESSION TYPE WORKSPACE_ID",
        "arm_2_subject": """ARM_ACCESSION SUBJECT_ACCESSION AGE_EVENT AGE_EVENT_SPECIFY AGE_UNIT MAX_SUBJECT_AGE
            MIN_SUBJECT_AGE SUBJECT_PHENOTYPE""",
        "subject": """SUBJECT_ACCESSION ANCESTRAL_POPULATION DESCRIPTION ETHNICITY GENDER RACE RACE_SPECIFY SPECIES
            STRAIN STRAIN_CHARACTERISTICS WORKSPACE_ID""",
        "planned_visit": """PLANNED_VISIT_ACCESSION END_RULE MAX_START_DAY MIN_START_DAY NAME ORDER_NUMBER
            PERIOD_ACCESSION START_RULE STUDY_ACCESSION WORKSPACE_ID""",
        "biosample": """BIOSAMPLE_ACCESSION DESCRIPTION NAME PLANNED_VISIT_ACCESSION STUDY_ACCESSION
            STUDY_TIME_COLLECTED STUDY_TIME_COLLECTED_UNIT STUDY_TIME_T0_EVENT STUDY_TIME_T0_EVENT_SPECIFY
            SUBJECT_ACCESSION SUBTYPE TYPE WORKSPACE_ID""",
        "experiment": "EXPERIMENT_ACCESSION DESCRIPTION MEASUREMENT_TECHNIQUE NAME STUDY_ACCESSION WORKSPACE_ID",
        "expsample": """EXPSAMPLE_ACCESSION DESCRIPTION EXPERIMENT_ACCESSION NAME RESULT_SCHEMA UPLOAD_RESULT_STATUS
            WORKSPACE_ID""",
        "expsample_2_biosample": "BIOSAMPLE_ACCESSION EXPSAMPLE_ACCESSION",
        "expsample_2_file_info": "EXPSAMPLE_ACCESSION FILE_INFO_ID RESULT_SCHEMA",
        "expsample_2_reagent": "EXPSAMPLE_ACCESSION REAGENT_ACCESSION",
        "expsample_2_treatment": "EXPSAMPLE_ACCESSION TREATMENT_ACCESSION",
        "treatment": """TREATMENT_ACCESSION AMOUNT_UNIT AMOUNT_VALUE COMMENTS DURATION_UNIT DURATION_VALUE NAME
            TEMPERATURE_UNIT TEMPERATURE_VALUE WORKSPACE_ID""",
        "file_info": "FILE_INFO_ID DETAIL FILESIZE_BYTES NAME ORIGINAL_FILE_NAME WORKSPACE_ID",
        "fcs_header": """FCS_HEADER_ID COMPENSATION_FLAG EXPSAMPLE_ACCESSION FCS_FILE_NAME FCS_HEADER_TEXT FCS_VERSION
            FILE_INFO_ID MAXIMUM_INTENSITY MINIMUM_INTENSITY NUMBER_OF_EVENTS NUMBER_OF_MARKERS PANEL_PREFERRED
            PANEL_REPORTED""",
        "fcs_header_marker": """FCS_HEADER_ID PARAMETER_NUMBER PNN_PREFERRED PNN_REPORTED PNS_PREFERRED
            PNS_REPORTED""",
        "fcs_analyzed_result": """RESULT_ID ARM_ACCESSION BIOSAMPLE_ACCESSION COMMENTS EXPERIMENT_ACCESSION
            EXPSAMPLE_ACCESSION PARENT_POPULATION_PREFERRED PARENT_POPULATION_REPORTED POPULATION_CELL_NUMBER_UNIT
            POPULATION_DEFNITION_PREFERRED POPULATION_DEFNITION_REPORTED POPULATION_NAME_PREFERRED
            POPULATION_NAME_REPORTED POPULATION_STAT_UNIT_PREFERRED POPULATION_STAT_UNIT_REPORTED
            POPULATION_STATISTIC_PREFERRED POPULATION_STATISTIC_REPORTED REPOSITORY_ACCESSION REPOSITORY_NAME
            STUDY_ACCESSION STUDY_TIME_COLLECTED STUDY_TIME_COLLECTED_UNIT STUDY_TIME_T0_EVENT
            STUDY_TIME_T0_EVENT_SPECIFY SUBJECT_ACCESSION WORKSPACE_FILE_INFO_ID WORKSPACE_ID""",
        "reagent": """REAGENT_ACCESSION ANALYTE_ACCESSION ANALYTE_PREFERRED ANALYTE_REPORTED ANTIBODY_REGISTRY_ID
            CATALOG_NUMBER CLONE_NAME CONTACT DESCRIPTION IS_SET LOT_NUMBER MANUFACTURER NAME REPORTER_NAME TYPE
            WEBLINK WORKSPACE_ID""",
        "reagent_set_2_reagent": "REAGENT_SET_ACCESSION REAGENT_ACCESSION WORKSPACE_ID",
    }.items()
}
"""Table -> its columns."""

Row = Mapping[str, str | int | float | None]


def table_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """One table in ImmPort's dialect: header, tabs, LF, empty for unknown, no quoting."""
    lines = ["\t".join(columns)]
    for row in rows:
        cells = ["" if row.get(name) is None else str(row.get(name)) for name in columns]
        lines.append("\t".join(" ".join(cell.split()) if set(cell) & set("\t\r\n") else cell for cell in cells))
    return "\n".join(lines) + "\n"


def write_package(path: Path, study: str, tables: Mapping[str, Sequence[Row]]) -> None:
    """Write ``SDYn-DR99_Tab.zip`` with all tables of `COLUMNS`; one that is not in `tables` has only its header."""
    folder = f"{study}-{RELEASE}_Tab/Tab"
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(COLUMNS):
            member = zipfile.ZipInfo(f"{folder}/{name}.txt", date_time=(1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            member.create_system = 3
            archive.writestr(member, table_text(COLUMNS[name], tables.get(name, ())))
