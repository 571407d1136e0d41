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
    from matplotlib.colors import to_rgb

    columns = [
        (str(row.study_accession), str(row.panel_id), int(row.n_files), set(filter(None, str(row.markers).split(";"))))
        for row in panels.sort_values(["study_accession", "panel_id"]).itertuples()
    ]
    every = set().union(*(markers for *_, markers in columns)) if columns else set()
    count = {marker: sum(marker in markers for *_, markers in columns) for marker in every}
    order = sorted(every, key=lambda marker: (-count[marker], marker))
    shown = np.array([[marker in markers for *_, markers in columns] for marker in order], dtype=bool)
    shown = shown.reshape(len(order), len(columns))
    with style():
        figure = new_figure(max(4.2, 1.6 + 1.5 * len(columns)), 1.5 + 0.2 * max(len(order), 3))
        axes = figure.add_subplot()
        inks = np.array([to_rgb(PALETTE[0] if count[marker] > 1 else PALETTE[5]) for marker in order]).reshape(-1, 3)
        at_row, at_column = (place.ravel() for place in np.indices(shown.shape))
        present = shown.ravel()[:, np.newaxis]
        axes.scatter(
            at_column, at_row, s=64, marker="s", linewidths=0.8,
            color=np.where(present, inks[at_row], to_rgb("white")),
            edgecolors=np.where(present, inks[at_row], to_rgb(GRID)),
        )  # fmt: skip
        axes.set_xticks(
            range(len(columns)),
            [f"{label(study, 16)}\n{label(panel, 22)}\n{n} files" for study, panel, n, _ in columns],
        )
        axes.set_yticks(range(len(order)), [label(marker, 24) for marker in order])
        axes.xaxis.tick_top()
        axes.set_ylim(max(len(order), 1) - 0.5, -0.5)
        axes.set_xlim(-0.6, max(len(columns), 1) - 0.4)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_xlabel("dark: in several panels; light: in one panel only", color=MUTED)
        if not order:
            axes.text(0.5, 0.5, "no marker", transform=axes.transAxes, ha="center", color=INK)
    return figure
