"""Which effect a collection of studies could have found."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainccinv, gammaincinv, ndtr, ndtri, stdtrit

from immport_cyto import tables
from immport_cyto.exceptions import OptionError
from immport_cyto.meta import tau2 as between
from immport_cyto.meta.families import Family, families, notes_on
from immport_cyto.meta.pooling import check_method

if TYPE_CHECKING:
    import pandas as pd

_MOST_STUDIES = 1000


def rejection(effect: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Probability that a two-sided test rejects, where the estimate has the standard error `se`.

    Parameters
    ----------
    effect, se
        True effect and standard error of its estimate, on one scale.
    df
        Degrees of freedom of the t test; infinite for the z test.
    alpha
        Level of the test.
    """
    shift = abs(effect) / se
    if np.isinf(df):
        limit = float(ndtri(1 - alpha / 2))
        return float(ndtr(shift - limit) + ndtr(-shift - limit))
    # the mean over the distribution of the estimated error (scipy's noncentral t gives NaN for large shifts):
    # a trapezoid sum over the logarithm of chi-squared over df, whose density has smooth tails
    low, high = (np.log(float(end) * 2 / df) for end in (gammaincinv(df / 2, 1e-16), gammainccinv(df / 2, 1e-16)))
    x = np.linspace(low, high, 1001)
    density = np.exp(df / 2 * (x - np.exp(x) + 1))
    limits = float(stdtrit(df, 1 - alpha / 2)) * np.exp(x / 2)
    return float(density @ (ndtr(shift - limits) + ndtr(-shift - limits)) / density.sum())


def power(
    effects: "pd.DataFrame",
    *,
    effect: float | None = None,
    alpha: float = 0.05,
    wanted: float = 0.8,
    method: str = "REML",
    test: str = "hartung-knapp",
) -> "pd.DataFrame":
    """The smallest effect that the studies of each population and term would find, and the power for a given one.

    Parameters
    ----------
    effects
        An EFFECTS table; it gives the standard errors, and how far the studies differ.
    effect
        A true effect, on the scale of the effects, whose power is asked.
    alpha
        Level of the two-sided test.
    wanted
        Power at which an effect counts as found.
    method, test
        As in `immport_cyto.meta.pool`.

    Returns
    -------
    pandas.DataFrame
        A POWER table. The estimates themselves do not enter but for the variance between studies: power for the effect
        that was estimated would only repeat its p value (Hoenig and Heisey 2001, Am Stat 55:19-24).

    Raises
    ------
    OptionError
        A number outside its range, or `method` or `test` unknown.
    TableError
        A column is missing or of the wrong kind, or a key appears twice.

    Notes
    -----
    The pooled estimate has the variance ``1 / sum(1 / (se_i² + tau2))``; with Hartung-Knapp its test is taken as a
    t test on k - 1 degrees of freedom (its statistic is a noncentral t), with one study as the t test of that study.
    """
    import pandas as pd

    check_method(method, test)
    if not 0 < alpha < 1:
        msg = f"alpha is {alpha:g}; give the level of the test, between 0 and 1"
        raise OptionError(msg)
    if not alpha < wanted < 1:
        msg = f"the wanted power is {wanted:g}; give a number between alpha ({alpha:g}) and 1"
        raise OptionError(msg)
    if effect is not None and (not np.isfinite(effect) or effect == 0):
        msg = f"the effect is {effect:g}; give a finite number other than 0, on the scale of the effects"
        raise OptionError(msg)
    rows = []
    for family in families(effects):
        row: dict[str, Any] = {
            **family.key, "k": len(family.used), "n": sum(study.n for study in family.used), "scale": family.scale,
            "estimator": f"{method} + {test}", "alpha": alpha, "wanted_power": wanted,
        }  # fmt: skip
        row |= _of_family(family, effect, alpha, wanted, method, test)
        rows.append(row)
    return tables.conform(pd.DataFrame(rows, columns=tables.POWER.column_names), tables.POWER)


def _of_family(
    family: Family, effect: float | None, alpha: float, wanted: float, method: str, test: str
) -> dict[str, Any]:
    used, notes = family.used, notes_on(family)
    if not used:
        return {"note": "; ".join(["no study has an estimate", *notes])}
    y, v = np.array([study.estimate for study in used]), np.array([study.se for study in used]) ** 2
    order = np.lexsort((v, y))
    tau2 = between.estimate(y[order], v[order], method) if len(used) > 1 else float("nan")
    spread = 0.0 if np.isnan(tau2) else tau2

    def at(k: int) -> tuple[float, float]:
        """Standard error and degrees of freedom of `k` studies like these."""
        information = float(np.sort(1 / (v + spread)).sum()) * k / len(used)
        if len(used) == k == 1:
            return information**-0.5, used[0].df if np.isfinite(used[0].df) else float("inf")
        return information**-0.5, float("inf") if test == "z" else float(k - 1)

    se, df = at(len(used))
    result: dict[str, Any] = {
        "se": se, "tau2": tau2, "detectable": _smallest(lambda x: rejection(x, se, df, alpha), se, wanted),
    }  # fmt: skip
    if len(used) == 1:
        notes.insert(0, f"one study ({used[0].study}): its own test, how far studies differ is not known")
    elif len(used) < 5:
        notes.insert(0, f"how far studies differ is known from {len(used)} studies only")
    if effect is not None:
        result |= {"effect": effect, "power": rejection(effect, se, df, alpha)}
        if len(used) > 1:
            needed = next((k for k in range(2, _MOST_STUDIES + 1) if rejection(effect, *at(k), alpha) >= wanted), None)
            if needed is None:
                notes.append(f"more than {_MOST_STUDIES} studies like these would be needed")
            else:
                result["studies_needed"] = needed
    return result | {"note": "; ".join(notes)}


def _smallest(chance: Callable[[float], float], se: float, wanted: float) -> float:
    high = se
    while chance(high) < wanted:
        high *= 2
    return float(brentq(lambda x: chance(x) - wanted, 0.0, high, xtol=1e-12 * se, rtol=1e-12))
