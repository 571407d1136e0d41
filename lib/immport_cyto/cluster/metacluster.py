"""Metaclusters of the codes by consensus of resampled average linkage, and the minimum spanning tree of the codes.

The consensus follows Monti et al. 2003 (Machine Learning 52:91) as FlowSOM uses it: 100 times 90 % of the nodes are
clustered by average linkage; the share of the draws with both nodes in which they fall together is their similarity;
average linkage of one minus that share, cut at k, gives the metaclusters.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import native

RESAMPLES = 100
SHARE = 0.9
LEAST_GAIN = 0.02
"""Smallest gain of the area in proportion that counts as one."""

Labels = NDArray[np.int32]


class Consensus(NamedTuple):
    """Metaclusters for one number of them.

    Attributes
    ----------
    labels : ndarray of int32, nodes
        From 0, in no order of meaning.
    area
        Area under the cumulative distribution of the similarities of all pairs of nodes, 0 to 1.
    """

    labels: Labels
    area: float


def consensus(
    codes: NDArray[Any], ks: Sequence[int], rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> dict[int, Consensus]:
    """Metacluster of each code for each number of metaclusters in `ks`.

    Parameters
    ----------
    codes
        Nodes x markers.
    ks
        Numbers of metaclusters, each from 1 to the number of nodes.
    rng
        Draws the nodes of each resample.
    resamples
        Number of draws, at most 65,535.
    """
    n = len(codes)
    size = min(n, max(2, round(SHARE * n)))
    chosen = np.sort(np.stack([rng.choice(n, size, replace=False) for _ in range(resamples)]), axis=1)
    falling = np.array(sorted(ks, reverse=True))
    drawn, together = np.zeros((n, n), np.uint16), np.zeros((len(falling), n, n), np.uint16)
    part, labels = np.empty((size, size)), np.empty((len(falling), size), np.int64)
    native.count_together(
        _distances(codes), chosen, falling, drawn, together, part, labels, np.empty(n, np.uint16), *_room(size)
    )
    result = {}
    pairs = np.triu_indices(n, k=1)
    for k, counts in zip(falling.tolist(), together, strict=True):
        similarity = np.divide(counts, drawn, out=np.zeros((n, n)), where=drawn > 0)
        area = 1.0 - float(similarity[pairs].mean())
        result[k] = Consensus(cut(1.0 - similarity, k), area)
    return result


def cut(distance: NDArray[np.float64], k: int) -> Labels:
    """Exactly `k` groups (from 0, in the order of their first nodes) by average linkage of a distance matrix."""
    first = np.empty((1, len(distance)), np.int64)
    native.cut_average_linkage(np.array(distance, np.float64), np.array([k]), first, *_room(len(distance)))
    return np.unique(first[0], return_inverse=True)[1].astype(np.int32)


def _room(n: int) -> tuple[NDArray[Any], ...]:
    """What `linkage.cut_average_linkage` needs for n nodes."""
    return np.empty(n), np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)


def _distances(codes: NDArray[Any]) -> NDArray[np.float64]:
    points = np.asarray(codes, np.float64)
    return np.sqrt(np.array([((point - points) ** 2).sum(axis=1) for point in points]))


def area_gains(areas: Sequence[float]) -> NDArray[np.float64]:
    """Delta area (Monti et al. 2003) of 2, 3, ... metaclusters: the area at 2, then how much it gains in proportion.

    Parameters
    ----------
    areas
        Areas for 1, 2, 3, ... metaclusters.
    """
    area = np.maximum.accumulate(np.asarray(areas[1:], np.float64))
    before = np.where(area[:-1] > 0, area[:-1], 1.0)
    return np.concatenate([area[:1], np.diff(area) / before])


def by_delta_area(areas: Sequence[float]) -> int:
    """Number of metaclusters after which two more in a row gain less than `LEAST_GAIN`, from the areas for 1, 2, ...

    One small gain alone is often followed by a large one.
    """
    small = np.append(area_gains(areas) < LEAST_GAIN, True)
    ends = np.flatnonzero(small[:-1] & small[1:])
    return 1 + int(ends[0]) if len(ends) else len(areas)


def explained_variance(codes: NDArray[Any], labels: Labels) -> float:
    """Share of the variance of the codes that is between the metaclusters, 0 to 1."""
    points = np.asarray(codes, np.float64)
    total = ((points - points.mean(axis=0)) ** 2).sum()
    within = 0.0
    for k in np.unique(labels):
        group = points[labels == k]
        within += ((group - group.mean(axis=0)) ** 2).sum()
    return float(1.0 - within / total) if total > 0 else 1.0


def elbow(curve: Sequence[float]) -> int:
    """Position (0-based) at which two straight lines, before it and from it on, fit a curve best.

    The fit is by least squares, the measure the sum of absolute residuals over both lines.
    """
    values = np.asarray(curve, np.float64)
    if len(values) < 4:
        return len(values) - 1
    misfit = [_misfit(values[:i]) + _misfit(values[i:]) for i in range(2, len(values) - 1)]
    return 2 + int(np.argmin(np.round(misfit, 12)))


def _misfit(values: NDArray[np.float64]) -> float:
    x = np.arange(len(values)) - (len(values) - 1) / 2
    y = values - values.mean()
    return float(np.abs(y - x * ((x @ y) / (x @ x))).sum())


def number_by_size(labels: Labels, counts: NDArray[np.int64]) -> Labels:
    """Metaclusters numbered from 1 by falling number of events; of equals the one with the lowest node first."""
    groups, first = np.unique(labels, return_index=True)
    sizes = np.array([counts[labels == group].sum() for group in groups])
    order = np.lexsort((first, -sizes))
    number = np.empty(int(groups.max()) + 1, np.int32)
    number[groups[order]] = np.arange(1, len(groups) + 1)
    return number[labels]


def spanning_tree(codes: NDArray[Any]) -> NDArray[np.int32]:
    """Edges (nodes - 1 x 2, 0-based, ascending) of the minimum spanning tree over the distances of the codes.

    Equal codes are joined too: scipy takes a distance near 0 as "no edge", so 1 is added to all, which changes no
    tree because every spanning tree has as many edges.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    tree = minimum_spanning_tree(np.triu(_distances(codes) + 1.0, k=1)).tocoo()
    edges = np.sort(np.column_stack([tree.row, tree.col]).astype(np.int32), axis=1)
    ordered: NDArray[np.int32] = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    return ordered
