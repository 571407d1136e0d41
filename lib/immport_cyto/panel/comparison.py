"""ImmPort's preferred names beside ours: where they differ, and why."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from immport_cyto.panel._text import key
from immport_cyto.panel.immport_names import HUMAN, immport_name, labels
from immport_cyto.panel.parser import parse_channel
from immport_cyto.panel.reading import ChannelReading
from immport_cyto.panel.vocabulary import load
from immport_cyto.tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd

COMPARISON = Table(
    "immport_names.tsv",
    "ImmPort's preferred names of the channels of a study beside ours",
    (
        Column("study_accession", "text", "SDYn"),
        Column("fcs_colname", "text", "$PnN as reported"),
        Column("description", "text", "$PnS as reported", False),
        Column("role", "text", "role of the channel, read here"),
        Column("antigen", "text", "antigen read here; empty where the role measures none", False),
        Column("immport_name", "text", "preferred name of the package; by ImmPort's grammar where it has none", False),
        Column("agrees", "bool", "both name the same targets, or both none"),
        Column("reason", "text", "what differs", False),
        Column("n_files", "int", "files with this channel"),
    ),
    ("study_accession", "fcs_colname", "description"),
)
_ISOFORM_GENE = "PTPRC"
_NAMED_ROLES = frozenset({"marker", "dump"})


def compare(channels: Iterable[tuple[str, str, str, str, int]], species: str = HUMAN) -> "pd.DataFrame":
    """One row per channel name of a study.

    Parameters
    ----------
    channels
        (study, $PnN, $PnS, ImmPort's preferred $PnS or "", number of files).
    species
        ``human`` or ``mouse``, for ImmPort's grammar where a package gives no preferred name.
    """
    import pandas as pd

    from immport_cyto import tables

    rows: list[dict[str, Any]] = []
    for study, pnn, pns, preferred, n_files in sorted(channels):
        reading = parse_channel(pnn, pns)
        name = preferred or immport_name(pns, species)
        reason = difference(reading, pns, name, species)
        rows.append(
            {
                "study_accession": study, "fcs_colname": pnn, "description": pns, "role": reading.role,
                "antigen": reading.antigen, "immport_name": name, "agrees": not reason, "reason": reason,
                "n_files": n_files,
            }
        )  # fmt: skip
    return tables.conform(pd.DataFrame(rows, columns=COMPARISON.column_names), COMPARISON)


def difference(reading: ChannelReading, reported: str, name: str, species: str = HUMAN) -> str:
    """What differs between a reading and ImmPort's name; empty where they agree."""
    theirs = genes(name, species, reported)
    ours = set(reading.genes) if reading.role in _NAMED_ROLES else set()
    if reading.role == "unknown":
        return "not understood here" if theirs else ""
    if _ISOFORM_GENE in theirs and _ISOFORM_GENE in ours:
        return _isoform(reading, name)
    if ours == theirs:
        return ""
    if not theirs:
        known = reading.role in _NAMED_ROLES
        return f"ImmPort has no name for {reported!r}" if known and ours else ""
    if not ours:
        return f"ImmPort takes a {reading.role} label for an analyte" if not reading.antigens else (
            f"{reading.antigen} is no gene product here"
        )  # fmt: skip
    if theirs < ours:
        kept, all_of = len(theirs), len(ours)
        return f"ImmPort keeps {kept} of {all_of} targets"
    if ours < theirs:
        return "ImmPort names more targets"
    return f"ImmPort names {', '.join(sorted(theirs))}, here it is {', '.join(sorted(ours))}"


def _isoform(reading: ChannelReading, name: str) -> str:
    theirs = "CD45RO" if "CD45RO" in name else "CD45RA" if "iso:h6" in name else "CD45"
    ours = [antigen for antigen in reading.antigens if antigen.startswith(("CD45", "B220"))]
    what = "the gene PTPRC" if theirs == "CD45" else f"the isoform {theirs}"
    return "" if theirs in ours else f"ImmPort names {what} where the stain is {', '.join(ours)}"


def genes(name: str, species: str = HUMAN, reported: str = "") -> set[str]:
    """Gene symbols in one of ImmPort's names, such as ``hCD3E, hCD19, FITC``; words that are no analyte have none.

    Newer releases give the symbol alone, such as ``CD3E``; it counts where it is not the label as reported, or where
    the label is a symbol (CD4) or one that ImmPort knows (CD20).
    """
    prefix = "h" if species == HUMAN else "m"
    analytes = {label for label in labels(species).values() if label[:1] in {"h", "m"} or "/iso" in label}
    found: set[str] = set()
    for part in (part.strip() for part in name.split(",")):
        if part in analytes:
            symbol = part.split("/")[0]
            bare = symbol[1:] if symbol[:1] == prefix and "/iso:CD45RO" not in part else symbol
            found |= _symbols(bare) or {bare.upper()}
        elif (part.isupper() and part != reported) or part in labels(species) or part in _symbols(part):
            found |= _symbols(part)
    return found


def _symbols(name: str) -> set[str]:
    """Genes of a name that ImmPort uses, by our vocabulary: FCG3A is FCGR3A."""
    entry = load().antigens.get(key(name))
    return set(entry.genes) if entry else set()
