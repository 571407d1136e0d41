"""Time: parts of an acquisition in which the flow rate or a signal is not what it is in the rest.

The events are cut in time order into bins of equal number. In each bin the mean rank of each channel among all stable
events is 0.5 when nothing changed, with the standard error 1 / sqrt(12 m) for m events, whatever the channel's
distribution. Its distance from 0.5 is an effect size that is easy to read: 0.1 means that an event of the bin exceeds a
stable event with probability 0.6. The same is done with the brighter half of the events of each channel among
themselves, which shows a change of the cells that carry the marker. The rate is looked at in bins of equal duration.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from immport_cyto.events import _edges, _onset

MIN_EVENTS = 2000
"""Fewer events are not checked: too few bins to know what is stable."""

SHIFT = 0.10
"""Shift of the mean rank beyond which a bin is bad; half of it for its neighbours."""

RATE_FACTOR = 2.0
"""By how much the flow rate may differ from the usual."""

_Z, _Z_NEAR = 5.5, 3.0
_SHIFT_DRIFT, _SMOOTH = 0.03, 5
_BRIGHT = 2 / 3
_FINE, _FINE_LEAST = 4, 25
_RATE_Z, _RATE_Z_NEAR, _RATE_NEAR = 6.0, 2.5, 1.4
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
        Per bin of events: mean time, rows x bins shift of the mean rank, whether a fifth of it is bad by signal.
    rate_time, rate, rate_bad
        Per bin of time: its middle, events per unit of time, and whether it is bad by rate.
    channels
        Names of the rows of `bin_shift`: each channel, and its brighter half.
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
    errors, or that of its brighter half by 0.15; so is a quarter of a bin, by the same rule. Neighbours are bad when
    the same channel is off in the same direction by more than half as much or, smoothed over 5 bins, a third, and by 3
    standard errors; and all bins from where a drift began. One or two bins between bad ones are bad too. A bin of time
    is bad when its rate is below half or above twice the usual (the median over events) and differs from it by 6
    Poisson standard errors, its neighbours from a factor of 1.4 and 2.5 standard errors on; a bin beside a pause is not
    slow, and none is bad when that holds for more than a quarter of the bins. The edges of a bad part are then put
    where the events around them fit best.

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
    fine = np.linspace(0, n, max(1, min(n // _FINE_LEAST, n * _FINE // size)) + 1).astype(np.int64)
    ranked, shifts, bin_bad = _signal_bins(signals, len(channels), order, edges, fine, shift)
    sorted_bad = _sharpen(signals, order, edges, bin_bad, fine, ranked, size, shift)
    bin_bad = np.add.reduceat(sorted_bad, edges[:-1], dtype=np.int64) > np.diff(edges) / 5
    rate_edges, counts, rate_bad, usual = _rate_bins(elapsed, rate)
    sorted_bad |= _edges.by_rate(elapsed, rate_edges, rate_bad, usual)
    bad = np.empty(n, dtype=bool)
    bad[order] = sorted_bad
    return Stability(
        bad,
        f"{int(bin_bad.sum())} of {len(bin_bad)} bins unstable by signal, "
        f"{int(rate_bad.sum())} of {len(counts)} by rate: {int(bad.sum()):,} events",
        True,
        np.add.reduceat(elapsed, edges[:-1]) / np.diff(edges),
        shifts,
        bin_bad,
        (rate_edges[:-1] + rate_edges[1:]) / 2,
        counts / np.diff(rate_edges),
        rate_bad,
        tuple(row for name in channels for row in (name, f"{name}, bright")),
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


@dataclass(frozen=True)
class _Ranked:
    """Mean scores: of each channel one row for all events, and one for the bright ones.

    Attributes
    ----------
    mean, count
        Rows x bins: mean score, and the number of events that have one.
    fine_mean, fine_count
        The same for quarters of bins.
    references
        Sorted values of the stable events of each channel.
    """

    mean: np.ndarray
    count: np.ndarray
    fine_mean: np.ndarray
    fine_count: np.ndarray
    references: tuple[np.ndarray, ...]


def _rank(
    signals: Signals, n_channels: int, order: np.ndarray, stable: np.ndarray, edges: np.ndarray, fine: np.ndarray
) -> _Ranked:
    reference = stable[:: max(1, len(stable) // _REFERENCE)]
    references = []
    coarse, quarters = [], []
    for channel in range(n_channels):
        column = signals[:, channel]
        references.append(np.sort(column[reference]))
        for scores in _scores(_ranks(column[order], references[-1])):
            coarse.append(_means(scores, edges))
            quarters.append(_means(scores, fine))
    if not references:
        none, fine_none = np.empty((0, len(edges) - 1)), np.empty((0, len(fine) - 1))
        return _Ranked(none, none, fine_none, fine_none, ())
    mean, count = np.stack(coarse, axis=1)
    fine_mean, fine_count = np.stack(quarters, axis=1)
    return _Ranked(mean, count, fine_mean, fine_count, tuple(references))


def _scores(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of all events, and those of the upper half among themselves (NaN for the others).

    Where a few cells carry a marker, a change of its brightness hardly moves the ranks of all events. The second scores
    are drawn together by a factor, so that one limit serves both.
    """
    return ranks, np.where(ranks > 0.5, 0.5 + _BRIGHT * (2 * ranks - 1.5), np.nan)


