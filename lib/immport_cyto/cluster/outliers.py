"""Events too far from their code, by FlowSOM's rule: beyond the median + 4 MAD of the distances in the training.

Median and MAD per node belong to the model, so what is an outlier does not depend on the files that are mapped. They
are exact for nodes with up to some ten thousand events; of larger nodes every second, fourth, ... event counts.
"""

import numpy as np
from numpy.typing import NDArray

MAD_ALLOWED = 4.0
MAD_TO_SD = 1.4826
"""R's `mad` is on the scale of the standard deviation of a normal distribution, and so is FlowSOM's threshold."""
_KEPT, _KEPT_LEAST = 4_000_000, 1000


class DistanceSample:
    """Distances of the training events to their codes, thinned per node to a bounded number.

    `add` takes the events in their order; the result does not depend on how many come at a time.
    """

    def __init__(self, n_nodes: int, kept: int | None = None) -> None:
        self._most = kept or max(_KEPT_LEAST, _KEPT // n_nodes)
        self._seen = np.zeros(n_nodes, np.int64)
        self._stride = np.ones(n_nodes, np.int64)
        self._values: list[list[NDArray[np.float32]]] = [[] for _ in range(n_nodes)]
        self._held = np.zeros(n_nodes, np.int64)

    def add(self, nodes: NDArray[np.int32], distances: NDArray[np.float32]) -> None:
        """Take the next events: their nodes (0-based) and distances."""
        n_nodes = len(self._seen)
        narrow = nodes.astype(np.uint16) if n_nodes <= 2**16 else nodes
        order = np.argsort(narrow, kind="stable")
        ends = np.cumsum(np.bincount(nodes, minlength=n_nodes))
        begin = 0
        for node, end in enumerate(ends.tolist()):
            if end > begin:
                self._add(node, distances[order[begin:end]])
            begin = end

    def _add(self, node: int, new: NDArray[np.float32]) -> None:
        stride = int(self._stride[node])
        first = int(-self._seen[node]) % stride
        self._seen[node] += len(new)
        values = self._values[node]
        values.append(new[first::stride].copy())
        self._held[node] += len(values[-1])
        while self._held[node] > self._most:
            values[:] = [np.concatenate(values)[::2]]
            self._held[node] = len(values[0])
            self._stride[node] *= 2

    def median_and_mad(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Median and MAD (R's, x 1.4826) of the distances per node; NaN for a node without events."""
        medians, mads = np.full(len(self._seen), np.nan), np.full(len(self._seen), np.nan)
        for node, values in enumerate(self._values):
            if values:
                together = np.concatenate(values).astype(np.float64)
                medians[node] = np.median(together)
                mads[node] = MAD_TO_SD * np.median(np.abs(together - medians[node]))
        return medians, mads

    def share_beyond(self, limits: NDArray[np.float64]) -> float:
        """Share of all events beyond the limit of their node; NaN without events."""
        held, beyond = np.zeros(len(limits)), np.zeros(len(limits))
        for node, values in enumerate(self._values):
            held[node] = sum(len(some) for some in values)
            beyond[node] = sum(int((some > limits[node]).sum()) for some in values)
        filled = held > 0
        total = int(self._seen.sum())
        return float((self._seen[filled] * beyond[filled] / held[filled]).sum() / total) if total else float("nan")


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
