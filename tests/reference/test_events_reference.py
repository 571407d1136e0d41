"""Two ImmPort studies and the Gating-ML 2.0 suite, against numpy, flowio and flowutils used on their own."""

import re
from pathlib import Path

import flowio
import numpy as np
import pandas as pd
import pytest
from flowutils import compensate

from immport_cyto import events, fcs, panel
from immport_cyto.events import compensation as comp
from immport_cyto.events import gating, gatingml
from immport_cyto.events.transforms import Arcsinh, Hyperlog, Logicle, fasinh_cofactor, fast
from immport_cyto.exceptions import InputError

pytestmark = pytest.mark.shared

# of 1,000 events each, dropped as (debris, doublets, detector limit); debris is no nucleus in CyTOF
DROPPED = {
    "11059_cells_found.573523.fcs": (60, 4, 0),
    "11445_cells_found.573686.fcs": (60, 8, 0),
    "11462_cells_found.573690.fcs": (74, 8, 0),
    "11491-1_cells_found.573697.fcs": (50, 11, 0),
    "Hs90208C20090205_00.583331.fcs": (0, 0, 41),
    "Hs90210C20090205_00.583065.fcs": (0, 0, 33),
    "Hs90211C20090205_00.583066.fcs": (0, 0, 27),
    "Ki67ccr7_Hs60022C200906243.581846.fcs": (620, 0, 7),
    "Ki67ccr7_Hs60025C200907134.583112.fcs": (582, 0, 2),
    "Ki67ccr7_Hs60041C200908104.581964.fcs": (818, 0, 5),
    "Ki67ccr7_Hs60056C200909217.581912.fcs": (699, 0, 1),
    "T_Hs60003C200900407A_00.581924.fcs": (0, 0, 18),
    "T_Hs60011C200900505A_00.581822.fcs": (0, 0, 52),
    "T_Hs60012C200900505A_00.581833.fcs": (0, 0, 47),
}


CYTOF = [name for name in DROPPED if "cells_found" in name]


@pytest.fixture(scope="module")
def studies(shared_data: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted((shared_data / "metacyto" / "extdata").rglob("*.fcs"))}


@pytest.fixture(scope="module")
def harmonized(studies: dict[str, Path]) -> pd.DataFrame:
    return panel.harmonize(studies).panel


def independent(path: Path) -> tuple[list[str], np.ndarray]:
    """$PnN and the values before any gate: flowio's reader, flowutils' compensation, numpy's arcsinh."""
    data = flowio.FlowData(str(path))
    names = [data.channels[n]["pnn"] for n in sorted(data.channels)]
    values = data.as_array(preprocess=False).astype(np.float64)
    cofactor = 5.0
    if "spill" in data.text:
        matrix, _ = compensate.get_spill(data.text["spill"])
        columns = [names.index(name) for name in data.text["spill"].split(",")[1 : 1 + len(matrix)]]
        values = compensate.compensate(values, matrix, columns)
        cofactor = 150.0
    for index, name in enumerate(names):
        if not name.startswith(("FSC", "SSC", "Time", "Cell_length")):
            values[:, index] = np.arcsinh(values[:, index] / cofactor)
    return names, values


@pytest.mark.parametrize("name", DROPPED)
def test_values_without_quality_control(
    name: str, studies: dict[str, Path], harmonized: pd.DataFrame, tmp_path: Path
) -> None:
    events.preprocess(studies[name], tmp_path / name, file_name=name, panel=harmonized, qc="none")
    names, expected = independent(studies[name])
    out = fcs.open(tmp_path / name)
    assert out.names == names
    assert out.events() == pytest.approx(expected, rel=2e-6, abs=2e-5)


@pytest.mark.parametrize("name", DROPPED)
def test_counts_and_medians_with_quality_control(
    name: str, studies: dict[str, Path], harmonized: pd.DataFrame, tmp_path: Path
) -> None:
    result = events.preprocess(studies[name], tmp_path / name, file_name=name, panel=harmonized)
    row = result.row
    debris, doublet, margin = DROPPED[name]
    assert (row["n_debris"], row["n_doublet"], row["n_margin"]) == (debris, doublet, margin)
    assert row["n_time"] == row["n_dead"] == row["n_bead"] == 0
    assert row["n_events_out"] == 1000 - debris - doublet - margin
    assert row["compensation"] == ("none" if name in CYTOF else "file:SPILL")
    assert ("debris gate dropped" in row["warnings"]) == (debris > 300)
    # the events kept are those of the input, in file order, and so are the medians of each marker
    _, expected = independent(studies[name])
    out = fcs.open(tmp_path / name)
    rows = np.array([np.abs(expected - event).sum(axis=1).argmin() for event in out.events().astype(np.float64)])
    assert (np.diff(rows) > 0).all()
    for index in events.markers(out).values():
        ours = float(np.median(out.events([index])))
        assert ours == pytest.approx(float(np.median(expected[rows, index])), abs=2e-5)


