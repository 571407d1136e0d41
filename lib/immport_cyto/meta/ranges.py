"""Reference ranges over studies: what fraction of cells is usual at an age.

One row per subject, on the logit scale, so that no percentile is below 0 or above 1. The mean is a restricted cubic
spline of age (four knots) with a shift and a slope for each sex and a random shift per study; the spread is a
straight line in age on the log scale; the percentiles are those of the standardised residuals, whatever their shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from immport_cyto import tables
from immport_cyto.exceptions import AnalysisError, OptionError
from immport_cyto.meta.joining import check_keys
from immport_cyto.meta.models import random_intercept
from immport_cyto.meta.outcome import check_shares, outcome
from immport_cyto.progress import progress

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

PERCENTILES = (2.5, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5)
TOP_CODED = "top-coded"
YEARS = "years"
_DRAWS = 200
# a percentile of 2.5 needs some subjects beyond it
MIN_SUBJECTS = 40
# fewer different ages do not carry a spline
_AGES = 8
_KNOTS = (5, 35, 65, 95)


def reference(
    populations: "pd.DataFrame",
    samples: "pd.DataFrame",
    *,
    ages: Sequence[float] | None = None,
    min_subjects: int = MIN_SUBJECTS,
    seed: int = 42,
    quiet: bool = True,
) -> tuple["pd.DataFrame", list[str]]:
    """Percentiles of the fraction of each population by age and sex.

    Parameters
    ----------
    populations, samples
        A POPULATIONS and a SAMPLES table of healthy subjects; take out others before.
    ages
        Ages in years to give percentiles for; default every five years within the ages that were seen,
        and the first and last whole year of these.
    min_subjects
        Subjects that a population needs, for each sex too half of them.
    seed
        Of the resampling of subjects that gives the intervals (200 draws).
    quiet
        Without it the progress is shown, population by population.

    Returns
    -------
    reference
        A REFERENCE table, for an average study.
    notes
        Populations without a reference and why; what was left out.

    Raises
    ------
    AnalysisError
        No population has enough subjects with age and sex.
    OptionError
        An age is not a number from 0 to 120.
    LinkError
        A file of `populations` has no row in `samples`, or is of another study there.
    TableError
        A column is missing or of the wrong kind, a key appears twice, or a fraction cannot be.

    Notes
    -----
    Ages that stand for "90 or more" are not ages: these subjects get percentiles of their own, without a curve, where
    there are enough of them.
    """
    import pandas as pd

    populations = tables.conform(populations, tables.POPULATIONS, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    check_shares(populations)
    check_keys(populations, samples)
    if ages is not None and not all(np.isfinite(age) and 0 <= age <= 120 for age in ages):
        msg = "an age of the reference is not a number from 0 to 120; give ages in years"
        raise OptionError(msg)
    joined, notes = _subjects(populations, samples)
    rows: list[dict[str, Any]] = []
    told: dict[str, list[str]] = {}
    groups = joined.groupby(["method", "population"], sort=True)
    with progress("reference ranges", groups.ngroups, quiet=quiet) as shown:
        for (method, population), part in groups:
            rng = np.random.default_rng([seed, *str((method, population)).encode()])
            name = f"{population} ({method})"
            found, said = _of_population(part, ages, min_subjects, rng)
            for text in said:
                told.setdefault(text, []).append(name)
            if shown:
                shown.step(name)
            common = {
                "method": method, "population": population,
                "definition": "; ".join(sorted(set(part["definition"]) - {""})),
                "parent": "; ".join(sorted(set(part["parent"]) - {""})),
            }  # fmt: skip
            if ";" in common["definition"] or ";" in common["parent"]:
                told.setdefault("definition or parent differs between samples", []).append(name)
            rows += [{**common, **row} for row in found]
    notes += [f"{', '.join(names)}: {text}" for text, names in told.items()]
    if not rows:
        why = f" ({notes[-1]})" if notes else ""
        msg = f"no population has a reference{why}; give more samples with age and sex, or ask for less"
        raise AnalysisError(msg)
    return tables.conform(pd.DataFrame(rows), tables.REFERENCE), notes


def _subjects(populations: "pd.DataFrame", samples: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """One row per method, population and subject: the mean logit of its samples, its age, sex and study."""
    kept = ["file_name", "subject_accession", "age_years", "age_is_topcoded", "sex"]
    frame = populations.merge(samples[kept], on="file_name").sort_values(
        ["method", "population", "study_accession", "file_name"], ignore_index=True
    )
    n, total, fraction = (
        frame[c].to_numpy(dtype=np.float64, na_value=np.nan) for c in ("n_events", "n_parent", "fraction")
    )
    frame["y"] = np.nan
    for at in frame.groupby(["method", "population", "study_accession"]).indices.values():
        frame.loc[at, "y"] = outcome(n[at], total[at], fraction[at], "logit")
    notes = []
    for what, wrong in (
        ("without a subject", lambda f: f["subject_accession"] == ""),
        ("without age or sex", lambda f: f["age_years"].isna() | ~f["sex"].isin(["Female", "Male"])),
        ("without a fraction", lambda f: ~np.isfinite(f["y"])),
    ):
        bad = wrong(frame)
        files = frame.loc[bad, "file_name"].nunique()
        if files:
            notes.append(f"{files} {'sample' if files == 1 else 'samples'} {what} left out")
        frame = frame[~bad]
    frame = frame.copy()
    frame["topcoded"] = frame["age_is_topcoded"].fillna(False).astype(bool)
    # a subject of two studies counts once, with the study that comes first
    by = ["method", "population", "subject_accession"]
    one = frame.groupby(by, sort=True).agg(
        y=("y", "mean"), age=("age_years", "mean"), sex=("sex", "first"), study=("study_accession", "first"),
        topcoded=("topcoded", "max"), definition=("definition", "first"), parent=("parent", "first"),
    )  # fmt: skip
    return one.reset_index(), notes


def _of_population(
    part: "pd.DataFrame", ages: Sequence[float] | None, min_subjects: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of one population, and what is left out of it and why."""
    curve = part[~part["topcoded"]]
    subjects = {sex: int((curve["sex"] == sex).sum()) for sex in ("Female", "Male")}
    sexes = [sex for sex, n in subjects.items() if n >= min_subjects / 2]
    curve = curve[curve["sex"].isin(sexes)]
    if len(curve) < min_subjects or curve["age"].nunique() < _AGES:
        counted = f"{subjects['Female']} female and {subjects['Male']} male subjects"
        return [], [f"{counted} below the top-coded ages are too few: a reference needs {min_subjects}"]
    notes = [
        f"{n} {sex.lower()} {'subject' if n == 1 else 'subjects'} below the top-coded ages are too few and left out"
        for sex, n in subjects.items() if n and sex not in sexes
    ]  # fmt: skip
    data = _Data.of(curve, sexes)
    if float(np.ptp(data.y)) == 0:
        return [], [*notes, "the fraction is the same in all subjects"]
    fit = data.fit(np.arange(len(data.y)), None)
    drawn = [data.fit(data.resample(rng), fit.ratio) for _ in range(_DRAWS)]
    rows: list[dict[str, Any]] = []
    studies = int(data.study.max()) + 1
    known = {"n_studies": studies, "study_sd": fit.study_sd}
    for code, sex in enumerate(sexes):
        seen = data.age[data.sex == code]
        ends = [float(np.ceil(seen.min())), float(np.floor(seen.max()))]
        grid = sorted({*ends, *(5.0 * i for i in range(25))}) if ages is None else sorted(set(ages))
        outside = [f"{age:g}" for age in grid if not seen.min() <= age <= seen.max()] if ages is not None else []
        if outside:
            span = f"{seen.min():g} to {seen.max():g} years"
            notes.append(f"age {', '.join(outside)} is outside the ages of {sex.lower()} subjects ({span})")
        for age in (age for age in grid if seen.min() <= age <= seen.max()):
            curves = np.array([f.percentiles(age, code) for f in drawn])
            rows += _rows(sex, YEARS, age, fit.percentiles(age, code), curves, known | {"n_subjects": len(seen)})
    old = part[part["topcoded"]]
    for sex in sexes:
        y = np.sort(old.loc[old["sex"] == sex, "y"].to_numpy(dtype=np.float64))
        if len(y) >= min_subjects / 2:
            again = np.array([np.percentile(rng.choice(y, len(y)), PERCENTILES) for _ in range(_DRAWS)])
            age = float(old["age"].min())
            rows += _rows(sex, TOP_CODED, age, np.percentile(y, PERCENTILES), again, known | {"n_subjects": len(y)})
    return rows, notes


