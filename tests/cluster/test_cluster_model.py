"""The estimator: known populations, determinism, bad input; models on disk."""

import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score

from immport_cyto import cluster
from immport_cyto.cluster import FlowSOM
from immport_cyto.exceptions import AnalysisError, MissingExtraError, ModelError, OptionError
from support.cluster_events import T_CELLS, blobs


@pytest.fixture(scope="module")
def events():
    return blobs(T_CELLS, [4000, 2500, 1500, 200], seed=1)


@pytest.fixture
def model(events):
    return FlowSOM((6, 6), n_metaclusters=4, max_steps=20_000).fit(events[0], markers=["CD3", "CD4", "CD8", "CD19"])


@pytest.mark.parametrize("engine", ["online", "batch", "minisom"])
@pytest.mark.parametrize("scale", ["none", "zscore"])
def test_separate_populations_are_found(events, engine, scale):
    X, y = events
    model = FlowSOM((7, 7), n_metaclusters=4, engine=engine, scale=scale, max_steps=40_000).fit(X)
    found = model.metaclusters_[model.labels_]
    assert adjusted_rand_score(y, found) > 0.999
    # 1 is the largest, and so on
    assert [int(np.median(y[found == k])) for k in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert model.node_counts_.sum() == len(X)


@pytest.mark.parametrize("distance", ["manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("engine", ["online", "batch", "minisom"])
def test_separate_populations_are_found_by_other_distances(events, engine, distance):
    X, y = events
    X, y = X[y != 3] + 0.5, y[y != 3]  # the last has no direction, so no cosine
    model = FlowSOM((6, 6), n_metaclusters=3, engine=engine, distance=distance, max_steps=40_000).fit(X)
    assert adjusted_rand_score(y, model.metaclusters_[model.labels_]) > 0.999
    metric = "cityblock" if distance == "manhattan" else distance
    apart = cdist(X.astype(float), model.codes_.astype(float), metric)
    assert model.quantization_error_ == pytest.approx(apart.min(axis=1).mean(), rel=1e-4)
    assert (model.labels_ == apart.argmin(axis=1)).mean() > 0.999


@pytest.mark.parametrize("choice", ["auto", "delta-area"])
def test_the_number_of_metaclusters_is_found(choice):
    X, y = blobs(np.eye(6) * 5, [900, 800, 700, 600, 500, 400], seed=2)
    model = FlowSOM(n_metaclusters=choice).fit(X)
    assert model.n_metaclusters_ == 6
    assert len(model.explained_variance_) == len(model.consensus_area_) == 20
    assert adjusted_rand_score(y, model.metaclusters_[model.labels_]) > 0.999


def test_quantization_error_is_the_mean_distance_to_the_code(model, events):
    expected = np.linalg.norm(events[0] - model.codes_[model.labels_], axis=1).mean()
    assert model.quantization_error_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ["online", "batch"])
@pytest.mark.parametrize("scale", ["none", "zscore"])
def test_threads_change_no_bit(engine, scale, tmp_path):
    X = np.random.default_rng(3).normal(2, 1, (600_000, 3)).astype(np.float32)
    models = [FlowSOM((5, 5), engine=engine, scale=scale, max_steps=50_000, n_jobs=jobs).fit(X) for jobs in (1, 2)]
    assert np.array_equal(models[0].codes_, models[1].codes_)
    assert np.array_equal(models[0].labels_, models[1].labels_)
    for number, one in enumerate(models):
        one.save(tmp_path / f"{number}.npz")
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()


def test_the_seed_decides(events):
    X = events[0]
    one, same, other = (FlowSOM((4, 4), seed=seed, max_steps=5000, n_metaclusters=4).fit(X) for seed in (1, 1, 2))
    assert np.array_equal(one.codes_, same.codes_)
    assert not np.array_equal(one.codes_, other.codes_)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(4, 300), d=st.integers(2, 9), seed=st.integers(0, 1000), k=st.integers(1, 4),
    scale=st.sampled_from(["none", "zscore"]), engine=st.sampled_from(["online", "batch"]),
    distance=st.sampled_from(["euclidean", "manhattan", "chebyshev", "cosine"]),
)  # fmt: skip
def test_what_always_holds(n, d, seed, k, scale, engine, distance):
    X = np.random.default_rng(seed).gamma(1, 2, (n, d)).astype(np.float32)
    model = FlowSOM((2, 2), n_metaclusters=k, seed=seed, scale=scale, engine=engine, distance=distance).fit(X)
    assert np.array_equal(model.predict(X), model.labels_)
    assert np.array_equal(model.node_counts_, np.bincount(model.labels_, minlength=4))
    assert sorted(set(model.metaclusters_.tolist())) == list(range(1, k + 1))
    sizes = [int(model.node_counts_[model.metaclusters_ == i].sum()) for i in range(1, k + 1)]
    assert sizes == sorted(sizes, reverse=True)
    low, high = model.scaling_.apply(X).min(axis=0), model.scaling_.apply(X).max(axis=0)
    assert (model.codes_ >= low - 1e-4).all()
    assert (model.codes_ <= high + 1e-4).all()


def test_z_scores_take_away_the_unit(events):
    X = events[0]
    stretched = X * np.array([1, 1000, 1, 0.01], np.float32)
    plain, scaled = (FlowSOM((5, 5), n_metaclusters=4, scale="zscore").fit(v) for v in (X, stretched))
    assert adjusted_rand_score(plain.metaclusters_[plain.labels_], scaled.metaclusters_[scaled.labels_]) > 0.999


def test_no_work_in_the_constructor():
    odd = FlowSOM((0, 0), engine="none", n_metaclusters=-1)
    assert odd.grid == (0, 0)
    with pytest.raises(ModelError, match="not trained; call fit first"):
        odd.predict(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"n_metaclusters": 10},
            "n_metaclusters is 10; give 'auto', 'delta-area' or a number from 1 to the 9 nodes of the grid",
        ),
        ({"n_metaclusters": 0}, "n_metaclusters is 0; give 'auto'"),
        ({"grid": (1, 1)}, r"grid is \(1, 1\); give rows and columns with 2 to 10000 nodes, such as 10x10"),
        ({"grid": 9}, "grid is 9; give rows and columns"),
        ({"grid": (101, 100)}, "2 to 10000 nodes"),
        ({"rlen": 0}, "rlen is 0; give a whole number from 1 on"),
        ({"seed": -1}, "seed is -1; give a whole number from 0 on"),
        ({"engine": "gpu"}, "engine is 'gpu'; choose one of online, batch, minisom"),
        ({"distance": "hamming"}, "distance is 'hamming'; choose one of euclidean, manhattan, chebyshev, cosine"),
        ({"n_metaclusters": "many"}, "n_metaclusters is 'many'; give 'auto', 'delta-area' or a number"),
        ({"scale": "max"}, "scale is 'max'; choose one of none, zscore"),
    ],
)
def test_options_that_make_no_sense(events, options, message):
    with pytest.raises(OptionError, match=message):
        FlowSOM(**{"grid": (3, 3), "n_metaclusters": 2, **options}).fit(events[0])


