"""One self-contained page about a FlowSOM model and the files mapped onto it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report import figures
from immport_cyto.report.page import Picture, sheet, write_page
from immport_cyto.report.section import Drawing, Section

if TYPE_CHECKING:
    import pandas as pd

MOST_PAIRS = 9


@dataclass(frozen=True)
class Summary:
    """What the page shows.

    Attributes
    ----------
    nodes
        The map.
    markers
        Markers that it was trained on.
    statistics, abundances, drift : DataFrame
        STATISTICS, ABUNDANCES and DRIFT of the files.
    sample : ndarray of float32, events x markers
        Some events of the files, for scatter plots.
    sample_metaclusters : ndarray of int
        Their metaclusters, from 1.
    tiles
        Names and values of single facts.
    explained_variance
        For 1, 2, ... metaclusters, where their number was chosen; else empty.
    delta_area
        Relative gain of consensus area for 2, 3, ... metaclusters, where known; else empty.
    warnings
        Sentences.
    """

    nodes: figures.Nodes
    markers: Sequence[str]
    statistics: "pd.DataFrame"
    abundances: "pd.DataFrame"
    drift: "pd.DataFrame"
    sample: NDArray[np.floating]
    sample_metaclusters: NDArray[np.integer]
    tiles: Sequence[tuple[str, str]] = ()
    explained_variance: Sequence[float] = ()
    delta_area: Sequence[float] = ()
    warnings: Sequence[str] = field(default_factory=list)


def node_medians(summary: Summary) -> NDArray[np.float64]:
    """Median of each marker of the map in each node (nodes x markers), NaN without events."""
    rows = summary.statistics[summary.statistics["level"] == "node"]
    table = rows.pivot_table(index="cluster", columns="marker", values="median")
    numbers = range(1, len(summary.nodes.metaclusters) + 1)
    return table.reindex(index=numbers, columns=list(summary.markers)).to_numpy(float)


def drawings(summary: Summary) -> dict[str, Drawing]:
    """All figures by name."""
    nodes, medians = summary.nodes, node_medians(summary)
    of_metaclusters = summary.statistics[summary.statistics["level"] == "metacluster"]
    clusters = of_metaclusters.drop_duplicates("cluster").assign(
        metacluster=lambda rows: rows["cluster"], fraction=lambda rows: rows["percentage"] / 100
    )
    middle = of_metaclusters[["cluster", "marker", "median"]].rename(columns={"cluster": "metacluster"})
    n = len(nodes.metaclusters)
    k = int(nodes.metaclusters.max(initial=0))
    found = {
        "tree": Drawing(
            partial(figures.metacluster_tree, nodes),
            f"Minimum spanning tree of {n} nodes in {k} metaclusters.",
            "Minimum spanning tree: each disc is a node with its metacluster's number; areas grow with the events.",
        ),
        "stars": Drawing(
            partial(figures.star_plot, nodes, medians, summary.markers),
            f"Star plot of {n} nodes on the tree; each ray is the median of a marker.",
            "Star plot on the tree: rays are medians per marker, from the lowest to the highest node.",
        ),
        "stars-grid": Drawing(
            partial(figures.star_plot, nodes, medians, summary.markers, layout="grid"),
            f"Star plot of {n} nodes on the grid of the map.",
            "Star plot on the grid of the map.",
        ),
        "heatmap": Drawing(
            partial(figures.cluster_heatmap, middle, clusters),
            f"Heat map of the median of each marker in {k} metaclusters.",
            "Median of each marker per metacluster, and the share of the events.",
        ),
        "markers": Drawing(
            partial(figures.marker_trees, nodes, medians, summary.markers),
            "The tree once per marker, coloured by the median.",
            "Each marker on the tree: median of the events of each node.",
        ),
        "abundances": Drawing(
            partial(figures.sample_abundances, summary.abundances[summary.abundances["level"] == "metacluster"]),
            "Share of each metacluster in each file.",
            "Metaclusters per file.",
        ),
        "drift": Drawing(
            partial(figures.drift, summary.drift),
            "Outliers and shift of the composition of each file.",
            "How far each file is from the training of the model.",
        ),
    }  # fmt: skip
    if len(summary.sample):
        pairs = scatter_pairs(medians, nodes.n_events)
        found["scatters"] = Drawing(
            partial(figures.marker_scatters, summary.sample, summary.sample_metaclusters, summary.markers, pairs),
            "Events in two markers at a time, coloured by metacluster.",
            f"{len(summary.sample):,} events of all files; numbers stand at the medians of the metaclusters.",
        )
    if len(summary.explained_variance):
        found["number"] = Drawing(
            partial(figures.number_of_metaclusters, summary.explained_variance, k, summary.delta_area),
            f"Curve from which {k} metaclusters were chosen.",
            f"What speaks for {k} metaclusters.",
        )
    return found


def scatter_pairs(medians: NDArray[np.floating], n_events: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Columns to show against each other: markers by the spread of their node medians, two by two."""
    filled = n_events > 0
    spread = medians[filled].std(axis=0) if filled.any() else np.zeros(medians.shape[1])
    order = [int(column) for column in np.argsort(-spread, kind="stable")]
    pairs = list(zip(order[::2], order[1::2], strict=False))
    if len(order) % 2 and len(order) > 1:
        pairs.append((order[-2], order[-1]))
    return pairs[:MOST_PAIRS]


def build(out: Path | str, summary: Summary, *, title: str, quiet: bool = True) -> dict[str, Picture]:
    """Write the page, whole or not at all.

    Parameters
    ----------
    out
        The HTML file.
    summary
        What it shows.
    title
        Heading.
    quiet
        Show no progress.

    Returns
    -------
    dict
        Its figures by name.
    """
    pictures = drawings(summary)
    statistics = summary.statistics
    of_metaclusters = statistics[statistics["level"] == "metacluster"]
    counts = ["cluster", "population", "n_events", "percentage", "n_outliers"]
    hide = ["study_accession", "panel_id", "level"]
    overview = Section("summary", "Summary", tiles=list(summary.tiles), notes=list(summary.warnings))
    overview.pictures = [pictures[name] for name in ("tree", "number") if name in pictures]
    table = of_metaclusters.drop_duplicates("cluster")[counts]
    overview.sheets = [sheet(table, "metaclusters.tsv", "Metaclusters")]
    stars = Section("stars", "Star plots", pictures=[pictures["stars"], pictures["stars-grid"]])
    markers = Section("markers", "Markers")
    markers.pictures = [pictures[name] for name in ("heatmap", "markers", "scatters") if name in pictures]
    markers.sheets = [
        sheet(of_metaclusters, "metacluster_statistics.tsv", "Markers per metacluster", hide=[*hide, "metacluster"]),
        sheet(statistics[statistics["level"] == "node"], "node_statistics.tsv", "Markers per node", hide=hide),
    ]
    files = Section("files", "Files", pictures=[pictures["abundances"], pictures["drift"]])
    files.sheets = [
        sheet(summary.drift, "drift.tsv", "Files against the training", hide=["study_accession", "panel_id"]),
        sheet(
            summary.abundances[summary.abundances["level"] == "metacluster"], "abundances.tsv",
            "Metaclusters per file", hide=hide,
        ),
    ]  # fmt: skip
    drawn = write_page(out, title, [overview, stars, markers, files], quiet=quiet)
    return {name: drawn[drawing] for name, drawing in pictures.items()}
