"""Cut-offs: where they lie in the densities of the markers, and how they differ between studies and panels."""

from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS, _GROUPS, _COLUMNS = 48, 16, 6
_KEYS = ["study_accession", "panel_id"]


def cutoff_densities(densities: "pd.DataFrame", cutoffs: "pd.DataFrame") -> "Figure":
    """Density of each marker in each study and panel, with its cut-off; grey where there is none.

    Parameters
    ----------
    densities, cutoffs
        Tables ``densities.tsv`` and ``cutoffs.tsv``; a second cut (column ``cutoff_high``) is dotted.
    """
    cutoffs = numeric(cutoffs)
    groups = list(dict.fromkeys(densities.sort_values(_KEYS)[_KEYS].itertuples(index=False, name=None)))[:_GROUPS]
    curves = dict(iter(densities.groupby([*_KEYS, "marker"], sort=False)))
    cuts = {key: rows.iloc[0] for key, rows in cutoffs.groupby([*_KEYS, "marker"], sort=False)}
    shared = {
        marker: sum((*group, marker) in curves for group in groups) for marker in dict.fromkeys(densities["marker"])
    }
    markers = sorted(shared, key=lambda marker: -shared[marker])  # stable: in the order of the panel
    shown = markers[:_MARKERS]
    rows = max(-(-len(shown) // _COLUMNS), 1)
    with style():
        figure = new_figure(1.8 * _COLUMNS + 1.2, rows * (0.8 + 0.42 * max(len(groups), 1)) + 0.3)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for number, axes in enumerate(grid.flat):
            if number >= len(shown):
                axes.set_axis_off()
                continue
            for place, group in enumerate(groups):
                key = (*group, shown[number])
                if key in curves:
                    _ridge(axes, -place, curves[key], cuts.get(key))
            axes.set_title(label(shown[number], 18), fontsize=9)
            axes.set_ylim(-len(groups) + 0.9, 1.0)
            names = [" ".join(filter(None, group)) for group in groups] if number % _COLUMNS == 0 else []
            axes.set_yticks([-place + 0.2 for place in range(len(names))], [label(name, 30) for name in names])
            axes.tick_params(axis="y", length=0, labelsize=7)
            axes.tick_params(axis="x", labelsize=7)
            axes.spines["left"].set_visible(False)
        left_out = f"; {len(markers) - len(shown)} more markers are not shown" if len(markers) > len(shown) else ""
        figure.supxlabel(
            f"transformed value; line: cut-off, dotted: second cut-off, grey: no cut-off{left_out}", fontsize=8
        )
    return figure


def numeric(cutoffs: "pd.DataFrame") -> "pd.DataFrame":
    """The table with numbers in the columns beyond its contract, which a file gives as text."""
    import pandas as pd

    more = [name for name in ("cutoff_high", "median_negative", "median_positive") if name in cutoffs]
    return cutoffs.assign(**{name: pd.to_numeric(cutoffs[name], errors="coerce") for name in more})


def _ridge(axes: "Axes", base: float, curve: "pd.DataFrame", cut: "pd.Series | None") -> None:
    x, height = curve["value"].to_numpy(dtype=float), curve["density"].to_numpy(dtype=float)
    y = base + 0.85 * height / max(float(height.max(initial=0)), 1e-12)
    value = float("nan") if cut is None else float(cut["cutoff"])
    colour = PALETTE[0] if value == value else "#999999"
    axes.fill_between(x, base, y, color=colour, alpha=0.35, linewidth=0)
    axes.plot(x, y, color=colour, linewidth=0.8)
    if value == value:
        axes.plot([value, value], [base, base + 0.85], color=PALETTE[1], linewidth=1.4)
    high = float("nan") if cut is None else float(cut.get("cutoff_high", float("nan")))
    if high == high:
        axes.plot([high, high], [base, base + 0.85], color=PALETTE[1], linewidth=1.2, linestyle=":")


def cutoff_drift(cutoffs: "pd.DataFrame") -> "Figure":
    """Cut-offs of each marker over studies and panels, with the medians of negative and positive events.

    Markers that are cut in two or more groups are shown, those whose cuts differ most at the top.

    Parameters
    ----------
    cutoffs
        Table ``cutoffs.tsv``, panels of one technique.
    """
    rows = numeric(cutoffs)
    rows = rows[rows["cutoff"].notna()]
    groups = list(dict.fromkeys(rows.sort_values(_KEYS)[_KEYS].itertuples(index=False, name=None)))
    by_marker = {str(marker): part for marker, part in rows.groupby("marker") if len(part) > 1}
    spread = {marker: float(np.ptp(part["cutoff"].to_numpy(dtype=float))) for marker, part in by_marker.items()}
    markers = sorted(by_marker, key=lambda marker: (-spread[marker], marker))
    shown = markers[:_MARKERS]
    step = 0.7 / max(len(groups), 1)
    with style():
        figure = new_figure(7.4, 1.6 + max(len(shown), 2) * (0.16 + 0.1 * min(len(groups), 12)))
        axes = figure.add_subplot()
        for place, marker in enumerate(shown):
            for row in by_marker[marker].sort_values(_KEYS).itertuples():
                number = groups.index((row.study_accession, row.panel_id))
                at, colour = place - 0.35 + (number + 0.5) * step, PALETTE[number % len(PALETTE)]
                low, high = getattr(row, "median_negative", np.nan), getattr(row, "median_positive", np.nan)
                if low == low and high == high:
                    axes.plot([low, high], [at, at], color=colour, linewidth=1, alpha=0.6)
                    axes.plot([low, high], [at, at], "o", color=colour, markersize=2.5, markeredgewidth=0)
                axes.plot(row.cutoff, at, "|", color=colour, markersize=7, markeredgewidth=2.2)
            if place:
                axes.axhline(place - 0.5, color=GRID, linewidth=0.6)
        axes.set_yticks(range(len(shown)), [label(marker, 20) for marker in shown])
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        if not shown:
            axes.text(0.5, 0.5, "no marker is cut in two groups", transform=axes.transAxes, ha="center", color=INK)
        left_out = f"; {len(markers) - len(shown)} more markers are not shown" if len(markers) > len(shown) else ""
        axes.set_xlabel(f"transformed value; bar: cut-off, points: medians of negative and positive events{left_out}")
        if shown and len(groups) <= 2 * len(PALETTE):
            from matplotlib.lines import Line2D

            names = [label(" ".join(filter(None, group)), 32) for group in groups]
            handles = [
                Line2D([], [], color=PALETTE[i % len(PALETTE)], linewidth=2, label=name) for i, name in enumerate(names)
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7, frameon=False,
                          labelcolor=MUTED)  # fmt: skip
    return figure
