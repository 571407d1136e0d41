"""MetaCyto's cut-off of one marker: the split of largest mean silhouette."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immport_cyto.exceptions import AnalysisError

Array = NDArray[np.float64]

_BINS = 99
_CANDIDATES = 100
_LEAST = 4  # events in a bin, for the bin to count
_ONE_CLUSTER = -2.0


@dataclass(frozen=True)
class Split:
    """A cut-off and how well it splits.

    Attributes
    ----------
    value
        Events above it are positive, events below it negative.
    silhouette
        Mean silhouette of the two groups, -1 to 1.
    """

    value: float
    silhouette: float


def trim(x: Array) -> Array:
    """Leave out the sparse ends of a distribution.

    A histogram of 99 bins, closed on the right; a bin counts if it holds more than 4 events and more than a tenth of
    the mean. Kept is what lies from the left edge of the first such bin to below the left edge of the last.
    """
    edges = np.linspace(x.min(), x.max(), _BINS + 1)
    fuzz = 1e-7 * float(np.median(np.diff(edges)))  # as hist() of R, so that values on an edge fall to the same bin
    shifted = edges + fuzz
    shifted[0] = edges[0] - fuzz
    counts = np.bincount(np.clip(np.searchsorted(shifted, x, side="left") - 1, 0, _BINS - 1), minlength=_BINS)
    counting = np.flatnonzero(counts > max(_LEAST, counts.mean() / 10))
    if not len(counting):
        return x[:0]
    kept: Array = x[(x >= edges[counting[0]]) & (x < edges[counting[-1]])]
    return kept


def mean_silhouettes(x: ArrayLike, cuts: ArrayLike) -> Array:
    """Exact mean silhouette of each two-way split ``> cut`` and ``<= cut`` of numbers.

    Parameters
    ----------
    x
        Values.
    cuts
        Where to split.

    Returns
    -------
    ndarray
        One mean per cut, with the absolute difference as distance; a value alone in its group counts 0, and a cut that
        leaves one group empty gives -2.

    Notes
    -----
    Of sorted values, sums of distances are differences of prefix sums: O(n) per cut instead of O(n²).
    """
    values = np.sort(np.asarray(x, dtype=np.float64))
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    result = np.full(np.shape(cuts), _ONE_CLUSTER)
    for i, cut in enumerate(np.asarray(cuts, dtype=np.float64)):
        k = int(np.searchsorted(values, cut, side="right"))
        if 0 < k < n:
            total = _group(values, sums, 0, k, n).sum() + _group(values, sums, k, n, n).sum()
            result[i] = total / n
    return result


def _group(values: Array, sums: Array, start: int, stop: int, n: int) -> Array:
    """Silhouettes of the sorted values `start` to `stop`, against all others of the `n`."""
    size, own = stop - start, values[start:stop]
    if size == 1:
        return np.zeros(1)
    rank = np.arange(size)
    below = rank * own - (sums[start:stop] - sums[start])
    above = (sums[stop] - sums[start + 1 : stop + 1]) - (size - 1 - rank) * own
    inside = (below + above) / (size - 1)
    rest = n - size
    outside = np.abs((sums[n] - sums[stop] + sums[start]) - rest * own) / rest
    widest = np.maximum(inside, outside)
    return np.divide(outside - inside, widest, out=np.zeros(size), where=widest > 0)


def find_cutoff(x: ArrayLike, *, trimmed: bool = True, least: float | None = 0.0) -> Split:
    """MetaCyto's cut-off of one marker; it is always there, also for a marker with one group of events.

    Parameters
    ----------
    x
        Transformed values; MetaCyto gives 2,000 of them.
    trimmed
        Leave out the sparse ends first (`trim`).
    least
        Cut-offs must lie above this value; None for no such bound.

    Raises
    ------
    AnalysisError
        There is no candidate: too few values, all values equal, or all below `least`. MetaCyto stops here too.
    """
    values = np.asarray(x, dtype=np.float64)
    n = len(values)
    if trimmed and n:
        values = trim(values)
    if not len(values) or values.min() == values.max():
        msg = (
            f"a marker with {n} events has no two values that are frequent enough for MetaCyto's cut-off; leave it out"
        )
        raise AnalysisError(msg)
    candidates = np.linspace(values.min(), values.max(), _CANDIDATES)
    if least is not None:
        candidates = candidates[candidates > least]
    if not len(candidates):
        msg = f"a marker has no value above {least:g}, where MetaCyto looks for its cut-off; leave it out"
        raise AnalysisError(msg)
    means = mean_silhouettes(values, candidates)
    best = int(means.argmax())
    return Split(float(candidates[best]), float(means[best]))
