"""Events in the plane: neighbours stay neighbours, and the same points come again."""

import sys

import numpy as np
import pytest

from immport_cyto.cluster.embedding import embed
from immport_cyto.exceptions import AnalysisError, MissingExtraError, OptionError


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(3)
    kind = np.repeat([0, 1, 2], 60)
    return np.eye(5)[kind] * 6 + rng.normal(scale=0.4, size=(180, 5)), kind


def test_groups_stay_apart_and_points_repeat_with_any_number_of_threads(groups, monkeypatch):
    values, kind = groups
    points = embed(values, "tsne", 5)
    assert points.shape == (180, 2)
    near = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(near, np.inf)
    assert (kind[near.argmin(axis=1)] == kind).mean() == 1.0
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert np.array_equal(points, embed(values.astype(np.float32), "tsne", 5))


def test_fewer_events_lower_the_perplexity_that_is_not_asked_for(groups):
    values, _ = groups
    assert np.isfinite(embed(values[:30])).all()
    with pytest.raises(OptionError, match=r"^30 neighbours are too many for 30 events; give at most 9$"):
        embed(values[:30], neighbours=30)


@pytest.mark.parametrize(
    ("values", "method", "error", "message"),
    [
        (np.zeros((5, 3)), "tsne", AnalysisError, "5 events are too few"),
        (np.ones((50, 3)), "tsne", AnalysisError, "all events are equal"),
        (np.ones((50, 3)), "pca", OptionError, "embedding 'pca' is not known"),
    ],
)
def test_what_cannot_be_embedded(values, method, error, message):
    with pytest.raises(error, match=message):
        embed(values, method)


def test_umap_is_an_extra(groups, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'immport-cyto\[umap\]'"):
        embed(groups[0], "umap")
