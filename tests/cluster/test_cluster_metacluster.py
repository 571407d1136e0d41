"""Consensus of average linkage, number of metaclusters, numbering, spanning tree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from immport_cyto.cluster import metacluster

FLOATS = st.floats(-5, 5, width=32)


@settings(max_examples=40, deadline=None)
@given(codes=arrays(np.float32, st.tuples(st.integers(3, 25), st.integers(1, 4)), elements=FLOATS), data=st.data())
def test_consensus_gives_exactly_k_metaclusters(codes, data):
    k = data.draw(st.integers(1, len(codes)))
    labels = metacluster.consensus(codes, [k], np.random.default_rng(0), resamples=15)[k].labels
    assert sorted(set(labels.tolist())) == list(range(k))


def test_consensus_finds_groups_that_are_far_apart():
    rng = np.random.default_rng(5)
    truth = np.repeat(np.arange(4), [30, 30, 20, 20])
    codes = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])[truth] + rng.normal(0, 0.5, (100, 2))
    labels = metacluster.consensus(codes, [4], np.random.default_rng(0))[4].labels
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 4


def test_each_of_100_draws_takes_nine_tenths_of_the_nodes():
    class Recorder:
        """A generator that keeps what it was asked for."""

        def __init__(self) -> None:
            self.rng, self.asked = np.random.default_rng(0), []

        def choice(self, n, size, *, replace):
            self.asked.append((n, size, replace))
            return self.rng.choice(n, size, replace=replace)

    recorder = Recorder()
    metacluster.consensus(np.random.default_rng(1).normal(size=(20, 3)), [4], recorder)
    assert recorder.asked == [(20, 18, False)] * 100


def test_k_does_not_change_the_draws():
    codes = np.random.default_rng(6).normal(size=(40, 3))
    alone = metacluster.consensus(codes, [5], np.random.default_rng(1))[5]
    among = metacluster.consensus(codes, range(1, 9), np.random.default_rng(1))[5]
    assert np.array_equal(alone.labels, among.labels)
    assert alone.area == among.area


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 40), d=st.integers(1, 4), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_cut_is_that_of_scipy_where_there_are_no_ties(n, d, seed, data):
    k = data.draw(st.integers(1, n))
    distances = pdist(np.random.default_rng(seed).normal(size=(n, d)))
    ours = metacluster.cut(squareform(distances), k)
    theirs = fcluster(linkage(distances, "average"), k, "maxclust")
    assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == k == len(set(ours.tolist()))
    # numbered by their first nodes
    assert np.unique(ours, return_index=True)[1].tolist() == sorted(np.unique(ours, return_index=True)[1].tolist())


@settings(max_examples=40, deadline=None)
@given(arrays(np.int64, st.tuples(st.integers(2, 20), st.just(2)), elements=st.integers(0, 2)), st.data())
def test_cut_gives_exactly_k_groups_whatever_the_ties(points, data):
    k = data.draw(st.integers(1, len(points)))
    distances = squareform(pdist(points))
    labels = metacluster.cut(distances, k)
    assert sorted(set(labels.tolist())) == list(range(k))
    assert np.array_equal(distances, squareform(pdist(points)))


def plain_consensus(codes, k, chosen):
    """Consensus as it is written down, with scipy's trees."""
    n = len(codes)
    drawn, together = np.zeros((n, n)), np.zeros((n, n))
    for nodes in chosen:
        labels = fcluster(linkage(codes[nodes], "average"), k, "maxclust")
        drawn[np.ix_(nodes, nodes)] += 1
        together[np.ix_(nodes, nodes)] += labels[:, None] == labels
    return np.divide(together, drawn, out=np.zeros((n, n)), where=drawn > 0)


def test_consensus_is_that_of_plain_numpy_and_scipy():
    codes = np.random.default_rng(4).normal(size=(50, 5))
    rng = np.random.default_rng(9)
    chosen = [np.sort(rng.choice(50, 45, replace=False)) for _ in range(100)]
    found = metacluster.consensus(codes, [3, 8], np.random.default_rng(9))
    for k in (3, 8):
        similarity = plain_consensus(codes, k, chosen)
        assert np.array_equal(found[k].labels, metacluster.cut(1 - similarity, k))
        values = similarity[np.triu_indices(50, 1)]
        # the area under the empirical distribution between 0 and 1, by its steps
        steps = np.concatenate([[0.0], np.sort(values), [1.0]])
        area = (np.arange(len(values) + 1) / len(values) * np.diff(steps)).sum()
        assert found[k].area == pytest.approx(area)


def test_delta_area_chooses_the_number_after_which_nothing_is_gained():
    areas = [0.0, 0.40, 0.60, 0.66, 0.663, 0.664]
    np.testing.assert_allclose(metacluster.area_gains(areas), [0.4, 0.5, 0.1, 0.003 / 0.66, 0.001 / 0.663])
    assert metacluster.by_delta_area(areas) == 4
    # one small gain between large ones does not count, nor does a last one that is large
    assert metacluster.by_delta_area([0.0, 0.40, 0.60, 0.601, 0.70, 0.701, 0.702]) == 5
    assert metacluster.by_delta_area([0.0, 0.40, 0.60, 0.80]) == 4
    # a number with less area than the one before gains nothing
    assert metacluster.area_gains([0.0, 0.4, 0.3, 0.4]).tolist() == [0.4, 0.0, 0.0]
    assert metacluster.by_delta_area([0.0, 0.0]) == 1


def test_elbow_is_where_the_second_line_begins():
    rising = [0.0, 0.2, 0.4, 0.6, 0.8]
    assert metacluster.elbow([*rising, 0.81, 0.82, 0.83, 0.84, 0.85]) in (4, 5)
    assert metacluster.elbow([0.0, 0.5, 0.51, 0.52, 0.53, 0.54]) == 2


def test_explained_variance_runs_from_none_to_all():
    codes = np.random.default_rng(8).normal(size=(12, 3))
    assert metacluster.explained_variance(codes, np.zeros(12, np.int32)) == pytest.approx(0)
    assert metacluster.explained_variance(codes, np.arange(12, dtype=np.int32)) == pytest.approx(1)
    assert metacluster.explained_variance(np.ones((3, 2)), np.zeros(3, np.int32)) == 1


def test_metaclusters_are_numbered_by_size_and_ties_by_node():
    labels = np.array([3, 0, 0, 7, 7, 1], np.int32)
    counts = np.array([5, 1, 1, 40, 2, 2])
    assert metacluster.number_by_size(labels, counts).tolist() == [2, 3, 3, 1, 1, 4]


@settings(max_examples=30, deadline=None)
@given(codes=arrays(np.float32, st.tuples(st.integers(2, 20), st.integers(2, 3)), elements=FLOATS))
def test_spanning_tree_joins_all_nodes_by_the_shortest_way(codes):
    edges = metacluster.spanning_tree(codes)
    assert edges.shape == (len(codes) - 1, 2)
    distance = np.sqrt(((codes[:, None].astype(float) - codes) ** 2).sum(axis=2))
    # Prim's rule, one node at a time
    inside, total = {0}, 0.0
    while len(inside) < len(codes):
        length, node = min((distance[i, j], j) for i in inside for j in range(len(codes)) if j not in inside)
        total += length
        inside.add(node)
    assert distance[edges[:, 0], edges[:, 1]].sum() == pytest.approx(total, abs=1e-6)
    reached = {0}
    for _ in range(len(codes)):
        reached |= {int(b) for a, b in edges if a in reached} | {int(a) for a, b in edges if b in reached}
    assert reached == set(range(len(codes)))
