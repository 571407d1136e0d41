"""The QC figure of one file: signal and flow rate over time, scatter, counts by reason, densities of the channels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.events.densities import Density
from immport_cyto.events.figure_data import FigureData, Scatter
from immport_cyto.events.thresholds import REASONS
from immport_cyto.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PER_ROW = 6
_LABELS = {
    "nonfinite": "not finite",
    "margin": "detector limit",
    "time": "unstable time",
    "bead": "beads",
    "debris": "debris",
    "doublet": "doublets",
    "dead": "dead cells",
    "unsampled": "not sampled",
    "kept": "kept",
}
# Okabe-Ito, told apart with colour-blind eyes
_COLOURS = {
    "kept": "#bdbdbd",
    "margin": "#cc79a7",
    "time": "#d55e00",
    "bead": "#f0e442",
    "debris": "#56b4e9",
    "doublet": "#009e73",
    "dead": "#0072b2",
    "nonfinite": "#000000",
    "unsampled": "#e0e0e0",
}


def qc_figure(data: FigureData) -> "Figure":
    """Draw the QC of one file.

    Parameters
    ----------
    data
        As given by `immport_cyto.events.preprocess` in ``figure_data``.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels, and below them one small panel per transformed channel; not connected to any window.
    """
    from matplotlib.figure import Figure

    rows = -(-len(data.densities) // _PER_ROW)
    figure = Figure(figsize=(11, 8 + 1.55 * rows + (0.5 if rows else 0)), layout="constrained", dpi=110)
    figure.suptitle(f"Quality control of {data.file_name}", fontsize=12)
    upper: Any = figure
    if rows:
        upper, lower = figure.subfigures(2, 1, height_ratios=[8, 1.55 * rows + 0.5])
        _draw_densities(lower, data.densities)
    panels = upper.subplots(2, 2)
    _draw_time(panels[0, 0], data)
    _draw_counts(panels[0, 1], data)
    for position in (0, 1):
        axes = panels[1, position]
        if position < len(data.scatters):
            _draw_scatter(axes, data.scatters[position])
        else:
            _empty(axes, "no second pair of channels to show" if data.scatters else "no scatter or DNA channels")
    return figure


def _draw_densities(figure: Any, densities: Sequence[Density]) -> None:
    rows = -(-len(densities) // _PER_ROW)
    panels = figure.subplots(rows, _PER_ROW, squeeze=False)
    for axes in panels.flat[len(densities) :]:
        axes.set_axis_off()
    for axes, density in zip(panels.flat, densities, strict=False):
        middles = density.middles
        axes.fill_between(middles, density.curve(density.before), color="#bdbdbd", lw=0, label="as acquired")
        axes.plot(middles, density.curve(density.after), color="#0072b2", lw=1.1, label="compensated, checked")
        axes.set_title(f"{density.name} {density.label}".strip()[:26], fontsize=8, pad=2)
        axes.set_yticks([])
        axes.tick_params(labelsize=7, length=2)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_ylim(bottom=0)
    handles, names = panels.flat[0].get_legend_handles_labels()
    texts = sorted({density.scale for density in densities})
    scale = texts[0] if len(texts) == 1 else ", ".join(sorted({text.partition(":")[0] for text in texts}))
    names = [names[0], f"{names[1]}; scale {scale}"]
    figure.legend(handles, names, loc="outside upper center", ncols=2, fontsize=8, frameon=False)


def _empty(axes: "Axes", text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, wrap=True, color="#555555")


def _draw_time(axes: "Axes", data: FigureData) -> None:
    found = data.stability
    if found is None or not found.checked:
        _empty(axes, found.note if found is not None else data.rules.get("time", "time not checked"))
        return
    axes.set_title("Signal and flow rate over time", fontsize=10)
    worst: list[int] = (
        np.argsort(-np.abs(found.bin_shift).max(axis=1), kind="stable")[:4].tolist() if len(found.bin_shift) else []
    )
    shown = ("#0072b2", "#009e73", "#cc79a7", "#e69f00")
    for colour, channel in zip(shown, worst, strict=False):
        axes.plot(found.bin_time, found.bin_shift[channel], color=colour, lw=1.2, label=found.channels[channel][:24])
    axes.axhline(0, color="#999999", lw=0.6)
    reach = max(0.15, float(np.abs(found.bin_shift).max()) * 1.15 if found.bin_shift.size else 0.15)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("Time (as in the file)")
    axes.set_ylabel("shift of mean rank")
    for times, bad in ((found.bin_time, found.bin_bad), (found.rate_time, found.rate_bad)):
        if len(times) < 2:
            continue
        half = np.gradient(times) / 2
        for centre, width in zip(times[bad], half[bad], strict=True):
            axes.axvspan(centre - width, centre + width, color=_COLOURS["time"], alpha=0.25, lw=0)
    right = axes.twinx()
    right.plot(found.rate_time, found.rate, color="#555555", lw=0.8, ls=":", label="flow rate (right)")
    right.set_ylabel("events per unit of time")
    right.set_ylim(bottom=0)
    lines = axes.get_lines()[: len(worst)] + right.get_lines()
    names = [str(line.get_label()) for line in lines]
    axes.legend(lines, names, fontsize=7, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False)


def _draw_counts(axes: "Axes", data: FigureData) -> None:
    order = [name for name in ("nonfinite", *REASONS, "unsampled", "kept") if name in data.counts]
    total = max(1, sum(data.counts.values()))
    position = np.arange(len(order))[::-1]
    counts = np.array([data.counts[name] for name in order])
    axes.barh(position, counts, color=[_COLOURS[name] for name in order], edgecolor="#666666", lw=0.5)
    axes.set_yticks(position, [_LABELS[name] for name in order])
    for y, count in zip(position, counts, strict=True):
        axes.text(count + total * 0.01, y, f"{count:,} ({count / total:.1%})", va="center", fontsize=8)
    axes.set_xlim(0, total * 1.25)
    axes.set_xlabel("events")
    axes.set_title(f"Where {total:,} events went", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_scatter(axes: "Axes", data: Scatter) -> None:
    for code, name in enumerate(("kept", *REASONS)):
        here = data.reason == code
        if here.any():
            axes.plot(
                data.x[here], data.y[here], ".", ms=2.5 if code == 0 else 3.5, alpha=0.6, color=_COLOURS[name],
                markeredgewidth=0, label=_LABELS[name], rasterized=True,
            )  # fmt: skip
    for setter, values in ((axes.set_xlim, data.x), (axes.set_ylim, data.y)):
        low, high = np.quantile(values, [0.002, 0.998]) if len(values) else (0.0, 1.0)
        room = 0.05 * (high - low) or 1.0
        # far outliers would squeeze all the rest into a line
        left = max(float(values.min(initial=low)), low - 4 * room) - room
        setter(left, min(float(values.max(initial=high)), high + 4 * room) + room)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    axes.legend(fontsize=7, markerscale=3, loc="best")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG (or SVG, PDF by the name), whole or not at all, without a time stamp."""
    kind = path.suffix.lower().lstrip(".") or "png"
    stamp = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, metadata={stamp[kind]: None} if kind in stamp else None)
