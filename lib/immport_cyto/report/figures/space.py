"""Events in three channels, seen from several sides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._points import (
    OTHER,
    Colouring,
    axis_limits,
    key,
    key_width,
    note_below,
    number_clusters,
    value_limits,
)
from immport_cyto.report.figures._style import GRID, MUTED, label, new_figure, style
from immport_cyto.report.figures._tree import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 3.9  # inches of a view
_BINS, _SMOOTH = 48, 1.2


def event_space(
    points: NDArray[np.floating], names: Sequence[str], colouring: Colouring, *, angles: Sequence[float] = (-60, 30),
    elevation: float = 20, title: str = "", note: str = "",
) -> "Figure":  # fmt: skip
    """Events in three channels, one panel per angle from which they are seen.

    Parameters
    ----------
    points
        Events x 3.
    names
        Of the channels: across, into the depth, upwards where the angle is -90.
    colouring
        Of the events; "density" is the number of events nearby in space.
    angles
        Azimuth of each view in degrees.
    elevation
        Height of the eye above the plane of the first two channels in degrees.
    title
        Line above.
    note
        Line below.
    """
    import matplotlib as mpl

    limits = [axis_limits(points[:, axis]) for axis in range(3)]
    inside = np.column_stack([np.clip(points[:, axis], *limits[axis]) for axis in range(3)]).astype(np.float64)
    columns = 1 if len(angles) == 1 else 2
    rows = -(-len(angles) // columns)
    side = 5.2 if len(angles) == 1 else _SIDE
    with style(), mpl.rc_context({"grid.color": GRID, "grid.linewidth": 0.5}):
        figure = new_figure(side * columns + key_width(colouring), side * 0.95 * rows + 0.5)
        mapped, views = None, []
        for place, angle in enumerate(angles):
            axes: Any = figure.add_subplot(rows, columns, place + 1, projection="3d", computed_zorder=False)
            axes.set_proj_type("ortho")
            axes.view_init(elev=elevation, azim=angle)
            axes.set_box_aspect((1, 1, 1), zoom=0.97)
            mapped = _draw(axes, inside, colouring, limits) or mapped
            _frame(axes, names, limits)
            views.append(axes)
            axes.set_title(f"from {angle:g}°", fontsize=8, color=MUTED, fontweight="normal", y=0.99, pad=0)
        key(figure, colouring, mapped)
        if title:
            figure.suptitle(label(title, 90), x=0.01, ha="left", fontweight="bold")
        note_below(figure, note, colouring)
        if colouring.is_cluster and colouring.numbered:
            # where a point is on the paper is known once the axes stand
            number_clusters(figure, [(axes, _flat(axes, inside), colouring) for axes in views])
    return figure


def space_density(points: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Events near each event: a histogram of 48 x 48 x 48 bins, smoothed, from 0 to 1 by the cube root."""
    from scipy.ndimage import gaussian_filter

    low, high = np.array(limits).T
    bins = np.clip(((points - low) / (high - low) * _BINS).astype(np.intp), 0, _BINS - 1)
    flat = np.ravel_multi_index(tuple(bins.T), (_BINS,) * 3)
    counts = np.bincount(flat, minlength=_BINS**3).reshape((_BINS,) * 3).astype(np.float64)
    smooth = np.cbrt(np.maximum(gaussian_filter(counts, _SMOOTH, mode="nearest"), 0.0)).ravel()
    return np.asarray(smooth[flat] / max(float(smooth.max()), 1e-12))


def _draw(axes: Any, points: NDArray[np.float64], colouring: Colouring, limits: Sequence[tuple[float, float]]) -> Any:
    """Draw the events, the nearer ones above; what a colour bar needs, None for clusters."""
    size = float(np.clip(24_000 / max(len(points), 1), 0.8, 9.0))
    common = {"s": size, "linewidths": 0, "depthshade": False, "rasterized": True, "zorder": 1}
    if not colouring.is_cluster or colouring.values is None:
        shown = space_density(points, limits) if colouring.values is None else colouring.values.astype(np.float64)
        low, high = (0.0, 1.0) if colouring.values is None else value_limits(shown)
        return axes.scatter(*points.T, c=shown, cmap="viridis", vmin=low, vmax=high, **common)
    numbers = np.maximum(colouring.values.astype(np.int64), 0)
    known = colouring.numbers()
    shades = dict(zip(known, colours(known), strict=True)) | {0: OTHER}
    axes.scatter(*points.T, c=[shades[int(number)] for number in numbers], alpha=0.75, **common)
    return None


def _flat(axes: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points in space are on the plane of the axes."""
    seen = np.column_stack([points, np.ones(len(points))]) @ axes.get_proj().T
    return np.asarray(seen[:, :2] / seen[:, 3:])


def _frame(axes: Any, names: Sequence[str], limits: Sequence[tuple[float, float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis, name, limit in zip((axes.xaxis, axes.yaxis, axes.zaxis), names, limits, strict=True):
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis.line.set_color(MUTED)
        axis.set_major_locator(MaxNLocator(4))
        axis.set_label_text(label(name, 22))
        axis.label.set_fontsize(8.5)
        axis.set_view_interval(*limit, ignore=True)
        axis.set_tick_params(labelsize=6.5, pad=-1)
        axis.labelpad = 0
