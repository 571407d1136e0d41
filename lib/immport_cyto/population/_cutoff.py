"""Where a marker's positive events begin, or that the data show no such place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immport_cyto.exceptions import AnalysisError
from immport_cyto.population.mixture import mixture
from immport_cyto.population.shape import MIN_GROUP, Valley, silhouette, valleys

Floats = NDArray[np.float64]

MIN_SILHOUETTE = 0.5  # "a reasonable structure has been found" (Kaufman and Rousseeuw 1990)
MIN_SPACING = 1.0  # distance of the two peaks over the sum of the two half-widths
MIN_SEPARATION = 2.4  # Ashman's D of neighbouring components, where there is no valley
MIN_KNEE = 1.2  # the denser component over the other; a flat stretch is not two groups
MIN_FRACTION = 0.0005  # smallest group beside a valley
MIN_WEIGHT = 0.005  # smallest group that a mixture alone can show
RARE, RARE_SEPARATION = 0.02, 3.0  # a group below 2 % must stand further apart
_MAX_COMPONENTS = 4
_BIC_GAIN = 10.0  # "very strong" evidence for one more component (Kass and Raftery 1995)


@dataclass(frozen=True)
class Cutoff:
    """The cut of one marker.

    Attributes
    ----------
    value
        Values above it are positive; None where the data do not show two groups.
    method
        ``"valley"``, ``"mixture"`` or ``"none"``.
    evidence
        0 to 1. Of a valley its depth: 1 minus the density in the valley over that of the lower peak. Of a
        mixture 1 minus the overlap of the two normal neighbours, from Ashman's D. 0 without a cut.
    positive_fraction
        Share of the values above the cut; None without a cut.
    high
        A second, higher cut where a further valley lies above `value`: between ``lo`` and ``++``. Else None.
    silhouette
        Exact mean silhouette of the two groups; None without a cut.
    n
        Values used (the finite ones).
    note
        Why there is no cut, or a warning.
    """

    value: float | None
    method: str
    evidence: float
    positive_fraction: float | None
    high: float | None = None
    silhouette: float | None = None
    n: int = 0
    note: str = ""


@dataclass(frozen=True)
class _Candidate:
    value: float
    low_peak: float
    high_peak: float
    evidence: float
    silhouette: float


def cutoff(x: ArrayLike, *, scale: str | None = None) -> Cutoff:
    """Find the value above which a marker is positive, from all values, or say that there is none.

    Three views are combined, in this order:

    1. **Valleys.** Every dip of the density that chance does not explain (`shape.dips`, level 0.01 per side) and that
       is at least 15 % deep. A valley counts if its two peaks are further apart than the half-widths (16 to 84 %) of
       its two sides together, and if the exact mean silhouette of the two groups is at least 0.5. Of several the one
       with the largest silhouette is the cut; the lowest one above it that also holds among the positives alone is
       the second cut.
    2. **Mixture.** Only without a valley: mixtures of two, three and four normal components, as far as BIC supports
       them. A gap of neighbours counts if Ashman's D is at least 2.4 (3 for a group below 2 %), the components
       differ in height, each side holds 0.5 % of the values, and spacing and silhouette hold as above; of
       several the one with the largest silhouette is the cut. This finds positives that form a plateau instead of
       a peak, and rare ones whose dip alone proves nothing.
    3. Otherwise **no cut**: a single peak, however skewed or heavy-tailed, is not split.

    Parameters
    ----------
    x
        Values of one marker, shape (n,), on the transformed scale. Not finite values are left out.
    scale
        ``"arcsinh"`` if the values are arcsinh(linear / cofactor). Noise around zero that is wider than the
        cofactor falls into two peaks on that scale; such a pair, one on each side of zero and no pair on the
        linear scale, is then not taken for two groups. No cut lies at or below zero, where there is no signal, and
        a mixture alone gives none below 1.

    Returns
    -------
    Cutoff
        Depends on the values only, not on their order; no sampling and no random choice.

    Raises
    ------
    AnalysisError
        `x` is not one-dimensional.

    Notes
    -----
    O(n log n) for sorting, the rest O(n): 1 million values take about 0.5 s. The figures behind the thresholds are
    in ``validation/README.md``.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1:
        msg = f"the values of one marker must have one dimension, not {values.ndim}; give one column"
        raise AnalysisError(msg)
    values = np.sort(values[np.isfinite(values)])
    if len(values) < 2 * MIN_GROUP:
        return _none(len(values), f"{len(values)} values are too few for a cut")
    if values[0] == values[-1]:
        return _none(len(values), "all values are equal")
    everything = valleys(values)
    smallest = max(MIN_GROUP, MIN_FRACTION * len(values))
    good = [
        candidate
        for valley in everything
        if (candidate := _judge(values, valley, smallest)) is not None
        and not (scale == "arcsinh" and (candidate.value <= 0 or _is_arcsinh_hole(values, candidate)))
    ]
    method = "valley"
    if not good:
        method = "mixture"
        good = _from_mixture(values, scale)
    if not good:
        return _none(len(values), "one group: no valley and no separate component")
    best = max(good, key=lambda candidate: candidate.silhouette)
    positives = values[int(np.searchsorted(values, best.value, side="right")) :]
    higher = [
        valley.value for valley in everything if valley.value > best.value and _judge(positives, valley, smallest)
    ]
    return Cutoff(
        best.value,
        method,
        best.evidence,
        len(positives) / len(values),
        high=min(higher) if higher else None,
        silhouette=best.silhouette,
        n=len(values),
        note="no valley: positives form a shoulder" if method == "mixture" else "",
    )


