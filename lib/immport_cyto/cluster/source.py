"""Events of one or many files as parts, cut into chunks of a fixed size.

A chunk is the unit of every statistic: sums are taken within a chunk, event by event, and added in the order of parts
and chunks, so a result does not depend on threads, processes or on how much is read at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import native
from immport_cyto.cluster.execution import Execution
from immport_cyto.exceptions import AnalysisError

CHUNK = 262_144
"""Events per chunk. Part of the definition of all sums: another value gives other last bits."""
LIMIT = 1e9
"""Largest absolute value of an event, so that no square overflows a float32."""
BLOCK = 65_536
"""Events that are read at a time."""

Float32 = NDArray[np.float32]
Reader = Callable[[int, int], Float32]


@dataclass(frozen=True)
class Part:
    """Events of one file: `open` gives a function that reads events ``start`` to ``stop`` as float32 rows."""

    name: str
    n_events: int
    open: Callable[[], Reader]


@dataclass(frozen=True)
class Chunk:
    """Events ``start`` to ``stop`` of a part."""

    part: Part
    start: int
    stop: int

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.stop - self.start

    def blocks(self) -> Iterator[tuple[int, Float32]]:
        """Position in the part and events (rows, contiguous), `BLOCK` at a time."""
        read = self.part.open()
        for start in range(self.start, self.stop, BLOCK):
            yield start, np.ascontiguousarray(read(start, min(start + BLOCK, self.stop)), np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Of events in memory only those of the chunk travel to another process."""
        part = self.part
        if isinstance(part.open, _Held):
            part = Part(part.name, part.n_events, part.open.cut(self.start, self.stop))
        return Chunk, (part, self.start, self.stop)


class _Held:
    """Opens events that are in memory or mapped into it."""

    def __init__(self, matrix: Float32, first: int = 0) -> None:
        self.matrix, self.first = matrix, first

    def __call__(self) -> Reader:
        return lambda start, stop: self.matrix[start - self.first : stop - self.first]

    def cut(self, start: int, stop: int) -> "_Held":
        return _Held(np.asarray(self.matrix[start - self.first : stop - self.first]), start)


def array_part(X: object, name: str = "") -> Part:
    """A part over an array in memory, or mapped into it, events x markers.

    Raises
    ------
    AnalysisError
        `X` is not a matrix of numbers.
    """
    try:
        matrix = np.ascontiguousarray(X, dtype=np.float32)
    except (TypeError, ValueError) as error:
        msg = f"{prefix(name)}the events are not a matrix of numbers; give events x markers"
        raise AnalysisError(msg) from error
    if matrix.ndim != 2:
        msg = f"{prefix(name)}the events have {matrix.ndim} dimension(s) instead of two; give events x markers"
        raise AnalysisError(msg)
    return Part(name, len(matrix), _Held(matrix))


def prefix(name: str) -> str:
    """Start of an error message: the file, where there is one."""
    return f"{name}: " if name else ""


def chunks(parts: Sequence[Part]) -> list[Chunk]:
    """The parts in chunks, in order."""
    return [
        Chunk(part, start, min(start + CHUNK, part.n_events))
        for part in parts
        for start in range(0, part.n_events, CHUNK)
    ]


