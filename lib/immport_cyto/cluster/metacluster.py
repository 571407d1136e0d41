"""Metaclusters of the codes by consensus of resampled average linkage, and the minimum spanning tree of the codes.

The consensus follows Monti et al. 2003 (Machine Learning 52:91) as FlowSOM uses it: 100 times 90 % of the nodes are
clustered by average linkage; the share of the draws with both nodes in which they fall together is their similarity;
average linkage of one minus that share, cut at k, gives the metaclusters.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 100
SHARE = 0.9

Labels = NDArray[np.int32]


def consensus(
    codes: NDArray[Any], ks: Sequence[int], rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> dict[int, Labels]:
    """Metacluster of each code (0-based, in no order of meaning) for each number of metaclusters in `ks`.

    Parameters
    ----------
    codes
        Nodes x markers.
    ks
        Numbers of metaclusters, each from 1 to the number of nodes.
    rng
        Draws the nodes of each resample.
    resamples
        Number of draws.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    n = len(codes)
    points = np.asarray(codes, np.float64)
    distance = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    size = min(n, max(2, round(SHARE * n)))
    drawn = np.zeros((n, n))
    together = {k: np.zeros((n, n)) for k in ks}
    for _ in range(resamples):
        chosen = np.sort(rng.choice(n, size, replace=False))
        pairs = np.ix_(chosen, chosen)
        drawn[pairs] += 1
        tree = linkage(squareform(distance[pairs], checks=False), method="average")
        for k, labels in cut(tree, [min(k, size) for k in ks], ks).items():
            together[k][pairs] += labels[:, None] == labels
    result = {}
    for k in ks:
        similarity = np.divide(together[k], drawn, out=np.zeros((n, n)), where=drawn > 0)
        apart = 1.0 - similarity
        np.fill_diagonal(apart, 0.0)
        tree = linkage(squareform(apart, checks=False), method="average")
        result[k] = cut(tree, [k], [k])[k]
    return result


def cut(tree: NDArray[np.float64], sizes: Sequence[int], names: Sequence[int]) -> dict[int, Labels]:
    """Cut a scipy linkage into exactly ``sizes[i]`` groups, ties or not; the results are keyed by ``names[i]``."""
    n = len(tree) + 1
    wanted: dict[int, list[int]] = {}
    for size, name in zip(sizes, names, strict=True):
        wanted.setdefault(size, []).append(name)
    members: dict[int, list[int]] = {i: [i] for i in range(n)}
    result: dict[int, Labels] = {}
    for step in range(n):
        groups = n - step
        if groups in wanted:
            labels = np.empty(n, np.int32)
            for number, group in enumerate(members.values()):
                labels[group] = number
            result.update(dict.fromkeys(wanted[groups], labels))
        if step < n - 1:
            members[n + step] = members.pop(int(tree[step, 0])) + members.pop(int(tree[step, 1]))
    return result


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

    points = np.asarray(codes, np.float64)
    distance = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    tree = minimum_spanning_tree(np.triu(distance + 1.0, k=1)).tocoo()
    edges = np.sort(np.column_stack([tree.row, tree.col]).astype(np.int32), axis=1)
    ordered: NDArray[np.int32] = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    return ordered