def _rows(sex: str, group: str, age: float, y: Array, drawn: Array, known: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [
        {
            "sex": sex, "age_group": group, "age_years": age, "percentile": percentile, "fraction": float(expit(y[i])),
            "low": float(expit(min(low[i], y[i]))), "high": float(expit(max(high[i], y[i]))), **known,
        }
        for i, percentile in enumerate(PERCENTILES)
    ]  # fmt: skip


@dataclass(frozen=True)
class _Fit:
    """A fitted reference: mean and spread by age and sex, quantiles of the standardised residuals."""

    knots: Array
    centre: float
    beta: Array
    spread: Array
    quantiles: Array
    ratio: float
    study_sd: float

    def percentiles(self, age: float, sex: int) -> Array:
        """Logits at `PERCENTILES`."""
        mean = float((_design(np.array([age]), np.array([sex]), self.knots, self.centre) @ self.beta)[0])
        scale = float(np.exp(self.spread[0] + self.spread[1] * (age - self.centre)))
        return mean + scale * self.quantiles


@dataclass(frozen=True)
class _Data:
    y: Array
    age: Array
    sex: Index
    study: Index
    knots: Array

    @classmethod
    def of(cls, frame: "pd.DataFrame", sexes: Sequence[str]) -> "_Data":
        age = frame["age"].to_numpy(dtype=np.float64)
        _, study = np.unique(frame["study"].to_numpy(dtype=str), return_inverse=True)
        sex = np.array([sexes.index(value) for value in frame["sex"]], dtype=np.intp)
        knots = np.unique(np.percentile(age, _KNOTS))
        return cls(frame["y"].to_numpy(dtype=np.float64), age, sex, study.reshape(-1), knots)

    def resample(self, rng: np.random.Generator) -> Index:
        """Subjects drawn anew within each study."""
        parts = [np.flatnonzero(self.study == code) for code in range(int(self.study.max()) + 1)]
        return np.concatenate([rng.choice(part, len(part)) for part in parts])

    def fit(self, at: Index, ratio: float | None) -> _Fit:
        """Fit the subjects `at`; `ratio` of the variance between studies to that within, estimated where None."""
        y, age, sex, study = self.y[at], self.age[at], self.sex[at], self.study[at]
        centre = float(self.age.mean())
        X = _design(age, sex, self.knots, centre)
        if ratio is None:
            ratio = 0.0
            if len(np.unique(study)) > 1:
                model = random_intercept(y, X, study)
                ratio = model.between / model.variance if model.variance > 0 else 0.0
                ratio = float(f"{ratio:.4g}")  # its maximum is flat: later digits are noise that differs by processor
        beta, shift = _shrunk(y, X, study, ratio)
        residual = y - X @ beta - shift[study]
        size = np.log(np.maximum(np.abs(residual), 1e-3 * max(float(residual.std()), 1e-6)))
        line = np.polyfit(age - centre, size, 1)
        spread = np.array([line[1], line[0]])
        standard = residual / np.exp(spread[0] + spread[1] * (age - centre))
        quantiles = np.percentile(standard, PERCENTILES, method="median_unbiased")
        several = len(np.unique(study)) > 1
        study_sd = float(np.sqrt(ratio * residual.var())) if several else float("nan")
        return _Fit(self.knots, centre, beta, spread, quantiles, ratio, study_sd)


def _shrunk(y: Array, X: Array, study: Index, ratio: float) -> tuple[Array, Array]:
    """Generalised least squares with a random shift per study, and the shifts (best linear unbiased predictors)."""
    size = np.bincount(study).astype(np.float64)
    pull = 1 - 1 / np.sqrt(1 + size * ratio)

    def means(values: Array) -> Array:
        return np.bincount(study, weights=values) / np.maximum(size, 1)

    Z = X - (pull[study, None] * np.column_stack([means(column) for column in X.T])[study])
    beta: Array = np.linalg.lstsq(Z, y - pull[study] * means(y)[study], rcond=None)[0].astype(np.float64)
    return beta, means(y - X @ beta) * size * ratio / (1 + size * ratio)


def _design(age: Array, sex: Index, knots: Array, centre: float) -> Array:
    """Intercept, restricted cubic spline of age, and for the second sex a shift and a slope."""
    second = (sex == 1).astype(np.float64)
    columns = [np.ones(len(age)), age - centre, *_spline(age, knots), second, second * (age - centre)]
    return np.column_stack(columns)


def _spline(age: Array, knots: Array) -> list[Array]:
    """Restricted cubic spline beyond its linear part (Harrell 2015, Regression Modeling Strategies, 2.4.5)."""
    k = len(knots)
    if k < 3:
        return []
    last, before = knots[-1], knots[-2]

    def cube(at: float) -> Array:
        return np.asarray(np.maximum(age - at, 0) ** 3)

    scale = (last - knots[0]) ** 2
    return [
        (cube(t) - cube(before) * (last - t) / (last - before) + cube(last) * (before - t) / (last - before)) / scale
        for t in knots[: k - 2].tolist()
    ]
