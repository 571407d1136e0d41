"""How the events of populations are spread over each marker: parallel coordinates, and box or violin plots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._points import Colouring, axis_limits
from immport_cyto.report.figures._style import GRID, INK, MUTED, label, new_figure, style, write_below
from immport_cyto.report.figures._tree import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENTILES = (5, 25, 50, 75, 95)
_MOST = 200  # populations
_FEW = 20  # populations, or markers
_NAMED = 6  # rows of panels above one with the names of the markers
_LINES = 150  # events of a population that are drawn as lines
_WIDTH = 12.0  # inches
_APART = 0.028  # of the height of an axis, between two numbers
_BINS, _SMOOTH = 128, 2.0


def parallel_coordinates(
    values: NDArray[np.floating], names: Sequence[str], colouring: Colouring, *, overlaid: bool = False,
    lines: bool = False, scaled: bool = True, title: str = "", note: str = "",
) -> "Figure":  # fmt: skip
    """A line per population over the markers: its medians, and how its events are spread around them.

    Parameters
    ----------
    values
        Events x markers.
    names
        Of the markers.
    colouring
        Population of each event; events of none (0) are not drawn.
    overlaid
        All populations in one panel, with the middle half of their events, instead of a panel for each with the medians
        of the others in grey.
    lines
        Show up to 150 events of each population instead of bands of percentiles.
    scaled
        Each marker from the 1st (0) to the 99th percentile (1) of all events, farther where a median lies outside; else
        the values as they are.
    title
        Line above.
    note
        Line below.
    """
    kept, left_out = _populations(colouring)
    shown = _scaled(values, colouring, kept) if scaled else values.astype(np.float64)
    parts = {number: shown[colouring.values == number] for number in kept}
    spread = {number: np.percentile(part, PERCENTILES, axis=0) for number, part in parts.items()}
    limits = (-0.08, 1.08) if scaled else _reach(spread)
    with style():
        draw = _one_panel if overlaid else _panels
        figure = draw(parts, spread, names, colouring, limits, lines)
        if scaled:
            for axes in figure.axes:
                axes.set_yticks([0, 0.5, 1])
        figure.supylabel("scaled per marker" if scaled else "value", fontsize=8)
        if title:
            figure.suptitle(label(title, 90), x=0.01, ha="left", fontweight="bold")
        around = (
            f"{_LINES} events of each at most"
            if lines
            else "band: middle half of the events"
            if overlaid
            else "bands: middle half, and 5th to 95th percentile, of the events"
        )
        said = [note, "line: median", around, "" if overlaid else "grey: medians of the others"]
        said += ["0 to 1: 1st to 99th percentile of all events, or farthest median"] if scaled else []
        said += [f"{left_out} more populations are not shown"] if left_out else []
        write_below(figure, "; ".join(filter(None, said)))
    return figure


def marker_boxes(
    values: NDArray[np.floating], names: Sequence[str], colouring: Colouring, *, violins: bool = False,
    title: str = "", note: str = "",
) -> "Figure":  # fmt: skip
    """The events of each population in each marker as boxes or violins: a panel per marker, a row per population.

    Parameters
    ----------
    values
        Events x markers.
    names
        Of the markers.
    colouring
        Population of each event; events of none (0) are not drawn.
    violins
        Densities, each as high as the others, instead of boxes alone.
    title
        Line above.
    note
        Line below.
    """
    kept, left_out = _populations(colouring)
    own = values.astype(np.float64)
    columns = min(6 if len(kept) <= _FEW else 10, max(len(names), 1))
    rows = -(-max(len(names), 1) // columns)
    beside = [colouring.caption(number) for number in kept]
    wide = 0.075 * max((len(text) for text in beside), default=0) + 0.3
    high = 0.7 + (0.3 if violins else 0.19) * max(len(kept), 3)
    with style():
        figure = new_figure(wide + (1.75 if columns <= 6 else 1.3) * columns, high * rows + 0.6)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for number, axes in enumerate(grid.flat):
            if number >= len(names):
                axes.set_axis_off()
                continue
            limit = axis_limits(own[:, number])
            for place, (population, shade) in enumerate(zip(kept, colours(kept), strict=True)):
                part = own[colouring.values == population, number]
                (_violin if violins else _box)(axes, part, place, shade, limit)
            axes.set_title(label(names[number], 20), fontsize=9)
            axes.set_xlim(*limit)
            axes.set_ylim(len(kept) - 0.4, -0.6)
            axes.set_yticks(range(len(kept)), beside, fontsize=7.5)
            axes.tick_params(axis="x", labelsize=7)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x", color=GRID, linewidth=0.6)
            axes.set_axisbelow(True)
        if title:
            figure.suptitle(label(title, 90), x=0.01, ha="left", fontweight="bold")
        drawn = "box: middle half, bar: median, whiskers: 5th to 95th percentile"
        drawn = "violin: density of the inner 99 % of the events; thick: middle half, dot: median" if violins else drawn
        said = [note, drawn, f"{left_out} more populations are not shown" if left_out else ""]
        write_below(figure, "; ".join(filter(None, said)))
    return figure


def _populations(colouring: Colouring) -> tuple[list[int], int]:
    """Numbers of the populations that are drawn, and how many are not."""
    numbers = colouring.numbers()
    return numbers[:_MOST], max(len(numbers) - _MOST, 0)


def _scaled(values: NDArray[np.floating], colouring: Colouring, kept: Sequence[int]) -> NDArray[np.float64]:
    own = values.astype(np.float64)
    if not len(own):
        return own
    medians = [np.median(own[colouring.values == number], axis=0) for number in kept]
    low, high = np.percentile(own, [1, 99], axis=0)
    low, high = np.min([low, *medians], axis=0), np.max([high, *medians], axis=0)
    return np.asarray((own - low) / np.where(high > low, high - low, 1.0))


def _reach(spread: dict[int, NDArray[np.float64]]) -> tuple[float, float]:
    """Range of the 5th to 95th percentiles of all populations."""
    every = np.concatenate([table.ravel() for table in spread.values()]) if spread else np.zeros(1)
    room = 0.04 * float(np.ptp(every)) or 0.5
    return float(every.min()) - room, float(every.max()) + room


def _panels(
    parts: dict[int, NDArray[np.float64]], spread: dict[int, NDArray[np.float64]], names: Sequence[str],
    colouring: Colouring, limits: tuple[float, float], lines: bool,
) -> "Figure":  # fmt: skip
    """A panel per population."""
    one = float(np.clip((0.145 if len(names) <= _FEW else 0.12) * len(names) + 0.4, 2.2, _WIDTH))
    columns = max(min(int(_WIDTH / one), 4, len(parts)), 1)
    rows = max(-(-len(parts) // columns), 1)
    longest = max(len(label(name, 16)) for name in names)
    high = 1.35 if rows <= _NAMED else 1.1
    figure = new_figure(one * columns + 0.4, high * rows + 0.065 * longest * max(rows // _NAMED, 1) + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    at = np.arange(len(names))
    medians = np.stack([table[2] for table in spread.values()]) if spread else np.empty((0, len(names)))
    total = max(colouring.values.size if colouring.values is not None else 0, 1)
    for axes in list(grid.flat)[len(parts) :]:
        axes.set_axis_off()
    for place, (axes, number, shade) in enumerate(zip(grid.flat, parts, colours(list(parts)), strict=False)):
        for other in np.delete(medians, place, axis=0):
            axes.plot(at, other, color=GRID, linewidth=0.8 if len(parts) <= _FEW else 0.35, zorder=1)
        if lines:
            _events(axes, parts[number], shade)
        else:
            _bands(axes, spread[number], shade)
        axes.plot(at, medians[place], color=INK, linewidth=1.2, zorder=4)
        axes.set_title(colouring.caption(number, max(int((one * 72 - 40) / 4.7) - 4, 8)), fontsize=7.5)
        axes.set_title(f"{100 * len(parts[number]) / total:.2g} %", fontsize=7, loc="right", fontweight="normal",
                       color=MUTED)  # fmt: skip
        _markers(axes, names, limits)
        row = place // columns
        if row == rows - 1 or row % _NAMED == _NAMED - 1 < rows - _NAMED:
            axes.tick_params(axis="x", labelbottom=True)
        elif place + columns >= len(parts):
            # below is no panel, only room: the names take it without moving the rows apart
            for at_marker, name in enumerate(names):
                text = axes.text(at_marker, -0.05, label(name, 16), transform=axes.get_xaxis_transform(), rotation=90,
                                 fontsize=7, ha="center", va="top")  # fmt: skip
                text.set_in_layout(False)
    return figure


def _one_panel(
    parts: dict[int, NDArray[np.float64]], spread: dict[int, NDArray[np.float64]], names: Sequence[str],
    colouring: Colouring, limits: tuple[float, float], lines: bool,
) -> "Figure":  # fmt: skip
    """All populations in one panel, with their numbers where their lines end."""
    from matplotlib.lines import Line2D

    wide = float(np.clip(0.38 * len(names) + 1, 4.5, _WIDTH))
    figure = new_figure(wide + 2.4, max(4.2, 0.17 * len(parts) + 0.8))
    axes = figure.subplots()
    at = np.arange(len(names))
    shades = colours(list(parts))
    for number, shade in zip(parts, shades, strict=True):
        if lines:
            _events(axes, parts[number], shade)
        else:
            axes.fill_between(at, spread[number][1], spread[number][3], color=shade, alpha=0.13, linewidth=0, zorder=2)
        axes.plot(at, spread[number][2], color=shade, linewidth=1.6, zorder=4)
    _markers(axes, names, limits)
    axes.tick_params(axis="x", labelbottom=True)
    ends = np.array([table[2][-1] for table in spread.values()])
    for number, shade, end, place in zip(parts, shades, ends, _apart(ends, limits), strict=True):
        axes.plot([at[-1], at[-1] + 0.35], [end, place], color=shade, linewidth=0.7, clip_on=False)
        axes.text(at[-1] + 0.42, place, str(number), color=INK, fontsize=6.5, va="center", fontweight="bold")
    axes.set_xlim(-0.3, at[-1] + 0.9)
    handles = [
        Line2D(
            [], [], color=shade, linewidth=2, label=f"{number}  {label(colouring.names.get(number, ''), 30)}".strip()
        )
        for number, shade in zip(parts, shades, strict=True)
    ]
    figure.legend(handles=handles, loc="outside right upper", fontsize=7, frameon=False,
                  title=label(colouring.title, 26), title_fontsize=8)  # fmt: skip
    return figure


def _apart(ends: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Heights of the numbers: as near as can be to where the lines end, none over another."""
    least = min(_APART, 1 / (len(ends) + 1)) * (limits[1] - limits[0])
    limits = (limits[0] + least / 2, limits[1] - least / 2)
    order = np.argsort(ends, kind="stable")
    steps = least * np.arange(len(ends))
    # isotonic means of what is left after the least distances: the nearest heights in order
    from scipy.optimize import isotonic_regression

    free = np.asarray(isotonic_regression(np.clip(ends[order], *limits) - steps).x)
    placed = np.empty(len(ends))
    placed[order] = np.clip(free, limits[0], limits[1] - steps[-1]) + steps
    return placed


