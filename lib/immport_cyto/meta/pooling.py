"""One effect from several studies: the random-effects model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr, ndtri, stdtr, stdtrit

from immport_cyto.exceptions import AnalysisError, OptionError
from immport_cyto.meta import tau2 as between

METHODS = tuple(between.ESTIMATORS)
TESTS = ("hartung-knapp", "hartung-knapp-adhoc", "z")
FDR = ("bh", "by")
# below this ratio of seen to expected variance the estimates agree but for rounding
EXACT = 1e-12

_NAN2 = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Pooled:
    """Result of a meta-analysis.

    Attributes
    ----------
    estimate, se
        Pooled effect and its standard error, on the scale of the estimates.
    ci, pi
        95 % confidence interval of the pooled effect; 95 % prediction interval of the effect in a new study
        (NaN for FE and for one study).
    p_value, statistic, df
        Two-sided test of no effect; `df` is infinite for the z test.
    tau2, se_tau2, tau2_ci
        Variance between studies, its standard error, its Q-profile interval.
    i2, h2
        Share of the variation that is between studies, in percent; ratio of total to sampling variation.
    q, q_p
        Cochran's Q and the p value of homogeneity (NaN for one study).
    weights
        Share of each study in the estimate, in the order of the input; they sum to 1.
    k
        Number of studies.
    method, test
        Estimator of tau2 and test that were used.
    note
        Why something is not as asked, or ``""``.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    pi: tuple[float, float]
    p_value: float
    statistic: float
    df: float
    tau2: float
    se_tau2: float
    tau2_ci: tuple[float, float]
    i2: float
    h2: float
    q: float
    q_p: float
    weights: NDArray[np.float64]
    k: int
    method: str
    test: str
    note: str = ""


def pool(estimates: ArrayLike, standard_errors: ArrayLike, method: str = "REML", test: str = "hartung-knapp") -> Pooled:
    """Pool estimates of several studies.

    Parameters
    ----------
    estimates, standard_errors
        One number per study; standard errors above 0.
    method
        Estimator of the variance between studies: ``FE`` (none: all studies share one effect), ``DL``
        (DerSimonian-Laird), ``HE`` (Hedges), ``HS`` (Hunter-Schmidt), ``SJ`` (Sidik-Jonkman), ``ML``, ``REML``,
        ``EB`` (empirical Bayes), ``PM`` (Paule-Mandel; equals EB).
    test
        ``hartung-knapp``: t distribution with k - 1 degrees of freedom and the variance of Hartung and Knapp (2001);
        ``hartung-knapp-adhoc``: the same, its standard error never below that of the z test; ``z``: normal
        distribution, which rejects too often with few studies.

    Returns
    -------
    Pooled
        With one study, its estimate with a z interval, no variance between studies and a note.

    Raises
    ------
    OptionError
        `method` or `test` is not one of those above.
    AnalysisError
        No study, lengths that differ, a value that is not a finite number, or a standard error of 0 or less.

    Notes
    -----
    The result does not depend on the order of the studies, to the last bit. The prediction interval is that of
    metafor: ``estimate ± quantile * sqrt(se² + tau2)`` with the quantile of the test.

    References
    ----------
    Hartung and Knapp 2001, Stat Med 20:3875-3889. Viechtbauer 2010, J Stat Softw 36(3).

    Examples
    --------
    >>> from immport_cyto import meta
    >>> result = meta.pool([0.10, 0.30, 0.35, 0.65], [0.10, 0.12, 0.18, 0.15])
    >>> round(result.estimate, 3), round(result.p_value, 3)
    (0.333, 0.063)
    """
    check_method(method, test)
    y, se = check_estimates(estimates, standard_errors)
    if len(y) == 1:
        return _single(float(y[0]), float(se[0]), method)
    order = np.lexsort((se, y))  # sums in one order whatever the input's
    ordered = pool_at(y[order], se[order] ** 2, between.estimate(y[order], se[order] ** 2, method), method, test)
    weights = np.empty_like(ordered.weights)
    weights[order] = ordered.weights
    return Pooled(**{**ordered.__dict__, "weights": weights})


def check_method(method: str, test: str) -> None:
    """Refuse an estimator or a test that does not exist."""
    for name, value, known in (("method", method, METHODS), ("test", test, TESTS)):
        if value not in known:
            msg = f"{name} {value!r} is unknown; use one of {', '.join(known)}"
            raise OptionError(msg)


