"""Pooling against slow formulas of an independent route: matrices, and a search of the likelihood itself."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from immport_cyto import meta

Array = np.ndarray


def projection(v: Array, tau2: float) -> Array:
    """What is left of the studies when their common effect is taken out, weighted by their precision."""
    W = np.diag(1 / (v + tau2))
    one = np.ones((len(v), 1))
    return W - W @ one @ np.linalg.inv(one.T @ W @ one) @ one.T @ W


def likelihood(y: Array, v: Array, restricted: bool) -> Callable[[float], float]:
    def negative(tau2: float) -> float:
        V = np.diag(v + tau2)
        one = np.ones((len(y), 1))
        information = (one.T @ np.linalg.inv(V) @ one).item()
        mean = (one.T @ np.linalg.inv(V) @ y).item() / information
        value = np.linalg.slogdet(V)[1] + (y - mean) @ np.linalg.inv(V) @ (y - mean)
        return value + (np.log(information) if restricted else 0)

    return negative


def searched(y: Array, v: Array, restricted: bool) -> float:
    negative = likelihood(y, v, restricted)
    top = 100 * (np.ptp(y) ** 2 + v.max())
    grid = np.concatenate([[0.0], np.geomspace(1e-9 * top, top, 400)])
    best = int(np.argmin([negative(t) for t in grid]))
    if best == 0:
        return 0.0
    bounds = (grid[best - 1], grid[min(best + 1, len(grid) - 1)])
    return float(minimize_scalar(negative, bounds=bounds, method="bounded", options={"xatol": 1e-14 * top}).x)


def oracle(method: str, y: Array, v: Array) -> float:
    k = len(y)
    if method == "FE":
        return 0.0
    if method in ("ML", "REML"):
        return searched(y, v, method == "REML")
    if method in ("EB", "PM"):
        excess = lambda t: y @ projection(v, t) @ y - (k - 1)  # noqa: E731
        return 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0, 1e6, xtol=1e-15, rtol=1e-14))
    if method == "HE":
        P = np.eye(k) - 1 / k
        return max(0.0, float((y @ P @ y - np.trace(P @ np.diag(v))) / (k - 1)))
    P = projection(v, 0.0)
    if method == "DL":
        return max(0.0, float((y @ P @ y - (k - 1)) / np.trace(P)))
    if method == "HS":
        return max(0.0, float((y @ P @ y - k) / (1 / v).sum()))
    crude = float(((y - y.mean()) ** 2).mean())  # SJ
    return float(y @ projection(v / crude + 1, 0.0) @ y) / (k - 1)


@pytest.mark.parametrize("method", ["FE", "DL", "HE", "HS", "SJ", "ML", "REML", "EB", "PM"])
@pytest.mark.parametrize("k", [2, 3, 5, 12, 30])
def test_pooling_agrees_with_matrices_and_a_search(method: str, k: int) -> None:
    rng = np.random.default_rng([k, sum(map(ord, method))])
    for heterogeneity in (0.0, 0.5, 3.0):
        se = rng.uniform(0.05, 1, k)
        y = rng.normal(0.3, np.sqrt(se**2 + heterogeneity**2))
        v = se**2
        tau2 = oracle(method, y, v)
        P, total = projection(v, 0.0), (1 / (v + tau2)).sum()
        estimate = float((y / (v + tau2)).sum() / total)
        q = float(y @ P @ y)
        typical = (k - 1) / np.trace(P)
        scatter = float(y @ projection(v, tau2) @ y) / (k - 1)
        for test in meta.TESTS:
            got = meta.pool(y, se, method=method, test=test)
            # a maximum of the likelihood is found by its value to half of the digits only
            digits = {"rel": 2e-6, "abs": 2e-7} if method in ("ML", "REML") else {"rel": 1e-9, "abs": 1e-11}
            assert got.tau2 == pytest.approx(tau2, **digits), (heterogeneity, test)
            assert got.estimate == pytest.approx(estimate, **digits)
            assert (got.q, got.q_p) == pytest.approx((q, stats.chi2.sf(q, k - 1)), rel=1e-9)
            if method != "FE":
                assert (got.i2, got.h2) == pytest.approx((100 * tau2 / (tau2 + typical), 1 + tau2 / typical), **digits)
            factor = {"z": 1.0, "hartung-knapp": scatter, "hartung-knapp-adhoc": max(1.0, scatter)}[test]
            spread = np.sqrt(factor / total)
            reference = stats.norm() if test == "z" else stats.t(k - 1)
            assert got.se == pytest.approx(spread, **digits)
            reach = reference.ppf(0.975) * spread
            assert got.ci == pytest.approx((estimate - reach, estimate + reach), **digits)
            wide = reference.ppf(0.975) * np.sqrt(spread**2 + tau2)
            if method == "FE":
                assert np.isnan(got.pi).all()
            else:
                assert got.pi == pytest.approx((estimate - wide, estimate + wide), **digits)
            p_value = 2 * reference.sf(abs(estimate) / spread)
            assert got.p_value == pytest.approx(p_value, rel=2e-4 if method in ("ML", "REML") else 1e-8)
