"""The shape of one marker's distribution: modes, valleys with a test, exact silhouettes, a two-group mixture.

Pure functions of arrays. All of them see every value and depend on the values only, not on their order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHA = 0.01  # level of the test of the dips on one side of a mode, all together
MIN_DEPTH = 0.15  # a valley holds at most 85 % of the density of the lower of its two peaks
MIN_GROUP = 20  # values on each side of a valley
_GRID = 1024
_MAX_DEPTH_OF_TREE = 6


@dataclass(frozen=True)
class Valley:
    """A place between two groups of values.

    ``depth`` is 1 minus the density there over the density of the lower peak (1: empty gap). ``p_value`` is that
    of the dip. ``low_peak`` and ``high_peak`` are the modes on its two sides.
    """

    value: float
    depth: float
    p_value: float
    low_peak: float
    high_peak: float


def excursion_tail(height: Floats, area: Floats) -> Floats:
    """How rarely chance alone gives a dip as deep, or as large, as these.

    The empirical distribution function of k uniform values, where it lies under a chord that it touches only at
    the ends, is in the limit a Brownian excursion times sqrt(k) [1]_. The tail of its maximum is Kuiper's series;
    that of its area is 6 sqrt(6/pi) x^2 exp(-6 x^2) to first order [2]_. The area is the better sign of a ramp, the
    maximum that of a step; the smaller p value counts, doubled.

    References
    ----------
    .. [1] Vervaat W. A relation between Brownian bridge and Brownian excursion. Ann Probab 7:143 (1979).
    .. [2] Janson S, Chassaing P. The center of mass of the ISE and the Wiener index of trees. ECP 9:178 (2004).
    """
    squared = np.maximum(np.asarray(height, np.float64), 0.5) ** 2
    kuiper = np.zeros_like(squared)
    for j in range(1, 30):
        kuiper += 2 * (4 * j * j * squared - 1) * np.exp(-2 * j * j * squared)
    spread = np.maximum(np.asarray(area, np.float64), 0.6) ** 2
    airy = 6 * np.sqrt(6 / np.pi) * spread * np.exp(-6 * spread)
    return np.clip(2 * np.minimum(kuiper, airy), 0.0, 1.0)


def mode(x: Floats) -> float:
    """Median of the shortest interval that holds a twentieth of the sorted values `x`."""
    k = max(2, min(len(x), len(x) // 20))
    widths = x[k - 1 :] - x[: len(x) - k + 1]
    start = int(np.argmin(widths))
    return float(x[start + (k - 1) // 2])


def dips(x: Floats, anchor: float) -> list[tuple[float, float, float, float, int]]:
    """Test whether the density of the sorted values `x` falls on the right of `anchor`.

    Where the density falls, the distribution function is concave. Each line of its least concave majorant bridges
    a dip; how far the function lies below that line, against the number of values under it, tells a second
    mode from chance. The uniform density is the hardest case of a falling one, so the test is conservative.
    Ties and lattices are handled by joining the function's upper corners by straight lines.

    Returns
    -------
    list of (start, lowest, end, p_value, n_values)
        One entry per significant line, most significant first; `lowest` is where the function is deepest below the
        line. The p value is corrected for the number of lines (weighted Bonferroni: half of the level is
        shared by the lines with enough values alike, half by the values that they hold).
    """
    from scipy.optimize import isotonic_regression

    values, counts = np.unique(x[x >= anchor], return_counts=True)
    if len(values) < 4:
        return []
    gaps = np.diff(values)
    fit = isotonic_regression(counts[1:] / gaps, weights=gaps, increasing=False)
    edges = np.asarray(fit.blocks)
    below = np.maximum(np.cumsum(fit.x * gaps - counts[1:]), 0.0)
    middle = (below + np.concatenate([[0.0], below[:-1]])) / 2
    total = np.concatenate([[0.0], np.cumsum(counts[1:])])
    n_values = total[edges[1:]] - total[edges[:-1]]
    root = np.sqrt(n_values)
    height = np.maximum.reduceat(below, edges[:-1]) / root
    area = np.add.reduceat(middle * gaps, edges[:-1]) / (values[edges[1:]] - values[edges[:-1]]) / root
    tested = n_values >= MIN_GROUP / 2
    weight = np.where(tested, 0.5 / max(tested.sum(), 1) + 0.5 * n_values / total[-1], 0.0)
    p_values = np.minimum(1.0, excursion_tail(height, area) / np.maximum(weight, 1e-300))
    found = []
    for i in np.argsort(p_values, kind="stable"):
        if p_values[i] > ALPHA:
            break
        first, last = int(edges[i]), int(edges[i + 1])
        lowest = first + int(np.argmax(below[first:last])) + 1
        found.append(
            (float(values[first]), float(values[lowest]), float(values[last]), float(p_values[i]), int(n_values[i]))
        )
    return found


def histogram(x: Floats, low: float, high: float, n_bins: int) -> tuple[Floats, Floats]:
    """Values per bin, and the bins' centres; tied values are spread over the gap below them.

    So a lattice of whole counts gives the smooth histogram that it stands for, and continuous values the usual one.
    """
    values, counts = np.unique(x, return_counts=True)
    edges = np.linspace(low, high, n_bins + 1)
    total = np.cumsum(counts)
    at_edges = np.interp(edges, values, total, left=0.0, right=float(total[-1]))
    return np.diff(at_edges), (edges[1:] + edges[:-1]) / 2


def _antimode(x: Floats, start: float, lowest: float, end: float, n_values: int) -> tuple[float, float, float]:
    """Lowest point of a density estimate between `start` and the peak before `end`: (value, depth, peak)."""
    from scipy.ndimage import gaussian_filter1d

    span = end - start
    bandwidth = span * max(0.02, 0.25 * n_values**-0.2)
    low, high = start - 4 * bandwidth, end + 4 * bandwidth
    near = x[np.searchsorted(x, low) : np.searchsorted(x, high, side="right")]
    counts, centres = histogram(near, low, high, _GRID)
    density = gaussian_filter1d(counts, bandwidth / (centres[1] - centres[0]), mode="nearest")
    inside = np.flatnonzero((centres >= lowest) & (centres <= end + bandwidth))
    peak = int(inside[np.argmax(density[inside])]) if len(inside) else int(np.searchsorted(centres, lowest))
    left = int(np.searchsorted(centres, start))
    stretch = density[left : peak + 1]
    if len(stretch) < 3 or density[peak] <= 0:
        return lowest, 0.0, float(centres[min(peak, _GRID - 1)])
    ground = np.flatnonzero(stretch <= stretch.min() * (1 + 1e-9) + 1e-12 * density[peak])
    value = float(centres[left + int(ground[(len(ground) - 1) // 2])])
    shoulder = min(density[peak], stretch.max())
    return value, float(1 - stretch.min() / shoulder), float(centres[peak])


def valleys(x: Floats) -> list[Valley]:
    """All significant valleys of the sorted values `x`, from left to right.

    The most significant dip on either side of the mode splits the values; both parts are looked at in turn.
    """
    found: list[Valley] = []
    stack = [(x, 0)]
    while stack:
        part, level = stack.pop()
        if len(part) < 2 * MIN_GROUP or level > _MAX_DEPTH_OF_TREE or part[0] == part[-1]:
            continue
        valley = _best_valley(part)
        if valley is None:
            continue
        found.append(valley)
        middle = int(np.searchsorted(part, valley.value, side="right"))
        stack += [(part[:middle], level + 1), (part[middle:], level + 1)]
    return sorted(found, key=lambda valley: valley.value)


def _best_valley(x: Floats) -> Valley | None:
    anchor = mode(x)
    mirrored = -x[::-1]
    candidates = [(dip, False) for dip in dips(x, anchor)] + [(dip, True) for dip in dips(mirrored, -anchor)]
    for (start, lowest, end, p_value, n_values), is_left in sorted(candidates, key=lambda entry: entry[0][3]):
        value, depth, peak = _antimode(mirrored if is_left else x, start, lowest, end, n_values)
        if is_left:
            value, peak = -value, -peak
        above = len(x) - int(np.searchsorted(x, value, side="right"))
        if depth < MIN_DEPTH or min(above, len(x) - above) < MIN_GROUP:
            continue
        low, high = sorted((anchor, peak))
        return Valley(value, depth, p_value, low, high)
    return None


def silhouette(x: Floats, cut: float) -> float:
    """Mean silhouette of the two groups ``x <= cut`` and ``x > cut`` of sorted values, exact, from prefix sums.

    The same value as ``sklearn.metrics.silhouette_score`` on all values [1]_, in linear time. -1 where one group is
    empty; a value alone in its group counts 0.

    References
    ----------
    .. [1] Rousseeuw PJ. Silhouettes. J Comput Appl Math 20:53 (1987).
    """
    n, n_low = len(x), int(np.searchsorted(x, cut, side="right"))
    if n_low in (0, n):
        return -1.0
    centred = x - x[n_low]
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    total = 0.0
    for start, stop in ((0, n_low), (n_low, n)):
        size, other = stop - start, n - (stop - start)
        if size == 1:
            continue
        own = centred[start:stop]
        rank = np.arange(size)
        before = sums[start:stop] - sums[start]
        after = sums[stop] - sums[start + 1 : stop + 1]
        inner = (rank * own - before + after - (size - 1 - rank) * own) / (size - 1)
        other_sum = sums[n] - sums[n_low] if start == 0 else sums[n_low]
        outer = np.abs(other_sum / other - own)
        larger = np.maximum(inner, outer)
        total += float(np.sum(np.divide(outer - inner, larger, out=np.zeros(size), where=larger > 0)))
    return total / n
