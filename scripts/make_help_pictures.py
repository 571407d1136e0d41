"""Make the pictures in the help of the Galaxy tools from simulated studies, with the figures of the library.

``python scripts/make_help_pictures.py [OUT]``   (OUT: tools/static/images; the same version of matplotlib gives the
same bytes). Chromium takes the picture of the report; without it this one is left as it is.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from help_schemes import Shown, scheme
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from immport_cyto import cluster, events, fcs, immport, meta, population, simulate, study, tables
from immport_cyto.cli.figure import group
from immport_cyto.cluster import describing
from immport_cyto.cluster.drifting import drift
from immport_cyto.cluster.flock.files import flock_files
from immport_cyto.events.controls import estimate
from immport_cyto.events.figure import qc_figure
from immport_cyto.events.spillover_figure import spillover_figure
from immport_cyto.report import figures
from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, style

ROOT = Path(__file__).parents[1]
WIDTH = 840  # pixels at most; Galaxy's help is about as wide
COLOURS = 96
ONE = "SDY9903"  # the study of mass cytometry
NAIVE = "Naive CD4 T cells"
PUBLISHED = ROOT / "test-data" / "galaxy" / "published"
CHROMIUM = "/usr/bin/chromium"


class Demo:
    """The studies of the demonstration and what the whole way made of them, read when it is asked for."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def run(self) -> None:
        """Simulate, and run the whole way."""
        simulate.studies(self.work / "studies", preset="demo", seed=1)
        study.run(study.read(self.work / "studies" / "study.yaml"), self.work / "run", quiet=True)

    def table(self, contract: tables.Table) -> pd.DataFrame:
        """A table of the run."""
        return tables.read(self.work / "run" / contract.name, contract)

    def of_one(self, contract: tables.Table) -> pd.DataFrame:
        """Its rows of one study."""
        frame = self.table(contract)
        return frame[frame["study_accession"] == ONE].reset_index(drop=True)

    @cached_property
    def raw(self) -> dict[str, Path]:
        """FCS files as acquired, by name."""
        return {path.name: path for path in sorted((self.work / "studies").glob("SDY*/ResultFiles/*/*.fcs"))}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files of one study with their clusters."""
        samples = self.of_one(tables.SAMPLES)
        return {name: self.work / "run" / "fcs" / name for name in sorted(samples["file_name"])}

    @cached_property
    def model(self) -> cluster.FlowSOM:
        """Model of one study."""
        (path,) = (self.work / "run" / "models").glob(f"{ONE}-*.npz")
        return cluster.load(path)

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of its metaclusters."""
        rows = self.of_one(tables.CLUSTERS)
        return {int(number): str(name) for number, name in zip(rows["metacluster"], rows["population"], strict=True)}

    @cached_property
    def nodes(self) -> figures.Nodes:
        """Its map."""
        model = self.model
        return figures.Nodes(model.grid, model.spanning_tree(), model.metaclusters_, model.node_counts_, self.names)

    def values(self, name: str) -> pd.DataFrame:
        """Markers of one preprocessed file."""
        file = fcs.open(self.files[name])
        channels = events.markers(file)
        return pd.DataFrame(file.events(list(channels.values())), columns=list(channels))

    def cutoffs(self) -> dict[str, float]:
        """Cut-off of each marker in one study."""
        rows = self.of_one(tables.CUTOFFS).dropna(subset="cutoff")
        return dict(zip(rows["marker"], rows["cutoff"], strict=True))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rsplit(' ', 1)[0]} ..."


def published(contract: tables.Table, name: str = "") -> pd.DataFrame:
    """A table of the simulated studies with published results."""
    return tables.read(PUBLISHED / (name or contract.name), contract)


# ---------------------------------------------------------------- FCS, ImmPort, panels


def info(demo: Demo) -> Figure:
    """A file and what is in it."""
    name = next(name for name in demo.raw if "backbone" in name)
    file = fcs.open(demo.raw[name])
    text = pd.DataFrame({"keyword": ["$CYT", "$TOT", "$P7N", "$P7S", "SPILL"]})
    text["value"] = [file.keywords.get(key, "")[:46] for key in text["keyword"]]
    channels = pd.DataFrame([{"number": one.number, "$PnN": one.pnn, "$PnS": one.pns} for one in file.channels[6:10]])
    return scheme([Shown(name, text)], "FCS info", [Shown("channels", channels)])


def link(demo: Demo) -> Figure:
    """Files and a package give samples."""
    samples = demo.of_one(tables.SAMPLES).head(3)
    files = samples[["file_name"]]
    package = samples[["biosample_accession", "subject_accession"]].rename(columns=lambda name: name.upper())
    wanted = ["file_name", "subject_accession", "age_years", "sex", "arm_name", "link_rule"]
    return scheme(
        [Shown("FCS files", files), Shown(f"package {ONE}-DR99_Tab.zip", package)],
        "Link FCS files to ImmPort",
        [Shown("samples.tsv", samples[wanted])],
    )


