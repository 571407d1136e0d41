"""Metaclusters: medians of the markers, sizes, names."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    import numpy as np

    matrix = medians.pivot_table(index="metacluster", columns="marker", values="median", sort=True)
    info = clusters.set_index("metacluster").loc[list(matrix.index)]
    values = matrix.to_numpy(dtype=float)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    scaled = np.nan_to_num((values - low) / np.where(high > low, high - low, 1.0))
    tree = linkage_of(scaled)
    rows, columns = leaves(tree, len(scaled)), leaves(linkage_of(scaled.T), scaled.shape[1])
    names = []
    for number, row in info.iterrows():
        named = str(row.get("population") or "") or str(row.get("phenotype") or "")
        names.append(label(f"{number}  {named}", 46))
    with style():
        figure = new_figure(4.1 + 0.26 * len(columns) + 1.6, 1.6 + 0.24 * max(len(rows), 4))
        grid = figure.add_gridspec(1, 4, width_ratios=[0.5, max(len(columns), 3) * 0.26, 1.1, 0.12])
        heat = figure.add_subplot(grid[0, 1])
        image = heat.imshow(
            scaled[np.ix_(rows, columns)], aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="none"
        )
        heat.set_xticks(range(len(columns)), [label(matrix.columns[i], 16) for i in columns], rotation=90, fontsize=8)
        heat.set_yticks(range(len(rows)), [names[i] for i in rows], fontsize=8)
        heat.tick_params(length=0)
        for side in heat.spines.values():
            side.set_visible(False)
        bars = figure.add_subplot(grid[0, 2])
        shares = info["fraction"].to_numpy(dtype=float)[rows] * 100
        bars.barh(range(len(rows)), shares, color=PALETTE[0], height=0.75)
        for position, share in enumerate(shares):
            bars.text(share, position, f" {share:.1f}", va="center", fontsize=7, color=MUTED)
        bars.set_ylim(len(rows) - 0.5, -0.5)
        bars.set_yticks([])
        bars.set_xlim(0, max(float(shares.max(initial=1.0)) * 1.35, 1))
        bars.set_xlabel("% of events")
        draw_dendrogram(figure.add_subplot(grid[0, 0]), tree, len(rows))
        colour = figure.colorbar(image, cax=figure.add_subplot(grid[0, 3]))
        colour.set_label("median, scaled per marker", fontsize=8)
        colour.ax.tick_params(labelsize=7)
        colour.outline.set_visible(False)
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
