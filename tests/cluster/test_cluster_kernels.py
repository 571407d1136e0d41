"""The compiled kernels against the same rules in plain numpy."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.cluster import som
from immport_cyto.cluster.som import Scaling
from immport_cyto.cluster.source import array_part


def none(d: int) -> Scaling:
    return Scaling(np.zeros(d), np.ones(d))


def plain_online(X, order, codes, grid, radius):
    """The online rule as it is written down, in float32 with the markers added four by four."""
    n, d = codes.shape
    X = np.pad(X, [(0, 0), (0, -d % 4)])
    codes = np.pad(codes, [(0, 0), (0, -d % 4)])
    distance = som.grid_distance(grid)
    for t, i in enumerate(order):
        squares = (X[i] - codes) ** 2
        total = np.zeros(n, np.float32)
        for four in range(0, squares.shape[1], 4):
            a, b, c, e = squares[:, four : four + 4].T
            total += (a + b) + (c + e)
        reach = radius * (1 - t / len(order))
        if reach < 1:
            reach = 0.5
        rate = np.float32(0.05 - (0.05 - 0.01) * (t / len(order)))
        near = distance[np.argmin(total)] <= reach
        codes[near] += rate * (X[i] - codes[near])
    return codes[:, :d]


@pytest.mark.parametrize(("grid", "d"), [((3, 4), 3), ((10, 10), 5), ((2, 9), 8), ((1, 5), 2)])
def test_online_rule_is_that_of_plain_numpy(grid, d):
    rng = np.random.default_rng(1)
    X = rng.normal(0, 2, (500, d)).astype(np.float32)
    codes = X[: grid[0] * grid[1]].copy()
    order = rng.integers(0, len(X), 3000)
    radius = float(np.quantile(som.grid_distance(grid), 0.67))
    expected = plain_online(X, order, codes, grid, radius)
    # to the bit: no sum is reordered and no product is fused, so other processors give the same
    assert np.array_equal(som.online(X, order, none(d), codes, grid), expected)


def test_radius_of_the_usual_grid_is_six():
    assert np.quantile(som.grid_distance((10, 10)), 0.67) == 6


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 11),
    nodes=st.integers(2, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_nearest_code_is_the_nearest(n, d, nodes, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(0, 3, (n, d)).astype(np.float32)
    codes = rng.normal(0, 3, (nodes, d)).astype(np.float32)
    found, distances = som.assign(array_part(X), none(d), codes, [str(i) for i in range(d)])
    exact = np.sqrt(((X[:, None].astype(float) - codes) ** 2).sum(axis=2))
    np.testing.assert_allclose(distances, exact.min(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(exact[np.arange(n), found], exact.min(axis=1), rtol=1e-5, atol=1e-6)


def test_of_equally_near_codes_the_first_wins():
    codes = np.ones((20, 3), np.float32)
    nodes, distances = som.assign(array_part(np.ones((4, 3))), none(3), codes, ["a", "b", "c"])
    assert nodes.tolist() == [0, 0, 0, 0]
    assert distances.tolist() == [0, 0, 0, 0]


def test_scaling_in_the_kernel_is_the_scaling():
    rng = np.random.default_rng(2)
    X = rng.normal(5, 2, (1000, 6)).astype(np.float32)
    codes = rng.normal(0, 1, (30, 6)).astype(np.float32)
    scaling = Scaling(X.mean(axis=0).astype(float), X.std(axis=0).astype(float))
    names = list("abcdef")
    inside = som.assign(array_part(X), scaling, codes, names)
    before = som.assign(array_part(scaling.apply(X)), none(6), codes, names)
    assert np.array_equal(inside[0], before[0])
    assert np.array_equal(inside[1], before[1])


def test_node_sums_are_the_sums_of_the_nodes_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    X = rng.normal(0, 1, (150_000, 3)).astype(np.float32)
    codes = rng.normal(0, 1, (25, 3)).astype(np.float32)
    sums, counts = som.node_sums([array_part(X)], none(3), codes)
    nodes, _ = som.assign(array_part(X), none(3), codes, list("abc"))
    assert np.array_equal(counts, np.bincount(nodes, minlength=25))
    expected = np.array([X[nodes == k].sum(axis=0, dtype=np.float64) for k in range(25)])
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-9)
    threaded = som.node_sums([array_part(X)], none(3), codes, jobs=3)
    assert np.array_equal(sums, threaded[0])


def test_a_lloyd_epoch_is_a_step_of_k_means(monkeypatch):
    rng = np.random.default_rng(4)
    X = rng.normal(0, 1, (2000, 4)).astype(np.float32)
    codes = X[:9].copy()
    monkeypatch.setattr(som, "BATCH_RADII", (0.0,))
    moved = som.batch([array_part(X)], none(4), codes, (3, 3))
    nodes, _ = som.assign(array_part(X), none(4), codes, list("abcd"))
    expected = np.array([X[nodes == k].mean(axis=0, dtype=np.float64) for k in range(9)])
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_kernels_compile_where_no_cache_folder_can_be_written(tmp_path: Path):
    """Neither the package's folder nor the home can be written: a private folder is used and then holds the cache."""
    script = textwrap.dedent("""
        import numba
        from numba.core import caching
        kept = [c for c in caching.CacheImpl._locator_classes if "UserProvided" in c.__name__]
        assert len(kept) == 1
        caching.CacheImpl._locator_classes = kept
        import numpy as np
        from immport_cyto.cluster import FlowSOM
        X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
        model = FlowSOM((2, 2), n_metaclusters=2).fit(X)
        assert model.node_counts_.sum() == 200
        print(numba.config.CACHE_DIR)
    """)
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": "/proc/nowhere"}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert any(folder.rglob("kernels.train_online*.nbi"))


def test_a_cache_folder_of_someone_else_is_not_used(tmp_path, monkeypatch):
    from immport_cyto.cluster import _jit

    monkeypatch.setattr(_jit.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"immport-cyto-numba-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert _jit._private_folder() is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert _jit._private_folder() is None
