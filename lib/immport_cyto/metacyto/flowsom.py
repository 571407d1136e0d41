"""flowSOM.MC: a self-organising map, and 40 clusters of its nodes by consensus, with the random numbers of R.

MetaCyto calls the R packages FlowSOM (its map is that of the package kohonen) and ConsensusClusterPlus.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immport_cyto.exceptions import AnalysisError
from immport_cyto.metacyto.randomness import RSample

Array = NDArray[np.float64]

SIDE = 10
N_CLUSTERS = 40

_PASSES = 10
_RATES = (0.05, 0.01)
_RADIUS_QUANTILE = 0.67
_DRAWS = 100
_SHARE = 0.9


def flow_som(x: ArrayLike, *, n_clusters: int = N_CLUSTERS, seed: int = 42) -> tuple[list[NDArray[np.int64]], RSample]:
    """Cluster events with a 10 x 10 self-organising map and consensus clustering of its nodes.

    Parameters
    ----------
    x
        Events x markers, as `immport_cyto.metacyto.scaled` gives them; at least 100 events.
    n_clusters
        Clusters of nodes.
    seed
        As of R's ``set.seed``, which is called before the map and again before the consensus.

    Returns
    -------
    clusters : list of ndarray
        Numbers of the events (from 0, ascending) of each cluster, in the order of their first events.
    random : RSample
        The stream of random numbers as it goes on after the consensus.

    Raises
    ------
    AnalysisError
        Fewer events than nodes, or more clusters than nodes.
    """
    from immport_cyto.metacyto.kernels import nearest_codes, train

    values = np.ascontiguousarray(x, dtype=np.float64)
    n_nodes = SIDE * SIDE
    if len(values) < n_nodes:
        msg = f"the map has {n_nodes} nodes and there are {len(values)} events; give at least as many events as nodes"
        raise AnalysisError(msg)
    if not 2 <= n_clusters <= n_nodes:
        msg = f"{n_clusters} clusters of {n_nodes} nodes are not possible; give 2 to {n_nodes}"
        raise AnalysisError(msg)
    place = np.arange(n_nodes)
    row, column = place % SIDE, place // SIDE
    apart = np.maximum(np.abs(row[:, None] - row), np.abs(column[:, None] - column)).astype(np.float64)
    random = RSample(seed)
    codes = values[random.sample(len(values), n_nodes)]
    order = (random.uniform(_PASSES * len(values)) * len(values)).astype(np.int64)
    train(values, order, codes, apart, float(np.quantile(apart, _RADIUS_QUANTILE)), *_RATES)
    of_node, random = consensus(codes, n_clusters, seed)
    of_event = of_node[nearest_codes(values, codes)]
    _, first = np.unique(of_event, return_index=True)
    return [np.flatnonzero(of_event == of_event[i]) for i in np.sort(first)], random


def consensus(codes: Array, n_clusters: int, seed: int) -> tuple[NDArray[np.int64], RSample]:
    """Cluster of each node, by how often two nodes are together in trees of random subsets of nine in ten nodes.

    Returns
    -------
    clusters : ndarray
        From 0, in the order of the nodes.
    random : RSample
        The stream of random numbers as it goes on.
    """
    from scipy.spatial.distance import pdist, squareform

    n = len(codes)
    distances = squareform(pdist(codes))
    random = RSample(seed)
    together, drawn = np.zeros((n, n)), np.zeros((n, n))
    for _ in range(_DRAWS):
        chosen = np.sort(random.sample(n, int(n * _SHARE)))
        cell = np.ix_(chosen, chosen)
        clusters = cut(average_tree(distances[cell]), len(chosen), n_clusters)
        drawn[cell] += 1
        together[cell] += clusters[:, None] == clusters
    share = np.divide(together, drawn, out=np.zeros((n, n)), where=drawn > 0)
    return cut(average_tree(1 - share), n, n_clusters), random


def average_tree(distances: Array) -> list[tuple[int, int]]:
    """Pairs that average linkage joins, in order; each cluster is named by its first member.

    Of equal distances that of the first pair is taken, with the nearest neighbours kept and renewed as R's ``hclust``
    does (Murtagh 1985): consensus distances are full of ties, and other orders give other clusters.
    """
    d = np.where(np.tri(len(distances), dtype=bool), np.inf, distances)  # d[i, j] for i < j
    n = len(d)
    size = np.ones(n)
    alive = np.ones(n, dtype=bool)
    nearest = d.argmin(axis=1)
    least = d[np.arange(n), nearest]
    joined = []
    for _ in range(n - 1):
        low = int(least.argmin())
        high = int(nearest[low])
        joined.append((low, high))
        alive[high] = False
        others = np.flatnonzero(alive & (np.arange(n) != low))
        to_low = (np.minimum(others, low), np.maximum(others, low))
        to_high = (np.minimum(others, high), np.maximum(others, high))
        d[to_low] = (size[low] * d[to_low] + size[high] * d[to_high]) / (size[low] + size[high])
        size[low] += size[high]
        d[high, :] = np.inf
        d[:, high] = np.inf
        least[high] = np.inf
        before = others[others < low]
        closer = before[d[before, low] < least[before]]
        least[closer], nearest[closer] = d[closer, low], low
        stale = np.flatnonzero(alive & ((nearest == low) | (nearest == high)))
        for i in {low, *stale.tolist()}:
            nearest[i] = d[i].argmin()
            least[i] = d[i, nearest[i]]
    return joined


def cut(joined: list[tuple[int, int]], n: int, n_clusters: int) -> NDArray[np.int64]:
    """Clusters (from 0, in the order of their first members) where a tree has `n_clusters` left."""
    cluster = np.arange(n)
    for low, high in joined[: n - n_clusters]:
        cluster[cluster == cluster[high]] = cluster[low]
    _, first, inverse = np.unique(cluster, return_index=True, return_inverse=True)
    rank: NDArray[np.int64] = np.argsort(np.argsort(first))
    return rank[inverse]
