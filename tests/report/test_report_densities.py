"""Channels before and after preprocessing: areas, files that lie apart, limits, and tables that are no histograms."""

import html
import re

import numpy as np
import pandas as pd
import pytest

from immport_cyto import report, tables
from immport_cyto.exceptions import TableError
from immport_cyto.report import densities
from immport_cyto.report.figures import channels
from support.report_tables import HOSTILE

PANEL_ID, N = "flow-2m-000001", 4000


def histogram(values: np.ndarray, first: int, length: int) -> str:
    return ";".join(map(str, np.bincount(np.rint(values / 0.1).astype(int) - first, minlength=length)))


def made(n_files: int = 8, shifted: float = 0.0, compensated: bool = True) -> pd.DataFrame:
    """Two markers, half of the events kept; CD4 of file 3 lies higher by `shifted`."""
    rows = []
    for number in range(n_files):
        rng = np.random.default_rng(number)
        for channel, marker in enumerate(("CD3", "CD4"), start=1):
            shift = shifted if (number, marker) == (3, "CD4") else 0.0
            values = np.where(rng.random(N) < 0.4, rng.normal(1, 0.3, N), rng.normal(5, 0.4, N)) + shift
            first = int(np.rint((values.min() - 1) / 0.1))
            length = int(np.rint(values.max() / 0.1)) - first + 1
            rows.append(
                {
                    "file_name": f"f{number}.fcs" if number else f"{HOSTILE}.fcs",
                    "panel_id": PANEL_ID,
                    "channel_number": channel,
                    "fcs_colname": f"FL{channel}-A",
                    "antigen": marker,
                    "transform": "arcsinh:cofactor=150",
                    "step": 0.1,
                    "first": first,
                    "before": histogram(values - 1, first, length),
                    "compensated": histogram(values, first, length) if compensated else "",
                    "after": histogram(values[::2], first, length),
                }
            )
    return tables.conform(pd.DataFrame(rows), tables.CHANNEL_DENSITIES)


def section(frames: dict[str, pd.DataFrame]):
    found = densities.densities(frames)
    assert (found.identifier, found.heading) == ("densities", "Channels before and after")
    return found


def test_curves_are_shares_of_all_events_on_one_grid(monkeypatch):
    drawn = []
    original = channels.channel_densities
    monkeypatch.setattr(channels, "channel_densities", lambda curves: drawn.append(curves) or original(curves))
    [drawing] = section({"channel_densities": made()}).pictures
    drawing.draw()
    [[first, second]] = drawn
    assert (first.channel, second.channel, first.scale) == ("CD3", "CD4", "arcsinh")
    for curves in (first, second):
        assert len(curves.files) == 8
        for rows, area in ((curves.before, 1.0), (curves.compensated, 1.0), (curves.after, 0.5)):
            assert rows.sum(axis=1) * 0.1 == pytest.approx(np.full(8, area), abs=1e-3)
        low, high = (curves.grid[np.argmax(part.mean(axis=0))] for part in (curves.before, curves.after))
        assert high - low == pytest.approx(1, abs=0.11)


def test_a_shifted_file_lies_apart_by_its_shift():
    shown = section({"channel_densities": made(shifted=1.5)})
    assert shown.notes == [f"{PANEL_ID}: f3.fcs lies apart from the other files in CD4."]
    assert "files that lie apart: f3.fcs" in shown.pictures[0].alternative
    [sheet] = shown.sheets
    top = dict(zip([name for name, _ in sheet.columns], sheet.rows[0], strict=True))
    assert (top["channel"], top["file_name"], top["apart"]) == ("CD4", "f3.fcs", "yes")
    assert float(top["distance"]) == pytest.approx(1.5, abs=0.05)
    assert float(top["kept"]) == 0.5
    assert float(top["median_after"]) - float(top["median_before"]) == pytest.approx(1.0, abs=0.11)
    assert sum(row[-1] == "yes" for row in sheet.rows) == 1


@pytest.mark.parametrize("n_files", [1, 4, 8])
def test_files_that_agree_do_not_lie_apart(n_files):
    shown = section({"channel_densities": made(n_files, shifted=1.5 if n_files == 4 else 0.0)})
    assert shown.notes == []  # fewer than five files are not judged
    assert shown.pictures[0].alternative.endswith("files that lie apart: none.")


def test_rows_in_any_order_and_from_a_file_give_the_same_page(tmp_path):
    table = made(shifted=1.5)
    tables.write(table, tmp_path / "d.tsv", tables.CHANNEL_DENSITIES)
    for name, frame in (
        ("a", table),
        ("b", table.sample(frac=1, random_state=1)),
        ("c", tables.read(tmp_path / "d.tsv", tables.CHANNEL_DENSITIES)),
    ):
        report.build(tmp_path / f"{name}.html", title="x", channel_densities=frame)
    first = (tmp_path / "a.html").read_bytes()
    assert first == (tmp_path / "b.html").read_bytes() == (tmp_path / "c.html").read_bytes()
    assert HOSTILE.encode() not in first
    assert f"8 files of {PANEL_ID}" in html.unescape(first.decode())


def test_the_legend_says_what_was_done():
    def words(table: pd.DataFrame) -> set[str]:
        curves, _ = densities._panel(table)
        figure = channels.channel_densities(curves)
        return {text.get_text() for text in figure.legends[0].get_texts()}

    both = {"as acquired, mean", "after quality control, mean"}
    assert words(made(8)) == both | {"compensated, mean", "90 % of the files"}
    assert words(made(5, shifted=1.5, compensated=False)) == both | {"single files", "f3.fcs"}
    assert words(made(1, compensated=False)) == both


def test_figures_are_folded_and_limited():
    table = made(1)
    many = pd.concat([table.assign(panel_id=f"flow-2m-{i:06d}", file_name=f"{i}.fcs") for i in range(18)])
    shown = section({"channel_densities": many.reset_index(drop=True)})
    assert (len(shown.pictures), len(shown.folded)) == (2, 14)
    assert shown.notes == ["Figures are shown for the first 16 of 18 panels; the table holds all."]
    assert shown.sheets[0].total == 36


def test_one_marker_in_two_channels_stays_two():
    table = made(2).assign(antigen="CD3")
    curves, _ = densities._panel(table)
    assert [channel.channel for channel in curves] == ["CD3 FL1-A", "CD3 FL2-A"]


def test_a_file_without_events_left_has_no_distance():
    table = made(6)
    empty = table["file_name"] == "f2.fcs"
    table.loc[empty, "after"] = [re.sub(r"\d+", "0", cell) for cell in table.loc[empty, "after"]]
    _, distances = densities._panel(table)
    own = distances[distances["file_name"] == "f2.fcs"]
    assert own["distance"].isna().all()
    assert (own["kept"] == 0).all()
    assert distances.loc[distances["file_name"] != "f2.fcs", "distance"].notna().all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("after", "1;2", "has histograms of different length"),
        ("before", "1;x;3", "column 'before' holds '1;x;3', no whole numbers joined by ';'"),
        ("first", 10**12, "column 'first' of .* is no bin"),
        ("first", None, "column 'first' of .* is no bin"),
    ],
)
def test_cells_that_are_no_histogram(column, value, message):
    table = made(2)
    table.loc[0, column] = pd.NA if value is None else value
    with pytest.raises(TableError, match=message):
        densities.densities({"channel_densities": table})


def test_a_table_without_rows_has_no_section(tmp_path):
    report.build(tmp_path / "r.html", title="x", channel_densities=made(1).iloc[:0])
    assert 'id="densities"' not in (tmp_path / "r.html").read_text(encoding="utf-8")
