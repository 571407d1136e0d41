"""Metaclusters: medians of the markers, sizes, names."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure


def cluster_heatmap(medians: "pd.DataFrame", clusters: "pd.DataFrame") -> "Figure":
    """Median of each marker per metacluster, scaled per marker to 0-1, with the share of events beside it.

    Rows and columns are ordered by average linkage of the scaled medians.

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
    rows, columns = _order(scaled), _order(scaled.T)
    names = []
    for number, row in info.iterrows():
        named = str(row.get("population") or "") or str(row.get("phenotype") or "")
        names.append(label(f"{number}  {named}", 46))
    with style():
        figure = new_figure(3.6 + 0.26 * len(columns) + 1.6, 1.6 + 0.24 * max(len(rows), 4))
        grid = figure.add_gridspec(1, 3, width_ratios=[max(len(columns), 3) * 0.26, 1.1, 0.12])
        heat = figure.add_subplot(grid[0, 0])
        image = heat.imshow(
            scaled[np.ix_(rows, columns)], aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="none"
        )
        heat.set_xticks(range(len(columns)), [label(matrix.columns[i], 16) for i in columns], rotation=90, fontsize=8)
        heat.set_yticks(range(len(rows)), [names[i] for i in rows], fontsize=8)
        heat.tick_params(length=0)
        for side in heat.spines.values():
            side.set_visible(False)
        bars = figure.add_subplot(grid[0, 1])
        shares = info["fraction"].to_numpy(dtype=float)[rows] * 100
        bars.barh(range(len(rows)), shares, color=PALETTE[0], height=0.75)
        for position, share in enumerate(shares):
            bars.text(share, position, f" {share:.1f}", va="center", fontsize=7, color=MUTED)
        bars.set_ylim(len(rows) - 0.5, -0.5)
        bars.set_yticks([])
        bars.set_xlim(0, max(float(shares.max(initial=1.0)) * 1.35, 1))
        bars.set_xlabel("% of events")
        colour = figure.colorbar(image, cax=figure.add_subplot(grid[0, 2]))
        colour.set_label("median, scaled per marker", fontsize=8)
        colour.ax.tick_params(labelsize=7)
        colour.outline.set_visible(False)
    return figure


def _order(matrix: "np.ndarray") -> list[int]:
    """Leaf order of average linkage."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return list(range(len(matrix)))
    return [int(i) for i in leaves_list(linkage(matrix, "average", optimal_ordering=True))]
