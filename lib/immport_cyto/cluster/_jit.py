"""Compile kernels with numba so that the result is kept on disk, also where the home directory is read-only."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Only flags under which every value stays the same on every processor: no reordering of sums, no fused
# multiply-add. "No NaN, no infinity, no signed zero" lets the search for the minimum use vector registers; inputs
# are checked before they reach a kernel.
FASTMATH = {"nnan", "ninf", "nsz"}


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a kernel: compiled on first call, without the interpreter lock, cached on disk.

    numba caches beside the source or in the user's cache folder. Where neither can be written, a private folder
    under the system's temporary folder is used, and without that the kernel is compiled in each process.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": FASTMATH}
    try:
        return _compile(function, cache=True, **options)
    except RuntimeError:  # numba: "cannot cache function ...: no locator available"
        folder = _private_folder()
    if folder is None:
        return _compile(function, cache=False, **options)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return _compile(function, cache=True, **options)


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    compiled: Callable[..., Any] = numba.njit(**options)(function)
    return compiled


def _private_folder() -> Path | None:
    """A cache folder that only this user can write to (numba loads what it finds there), or None."""
    folder = Path(tempfile.gettempdir()) / f"immport-cyto-numba-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if private and os.access(folder, os.W_OK) else None
