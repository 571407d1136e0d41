"""Models on disk: one ``.npz`` without pickle, checked on reading, the same bytes for the same model.

Entries: ``meta.npy`` (UTF-8 JSON as bytes: format, version, parameters, markers, training files, group) and the
arrays ``codes``, ``metaclusters``, ``node_counts``, ``offset``, ``scale``, ``explained_variance``. They are stored
uncompressed with a fixed time stamp.
"""

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.model import MAX_NODES, FlowSOM
from immport_cyto.cluster.som import Scaling
from immport_cyto.exceptions import ImmportCytoError, ModelError
from immport_cyto.files import atomic_path

FORMAT = "immport-cyto/flowsom"
FORMAT_VERSION = 1

_ARRAYS = {
    "codes": "<f4",
    "metaclusters": "<i4",
    "node_counts": "<i8",
    "offset": "<f8",
    "scale": "<f8",
    "explained_variance": "<f8",
}
_LARGEST_ENTRY = 256 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save(model: FlowSOM, path: Path | str) -> None:
    """Write a trained model, whole or not at all."""
    meta = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "parameters": model.get_params(),
        "markers": model.markers,
        "training": [[name, n] for name, n in model.training],
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "quantization_error": model.quantization_error_,
        "warnings": model.warnings_,
    }
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    arrays: dict[str, NDArray[Any]] = {
        "meta": np.frombuffer(text, np.uint8),
        "codes": model.codes_,
        "metaclusters": model.metaclusters_,
        "node_counts": model.node_counts_,
        "offset": model.scaling_.offset,
        "scale": model.scaling_.scale,
        "explained_variance": model.explained_variance_,
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(
                buffer, np.ascontiguousarray(array, _ARRAYS.get(name, "|u1")), version=(1, 0), allow_pickle=False
            )
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, buffer.getvalue())


def load(path: Path | str) -> FlowSOM:
    """Read a model and check it.

    Raises
    ------
    ModelError
        The file is missing, damaged, of a newer version, or not a model of this package.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _read(archive, name, path) for name in ("meta", *_ARRAYS)}
    except ModelError:
        raise
    except FileNotFoundError as error:
        msg = f"{path}: no such model file; check the path"
        raise ModelError(msg) from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted entries, and NotImplementedError for unknown compression
        _damaged(path, error)
    try:
        return _build(arrays, path)
    except ImmportCytoError as error:
        if isinstance(error, ModelError):
            raise
        _damaged(path, error)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        _damaged(path, error)


def _damaged(path: Path, reason: object) -> NoReturn:
    text = " ".join(str(reason).split())[:120] or type(reason).__name__
    msg = f"{path}: not a usable FlowSOM model ({text}); write it again with 'cluster flowsom'"
    raise ModelError(msg) from (reason if isinstance(reason, BaseException) else None)


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """One array. The declared shape must fill the entry exactly before anything is allocated for it."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > _LARGEST_ENTRY or entry.compress_type != zipfile.ZIP_STORED:
        _damaged(path, f"entry {name} is compressed or too large")
    with archive.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            _damaged(path, f"entry {name} has an unknown array format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        body = stream.read()
    expected = np.dtype(_ARRAYS.get(name, "|u1"))
    count = 1
    for side in shape:
        count *= side
    if (
        dtype != expected
        or fortran
        or len(shape) > 2
        or min(shape, default=0) < 0
        or count * dtype.itemsize != len(body)
    ):
        _damaged(path, f"entry {name} has an unexpected type or size")
    return np.frombuffer(body, expected).reshape(shape)


def _build(arrays: dict[str, NDArray[Any]], path: Path) -> FlowSOM:
    meta = json.loads(arrays["meta"].tobytes().decode("utf-8"))
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        _damaged(path, "it has another format")
    version = meta.get("version")
    if not isinstance(version, int) or version < 1:
        _damaged(path, f"version {version!r}")
    if version > FORMAT_VERSION:
        msg = (
            f"{path}: the model has format version {version}, this immport-cyto reads up to {FORMAT_VERSION}; "
            "update immport-cyto"
        )
        raise ModelError(msg)
    parameters = dict(meta["parameters"])
    parameters["grid"] = tuple(parameters["grid"])
    model = FlowSOM(**parameters)
    model.check_parameters()
    model.markers = _texts(meta["markers"])
    model.training = [(str(name), int(n)) for name, n in meta["training"]]
    model.study_accession, model.panel_id = _texts([meta["study_accession"], meta["panel_id"]])
    model.warnings_ = _texts(meta["warnings"])
    model.quantization_error_ = float(meta["quantization_error"])
    model.codes_ = arrays["codes"].copy()
    model.metaclusters_ = arrays["metaclusters"].copy()
    model.node_counts_ = arrays["node_counts"].copy()
    model.explained_variance_ = arrays["explained_variance"].copy()
    model.scaling_ = Scaling(arrays["offset"].copy(), arrays["scale"].copy())
    model.n_metaclusters_ = int(model.metaclusters_.max(initial=0))
    _check(model, path)
    return model


def _check(model: FlowSOM, path: Path) -> None:
    n, d = model.grid[0] * model.grid[1], len(model.markers)
    shapes = [
        model.codes_.shape == (n, d) and d >= 2,
        model.metaclusters_.shape == (n,),
        model.node_counts_.shape == (n,),
        model.scaling_.offset.shape == (d,),
        model.scaling_.scale.shape == (d,),
        model.explained_variance_.ndim == 1,
    ]
    if n > MAX_NODES or not all(shapes):
        _damaged(path, "its arrays do not fit together")
    if len(set(model.markers)) < d:
        _damaged(path, "a marker is named twice")
    present = np.unique(model.metaclusters_)
    usable = (
        np.isfinite(model.codes_).all()
        and np.abs(model.codes_).max() < 1e16
        and np.isfinite(model.scaling_.offset).all()
        and np.isfinite(model.scaling_.scale).all()
        and (model.scaling_.scale >= 1e-6).all()
        and (np.abs(model.scaling_.offset) <= 1e9).all()
        and (model.node_counts_ >= 0).all()
        and np.array_equal(present, np.arange(1, len(present) + 1))
    )
    if not usable:
        _damaged(path, "it holds values that no training gives")


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        msg = "a text is expected"
        raise TypeError(msg)
    return values
