import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.events import group
from immport_cyto.events.figure import FigureData, qc_figure
from immport_cyto.exceptions import FCSError, OptionError, TableError
from support import events_simulated as sim


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = sim.unstable(1, "clog", 12000)
    channels = [fcs.Channel(n, pnn, pns, 32, float(sim.LIMIT)) for n, (pnn, pns, _) in enumerate(made.channels, 1)]
    fcs.write(tmp_path / "a.fcs", made.values, channels, {})
    tables.write(made.panel("sample 1"), tmp_path / "panel.tsv", tables.PANEL)
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    (folder / "files.json").write_text(json.dumps([{"name": "sample 1", "path": str(folder / "a.fcs")}]))
    return [
        "preprocess", "--files", str(folder / "files.json"), "--panel", str(folder / "panel.tsv"),
        "--out", str(folder / "out.fcs"), "--qc", str(folder / "qc.tsv"), "--compensation", "none", *more,
    ]  # fmt: skip


def test_all_outputs(folder: Path) -> None:
    more = ["--figure", str(folder / "qc.png"), "--json", str(folder / "p.json"), "--max-events", "5000"]
    result = CliRunner().invoke(group, arguments(folder, *more), catch_exceptions=False)
    assert result.exit_code == 0
    row = tables.read(folder / "qc.tsv", tables.QC).iloc[0]
    assert row["file_name"] == "sample 1"
    assert row["n_events_out"] == 5000 == fcs.open(folder / "out.fcs").n_events
    assert row["n_time"] > 0.9 * 12000 * 0.117 * 0.33
    assert f"sample 1: 5,000 of {row['n_events_in']:,} events kept" in result.output
    entry = json.loads((folder / "p.json").read_text())
    assert entry["command"] == "events preprocess"
    assert entry["counts"]["n_time"] == row["n_time"]
    assert entry["parameters"]["seed"] == 42
    assert {item["name"] for item in entry["inputs"]} == {"a.fcs", "panel.tsv"}
    assert "bins unstable by signal" in entry["files"]["sample 1"]["rules"]["time"]
    assert (folder / "qc.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_densities_for_the_report(folder: Path) -> None:
    from immport_cyto.cli.report import group as report

    done = CliRunner().invoke(group, arguments(folder, "--densities", str(folder / "d.tsv")), catch_exceptions=False)
    assert done.exit_code == 0
    table = tables.read(folder / "d.tsv", tables.CHANNEL_DENSITIES)
    assert list(table["fcs_colname"]) == ["FITC-A", "PE-A", "APC-A", "Zombie Aqua-A"]
    assert set(table["file_name"]) == {"sample 1"}
    page = ["build", "--channel-densities", str(folder / "d.tsv"), "--out", str(folder / "r.html")]
    assert CliRunner().invoke(report, page, catch_exceptions=False).exit_code == 0
    assert "Densities of 4 channels in 1 file of" in (folder / "r.html").read_text(encoding="utf-8")


def test_same_bytes_again(folder: Path) -> None:
    written = []
    for _ in range(2):
        more = ["--figure", str(folder / "qc.png"), "--json", str(folder / "p.json"), "--quiet"]
        assert CliRunner().invoke(group, arguments(folder, *more), catch_exceptions=False).exit_code == 0
        written.append([(folder / name).read_bytes() for name in ("out.fcs", "qc.tsv", "qc.png", "p.json")])
    assert written[0] == written[1]


def test_no_qc_keeps_all(folder: Path) -> None:
    CliRunner().invoke(group, arguments(folder, "--no-qc"), catch_exceptions=False)
    row = tables.read(folder / "qc.tsv", tables.QC).iloc[0]
    assert row["n_events_out"] == row["n_events_in"]


def test_one_file_at_a_time(folder: Path) -> None:
    (folder / "b.fcs").write_bytes((folder / "a.fcs").read_bytes())
    both = CliRunner().invoke(group, [*arguments(folder), str(folder / "b.fcs")])
    none = CliRunner().invoke(group, ["preprocess", "--out", "o.fcs", "--qc", "q.tsv"])
    assert (both.exit_code, none.exit_code) == (2, 2)
    assert "2 FCS files are given; --out takes one, give --out-dir for more" in both.output
    assert "give FCS files or folders, or a list of them with --files" in none.output


def many(folder: Path, *more: str) -> list[str]:
    """Three files, the second of which is damaged."""
    rows = [{"name": name, "path": str(folder / f"{n}.fcs")} for n, name in enumerate(("x/1", "broken", "γ 2.fcs"))]
    for row in rows:
        Path(row["path"]).write_bytes(b"no FCS" if row["name"] == "broken" else (folder / "a.fcs").read_bytes())
    (folder / "many.json").write_text(json.dumps(rows))
    return [
        "preprocess", "--files", str(folder / "many.json"), "--out-dir", str(folder / "events"), "--qc",
        str(folder / "q.tsv"), "--compensation", "none", *more,
    ]  # fmt: skip


def test_the_rest_goes_on_where_that_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process or two, the same bytes; a file's result is that of the file alone."""
    monkeypatch.chdir(folder)  # the elements are found from the working directory of a job
    written = []
    for jobs in ("1", "2"):
        more = [
            "--failures", "failures.tsv", "--elements", "galaxy.json", "--figures-dir", "figures", "--densities",
            "d.tsv", "--jobs", jobs, "--out-dir", "events",
        ]  # fmt: skip
        done = CliRunner().invoke(group, many(folder, *more), catch_exceptions=False)
        assert done.exit_code == 0
        assert "warning: broken is left out: " in done.output
        names = ("q.tsv", "d.tsv", "failures.tsv", "galaxy.json", "events/000002.fcs", "events/000003.fcs")
        written.append([Path(name).read_bytes() for name in names])
    assert written[0] == written[1]
    assert list(tables.read("q.tsv", tables.QC)["file_name"]) == ["x/1", "γ 2.fcs"]
    failures = tables.read("failures.tsv", tables.FAILURES)
    assert list(failures["file_name"]) == ["broken"]
    assert "not an FCS file" in failures["message"][0]
    lists = json.loads(Path("galaxy.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["filename"], one["ext"]) for one in lists["events_list"]["elements"]] == [
        ("x/1", "events/000002.fcs", "fcs"), ("γ 2.fcs", "events/000003.fcs", "fcs"),
    ]  # fmt: skip
    assert [one["filename"] for one in lists["figures"]["elements"]] == ["figures/000002.png", "figures/000003.png"]
    alone = ["preprocess", "0.fcs", "--out", "alone.fcs", "--qc", "1.tsv", "--compensation", "none"]
    CliRunner().invoke(group, alone, catch_exceptions=False)
    np.testing.assert_array_equal(fcs.open("alone.fcs").raw(), fcs.open("events/000002.fcs").raw())


def test_an_error_leaves_nothing_where_the_rest_is_not_to_go_on(folder: Path) -> None:
    with pytest.raises(FCSError, match="not an FCS file"):
        CliRunner().invoke(group, many(folder), catch_exceptions=False)
    assert not list((folder / "events").iterdir())
    assert not (folder / "q.tsv").exists()


def test_a_name_that_no_list_keeps(folder: Path) -> None:
    (folder / "long.json").write_text(json.dumps([{"name": "x" * 240, "path": str(folder / "a.fcs")}]))
    command = many(folder, "--elements", str(folder / "galaxy.json"))
    command[2] = str(folder / "long.json")
    with pytest.raises(OptionError, match=r"^x{40}\.\.\.: has 240 characters; a list made in Galaxy keeps 222, rename"):
        CliRunner().invoke(group, command, catch_exceptions=False)


def test_missing_panel_column(folder: Path) -> None:
    (folder / "panel.tsv").write_text("file_name\tpanel_id\nx\ty\n")
    with pytest.raises(TableError, match=r"panel.tsv: column 'channel_number' is missing"):
        CliRunner().invoke(group, arguments(folder), catch_exceptions=False)


def test_an_error_is_one_line_and_exit_code_1(folder: Path) -> None:
    (folder / "a.fcs").write_text("not FCS")
    command = [sys.executable, "-c", "from immport_cyto.cli import main; main()", "events", *arguments(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("immport-cyto: error: ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "out.fcs").exists()


def test_help_is_light() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom immport_cyto.cli.events import group\n"
        "assert CliRunner().invoke(group, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(group, ['preprocess', '--help']).exit_code == 0\n"
        "heavy = {'sklearn', 'scipy.stats', 'pandas', 'matplotlib', 'statsmodels', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_figure_of_a_file_without_anything_to_show() -> None:
    figure = qc_figure(FigureData("x.fcs", {"kept": 3}, {"time": "time not checked: no Time channel"}))
    shown = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "time not checked: no Time channel" in shown
    assert "3 (100.0%)" in shown


def test_scales_of_a_panel_and_thresholds(folder: Path) -> None:
    (folder / "files.json").write_text(json.dumps([{"name": "sample 1", "path": str(folder / "a.fcs")}]))
    made = [
        "transforms", "--files", str(folder / "files.json"), "--panel", str(folder / "panel.tsv"),
        "--compensation", "none", "--out", str(folder / "t.tsv"), "--json", str(folder / "t.json"),
    ]  # fmt: skip
    result = CliRunner().invoke(group, made, catch_exceptions=False)
    assert result.output == "4 scales of 1 panels from 1 files\n"
    assert json.loads((folder / "t.json").read_text())["counts"] == {"channels": 4, "files": 1, "panels": 1}
    scales = tables.read(folder / "t.tsv", tables.TRANSFORMS).set_index("fcs_colname")["transform"]
    more = ["--transform", str(folder / "t.tsv"), "--threshold", "debris: FSC-A < 70000", "--threshold", "time: off"]
    done = CliRunner().invoke(group, arguments(folder, *more, "--json", str(folder / "p.json")), catch_exceptions=False)
    assert done.exit_code == 0
    entry = json.loads((folder / "p.json").read_text())
    assert entry["parameters"]["transform"] == "t.tsv"
    assert entry["parameters"]["thresholds"] == ["debris: FSC-A < 70000", "time: off"]
    assert entry["files"]["sample 1"]["rules"]["debris"] == "FSC-A < 70000 (given)"
    assert entry["files"]["sample 1"]["transforms"]["PE-A"] == scales["PE-A"]
    assert {item["name"] for item in entry["inputs"]} == {"a.fcs", "panel.tsv", "t.tsv"}
    row = tables.read(folder / "qc.tsv", tables.QC).iloc[0]
    assert (row["n_time"], row["n_debris"]) == (0, entry["counts"]["n_debris"])
    assert row["n_debris"] > 1000


def test_a_wrong_threshold_writes_nothing(folder: Path) -> None:
    with pytest.raises(OptionError, match="'Aqua' is no channel; the file has Time, FSC-A"):
        CliRunner().invoke(group, arguments(folder, "--threshold", "dead: Aqua > 3"), catch_exceptions=False)
    assert not (folder / "out.fcs").exists()
