"""The spillover matrix of a file: $SPILLOVER, SPILL, $COMP and $DFCmTOn."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import CompensationError
from immport_cyto.fcs.model import Channel, quoted
from immport_cyto.fcs.numbers import real, whole

# The standard's keyword first, then what instruments write in its place.
_NAMED = ("$SPILLOVER", "SPILL", "$SPILL", "SPILLOVER")
_DFC = re.compile(r"\$DFC(\d{1,4})TO(\d{1,4})")
_FLUORESCENCE = re.compile(r"FL0*(\d{1,3})(?!\d)", re.IGNORECASE)
_MAX_CHANNELS = 1000


@dataclass(frozen=True)
class Spillover:
    """How much of each dye appears in each detector.

    Attributes
    ----------
    channels
        Names of the detectors, $PnN where the file allows to find it.
    matrix
        n x n, row: dye of the detector named, column: where its signal is seen. Measured = true @ matrix, so
        compensated = measured @ inv(matrix).
    keyword
        Where it was found.
    missing
        Names that are no $PnN of the file.
    notes
        What was assumed to read it, one clause each.
    """

    channels: list[str]
    matrix: npt.NDArray[np.float64]
    keyword: str
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether the matrix changes nothing: the data are compensated already, or never were to be."""
        return bool(np.array_equal(self.matrix, np.eye(len(self.channels))))


def parse_spillover(path: Path, keywords: Mapping[str, str], channels: Sequence[Channel]) -> Spillover | None:
    """Find and read the matrix of a file; see `Spillover`.

    $SPILLOVER (FCS 3.1) goes before SPILL (its common precursor), $COMP (FCS 3.0) and $DFCmTOn (FCS 2.0, percent).

    Raises
    ------
    CompensationError
        The keyword is there but malformed.
    """
    for keyword in _NAMED:
        text = keywords.get(keyword, "").strip()
        # "0" is how some writers say that there is none
        if text and text != "0":
            return _named(path, keyword, text, channels)
    text = keywords.get("$COMP", "").strip()
    if text and text != "0":
        return _comp(path, text, channels)
    return _dfc(path, keywords, channels)


def _fail(path: Path, keyword: str, problem: str) -> NoReturn:
    msg = f"{path}: {keyword} {problem}; correct the keyword or give a compensation table"
    raise CompensationError(msg)


def _named(path: Path, keyword: str, text: str, channels: Sequence[Channel]) -> Spillover:
    parts = [part.strip() for part in text.split(",")]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    size = whole(parts[0])
    if not size or size > _MAX_CHANNELS:
        _fail(path, keyword, f"starts with {quoted(parts[0])} instead of the number of channels")
    n_names = len(parts) - 1 - size * size
    if n_names < size:
        _fail(path, keyword, f"has {len(parts) - 1} entries, but {size} channels need {size + size * size}")
    names = parts[1 : 1 + n_names]
    notes: list[str] = []
    if n_names > size:
        joined = _join_names(names, size, [channel.pnn for channel in channels])
        if joined is None:
            _fail(path, keyword, f"has {len(parts) - 1} entries, but {size} channels need {size + size * size}")
        names = joined
        notes.append("names with commas were put together by $PnN")
    matrix = _matrix(path, keyword, parts[1 + n_names :], size)
    names, missing = _resolve(names, channels, notes)
    duplicated = sorted({name for name in names if names.count(name) > 1})
    if duplicated:
        _fail(path, keyword, f"names the channel {quoted(duplicated[0])} twice")
    if not np.diagonal(matrix).all():
        _fail(path, keyword, "has a zero on its diagonal, where the signal of the channel itself stands")
    return Spillover(names, matrix, keyword, missing, tuple(notes))


def _matrix(path: Path, keyword: str, parts: Sequence[str], size: int) -> npt.NDArray[np.float64]:
    values = [real(part) for part in parts]
    for part, value in zip(parts, values, strict=True):
        if value is None:
            _fail(path, keyword, f"holds {quoted(part)}, which is not a number")
    return np.array(values, dtype=np.float64).reshape(size, size)


