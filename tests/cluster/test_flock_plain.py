"""FLOCK against a plain statement of its steps, on random events."""

import os

import numpy as np
import pytest

from immport_cyto.cluster import FLOCK
from immport_cyto.exceptions import AnalysisError
from support.flock_plain import EmptyPartError, plain_flock

SEEDS = range(int(os.environ.get("IMMPORT_CYTO_FLOCK_SEEDS", "12")))
KINDS = {
    "integers": lambda X: np.floor(X * 60),
    "rounded": lambda X: np.round(X, 1),
    "any": lambda X: X,
    "cut at the ends of the scale": lambda X: np.clip(np.floor(X * 200), 0, 1023),
    "negative": lambda X: np.round(X, 2) - 20,
    "two columns alike": lambda X: np.column_stack([X, X[:, 0]]),
    "large numbers": lambda X: np.floor(X * 1e5) + 1e6,
    "few values": lambda X: np.round(X[:, :4] * 2),
}


def mixture(seed, d=None):
    """A few populations of any size in 2 to 6 markers."""
    rng = np.random.default_rng(seed)
    own, n, k = int(rng.integers(2, 7)), int(rng.integers(500, 3000)), int(rng.integers(2, 10))
    d = d or own
    centres = rng.choice([0.0, 1.5, 3.0, 5.0], (k, d))
    return centres[rng.choice(k, n, p=rng.dirichlet(np.ones(k)))] + rng.normal(0, rng.uniform(0.2, 0.8), (n, d))


def check(X, version, **options):
    """The labels are those of the plain statement, and mapping the events again gives them."""
    model = FLOCK(version, bins=options.get("wanted"), density=options.pop("density", None),
                  max_populations=options.get("most")).fit(X)  # fmt: skip
    try:
        expected = plain_flock(X, version, model.found_.density, **options)
    except EmptyPartError:
        assert model.counts_.min() > 0
    else:
        assert np.array_equal(model.labels_, expected)
    assert np.array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_populations_as_the_plain_statement(seed, version):
    check(list(KINDS.values())[seed % len(KINDS)](mixture(seed)), version)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_populations_with_given_parameters(seed, version):
    rng = np.random.default_rng([seed, 1])
    options = {"density": int(rng.integers(1, 12))}
    if seed % 2:
        options["wanted"] = int(rng.integers(6, 20))
    if version == 1 and seed % 3:
        options["most"] = int(rng.integers(5, 40))
    try:
        check(np.floor(mixture(seed) * 100), version, **options)
    except AnalysisError as error:
        assert "is too high" in str(error) or "too few for" in str(error)  # noqa: PT017


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("d", [8, 14])
def test_same_populations_in_many_markers(d, version):
    """Two markers with populations; of the others nearly all events are at the lower end, as in real panels."""
    rng = np.random.default_rng(d)
    X = mixture(3, 2)[:1500]
    rare = np.where(rng.random((len(X), d - 2)) < 0.02, rng.integers(100, 900, (len(X), d - 2)), 0)
    check(np.column_stack([np.floor(X * 100), rare]), version)
