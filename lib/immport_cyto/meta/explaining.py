"""Why studies differ: meta-regression, subgroups, and the order in which studies came."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from immport_cyto import tables
from immport_cyto.exceptions import AnalysisError, LinkError, OptionError
from immport_cyto.meta import covariates as cov
from immport_cyto.meta.families import Family, Study, families, notes_on
from immport_cyto.meta.formula import parse
from immport_cyto.meta.over_studies import pooled_row
from immport_cyto.meta.pooling import check_method, q_values
from immport_cyto.meta.regression import regress

if TYPE_CHECKING:
    import pandas as pd

_SOURCE = "studies.tsv"


def moderators(
    effects: "pd.DataFrame",
    studies: "pd.DataFrame",
    formula: str,
    *,
    method: str = "REML",
    test: str = "hartung-knapp",
    across_methods: bool = False,
) -> "pd.DataFrame":
    """Meta-regression of each population and term on properties of the studies.

    Parameters
    ----------
    effects
        An EFFECTS table.
    studies
        A STUDIES table: `study_accession`, and a column for each property.
    formula
        Properties, written as in `immport_cyto.meta.effects`: ``"num(year) + technique"``. With `across_methods`,
        ``method`` is a property too: it tells the project's own populations from those that ImmPort gives.
    method, test
        As in `immport_cyto.meta.pool`.
    across_methods
        Put the effects of all methods into one model.

    Returns
    -------
    pandas.DataFrame
        A MODERATORS table: the intercept and the coefficients; `note` says why there is none.

    Raises
    ------
    FormulaError
        The formula cannot be read or names an unknown column.
    OptionError
        Unknown `method` or `test`.
    LinkError
        A study of the effects has no row in `studies`.
    TableError
        A column is missing, a key appears twice, or a quantity holds text.

    See Also
    --------
    immport_cyto.meta.regress : the model, and its source.
    """
    import pandas as pd

    check_method(method, test)
    studies = _keyed(effects, studies)
    rows: list[dict[str, Any]] = []
    for family in families(effects, across_methods=across_methods):
        used = family.used
        properties = studies.loc[[study.study for study in used]].reset_index(drop=True)
        if across_methods:
            properties["method"] = [study.method for study in used]
        rows += _regression_rows(family, used, properties, studies, formula, method, test)
    result = tables.conform(pd.DataFrame(rows, columns=tables.MODERATORS.column_names), tables.MODERATORS)
    for index in result.groupby(["method", "term", "coefficient"]).groups.values():
        result.loc[index, "q_value"] = q_values(result.loc[index, "p_value"].to_numpy())
    return result


def _keyed(effects: "pd.DataFrame", studies: "pd.DataFrame") -> "pd.DataFrame":
    """`studies` by accession; every study of the effects must be there once."""
    studies = tables.conform(studies, tables.STUDIES, source=_SOURCE)
    twice = studies["study_accession"].duplicated()
    if bool(twice.any()):
        name = studies.loc[twice, "study_accession"].iloc[0]
        msg = f"{_SOURCE}: study {name!r} has two rows; keep one"
        raise LinkError(msg)
    missing = sorted(set(effects["study_accession"]) - set(studies["study_accession"]))
    if missing:
        msg = f"{_SOURCE}: no row for {', '.join(missing)}; add the studies of the effects"
        raise LinkError(msg)
    return studies.set_index("study_accession", drop=False)


def _regression_rows(
    family: Family,
    used: list[Study],
    properties: "pd.DataFrame",
    studies: "pd.DataFrame",
    formula: str,
    method: str,
    test: str,
) -> list[dict[str, Any]]:
    known = studies.assign(method="") if "method" in properties else studies
    kinds = {**cov.usable(known), **cov.usable(properties)} if len(used) else cov.usable(known)
    if "method" in properties:
        kinds["method"] = "category"
    model = parse(formula, kinds)
    common = {**family.key, "scale": family.scale, "estimator": f"{method} + {test}"}
    notes = notes_on(family)
    encoded = cov.encode(properties, model, source=_SOURCE)
    complete = np.ones(len(used), dtype=bool)
    for name, covariate in encoded.items():
        unknown = np.isnan(covariate.values) & complete
        if unknown.any():
            notes.append(f"without {name}: {', '.join(used[i].study for i in np.flatnonzero(unknown))}")
        complete &= ~unknown
    at = np.flatnonzero(complete)
    if "method" in properties and len({used[i].study for i in at}) < len(at):
        notes.append("a study with effects of several methods counts with each, although they are not independent")
    subject = np.arange(len(used))
    try:
        if not len(at):
            msg = "no study has an estimate and all properties"
            raise AnalysisError(msg)
        columns, constant, more = cov.design(model, encoded, at, subject[at])
        if constant:
            raise AnalysisError("; ".join(constant.values()))
        fit = regress(
            [used[i].estimate for i in at], [used[i].se for i in at], np.column_stack([c.values for c in columns]),
            [c.term for c in columns], method, test,
        )  # fmt: skip
    except AnalysisError as error:
        note = "; ".join([str(error), *notes])
        return [{**common, "coefficient": name, "k": len(at), "note": note} for name in ("intercept", *model.names)]
    note = "; ".join([*notes, *more])
    return [
        {
            **common, "coefficient": name, "k": fit.k, "estimate": fit.estimate[i], "se": fit.se[i],
            "ci_low": fit.ci_low[i], "ci_high": fit.ci_high[i], "p_value": fit.p_value[i], "tau2": fit.tau2,
            "r2": fit.r2, "qm_p": fit.qm_p, "qe_p": fit.qe_p, "note": note,
        }
        for i, name in enumerate(fit.names)
    ]  # fmt: skip


def subgroups(
    effects: "pd.DataFrame",
    studies: "pd.DataFrame",
    by: str,
    *,
    method: str = "REML",
    test: str = "hartung-knapp",
) -> "pd.DataFrame":
    """Pool the effects within groups of studies, and test whether the groups differ.

    Parameters
    ----------
    effects, studies
        An EFFECTS and a STUDIES table.
    by
        Column of `studies` that makes the groups.
    method, test
        As in `immport_cyto.meta.pool`; each group has its own variance between studies.

    Returns
    -------
    pandas.DataFrame
        A SUBGROUPS table. `q_between` is the weighted sum of squares of the subgroups' effects around their mean,
        compared with chi-squared (Borenstein et al. 2009, Introduction to Meta-Analysis, chapter 19); it needs two
        groups with an estimate.

    Raises
    ------
    OptionError
        `by` is not a column of `studies`, or `method` or `test` is unknown.
    LinkError, TableError
        As in :func:`moderators`.
    """
    import pandas as pd

    check_method(method, test)
    studies = _keyed(effects, studies)
    labels = _labels(studies, by)
    rows: list[dict[str, Any]] = []
    for family in families(effects):
        groups: dict[str, list[Study]] = {}
        for study in family.used:
            groups.setdefault(labels[study.study], []).append(study)
        notes = notes_on(family)
        unknown = [study.study for study in groups.pop("", [])]
        if unknown:
            notes.append(f"without {by}: {', '.join(unknown)}")
        made = {name: pooled_row(found, method, test) for name, found in sorted(groups.items())}
        between = _between([(row["estimate"], row["se"]) for row in made.values()])
        rows += [
            {
                **family.key, "property": by, "subgroup": name, **row, "scale": family.scale, **between,
                "note": "; ".join(text for text in [row["note"], *notes] if text),
            }
            for name, row in made.items()
        ]  # fmt: skip
    return tables.conform(_only(pd.DataFrame(rows), tables.SUBGROUPS), tables.SUBGROUPS)


def _labels(studies: "pd.DataFrame", column: str) -> dict[str, str]:
    if column not in studies.columns or column == "study_accession":
        known = ", ".join(name for name in studies.columns if name != "study_accession") or "none"
        msg = f"{column!r} is not a property in {_SOURCE}; use one of: {known}"
        raise OptionError(msg)
    return {
        str(study): "" if value is None or value != value or str(value) == "<NA>" else str(value).strip()
        for study, value in studies[column].items()
    }


def _between(groups: list[tuple[float, float]]) -> dict[str, float]:
    if len(groups) < 2:
        return {}
    y, se = np.array(groups, dtype=np.float64).T
    w = 1 / se**2
    q = float(w @ (y - w @ y / w.sum()) ** 2)
    return {"q_between": q, "p_between": float(chdtrc(len(y) - 1, q))}


def _only(frame: "pd.DataFrame", table: tables.Table) -> "pd.DataFrame":
    """The columns of a contract, missing ones empty."""
    return frame.reindex(columns=table.column_names)


def cumulative(
    effects: "pd.DataFrame",
    studies: "pd.DataFrame",
    order: str,
    *,
    method: str = "REML",
    test: str = "hartung-knapp",
) -> "pd.DataFrame":
    """Pool the effects again as each study is added, in the order of a property such as the year.

    Parameters
    ----------
    effects, studies
        An EFFECTS and a STUDIES table.
    order
        Column of `studies`: numbers in order of size, text in alphabetical order; equal values by accession.
    method, test
        As in `immport_cyto.meta.pool`.

    Returns
    -------
    pandas.DataFrame
        A CUMULATIVE table; studies without a value of `order` come last.

    Raises
    ------
    OptionError
        `order` is not a column of `studies`, or `method` or `test` is unknown.
    LinkError, TableError
        As in :func:`moderators`.
    """
    import pandas as pd

    check_method(method, test)
    studies = _keyed(effects, studies)
    labels = _labels(studies, order)
    rows: list[dict[str, Any]] = []
    for family in families(effects):
        used = sorted(family.used, key=lambda study: (_rank(labels[study.study]), study.study))
        notes = notes_on(family)
        for step, study in enumerate(used, start=1):
            row = pooled_row(used[:step], method, test)
            rows.append(
                {
                    **family.key, **row, "step": step, "study_accession": study.study,
                    "position": labels[study.study], "scale": family.scale,
                    "note": "; ".join(text for text in [row["note"], *notes] if text),
                }
            )  # fmt: skip
    return tables.conform(_only(pd.DataFrame(rows), tables.CUMULATIVE), tables.CUMULATIVE)


def _rank(label: str) -> tuple[int, float, str]:
    try:
        number = float(label) if label else float("nan")
    except ValueError:
        return (1, 0.0, label)
    return (2, 0.0, "") if np.isnan(number) else (0, number, "")
