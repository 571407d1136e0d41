"""Estimators of the variance between studies: pure functions of arrays.

Throughout, `y` holds the k estimates, `v` their squared standard errors, and `X` the k x p design of the moderators,
with k > p; without moderators it is a column of ones, and the model is that of an ordinary meta-analysis. The closed
forms and the standard errors are those of R's metafor (Viechtbauer 2010, J Stat Softw 36(3)); the iterative estimators
are solved to the precision of the machine, where metafor stops at a change of 1e-5.

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


def intercept(k: int) -> Array:
    """The design without moderators."""
    return np.ones((k, 1))


def coefficients(y: Array, w: Array, X: Array) -> tuple[Array, Array]:
    """Weighted least squares: the p coefficients, and the inverse of X'WX (their covariance if `w` are precisions)."""
    covariance: Array = np.linalg.inv((X * w[:, None]).T @ X).astype(np.float64, copy=False)
    return covariance @ (X.T @ (w * y)), covariance


def cochran_q(y: Array, v: Array, tau2: float = 0.0, X: Array | None = None) -> float:
    """Weighted sum of squares around the fit; with `tau2` = 0 this is Cochran's Q, or QE with moderators."""
    w = 1 / (v + tau2)
    return float(w @ _residuals(y, w, intercept(len(y)) if X is None else X) ** 2)


def _residuals(y: Array, w: Array, X: Array) -> Array:
    return y - X @ coefficients(y, w, X)[0]


def _projection(w: Array, X: Array) -> Array:
    """P = W - WX (X'WX)^-1 X'W."""
    WX = X * w[:, None]
    return np.diag(w) - WX @ coefficients(w, w, X)[1] @ WX.T


def _trace(w: Array, X: Array) -> float:
    """Trace of P."""
    WX = X * w[:, None]
    return float(w.sum() - np.sum(coefficients(w, w, X)[1] * (WX.T @ WX)))


def typical_variance(v: Array, X: Array | None = None) -> float:
    """The "typical" variance within a study of Higgins and Thompson (2002), to which tau2 is compared in I2."""
    X = intercept(len(v)) if X is None else X
    return (len(v) - X.shape[1]) / _trace(1 / v, X)


def _dersimonian_laird(y: Array, v: Array, X: Array) -> float:
    return (cochran_q(y, v, 0.0, X) - (len(y) - X.shape[1])) / _trace(1 / v, X)


def _hedges(y: Array, v: Array, X: Array) -> float:
    ones, df = np.ones(len(y)), len(y) - X.shape[1]
    return (float((_residuals(y, ones, X) ** 2).sum()) - float(np.diag(_projection(ones, X)) @ v)) / df


def _hunter_schmidt(y: Array, v: Array, X: Array) -> float:
    return (cochran_q(y, v, 0.0, X) - len(y)) / float((1 / v).sum())


def _sidik_jonkman(y: Array, v: Array, X: Array) -> float:
    start = float(y.var())
    return 0.0 if start == 0 else start * cochran_q(y, v, start, X) / (len(y) - X.shape[1])


def _paule_mandel(y: Array, v: Array, X: Array) -> float:
    target = len(y) - X.shape[1]
    if cochran_q(y, v, 0.0, X) <= target:
        return 0.0
    scale = 2 * float(np.ptp(y)) ** 2  # here the sum of squares is below the target for certain
    y, v = y / np.sqrt(scale), v / scale
    return float(brentq(lambda t: cochran_q(y, v, t, X) - target, 0.0, 1.0, xtol=1e-16, rtol=_EPS)) * scale


def _likelihood(y: Array, v: Array, X: Array, *, restricted: bool) -> float:
    # beyond this bound the score is negative whatever the data
    scale = max(3 * float(np.ptp(y)) ** 2, float(v.max()))
    y, v = y / np.sqrt(scale), v / scale

    w = 1 / (v + _GRID[:, None])
    WX = w[:, :, None] * X
    XWX = np.einsum("gki,kj->gij", WX, X)
    beta = np.linalg.solve(XWX, np.einsum("gki,k->gi", WX, y)[:, :, None])[:, :, 0]
    fit = np.log(w).sum(axis=1) - (w * (y - beta @ X.T) ** 2).sum(axis=1)
    if restricted:
        fit -= np.linalg.slogdet(XWX)[1]

    def score(t: float) -> float:
        w = 1 / (v + t)
        trace = _trace(w, X) if restricted else w.sum()
        return float(w**2 @ _residuals(y, w, X) ** 2 - trace)

    best = int(fit.argmax())
    low, high = float(_GRID[max(best - 1, 0)]), float(_GRID[min(best + 1, len(_GRID) - 1)])
    if score(low) <= 0:  # only where the best point is 0 itself
        return low * scale
    return float(brentq(score, low, high, xtol=1e-16, rtol=_EPS)) * scale


ESTIMATORS: dict[str, Callable[[Array, Array, Array], float]] = {
    "FE": lambda y, v, X: 0.0,
    "DL": _dersimonian_laird,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "ML": lambda y, v, X: _likelihood(y, v, X, restricted=False),
    "REML": lambda y, v, X: _likelihood(y, v, X, restricted=True),
    "EB": _paule_mandel,  # the empirical Bayes estimator of Morris (1983) has the same solution
    "PM": _paule_mandel,
}


def estimate(y: Array, v: Array, method: str, X: Array | None = None) -> float:
    """Variance between studies, beyond what `X` explains, by one of `ESTIMATORS`, never below 0."""
    return max(0.0, ESTIMATORS[method](y, v, intercept(len(y)) if X is None else X))


def standard_error(y: Array, v: Array, tau2: float, method: str) -> float:
    """Asymptotic standard error of `tau2` without moderators as metafor gives it; NaN for FE."""
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
        factor = 1 / float(w.sum()) if method == "HS" else 1 / _trace(w, intercept(k))
    P = _projection(w, intercept(k))
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
