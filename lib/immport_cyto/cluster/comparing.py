"""Groups of subjects compared cluster by cluster: effect, test, false discovery rate.

The subject is the unit: several samples of a subject in one group are averaged first. Compared are shares of the
events of a sample. The effect is the difference of the mean logits (events + 0.5 over the others + 0.5) with a Welch
interval, and Cliff's delta; the p value is that of a rank test, or of Welch's t test on the logits. Or a model gives
effect and p value, with covariates and with several samples of a subject as they are.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import AnalysisError, LinkError, OptionError

if TYPE_CHECKING:
    import pandas as pd

TESTS = ("rank", "welch", "model")
_FEWEST = 2
Float64 = NDArray[np.float64]


Effect = tuple[float, float, float, float, str, str]
"""What a model says of a cluster and group: log odds, their interval, p value, model, and a remark."""
Cluster = tuple[str, int, str]
"""Level, cluster and group."""
Model = Callable[["pd.DataFrame", "pd.DataFrame", Mapping[str, str], Mapping[str, str], str], Mapping[Cluster, Effect]]
"""From abundances, samples, group and subject of each file, and the reference group, to the effects."""


@dataclass(frozen=True)
class _Unit:
    """One subject in one group: means over its samples, one value per cluster."""

    subject: str
    share: Float64
    logit: Float64


def compare_groups(
    abundances: "pd.DataFrame",
    samples: "pd.DataFrame",
    column: str,
    *,
    reference: str | None = None,
    paired: bool = False,
    test: str = "rank",
    model: Model | None = None,
) -> tuple["pd.DataFrame", list[str]]:
    """Compare each group of samples with the reference group.

    Groups with fewer than two subjects are left out and named, as long as two groups remain.

    Parameters
    ----------
    abundances
        ABUNDANCES of one model.
    samples
        SAMPLES; `column` may be one of its own or an added one.
    column
        Column that holds the group of each sample; samples with an empty cell are left out and counted.
    reference
        Value of the reference group; default the first in alphabetical order that has two subjects.
    paired
        Compare subjects with themselves; subjects without a sample in both groups are left out and counted.
    test
        ``"rank"`` (Mann-Whitney; paired: Wilcoxon signed rank), ``"welch"`` (Welch's t test on the logits; paired:
        the paired t test), or ``"model"``: effect, interval and p value are those of `model`, for which a subject may
        be in several groups.
    model
        Such as `immport_cyto.meta.cluster_effects`, with covariates bound by ``functools.partial``.

    Returns
    -------
    (DataFrame, list of str)
        ``tables.COMPARISON``, q values by Benjamini and Hochberg over all rows of a level; and remarks on what was left
        out or averaged.

    Raises
    ------
    OptionError
        There is no such column, group or test.
    LinkError
        A file has no row in `samples`.
    AnalysisError
        Fewer than two groups or two subjects in one; or a subject is in several groups of an unpaired comparison.
    """
    import pandas as pd

    from immport_cyto import tables

    if test not in TESTS:
        msg = f"test is {test!r}; choose one of {', '.join(TESTS)}"
        raise OptionError(msg)
    if (test == "model") != (model is not None) or (paired and model is not None):
        msg = "test 'model' takes a model and is not paired, and no other test takes one"
        raise OptionError(msg)
    group_of, subject_of, notes = _groups(abundances, samples, column)
    tested = _tables(abundances)
    sized = {group: _units(next(iter(tested.values())), group, group_of, subject_of) for group in _named(group_of)}
    groups, first, small = _usable(sized, column, reference, paired=paired)
    notes += small
    group_of = {name: group for name, group in group_of.items() if group in groups}
    subject_of = {name: subject_of[name] for name in group_of}
    if model is None:
        notes += _averaged({group: sized[group] for group in groups}, group_of, subject_of)
    effects = model(abundances, samples, group_of, subject_of, first) if model else {}
    rows: list[dict[str, Any]] = []
    for level, counts in tested.items():
        units = {group: _units(counts, group, group_of, subject_of) for group in groups}
        described = abundances[abundances["level"] == level].drop_duplicates("cluster").set_index("cluster")
        for group in groups:
            if group == first:
                continue
            pairs = _pairs(units[group], units[first], (group, first), column, paired=paired, shared=model is not None)
            if paired and level == next(iter(tested)):
                notes += _unpaired(units[group], units[first], pairs, (group, first))
            for position, cluster in enumerate(counts.columns):
                info = described.loc[cluster]
                effect = effects.get((level, int(cluster), group))
                rows.append(
                    {
                        "study_accession": info["study_accession"],
                        "panel_id": info["panel_id"],
                        "level": level,
                        "cluster": int(cluster),
                        "population": info["population"],
                        "group": group,
                        "reference": first,
                        **_compared(*pairs, position, paired=paired, test=test, effect=effect),
                    }
                )
    notes += _unfitted(effects)
    frame = pd.DataFrame(rows)
    frame["q_value"] = np.nan
    for _, part in frame.groupby("level"):
        frame.loc[part.index, "q_value"] = adjust(part["p_value"].to_numpy(float))
    return tables.conform(frame, tables.COMPARISON), notes


def adjust(p_values: Float64) -> Float64:
    """Benjamini-Hochberg q values; NaN stays NaN and does not count."""
    from statsmodels.stats.multitest import multipletests

    q = np.full(len(p_values), np.nan)
    known = np.isfinite(p_values)
    if known.any():
        q[known] = multipletests(p_values[known], method="fdr_bh")[1]
    return q


def cliffs_delta(a: Float64, b: Float64) -> float:
    """Share of the pairs with a > b, less those with a < b."""
    return float(np.sign(a[:, None] - b).mean())


def _groups(
    abundances: "pd.DataFrame", samples: "pd.DataFrame", column: str
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Group and subject of each file that has a group."""
    if column not in samples.columns:
        known = ", ".join(str(name) for name in samples.columns)
        msg = f"samples.tsv has no column {column!r} to group by; it has {known}"
        raise OptionError(msg)
    rows = samples.drop_duplicates("file_name").set_index("file_name")
    group_of, subject_of, empty = {}, {}, 0
    for name in sorted(abundances["file_name"].unique()):
        if name not in rows.index:
            msg = f"{name}: has no row in samples.tsv; link it first or leave the file out"
            raise LinkError(msg)
        text = "" if _missing(rows.loc[name, column]) else str(rows.loc[name, column]).strip()
        if not text:
            empty += 1
            continue
        group_of[name] = text
        subject_of[name] = str(rows.loc[name, "subject_accession"]) or name
    notes = [f"{empty} files have no {column} and are left out"] if empty else []
    return group_of, subject_of, notes


