"""FLOCK models on disk: the same populations again, the same bytes, hostile files refused."""

import json
import zipfile

import numpy as np
import pytest

from immport_cyto import cluster
from immport_cyto.cluster import FLOCK, flock, npz
from immport_cyto.cluster.flock import storage
from immport_cyto.cluster.scale import UNKNOWN
from immport_cyto.exceptions import ModelError
from support.cluster_events import blobs
from support.old_models import as_version


@pytest.fixture(scope="module")
def trained():
    """A model with clusters that were split, and its events."""
    X, _ = blobs([[0, 0, 0], [4, 4, 0], [4, 0, 4], [8, 8, 1]], [900, 700, 500, 300], seed=1, sd=0.6)
    model = FLOCK().fit(X, markers=["CD3", "CD4", "β"])
    assert model.rule_.splits
    model.study_accession, model.panel_id = "SDY1", "flow-3m-x"
    return model, X


@pytest.mark.parametrize("version", [1, 2])
def test_a_loaded_model_is_the_saved_one(trained, tmp_path, version):
    X = trained[1]
    model = trained[0] if version == 2 else FLOCK(1).fit(X)
    model.save(tmp_path / "m.npz")
    again = flock.load(tmp_path / "m.npz")
    assert np.array_equal(again.predict(X), model.labels_)
    for name in ("centers_", "counts_", "profile_", "percentages_"):
        assert np.array_equal(getattr(again, name), getattr(model, name)), name
    for name in ("markers", "training", "study_accession", "panel_id", "warnings_", "found_", "n_populations_"):
        assert getattr(again, name) == getattr(model, name), name
    assert again.get_params() == model.get_params()
    again.save(tmp_path / "n.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()


def rewritten(path, target, changes):
    """A model file with some of its entries changed, its check sums right."""
    with zipfile.ZipFile(path) as archive:
        arrays = {name: np.load(archive.open(f"{name}.npy")) for name in ("meta", *storage._ARRAYS)}
    meta = json.loads(arrays.pop("meta").tobytes())
    for name, change in changes.items():
        if name in storage._ARRAYS:
            arrays[name] = change(arrays[name].copy())
        else:
            meta[name] = change
    npz.write(target, meta, arrays, storage._ARRAYS)
    return target


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": put(0, np.nan)},
        {"sd": put(0, 0.0)},
        {"centres": lambda a: a[:, :2]},
        {"centres": lambda a: a[:0]},
        {"split_cluster": put(0, 10_000)},
        {"split_cluster": put(0, -1)},
        {"split_columns": put((0, 0), 3)},
        {"split_extent": put((0, 0), 0.0)},
        {"population": put(0, 99)},
        {"population": put(0, -1)},
        {"counts": put(0, -5)},
        {"intervals": put((0, 0, 0), -5)},
        {"intervals": lambda a: a + 1},
        {"intervals": lambda a: a[..., :3]},
        {"parameters": {"center": "mode"}},
        {"markers": ["CD3", "CD3", "CD4"]},
        {"markers": ["CD3"]},
        {"markers": "CD3"},
        {"training": [["a"]]},
        {"parameters": {"version": 7}},
        {"parameters": {"grid": [1, 2]}},
        {"found": {"bins": 3}},
        {"version": 0},
        {"version": "1"},
        {"format": "immport-cyto/other"},
        {"scale": {"transforms": {"CD3": ["linear"]}, "compensation": []}},
        {"scale": {"transforms": {}, "compensation": [1]}},
        {"scale": None},
    ],
)
def test_a_changed_model_is_refused(trained, tmp_path, changes):
    trained[0].save(tmp_path / "m.npz")
    bad = rewritten(tmp_path / "m.npz", tmp_path / "bad.npz", changes)
    with pytest.raises(ModelError, match=r"bad.npz: not a usable FLOCK model \(.+\); write it again with 'cluster flo"):
        flock.load(bad)


def test_newer_missing_truncated_and_foreign_models(trained, tmp_path):
    trained[0].save(tmp_path / "m.npz")
    newer = rewritten(tmp_path / "m.npz", tmp_path / "newer.npz", {"version": 4})
    with pytest.raises(ModelError, match=r"newer.npz: the model has format version 4, .* reads up to 3; update"):
        flock.load(newer)
    with pytest.raises(ModelError, match=r"none.npz: no such model file; check the path"):
        flock.load(tmp_path / "none.npz")
    whole = (tmp_path / "m.npz").read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cut.npz: not a usable FLOCK model"):
            flock.load(tmp_path / "cut.npz")
    with pytest.raises(ModelError, match=r"m.npz: is a model of FLOCK, not of FlowSOM; use it with 'cluster flock"):
        cluster.load(tmp_path / "m.npz")


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_read(trained, tmp_path, version):
    model, X = trained
    model.save(tmp_path / "m.npz")
    old = flock.load(as_version(tmp_path / "m.npz", tmp_path / "old.npz", version))
    assert old.warnings_ == [*model.warnings_, *([UNKNOWN] if version == 1 else []), storage.PROFILES_ONLY]
    assert old.center == "mean"
    assert np.array_equal(old.profile_, model.profile_)
    assert np.array_equal(old.predict(X), model.labels_)
    old.save(tmp_path / "new.npz")
    again = flock.load(tmp_path / "new.npz")
    assert again.warnings_ == old.warnings_
    assert np.array_equal(again.profile_, model.profile_)


@pytest.mark.parametrize("change", [put((0, 0), 5), put((0, 0), 0), lambda a: a[:, :2], lambda a: a[:1]])
def test_a_changed_model_of_an_older_version_is_refused(trained, tmp_path, change):
    trained[0].save(tmp_path / "m.npz")
    old = as_version(tmp_path / "m.npz", tmp_path / "old.npz", 2)
    with zipfile.ZipFile(old) as archive:
        arrays = {name.removesuffix(".npy"): np.load(archive.open(name)) for name in archive.namelist()}
    meta = json.loads(arrays.pop("meta").tobytes())
    arrays["profile"] = change(arrays["profile"])
    npz.write(tmp_path / "bad.npz", meta, arrays, storage._types(2))
    with pytest.raises(ModelError, match="bad.npz: not a usable FLOCK model"):
        flock.load(tmp_path / "bad.npz")
