"""FLOCK against a plain statement of its steps, on random events."""

import os

import numpy as np
import pytest

from immport_cyto.cluster import FLOCK
from support.flock_plain import EmptyPartError, plain_flock

SEEDS = range(int(os.environ.get("IMMPORT_CYTO_FLOCK_SEEDS", "12")))


def mixture(seed):
    """A few populations of any size in 2 to 6 markers; in two of three cases with many equal values."""
    rng = np.random.default_rng(seed)
    d, n, k = int(rng.integers(2, 7)), int(rng.integers(500, 3000)), int(rng.integers(2, 10))
    centres = rng.choice([0.0, 1.5, 3.0, 5.0], (k, d))
    X = centres[rng.choice(k, n, p=rng.dirichlet(np.ones(k)))] + rng.normal(0, rng.uniform(0.2, 0.8), (n, d))
    return (np.floor(X * 60), np.round(X, 1), X)[seed % 3]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_populations_as_the_plain_statement(seed, version):
    X = mixture(seed)
    model = FLOCK(version).fit(X)
    try:
        expected = plain_flock(X, version, model.found_.density)
    except EmptyPartError:
        assert model.counts_.min() > 0
    else:
        assert np.array_equal(model.labels_, expected)
    assert np.array_equal(model.predict(X), model.labels_)
