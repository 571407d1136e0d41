"""flowHC: nested clusters from one tree of all events."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immport_cyto.exceptions import AnalysisError

Array = NDArray[np.float64]

MAX_EVENTS = 30_000  # 3.6 GB of distances
_MOST = 100
_PATIENCE = 20


def root_mean_square(x: ArrayLike) -> Array:
    """``sqrt(sum x² / (n - 1))`` per column, by which MetaCyto divides; not the standard deviation, no centring."""
    values = np.asarray(x, dtype=np.float64)
    scale: Array = np.sqrt((values**2).sum(axis=0) / (len(values) - 1))
    return scale


def scaled(x: ArrayLike) -> Array:
    """Columns over their root mean square, rounded to float32 as in MetaCyto's flow frames."""
    values = np.asarray(x, dtype=np.float64)
    scale = root_mean_square(values)
    rounded: Array = (values / np.where(scale > 0, scale, 1)).astype(np.float32).astype(np.float64)
    return rounded


def flow_hc(x: ArrayLike, *, min_fraction: float = 0.05) -> list[NDArray[np.int64]]:
    """Clusters of events that are large on some level of a hierarchical clustering.

    Parameters
    ----------
    x
        Events x markers, as `scaled` gives them.
    min_fraction
        A cluster must hold more than this share of the events.

    Returns
    -------
    list of ndarray
        Numbers of the events (from 0, ascending) of each cluster, in the order in which the clusters are met: the tree
        is cut into 2, 3, ... 100 clusters; each that is large enough and was not met before is added. It ends when none
        is large enough, or after 21 levels without a new one. Clusters of different levels are nested.

    Raises
    ------
    AnalysisError
        Fewer than 2 events, or so many that their distances do not fit in memory.

    Notes
    -----
    Ward's recurrence is applied to plain Euclidean distances (R's ``ward.D``), not to their squares: that is the
    tree which scipy's ``ward`` builds from the square roots of the distances. O(n²) in time and memory.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    values = np.asarray(x, dtype=np.float64)
    n = len(values)
    if n < 2:
        msg = f"flowHC needs at least 2 events, there are {n}; give more events"
        raise AnalysisError(msg)
    if n > MAX_EVENTS:
        msg = (
            f"flowHC compares all events with each other, which is possible up to {MAX_EVENTS:,} of a panel and not "
            f"with {n:,}; preprocess with fewer --max-events per file, or cluster with flowsom"
        )
        raise AnalysisError(msg)
    distances = pdist(values)
    np.sqrt(distances, out=distances)
    tree = linkage(distances, "ward")
    del distances
    return _large_clusters(tree[:, :2].astype(np.int64), tree[:, 3], n, min_fraction * n)


def _large_clusters(merged: NDArray[np.int64], sizes: Array, n: int, more_than: float) -> list[NDArray[np.int64]]:
    """Walk down the tree; node ``n + i`` joins the two nodes ``merged[i]``."""
    order, first, size = _leaves(merged, sizes, n)
    found: list[NDArray[np.int64]] = []
    met: set[int] = set()
    level = {2 * n - 2}
    idle = 0
    for _ in range(2, min(_MOST, n) + 1):
        highest = max(level)
        level.remove(highest)
        level |= set(merged[highest - n].tolist())
        large = [node for node in level if size[node] > more_than]
        if not large:
            break
        new = {node: np.sort(order[first[node] : first[node] + size[node]]) for node in large if node not in met}
        met |= set(new)
        found += sorted(new.values(), key=lambda members: int(members[0]))
        idle = 0 if new else idle + 1
        if idle > _PATIENCE:
            break
    return found


def _leaves(
    merged: NDArray[np.int64], sizes: Array, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Events in the order of the tree, and the place of the first event and the number of events of each node."""
    size = np.concatenate([np.ones(n, np.int64), sizes.astype(np.int64)])
    first = np.zeros(2 * n - 1, np.int64)
    for i in range(n - 2, -1, -1):
        left, right = merged[i]
        first[left] = first[n + i]
        first[right] = first[n + i] + size[left]
    order = np.empty(n, np.int64)
    order[first[:n]] = np.arange(n)
    return order, first, size
