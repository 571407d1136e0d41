"""``samples.tsv`` in the forms of others, and from them: a sample sheet of Galaxy, the metadata table of CATALYST.

Galaxy keeps a sample sheet with a collection (``collection_type`` ``sample_sheet``): typed columns, and one row of
values per element identifier. CATALYST's ``prepData`` takes a table ``md`` with ``file_name``, ``sample_id``,
``condition`` and ``patient_id``.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import LinkError, OptionError, TableError
from immport_cyto.tables import SAMPLES, Column, Table, conform, read

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


def read_sheet(path: Path) -> "pd.DataFrame":
    """Samples from a sample sheet: a table as :func:`sample_sheet` writes it, or the JSON of Galaxy's API.

    Names of columns are those of ``tables.SAMPLES``, in any case, blanks for underscores; others are kept as they are.
    A sheet without ``sample_id`` has one sample per file, under its name. ``link_rule`` becomes ``sample_sheet``.

    Returns
    -------
    pandas.DataFrame
        The contract ``tables.SAMPLES``.

    Raises
    ------
    TableError
        The file is neither, a column that is needed is missing, or a cell is not of the column's kind.
    """
    import pandas as pd

    wanted = Table(SAMPLE_SHEET.name, SAMPLE_SHEET.description, SAMPLE_SHEET.columns[:1], SAMPLE_SHEET.key)
    is_json = path.is_file() and path.read_bytes()[:1] == b"{"
    frame = _of_galaxy(path) if is_json else read(path, wanted)
    known = {column.name for column in SAMPLES.columns}
    names = {name: name.strip().lower().replace(" ", "_") for name in frame.columns}
    frame = frame.rename(columns={name: plain for name, plain in names.items() if plain in known})
    frame = frame.rename(columns={"element_identifier": "file_name"})
    if "sample_id" not in frame.columns:
        frame["sample_id"] = frame["file_name"]
    frame["link_rule"] = "sample_sheet"
    if (doubled := frame["file_name"][frame["file_name"].duplicated()]).any():
        msg = f"{path}: {doubled.iloc[0]!r} has two rows; a sample sheet has one per file"
        raise TableError(msg)
    return conform(pd.DataFrame(frame), SAMPLES, source=str(path))


def _of_galaxy(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        names = [str(column["name"]) for column in found["column_definitions"]]
        if not names:
            msg = "the list of FCS files has no sample sheet; give a collection of the type sample_sheet, or a table"
            raise TableError(msg)
        rows = [[name, *map(_text, values)] for name, values in found["rows"].items()]
        return pd.DataFrame(rows, columns=["element_identifier", *names], dtype=object)
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: is not a sample sheet of Galaxy (column_definitions and rows); give one, or a table"
        raise TableError(msg) from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def link_sheet(sheet: "pd.DataFrame", names: Iterable[str] | None) -> "tuple[pd.DataFrame, list[str], list[str]]":
    """Rows of a sheet for these files; a name with and without ``.fcs`` is the same where that is clear.

    Parameters
    ----------
    sheet
        Of :func:`read_sheet`.
    names
        Names of the files; all of the sheet where None.

    Returns
    -------
    samples : pandas.DataFrame
        The contract ``tables.SAMPLES``, under the names of the files, in order of the names.
    unknown : list of str
        Files without a row.
    unused : list of str
        Rows without a file.

    Raises
    ------
    LinkError
        Two files would take the same row.
    """
    if names is None:
        return sheet.sort_values("file_name", kind="stable", ignore_index=True), [], []
    by_name = {str(name): number for number, name in enumerate(sheet["file_name"])}
    by_stem: dict[str, list[int]] = {}
    for name, number in by_name.items():
        by_stem.setdefault(_stem(name), []).append(number)
    taken: dict[int, str] = {}
    unknown = []
    for name in sorted(names):
        rows = [by_name[name]] if name in by_name else by_stem.get(_stem(name), [])
        if len(rows) != 1:
            unknown.append(name)
            continue
        if rows[0] in taken:
            msg = f"{name!r} and {taken[rows[0]]!r} are the same row of the sample sheet; rename one of the files"
            raise LinkError(msg)
        taken[rows[0]] = name
    samples = sheet.iloc[list(taken)].assign(file_name=list(taken.values())).reset_index(drop=True)
    unused = [name for name, number in by_name.items() if number not in taken]
    return samples, unknown, sorted(unused)


def _stem(name: str) -> str:
    plain = name.lower().removesuffix(".gz")
    return plain.removesuffix(".fcs")


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
