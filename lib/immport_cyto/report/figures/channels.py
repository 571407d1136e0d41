"""Distributions of the channels of a panel before and after preprocessing, over its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.report.figures._style import INK, MUTED, PALETTE, label, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS, _CHANNELS = 5, 50
_SINGLE = 6  # files that are drawn one by one; more are a band
_NAMED = (PALETTE[1], PALETTE[2], PALETTE[3])
_GREY = "#c4cad0"
_TAIL = 0.0005  # of the events on either side are beyond the axis


@dataclass(frozen=True)
class ChannelCurves:
    """Densities of one channel in the files of a panel, on one grid.

    Attributes
    ----------
    channel, scale
        Marker or $PnN, and the family of the transform.
    files
        Names of the files, in the order of the rows.
    grid
        Values on the transformed scale.
    before, compensated, after
        Files x grid, in shares of all events per unit: as acquired, compensated (None where no file was), and
        compensated and passed by the quality control, so that the area is the share kept.
    apart
        Files whose distribution lies apart from those of the others, the farthest first.
    """

    channel: str
    scale: str
    files: tuple[str, ...]
    grid: np.ndarray
    before: np.ndarray
    compensated: np.ndarray | None
    after: np.ndarray
    apart: tuple[str, ...] = ()


def channel_densities(curves: Sequence[ChannelCurves]) -> "Figure":
    """Draw the channels of one panel: all events as acquired, after compensation, and those kept.

    Up to six files are drawn as single lines, more as a band that holds nine tenths of them; the three files that
    lie apart in most channels have a colour and a name.

    Parameters
    ----------
    curves
        One per channel, in order.
    """
    from matplotlib.figure import Figure

    shown = curves[:_CHANNELS]
    colours = dict(zip(most_apart(curves), _NAMED, strict=False))
    rows = max(-(-len(shown) // _COLUMNS), 1)
    with style():
        height = 1.5 * rows + 0.9
        # a layout engine takes longer to find the places of fifty axes than it takes to draw them
        figure = Figure(figsize=(10.4, height))
        places = {"left": 0.01, "right": 0.99, "bottom": 0.5 / height, "top": 1 - 0.75 / height}
        grid = figure.subplots(rows, _COLUMNS, squeeze=False, gridspec_kw={**places, "wspace": 0.06, "hspace": 0.5})
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        entries: dict[str, Any] = {}
        for axes, channel in zip(grid.flat, shown, strict=False):
            _draw(axes, channel, colours)
            handles, names = axes.get_legend_handles_labels()
            entries |= dict(zip(names, handles, strict=True))
        figure.legend(
            list(entries.values()), list(entries), loc="upper left", ncols=4, fontsize=8, frameon=False,
            labelcolor=INK,
        )  # fmt: skip
        scales = ", ".join(sorted({channel.scale for channel in shown}))
        left_out = f"; {len(curves) - len(shown)} more channels are not shown" if len(curves) > len(shown) else ""
        figure.supxlabel(
            f"transformed value ({scales}); height: share of the events{left_out}",
            fontsize=8,
            y=0.1 / height,
            va="bottom",
        )
    return figure


def most_apart(curves: Sequence[ChannelCurves]) -> list[str]:
    """The three files that lie apart in most channels, those of most channels first."""
    counts: dict[str, int] = {}
    for channel in curves:
        for name in channel.apart:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[: len(_NAMED)]


def _draw(axes: "Axes", channel: ChannelCurves, colours: Mapping[str, str]) -> None:
    before, after = channel.before.mean(axis=0), channel.after.mean(axis=0)
    shown = _within(before + after)
    x, before, after = channel.grid[shown], before[shown], after[shown]
    axes.fill_between(x, before, color=_GREY, linewidth=0, label="as acquired, mean")
    if channel.compensated is not None:
        middle = channel.compensated.mean(axis=0)[shown]
        axes.plot(x, middle, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), label="compensated, mean")
    axes.plot(x, after, color=PALETTE[0], linewidth=1.5, zorder=4, label="after quality control, mean")
    if len(channel.files) > _SINGLE:
        low, high = np.quantile(channel.after[:, shown], [0.05, 0.95], axis=0)
        axes.fill_between(x, low, high, color=PALETTE[5], alpha=0.45, linewidth=0, label="90 % of the files")
    elif len(channel.files) > 1:
        for line in channel.after[:, shown]:
            axes.plot(x, line, color=PALETTE[5], linewidth=0.7, label="single files")
    for name in channel.apart:
        if name in colours:
            line = channel.after[channel.files.index(name), shown]
            axes.plot(x, line, color=colours[name], linewidth=1.0, zorder=5, label=label(name, 32))
    axes.set_title(label(channel.channel, 24), fontsize=9, pad=3)
    peak = max(float(before.max()), float(after.max()), 1e-12)
    axes.set_ylim(0, float(np.clip(1.05 * channel.after.max(), 1.15 * peak, 2 * peak)))
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(axis="x", labelsize=7, length=2)
    axes.spines["left"].set_visible(False)


def _within(curve: np.ndarray) -> slice:
    """The part of the grid that holds nearly all events."""
    cumulative = np.cumsum(curve)
    low, high = np.searchsorted(cumulative, np.array([_TAIL, 1 - _TAIL]) * cumulative[-1])
    return slice(max(int(low) - 1, 0), int(high) + 2)
