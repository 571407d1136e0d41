"""Effects within each study: one linear model per population, with the subject as the unit of chance."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from immport_cyto import tables
from immport_cyto.exceptions import LinkError, OptionError, TableError
from immport_cyto.meta import covariates as cov
from immport_cyto.meta.amounts import AMOUNT, amount_outcome, check_amounts
from immport_cyto.meta.formula import Formula, base_name, parse
from immport_cyto.meta.models import Fit, least_squares, random_intercept
from immport_cyto.meta.outcome import SCALES, check_shares, outcome

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# samples beyond the parameters of the model that a fit needs, so that an interval says something
SPARE = 3


def effects(
    populations: "pd.DataFrame",
    samples: "pd.DataFrame",
    formula: str = "age_years + sex",
    *,
    term: str | None = None,
    scale: str = "logit",
    baseline: Mapping[str, str] | None = None,
    min_samples: int | None = None,
    exclude_flags: Collection[str] = (),
) -> "pd.DataFrame":
    """Estimate the effect of each term on each population in each study.

    Parameters
    ----------
    populations
        A POPULATIONS table; for the scale ``log10`` with the columns `value` and `unit` of RESULTS.
    samples
        A SAMPLES table with a row for each file of `populations`.
    formula
        Terms of the model over the columns of `samples`: see `immport_cyto.meta.formula`.
    term
        Give only this term, by its name in the formula (``sex``) or in the result (``sex[Male vs Female]``).
    scale
        Scale of the outcome, one of `SCALES`: see `immport_cyto.meta.outcome`.
    baseline
        Reference level per category; without one, the first in alphabetical order.
    min_samples
        Subjects that a fit needs. By default 3 more than there are parameters; a smaller number is obeyed as long as
        one residual degree of freedom is left.
    exclude_flags
        Leave out samples that carry one of these words in `flag`.

    Returns
    -------
    pandas.DataFrame
        An EFFECTS table in order of method, population, study and term. A term that cannot be estimated has a row
        with an empty estimate and the reason in `note`.

    Raises
    ------
    OptionError
        Unknown `scale` or `term`, or a `baseline` that does not fit the formula.
    FormulaError
        The formula cannot be read or names an unknown column.
    TableError
        A column is missing, of the wrong kind, or a key appears twice; a fraction is not from 0 to 1 or a count is
        above that of its parent.
    LinkError
        A file of `populations` has no row in `samples`, or is of another study there.

    Notes
    -----
    Values that differ in nothing but the file (same subject, panel and covariates) are averaged on the scale of the
    outcome; if every subject is then left with one value the model is ordinary least squares, else it has a random
    intercept per subject. A population measured on several panels of a study gets the panel as a further factor.
    With this, 20 subjects with 3 files each and an intraclass correlation of .7 give the nominal rate of false
    positives (``validation/meta.py``), where counting each file as independent gives .22.
    """
    import pandas as pd

    if scale not in SCALES:
        msg = f"scale {scale!r} is unknown; use one of {', '.join(SCALES)}"
        raise OptionError(msg)
    if min_samples is not None and min_samples < 1:
        msg = f"min_samples is {min_samples}; use 1 or more"
        raise OptionError(msg)
    contract = tables.RESULTS if scale == AMOUNT else tables.POPULATIONS
    populations = tables.conform(populations, contract, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    if not len(populations):
        msg = "populations.tsv: there are no rows; count populations first"
        raise TableError(msg)
    if scale == AMOUNT:
        check_amounts(populations)
    else:
        check_shares(populations)
    model = parse(formula, cov.usable(samples))
    wanted = _wanted(model, term)
    data = _Data.join(populations, samples, model, baseline, scale, frozenset(exclude_flags))
    rows: list[dict[str, Any]] = []
    for (method, population, study), group in data.groups():
        fitted = _study_effects(data, group, min_samples)
        kept = [row for row in fitted if term is None or row["base"] == wanted or row["term"] == wanted]
        for row in kept or _absent(fitted, wanted):
            del row["base"]
            rows.append({"method": method, "population": population, "study_accession": study, **row})
    return tables.conform(pd.DataFrame(rows), tables.EFFECTS)


def check_formula(
    formula: str, samples: "pd.DataFrame", term: str | None = None, baseline: Mapping[str, str] | None = None
) -> None:
    """Check a formula, the term that is asked and the reference levels, before any work.

    Raises
    ------
    FormulaError
        The formula cannot be read, or names an unknown column, or a level that no sample has.
    OptionError
        The term is not in the formula, or `baseline` names a column that is not a category of it.
    TableError
        A column of numbers holds text.
    """
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    model = parse(formula, cov.usable(samples))
    _wanted(model, term)
    cov.encode(samples, model, baseline)


def _wanted(model: Formula, term: str | None) -> str:
    if term is None or term in model.names:
        return term or ""
    if base_name(term) in model.names:
        return term
    msg = f"term {term!r} is not in the formula; use one of: {', '.join(model.names)}"
    raise OptionError(msg)


def _absent(fitted: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """The asked comparison does not exist in this study: one row that says so."""
    row = dict(fitted[0])
    for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "df"):
        row[name] = float("nan")
    row["term"], row["note"] = wanted, f"{wanted} is not in this study"
    return [row]


@dataclass(frozen=True)
class _Data:
    """Populations joined with the covariates of their samples, as arrays."""

    frame: "pd.DataFrame"
    model: Formula
    covariates: dict[str, cov.Covariate]
    scale: str
    exclude_flags: frozenset[str]
    n_events: Array
    n_parent: Array
    fraction: Array
    value: Array
    subject: Index
    panel: Index
    topcoded: NDArray[np.bool_]
    shared: dict[str, dict[int, str]] = field(default_factory=dict)

    @classmethod
    def join(
        cls,
        populations: "pd.DataFrame",
        samples: "pd.DataFrame",
        model: Formula,
        baseline: Mapping[str, str] | None,
        scale: str,
        exclude_flags: frozenset[str],
    ) -> "_Data":
        import pandas as pd

        _check_keys(populations, samples)
        frame = populations.sort_values(["method", "population", "study_accession", "file_name"], ignore_index=True)
        at = pd.Index(samples["file_name"]).get_indexer(frame["file_name"])
        per_file = cov.encode(samples, model, baseline)
        covariates = {
            name: cov.Covariate(name, covariate.values[at], covariate.levels) for name, covariate in per_file.items()
        }
        accession = samples["subject_accession"].to_numpy()[at]
        subject = pd.factorize(accession, sort=True)[0]
        subject = np.where(accession == "", -1, subject)
        studies = (
            pd.DataFrame({"subject": subject, "study": frame["study_accession"]})
            .query("subject >= 0")
            .drop_duplicates()
        )
        shared: dict[str, dict[int, str]] = {}
        for code, group in studies.groupby("subject")["study"]:
            for study in group if len(group) > 1 else ():
                shared.setdefault(study, {})[int(str(code))] = ", ".join(sorted(set(group) - {study}))
        numbers = {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in ("n_events", "n_parent", "fraction")
        }
        numbers["value"] = frame["value"].to_numpy(dtype=np.float64) if scale == AMOUNT else np.full(len(frame), np.nan)
        return cls(
            frame, model, covariates, scale, exclude_flags, **numbers, subject=np.asarray(subject, dtype=np.intp),
            panel=np.asarray(pd.factorize(frame["panel_id"], sort=True)[0], dtype=np.intp),
            topcoded=samples["age_is_topcoded"].fillna(False).to_numpy(dtype=bool)[at], shared=shared,
        )  # fmt: skip

    def groups(self) -> list[tuple[tuple[str, str, str], Index]]:
        """Rows of each (method, population, study), in order."""
        keys = ["method", "population", "study_accession"]
        found = self.frame.groupby(keys, sort=True).indices
        return [(key, np.asarray(rows, dtype=np.intp)) for key, rows in sorted(found.items())]

    @property
    def amount(self) -> Array:
        """What is 0 where the population is absent: its events, or its value on the scale ``log10``."""
        return self.value if self.scale == AMOUNT else self.n_events

    def words(self, column: str, rows: Index) -> list[str]:
        """Different values of a column, empty ones left out."""
        return sorted({str(value) for value in self.frame[column].to_numpy()[rows]} - {""})


def _check_keys(populations: "pd.DataFrame", samples: "pd.DataFrame") -> None:
    twice = samples["file_name"].duplicated()
    if bool(twice.any()):
        msg = f"samples.tsv: file {samples.loc[twice, 'file_name'].iloc[0]!r} has two rows; keep one row per file"
        raise TableError(msg)
    twice = populations.duplicated(list(tables.POPULATIONS.key))
    if bool(twice.any()):
        row = populations.loc[twice].iloc[0]
        what = f"populations.tsv: file {row['file_name']!r} has population {row['population']!r} twice"
        msg = f"{what} by method {row['method']!r}; make the names unique"
        raise TableError(msg)
    study = dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    for name, of in zip(populations["file_name"], populations["study_accession"], strict=True):
        if name not in study:
            msg = f"file {name!r} of populations.tsv has no row in samples.tsv; give the samples table of the same run"
            raise LinkError(msg)
        if study[name] != of:
            what = f"file {name!r} is of study {of!r} in populations.tsv and of {study[name]!r} in samples.tsv"
            msg = f"{what}; correct one of them"
            raise LinkError(msg)


def _study_effects(data: _Data, group: Index, min_samples: int | None) -> list[dict[str, Any]]:
    """Rows of EFFECTS of one population in one study (with `base`, the term of the formula)."""
    rows, y, notes = _used(data, group)
    subject = data.subject[rows]
    common: dict[str, Any] = {
        "definition": "; ".join(data.words("definition", group)),
        "parent": "; ".join(data.words("parent", group)),
        "panel_id": ";".join(data.words("panel_id", group)),
        "n": len(rows),
        "n_subjects": len(np.unique(subject)),
        "scale": data.scale,
        "model": f"{data.scale} ~ {data.model}",
    }

    def empty(term: str, base: str, reason: str) -> dict[str, Any]:
        return {"term": term, "base": base, **common, "note": "; ".join([reason, *notes])}

    if not len(rows):
        return [empty(name, name, "no usable sample") for name in data.model.names]
    columns, constant, more = cov.design(data.model, data.covariates, rows, subject)
    notes += more
    outcome_problem = _outcome_problem(data, rows, y)
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in data.model.names}
    for base, reason in constant.items():
        if base in result:
            result[base] = [empty(base, base, reason)]
    if constant and columns:
        notes += [reason for base, reason in constant.items() if ":" not in base]
    if outcome_problem or not columns:
        for column in columns:
            result[column.base].append(empty(column.term, column.base, outcome_problem))
    else:
        fit, counts = _fit(data, rows, y, subject, columns, common)
        for i, column in enumerate(columns):
            reason = _refusal(fit, i + 1, column, counts, min_samples)
            row = empty(column.term, column.base, reason) if reason else _estimated(fit, i + 1, column, common, notes)
            result[column.base].append(row)
    return [row for name in data.model.names for row in result[name]]


def _used(data: _Data, group: Index) -> tuple[Index, Array, list[str]]:
    """Rows that enter the model, their outcome, and a note on each that does not."""
    notes: list[str] = []
    flags = data.frame["flag"].to_numpy()[group]
    excluded = np.array([bool(data.exclude_flags & set(str(flag).split(";"))) for flag in flags], dtype=bool)
    if excluded.any():
        notes.append(f"{_samples(int(excluded.sum()))} left out by flag")
    rows = group[~excluded]
    without = data.subject[rows] < 0
    if without.any():
        notes.append(f"{_samples(int(without.sum()))} without a subject left out")
    rows = rows[~without]
    for name, covariate in data.covariates.items():
        missing = np.isnan(covariate.values[rows])
        if missing.any():
            notes.append(f"{_samples(int(missing.sum()))} without {name} left out")
        rows = rows[~missing]
    if data.scale == AMOUNT:
        y, zeros = amount_outcome(data.value[rows])
        if zeros:
            notes.append(f"value 0 in {_samples(zeros)}, taken as half of the smallest above 0")
    else:
        y = outcome(data.n_events[rows], data.n_parent[rows], data.fraction[rows], data.scale)
    unknown = ~np.isfinite(y)
    if unknown.any():
        what = "value" if data.scale == AMOUNT else "fraction"
        notes.append(f"{_samples(int(unknown.sum()))} without a {what} left out")
    rows, y = rows[~unknown], y[~unknown]
    if "age_years" in data.covariates and data.topcoded[rows].any():
        notes.append(f"age is top-coded in {_samples(int(data.topcoded[rows].sum()))}")
    differing = [column for column in ("definition", "parent") if len(data.words(column, group)) > 1]
    notes += [f"{column} differs between samples" for column in differing]
    if len(rows):
        also = data.shared.get(str(data.frame["study_accession"].iloc[rows[0]]), {})
        found = [also[code] for code in np.unique(data.subject[rows]).tolist() if code in also]
        if found:
            others = ", ".join(sorted(set(", ".join(found).split(", "))))
            notes.append(f"shared subjects: {len(found)} also in {others}")
    return rows, y, notes


def _outcome_problem(data: _Data, rows: Index, y: Array) -> str:
    counts = data.amount[rows]
    if np.isfinite(counts).all() and not counts.any():
        return "no event in any sample"
    if float(np.ptp(y)) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        return "the outcome is the same in all samples"
    return ""


@dataclass(frozen=True)
class _Counts:
    subjects: int
    positive: int
    parameters: int
    spread: float


def _fit(
    data: _Data, rows: Index, y: Array, subject: Index, columns: list[cov.DesignColumn], common: dict[str, Any]
) -> tuple[Fit, _Counts]:
    """Average what is repeated, choose the model, fit it; writes `model` into `common`."""
    X = np.column_stack([np.ones(len(rows)), *(column.values for column in columns)])
    panel = data.panel[rows]
    panels = np.unique(panel)
    if len(panels) > 1 and "panel_id" not in data.covariates:
        X = np.column_stack([X, *((panel == code).astype(np.float64) for code in panels[1:])])
        common["model"] += " + panel_id"
    cells = np.column_stack([subject, X])
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    cell = cell.reshape(-1)
    mean = np.bincount(cell, weights=y) / np.bincount(cell)
    X, owner = X[first], np.unique(subject[first], return_inverse=True)[1].reshape(-1)
    subjects = int(owner.max()) + 1
    if subjects == len(mean):
        fit = least_squares(mean, X)
        common["model"] += "; least squares" + (" on subject means" if len(mean) < len(rows) else "")
    else:
        fit = random_intercept(mean, X, owner)
        common["model"] += "; random intercept per subject, REML"
    events = data.amount[rows]
    positive = len(np.unique(subject[~(events == 0)]))
    parameters = int(np.linalg.matrix_rank(X / np.maximum(np.abs(X).max(axis=0), 1e-300)))
    return fit, _Counts(subjects, positive, parameters, float(mean.var()))


def _refusal(fit: Fit, i: int, column: cov.DesignColumn, counts: _Counts, min_samples: int | None) -> str:
    """Why coefficient `i` must not be reported, or ``""``."""
    needed = counts.parameters + SPARE if min_samples is None else min_samples
    if counts.subjects < needed:
        return f"{_subjects(counts.subjects)} for {counts.parameters} parameters, at least {needed} are needed"
    if counts.positive < needed:
        return f"the population has events in {_subjects(counts.positive)} only, at least {needed} are needed"
    if not (fit.df >= 1).any():
        return f"{_subjects(counts.subjects)} for {counts.parameters} parameters leave no degree of freedom"
    if counts.spread == 0 or fit.variance + fit.between <= 1e-12 * counts.spread:
        return "the model fits the data exactly, there is nothing left to judge chance by"
    if column.small:
        return f"level {column.small} has one subject only"
    if np.isnan(fit.estimate[i]):
        return "cannot be told from the other terms (collinear)"
    spare = SPARE if min_samples is None else 1
    if fit.df[i] < spare:
        return f"{fit.df[i]:g} residual degrees of freedom, at least {spare} are needed"
    return ""


def _estimated(fit: Fit, i: int, column: cov.DesignColumn, common: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    estimate, se, df = float(fit.estimate[i]), float(fit.se[i]), float(fit.df[i])
    reach = float(stdtrit(df, 0.975)) * se
    return {
        "term": column.term, "base": column.base, **common, "estimate": estimate, "se": se,
        "ci_low": estimate - reach, "ci_high": estimate + reach, "p_value": 2 * float(stdtr(df, -abs(estimate / se))),
        "df": df, "note": "; ".join(notes),
    }  # fmt: skip


def _samples(n: int) -> str:
    return f"{n} sample" + ("" if n == 1 else "s")


def _subjects(n: int) -> str:
    return f"{n} subject" + ("" if n == 1 else "s")
