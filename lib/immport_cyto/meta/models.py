"""The two linear models behind an effect: least squares, and least squares with a random intercept per subject.

Pure functions of arrays. Coefficients that the data do not determine (collinear columns) come back as NaN instead of
making the others meaningless.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_RANK = 1e-9
_RATIOS = np.concatenate([[0.0], np.logspace(-4, 5, 37)])


@dataclass(frozen=True)
class Fit:
    """Coefficients of a linear model.

    Attributes
    ----------
    estimate, se, df
        One per column of the design; NaN where the data do not determine it (`df`: 0).
    variance
        Residual variance; within subjects for a random intercept.
    between
        Variance between subjects; 0 for least squares.
    """

    estimate: Array
    se: Array
    df: Array
    variance: float
    between: float = 0.0


def least_squares(y: Array, X: Array) -> Fit:
    """Ordinary least squares with t tests on n - rank degrees of freedom.

    Parameters
    ----------
    y
        n outcomes.
    X
        n x p design with its intercept.
    """
    basis, back, known = _row_space(X)
    df = len(y) - basis.shape[1]
    if df < 1:
        return undetermined(X.shape[1])
    coefficients, covariance, residual = _solve(y, basis)
    variance = residual / df
    se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", back, covariance, back) * variance, 0.0))
    return Fit(
        np.where(known, back @ coefficients, np.nan),
        np.where(known, se, np.nan),
        np.where(known, float(df), 0.0),
        variance,
    )


def random_intercept(y: Array, X: Array, subject: Index) -> Fit:
    """Linear model with a random intercept per subject, by restricted maximum likelihood.

    Parameters
    ----------
    y
        n outcomes.
    X
        n x p design with its intercept.
    subject
        n numbers 0..G-1.

    Notes
    -----
    The ratio of the two variances is profiled out, so that one dimension is left to maximise over; a grid comes before
    the refinement, so the largest maximum is found. Degrees of freedom follow the containment rule of nlme (Pinheiro
    and Bates 2000, 2.4.2): a column that varies mostly within subjects is tested on n - G - (rank within), one that
    varies mostly between them on G - (rank between). In balanced designs both are exact.
    """
    groups = int(subject.max()) + 1
    size = np.bincount(subject, minlength=groups).astype(np.float64)
    basis, back, known = _row_space(X)
    n, rank = basis.shape
    within = basis - _group_means(basis, subject, size)[subject]
    rank_within = int(np.linalg.matrix_rank(within, tol=_RANK * np.sqrt(n)))
    df_within, df_between = n - groups - rank_within, groups - (rank - rank_within)
    if n - rank < 1:
        return undetermined(X.shape[1])
    y_mean, basis_mean = (
        _group_means(y[:, None], subject, size)[subject, 0],
        _group_means(basis, subject, size)[subject],
    )

    def solve(ratio: float) -> tuple[Array, Array, float, float]:
        theta = (1 - 1 / np.sqrt(1 + size * ratio))[subject]
        Z = basis - theta[:, None] * basis_mean
        coefficients, covariance, residual = _solve(y - theta * y_mean, Z)
        deviance = (
            (n - rank) * np.log(max(residual, 1e-300))
            + float(np.log1p(size * ratio).sum())
            - float(np.linalg.slogdet(covariance)[1])
        )
        return coefficients, covariance, residual, deviance

    deviances = [solve(ratio)[3] for ratio in _RATIOS]
    best = int(np.argmin(deviances))
    ratio = float(_RATIOS[best])
    low, high = _RATIOS[max(best - 1, 0)], _RATIOS[min(best + 1, len(_RATIOS) - 1)]
    refined = minimize_scalar(
        lambda r: solve(r)[3], bounds=(low, high), method="bounded", options={"xatol": 1e-9 * high}
    )
    if refined.fun < deviances[best]:
        ratio = float(refined.x)
    coefficients, covariance, residual, _ = solve(ratio)
    variance = residual / (n - rank)
    se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", back, covariance, back) * variance, 0.0))
    df = np.where(_share_within(X, subject, size) > 0.5, df_within, df_between)
    known &= df >= 1
    return Fit(
        np.where(known, back @ coefficients, np.nan), np.where(known, se, np.nan),
        np.where(known, df, 0).astype(np.float64), variance, ratio * variance,
    )  # fmt: skip


def _solve(y: Array, Z: Array) -> tuple[Array, Array, float]:
    """Coefficients, unscaled covariance and residual sum of squares of a design of full rank."""
    q, r = np.linalg.qr(Z)
    inverse = np.linalg.inv(r)
    projected = q.T @ y
    return inverse @ projected, inverse @ inverse.T, float(((y - q @ projected) ** 2).sum())


def _row_space(X: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Orthonormal basis of the columns, the way back to the coefficients, and which of these are determined."""
    scale = np.sqrt((X**2).mean(axis=0))
    scale[scale == 0] = 1.0
    u, s, vt = np.linalg.svd(X / scale, full_matrices=False)
    rank = int((s > _RANK * s[0]).sum())
    known = np.abs(1 - (vt[:rank] ** 2).sum(axis=0)) < 1e-6
    return u[:, :rank] * np.sqrt(len(X)), (vt[:rank] / s[:rank, None]).T / scale[:, None] * np.sqrt(len(X)), known


def _group_means(values: Array, group: Index, size: Array) -> Array:
    total = np.zeros((len(size), values.shape[1]))
    np.add.at(total, group, values)
    return total / size[:, None]


def _share_within(X: Array, subject: Index, size: Array) -> Array:
    """Share of the variation of each column that is within subjects; 0 for the intercept."""
    total = ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    inside = ((X - _group_means(X, subject, size)[subject]) ** 2).sum(axis=0)
    share = np.zeros(X.shape[1])
    varying = total > 1e-12 * (X**2).sum(axis=0)
    share[varying] = inside[varying] / total[varying]
    return share


def undetermined(p: int) -> Fit:
    """The fit of data that determine none of the `p` coefficients."""
    return Fit(np.full(p, np.nan), np.full(p, np.nan), np.zeros(p), float("nan"))
