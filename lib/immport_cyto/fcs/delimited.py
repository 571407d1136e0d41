"""Events as TSV or CSV: float32 written as the shortest text that reads back the same."""

import csv
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import TableError
from immport_cyto.files import atomic_path

_ROWS = 50_000


def write(path: Path, names: Sequence[str], blocks: Iterable[npt.NDArray[Any]], delimiter: str) -> None:
    """Write a header line and one line per event; NaN is an empty cell."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerow(names)
        for block in blocks:
            for start in range(0, len(block), _ROWS):
                columns = [_text(column) for column in block[start : start + _ROWS].T]
                stream.writelines(delimiter.join(row) + "\n" for row in zip(*columns, strict=True))


def _text(column: npt.NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        # whole numbers need no point
        if np.isfinite(column).all() and (np.abs(column) < 2**53).all() and (column == np.trunc(column)).all():
            signed = np.signbit(column) & (column == 0)
            if not signed.any():
                column = column.astype(np.int64)
        elif np.isnan(column).any():
            return np.where(np.isnan(column), "", column.astype(str)).tolist()
    words: list[str] = column.astype(str).tolist()
    return words


def read(path: Path, delimiter: str) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Names of the columns, and the events.

    Raises
    ------
    TableError
        There is no header, a name is empty or repeated, a line has another number of cells, or a cell is no number.
    """
    import pandas as pd

    names = _header(path, delimiter)
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            # pandas cuts a line that is too long, with a warning
            warnings.simplefilter("error", pd.errors.ParserWarning)
            chunks = pd.read_csv(
                path, sep=delimiter, header=None, skiprows=1, names=names, index_col=False, dtype=np.float64,
                encoding="utf-8", chunksize=_ROWS, na_values=["", "NA", "nan", "NaN"],
                keep_default_na=False, skip_blank_lines=len(names) > 1,
            )  # fmt: skip
            blocks = [chunk.to_numpy().astype(np.float32) for chunk in chunks]
    except pd.errors.EmptyDataError:
        blocks = []
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _explain(path, delimiter, names)
        msg = f"{path}: cannot be read as numbers ({str(error).strip()}); correct it"
        raise TableError(msg) from error
    values = np.concatenate(blocks) if blocks else np.empty((0, len(names)), np.float32)
    if len(values) and np.isnan(values[:, -1]).any():
        # a line that is too short looks like empty cells at its end
        _explain(path, delimiter, names)
    return names, values


def _header(path: Path, delimiter: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = [name.strip() for name in next(csv.reader(stream, delimiter=delimiter), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read as text ({error}); check the path and the format"
        raise TableError(msg) from error
    if not names:
        msg = f"{path}: is empty; the first line must name the channels"
        raise TableError(msg)
    for number, name in enumerate(names, 1):
        if not name:
            msg = f"{path}: column {number} has no name in the first line; name it"
            raise TableError(msg)
        if name in names[: number - 1]:
            msg = f"{path}: two columns are named {name!r}; rename one"
            raise TableError(msg)
    if all(_is_number(name) for name in names):
        msg = f"{path}: the first line holds numbers; it must name the channels"
        raise TableError(msg)
    return names


def _explain(path: Path, delimiter: str, names: Sequence[str]) -> None:
    """Find the first cell or line that is wrong and say where it is."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        next(reader)
        for cells in reader:
            if len(cells) != len(names) and (cells or len(names) == 1):
                msg = f"{path}: line {reader.line_num} has {len(cells)} cells, the first line {len(names)}; correct it"
                raise TableError(msg)
            for name, cell in zip(names, cells, strict=False):
                if cell not in ("", "NA") and not _is_number(cell):
                    msg = f"{path}: line {reader.line_num}, column {name!r} holds {cell[:40]!r}, no number; correct it"
                    raise TableError(msg)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
