"""The parts of a cut-off: silhouettes, dips, valleys and mixtures, against independent answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.population import shape
from immport_cyto.population.mixture import mixture


@pytest.mark.parametrize("cut", [-0.5, 0.0, 0.7, 2.9])
def test_silhouette_is_that_of_scikit_learn(cut):
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(3)
    x = np.sort(np.concatenate([rng.normal(size=200), rng.normal(3, 0.5, 60)]))
    expected = silhouette_score(x[:, None], x > cut)
    assert shape.silhouette(x, cut) == pytest.approx(expected, abs=1e-12)


def test_silhouette_of_a_single_value_and_of_an_empty_group():
    x = np.array([0.0, 0.1, 5.0])
    # the value alone counts 0; 0.0: 1 - 0.1 / 5; 0.1: 1 - 0.1 / 4.9
    assert shape.silhouette(x, 1.0) == pytest.approx(((1 - 0.1 / 5) + (1 - 0.1 / 4.9)) / 3)
    assert shape.silhouette(x, 5.0) == -1.0
    assert shape.silhouette(x, -1.0) == -1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=5, max_size=60), st.floats(-40, 40))
def test_silhouette_with_ties_is_its_definition(values, cut):
    x = np.sort(np.array(values, dtype=float))
    low = x <= cut
    if low.all() or not low.any():
        assert shape.silhouette(x, cut) == -1.0
        return
    scores = []
    distance = np.abs(x[:, None] - x[None, :])
    for i in range(len(x)):
        own = low == low[i]
        if own.sum() == 1:
            scores.append(0.0)
            continue
        a, b = distance[i, own].sum() / (own.sum() - 1), distance[i, ~own].mean()
        scores.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    assert shape.silhouette(x, cut) == pytest.approx(np.mean(scores), abs=1e-9)


def test_the_tail_of_the_excursion_holds_its_level():
    """A uniform sample rotated to its lowest point is an excursion: p values must not be too small."""
    rng = np.random.default_rng(0)
    k, heights, areas = 300, [], []
    for _ in range(4000):
        u = np.sort(rng.random(k))
        start = u[np.argmax(np.arange(1, k + 1) / k - u)]
        w = np.sort((u - start) % 1.0)[1:]
        w = np.append(w, 1.0)
        below = w - np.arange(1, k + 1) / k
        steps = np.diff(np.concatenate([[0.0], w]))
        heights.append(below.max() * np.sqrt(k))
        areas.append(((below + np.concatenate([[0.0], below[:-1]])) / 2 * steps).sum() * np.sqrt(k))
    assert np.mean(heights) == pytest.approx(np.sqrt(np.pi / 2), abs=0.08)
    assert np.mean(areas) == pytest.approx(np.sqrt(np.pi / 8), abs=0.05)
    p_values = shape.excursion_tail(np.array(heights), np.array(areas))
    for level in (0.1, 0.05, 0.01):
        assert (p_values <= level).mean() <= level * 1.1
    assert (p_values <= 0.1).mean() > 0.02


def test_three_groups_have_two_valleys_between_their_modes():
    rng = np.random.default_rng(1)
    x = np.sort(np.concatenate([rng.normal(0, 0.4, 3000), rng.normal(2.5, 0.4, 2000), rng.normal(5, 0.4, 1500)]))
    first, second = shape.valleys(x)
    assert first.value == pytest.approx(1.25, abs=0.3)
    assert second.value == pytest.approx(3.75, abs=0.3)
    assert min(first.depth, second.depth) > 0.9


def test_mixture_finds_weights_means_and_crossing():
    rng = np.random.default_rng(2)
    x = np.sort(np.concatenate([rng.normal(1, 0.5, 8000), rng.normal(4, 0.7, 2000)]))
    fit = mixture(x, 2)
    assert fit.weights == pytest.approx([0.8, 0.2], abs=0.01)
    assert fit.means == pytest.approx([1, 4], abs=0.05)
    assert fit.sds == pytest.approx([0.5, 0.7], abs=0.05)
    assert fit.separations[0] == pytest.approx(np.sqrt(2) * 3 / np.hypot(0.5, 0.7), abs=0.3)
    # where 0.8 N(1, 0.5) and 0.2 N(4, 0.7) are equally dense
    grid = np.linspace(1, 4, 30001)
    low = 0.8 / 0.5 * np.exp(-0.5 * ((grid - 1) / 0.5) ** 2)
    high = 0.2 / 0.7 * np.exp(-0.5 * ((grid - 4) / 0.7) ** 2)
    assert fit.crossing(0) == pytest.approx(grid[np.argmax(high > low)], abs=0.03)


def test_mixture_of_equal_values_is_none():
    assert mixture(np.ones(100), 2) is None


def test_histogram_spreads_whole_counts_over_the_gap_below():
    x = np.sort(np.random.default_rng(0).poisson(20, 50_000)).astype(float)
    counts, centres = shape.histogram(x, 10, 30, 200)
    per_step = counts.reshape(20, 10).sum(axis=1)
    expected = [np.sum(x == value) for value in range(11, 31)]
    assert per_step == pytest.approx(expected)
    assert centres[0] == pytest.approx(10.05)


@pytest.mark.parametrize(("distance", "expected"), [(2.5, []), (2.6, [1.3])])
def test_a_valley_is_at_least_15_percent_deep(distance, expected):
    from scipy.stats import norm

    # two normal groups of one size: 13.0 % deep at a distance of 2.5, 17.3 % at 2.6, whatever their number
    z = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    found = shape.valleys(np.sort(np.concatenate([z, z + distance])))
    assert [valley.value for valley in found] == pytest.approx(expected, abs=0.02)
    if expected:
        top = np.linspace(-1, 1, 2001)
        peak = (norm.pdf(top) + norm.pdf(top - distance)).max()
        assert found[0].depth == pytest.approx(1 - 2 * norm.pdf(distance / 2) / peak, abs=0.005)