def test_events_that_cannot_be_clustered(events):
    som = FlowSOM((3, 3), n_metaclusters=2)
    X = events[0].copy()
    X[41, 2] = np.nan
    with pytest.raises(AnalysisError, match=r"^marker CD8 is nan in event 42; remove such events first"):
        som.fit(X, markers=["CD3", "CD4", "CD8", "CD19"])
    X[41, 2] = -np.inf
    with pytest.raises(AnalysisError, match=r"marker 3 is -inf in event 42"):
        som.fit(X)
    X[41, 2] = 2e9
    with pytest.raises(AnalysisError, match=r"marker 3 reaches 2e\+09, which is too large to cluster"):
        som.fit(X)
    with pytest.raises(AnalysisError, match="8 events for 9 nodes"):
        som.fit(X[:8])
    with pytest.raises(AnalysisError, match="at least two markers, got marker 1"):
        som.fit(X[:, :1])
    with pytest.raises(AnalysisError, match="1 dimension"):
        som.fit(X[:, 0])
    with pytest.raises(AnalysisError, match="not a matrix of numbers"):
        som.fit([["a", "b"]])
    with pytest.raises(OptionError, match="3 marker names for 4 columns"):
        som.fit(X, markers=["a", "b", "c"])
    with pytest.raises(OptionError, match="marker a is named twice"):
        som.fit(X, markers=["a", "b", "c", "a"])
    with pytest.raises(AnalysisError, match="all markers have the same value"):
        som.fit(np.ones((20, 3)))


