"""``immport-cyto panel``."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.panel import group
from immport_cyto.exceptions import ImmportCytoError

CHANNELS = [("FSC-A", ""), ("PE-A", "CD3"), ("FITC-A", "CXC35"), ("APC-A", "CD4")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fcs").mkdir()
    for name in ("a.fcs", "b.fcs"):
        fcs.write(tmp_path / "fcs" / name, np.ones((3, 4), dtype=np.float32), CHANNELS, {})
    return tmp_path


def run(*args: str | Path) -> tuple[int, str, str, BaseException | None]:
    result = CliRunner().invoke(group, [str(a) for a in args])
    return result.exit_code, result.stdout, result.stderr, result.exception


def test_harmonize_writes_all_tables(folder: Path):
    (folder / "fcs" / "bad.fcs").write_bytes(b"FCS3.0 nothing")
    code, _, err, error = run(
        "harmonize",
        folder / "fcs",
        "--out",
        folder / "panel.tsv",
        "--panels",
        folder / "panels.tsv",
        "--presence",
        folder / "presence.tsv",
        "--corrections-out",
        folder / "c.tsv",
        "--failures",
        folder / "f.tsv",
        "--json",
        folder / "p.json",
    )
    assert code == 0, error
    assert "warning: bad.fcs: " in err
    assert "warning: channel 'FITC-A' with the name 'CXC35' is not understood in 2 files (first a.fcs)" in err
    panel = tables.read(folder / "panel.tsv", tables.PANEL)
    assert list(panel["antigen"]) == ["", "CD3", "", "CD4"] * 2
    panels = tables.read(folder / "panels.tsv", tables.PANELS)
    assert list(panels["markers"]) == ["CD3;CD4"]
    identity = panels["panel_id"][0]
    assert (folder / "presence.tsv").read_text() == f"marker\t{identity}\nCD3\t1\nCD4\t1\n"
    assert list(tables.read(folder / "f.tsv", tables.FAILURES)["file_name"]) == ["bad.fcs"]
    entry = json.loads((folder / "p.json").read_text())
    assert entry["counts"]["files"] == 3
    assert entry["counts"]["files_failed"] == 1
    assert entry["counts"]["role_marker"] == 4


def test_corrections_of_the_command_line(folder: Path):
    (folder / "c.tsv").write_text("file\tchannel\tantigen\trole\n*\tFITC-A\tCXCR5\t\n")
    code, _, err, error = run(
        "harmonize",
        folder / "fcs",
        "--corrections",
        folder / "c.tsv",
        "--out",
        folder / "p.tsv",
        "--panels",
        folder / "s.tsv",
        "--quiet",
    )
    assert code == 0, error
    assert err == f"{folder / 'p.tsv'}: 8 channels of 2 files, 1 panel\n"
    assert list(tables.read(folder / "s.tsv", tables.PANELS)["markers"]) == ["CD3;CD4;CXCR5"]


def test_names_and_figure(folder: Path):
    (folder / "files.json").write_text(json.dumps([{"name": "real.fcs", "path": str(folder / "fcs" / "a.fcs")}]))
    code, _, _, error = run(
        "harmonize",
        "--files",
        folder / "files.json",
        "--out",
        folder / "p.tsv",
        "--panels",
        folder / "s.tsv",
        "--figure",
        folder / "f.svg",
    )
    assert code == 0, error
    assert set(tables.read(folder / "p.tsv", tables.PANEL)["file_name"]) == {"real.fcs"}
    assert "<svg" in (folder / "f.svg").read_text()


def test_no_readable_file_is_an_error(folder: Path):
    bad = folder / "bad.fcs"
    bad.write_bytes(b"nothing")
    code, _, _, error = run("harmonize", bad, "--out", folder / "p.tsv", "--panels", folder / "s.tsv")
    assert code == 1
    assert isinstance(error, ImmportCytoError)
    assert "bad.fcs" in str(error)
    assert not (folder / "p.tsv").exists()


def test_explain():
    code, out, _, _ = run("explain", "161Dy_CD80", "CD3-19-20-56")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:5] == ["161Dy_CD80", "role marker", "antigen CD80", "gene CD80", "reporter 161Dy"]
    assert "uniprot P33681 (human), Q00609 (mouse)" in lines
    assert "protein ontology PR:P33681, PR:Q00609" in lines
    assert "antigen CD3, CD19, CD20, CD56" in lines
    assert "rule numbers after CD (confidence 0.9)" in lines
    named = " ".join(run("explain", "CD4", "--pnn", "PE-A")[1].split())
    assert "reporter PE laser 561 nm, emission at 578 nm" in named
    assert "definition HLA-DR+ CD14lo" in " ".join(run("explain", "--gates", "HLADR+ CD14dim")[1].split())
    assert "not in the vocabulary XYZ" in " ".join(run("explain", "--gates", "XYZ+")[1].split())
    assert "near names CXCL3, CXCL5, CXCR3, CXCR5" in " ".join(run("explain", "CXC35")[1].split())


def test_explain_a_population():
    out = " ".join(run("explain", "--population", "TH_ICOSp_abs")[1].split())
    assert out == "TH_ICOSp_abs definition ICOS+ statistic count words T helper cell"


def test_explain_as_json():
    code, out, _, _ = run("explain", "--json", "--naming", "immport", "CD45-APCCY7", "\x1b[31m<b>\u202e")
    assert code == 0
    first, second = map(json.loads, out.splitlines())
    assert first["antigen"] == ["CD45"]
    assert first["immport_name"] == "PTPRC/iso:CD45RO, APCCY7"
    assert first["immport_differs"] == "ImmPort names the isoform CD45RO where the stain is CD45"
    assert (first["laser"], first["emission"]) == (640, 774)
    assert second["role"] == "unknown"
    assert out.isascii()
    assert "\x1b" not in out


def test_explain_prints_no_control_characters():
    out = run("explain", "\x1b[31mCD4\x07")[1]
    assert "\x1b" not in out
    assert "\x07" not in out


HOSTILE = [
    "=1+1",
    "<script>alert(1)</script>",
    "\u202eCD4",
    "x" * 10_000,
    "a\tb\nc",
    "+CD3",
    "@x",
    "سي دي",
    "\x1b[31mCD8",
]


def test_hostile_names_reach_no_output(tmp_path: Path):
    """Names of channels and of corrections: no broken row, no formula, no markup, no control character anywhere."""
    channels = [(f"P{n}-A", name) for n, name in enumerate(HOSTILE)] + [("=cmd", "CD19"), ("<b>", "CD14")]
    path = tmp_path / "a.fcs"
    fcs.write(path, np.ones((3, len(channels)), dtype=np.float32), channels, {"$CYT": "test"})
    corrections = tmp_path / "corrections_in.tsv"
    corrections.write_text(
        "file\tchannel\tantigen\trole\n*\tP1-A\t<img src=x onerror=alert(1)>\t\n*\tP2-A\t=HYPERLINK(1)\t\n",
        encoding="utf-8",
    )
    names = ("out", "panels", "presence", "corrections-out")
    outputs = [argument for name in names for argument in (f"--{name}", tmp_path / f"{name}.tsv")]
    figure = tmp_path / "f.svg"
    code, _, err, error = run("harmonize", path, *outputs, "--figure", figure, "--corrections", corrections)
    assert (code, error) == (0, None)
    for name in names:
        lines = (tmp_path / f"{name}.tsv").read_text(encoding="utf-8").split("\n")
        width = lines[0].count("\t")
        assert all(line.count("\t") == width for line in lines if line)
        assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.split("\t"))
        assert not any(ord(c) < 32 and c not in "\t\n" for line in lines for c in line)
    drawn = figure.read_text(encoding="utf-8")
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_files_are_counted_as_they_are_read(folder: Path):
    options = [folder / "fcs", "--out", folder / "panel.tsv", "--panels", folder / "panels.tsv"]
    _, _, err, _ = run("harmonize", *options)
    assert err.splitlines()[0] == "reading panels: 0/2"
    assert err.splitlines()[1].startswith("reading panels: 2/2 in ")
    _, _, quiet, _ = run("harmonize", *options, "--quiet")
    assert quiet.splitlines() == err.splitlines()[2:]
