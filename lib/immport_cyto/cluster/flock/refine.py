"""What FLOCK 2 adds: clusters with a valley inside are split, pairs without one between them merged (steps 8, 9)."""

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import native
from immport_cyto.cluster.flock.partition import Float64, Labels, kmeans, means, move
from immport_cyto.cluster.flock.rule import Split

WIDEST = 3
"""Columns that a split or merge looks at."""
_E = 2.7183
_HALVES_ITERATIONS = 10


def find_splits(X: NDArray[np.floating], labels: Labels, n: int) -> dict[int, Split]:
    """Clusters to split: 2-means finds two halves with fewer near events between their centres than at both.

    Parameters
    ----------
    X
        Raw events x columns.
    labels
        Cluster of each event, 0 to n-1.
    """
    splits = {}
    order, bounds = _by_label(labels, n)
    for cluster in range(n):
        split = _split(X[order[bounds[cluster] : bounds[cluster + 1]]])
        if split is not None:
            splits[cluster] = split
    return splits


def _split(X: NDArray[np.floating]) -> Split | None:
    if len(X) < 2:
        return None
    low = X.min(axis=0).astype(np.float64)
    extent = np.maximum(X.max(axis=0), 0.0) - low  # the original starts its search for the maximum at 0
    extent[extent <= 0] = 1.0
    spread = np.array([((X[:, j] - low[j]) / extent[j]).std() for j in range(X.shape[1])])
    columns = np.argsort(-spread, kind="stable")[:WIDEST].astype(np.int32)
    plain = Split(columns, low[columns], extent[columns], np.empty((2, len(columns))))
    Q = plain.scaled(X)
    centre = Q.mean(axis=0)
    start = np.array([centre, centre])
    start[0, 0] = centre[0] / 2
    start[1, 0] = (centre[0] + 1) / 2
    halves, used = kmeans(Q, start, _HALVES_ITERATIONS)
    smaller = int(np.bincount(halves, minlength=2).min())
    ends = move(Q, halves, used)
    if not _valley(Q, ends, _neighbours(smaller, more=True), np.empty(len(Q))):
        return None
    return Split(columns, plain.low, plain.extent, used)


def merge_parts(Z: Float64, parts: Labels, n: int, most: int | None = None) -> tuple[NDArray[np.int32], int]:
    """Merge parts without a valley between them, nearest pair first, until none is left or two remain.

    Parameters
    ----------
    Z
        Scaled events x columns.
    parts
        Part of each event, 0 to n-1.
    most
        Go on with the nearest pair, valley or not, while there are more populations than this.

    Returns
    -------
    population : ndarray of int32, parts
        From 1, numbered by the smallest part; 0 for a part without events.
    n_forced : int
        Pairs that were merged although there is a valley between them.
    """
    merger = _Merger(Z, parts, n)
    while merger.n > 2:
        pair = merger.next_pair()
        if pair is None and most is not None and merger.n > most:
            pair = merger.nearest_pair()
            merger.n_forced += 1
        if pair is None:
            break
        merger.merge(*pair)
    return merger.population(), merger.n_forced


class _Merger:
    """Populations while they merge. What a test gave stays valid until one of the two takes part in a merge."""

    def __init__(self, Z: Float64, parts: Labels, n: int) -> None:
        order, bounds = _by_label(parts, n)
        self.Z = Z
        self.events = [order[bounds[part] : bounds[part + 1]] for part in range(n)]
        self.into = np.arange(n)
        self.centres, counts = means(Z, parts, n)
        self.alive = counts > 0
        self.n = int(self.alive.sum())
        self.n_forced = 0
        self.low, self.high = np.zeros_like(self.centres), np.zeros_like(self.centres)
        self.distance = np.full((n, n), np.inf)
        self.open = np.full((n, n), np.inf)
        self.points = np.empty((len(Z), min(WIDEST, Z.shape[1])))
        self.buffer = np.empty(len(Z))
        for part in np.flatnonzero(self.alive):
            self._describe(int(part))

    def _describe(self, part: int) -> None:
        """Range of a population and its distance to all before it; to all others where they are there already."""
        inside = self.Z[self.events[part]]
        self.low[part], self.high[part] = inside.min(axis=0), inside.max(axis=0)
        others = np.flatnonzero(self.alive)
        others = others[others != part]
        squared = np.zeros(len(others))
        for j in range(self.Z.shape[1]):
            squared += (self.centres[others, j] - self.centres[part, j]) ** 2
        first, second = np.minimum(others, part), np.maximum(others, part)
        self.distance[first, second] = self.open[first, second] = squared

    def next_pair(self) -> tuple[int, int] | None:
        """Nearest pair without a valley between them."""
        while True:
            first, second = divmod(int(np.argmin(self.open)), len(self.open))
            if not np.isfinite(self.open[first, second]):
                return None
            if not self._apart(first, second):
                return first, second
            self.open[first, second] = np.inf

    def nearest_pair(self) -> tuple[int, int]:
        first, second = divmod(int(np.argmin(self.distance)), len(self.distance))
        return first, second

    def merge(self, first: int, second: int) -> None:
        """The second becomes part of the first, which has the smaller number."""
        self.events[first] = np.sort(np.concatenate([self.events[first], self.events[second]]), kind="stable")
        self.events[second] = self.events[second][:0]
        self.into[self.into == second] = first
        self.alive[second] = False
        self.n -= 1
        for matrix in (self.distance, self.open):
            matrix[second, :] = matrix[:, second] = np.inf
        inside = self.Z[self.events[first]]
        self.centres[first] = means(inside, np.zeros(len(inside), np.int32), 1)[0][0]
        self._describe(first)

    def population(self) -> NDArray[np.int32]:
        number = np.zeros(len(self.into), np.int32)
        number[self.alive] = np.arange(1, self.n + 1)
        return number[self.into]

    def _apart(self, first: int, second: int) -> bool:
        extent = np.maximum(self.high[first], self.high[second]) - np.minimum(self.low[first], self.low[second])
        gap = np.abs(self.centres[first] - self.centres[second])
        ratio = np.divide(gap, extent, out=np.zeros_like(gap), where=extent > 0)
        columns = np.argsort(-ratio, kind="stable")[:WIDEST]
        one, other = self.events[first], self.events[second]
        points = self.points[: len(one) + len(other)]
        points[: len(one)] = self.Z[one][:, columns]
        points[len(one) :] = self.Z[other][:, columns]
        smaller = min(len(one), len(other))
        k = _neighbours(smaller, more=self.Z.shape[1] <= WIDEST)
        return _valley(points, self.centres[[first, second]][:, columns], k, self.buffer)


def _neighbours(smaller: int, *, more: bool) -> int:
    root = int(np.sqrt(smaller))
    return int(_E * root) if more else root


def _valley(points: Float64, ends: Float64, k: int, buffer: Float64) -> bool:
    """Whether the `k` events nearest to a point between the two ends are further away than at both ends."""
    if k < 1:
        return False
    first, second = ends
    energy = [
        native.near_energy(points, len(points), first + (second - first) * share, k, buffer)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return bool(max(energy[1:4]) > max(energy[0], energy[4]))


def _by_label(labels: Labels, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Events in order of their labels, each label's in order of the events; and where each label starts."""
    order = np.argsort(labels, kind="stable")
    return order, np.searchsorted(labels[order], np.arange(n + 1))