def check_estimates(estimates: ArrayLike, standard_errors: ArrayLike) -> tuple[between.Array, between.Array]:
    """Estimates and standard errors as arrays of one length; what cannot be pooled is an error."""
    try:
        y, se = np.asarray(estimates, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = "estimates and standard errors must be numbers; correct the input"
        raise AnalysisError(msg) from error
    if y.ndim != 1 or y.shape != se.shape or not len(y):
        msg = f"estimates and standard errors have shapes {y.shape} and {se.shape}; give one of each per study"
        raise AnalysisError(msg)
    bad = np.flatnonzero(~(np.isfinite(y) & np.isfinite(se) & (se > 0)))
    if len(bad):
        i = int(bad[0])
        msg = f"study {i + 1} has estimate {y[i]} with standard error {se[i]}; leave out what has no usable estimate"
        raise AnalysisError(msg)
    return y, se


def _single(y: float, se: float, method: str) -> Pooled:
    half = float(ndtri(0.975)) * se
    return Pooled(
        estimate=y, se=se, ci=(y - half, y + half), pi=_NAN2, p_value=2 * float(ndtr(-abs(y / se))),
        statistic=y / se, df=float("inf"), tau2=float("nan"), se_tau2=float("nan"), tau2_ci=_NAN2, i2=float("nan"),
        h2=float("nan"), q=float("nan"), q_p=float("nan"), weights=np.ones(1), k=1, method=method, test="z",
        note="one study: its own estimate, nothing is pooled",
    )  # fmt: skip


def pool_at(y: between.Array, v: between.Array, tau2: float, method: str, test: str) -> Pooled:
    """All results for a given variance between studies `tau2`; `v` are squared standard errors, k >= 2."""
    k, df = len(y), len(y) - 1
    w = 1 / (v + tau2)
    mean, z_se = float(w @ y / w.sum()), float(w.sum() ** -0.5)
    se, spread, note = z_se, float("inf"), ""
    if test != "z":
        ratio = between.cochran_q(y, v, tau2) / df
        if ratio < EXACT:
            note = "the studies agree exactly, which Hartung-Knapp cannot use: z test"
            test = "z"
        else:
            spread = float(df)
            se = z_se * float(np.sqrt(max(ratio, 1.0) if test == "hartung-knapp-adhoc" else ratio))
    quantile = float(ndtri(0.975) if np.isinf(spread) else stdtrit(spread, 0.975))
    if test == "hartung-knapp" and quantile * se < float(ndtri(0.975)) * z_se:
        note = "the studies agree more than their errors let expect: the z interval would be wider"
    statistic = mean / se
    tail = ndtr(-abs(statistic)) if np.isinf(spread) else stdtr(spread, -abs(statistic))
    q = between.cochran_q(y, v)
    if method == "FE":
        pi, tau2_ci = _NAN2, _NAN2
        i2, h2 = (max(0.0, 100 * (q - df) / q) if q > 0 else 0.0), q / df
    else:
        reach = quantile * float(np.sqrt(se**2 + tau2))
        pi, tau2_ci = (mean - reach, mean + reach), between.q_profile(y, v)
        typical = between.typical_variance(v)
        i2, h2 = 100 * tau2 / (typical + tau2), tau2 / typical + 1
    return Pooled(
        estimate=mean, se=se, ci=(mean - quantile * se, mean + quantile * se), pi=pi, p_value=2 * float(tail),
        statistic=statistic, df=spread, tau2=tau2, se_tau2=between.standard_error(y, v, tau2, method),
        tau2_ci=tau2_ci, i2=i2, h2=h2, q=q, q_p=float(chdtrc(df, q)), weights=w / w.sum(), k=k, method=method,
        test=test, note=note,
    )  # fmt: skip


def q_values(p_values: Sequence[float] | NDArray[np.float64], fdr: str = "bh") -> NDArray[np.float64]:
    """Adjust p values for the rate of false discoveries; NaN stays NaN and does not count as a test.

    Parameters
    ----------
    p_values
        One per test.
    fdr
        ``bh``: Benjamini and Hochberg (1995), for independent or positively dependent tests; ``by``: Benjamini and
        Yekutieli (2001), for any dependence.
    """
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if len(tested):
        order = tested[np.argsort(p[tested], kind="stable")]
        ranks = np.arange(1, len(order) + 1)
        raw = p[order] * len(order) / ranks * (float((1 / ranks).sum()) if fdr == "by" else 1.0)
        q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q
