"""Compensation: which spillover matrix belongs to a file, and its inverse applied to the events.

A spillover matrix S has one row per fluorochrome and one column per detector: measured = true @ S. So
true = measured @ inv(S), one matrix product per chunk of events.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from immport_cyto.exceptions import CompensationError

_MAX_CONDITION = 1e6
_CHUNK_VALUES = 4_000_000


@dataclass(frozen=True)
class Matrix:
    """A spillover matrix that fits a file.

    Attributes
    ----------
    columns
        Indices of the channels in the file, 0-based, in the order of the matrix.
    channels
        Their names as in the file.
    values
        n x n float64, rows are fluorochromes, columns detectors.
    notes
        What was guessed to make it fit, one sentence each.
    """

    columns: tuple[int, ...]
    channels: tuple[str, ...]
    values: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Nothing to compensate."""
        return bool(np.allclose(self.values, np.eye(len(self.values)), rtol=0, atol=1e-9))

    def to_text(self) -> str:
        """The value of a $SPILLOVER keyword (FCS 3.1)."""
        numbers = [format(value, ".12g") for value in self.values.ravel()]
        return ",".join([str(len(self.channels)), *self.channels, *numbers])


class AlreadyCompensatedError(CompensationError):
    """The channels of the file carry the prefix of compensated channels."""