def _means(scores: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean score of each bin, 0.5 where no event has one, and how many have one."""
    known = np.isfinite(scores)
    count = np.add.reduceat(known, edges[:-1], dtype=np.int64)
    total = np.add.reduceat(np.where(known, scores, 0), edges[:-1])
    return np.where(count > 0, total / np.maximum(count, 1), 0.5), count


def _signal_bins(
    signals: Signals, n_channels: int, order: np.ndarray, edges: np.ndarray, fine: np.ndarray, limit: float
) -> tuple[_Ranked, np.ndarray, np.ndarray]:
    """Mean ranks, shift of the mean rank per row and bin, and the bad bins."""
    sizes = np.diff(edges)
    bad = np.zeros(len(sizes), dtype=bool)
    for _ in range(4):
        ranked = _rank(signals, n_channels, order, order[~np.repeat(bad, sizes)], edges, fine)
        shift, error = _shifts(ranked.mean, ranked.count, ~bad)
        found = _bad_bins(shift, error, limit)
        if found.mean() > 0.5 or bool((found == bad).all()):
            bad = found
            break
        bad = found
    return ranked, shift, bad


def _shifts(mean: np.ndarray, count: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the mean scores lie from those of the good bins, and their standard errors; rows x bins.

    Drift is slow, so differences of neighbours show the noise; ranks give its least value.
    """
    if not len(mean):
        return mean, mean
    least = 1 / np.sqrt(12 * np.maximum(count, 1))
    least[1::2] *= _BRIGHT
    jumps = np.median(np.abs(np.diff(mean, axis=1)), axis=1)
    return mean - np.median(mean[:, good], axis=1)[:, None], np.maximum(least, 1.4826 / np.sqrt(2) * jumps[:, None])


def _sharpen(
    signals: Signals,
    order: np.ndarray,
    edges: np.ndarray,
    bin_bad: np.ndarray,
    fine: np.ndarray,
    ranked: _Ranked,
    size: int,
    limit: float,
) -> np.ndarray:
    """Bad events in order of time: those of the bad bins and of bad quarters of bins, with their edges in place."""
    sizes = np.diff(fine)
    count = len(sizes)
    coarse = np.repeat(bin_bad, np.diff(edges))
    good = np.add.reduceat(coarse, fine[:-1]) == 0
    if not ranked.references or good.sum() < 2:
        return coarse
    shift, error = _shifts(ranked.fine_mean, ranked.fine_count, good)
    centres = np.median(ranked.fine_mean[:, good], axis=1)
    strong = np.asarray(((np.abs(shift) > limit) & (np.abs(shift) > _Z * error)).any(axis=0))
    bad = coarse | np.repeat(_close_gaps(strong, 2), sizes)
    found = _edges.runs(bad)
    if not found:
        return bad
    refined = _edges.SignalEdges(found, len(order), size)
    # the shift near an edge is that of the first or last two bins of the run
    near = 2 * _FINE
    inside = [(min(int(a), count - 1), max(int(b), int(a) + 1)) for a, b in np.searchsorted(fine, found)]
    places = order[refined.places()]
    for channel, reference in enumerate(ranked.references):
        scores = _scores(_ranks(signals[:, channel][places], reference))
        for row, score in enumerate(scores, start=2 * channel):
            parts = [(shift[row, a : min(a + near, b)], shift[row, max(b - near, a) : b]) for a, b in inside]
            refined.add(score, [(float(x.mean()), float(y.mean())) for x, y in parts], float(centres[row]))
    return refined.mask()


def _ranks(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Share of the sorted reference below each value, ties counted half."""
    below = np.searchsorted(reference, values, side="left")
    if bool((reference[1:] > reference[:-1]).all()):
        # no ties among the reference, as with most float data: half the work
        return below / len(reference)
    return (below + np.searchsorted(reference, values, side="right")) / (2 * len(reference))


def _bad_bins(shift: np.ndarray, error: np.ndarray, limit: float) -> np.ndarray:
    if not len(shift):
        return np.zeros(shift.shape[1], dtype=bool)
    smooth = np.ones(min(_SMOOTH, shift.shape[1]))
    strong = np.zeros(shift.shape, dtype=bool)
    for row, signed, se in zip(strong, shift, error, strict=True):
        for size in (signed, -signed):
            core = (size > limit) & (size > _Z * se)
            if not core.any():
                continue
            near = (size > limit / 2) & (size > _Z_NEAR * se)
            # the average around a bin, without the bins that are bad anyway: else a short fault would spread
            weight = np.convolve(~near, smooth, mode="same")
            slow = np.convolve(np.where(near, 0, size), smooth, mode="same") / np.maximum(weight, 1)
            near |= (slow > _SHIFT_DRIFT) & (slow > _Z_NEAR * se / np.sqrt(np.maximum(weight, 1)))
            row |= _grow(core, near)
    return _close_gaps(_onset.lengthen(_close_gaps(np.asarray(strong.any(axis=0)), 2), shift, error, limit), 2)


def _grow(core: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The runs of `core` or `near` that hold a bin of `core`."""
    result = np.zeros(len(core), dtype=bool)
    for begin, end in _edges.runs(core | near):
        if core[begin:end].any():
            result[begin:end] = True
    return result


def _close_gaps(bad: np.ndarray, longest: int) -> np.ndarray:
    """Also mark up to `longest` good bins in a row that have bad ones on both sides."""
    result = bad.copy()
    marked = np.flatnonzero(bad)
    for left, right in pairwise(marked):
        if 1 < right - left <= longest + 1:
            result[left:right] = True
    return result


def _rate_bins(elapsed: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Edges of bins of equal duration, events in each, the bad ones, and the usual number."""
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
    off = np.abs(rate - usual) / np.sqrt(usual)
    core, near = (
        (off > z) & (((rate < usual / by) & ~beside_pause & ~empty) | (rate > usual * by))
        for by, z in ((factor, _RATE_Z), (min(factor, _RATE_NEAR), _RATE_Z_NEAR))
    )
    bad = _close_gaps(_grow(core, near), 2)
    if core.sum() > _RATE_SHARE * (~empty).sum():
        # merged files and clocks that stand still: there is no usual rate to differ from
        bad[:] = False
    return edges, rate, bad, usual
