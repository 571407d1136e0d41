"""Levels of the markers in each population, 1 (-), 2 (low), 3 (+) or 4 (hi) (step 8 of FLOCK 1)."""

import numpy as np
from numpy.typing import NDArray

LEVELS = ("-", "low", "+", "hi")


def profile(X: NDArray[np.floating], labels: NDArray[np.integer], n: int) -> NDArray[np.int32]:
    """Level 1 to 4 of each marker in each population.

    The range of a column, from its minimum to its maximum or 0 where that is larger, is cut into four equal intervals;
    a level is the fuller of the fuller low and the fuller high interval, the upper one of equals.

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
    ndarray of int32, populations x columns
    """
    levels = np.empty((n, X.shape[1]), np.int32)
    for j in range(X.shape[1]):
        column = X[:, j].astype(np.float64)
        low = column.min()
        width = (max(column.max(), 0.0) - low) / 4
        interval = np.minimum(((column - low) / width).astype(np.int64), 3) if width > 0 else np.zeros(len(X), np.int64)
        counts = np.bincount((labels - 1) * 4 + interval, minlength=4 * n).reshape(n, 4)
        below = np.where(counts[:, 0] > counts[:, 1], 0, 1)
        above = np.where(counts[:, 2] > counts[:, 3], 2, 3)
        rows = np.arange(n)
        levels[:, j] = np.where(counts[rows, below] > counts[rows, above], below, above) + 1
    return levels
