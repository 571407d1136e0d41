"""Sections on effects over studies beyond the pooled effect: what explains them, their order, bias, power."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from immport_cyto.report.section import Drawing, Section, by_method, named
from immport_cyto.report.wording import sentence, words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_OPEN, _MOST = 2, 12  # figures of a section that are open, and in all


def sections(frames: Mapping[str, "pd.DataFrame"]) -> list[Section | None]:
    """The sections in order; None where there is no table."""
    return [_moderators(frames), _subgroups(frames), _cumulative(frames), _asymmetry(frames), _power(frames)]


def _of(frame: "pd.DataFrame", method: str) -> "pd.DataFrame":
    """Rows of a method, or of each of several that are joined by '+'."""
    return frame[frame["method"].isin([method, *method.split("+")])]


def _show(
    section: Section,
    ranked: "pd.DataFrame",
    draw: Callable[[str, str, str], "Figure"],
    describe: Callable[[str, str, str], tuple[str, str]],
) -> None:
    """Figures of the first method, population and term of `ranked`, the first ones open."""
    keys = list(dict.fromkeys(ranked[["method", "population", "term"]].itertuples(index=False, name=None)))
    for number, (method, population, term) in enumerate(keys[:_MOST]):
        shown = Drawing(partial(draw, method, population, term), *describe(method, population, term))
        (section.pictures if number < _OPEN else section.folded).append(shown)
    if len(keys) > _MOST:
        section.notes.append(f"Figures are shown for the first {_MOST} of {len(keys)}; the table holds all.")


def _row(frame: "pd.DataFrame", method: str, population: str, term: str) -> "pd.Series":
    rows = frame[(frame["method"] == method) & (frame["population"] == population) & (frame["term"] == term)]
    return rows.iloc[0]


def _moderators(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    moderators, studies, effects = (frames.get(name) for name in ("moderators", "studies", "effects"))
    if moderators is None:
        return None
    section = Section(
        "moderators",
        "Properties of the studies",
        intro="Meta-regression: how the effect changes with properties of the studies.",
    )
    slopes = moderators[(moderators["coefficient"] != "intercept") & moderators["estimate"].notna()]
    slopes = slopes.sort_values(["p_value", "population", "term"])
    for method, term, rows in by_method(slopes):
        for coefficient, own in rows.groupby("coefficient", sort=True):
            section.notes.append(f"{sentence(named(method))}, {words(term)}, {coefficient}: {_found(own)}.")
    if studies is not None and effects is not None:
        _show(
            section,
            slopes,
            lambda method, population, term: figures.bubble(
                _of(effects, method), studies, moderators[moderators["method"] == method], population, term
            ),
            lambda method, population, term: _of_slope(_row(slopes, method, population, term)),
        )
    hide = ["scale", "estimator"]
    section.sheets.append(sheet(moderators, "moderators.tsv", "Meta-regression", hide=hide))
    if studies is not None:
        section.sheets.append(sheet(studies, "study_properties.tsv", "What is known of each study"))
    return section


def _of_slope(row: "pd.Series") -> tuple[str, str]:
    alternative = (
        f"Effect of {words(row['term'])} on {row['population']} in each of {row['k']} studies against "
        f"{row['coefficient']}: {row['estimate']:.3g} per unit, p = {row['p_value']:.2g}."
    )
    return (
        alternative,
        f"{row['population']}: effect of {words(row['term'])} by property of the study, {named(row['method'])}",
    )


def _found(rows: "pd.DataFrame") -> str:
    """Which populations of `rows` have q < 0.05, of how many."""
    found = [str(name) for name in rows.loc[rows["q_value"] < 0.05, "population"]]
    of = "1 population" if len(rows) == 1 else f"{len(rows)} populations"
    return f"q < 0.05 in {', '.join(found)} (of {of})" if found else f"no q < 0.05 in {of}"


def _subgroups(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    subgroups = frames.get("subgroups")
    if subgroups is None:
        return None
    section = Section(
        "subgroups", "Subgroups of studies", intro="Effects pooled within groups of studies, and whether they differ."
    )
    for method, term, part in by_method(subgroups[subgroups["p_between"].notna()]):
        for name, rows in part.groupby("property", sort=True):
            tests = rows.drop_duplicates("population").sort_values(["p_between", "population"])
            first = tests.iloc[0]
            below = int((tests["p_between"] < 0.05).sum())
            section.notes.append(
                f"{sentence(named(method))}, {words(term)}, {name}: p < 0.05 in {below} of {len(tests)} tests, which "
                f"are not corrected for their number; the smallest p is {first['p_between']:.2g}, "
                f"{first['population']}."
            )
    tested = subgroups[subgroups["p_between"].notna()].sort_values(["p_between", "population", "term", "subgroup"])
    _show(
        section,
        tested,
        lambda method, population, term: figures.subgroup_forest(
            subgroups[subgroups["method"] == method], population, term
        ),
        lambda method, population, term: _of_groups(_row(tested, method, population, term), subgroups),
    )
    hide = ["scale", "estimator", "q_between"]
    section.sheets.append(sheet(subgroups, "subgroups.tsv", "Pooled effects of subgroups", hide=hide))
    return section


def _of_groups(row: "pd.Series", subgroups: "pd.DataFrame") -> tuple[str, str]:
    keys = ["method", "population", "term", "property"]
    same = subgroups[(subgroups[keys] == row[keys]).all(axis=1) & subgroups["estimate"].notna()]
    found = ", ".join(f"{one.subgroup} {one.estimate:.3g}" for one in same.itertuples())
    alternative = (
        f"Pooled effect of {words(row['term'])} on {row['population']} by {row['property']}: {found}; "
        f"p of their difference = {row['p_between']:.2g}."
    )
    return (
        alternative,
        f"{row['population']}: effect of {words(row['term'])} in groups of studies, {named(row['method'])}",
    )


def _cumulative(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    cumulative = frames.get("cumulative")
    if cumulative is None:
        return None
    section = Section("cumulative", "Study after study", intro="The pooled effect as studies are added one by one.")
    keys = ["method", "population", "term"]
    known = cumulative[cumulative["estimate"].notna()]
    last = known.sort_values("step").drop_duplicates(keys, keep="last").sort_values(["p_value", *keys])
    _show(
        section,
        last[last["k"] >= 2],
        lambda method, population, term: figures.cumulative_forest(
            cumulative[cumulative["method"] == method], population, term
        ),
        lambda method, population, term: _of_last(_row(last, method, population, term)),
    )
    hide = ["scale", "estimator", "se"]
    section.sheets.append(sheet(cumulative, "cumulative.tsv", "Cumulative pooled effects", hide=hide))
    return section


def _of_last(row: "pd.Series") -> tuple[str, str]:
    alternative = (
        f"Pooled effect of {words(row['term'])} on {row['population']} as studies are added; after all {row['k']}: "
        f"{row['estimate']:.3g} ({row['ci_low']:.3g} to {row['ci_high']:.3g})."
    )
    return (
        alternative,
        f"{row['population']}: cumulative effect of {words(row['term'])}, {named(row['method'])}",
    )


def _asymmetry(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    asymmetry, effects, meta = (frames.get(name) for name in ("asymmetry", "effects", "meta"))
    if asymmetry is None:
        return None
    section = Section(
        "asymmetry",
        "Small and large studies",
        intro="Egger's test and funnel plots: small studies that show other effects than large ones may mean that "
        "weak results stayed unpublished, or that small studies differ.",
    )
    tested = asymmetry[asymmetry["slope"].notna()].sort_values(["p_value", "population", "term"])
    for method, term, rows in by_method(tested):
        section.notes.append(f"{sentence(named(method))}, {words(term)}: {_found(rows)}.")
    if effects is not None and meta is not None:
        _show(
            section,
            tested,
            lambda method, population, term: figures.funnel(
                _of(effects, method), meta[meta["method"] == method], population, term
            ),
            lambda method, population, term: _of_egger(_row(tested, method, population, term)),
        )
    section.sheets.append(sheet(asymmetry, "asymmetry.tsv", "Egger's test", hide=["scale", "estimator"]))
    return section


def _of_egger(row: "pd.Series") -> tuple[str, str]:
    alternative = (
        f"Funnel plot: effect of {words(row['term'])} on {row['population']} in {row['k']} studies against its "
        f"standard error; Egger's test p = {row['p_value']:.2g}."
    )
    return (
        alternative,
        f"{row['population']}: funnel plot, {words(row['term'])}, {named(row['method'])}",
    )


def _power(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report.page import sheet

    power = frames.get("power")
    if power is None:
        return None
    section = Section("power", "Power", intro="Which effect these studies could have found.")
    known = power[power["detectable"].notna()].sort_values(["detectable", "population"])
    for method, term, rows in by_method(known):
        first, last = rows.iloc[0], rows.iloc[-1]
        text = f"from {first['detectable']:.3g} ({first['population']}) to " if len(rows) > 1 else ""
        section.notes.append(
            f"{sentence(named(method))}, {words(term)}: the smallest effect that is found with a power "
            f"of {first['wanted_power']:.0%} is {text}{last['detectable']:.3g} ({last['population']}) "
            f"on the {first['scale']} scale."
        )
    section.sheets.append(sheet(power, "power.tsv", "Power of the pooled effects", hide=["scale", "estimator"]))
    return section