def _bands(axes: "Axes", spread: NDArray[np.float64], shade: Any) -> None:
    at = np.arange(spread.shape[1])
    for low, high, alpha in ((0, 4, 0.3), (1, 3, 0.6)):
        axes.fill_between(at, spread[low], spread[high], color=shade, alpha=alpha, linewidth=0, zorder=2)


def _events(axes: "Axes", part: NDArray[np.float64], shade: Any) -> None:
    """Events evenly spread over those of the population, each a faint line."""
    from matplotlib.collections import LineCollection

    some = part[np.arange(min(_LINES, len(part))) * len(part) // max(min(_LINES, len(part)), 1)]
    at = np.broadcast_to(np.arange(part.shape[1]), some.shape)
    axes.add_collection(
        LineCollection(list(np.stack([at, some], axis=2)), colors=[shade], linewidths=0.5, alpha=0.18, zorder=2,
                       rasterized=True)
    )  # fmt: skip


def _markers(axes: "Axes", names: Sequence[str], limits: tuple[float, float]) -> None:
    """An axis upwards for each marker."""
    for place in range(len(names)):
        axes.axvline(place, color=GRID, linewidth=0.5, zorder=0)
    axes.set_xticks(range(len(names)), [label(name, 16) for name in names], rotation=90, fontsize=7)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlim(-0.3, len(names) - 0.7)
    axes.set_ylim(*limits)


def _box(axes: "Axes", part: NDArray[np.float64], place: int, shade: Any, limit: tuple[float, float]) -> None:
    low, left, median, right, high = (float(v) for v in np.clip(np.percentile(part, PERCENTILES), *limit))
    axes.plot([low, high], [place, place], color=MUTED, linewidth=0.9, zorder=2)
    axes.barh(place, right - left, left=left, height=0.62, color=shade, linewidth=0, zorder=3)
    axes.plot([median, median], [place - 0.31, place + 0.31], color=INK, linewidth=1.6, zorder=4)


def _violin(axes: "Axes", part: NDArray[np.float64], place: int, shade: Any, limit: tuple[float, float]) -> None:
    from scipy.ndimage import gaussian_filter1d

    edges = np.linspace(*limit, _BINS + 1)
    height = gaussian_filter1d(np.histogram(np.clip(part, *limit), edges)[0].astype(float), _SMOOTH)
    height *= 0.46 / max(float(height.max()), 1e-12)
    middle = (edges[:-1] + edges[1:]) / 2
    low, high = np.percentile(part, [0.5, 99.5])
    there = (edges[1:] >= low) & (edges[:-1] <= high)
    axes.fill_between(middle, place - height, place + height, where=there, color=shade, linewidth=0, zorder=2)
    left, median, right = (float(v) for v in np.clip(np.percentile(part, PERCENTILES[1:4]), *limit))
    axes.plot([left, right], [place, place], color=INK, linewidth=1.8, zorder=3)
    axes.plot([median], [place], marker="o", markersize=3.4, color="white", markeredgecolor=INK, zorder=4)
