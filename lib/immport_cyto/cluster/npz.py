"""The form of models on disk: one ``.npz`` without pickle, checked on reading, the same bytes for the same model.

Entries: ``meta.npy`` (UTF-8 JSON as bytes, with the format's name and version) and arrays of fixed types. They are
stored uncompressed with a fixed time stamp.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import ModelError
from immport_cyto.files import atomic_path

_LARGEST_ENTRY = 256 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_USES = {
    "immport-cyto/flowsom": ("FlowSOM", "'cluster map'"),
    "immport-cyto/flock": ("FLOCK", "'cluster flock-map'"),
}
"""Kinds of models, and the command that takes each."""

Arrays = dict[str, NDArray[Any]]


class DamagedError(ValueError):
    """What is wrong with the content of a model file, without the file's name."""


def write(path: Path | str, meta: Mapping[str, Any], arrays: Mapping[str, Any], types: Mapping[str, str]) -> None:
    """Write `meta` and the `arrays`, cast to `types` (which also give their order), whole or not at all."""
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    content: Arrays = {"meta": np.frombuffer(text, np.uint8)}
    content |= {name: np.ascontiguousarray(arrays[name], kind) for name, kind in types.items()}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in content.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, buffer.getvalue())


def read(
    path: Path | str, types: Mapping[str, str] | Callable[[int], Mapping[str, str]], *, format_name: str,
    versions: tuple[int, int], what: str, command: str,
) -> tuple[dict[str, Any], Arrays]:  # fmt: skip
    """Read the JSON and the arrays of a model.

    Parameters
    ----------
    path
        The file.
    types
        Type of each array, such as ``"<f8"``; where they differ, the types by version.
    format_name, versions
        Name of the format, and its oldest and newest version that can be read.
    what, command
        For errors: kind of model, and the command that writes it.

    Raises
    ------
    ModelError
        The file is missing, damaged, of a newer or too old version, or of another format.
    """
    path, (oldest, newest) = Path(path), versions
    try:
        with zipfile.ZipFile(path) as archive:
            meta = _meta(_entry(archive, "meta", "|u1"))
            if meta.get("format") in _USES and meta["format"] != format_name:
                kind, use = _USES[meta["format"]]
                msg = f"{path}: is a model of {kind}, not of {what}; use it with {use}"
                raise ModelError(msg)
            if meta.get("format") != format_name:
                msg = "it has another format"
                raise DamagedError(msg)
            if oldest <= meta["version"] <= newest:
                wanted = types(meta["version"]) if callable(types) else types
                return meta, {name: _entry(archive, name, kind) for name, kind in wanted.items()}
    except FileNotFoundError as error:
        msg = f"{path}: no such model file; check the path"
        raise ModelError(msg) from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted entries, too deep JSON, and NotImplementedError for unknown compression
        raise damaged(path, error, what, command) from error
    if meta["version"] < oldest:
        msg = (
            f"{path}: the model has format version {meta['version']}, this immport-cyto reads from {oldest} on; "
            f"train it again with '{command}'"
        )
        raise ModelError(msg)
    msg = (
        f"{path}: the model has format version {meta['version']}, this immport-cyto reads up to {newest}; "
        "update immport-cyto"
    )
    raise ModelError(msg)


def format_of(path: Path | str) -> str:
    """Name of the format of a model file; empty where there is none to be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            meta = json.loads(_entry(archive, "meta", "|u1").tobytes().decode("utf-8"))
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError):
        return ""
    return str(meta.get("format", "")) if isinstance(meta, dict) else ""


def damaged(path: Path | str, reason: object, what: str, command: str) -> ModelError:
    """The error for a file whose content is no usable model."""
    text = " ".join(str(reason).split())[:120] or type(reason).__name__
    msg = f"{path}: not a usable {what} model ({text}); write it again with '{command}'"
    return ModelError(msg)


def _meta(content: NDArray[Any]) -> dict[str, Any]:
    meta = json.loads(content.tobytes().decode("utf-8"))
    if not isinstance(meta, dict) or not isinstance(meta.get("format"), str):
        msg = "it has another format"
        raise DamagedError(msg)
    version = meta.get("version")
    if type(version) is not int or version < 1:
        msg = f"version {version!r}"
        raise DamagedError(msg)
    return meta


def _entry(archive: zipfile.ZipFile, name: str, kind: str) -> NDArray[Any]:
    """One array. The declared shape must fill the entry exactly before anything is allocated for it."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > _LARGEST_ENTRY or entry.compress_type != zipfile.ZIP_STORED:
        msg = f"entry {name} is compressed or too large"
        raise DamagedError(msg)
    with archive.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            msg = f"entry {name} has an unknown array format"
            raise DamagedError(msg)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        body = stream.read()
    expected = np.dtype(kind)
    count = 1
    for side in shape:
        count *= side
    fits = min(shape, default=0) >= 0 and len(shape) <= 3 and count * expected.itemsize == len(body)
    if dtype != expected or fortran or not fits:
        msg = f"entry {name} has an unexpected type or size"
        raise DamagedError(msg)
    return np.frombuffer(body, expected).reshape(shape)


def texts(values: Any) -> list[str]:
    """A list of texts from JSON, or a TypeError."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        msg = "a text is expected"
        raise TypeError(msg)
    return values
