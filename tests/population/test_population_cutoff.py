"""Cut-offs: the simulation of the reference, one-group shapes, invariants, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import population
from immport_cyto.exceptions import AnalysisError


def two_groups(share: float, seed: int, n: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    k = round(share * n)
    return np.concatenate([rng.normal(1, 0.5, n - k), rng.normal(4, 0.7, k)]), np.arange(n) >= n - k


def f1(called: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (called & truth).sum() / (called.sum() + truth.sum())


@pytest.mark.parametrize("share", [0.3, 0.05, 0.02, 0.01])
def test_rare_positives_are_gated(share):
    scores = []
    for seed in range(6):
        x, truth = two_groups(share, seed)
        found = population.cutoff(x)
        assert found.value is not None
        scores.append(f1(x > found.value, truth))
    assert np.mean(scores) >= 0.94


SHAPES = {
    "normal": lambda r, n: r.normal(size=n),
    "lognormal": lambda r, n: np.exp(0.5 * r.normal(size=n)),
    "exponential": lambda r, n: r.exponential(size=n),
    "t2": lambda r, n: r.standard_t(2, size=n),
    "uniform": lambda r, n: r.random(n),
    "zeros": lambda r, n: np.arcsinh(np.where(r.random(n) < 0.6, 0, r.exponential(2, n)) / 5),
    "spread counts": lambda r, n: np.arcsinh((r.poisson(1.5, n) - r.random(n)) / 5),
    "whole counts": lambda r, n: np.arcsinh(r.poisson(r.exponential(2, n)) / 5),
    "wide noise": lambda r, n: np.arcsinh(r.normal(20, 500, n) / 150),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_one_group_is_not_cut(shape):
    for seed in range(3):
        x = SHAPES[shape](np.random.default_rng(seed), 5000)
        found = population.cutoff(x, scale="arcsinh")
        assert found.value is None, f"{shape}, seed {seed}: cut at {found.value} by {found.method}"
        assert (found.method, found.evidence, found.positive_fraction) == ("none", 0.0, None)
        assert found.note == "one group: no valley and no separate component"


def test_wide_noise_is_one_group_only_on_its_scale():
    x = np.arcsinh(np.random.default_rng(0).normal(20, 500, 5000) / 150)
    assert population.cutoff(x).value == pytest.approx(0, abs=0.5)
    assert population.cutoff(x, scale="arcsinh").value is None


def test_a_plateau_of_positives_is_found_by_the_mixture():
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 0.5, 8000), rng.uniform(1.2, 5, 2000)])
    found = population.cutoff(x)
    assert found.method == "mixture"
    assert 1.0 < found.value < 2.2
    assert found.note == "no valley: positives form a shoulder"


def test_zeros_and_true_positives_are_cut_between():
    rng = np.random.default_rng(5)
    x = np.concatenate([np.zeros(4000), np.arcsinh(rng.exponential(2, 3000) / 5), rng.normal(4, 0.5, 800)])
    found = population.cutoff(x, scale="arcsinh")
    assert found.method == "valley"
    assert 1.5 < found.value < 3.2
    assert found.positive_fraction == pytest.approx(800 / 7800, abs=0.01)


def test_a_third_group_gives_the_second_cut():
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 0.4, 6000), rng.normal(3.5, 0.4, 2500), rng.normal(5.5, 0.3, 1500)])
    found = population.cutoff(x)
    assert found.value == pytest.approx(1.75, abs=0.5)
    assert found.high == pytest.approx(4.7, abs=0.3)


def test_evidence_grows_with_the_gap():
    rng = np.random.default_rng(7)
    evidence = []
    for distance in (3.0, 3.5, 6.0):
        x = np.concatenate([rng.normal(0, 1, 20_000), rng.normal(distance, 1, 20_000)])
        found = population.cutoff(x)
        assert found.method == "valley"
        assert found.value == pytest.approx(distance / 2, abs=0.3)
        evidence.append(found.evidence)
    assert evidence == sorted(evidence)
    # the densities of the middle and of a peak are known
    assert evidence[1] == pytest.approx(1 - 2 * np.exp(-(1.75**2) / 2) / (1 + np.exp(-(3.5**2) / 2)), abs=0.06)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-100, 100), st.floats(0.05, 0.95))
def test_order_shift_and_scale_do_not_matter(seed, factor, shift, share):
    x, _ = two_groups(share, seed, 2000)
    found = population.cutoff(x)
    assert x.min() < found.value < x.max()
    assert found.positive_fraction == np.mean(x > found.value)
    assert population.cutoff(np.random.default_rng(seed).permutation(x)) == found
    moved = population.cutoff(factor * x + shift)
    assert moved.method == found.method
    assert (moved.value - shift) / factor == pytest.approx(found.value, abs=1e-3)


def test_mirrored_values_are_cut_at_the_mirrored_place():
    x, _ = two_groups(0.4, 1)
    assert population.cutoff(-x).value == pytest.approx(-population.cutoff(x).value, abs=0.15)


def test_not_finite_values_are_left_out():
    x, _ = two_groups(0.3, 2)
    found = population.cutoff(np.concatenate([x, [np.nan, np.inf, -np.inf]]))
    assert found == population.cutoff(x)
    assert found.n == len(x)


@pytest.mark.parametrize(
    ("x", "note"),
    [
        (np.arange(12.0), "12 values are too few for a cut"),
        ([], "0 values are too few for a cut"),
        (np.ones(500), "all values are equal"),
        (np.full(60, np.nan), "0 values are too few for a cut"),
    ],
)
def test_nothing_to_cut(x, note):
    found = population.cutoff(x)
    assert (found.value, found.note) == (None, note)


def test_a_table_is_refused():
    with pytest.raises(AnalysisError, match="must have one dimension, not 2; give one column"):
        population.cutoff(np.ones((10, 2)))


def test_no_cut_lies_below_zero_where_there_is_no_signal():
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0.5, 0.6, 20_000), rng.normal(-5, 0.3, 40)])
    assert population.cutoff(x).value is not None
    assert population.cutoff(x, scale="arcsinh").value is None


@pytest.mark.parametrize(("width", "is_cut"), [(1.0, True), (1.2, False)])
def test_groups_without_a_reasonable_silhouette_are_not_cut(width, is_cut):
    from scipy.stats import norm

    # a narrow group, and one with so long a tail that many of its values are nearer to the narrow one
    z = norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = population.cutoff(np.concatenate([0.3 * z, 1.2 + np.exp(width * z + 0.2)]))
    assert (found.value is not None) == is_cut
    assert found.silhouette is None or found.silhouette >= 0.5
