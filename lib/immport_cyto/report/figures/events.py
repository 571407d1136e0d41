"""Events in two channels at a time, coloured by density, by a value or by cluster; and in an embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._labels import number_points
from immport_cyto.report.figures._style import GRID, MUTED, PALETTE, label, new_figure, style
from immport_cyto.report.figures._tree import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS, _SMOOTH = 128, 1.5
_COLUMNS = 4
_NAMED, _NUMBERED = 30, 60
_SHADES = "viridis"
_OTHER = (0.8, 0.83, 0.86)  # events of no cluster
_TAIL = 0.001  # share of the events on each side that may lie beyond the axes; they are shown at the edge


@dataclass(frozen=True)
class Colouring:
    """What the colour of the events means.

    Attributes
    ----------
    title
        Name of the marker, or of the channel of clusters; "density" for the number of events nearby.
    values : ndarray, events
        Numbers of clusters (whole, from 1; 0 for none), or values of a marker; None for density.
    names
        Names of clusters, for those that have one.
    is_cluster
        Whether `values` are numbers of clusters.
    numbered
        Whether these numbers say something to the reader; those of groups of files do not.
    """

    title: str = "density"
    values: NDArray[Any] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    is_cluster: bool = False
    numbered: bool = True

    def of(self, rows: NDArray[Any]) -> "Colouring":
        """The same for some of the events."""
        return replace(self, values=None if self.values is None else self.values[rows])

    def numbers(self) -> list[int]:
        """Clusters that hold events."""
        return [] if self.values is None else [int(number) for number in np.unique(self.values) if number > 0]

    def caption(self, number: int, limit: int = 30) -> str:
        """Number and name of a cluster; of a group its name."""
        name = label(self.names.get(number, ""), limit)
        return f"{number}  {name}".strip() if self.numbered else name


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
    """

    title: str
    points: NDArray[np.floating]
    colouring: Colouring = field(default_factory=Colouring)
    x_cuts: Sequence[float] = ()
    y_cuts: Sequence[float] = ()


