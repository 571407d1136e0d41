"""Names of the files that commands write."""

from collections.abc import Mapping
from pathlib import Path

from immport_cyto.exceptions import OutputExistsError
from immport_cyto.files import safe_name


def group_stem(study_accession: str, panel_id: str) -> str:
    """Name of the files of a group, without ending."""
    return safe_name("-".join(word for word in (study_accession, panel_id) if word) or "model")


def written_name(name: str, ending: str = ".fcs") -> str:
    """Name of the file that is written for a file: harmless, uncompressed, with the ending."""
    stem = name[:-3] if name.lower().endswith(".gz") else name
    return safe_name(stem if stem.lower().endswith(ending) else f"{stem}{ending}")


def targets(files: Mapping[str, Path], out_dir: Path, ending: str = ".fcs") -> dict[str, Path]:
    """Where each file goes: its own name, with the ending; a name may keep its own where `ending` is empty.

    Raises
    ------
    OutputExistsError
        Two files would get the same name, or an input would be overwritten.
    """
    found: dict[str, Path] = {}
    for name, source in files.items():
        target = out_dir / written_name(name, ending)
        if target in found.values():
            msg = f"{target}: two input files would be written to this name; rename one"
            raise OutputExistsError(msg)
        if target.exists() and any(target.samefile(path) for path in files.values()):
            msg = f"{source}: would be overwritten by its own result; choose another --out-dir"
            raise OutputExistsError(msg)
        found[name] = target
    return found
