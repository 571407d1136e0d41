"""Figures show the numbers of the tables."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from immport_cyto.exceptions import OptionError
from immport_cyto.report import figures
from immport_cyto.report.figures import svg
from immport_cyto.report.figures._style import GRID, PALETTE
from support.report_tables import make, more


def test_panel_presence_puts_shared_markers_first():
    axes = figures.panel_presence(make()["panels"]).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["CD3", "CD4"]
    [squares] = axes.collections
    assert len(squares.get_offsets()) == 3 * 5


def test_panel_presence_fills_what_is_measured():
    panels = make()["panels"].iloc[:2].assign(markers=["CD3;CD4", "CD3"], panel_id=["a", "b"])
    [squares] = figures.panel_presence(panels).axes[0].collections
    white, dark, light = ([round(part, 3) for part in to_rgb(name)] for name in ("white", PALETTE[0], PALETTE[5]))
    shades = squares.get_facecolors()[:, :3].round(3).tolist()
    assert squares.get_offsets().tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert shades == [dark, dark, light, white]
    edges = squares.get_edgecolors()[:, :3].round(3).tolist()
    assert edges[:3] == [dark, dark, light]
    assert edges[3] == [round(part, 3) for part in to_rgb(GRID)]


@pytest.mark.parametrize("rows", [0, 1])
def test_panels_without_markers_are_said(rows):
    panels = make()["panels"].iloc[:rows].assign(markers="")
    assert ">no marker<" in svg(figures.panel_presence(panels))


def test_qc_bars_add_up_to_all_events():
    axes = figures.qc_bars(make()["qc"]).axes[0]
    ends = {}
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        ends[row] = max(ends.get(row, 0), bar.get_x() + bar.get_width())
    assert len(ends) == 24
    assert np.allclose(list(ends.values()), 100)


def test_forest_shows_estimates_and_pooled():
    tables = make()
    axes = figures.forest(tables["effects"], tables["meta"], "B cell", "age_years", truth=-0.03).axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["SDY1  (n = 8)", "SDY2  (n = 8)", "SDY3  (n = 8)", "pooled  (k = 3)"]
    drawn = sorted(float(points.get_offsets()[0][0]) for points in axes.collections)
    wanted = sorted(tables["effects"].query("population == 'B cell'")["estimate"])
    assert np.allclose(drawn, wanted)
    assert axes.patches[0].get_path().vertices[:, 0].min() == pytest.approx(-0.03)


def test_forest_all_is_ordered_by_estimate():
    axes = figures.forest_all(make()["meta"], "age_years", {"B cell": -0.02}).axes[0]
    at = [float(points.get_offsets()[0][0]) for points in axes.collections]
    assert at == sorted(at)
    assert -0.02 in at


def test_an_interval_that_is_cut_ends_in_a_triangle():
    meta = make()["meta"]
    assert "triangle" not in figures.forest_all(meta, "age_years").axes[0].get_xlabel()
    wide = meta["population"] == "B cell"
    meta.loc[wide, ["ci_low", "ci_high"]] = [-50.0, 50.0]
    axes = figures.forest_all(meta, "age_years").axes[0]
    assert "triangle: the interval goes on" in axes.get_xlabel()
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    (row,) = [place for place, name in enumerate(names) if name.startswith("B cell")]
    marks = {line.get_marker(): line.get_ydata().tolist() for line in axes.lines if line.get_marker() in "<>"}
    assert marks == {"<": [row], ">": [row]}


def test_the_dotted_line_of_a_forest_plot_is_explained():
    tables = make()
    said = "dotted: prediction interval"
    known = tables["meta"].assign(pi_low=-1.0, pi_high=1.0)
    assert said in figures.forest(tables["effects"], known, "B cell", "age_years").axes[0].get_xlabel()
    unknown = tables["meta"].assign(pi_low=float("nan"), pi_high=float("nan"))
    assert said not in figures.forest(tables["effects"], unknown, "B cell", "age_years").axes[0].get_xlabel()


def test_forest_all_names_the_method_where_there_are_several():
    meta = make()["meta"]
    one = [label.get_text() for label in figures.forest_all(meta, "age_years").axes[0].get_yticklabels()]
    assert not any("search" in text for text in one)
    both = pd.concat([meta, meta.assign(method="flowsom")])
    labels = [label.get_text() for label in figures.forest_all(both, "age_years").axes[0].get_yticklabels()]
    assert len(labels) == 2 * len(one)
    assert (
        sum("(flowsom, k = " in text for text in labels) == sum("(search, k = " in text for text in labels) == len(one)
    )


def test_heatmap_scales_each_marker_and_shows_sizes():
    tables = make()
    figure = figures.cluster_heatmap(tables["cluster_medians"], tables["clusters"])
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (4, 3)
    assert np.allclose(image.min(axis=0), 0)
    assert np.allclose(image.max(axis=0), 1)
    assert sorted(round(bar.get_width()) for bar in figure.axes[1].patches) == [10, 20, 30, 40]


def test_scatter_takes_numbers_and_groups():
    tables = make()
    figure = figures.effect_scatter(tables["populations"], tables["samples"], "B cell", "age_years")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["SDY1", "SDY2", "SDY3"]
    groups = figures.effect_scatter(tables["populations"], tables["samples"], "B cell", "sex").axes[0]
    assert [tick.get_text() for tick in groups.get_xticklabels()] == ["Female", "Male"]


def test_scatter_of_published_amounts_has_a_logarithmic_axis_and_their_unit():
    tables = make()
    published = tables["populations"].assign(fraction=float("nan"), value="250", unit="cells/uL")
    figure = figures.effect_scatter(published, tables["samples"], "B cell", "age_years")
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    assert figure.axes[0].get_ylabel() == "cells/uL"
    shown = figure.axes[0].collections[0].get_offsets()
    assert np.allclose(shown[:, 1], 250)
    nothing = figures.effect_scatter(published.assign(value=""), tables["samples"], "B cell", "age_years")
    assert len(nothing.axes) == 1


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_saved_figures_repeat_to_the_byte(tmp_path, ending):
    for name in "ab":
        figures.save(figures.qc_bars(make()["qc"]), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_figure_repeats_to_the_byte_however_often_it_is_drawn():
    tables = make()
    drawn = {figures.svg(figures.cluster_heatmap(tables["cluster_medians"], tables["clusters"])) for _ in range(6)}
    assert len(drawn) == 1
    (text,) = drawn
    names = set(re.findall(r' id="([^"]+)"', text))
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    assert used
    assert used <= names


def test_unknown_ending_is_refused(tmp_path):
    with pytest.raises(OptionError, match="change the ending"):
        figures.save(figures.qc_bars(make()["qc"]), tmp_path / "x.bmp")


def boxes(axes) -> list[tuple[float, float, float, float]]:
    """Where the names in a figure are, in points: estimated from their letters."""
    found = []
    for note in axes.texts:
        if not hasattr(note, "xy"):
            continue
        at = axes.transData.transform(note.xy) * 72 / axes.figure.dpi
        wide, left = 0.55 * 7 * len(note.get_text()), note.get_ha() == "left"
        x, y = at + np.array(note.xyann)
        found.append((x if left else x - wide, y - 3.5, x + wide if left else x, y + 3.5))
    return found


def test_names_of_near_points_do_not_cover_each_other():
    meta = make()["meta"]
    row = meta[(meta["population"] == "B cell") & (meta["omitted"] == "")]
    many = pd.concat([
        row.assign(population=f"A population {i}", estimate=0.02 + 0.0001 * i, p_value=0.001 + 1e-5 * i, q_value=0.01)
        for i in range(12)
    ])  # fmt: skip
    axes = figures.volcano(many, "age_years").axes[0]
    names = boxes(axes)
    assert len(names) == 12
    overlaps = [
        (i, j)
        for i, (left, low, right, top) in enumerate(names)
        for j, other in enumerate(names[:i])
        if left < other[2] and other[0] < right and low < other[3] and other[1] < top
    ]
    assert overlaps == []


def test_volcano_names_the_smallest_p_values_first():
    meta = make()["meta"]
    texts = [note.get_text() for note in figures.volcano(meta, "age_years").axes[0].texts]
    pooled = meta[meta["omitted"] == ""].sort_values("p_value")
    assert texts == [figures._style.label(name, 28) for name in pooled["population"]]


def test_subgroups_show_each_group_and_the_test():
    tables = more()
    rows = tables["subgroups"].query("population == 'B cell'")
    axes = figures.subgroup_forest(tables["subgroups"], "B cell", "age_years").axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert [name.split("  (k = ")[1] for name in names] == ["3)", "4)"]
    drawn = sorted(float(points.get_offsets()[0][0]) for points in axes.collections)
    assert np.allclose(drawn, sorted(rows["estimate"]))
    assert any(f"p of the difference = {rows['p_between'].iloc[0]:.2g}" in text.get_text() for text in axes.texts)
