"""Gates as outlines in a plane of two channels, and the events in this plane.

The axes of the plane are those of the gates: the compensation and scale that the Gating-ML file names for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.events.gating import Axes, check_gate, membership
from immport_cyto.events.gatingml import Dimension, Gate, GatingML
from immport_cyto.events.sampling import draw
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    from immport_cyto.fcs import FCSFile

_CHUNK_EVENTS = 100_000
_CORNERS = 181  # of an ellipse
_DECADES = (0.0, *(10.0**k for k in range(7, 0, -1)), *(-(10.0**k) for k in range(5, 0, -1)))


@dataclass(frozen=True)
class Plane:
    """Two axes and the gates that are drawn on them.

    Attributes
    ----------
    x, y
        Axes without limits.
    gates
        Ids of the gates that lie in this plane.
    others
        Ids of the other gates of the file.
    """

    x: Dimension
    y: Dimension
    gates: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Gated:
    """Some events of a file in a plane, and how many are in each gate.

    Attributes
    ----------
    points : ndarray of float64, events x 2
    counts
        Gate to its events and those of its parent (all events of the file without one), of the whole file.
    n_events
        Events that could be drawn: those of the file, or of the gate that was asked for.
    n_nonfinite
        Events that were drawn and left out, since a value is NaN or infinite.
    """

    points: NDArray[np.float64]
    counts: Mapping[str, tuple[int, int]]
    n_events: int
    n_nonfinite: int


def plane(gating: GatingML, x: str, y: str, wanted: Sequence[str] = ()) -> Plane:
    """Find the gates in two channels, and the scales that they share.

    Parameters
    ----------
    gating
        As given by `immport_cyto.events.gatingml.read`.
    x, y
        Names of channels as the gates have them.
    wanted
        Ids of gates; all that lie in these channels otherwise.

    Raises
    ------
    OptionError
        There is no gate in these channels, a wanted one is not in them, or gates have different scales.
    """
    for name in wanted:
        check_gate(gating, name)
    chosen = list(dict.fromkeys(wanted)) or [name for name, gate in gating.gates.items() if _lies_in(gate, x, y)]
    outside = [name for name in chosen if not _lies_in(gating.gates[name], x, y)]
    if outside:
        msg = f"gate {outside[0]!r} {_where(gating.gates[outside[0]])}, so it has no outline in {x} and {y}"
        raise OptionError(msg)
    if not chosen:
        known = [f"{name} {_where(gate)}" for name, gate in gating.gates.items()]
        msg = f"there is no gate in {x} and {y}; {'; '.join(known[:6])}{'; ...' if len(known) > 6 else ''}"
        raise OptionError(msg)
    own = [gating.gates[name] for name in chosen]
    axes = [_axis(channel, own, list(gating.gates.values())) for channel in (x, y)]
    return Plane(axes[0], axes[1], tuple(chosen), tuple(name for name in gating.gates if name not in chosen))


def outline(gate: Gate, of: Plane) -> NDArray[np.float64]:
    """Corners of a gate in a plane (n x 2), the last one joined to the first; open sides are at infinity."""
    sources = [axis.source for axis in gate.dimensions]
    if gate.kind == "polygon":
        return np.asarray(gate.points if sources[0] == of.x.source else gate.points[:, ::-1], float)
    if gate.kind == "ellipsoid" and len(sources) == 2:
        # the points at a Mahalanobis distance: mean + distance * (root of the covariance) * a circle
        values, vectors = np.linalg.eigh(gate.covariance)
        angles = np.linspace(0, 2 * np.pi, _CORNERS)[:-1]
        circle = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sqrt(np.maximum(values, 0) * gate.distance)
        ellipse = circle @ vectors.T + gate.points
        return ellipse if sources[0] == of.x.source else ellipse[:, ::-1]
    low, high = np.full(2, -np.inf), np.full(2, np.inf)
    for number, axis in enumerate(gate.dimensions):
        place = 0 if axis.source == of.x.source else 1
        left, right = axis.low, axis.high
        if gate.kind == "ellipsoid":
            half = float(np.sqrt(gate.distance * gate.covariance[number, number]))
            left, right = float(gate.points[number]) - half, float(gate.points[number]) + half
        low[place], high[place] = max(low[place], left), min(high[place], right)
    return np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])


def ticks(axis: Dimension, gating: GatingML) -> list[tuple[float, float]]:
    """Values before the scale of an axis that are worth a mark, and where they are; none for a linear axis."""
    if not axis.scale:
        return []
    at = gating.scales[axis.scale](np.array(_DECADES))
    steps = gating.scales[axis.scale](np.array([0.0, 1e4, 2e4]))
    if np.isclose(steps[2] - steps[1], steps[1] - steps[0]):
        return []
    return [(raw, float(place)) for raw, place in zip(_DECADES, at, strict=True) if np.isfinite(place)]


def gated(
    opened: "FCSFile", gating: GatingML, of: Plane, file_name: str, most: int, seed: int, inside: str = ""
) -> Gated:
    """Draw events of a file in a plane, and count those in its gates.

    Parameters
    ----------
    opened
        FCS file as acquired.
    gating
        All gates.
    of
        The plane.
    file_name
        For messages, and for the draw.
    most
        Events to draw at most, by `immport_cyto.events.sampling.draw`.
    seed
        Of the draw.
    inside
        Id of a gate whose events alone are drawn; the counts are those of all events.

    Raises
    ------
    InputError
        The file is preprocessed, but gates speak of the events before.
    PanelError
        It lacks a channel of the gates.
    """
    check_gate(gating, inside)
    needed = _with_relatives(gating, [*of.gates, *([inside] if inside else [])])
    members = membership(opened, replace(gating, gates=needed), file_name)
    counts = {
        name: (
            int(members[name].sum()),
            int(members[needed[name].parent].sum()) if needed[name].parent else opened.n_events,
        )
        for name in of.gates
    }
    offered = np.flatnonzero(members[inside]) if inside else np.arange(opened.n_events)
    wanted = offered[draw(len(offered), most, seed, file_name)]
    points = np.concatenate([np.empty((0, 2)), *_points(opened, gating, of, file_name, wanted)])
    finite = np.isfinite(points).all(axis=1)
    return Gated(points[finite], counts, len(offered), int((~finite).sum()))


def _points(
    opened: "FCSFile", gating: GatingML, of: Plane, file_name: str, wanted: NDArray[np.intp]
) -> Iterator[NDArray[np.float64]]:
    """Wanted events on the two axes, a block of the file at a time."""
    both = Gate("", "rectangle", dimensions=(of.x, of.y))
    axes = Axes(opened, replace(gating, gates={"": both}), file_name)
    start = 0
    for part in opened.chunks(_CHUNK_EVENTS, axes.columns):
        low, high = np.searchsorted(wanted, [start, start + len(part)])
        axes.take(part[wanted[low:high] - start])
        yield np.column_stack([axes.of(of.x), axes.of(of.y)]).astype(np.float64)
        start += len(part)


def _lies_in(gate: Gate, x: str, y: str) -> bool:
    """Whether a gate has an outline in two channels: it is bounded by these alone, each at most once."""
    sources = [axis.source for axis in gate.dimensions]
    return bool(sources) and set(sources) <= {x, y} and len(set(sources)) == len(sources)


def _where(gate: Gate) -> str:
    if gate.members:
        return f"is {gate.kind} of other gates"
    names = [
        axis.source if isinstance(axis.source, str) else " / ".join(axis.source.channels) for axis in gate.dimensions
    ]
    return f"is in {' and '.join(names)}"


def _axis(channel: str, own: Sequence[Gate], every: Sequence[Gate]) -> Dimension:
    """The axis of a channel: as the drawn gates have it, else as the one way in which any gate of the file has it."""
    for gates in (own, every):
        found = {
            replace(axis, low=-np.inf, high=np.inf): gate.name
            for gate in gates
            for axis in gate.dimensions
            if axis.source == channel
        }
        if len(found) == 1:
            return next(iter(found))
        if found and gates is own:
            first, second = list(found.items())[:2]
            msg = (
                f"gates {first[1]!r} and {second[1]!r} have {channel} on two scales ({_scale(first[0])}, "
                f"{_scale(second[0])}); draw them one at a time"
            )
            raise OptionError(msg)
    return Dimension(channel, "uncompensated")


def _scale(axis: Dimension) -> str:
    compensation = {"uncompensated": "uncompensated", "fcs": "compensated"}.get(axis.compensation.lower())
    return f"{compensation or f'matrix {axis.compensation}'}, {f'scale {axis.scale}' if axis.scale else 'linear'}"


def describe(axis: Dimension) -> str:
    """Compensation and scale of an axis in words."""
    return f"{axis.source}: {_scale(axis)}"


def _with_relatives(gating: GatingML, names: Sequence[str]) -> dict[str, Gate]:
    """Gates with all that they refer to, in the order of the file."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            gate = gating.gates[name]
            waiting += [*([gate.parent] if gate.parent else []), *(member for member, _ in gate.members)]
    return {name: gate for name, gate in gating.gates.items() if name in needed}