@pytest.mark.parametrize("name", CYTOF)
def test_events_without_nucleus_carry_no_markers(
    name: str, studies: dict[str, Path], harmonized: pd.DataFrame, tmp_path: Path
) -> None:
    for option in ("auto", "none"):
        events.preprocess(studies[name], tmp_path / option, file_name=name, panel=harmonized, qc=option)
    before, after = (fcs.open(tmp_path / option) for option in ("none", "auto"))
    columns = list(events.markers(before).values())
    bright = (before.events(columns) > 3).sum(axis=1)
    dropped = ~np.isin(before.events(["Time"])[:, 0], after.events(["Time"])[:, 0])
    nucleus = np.median(before.events(["(Ir191)Dd"])[:, 0])
    empty = dropped & (before.events(["(Ir191)Dd"])[:, 0] < nucleus)
    assert bright[empty].mean() < 0.25 * bright[~dropped].mean()


def test_debris_of_the_ki67_panel_carries_no_markers(
    studies: dict[str, Path], harmonized: pd.DataFrame, tmp_path: Path
) -> None:
    for name in [name for name in DROPPED if name.startswith("Ki67")]:
        for option in ("auto", "none"):
            events.preprocess(studies[name], tmp_path / option, file_name=name, panel=harmonized, qc=option)
        before, after = (fcs.open(tmp_path / option) for option in ("none", "auto"))
        positive = before.events([events.markers(before)["CD3"]])[:, 0] > 2
        kept = np.isin(before.events(["Time"])[:, 0], after.events(["Time"])[:, 0])
        assert positive[kept].mean() > 0.4
        assert positive[~kept].mean() < 0.1


@pytest.fixture(scope="module")
def suite(shared_data: Path) -> Path:
    return shared_data / "gatingml" / "gate_ref"


class TestGatingML:
    """Membership of each event in the gates of the compliance suite, with our transforms and compensation."""

    def truth(self, suite: Path, gate: str) -> np.ndarray:
        return np.loadtxt(suite / "truth" / f"Results_{gate}.txt").astype(bool)

    def limits(self, suite: Path, file: str) -> tuple[float, float]:
        text = (suite / "gml" / file).read_text()
        found = [re.search(rf'gating:{end}="([0-9.eE+-]+)"', text) for end in ("min", "max")]
        low, high = found
        return float(low[1]) if low else -np.inf, float(high[1]) if high else np.inf

    def test_every_gate_of_every_file(self, suite: Path) -> None:
        """Rectangles, polygons, ellipsoids, quadrants, booleans, parents, ratios, all scales and compensations."""
        data = fcs.open(suite / "data1.fcs")
        seen = set()
        for path in sorted((suite / "gml").glob("*.xml")):
            if path.name == "gml_range_gate_attr_testing.xml":
                with pytest.raises(InputError, match="holds no gates"):
                    gatingml.read(path)
                continue
            for name, inside in gating.membership(data, gatingml.read(path), "data1.fcs").items():
                # in this file the gate of the truth ParQuadRect has another name
                known = "ParQuadRect" if name == "ParRectangle1" else name
                if known != "myEllipse2":
                    assert (inside == self.truth(suite, known)).all(), (path.name, name)
                    seen.add(known)
        assert seen == {path.stem.removeprefix("Results_") for path in (suite / "truth").iterdir()}

    def test_hyperlog_by_the_table(self, suite: Path) -> None:
        x = fcs.open(suite / "data1.fcs").events(["FL1-H"])[:, 0]
        low, high = self.limits(suite, "gml_transform_hyperlog_range2_gate.xml")
        for scale in (Hyperlog(10000, 1, 4.5, 0).forward, lambda x: fast(Hyperlog(10000, 1, 4.5, 0), x)):
            y = scale(x)
            assert (((y >= low) & (y < high)) == self.truth(suite, "ScaleRange2")).all()

    def test_asinh(self, suite: Path) -> None:
        x = fcs.open(suite / "data1.fcs").events(["FL1-H"])[:, 0]
        top, m, a = 10000, 4, 1
        y = (Arcsinh(fasinh_cofactor(top, m)).forward(x) / np.log(10) + a) / (m + a)
        low, high = self.limits(suite, "gml_transform_asinh_range1_gate.xml")
        assert (((y >= low) & (y < high)) == self.truth(suite, "ScaleRange1")).all()

    @pytest.mark.parametrize(
        ("number", "scale"), [(4, Logicle(10000, 0.5, 4.5, 0)), (5, Logicle(10000, 1, 4, 0.5))], ids=["W0.5", "W1"]
    )
    def test_logicle(self, number: int, scale: Logicle, suite: Path) -> None:
        y = scale.forward(fcs.open(suite / "data1.fcs").events(["FL1-H"])[:, 0])
        low, high = self.limits(suite, f"gml_transform_logicle_range{number}_gate.xml")
        assert (((y >= low) & (y < high)) == self.truth(suite, f"ScaleRange{number}")).all()

    def test_compensated_asinh(self, suite: Path) -> None:
        spill = np.array([[1, 0.02, 0.06], [0.11, 1, 0.07], [0.09, 0.01, 1]])
        names = ["FL1-H", "FL2-H", "FL3-H"]
        values = fcs.open(suite / "data1.fcs").events(names).astype(np.float64)
        comp.apply(values, comp.fit(names, spill, names, "suite"))
        y = (Arcsinh(fasinh_cofactor(10000, 4)).forward(values[:, 0]) / np.log(10) + 1) / 5
        low, high = self.limits(suite, "gml_matrix_transform_asinh_range1c_gate.xml")
        assert (((y >= low) & (y < high)) == self.truth(suite, "ScaleRange1c")).all()
