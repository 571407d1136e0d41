"""Draw the tables that go into a tool above those that come out, for the help of the Galaxy tools."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, style

DPI = 100
ROW, PAD, GAP, ARROW = 21, 9, 34, 46  # pixels
HEAD = "#eef2f5"


class Shown(NamedTuple):
    """A table under its name."""

    name: str
    rows: pd.DataFrame


def _texts(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _wide(text: str, figure: Figure, *, size: float = 8, bold: bool = True) -> float:
    """Pixels of a text."""
    drawn = Text(0, 0, text, fontsize=size, fontweight="bold" if bold else "normal", figure=figure)
    return float(drawn.get_window_extent(figure.canvas.get_renderer()).width)


def _widths(table: Shown, probe: Figure) -> list[float]:
    """Pixels that each column needs."""
    columns = [[_texts(value) for value in table.rows[name]] for name in table.rows.columns]
    return [
        max([_wide(str(name), probe), *(_wide(value, probe, bold=False) for value in values)]) + 2 * PAD
        for name, values in zip(table.rows.columns, columns, strict=True)
    ]


def _draw(axes: Axes, table: Shown, widths: Sequence[float], left: float, top: float, colour: str) -> None:
    axes.text(left, top + ROW / 2, table.name, fontsize=8.5, color=colour, fontweight="bold", va="center")
    top += ROW
    height = ROW * (len(table.rows) + 1)
    axes.add_patch(Rectangle((left, top), sum(widths), ROW, facecolor=HEAD, linewidth=0))
    for number in range(1, len(table.rows) + 1):
        axes.plot([left, left + sum(widths)], [top + ROW * number] * 2, color=GRID, linewidth=0.8)
    at = left
    for name, width in zip(table.rows.columns, widths, strict=True):
        axes.text(at + PAD, top + ROW / 2, str(name), fontsize=8, fontweight="bold", va="center", color=INK)
        for number, value in enumerate(table.rows[name], start=1):
            axes.text(at + PAD, top + ROW * (number + 0.5), _texts(value), fontsize=8, va="center", color=INK)
        at += width
    axes.add_patch(Rectangle((left, top), sum(widths), height, fill=False, edgecolor=colour, linewidth=1.2))


def scheme(inputs: Sequence[Shown], tool: str, outputs: Sequence[Shown]) -> Figure:
    """Tables above an arrow with the name of the tool, tables below it."""
    with style():
        probe = Figure(figsize=(1, 1), dpi=DPI)
        FigureCanvasAgg(probe)
        levels = [[(table, _widths(table, probe)) for table in tables] for tables in (inputs, outputs)]
        taken = [[max(sum(widths), _wide(table.name, probe, size=8.5)) for table, widths in level] for level in levels]
        across = [sum(one) + GAP * (len(one) - 1) for one in taken]
        across.append(_wide(tool, probe, size=9) + 4 * PAD)
        down = [ROW * (2 + max(len(table.rows) for table, _ in level)) for level in levels]
        width, height = max(across) + 2 * PAD, sum(down) + ARROW + 2 * PAD
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        top = float(PAD)
        for level, room, colour, tall in zip(levels, taken, (MUTED, PALETTE[0]), down, strict=True):
            left = float(PAD)
            for (table, widths), width in zip(level, room, strict=True):
                _draw(axes, table, widths, left, top, colour)
                left += width + GAP
            top += tall + ARROW
        middle = PAD + down[0] + ARROW / 2
        axes.annotate(
            "", (PAD + 22, middle + ARROW / 2 - 5), (PAD + 22, middle - ARROW / 2 + 6),
            arrowprops={"arrowstyle": "-|>", "color": PALETTE[0], "linewidth": 2},
        )  # fmt: skip
        axes.text(PAD + 36, middle, tool, fontsize=9, va="center", color=PALETTE[0], fontweight="bold")
    return figure
