"""Folders in which compiled kernels may be kept."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def cache_folders() -> Iterator[Path]:
    """Where to look for compiled kernels and where to keep them, the first that can be written.

    The folder that numba is told (``NUMBA_CACHE_DIR``), else the package's own, the user's cache and a private
    temporary one. Code is loaded from them, so all belong to this user or to who installed the package.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        yield Path(given)
        return
    yield Path(__file__).parent / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "immport-cyto"
    private = private_folder()
    if private is not None:
        yield private


def private_folder() -> Path | None:
    """A temporary folder that only this user can write to, or None."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"immport-cyto-numba-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if private and os.access(folder, os.W_OK) else None
