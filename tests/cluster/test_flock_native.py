"""FLOCK's kernels: the same values as numpy, and no numba once they are compiled."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.cluster.flock import native

FIT = """
import json, sys
import numpy as np
from immport_cyto.cluster import FLOCK
rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(m, 0.5, (400, 3)) for m in (0, 3, 6)]).astype(np.float32)
found = []
for version in (1, 2):
    model = FLOCK(version).fit(X)
    moved = model.adjust(X + 0.2).labels
    found.append([model.labels_.tolist(), model.predict(X).tolist(), moved.tolist()])
print(json.dumps([found, [name for name in ("numba", "scipy", "pandas") if name in sys.modules]]))
"""


def fit(folder):
    done = subprocess.run(
        [sys.executable, "-c", FIT], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_only_the_first_run_on_a_machine_needs_numba(tmp_path):
    found, imported = fit(tmp_path)
    assert "numba" in imported
    assert {path.name.rpartition("-")[0] for path in tmp_path.glob("*.o")} >= {
        "flock_fill_bins", "flock_flood", "flock_near_energy", "flock_assign_float64", "flock_moments_float32",
    }  # fmt: skip
    assert fit(tmp_path) == [found, []]
    for labels, again, _ in found:
        assert labels == again


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(1, 70), st.integers(-60, 60))
def test_the_mean_distance_of_the_nearest(values, k, place):
    points = np.array(values, float)[:, None]
    found = native.near_energy(points, len(points), np.array([float(place)]), k, np.empty(len(points)))
    nearest = np.sort((points[:, 0] - place) ** 2)[:k]
    assert found == nearest.sum() / len(nearest)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_events_of_both_types(kind):
    X = np.random.default_rng(1).normal(size=(500, 3)).astype(kind)
    centres = X[:7].astype(np.float64)
    labels = np.empty(len(X), np.int32)
    native.assign(X, np.ascontiguousarray(centres.T), labels, np.empty(7))
    assert np.array_equal(labels, ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1))
    sums, counts = np.zeros((7, 3)), np.zeros(7, np.int64)
    native.add_up(X, labels, sums, counts)
    assert counts.tolist() == np.bincount(labels, minlength=7).tolist()
    assert sums[2] == pytest.approx(X[labels == 2].sum(axis=0, dtype=np.float64))
    mean, squares, low, high = np.zeros(3), np.zeros(3), np.full(3, np.inf), np.full(3, -np.inf)
    native.moments(X, mean, squares, low, high)
    assert squares == pytest.approx(X.var(axis=0, dtype=np.float64) * len(X))
    assert np.array_equal(low, X.min(axis=0))
    assert np.array_equal(high, X.max(axis=0))
    with pytest.raises(TypeError, match="assign: int32 with 1 dimensions is expected, not int64"):
        native.assign(X, np.ascontiguousarray(centres.T), labels.astype(np.int64), np.empty(7))
