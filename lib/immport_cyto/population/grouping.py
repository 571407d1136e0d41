"""Groups of files: one study and one panel are cut, searched and clustered together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.exceptions import LinkError, PanelError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Group:
    """Files of one study and one panel, in order of their names."""

    study_accession: str
    panel_id: str
    files: dict[str, Path] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(word for word in (self.study_accession, self.panel_id) if word) or "the files"


def groups(files: Mapping[str, Path], samples: "pd.DataFrame | None" = None) -> list[Group]:
    """Sort preprocessed files into groups by study (from `samples`) and panel (from the file).

    Parameters
    ----------
    files
        File name to path.
    samples
        SAMPLES rows; without them all files count as one study without a name.

    Raises
    ------
    LinkError
        A file has no row in `samples`.
    """
    from immport_cyto import fcs

    study_of: dict[str, str] = {}
    if samples is not None:
        study_of = dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for name in sorted(files):
        if samples is not None and name not in study_of:
            msg = f"{name}: has no row in samples.tsv; link it first or leave the file out"
            raise LinkError(msg)
        panel_id = fcs.open(files[name]).keywords.get("ICYTO_PANEL", "").strip()
        found.setdefault((study_of.get(name, ""), panel_id), {})[name] = files[name]
    return [Group(study, panel_id, members) for (study, panel_id), members in sorted(found.items())]


def remarks(files: Mapping[str, Path]) -> list[str]:
    """What a user would want to know of files to look for populations in: that some were not preprocessed."""
    from immport_cyto import fcs
    from immport_cyto.events.keywords import is_preprocessed

    raw = [name for name in sorted(files) if not is_preprocessed(fcs.open(files[name]).keywords)]
    if not raw:
        return []
    named = f"{raw[0]} was" if len(raw) == 1 else f"{len(raw)} files (first {raw[0]}) were"
    why = "cut-offs of values that are not compensated and transformed are wrong or not found, so preprocess first"
    return [f"{named} not written by 'events preprocess'; {why}"]


def marker_channels(files: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """Markers of each file and their channels, ``{file name: {marker: index}}``.

    Raises
    ------
    PanelError
        There is no file, or one has no marker channel.
    """
    from immport_cyto import events, fcs

    if not files:
        msg = "no FCS file was given; name at least one"
        raise PanelError(msg)
    found = {}
    for name in sorted(files):
        found[name] = events.markers(fcs.open(files[name]))
        if not found[name]:
            msg = f"{name}: has no channel that measures a marker; check its panel with 'panel explain'"
            raise PanelError(msg)
    return found