def load(demo: Demo) -> Figure:
    """Packages give a store, which knows the studies."""
    packages = sorted((demo.work / "studies").glob("SDY*/*_Tab.zip"))
    with immport.open_store() as store:
        store.load(packages)
        found = store.studies()
    shown = found[["study_accession", "title", "release", "n_subjects"]]
    return scheme(
        [Shown("ImmPort packages", pd.DataFrame({"name": [path.name for path in packages]}))],
        "Load ImmPort packages",
        [Shown("store.sqlite: studies", shown)],
    )


def panels(demo: Demo) -> Figure:
    """Markers by panels."""
    return figures.panel_presence(demo.table(tables.PANELS))


# ---------------------------------------------------------------- events


def quality(demo: Demo) -> Figure:
    """What was kept of one file, and why."""
    name = next(name for name in demo.raw if "backbone" in name)
    found = events.preprocess(demo.raw[name], demo.work / "quality.fcs", panel=demo.table(tables.PANEL))
    return qc_figure(found.figure_data)


def spillover(_: Demo) -> Figure:
    """A matrix from controls."""
    folder = ROOT / "test-data" / "galaxy" / "controls"
    files = {path.name: path for path in sorted(folder.glob("*.fcs"))}
    return spillover_figure(estimate(files))


def transforms(demo: Demo) -> Figure:
    """One channel on three scales."""
    name = next(name for name in demo.raw if "backbone" in name)
    file = fcs.open(demo.raw[name])
    channel = next(one.pnn for one in file.channels if "CD4" in one.pns.split())
    values = file.events([channel])[:, 0].astype(np.float64)
    with style():
        figure = Figure(figsize=(7.6, 2.3), layout="constrained")
        for axes, text in zip(
            figure.subplots(1, 3), ("linear", "arcsinh:cofactor=150", "logicle:T=262144,W=1,M=4.5,A=0"), strict=True
        ):
            shown = values if text == "linear" else events.parse(text).forward(values)
            axes.hist(shown, bins=90, color=PALETTE[0])
            axes.set_title(text.replace(":", "\n"), fontsize=8.5)
            axes.set_yticks([])
            axes.set_xlabel(f"CD4 ({channel})")
    return figure


def _gated(axes: Axes, values: pd.DataFrame, x: str, y: str, cuts: dict[str, float], inside: np.ndarray) -> None:
    """Events in two markers, their cut-offs, and those inside in colour."""
    axes.scatter(values[x], values[y], s=2, color="#b7c0c8", linewidths=0)
    axes.scatter(values[x][inside], values[y][inside], s=2, color=PALETTE[0], linewidths=0)
    axes.axvline(cuts[x], color=PALETTE[1], linewidth=1.2)
    axes.axhline(cuts[y], color=PALETTE[1], linewidth=1.2)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def search(demo: Demo) -> Figure:
    """The gates of a definition, one after the other."""
    values, cuts = demo.values(next(iter(demo.files))), demo.cutoffs()
    steps = (("CD3", "CD19", (1, 0)), ("CD4", "CD8", (1, 0)), ("CD45RA", "CCR7", (1, 1)))
    with style():
        figure = Figure(figsize=(7.6, 2.8), layout="constrained")
        for axes, (x, y, signs) in zip(figure.subplots(1, 3), steps, strict=True):
            inside = np.ones(len(values), dtype=bool)
            for marker, sign in zip((x, y), signs, strict=True):
                inside &= (values[marker].to_numpy() > cuts[marker]) == bool(sign)
            _gated(axes, values, x, y, cuts, inside)
            gates = " ".join(f"{marker}{'-+'[sign]}" for marker, sign in zip((x, y), signs, strict=True))
            axes.set_title(f"{gates}: {inside.sum():,} of {len(values):,}", fontsize=8.5)
            values = values[inside]
    return figure


