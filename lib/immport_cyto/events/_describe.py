"""What one FCS file is: the meaning of its channels, its spillover matrix, and oddities that change its values."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.events import compensation as comp
from immport_cyto.events.qc import Channels
from immport_cyto.events.transforms import COFACTOR
from immport_cyto.exceptions import CompensationError, PanelError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.fcs import FCSFile

COMPENSATIONS = ("auto", "file", "none")
"""Words of the option; anything else is the path of a table."""


@dataclass(frozen=True)
class Panel:
    """What the channels of one file are, in their order."""

    panel_id: str
    technique: str
    roles: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...]


def read_panel(opened: "FCSFile", source: Path, file_name: str, frame: "pd.DataFrame | None") -> Panel:
    """Roles and markers of the channels, from panel.tsv or from the file alone."""
    if frame is None:
        from immport_cyto.panel import harmonize

        frame = harmonize({file_name: source}).panel
    rows = frame[frame["file_name"] == file_name].sort_values("channel_number", kind="stable")
    if not len(rows):
        msg = f"{file_name}: not in the panel table; harmonise the panel with this file"
        raise PanelError(msg)
    names = [str(name).strip() for name in rows["fcs_colname"]]
    present = [channel.pnn for channel in opened.channels]
    if names != [name.strip() for name in present]:
        differing = next((a for a, b in zip(names, present, strict=False) if a != b.strip()), f"{len(names)} rows")
        msg = (
            f"{file_name}: the panel table does not describe the {len(present)} channels of the file (first "
            f"difference: {differing!r}); harmonise the panel with this file"
        )
        raise PanelError(msg)
    roles = tuple(str(role) for role in rows["role"])
    antigens = [str(antigen) for antigen in rows["antigen"]]
    labels = tuple(
        antigen if role == "marker" and antigen else channel.pns
        for antigen, role, channel in zip(antigens, roles, opened.channels, strict=True)
    )
    panel_id = str(rows["panel_id"].iloc[0])
    technique = panel_id.partition("-")[0]
    if technique not in COFACTOR:
        technique = _technique(present)
    return Panel(panel_id, technique, roles, tuple(str(kind) for kind in rows["marker_class"]), labels)


def _technique(names: Sequence[str]) -> str:
    """Mass cytometry shows in channel names: isotopes with Di or Dd, or Event_length."""
    metal = re.compile(r"\(?[A-Z][a-z]?\d{2,3}\)?D[id]|event_?length|cell_?length", re.IGNORECASE)
    return "cytof" if any(metal.search(name) for name in names) else "flow"


def choose_matrix(
    opened: "FCSFile", source: Path, technique: str, option: str | Path, warnings: list[str]
) -> tuple[comp.Matrix | None, str]:
    """The matrix to apply (None for none) and the text of the `compensation` column."""
    names = [channel.pnn for channel in opened.channels]
    if option == "none":
        return None, "none"
    if str(option) not in COMPENSATIONS:
        table = Path(option)
        found = comp.fit(*comp.read_table(table), names, str(table))
        warnings += found.notes
        return (None, "already compensated") if found.is_identity else (found, f"table:{table.name}")
    if technique == "cytof" and option == "auto":
        return None, "none"
    try:
        spillover = opened.spillover()
        if spillover is None:
            if option == "file":
                msg = f"{source}: no spillover matrix in the file; give a table or use compensation none"
                raise CompensationError(msg)
            warnings.append("not compensated: no spillover matrix in the file")
            return None, "none"
        found = comp.fit(spillover.channels, spillover.matrix, names, f"{source}: {spillover.keyword}")
        if spillover.keyword == "$DFCmTOn" and option == "auto":
            # hardware compensation of analogue instruments: recorded, and applied before the signal was digitised
            warnings.append("$DFCmTOn taken as applied by the instrument; compensation 'file' applies it")
            return None, "already compensated"
    except comp.AlreadyCompensatedError:
        return None, "already compensated"
    except CompensationError as error:
        if option == "file":
            raise
        warnings.append(f"not compensated: {str(error).removeprefix(f'{source}: ')}")
        return None, "none"
    warnings += found.notes
    if found.is_identity:
        return None, "already compensated"
    return found, f"file:{spillover.keyword}"


def channels_of(opened: "FCSFile", described: Panel) -> Channels:
    limits = []
    for channel in opened.channels:
        top = channel.range
        if top is None or not math.isfinite(top) or top < 100 or channel.scaled_range is None:
            limits.append(math.nan)
        elif channel.is_log:
            # the scaled view of a log channel ends at the value of R - 1
            limits.append(channel.scaled_range * 10 ** (-channel.amplification[0] / top))
        else:
            limits.append(channel.scaled_range * (top - 1) / top)
    names = tuple(channel.pnn for channel in opened.channels)
    return Channels(names, described.labels, described.roles, tuple(limits), described.technique)
