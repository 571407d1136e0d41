"""Self-organising maps: star plot, tree, one marker per tree, differences between groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._style import INK, MUTED, label, new_figure, style
from immport_cyto.report.figures._tree import Float64, Nodes, colours, ink_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ARC = 5
_NAMED = 24
_KEY, _RIM = 2.2, 2.3
"""Inches across the key of up to 24 rays, and half its width in radii of its star."""


def star_plot(nodes: Nodes, medians: NDArray[np.floating], markers: Sequence[str], *, layout: str = "tree") -> "Figure":
    """FlowSOM's star chart: each node is a star, each ray a marker, its length the median of the node.

    Medians are scaled per marker over the nodes, so a ray to the rim is the highest median of all nodes. The ring is in
    the colour of the metacluster, its number stands beside; areas of the stars grow with the events.

    Parameters
    ----------
    nodes
        The map.
    medians
        Nodes x markers; NaN for a node without events.
    markers
        Names of the columns.
    layout
        ``"tree"`` (minimum spanning tree) or ``"grid"``.
    """
    from matplotlib.collections import PolyCollection

    points, radii = nodes.positions(layout), nodes.radii()
    scaled = scale_columns(medians)
    rays = _ray_colours(len(markers))
    with style():
        figure, axes, key = _canvas(nodes, points, key=_KEY * max(1.0, len(markers) / _NAMED))
        _edges(axes, nodes, points, layout)
        _discs(axes, nodes, points, radii, ring=True)
        shapes, faces = [], []
        for node in np.flatnonzero(radii):
            for ray in np.flatnonzero(scaled[node] > 0.02).tolist():
                length = scaled[node, ray]
                shapes.append(points[node] + radii[node] * 0.93 * _wedge(ray, len(markers), float(length)))
                faces.append(rays[ray])
        axes.add_collection(PolyCollection(shapes, facecolors=faces, edgecolors="white", linewidths=0.25, zorder=3))
        _numbers(axes, nodes, points, radii, layout)
        _key(key, markers, rays)
        _legend(figure, nodes)
    return figure


def metacluster_tree(nodes: Nodes, *, layout: str = "tree") -> "Figure":
    """The nodes in the colours of their metaclusters, with their numbers; areas grow with the events."""
    points, radii = nodes.positions(layout), nodes.radii()
    shades = colours(nodes.metaclusters)
    with style():
        figure, axes, _ = _canvas(nodes, points)
        _edges(axes, nodes, points, layout)
        _discs(axes, nodes, points, radii)
        for node in np.flatnonzero(radii):
            axes.text(
                *points[node], str(nodes.metaclusters[node]), fontsize=7 if len(radii) <= 150 else 5, ha="center",
                va="center", color=ink_on(shades[node]), zorder=4,
            )  # fmt: skip
        _legend(figure, nodes)
    return figure


def marker_trees(
    nodes: Nodes, medians: NDArray[np.floating], markers: Sequence[str], *, layout: str = "tree"
) -> "Figure":
    """The map once per marker, coloured by the median of the marker in each node."""
    from matplotlib import colormaps

    points, radii = nodes.positions(layout), nodes.radii()
    columns = min(4, max(len(markers), 1))
    rows = -(-len(markers) // columns)
    span = np.ptp(points, axis=0) + 1.6
    filled = radii > 0
    with style():
        figure = new_figure(2.3 * columns, rows * (1.75 * float(np.clip(span[1] / span[0], 0.4, 1.2)) + 0.35))
        for position, marker in enumerate(markers):
            axes = figure.add_subplot(rows, columns, position + 1)
            values = np.asarray(medians[:, position], np.float64)
            if layout == "tree":
                _edges(axes, nodes, points, layout)
            low, high = (np.nanmin(values[filled]), np.nanmax(values[filled])) if filled.any() else (0.0, 1.0)
            mapped = _mappable(colormaps["cividis"], low, high if high > low else low + 1)
            _circles(axes, points[filled], radii[filled], mapped.to_rgba(values[filled]), [MUTED], [0.2])
            _frame(axes, points)
            axes.set_title(label(marker, 18), fontsize=9)
            bar = figure.colorbar(mapped, ax=axes, shrink=0.8, pad=0.02, aspect=14, ticks=[low, high])
            bar.ax.set_yticklabels([f"{low:.1f}", f"{high:.1f}"])
            bar.ax.tick_params(labelsize=7, length=0)
            bar.outline.set_visible(False)
    return figure


def comparison_tree(nodes: Nodes, rows: "pd.DataFrame", *, threshold: float = 0.05, layout: str = "tree") -> "Figure":
    """The nodes coloured by how much more (orange) or less (blue) of them a group has than the reference.

    The colour is the difference of the mean logits; a thick black ring marks q below `threshold`.

    Parameters
    ----------
    nodes
        The map.
    rows
        Rows of ``comparison.tsv`` of level node, of one group.
    """
    from matplotlib.colors import LinearSegmentedColormap

    points, radii = nodes.positions(layout), nodes.radii()
    found = rows.set_index("cluster")
    numbers = np.arange(1, len(radii) + 1)
    effect = found["log_odds"].reindex(numbers).to_numpy(float)
    q = found["q_value"].reindex(numbers).to_numpy(float)
    shown = (radii > 0) & np.isfinite(effect)
    most = max(float(np.abs(effect[shown]).max(initial=0.0)), 1.0)
    clear = (np.nan_to_num(q, nan=1.0) < threshold) & shown
    # blue and orange are told apart with every kind of colour vision; the middle is near white
    diverging = LinearSegmentedColormap.from_list("difference", ["#0072B2", "#8cc4e4", "#f4f4f4", "#f0b070", "#D55E00"])
    mapped = _mappable(diverging, -most, most)
    with style():
        figure, axes, _ = _canvas(nodes, points)
        _edges(axes, nodes, points, layout)
        for some, colour, width in ((shown & ~clear, MUTED, 0.5), (clear, "black", 2.2)):
            _circles(axes, points[some], radii[some], mapped.to_rgba(effect[some]), [colour], [width])
        _numbers(axes, nodes, points, radii, layout)
        first = rows.iloc[0]
        bar = figure.colorbar(mapped, ax=axes, shrink=0.55, pad=0.02, aspect=22)
        bar.set_label(f"log odds, {label(first['group'], 24)} against {label(first['reference'], 24)}", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
        axes.set_title(f"{int(clear.sum())} of {int(shown.sum())} nodes with q < {threshold:g} (black ring)")
        _legend(figure, nodes)
    return figure


def scale_columns(values: NDArray[np.floating]) -> Float64:
    """Each column from 0 (lowest) to 1 (highest); NaN and columns of one value become 0."""
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers).any(axis=0)
    low, high = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
    low[finite], high[finite] = np.nanmin(numbers[:, finite], axis=0), np.nanmax(numbers[:, finite], axis=0)
    return np.nan_to_num((numbers - low) / np.where(high > low, high - low, 1.0))


def _ray_colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](0.02 + 0.96 * i / max(n - 1, 1)) for i in range(n)]


def _wedge(ray: int, n: int, length: float) -> Float64:
    """Corners of a ray in a circle of radius 1: the first points up, the others follow clockwise."""
    angles = np.pi / 2 - 2 * np.pi * (ray + np.linspace(0, 1, _ARC)) / max(n, 2)
    arc = length * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.vstack([np.zeros((1, 2)), arc])


def _canvas(nodes: Nodes, points: Float64, *, key: float = 0.0) -> "tuple[Figure, Axes, Axes | None]":
    """A figure with room for the nodes, for a key of so many inches, and for names."""
    span = np.ptp(points, axis=0) + 1.6
    width = 7.6
    height = max(float(np.clip(width * span[1] / span[0], 3.6, 8.0)), key)
    figure = new_figure(width + key + (1.6 if any(nodes.names.values()) else 0), height)
    if not key:
        axes = figure.add_subplot()
        _frame(axes, points)
        return figure, axes, None
    grid = figure.add_gridspec(1, 2, width_ratios=[width, key])
    axes = figure.add_subplot(grid[0, 0])
    _frame(axes, points)
    return figure, axes, figure.add_subplot(grid[0, 1])


def _frame(axes: "Axes", points: Float64) -> None:
    low, high = points.min(axis=0) - 0.6, points.max(axis=0) + 0.6
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(high[1], low[1])
    axes.set_aspect("equal")
    axes.set_axis_off()


def _edges(axes: "Axes", nodes: Nodes, points: Float64, layout: str) -> None:
    from matplotlib.collections import LineCollection

    if layout == "tree":
        lines = [points[[a, b]] for a, b in nodes.edges.tolist()]
        axes.add_collection(LineCollection(lines, colors="#b7c0c8", linewidths=1.0, zorder=1))


def _circles(axes: "Axes", points: Float64, radii: Float64, faces: Any, edges: Any, widths: Any) -> None:
    """Circles in units of the axes; one collection per size, so that an SVG holds each shape once."""
    from matplotlib.collections import EllipseCollection

    for radius in np.unique(radii):
        own = radii == radius
        circles = EllipseCollection(
            [2 * radius], [2 * radius], [0.0], units="xy", offsets=points[own], offset_transform=axes.transData,
            facecolors=_of(faces, own), edgecolors=_of(edges, own), linewidths=_of(widths, own), zorder=2,
        )  # fmt: skip
        axes.add_collection(circles)


def _of(values: Any, own: NDArray[np.bool_]) -> Any:
    """The values of some, or the one value of all."""
    return values if len(values) == 1 else [value for value, mine in zip(values, own, strict=True) if mine]


def _mappable(colours_of: Any, low: float, high: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high), colours_of)


def _discs(axes: "Axes", nodes: Nodes, points: Float64, radii: Float64, *, ring: bool = False) -> None:
    """A disc per node in the colour of its metacluster, or a white one with a ring of that colour."""
    filled = radii > 0
    shades = colours(nodes.metaclusters[filled])
    faces, rims = (["white"], shades) if ring else (shades, ["white"])
    _circles(axes, points[filled], radii[filled], faces, rims, [2.0 if ring else 0.5])
    empty = points[~filled]
    axes.scatter(empty[:, 0], empty[:, 1], s=8, facecolors="white", edgecolors=MUTED, linewidths=0.7, zorder=2)


def _numbers(axes: "Axes", nodes: Nodes, points: Float64, radii: Float64, layout: str) -> None:
    """Numbers of the metaclusters beside the nodes."""
    size = 8 if len(radii) <= 150 else 6
    for node in nodes.labelled(layout):
        place = points[node] + 0.72 * radii[node]
        axes.annotate(
            str(nodes.metaclusters[node]), place, xytext=(1, -1), textcoords="offset points", fontsize=size,
            fontweight="bold", ha="left", va="top", color=INK, zorder=4,
        )  # fmt: skip


def _key(axes: "Axes | None", markers: Sequence[str], rays: list[Any]) -> None:
    """A full star with the names of its rays."""
    from matplotlib.collections import PolyCollection

    if axes is None:
        return
    n = len(markers)
    axes.add_collection(
        PolyCollection([_wedge(i, n, 1.0) for i in range(n)], facecolors=rays, edgecolors="white", linewidths=0.5)
    )
    for ray, marker in enumerate(markers):
        turn = 90 - 360 * (ray + 0.5) / max(n, 2)
        upright = -90 <= turn <= 90 or turn < -270
        axes.text(
            1.1 * np.cos(np.radians(turn)), 1.1 * np.sin(np.radians(turn)), label(marker, 14), fontsize=7, color=INK,
            rotation=turn if upright else turn + 180, rotation_mode="anchor", va="center",
            ha="left" if upright else "right",
        )  # fmt: skip
    axes.set_xlim(-_RIM, _RIM)
    axes.set_ylim(-_RIM, _RIM)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _legend(figure: "Figure", nodes: Nodes) -> None:
    """Names of the metaclusters, where there are any."""
    from matplotlib.patches import Patch

    numbers = [number for number in sorted(nodes.names) if nodes.names[number]]
    if not numbers:
        return
    shown = numbers[:_NAMED]
    handles = [
        Patch(facecolor=shade, label=f"{number}  {label(nodes.names[number], 26)}")
        for number, shade in zip(shown, colours(shown), strict=True)
    ]
    if len(numbers) > _NAMED:
        handles.append(Patch(facecolor="white", label=f"and {len(numbers) - _NAMED} more"))
    figure.legend(handles=handles, loc="outside right center", fontsize=7, frameon=False)
