"""Events and clusters."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from help_pictures.demo import GALAXY, NAIVE, ONE, Demo, called, short, text_table
from help_pictures.schemes import Shown, scheme
from immport_cyto import cluster, events, fcs, tables
from immport_cyto.cluster import describing
from immport_cyto.cluster.drifting import drift
from immport_cyto.cluster.flock.files import flock_files
from immport_cyto.events.controls import estimate
from immport_cyto.events.figure import qc_figure
from immport_cyto.events.spillover_figure import spillover_figure
from immport_cyto.report import figures
from immport_cyto.report.figures._style import PALETTE, style


def quality(demo: Demo) -> Figure:
    """What was kept of one file, and why."""
    name = next(name for name in demo.raw if "backbone" in name)
    found = events.preprocess(demo.raw[name], demo.work / "quality.fcs", panel=demo.table(tables.PANEL))
    return qc_figure(found.figure_data)


def spillover(_: Demo) -> Figure:
    """A matrix from controls."""
    folder = GALAXY / "controls"
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
                name, own[["metacluster", "n_events"]].assign(phenotype=[short(text, 30) for text in own["phenotype"]])
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
        "Merge clusters",
        [Shown("clusters.tsv, merged", joined)],
    )


def export(demo: Demo) -> Figure:
    """A model as a table."""
    (model,) = (demo.work / "run" / "models").glob(f"{ONE}-*.npz")
    out = demo.work / "codes.csv"
    named = demo.work / "named.tsv"
    tables.write(demo.of_one(tables.CLUSTERS), named, tables.CLUSTERS)
    called("cluster", "export", "--model", model, "--clusters", named, "--codes", out)
    codes = pd.read_csv(out).round(3)
    wanted = ["node", "grid_row", "grid_column", "metacluster", "population", "n_events", "CCR7", "CD3", "CD4"]
    shape = pd.DataFrame({"model": [f"{model.stem}.npz"], "nodes": [len(codes)], "markers": [len(demo.model.markers)]})
    return scheme([Shown("model of FlowSOM", shape)], "Export FlowSOM", [Shown("codes.csv", codes[wanted].head(3))])


def metacyto(demo: Demo) -> Figure:
    """Labels of clusters as MetaCyto gives them."""
    out, definitions = demo.work / "labels.tsv", demo.work / "labels_all.tsv"
    files = sorted((GALAXY / "metacyto").glob("*.fcs"))
    called(
        "cluster", "metacyto", *files, "--samples", GALAXY / "samples.tsv", "--n-clusters", "12",
        "--definitions", definitions, "--clusters", out, "--quiet",
    )  # fmt: skip
    labels = text_table(out, ["study_accession", "metacluster", "n_events", "population"], 4)
    names = pd.DataFrame({"file": [path.name for path in files]})
    return scheme([Shown("FCS files", names)], "Cluster as MetaCyto", [Shown("clusters.tsv", labels)])
