"""Sections on samples: shifts between batches, reference ranges and places in them, drift of mapped files."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from immport_cyto.report.section import Drawing, Section, named

if TYPE_CHECKING:
    import pandas as pd

_OPEN, _MOST = 2, 12  # figures of a section that are open, and in all


def batches(frames: Mapping[str, "pd.DataFrame"], batch: str) -> Section | None:
    """Variation between batches before and after adjustment."""
    import pandas as pd

    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    table, populations, samples = (frames.get(name) for name in ("batches", "populations", "samples"))
    if table is None:
        return None
    section = Section(
        "batches", "Batches", intro="How much of the variation of the fractions lay between batches, and what is left."
    )
    for number, row in enumerate(table.itertuples()):
        where = str(row.study_accession) or "all studies"
        values = (
            f"{row.n_batches} batches held {row.r2_before:.0%} of the variance of {row.n_populations} populations, "
            f"{row.r2_after:.0%} after adjustment"
        )
        section.notes.append(f"{where}, {named(row.method)}: {values}.")
        column = batch if row.study_accession else "study_accession"
        if number >= _MOST or populations is None or samples is None or column not in samples:
            continue
        if "fraction_reported" not in populations:  # not those that were adjusted
            continue
        own = populations[populations["method"] == row.method]
        reported = pd.to_numeric(own["fraction_reported"], errors="coerce")  # a file gives it as text
        shown = Drawing(
            partial(
                figures.batch_shifts, own.assign(fraction_reported=reported), samples, column, str(row.study_accession)
            ),
            f"Mean of each batch in each population of {where}, before and after adjustment: {values}.",
            f"Batches of {where}, {named(row.method)}",
        )
        (section.pictures if number < _OPEN else section.folded).append(shown)
    section.sheets.append(sheet(table, "batches.tsv", "Variance between batches"))
    return section


def reference(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """Reference ranges, and the samples that were placed in them."""
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    ranges, places = frames.get("reference"), frames.get("places")
    if ranges is None and places is None:
        return None
    section = Section(
        "reference",
        "Reference ranges",
        intro="Percentiles of the fraction of each population by age and sex, in an average study.",
    )
    if places is not None:
        known = places[places["percentile"].notna()]
        outside = int(((known["percentile"] < 2.5) | (known["percentile"] > 97.5)).sum())
        section.notes.append(
            f"{outside} of {len(known)} fractions lie outside the 95 % range; by chance 5 % do. "
            f"{len(places) - len(known)} could not be placed: the table says why."
        )
    if ranges is not None:
        rows = ranges[ranges["age_group"] == "years"]
        keys = list(dict.fromkeys(rows[["method", "population"]].itertuples(index=False, name=None)))
        for number, (method, population) in enumerate(keys[:_MOST]):
            own = rows[(rows["method"] == method) & (rows["population"] == population)]
            placed = None if places is None else places[places["method"] == method]
            middle = own.loc[own["percentile"] == 50, "fraction"]
            span = f"; the median is {middle.min():.1%} to {middle.max():.1%}" if len(middle) else ""
            shown = Drawing(
                partial(figures.reference_curves, own, population, placed),
                f"Percentiles of {population} for ages {own['age_years'].min():g} to {own['age_years'].max():g}{span}.",
                f"Reference range by age, {named(method)}",
            )
            (section.pictures if number < _OPEN else section.folded).append(shown)
        if len(keys) > _MOST:
            section.notes.append(f"Figures are shown for the first {_MOST} of {len(keys)}; the table holds all.")
        hide = ["definition", "study_sd"]
        section.sheets.append(sheet(ranges, "reference.tsv", "Percentiles by age and sex", hide=hide))
    if places is not None:
        section.sheets.append(sheet(places, "places.tsv", "Where samples fall"))
    return section


def drift(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """How mapped files differ from the training of their model."""
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    table, outliers = frames.get("drift"), frames.get("outliers")
    if table is None and outliers is None:
        return None
    section = Section(
        "drift", "Files against the model", intro="How each file that was mapped differs from the model's training."
    )
    if table is not None:
        for number, ((study, panel_id), rows) in enumerate(table.groupby(["study_accession", "panel_id"], sort=True)):
            ordered = rows.sort_values(["outlier_percentage", "file_name"], ascending=[False, True])
            first = ordered.iloc[0]
            shown = Drawing(
                partial(figures.drift, rows),
                f"Outliers and shift of the composition of {len(rows)} files; most outliers has {first['file_name']} "
                f"with {first['outlier_percentage']:.2g} % of its events.",
                f"Files against the model, {study} {panel_id}",
            )
            (section.pictures if number < _OPEN else section.folded).append(shown)
        section.sheets.append(sheet(table, "drift.tsv", "Files against the training"))
    if outliers is not None:
        most = outliers.sort_values(["percentage", "file_name", "node"], ascending=[False, True, True])
        section.sheets.append(sheet(most, "outliers.tsv", "Events far from the code of their node"))
    return section


def annotations(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """Names of phenotypes by the Cell Ontology."""
    from immport_cyto.report.page import sheet

    table = frames.get("annotations")
    if table is None:
        return None
    best = table[table["rank"] == 1]
    named = int((best["cl_id"] != "").sum())
    section = Section(
        "annotations",
        "Names by the Cell Ontology",
        intro="Classes that fit each phenotype, the best first, with the markers that speak for them.",
        notes=[f"{named} of {best['phenotype'].nunique()} phenotypes have a class of the Cell Ontology."],
    )
    section.sheets.append(sheet(table, "annotations.tsv", "Names and evidence"))
    return section
