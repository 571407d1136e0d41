"""Spillover from single-stain controls, against simulated truth and other implementations of published methods."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import events, fcs, tables
from immport_cyto.cli.events import group
from immport_cyto.events import compensation as comp
from immport_cyto.events import spillover as sp
from immport_cyto.events.controls import assign
from immport_cyto.exceptions import AnalysisError, PanelError
from support import events_simulated as sim

NAMES = ("FITC-A", "PE-A", "PerCP-Cy5-5-A", "APC-A", "BV421-A")
SPILL = np.array([
    [1.0, 0.22, 0.03, 0.0, 0.002],
    [0.04, 1.0, 0.31, 0.001, 0.0],
    [0.0, 0.02, 1.0, 0.08, 0.01],
    [0.0, 0.005, 0.06, 1.0, 0.0],
    [0.01, 0.0, 0.0, 0.003, 1.0],
])  # fmt: skip


def controls(seed: int, spill: np.ndarray = SPILL, unstained: bool = False, **options: float) -> list[sp.Control]:
    which = [*range(len(spill)), *([None] if unstained else [])]
    return [sp.Control(f"c{own}.fcs", sim.stained(seed, spill, own, **options), own) for own in which]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, 0.002),
        ({"positive": 0.1}, 0.004),
        ({"outliers": 0.1}, 0.002),
        ({"n": 500}, 0.006),
        ({"brightness": 800}, 0.012),
        ({"positive": 1.0, "unstained": True}, 0.002),
    ],
)
def test_the_truth_is_found(options: dict[str, float], error: float, seed: int) -> None:
    found = sp.fit(controls(seed, **options), NAMES)
    assert found.channels == NAMES
    assert np.abs(found.matrix - SPILL).max() <= error
    assert np.abs(found.residual).max() <= error
    assert found.warnings == ()


def bagwell_adams(control: sp.Control) -> np.ndarray:
    """Quotients of differences of medians, the groups known (Bagwell and Adams 1993; flowCore::spillover)."""
    own = control.values[:, control.column]
    low, high = (np.median(control.values[part], axis=0) for part in (own < 1500, own > 3000))
    return (high - low) / (high - low)[control.column]


def autospill(control: sp.Control) -> np.ndarray:
    """Robust linear models of each detector on the own one, as AutoSpill (Roca 2021) starts: here by statsmodels."""
    import statsmodels.api as sm

    own = control.values[:, control.column]
    design = sm.add_constant(own)
    slopes = [
        sm.RLM(y, design, M=sm.robust.norms.HuberT()).fit().params[1] if j != control.column else 1.0
        for j, y in enumerate(control.values.T)
    ]
    return np.array(slopes)


@pytest.mark.parametrize("seed", [1, 2])
def test_other_implementations_agree_and_are_not_nearer_to_the_truth(seed: int) -> None:
    made = controls(seed, n=3000)
    found = sp.fit(made, NAMES).matrix
    medians, robust = (np.array([method(control) for control in made]) for method in (bagwell_adams, autospill))
    assert np.abs(found - medians).max() < 0.01
    assert np.abs(found - robust).max() < 0.01

    def distance(matrix: np.ndarray) -> float:
        return float(np.sqrt(((matrix - SPILL) ** 2).mean()))

    assert distance(found) <= 0.5 * distance(medians)
    assert distance(found) <= 1.2 * distance(robust)


def test_the_order_of_controls_does_not_matter() -> None:
    made = controls(1, unstained=True)
    one, two = sp.fit(made, NAMES), sp.fit(made[::-1], NAMES)
    assert (one.matrix == two.matrix).all()
    assert one.to_csv() == two.to_csv()


def test_controls_find_their_detectors() -> None:
    made = {control.name: control for control in controls(4, unstained=True)}
    chosen = assign({name: control.values for name, control in made.items()}, NAMES)
    assert chosen == {name: control.column for name, control in made.items()}


def test_two_controls_of_one_stain() -> None:
    loaded = {f"{n}.fcs": sim.stained(n, SPILL, own) for n, own in ((1, 0), (2, 1), (3, 1))}
    with pytest.raises(
        AnalysisError, match=r"2.fcs and 3.fcs are both brightest in 'PE-A'; say which control is which"
    ):
        assign(loaded, NAMES)


def test_a_control_without_its_stain() -> None:
    made = controls(1)
    made[2] = sp.Control("dull.fcs", sim.stained(9, SPILL, None), 2)
    with pytest.raises(AnalysisError, match=r"dull.fcs: shows no stained group in 'PerCP-Cy5-5-A'; check that it is"):
        sp.fit(made, NAMES)


def test_swapped_controls_are_said() -> None:
    made = controls(1)
    swapped = [sp.Control("a.fcs", made[0].values, 1), sp.Control("b.fcs", made[1].values, 0), *made[2:]]
    text = " ".join(sp.fit(swapped, NAMES).warnings)
    assert "a.fcs: PE-A is brighter in FITC-A than in its own detector (spillover 4.5" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Controls as files: scatter, Time, five detectors, and a sample that spills."""
    (tmp_path / "controls").mkdir()
    for own in [*range(5), None]:
        light = sim.stained(3, SPILL, own)
        name = f"Compensation Controls_{NAMES[own] if own is not None else 'none'}.fcs"
        write(tmp_path / "controls" / name, light)
    rng = np.random.default_rng(5)
    true = np.where(rng.random((4000, 5)) < 0.4, rng.lognormal(8.5, 0.5, (4000, 5)), 0)
    write(tmp_path / "sample.fcs", true @ SPILL)
    np.save(tmp_path / "true.npy", true)
    return tmp_path