def test_a_constant_marker_is_kept_and_reported(events):
    X, y = events
    with_constant = np.column_stack([X, np.full(len(X), 7.25, np.float32)])
    model = FlowSOM((6, 6), n_metaclusters=4, scale="zscore", max_steps=20_000).fit(with_constant)
    assert model.warnings_ == ["marker marker 5 has the same value in all events and does not influence the clusters"]
    assert (model.codes_[:, 4] == 0).all()
    assert adjusted_rand_score(y, model.metaclusters_[model.labels_]) > 0.999


def test_predict_checks_what_it_gets(model, events):
    with pytest.raises(AnalysisError, match="3 columns for a model of 4 markers; give CD3, CD4, CD8, CD19"):
        model.predict(events[0][:, :3])
    X = events[0][:5].copy()
    X[3, 1] = np.inf
    with pytest.raises(AnalysisError, match="marker CD4 is inf in event 4"):
        model.predict(X)
    assert model.predict(np.empty((0, 4))).shape == (0,)


def test_minisom_that_is_not_installed_is_named(events, monkeypatch):
    monkeypatch.setitem(sys.modules, "minisom", None)
    with pytest.raises(
        MissingExtraError, match=r"minisom is not installed: run  pip install 'immport-cyto\[minisom\]'"
    ):
        FlowSOM((3, 3), n_metaclusters=2, engine="minisom").fit(events[0])


def test_importing_the_stage_does_not_import_numba():
    code = "import sys; from immport_cyto.cluster import FlowSOM; FlowSOM(); print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_model_comes_back_from_disk(model, events, tmp_path):
    model.study_accession, model.panel_id = "SDY1", "flow-4m-abc"
    model.save(tmp_path / "m.npz")
    back = cluster.load(tmp_path / "m.npz")
    assert np.array_equal(back.predict(events[0]), model.labels_)
    assert back.get_params() == model.get_params()
    for name in ("markers", "training", "study_accession", "panel_id", "warnings_", "n_metaclusters_"):
        assert getattr(back, name) == getattr(model, name)
    back.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()
    with np.load(tmp_path / "m.npz", allow_pickle=False) as plain:
        assert np.array_equal(plain["codes"], model.codes_)