def event_scatter(plots: Sequence[Plot], x_label: str, y_label: str, *, note: str = "") -> "Figure":
    """Events in two channels, a panel per file, all on the same axes.

    Parameters
    ----------
    plots
        What to show.
    x_label, y_label
        Names of the channels.
    note
        Line below, such as which events are shown.
    """
    columns = min(_COLUMNS, max(len(plots), 1))
    rows = max(-(-len(plots) // columns), 1)
    together = np.concatenate([plot.points for plot in plots]) if plots else np.empty((0, 2))
    limits = [axis_limits(together[:, axis]) for axis in (0, 1)]
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
            if plot.title:
                axes.set_title(label(plot.title, 34 if len(plots) > 1 else 60), fontsize=8 if len(plots) > 1 else 10)
            if number % columns == 0:
                axes.set_ylabel(label(y_label, 30))
            if number + columns >= len(plots):
                axes.set_xlabel(label(x_label, 30))
                axes.tick_params(labelbottom=True)
        key(figure, every, mapped)
        note_below(figure, note, every)
        number_clusters(figure, [(axes, _within(plot.points, limits), plot.colouring)
                                 for axes, plot in zip(grid.flat, plots, strict=False)])  # fmt: skip
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
            (grid[row, column], _within(values[:, [column, row]], [limits[column], limits[row]]), colouring)
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


def axis_limits(values: NDArray[np.floating], tail: float = _TAIL) -> tuple[float, float]:
    """Range of an axis: all events, but a share of `tail` on each side may not stretch it to more than five times."""
    if not len(values):
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.quantile(values, [tail, 1 - tail]))
    room = 2 * (high - low) or 0.5
    left, right = max(float(values.min()), low - room), min(float(values.max()), high + room)
    edge = 0.03 * (right - left) or 0.5
    return left - edge, right + edge


def local_density(points: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Events near each event: a histogram of 128 x 128 bins, smoothed, from 0 to 1 by the square root."""
    from scipy.ndimage import gaussian_filter

    bins = [_bin(points[:, axis], limits[axis]) for axis in (0, 1)]
    counts = np.bincount(bins[0] * _BINS + bins[1], minlength=_BINS * _BINS).reshape(_BINS, _BINS)
    smooth = np.sqrt(gaussian_filter(counts.astype(np.float64), _SMOOTH, mode="nearest"))
    found: NDArray[np.float64] = smooth[bins[0], bins[1]] / max(float(smooth.max()), 1e-12)
    return found


def _bin(values: NDArray[np.floating], limit: tuple[float, float]) -> NDArray[np.intp]:
    low, high = limit
    return np.clip(((values - low) / (high - low) * _BINS).astype(np.intp), 0, _BINS - 1)


def draw_events(
    axes: "Axes", points: NDArray[np.floating], colouring: Colouring, limits: Sequence[tuple[float, float]],
    every: Colouring,
) -> Any:  # fmt: skip
    """Draw the events; what a colour bar needs, None for clusters.

    Events beyond the axes are drawn at their edge. Denser ones, or larger values, lie above the others; of clusters
    the events are mixed by a fixed permutation, so that none lies above all others.
    """
    x, y = _within(points, limits).T
    size = float(np.clip(30_000 / max(len(x), 1), 0.8, 9.0))
    common = {"s": size, "linewidths": 0, "rasterized": True}
    mapped = None
    if colouring.is_cluster and colouring.values is not None:
        numbers = colouring.values.astype(np.int64)
        known = sorted({*every.numbers(), *colouring.numbers()})
        shades = dict(zip(known, colours(known), strict=True)) | {0: _OTHER}
        order = np.random.default_rng(0).permutation(len(x))
        order = order[np.argsort(numbers[order] > 0, kind="stable")]
        axes.scatter(x[order], y[order], c=[shades[max(int(k), 0)] for k in numbers[order]], alpha=0.75, **common)
    else:
        shown = local_density(points, limits) if colouring.values is None else colouring.values.astype(np.float64)
        order = np.argsort(shown, kind="stable")
        low, high = (
            (0.0, 1.0) if colouring.values is None else value_limits(shown if every.values is None else every.values)
        )
        mapped = axes.scatter(x[order], y[order], c=shown[order], cmap=_SHADES, vmin=low, vmax=high, **common)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    return mapped


def _within(points: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.floating]:
    """Events beyond the axes at their edge."""
    return np.column_stack([np.clip(points[:, axis], *limits[axis]) for axis in (0, 1)])


def value_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Range of a colour bar: 1st to 99th percentile."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values.astype(np.float64), [0.01, 0.99])
    return float(low), float(high if high > low else low + 1)


def number_clusters(figure: Any, panels: Sequence[tuple["Axes", NDArray[np.floating], Colouring]]) -> None:
    """Number each cluster at the median of its events, in panels of (axes, points, colouring); lays the figure out."""
    if not any(colouring.is_cluster and colouring.numbered for _, _, colouring in panels):
        return
    figure.draw_without_rendering()
    for axes, points, colouring in panels:
        numbers = colouring.numbers()
        if numbers and len(numbers) <= _NUMBERED:
            medians = [np.median(points[colouring.values == number], axis=0) for number in numbers]
            number_points(axes, np.stack(medians), numbers, colours(numbers))


def _joined(several: Sequence[Colouring]) -> Colouring:
    """One colouring for all panels."""
    if not several or several[0].values is None:
        return Colouring()
    names = {number: name for one in several for number, name in one.names.items()}
    values = np.concatenate([one.values for one in several if one.values is not None])
    return replace(several[0], values=values, names=names)


def key(figure: Any, colouring: Colouring, mapped: Any) -> None:
    """A legend of clusters, or a colour bar."""
    if colouring.is_cluster:
        from matplotlib.patches import Patch

        numbers = colouring.numbers()
        handles = [
            Patch(facecolor=shade, label=colouring.caption(number))
            for number, shade in zip(numbers[:_NAMED], colours(numbers[:_NAMED]), strict=True)
        ]
        if len(numbers) > _NAMED:
            handles.append(Patch(facecolor="white", label=f"and {len(numbers) - _NAMED} more"))
        if colouring.values is not None and bool((colouring.values <= 0).any()):
            handles.append(Patch(facecolor=_OTHER, label="other events"))
        if handles:
            figure.legend(
                handles=handles, loc="outside right upper", fontsize=7, frameon=False, title=label(colouring.title, 26),
                title_fontsize=8,
            )  # fmt: skip
    elif mapped is not None and colouring.values is not None:
        height = float(figure.bbox.height) / float(figure.dpi)
        bar = figure.colorbar(mapped, ax=figure.axes, shrink=min(0.8, 3 / height), pad=0.01, aspect=20)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7)
        bar.set_label(label(colouring.title, 30), fontsize=8)


def key_width(colouring: Colouring) -> float:
    """Room for the legend beside the panels, in inches."""
    if not colouring.is_cluster:
        return 0.3 if colouring.values is None else 1.0
    longest = max((len(label(name, 30)) for name in colouring.names.values()), default=0)
    return 1.7 + 0.055 * max(longest - 12, 0)


def note_below(figure: Any, note: str, colouring: Colouring) -> None:
    """Line below: what is shown, and what the colours mean where no legend says it."""
    said = "colour: events nearby, from few (dark) to many (bright)" if colouring.values is None else ""
    text = "; ".join(filter(None, (note, said)))
    if text:
        figure.supxlabel(text, fontsize=7, color=MUTED, x=0.01, ha="left")


def _square(limits: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same length of both axes, around their middles."""
    half = max(high - low for low, high in limits) / 2
    return [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in limits]


def _diagonal(axes: "Axes", values: NDArray[np.floating], limit: tuple[float, float], colouring: Colouring) -> None:
    """Density of one marker; of each cluster where the events are coloured so and there are few."""
    from scipy.ndimage import gaussian_filter1d

    edges = np.linspace(*limit, _BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    numbers = colouring.numbers() if colouring.is_cluster else []
    parts: list[tuple[Any, NDArray[np.floating]]] = [(PALETTE[0], values)]
    if numbers and colouring.values is not None:
        parts = [(shade, values[colouring.values == number])
                 for number, shade in zip(numbers, colours(numbers), strict=True)]  # fmt: skip
        parts = [(_OTHER, values[colouring.values <= 0]), *parts]
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