def gates(demo: Demo) -> Figure:
    """A rectangle of a Gating-ML file."""
    name = next(name for name in demo.raw if "backbone" in name)
    file = fcs.open(demo.raw[name])
    values = file.events(["FSC-A", "SSC-A"])
    low, high = (60_000, 4_000), (165_000, 70_000)
    inside = ((values > low) & (values < high)).all(axis=1)
    with style():
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        text, axes = figure.subplots(1, 2, width_ratios=(1, 1.2))
        lines = ['<RectangleGate id="Cells">']
        for channel, least, most in zip(("FSC-A", "SSC-A"), low, high, strict=True):
            lines.append(f'  <dimension min="{least}"\n             max="{most}">\n    {channel}\n  </dimension>')
        text.text(0, 0.95, "\n".join([*lines, "</RectangleGate>"]), family="DejaVu Sans Mono", fontsize=8, va="top")
        text.set_axis_off()
        axes.scatter(*values.T, s=2, color="#b7c0c8", linewidths=0)
        axes.scatter(*values[inside].T, s=2, color=PALETTE[0], linewidths=0)
        axes.plot(
            [low[0], high[0], high[0], low[0], low[0]], [low[1], low[1], high[1], high[1], low[1]], color=PALETTE[1]
        )
        axes.set_xlabel("FSC-A")
        axes.set_ylabel("SSC-A")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(f"Cells: {inside.sum():,} of {len(values):,}", fontsize=9)
    return figure


# ---------------------------------------------------------------- clustering


def heatmap(demo: Demo) -> Figure:
    """Median of each marker in each metacluster."""
    return figures.cluster_heatmap(demo.of_one(tables.CLUSTER_MEDIANS), demo.of_one(tables.CLUSTERS))


def stars(demo: Demo) -> Figure:
    """The map with a star per node."""
    statistics = describing.statistics(demo.model, demo.files, demo.names)
    rows = statistics[statistics["level"] == "node"]
    medians = rows.pivot_table("median", "cluster", "marker").reindex(range(1, len(demo.model.codes_) + 1))
    medians = medians[demo.model.markers]
    return figures.star_plot(demo.nodes, medians.to_numpy(), demo.model.markers)


def flock(demo: Demo) -> Figure:
    """Populations of FLOCK in pairs of markers."""
    files = dict(list(demo.files.items())[:4])
    wanted = ["CD3", "CD4", "CD8", "CD19", "CD14", "CD56"]
    model = flock_files(files, markers=wanted)
    values = np.vstack([demo.values(name)[model.markers].to_numpy() for name in files])[::3]
    pairs = [
        (model.markers.index(a), model.markers.index(b)) for a, b in (("CD4", "CD8"), ("CD3", "CD19"), ("CD14", "CD56"))
    ]
    return figures.marker_scatters(values, model.predict(values), model.markers, pairs)


