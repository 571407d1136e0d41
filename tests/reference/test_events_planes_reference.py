"""Outlines of the gates of the Gating-ML 2.0 suite hold its events, but for those that lie on the line itself."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from immport_cyto import fcs
from immport_cyto.events import gating, gatingml, planes

pytestmark = pytest.mark.shared


def distance(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Of each point from the nearest side."""
    start, side = corners, np.roll(corners, -1, axis=0) - corners
    along = ((points[:, None] - start) * side).sum(axis=2) / np.maximum((side**2).sum(axis=1), 1e-300)
    nearest = start + np.clip(along, 0, 1)[..., None] * side
    return np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1)


def test_the_events_in_each_outline_are_those_of_the_gate(shared_data: Path) -> None:
    suite = shared_data / "gatingml" / "gate_ref"
    data = fcs.open(suite / "data1.fcs")
    kinds = []
    for path in sorted((suite / "gml").glob("*.xml")):
        if path.name == "gml_range_gate_attr_testing.xml":
            continue  # holds no gates
        gates = gatingml.read(path)
        members = gating.membership(data, gates, "data1.fcs")
        for name, gate in gates.gates.items():
            sources = [axis.source for axis in gate.dimensions]
            if not 1 <= len(set(sources)) == len(sources) <= 2 or not all(isinstance(one, str) for one in sources):
                continue
            x, y = sources if len(sources) == 2 else (sources[0], "SSC-H" if sources[0] != "SSC-H" else "FSC-H")
            of = planes.plane(gates, x, y, [name])
            found = planes.gated(data, gates, of, "data1.fcs", data.n_events, 1)
            assert found.n_nonfinite == 0
            assert found.counts[name][0] == members[name].sum()
            reach = float(np.ptp(found.points)) + 1
            corners = np.clip(planes.outline(gate, of), found.points.min() - reach, found.points.max() + reach)
            inside = Outline(np.vstack([corners, corners[:1]]), closed=True).contains_points(found.points)
            parent = members[gate.parent] if gate.parent else np.ones(data.n_events, bool)
            other = (inside & parent) != members[name]
            on_the_line = distance(found.points[other], corners) < 1e-3 * np.ptp(corners, axis=0).min()
            assert on_the_line.all(), (path.name, name)
            kinds.append(gate.kind)
    assert len(kinds) == 101
    assert {"rectangle", "polygon", "ellipsoid"} == set(kinds)
