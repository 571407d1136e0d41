"""Finished steps are kept by content: same inputs and options, no second run.

A step's results live in ``work/<step>/<key>/``. The key is a hash of the step's name, the version of the program, its
options and the checksums of its inputs. The folder is filled under a temporary name and renamed when the step is
complete, so a kill at any point leaves either the whole result or none.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from immport_cyto import __version__


class Steps:
    """The kept results below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clean(self) -> None:
        """Remove what a killed run left half done."""
        for leftover in self.folder.glob("*/*.part-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def place(self, step: str, key: str) -> Path:
        """The folder of a step's result, whether it is there or not."""
        return self.folder / step / key


def key(step: str, options: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Name of a result: 24 hexadecimal digits.

    Parameters
    ----------
    step
        Name of the step.
    options
        What the user chose; anything that JSON can hold.
    inputs
        Name and checksum (or key) of each input.
    """
    described = {"step": step, "version": __version__, "options": options, "inputs": dict(inputs)}
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@contextmanager
def fill(place: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `place` when the block ends well, and vanishes when it does not."""
    part = place.with_name(f"{place.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if place.is_dir():  # another process was as fast; the contents are the same
            shutil.rmtree(part)
        else:
            part.rename(place)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def publish(source: Path, target: Path) -> None:
    """Show a kept result under a readable name: a hard link where the file system can, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(target)


def withdraw(folder: Path, shown: Collection[str]) -> None:
    """Remove what an earlier run, with other options, published in `folder` and this one did not."""
    for path in sorted(folder.glob("*")):
        if path.name not in shown and path.is_file():
            path.unlink()
