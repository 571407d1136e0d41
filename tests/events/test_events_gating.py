"""Gates of a Gating-ML 2.0 file; the compliance suite is in tests/reference/test_events_reference.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immport_cyto import events, fcs, tables
from immport_cyto.cli.events import group
from immport_cyto.events import gating, gatingml
from immport_cyto.exceptions import ImmportCytoError, InputError, OptionError, PanelError
from support.gating_files import HEAD, TAIL, axis, boolean, rectangle, transformation

NAMES = ("Time", "FSC-A", "FITC-A", "PE-A")
SPILL = np.array([[1.0, 0.2], [0.1, 1.0]])


@pytest.fixture
def data(tmp_path: Path) -> np.ndarray:
    rng = np.random.default_rng(1)
    n = 3000
    light = rng.lognormal(6, 1.2, (n, 2)) @ SPILL
    values = np.column_stack([np.arange(n), rng.normal(50_000, 9_000, n), light]).astype(np.float32)
    fcs.write(
        tmp_path / "a.fcs", values, [fcs.Channel(i, name, "", 32, 262144.0) for i, name in enumerate(NAMES, 1)],
        {"$TIMESTEP": "0.01", "$SPILLOVER": "2,FITC-A,PE-A,1,0.2,0.1,1"},
    )  # fmt: skip
    return values.astype(np.float64)


def inside(folder: Path, *body: str) -> dict[str, np.ndarray]:
    (folder / "g.xml").write_text(HEAD + "".join(body) + TAIL)
    return gating.membership(fcs.open(folder / "a.fcs"), gatingml.read(folder / "g.xml"), "a.fcs")


def test_rectangles_parents_and_booleans(data: np.ndarray, tmp_path: Path) -> None:
    found = inside(
        tmp_path,
        boolean("neither", "not", "either"),
        rectangle("inner", axis("FITC-A", min=500), parent="cells"),
        boolean("either", "or", "inner", "late"),
        rectangle("cells", axis("FSC-A", min=40_000, max=60_000)),
        rectangle("late", axis("Time", min=20)),
    )
    cells = (data[:, 1] >= 40_000) & (data[:, 1] < 60_000)
    inner = cells & (data[:, 2] >= 500)
    # $TIMESTEP 0.01: the gate speaks of seconds
    late = data[:, 0] * 0.01 >= 20
    assert late.sum() == 1000
    truths = {"cells": cells, "inner": inner, "late": late, "either": inner | late, "neither": ~(inner | late)}
    for name, truth in truths.items():
        assert (found[name] == truth).all(), name


def test_the_lower_limit_belongs_to_the_gate_and_the_upper_does_not(data: np.ndarray, tmp_path: Path) -> None:
    found = inside(tmp_path, rectangle("g", axis("Time", min=1, max=2)))
    assert np.flatnonzero(found["g"]).tolist() == list(range(100, 200))


def test_compensation_of_the_file_and_of_a_matrix(data: np.ndarray, tmp_path: Path) -> None:
    names = "".join(f'<data-type:fcs-dimension data-type:name="{name}"/>' for name in ("F", "P"))
    detectors = "".join(f'<data-type:fcs-dimension data-type:name="{name}"/>' for name in ("FITC-A", "PE-A"))
    rows = "".join(
        "<transforms:spectrum>"
        + "".join(f'<transforms:coefficient transforms:value="{value}"/>' for value in row)
        + "</transforms:spectrum>"
        for row in SPILL
    )
    matrix = (
        f'<transforms:spectrumMatrix transforms:id="M"><transforms:fluorochromes>{names}</transforms:fluorochromes>'
        f"<transforms:detectors>{detectors}</transforms:detectors>{rows}</transforms:spectrumMatrix>"
    )
    found = inside(
        tmp_path,
        matrix,
        rectangle("file", axis("PE-A", "FCS", min=400)),
        rectangle("matrix", axis("P", "M", min=400)),
        rectangle("raw", axis("PE-A", min=400)),
    )
    true = data[:, 2:] @ np.linalg.inv(SPILL)
    assert (found["file"] == (true[:, 1] >= 400)).all()
    assert (found["matrix"] == found["file"]).all()
    assert found["raw"].sum() > found["file"].sum()


@pytest.mark.parametrize(
    ("body", "function"),
    [
        ('<transforms:flin transforms:T="1000" transforms:A="100"/>', lambda x: (x + 100) / 1100),
        ('<transforms:flog transforms:T="10000" transforms:M="4"/>', lambda x: np.log10(x / 10000) / 4 + 1),
        (
            '<transforms:flog transforms:T="10000" transforms:M="4" transforms:boundMax="0.69"/>',
            lambda x: np.minimum(np.log10(x / 10000) / 4 + 1, 0.69),
        ),
        (
            '<transforms:logicle transforms:T="10000" transforms:W="0.5" transforms:M="4.5" transforms:A="0"/>',
            events.parse("logicle:T=10000,W=0.5,M=4.5,A=0").forward,
        ),
    ],
)
def test_scales(body: str, function: object, data: np.ndarray, tmp_path: Path) -> None:
    found = inside(tmp_path, transformation("T", body), rectangle("g", axis("FITC-A", scale="T", min=0.3, max=0.7)))
    y = function(data[:, 2])
    assert (found["g"] == ((y >= 0.3) & (y < 0.7))).all()
    assert 0 < found["g"].sum() < 3000 or "boundMax" in body


def test_counts_and_the_events_of_a_gate(data: np.ndarray, tmp_path: Path) -> None:
    body = rectangle("cells", axis("FSC-A", min=45_000)) + rectangle("bright", axis("PE-A", min=800), parent="cells")
    (tmp_path / "g.xml").write_text(HEAD + body + TAIL)
    arguments = [
        "gate", str(tmp_path / "a.fcs"), "--gates", str(tmp_path / "g.xml"), "--out", str(tmp_path / "gates.tsv"),
        "--keep", "bright", "--out-dir", str(tmp_path / "kept"), "--json", str(tmp_path / "p.json"),
    ]  # fmt: skip
    result = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert result.output == "2 gates applied to 1 files\n"
    cells = data[:, 1] >= 45_000
    bright = cells & (data[:, 3] >= 800)
    table = tables.read(tmp_path / "gates.tsv", gating.GATES)
    assert table[["gate", "parent", "n_events", "n_parent"]].to_numpy().tolist() == [
        ["cells", "", cells.sum(), 3000], ["bright", "cells", bright.sum(), cells.sum()],
    ]  # fmt: skip
    assert table["fraction"].tolist() == pytest.approx([cells.mean(), bright.sum() / cells.sum()])
    kept = fcs.open(tmp_path / "kept" / "a.fcs")
    assert (kept.events() == data[bright].astype(np.float32)).all()
    assert kept.keywords["$SPILLOVER"] == "2,FITC-A,PE-A,1,0.2,0.1,1"
    assert kept.names == list(NAMES)
    assert json.loads((tmp_path / "p.json").read_text())["counts"] == {"files": 1, "gates": 2}
    assert CliRunner().invoke(group, arguments[:-4]).exit_code == 2


GOOD = rectangle("cells", axis("FSC-A", min=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not well-formed XML"),
        ("<a/>", "is no Gating-ML; give a Gating-ML 2.0 file"),
        (HEAD.replace("v2.0", "v1.5") + TAIL, r"is Gating-ML 1.5; give a Gating-ML 2.0 file"),
        (HEAD + TAIL, "holds no gates"),
        (HEAD + GOOD + GOOD + TAIL, "gate 'cells' is defined twice"),
        (HEAD + rectangle("a", axis("FSC-A", min="x")) + TAIL, "min of element dimension is 'x', not a number"),
        (HEAD + rectangle("a", axis("FSC-A", scale="T")) + TAIL, "refers to transformation 'T'"),
        (HEAD + rectangle("a", axis("FSC-A", "M")) + TAIL, "refers to matrix 'M', which is not there"),
        (HEAD + rectangle("a", axis("FSC-A"), parent="b") + TAIL, "refers to gate 'b', which is not there"),
        (HEAD + boolean("a", "not", "b") + boolean("b", "not", "a") + TAIL, "in a circle .a, b."),
        (HEAD + rectangle("a") + TAIL, "gate 'a' has no dimensions"),
        (
            HEAD + transformation("T", '<transforms:flog transforms:T="0" transforms:M="4"/>') + GOOD + TAIL,
            "impossible",
        ),
        (HEAD + transformation("T", "<transforms:split/>") + GOOD + TAIL, "transformation 'T' is 'split'"),
        (HEAD + "<a>" * 60 + "</a>" * 60 + TAIL, "nests elements more than 50 deep"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + HEAD.partition("?>")[2] + GOOD + TAIL,
            "has a document type declaration, which Gating-ML does not need",
        ),
    ],
)
def test_files_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "g.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        gatingml.read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_gates_that_do_not_fit_the_file(data: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PanelError, match=r"a.fcs: has no channel 'APC-A', which the gates use; it has Time, FSC-A"):
        inside(tmp_path, rectangle("a", axis("APC-A", min=1)))
    (tmp_path / "g.xml").write_text(HEAD + GOOD + TAIL)
    gates = gatingml.read(tmp_path / "g.xml")
    with pytest.raises(OptionError, match="there is no gate 'T cells'; the file has cells"):
        gating.gate_files({"a.fcs": tmp_path / "a.fcs"}, gates, keep="T cells")
    events.preprocess(tmp_path / "a.fcs", tmp_path / "o.fcs", file_name="a.fcs")
    with pytest.raises(InputError, match="was written by events preprocess, and gates speak of the events before"):
        gating.gate_files({"o.fcs": tmp_path / "o.fcs"}, gates)


EXAMPLE = (
    HEAD + transformation("T", '<transforms:flog transforms:T="10000" transforms:M="4"/>')
    + rectangle("a", axis("FITC-A", scale="T", min=0.3)) + boolean("b", "not", "a") + TAIL
).encode()  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(EXAMPLE) - 1), length=st.integers(0, 40), piece=st.binary(max_size=8))
def test_damaged_files_are_a_clear_error_or_read(place: int, length: int, piece: bytes, tmp_path: Path) -> None:
    path = tmp_path / "g.xml"
    path.write_bytes(EXAMPLE[:place] + piece + EXAMPLE[place + length :])
    message = ""
    try:
        assert gatingml.read(path).gates
    except ImmportCytoError as error:
        message = str(error)
    assert not message or (message.startswith(f"{path}: ") and "\n" not in message)
