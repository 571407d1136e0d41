"""Figures of self-organising maps and clusterings: what they show, equal bytes, odd input."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import tables
from immport_cyto.report import figures
from immport_cyto.report.figures import _tree


def nodes(seed=0, rows=4, columns=5, k=4, names=None):
    """A random map: a random tree, some nodes without events."""
    rng = np.random.default_rng(seed)
    n = rows * columns
    edges = np.array([(int(rng.integers(0, i)), i) for i in range(1, n)])
    n_events = rng.integers(0, 500, n) * (rng.random(n) > 0.1)
    return figures.Nodes((rows, columns), edges, rng.integers(1, k + 1, n), n_events, names or {})


def medians(of, d=6, seed=1):
    values = np.random.default_rng(seed).normal(2, 1, (len(of.metaclusters), d))
    values[of.n_events == 0] = np.nan
    return values, [f"CD{i}" for i in range(d)]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 60))
def test_nodes_of_a_tree_have_room_and_neighbours_are_near(seed, n):
    rng = np.random.default_rng(seed)
    edges = np.array([(int(rng.integers(0, i)), i) for i in range(1, n)])
    points = _tree.tree_layout(n, edges)
    assert np.isfinite(points).all()
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.6
    assert np.array_equal(points, _tree.tree_layout(n, edges))


def test_a_chain_is_not_folded_onto_itself():
    points = _tree.tree_layout(8, np.array([(i, i + 1) for i in range(7)]))
    assert np.all(np.diff(points[:, 0]) > 0) or np.all(np.diff(points[:, 0]) < 0)


def test_areas_grow_with_the_events_and_empty_nodes_have_none():
    of = figures.Nodes((1, 4), np.array([(0, 1), (1, 2), (2, 3)]), np.ones(4, int), np.array([0, 1, 100, 400]))
    radii = of.radii(1.0)
    assert radii[0] == 0
    assert 0 < radii[1] <= radii[2] < radii[3] == 1


def test_one_number_per_connected_piece_of_a_metacluster():
    edges = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    of = figures.Nodes((1, 5), edges, np.array([1, 1, 2, 1, 1]), np.array([5, 9, 3, 0, 7]))
    assert of.labelled("tree").tolist() == [1, 2, 4]
    assert of.labelled("grid").tolist() == [0, 1, 2, 4]


def test_colours_of_the_first_metaclusters_differ_and_text_is_readable():
    shades = _tree.colours(range(1, 22))
    assert len(set(shades)) == 21
    assert [_tree.ink_on(shade) for shade in [(0, 0, 0), (1, 1, 1), (0, 0.45, 0.7)]] == ["white", "black", "white"]


@pytest.mark.parametrize("layout", ["tree", "grid"])
def test_maps_name_their_markers_and_metaclusters_with_equal_bytes(layout):
    of = nodes(names={1: "T cells <b>", 2: ""})
    values, markers = medians(of)
    texts = []
    for _ in range(2):
        drawn = [
            figures.star_plot(of, values, markers, layout=layout),
            figures.metacluster_tree(of, layout=layout),
            figures.marker_trees(of, values, markers, layout=layout),
        ]
        texts.append([figures.svg(figure) for figure in drawn])
    assert texts[0] == texts[1]
    star, tree, each = texts[0]
    for marker in markers:
        assert f">{marker}<" in star
        assert f">{marker}<" in each
    assert "T cells &lt;b&gt;" in star
    assert "T cells &lt;b&gt;" in tree
    shown = {int(number) for number in re.findall(r">(\d)<", tree)}
    assert shown == set(of.metaclusters[of.n_events > 0].tolist())


def test_maps_of_two_nodes_one_marker_and_no_events():
    of = figures.Nodes((1, 2), np.array([(0, 1)]), np.array([1, 2]), np.array([10, 0]))
    values = np.array([[1.0, 2.0], [np.nan, np.nan]])
    assert "CD3" in figures.svg(figures.star_plot(of, values, ["CD3", "CD4"]))
    assert "CD3" in figures.svg(figures.marker_trees(of, values[:, :1], ["CD3"]))
    empty = figures.Nodes((1, 2), np.array([(0, 1)]), np.array([1, 2]), np.array([0, 0]))
    figures.svg(figures.star_plot(empty, np.full((2, 2), np.nan), ["CD3", "CD4"]))
    figures.svg(figures.marker_trees(empty, np.full((2, 2), np.nan), ["CD3", "CD4"]))


def comparison(of, q):
    rows = pd.DataFrame(
        {
            "study_accession": "SDY1", "panel_id": "p", "level": "node",
            "cluster": np.arange(1, len(of.metaclusters) + 1), "group": "case & <co>", "reference": "control",
            "n_group": 3, "n_reference": 3, "median_group": 1.0, "median_reference": 1.0,
            "log_odds": np.linspace(-2, 2, len(of.metaclusters)), "cliffs_delta": 0.0, "q_value": q, "test": "t",
        }
    )  # fmt: skip
    return tables.conform(rows, tables.COMPARISON)


def test_differences_between_groups_on_the_tree():
    of = nodes(k=3)
    q = np.where(np.arange(20) < 5, 0.01, np.nan)
    text = figures.svg(figures.comparison_tree(of, comparison(of, q)))
    clear = int(((q < 0.05) & (of.n_events > 0)).sum())
    assert f"{clear} of {int((of.n_events > 0).sum())} nodes with q &lt; 0.05 (black ring)" in text
    assert "case &amp; &lt;co&gt; against control" in text
    assert text == figures.svg(figures.comparison_tree(of, comparison(of, q)))


def abundances(n_files):
    rows = [
        {
            "study_accession": "S", "panel_id": "p", "file_name": f"f{i}.fcs", "level": "metacluster", "cluster": j,
            "population": "B <cells>" if j == 1 else "", "n_events": 10 * j, "percentage": 100 * j / 6,
        }
        for i in range(n_files)
        for j in (1, 2, 3)
    ]  # fmt: skip
    return tables.conform(pd.DataFrame(rows), tables.ABUNDANCES)


def test_shares_per_file():
    text = figures.svg(figures.sample_abundances(abundances(3)))
    assert "f0.fcs" in text
    assert "1  B &lt;cells&gt;" in text
    assert "10 more files are not shown" in figures.svg(figures.sample_abundances(abundances(70)))


def drift_rows(n, *, js=0.2):
    rows = pd.DataFrame(
        {
            "study_accession": "S", "panel_id": "p", "file_name": [f"f{i}.fcs" for i in range(n)],
            "in_training": [i % 2 == 0 for i in range(n)], "n_events": 100, "n_outliers": 5,
            "outlier_percentage": np.arange(n, dtype=float), "outlier_percentage_training": 1.0,
            "quantization_error": 1.0, "quantization_error_training": 1.0, "js_nodes": js,
            "js_nodes_by_chance": 0.1, "js_metaclusters": 0.1,
        }
    )  # fmt: skip
    return tables.conform(rows, tables.DRIFT)


def test_drift_shows_both_kinds_of_files_and_the_worst_first():
    text = figures.svg(figures.drift(drift_rows(4)))
    for words in ("file of the training", "other file", "all training events", "to expect by chance"):
        assert words in text
    names = re.findall(r">(f\d+\.fcs)<", text)
    assert names == ["f3.fcs", "f2.fcs", "f1.fcs", "f0.fcs"]
    many = figures.svg(figures.drift(drift_rows(80)))
    assert "the 60 files with most outliers of 80" in many
    assert "f0.fcs" not in many
    figures.svg(figures.drift(drift_rows(1, js=np.nan)))


def test_contingency_frames_matched_pairs():
    rows = pd.DataFrame(
        [("1", "a", 90, 90, 100, 0.9, True), ("1", "b", 10, 10, 50, 0.2, False), ("2", "b", 10, 100, 50, 0.6, True)],
        columns=["label_a", "label_b", "n_events", "share_a", "share_b", "f1", "matched"],
    )  # fmt: skip
    figure = figures.contingency(rows, "FlowSOM <x>", "FLOCK")
    axes = figure.axes[0]
    framed = {(round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)) for patch in axes.patches}
    assert framed == {(0, 0), (1, 1)}
    text = figures.svg(figure)
    assert "FlowSOM &lt;x&gt;" in text
    assert text == figures.svg(figures.contingency(rows, "FlowSOM <x>", "FLOCK"))


def test_scatters_put_the_number_at_the_median():
    rng = np.random.default_rng(0)
    events = np.vstack([rng.normal(0, 0.1, (50, 3)), rng.normal(5, 0.1, (50, 3))]).astype(np.float32)
    numbers = np.repeat([1, 2], 50)
    figure = figures.marker_scatters(events, numbers, ["CD3", "CD4", "CD8"], [(0, 1), (1, 2)])
    assert [axes.get_xlabel() for axes in figure.axes] == ["CD3", "CD4"]
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert places["1"] == pytest.approx((0, 0), abs=0.1)
    assert places["2"] == pytest.approx((5, 5), abs=0.1)
    again = figures.marker_scatters(events, numbers, ["CD3", "CD4", "CD8"], [(0, 1), (1, 2)])
    assert figures.svg(figure) == figures.svg(again)


def test_what_speaks_for_a_number_of_metaclusters():
    both = figures.number_of_metaclusters([0, 0.5, 0.8, 0.85], 3, [0.5, 0.3, 0.1])
    assert [axes.get_ylabel() for axes in both.axes] == ["explained variance", "relative gain of consensus area"]
    assert both.axes[0].lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert both.axes[1].lines[0].get_xdata().tolist() == [2, 3, 4]
    assert "k = 3" in figures.svg(both)
    assert len(figures.number_of_metaclusters([0, 0.5], 2, []).axes) == 1


def test_the_tree_beside_the_heat_map_joins_its_rows():
    rng = np.random.default_rng(2)
    centres = np.repeat([[0.0, 0.0, 5.0], [5.0, 5.0, 0.0]], 3, axis=0) + rng.normal(0, 0.2, (6, 3))
    middle = pd.DataFrame(
        {
            "metacluster": np.repeat(np.arange(1, 7), 3),
            "marker": ["CD3", "CD4", "CD8"] * 6,
            "median": centres.ravel(),
        }
    )
    clusters = pd.DataFrame({"metacluster": np.arange(1, 7), "fraction": 1 / 6, "population": ""})
    figure = figures.cluster_heatmap(middle, clusters)
    heat, _, tree = figure.axes[:3]
    assert len(tree.lines) == 5
    assert tree.get_ylim() == heat.get_ylim() == (5.5, -0.5)
    # the last join is between the two kinds: one end in the middle of each
    widest = max(tree.lines, key=lambda line: max(line.get_xdata()))
    ends = sorted({round(float(y), 6) for y in widest.get_ydata()})
    assert ends[0] < 2.5 < ends[1]
    few = figures.cluster_heatmap(middle[middle["metacluster"] < 3], clusters[clusters["metacluster"] < 3])
    assert len(few.axes[2].lines) == 0


def test_shares_by_group_show_every_file_and_the_median():
    counted = abundances(6)
    counted["percentage"] = counted["percentage"] + np.repeat(np.arange(6), 3)
    groups = {f"f{i}.fcs": "case" if i % 2 else "control" for i in range(5)}
    rows = tables.conform(
        pd.DataFrame(
            {
                "study_accession": "S", "panel_id": "p", "level": "metacluster", "cluster": [1, 2, 3],
                "population": ["B <cells>", "", ""], "group": "case", "reference": "control", "n_group": 2,
                "n_reference": 3, "median_group": 1.0, "median_reference": 1.0, "log_odds": 0.0, "cliffs_delta": 0.0,
                "p_value": [0.5, 0.01, 0.2], "q_value": [0.5, 0.03, 0.3], "test": "t",
            }
        ),
        tables.COMPARISON,
    )  # fmt: skip
    figure = figures.group_abundances(counted, groups, rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["2", "3", "1  B <cells>"]
    first = figure.axes[0]
    points = [line.get_ydata().tolist() for line in first.lines]
    percentage = 200 / 6
    assert points == [
        pytest.approx([percentage + i for i in (0, 2, 4)]),
        pytest.approx([percentage + i for i in (1, 3)]),
    ]
    medians_shown = [collection.get_segments()[0][0][1] for collection in first.collections]
    assert medians_shown == pytest.approx([percentage + 2, percentage + 2])
    assert [text.get_text() for text in first.texts] == ["q = 0.03"]
    text = figures.svg(figure)
    assert "B &lt;cells&gt;" in text
    assert text == figures.svg(figures.group_abundances(counted, groups, rows))


def paired_study():
    """Percentages of a population: subject A in all three groups (twice in "a ref"), B in two, C and D in one."""
    of_file = {
        "A1": ("A", "a ref", 10.0), "A2": ("A", "a ref", 14.0), "A3": ("A", "mid", 20.0), "A4": ("A", "post", 30.0),
        "B1": ("B", "a ref", 5.0), "B2": ("B", "post", 4.0), "C1": ("C", "post", 50.0), "D1": ("D", "a ref", 60.0),
        "E1": ("E", "a ref", np.nan), "E2": ("E", "post", 70.0), "F1": ("F", "mid", 7.0), "F2": ("F", "post", 8.0),
        "G1": ("G", "", 9.0),
    }  # fmt: skip
    counted = pd.DataFrame(
        {
            "file_name": list(of_file), "level": "population", "cluster": 1, "population": "",
            "percentage": [value for _, _, value in of_file.values()],
        }
    )  # fmt: skip
    rows = pd.DataFrame(
        {
            "level": "population", "cluster": 1, "population": "", "group": ["mid", "post"], "reference": "a ref",
            "p_value": [0.2, 0.1], "q_value": [0.2, 0.2],
        }
    )  # fmt: skip
    groups = {name: group for name, (_, group, _) in of_file.items()}
    subjects = {name: subject for name, (subject, _, _) in of_file.items()}
    return counted, groups, rows, subjects


def test_the_dots_of_a_subject_are_joined_in_a_paired_comparison():
    counted, groups, rows, subjects = paired_study()
    figure = figures.group_abundances(counted, groups, rows, subjects=subjects)
    (axes,) = figure.axes
    joined, *medians = axes.collections
    lines = [line.tolist() for line in joined.get_segments()]
    # A is the mean of two samples at first; B has no sample in the middle; who lacks the reference or all else is out
    assert [[round(y, 9) for _, y in line] for line in lines] == [[12, 20, 30], [5, 4]]
    assert [[round(x) for x, _ in line] for line in lines] == [[0, 1, 2], [0, 2]]
    dots = [line.get_xydata().tolist() for line in axes.lines]
    assert dots == [[lines[0][0], lines[1][0]], [lines[0][1]], [lines[0][2], lines[1][1]]]
    assert [line.get_segments()[0][0][1] for line in medians] == [8.5, 20, 17]
    assert joined.get_zorder() < axes.lines[0].get_zorder()
    mixed = counted.sample(frac=1, random_state=1)
    again = figures.group_abundances(mixed, groups, rows, subjects=dict(reversed(subjects.items())))
    assert figures.svg(figure) == figures.svg(again)


def test_an_unpaired_comparison_shows_files_and_joins_nothing():
    counted, groups, rows, _ = paired_study()
    (axes,) = figures.group_abundances(counted, groups, rows).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[10, 14, 5, 60], [20, 7], [30, 4, 50, 70, 8]]
    assert len(axes.collections) == 3


def test_a_cluster_without_a_test_has_no_q_value():
    counted, groups, rows, _ = paired_study()
    (axes,) = figures.group_abundances(counted, groups, rows.assign(p_value=np.nan, q_value=np.nan)).axes
    assert [text.get_text() for text in axes.texts] == ["no test"]
