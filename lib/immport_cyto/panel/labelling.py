"""Harmonised names written into FCS files: $PnS, and $PnANALYTE and $PnTAG of FCS 3.2; the reported ones are kept."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import PanelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

REPORTED = "ICYTO_P{}REPORTED"
"""Keyword that keeps the $PnS as reported, where it was changed."""
_WITH_ANTIGEN = frozenset({"marker", "dump"})
_EVENTS = 200_000


def names(rows: Iterable[Mapping[str, Any]], version: str = "3.2") -> tuple[dict[int, str], dict[str, str]]:
    """New $PnS by channel number, and the keywords that go with them.

    Parameters
    ----------
    rows
        Rows of panel.tsv for one file.
    version
        ``3.1`` or ``3.2``; only the newer one has $PnANALYTE and $PnTAG.
    """
    stains: dict[int, str] = {}
    keywords: dict[str, str] = {}
    for row in rows:
        number, reported = int(row["channel_number"]), str(row["description"] or "")
        antigen = str(row["antigen"] or "") if row["role"] in _WITH_ANTIGEN else ""
        if antigen:
            stains[number] = antigen
            if reported.strip() and reported != antigen:
                keywords[REPORTED.format(number)] = reported
        if version == "3.2":
            if antigen:
                keywords[f"$P{number}ANALYTE"] = antigen
            if row["reporter"]:
                keywords[f"$P{number}TAG"] = str(row["reporter"])
    return stains, keywords


def write_names(source: Path, target: Path, rows: Iterable[Mapping[str, Any]], version: str = "3.2") -> int:
    """Copy an FCS file with harmonised names; the events are written as float32 on the instrument's linear scale.

    Returns
    -------
    int
        Channels whose $PnS changed.

    Raises
    ------
    FCSError
        The file cannot be read.
    PanelError
        The rows are of another file: a channel number or a $PnN does not fit.
    """
    from immport_cyto import fcs
    from immport_cyto.fcs.writer import write_blocks

    listed = list(rows)
    opened = fcs.open(source)
    for row in listed:
        number = int(row["channel_number"])
        if not 0 < number <= opened.n_channels or opened.channels[number - 1].pnn != str(row["fcs_colname"]).strip():
            msg = (
                f"{source.name}: channel {number} is not {row['fcs_colname']!r}; harmonise the panel of this file again"
            )
            raise PanelError(msg)
    stains, keywords = names(listed, version)
    channels = [replace(channel, pns=stains.get(channel.number, channel.pns)) for channel in opened.channels]

    def blocks() -> "Iterator[npt.NDArray[np.float32]]":
        for start in range(0, opened.n_events, _EVENTS):
            yield opened.events(None, start, min(start + _EVENTS, opened.n_events))

    write_blocks(target, blocks, opened.n_events, channels, {**opened.keywords, **keywords}, version)
    return sum(new.pns != old.pns for new, old in zip(channels, opened.channels, strict=True))
