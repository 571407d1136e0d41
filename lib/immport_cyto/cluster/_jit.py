"""Compile kernels with numba so that the result is kept on disk, also where the home directory is read-only."""

from collections.abc import Callable
from typing import Any

import numba

from immport_cyto.cluster._folders import private_folder

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
        folder = private_folder()
    if folder is None:
        return _compile(function, cache=False, **options)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return _compile(function, cache=True, **options)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a kernel of `immport_cyto.cluster.native`, which keeps its machine code: it can make no arrays."""
    return _compile(function, fastmath=FASTMATH)


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    compiled: Callable[..., Any] = numba.njit(**options)(function)
    return compiled