def draw(total: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`n` of `total` events, ascending: one at random of each of `n` equal shares; all where there are no more."""
    if n >= total:
        return np.arange(total)
    edges = np.arange(n + 1) * total // n
    drawn: NDArray[np.int64] = edges[:-1] + rng.integers(0, np.diff(edges))
    return drawn


def gather(parts: Sequence[Part], indices: NDArray[np.int64] | None, n_markers: int, execution: Execution) -> Float32:
    """Events of the concatenated parts at `indices` (ascending, without repeats), or all."""
    if indices is None:
        if len(parts) == 1 and not execution.remote:
            read = parts[0].open()
            return np.ascontiguousarray(read(0, parts[0].n_events), np.float32)  # no copy of events in memory
        indices = np.arange(sum(part.n_events for part in parts))
    pieces = chunks(parts)
    ends = np.cumsum([piece.n_events for piece in pieces])
    cuts = np.searchsorted(indices, ends)
    wanted, first = [], 0
    for piece, end, last in zip(pieces, ends.tolist(), cuts.tolist(), strict=True):
        if last > first:
            wanted.append((piece, indices[first:last] - (end - piece.n_events) + piece.start))
        first = last
    result = np.empty((len(indices), n_markers), np.float32)
    first = 0
    for rows in execution.map(_rows, wanted, "drawing events"):
        result[first : first + len(rows)] = rows
        first += len(rows)
    return result


def _rows(item: tuple[Chunk, NDArray[np.int64]]) -> Float32:
    """Events of a chunk by their positions in the part."""
    chunk, positions = item
    found = []
    for start, X in chunk.blocks():
        low, high = np.searchsorted(positions, [start, start + len(X)])
        found.append(X if high - low == len(X) else X[positions[low:high] - start])
    return np.concatenate(found)


class Scan(NamedTuple):
    """What one pass over all events gives: per marker mean, standard deviation, minimum and maximum (float64)."""

    n_events: int
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Markers that have one and the same value in all events."""
        return self.low == self.high


def scan(parts: Sequence[Part], markers: Sequence[str], execution: Execution) -> Scan:
    """Check that all values can be used and take moments per marker.

    Means and squared deviations are combined over blocks in their order (Chan, Golub and LeVeque 1979).

    Raises
    ------
    AnalysisError
        A value is NaN, infinite or larger than 1e9; the message names file, marker and event.
    """

    def one(chunk: Chunk) -> _Moments:
        moments = _Moments.none(len(markers))
        for start, X in chunk.blocks():
            moments = moments.joined(_moments(X, check_block(X, start, chunk.part.name, markers)))
        return moments

    moments = _Moments.none(len(markers))
    for found in execution.map(one, chunks(parts), "checking events"):
        moments = moments.joined(found)
    return Scan(moments.n, moments.mean, np.sqrt(moments.squares / max(moments.n, 1)), moments.low, moments.high)


class _Moments(NamedTuple):
    n: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    """Summed squared deviations from the mean."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def none(cls, d: int) -> "_Moments":
        return cls(0, np.zeros(d), np.zeros(d), np.full(d, np.inf), np.full(d, -np.inf))

    def joined(self, other: "_Moments") -> "_Moments":
        n = self.n + other.n
        shift = other.mean - self.mean
        share = other.n / max(n, 1)
        return _Moments(
            n,
            self.mean + shift * share,
            self.squares + other.squares + shift**2 * (self.n * share),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )


def _moments(X: Float32, limits: NDArray[np.float64]) -> _Moments:
    mean, deviations = limits[0] / max(len(X), 1), np.zeros(X.shape[1])
    native.squares(X, mean, deviations)
    return _Moments(len(X), mean, deviations, limits[1], limits[2])


def check_block(X: Float32, start: int, name: str, markers: Sequence[str]) -> NDArray[np.float64]:
    """Sum, minimum and maximum per marker of a block (3 x markers); raises like `scan`."""
    d = len(markers)
    limits = np.vstack([np.zeros(d), np.full(d, np.inf), np.full(d, -np.inf)])
    bad = native.scan(X, limits[0], limits[1], limits[2])
    if bad >= 0:
        column = int(np.flatnonzero(~np.isfinite(X[bad]))[0])
        msg = (
            f"{prefix(name)}marker {markers[column]} is {X[bad, column]} in event {start + bad + 1}; "
            "remove such events first (events preprocess does)"
        )
        raise AnalysisError(msg)
    largest = np.maximum(-limits[1], limits[2])
    if len(X) and largest.max() > LIMIT:
        column = int(np.argmax(largest))
        msg = (
            f"{prefix(name)}marker {markers[column]} reaches {largest[column]:.3g}, which is too large to cluster; "
            "transform the events first (events preprocess does)"
        )
        raise AnalysisError(msg)
    return limits
