"""Where an unstable part of an acquisition begins and ends, to the event: bins say it only to a bin.

Around each edge the events tell: it is put where the sum of their log likelihood ratios, bad against good, is best (the
change point of Page's cumulative sums).
"""

from collections.abc import Sequence

import numpy as np

_LEAST_SHIFT = 0.03
_PARTS = 16


def runs(bad: np.ndarray) -> list[tuple[int, int]]:
    """First and last (exclusive) position of each run of True."""
    steps = np.diff(np.concatenate([[0], bad.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps > 0).tolist(), np.flatnonzero(steps < 0).tolist(), strict=True))


def windows(found: Sequence[tuple[int, int]], n: int, reach: int) -> list[tuple[int, int, int, int]]:
    """For each run the places where its begin and its end may lie.

    These reach up to `reach` to both sides, and never beyond the middle of the run or of the gap to the next.
    """
    result = []
    for i, (begin, end) in enumerate(found):
        middle = (begin + end) // 2
        before = (found[i - 1][1] + begin + 1) // 2 if i else 0
        after = (end + found[i + 1][0]) // 2 if i + 1 < len(found) else n
        result.append((
            max(before, begin - reach), min(middle, begin + reach), max(middle, end - reach), min(after, end + reach)
        ))  # fmt: skip
    return result


class SignalEdges:
    """Collects the evidence of one channel after the other for the edges of the runs that are bad by signal.

    Parameters
    ----------
    found
        Runs of events in order of time.
    n
        Events.
    reach
        How far an edge may move.
    """

    def __init__(self, found: Sequence[tuple[int, int]], n: int, reach: int) -> None:
        self.found, self.n = list(found), n
        self.windows = windows(found, n, reach)
        self.evidence = [(np.zeros(b - a), np.zeros(d - c)) for a, b, c, d in self.windows]

    def places(self) -> np.ndarray:
        """Positions of the events whose ranks are asked for, in the order of the windows."""
        parts = [np.arange(x, y) for a, b, c, d in self.windows for x, y in ((a, b), (c, d))]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def add(self, ranks: np.ndarray, shifts: Sequence[tuple[float, float]], centre: float) -> None:
        """Add one channel.

        Parameters
        ----------
        ranks
            Ranks of the events of `places`, 0 to 1; NaN for an event that says nothing.
        shifts
            Mean shift of the channel at the begin and at the end of each run.
        centre
            Mean rank of the stable events.
        """
        start = 0
        for parts, sizes in zip(self.evidence, shifts, strict=True):
            for part, size in zip(parts, sizes, strict=True):
                if abs(size) > _LEAST_SHIFT:
                    # log ratio of two distributions with the variance of a rank, 1 / 12
                    part += np.nan_to_num(12 * size * (ranks[start : start + len(part)] - centre - size / 2))
                start += len(part)

    def mask(self) -> np.ndarray:
        """The bad events in order of time, with the edges where they fit best."""
        bad = np.zeros(self.n, dtype=bool)
        for (begin, end), (a, _, c, _), (left, right) in zip(self.found, self.windows, self.evidence, strict=True):
            first = a + int(np.argmin(np.concatenate([[0], np.cumsum(left)]))) if left.any() else begin
            last = c + int(np.argmax(np.concatenate([[0], np.cumsum(right)]))) if right.any() else end
            # a file that begins or ends badly does so from its first or to its last event
            bad[0 if begin == 0 else first : self.n if end == self.n else last] = True
        return bad


def by_rate(elapsed: np.ndarray, edges: np.ndarray, bad: np.ndarray, usual: float) -> np.ndarray:
    """Bad events by rate, in order of time, the edges found within a bin on both sides.

    Parameters
    ----------
    elapsed
        Sorted times.
    edges
        Of the bins of equal duration.
    bad
        Which bins are bad.
    usual
        Events of a bin at the usual rate.
    """
    result = np.zeros(len(elapsed), dtype=bool)
    positions = np.searchsorted(elapsed, edges)
    positions[-1] = len(elapsed)
    found = runs(bad)
    for (begin, end), (a, b, c, d) in zip(found, windows(found, len(bad), 1), strict=True):
        here = (positions[end] - positions[begin]) / (end - begin)
        first, last = edges[begin], edges[end]
        if begin > 0:
            first = _change(elapsed, edges[a], edges[max(b, begin + 1)], usual, here, edges[1] - edges[0])
        if end < len(bad):
            last = _change(elapsed, edges[min(c, end - 1)], edges[d], here, usual, edges[1] - edges[0])
        low, high = np.searchsorted(elapsed, [first, last])
        result[low : len(elapsed) if end == len(bad) else high] = True
    return result


def _change(elapsed: np.ndarray, start: float, stop: float, before: float, after: float, width: float) -> float:
    """Time between `start` and `stop` at which the rate changes from one to the other (events per bin of `width`)."""
    count = max(2, round((stop - start) / width * _PARTS))
    grid = np.linspace(start, stop, count + 1)
    counts = np.diff(np.searchsorted(elapsed, grid))
    one, two = (max(rate, 0.5) * (stop - start) / width / count for rate in (before, after))
    gain = counts * np.log(one / two) - (one - two)
    return float(grid[int(np.argmax(np.concatenate([[0], np.cumsum(gain)])))])
