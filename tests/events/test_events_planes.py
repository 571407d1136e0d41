"""Gates as outlines: the events inside of an outline are the events in the gate."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from immport_cyto import fcs
from immport_cyto.events import gating, gatingml, planes
from immport_cyto.events.transforms import Logicle
from immport_cyto.exceptions import InputError, OptionError, PanelError
from support.gating_files import HEAD, TAIL, axis, boolean, ellipsoid, polygon, rectangle, transformation

N = 4000
LOGICLE = transformation("lg", '<transforms:logicle transforms:T="262144" transforms:W="0.5" transforms:M="4.5" '
                         'transforms:A="0"/>')  # fmt: skip
FITC, PE = axis("FITC-A", "FCS", "lg"), axis("PE-A", "FCS", "lg")
CORNERS = ((0.2, 0.3), (0.6, 0.25), (0.7, 0.6), (0.3, 0.7))
COVARIANCE = ((0.02, 0.008), (0.008, 0.01))
BODY = (
    LOGICLE,
    rectangle("cells", axis("FSC-A", min=40_000)),
    polygon("cloud", (FITC, PE), CORNERS, parent="cells"),
    polygon("turned", (PE, FITC), [corner[::-1] for corner in CORNERS], parent="cells"),
    ellipsoid("egg", (FITC, PE), (0.45, 0.45), COVARIANCE, 1.5),
    rectangle("box", axis("FITC-A", "FCS", "lg", min=0.3, max=0.5), axis("PE-A", "FCS", "lg", min=0.4)),
    rectangle("strip", axis("PE-A", "FCS", "lg", max=0.5)),
    boolean("either", "or", "box", "egg"),
)


@pytest.fixture
def opened(tmp_path: Path) -> fcs.FCSFile:
    rng = np.random.default_rng(4)
    light = rng.lognormal(6, 1.5, (N, 2)) @ np.array([[1.0, 0.2], [0.1, 1.0]])
    values = np.column_stack([rng.normal(50_000, 9_000, N), light, rng.normal(size=N)]).astype(np.float32)
    names = ("FSC-A", "FITC-A", "PE-A", "SSC-A")
    fcs.write(
        tmp_path / "a.fcs", values, [fcs.Channel(i, name, "", 32, 262144.0) for i, name in enumerate(names, 1)],
        {"$SPILLOVER": "2,FITC-A,PE-A,1,0.2,0.1,1"},
    )  # fmt: skip
    return fcs.open(tmp_path / "a.fcs")


def read(folder: Path, *body: str) -> gatingml.GatingML:
    (folder / "g.xml").write_text(HEAD + "".join(body) + TAIL)
    return gatingml.read(folder / "g.xml")


@pytest.mark.parametrize("swapped", [False, True])
def test_the_events_in_an_outline_are_those_of_the_gate(opened, tmp_path, swapped):
    gates = read(tmp_path, *BODY)
    channels = ("PE-A", "FITC-A") if swapped else ("FITC-A", "PE-A")
    of = planes.plane(gates, *channels)
    assert of.gates == ("egg", "box", "strip", "cloud", "turned")
    assert of.others == ("cells", "either")
    found = planes.gated(opened, gates, of, "a.fcs", N, 42)
    members = gating.membership(opened, gates, "a.fcs")
    assert len(found.points) == N
    for name in of.gates:
        corners = np.clip(planes.outline(gates.gates[name], of), -9, 9)
        drawn = Outline(np.vstack([corners, corners[:1]]), closed=True).contains_points(found.points)
        parent = members["cells"] if gates.gates[name].parent else np.ones(N, bool)
        assert 0.05 < members[name].mean() < 0.95
        # an ellipse is drawn as 180 chords
        assert (drawn & parent != members[name]).mean() < (0.003 if name == "egg" else 1e-9), name
        assert found.counts[name] == (members[name].sum(), parent.sum())


def test_the_axes_are_compensated_and_scaled_as_the_gates_say(opened, tmp_path):
    gates = read(tmp_path, *BODY)
    found = planes.gated(opened, gates, planes.plane(gates, "FITC-A", "PE-A"), "a.fcs", N, 42)
    raw = opened.events([1, 2]).astype(float) @ np.linalg.inv([[1.0, 0.2], [0.1, 1.0]])
    assert found.points == pytest.approx(Logicle(T=262144, W=0.5, M=4.5, A=0).forward(raw), abs=1e-6)


def test_events_of_one_gate_alone(opened, tmp_path):
    gates = read(tmp_path, *BODY)
    of = planes.plane(gates, "FSC-A", "SSC-A")
    assert of.gates == ("cells",)
    whole = planes.gated(opened, gates, of, "a.fcs", N, 42)
    some = planes.gated(opened, gates, of, "a.fcs", N, 42, inside="cells")
    assert len(some.points) == some.n_events == whole.counts["cells"][0] < N
    assert some.points == pytest.approx(whole.points[whole.points[:, 0] >= 40_000])
    assert some.counts == whole.counts
    few = planes.gated(opened, gates, of, "a.fcs", 100, 42, inside="either")
    assert len(few.points) == 100
    assert few.n_events == gating.membership(opened, gates, "a.fcs")["either"].sum()


def test_open_sides_are_at_infinity(tmp_path):
    gates = read(tmp_path, *BODY)
    of = planes.plane(gates, "FITC-A", "PE-A", ["strip", "box"])
    assert of.gates == ("strip", "box")
    assert planes.outline(gates.gates["strip"], of).tolist() == [
        [-np.inf, -np.inf], [np.inf, -np.inf], [np.inf, 0.5], [-np.inf, 0.5],
    ]  # fmt: skip
    assert planes.outline(gates.gates["box"], of).tolist() == [[0.3, 0.4], [0.5, 0.4], [0.5, np.inf], [0.3, np.inf]]


def test_an_ellipsoid_of_one_channel_is_a_stripe(opened, tmp_path):
    gates = read(tmp_path, LOGICLE, ellipsoid("e", (PE,), (0.5,), ((0.01,),), 4.0), rectangle("r", FITC, PE))
    of = planes.plane(gates, "FITC-A", "PE-A", ["e"])
    corners = planes.outline(gates.gates["e"], of)
    assert corners[:, 1].tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7])
    assert np.isinf(corners[:, 0]).all()
    found = planes.gated(opened, gates, of, "a.fcs", N, 1)
    assert found.counts["e"][0] == (np.abs(found.points[:, 1] - 0.5) <= 0.2).sum()


def test_an_axis_that_no_drawn_gate_has_is_as_the_other_gates_have_it(tmp_path):
    gates = read(tmp_path, *BODY)
    of = planes.plane(gates, "FSC-A", "PE-A", ["cells"])
    assert (of.y.compensation, of.y.scale) == ("FCS", "lg")
    assert planes.describe(of.x) == "FSC-A: uncompensated, linear"
    assert planes.describe(of.y) == "PE-A: compensated, scale lg"
    assert planes.plane(gates, "FSC-A", "SSC-A").y == gatingml.Dimension("SSC-A", "uncompensated")


def test_marks_of_an_axis_are_values_before_its_scale(tmp_path):
    linear = transformation("lin", '<transforms:flin transforms:T="1000" transforms:A="0"/>')
    gates = read(tmp_path, *BODY, linear)
    marks = dict(planes.ticks(planes.plane(gates, "FITC-A", "PE-A").x, gates))
    logicle = Logicle(T=262144, W=0.5, M=4.5, A=0)
    for raw in (0.0, 1e2, 1e5, -1e3):
        assert marks[raw] == pytest.approx(float(logicle.forward(np.array([raw]))[0]))
    assert planes.ticks(planes.plane(gates, "FSC-A", "SSC-A").x, gates) == []
    assert planes.ticks(gatingml.Dimension("FSC-A", "uncompensated", "lin"), gates) == []


@pytest.mark.parametrize(("arguments", "message"), [
    (("FSC-A", "Time", ["box"]), "gate 'box' is in FITC-A and PE-A, so it has no outline in FSC-A and Time"),
    (("FITC-A", "PE-A", ["either"]), "gate 'either' is or of other gates"),
    (("SSC-A", "Time"), "there is no gate in SSC-A and Time; cells is in FSC-A; egg is in FITC-A and PE-A"),
    (("FITC-A", "PE-A", ["nothing"]), "there is no gate 'nothing'"),
])  # fmt: skip
def test_gates_that_are_not_in_the_plane(tmp_path, arguments, message):
    with pytest.raises(OptionError, match=message):
        planes.plane(read(tmp_path, *BODY), *arguments)


def test_two_scales_of_one_channel_are_not_drawn_together(tmp_path):
    gates = read(tmp_path, *BODY, rectangle("raw", axis("PE-A", min=100)))
    with pytest.raises(OptionError, match=r"'raw' have PE-A on two scales .*uncompensated, linear.*one at a time"):
        planes.plane(gates, "FITC-A", "PE-A")


def test_files_that_gates_do_not_speak_of(opened, tmp_path):
    gates = read(tmp_path, *BODY)
    of = planes.plane(gates, "FITC-A", "PE-A")
    keywords = dict(opened.keywords) | {"ICYTO_FORMAT": "1"}
    fcs.write(tmp_path / "b.fcs", opened.events(), opened.channels, keywords)
    with pytest.raises(InputError, match=r"b\.fcs: was written by events preprocess"):
        planes.gated(fcs.open(tmp_path / "b.fcs"), gates, of, "b.fcs", 10, 1)
    fcs.write(tmp_path / "c.fcs", opened.events([0, 1]), [("FSC-A", ""), ("FITC-A", "")], {})
    with pytest.raises(PanelError, match=r"c\.fcs: has no channel 'PE-A'"):
        planes.gated(fcs.open(tmp_path / "c.fcs"), gates, of, "c.fcs", 10, 1)
    # what is not asked for is not needed
    needless = planes.plane(gates, "FSC-A", "FITC-A", ["cells"])
    assert len(planes.gated(fcs.open(tmp_path / "c.fcs"), gates, needless, "c.fcs", 10, 1).points) == 10
