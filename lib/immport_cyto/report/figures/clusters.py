"""Metaclusters and FLOCK populations: medians or centres of the markers, sizes, names."""

from itertools import product
from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LEVEL_SIGNS = ("-", "lo", "+", "++")
_DARK = 0.55
"""Below it white text is read better than black."""


def cluster_heatmap(medians: "pd.DataFrame", clusters: "pd.DataFrame") -> "Figure":
    """Median of each marker per metacluster, scaled per marker to 0-1, with the share of events beside it.

    Rows and columns are ordered by average linkage of the scaled medians; the tree of the rows stands on the left.

    Parameters
    ----------
    medians
        Rows of ``cluster_medians.tsv`` of one study and panel.
    clusters
        Rows of ``clusters.tsv`` of the same.
    """
    matrix = medians.pivot_table(index="metacluster", columns="marker", values="median", sort=True)
    info = clusters.set_index("metacluster").loc[list(matrix.index)]
    names = []
    for number, row in info.iterrows():
        named = str(row.get("population") or "") or str(row.get("phenotype") or "")
        names.append(label(f"{number}  {named}", 46))
    shares = info["fraction"].to_numpy(dtype=float) * 100
    return _heatmap(matrix, names, shares, legend="median, scaled per marker", left=4.1, cell=0.26)


def population_profiles(profiles: "pd.DataFrame", named: "Mapping[int, str] | None" = None) -> "Figure":
    """Centre of each FLOCK population per marker, scaled as above, with the level of the marker written on it.

    Parameters
    ----------
    profiles
        Rows of ``flock_profiles.tsv`` of one model or one file.
    named
        Names of populations, by number.
    """
    centres, levels = (
        profiles.pivot_table(index="population", columns="marker", values=value, sort=True)
        for value in ("center", "level")
    )
    levels = levels.loc[list(centres.index), list(centres.columns)]
    shares = profiles.groupby("population")["percentage"].first().loc[list(centres.index)].to_numpy(dtype=float)
    signs = [[LEVEL_SIGNS[int(level) - 1] for level in row] for row in levels.to_numpy()]
    given = {number: name for number, name in (named or {}).items() if name}
    names = [label(f"{number}  {given.get(number, '')}".strip(), 40) for number in centres.index]
    left = 4.3 if given else 2.9
    return _heatmap(centres, names, shares, legend="centre, scaled per marker", left=left, cell=0.36, signs=signs)


def _heatmap(
    matrix: "pd.DataFrame", names: list[str], shares: "np.ndarray", *, legend: str, left: float, cell: float,
    signs: list[list[str]] | None = None,
) -> "Figure":  # fmt: skip
    """Rows with `names` by markers, scaled per marker to 0-1; percentages beside, and `signs` on the cells.

    `left` and `cell` are the inches left of the cells and of one cell.
    """
    import numpy as np

    values = matrix.to_numpy(dtype=float)
    if not values.size:
        with style():
            figure = new_figure(4.0, 1.2)
            figure.text(0.5, 0.5, "no events", ha="center", va="center", color=MUTED)
        return figure
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    # a marker that is the same everywhere is neither low nor high
    scaled = np.nan_to_num(np.where(high > low, (values - low) / np.where(high > low, high - low, 1.0), 0.5))
    tree = linkage_of(scaled)
    rows, columns = leaves(tree, len(scaled)), leaves(linkage_of(scaled.T), scaled.shape[1])
    with style():
        figure = new_figure(left + cell * len(columns) + 1.6, 1.6 + 0.24 * max(len(rows), 4))
        grid = figure.add_gridspec(1, 4, width_ratios=[0.5, max(len(columns), 3) * cell, 1.1, 0.12])
        heat = figure.add_subplot(grid[0, 1])
        image = heat.imshow(
            scaled[np.ix_(rows, columns)], aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="none"
        )
        if signs is not None:
            for (y, row), (x, column) in product(enumerate(rows), enumerate(columns)):
                colour = "white" if scaled[row, column] < _DARK else "black"
                heat.text(x, y, signs[row][column], ha="center", va="center", fontsize=7, color=colour)
        heat.set_xticks(range(len(columns)), [label(matrix.columns[i], 16) for i in columns], rotation=90, fontsize=8)
        heat.set_yticks(range(len(rows)), [names[i] for i in rows], fontsize=8)
        heat.tick_params(length=0)
        for side in heat.spines.values():
            side.set_visible(False)
        bars = figure.add_subplot(grid[0, 2])
        bars.barh(range(len(rows)), shares[rows], color=PALETTE[0], height=0.75)
        for position, share in enumerate(shares[rows]):
            bars.text(share, position, f" {share:.1f}", va="center", fontsize=7, color=MUTED)
        bars.set_ylim(len(rows) - 0.5, -0.5)
        bars.set_yticks([])
        bars.set_xlim(0, max(float(shares.max(initial=1.0)) * 1.35, 1))
        bars.set_xlabel("% of events")
        draw_dendrogram(figure.add_subplot(grid[0, 0]), tree, len(rows))
        bar = figure.colorbar(image, cax=figure.add_subplot(grid[0, 3]))
        bar.set_label(legend, fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
    return figure


def linkage_of(matrix: "np.ndarray") -> "np.ndarray | None":
    """Average linkage of the rows, leaves in the order that keeps neighbours near; None for fewer than three."""
    from scipy.cluster.hierarchy import linkage

    return linkage(matrix, "average", optimal_ordering=True) if len(matrix) > 2 else None


def leaves(tree: "np.ndarray | None", n: int) -> list[int]:
    """Order of the leaves of a tree; as they came without one."""
    from scipy.cluster.hierarchy import leaves_list

    return list(range(n)) if tree is None else [int(i) for i in leaves_list(tree)]


def draw_dendrogram(axes: "Axes", tree: "np.ndarray | None", n: int) -> None:
    """The tree of the rows, its leaves on the right beside them."""
    from scipy.cluster.hierarchy import dendrogram

    if tree is not None:
        drawn = dendrogram(tree, no_plot=True)
        # scipy puts leaf i at 10 i + 5
        for across, along in zip(drawn["dcoord"], drawn["icoord"], strict=True):
            axes.plot(across, [(place - 5) / 10 for place in along], color=MUTED, linewidth=0.8)
    axes.set_ylim(n - 0.5, -0.5)
    axes.invert_xaxis()
    axes.set_axis_off()
