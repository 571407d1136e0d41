"""Machine code of the kernels: kept on disk, called without numba, compiled anew where it does not fit."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from immport_cyto.cluster import _folders, native

FIT = """
import json, sys
import numpy as np
from immport_cyto.cluster import FlowSOM, _folders
blocked = sys.argv[1:]
if blocked:  # the package's folder and the home cannot be written
    _folders.cache_folders = lambda: (*map(_folders.Path, blocked), _folders.private_folder())
    import immport_cyto.cluster.native as native
    native.cache_folders = _folders.cache_folders
X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
model = FlowSOM((2, 2), n_metaclusters=2).fit(X)
imported = [name for name in ("numba", "pandas", "scipy", "sklearn") if name in sys.modules]
print(json.dumps([model.labels_.tolist(), imported]))
"""
KERNELS = [
    "assign_euclidean", "by_node", "count_together", "cut_average_linkage", "describe", "middles", "scan", "squares",
    "train_online_euclidean",
]  # fmt: skip


def fit(*blocked, **environment):
    """Labels of a fit in a fresh process, and what of the slow packages it imported."""
    done = subprocess.run(
        [sys.executable, "-c", FIT, *map(str, blocked)], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with the machine code of a first run, and the labels of that run."""
    folder = tmp_path_factory.mktemp("cache")
    labels, imported = fit(NUMBA_CACHE_DIR=str(folder))
    assert "numba" in imported
    return folder, labels


def names(folder):
    return sorted(path.name.rpartition("-")[0] for path in folder.glob("*.o"))


def test_the_first_run_compiles_and_later_ones_need_neither_numba_nor_scipy(filled):
    folder, labels = filled
    assert names(folder) == KERNELS
    assert fit(NUMBA_CACHE_DIR=str(folder)) == [labels, []]


def test_damaged_machine_code_is_compiled_anew(filled, tmp_path):
    folder, labels = filled
    for path in folder.glob("*.o"):
        content = path.read_bytes()
        if path.name.startswith("assign"):
            content = content[:-200]
        if path.name.startswith("scan"):
            content = content[:100] + bytes([content[100] ^ 255]) + content[101:]
        (tmp_path / path.name).write_bytes(content)
    (tmp_path / next(folder.glob("squares*")).name).write_bytes(b"")
    assert fit(NUMBA_CACHE_DIR=str(tmp_path)) == [labels, ["numba", "scipy"]]
    assert fit(NUMBA_CACHE_DIR=str(tmp_path)) == [labels, []]


def test_where_nothing_else_can_be_written_a_private_folder_keeps_the_machine_code(filled, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = (tmp_path / "file" / "package", "/proc/nowhere")
    assert fit(*blocked, TMPDIR=str(tmp_path))[0] == filled[1]
    (private,) = tmp_path.glob("immport-cyto-*")
    assert private.stat().st_mode & 0o777 == 0o700
    assert names(private) == KERNELS
    assert fit(*blocked, TMPDIR=str(tmp_path)) == [filled[1], []]


def test_folders_are_the_package_the_home_and_a_private_one(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    package = Path(native.__file__).parent / "__pycache__"
    private = tmp_path / f"immport-cyto-numba-{os.getuid()}"
    assert list(_folders.cache_folders()) == [package, tmp_path / "cache" / "immport-cyto", private]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert list(_folders.cache_folders()) == [tmp_path / "numba"]


def test_a_temporary_folder_of_someone_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"immport-cyto-numba-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert _folders.private_folder() is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert _folders.private_folder() is None


def test_arrays_of_another_type_or_order_are_refused():
    X, sums, room = np.zeros((4, 3), np.float32), np.zeros(3), [np.zeros(3), np.zeros(3)]
    assert native.scan(X, sums, *room) == -1
    for wrong in (X.astype(np.float64), X[:, ::2], X[0], np.asfortranarray(X)):
        with pytest.raises(TypeError, match="scan: float32 with 2 dimensions is expected, not float"):
            native.scan(wrong, sums, *room)
    with pytest.raises(ValueError, match="zip"):
        native.scan(X, sums)


def test_a_kernel_that_needs_numba_at_run_time_cannot_be_kept(monkeypatch):
    import numba

    from immport_cyto.cluster import kernels

    monkeypatch.setattr(kernels, "greedy", numba.njit(lambda n: np.zeros(n).sum()), raising=False)
    with pytest.raises(RuntimeError, match=r"greedy calls .*NRT_MemInfo_alloc.*, which is not there without numba"):
        native.Kernel("kernels", "greedy", "int64", "float64")._compile("greedy")
