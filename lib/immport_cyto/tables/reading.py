"""The one way to read, check, join and write the tables."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.exceptions import TableError
from immport_cyto.files import atomic_path
from immport_cyto.tables.contract import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_FORMULA = re.compile(r"^[=+\-@]")
_ESCAPED = re.compile(r"^'(?=[=+\-@])")


def read(path: Path | str, table: Table) -> "pd.DataFrame":
    """Read a table and check it against its contract.

    Returns
    -------
    pandas.DataFrame
        The contract's columns first, then any others. Text columns hold ``str`` with ``""`` for unknown; ``int``
        columns are ``Int64``, ``float`` columns ``float64``, ``bool`` columns ``boolean``.

    Raises
    ------
    TableError
        The file cannot be read, a line has more cells than the header, a column has no name or the name of another, a
        required column is missing, or a cell is not of the column's kind.
    """
    import pandas as pd

    path = Path(path)
    try:
        # without header=None pandas takes the first column of too long lines as an index and shifts all names by one
        frame = pd.read_csv(
            path, sep="\t", dtype=str, keep_default_na=False, na_filter=False, quoting=3, encoding="utf-8", header=None
        )
    except FileNotFoundError as error:
        msg = f"{path}: no such file; give the {table.name}"
        raise TableError(msg) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0].rpartition("C error: ")[2]
        msg = f"{path}: cannot be read as a table ({reason}); expected {table.name}, tab-separated with a header"
        raise TableError(msg) from error
    frame = _with_header(frame, path)
    frame = frame.apply(lambda column: column.str.replace(_ESCAPED, "", regex=True)) if len(frame) else frame
    return conform(frame, table, source=str(path))


def _with_header(frame: "pd.DataFrame", path: Path) -> "pd.DataFrame":
    """Take the first line as the names of the columns; a nameless column without any cell is left out."""
    names = [str(name) for name in frame.iloc[0]]
    frame = frame.iloc[1:].reset_index(drop=True)
    kept = [i for i, name in enumerate(names) if name or bool((frame[i] != "").any())]
    for i in kept:
        if not names[i] or names[i] in names[:i]:
            problem = f"has the name {names[i]!r} of another" if names[i] else "has no name"
            msg = f"{path}: column {i + 1} {problem}; give each column a name of its own"
            raise TableError(msg)
    return frame[kept].set_axis([names[i] for i in kept], axis=1)


def conform(frame: "pd.DataFrame", table: Table, source: str = "") -> "pd.DataFrame":
    """Bring a frame to a contract: check columns, set kinds, put the contract's columns first.

    Optional columns that are absent are added empty. `source` names the input in error messages.
    """
    import pandas as pd

    where = f"{source}: " if source else ""
    missing = [c.name for c in table.columns if c.required and c.name not in frame.columns]
    if missing:
        present = ", ".join(map(str, frame.columns[:8])) + (", ..." if len(frame.columns) > 8 else "")
        msg = f"{where}column {missing[0]!r} is missing from {table.name} (found: {present}); add it or check the input"
        raise TableError(msg)
    result: dict[str, pd.Series] = {}
    for column in table.columns:
        values = (
            frame[column.name] if column.name in frame.columns else pd.Series([None] * len(frame), index=frame.index)
        )
        result[column.name] = _as_kind(values, column, where)
    for name in frame.columns:
        if name not in result:
            result[str(name)] = frame[name]
    return pd.DataFrame(result).reset_index(drop=True)


def _as_kind(values: "pd.Series", column: Column, where: str) -> "pd.Series":
    import pandas as pd

    if column.kind == "text":
        text = values.astype(object).where(values.notna(), "")
        return text.map(str).astype(object)
    if column.kind == "bool":
        words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        mapped = [pd.NA if pd.isna(v) or str(v) == "" else words.get(str(v).lower(), str(v)) for v in values]
        bad = next((v for v in mapped if isinstance(v, str)), None)
        if bad is not None:
            msg = f"{where}column {column.name!r} holds {bad!r}; use true, false or an empty cell"
            raise TableError(msg)
        return pd.Series(mapped, index=values.index, dtype="boolean")
    blank = values.isna() | (values.astype(str).str.strip() == "")
    numbers = pd.to_numeric(values.where(~blank, None), errors="coerce")
    wrong = numbers.isna() & ~blank & ~values.astype(str).str.strip().str.lower().isin(["nan", "na"])
    if bool(wrong.any()):
        found = str(values[wrong].iloc[0])
        msg = f"{where}column {column.name!r} holds {found!r}, which is not a number; correct the cell"
        raise TableError(msg)
    if column.kind == "float":
        return numbers.astype("float64")
    fractional = numbers.notna() & (numbers % 1 != 0)
    if bool(fractional.any()):
        found = str(values[fractional].iloc[0])
        msg = f"{where}column {column.name!r} holds {found!r}, which is not a whole number; correct the cell"
        raise TableError(msg)
    return numbers.astype("Int64")


def write(frame: "pd.DataFrame", path: Path | str, table: Table) -> None:
    """Write a frame as `table`, whole or not at all; the rows stay in their order."""
    conformed = conform(frame, table, source=str(path))
    duplicated = conformed.duplicated(list(table.key))
    if bool(duplicated.any()):
        row = conformed.loc[duplicated].iloc[0]
        key = ", ".join(f"{name}={str(row[name])!r}" for name in table.key)
        msg = f"{path}: two rows of {table.name} have the same key ({key}); make the names unique"
        raise TableError(msg)
    with atomic_path(path) as temporary:
        to_text(conformed).to_csv(
            temporary, sep="\t", index=False, quoting=3, lineterminator="\n", encoding="utf-8", escapechar=None
        )


def to_text(frame: "pd.DataFrame") -> "pd.DataFrame":
    """All cells as text that is safe in a tab-separated file and in a spreadsheet."""
    import pandas as pd

    columns = {}
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_bool_dtype(values.dtype):
            columns[name] = ["" if pd.isna(v) else ("true" if v else "false") for v in values]
        elif pd.api.types.is_numeric_dtype(values.dtype):
            columns[name] = ["" if pd.isna(v) else repr(v.item() if hasattr(v, "item") else v) for v in values]
        else:
            columns[name] = ["" if v is None or v is pd.NA or v != v else escape_cell(str(v)) for v in values]
    return pd.DataFrame(columns, index=frame.index, dtype=object)


def escape_cell(text: str) -> str:
    """One cell of text without tabs, line ends and control characters, and never a formula."""
    text = _CONTROL.sub(" ", text)
    return "'" + text if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def concat(frames: Iterable["pd.DataFrame"], table: Table) -> "pd.DataFrame":
    """Join frames of one contract below each other; no frames give an empty table."""
    import pandas as pd

    parts = [conform(frame, table) for frame in frames]
    parts = [part for part in parts if len(part)]
    if not parts:
        return conform(pd.DataFrame({name: [] for name in table.column_names}), table)
    return conform(pd.concat(parts, ignore_index=True), table)
