"""Passes on the workers of a Dask scheduler, with real worker processes: the same model to the bit."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from immport_cyto import cluster
from immport_cyto.cluster import execution, source
from immport_cyto.cluster import files as cluster_files
from immport_cyto.cluster.source import Part
from immport_cyto.exceptions import AnalysisError, MissingExtraError, OptionError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed

MAP_FILE = cluster_files.map_file
OPTIONS = {"grid": (5, 5), "n_metaclusters": 4}


@pytest.fixture(scope="module")
def scheduler():
    """Address of a scheduler with three worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as local:
        yield local.scheduler_address


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(source, "CHUNK", 1000)


@pytest.fixture
def files(tmp_path):
    found = {}
    for number in range(3):
        X, _ = blobs(T_CELLS, [1500, 900, 600, 150 * number], seed=number)
        found[f"{number}.fcs"] = preprocessed(tmp_path / f"{number}.fcs", X)
    return found


class Watched:
    """Opens events that only workers may read. With `flag` the first that comes to event 2000 dies, or each of them."""

    def __init__(self, path: Path, flag: Path | None = None, *, always: bool = False) -> None:
        self.path, self.flag, self.always, self.home = path, flag, always, os.getpid()

    def __call__(self):
        return partial(self.read)

    def read(self, start: int, stop: int) -> np.ndarray:
        if start < stop:
            assert os.getpid() != self.home, "events were read where the model is trained"
            if self.flag is not None and start <= 2000 < stop and (self.always or not self.flag.exists()):
                self.flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return np.load(self.path, mmap_mode="r")[start:stop]


def in_bytes(model: cluster.FlowSOM, path: Path) -> bytes:
    model.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("engine", ["online", "batch"])
@pytest.mark.parametrize("limit", [None, 4000])
def test_the_same_model_of_files_as_on_one_thread(files, scheduler, tmp_path, engine, limit):
    options = OPTIONS | {"engine": engine, "scale": "zscore", "max_training_events": limit}
    here = cluster.flowsom_files(files, **options)
    there = cluster.flowsom_files(dict(reversed(files.items())), scheduler=scheduler, **options)
    assert in_bytes(there, tmp_path / "there.npz") == in_bytes(here, tmp_path / "here.npz")


def test_the_same_labels_of_events_in_memory(scheduler):
    X, _ = blobs(T_CELLS, [1500, 900, 600, 150], seed=7)
    here = cluster.FlowSOM(**OPTIONS, engine="batch").fit(X)
    there = cluster.FlowSOM(**OPTIONS, engine="batch", scheduler=scheduler).fit(X)
    assert np.array_equal(there.codes_, here.codes_)
    assert np.array_equal(there.labels_, here.labels_)


@pytest.mark.parametrize("engine", ["online", "batch"])
def test_workers_read_the_events_and_one_that_ends_changes_nothing(scheduler, tmp_path, engine):
    X, _ = blobs(T_CELLS, [3000, 1500, 900, 600], seed=8)
    path, flag = tmp_path / "events.npy", tmp_path / "killed"
    np.save(path, X)
    here = cluster.FlowSOM(**OPTIONS, engine=engine)
    here.fit_parts([source.array_part(X, "a.fcs")], list(MARKERS))
    there = cluster.FlowSOM(**OPTIONS, engine=engine, scheduler=scheduler)
    there.fit_parts([Part("a.fcs", len(X), Watched(path, flag))], list(MARKERS))
    assert flag.exists()
    assert in_bytes(there, tmp_path / "there.npz") == in_bytes(here, tmp_path / "here.npz")


def test_events_on_which_every_worker_ends_are_an_error(tmp_path):
    distributed = pytest.importorskip("distributed")
    import dask

    X, _ = blobs(T_CELLS, [3000, 1500, 900, 600], seed=8)
    np.save(tmp_path / "events.npy", X)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as local,
    ):
        model = cluster.FlowSOM(**OPTIONS, scheduler=local.scheduler_address)
        part = Part("a.fcs", len(X), Watched(tmp_path / "events.npy", tmp_path / "killed", always=True))
        with pytest.raises(AnalysisError, match="workers ended again and again on the same events; see their logs"):
            model.fit_parts([part], list(MARKERS))


def test_an_error_of_a_worker_is_the_same_sentence(scheduler, files):
    X, _ = blobs(T_CELLS, [1500, 900, 600, 150], seed=9)
    X[2345, 2] = np.nan
    preprocessed(files["1.fcs"], X)
    with pytest.raises(AnalysisError, match=r"1.fcs: marker CD8 is nan in event 2346; remove such events first"):
        cluster.flowsom_files(files, **OPTIONS, scheduler=scheduler)


def test_without_scheduler_or_workers_or_package_there_is_one_sentence(files, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(execution, "CONNECT_SECONDS", 1)
    with pytest.raises(OptionError, match=r"tcp://127.0.0.1:9: no Dask scheduler answers there; give its address"):
        cluster.flowsom_files(files, **OPTIONS, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(OptionError, match=r"nonsense: no Dask scheduler answers there"):
        cluster.flowsom_files(files, **OPTIONS, scheduler="nonsense")
    with (
        distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as local,
        pytest.raises(OptionError, match="the Dask scheduler has no workers; start some with 'dask worker tcp:"),
    ):
        cluster.flowsom_files(files, **OPTIONS, scheduler=local.scheduler_address)


def test_the_extra_is_named_where_it_is_not_installed(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        MissingExtraError, match=r"distributed is not installed: run  pip install 'immport-cyto\[distributed\]'"
    ):
        cluster.flowsom_files(files, **OPTIONS, scheduler="tcp://127.0.0.1:8786")


def test_files_are_mapped_by_the_workers_to_the_same_bytes(files, scheduler, tmp_path, monkeypatch):
    model = cluster.flowsom_files(files, **OPTIONS)
    models = dict.fromkeys(files, model)
    here = {name: tmp_path / "here" / name for name in files}
    there = {name: Path("there") / name for name in files}  # the workers run in another folder
    options = {"outlier_channel": True, "mad_allowed": 2.0}
    found = cluster.map_files(models, files, here, **options)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster_files, "map_file", _Elsewhere(os.getpid()))
    mapped = cluster.map_files(models, files, there, **options, scheduler=scheduler)
    assert list(mapped) == list(files)
    for name in files:
        assert (tmp_path / there[name]).read_bytes() == here[name].read_bytes()
        assert np.array_equal(mapped[name].node_counts, found[name].node_counts)
        assert np.array_equal(mapped[name].outlier_counts, found[name].outlier_counts)
        assert mapped[name].quantization_error == found[name].quantization_error


class _Elsewhere:
    """Maps a file, but not in the process that asked for it."""

    def __init__(self, home: int) -> None:
        self.home = home

    def __call__(self, *arguments, **options):
        assert os.getpid() != self.home, "a file was mapped where the workers are asked from"
        return MAP_FILE(*arguments, **options)


def test_an_error_of_a_worker_that_maps_is_the_same_sentence(files, scheduler, tmp_path):
    model = cluster.flowsom_files(files, **OPTIONS)
    X, _ = blobs(T_CELLS, [1500, 900, 600, 150], seed=9)
    X[2345, 2] = np.inf
    preprocessed(files["1.fcs"], X)
    targets = {name: tmp_path / "out" / name for name in files}
    with pytest.raises(AnalysisError, match=r"1.fcs: marker CD8 is inf in event 2346; remove such events first"):
        cluster.map_files(dict.fromkeys(files, model), files, targets, scheduler=scheduler)
    assert not targets["1.fcs"].exists()
