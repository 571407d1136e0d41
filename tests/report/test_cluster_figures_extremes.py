"""Figures of clusterings at their ends: no events, one metacluster, sixty of them, forty markers."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto.report import figures


def heatmap(values):
    """Heat map of medians, metaclusters x markers."""
    rows = [
        {"metacluster": number, "marker": f"CD{column}", "median": value}
        for number, medians in enumerate(values, start=1)
        for column, value in enumerate(medians)
    ]
    clusters = pd.DataFrame({"metacluster": range(1, len(values) + 1), "fraction": 1 / max(len(values), 1)})
    medians = pd.DataFrame(rows, columns=["metacluster", "marker", "median"]).astype({"median": float})
    return figures.cluster_heatmap(medians, clusters)


def test_a_heat_map_without_events_says_so():
    figure = heatmap([[np.nan, np.nan], [np.nan, np.nan]])
    assert [text.get_text() for text in figure.texts] == ["no events"]


def test_one_metacluster_is_neither_low_nor_high():
    shown = heatmap([[0.1, 5.0, 2.0]]).axes[0].images[0].get_array()
    assert shown.tolist() == [[0.5, 0.5, 0.5]]
    assert np.array_equal(np.unique(heatmap([[0.0, 1.0], [1.0, 1.0]]).axes[0].images[0].get_array()), [0, 0.5, 1])


@pytest.mark.parametrize(("files", "names"), [(1, False), (2, True), (30, False), (30, True)])
def test_the_legend_of_sixty_metaclusters_fits(files, names):
    rows = [
        {
            "file_name": f"{file}.fcs", "cluster": number, "percentage": 100 / 60,
            "population": f"population of some name {number}" if names else "",
        }
        for file in range(files)
        for number in range(1, 61)
    ]  # fmt: skip
    figure = figures.sample_abundances(pd.DataFrame(rows))
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 60
    box, page = legend.get_window_extent(), figure.bbox
    assert box.y0 >= page.y0 - 1
    assert box.y1 <= page.y1 + 1
    assert box.x1 <= page.x1 + 1
    assert figure.axes[0].get_window_extent().width > 0.4 * page.width


@pytest.mark.parametrize("n", [3, 24, 40, 60])
def test_names_around_the_key_of_a_star_do_not_touch(n):
    nodes = figures.Nodes(
        (2, 2), np.array([[0, 1], [1, 2], [2, 3]]), np.array([1, 1, 2, 2]), np.array([9, 5, 4, 0]), {}
    )
    figure = figures.star_plot(nodes, np.arange(4.0 * n).reshape(4, n), [f"CD{i}" for i in range(n)])
    figure.canvas.draw()
    key = figure.axes[1]
    places = np.array([key.transData.transform(text.get_position()) for text in key.texts])
    apart = np.linalg.norm(places - np.roll(places, 1, axis=0), axis=1)
    # letters are three quarters of the font size high
    assert apart.min() > 0.75 * key.texts[0].get_fontsize() * figure.dpi / 72


def test_long_names_of_files_stay_apart():
    names = [f"Study_of_a_long_name_panel_T_cells_Subject_{i:03d}_day_7.fcs" for i in range(3)]
    rows = [{"file_name": name, "cluster": 1, "percentage": 100.0, "population": ""} for name in names]
    figure = figures.sample_abundances(pd.DataFrame(rows))
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert shown[0] == "Study_of_a_lo…ubject_000_day_7.fcs"
    assert len(set(shown)) == 3
    assert {len(name) for name in shown} == {34}


def test_a_contingency_says_how_many_clusters_it_shows():
    pairs = [{"label_a": str(i), "label_b": str(i % 30), "n_events": 500 - i} for i in range(100)]
    rows = pd.DataFrame(pairs).assign(share_a=100.0, share_b=50.0, f1=0.5, matched=False)
    axes = figures.contingency(rows, "nodes", "populations").axes[0]
    assert axes.get_ylabel() == "nodes (40 of 100 clusters)"
    assert axes.get_xlabel() == "populations"
