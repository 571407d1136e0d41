"""What a command did: inputs with checksums, parameters, versions, counts in and out.

Written by ``--json`` of each command. It holds no time stamp and no path of the machine, so the same work
gives the same bytes.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from immport_cyto import __version__
from immport_cyto.files import sha256, write_text

FORMAT = "immport-cyto/provenance"
FORMAT_VERSION = 1
_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "numba", "flowio", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries that can change a result."""
    found = {"python": platform.python_version(), "immport-cyto": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def record(
    command: str,
    *,
    inputs: Iterable[Path | str] = (),
    parameters: Mapping[str, Any] | None = None,
    counts: Mapping[str, int] | None = None,
    warnings: Iterable[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe one step as a dictionary ready for JSON.

    Parameters
    ----------
    command
        Noun and verb, such as ``"cluster flowsom"``.
    inputs
        Files that were read. Folders are left out: name the files in them.
    parameters
        Options with the values that were used, defaults too.
    counts
        What went in and came out (events, files, rows).
    warnings
        Each guess and oddity, one sentence each.
    extra
        Anything else that is worth keeping.
    """
    files = sorted({Path(path) for path in inputs if Path(path).is_file()}, key=lambda path: (path.name, str(path)))
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "command": command,
        "versions": versions(),
        "parameters": dict(parameters or {}),
        "inputs": [{"name": path.name, "sha256": sha256(path), "bytes": path.stat().st_size} for path in files],
        "counts": dict(counts or {}),
        "warnings": list(warnings),
        **dict(extra or {}),
    }


def write(path: Path | str, entry: Mapping[str, Any]) -> None:
    """Write a record as JSON, keys in order."""
    write_text(path, json.dumps(entry, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n")
