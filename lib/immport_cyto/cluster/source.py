"""Events of one or many files as parts that are read in blocks of a fixed size.

A block is the unit of every statistic: sums are taken within a block and added in the order of parts and
blocks, so a result does not depend on threads or on how much is read at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import AnalysisError

BLOCK = 65_536
"""Events per block. Part of the definition of the batch engine: another value gives other last bits."""

Float32 = NDArray[np.float32]
Reader = Callable[[int, int], Float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Events of one file: `open` gives a function that reads events ``start`` to ``stop`` as float32 rows."""

    name: str
    n_events: int
    open: Callable[[], Reader]


def array_part(X: object, name: str = "") -> Part:
    """A part over an array in memory, events x markers.

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

    def read(start: int, stop: int) -> Float32:
        return matrix[start:stop]

    return Part(name, len(matrix), lambda: read)


def prefix(name: str) -> str:
    """Start of an error message: the file, where there is one."""
    return f"{name}: " if name else ""


def map_blocks(part: Part, function: Callable[[int, Float32], T], jobs: int = 1) -> Iterator[T]:
    """Results of ``function(start, events)`` for each block of a part, in order, computed by `jobs` threads."""
    read = part.open()

    def work(start: int) -> T:
        return function(start, np.ascontiguousarray(read(start, min(start + BLOCK, part.n_events)), np.float32))

    starts = range(0, part.n_events, BLOCK)
    if jobs == 1 or len(starts) < 2:
        yield from map(work, starts)
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(work, starts)


def gather(parts: Sequence[Part], indices: NDArray[np.int64], n_markers: int) -> Float32:
    """Events of the concatenated parts at `indices` (ascending, without repeats)."""
    result = np.empty((len(indices), n_markers), np.float32)
    begin = 0
    for part in parts:
        first, last = np.searchsorted(indices, [begin, begin + part.n_events])
        if last > first:
            read = part.open()
            local = indices[first:last] - begin
            for start in range(0, part.n_events, BLOCK):
                low, high = np.searchsorted(local, [start, start + BLOCK])
                if high > low:
                    rows = read(start, min(start + BLOCK, part.n_events))
                    result[first + low : first + high] = rows[local[low:high] - start]
        begin += part.n_events
    return result


@dataclass(frozen=True)
class Scan:
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


def scan(parts: Sequence[Part], markers: Sequence[str], jobs: int = 1) -> Scan:
    """Check that all values can be used and take moments per marker.

    Means and squared deviations are combined over blocks in their order (Chan, Golub and LeVeque 1979).

    Raises
    ------
    AnalysisError
        A value is NaN, infinite or larger than 1e9; the message names file, marker and event.
    """
    from immport_cyto.cluster import kernels

    d = len(markers)
    n, mean, m2 = 0, np.zeros(d), np.zeros(d)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    for part in parts:

        def one(start: int, X: Float32, part: Part = part) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
            limits = check_block(X, start, part.name, markers)
            centre = limits[0] / len(X)
            deviations = np.zeros(d)
            kernels.squares(X, centre, deviations)
            return len(X), np.vstack([centre, limits[1:]]), deviations

        for count, (centre, block_low, block_high), deviations in map_blocks(part, one, jobs):
            shift = centre - mean
            m2 += deviations + shift**2 * (n * count / (n + count))
            mean = mean + shift * (count / (n + count))
            n += count
            low, high = np.minimum(low, block_low), np.maximum(high, block_high)
    return Scan(n, mean, np.sqrt(m2 / max(n, 1)), low, high)


def check_block(X: Float32, start: int, name: str, markers: Sequence[str]) -> NDArray[np.float64]:
    """Sum, minimum and maximum per marker of a block (3 x markers); raises like `scan`."""
    from immport_cyto.cluster import kernels

    d = len(markers)
    limits = np.vstack([np.zeros(d), np.full(d, np.inf), np.full(d, -np.inf)])
    bad = kernels.scan(X, limits[0], limits[1], limits[2])
    if bad >= 0:
        column = int(np.flatnonzero(~np.isfinite(X[bad]))[0])
        msg = (
            f"{prefix(name)}marker {markers[column]} is {X[bad, column]} in event {start + bad + 1}; "
            "remove such events first (events preprocess does)"
        )
        raise AnalysisError(msg)
    largest = np.maximum(-limits[1], limits[2])
    if len(X) and largest.max() > kernels.LIMIT:
        column = int(np.argmax(largest))
        msg = (
            f"{prefix(name)}marker {markers[column]} reaches {largest[column]:.3g}, which is too large to cluster; "
            "transform the events first (events preprocess does)"
        )
        raise AnalysisError(msg)
    return limits
