from pathlib import Path

import numpy as np
import pytest

from immport_cyto.events import compensation as comp
from immport_cyto.exceptions import CompensationError

CHANNELS = ["FSC-A", "FITC-A", "PE-A", "PE-Cy7-A"]
SPILL = np.array([[1.0, 0.12, 0.01], [0.05, 1.0, 0.2], [0.0, 0.08, 1.0]])


def test_spilled_signal_is_recovered() -> None:
    rng = np.random.default_rng(1)
    true = rng.lognormal(7, 1.5, (50_000, 3))
    values = np.column_stack([np.arange(50_000), true @ SPILL]).astype(np.float32)
    fitted = comp.fit(["FITC-A", "PE-A", "PE-Cy7-A"], SPILL, CHANNELS, "f")
    comp.apply(values, fitted)
    assert values[:, 1:] == pytest.approx(true, rel=2e-4, abs=0.1)
    assert (values[:, 0] == np.arange(50_000)).all()


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=(1000, 4)).astype(np.float32)
    whole, parts = values.copy(), values.copy()
    fitted = comp.fit(["PE-A", "FITC-A", "PE-Cy7-A"], SPILL, CHANNELS, "f")
    comp.apply(whole, fitted)
    monkeypatch.setattr(comp, "_CHUNK_VALUES", 100)
    comp.apply(parts, fitted)
    assert whole == pytest.approx(parts, rel=1e-6, abs=1e-6)


def test_order_of_the_matrix_does_not_matter() -> None:
    order = [2, 0, 1]
    names = ["FITC-A", "PE-A", "PE-Cy7-A"]
    one = np.random.default_rng(3).lognormal(size=(100, 4)).astype(np.float32)
    two = one.copy()
    comp.apply(one, comp.fit(names, SPILL, CHANNELS, "f"))
    comp.apply(two, comp.fit([names[i] for i in order], SPILL[np.ix_(order, order)], CHANNELS, "f"))
    assert one == pytest.approx(two, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("written", "column"),
    [("FITC-A", 1), ("<FITC-A>", 1), (" fitc-a ", 1), ("FITC", 1), ("PE/Cy7-A", 3), ("PE_Cy7_A", 3), ("PE Cy7", 3)],
)
def test_spellings_of_a_channel(written: str, column: int) -> None:
    fitted = comp.fit([written, "PE-A"], np.array([[1, 0.1], [0, 1]]), CHANNELS, "f")
    assert fitted.columns == (column, 2)
    assert bool(fitted.notes) == (written != CHANNELS[column])


def test_channels_by_number() -> None:
    assert comp.fit(["2", "4"], np.array([[1, 0.1], [0, 1]]), CHANNELS, "f").columns == (1, 3)


def test_percent_is_recognised_and_said() -> None:
    fitted = comp.fit(["FITC-A", "PE-A", "PE-Cy7-A"], SPILL * 100, CHANNELS, "f")
    assert fitted.values == pytest.approx(SPILL)
    assert fitted.notes == ("spillover values are percent and were divided by 100",)


def test_identity() -> None:
    assert comp.fit(["FITC-A", "PE-A"], np.eye(2), CHANNELS, "f").is_identity
    assert not comp.fit(["FITC-A", "PE-A", "PE-Cy7-A"], SPILL, CHANNELS, "f").is_identity


@pytest.mark.parametrize(
    ("names", "matrix", "channels", "message"),
    [
        (["FITC-A", "APC-A"], np.eye(2), CHANNELS, "x.fcs: .*names channels that the file lacks .'APC-A'."),
        (["FITC-A", "FITC-A"], np.eye(2), CHANNELS, "names channel 'FITC-A' twice"),
        (["FITC-A", "PE-A"], np.eye(3), CHANNELS, "is 3 x 3 for 2 channels"),
        (["FITC-A", "PE-A"], np.array([[1, 1], [1, 1]]), CHANNELS, "singular"),
        (["FITC-A", "PE-A"], np.array([[1, np.nan], [0, 1]]), CHANNELS, "not finite"),
        (["FITC"], np.eye(1), ["fitc", "FITC "], "fits several channels"),
        (["FITC-A", "<FITC-A>"], np.eye(2), CHANNELS, "same channel"),
    ],
)
def test_matrix_that_does_not_fit(names: list[str], matrix: np.ndarray, channels: list[str], message: str) -> None:
    with pytest.raises(CompensationError, match=message):
        comp.fit(names, matrix, channels, "x.fcs: $SPILLOVER")


def test_compensated_channels_are_recognised() -> None:
    with pytest.raises(comp.AlreadyCompensatedError, match="holds compensated channels already"):
        comp.fit(["FITC-A", "PE-A"], SPILL[:2, :2], ["FSC-A", "Comp-FITC-A", "Comp-PE-A"], "f")


@pytest.mark.parametrize(
    "text",
    [
        "FITC-A,PE-A\n1,0.1\n0.02,1\n",
        ",FITC-A,PE-A\nFITC-A,1,0.1\nPE-A,0.02,1\n",
        "\tFITC-A\tPE-A\nPE-A\t0.02\t1\nFITC-A\t1\t0.1\n",
        "\ufeffFITC-A;PE-A\r\n1;0.1\r\n0.02;1\r\n",
    ],
)
def test_tables(text: str, tmp_path: Path) -> None:
    path = tmp_path / "spill.csv"
    path.write_text(text, encoding="utf-8", newline="")
    names, matrix = comp.read_table(path)
    assert names == ["FITC-A", "PE-A"]
    assert matrix.tolist() == [[1, 0.1], [0.02, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("A,B\n1,0\n", "2 channels but 1 rows; it must be square"),
        ("A,B\n1,0\n0\n", "row 2 has 1 cells"),
        ("A,B\n1,x\n0,1\n", "row 1 of the spillover table holds 'x'"),
        (",A,B\nA,1,0\nC,0,1\n", "row 'C' of the spillover table is not among its columns"),
        (",A,B\nA,1,0\nA,0,1\n", "two rows of the spillover table have the same name"),
    ],
)
def test_tables_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "spill.csv"
    path.write_text(text)
    with pytest.raises(CompensationError, match=message):
        comp.read_table(path)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(CompensationError, match=r"none.csv: cannot be read as a spillover table"):
        comp.read_table(tmp_path / "none.csv")


def test_keyword_text_reads_back() -> None:
    text = comp.fit(["PE-A", "FITC-A", "PE-Cy7-A"], SPILL, CHANNELS, "f").to_text().split(",")
    assert text[:4] == ["3", "PE-A", "FITC-A", "PE-Cy7-A"]
    assert [float(number) for number in text[4:]] == SPILL.ravel().tolist()
