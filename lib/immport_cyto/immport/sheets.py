"""``samples.tsv`` in the forms of others: a sample sheet of Galaxy, the metadata table of CATALYST.

Galaxy keeps a sample sheet with a collection (``collection_type`` ``sample_sheet``): typed columns, and one row of
values per element identifier. CATALYST's ``prepData`` takes a table ``md`` with ``file_name``, ``sample_id``,
``condition`` and ``patient_id``.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import OptionError
from immport_cyto.tables import SAMPLES, Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_SHEET = Table(
    "sample_sheet.tsv",
    "columns of a Galaxy sample sheet, one row per element of the collection",
    (
        Column("element_identifier", "text", "name of the element: the FCS file name"),
        *(Column(c.name, c.kind, c.description, False) for c in SAMPLES.columns if c.name != "file_name"),
    ),
    ("element_identifier",),
)

_FACTORS = {
    "study_accession", "visit_name", "study_time_days", "age_years", "sex", "biosample_type", "treatment", "panel_id",
}  # fmt: skip
CATALYST_METADATA = Table(
    "metadata.tsv",
    "what CATALYST's prepData takes as md, one row per FCS file",
    (
        Column("file_name", "text", "name of the FCS file"),
        Column("sample_id", "text", "ESn; followed by the number of the file where an expsample has several"),
        Column("condition", "text", "the column that was asked for; by default the arm"),
        Column("patient_id", "text", "SUBn"),
        *(Column(c.name, c.kind, c.description, False) for c in SAMPLES.columns if c.name in _FACTORS),
    ),
    ("file_name",),
)

_GALAXY_TYPES = {"text": "string", "int": "int", "float": "float", "bool": "boolean"}


def sample_sheet(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of :data:`SAMPLE_SHEET`: what Galaxy's *Sample sheet to tabular* writes."""
    return conform(samples.rename(columns={"file_name": "element_identifier"}), SAMPLE_SHEET)


def galaxy_payload(samples: "pd.DataFrame") -> dict[str, Any]:
    """``column_definitions`` and ``rows`` of Galaxy's API for a collection with a sample sheet.

    Parameters
    ----------
    samples
        The contract ``tables.SAMPLES``; an unknown value becomes null.
    """
    sheet = sample_sheet(samples)
    columns = [column for column in SAMPLE_SHEET.columns if column.name != "element_identifier"]
    return {
        "column_definitions": [
            {
                "name": column.name, "type": _GALAXY_TYPES[column.kind], "optional": True,
                "description": column.description,
            }
            for column in columns
        ],
        "rows": {
            str(record["element_identifier"]): [_plain(record[column.name]) for column in columns]
            for record in sheet.to_dict("records")
        },
    }  # fmt: skip


def catalyst_metadata(samples: "pd.DataFrame", condition: str = "arm_name") -> "pd.DataFrame":
    """Rows of :data:`CATALYST_METADATA`.

    Parameters
    ----------
    samples
        The contract ``tables.SAMPLES``.
    condition
        Column of `samples` that becomes ``condition``.

    Raises
    ------
    OptionError
        `samples` has no such column, or no value in it.
    """
    if condition not in samples.columns or not samples[condition].astype(str).str.strip().any():
        problem = "has no value" if condition in samples.columns else "does not exist"
        msg = f"column {condition!r} of samples.tsv {problem}; name another for the condition, such as treatment"
        raise OptionError(msg)
    frame = samples.assign(condition=samples[condition].astype(str), patient_id=samples["subject_accession"])
    number = frame.groupby("sample_id").cumcount() + 1
    shared = frame.duplicated("sample_id", keep=False)
    frame["sample_id"] = frame["sample_id"].where(~shared, frame["sample_id"] + "-" + number.astype(str))
    return conform(frame, CATALYST_METADATA)[CATALYST_METADATA.column_names]


def _plain(value: Any) -> str | float | bool | None:
    """A value as JSON has it; unknown is null."""
    if value is None or value == "" or value != value or str(value) == "<NA>":
        return None
    return value if isinstance(value, (str, bool)) else float(value)
