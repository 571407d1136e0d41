"""Events in the plane: neighbours stay neighbours, and the same points come again."""

import re
import sys
from types import SimpleNamespace

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


def test_iterations_of_tsne_are_counted_and_change_nothing(groups, capsys):
    points = embed(groups[0])
    assert capsys.readouterr() == ("", "")
    assert np.array_equal(points, embed(groups[0], quiet=False))
    out, err = capsys.readouterr()
    assert out == ""  # what scikit-learn prints is not ours
    first, *_, last = err.splitlines()
    assert first == "t-SNE iterations: 0/1000"
    done = re.fullmatch(r"t-SNE iterations: (\d+)/(\d+) in \d+\.\d s", last)
    assert done
    assert done[1] == done[2]  # it may end before 1000
    assert int(done[1]) >= 250
    assert int(done[1]) % 50 == 0


class Umap:
    """Tells its epochs as umap-learn does by tqdm, and gives its start."""

    def __init__(self, *, init, n_epochs, tqdm_kwds, **others):
        self.init, self.n_epochs, self.told = init, n_epochs, tqdm_kwds

    def fit_transform(self, _):
        for number in range(self.n_epochs + 1) if self.told else ():
            text = self.told["bar_format"].format(n=number, total=self.n_epochs)
            self.told["file"].write(f"\r{text}  ")
        return self.init


@pytest.mark.parametrize(("n", "epochs"), [(180, 500), (10_001, 200)])
def test_epochs_of_umap_are_counted(groups, monkeypatch, capsys, n, epochs):
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    values = np.resize(groups[0], (n, 5))
    embed(values, "umap")
    assert capsys.readouterr() == ("", "")
    embed(values, "umap", quiet=False)
    first, last = capsys.readouterr().err.splitlines()
    assert first == f"UMAP epochs: 0/{epochs}"
    assert last.startswith(f"UMAP epochs: {epochs}/{epochs} in ")


def test_umap_itself_tells_its_epochs(groups, capsys):
    pytest.importorskip("umap", reason="the extra umap is not installed")
    points = embed(groups[0], "umap")
    capsys.readouterr()
    assert np.array_equal(points, embed(groups[0], "umap", quiet=False))
    assert "UMAP epochs: 500/500 in " in capsys.readouterr().err
