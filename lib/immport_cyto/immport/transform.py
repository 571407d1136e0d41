"""What the loader needs to know about its staging tables and links, as data; the SQL itself is in ``sql/``."""

from immport_cyto.immport.aliases import SUBJECT_2, TABLES

STAGED = {source.name: tuple(column.name for column in source.columns) for source in (*TABLES, SUBJECT_2)}
"""Staging tables ``temp.s_<name>`` and their columns, all text."""

STAGING_INDEXES: tuple[tuple[str, str], ...] = (
    ("s_arm_or_cohort", "arm_accession"),
    ("s_arm_2_subject", "subject_accession"),
    ("s_subject", "subject_accession"),
    ("s_biosample", "subject_accession"),
    ("s_biosample", "biosample_accession"),
    ("s_experiment", "experiment_accession"),
    ("s_fcs_header", "fcs_header_id"),
    ("s_reagent_set_2_reagent", "reagent_set_accession"),
)

STUBS: tuple[tuple[str, str, str], ...] = (
    ("biosample", "subject_accession", "subject"),
    ("arm_subject", "subject_accession", "subject"),
    ("biosample", "visit_accession", "visit"),
    ("expsample", "experiment_accession", "experiment"),
)
"""(child, column, parent): a parent that no table describes gets an empty row, so that no child is lost."""

DANGLING: tuple[tuple[str, str, str], ...] = (
    ("expsample_biosample", "expsample_accession", "expsample"),
    ("expsample_biosample", "biosample_accession", "biosample"),
    ("expsample_file", "expsample_accession", "expsample"),
    ("expsample_file", "file_info_id", "file"),
    ("expsample_treatment", "expsample_accession", "expsample"),
    ("expsample_treatment", "treatment_accession", "treatment"),
    ("biosample_treatment", "biosample_accession", "biosample"),
    ("biosample_treatment", "treatment_accession", "treatment"),
    ("expsample_reagent", "expsample_accession", "expsample"),
    ("expsample_reagent", "reagent_accession", "reagent"),
    ("fcs", "file_info_id", "file"),
    ("fcs_param", "file_info_id", "file"),
)
"""(link, column, parent): a row of a link table whose end does not exist tells nothing, and goes."""

_STUDY = "study_accession IN (SELECT study_accession FROM chosen)"
_EXPSAMPLE = "expsample_accession IN (SELECT expsample_accession FROM keep_expsample)"
_FILE = "file_info_id IN (SELECT file_info_id FROM keep_file)"

NEW_ROWS: dict[str, str] = {
    "biosample": _STUDY,
    "arm_subject": _STUDY,
    "expsample": _EXPSAMPLE,
    "expsample_biosample": _EXPSAMPLE,
    "expsample_file": _EXPSAMPLE,
    "expsample_treatment": _EXPSAMPLE,
    "expsample_reagent": _EXPSAMPLE,
    "biosample_treatment": "biosample_accession IN (SELECT biosample_accession FROM s_biosample)",
    "fcs": _FILE,
    "fcs_param": _FILE,
}
"""Where a fresh load can have left such rows; after a replacement the whole table is looked through."""

NAMED_STUDIES = (
    "SELECT study_accession FROM s_experiment UNION SELECT study_accession FROM s_biosample "
    "UNION SELECT study_accession FROM s_arm_or_cohort EXCEPT SELECT study_accession FROM s_study"
)
"""Studies that other tables name and study.txt does not list."""