def rewrite(source, target, **changes):
    """Copy a model with other entries; a function changes the meta data, an array or bytes replace an entry."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            change = changes.get(name.removesuffix(".npy"))
            if callable(change):
                meta = json.loads(np.load(io.BytesIO(content)).tobytes())
                change(meta)
                change = np.frombuffer(json.dumps(meta).encode(), np.uint8)
            if isinstance(change, np.ndarray):
                buffer = io.BytesIO()
                np.save(buffer, change, allow_pickle=True)  # makes the hostile file; loading one is refused
                content = buffer.getvalue()
            elif isinstance(change, bytes):
                content = change
            new.writestr(name, content)
    return target


def test_a_newer_model_says_so(model, tmp_path):
    model.save(tmp_path / "m.npz")
    newer = rewrite(tmp_path / "m.npz", tmp_path / "newer.npz", meta=lambda meta: meta.update(version=99))
    with pytest.raises(ModelError, match=r"newer.npz: the model has format version 99, .* reads up to \d+; update"):
        cluster.load(newer)


def huge_header() -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)})
    return buffer.getvalue()


NO_DISTANCE = np.full(36, np.nan)
HOSTILE = {
    "other format": {"meta": lambda meta: meta.update(format="other")},
    "version of another kind": {"meta": lambda meta: meta.update(version="1")},
    "unknown parameter": {"meta": lambda meta: meta["parameters"].update(evil=1)},
    "impossible parameter": {"meta": lambda meta: meta["parameters"].update(n_jobs=2, seed=-5)},
    "grid too large": {"meta": lambda meta: meta["parameters"].update(grid=[10**6, 10**6])},
    "markers of another kind": {"meta": lambda meta: meta.update(markers="CD3")},
    "marker twice": {"meta": lambda meta: meta.update(markers=["CD3", "CD3", "CD4", "CD8"])},
    "a marker less": {"meta": lambda meta: meta.update(markers=["CD3", "CD4", "CD8"])},
    "no training": {"meta": lambda meta: meta.pop("training")},
    "deep JSON": {"meta": np.frombuffer(b"[" * 100_000, np.uint8)},
    "no JSON": {"meta": np.frombuffer(b"\xff\xfe", np.uint8)},
    "pickle": {"codes": np.array([{"a": 1}], dtype=object)},
    "codes NaN": {"codes": np.full((36, 4), np.nan, np.float32)},
    "codes of another shape": {"codes": np.zeros((36, 5), np.float32)},
    "codes of another type": {"codes": np.zeros((36, 4), np.float64)},
    "metaclusters with a gap": {"metaclusters": np.repeat(np.array([1, 3], np.int32), 18)},
    "negative counts": {"node_counts": np.full(36, -1, np.int64)},
    "no events": {
        "node_counts": np.zeros(36, np.int64),
        "distance_medians": NO_DISTANCE,
        "distance_mads": NO_DISTANCE,
    },
    "counts beyond numbers": {"node_counts": np.full(36, 2**62)},
    "training of fewer than no events": {"meta": lambda meta: meta.update(training=[["a.fcs", -5]])},
    "more than all outliers": {"meta": lambda meta: meta.update(outlier_share=1.5)},
    "error that is no number": {"meta": lambda meta: meta.update(quantization_error=float("nan"))},
    "version true": {"meta": lambda meta: meta.update(version=True)},
    "distance of no size": {"distance_mads": np.full(36, -1.0)},
    "distances missing": {"distance_medians": np.full(36, np.nan)},
    "curves NaN": {"consensus_area": np.full(2, np.nan), "explained_variance": np.full(2, np.nan)},
    "area without curve": {"consensus_area": np.ones(3)},
    "scale zero": {"scale": np.zeros(4)},
    "a terabyte announced": {"codes": huge_header()},
    "no array": {"codes": b"nothing"},
    "empty": {"codes": b""},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused(model, tmp_path, case):
    model.save(tmp_path / "m.npz")
    bad = rewrite(tmp_path / "m.npz", tmp_path / "bad.npz", **HOSTILE[case])
    with pytest.raises(ModelError, match=r"bad.npz: not a usable FlowSOM model \(.+\); write it again"):
        cluster.load(bad)


def test_a_compressed_bomb_is_refused(model, tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.npy", bytes(10**7))
    with pytest.raises(ModelError, match="entry meta is compressed or too large"):
        cluster.load(path)


def test_a_model_cut_or_changed_anywhere_is_refused(model, tmp_path):
    model.save(tmp_path / "m.npz")
    content = (tmp_path / "m.npz").read_bytes()
    bad = tmp_path / "bad.npz"
    for size in range(0, len(content), 97):
        bad.write_bytes(content[:size])
        with pytest.raises(ModelError, match=re.escape(str(bad))):
            cluster.load(bad)
    with zipfile.ZipFile(tmp_path / "m.npz") as archive:
        begin = archive.getinfo("codes.npy").header_offset
    changed = bytearray(content)
    changed[begin + 300] ^= 0xFF
    bad.write_bytes(changed)
    with pytest.raises(ModelError, match="CRC"):
        cluster.load(bad)


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"none.npz: no such model file; check the path"):
        cluster.load(tmp_path / "none.npz")
    with pytest.raises(ModelError, match="not a usable FlowSOM model"):
        cluster.load(tmp_path)