def map_(demo: Demo) -> Figure:
    """How mapped files differ from the training of a model."""
    names = sorted(demo.files)
    trained = {name: demo.files[name] for name in names[: len(names) // 2]}
    model = cluster.flowsom_files(trained, n_metaclusters=12)
    mapped = {name: cluster.map_file(model, path, None) for name, path in demo.files.items()}
    return figures.drift(drift(model, mapped))


def _compared(demo: Demo) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    counted = describing.abundances(demo.model, demo.files, demo.names)
    samples = demo.of_one(tables.SAMPLES)
    return counted, samples, cluster.compare_groups(counted, samples, "arm_name", reference="Healthy controls")[0]


def compare(demo: Demo) -> Figure:
    """Metaclusters in two arms."""
    counted, samples, found = _compared(demo)
    groups = dict(zip(samples["file_name"], samples["arm_name"], strict=True))
    rows = found[found["level"] == "metacluster"].sort_values("p_value").head(4)
    return figures.group_abundances(counted, groups, rows)


def extract(demo: Demo) -> Figure:
    """The events of a population, out of all."""
    name = next(iter(demo.files))
    values = demo.values(name)
    labels = fcs.open(demo.files[name]).events(["FlowSOM_metacluster"])[:, 0].astype(int)
    inside = np.isin(labels, [number for number, text in demo.names.items() if text == NAIVE])
    with style():
        figure = Figure(figsize=(6.4, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        left.scatter(
            values["CD4"],
            values["CD45RA"],
            s=2,
            color=[PALETTE[0] if hit else "#b7c0c8" for hit in inside],
            linewidths=0,
        )
        left.set_title(f"{name}: {len(values):,} events", fontsize=8)
        right.scatter(values["CD4"][inside], values["CD45RA"][inside], s=2, color=PALETTE[0], linewidths=0)
        right.set_title(f"{NAIVE}: {inside.sum():,} events", fontsize=8)
        for axes in (left, right):
            axes.set_xlabel("CD4")
        left.set_ylabel("CD45RA")
    return figure


def match(demo: Demo) -> Figure:
    """Metaclusters of two studies that are the same cells."""
    clusters, medians = demo.table(tables.CLUSTERS), demo.table(tables.CLUSTER_MEDIANS)
    two = ["SDY9901", ONE]
    clusters, medians = (frame[frame["study_accession"].isin(two)] for frame in (clusters, medians))
    found = cluster.match_metaclusters(clusters, medians)
    found = found[(found["study_accession"] == two[0]) & (found["match"] > 0)]
    found = found.sort_values("metacluster").head(4)
    found = found.rename(columns={"other_study_accession": "other study", "n_shared_markers": "shared markers"})
    sides = []
    for name, column in zip(two, ("metacluster", "other_metacluster"), strict=True):
        own = clusters[(clusters["study_accession"] == name) & clusters["metacluster"].isin(found[column])]
        sides.append(
            Shown(
                name, own[["metacluster", "n_events"]].assign(phenotype=[_short(text, 30) for text in own["phenotype"]])
            )
        )
    wanted = ["metacluster", "population", "other study", "other_metacluster", "shared markers", "distance"]
    return scheme(sides, "Match metaclusters", [Shown("matches.tsv", found[wanted])])


def merge(demo: Demo) -> Figure:
    """Metaclusters with one name become one."""
    rows = demo.of_one(tables.CLUSTERS)
    rows = rows[rows["population"].isin(["NK cells", "B cells"])].sort_values("metacluster")
    table = rows[["metacluster", "population"]]
    joined = rows.groupby("population", sort=True)[["n_nodes", "n_events", "fraction"]].sum().reset_index()
    return scheme(
        [Shown("clusters.tsv", rows[["metacluster", "n_nodes", "n_events", "fraction"]]), Shown("merges.tsv", table)],
        "Merge metaclusters",
        [Shown("clusters.tsv, merged", joined)],
    )


# ---------------------------------------------------------------- populations


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
    named = named.assign(phenotype=[_short(text, 60) for text in named["phenotype"]])
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


# ---------------------------------------------------------------- effects


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
    return rows, samples, meta.reference(rows, samples, min_subjects=15)[0]


def reference(demo: Demo) -> Figure:
    """Percentiles by age and sex."""
    return figures.reference_curves(_ranges(demo)[2], NAIVE)


def place(demo: Demo) -> Figure:
    """Samples in the percentiles."""
    rows, samples, ranges = _ranges(demo)
    of_one = rows[rows["study_accession"] == ONE]
    return figures.reference_curves(ranges, NAIVE, meta.place(of_one, samples, ranges))


# ---------------------------------------------------------------- figures by their commands


def _figure(demo: Demo, *arguments: str | Path) -> Image.Image:
    """What a command of the noun figure draws of the files of one study."""
    out = demo.work / "figure.png"
    group.main([*map(str, arguments), "--out", str(out)], standalone_mode=False)
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


def abundances(demo: Demo) -> Image.Image:
    """A population by age in each study."""
    run = demo.work / "run"
    by = ("--samples", run / "samples.tsv", "--by", "age_years", "--population", NAIVE)
    return _figure(demo, "populations", run / "populations.tsv", *by)


PICTURES: dict[str, Callable[[Demo], Figure | Image.Image]] = {
    "info": info, "link": link, "load": load, "panels": panels, "quality": quality, "spillover": spillover,
    "transforms": transforms, "gates": gates, "heatmap": heatmap, "stars": stars, "flock": flock, "map": map_,
    "compare": compare, "extract": extract, "match": match, "merge": merge, "cutoffs": cutoffs, "label": label,
    "search": search, "annotate": annotate, "summary": summary, "effects": effects, "forest": forest,
    "batches": batches, "regression": regression, "subgroups": subgroups, "cumulative": cumulative, "funnel": funnel,
    "power": power, "reference": reference, "place": place, "density": density, "scatter": scatter,
    "overview": overview, "embedding": embedding, "abundances": abundances,
}  # fmt: skip


UPPER = {"quality": 0.613}  # the part that is shown


def save(image: Image.Image, path: Path, colours: int = COLOURS) -> None:
    """Write a PNG of few colours, not wider than the help."""
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)


def drawn(figure: Figure | Image.Image, upper: float = 1.0) -> Image.Image:
    """A figure as an image, or its upper part."""
    if isinstance(figure, Image.Image):
        return figure
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=min(100.0, WIDTH / figure.get_figwidth()), facecolor="white")
    image = Image.open(buffer)
    return image.crop((0, 0, image.width, round(image.height * upper)))


def photograph(page: Path, path: Path) -> None:
    """The upper part of a page, as a browser shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1180, "height": 1010})
        view.goto(page.as_uri())
        save(Image.open(io.BytesIO(view.screenshot())), path, 24)
        browser.close()


def main(out: Path, only: list[str]) -> None:
    """Make all pictures, or some."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        demo = Demo(Path(work))
        demo.run()
        for name, draw in PICTURES.items():
            if not only or name in only:
                save(drawn(draw(demo), UPPER.get(name, 1.0)), out / f"{name}.png")
        if Path(CHROMIUM).is_file() and (not only or "report" in only):
            shutil.copy(demo.work / "run" / "report.html", demo.work / "page.html")
            photograph(demo.work / "page.html", out / "report.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tools" / "static" / "images", sys.argv[2:])
