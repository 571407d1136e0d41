"""Shifts between batches taken out of fractions: the empirical Bayes method of ComBat, on the logit scale.

Johnson, Li and Rabinovic 2007, Biostatistics 8:118-127. On the logit scale a result is a fraction again, never below 0
or above 1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from immport_cyto import tables
from immport_cyto.exceptions import AnalysisError, OptionError
from immport_cyto.meta import covariates as cov
from immport_cyto.meta.formula import Formula, parse
from immport_cyto.meta.joining import ADJUSTED_FOR, check_keys
from immport_cyto.meta.outcome import check_shares, outcome

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_STUDY = "study_accession"
_CLOSE = 1e-8


@dataclass(frozen=True)
class Adjusted:
    """Result of :func:`adjust`.

    Attributes
    ----------
    populations
        A POPULATIONS table with adjusted fractions; these have no counts. `fraction_reported` holds what was measured,
        `adjusted_for` the column of the batches, which `effects` then has as a further factor: the shifts were
        estimated, and a model that takes them as known rejects a true null too often.
    explained
        One row per method and study: samples, populations, batches, and the mean share of the variance of a population
        that the batches explain before and after, beyond the terms that were kept.
    notes
        What was not adjusted, and why.
    """

    populations: "pd.DataFrame"
    explained: "pd.DataFrame"
    notes: list[str]


def adjust(populations: "pd.DataFrame", samples: "pd.DataFrame", *, batch: str = "batch", keep: str = "") -> Adjusted:
    """Take shifts and stretches between batches out of the fractions.

    Parameters
    ----------
    populations, samples
        A POPULATIONS and a SAMPLES table.
    batch
        Column of `samples` that names the batches. They are compared within a study, or over all studies where the
        column is ``study_accession``.
    keep
        Terms whose effects must stay, such as ``"age_years + sex"``; without them a difference of age between batches
        is taken for a shift.

    Raises
    ------
    OptionError
        `batch` is not a column of the samples, or has no two values anywhere.
    FormulaError
        `keep` cannot be read or names an unknown column.
    AnalysisError
        The batches cannot be told from the terms to keep.
    LinkError
        A file of `populations` has no row in `samples`.
    TableError
        A column is missing or of the wrong kind, or a fraction cannot be.

    Notes
    -----
    Each population is standardised; the shift and the stretch of a batch are drawn towards their mean over all
    populations of the batch by as much as these vary. A batch of one sample is shifted only.
    """
    import pandas as pd

    populations = tables.conform(populations, tables.POPULATIONS, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    check_shares(populations)
    check_keys(populations, samples)
    if batch not in samples.columns:
        msg = f"{batch!r} is not a column of samples.tsv; name the column that holds the batches"
        raise OptionError(msg)
    model = parse(keep, cov.usable(samples)) if keep else None
    ordered = populations.sort_values(["method", "population", _STUDY, "file_name"], ignore_index=True)
    ordered["fraction_reported"], ordered[ADJUSTED_FOR] = ordered["fraction"], ""
    notes: list[str] = []
    rows = []
    keys = ["method"] if batch == _STUDY else ["method", _STUDY]
    for key, part in ordered.groupby(keys, sort=True):
        name = " ".join(key) if isinstance(key, tuple) else str(key)
        found = _group(part, samples, batch, model, name, notes)
        if found is None:
            continue
        fractions, before, after, batches = found
        done = part.index[np.isfinite(fractions)]
        ordered.loc[done, "fraction"] = fractions[np.isfinite(fractions)]
        ordered.loc[done, ["n_events", "n_parent"]] = pd.NA
        ordered.loc[done, ADJUSTED_FOR] = batch
        rows.append(
            {
                "method": part["method"].iloc[0], _STUDY: "" if batch == _STUDY else part[_STUDY].iloc[0],
                "n_samples": ordered.loc[done, "file_name"].nunique(),
                "n_populations": ordered.loc[done, "population"].nunique(),
                "n_batches": batches, "r2_before": before, "r2_after": after,
            }
        )  # fmt: skip
    if not rows:
        where = "" if batch == _STUDY else " in any study"
        why = f" ({notes[0]})" if notes else ""
        msg = (
            f"column {batch!r} of samples.tsv has no two batches{where} that can be compared{why}; nothing is adjusted"
        )
        raise OptionError(msg)
    return Adjusted(ordered, tables.conform(pd.DataFrame(rows), tables.BATCHES), notes)


def _group(
    part: "pd.DataFrame", samples: "pd.DataFrame", batch: str, model: Formula | None, name: str, notes: list[str]
) -> tuple[Array, float, float, int] | None:
    """Fractions of the rows of `part`, NaN where not adjusted; share of variance by batch before and after; batches."""
    files = sorted(set(part["file_name"]))
    of = samples.set_index("file_name").loc[files].reset_index()
    label = of[batch].astype("string").fillna("").to_numpy(dtype=str)
    Z = _covariates(of, model)
    complete = (label != "") & np.isfinite(Z).all(axis=1)
    batches, codes = np.unique(label[complete], return_inverse=True)
    if len(batches) < 2:
        notes.append(f"{name}: {'one batch' if len(batches) else 'no batch'}, not adjusted")
        return None
    member = np.full(len(files), -1, dtype=np.intp)
    member[complete] = codes
    if not complete.all():
        left = int((~complete).sum())
        what = f"{left} sample{'' if left == 1 else 's'} without a batch"
        notes.append(f"{name}: {what}{' or a term to keep' if model else ''}, not adjusted")
    names = sorted(set(part["population"]))
    row = part["population"].map({p: i for i, p in enumerate(names)}).to_numpy(dtype=np.intp)
    column = part["file_name"].map({f: i for i, f in enumerate(files)}).to_numpy(dtype=np.intp)
    y = np.full((len(names), len(files)), np.nan)
    numbers = [part[c].to_numpy(dtype=np.float64, na_value=np.nan) for c in ("n_events", "n_parent", "fraction")]
    for i in range(len(names)):
        at = row == i
        y[i, column[at]] = outcome(numbers[0][at], numbers[1][at], numbers[2][at], "logit")
    try:
        adjusted, before, after = combat(np.where(complete, y, np.nan), member, Z)
    except AnalysisError as error:
        msg = f"{name}: {error}"
        raise AnalysisError(msg) from error
    same = [names[i] for i in np.flatnonzero(~np.isfinite(adjusted).any(axis=1))]
    if same:
        what = "constant, in one batch, or in too few samples"
        notes.append(f"{name}: not adjusted, as it is {what}: {', '.join(same)}")
    if len(same) == len(names):
        return None
    return expit(adjusted[row, column]), before, after, len(batches)


def _covariates(of: "pd.DataFrame", model: Formula | None) -> Array:
    if model is None:
        return np.empty((len(of), 0))
    encoded = cov.encode(of, model)
    complete = np.all([np.isfinite(c.values) for c in encoded.values()], axis=0)
    Z = np.full((len(of), 0), np.nan)
    at = np.flatnonzero(complete)
    columns, _, _ = cov.design(model, encoded, at, np.arange(len(of))[at])
    Z = np.full((len(of), len(columns)), np.nan)
    for i, c in enumerate(columns):
        Z[at, i] = c.values
    if not len(columns):
        Z = np.where(complete[:, None], np.empty((len(of), 0)), np.nan)
    return Z


def combat(y: Array, batch: NDArray[np.intp], covariates: Array) -> tuple[Array, float, float]:
    """Adjust values for batches.

    Parameters
    ----------
    y
        populations x samples; NaN where unknown.
    batch
        Number of the batch of each sample, from 0; -1: not adjusted.
    covariates
        samples x terms, whose effects stay.

    Returns
    -------
    adjusted
        As `y`; NaN for samples or populations that cannot be adjusted.
    before, after
        Mean over populations of the share of variance between batches, beyond the covariates.

    Raises
    ------
    AnalysisError
        The batches cannot be told from the covariates.
    """
    used = batch >= 0
    n_batches = int(batch.max()) + 1
    B = (batch[:, None] == np.arange(n_batches)).astype(np.float64)
    X = np.column_stack([B, covariates])
    if np.linalg.matrix_rank(X[used]) < min(X.shape[1], int(used.sum())):
        msg = "the batches cannot be told from the terms to keep; keep fewer terms, or use the batch as a factor"
        raise AnalysisError(msg)
    fits = [_standardise(row, batch, X, n_batches) for row in y]
    z = np.array([fit[0] for fit in fits])
    gamma, delta = _shifts(z, batch, n_batches)
    adjusted = np.full(y.shape, np.nan)
    before, after = [], []
    for i, (_, centre, scale) in enumerate(fits):
        if scale <= 0:
            continue
        at = np.isfinite(z[i])
        b = batch[at]
        values = (z[i, at] - gamma[i, b]) / np.sqrt(delta[i, b])
        adjusted[i, at] = values * scale + centre[at]
        before.append(_explained(z[i, at], b, n_batches))
        after.append(_explained(values, b, n_batches))
    return adjusted, float(np.mean(before)) if before else np.nan, float(np.mean(after)) if after else np.nan


def _standardise(y: Array, batch: NDArray[np.intp], X: Array, n_batches: int) -> tuple[Array, Array, float]:
    """Values around the mean over batches plus the covariates' effects, in units of the spread within batches."""
    z, centre = np.full(len(y), np.nan), np.full(len(y), np.nan)
    at = np.isfinite(y) & (batch >= 0)
    size = np.bincount(batch[at], minlength=n_batches)
    here = size > 0
    columns = np.concatenate([here, np.ones(X.shape[1] - n_batches, dtype=bool)])
    design = X[at][:, columns]
    if here.sum() < 2 or at.sum() <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return z, centre, 0.0
    coefficients = np.linalg.lstsq(design, y[at], rcond=None)[0]
    k = int(here.sum())
    grand = float(size[here] @ coefficients[:k]) / int(at.sum())
    scale = float(np.sqrt(((y[at] - design @ coefficients) ** 2).mean()))
    centre[at] = grand + design[:, k:] @ coefficients[k:]
    if scale > 1e-12:
        z[at] = (y[at] - centre[at]) / scale
        return z, centre, scale
    return z, centre, 0.0


