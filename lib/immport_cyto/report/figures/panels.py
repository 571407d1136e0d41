"""Which marker is measured in which panel."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def panel_presence(panels: "pd.DataFrame") -> "Figure":
    """Marker by panel, markers that most panels share first.

    Parameters
    ----------
    panels
        Table ``panels.tsv``.
    """
    import numpy as np

    columns = [
        (str(row.study_accession), str(row.panel_id), int(row.n_files), set(filter(None, str(row.markers).split(";"))))
        for row in panels.sort_values(["study_accession", "panel_id"]).itertuples()
    ]
    every = set().union(*(markers for *_, markers in columns)) if columns else set()
    count = {marker: sum(marker in markers for *_, markers in columns) for marker in every}
    order = sorted(every, key=lambda marker: (-count[marker], marker))
    shown = np.array([[marker in markers for *_, markers in columns] for marker in order], dtype=bool)
    with style():
        figure = new_figure(max(4.2, 1.6 + 1.5 * len(columns)), 1.5 + 0.2 * max(len(order), 3))
        axes = figure.add_subplot()
        for row, marker in enumerate(order):
            shared = count[marker] > 1
            for column in range(len(columns)):
                present = shown[row, column]
                axes.scatter(
                    column, row, s=64, marker="s", linewidths=0.8,
                    color=(PALETTE[0] if shared else PALETTE[5]) if present else "white",
                    edgecolors=(PALETTE[0] if shared else PALETTE[5]) if present else GRID,
                )  # fmt: skip
        axes.set_xticks(
            range(len(columns)),
            [f"{label(study, 16)}\n{label(panel, 22)}\n{n} files" for study, panel, n, _ in columns],
        )
        axes.set_yticks(range(len(order)), [label(marker, 24) for marker in order])
        axes.xaxis.tick_top()
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlim(-0.6, max(len(columns), 1) - 0.4)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_xlabel("dark: in several panels; light: in one panel only", color=MUTED)
        if not order:
            axes.text(0.5, 0.5, "no marker", transform=axes.transAxes, ha="center", color=INK)
    return figure
