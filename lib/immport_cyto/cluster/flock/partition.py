"""From groups to populations: groups whose centres are near are one, then k-means (steps 6 and 7 of FLOCK)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import native
from immport_cyto.cluster.source import BLOCK

Float64 = NDArray[np.float64]
Labels = NDArray[np.int32]

STEP = 0.1
_MOST_CELLS = 64


@dataclass(frozen=True)
class Joined:
    """Groups joined to populations: the population of each group from 0, their number, and the reach in bin widths."""

    population: NDArray[np.int64]
    n: int
    reach: float


def means(Z: NDArray[np.floating], labels: NDArray[np.integer], n: int) -> tuple[Float64, NDArray[np.int64]]:
    """Mean event (NaN without events) and number of events of each label 0 to n-1; negative labels are left out."""
    sums, counts = np.zeros((n, Z.shape[1])), np.zeros(n, np.int64)
    native.add_up(Z, np.ascontiguousarray(labels, np.int32), sums, counts)
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None], counts


def join_groups(centres: Float64, width: Float64, most: int, limits: tuple[float, float] = (0.0, np.inf)) -> Joined:
    """Join groups, transitively, whose centres differ by at most a reach times the bin width in every column.

    The reach starts at 1 and grows by 0.1 while there are more than `most` populations; where there is only one it
    shrinks. It stays within `limits`. Populations are numbered by the smallest group in them.
    """
    population = np.empty(len(centres), np.int64)
    columns = np.resize(np.argsort(-centres.std(axis=0) / width, kind="stable")[:3], 3)

    def count(reach: float) -> int:
        return _flood(centres, reach * width, columns, population)

    reach = 1.0
    n = count(reach)
    if n > most:
        reach = _grow(count, most, limits[1])
    elif n == 1 and len(centres) > 1:
        reach = _shrink(count, most, limits[0])
    n = count(reach)
    return Joined(population, n, reach)


def _flood(centres: Float64, reach: Float64, columns: NDArray[np.int64], population: NDArray[np.int64]) -> int:
    """Populations at a reach, looked for in cells of three columns (one may come twice); returns their number."""
    low = centres[:, columns].min(axis=0)
    extent = centres[:, columns].max(axis=0) - low
    # a little wider than the reach, so that rounding cannot put near centres two cells apart
    side = np.maximum(reach[columns] * (1 + 1e-9), extent / _MOST_CELLS)
    side[side <= 0] = 1.0
    n_cells = np.minimum(extent / side, _MOST_CELLS).astype(np.int64) + 1
    n, cells = len(centres), int(n_cells.prod())
    room = [np.empty(n, np.int64) for _ in range(4)]
    return int(
        native.flood(
            centres, reach, columns, low, side, n_cells, population, np.empty((n, 3), np.int64), *room,
            np.empty(cells + 1, np.int64), np.empty(cells, np.int64),
        )
    )  # fmt: skip


def _grow(count: Callable[[float], int], most: int, limit: float) -> float:
    """First reach of 1, 1.1, 1.2, ... with at most `most` populations, or the last within the limit.

    Their number falls with the reach, so the place is found by doubling and halving.
    """
    steps = [1.0]

    def reach(i: int) -> float:
        while len(steps) <= i:
            steps.append(steps[-1] + STEP)
        return steps[i]

    low, high = 0, 1
    while reach(high) <= limit and count(reach(high)) > most:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if reach(middle) <= limit and count(reach(middle)) > most:
            low = middle
        else:
            high = middle
    return reach(high) if reach(high) <= limit else reach(low)


def _shrink(count: Callable[[float], int], most: int, limit: float) -> float:
    """First reach of 1, 0.9, 0.8, ... with more than one population; the one before where these are too many."""
    reach = 1.0
    while reach - STEP >= limit:
        n = count(reach - STEP)
        if n > most:
            return reach
        reach -= STEP
        if n > 1:
            return reach
    return reach


def kmeans(Z: NDArray[np.floating], centres: Float64, iterations: int, jobs: int = 1) -> tuple[Labels, Float64]:
    """Lloyd's k-means from given centres: the labels of the last assignment and the centres it was made with.

    Events go to the nearest centre (Euclid), the first of equals; a centre without events stays where it is.
    """
    labels = nearest(Z, centres, jobs)
    for _ in range(iterations - 1):
        moved = move(Z, labels, centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
        labels = nearest(Z, centres, jobs)
    return labels, centres


def move(Z: NDArray[np.floating], labels: Labels, centres: Float64) -> Float64:
    """Mean of the events of each centre; the old centre where there are none."""
    moved, counts = means(Z, labels, len(centres))
    return np.where(counts[:, None] > 0, moved, centres)


def nearest(Z: NDArray[np.floating], centres: Float64, jobs: int = 1) -> Labels:
    """Nearest centre of each event, by `jobs` threads; the result does not depend on their number."""
    labels = np.empty(len(Z), np.int32)
    turned = np.ascontiguousarray(centres.T)

    def one(start: int) -> None:
        native.assign(Z[start : start + BLOCK], turned, labels[start : start + BLOCK], np.empty(len(centres)))

    starts = range(0, len(Z), BLOCK)
    if jobs == 1 or len(starts) < 2:
        for start in starts:
            one(start)
    else:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, starts))
    return labels