def write(path: Path, light: np.ndarray) -> None:
    n = len(light)
    scatter = np.random.default_rng(1).normal(60_000, 5_000, (n, 2))
    values = np.column_stack([np.arange(n), scatter, light]).astype(np.float32)
    channels = [fcs.Channel(i, name, "", 32, 262144.0) for i, name in enumerate(("Time", "FSC-A", "SSC-A", *NAMES), 1)]
    fcs.write(path, values, channels, {"$CYT": "maker"})


def run(folder: Path, *more: str) -> object:
    arguments = ["spillover", str(folder / "controls"), "--out", str(folder / "spillover.csv"), *more]
    return CliRunner().invoke(group, arguments, catch_exceptions=False)


def test_from_controls_to_a_compensated_sample(folder: Path) -> None:
    result = run(
        folder, "--fits", str(folder / "fits.tsv"), "--figure", str(folder / "f.png"), "--json", str(folder / "p.json")
    )
    assert result.exit_code == 0
    assert "Compensation Controls_PE-A.fcs: PE-A" in result.output
    assert "Compensation Controls_none.fcs: unstained" in result.output
    names, matrix = comp.read_table(folder / "spillover.csv")
    assert tuple(names) == NAMES
    assert np.abs(matrix - SPILL).max() < 0.002
    fits = tables.read(folder / "fits.tsv", sp.SPILLOVER)
    assert len(fits) == 25
    row = fits[(fits["fcs_colname"] == "FITC-A") & (fits["into"] == "PE-A")].iloc[0]
    assert row["spillover"] == pytest.approx(0.22, abs=0.002)
    assert 0 < row["se"] < 0.001
    assert (
        json.loads((folder / "p.json").read_text())["parameters"]["channels"]["Compensation Controls_APC-A.fcs"]
        == "APC-A"
    )
    assert (folder / "f.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    made = events.preprocess(
        folder / "sample.fcs", folder / "o.fcs", file_name="sample.fcs", compensation=str(folder / "spillover.csv"),
        transform="linear", qc="none",
    )  # fmt: skip
    assert made.row["compensation"] == "table:spillover.csv"
    back = fcs.open(folder / "o.fcs").events(list(NAMES))
    assert back == pytest.approx(np.load(folder / "true.npy"), abs=60)


def test_the_same_bytes_again(folder: Path) -> None:
    written = []
    for _ in range(2):
        run(folder, "--figure", str(folder / "f.png"), "--json", str(folder / "p.json"))
        written.append([(folder / name).read_bytes() for name in ("spillover.csv", "f.png", "p.json")])
    assert written[0] == written[1]


def test_a_list_of_controls(folder: Path) -> None:
    rows = [f"Compensation Controls_{name}.fcs\t{name}" for name in NAMES]
    listed = folder / "controls.tsv"
    listed.write_text("\n".join(["file_name\tfcs_colname", *rows, "Compensation Controls_none.fcs\tUnstained"]) + "\n")
    by_data = run(folder)
    automatic = (folder / "spillover.csv").read_bytes()
    by_list = run(folder, "--controls", str(listed))
    assert by_data.output == by_list.output
    assert (folder / "spillover.csv").read_bytes() == automatic


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["Compensation Controls_PE-A.fcs\tPE"],
            r"has channel 'PE', which is no detector of it; give one of FITC-A, PE-A",
        ),
        (["other.fcs\tPE-A"], r"is not in the list of controls; give one of FITC-A"),
    ],
)
def test_a_list_that_does_not_fit(rows: list[str], message: str, folder: Path) -> None:
    (folder / "controls.tsv").write_text("\n".join(["file_name\tfcs_colname", *rows]) + "\n")
    for path in sorted((folder / "controls").iterdir()):
        if "PE-A" not in path.name and "APC" not in path.name:
            path.unlink()
    (folder / "controls" / "Compensation Controls_APC-A.fcs").rename(folder / "controls" / "x.fcs")
    with pytest.raises(PanelError, match=message):
        run(folder, "--controls", str(folder / "controls.tsv"))
    assert not (folder / "spillover.csv").exists()


def test_other_detectors_and_too_few_files(folder: Path) -> None:
    first = folder / "controls" / "Compensation Controls_APC-A.fcs"
    values = np.abs(np.random.default_rng(0).normal(1000, 100, (500, 3))).astype(np.float32)
    fcs.write(first, values, [("FSC-A", ""), ("FITC-A", ""), ("BV605-A", "")])
    with pytest.raises(PanelError, match=r"its detectors are not those of Compensation Controls_APC-A.fcs"):
        run(folder)
    for path in (folder / "controls").iterdir():
        if path != first:
            path.unlink()
    with pytest.raises(AnalysisError, match="1 control is given; spillover needs one single-stain control for each"):
        run(folder)
