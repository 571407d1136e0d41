"""How a model gives an event its population: the nearest centre, then for some the nearer of two halves."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock.centres import Center
from immport_cyto.cluster.flock.centres import centres as of_events
from immport_cyto.cluster.flock.partition import Float64, Labels, means, nearest
from immport_cyto.cluster.source import BLOCK


@dataclass(frozen=True)
class Split:
    """A cluster cut in two by the nearer of two centres, on a few columns of raw values scaled to 0-1.

    Attributes
    ----------
    columns : ndarray of int32
    low, extent : ndarray of float64, columns of the split
        Values enter as ``(x - low) / extent``.
    centres : ndarray of float64, 2 x columns of the split
    """

    columns: NDArray[np.int32]
    low: Float64
    extent: Float64
    centres: Float64

    def scaled(self, X: NDArray[np.floating]) -> Float64:
        """Columns of the split of raw events."""
        return np.ascontiguousarray((X[:, self.columns] - self.low) / self.extent)

    def second(self, X: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which raw events are in the second half."""
        return nearest(self.scaled(X), self.centres) == 1


@dataclass(frozen=True)
class Rule:
    """Everything that decides the population of an event.

    Attributes
    ----------
    mean, sd : ndarray of float64, columns
        Raw values enter the centres as ``(x - mean) / sd``.
    centres : ndarray of float64, clusters x columns
    splits : dict of int to Split
        By cluster, in ascending order. The second half of the s-th one is the part ``len(centres) + s``.
    population : ndarray of int32, parts
        Population, from 1, of each cluster (of its first half) and each second half; 0 where no event ever was.
    """

    mean: Float64
    sd: Float64
    centres: Float64
    splits: dict[int, Split]
    population: NDArray[np.int32]

    def scaled(self, X: NDArray[np.floating]) -> Float64:
        """Raw events as the centres see them."""
        Z: Float64 = X - self.mean
        Z /= self.sd
        return Z

    def parts(self, X: NDArray[np.floating], clusters: Labels) -> Labels:
        """Part of each raw event, given its cluster."""
        parts = clusters.copy()
        for number, (cluster, split) in enumerate(self.splits.items()):
            events = np.flatnonzero(clusters == cluster)
            parts[events[split.second(X[events])]] = len(self.centres) + number
        return parts

    def assign(self, X: NDArray[np.floating], jobs: int = 1) -> NDArray[np.int32]:
        """Population, from 1, of each raw event."""
        result = np.empty(len(X), np.int32)
        for start in range(0, len(X), BLOCK * max(jobs, 1)):
            block = X[start : start + BLOCK * max(jobs, 1)]
            clusters = nearest(self.scaled(block), self.centres, jobs)
            result[start : start + len(block)] = self.population[self.parts(block, clusters)]
        return result

    def renumbered(self, new_number: NDArray[np.int32]) -> "Rule":
        """The same rule with other numbers of the populations: `new_number` of 0, 1, 2, ..."""
        return replace(self, population=new_number[self.population])

    def describe(
        self, X: NDArray[np.floating], labels: NDArray[np.int32], n: int, center: Center = "mean"
    ) -> tuple[Float64, NDArray[np.int64]]:
        """Centre and number of the raw events of each population; the centre that was used for one without events."""
        if center == "mean":
            centres, counts = means(X, labels - 1, n)
        else:
            (centres,), counts = of_events(X, labels - 1, n, [center])
        for empty in np.flatnonzero(counts == 0):  # only where a population is one cluster
            centres[empty] = self.centres[np.flatnonzero(self.population == empty + 1)[0]] * self.sd + self.mean
        return centres, counts