def _none(n: int, note: str) -> Cutoff:
    return Cutoff(None, "none", 0.0, None, n=n, note=note)


def _judge(x: Floats, valley: Valley, smallest: float) -> _Candidate | None:
    """A valley as a cut, if its groups are large and far enough apart."""
    middle = int(np.searchsorted(x, valley.value, side="right"))
    if min(middle, len(x) - middle) < smallest:
        return None
    if valley.high_peak - valley.low_peak < MIN_SPACING * (_half_width(x[:middle]) + _half_width(x[middle:])):
        return None
    score = silhouette(x, valley.value)
    if score < MIN_SILHOUETTE:
        return None
    return _Candidate(valley.value, valley.low_peak, valley.high_peak, valley.depth, score)


def _half_width(x: Floats) -> float:
    """Half the distance of the 16 and 84 % quantiles of sorted values; the standard deviation, if normal."""
    return float(np.quantile(x, 0.84) - np.quantile(x, 0.16)) / 2


def _from_mixture(x: Floats, scale: str | None) -> list[_Candidate]:
    """The best gap between neighbouring components over mixtures of two to four, by silhouette."""
    from scipy.special import ndtr

    smallest = max(MIN_GROUP, MIN_WEIGHT * len(x))
    found = []
    lowest_bic = np.inf
    for n_components in range(1, _MAX_COMPONENTS + 1):
        fit = mixture(x, n_components)
        if fit is None or fit.bic > lowest_bic - _BIC_GAIN:
            continue
        lowest_bic = fit.bic
        heights = fit.weights / fit.sds
        for gap, separation in enumerate(fit.separations):
            knee = heights[gap + 1] / heights[gap]
            if separation < MIN_SEPARATION or 1 / MIN_KNEE < knee < MIN_KNEE:
                continue
            value = fit.crossing(gap)
            if value is None or (scale == "arcsinh" and value < 1):
                continue
            overlap = 2 * float(ndtr(-separation / 2))
            shape = Valley(value, 1 - overlap, 0.0, float(fit.means[gap]), float(fit.means[gap + 1]))
            candidate = _judge(x, shape, smallest if separation >= RARE_SEPARATION else max(smallest, RARE * len(x)))
            if candidate is not None and not (scale == "arcsinh" and _is_arcsinh_hole(x, candidate)):
                found.append(candidate)
    return [max(found, key=lambda candidate: candidate.silhouette)] if found else []


def _is_arcsinh_hole(x: Floats, candidate: _Candidate) -> bool:
    """Whether a cut only splits noise around zero that arcsinh pulls apart into two peaks."""
    low, high = candidate.low_peak, candidate.high_peak
    if not (low < 0 < high and abs(candidate.value) < 1 and high < 2 * abs(low)):
        return False
    width = 0.1 * (high - low)

    def density(place: float) -> float:
        inside = np.searchsorted(x, [place - width, place + width])
        return float(inside[1] - inside[0]) / float(np.sinh(place + width) - np.sinh(place - width))

    return density(candidate.value) >= min(density(low), density(high))
