"""Levels of the markers in each population, 1 (-), 2 (low), 3 (+) or 4 (hi) (step 8 of FLOCK 1)."""

import numpy as np
from numpy.typing import NDArray

INTERVALS = 4


def profile(X: NDArray[np.floating], labels: NDArray[np.integer], n: int) -> NDArray[np.int32]:
    """Level 1 to 4 of each marker in each population (populations x columns); see `count_intervals` and `levels`."""
    return levels(count_intervals(X, labels, n))


def count_intervals(X: NDArray[np.floating], labels: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """Events of each population in each quarter of the range of each column.

    The range of a column goes from its minimum to its maximum, or to 0 where that is larger.

    Parameters
    ----------
    X
        Raw events x columns.
    labels
        Population of each event, from 1.
    n
        Number of populations.

    Returns
    -------
    ndarray of int64, populations x columns x 4
    """
    counts = np.empty((n, X.shape[1], INTERVALS), np.int64)
    for j in range(X.shape[1]):
        column = X[:, j].astype(np.float64)
        low = column.min()
        width = (max(column.max(), 0.0) - low) / INTERVALS
        interval = np.minimum(((column - low) / width).astype(np.int64), 3) if width > 0 else np.zeros(len(X), np.int64)
        counts[:, j] = np.bincount((labels - 1) * INTERVALS + interval, minlength=INTERVALS * n).reshape(n, INTERVALS)
    return counts


def levels(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Level 1 to 4 by the events per interval: the fuller of the fuller low and high one, the upper one of equals.

    Parameters
    ----------
    counts
        Populations x columns x 4.

    Returns
    -------
    ndarray of int32, populations x columns
    """
    first, second, third, fourth = np.moveaxis(counts, -1, 0)
    below = np.where(first > second, 1, 2)
    above = np.where(third > fourth, 3, 4)
    is_low = np.maximum(first, second) > np.maximum(third, fourth)
    return np.where(is_low, below, above).astype(np.int32)
