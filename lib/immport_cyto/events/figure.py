"""The QC figure of one file: signal and flow rate over time, scatter with gates, counts by reason."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.events.qc import REASONS, Channels, Quality
from immport_cyto.events.stability import Stability
from immport_cyto.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 4000
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


@dataclass(frozen=True)
class Scatter:
    """Two columns of a sample of events, with the reason code of each."""

    x: np.ndarray
    y: np.ndarray
    reason: np.ndarray
    x_label: str
    y_label: str


@dataclass(frozen=True)
class FigureData:
    """All that the figure shows, small.

    Attributes
    ----------
    file_name
        Title.
    counts
        Events by reason, kept ones under ``kept``.
    rules
        What each gate decided.
    scatters
        One or two scatter plots.
    stability
        Result of the check of time.
    """

    file_name: str
    counts: dict[str, int]
    rules: dict[str, str] = field(default_factory=dict)
    scatters: tuple[Scatter, ...] = ()
    stability: Stability | None = None


def sample(
    values: np.ndarray, channels: Channels, quality: Quality, file_name: str, n_nonfinite: int, n_unsampled: int
) -> FigureData:
    """Take from the events what the figure needs: every k-th event, at most 4,000.

    Parameters
    ----------
    values
        Events x channels, compensated, not transformed.
    channels, quality
        As in `immport_cyto.events.qc.check`.
    """
    rows = np.arange(0, len(values), max(1, -(-len(values) // _POINTS)))
    counts = {"nonfinite": n_nonfinite, **quality.counts, "unsampled": n_unsampled}
    counts["kept"] = len(values) + n_nonfinite - sum(counts.values())

    def plot(x: int, y: int) -> Scatter:
        columns = []
        for index in (x, y):
            column = values[rows, index].astype(np.float64)
            if channels.roles[index] in {"dna", "bead", "viability", "marker"}:
                column = np.arcsinh(column / (5.0 if channels.technique == "cytof" else 150.0))
            columns.append(column)
        names = [_axis(channels, index) for index in (x, y)]
        return Scatter(columns[0], columns[1], quality.reason[rows], names[0], names[1])

    scatters = [plot(x, y) for x, y in _pairs(channels)]
    return FigureData(file_name, counts, dict(quality.rules), tuple(scatters), quality.stability)


def _axis(channels: Channels, index: int) -> str:
    label = channels.labels[index].strip()
    return f"{channels.names[index]} {label}".strip() if label != channels.names[index] else label


def _pairs(channels: Channels) -> list[tuple[int, int]]:
    """The two plots that show most of the gates."""
    pairs: list[tuple[int, int]] = []
    dna, beads, dye = (channels.with_role(role) for role in ("dna", "bead", "viability"))
    lengths = [i for i in channels.with_role("event") if "length" in channels.names[i].lower()]
    area, height = channels.scatter(r"FSC.?A", r"FSC.*"), channels.scatter(r"FSC.?H")
    side = channels.scatter(r"SSC.?A", r"SSC.*")
    if area is not None and side is not None:
        pairs.append((area, side))
    if area is not None and height is not None and height != area:
        pairs.append((area, height))
    if dna and lengths:
        pairs.append((dna[0], lengths[0]))
    if dna and (beads or dye):
        pairs.append((dna[0], (beads or dye)[0]))
    if dye and area is not None and len(pairs) < 2:
        pairs.append((area, dye[0]))
    return pairs[:2]


def qc_figure(data: FigureData) -> "Figure":
    """Draw the QC of one file.

    Parameters
    ----------
    data
        As given by `immport_cyto.events.preprocess` in ``figure_data``.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels; not connected to any window.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained", dpi=110)
    figure.suptitle(f"Quality control of {data.file_name}", fontsize=12)
    panels = figure.subplots(2, 2)
    _draw_time(figure, panels[0, 0], data)
    _draw_counts(panels[0, 1], data)
    for position in (0, 1):
        axes = panels[1, position]
        if position < len(data.scatters):
            _draw_scatter(axes, data.scatters[position])
        else:
            _empty(axes, "no second pair of channels to show" if data.scatters else "no scatter or DNA channels")
    return figure


def _empty(axes: "Axes", text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, wrap=True, color="#555555")


def _draw_time(figure: "Figure", axes: "Axes", data: FigureData) -> None:
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
