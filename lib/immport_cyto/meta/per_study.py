"""Effects within each study: one linear model per population, with the subject as the unit of chance."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from immport_cyto import tables
from immport_cyto.exceptions import OptionError, TableError
from immport_cyto.meta import covariates as cov
from immport_cyto.meta.amounts import AMOUNT, VALUES, check_amounts
from immport_cyto.meta.counts import beta_binomial
from immport_cyto.meta.formula import Formula, base_name, parse
from immport_cyto.meta.joining import Joined, Outcome, used
from immport_cyto.meta.models import Fit, least_squares, random_intercept, undetermined
from immport_cyto.meta.outcome import FAMILIES, SCALES, check_shares

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# samples beyond the parameters of the model that a fit needs, so that an interval says something
SPARE = 3
_CHANGE = "change"


def effects(
    populations: "pd.DataFrame",
    samples: "pd.DataFrame",
    formula: str = "age_years + sex",
    *,
    term: str | None = None,
    scale: str = "logit",
    baseline: Mapping[str, str] | None = None,
    change_from: tuple[str, str] | None = None,
    family: str = "linear",
    min_samples: int | None = None,
    exclude_flags: Collection[str] = (),
) -> "pd.DataFrame":
    """Estimate the effect of each term on each population in each study.

    Parameters
    ----------
    populations
        A POPULATIONS table; for the scales ``log10`` and ``median`` with the columns `value` and `unit` of RESULTS
        (see `median_outcomes`).
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
    change_from
        Column of `samples` and its value at the baseline, such as ``("study_time_days", "0")``: the outcome becomes
        the change since the mean of the subject's baseline on the same panel. The term ``change`` is then the mean
        change at average covariates; the formula may be ``"1"``, for nothing else.
    family
        ``linear``, or ``beta-binomial`` for a model of the counts themselves: one sample per subject (samples with the
        same covariates are added), effects on the logit scale.
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
    intercept per subject. A population measured on several panels of a study gets the panel as a further factor, and
    fractions that `adjust` changed get the batch.
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
    what = Outcome(scale, change_from, family)
    _check_outcome(what)
    contract = tables.RESULTS if scale in VALUES else tables.POPULATIONS
    populations = tables.conform(populations, contract, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    if not len(populations):
        msg = "populations.tsv: there are no rows; count populations first"
        raise TableError(msg)
    if scale == AMOUNT:
        check_amounts(populations)
    elif scale not in VALUES:
        check_shares(populations)
    model = parse(formula, cov.usable(samples), intercept_only=change_from is not None)
    wanted = _wanted(model, term, what)
    data = Joined.join(populations, samples, model, baseline, what, frozenset(exclude_flags))
    rows: list[dict[str, Any]] = []
    for (method, population, study), group in data.groups():
        fitted = _study_effects(data, group, min_samples)
        kept = [row for row in fitted if term is None or row["base"] == wanted or row["term"] == wanted]
        for row in kept or _absent(fitted, wanted):
            del row["base"]
            rows.append({"method": method, "population": population, "study_accession": study, **row})
    return tables.conform(pd.DataFrame(rows), tables.EFFECTS)


def _check_outcome(what: Outcome) -> None:
    if what.family not in FAMILIES:
        msg = f"family {what.family!r} is unknown; use one of {', '.join(FAMILIES)}"
        raise OptionError(msg)
    if what.family != "linear" and (what.scale != "logit" or what.change_from):
        msg = f"the family {what.family} models counts on the logit scale; leave out the scale and the baseline visit"
        raise OptionError(msg)


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
    _wanted(model, term, Outcome())
    cov.encode(samples, model, baseline)


def _names(model: Formula, what: Outcome) -> list[str]:
    return [*([_CHANGE] if what.change_from else []), *model.names]


def _wanted(model: Formula, term: str | None, what: Outcome) -> str:
    names = _names(model, what)
    if term is None or term in names:
        return term or ""
    if base_name(term) in names:
        return term
    msg = f"term {term!r} is not in the formula; use one of: {', '.join(names)}"
    raise OptionError(msg)


def _absent(fitted: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """The asked comparison does not exist in this study: one row that says so."""
    row = dict(fitted[0])
    for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "df"):
        row[name] = float("nan")
    row["term"], row["note"] = wanted, f"{wanted} is not in this study"
    return [row]


def _study_effects(data: Joined, group: Index, min_samples: int | None) -> list[dict[str, Any]]:
    """Rows of EFFECTS of one population in one study (with `base`, the term of the formula)."""
    rows, y, notes = used(data, group)
    subject = data.subject[rows]
    common: dict[str, Any] = {
        "definition": "; ".join(data.words("definition", group)),
        "parent": "; ".join(data.words("parent", group)),
        "panel_id": ";".join(data.words("panel_id", group)),
        "n": len(rows),
        "n_subjects": len(np.unique(subject)),
        "scale": data.outcome.scale,
        "model": f"{data.outcome} ~ {str(data.model) or 1}",
    }

    def empty(term: str, base: str, reason: str) -> dict[str, Any]:
        return {"term": term, "base": base, **common, "note": "; ".join([reason, *notes])}

    names = _names(data.model, data.outcome)
    if not len(rows):
        return [empty(name, name, "no usable sample") for name in names]
    columns, constant, more = cov.design(data.model, data.covariates, rows, subject)
    if data.outcome.change_from:
        columns = [cov.DesignColumn(_CHANGE, _CHANGE, np.ones(len(rows))), *(_centred(column) for column in columns)]
    notes += more
    notes += _adjusted(data, rows)
    outcome_problem = _outcome_problem(data, rows, y)
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
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
        shift = 0 if data.outcome.change_from else 1
        for i, column in enumerate(columns, start=shift):
            reason = _refusal(fit, i, column, counts, min_samples)
            row = empty(column.term, column.base, reason) if reason else _estimated(fit, i, column, common, notes)
            result[column.base].append(row)
    return [row for name in names for row in result[name]]


def _adjusted(data: Joined, rows: Index) -> list[str]:
    """That fractions were adjusted for batches, and what the errors cover of it."""
    found = []
    for name, codes in data.batches.items():
        size = np.unique(codes[rows][codes[rows] >= 0], return_counts=True)[1]
        if len(size):
            found.append(
                f"fractions adjusted for {name} (smallest batch: {size.min()}): the errors cover that "
                f"shifts were estimated, not stretches; {name} as a term on measured fractions covers all"
            )
    return found


def _centred(column: cov.DesignColumn) -> cov.DesignColumn:
    return replace(column, values=column.values - column.values.mean())


def _outcome_problem(data: Joined, rows: Index, y: Array) -> str:
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
    problem: str


def _fit(
    data: Joined, rows: Index, y: Array, subject: Index, columns: list[cov.DesignColumn], common: dict[str, Any]
) -> tuple[Fit, _Counts]:
    """Average what is repeated, choose the model, fit it; writes `model` into `common`."""
    start = [] if data.outcome.change_from else [np.ones(len(rows))]
    X = np.column_stack([*start, *(column.values for column in columns)])
    for name, of in {"panel_id": data.panel, **data.batches}.items():
        codes = np.unique(of[rows])
        if len(codes) > 1 and name not in data.covariates:
            X = np.column_stack([X, *((of[rows] == code).astype(np.float64) for code in codes[1:])])
            common["model"] += f" + {name}"
    cells = np.column_stack([subject, X])
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    cell = cell.reshape(-1)
    mean = np.bincount(cell, weights=y) / np.bincount(cell)
    X, owner = X[first], np.unique(subject[first], return_inverse=True)[1].reshape(-1)
    subjects, problem = int(owner.max()) + 1, ""
    if data.outcome.family != "linear":
        problem = _uncountable(data, rows, subjects == len(mean))
        n = np.bincount(cell, weights=data.n_events[rows]).astype(np.float64)
        total = np.bincount(cell, weights=data.n_parent[rows]).astype(np.float64)
        fit = undetermined(X.shape[1]) if problem else beta_binomial(n, total, X)
        if not problem and np.isnan(fit.estimate).all():
            problem = "no finite estimate: collinear terms, or a group without any event"
        common["model"] += f"; {data.outcome.family}"
    elif subjects == len(mean):
        fit = least_squares(mean, X)
        common["model"] += "; least squares" + (" on subject means" if len(mean) < len(rows) else "")
    else:
        fit = random_intercept(mean, X, owner)
        common["model"] += "; random intercept per subject, REML"
    events = data.amount[rows]
    positive = len(np.unique(subject[~(events == 0)]))
    parameters = int(np.linalg.matrix_rank(X / np.maximum(np.abs(X).max(axis=0), 1e-300)))
    return fit, _Counts(subjects, positive, parameters, float(mean.var()), problem)


def _uncountable(data: Joined, rows: Index, alone: bool) -> str:
    """Why a model of the counts cannot be fitted, or ``""``."""
    if not np.isfinite(data.n_events[rows]).all() or not np.isfinite(data.n_parent[rows]).all():
        return "samples without counts, which the family beta-binomial needs; use linear"
    if not alone:
        return "subjects with several samples that differ in the terms; the family beta-binomial takes one, use linear"
    return ""


def _refusal(fit: Fit, i: int, column: cov.DesignColumn, counts: _Counts, min_samples: int | None) -> str:
    """Why coefficient `i` must not be reported, or ``""``."""
    needed = counts.parameters + SPARE if min_samples is None else min_samples
    if counts.subjects < needed:
        return f"{_subjects(counts.subjects)} for {counts.parameters} parameters, at least {needed} are needed"
    if counts.positive < needed:
        return f"the population has events in {_subjects(counts.positive)} only, at least {needed} are needed"
    if counts.problem:
        return counts.problem
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


def _subjects(n: int) -> str:
    return f"{n} subject" + ("" if n == 1 else "s")
