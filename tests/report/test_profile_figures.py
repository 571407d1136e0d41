"""Parallel coordinates, boxes and events in space draw the numbers of the events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.report import figures
from immport_cyto.report.figures import _labels, profiles
from immport_cyto.report.figures.space import space_density

MARKERS = ("CD3", "CD4", "CD8")


def events(n=400, populations=3, seed=0):
    rng = np.random.default_rng(seed)
    member = rng.integers(0, populations + 1, n)  # 0: of none
    return rng.normal(size=(n, 3)) + member[:, None] * np.array([1.0, 0.0, -0.5]), member


def lines_of(axes, width):
    return [line.get_ydata() for line in axes.lines if line.get_linewidth() == width and len(line.get_ydata()) == 3]


def test_each_line_is_the_median_of_its_population():
    values, member = events()
    colouring = figures.Colouring("cluster", member, {2: "two"}, is_cluster=True)
    figure = figures.parallel_coordinates(values, MARKERS, colouring, scaled=False)
    panels = figure.axes[:3]
    assert [axes.get_title(loc="left") for axes in panels] == ["1", "2  two", "3"]
    for number, axes in enumerate(panels, start=1):
        (line,) = lines_of(axes, 1.2)
        assert line == pytest.approx(np.median(values[member == number], axis=0))
        share = float(axes.get_title(loc="right").removesuffix(" %"))
        assert share == pytest.approx(100 * np.mean(member == number), rel=0.05)


def test_bands_are_percentiles():
    values, member = events(populations=1)
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    axes = figures.parallel_coordinates(values, MARKERS, colouring, scaled=False).axes[0]
    own = values[member == 1]
    for band, wanted in zip(axes.collections, ((5, 95), (25, 75)), strict=True):
        corners = band.get_paths()[0].vertices
        for marker in range(3):
            drawn = corners[corners[:, 0] == marker, 1]
            assert [drawn.min(), drawn.max()] == pytest.approx(np.percentile(own[:, marker], wanted))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.001, 1e5), st.floats(-1e4, 1e4))
def test_the_scale_of_a_marker_is_nothing(seed, factor, shift):
    """Medians lie within 0 and 1, and are the same for any unit of the values."""
    values, member = events(60, 5, seed)
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    kept = colouring.numbers()
    one = profiles._scaled(values, colouring, kept)
    other = profiles._scaled(values * factor + shift, colouring, kept)
    assert other == pytest.approx(one, abs=1e-5)
    medians = np.stack([np.median(one[member == number], axis=0) for number in kept])
    assert medians.min() >= -1e-12
    assert medians.max() <= 1 + 1e-12


def test_a_constant_marker_is_a_flat_line():
    values = np.column_stack([np.full(50, 3.0), np.arange(50.0)])
    colouring = figures.Colouring("cluster", np.ones(50, int), is_cluster=True)
    axes = figures.parallel_coordinates(values, ("a", "b"), colouring).axes[0]
    assert np.isfinite(axes.lines[0].get_ydata()).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_numbers_at_the_ends_of_lines_do_not_cover_each_other(ends):
    placed = profiles._apart(np.array(ends), (0.0, 1.0))
    least = min(profiles._APART, 1 / (len(ends) + 1))
    assert np.diff(np.sort(placed)).min(initial=1) >= least - 1e-9
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9
    order = np.argsort(ends, kind="stable")
    assert (np.diff(placed[order]) > 0).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), min_size=1, max_size=25))
def test_numbers_of_clusters_do_not_cover_each_other_and_stay_near(places):
    points = np.array(places, float)
    low, high = np.array([5.0, 5.0]), np.array([295.0, 195.0])
    moved = _labels._apart(points, 14.0, (low, high))
    apart = np.linalg.norm(moved[:, None] - moved[None], axis=2)[np.triu_indices(len(points), 1)]
    assert apart.min(initial=99) > 11  # a number is about 10 points wide
    assert (moved >= low).all()
    assert (moved <= high).all()
    # a crowd of n takes about a circle of radius 14 * sqrt(n), in a corner a quarter of one twice as large
    assert np.linalg.norm(moved - points, axis=1).max() < 28 * np.sqrt(len(points)) + 14


@pytest.mark.parametrize("corner", [(0, 0), (300, 0), (0, 200), (300, 200)])
def test_numbers_at_one_corner_do_not_stay_there(corner):
    low, high = np.array([5.0, 5.0]), np.array([295.0, 195.0])
    for n in range(2, 20):
        moved = _labels._apart(np.tile(np.array(corner, float), (n, 1)), 14.0, (low, high))
        apart = np.linalg.norm(moved[:, None] - moved[None], axis=2)[np.triu_indices(n, 1)]
        assert apart.min() > 11


def test_sixty_populations_have_their_panels_and_overlaid_their_numbers():
    values, member = events(3000, 60)
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    figure = figures.parallel_coordinates(values, MARKERS, colouring)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == [str(number) for number in range(1, 61)]
    (axes,) = figures.parallel_coordinates(values, MARKERS, colouring, overlaid=True).axes
    assert sorted(int(text.get_text()) for text in axes.texts) == list(range(1, 61))


def test_more_populations_than_can_be_drawn_are_said():
    member = np.arange(1, 221)
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    figure = figures.marker_boxes(np.zeros((220, 1)), ("a",), colouring)
    assert len(figure.axes[0].get_yticklabels()) == 200
    assert "20 more populations are not shown" in figure.get_supxlabel().replace("\n", " ")


def test_boxes_are_percentiles():
    values, member = events()
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    figure = figures.marker_boxes(values, MARKERS, colouring)
    for marker, axes in enumerate(figure.axes[:3]):
        assert axes.get_title(loc="left") == MARKERS[marker]
        for number, box in enumerate(axes.patches, start=1):
            own = values[member == number, marker]
            low, high = np.percentile(own, [25, 75])
            assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((low, high))
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["1", "2", "3"]


def test_density_in_space_is_highest_in_the_middle():
    points = np.random.default_rng(0).normal(size=(4000, 3))
    near = space_density(points, [(-5.0, 5.0)] * 3)
    distance = np.linalg.norm(points, axis=1)
    assert near.max() == pytest.approx(1)
    assert near[distance < 0.8].min() > near[distance > 2.5].max()


def test_numbers_in_space_stand_at_the_medians():
    values, member = events(2000, 2)
    values[:, 2] += 8 * (member == 2)
    colouring = figures.Colouring("cluster", member, is_cluster=True)
    axes = figures.event_space(values, MARKERS, colouring, angles=[-60]).axes[0]
    marks = {note.get_text(): note for note in axes.texts if hasattr(note, "xyann")}
    assert sorted(marks) == ["1", "2"]
    for number in (1, 2):
        point = np.append(np.median(values[member == number], axis=0), 1)
        seen = axes.get_proj() @ point
        assert marks[str(number)].xy == pytest.approx(seen[:2] / seen[3], abs=2e-3)
        assert np.hypot(*marks[str(number)].xyann) < 1  # far apart: nothing to move
