"""Some events of FCS files, for figures: drawn by a rule that knows neither the order of the files nor threads."""

import difflib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.events.keywords import is_preprocessed, markers
from immport_cyto.exceptions import OptionError, PanelError

if TYPE_CHECKING:
    from immport_cyto.fcs import FCSFile

_BLOCK = 65_536  # events that are read at a time


@dataclass(frozen=True)
class Sample:
    """Events of several files.

    Attributes
    ----------
    columns
        Names as they were asked for.
    values : ndarray of float32, events x columns
    file : ndarray of int
        Number of the file of each event, in `files`.
    files
        File names, sorted.
    n_events
        Events that the files hold.
    n_nonfinite
        Events that were drawn and left out, since a value is NaN or infinite.
    """

    columns: tuple[str, ...]
    values: NDArray[np.float32]
    file: NDArray[np.intp]
    files: tuple[str, ...]
    n_events: int
    n_nonfinite: int


def draw(n_events: int, most: int, seed: int, name: str) -> NDArray[np.int64]:
    """Rows to show of a file, ascending: all, or one drawn from each of `most` equal runs of events.

    The draw depends on the seed and the name of the file alone.
    """
    if n_events <= most:
        return np.arange(n_events)
    edges = np.arange(most + 1) * n_events // most
    rng = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogatepass"))])
    rows: NDArray[np.int64] = edges[:-1] + rng.integers(0, np.diff(edges))
    return rows


def find_channel(source: "FCSFile", wanted: str, name: str) -> int:
    """Position of a channel by its marker, $PnN or $PnS; capitals count only where they have to.

    Raises
    ------
    PanelError
        There is none; the message lists what there is.
    """
    by_marker = markers(source)
    ways = (
        by_marker,
        {channel.pnn: index for index, channel in reversed(list(enumerate(source.channels)))},
        {channel.pns.strip(): index for index, channel in reversed(list(enumerate(source.channels))) if channel.pns},
    )
    for known in ways:
        if wanted in known:
            return known[wanted]
    for known in ways:
        folded = {key.casefold(): index for key, index in known.items()}
        if wanted.casefold() in folded:
            return folded[wanted.casefold()]
    offered = list(dict.fromkeys([*by_marker, *ways[1]]))
    close = difflib.get_close_matches(wanted, offered, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}" if close else "choose one of them"
    msg = f"{name}: has no marker or channel {wanted!r} (it has {', '.join(offered)}); {hint}"
    raise PanelError(msg)


def common_markers(files: Mapping[str, Path]) -> list[str]:
    """Markers that all files measure, in the order of the first file by name.

    Raises
    ------
    PanelError
        There is none.
    """
    from immport_cyto import fcs

    shared: list[str] | None = None
    for name in sorted(files):
        with fcs.open(files[name]) as source:
            own = markers(source)
        shared = list(own) if shared is None else [marker for marker in shared if marker in own]
        if not shared:
            msg = f"{name}: has no marker in common with the files before it; give files of one panel"
            raise PanelError(msg)
    return shared or []


def sample(
    files: Mapping[str, Path], columns: Sequence[str], most: int, seed: int, cofactor: float | None = None
) -> Sample:
    """Draw events of each file, by `draw`, reading a block at a time.

    Parameters
    ----------
    files
        FCS files, file name to path; their order does not matter.
    columns
        Markers or channels.
    most
        Events of each file at most.
    seed
        Of the draw.
    cofactor
        For files that are not preprocessed: show arcsinh(value / cofactor) of the channels that measure a marker.

    Raises
    ------
    PanelError
        A file lacks a channel.
    OptionError
        A cofactor for a file whose values are transformed already.
    """
    from immport_cyto import fcs

    parts = [np.empty((0, len(columns)), np.float32)]
    member = [np.empty(0, np.intp)]
    total = 0
    names = sorted(files)
    for number, name in enumerate(names):
        with fcs.open(files[name]) as source:
            indices = [find_channel(source, column, name) for column in columns]
            values = _rows(source, indices, draw(source.n_events, most, seed, name))
            if cofactor is not None:
                _stretch(values, source, indices, cofactor, name)
            total += source.n_events
        parts.append(values)
        member.append(np.full(len(values), number, np.intp))
    values, file = np.concatenate(parts), np.concatenate(member)
    finite = np.isfinite(values).all(axis=1)
    return Sample(tuple(columns), values[finite], file[finite], tuple(names), total, int((~finite).sum()))


def _rows(source: "FCSFile", indices: Sequence[int], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Events at `wanted`, ascending; columns may come twice."""
    distinct = sorted(set(indices))
    found = np.empty((len(wanted), len(distinct)), np.float32)
    for start in range(0, source.n_events, _BLOCK):
        stop = min(start + _BLOCK, source.n_events)
        low, high = np.searchsorted(wanted, [start, stop])
        if high > low:
            found[low:high] = source.events(distinct, start, stop)[wanted[low:high] - start]
    return found[:, [distinct.index(index) for index in indices]]


def _stretch(
    values: NDArray[np.float32], source: "FCSFile", indices: Sequence[int], cofactor: float, name: str
) -> None:
    if is_preprocessed(source.keywords):
        msg = f"{name}: is preprocessed, so its values are transformed already; leave the cofactor out"
        raise OptionError(msg)
    measured = set(markers(source).values())
    for column, index in enumerate(indices):
        if index in measured:
            values[:, column] = np.arcsinh(values[:, column] / cofactor)
