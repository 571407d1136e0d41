"""The compiled kernels against the same rules in plain numpy."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from immport_cyto import cluster
from immport_cyto.cluster import som
from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.som import Codebook, Scaling
from immport_cyto.cluster.source import array_part

HERE = Execution()
DIGESTS = ["82d6c4f26d9e339c", "5f62507152ad1b12", "f2ee9c96ed4ac004"]


def plain(codes, distance="euclidean") -> Codebook:
    """Codes on events that are not scaled."""
    d = codes.shape[1]
    return Codebook(codes, Scaling(np.zeros(d), np.ones(d)), distance)


def total(terms):
    """Sum over the markers as the kernels add: every fourth marker in a sum of its own."""
    chains = np.zeros((4, *terms.shape[:-1]), np.float32)
    for d in range(terms.shape[-1]):
        chains[d % 4] += terms[..., d]
    return (chains[0] + chains[1]) + (chains[2] + chains[3])


def plain_distance(x, codes, distance):
    """What the kernels compare, in float32."""
    if distance == "euclidean":
        return total((x - codes) ** 2)
    if distance == "manhattan":
        return total(np.abs(x - codes))
    if distance == "chebyshev":
        return np.abs(x - codes).max(axis=-1)
    return -total(x * codes) / np.sqrt(total(codes * codes))


def plain_online(X, order, codes, grid, radius, distance):
    """The online rule as it is written down, in float32."""
    codes = codes.copy()
    apart = som.grid_distance(grid)
    for t, i in enumerate(order):
        reach = radius * (1 - t / len(order))
        if reach < 1:
            reach = 0.5
        rate = np.float32(0.05 - (0.05 - 0.01) * (t / len(order)))
        near = apart[np.argmin(plain_distance(X[i], codes, distance))] <= reach
        codes[near] += rate * (X[i] - codes[near])
    return codes


@pytest.mark.parametrize("distance", som.DISTANCES)
@pytest.mark.parametrize(("grid", "d"), [((3, 4), 3), ((10, 10), 5), ((2, 9), 8), ((1, 5), 2)])
def test_online_rule_is_that_of_plain_numpy(grid, d, distance):
    rng = np.random.default_rng(1)
    X = rng.normal(0, 2, (500, d)).astype(np.float32)
    codes = X[: grid[0] * grid[1]].copy()
    order = rng.integers(0, len(X), 3000, np.int32)
    radius = float(np.quantile(som.grid_distance(grid), 0.67))
    expected = plain_online(X, order, codes, grid, radius, distance)
    # to the bit: no sum is reordered and no product is fused, so other processors give the same
    for pieces in (1, 7):
        trained = som.online(X, np.array_split(order, pieces), len(order), plain(codes, distance), grid)
        assert np.array_equal(trained.codes, expected)


def test_steps_are_the_same_however_many_are_drawn_at_a_time(monkeypatch):
    X = np.random.default_rng(1).normal(size=(3001, 4)).astype(np.float32)
    trained = []
    for at_once in (1_000_000, 777, 128):
        monkeypatch.setattr(som, "STEPS_AT_ONCE", at_once)
        trained.append(cluster.FlowSOM((4, 4), n_metaclusters=3, max_steps=5001).fit(X).codes_)
    assert np.array_equal(trained[0], trained[1])
    assert np.array_equal(trained[0], trained[2])


def test_the_first_radius_is_the_quantile_of_the_distances_on_the_grid():
    assert som.first_radius(som.grid_distance((10, 10))) == 6
    for rows in range(1, 30):
        for columns in range(2, 30):
            distance = som.grid_distance((rows, columns))
            assert som.first_radius(distance) == np.quantile(distance, 0.67)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 11),
    nodes=st.integers(2, 40),
    seed=st.integers(0, 2**32 - 1),
    distance=st.sampled_from(som.DISTANCES),
)
def test_nearest_code_is_the_nearest(n, d, nodes, seed, distance):
    rng = np.random.default_rng(seed)
    X = rng.normal(0, 3, (n, d)).astype(np.float32)
    codes = rng.normal(0, 3, (nodes, d)).astype(np.float32)
    found, distances = som.assign(array_part(X), plain(codes, distance), [str(i) for i in range(d)], HERE)
    exact = cdist(X.astype(float), codes.astype(float), "cityblock" if distance == "manhattan" else distance)
    np.testing.assert_allclose(distances, exact.min(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(exact[np.arange(n), found], exact.min(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nodes", [2, 15, 16, 17, 31, 32, 33])
def test_lanes_without_a_node_never_win(nodes):
    codes = np.full((nodes, 3), 5.0, np.float32)
    for distance in som.DISTANCES:
        found, _ = som.assign(array_part(np.zeros((4, 3))), plain(codes, distance), list("abc"), HERE)
        assert found.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("distance", som.DISTANCES)
def test_of_equally_near_codes_the_first_wins(distance):
    codes = np.ones((40, 3), np.float32)
    nodes, distances = som.assign(array_part(np.ones((4, 3))), plain(codes, distance), ["a", "b", "c"], HERE)
    assert nodes.tolist() == [0, 0, 0, 0]
    assert distances.tolist() == pytest.approx([0, 0, 0, 0], abs=1e-6)


def test_cosine_of_events_and_codes_without_length_is_zero():
    codes = np.array([[-1, 0], [0, 0], [0, -2]], np.float32)
    nodes, distances = som.assign(array_part([[1, 1], [0, 0], [-3, 0]]), plain(codes, "cosine"), ["a", "b"], HERE)
    assert nodes.tolist() == [1, 0, 0]
    assert distances.tolist() == pytest.approx([1, 1, 0], abs=1e-6)


def test_scaling_in_the_kernel_is_the_scaling():
    rng = np.random.default_rng(2)
    X = rng.normal(5, 2, (1000, 6)).astype(np.float32)
    codes = rng.normal(0, 1, (30, 6)).astype(np.float32)
    scaling = Scaling(X.mean(axis=0).astype(float), X.std(axis=0).astype(float))
    names = list("abcdef")
    inside = som.assign(array_part(X), Codebook(codes, scaling), names, HERE)
    before = som.assign(array_part(scaling.apply(X)), plain(codes), names, HERE)
    assert np.array_equal(inside[0], before[0])
    assert np.array_equal(inside[1], before[1])


def test_codes_come_back_from_their_tiles():
    codes = np.random.default_rng(3).normal(size=(37, 5)).astype(np.float32)
    tiled = som.tile(codes)
    assert tiled.shape == (10, 2, 16)
    assert tiled.ctypes.data % 64 == 0
    assert tiled[4, 1, 8] == codes[18, 4]
    assert np.array_equal(som.untile(tiled, 37, 5), codes)


def test_node_sums_are_the_sums_of_the_nodes_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    X = rng.normal(0, 1, (600_000, 3)).astype(np.float32)
    book = plain(rng.normal(0, 1, (25, 3)).astype(np.float32))
    sums, counts = som.node_sums([array_part(X)], book, HERE)
    nodes, _ = som.assign(array_part(X), book, list("abc"), HERE)
    assert np.array_equal(counts, np.bincount(nodes, minlength=25))
    expected = np.array([X[nodes == k].sum(axis=0, dtype=np.float64) for k in range(25)])
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-9)
    threaded = som.node_sums([array_part(X)], book, Execution(3))
    assert np.array_equal(sums, threaded[0])


def test_a_lloyd_epoch_is_a_step_of_k_means():
    rng = np.random.default_rng(4)
    X = rng.normal(0, 1, (2000, 4)).astype(np.float32)
    book = plain(X[:9].copy())
    moved = som.batch_epoch([array_part(X)], book, (3, 3), 0.0, HERE)
    nodes, _ = som.assign(array_part(X), book, list("abcd"), HERE)
    expected = np.array([X[nodes == k].mean(axis=0, dtype=np.float64) for k in range(9)])
    np.testing.assert_allclose(moved.codes, expected, rtol=1e-6)


def test_a_batch_epoch_weights_by_the_distance_on_the_grid():
    rng = np.random.default_rng(5)
    X = rng.normal(0, 1, (2000, 4)).astype(np.float32)
    book = plain(X[:12].copy())
    moved = som.batch_epoch([array_part(X)], book, (3, 4), 1.3, HERE)
    sums, counts = som.node_sums([array_part(X)], book, HERE)
    weight = np.exp(-(som.grid_distance((3, 4)) ** 2) / (2 * 1.3**2))
    np.testing.assert_allclose(moved.codes, weight @ sums / (weight @ counts)[:, None], rtol=1e-5, atol=1e-6)


MODELS = """
import hashlib, sys
import numpy as np
from immport_cyto.cluster import FlowSOM
X = (np.random.default_rng(0).integers(0, 64, (6000, 9)) ** 2 / 512).astype(np.float32)
for engine, distance in [("online", "euclidean"), ("batch", "euclidean"), ("online", "cosine")]:
    model = FlowSOM((6, 6), engine=engine, distance=distance, scale="zscore", max_steps=20_000).fit(X)
    model.save(sys.argv[1])
    content = open(sys.argv[1], "rb").read() + model.labels_.astype("<i4").tobytes()
    print(hashlib.sha256(content).hexdigest()[:16])
"""


def digests(folder: Path, processor: str) -> list[str]:
    """Digests of models and labels from a fresh process, compiled for a processor."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / f"cache-{processor}")}
    if processor:
        environment |= {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", MODELS, str(folder / "m.npz")], capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_same_bytes_on_every_machine(tmp_path: Path):
    """Stated values: other machines, Python and library versions have to give them too."""
    assert digests(tmp_path, "") == DIGESTS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="name of an x86 processor")
def test_a_processor_with_short_vectors_and_without_fused_products_gives_the_same_bytes(tmp_path: Path):
    assert digests(tmp_path, "x86-64") == DIGESTS