def _shifts(z: Array, batch: NDArray[np.intp], n_batches: int) -> tuple[Array, Array]:
    """Shift and squared stretch of each population in each batch, drawn towards those of the batch."""
    gamma, delta = np.zeros((len(z), n_batches)), np.ones((len(z), n_batches))
    for b in range(n_batches):
        part = z[:, batch == b]
        size = np.isfinite(part).sum(axis=1)
        at = np.flatnonzero(size > 0)
        if not len(at):
            continue
        mean = np.nanmean(part[at], axis=1)
        several = size[at] > 1
        variance = np.ones(len(at))
        variance[several] = np.nanvar(part[at[several]], axis=1, ddof=1)
        several &= variance > 0
        if len(at) < 2 or mean.var(ddof=1) == 0:
            gamma[at, b] = mean
            delta[at[several], b] = variance[several]
            continue
        prior = (float(mean.mean()), float(mean.var(ddof=1)))
        spread = variance[several]
        m, s2 = (float(spread.mean()), float(spread.var(ddof=1))) if len(spread) > 1 else (1.0, 0.0)
        for j, i in enumerate(at):
            values = part[i, np.isfinite(part[i])]
            if several[j] and s2 > 0:
                inverse = ((2 * s2 + m**2) / s2, (m * s2 + m**3) / s2)
                gamma[i, b], delta[i, b] = _posterior(values, mean[j], variance[j], prior, inverse)
            else:
                delta[i, b] = variance[j] if several[j] else 1.0
                gamma[i, b] = _shrunk(mean[j], len(values), delta[i, b], prior)
    return gamma, delta


