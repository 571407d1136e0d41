"""From events to groups: bins, dense hyper-regions, and which of them touch (steps 3 to 5 of FLOCK)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import native
from immport_cyto.exceptions import AnalysisError

FEWEST_BINS, MOST_BINS = 6, 50
MOST_DENSE = 100_000
_CROWDED = 0.95
"""Share of events alone in their hyper-region above which a number of bins is not accepted."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Regions:
    """Non-empty hyper-regions, in order of their first event.

    Attributes
    ----------
    n_bins
        Bins per column.
    width : ndarray of float64, columns
        Of one bin.
    bins : ndarray of uint8, regions x columns
    region : ndarray of int32, events
        Hyper-region of each event.
    size : ndarray of int64, regions
        Events in each.
    crowded
        More bins were not taken because nearly every event would be alone.
    """

    n_bins: int
    width: Float64
    bins: NDArray[np.uint8]
    region: NDArray[np.int32]
    size: NDArray[np.int64]
    crowded: bool


def choose_regions(Z: Float64, low: Float64, high: Float64, wanted: int | None = None) -> Regions:
    """Cut each column into bins of equal width, and find the hyper-regions that hold events.

    Parameters
    ----------
    Z
        Scaled events x columns.
    low, high
        Minimum and maximum per column.
    wanted
        Number of bins; default the one at which the number of hyper-regions per bin stops growing. Fewer are used
        where nearly every event would be alone in its hyper-region.

    Raises
    ------
    AnalysisError
        Even with six bins nearly every event is alone.
    """
    n, d = Z.shape
    table = np.empty(table_size(n), np.int32)
    bins = np.empty((n, d), np.uint8)
    limit = -int(-_CROWDED * n // 1)
    accepted, per_bin, crowded = 0, 0.0, False
    for n_bins in range(FEWEST_BINS, (wanted or MOST_BINS) + 1):
        native.fill_bins(Z, low, (high - low) / n_bins, n_bins, bins)
        found = native.count_regions(bins, table, limit)
        if found >= _CROWDED * n:
            crowded = True
            break
        if wanted is None and accepted and found / n_bins < per_bin:
            break
        accepted, per_bin = n_bins, found / n_bins
    if not accepted:
        msg = (
            f"{n} events are too few for {d} markers: nearly every event is alone in its hyper-region; "
            "take fewer markers or more events"
        )
        raise AnalysisError(msg)
    width = (high - low) / accepted
    native.fill_bins(Z, low, width, accepted, bins)
    region, first, size = np.empty(n, np.int32), np.empty(n, np.int32), np.zeros(n, np.int64)
    found = native.number_regions(bins, table, region, first, size)
    return Regions(accepted, width, bins[first[:found]], region, size[:found].copy(), crowded)


def automatic_density(size: NDArray[np.int64]) -> int:
    """Events from which a hyper-region is dense, where the curve of sizes bends most; 3 where it does not bend."""
    n = np.bincount(size)
    largest = len(n) - 1
    s = np.arange(3, largest)
    bend = n[s - 1] + n[s + 1] - 2 * n[s]
    return int(s[np.argmax(bend)]) if len(s) and bend.max() > 0 else 3


def connect(regions: Regions, density: int) -> tuple[NDArray[np.int64], int, int]:
    """Groups of dense hyper-regions that touch: they differ by one bin in one column.

    Returns
    -------
    group : ndarray of int64, events
        Group of each event from 0, -1 for an event that is in no dense hyper-region.
    n_groups, n_dense : int

    Raises
    ------
    AnalysisError
        Fewer than two or too many hyper-regions are dense.
    """
    chosen = np.flatnonzero(regions.size >= density)
    n = len(chosen)
    if n < 2:
        msg = (
            f"density {density} is too high: {n} of {len(regions.size)} hyper-regions hold so many events; "
            "give a lower density or fewer bins"
        )
        raise AnalysisError(msg)
    if n >= MOST_DENSE:
        msg = (
            f"density {density} is too low: {n} hyper-regions hold so many events, {MOST_DENSE} are too many; "
            "give a higher density or fewer bins"
        )
        raise AnalysisError(msg)
    chosen = chosen[np.lexsort(regions.bins[chosen].T[::-1])]
    parent, lowest = np.empty(n, np.int64), np.empty(n, np.bool_)
    dense = regions.bins[chosen]
    room = np.empty(dense.shape[1], np.uint8)
    native.join_neighbours(dense, np.empty(table_size(n), np.int32), parent, lowest, room)
    # a group has the rank of its last hyper-region that has no lower neighbour
    rank = np.full(n, -1)
    rank[parent[lowest]] = np.flatnonzero(lowest)
    roots = np.flatnonzero(rank >= 0)
    number = np.empty(n, np.int64)
    number[roots[np.argsort(rank[roots])]] = np.arange(len(roots))
    of_region = np.full(len(regions.size), -1)
    of_region[chosen] = number[parent]
    return of_region[regions.region], len(roots), n


def table_size(n: int) -> int:
    """Slots of a hash table for `n` entries: a power of two, at most half full."""
    return 1 << max(4, (2 * n - 1).bit_length())
