"""Gates as outlines over events, with what they hold written beside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._labels import Box, common_area
from immport_cyto.report.figures._style import INK, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEYOND = 0.25  # of the range of the events, how far an axis grows for a gate
_SIZE, _WIDE, _HIGH, _GAP = 7.0, 0.6, 1.25, 3.0
_SMALL = 0.25  # of the area of a gate, what a text in it may take
_HIDING = 60.0  # cost of a place that hides all events
_THOUSANDS = 10_000
_NEAR = 0.05  # of an axis, between two marks


@dataclass(frozen=True)
class Outline:
    """A gate.

    Attributes
    ----------
    corners : ndarray, n x 2
        The last one is joined to the first; a side at infinity is open.
    name
        Of the gate.
    share
        What is written below the name, such as ``"57.7 % of Cells"``.
    """

    corners: NDArray[np.floating]
    name: str
    share: str


def with_outlines(limits: Sequence[tuple[float, float]], outlines: Sequence[Outline]) -> list[tuple[float, float]]:
    """Limits of two axes that show the gates, too; a gate far from the events is cut at the edge."""
    wider = []
    for axis, (low, high) in enumerate(limits):
        room = _BEYOND * (high - low)
        at = np.concatenate([np.array([low, high]), *(one.corners[:, axis] for one in outlines)])
        at = at[np.isfinite(at)]
        edge = 0.03 * (high - low)
        left, right = max(float(at.min()) - edge, low - room), min(float(at.max()) + edge, high + room)
        wider.append((min(left, low), max(right, high)))
    return wider


def draw_outline(axes: "Axes", outline: Outline, limits: Sequence[tuple[float, float]]) -> None:
    """Draw the sides of a gate that are not open."""
    from matplotlib.patheffects import Normal, Stroke

    inside = np.column_stack([np.clip(outline.corners[:, axis], *limits[axis]) for axis in (0, 1)])
    ends = np.roll(np.arange(len(inside)), -1)
    # a side is open where both of its ends are at the same infinity
    open_sides = (np.isinf(outline.corners) & (outline.corners == outline.corners[ends])).any(axis=1)
    gaps = np.full((len(inside), 1, 2), np.nan)
    sides = np.concatenate([np.stack([inside, inside[ends]], axis=1)[~open_sides], gaps[~open_sides]], axis=1)
    whole = np.vstack([inside, inside[:1]]) if not open_sides.any() else sides.reshape(-1, 2)
    halo = [Stroke(linewidth=2.6, foreground="white"), Normal()]
    axes.plot(whole[:, 0], whole[:, 1], color=INK, linewidth=1.2, path_effects=halo, zorder=4, solid_joinstyle="round")


def name_outlines(
    axes: "Axes", outlines: Sequence[Outline], limits: Sequence[tuple[float, float]], points: NDArray[np.floating]
) -> None:
    """Write name and share of each gate in it or beside it, where no other text and few events are.

    Call it when the figure has been laid out.
    """
    if not outlines:
        return
    frame = axes.get_window_extent()
    scale = 72.0 / axes.figure.dpi
    edges = (frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    events = np.asarray(axes.transData.transform(points)) * scale
    taken: list[Box] = []
    for one in outlines:
        text = f"{label(one.name, 30)}\n{label(one.share, 40)}"
        size = (_WIDE * _SIZE * max(len(line) for line in text.split("\n")), 2 * _HIGH * _SIZE)
        clipped = np.column_stack([np.clip(one.corners[:, axis], *limits[axis]) for axis in (0, 1)])
        at = np.asarray(axes.transData.transform(clipped)) * scale
        gate = (*at.min(axis=0).tolist(), *at.max(axis=0).tolist())
        is_open = bool(np.isinf(one.corners).any())
        box = min(
            enumerate(_places(gate, size, is_open=is_open, edges=edges)),
            key=lambda place: _cost(place[1], edges, taken, events) + place[0],
        )[1]
        taken.append(box)
        axes.annotate(
            text, (0, 0), xycoords="axes fraction", xytext=(box[0] - edges[0], box[1] - edges[1]),
            textcoords="offset points", fontsize=_SIZE, color=INK, ha="left", va="bottom", linespacing=1.1, zorder=6,
            annotation_clip=False, bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8,
                                         "linewidth": 0},
        ).set_in_layout(False)  # fmt: skip


def _places(gate: Box, size: tuple[float, float], *, is_open: bool, edges: Box) -> list[Box]:
    """Where the text of a gate may stand, the best first: in its corners, outermost first; around a small closed one.

    Beside an open gate would be in another one.
    """
    left, low, right, top = gate
    wide, high = size
    middle = ((edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2)
    corners = [(x, y) for x in (left + _GAP, right - _GAP - wide) for y in (top - _GAP - high, low + _GAP)]
    corners.sort(key=lambda c: -abs(c[0] + wide / 2 - middle[0]) - abs(c[1] + high / 2 - middle[1]))
    around = [
        (left, top + _GAP), (right - wide, top + _GAP), (left, low - _GAP - high), (right - wide, low - _GAP - high),
        (right + _GAP, (low + top - high) / 2), (left - _GAP - wide, (low + top - high) / 2),
    ]  # fmt: skip
    if is_open:
        around = []
    is_large = wide * high < _SMALL * (right - left) * (top - low) and wide < right - left
    places = [*corners, *around] if is_large else [*around, *corners]
    inside = [
        (min(max(x, edges[0]), max(edges[2] - wide, edges[0])), min(max(y, edges[1]), max(edges[3] - high, edges[1])))
        for x, y in (places if is_open else corners)
    ]
    return [(x, y, x + wide, y + high) for x, y in (inside if is_open else [*places, *inside])]


def _cost(box: Box, edges: Box, taken: Sequence[Box], events: NDArray[np.float64]) -> float:
    """How bad a place is: beyond the axes, over other texts, over events."""
    outside = max(edges[0] - box[0], 0) + max(box[2] - edges[2], 0) + max(edges[1] - box[1], 0)
    outside += max(box[3] - edges[3], 0)
    within = (events >= box[:2]).all(axis=1) & (events <= box[2:]).all(axis=1)
    return (
        sum(common_area(box, other) for other in taken)
        + 20 * outside
        + _HIDING * float(within.sum()) / max(len(events), 1)
    )


def mark_scale(axis: Any, marks: Sequence[tuple[float, float]], limits: tuple[float, float], most: int) -> None:
    """Mark an axis at values before its scale, where at least two are within it; the first ones count most.

    Otherwise the numbers on the axis itself are written, `most` of them about, thousands as 50K.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    kept: list[tuple[float, float]] = []
    for raw, place in marks:
        near = any(abs(place - other) < _NEAR * (high - low) for _, other in kept)
        if low <= place <= high and not near:
            kept.append((raw, place))
    if len(kept) > 1:
        kept.sort(key=lambda mark: mark[1])
        axis.set_ticks([place for _, place in kept], [_power(raw) for raw, _ in kept])
    elif max(abs(low), abs(high)) >= _THOUSANDS:
        axis.set_major_locator(MaxNLocator(most))
        axis.set_major_formatter(lambda value, _: f"{value / 1000:g}K" if value else "0")


def _power(value: float) -> str:
    """A power of ten: 10³."""
    if value == 0:
        return "0"
    exponent = str(round(np.log10(abs(value)))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'−' if value < 0 else ''}10{exponent}"
