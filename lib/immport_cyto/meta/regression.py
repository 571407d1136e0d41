"""Meta-regression: what of the difference between studies a property of the studies explains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from immport_cyto.exceptions import AnalysisError
from immport_cyto.meta import tau2 as between
from immport_cyto.meta.pooling import EXACT, check_estimates, check_method

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MetaRegression:
    """A mixed-effects model over studies.

    Attributes
    ----------
    names
        The p coefficients, the intercept first.
    estimate, se, statistic, p_value, ci_low, ci_high
        Arrays of length p; `ci` is the 95 % interval.
    df
        Of the t test of each coefficient; infinite for the z test.
    tau2, tau2_without
        Variance between studies that the moderators leave, and without any moderator.
    r2
        Share of the variance between studies that the moderators explain, in percent; NaN where there is none.
    i2
        Share of the unexplained variation that is between studies, in percent.
    qm, qm_p
        Test of all moderators together: F for Hartung-Knapp, else chi-squared; NaN without a moderator.
    qe, qe_p
        Test of the heterogeneity that is left.
    k
        Number of studies.
    """

    names: tuple[str, ...]
    estimate: Array
    se: Array
    statistic: Array
    p_value: Array
    ci_low: Array
    ci_high: Array
    df: float
    tau2: float
    tau2_without: float
    r2: float
    i2: float
    qm: float
    qm_p: float
    qe: float
    qe_p: float
    k: int


def regress(
    estimates: ArrayLike,
    standard_errors: ArrayLike,
    moderators: ArrayLike,
    names: Sequence[str],
    method: str = "REML",
    test: str = "hartung-knapp",
) -> MetaRegression:
    """Explain the estimates of several studies by properties of the studies.

    Parameters
    ----------
    estimates, standard_errors
        One number per study; standard errors above 0.
    moderators
        k x m: one column per property, without the intercept, which is added.
    names
        Names of the m columns.
    method, test
        As in `immport_cyto.meta.pool`.

    Raises
    ------
    OptionError
        `method` or `test` is unknown.
    AnalysisError
        Values that cannot be used, fewer than two studies beyond the coefficients, or moderators that say the same.

    Notes
    -----
    The result does not depend on the order of the studies, to the last bit. Formulas of metafor's ``rma``
    (Viechtbauer 2010, J Stat Softw 36(3)); Knapp and Hartung 2003, Stat Med 22:2693-2710, for the tests.
    """
    check_method(method, test)
    y, se = check_estimates(estimates, standard_errors)
    Z = np.asarray(moderators, dtype=np.float64).reshape(len(y), -1)
    X = np.column_stack([np.ones(len(y)), Z])
    order = np.lexsort((*Z.T[::-1], se, y))
    y, v, X = y[order], se[order] ** 2, X[order]
    k, p = X.shape
    if k < p + 2:
        msg = f"{k} studies are too few for {p} coefficients; use fewer moderators or {p + 2} studies"
        raise AnalysisError(msg)
    spread = np.ptp(X[:, 1:], axis=0)
    if not np.all(np.isfinite(X)) or np.any(spread == 0) or np.linalg.matrix_rank(X) < p:
        msg = f"the moderators {', '.join(names)} do not vary, or say the same, over these studies; use fewer of them"
        raise AnalysisError(msg)
    tau2 = between.estimate(y, v, method, X)
    w = 1 / (v + tau2)
    beta, covariance = between.coefficients(y, w, X)
    df = float("inf")
    if test != "z":
        ratio = between.cochran_q(y, v, tau2, X) / (k - p)
        if test == "hartung-knapp" and ratio < EXACT:
            msg = "the model fits the estimates exactly, which Hartung-Knapp cannot use; test with z"
            raise AnalysisError(msg)
        covariance = covariance * (max(ratio, 1.0) if test == "hartung-knapp-adhoc" else ratio)
        df = float(k - p)
    errors = np.sqrt(np.diag(covariance))
    statistic = beta / errors
    quantile = float(ndtri(0.975) if np.isinf(df) else stdtrit(df, 0.975))
    tail = ndtr(-np.abs(statistic)) if np.isinf(df) else stdtr(df, -np.abs(statistic))
    qm, qm_p = _omnibus(beta, covariance, df)
    qe = between.cochran_q(y, v, 0.0, X)
    without = between.estimate(y, v, method)
    typical = between.typical_variance(v, X)
    return MetaRegression(
        names=("intercept", *names), estimate=beta, se=errors, statistic=statistic, p_value=2 * tail,
        ci_low=beta - quantile * errors, ci_high=beta + quantile * errors, df=df, tau2=tau2, tau2_without=without,
        r2=max(0.0, 100 * (without - tau2) / without) if without > 0 else float("nan"),
        i2=100 * tau2 / (typical + tau2), qm=qm, qm_p=qm_p, qe=qe, qe_p=float(chdtrc(k - p, qe)), k=k,
    )  # fmt: skip


def _omnibus(beta: Array, covariance: Array, df: float) -> tuple[float, float]:
    m = len(beta) - 1
    if not m:
        return float("nan"), float("nan")
    q = float(beta[1:] @ np.linalg.solve(covariance[1:, 1:], beta[1:]))
    return (q, float(chdtrc(m, q))) if np.isinf(df) else (q / m, float(fdtrc(m, df, q / m)))
