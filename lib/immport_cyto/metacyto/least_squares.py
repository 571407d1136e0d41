"""Least squares as R's ``lm`` does it: treatment contrasts, collinear columns left out, z-scored outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_COLLINEAR = 1e-7  # R's tolerance
_ROUNDING = 1e-10  # standard error over estimate, below which the residuals are rounding errors


@dataclass(frozen=True)
class Coefficient:
    """One coefficient of a linear model; standard error, test and interval are NaN without residual degrees of freedom.

    Attributes
    ----------
    estimate, se, t, p_value, ci_low, ci_high
        As ``summary(lm())`` and ``confint`` give them; 95 %.
    df
        Residual degrees of freedom.
    n
        Samples used.
    """

    estimate: float
    se: float
    t: float
    p_value: float
    ci_low: float
    ci_high: float
    df: int
    n: int

    @property
    def is_perfect(self) -> bool:
        """Whether the fit leaves nothing but rounding errors."""
        return self.df > 0 and self.se <= _ROUNDING * abs(self.estimate)


def z_score(values: Array) -> Array:
    """Values minus their mean over their standard deviation (n - 1); NaN where all are equal."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return np.full(len(values), np.nan)
    spread = finite.std(ddof=1)
    scaled: Array = (values - finite.mean()) / spread if spread > 0 else np.full(len(values), np.nan)
    return scaled


def columns_of(frame: "pd.DataFrame", variables: Sequence[str]) -> dict[str, Array]:
    """Columns of the design without the intercept: numbers as they are, text as 0/1 of each level but the first.

    A level column is named ``sex[Male vs Female]``. A variable with one level has no column.
    """
    columns: dict[str, Array] = {}
    for variable in variables:
        numbers = as_numbers(frame[variable])
        if numbers is not None:
            columns[variable] = numbers
            continue
        levels = sorted({str(value) for value in frame[variable]})
        for level in levels[1:]:
            columns[f"{variable}[{level} vs {levels[0]}]"] = (frame[variable] == level).to_numpy(np.float64)
    return columns


def as_numbers(values: "pd.Series") -> Array | None:
    """The column as numbers, NaN for empty cells; None where it holds a text."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values):
        return None
    numbers = pd.to_numeric(values, errors="coerce")
    blank = values.isna() | (values.astype(str).str.strip() == "")
    if bool((numbers.isna() & ~blank).any()) or bool(blank.all()):
        return None
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def complete(frame: "pd.DataFrame", variables: Sequence[str]) -> NDArray[np.bool_]:
    """Rows without an empty cell in `variables`."""
    filled = [(frame[name].notna() & (frame[name].astype(str) != "")).to_numpy(bool) for name in variables]
    return np.logical_and.reduce(filled) if filled else np.ones(len(frame), bool)


def fit(y: Array, columns: Mapping[str, Array]) -> dict[str, Coefficient]:
    """Ordinary least squares with an intercept; columns that depend on those before them are left out, as in R."""
    n = len(y)
    names, kept = [""], [np.ones(n)]
    for name, column in columns.items():
        if len(kept) == n:
            break
        basis, _ = np.linalg.qr(np.column_stack(kept))
        rest = column - basis @ (basis.T @ column)
        if np.linalg.norm(rest) > _COLLINEAR * np.linalg.norm(column):
            names.append(name)
            kept.append(column)
    design = np.column_stack(kept)
    q, r = np.linalg.qr(design)
    estimates = np.linalg.solve(r, q.T @ y)
    df = n - len(kept)
    residuals = y - design @ estimates
    variance = float(residuals @ residuals) / df if df else np.nan
    errors = np.sqrt((np.linalg.inv(r) ** 2).sum(axis=1) * variance)
    quantile = float(stdtrit(df, 0.975)) if df else np.nan
    result = {}
    for name, estimate, se in zip(names[1:], estimates[1:].tolist(), errors[1:].tolist(), strict=True):
        t = estimate / se if se else float("nan")
        p_value = 2 * float(stdtr(df, -abs(t))) if df else float("nan")
        low, high = estimate - quantile * se, estimate + quantile * se
        result[name] = Coefficient(estimate, se, t, p_value, low, high, df, n)
    return result