def _shrunk(mean: float, n: int, variance: float, prior: tuple[float, float]) -> float:
    return float((n * prior[1] * mean + variance * prior[0]) / (n * prior[1] + variance))


def _posterior(
    values: Array, mean: float, variance: float, prior: tuple[float, float], inverse: tuple[float, float]
) -> tuple[float, float]:
    """Posterior means of shift and squared stretch, in turn until they stay."""
    n, gamma, delta = len(values), mean, variance
    for _ in range(1000):
        new_gamma = _shrunk(mean, n, delta, prior)
        new_delta = float((inverse[1] + 0.5 * ((values - new_gamma) ** 2).sum()) / (n / 2 + inverse[0] - 1))
        moved = max(abs(new_gamma - gamma), abs(new_delta - delta) / delta)
        gamma, delta = new_gamma, new_delta
        if moved < _CLOSE:
            break
    return gamma, delta


def _explained(values: Array, batch: NDArray[np.intp], n_batches: int) -> float:
    size = np.bincount(batch, minlength=n_batches)
    mean = np.bincount(batch, weights=values, minlength=n_batches) / np.maximum(size, 1)
    total = float(((values - values.mean()) ** 2).sum())
    return float((size * (mean - values.mean()) ** 2).sum() / total) if total > 0 else 0.0
