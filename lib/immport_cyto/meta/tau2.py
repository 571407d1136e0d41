"""Estimators of the variance between studies: pure functions of arrays.

Throughout, `y` holds the k estimates and `v` their squared standard errors, k >= 2. The closed forms and the
standard errors are those of R's metafor (Viechtbauer 2010, J Stat Softw 36(3)); the iterative estimators are solved to
the precision of the machine, where metafor stops at a change of 1e-5.

The restricted likelihood of a random-effects model can have several maxima. ML and REML here take the largest one: the
likelihood is looked at on a grid first, and the maximum found there is then polished as the root of the score.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtri

Array = NDArray[np.float64]

_EPS = 4 * np.finfo(np.float64).eps
_GRID = np.concatenate([[0.0], np.logspace(-8, 0, 97)])


def weighted_mean(y: Array, w: Array) -> float:
    """Mean of `y` with weights `w`."""
    return float(w @ y / w.sum())


def cochran_q(y: Array, v: Array, tau2: float = 0.0) -> float:
    """Weighted sum of squares around the weighted mean; with `tau2` = 0 this is Cochran's Q."""
    w = 1 / (v + tau2)
    return float(w @ (y - weighted_mean(y, w)) ** 2)


def typical_variance(v: Array) -> float:
    """The "typical" variance within a study of Higgins and Thompson (2002), to which tau2 is compared in I2."""
    w = 1 / v
    return float((len(v) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))


def _dersimonian_laird(y: Array, v: Array) -> float:
    w = 1 / v
    return (cochran_q(y, v) - (len(y) - 1)) / float(w.sum() - (w**2).sum() / w.sum())


def _hedges(y: Array, v: Array) -> float:
    return float(y.var(ddof=1) - v.mean())


def _hunter_schmidt(y: Array, v: Array) -> float:
    return (cochran_q(y, v) - len(y)) / float((1 / v).sum())


def _sidik_jonkman(y: Array, v: Array) -> float:
    start = float(y.var())
    return 0.0 if start == 0 else start * cochran_q(y, v, start) / (len(y) - 1)


def _paule_mandel(y: Array, v: Array) -> float:
    target = len(y) - 1
    if cochran_q(y, v) <= target:
        return 0.0
    scale = 2 * float(np.ptp(y)) ** 2  # here the sum of squares is below the target for certain
    root = brentq(lambda t: cochran_q(y / np.sqrt(scale), v / scale, t) - target, 0.0, 1.0, xtol=1e-16, rtol=_EPS)
    return float(root) * scale


def _likelihood(y: Array, v: Array, *, restricted: bool) -> float:
    # beyond this bound the score is negative whatever the data
    scale = max(3 * float(np.ptp(y)) ** 2, float(v.max()))
    y, v = y / np.sqrt(scale), v / scale
    w = 1 / (v + _GRID[:, None])
    total = w.sum(axis=1)
    mean = (w @ y) / total
    fit = np.log(w).sum(axis=1) - (w * (y - mean[:, None]) ** 2).sum(axis=1)
    if restricted:
        fit -= np.log(total)

    def score(t: float) -> float:
        w = 1 / (v + t)
        trace = w.sum() - (w**2).sum() / w.sum() if restricted else w.sum()
        return float(w**2 @ (y - weighted_mean(y, w)) ** 2 - trace)

    best = int(fit.argmax())
    low, high = float(_GRID[max(best - 1, 0)]), float(_GRID[min(best + 1, len(_GRID) - 1)])
    if score(low) <= 0:  # only where the best point is 0 itself
        return low * scale
    return float(brentq(score, low, high, xtol=1e-16, rtol=_EPS)) * scale


ESTIMATORS: dict[str, Callable[[Array, Array], float]] = {
    "FE": lambda y, v: 0.0,
    "DL": _dersimonian_laird,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "ML": lambda y, v: _likelihood(y, v, restricted=False),
    "REML": lambda y, v: _likelihood(y, v, restricted=True),
    "EB": _paule_mandel,  # the empirical Bayes estimator of Morris (1983) has the same solution
    "PM": _paule_mandel,
}


def estimate(y: Array, v: Array, method: str) -> float:
    """Variance between studies by one of `ESTIMATORS`, never below 0."""
    return max(0.0, ESTIMATORS[method](y, v))


def standard_error(y: Array, v: Array, tau2: float, method: str) -> float:
    """Asymptotic standard error of `tau2` as metafor gives it; NaN for FE."""
    k = len(y)
    if method == "FE":
        return float("nan")
    if method == "ML":
        return float(np.sqrt(2 / ((v + tau2) ** -2).sum()))
    if method == "SJ":
        start = float(y.var())
        if start == 0:
            return 0.0
        w, factor = 1 / (v + start), start / (k - 1)
    elif method == "HE":
        w, factor = np.ones(k), 1 / (k - 1)
    elif method in ("EB", "PM"):
        w = 1 / (v + tau2)
        factor = k / (k - 1) / float(w.sum())
    elif method == "REML":
        w, factor = 1 / (v + tau2), 1.0
    else:
        w = 1 / v
        factor = 1 / float(w.sum()) if method == "HS" else 1 / float(w.sum() - (w**2).sum() / w.sum())
    P = np.diag(w) - np.outer(w, w) / w.sum()
    PP = float((P * P).sum())
    if method == "REML":
        return float(np.sqrt(2 / PP))
    PV = P * v
    PVPV, PVP = float((PV * PV.T).sum()), float((PV * P).sum())
    return float(factor * np.sqrt(2 * PVPV + 4 * tau2 * PVP + 2 * tau2**2 * PP))


def q_profile(y: Array, v: Array, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of tau2 by the Q-profile method (Viechtbauer 2007, Stat Med 26:37-52).

    Both ends are 0 where the estimates differ less than chance would make them.
    """
    tail = (1 - level) / 2
    scale = float(np.ptp(y)) ** 2
    if scale == 0:
        return 0.0, 0.0
    unit_y, unit_v = y / np.sqrt(scale), v / scale

    def solve(target: float) -> float:
        if cochran_q(unit_y, unit_v) <= target:
            return 0.0
        high = 1.0
        while cochran_q(unit_y, unit_v, high) > target:
            high *= 4
        root = brentq(lambda t: cochran_q(unit_y, unit_v, t) - target, 0.0, high, xtol=1e-16, rtol=_EPS)
        return float(root) * scale

    df = len(y) - 1
    return solve(float(chdtri(df, tail))), solve(float(chdtri(df, 1 - tail)))
