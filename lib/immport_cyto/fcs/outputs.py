"""Names of files that are written to a folder."""

import re
from collections.abc import Iterable
from pathlib import Path

from immport_cyto.exceptions import OutputExistsError

_SEPARATORS = re.compile(r"[/\\\x00-\x1f]+")


def file_part(name: str) -> str:
    """A name as one file name: what would lead to another folder, or hide the file, is taken out."""
    return _SEPARATORS.sub("_", name).lstrip(".") or "_"


def output_path(folder: Path, name: str, sources: Iterable[Path]) -> Path:
    """Where a file of this name goes.

    Raises
    ------
    OutputExistsError
        It is one of the files that are read.
    """
    target = folder / file_part(name)
    resolved = target.resolve()
    if any(source.resolve() == resolved for source in sources):
        msg = f"{target}: is one of the files to read; give another folder to write to"
        raise OutputExistsError(msg)
    return target


def plain_name(name: str) -> str:
    """Name of the uncompressed file."""
    return name[:-3] if name.lower().endswith(".gz") else name
