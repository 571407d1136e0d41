"""Populations, effects, and figures by their commands."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from help_pictures.demo import GALAXY, NAIVE, ONE, Demo, called, published, short, text_table
from help_pictures.schemes import Shown, scheme
from immport_cyto import meta, population, tables
from immport_cyto.report import figures
from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, style


def cutoffs(demo: Demo) -> Figure:
    """Densities of the markers with their cut-offs."""
    rows = demo.of_one(tables.CUTOFFS)
    wanted = ["CD3", "CD4", "CD8", "CD45RA", "CCR7", "CD19"]
    curves = demo.of_one(tables.DENSITIES)
    return figures.cutoff_densities(curves[curves["marker"].isin(wanted)], rows[rows["marker"].isin(wanted)])


def label(demo: Demo) -> Figure:
    """Signs of the markers give a name."""
    rows = demo.of_one(tables.CLUSTERS).head(3)
    medians = demo.of_one(tables.CLUSTER_MEDIANS).pivot_table("median", "metacluster", "marker").round(2)
    wanted = ["CD3", "CD4", "CD8", "CD14", "CD45RA", "CCR7"]
    of_rows = medians.loc[rows["metacluster"], wanted].reset_index()
    cuts = demo.cutoffs()
    limits = pd.DataFrame({"marker": wanted, "cutoff": [round(cuts[name], 2) for name in wanted]})
    named = rows[["metacluster", "phenotype", "population"]]
    named = named.assign(phenotype=[short(text, 60) for text in named["phenotype"]])
    return scheme(
        [Shown("cluster_medians.tsv, one row per metacluster", of_rows), Shown("cutoffs.tsv", limits)],
        "Name metaclusters",
        [Shown("clusters.tsv", named)],
    )


def annotate(demo: Demo) -> Figure:
    """Phenotypes and their classes."""
    rows = tables.read(demo.work / "studies" / "definitions.tsv", tables.DEFINITIONS)
    rows = rows[rows["population"].isin([NAIVE, "B cells", "TEMRA CD8 T cells"])]
    found = population.annotate(rows["definition"])
    found = found[found["rank"] == 1][["phenotype", "cl_id", "cl_label", "score"]]
    return scheme(
        [Shown("phenotypes", rows[["definition"]].rename(columns={"definition": "phenotype"}))],
        "Cell Ontology classes",
        [Shown("annotations.tsv", found)],
    )


def summary(demo: Demo) -> Figure:
    """Counts and samples give one tidy table."""
    rows = demo.of_one(tables.POPULATIONS)
    rows = rows[(rows["population"] == NAIVE) & (rows["method"] == "search")].head(3)
    samples = demo.of_one(tables.SAMPLES)
    samples = samples[samples["file_name"].isin(rows["file_name"])]
    return scheme(
        [
            Shown("counts.tsv", rows[["file_name", "population", "n_events", "n_parent"]]),
            Shown("samples.tsv", samples[["sample_id", "subject_accession"]]),
        ],
        "Summarise populations",
        [Shown("populations.tsv", rows[["population", "parent", "sample_id", "n_events", "n_parent", "fraction"]])],
    )


def effects(demo: Demo) -> Figure:
    """A fraction against age, by study."""
    rows = demo.table(tables.POPULATIONS)
    return figures.effect_scatter(rows[rows["method"] == "search"], demo.table(tables.SAMPLES), NAIVE, "age_years")


def forest(demo: Demo) -> Figure:
    """Pooled effects of age on all populations."""
    rows = demo.table(tables.META)
    return figures.forest_all(rows[(rows["method"] == "search") & (rows["omitted"] == "")], "age_years")


def batches(demo: Demo) -> Figure:
    """Means of the batches before and after."""
    truth = pd.read_csv(demo.work / "studies" / "truth" / "samples.tsv", sep="\t", dtype=str)
    samples = demo.table(tables.SAMPLES).drop(columns="batch").merge(truth[["file_name", "batch"]])
    rows = demo.table(tables.POPULATIONS)
    rows = rows[(rows["method"] == "search") & (rows["study_accession"] == ONE)]
    found = meta.adjust(rows, samples, batch="batch", keep="age_years")
    return figures.batch_shifts(found.populations, samples, "batch", ONE)


def regression(_: Demo) -> Figure:
    """Effects against the year of the studies."""
    rows, of = published(tables.EFFECTS), published(tables.STUDIES)
    return figures.bubble(rows, of, meta.moderators(rows, of, "num(year)"), NAIVE, "age_years")


def subgroups(_: Demo) -> Figure:
    """Pooled within groups of studies."""
    rows, of = published(tables.EFFECTS), published(tables.STUDIES)
    found = meta.subgroups(rows, of, "technique")
    chosen = rows[(rows["population"] == NAIVE) & (rows["term"] == "age_years")].head(6)
    given = chosen[["study_accession", "estimate", "se"]].merge(of, on="study_accession")
    pooled = found[(found["population"] == NAIVE) & (found["term"] == "age_years")]
    wanted = ["property", "subgroup", "k", "estimate", "ci_low", "ci_high", "p_value", "p_between"]
    return scheme(
        [Shown("effects.tsv and studies.tsv", given[["study_accession", "technique", "estimate", "se"]])],
        "Pooled effects by group",
        [Shown("subgroups.tsv", pooled[wanted])],
    )


def cumulative(_: Demo) -> Figure:
    """The pooled effect after each study."""
    rows, of = published(tables.EFFECTS), published(tables.STUDIES)
    return figures.cumulative_forest(meta.cumulative(rows, of, "year"), NAIVE, "age_years")


def funnel(_: Demo) -> Figure:
    """Effects against their standard errors."""
    rows = published(tables.EFFECTS)
    return figures.funnel(rows, meta.pool_effects(rows), NAIVE, "age_years")


def power(_: Demo) -> Figure:
    """Power against the size of an effect."""
    rows = published(tables.EFFECTS)
    rows = rows[(rows["population"] == NAIVE) & (rows["term"] == "age_years")]
    sizes = np.linspace(0.0003, 0.015, 50)
    found = [meta.power(rows, effect=float(size)).iloc[0] for size in sizes]
    with style():
        figure = Figure(figsize=(5.4, 2.9), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(sizes, [100 * float(one["power"]) for one in found], color=PALETTE[0])
        smallest = float(found[0]["detectable"])
        axes.axhline(80, color=MUTED, linewidth=0.9, linestyle="--")
        axes.plot([smallest] * 2, [0, 80], color=PALETTE[1])
        axes.text(smallest, 4, f" found with 80 %: {smallest:.3f}", color=INK, fontsize=8.5)
        axes.set_xlabel("true effect of one year of age on the logit scale")
        axes.set_ylabel("power, %")
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_ylim(0, 102)
    return figure


def _ranges(demo: Demo) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows, samples = demo.table(tables.POPULATIONS), demo.table(tables.SAMPLES)
    rows = rows[(rows["method"] == "search") & (rows["population"] == NAIVE)]
    return rows, samples, meta.reference(rows, samples, min_subjects=20)[0]


def reference(demo: Demo) -> Figure:
    """Percentiles by age and sex."""
    return figures.reference_curves(_ranges(demo)[2], NAIVE)


def place(demo: Demo) -> Figure:
    """Samples in the percentiles."""
    rows, samples, ranges = _ranges(demo)
    of_one = rows[rows["study_accession"] == ONE]
    return figures.reference_curves(ranges, NAIVE, meta.place(of_one, samples, ranges))


def _figure(demo: Demo, *arguments: str | Path) -> Image.Image:
    """What a command of the noun figure draws of the files of one study."""
    out = demo.work / "figure.png"
    called("figure", *arguments, "--out", out)
    return Image.open(io.BytesIO(out.read_bytes()))


def density(demo: Demo) -> Image.Image:
    """Stacked densities of some files, by arm, with cut-offs."""
    run = demo.work / "run"
    colour = ("--samples", run / "samples.tsv", "--group", "arm_name", "--cutoffs", run / "cutoffs.tsv")
    files = list(demo.files.values())[:6]
    return _figure(demo, "density", *files, "--markers", "CD3,CD4,CD8,CD45RA", "--layout", "stacked", *colour)


def scatter(demo: Demo) -> Image.Image:
    """Two files in two markers, by metacluster."""
    colour = ("--colour-by", "FlowSOM_metacluster", "--clusters", demo.work / "run" / "clusters.tsv")
    return _figure(demo, "scatter", *list(demo.files.values())[:2], "--x", "CD4", "--y", "CD8", *colour)


def overview(demo: Demo) -> Image.Image:
    """Pairs of markers of a file."""
    return _figure(demo, "overview", next(iter(demo.files.values())), "--markers", "CD3,CD4,CD8")


def embedding(demo: Demo) -> Image.Image:
    """t-SNE of the files of one study."""
    names = ("--clusters", demo.work / "run" / "clusters.tsv", "--markers", "CD3,CD4,CD8")
    return _figure(demo, "embedding", *demo.files.values(), *names, "--max-events", "1500")


def space(demo: Demo) -> Image.Image:
    """Three markers from two sides, by metacluster."""
    colour = ("--colour-by", "FlowSOM_metacluster", "--clusters", demo.work / "run" / "clusters.tsv")
    return _figure(demo, "scatter3d", *demo.files.values(), "--x", "CD3", "--y", "CD4", "--z", "CD8", *colour)


def parallel(demo: Demo) -> Image.Image:
    """Profiles of four populations of one study, by their gates."""
    wanted = {"Naive CD4 T cells": "CD3+ CD4+ CCR7+ CD45RA+", "Memory CD4 T cells": "CD3+ CD4+ CD45RA-",
              "B cells": "CD19+ CD3-", "NK cells": "CD56+ CD3- CD14-"}  # fmt: skip
    run = demo.work / "run"
    given = [word for name, gates in wanted.items() for word in ("--population", f"{name}={gates}")]
    cuts = ("--cutoffs", run / "cutoffs.tsv", "--samples", run / "samples.tsv")
    return _figure(demo, "parallel", *demo.files.values(), *given, *cuts)


def boxes(demo: Demo) -> Image.Image:
    """Events of the metaclusters in three markers."""
    names = ("--clusters", demo.work / "run" / "clusters.tsv", "--markers", "CD3,CD4,CD8")
    return _figure(demo, "boxes", *demo.files.values(), *names)


def abundances(demo: Demo) -> Image.Image:
    """A population by age in each study."""
    run = demo.work / "run"
    by = ("--samples", run / "samples.tsv", "--by", "age_years", "--population", NAIVE)
    return _figure(demo, "populations", run / "populations.tsv", *by)


def imported(demo: Demo) -> Figure:
    """Statistics of an earlier run of MetaCyto."""
    out, source = demo.work / "imported.tsv", GALAXY / "metacyto"
    called(
        "population", "import", source / "stats.csv", "--sample-info", source / "sample_info.csv", "--out", out,
        "--medians", demo.work / "imported_medians.tsv", "--samples-out", demo.work / "imported_samples.tsv",
    )  # fmt: skip
    stats = pd.read_csv(source / "stats.csv", dtype=str)[["study_id", "fcs_files", "label", "fraction"]]
    wanted = ["study_accession", "file_name", "population", "definition", "fraction"]
    return scheme(
        [Shown("stats of MetaCyto", stats)],
        "Import MetaCyto results",
        [Shown("populations.tsv", text_table(out, wanted))],
    )


def exported(demo: Demo) -> Figure:
    """Samples by populations, as AnnData holds them."""
    rows = demo.of_one(tables.POPULATIONS)
    rows = rows[rows["method"] == "search"]
    wide = rows.pivot_table("fraction", "sample_id", "population")[["B cells", "NK cells", NAIVE]]
    samples = demo.of_one(tables.SAMPLES)[["sample_id", "subject_accession", "age_years", "sex"]]
    long = rows[["sample_id", "population", "n_events", "fraction"]]
    return scheme(
        [Shown("populations.tsv", long.head(3)), Shown("samples.tsv", samples.head(3))],
        "Export populations",
        [Shown("AnnData: samples x populations, fractions", wide.head(3).reset_index())],
    )
