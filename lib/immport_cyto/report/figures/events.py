"""Events in two channels at a time, coloured by density, by a value or by cluster; and in an embedding."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._points import (
    BINS,
    OTHER,
    Colouring,
    axis_limits,
    draw_events,
    key,
    key_width,
    note_below,
    number_clusters,
    within,
)
from immport_cyto.report.figures._style import GRID, MUTED, PALETTE, label, new_figure, style
from immport_cyto.report.figures._tree import colours
from immport_cyto.report.figures.outlines import Outline, draw_outline, mark_scale, name_outlines, with_outlines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4


@dataclass(frozen=True)
class Plot:
    """Events of one panel of `event_scatter`.

    Attributes
    ----------
    title
        File, or what they are.
    points : ndarray, events x 2
    colouring
        Of these events.
    x_cuts, y_cuts
        Where to draw lines.
    outlines
        Gates.
    """

    title: str
    points: NDArray[np.floating]
    colouring: Colouring = field(default_factory=Colouring)
    x_cuts: Sequence[float] = ()
    y_cuts: Sequence[float] = ()
    outlines: Sequence[Outline] = ()


def event_scatter(
    plots: Sequence[Plot], x_label: str, y_label: str, *, note: str = "",
    marks: Sequence[Sequence[tuple[float, float]]] = ((), ()),
) -> "Figure":  # fmt: skip
    """Events in two channels, a panel per file, all on the same axes.

    Parameters
    ----------
    plots
        What to show.
    x_label, y_label
        Names of the channels.
    note
        Line below, such as which events are shown.
    marks
        For each axis pairs of a power of ten (or 0) and where it is, instead of the numbers on the axis.
    """
    columns = min(_COLUMNS, max(len(plots), 1))
    rows = max(-(-len(plots) // columns), 1)
    together = np.concatenate([plot.points for plot in plots]) if plots else np.empty((0, 2))
    limits = [axis_limits(together[:, axis]) for axis in (0, 1)]
    limits = with_outlines(limits, [outline for plot in plots for outline in plot.outlines])
    every = _joined([plot.colouring for plot in plots])
    side = 5.0 if len(plots) == 1 else 2.7
    with style():
        figure = new_figure(side * columns + key_width(every), side * 0.92 * rows + 0.5)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in list(grid.flat)[len(plots) :]:
            axes.set_axis_off()
        mapped = None
        for number, (axes, plot) in enumerate(zip(grid.flat, plots, strict=False)):
            mapped = draw_events(axes, plot.points, plot.colouring, limits, every) or mapped
            for cut in plot.x_cuts:
                axes.axvline(cut, color=PALETTE[1], linewidth=1.1, linestyle="--")
            for cut in plot.y_cuts:
                axes.axhline(cut, color=PALETTE[1], linewidth=1.1, linestyle="--")
            for outline in plot.outlines:
                draw_outline(axes, outline, limits)
            for axis, of_axis, limit in zip((axes.xaxis, axes.yaxis), marks, limits, strict=True):
                mark_scale(axis, of_axis, limit, 5 if len(plots) == 1 else 3)
            if plot.title:
                axes.set_title(label(plot.title, 34 if len(plots) > 1 else 60), fontsize=8 if len(plots) > 1 else 10)
            if number % columns == 0:
                axes.set_ylabel(label(y_label, 30))
            if number + columns >= len(plots):
                axes.set_xlabel(label(x_label, 30))
                axes.tick_params(labelbottom=True)
        key(figure, every, mapped)
        note_below(figure, note, every)
        number_clusters(figure, [(axes, within(plot.points, limits), plot.colouring)
                                 for axes, plot in zip(grid.flat, plots, strict=False)])  # fmt: skip
        if any(plot.outlines for plot in plots):
            figure.draw_without_rendering()
            for axes, plot in zip(grid.flat, plots, strict=False):
                name_outlines(axes, plot.outlines, limits, within(plot.points, limits))
    return figure


def event_pairs(
    values: NDArray[np.floating], names: Sequence[str], colouring: Colouring, *, title: str = "", note: str = ""
) -> "Figure":
    """All pairs of markers, with the density of each marker on the diagonal.

    Parameters
    ----------
    values
        Events x markers.
    names
        Of the columns.
    colouring
        Of the events.
    title
        Line above.
    note
        Line below.
    """
    n = len(names)
    limits = [axis_limits(values[:, column]) for column in range(n)]
    side = float(np.clip(11.0 / max(n, 1), 1.05, 2.4))
    with style():
        figure = new_figure(side * n + 0.4 + key_width(colouring), side * n + 0.9)
        grid = figure.subplots(n, n, squeeze=False)
        mapped = None
        for row in range(n):
            for column in range(n):
                axes = grid[row, column]
                axes.tick_params(labelsize=6, length=2)
                if column > row:
                    axes.set_axis_off()
                    continue
                if column == row:
                    _diagonal(axes, values[:, row], limits[row], colouring)
                    axes.set_title(label(names[row], 16), fontsize=8)
                else:
                    shown = values[:, [column, row]]
                    mapped = draw_events(axes, shown, colouring, [limits[column], limits[row]], colouring) or mapped
                if row < n - 1:
                    axes.tick_params(labelbottom=False)
                else:
                    axes.set_xlabel(label(names[column], 14), fontsize=8)
                if column == 0 and row:
                    axes.set_ylabel(label(names[row], 14), fontsize=8)
                elif column:
                    axes.tick_params(labelleft=False)
        key(figure, colouring, mapped)
        if title:
            figure.suptitle(label(title, 90), x=0.01, ha="left", fontweight="bold")
        note_below(figure, note, colouring)
        number_clusters(figure, [
            (grid[row, column], within(values[:, [column, row]], [limits[column], limits[row]]), colouring)
            for row in range(n) for column in range(row)
        ])  # fmt: skip
    return figure


def embedding(
    points: NDArray[np.floating], values: NDArray[np.floating], names: Sequence[str], colouring: Colouring, *,
    method: str, note: str = "",
) -> "Figure":  # fmt: skip
    """Events in two dimensions that keep neighbours together: once coloured by cluster, then once per marker.

    Parameters
    ----------
    points
        Events x 2.
    values
        Events x markers.
    names
        Of the markers.
    colouring
        Of the first panel.
    method
        What made the points, for the axes.
    note
        Line below.
    """
    columns = _COLUMNS if len(names) else 1
    rows = -(-len(names) // columns)
    limits = _square([axis_limits(points[:, axis], tail=0.0) for axis in (0, 1)])
    with style():
        # the panels of the markers are as wide as high, the first is twice as wide
        figure = new_figure(8.6, 4.4 + 2.05 * rows + (0.3 if note else 0))
        parts = figure.subfigures(2, 1, height_ratios=[4.4, max(2.05 * rows, 0.01)]) if rows else [figure]
        axes = parts[0].subplots()
        mapped = draw_events(axes, points, colouring, limits, colouring)
        _bare(axes)
        axes.set_aspect("equal")
        axes.set_xlabel(f"{method} 1", color=MUTED)
        axes.set_ylabel(f"{method} 2", color=MUTED)
        key(parts[0], colouring, mapped)
        if rows:
            grid = parts[1].subplots(rows, columns, squeeze=False)
            for place in list(grid.flat)[len(names) :]:
                place.set_axis_off()
            for column, place in enumerate(list(grid.flat)[: len(names)]):
                one = draw_events(place, points, Colouring(names[column], values[:, column]), limits, Colouring())
                _bare(place)
                place.set_aspect("equal")
                place.set_title(label(names[column], 20), fontsize=8)
                bar = parts[1].colorbar(one, ax=place, shrink=0.75, pad=0.01, aspect=14)
                bar.ax.tick_params(labelsize=6, length=2)
                bar.outline.set_visible(False)
        note_below(figure, note, colouring)
        number_clusters(figure, [(axes, points, colouring)])
    return figure


def _joined(several: Sequence[Colouring]) -> Colouring:
    """One colouring for all panels."""
    if not several or several[0].values is None:
        return Colouring()
    names = {number: name for one in several for number, name in one.names.items()}
    values = np.concatenate([one.values for one in several if one.values is not None])
    return replace(several[0], values=values, names=names)


def _square(limits: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same length of both axes, around their middles."""
    half = max(high - low for low, high in limits) / 2
    return [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in limits]


def _diagonal(axes: "Axes", values: NDArray[np.floating], limit: tuple[float, float], colouring: Colouring) -> None:
    """Density of one marker; of each cluster where the events are coloured so and there are few."""
    from scipy.ndimage import gaussian_filter1d

    edges = np.linspace(*limit, BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    numbers = colouring.numbers() if colouring.is_cluster else []
    parts: list[tuple[Any, NDArray[np.floating]]] = [(PALETTE[0], values)]
    if numbers and colouring.values is not None:
        parts = [(shade, values[colouring.values == number])
                 for number, shade in zip(numbers, colours(numbers), strict=True)]  # fmt: skip
        parts = [(OTHER, values[colouring.values <= 0]), *parts]
    for shade, part in parts:
        height = gaussian_filter1d(np.histogram(np.clip(part, *limit), edges)[0].astype(float), 2.0)
        axes.plot(middle, height, color=shade, linewidth=0.9)
        if len(parts) == 1:
            axes.fill_between(middle, height, color=GRID, linewidth=0)
    axes.set_xlim(*limit)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _bare(axes: "Axes") -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
