"""Covariates of the samples, with their types, and the design matrix that a formula makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from immport_cyto import tables
from immport_cyto.exceptions import FormulaError, OptionError, TableError
from immport_cyto.meta.formula import Formula, Kind, Variable

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# they say which row it is, not what it is like; the subject is in the model by itself
IDENTIFIERS = frozenset({
    "file_name", "sample_id", "study_accession", "experiment_accession", "biosample_accession", "subject_accession",
    "link_rule",
})  # fmt: skip
_DEGREES = ("linear", "quadratic", "cubic", "4th degree", "5th degree")
# ImmPort's ways to say that a value is not known
UNKNOWN = frozenset({"", "unknown", "not specified", "not_specified", "not reported", "not provided"})


@dataclass(frozen=True)
class Covariate:
    """One column over all rows: numbers, or codes of `levels` (the reference level first); NaN is unknown.

    `order` is empty for groups; levels with an order give polynomial contrasts (``ordered``) or one slope (``trend``).
    """

    name: str
    values: Array
    levels: tuple[str, ...] = ()
    order: Literal["", "ordered", "trend"] = ""


@dataclass(frozen=True)
class DesignColumn:
    """One column of the design matrix.

    `term` is its name in the results, `base` the term of the formula; `small` names a level with fewer than two
    subjects, whose effect cannot be told from that subject.
    """

    term: str
    base: str
    values: Array
    small: str = ""


def usable(samples: "pd.DataFrame") -> dict[str, Kind]:
    """Columns that a formula may name, and their kind; a column without any value is ``empty``.

    Columns of the contract have its kind. Of other columns, text is a category, and numbers must be declared in the
    formula, because 1, 2, 3 may be a dose or a batch.
    """
    declared = {column.name: column.kind for column in tables.SAMPLES.columns}
    kinds: dict[str, Kind] = {}
    for name in map(str, samples.columns):
        if name in IDENTIFIERS:
            continue
        known = [value for value in samples[name] if not _unknown(value)]
        if not known:
            kinds[name] = "empty"
            continue
        if name in declared:
            kinds[name] = "number" if declared[name] in ("int", "float") else "category"
        else:
            kinds[name] = "undeclared" if all(_number(value) is not None for value in known) else "category"
    return kinds


def encode(
    samples: "pd.DataFrame",
    formula: Formula,
    baseline: Mapping[str, str] | None = None,
    source: str = "samples.tsv",
) -> dict[str, Covariate]:
    """Turn the columns that `formula` names into numbers and codes, one per row of `samples`.

    The reference level of a category is the one that the formula or `baseline` names, else the first in alphabetical
    order over all rows. `source` names the table in errors.

    Raises
    ------
    TableError
        A quantity holds text or an infinite number.
    FormulaError
        A reference level that no sample has.
    OptionError
        `baseline` names a column that is not a category of the formula.
    """
    baseline = dict(baseline or {})
    categories = [variable.column for variable in formula.variables if variable.kind == "category"]
    for column in baseline:
        if column not in categories:
            known = ", ".join(categories) or "none"
            msg = f"baseline names {column!r}, which is not a category of the formula; use one of: {known}"
            raise OptionError(msg)
    return {
        variable.column: _numeric(samples, variable, source)
        if variable.kind == "number"
        else _categorical(samples, variable, variable.reference or baseline.get(variable.column), source)
        for variable in formula.variables
    }


def _numeric(samples: "pd.DataFrame", variable: Variable, source: str) -> Covariate:
    values = np.full(len(samples), np.nan)
    for i, value in enumerate(samples[variable.column]):
        if _unknown(value):
            continue
        number = _number(value)
        if number is None or not np.isfinite(number):
            what = f"{source}: column {variable.column!r} holds {str(value)[:60]!r}, which is not a finite number"
            msg = f"{what}; correct the cell, or use C({variable.column}) for groups"
            raise TableError(msg)
        values[i] = number
    return Covariate(variable.column, values)


def _categorical(samples: "pd.DataFrame", variable: Variable, reference: str | None, source: str) -> Covariate:
    labels = [None if _unknown(value) else _label(value) for value in samples[variable.column]]
    levels = sorted({label for label in labels if label is not None}, key=_level_order)
    if variable.kind in ("ordered", "trend"):
        levels = _ordered(variable, levels, source)
    if reference is not None:
        if reference not in levels:
            msg = (
                f"reference level {reference!r} of {variable.column!r} is in no sample; use one of: {', '.join(levels)}"
            )
            raise FormulaError(msg)
        levels.remove(reference)
        levels.insert(0, reference)
    codes = {label: float(code) for code, label in enumerate(levels)}
    values = np.array([np.nan if label is None else codes[label] for label in labels], dtype=np.float64)
    order = variable.kind if variable.kind in ("ordered", "trend") else ""
    return Covariate(variable.column, values, tuple(levels), order)


def _ordered(variable: Variable, found: list[str], source: str) -> list[str]:
    """The levels in their order: as the formula gives them, or by their numbers."""
    what = f"{variable.kind}({variable.column})"
    if not variable.levels:
        if any(_number(level) is None for level in found):
            shown = ", ".join(repr(level) for level in found[:8])
            msg = f"{what} needs its levels, the lowest first, since they are not numbers; the column has {shown}"
            raise FormulaError(msg)
        return found
    absent = [level for level in found if level not in variable.levels]
    if absent:
        msg = f"{what} leaves out {absent[0]!r}, which {source} has; put it in its place, or empty those cells"
        raise FormulaError(msg)
    unused = [level for level in variable.levels if level not in found]
    if unused:
        msg = f"level {unused[0]!r} of {what} is in no sample; use {', '.join(found)} in their order"
        raise FormulaError(msg)
    return list(variable.levels)


def design(
    formula: Formula, covariates: Mapping[str, Covariate], rows: Index, subject: Index
) -> tuple[list[DesignColumn], dict[str, str], list[str]]:
    """Columns of the design (without the intercept) for some rows.

    Parameters
    ----------
    formula, covariates
        The model, and all its covariates without unknown values in `rows`.
    rows
        Rows to use.
    subject
        Subject of each of them.

    Returns
    -------
    columns
        In the order of the formula.
    constant
        Terms of the formula that do not vary here, with the reason.
    notes
        What the reader must know, such as a reference level that this study does not have.
    """
    parts: dict[str, list[tuple[str, Array, str]]] = {}
    constant: dict[str, str] = {}
    notes: list[str] = []
    for variable in formula.variables:
        covariate = covariates[variable.column]
        values = covariate.values[rows]
        present = np.unique(values)
        if len(present) < 2:
            shown = covariate.levels[int(present[0])] if covariate.levels else f"{present[0]:g}"
            constant[variable.column] = f"{variable.column} is the same in all samples ({shown})"
            parts[variable.column] = []
        elif not covariate.levels:
            parts[variable.column] = [(variable.column, values, "")]
        elif covariate.order:
            parts[variable.column] = _steps(covariate, values, subject, notes)
        else:
            codes = [int(code) for code in present]
            if codes[0] != 0:
                notes.append(
                    f"no sample has the reference level {covariate.levels[0]} of {variable.column}, "
                    f"compared with {covariate.levels[codes[0]]} instead"
                )
            few = {code: len(np.unique(subject[values == code])) < 2 for code in codes}
            reference = covariate.levels[codes[0]]
            parts[variable.column] = [
                (
                    f"{variable.column}[{covariate.levels[code]} vs {reference}]",
                    (values == code).astype(np.float64),
                    covariate.levels[code] if few[code] else reference if few[codes[0]] else "",
                )
                for code in codes[1:]
            ]
    columns: list[DesignColumn] = []
    for term in formula.terms:
        base = ":".join(term)
        products: list[tuple[str, Array, str]] = [("", np.ones(len(rows)), "")]
        for name in term:
            products = [
                (f"{label}:{part}" if label else part, product * values, small or part_small)
                for label, product, small in products
                for part, values, part_small in parts[name]
            ]
        if not products:
            constant.setdefault(base, "; ".join(constant[name] for name in term if name in constant))
        columns += [DesignColumn(label, base, product, small) for label, product, small in products]
    return columns, constant, notes


def _steps(covariate: Covariate, values: Array, subject: Index, notes: list[str]) -> list[tuple[str, Array, str]]:
    """Columns of ordered levels.

    The trend is the rank of the level. Polynomials are those of R's ``contr.poly`` over the levels that are there,
    but for the linear one, which counts steps, so that its estimate is the change per step.
    """
    present = [int(code) for code in np.unique(values)]
    absent = [level for code, level in enumerate(covariate.levels) if code not in present]
    if absent:
        notes.append(f"no sample has {', '.join(absent)} of {covariate.name}")
    few = next((covariate.levels[code] for code in present if len(np.unique(subject[values == code])) < 2), "")
    if covariate.order == "trend":
        return [
            (f"{covariate.name}[per step: {' < '.join(covariate.levels)}]", values, few if len(present) < 3 else "")
        ]
    if len(present) > len(_DEGREES) + 1:
        msg = f"ordered({covariate.name}) has {len(present)} levels; use trend({covariate.name}) for more than 6"
        raise FormulaError(msg)
    rank = np.searchsorted(present, values)
    steps = np.arange(len(present), dtype=np.float64)
    powers = np.vander(steps - steps.mean(), increasing=True)
    contrasts = np.linalg.qr(powers)[0]
    contrasts *= np.sign((contrasts * powers).sum(axis=0))
    contrasts[:, 1] = steps - steps.mean()
    shown = " < ".join(covariate.levels[code] for code in present)
    return [
        (f"{covariate.name}[{degree}: {shown}]", contrasts[rank, number], few)
        for number, degree in enumerate(_DEGREES[: len(present) - 1], start=1)
    ]


def _unknown(value: object) -> bool:
    if value is None or str(value) == "<NA>" or (isinstance(value, float) and np.isnan(value)):
        return True
    return str(value).strip().lower() in UNKNOWN


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _label(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)):
        return f"{value:.15g}"
    return str(value).strip()


def _level_order(label: str) -> tuple[int, float, str]:
    number = _number(label)
    return (1, 0.0, label) if number is None else (0, number, label)