def _missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _named(group_of: Mapping[str, str]) -> list[str]:
    return sorted(set(group_of.values()))


def _tables(abundances: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """Events, files x clusters, of each level."""
    return {
        str(level): part.pivot_table(index="file_name", columns="cluster", values="n_events", sort=True)
        for level, part in abundances.groupby("level", sort=False)
    }


def _usable(
    sized: Mapping[str, list[_Unit]], column: str, wanted: str | None, *, paired: bool
) -> tuple[list[str], str, list[str]]:
    """Groups that can be compared, the reference among them, and remarks on those that are left out."""
    groups = list(sized)
    if len(groups) < 2:
        found = f"only {groups[0]}" if groups else "no group"
        msg = f"column {column} of samples.tsv holds {found} for these files; at least two groups are compared"
        raise AnalysisError(msg)
    if wanted is not None and wanted not in groups:
        msg = f"{wanted!r} is not a group of column {column} (groups: {', '.join(groups)}); give one of them"
        raise OptionError(msg)
    enough = [group for group in groups if len(sized[group]) >= _FEWEST]
    first = wanted or next(iter(enough), groups[0])
    if paired:
        of_first = {unit.subject for unit in sized[first]}
        enough = [g for g in groups if g == first or len(of_first & {unit.subject for unit in sized[g]}) >= _FEWEST]
        if len(enough) < 2:
            other = next(group for group in groups if group != first)
            n = len(of_first & {unit.subject for unit in sized[other]})
            msg = (
                f"{n} subjects have samples in both {other} and {first} of column {column}; a paired comparison needs "
                f"at least {_FEWEST}"
            )
            raise AnalysisError(msg)
    elif first not in enough or len(enough) < 2:
        group = first if first not in enough else next(group for group in groups if group not in enough)
        advice = "; for a quantity such as age use 'meta effects'" if len(groups) > 2 and _numbers(groups) else ""
        msg = (
            f"group {group} of column {column} has {len(sized[group])} subjects with events; at least {_FEWEST} are "
            f"needed{advice}"
        )
        raise AnalysisError(msg)
    few = "fewer than two pairs" if paired else "fewer than two subjects with events"
    notes = [f"group {group} of column {column} has {few} and is left out" for group in groups if group not in enough]
    return enough, first, notes


def _numbers(texts: Sequence[str]) -> bool:
    return all(text.replace(".", "", 1).lstrip("-").isdigit() for text in texts)


def _unfitted(effects: Mapping[Cluster, Effect]) -> list[str]:
    """Remarks of the model, each with the number of clusters that it is about."""
    found: dict[tuple[str, str], int] = {}
    for (level, _, _), effect in effects.items():
        for text in filter(None, effect[5].split("; ")):
            note = re.sub(r"in \d+ subjects? only", "in few subjects only", text)
            found[level, note] = found.get((level, note), 0) + 1
    return [f"{n} {level}s: {note}" for (level, note), n in found.items()]


def _units(
    counts: "pd.DataFrame", group: str, group_of: Mapping[str, str], subject_of: Mapping[str, str]
) -> list[_Unit]:
    """Subjects of a group, in order; files without events cannot count."""
    values = counts.to_numpy(float)
    totals = values.sum(axis=1)
    of_subject: dict[str, list[int]] = {}
    for row, name in enumerate(counts.index):
        if group_of.get(str(name)) == group and totals[row] > 0:
            of_subject.setdefault(subject_of[str(name)], []).append(row)
    units = []
    for subject in sorted(of_subject):
        rows = of_subject[subject]
        logits = np.log((values[rows] + 0.5) / (totals[rows, None] - values[rows] + 0.5))
        units.append(_Unit(subject, (values[rows] / totals[rows, None]).mean(axis=0), logits.mean(axis=0)))
    return units


def _averaged(
    units: Mapping[str, list[_Unit]], group_of: Mapping[str, str], subject_of: Mapping[str, str]
) -> list[str]:
    n_units, n_files = sum(len(some) for some in units.values()), len(group_of)
    several = len(subject_of) - len({(group_of[name], subject_of[name]) for name in group_of})
    if several:
        return [f"{n_files} files of {n_units} subjects: several samples of a subject in a group are averaged"]
    return [f"{n_files - n_units} files without events are left out"] if n_files > n_units else []


def _pairs(
    some: list[_Unit], others: list[_Unit], names: tuple[str, str], column: str, *, paired: bool, shared: bool
) -> tuple[list[_Unit], list[_Unit]]:
    """Subjects to compare; with `shared` one may be in both groups."""
    both = {unit.subject for unit in some} & {unit.subject for unit in others}
    if paired:
        return [unit for unit in some if unit.subject in both], [unit for unit in others if unit.subject in both]
    if both and not shared:
        msg = (
            f"subject {min(both)} has samples in both {names[0]} and {names[1]} of column {column}; compare subjects "
            "with themselves (--paired), use a model (--test model), or choose other samples"
        )
        raise AnalysisError(msg)
    return some, others


def _unpaired(
    some: list[_Unit], others: list[_Unit], pairs: tuple[list[_Unit], list[_Unit]], names: tuple[str, str]
) -> list[str]:
    left_out = len({unit.subject for unit in (*some, *others)}) - len(pairs[0])
    return (
        [f"{names[0]} against {names[1]}: {left_out} subjects are in one group only and left out"] if left_out else []
    )


def _compared(
    some: list[_Unit], others: list[_Unit], position: int, *, paired: bool, test: str, effect: Effect | None
) -> dict[str, Any]:
    """Effect and test of one cluster; those of the model where there is one."""
    from scipy import stats

    share_a, share_b = (np.array([unit.share[position] for unit in units]) for units in (some, others))
    logit_a, logit_b = (np.array([unit.logit[position] for unit in units]) for units in (some, others))
    moves = logit_a - logit_b if paired else None
    log_odds, low, high, p_welch = _welch(logit_a, logit_b, moves)
    if effect is not None:
        log_odds, low, high, p, name = effect[:5]
    elif test == "welch":
        p, name = p_welch, "paired t test of logits" if paired else "Welch's t test of logits"
    elif paired:
        changed = share_a - share_b
        p = float(stats.wilcoxon(changed).pvalue) if changed.any() else 1.0
        name = "Wilcoxon signed rank"
    else:
        same = np.ptp([*share_a, *share_b]) == 0
        p, name = 1.0 if same else float(stats.mannwhitneyu(share_a, share_b).pvalue), "Mann-Whitney U"
    mean_a, mean_b = float(share_a.mean()), float(share_b.mean())
    return {
        "n_group": len(some),
        "n_reference": len(others),
        "median_group": 100 * float(np.median(share_a)),
        "median_reference": 100 * float(np.median(share_b)),
        "log2_fold": float(np.log2(mean_a / mean_b)) if mean_a > 0 and mean_b > 0 else np.nan,
        "log_odds": log_odds,
        "ci_low": low,
        "ci_high": high,
        "cliffs_delta": float(np.sign(share_a - share_b).mean()) if paired else cliffs_delta(share_a, share_b),
        "p_value": p,
        "test": name,
    }


def _welch(a: Float64, b: Float64, moves: Float64 | None) -> tuple[float, float, float, float]:
    """Difference of means with 95 % interval and p value; NaN where there is no spread."""
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    estimate = float(a.mean() - b.mean())
    spread = moves.std(ddof=1) if moves is not None else a.std(ddof=1) + b.std(ddof=1)
    if spread < 1e-12:
        return estimate, np.nan, np.nan, np.nan
    if moves is not None:
        described = DescrStatsW(moves)
        p, (low, high) = described.ttest_mean()[1], described.tconfint_mean()
    else:
        means = CompareMeans(DescrStatsW(a), DescrStatsW(b))
        p, (low, high) = means.ttest_ind(usevar="unequal")[1], means.tconfint_diff(usevar="unequal")
    return estimate, float(low), float(high), float(p)