def fit(names: Sequence[str], matrix: np.ndarray, channels: Sequence[str], source: str) -> Matrix:
    """Find the channels of a file that a spillover matrix names.

    A name fits if it is equal; else if it is equal without case and ``< >`` and with blanks and ``/ : , . -`` read as
    ``_``; else if it is so with ``-A`` added. When all names are whole numbers, they are channel numbers. Two channels
    of the file that fit one name are an error.

    Parameters
    ----------
    names
        Channel names of the matrix.
    matrix
        n x n, rows are fluorochromes.
    channels
        $PnN of the file, in order.
    source
        File and keyword or table, for messages.

    Raises
    ------
    CompensationError
        The matrix has a wrong shape or values, names channels that the file lacks, or is singular.
    AlreadyCompensatedError
        The names fit only without the prefix ``Comp-`` of the file's channels.
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape != (len(names), len(names)) or not len(names):
        shape = " x ".join(map(str, values.shape))
        msg = f"{source}: the spillover matrix is {shape} for {len(names)} channels; give one row per channel"
        raise CompensationError(msg)
    if not np.isfinite(values).all():
        msg = f"{source}: the spillover matrix holds a value that is not finite; correct it or use no compensation"
        raise CompensationError(msg)
    columns, notes = _match(names, channels, source)
    diagonal = np.diag(values)
    if np.allclose(diagonal, 100) and len(names) > 0:
        values = values / 100
        notes.append("spillover values are percent and were divided by 100")
    condition = np.linalg.cond(values)
    if not math.isfinite(condition) or condition > _MAX_CONDITION:
        msg = (
            f"{source}: the spillover matrix is singular (condition number {condition:.3g}), two of its channels "
            "cannot be told apart; correct it or use no compensation"
        )
        raise CompensationError(msg)
    return Matrix(tuple(columns), tuple(channels[i] for i in columns), values, tuple(notes))


def _match(names: Sequence[str], channels: Sequence[str], source: str) -> tuple[list[int], list[str]]:
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        msg = f"{source}: the spillover matrix names channel {twice!r} twice; give each channel one row"
        raise CompensationError(msg)
    if all(name.strip().isdigit() for name in names) and not set(names) & set(channels):
        numbers = [int(name) - 1 for name in names]
        if all(0 <= number < len(channels) for number in numbers):
            return numbers, ["spillover channels are given by number"]
    columns: list[int] = []
    missing: list[str] = []
    notes: list[str] = []
    for name in names:
        found = _candidates(name, channels)
        if len(found) > 1:
            fits = ", ".join(repr(channels[i]) for i in found)
            msg = f"{source}: spillover channel {name!r} fits several channels ({fits}); name one exactly"
            raise CompensationError(msg)
        if not found:
            missing.append(name)
            continue
        columns.append(found[0])
        if channels[found[0]] != name:
            notes.append(f"spillover channel {name!r} taken as {channels[found[0]]!r}")
    prefixed = {_plain(c.strip()[5:].lstrip("-_ ")) for c in channels if c.strip().lower().startswith("comp-")}
    if missing and all(_plain(name) in prefixed for name in missing):
        msg = f"{source}: the file holds compensated channels already ({'Comp-' + missing[0]!r}); use no compensation"
        raise AlreadyCompensatedError(msg)
    if missing:
        listed = ", ".join(repr(name) for name in missing[:6]) + (", ..." if len(missing) > 6 else "")
        msg = f"{source}: the spillover matrix names channels that the file lacks ({listed}); rename or use none"
        raise CompensationError(msg)
    if len(set(columns)) != len(columns):
        msg = f"{source}: two spillover channels fit the same channel of the file; name the channels as in $PnN"
        raise CompensationError(msg)
    return columns, notes


def _candidates(name: str, channels: Sequence[str]) -> list[int]:
    exact = [i for i, channel in enumerate(channels) if channel == name]
    if exact:
        return exact[:1]
    for wanted in (_plain(name), _plain(name + "-A")):
        found = [i for i, channel in enumerate(channels) if _plain(channel) == wanted]
        if found:
            return found
    return []


def _plain(name: str) -> str:
    text = name.strip().strip("<>").strip().lower()
    return re.sub(r"[\s/:,.\-_]+", "_", text)


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a spillover matrix from a table.

    The first line names the detectors; the first cell of each row may name its fluorochrome and is then checked and
    used to order the rows. Cells are separated by tabs, semicolons or commas.

    Returns
    -------
    names
        Channels of the matrix.
    matrix
        n x n float64.

    Raises
    ------
    CompensationError
        The file cannot be read, is not square, or holds something that is not a number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        msg = f"{path}: cannot be read as a spillover table ({reason}); give a CSV or TSV file"
        raise CompensationError(msg) from error
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = next((s for s in "\t;," if s in first), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=separator)]
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        msg = f"{path}: the spillover table has no rows; give one line of channel names and one row per channel"
        raise CompensationError(msg)
    header, body = rows[0], rows[1:]
    labelled = not _is_number(body[0][0])
    names = header[1:] if labelled and len(header) == len(body[0]) else header
    width = len(names) + labelled
    bad = next((i for i, row in enumerate(body) if len(row) != width), None)
    if bad is not None or len(body) != len(names):
        found = f"row {bad + 1} has {len(body[bad])} cells" if bad is not None else f"{len(body)} rows"
        msg = f"{path}: the spillover table has {len(names)} channels but {found}; it must be square"
        raise CompensationError(msg)
    for number, row in enumerate(body, 1):
        for cell in row[labelled:]:
            if not _is_number(cell):
                msg = f"{path}: row {number} of the spillover table holds {cell!r}, which is not a number; correct it"
                raise CompensationError(msg)
    matrix = np.array([[float(cell) for cell in row[labelled:]] for row in body], dtype=np.float64)
    if not labelled:
        return names, matrix
    labels = [row[0] for row in body]
    plain = {_plain(name): position for position, name in enumerate(names)}
    order = [plain.get(_plain(label)) for label in labels]
    if None in order:
        stray = labels[order.index(None)]
        msg = f"{path}: row {stray!r} of the spillover table is not among its columns; name rows and columns alike"
        raise CompensationError(msg)
    if len(set(order)) != len(order):
        msg = f"{path}: two rows of the spillover table have the same name; give each channel one row"
        raise CompensationError(msg)
    arranged = np.empty_like(matrix)
    for row, position in zip(matrix, order, strict=True):
        arranged[position] = row
    return names, arranged


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def apply(values: np.ndarray, matrix: Matrix) -> None:
    """Compensate events in place, in chunks.

    Parameters
    ----------
    values
        Events x channels, floating point; the columns of the matrix are overwritten.
    matrix
        A matrix that fits, see `fit`. The product is computed in float64.
    """
    if matrix.is_identity:
        return
    inverse = np.linalg.inv(matrix.values)
    columns = list(matrix.columns)
    step = max(1, _CHUNK_VALUES // len(columns))
    for start in range(0, len(values), step):
        part = values[start : start + step]
        part[:, columns] = part[:, columns].astype(np.float64) @ inverse
