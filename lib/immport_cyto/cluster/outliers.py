"""Events too far from their code, by FlowSOM's rule: beyond the median + 4 MAD of the distances in the training.

Median and MAD per node belong to the model, so what is an outlier does not depend on the files that are mapped. They
are exact for up to a million events; of more, a sample per node counts.
"""

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import native

MAD_ALLOWED = 4.0
MAD_TO_SD = 1.4826
"""R's `mad` is on the scale of the standard deviation of a normal distribution, and so is FlowSOM's threshold."""
_KEPT = 1_000_000


class DistanceSample:
    """Distances of the training events to their codes, of large data a bounded number.

    Of more than a million events every second, third, ... of each node in each chunk is taken, the first one always.
    """

    def __init__(self, n_nodes: int) -> None:
        self._n_nodes = n_nodes
        self._nodes: list[NDArray[np.int32]] = []
        self._distances: list[NDArray[np.float32]] = []
        self._sizes = np.zeros(n_nodes, np.int64)

    @staticmethod
    def stride(n_events: int) -> int:
        """Which events of each node to take of so many events: the first, the one `stride` later, and so on."""
        return max(1, -(-n_events // _KEPT))

    def add(self, nodes: NDArray[np.int32], distances: NDArray[np.float32], sizes: NDArray[np.int64]) -> None:
        """Take events: their nodes (0-based) and distances, and how many there are per node."""
        self._nodes.append(nodes)
        self._distances.append(distances)
        self._sizes += sizes

    def summary(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Median and MAD (R's, x 1.4826) of the distances per node, and the share of all events beyond the thresholds.

        NaN for a node without events. `counts` are the numbers of events per node, taken or not.
        """
        ends = np.cumsum(self._sizes)
        begins = ends - self._sizes
        grouped, places = np.empty(int(ends[-1]), np.float32), begins.copy()
        for nodes, distances in zip(self._nodes, self._distances, strict=True):
            native.by_node(nodes, distances, places, grouped)
        filled = [(int(node), slice(begins[node], ends[node])) for node in np.flatnonzero(ends > begins)]
        for _, events in filled:
            grouped[events].sort()
        medians, mads = np.full(self._n_nodes, np.nan), np.full(self._n_nodes, np.nan)
        native.middles(grouped, ends, medians, mads)
        mads *= MAD_TO_SD
        limits = thresholds(medians, mads)
        beyond = 0.0
        for node, events in filled:
            values = grouped[events].astype(np.float64)
            beyond += int(counts[node]) * (1 - np.searchsorted(values, limits[node], "right") / len(values))
        total = int(counts.sum())
        return medians, mads, float(beyond / total) if total else float("nan")


def thresholds(
    medians: NDArray[np.float64], mads: NDArray[np.float64], allowed: float = MAD_ALLOWED
) -> NDArray[np.float64]:
    """Largest distance per node that is no outlier.

    A node that had no event in the training has -1: all events that fall on it are outliers.
    """
    limit: NDArray[np.float64] = np.where(np.isnan(medians), -1.0, medians + allowed * mads)
    return limit


def outliers(
    nodes: NDArray[np.int32], distances: NDArray[np.float32], limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each event is beyond the limit of its node."""
    beyond: NDArray[np.bool_] = distances > limits[nodes]
    return beyond
