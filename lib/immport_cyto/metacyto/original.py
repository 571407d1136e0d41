"""MetaCyto's own tables: read those of an earlier run, write those that its users know."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto import tables
from immport_cyto.exceptions import LinkError, TableError
from immport_cyto.metacyto.searching import METHOD
from immport_cyto.metacyto.statistics import FRACTION

if TYPE_CHECKING:
    import pandas as pd

_STATS = ("study_id", "fcs_files", "label", FRACTION)
_IDENTITY = ("study_id", "fcs_files", "cluster_id", "label", "fcs_names", FRACTION)
_COVARIATES = {
    "subject age": "age_years", "age": "age_years", "gender": "sex", "sex": "sex", "race": "race",
    "ethnicity": "ethnicity", "subject accession": "subject_accession", "biosample type": "biosample_type",
    "study accession": "study_accession", "expsample accession": "sample_id",
}  # fmt: skip
_ROW_NAMES = re.compile(r"Unnamed: \d+$|X$")
_STUDY_NAME = re.compile(r"SDY\d+")


def _table(path: Path, needed: Sequence[str]) -> "pd.DataFrame":
    """A table of MetaCyto, separated by commas or tabs, as text; labels such as "NA" stay text."""
    import pandas as pd

    try:
        with Path(path).open(encoding="utf-8-sig") as stream:
            separator = "\t" if "\t" in stream.readline() else ","
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        msg = f"{path}: cannot be read as a table of MetaCyto ({reason}); give its CSV file"
        raise TableError(msg) from error
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        msg = f"{path}: column {missing[0]!r} is missing (found: {', '.join(frame.columns[:6])}); give MetaCyto's table"
        raise TableError(msg)
    return frame


def _number(text: str, path: Path, column: str) -> float:
    if text in ("", "NA", "NaN"):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        msg = f"{path}: column {column!r} holds {text!r}, which is not a number; correct the cell"
        raise TableError(msg) from None


def file_name(path: str) -> str:
    """Last part of a path with / or backslashes."""
    return re.split(r"[/\\]", path)[-1]


def study_accession(study_id: str) -> str:
    """SDYn in a name such as ``Data_SDY736_FCM-1``, else the name."""
    found = _STUDY_NAME.search(study_id)
    return found.group() if found else study_id


def read_cluster_stats(paths: Iterable[Path]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Read ``cluster_stats_in_each_sample.csv`` of one or several panels (in the old Galaxy: metacyto_stats.txt).

    Returns
    -------
    populations, medians : DataFrame
        POPULATIONS (without counts, which the table does not hold) and MEDIANS, both with method "metacyto".

    Raises
    ------
    TableError
        A column is missing, or a number is none.
    LinkError
        Two files of one name.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    medians: list[dict[str, Any]] = []
    place: dict[str, str] = {}
    for path in paths:
        frame = _table(path, _STATS)
        # R writes its row names in a first column without a name
        markers = [name for name in frame.columns if name not in _IDENTITY and name and not _ROW_NAMES.match(name)]
        for record in frame.to_dict("records"):
            name = file_name(record["fcs_files"])
            if place.setdefault(name, record["fcs_files"]) != record["fcs_files"]:
                msg = f"{path}: two files are named {name!r}; rename one, results are kept by file name"
                raise LinkError(msg)
            common = {"file_name": name, "method": METHOD, "population": record["label"]}
            rows.append({
                **common, "study_accession": study_accession(record["study_id"]), "panel_id": record["study_id"],
                "sample_id": name, "definition": record["label"], "cl_id": "", "parent": "", "n_events": None,
                "n_parent": None, "fraction": _number(record[FRACTION], path, FRACTION), "flag": "",
            })  # fmt: skip
            medians += [
                {**common, "marker": marker, "median": _number(record[marker], path, marker)} for marker in markers
            ]
    return (
        tables.concat([pd.DataFrame(rows)] if rows else [], tables.POPULATIONS),
        tables.concat([pd.DataFrame(medians)] if medians else [], tables.MEDIANS),
    )


def read_sample_info(paths: Iterable[Path], populations: "pd.DataFrame | None" = None) -> "pd.DataFrame":
    """Read ``sample_info.csv``: fcs_files and covariates; in SAMPLES under their names there, others under their own.

    Without a column "Subject Accession" each file counts as a subject of its own. `populations` gives the studies.

    Raises
    ------
    TableError
        There is no column fcs_files.
    """
    import pandas as pd

    studies: Mapping[str, str] = {}
    if populations is not None:
        studies = dict(zip(populations["file_name"], populations["study_accession"], strict=True))
    parts = []
    for path in paths:
        frame = _table(path, ("fcs_files",))
        found: dict[str, Any] = {"file_name": [file_name(name) for name in frame["fcs_files"]]}
        for column in frame.columns:
            if column in ("fcs_files", "fcs_names", "study_id"):
                continue
            name = _COVARIATES.get(column.strip().lower(), column)
            cells = [text if text != "NA" else "" for text in frame[column]]
            found[name] = [_number(text, path, column) for text in cells] if name == "age_years" else cells
        found.setdefault("sample_id", found["file_name"])
        found.setdefault("subject_accession", found["file_name"])
        found.setdefault("study_accession", [
            studies.get(name, "") or "".join(_STUDY_NAME.findall(place)[:1])
            for name, place in zip(found["file_name"], frame["fcs_files"], strict=True)
        ])  # fmt: skip
        parts.append(pd.DataFrame(found))
    return tables.concat(parts, tables.SAMPLES).drop_duplicates("file_name", ignore_index=True)