def _join_names(parts: Sequence[str], size: int, known: Sequence[str]) -> list[str] | None:
    """Put names that contain commas together again: the longest that is a $PnN, else one part."""
    compact = {re.sub(r"\s*,\s*", ",", name): name for name in known}
    names: list[str] = []
    position = 0
    while position < len(parts):
        for last in range(len(parts), position, -1):
            name = compact.get(",".join(parts[position:last]))
            if name is not None or last == position + 1:
                names.append(name if name is not None else parts[position])
                position = last
                break
    return names if len(names) == size else None


def _resolve(names: Sequence[str], channels: Sequence[Channel], notes: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Names as $PnN: themselves, else channel numbers, else the only $PnN or $PnS equal but for case."""
    known = [channel.pnn for channel in channels]
    if not set(names) & set(known) and all(name.isdigit() and 1 <= int(name) <= len(known) for name in names):
        notes.append("channels are given by number")
        return [known[int(name) - 1] for name in names], ()
    resolved: list[str] = []
    for name in names:
        if name not in known:
            by_name = [pnn for pnn in known if pnn.lower() == name.lower()]
            by_stain = [channel.pnn for channel in channels if channel.pns and channel.pns.lower() == name.lower()]
            candidates = by_name or by_stain
            if len(candidates) == 1 and candidates[0] not in names:
                notes.append(f"{quoted(name)} was found as {quoted(candidates[0])}")
                resolved.append(candidates[0])
                continue
        resolved.append(name)
    return resolved, tuple(name for name in resolved if name not in known)


def _comp(path: Path, text: str, channels: Sequence[Channel]) -> Spillover:
    parts = [part.strip() for part in text.split(",")]
    size = whole(parts[0])
    if not size or len(parts) - 1 != size * size:
        _fail(path, "$COMP", f"has {len(parts) - 1} values after {quoted(parts[0])}, not the square of it")
    if size != len(channels):
        _fail(path, "$COMP", f"is for {size} channels without naming them, but the file has {len(channels)}")
    matrix = _matrix(path, "$COMP", parts[1:], size)
    diagonal = np.diagonal(matrix)
    notes: list[str] = []
    if (diagonal == 100).all():
        matrix = matrix / 100
        notes.append("values are percent")
    elif not diagonal.any():
        matrix = matrix + np.eye(size)
        notes.append("the diagonal was 0 and is taken as 1")
    elif not diagonal.all():
        _fail(path, "$COMP", "has a zero on its diagonal")
    return Spillover([channel.pnn for channel in channels], matrix, "$COMP", (), tuple(notes))


def _dfc(path: Path, keywords: Mapping[str, str], channels: Sequence[Channel]) -> Spillover | None:
    """$DFCmTOn: percent of the signal of fluorescence detector m that is subtracted from n; all 0 is none."""
    entries: dict[tuple[int, int], float] = {}
    for key, text in keywords.items():
        match = _DFC.fullmatch(key)
        if not match:
            continue
        value = real(text) if text.strip() else 0.0
        if value is None:
            _fail(path, key, f"is {quoted(text)}, which is not a number")
        if value and match[1] != match[2]:
            entries[int(match[1]), int(match[2])] = value / 100
    if not entries:
        return None
    numbers = sorted({number for pair in entries for number in pair})
    by_number: dict[int, list[str]] = {}
    for channel in channels:
        found = _FLUORESCENCE.match(channel.pnn)
        if found:
            by_number.setdefault(int(found[1]), []).append(channel.pnn)
    for number in numbers:
        candidates = by_number.get(number, [])
        if len(candidates) != 1:
            what = "no channel" if not candidates else "several channels"
            _fail(path, "$DFCmTOn", f"speaks of detector {number}, but {what} named FL{number} can be found")
    matrix = np.eye(len(numbers))
    for (source, target), value in entries.items():
        matrix[numbers.index(source), numbers.index(target)] = value
    names = [by_number[number][0] for number in numbers]
    notes = ("the instrument's own setting, which it may have applied to the data already",)
    return Spillover(names, matrix, "$DFCmTOn", (), notes)
