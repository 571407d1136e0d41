"""Where a slow drift began: long before any single bin shows it, its line points back to it.

A drift that grows evenly shifts the mean ranks of all channels it touches along lines that start at zero at the same
time. Fitted to all of these channels at once, together with the stable bins before, the common start is known far
better than by the first bin in which one channel alone is off.
"""

import numpy as np

from immport_cyto.events._edges import runs

_SMOOTH = 5
_CLEAR = 1.5  # of the limit: how far the drift has to go for its line to be known
_LEAST_BINS = 3  # less is a step, not a drift
_ROOM = 4  # bins before, beyond three times the length of the line
_CROSSED = 5.0  # standard errors: a drift that comes from the other side has no start


def smooth(values: np.ndarray) -> np.ndarray:
    """Mean over five neighbours, fewer at the ends; the last axis is that of the bins."""
    kernel = np.ones(min(_SMOOTH, values.shape[-1]))
    weight = np.convolve(np.ones(values.shape[-1]), kernel, mode="same")
    rows = np.atleast_2d(values)
    return np.array([np.convolve(row, kernel, mode="same") for row in rows]).reshape(values.shape) / weight


def lengthen(bad: np.ndarray, shift: np.ndarray, error: np.ndarray, limit: float) -> np.ndarray:
    """Lengthen each run of bad bins, on both sides, to where its drift began.

    Parameters
    ----------
    bad
        Bad bins.
    shift, error
        Shift of the mean rank of each channel (rows) in each bin, and its standard error.
    limit
        Shift from which a bin is bad.

    Returns
    -------
    ndarray of bool

    Notes
    -----
    The line runs from the start to where the first channel is off by 1.5 times the limit; the slope of each channel is
    its least squares one, in the direction in which it ends. The start is where the sum of squares over the channels
    falls most (a broken line with a common joint). It is taken only if stable bins lie before it that are not shifted
    to the other side (the line would go on through them), and if the bins that it would add fit the line better than
    no shift at all (a fall that begins steeply and goes on slowly points back too far).
    """
    result = bad.copy()
    drift = smooth(shift)
    for begin, end in runs(bad):
        for inward in (1, -1):
            edge = begin if inward > 0 else end - 1
            lead = np.abs(drift[:, begin:end]).max(axis=0)[::inward]
            if lead.max() < _CLEAR * limit:
                continue
            top = int(np.argmax(lead >= _CLEAR * limit))
            room = min(edge if inward > 0 else len(bad) - 1 - edge, 3 * top + _ROOM)
            if top < _LEAST_BINS or room < 1:
                continue
            places = edge + inward * np.arange(-room, top + 1)
            usable = ~bad[places]
            usable[room:] = True
            weight = usable / error[:, places] ** 2
            signed = shift[:, places] * np.sign(drift[:, edge + inward * top])[:, None]
            start = _joint(signed, weight, room)
            result[places[start:room]] = True
    return result


def _joint(shift: np.ndarray, weight: np.ndarray, room: int) -> int:
    """First place of the line, `room` where it does not begin before."""
    count = shift.shape[1]
    best, start, slopes, line = 0.0, room, np.zeros(len(shift)), np.zeros_like(shift)
    for first in range(count - _LEAST_BINS):
        way = np.maximum(np.arange(count) - first + 0.5, 0)
        slope = np.maximum((weight * shift) @ way / np.maximum(weight @ way**2, np.finfo(float).tiny), 0)
        fitted = slope[:, None] * way
        gain = float((weight * fitted * (shift - fitted / 2)).sum())
        if gain > best:
            best, start, slopes, line = gain, first, slope, fitted
    added, before = slice(start, room), slice(0, start)
    fits = (weight[:, added] * line[:, added] * (shift[:, added] - line[:, added] / 2)).sum() > 0
    across = slopes @ (weight[:, before] * shift[:, before]).sum(axis=1)
    stable = across > -_CROSSED * np.sqrt(slopes**2 @ weight[:, before].sum(axis=1))
    return start if 0 < start < room and fits and stable else room
