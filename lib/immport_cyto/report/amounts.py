"""The section on populations: all samples as a heat map, and fractions against the variables of the model."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from immport_cyto.report.section import Drawing, Section, named
from immport_cyto.report.wording import words

if TYPE_CHECKING:
    import pandas as pd

_SCATTERS_MOST, _SCATTERS_MORE, _VARIABLES, _GROUPS = 8, 3, 4, 8


def populations(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """Share of each population in each sample."""
    from immport_cyto.report.page import sheet

    table, samples = frames.get("populations"), frames.get("samples")
    if table is None:
        return None
    section = Section(
        "populations", "Populations", intro="The share of each population in each sample, of its parent population."
    )
    if "fraction_reported" in table:
        section.notes.append("The fractions are adjusted for batches; fraction_reported holds them as they were.")
    if samples is not None:
        _amounts(section, table, samples, frames.get("effects"))
    hide = ["panel_id", "sample_id", "definition", "cl_id"]
    section.sheets.append(sheet(table, "populations.tsv", "Populations per sample", hide=hide))
    return section


def _amounts(
    section: Section, populations: "pd.DataFrame", samples: "pd.DataFrame", effects: "pd.DataFrame | None"
) -> None:
    """All samples as a heat map, and the populations of the smallest p values against each variable of the model."""
    from immport_cyto.report import figures

    chosen = populations[populations["method"] == "search"]
    chosen = chosen if len(chosen) else populations[populations["method"] == populations["method"].iloc[0]]
    variables = [] if effects is None else _variables(effects, samples)
    group = next((name for name in variables if samples[name].nunique() <= _GROUPS), "")
    if chosen["population"].nunique() > 2 and chosen["file_name"].nunique() > 2 and chosen["fraction"].notna().any():
        below = f", with {words(group)} above them" if group else ""
        section.pictures.append(
            Drawing(
                partial(figures.sample_heatmap, chosen, samples if group else None, group),
                f"Heat map of {chosen['population'].nunique()} populations in {chosen['file_name'].nunique()} samples, "
                f"in standard deviations from the mean of each population{below}.",
                f"All samples, {named(chosen['method'].iloc[0])}",
            )
        )
    for place, variable in enumerate(variables[:_VARIABLES]):
        if effects is None:
            break
        of = effects[[_variable(term) == variable for term in effects["term"]]]
        ranked = of[of["method"] == chosen["method"].iloc[0]].groupby("population")["p_value"].min().sort_values()
        names = [str(name) for name in ranked.index if name in set(chosen["population"])]
        for number, name in enumerate(names[: _SCATTERS_MOST if place == 0 else _SCATTERS_MORE]):
            rows = chosen[chosen["population"] == name]
            values = figures.amounts_of(rows)
            what = "fraction" if values is None else "amount"
            middle = f"{rows['fraction'].median():.1%}" if values is None else f"{values.median():.3g}"
            shown = Drawing(
                partial(figures.effect_scatter, chosen, samples, name, variable),
                f"{name}: {what} against {words(variable)} in {rows['study_accession'].nunique()} studies, "
                f"median {middle}.",
                f"{name}: {what} against {words(variable)}",
            )
            (section.pictures if number < (3 if place == 0 else 1) else section.folded).append(shown)


def _variable(term: str) -> str:
    """Column of the samples that a term is made of."""
    return str(term).split("[")[0]


def _variables(effects: "pd.DataFrame", samples: "pd.DataFrame") -> list[str]:
    """Columns of the samples in the model, in its order."""
    return [name for name in dict.fromkeys(_variable(term) for term in effects["term"]) if name in samples.columns]
