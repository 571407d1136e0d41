"""Densities of markers of many files or groups of files, overlaid or one above the other."""

from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.report.figures._style import GRID, INK, MUTED, label, new_figure, style
from immport_cyto.report.figures._tree import colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS, _STACKED_COLUMNS = 4, 4
_MARKERS, _STACKED, _OVERLAID = 48, 60, 500
_NAMED, _SHADES = 16, 8


def marker_densities(
    curves: "pd.DataFrame", cutoffs: "pd.DataFrame | None" = None, *, stacked: bool = False, group: str = "",
    note: str = "",
) -> "Figure":  # fmt: skip
    """Densities of each marker, one curve per file or group of files, each scaled to its highest point.

    Parameters
    ----------
    curves
        Columns ``marker, curve, group, value, density``; `curve` names the file (or the group of files), `group` gives
        its colour: text, or a number where all are numbers, which is then shown on a colour scale.
    cutoffs
        Columns ``marker, curve, cutoff``: lines to draw.
    stacked
        One above the other instead of all on one line.
    group
        What `group` is, for the legend.
    note
        Line below.
    """
    markers = list(dict.fromkeys(curves["marker"]))
    shown = markers[:_MARKERS]
    names = curves.drop_duplicates("curve")[["curve", "group"]]
    quantity = bool(len(names)) and all(isinstance(value, float) for value in names["group"])
    names = names.sort_values(["group", "curve"], ignore_index=True)
    most = _STACKED if stacked else _OVERLAID
    order, left_out = list(names["curve"])[:most], max(len(names) - most, 0)
    shade, mapped = _shades(names, quantity)
    lines = dict(iter(curves.groupby(["marker", "curve"], sort=False)))
    cuts = {} if cutoffs is None else dict(iter(cutoffs.groupby(["marker", "curve"], sort=False)))
    columns = min(_STACKED_COLUMNS if stacked else _COLUMNS, max(len(shown), 1))
    rows = max(-(-len(shown) // columns), 1)
    height = 0.75 + 0.22 * max(len(order), 3) if stacked else 1.75
    many = max((len(str(name)) for name in order), default=0)
    width = 2.1 * columns + (0.065 * min(many, 30) + 0.2 if stacked else 0.3)
    with style():
        figure = new_figure(max(width, 3.6), rows * height + 0.7)
        grid = figure.subplots(rows, columns, squeeze=False)
        for number, axes in enumerate(grid.flat):
            if number >= len(shown):
                axes.set_axis_off()
                continue
            marker = shown[number]
            (_stack if stacked else _overlay)(axes, marker, order, lines, cuts, shade)
            axes.set_title(label(marker, 20), fontsize=9)
            axes.tick_params(labelsize=7)
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
            if stacked and number % columns == 0:
                axes.set_yticks([-i + 0.25 for i in range(len(order))], [label(name, 30) for name in order], fontsize=7)
            else:
                axes.set_yticks([])
        _legend(figure, names, group, shade, mapped, stacked=stacked)
        parts = [note, "each curve up to its highest point", "line: cut-off" if cuts else ""]
        parts += [f"{left_out} more curves are not shown"] if left_out else []
        parts += [f"{len(markers) - len(shown)} more markers are not shown"] if len(markers) > len(shown) else []
        figure.supxlabel("; ".join(filter(None, parts)), fontsize=7, color=MUTED, x=0.01, ha="left")
    return figure


def _shades(names: "pd.DataFrame", quantity: bool) -> tuple[dict[Any, Any], Any]:
    """Colour of each group, and what a colour bar needs where groups are numbers."""
    groups = list(dict.fromkeys(names["group"]))
    if quantity and len(groups) > _SHADES:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        mapped = ScalarMappable(Normalize(min(groups), max(groups)), "viridis")
        return {value: mapped.to_rgba(value) for value in groups}, mapped
    return dict(zip(groups, colours(range(1, len(groups) + 1)), strict=True)), None


def _overlay(axes: "Axes", marker: str, order: list[str], lines: Any, cuts: Any, shade: Any) -> None:
    faint = float(np.clip(6 / max(len(order), 1), 0.35, 0.9))
    seen: set[float] = set()
    for name in order:
        curve = lines.get((marker, name))
        if curve is None:
            continue
        group = curve["group"].iloc[0]
        height = curve["density"] / max(float(curve["density"].max()), 1e-12)
        axes.plot(curve["value"], height, color=shade[group], linewidth=1.0, alpha=faint)
        for cut in () if (marker, name) not in cuts else cuts[marker, name]["cutoff"]:
            if float(cut) not in seen:
                seen.add(float(cut))
                axes.axvline(float(cut), color=INK, linewidth=1.1, linestyle="--", zorder=1)
    axes.set_ylim(bottom=0)


def _stack(axes: "Axes", marker: str, order: list[str], lines: Any, cuts: Any, shade: Any) -> None:
    for place, name in enumerate(order):
        curve = lines.get((marker, name))
        axes.axhline(-place, color=GRID, linewidth=0.5, zorder=0)
        if curve is None:
            continue
        colour = shade[curve["group"].iloc[0]]
        height = curve["density"].to_numpy(dtype=float)
        top = -place + 1.3 * height / max(float(height.max(initial=0)), 1e-12)
        axes.fill_between(curve["value"], -place, top, color=colour, alpha=0.45, linewidth=0, zorder=2 + place)
        axes.plot(curve["value"], top, color=colour, linewidth=0.8, zorder=2 + place)
        for cut in () if (marker, name) not in cuts else cuts[marker, name]["cutoff"]:
            axes.plot([cut, cut], [-place, -place + 0.9], color=INK, linewidth=1.0, zorder=3 + place)
    axes.set_ylim(-len(order) + 0.8, 1.5)


def _legend(figure: Any, names: "pd.DataFrame", group: str, shade: Any, mapped: Any, *, stacked: bool) -> None:
    if mapped is not None:
        bar = figure.colorbar(mapped, ax=figure.axes, shrink=0.5, pad=0.01, aspect=30)
        bar.set_label(label(group, 30), fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
        return
    groups = list(dict.fromkeys(names["group"]))
    if len(groups) < 2 and not group:
        return
    if stacked and list(names["group"]) == list(names["curve"]):
        return  # the names stand beside the curves
    from matplotlib.lines import Line2D

    shown = groups[:_NAMED]
    handles = [Line2D([], [], color=shade[value], linewidth=2, label=label(_named(value), 34)) for value in shown]
    if len(groups) > _NAMED:
        handles.append(Line2D([], [], linewidth=0, label=f"and {len(groups) - _NAMED} more"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3), fontsize=7, frameon=False,
                  title=label(group, 40) or None, title_fontsize=8)  # fmt: skip


def _named(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "not known"
