"""The machine as the stages use it: outputs that appear whole or not at all, checksums, safe names, cores."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from immport_cyto.exceptions import InputError

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
