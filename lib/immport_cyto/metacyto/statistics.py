"""MetaCyto's statistics: one model over all studies, one per study, and the pooled effect."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto import tables
from immport_cyto.exceptions import FormulaError, OptionError, TableError
from immport_cyto.meta.pooling import pool_at, q_values
from immport_cyto.metacyto.least_squares import Array, Coefficient, columns_of, complete, fit, z_score

if TYPE_CHECKING:
    import pandas as pd

FRACTION = "fraction"
STUDY = "panel_of_study"
_ASSAYS = {"flow": "FCM", "cytof": "CyTOF"}
_STOP = 1e-5
_MOST_STEPS = 100
_Z = 1.959963984540054
_FEW_STUDIES = 20


def panels_of_studies(rows: "pd.DataFrame") -> list[str]:
    """What MetaCyto calls the study of each row: one panel of one study, such as SDY736_FCM-1.

    Panels of a study and technique are numbered as they first appear in the order of the file names. A `panel_id` that
    names the study already (from MetaCyto's own tables) is kept.
    """
    columns = ["study_accession", "panel_id"]
    names: dict[tuple[str, str], str] = {}
    count: dict[str, int] = {}
    ordered = rows.sort_values("file_name", kind="stable").drop_duplicates(columns)
    for study, panel in zip(ordered["study_accession"], ordered["panel_id"], strict=True):
        technique = _ASSAYS.get(panel.partition("-")[0], panel.partition("-")[0])
        stem = "_".join(word for word in (study, technique) if word)
        if study and study in panel:
            names[study, panel] = panel
            continue
        count[stem] = count.get(stem, 0) + 1
        names[study, panel] = f"{stem}-{count[stem]}"
    return [names[key] for key in zip(rows["study_accession"], rows["panel_id"], strict=True)]


def variables(formula: str, samples: "pd.DataFrame", term: str | None = None) -> tuple[str, list[str]]:
    """The variable of interest and the other variables of ``a + b + c``.

    Without `term` the first variable is the one of interest.

    Raises
    ------
    FormulaError
        Anything but names of columns of samples.tsv joined by +, or a `term` that is not in the formula.
    """
    names = [name.strip() for name in formula.split("+")]
    for name in names:
        if not re.fullmatch(r"\w[\w .]*", name) or name not in samples.columns:
            msg = (
                f"formula {formula!r}: {name!r} is no column of samples.tsv; MetaCyto's models are columns joined by +"
            )
            raise FormulaError(msg)
    wanted = names[0] if term is None else term.partition("[")[0]
    if wanted not in names:
        msg = f"term {term!r} is not in the formula {formula!r}; use one of {', '.join(names)}"
        raise FormulaError(msg)
    return wanted, [name for name in dict.fromkeys(names) if name != wanted]


def collect(
    populations: "pd.DataFrame", samples: "pd.DataFrame", medians: "pd.DataFrame | None" = None,
    parameter: str = FRACTION,
) -> "pd.DataFrame":  # fmt: skip
    """One row per label and file with column ``value``, in the order of `populations`, and the columns of `samples`.

    Parameters
    ----------
    parameter
        ``fraction``, or a marker of `medians`.
    """
    rows = tables.conform(populations, tables.POPULATIONS, source="populations.tsv")
    known = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    rows[STUDY] = panels_of_studies(rows)
    if parameter == FRACTION:
        rows["value"] = rows["fraction"]
    else:
        if medians is None:
            msg = f"parameter {parameter!r} is a median; give the table of medians"
            raise OptionError(msg)
        chosen = tables.conform(medians, tables.MEDIANS, source="medians.tsv")
        markers = sorted(set(chosen["marker"]))
        chosen = chosen[chosen["marker"] == parameter]
        if not len(chosen):
            msg = f"medians.tsv: has no marker {parameter!r}; use fraction or one of {', '.join(markers)}"
            raise TableError(msg)
        key = ["file_name", "method", "population"]
        rows = rows.merge(chosen[[*key, "median"]].rename(columns={"median": "value"}), on=key, how="inner")
    new = [name for name in known.columns if name not in rows.columns]
    return rows.merge(known[["file_name", *new]], on="file_name", how="inner")


def regression(
    populations: "pd.DataFrame",
    samples: "pd.DataFrame",
    formula: str = "age_years + sex",
    *,
    term: str | None = None,
    medians: "pd.DataFrame | None" = None,
    parameter: str = FRACTION,
    scaled: tuple[bool, bool] = (True, False),
) -> "pd.DataFrame":
    """MetaCyto's ``glmAnalysis``: per label, all files of all studies in one linear model with the study as a factor.

    Parameters
    ----------
    scaled
        MetaCyto's ``ifScale``: whether the outcome, and whether the variable of interest where it is a number, is
        z-scored over all files of the label.

    Returns
    -------
    DataFrame
        META, labels in the order of `populations`; `k` counts panels of studies.
    """
    import pandas as pd

    data = collect(populations, samples, medians, parameter)
    wanted, others = variables(formula, samples, term)
    rows = []
    for name, part in _by_population(data, populations):
        used = _complete_rows(part, [wanted, *others])
        common = {**_family(part, name, wanted, scaled[0]), "omitted": "", "k": used[STUDY].nunique(), "n": len(used)}
        if reason := _skipped(used, [wanted, *others]):
            rows.append({**common, "note": reason})
            continue
        for label, coefficient in _effects(used, wanted, [*others, STUDY], scaled).items():
            notes = [*_doubts(used, coefficient), "studies are taken as one sample with a shift per study"]
            rows.append({
                **common, "term": label,
                "estimate": coefficient.estimate, "se": coefficient.se, "ci_low": coefficient.ci_low,
                "ci_high": coefficient.ci_high, "p_value": coefficient.p_value, "statistic": coefficient.t,
                "df": coefficient.df, "estimator": "least squares over all files (MetaCyto)",
                "note": "; ".join(notes),
            })  # fmt: skip
    return _with_q(pd.DataFrame(rows))


def effects(
    populations: "pd.DataFrame",
    samples: "pd.DataFrame",
    formula: str = "age_years + sex",
    *,
    term: str | None = None,
    medians: "pd.DataFrame | None" = None,
    parameter: str = FRACTION,
    scaled: tuple[bool, bool] = (True, False),
) -> "pd.DataFrame":
    """First half of MetaCyto's ``metaAnalysis``: per label and panel of a study, z-scored outcome, least squares.

    Parameters
    ----------
    scaled
        MetaCyto's ``ifScale``: whether the outcome, and whether the variable of interest where it is a number, is
        z-scored over the files of the panel.

    Returns
    -------
    DataFrame
        EFFECTS, a panel of a study as ``study_accession``. Each file counts as independent.
    """
    import pandas as pd

    data = collect(populations, samples, medians, parameter)
    wanted, others = variables(formula, samples, term)
    outcome = f"z({parameter})" if scaled[0] else parameter
    rows: list[dict[str, Any]] = []
    for name, whole in _by_population(data, populations):
        for study, part in whole.groupby(STUDY, sort=True):
            usable = _complete_rows(part, [wanted, *others])
            common = {
                **_family(part, name, wanted, scaled[0]), "study_accession": str(study),
                "panel_id": part["panel_id"].iloc[0],
                "parent": part["parent"].iloc[0], "n": len(usable), "n_subjects": usable["subject_accession"].nunique(),
                "model": f"least squares of {outcome} ~ {' + '.join([wanted, *others])}, each file on its own",
            }  # fmt: skip
            if reason := _skipped(usable, [wanted, *others]):
                rows.append({**common, "note": reason})
                continue
            for label, coefficient in _effects(usable, wanted, others, scaled).items():
                rows.append({
                    **common, "term": label, "estimate": coefficient.estimate, "se": coefficient.se,
                    "ci_low": coefficient.ci_low, "ci_high": coefficient.ci_high, "p_value": coefficient.p_value,
                    "df": coefficient.df, "note": "; ".join(_doubts(usable, coefficient)),
                })  # fmt: skip
    return tables.conform(pd.DataFrame(rows, columns=list(tables.EFFECTS.column_names)), tables.EFFECTS)


def restricted_likelihood(y: Array, v: Array) -> float:
    """Variance between studies by REML where metafor stops by default: Fisher scoring from Hedges' estimate to 1e-5.

    `immport_cyto.meta.pool` solves the same equation to the precision of the machine.
    """
    tau2 = max(0.0, float(y.var(ddof=1) - v.mean()))
    for _ in range(_MOST_STEPS):
        w = 1 / (v + tau2)
        projection = np.diag(w) - np.outer(w, w) / w.sum()
        residual = projection @ y
        step = float((residual @ residual - np.trace(projection)) / (projection**2).sum())
        while tau2 + step < 0:
            step /= 2
        tau2 += step
        if abs(step) <= _STOP:
            break
    return tau2


def pool(effects: "pd.DataFrame") -> "pd.DataFrame":
    """Second half of MetaCyto's ``metaAnalysis``: random effects by REML as metafor stops it, z test, leave-one-out.

    Returns
    -------
    DataFrame
        META with further columns statistic, se_tau2 and h2. One usable study, where MetaCyto stops with an error,
        keeps its own result. Without the `omitted` study one other may be left, as in metafor.
    """
    import pandas as pd

    table = tables.conform(effects, tables.EFFECTS, source="effects.tsv")
    key = ["method", "population", "term"]
    rows: list[dict[str, Any]] = []
    for (method, population, term), part in table.groupby(key, sort=False):
        good = part[np.isfinite(part["estimate"]) & (part["se"] > 0)]
        common = {
            "method": method, "population": population, "term": term, "definition": part["definition"].iloc[0],
            "scale": part["scale"].iloc[0],
        }  # fmt: skip
        rows.append({**common, "omitted": "", **_pooled(good), "note": _remarks(part, good)})
        if len(good) > 1:
            for i, study in enumerate(good["study_accession"]):
                rest = good.drop(good.index[i])
                rows.append({**common, "omitted": study, **_pooled(rest, always_z=True)})
    return _with_q(pd.DataFrame(rows))


def _by_population(data: "pd.DataFrame", populations: "pd.DataFrame") -> "list[tuple[str, pd.DataFrame]]":
    """Rows of each label, the labels in the order of `populations`."""
    parts = {str(name): part for name, part in data.groupby("population")}
    return [(name, parts[name]) for name in dict.fromkeys(populations["population"]) if name in parts]


def _family(part: "pd.DataFrame", population: str, term: str, is_scaled: bool) -> dict[str, Any]:
    first = part.iloc[0]
    return {
        "method": first["method"], "population": population, "definition": first["definition"], "term": term,
        "scale": "zscore" if is_scaled else "fraction",
    }  # fmt: skip


def _complete_rows(part: "pd.DataFrame", names: Sequence[str]) -> "pd.DataFrame":
    """Rows without an empty cell among the outcome and the variables; the outcome is z-scored over these."""
    return part[np.isfinite(part["value"].to_numpy(dtype=np.float64)) & complete(part, names)]


def _skipped(used: "pd.DataFrame", names: Sequence[str]) -> str:
    """Why MetaCyto skips these rows, or an empty text: the outcome and every variable must vary."""
    constant = next((name for name in ["value", *names] if used[name].nunique() < 2), None)
    if constant is None:
        return ""
    what = "the outcome" if constant == "value" else constant
    return f"skipped, as by MetaCyto: {what} does not vary over {len(used)} files"


def _effects(
    used: "pd.DataFrame", wanted: str, others: Sequence[str], scaled: tuple[bool, bool]
) -> dict[str, Coefficient]:
    """Coefficients of `wanted`: one for a number, one per level but the first for a text."""
    values = used["value"].to_numpy(dtype=np.float64)
    columns = columns_of(used, [wanted, *others])
    if scaled[1] and wanted in columns:
        columns[wanted] = z_score(columns[wanted])
    found = fit(z_score(values) if scaled[0] else values, columns)
    return {name: found[name] for name in columns_of(used, [wanted]) if name in found}


def _doubts(used: "pd.DataFrame", coefficient: Coefficient) -> list[str]:
    doubts = []
    subjects = used["subject_accession"].nunique()
    if subjects < len(used):
        doubts.append(f"{len(used)} files of {subjects} subjects are counted as independent: p too small")
    if coefficient.df < 1:
        doubts.append("as many parameters as files: no standard error")
    elif coefficient.is_perfect:
        doubts.append("perfect fit: standard error and p are rounding errors")
    elif coefficient.df < 3:
        doubts.append(f"{coefficient.df} residual degrees of freedom")
    return doubts


def _pooled(good: "pd.DataFrame", *, always_z: bool = False) -> dict[str, Any]:
    k, n = len(good), int(good["n"].sum())
    if k == 0:
        return {"k": 0, "n": n, "estimator": "REML + z (MetaCyto)"}
    y, se = good["estimate"].to_numpy(dtype=np.float64), good["se"].to_numpy(dtype=np.float64)
    if k == 1:
        only = good.iloc[0]
        own = {name: only[name] for name in ("estimate", "se", "ci_low", "ci_high", "p_value")}
        if always_z:
            from scipy.special import ndtr

            z = y[0] / se[0]
            own |= {"ci_low": y[0] - _Z * se[0], "ci_high": y[0] + _Z * se[0], "p_value": 2 * ndtr(-abs(z))}
        return {
            **own, "k": 1, "n": n, "statistic": y[0] / se[0], "estimator": "single study", "tau2": 0.0, "i2": 0.0,
            "h2": 1.0, "q": 0.0, "q_p": 1.0,
        }  # fmt: skip
    result = pool_at(y, se**2, restricted_likelihood(y, se**2), "REML", "z")
    return {
        "k": k, "n": n, "estimate": result.estimate, "se": result.se, "ci_low": result.ci[0], "ci_high": result.ci[1],
        "p_value": result.p_value, "statistic": result.statistic, "tau2": result.tau2, "se_tau2": result.se_tau2,
        "i2": result.i2, "h2": result.h2, "q": result.q, "q_p": result.q_p, "estimator": "REML + z (MetaCyto)",
    }  # fmt: skip


def _remarks(part: "pd.DataFrame", good: "pd.DataFrame") -> str:
    remarks = []
    if len(good) == 1:
        remarks.append(f"one study ({good['study_accession'].iloc[0]}): its own estimate; MetaCyto stops here")
    elif 1 < len(good) < _FEW_STUDIES:
        remarks.append(
            f"the z test rejects too often with {len(good)} studies; meta pool --test hartung-knapp keeps the level"
        )
    remarks += [
        f"without an estimate: {row['study_accession']} ({row['note'].split('; ')[0]})"
        for _, row in part.drop(good.index).iterrows()
    ]
    if bool((part["n_subjects"] < part["n"]).any()):
        remarks.append("files of one subject are counted as independent")
    return "; ".join(remarks)


def _with_q(meta: "pd.DataFrame") -> "pd.DataFrame":
    """META with q values over the labels of a term; MetaCyto has none."""
    import pandas as pd

    columns = tables.META.column_names
    meta = pd.DataFrame(meta, columns=[*columns, *(name for name in meta.columns if name not in columns)])
    meta = tables.conform(meta, tables.META)
    pooled = meta[meta["omitted"] == ""]
    for index in pooled.groupby(["method", "term"]).groups.values():
        meta.loc[index, "q_value"] = q_values(meta.loc[index, "p_value"].to_numpy())
    return meta
