"""Apply the gates of a Gating-ML 2.0 file to FCS files: who is in which gate, how many, and the events of one gate."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.events import compensation as comp
from immport_cyto.events.gatingml import Dimension, Gate, GatingML, Matrix, Ratio
from immport_cyto.exceptions import InputError, OptionError, PanelError
from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.fcs import FCSFile

GATES = Table(
    "gates.tsv",
    "one row per file and gate",
    (
        Column("file_name", "text", "name of the FCS file"),
        Column("gate", "text", "id of the gate"),
        Column("parent", "text", "id of its parent gate; empty for all events", False),
        Column("kind", "text", "rectangle, polygon, ellipsoid, and, or, not"),
        Column("n_events", "int", "events in the gate and in its parents"),
        Column("n_parent", "int", "events in the parent"),
        Column("fraction", "float", "n_events over n_parent; empty where the parent is empty", False),
        Column("fraction_of_all", "float", "n_events over all events of the file", False),
    ),
    ("file_name", "gate"),
)

_CHUNK_EVENTS = 100_000


def gate_files(
    files: Mapping[str, Path], gating: GatingML, *, keep: str = "", targets: Mapping[str, Path] | None = None
) -> "pd.DataFrame":
    """Count the events of each gate, and write the events of one.

    Parameters
    ----------
    files
        ``{file name: path}``.
    gating
        As given by `immport_cyto.events.gatingml.read`.
    keep
        Id of a gate whose events are written, with all channels and keywords.
    targets
        ``{file name: path}`` of the files to write.

    Returns
    -------
    DataFrame
        Contract `GATES`, in order of the file names and of the gates in the file.

    Raises
    ------
    FCSError, CompensationError
        A file or its spillover keyword cannot be read.
    PanelError
        A file lacks a channel of a gate.
    OptionError
        `keep` is no gate of the file.
    """
    import pandas as pd

    from immport_cyto import fcs

    check_gate(gating, keep)
    rows: list[dict[str, Any]] = []
    for name in sorted(files):
        opened = fcs.open(files[name])
        inside = membership(opened, gating, name)
        rows += _rows(name, inside, gating, opened.n_events)
        if keep and targets is not None:
            _write(opened, inside[keep], targets[name])
    return conform(pd.DataFrame(rows, columns=GATES.column_names), GATES)


def check_gate(gating: GatingML, name: str) -> None:
    """Refuse a gate that the file does not have; an empty name is none.

    Raises
    ------
    OptionError
        There is no such gate.
    """
    if name and name not in gating.gates:
        msg = f"there is no gate {name!r}; the file has {', '.join(gating.gates)}"
        raise OptionError(msg)


def membership(opened: "FCSFile", gating: GatingML, file_name: str) -> dict[str, np.ndarray]:
    """Tell for each gate which events are in it and in its parents.

    Channels are taken on the linear scale of the instrument, Time in the unit that $TIMESTEP gives, as the
    standard says. A file without a spillover matrix counts as compensated (``FCS``). A Gating-ML file is meant for the
    original events: one written by `preprocess` is an error.

    Returns
    -------
    dict
        Id of each gate to one bool per event.
    """
    from immport_cyto.events.keywords import is_preprocessed

    if is_preprocessed(opened.keywords):
        msg = f"{file_name}: was written by events preprocess, and gates speak of the events before; give the original"
        raise InputError(msg)
    axes = Axes(opened, gating, file_name)
    inside = {name: np.zeros(opened.n_events, dtype=bool) for name in gating.gates}
    start = 0
    for part in opened.chunks(_CHUNK_EVENTS, axes.columns):
        stop = start + len(part)
        axes.take(part)
        for name, gate in gating.gates.items():
            found = _inside(gate, axes, {other: whole[start:stop] for other, whole in inside.items()})
            inside[name][start:stop] = found & inside[gate.parent][start:stop] if gate.parent else found
        start = stop
    return inside


class Axes:
    """The axes of the gates for one chunk of events; each compensation is computed once."""

    def __init__(self, opened: "FCSFile", gating: GatingML, file_name: str) -> None:
        self.gating, self.file_name = gating, file_name
        self.names = [channel.pnn for channel in opened.channels]
        self.timestep = opened.timestep if any(channel.is_time for channel in opened.channels) else None
        self.file_matrix: comp.Matrix | None = None
        used = [axis for gate in gating.gates.values() for axis in gate.dimensions]
        if any(axis.compensation.lower() == "fcs" for axis in used):
            spillover = opened.spillover()
            if spillover is not None:
                self.file_matrix = comp.fit(spillover.channels, spillover.matrix, self.names, file_name)
        self.columns = sorted({self.index(name) for axis in used for name in self.needed(axis)})
        self.place = {column: position for position, column in enumerate(self.columns)}
        self.is_time = [opened.channels[column].is_time for column in self.columns]
        self.values = np.empty((0, 0))
        self.compensated: dict[str, np.ndarray] = {}

    def index(self, name: str) -> int:
        """Index of a channel by its $PnN."""
        found = [i for i, other in enumerate(self.names) if other == name]
        if len(found) != 1:
            listed = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
            what = "has no channel" if not found else f"has {len(found)} channels named"
            msg = f"{self.file_name}: {what} {name!r}, which the gates use; it has {listed}"
            raise PanelError(msg)
        return found[0]

    def needed(self, axis: Dimension) -> Sequence[str]:
        """The channels that must be read for an axis."""
        if axis.compensation in self.gating.matrices:
            return self.gating.matrices[axis.compensation].detectors
        names = list(axis.source.channels) if isinstance(axis.source, Ratio) else [axis.source]
        if axis.compensation.lower() == "fcs" and self.file_matrix is not None:
            names += self.file_matrix.channels
        return names

    def take(self, part: np.ndarray) -> None:
        """Begin a chunk."""
        self.values = part.astype(np.float64)
        if self.timestep is not None:
            self.values[:, self.is_time] *= self.timestep
        self.compensated = {}

    def of(self, axis: Dimension) -> np.ndarray:
        """The values of the chunk on an axis."""
        if isinstance(axis.source, Ratio):
            x, y = (self.channel(name, axis.compensation) for name in axis.source.channels)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = axis.source.a * (x - axis.source.b) / (y - axis.source.c)
        else:
            values = self.channel(axis.source, axis.compensation)
        return self.gating.scales[axis.scale](values) if axis.scale else values

    def channel(self, name: str, compensation: str) -> np.ndarray:
        """One channel, or one fluorochrome of a spectrum matrix."""
        if compensation in self.gating.matrices:
            matrix = self.gating.matrices[compensation]
            if name not in matrix.fluorochromes:
                msg = f"{self.file_name}: {name!r} is no fluorochrome of the spectrum matrix {compensation!r}"
                raise PanelError(msg)
            if compensation not in self.compensated:
                self.compensated[compensation] = self.unmix(matrix)
            return self.compensated[compensation][:, matrix.fluorochromes.index(name)]
        column = self.place[self.index(name)]
        if compensation.lower() != "fcs" or self.file_matrix is None:
            return self.values[:, column]
        if "" not in self.compensated:
            whole = self.values.copy()
            places = [self.place[index] for index in self.file_matrix.columns]
            whole[:, places] = whole[:, places] @ np.linalg.inv(self.file_matrix.values)
            self.compensated[""] = whole
        return self.compensated[""][:, column]

    def unmix(self, matrix: Matrix) -> np.ndarray:
        """Fluorochromes from detectors; more detectors than fluorochromes are solved by least squares."""
        light = self.values[:, [self.place[self.index(name)] for name in matrix.detectors]]
        return light @ (matrix.values if matrix.inverted else np.linalg.pinv(matrix.values))


def _inside(gate: Gate, axes: Axes, inside: Mapping[str, np.ndarray]) -> np.ndarray:
    """Who is in a gate, its parent aside."""
    if gate.members:
        parts = [~inside[name] if complement else inside[name] for name, complement in gate.members]
        if gate.kind == "not":
            return ~parts[0]
        return np.asarray((np.logical_and if gate.kind == "and" else np.logical_or).reduce(parts))
    if gate.kind == "rectangle":
        found = np.ones(len(axes.values), dtype=bool)
        for axis in gate.dimensions:
            values = axes.of(axis)
            found &= (values >= axis.low) & (values < axis.high)
        return found
    points = np.stack([axes.of(axis) for axis in gate.dimensions], axis=1)
    finite = np.isfinite(points).all(axis=1)
    from flowutils import gating as membership_of

    found = np.zeros(len(points), dtype=bool)
    if finite.any():
        some = np.ascontiguousarray(points[finite])
        found[finite] = (
            membership_of.points_in_polygon(gate.points, some)
            if gate.kind == "polygon"
            else membership_of.points_in_ellipsoid(gate.covariance, gate.points, gate.distance, some)
        )
    return found


def _rows(name: str, inside: Mapping[str, np.ndarray], gating: GatingML, n_all: int) -> Iterator[dict[str, Any]]:
    counts = {gate: int(members.sum()) for gate, members in inside.items()}
    for gate in gating.gates.values():
        n_parent = counts[gate.parent] if gate.parent else n_all
        yield {
            "file_name": name,
            "gate": gate.name,
            "parent": gate.parent,
            "kind": gate.kind,
            "n_events": counts[gate.name],
            "n_parent": n_parent,
            "fraction": counts[gate.name] / n_parent if n_parent else None,
            "fraction_of_all": counts[gate.name] / n_all if n_all else None,
        }


def _write(opened: "FCSFile", members: np.ndarray, target: Path) -> None:
    from immport_cyto import fcs

    def blocks() -> Iterator[np.ndarray]:
        start = 0
        for part in opened.chunks(_CHUNK_EVENTS):
            yield part[members[start : start + len(part)]]
            start += len(part)

    fcs.write_blocks(target, blocks, int(members.sum()), opened.channels, opened.keywords, analysis=opened.analysis())
