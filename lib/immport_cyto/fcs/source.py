"""The bytes of a file: memory-mapped, or decompressed to an unnamed temporary file and then mapped."""

import gzip
import mmap
import tempfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import FCSError, FCSTruncatedError

Bytes = npt.NDArray[np.uint8]

_BLOCK = 1 << 20
# A gzip stream can grow a thousandfold; event data of that kind is an attack on the disk, not a measurement.
_MAX_GROWTH = 200
_ALWAYS_ALLOWED = 1 << 30


def map_file(path: Path) -> Bytes:
    """All bytes of a file as a read-only array that is paged in on use; gzip is recognised by its first bytes.

    Raises
    ------
    FCSError
        The file is missing, no regular file, empty, or cannot be decompressed.
    FCSTruncatedError
        A gzip stream ends too early.
    """
    try:
        if path.is_dir():
            msg = f"{path}: is a folder, not an FCS file; name a file in it"
            raise FCSError(msg)
        with path.open("rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                return _decompress(path)
            return _map(stream, path)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error}); check the path"
        raise FCSError(msg) from error


def _map(stream: IO[bytes], path: Path) -> Bytes:
    stream.seek(0, 2)
    if stream.tell() == 0:
        msg = f"{path}: is empty, not an FCS file; copy or download it again"
        raise FCSError(msg)
    return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def _decompress(path: Path) -> Bytes:
    limit = max(_ALWAYS_ALLOWED, _MAX_GROWTH * path.stat().st_size)
    with tempfile.TemporaryFile() as target:
        try:
            with gzip.open(path) as stream:
                while block := stream.read(_BLOCK):
                    target.write(block)
                    if target.tell() > limit:
                        msg = f"{path}: grows more than {_MAX_GROWTH}-fold when decompressed; decompress it yourself"
                        raise FCSError(msg)
        except EOFError as error:
            msg = f"{path}: the gzip stream ends too early; copy or download the file again"
            raise FCSTruncatedError(msg) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            msg = f"{path}: cannot be decompressed ({error}); copy or download the file again"
            raise FCSError(msg) from error
        target.flush()
        return _map(target, path)
