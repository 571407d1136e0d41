"""The figure of a spillover matrix: the matrix, and the controls of its largest entries."""

from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.events.spillover import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CONTROLS = 4
_COFACTOR = 150.0
_WRITTEN = 16


def spillover_figure(found: Estimate) -> "Figure":
    """Draw a matrix with its numbers, and the four largest spills with their lines.

    Parameters
    ----------
    found
        As given by `immport_cyto.events.controls.estimate`.

    Returns
    -------
    matplotlib.figure.Figure
        Not connected to any window.
    """
    from matplotlib.figure import Figure

    size = len(found.channels)
    height = min(max(4.0, 0.45 * size + 1.8), 14.0)
    figure = Figure(figsize=(max(10.0, height + 2), height + 3.2), layout="constrained", dpi=110)
    upper, lower = figure.subfigures(2, 1, height_ratios=[height, 3.2])
    _draw_matrix(upper.subplots(), found)
    spills = found.matrix - np.diag(np.diag(found.matrix))
    largest = np.argsort(-spills, axis=None, kind="stable")[:_CONTROLS]
    panels = lower.subplots(1, _CONTROLS)
    for axes, position in zip(panels, largest, strict=False):
        row, column = np.unravel_index(int(position), spills.shape)
        if row == column:
            axes.set_axis_off()
        else:
            _draw_control(axes, found, int(row), int(column))
    for axes in panels[len(largest) :]:
        axes.set_axis_off()
    return figure


def _draw_matrix(axes: "Axes", found: Estimate) -> None:
    size = len(found.channels)
    percent = found.matrix * 100
    shown = np.where(np.eye(size) > 0, np.nan, percent)
    top = max(1.0, float(np.nanmax(np.abs(shown))))
    picture = axes.imshow(shown, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    axes.set_xticks(range(size), found.channels, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(size), found.channels, fontsize=8)
    axes.set_xlabel("detector")
    axes.set_ylabel("fluorochrome (control)")
    axes.set_title("Spillover, % of the light in the own detector", fontsize=11)
    if size <= _WRITTEN:
        for row in range(size):
            for column in range(size):
                # + 0 makes -0 a plain 0
                text = f"{round(percent[row, column], 1) + 0:.1f}" if row != column else "100"
                dark = row != column and abs(percent[row, column]) > 0.6 * top
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    bar = axes.figure.colorbar(picture, ax=axes, shrink=0.8)
    bar.set_label("%")


def _draw_control(axes: "Axes", found: Estimate, row: int, column: int) -> None:
    fit = found.fits[row]
    other = found.fits[column].column
    x, y = fit.sample[:, fit.column], fit.sample[:, other]
    axes.plot(
        np.arcsinh(x / _COFACTOR), np.arcsinh(y / _COFACTOR), ".", ms=2, alpha=0.5, color="#0072b2", rasterized=True
    )
    line = np.linspace(float(x.min()), float(x.max()), 400)
    level = fit.intercepts[other] + fit.slopes[other] * line
    axes.plot(np.arcsinh(line / _COFACTOR), np.arcsinh(level / _COFACTOR), color="#d55e00", lw=1.3)
    axes.set_title(f"{found.channels[row]}: {found.matrix[row, column]:.1%}", fontsize=9)
    axes.set_xlabel(f"{found.channels[row]} (arcsinh)", fontsize=8)
    axes.set_ylabel(found.channels[column], fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
