"""Populations joined with the samples that they were counted in, and which rows enter a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import tables
from immport_cyto.exceptions import LinkError, OptionError, TableError
from immport_cyto.meta import covariates as cov
from immport_cyto.meta.amounts import AMOUNT, VALUES, amount_outcome
from immport_cyto.meta.formula import Formula
from immport_cyto.meta.outcome import outcome

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

ADJUSTED_FOR = "adjusted_for"
"""Column of populations whose fractions `meta adjust` changed: the column of the samples that named the batches."""


@dataclass(frozen=True)
class Outcome:
    """What the model explains.

    Attributes
    ----------
    scale
        One of `SCALES`.
    change_from
        Column of the samples and its value at the baseline: the outcome is the change from there.
    family
        ``linear`` or ``beta-binomial``.
    """

    scale: str = "logit"
    change_from: tuple[str, str] | None = None
    family: str = "linear"

    def __str__(self) -> str:
        if self.family != "linear":
            return "events of parent"
        return f"change of {self.scale} since {'='.join(self.change_from)}" if self.change_from else self.scale


@dataclass(frozen=True)
class Joined:
    """Populations joined with the covariates of their samples, as arrays."""

    frame: "pd.DataFrame"
    model: Formula
    covariates: dict[str, cov.Covariate]
    outcome: Outcome
    exclude_flags: frozenset[str]
    n_events: Array
    n_parent: Array
    fraction: Array
    value: Array
    subject: Index
    panel: Index
    topcoded: NDArray[np.bool_]
    at_baseline: NDArray[np.bool_]
    shared: dict[str, dict[int, str]] = field(default_factory=dict)
    batches: dict[str, Index] = field(default_factory=dict)  # of adjusted fractions

    @classmethod
    def join(
        cls,
        populations: "pd.DataFrame",
        samples: "pd.DataFrame",
        model: Formula,
        baseline: Mapping[str, str] | None,
        what: Outcome,
        exclude_flags: frozenset[str],
    ) -> "Joined":
        """Join the two tables; a file without a sample, or a key that appears twice, is an error."""
        import pandas as pd

        check_keys(populations, samples)
        frame = populations.sort_values(["method", "population", "study_accession", "file_name"], ignore_index=True)
        at = pd.Index(samples["file_name"]).get_indexer(frame["file_name"])
        per_file = cov.encode(samples, model, baseline)
        covariates = {name: replace(covariate, values=covariate.values[at]) for name, covariate in per_file.items()}
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
        known = what.scale in VALUES
        numbers["value"] = frame["value"].to_numpy(dtype=np.float64) if known else np.full(len(frame), np.nan)
        first = _baseline(samples, what.change_from)
        return cls(
            frame, model, covariates, what, exclude_flags, **numbers, subject=np.asarray(subject, dtype=np.intp),
            panel=np.asarray(pd.factorize(frame["panel_id"], sort=True)[0], dtype=np.intp),
            topcoded=samples["age_is_topcoded"].fillna(False).to_numpy(dtype=bool)[at], at_baseline=first[at],
            shared=shared, batches=_batches(frame, samples, at),
        )  # fmt: skip

    def groups(self) -> list[tuple[tuple[str, str, str], Index]]:
        """Rows of each (method, population, study), in order."""
        keys = ["method", "population", "study_accession"]
        found = self.frame.groupby(keys, sort=True).indices
        return [(key, np.asarray(rows, dtype=np.intp)) for key, rows in sorted(found.items())]

    @property
    def amount(self) -> Array:
        """What is 0 where the population is absent: its events, or its value on the scale ``log10``."""
        return self.value if self.outcome.scale == AMOUNT else self.n_events

    def words(self, column: str, rows: Index) -> list[str]:
        """Different values of a column, empty ones left out."""
        return sorted({str(value) for value in self.frame[column].to_numpy()[rows]} - {""})


def _batches(frame: "pd.DataFrame", samples: "pd.DataFrame", at: Index) -> dict[str, Index]:
    """Codes of the batches that fractions were adjusted for, by column; -1 where a row was not adjusted."""
    import pandas as pd

    if ADJUSTED_FOR not in frame.columns:
        return {}
    of = frame[ADJUSTED_FOR].fillna("").astype(str)
    found = {}
    for column in sorted(set(of) - {"", "study_accession"}):  # within a study there is one study
        if column not in samples.columns:
            msg = f"populations.tsv was adjusted for {column!r}, which samples.tsv has not; give the samples of then"
            raise TableError(msg)
        codes = pd.factorize(samples[column].astype("string").fillna(""), sort=True)[0][at]
        found[column] = np.where(of == column, codes, -1).astype(np.intp)
    return found


def _baseline(samples: "pd.DataFrame", change_from: tuple[str, str] | None) -> NDArray[np.bool_]:
    """Which samples are at the baseline; numbers are compared as numbers."""
    if change_from is None:
        return np.zeros(len(samples), dtype=bool)
    column, wanted = change_from
    if column not in samples.columns:
        msg = f"{column!r}, which names the baseline, is not a column of samples.tsv; use study_time_days or visit_name"
        raise OptionError(msg)
    found = samples[column].astype("string").fillna("")
    at = (found == wanted).to_numpy(dtype=bool)
    try:
        number = float(wanted)
        at |= np.array([_as_number(text) == number for text in found])
    except ValueError:
        pass
    if not at.any():
        known = sorted({text for text in found if text})
        msg = f"no sample has {column}={wanted}; use one of: {', '.join(known[:12]) or 'none, the column is empty'}"
        raise OptionError(msg)
    return at


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def check_keys(populations: "pd.DataFrame", samples: "pd.DataFrame") -> None:
    """One row per file in `samples`, one per method, population and file in `populations`, of the same study.

    Raises
    ------
    TableError
        A key appears twice.
    LinkError
        A file has no row in `samples`, or is of another study there.
    """
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


def used(data: Joined, group: Index) -> tuple[Index, Array, list[str]]:
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
    if data.outcome.scale == AMOUNT:
        y, zeros = amount_outcome(data.value[rows])
        if zeros:
            notes.append(f"value 0 in {_samples(zeros)}, taken as half of the smallest above 0")
    elif data.outcome.scale in VALUES:
        y = data.value[rows]
    else:
        y = outcome(data.n_events[rows], data.n_parent[rows], data.fraction[rows], data.outcome.scale)
    unknown = ~np.isfinite(y)
    if unknown.any():
        what = "value" if data.outcome.scale in VALUES else "fraction"
        notes.append(f"{_samples(int(unknown.sum()))} without a {what} left out")
    rows, y = rows[~unknown], y[~unknown]
    if data.outcome.change_from:
        rows, y = _changes(data, rows, y, notes)
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


def _changes(data: Joined, rows: Index, y: Array, notes: list[str]) -> tuple[Index, Array]:
    """Each later value minus the mean of its subject's baseline on the same panel."""
    _, unit = np.unique(np.column_stack([data.subject[rows], data.panel[rows]]), axis=0, return_inverse=True)
    unit = unit.reshape(-1)
    first = data.at_baseline[rows]
    size = int(unit.max()) + 1 if len(unit) else 0
    count = np.bincount(unit[first], minlength=size)
    start = np.bincount(unit[first], weights=y[first], minlength=size) / np.maximum(count, 1)
    later = ~first & (count[unit] > 0)
    without = int((~first & (count[unit] == 0)).sum())
    if without:
        notes.append(f"{_samples(without)} of subjects without a baseline left out")
    return rows[later], (y - start[unit])[later]


def _samples(n: int) -> str:
    return f"{n} sample" + ("" if n == 1 else "s")
