"""A model of the counts themselves: beta-binomial.

A plain binomial model takes each event as a subject of its own, so that tens of thousands of events make anything
significant; scaled by its overdispersion it still gives a large sample too much weight and rejects a true null in .08
to .10 of simulations at .05. The beta-binomial model has the variation between samples as a parameter and keeps .05
(``validation/meta.py``).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, logit

from immport_cyto.meta.models import Fit, undetermined

Array = NDArray[np.float64]

_RANGE = 30.0
_EDGE = 16.0  # logit of a share of 1e-7, which no sample has enough events to show


def beta_binomial(n: Array, total: Array, X: Array) -> Fit:
    """Counts whose probability varies between samples as a beta distribution around its mean; logit link.

    Parameters
    ----------
    n, total
        Events of the population and of its parent, one per sample.
    X
        Design with its intercept.

    Notes
    -----
    Maximum likelihood with analytic derivatives; the errors come from the observed information, multiplied by
    ``sqrt(n / (n - p))`` as in least squares, and are tested with t on n - p degrees of freedom (Prentice 1986, JASA
    81:321-327). `variance` is the intraclass correlation ``1 / (1 + precision)``.
    """
    samples, p = X.shape
    df = samples - p
    scaled, scale = _scaled(X)
    if df < 1 or np.linalg.matrix_rank(scaled) < p or not 0 < n.sum() < total.sum():
        return undetermined(p)
    start = np.zeros(p + 1)
    start[:p] = np.linalg.lstsq(scaled, logit((n + 0.5) / (total + 1)), rcond=None)[0]
    start[p] = np.log(50.0)

    def negative(theta: Array) -> tuple[float, Array]:
        a, b, mean, precision = _shape(theta, scaled)
        value = betaln(n + a, total - n + b) - betaln(a, b)
        common = digamma(a + b) - digamma(total + a + b)
        by_a = digamma(n + a) - digamma(a) + common
        by_b = digamma(total - n + b) - digamma(b) + common
        slope = scaled.T @ ((by_a - by_b) * precision * mean * (1 - mean))
        return -float(value.sum()), -np.append(slope, (by_a * a + by_b * b).sum())

    found = minimize(negative, start, jac=True, method="L-BFGS-B", bounds=[(-_RANGE, _RANGE)] * p + [(-7.0, 20.0)],
                     options={"maxiter": 500, "ftol": 1e-14, "gtol": 1e-8})  # fmt: skip
    information = _hessian(lambda theta: negative(theta)[1], found.x)
    try:
        covariance = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return undetermined(p)
    variance = np.diag(covariance)[:p]
    if not np.all(variance > 0):
        return undetermined(p)
    if float(np.abs(scaled @ found.x[:p]).max()) > _EDGE:
        return undetermined(p)  # a group without any event: the likelihood has no maximum
    se = np.sqrt(variance * samples / df)
    # a coefficient that ran off, as with a group without any event, is not known
    known = np.isfinite(se) & (se > 0) & (np.abs(found.x[:p]) < _RANGE)
    return Fit(
        np.where(known, found.x[:p] / scale, np.nan), np.where(known, se / scale, np.nan),
        np.where(known, float(df), 0.0), float(1 / (1 + np.exp(found.x[p]))),
    )  # fmt: skip


def _shape(theta: Array, X: Array) -> tuple[Array, Array, Array, float]:
    mean = np.clip(expit(np.clip(X @ theta[:-1], -_RANGE, _RANGE)), 1e-12, 1 - 1e-12)
    precision = float(np.exp(theta[-1]))
    return mean * precision, (1 - mean) * precision, mean, precision


def _hessian(gradient: Callable[[Array], Array], at: Array) -> Array:
    step = 1e-5 * np.maximum(1.0, np.abs(at))
    rows = [(gradient(at + h) - gradient(at - h)) / (2 * h.max()) for h in np.diag(step)]
    return (np.array(rows) + np.array(rows).T) / 2


def _scaled(X: Array) -> tuple[Array, Array]:
    scale = np.abs(X).max(axis=0)
    scale[scale == 0] = 1.0
    return X / scale, scale
