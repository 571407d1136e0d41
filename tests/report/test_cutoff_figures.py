"""Figures and section of cut-offs: the numbers of the tables, and what could not be shared."""

import re

import numpy as np
import pandas as pd
import pytest

from immport_cyto import report, tables
from immport_cyto.report import figures
from support.report_tables import HOSTILE

PANELS = (("SDY1", "flow-2m-aaaaaa"), ("SDY2", "flow-2m-bbbbbb"), ("SDY3", "cytof-2m-cccccc"))


@pytest.fixture
def cuts():
    rows = [
        {"study_accession": study, "panel_id": panel, "marker": marker, "cutoff": cut, "method": "valley",
         "evidence": 0.9, "positive_fraction": 0.4, "n_events": 100, "cutoff_high": high, "median_negative": low,
         "median_positive": up}
        for (study, panel), marker, cut, high, low, up in (
            (PANELS[0], "CD3", 2.0, None, 0.5, 4.0), (PANELS[0], "CD4", 1.0, 3.0, 0.2, 2.0),
            (PANELS[1], "CD3", 2.2, None, 0.6, 4.1), (PANELS[1], "CD4", 3.5, None, 1.5, 5.0),
            (PANELS[2], "CD3", 1.0, None, 0.0, 3.0), (PANELS[2], HOSTILE, None, None, None, None),
        )
    ]  # fmt: skip
    frame = tables.conform(pd.DataFrame(rows), tables.CUTOFFS)
    for name in ("cutoff_high", "median_negative", "median_positive"):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    return frame


@pytest.fixture
def densities(cuts):
    x = np.linspace(-1, 6, 30)
    parts = [
        pd.DataFrame({"study_accession": row.study_accession, "panel_id": row.panel_id, "marker": row.marker,
                      "value": x, "density": np.exp(-((x - 1) ** 2))})
        for row in cuts.itertuples()
    ]  # fmt: skip
    return tables.conform(pd.concat(parts), tables.DENSITIES)


def test_densities_show_each_cut_and_grey_without_one(cuts, densities):
    figure = figures.cutoff_densities(densities, cuts)
    by_marker = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    cut_short = '<script>alert("x"…'
    assert list(by_marker) == ["CD3", "CD4", cut_short]
    vertical = {
        marker: sorted(float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 2)
        for marker, axes in by_marker.items()
    }
    assert vertical == {"CD3": [1.0, 2.0, 2.2], "CD4": [1.0, 3.0, 3.5], cut_short: []}
    assert by_marker[cut_short].lines[0].get_color() == "#999999"
    names = [tick.get_text() for tick in by_marker["CD3"].get_yticklabels()]
    assert names == [" ".join(group) for group in PANELS]


def test_drift_puts_the_marker_that_differs_most_at_the_top(cuts):
    axes = figures.cutoff_drift(cuts).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["CD4", "CD3"]
    bars = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "|")
    assert bars == [1.0, 1.0, 2.0, 2.2, 3.5]


def test_drift_of_one_panel_says_that_there_is_nothing_to_compare(cuts):
    axes = figures.cutoff_drift(cuts[:2]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["no marker is cut in two groups"]


def page(tmp_path, **frames):
    report.build(tmp_path / "r.html", title="x", **frames)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert HOSTILE not in text
    return re.search(r'<section id="cutoffs".*?</section>', text, re.DOTALL)[0]


def test_the_section_compares_panels_of_one_technique_only(tmp_path, cuts, densities):
    text = page(tmp_path, cutoffs=cuts, densities=densities)
    assert (
        "CD4: the cut-off 1 of SDY1 flow-2m-aaaaaa does not part the negative from the positive events of SDY2 "
        "flow-2m-bbbbbb; look at both" in text
    )
    assert "CD4: the cut-off 3.5 of SDY2" in text
    assert "CD3: the cut-off" not in text
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", text)
    assert captions == [
        "Densities and cut-offs, flow cytometry", "Cut-offs over studies and panels, flow cytometry",
        "Densities and cut-offs, mass cytometry",
    ]  # fmt: skip
    assert "Densities of the markers of 1 panel, mass cytometry; 1 of 2 have a cut-off." in text


def test_cut_offs_alone_are_shown(tmp_path, cuts):
    text = page(tmp_path, cutoffs=cuts[["study_accession", "panel_id", *tables.CUTOFFS.column_names[2:]]])
    assert "Download cutoffs.tsv" in text
    assert text.count("<img") == 1


def test_tables_from_files_are_compared_too(tmp_path, cuts, densities):
    tables.write(cuts, tmp_path / "cutoffs.tsv", tables.CUTOFFS)
    read = tables.read(tmp_path / "cutoffs.tsv", tables.CUTOFFS)
    assert page(tmp_path, cutoffs=read, densities=densities) == page(tmp_path, cutoffs=cuts, densities=densities)
