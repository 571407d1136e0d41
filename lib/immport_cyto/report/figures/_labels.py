"""Names and numbers beside points that do not cover each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immport_cyto.report.figures._style import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 7.0  # points
_WIDE, _HIGH = 0.62, 1.25  # of a character, in sizes
_GAP = 1.5
_NUMBER, _SHARE = 14.0, 0.4  # points between two numbers; share of the axes that they may take
_PUSHES = 400
_STEPS = (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6)

Box = tuple[float, float, float, float]  # left, bottom, right, top in points


def name_points(
    axes: "Axes", x: ArrayLike, y: ArrayLike, names: Sequence[str], *, others: ArrayLike = (), radius: float = 3.5
) -> None:
    """Write each name beside its point, the first ones nearest; a line leads to those that have to move.

    Call it when the axes have their limits. A name for which there is no room lies over others.

    Parameters
    ----------
    axes
        Where the points are.
    x, y
        The points that have names.
    names
        Their names.
    others : array, n x 2
        Points without a name, which names do not cover either.
    radius
        Of the points, in points.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    scale = 72.0 / figure.dpi
    frame = axes.get_window_extent()
    limits = (frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)]).reshape(-1, 2)
    unnamed = np.asarray(others, float).reshape(-1, 2)
    at = np.asarray(axes.transData.transform(points)) * scale
    around = np.vstack([at, np.asarray(axes.transData.transform(unnamed)) * scale]) if len(unnamed) else at
    taken: list[Box] = [(px - radius, py - radius, px + radius, py + radius) for px, py in around.tolist()]
    for (px, py), place, name in zip(points.tolist(), at, names, strict=True):
        box, right = _best(place, _WIDE * _SIZE * len(name), radius + _GAP, limits, taken)
        taken.append(box)
        moved = abs((box[1] + box[3]) / 2 - place[1]) > _HIGH * _SIZE
        line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if moved else None
        note = axes.annotate(
            name, (px, py), fontsize=_SIZE, color=MUTED, va="center", ha="left" if right else "right",
            xytext=((box[0] if right else box[2]) - place[0], (box[1] + box[3]) / 2 - place[1]),
            textcoords="offset points", arrowprops=line, annotation_clip=False,
        )  # fmt: skip
        note.set_in_layout(False)


def number_points(axes: "Axes", points: ArrayLike, numbers: Sequence[int], shades: Sequence[Any]) -> None:
    """Write a number at each point, framed in its colour; where points are near, beside them with a line.

    Call it when the figure has been laid out.

    Parameters
    ----------
    axes
        Where the points are.
    points : array, n x 2
    numbers, shades
        Of the points.
    """
    if not numbers:
        return
    at = np.asarray(axes.transData.transform(np.asarray(points, float))) * 72.0 / axes.figure.dpi
    frame = axes.get_window_extent()
    low, high = (np.array(edge) * 72.0 / axes.figure.dpi for edge in ((frame.x0, frame.y0), (frame.x1, frame.y1)))
    room = min(_NUMBER, float(np.sqrt(_SHARE * np.prod(high - low) / len(numbers))))
    moved = _apart(at, room, (low + 5, high - 5))
    for number, shade, xy, away in zip(numbers, shades, np.asarray(points, float), moved - at, strict=True):
        line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6} if np.hypot(*away) > 1 else None
        note = axes.annotate(
            str(number), (float(xy[0]), float(xy[1])), xytext=(float(away[0]), float(away[1])),
            textcoords="offset points", fontsize=6.5, fontweight="bold", ha="center", va="center", color=INK, zorder=5,
            arrowprops=line, annotation_clip=False,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": shade, "linewidth": 1},
        )  # fmt: skip
        note.set_in_layout(False)


def _apart(
    points: NDArray[np.float64], room: float, within: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Points pushed away from each other, in small steps, until they are `room` apart or there is no more room."""
    turn = np.arange(len(points)) * np.pi * (3 - np.sqrt(5))  # equal points leave in different directions
    leave = 0.02 * room * np.column_stack([np.cos(turn), np.sin(turn)])
    moved = np.clip(np.clip(points, *within) + leave, *within)
    for _ in range(_PUSHES):
        away = moved[:, None] - moved[None]
        equal = (np.abs(away) < 1e-9).all(axis=2)  # in a corner too
        away[equal] = (leave[:, None] - leave[None])[equal]
        distance = np.sqrt((away**2).sum(axis=2))
        lacking = np.maximum(room - distance, 0.0)
        np.fill_diagonal(lacking, 0.0)
        if not lacking.max(initial=0.0) > 0.02 * room:
            break
        push = (away * np.divide(lacking, distance, out=np.zeros_like(lacking), where=distance > 0)[..., None]).sum(1)
        length = np.sqrt((push**2).sum(axis=1, keepdims=True))
        step = push * np.minimum(0.5, 0.15 * room / np.maximum(length, 1e-12))
        moved = np.clip(moved + step, *within)
    return moved


def _best(place: NDArray[np.float64], width: float, gap: float, limits: Box, taken: Sequence[Box]) -> tuple[Box, bool]:
    """The nearest box that covers nothing and is within the axes, and whether it is on the right of the point."""
    least: tuple[float, Box, bool] | None = None
    for rank, step in enumerate(_STEPS):
        for right in (True, False):
            left = place[0] + gap if right else place[0] - gap - width
            low = place[1] + (step - 0.5) * _HIGH * _SIZE
            box = (float(left), float(low), float(left + width), float(low + _HIGH * _SIZE))
            outside = max(limits[0] - box[0], 0) + max(box[2] - limits[2], 0)
            outside += max(limits[1] - box[1], 0) + max(box[3] - limits[3], 0)
            cost = sum(common_area(box, other) for other in taken) + 20 * outside + rank + 0.1 * (not right)
            if least is None or cost < least[0]:
                least = (cost, box, right)
    assert least is not None  # noqa: S101  there is always a candidate
    return least[1], least[2]


def common_area(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0
