"""The machine as the stages use it: outputs that appear whole or not at all, checksums, safe names, cores."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from immport_cyto.exceptions import InputError

K = TypeVar("K", bound=Hashable)

_UNSAFE = re.compile(r"[^A-Za-z0-9._+\-]+")
_FCS_ENDINGS = (".fcs", ".lmd", ".fcs.gz", ".lmd.gz")


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `target` and rename it to `target` when the block ends well.

    After an error the temporary file is removed and `target` is as it was.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        msg = f"{target}: cannot be written ({error.strerror}); choose another output path"
        raise InputError(msg) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes a private file; the result gets the permissions that a plain open() would give
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_paths(targets: Mapping[K, Path]) -> Iterator[dict[K, Path]]:
    """Give a temporary path for each of several targets, and rename all when the block ends well.

    After an error none of them appears, nor a folder made for them, and those that were there are as they were.
    """
    folders: dict[Path, Path] = {}
    made: list[Path] = []
    try:
        for target in targets.values():
            if target.parent not in folders:
                made += reversed([folder for folder in (target.parent, *target.parent.parents) if not folder.exists()])
                folders[target.parent] = _temporary_folder(target)
        temporary = {key: folders[target.parent] / target.name for key, target in targets.items()}
        yield temporary
        for key, target in targets.items():
            temporary[key].replace(target)
        made = []
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # it holds something, or was never made
                folder.rmdir()


def _temporary_folder(target: Path) -> Path:
    """A folder beside `target`, with the permissions of a new folder."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".writing-", suffix=".tmp", dir=target.parent))
    except OSError as error:
        msg = f"{target}: cannot be written ({error.strerror}); choose another output path"
        raise InputError(msg) from error
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)
    return folder


def check_writable(*targets: Path | None) -> None:
    """Refuse outputs that cannot be written before long work begins; nothing is made.

    Raises
    ------
    InputError
        A file is asked for where there is a folder, below a file, or in a folder that cannot be written.
    """
    for target in targets:
        if target is None:
            continue
        parent = target.parent
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        if target.is_dir():
            reason = "it is a folder"
        elif not parent.is_dir():
            reason = f"{parent} is a file"
        elif not os.access(parent, os.W_OK | os.X_OK):
            reason = f"no permission to write to {parent}"
        else:
            continue
        msg = f"{target}: cannot be written ({reason}); choose another output path"
        raise InputError(msg)


def write_text(target: Path | str, text: str) -> None:
    """Write UTF-8 `text` to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sha256(path: Path | str) -> str:
    """Checksum of a file's bytes, hexadecimal."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); check the path"
        raise InputError(msg) from error


def fcs_below(folder: Path) -> list[Path]:
    """FCS files below a folder, sorted: those whose name says so (.fcs, .lmd, .gz after it), or whose first bytes do.

    Instruments also end names with a well or a number (``.B08``, ``.001``). Files that macOS leaves beside others
    (``._a.fcs``) are none.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("._")]
    return [path for path in paths if path.name.lower().endswith(_FCS_ENDINGS) or _starts_as_fcs(path)]


def _starts_as_fcs(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return re.fullmatch(rb"FCS\d\.\d {4}", stream.read(10)) is not None
    except OSError:
        return False


def check_name(path: Path) -> None:
    """Refuse a file whose name cannot stand in a table: with a line break or tab, or not UTF-8."""
    if any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) <= 0xDFFF for letter in path.name):
        msg = f"{str(path)!a}: the file name holds a control character or is not UTF-8; rename the file"
        raise InputError(msg)


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers(cores: int, memory_mb: float | None, need_mb: float) -> int:
    """Processes to start: one per core, fewer where the memory does not hold so many, but one in any case.

    Parameters
    ----------
    cores
        Processor cores.
    memory_mb
        Memory for all of them together, in MB; None where it is not limited.
    need_mb
        What one of them needs at most, in MB.
    """
    if memory_mb is None:
        return cores
    return max(1, min(cores, int(memory_mb // need_mb)))


def safe_name(name: str) -> str:
    """Make `name` harmless as a single file name: letters, digits and ``._+-``, no leading dot.

    A name that had to be changed gets a short hash of the original, so different names stay different.
    """
    cleaned = _UNSAFE.sub("_", name).lstrip(".") or "_"
    if cleaned == name and len(name) <= 200:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = cleaned, ""
    return f"{stem[:180]}-{digest}{dot if suffix else ''}{suffix}"
