"""Outliers by FlowSOM's rule: thresholds per node from the training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from immport_cyto import cluster
from immport_cyto.cluster import native
from immport_cyto.cluster.outliers import DistanceSample, outliers, thresholds
from support.cluster_events import T_CELLS, blobs


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 9), st.integers(0, 2**31), st.integers(1, 60))
def test_median_and_mad_of_each_node_however_the_events_come(n, n_nodes, seed, at_a_time):
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, n_nodes, n).astype(np.int32)
    distances = rng.exponential(size=n).astype(np.float32)
    sample = DistanceSample(n_nodes)
    for start in range(0, n, at_a_time):
        some = nodes[start : start + at_a_time]
        sample.add(some, distances[start : start + at_a_time], np.bincount(some, minlength=n_nodes))
    counts = np.bincount(nodes, minlength=n_nodes)
    medians, mads, beyond = sample.summary(counts)
    for node in range(n_nodes):
        own = distances[nodes == node].astype(float)
        if len(own):
            assert medians[node] == np.median(own)
            assert mads[node] == pytest.approx(1.4826 * median_abs_deviation(own))
        else:
            assert np.isnan([medians[node], mads[node]]).all()
    if n:
        assert beyond == pytest.approx(outliers(nodes, distances, thresholds(medians, mads)).mean())
    else:
        assert np.isnan(beyond)


def test_of_many_events_some_of_each_node_are_taken_and_the_first_of_each_chunk():
    assert [DistanceSample.stride(n) for n in (1, 10**6, 10**6 + 1, 5 * 10**6)] == [1, 1, 2, 5]
    nodes = np.array([0, 0, 1, 0, 0, 0, 1, 2], np.int32)
    counts, kept = np.zeros(3, np.int64), np.empty(8, np.bool_)
    total = native.describe(nodes, np.arange(8, dtype=np.float32), 3, counts, kept)
    assert kept.nonzero()[0].tolist() == [0, 2, 4, 7]
    assert counts.tolist() == [5, 2, 1]
    assert total == 28


def test_the_share_of_outliers_weights_nodes_by_all_their_events():
    sample = DistanceSample(2)
    sample.add(np.zeros(3, np.int32), np.array([1, 1, 9], np.float32), np.array([3, 0]))
    sample.add(np.ones(2, np.int32), np.array([1, 1], np.float32), np.array([0, 2]))
    assert sample.summary(np.array([300, 100]))[2] == pytest.approx(0.25)


def test_beyond_median_and_four_mad_and_on_nodes_without_training():
    limits = thresholds(np.array([1.0, np.nan]), np.array([0.5, np.nan]))
    assert limits.tolist() == [3.0, -1.0]
    assert thresholds(np.array([1.0]), np.array([0.5]), 2.0).tolist() == [2.0]
    nodes = np.array([0, 0, 1], np.int32)
    assert outliers(nodes, np.array([3.0, 3.1, 0.0], np.float32), limits).tolist() == [False, True, True]


def test_the_model_keeps_the_distances_of_its_training(tmp_path):
    X, _ = blobs(T_CELLS, [500, 300, 200, 100], seed=4)
    model = cluster.FlowSOM((4, 4), n_metaclusters=4).fit(X)
    nodes = model.predict(X)
    distances = np.linalg.norm(X - model.codes_[nodes], axis=1)
    for node in np.unique(nodes):
        own = distances[nodes == node]
        assert model.distance_medians_[node] == pytest.approx(np.median(own), rel=1e-5)
        assert model.distance_mads_[node] == pytest.approx(1.4826 * median_abs_deviation(own), rel=1e-4, abs=1e-6)
    model.save(tmp_path / "m.npz")
    again = cluster.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.distance_medians_, model.distance_medians_)
    np.testing.assert_array_equal(again.distance_mads_, model.distance_mads_)
