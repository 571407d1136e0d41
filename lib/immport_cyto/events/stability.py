"""Time: parts of an acquisition in which the flow rate or a signal is not what it is in the rest.

The events are cut in time order into bins of equal number. In each bin the mean rank of each channel among all stable
events is 0.5 when nothing changed, with the standard error 1 / sqrt(12 m) for m events, whatever the channel's
distribution. Its distance from 0.5 is an effect size that is easy to read: 0.1 means that an event of the bin exceeds a
stable event with probability 0.6. The rate is looked at in bins of equal duration.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

MIN_EVENTS = 2000
"""Fewer events are not checked: too few bins to know what is stable."""

SHIFT = 0.10
"""Shift of the mean rank beyond which a bin is bad; half of it for its neighbours."""

RATE_FACTOR = 2.0
"""By how much the flow rate may differ from the usual."""

_Z, _Z_NEAR = 5.5, 3.0
_RATE_Z = 6.0
_RATE_SHARE = 0.25
_REFERENCE = 4096


class Signals(Protocol):
    """Events x channels of which single columns can be taken."""

    def __getitem__(self, key: tuple[slice, int], /) -> np.ndarray:
        """Return one column."""


@dataclass(frozen=True)
class Stability:
    """What the check of time found.

    Attributes
    ----------
    bad
        One bool per event.
    note
        Why nothing was checked, or how the decision was made.
    bin_time, bin_shift, bin_bad
        Per bin of events: mean time, channels x bins shift of the mean rank, and whether the bin is bad by signal.
    rate_time, rate, rate_bad
        Per bin of time: its middle, events per unit of time, and whether it is bad by rate.
    channels
        Names of the rows of `bin_shift`.
    """

    bad: np.ndarray
    note: str
    checked: bool = True
    bin_time: np.ndarray = field(default_factory=lambda: np.empty(0))
    bin_shift: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    bin_bad: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    rate_time: np.ndarray = field(default_factory=lambda: np.empty(0))
    rate: np.ndarray = field(default_factory=lambda: np.empty(0))
    rate_bad: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    channels: tuple[str, ...] = ()


def check(
    time: np.ndarray,
    signals: Signals,
    channels: tuple[str, ...],
    *,
    shift: float = SHIFT,
    rate: float = RATE_FACTOR,
) -> Stability:
    """Find the events acquired while the flow rate or a signal was unstable.

    A bin of events is bad when the mean rank of any channel is off by more than 0.10 and by more than 5.5 standard
    errors; its neighbours when the same channel is off by more than 0.05 and 3 standard errors; one or two bins
    between bad ones are bad too. A bin of time is bad when its rate is below half or above twice the usual (the
    median over events) and differs from it by 6 Poisson standard errors; a bin beside a pause is not, and none is when
    that holds for more than a quarter of the bins.

    Parameters
    ----------
    time
        Time of each event, in file order, any unit.
    signals
        Events x channels, any monotone scale; columns are taken one by one as ``signals[:, i]``.
    channels
        Names of the columns of `signals`.
    shift, rate
        The limits 0.10 and 2; neighbours of a bad bin have half of the first.

    References
    ----------
    The idea of bins in time: flowAI (Monaco 2016), PeacoQC (Emmaneel 2022). The rank statistic is Mann-Whitney's.
    """
    n = len(time)
    nothing = np.zeros(n, dtype=bool)
    if n < MIN_EVENTS:
        return Stability(nothing, f"time not checked: {n} events, at least {MIN_EVENTS} are needed", checked=False)
    elapsed = _unwrap(np.asarray(time, dtype=np.float64))
    order = np.argsort(elapsed, kind="stable")
    elapsed = elapsed[order]
    distinct = int((np.diff(elapsed) > 0).sum()) + 1
    if distinct < 20:
        return Stability(nothing, f"time not checked: only {distinct} different times", checked=False)
    size = int(np.clip(n // 150, 100, 1000))
    edges = np.linspace(0, n, n // size + 1).astype(np.int64)
    shifts, bin_bad = _signal_bins(signals, len(channels), order, edges, shift)
    rate_edges, counts, rate_bad = _rate_bins(elapsed, rate)
    sorted_bad = np.repeat(bin_bad, np.diff(edges))
    which = np.clip(np.searchsorted(rate_edges, elapsed, side="right") - 1, 0, len(counts) - 1)
    sorted_bad |= rate_bad[which]
    bad = np.empty(n, dtype=bool)
    bad[order] = sorted_bad
    return Stability(
        bad,
        f"{int(bin_bad.sum())} of {len(bin_bad)} bins unstable by signal, "
        f"{int(rate_bad.sum())} of {len(counts)} by rate",
        True,
        np.add.reduceat(elapsed, edges[:-1]) / np.diff(edges),
        shifts,
        bin_bad,
        (rate_edges[:-1] + rate_edges[1:]) / 2,
        counts / np.diff(rate_edges),
        rate_bad,
        channels,
    )


def _unwrap(time: np.ndarray) -> np.ndarray:
    """Undo the few jumps back of a clock that starts again; a file in random order is left to sorting."""
    steps = np.diff(time)
    back = np.flatnonzero(steps < -0.5 * (time.max() - time.min()))
    if not len(back) or len(back) > 10 or (steps < 0).sum() > len(back) + 0.01 * len(time):
        return time
    result = time.copy()
    for position in back:
        result[position + 1 :] += time[position] - time[position + 1]
    return result


def _signal_bins(
    signals: Signals, n_channels: int, order: np.ndarray, edges: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Shift of the mean rank per channel and bin, and the bad bins."""
    sizes = np.diff(edges)
    bins = len(sizes)
    bad = np.zeros(bins, dtype=bool)
    shift = np.zeros((n_channels, bins))
    error = np.ones_like(shift)
    for _ in range(4):
        stable = order[~np.repeat(bad, sizes)]
        reference = stable[:: max(1, len(stable) // _REFERENCE)]
        for channel in range(n_channels):
            column = signals[:, channel]
            ranks = _ranks(column[order], np.sort(column[reference]))
            mean = np.add.reduceat(ranks, edges[:-1]) / sizes
            shift[channel] = mean - np.median(mean[~bad])
            jumps = np.abs(np.diff(mean))
            # drift is slow, so differences of neighbours show the noise; ranks give its least value
            error[channel] = np.maximum(1 / np.sqrt(12 * sizes), 1.4826 * np.median(jumps) / np.sqrt(2))
        found = _bad_bins(np.abs(shift), error, limit)
        if found.mean() > 0.5 or bool((found == bad).all()):
            bad = found
            break
        bad = found
    return shift, bad


def _ranks(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Share of the sorted reference below each value, ties counted half."""
    below = np.searchsorted(reference, values, side="left")
    if bool((reference[1:] > reference[:-1]).all()):
        # no ties among the reference, as with most float data: half the work
        return below / len(reference)
    return (below + np.searchsorted(reference, values, side="right")) / (2 * len(reference))


def _bad_bins(size: np.ndarray, error: np.ndarray, limit: float) -> np.ndarray:
    if not len(size):
        return np.zeros(size.shape[1], dtype=bool)
    strong = (size > limit) & (size > _Z * error)
    weak = (size > limit / 2) & (size > _Z_NEAR * error)
    for row, near in zip(strong, weak, strict=True):
        for _ in range(len(row)):
            grown = row | (near & (np.r_[row[1:], False] | np.r_[False, row[:-1]]))
            if bool((grown == row).all()):
                break
            row[:] = grown
    return _close_gaps(np.asarray(strong.any(axis=0)), 2)


def _close_gaps(bad: np.ndarray, longest: int) -> np.ndarray:
    """Also mark up to `longest` good bins in a row that have bad ones on both sides."""
    result = bad.copy()
    marked = np.flatnonzero(bad)
    for left, right in pairwise(marked):
        if 1 < right - left <= longest + 1:
            result[left:right] = True
    return result


def _rate_bins(elapsed: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of bins of equal duration, events in each, and the bad ones."""
    n = len(elapsed)
    start, stop = float(elapsed[0]), float(elapsed[-1])
    width = (stop - start) / int(np.clip(n // 200, 15, 300))
    steps = np.diff(elapsed)
    step = float(np.median(steps[steps > 0])) if (steps > 0).mean() < 0.2 else 0.0
    if step > 0:
        # a coarse clock: bins of whole ticks, else their counts would beat against it
        width = max(1.0, round(width / step)) * step
        start -= step / 2
    count = max(1, int(np.ceil((stop - start) / width - 1e-9)))
    edges = start + width * np.arange(count + 1)
    rate = np.bincount(np.clip(((elapsed - start) / width).astype(np.int64), 0, count - 1), minlength=count)
    rate = rate.astype(np.float64)
    # the rate at which half of the events came: a clock with a wild last value has most of its bins empty
    usual = float(np.median(np.repeat(rate, rate.astype(np.int64))))
    empty = rate == 0
    beside_pause = np.r_[empty[1:], True] | np.r_[True, empty[:-1]]
    far = np.abs(rate - usual) > _RATE_Z * np.sqrt(usual)
    slow = (rate < usual / factor) & ~beside_pause & ~empty
    fast = rate > usual * factor
    bad = far & (slow | fast)
    if bad.sum() > _RATE_SHARE * (~empty).sum():
        # merged files and clocks that stand still: there is no usual rate to differ from
        bad[:] = False
    return edges, rate, bad
