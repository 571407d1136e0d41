"""All channels of many files under one set of names: the panels among them, and what is odd."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from immport_cyto.exceptions import FCSError, InputError, OptionError
from immport_cyto.panel import corrections as corrections_
from immport_cyto.panel import reagents as reagents_
from immport_cyto.panel.findings import Inventory, find
from immport_cyto.panel.immport_names import HUMAN, MOUSE, immport_antigen
from immport_cyto.panel.parser import parse_channel
from immport_cyto.panel.reading import ChannelReading, Context
from immport_cyto.panel.vocabulary import NONE, load
from immport_cyto.progress import progress

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.panel.analytes import Analytes

PROJECT, IMMPORT = NAMINGS = ("project", "immport")
TECHNIQUES = {"flow": "Flow cytometry", "cytof": "CyTOF"}
_CYTOF_INSTRUMENTS = ("CYTOF", "HELIOS", "DVSSCIENCES", "FLUIDIGM")
_METALS_OF_CYTOF = 3  # from this many isotopes on a file is mass cytometry, whatever $CYT says


class _Named(NamedTuple):
    """One channel; `label` is the text that says what it measures."""

    number: int
    pnn: str
    pns: str
    label: str


@dataclass(frozen=True)
class _Source:
    """What is known beside the channels themselves."""

    corrections: list[corrections_.Correction]
    analytes: "Analytes | None"
    reagents: Mapping[str, tuple[reagents_.Reagent, ...]]
    naming: str


@dataclass(frozen=True)
class HarmonizedPanels:
    """Result of `harmonize`.

    Attributes
    ----------
    panel
        One row per file and channel, contract PANEL.
    panels
        One row per study and panel, contract PANELS.
    presence
        One row per marker; ``1`` where a panel has it, one column per study and panel.
    findings
        What a person should look at, one sentence each.
    failures
        Files that could not be read, contract FAILURES.
    corrections
        All decisions as a corrections table, to be edited and used again.
    """

    panel: "pd.DataFrame"
    panels: "pd.DataFrame"
    presence: "pd.DataFrame"
    findings: list[str]
    failures: "pd.DataFrame"
    corrections: "pd.DataFrame"


def harmonize(
    files: Mapping[str, Path],
    *,
    corrections: "pd.DataFrame | None" = None,
    studies: Mapping[str, str] | None = None,
    species: Mapping[str, str] | None = None,
    analytes: "Analytes | None" = None,
    reagents: "pd.DataFrame | None" = None,
    naming: str = PROJECT,
    quiet: bool = True,
) -> HarmonizedPanels:
    """Read the channels of all files and give them one set of names.

    Parameters
    ----------
    files
        FCS files by file name. Only their headers are read.
    corrections
        Table of `corrections.CORRECTIONS`; its rows win over the parser.
    studies
        Study accession by file name, where known.
    species
        ``Mus musculus`` or ``Homo sapiens`` by file name; human where not known.
    analytes
        ImmPort's analytes (`read_analytes`): names that the vocabulary lacks, and the accessions of all.
    reagents
        Table with file_name, target and reporter: markers of files whose channels name none.
    naming
        ``project`` or ``immport``: the names in column ``antigen``.
    quiet
        Show no progress.

    Raises
    ------
    TableError
        A correction that cannot be used.
    PanelError
        Two corrections that contradict each other.
    OptionError
        A naming that is not known.
    """
    import pandas as pd

    from immport_cyto import tables

    if naming not in NAMINGS:
        msg = f"naming {naming!r} is not known; use one of {', '.join(NAMINGS)}"
        raise OptionError(msg)
    wanted = corrections_.check(corrections)
    studies, species = studies or {}, species or {}
    source = _Source(wanted, analytes, reagents_.by_file(reagents), naming)
    rows: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    inventory = Inventory()
    with progress("reading panels", len(files), quiet=quiet or len(files) < 2) as shown:
        for file_name in sorted(files):
            study = studies.get(file_name, "")
            try:
                channels, instrument = _channels(files[file_name])
            except (InputError, OSError) as error:
                message = str(error).replace(str(files[file_name]), file_name, 1) or type(error).__name__
                failures.append(
                    {"file_name": file_name, "study_accession": study, "stage": "panel", "message": message}
                )
            else:
                found, technique = _read_file(
                    file_name, channels, instrument, _species(species.get(file_name, "")), source, inventory
                )
                markers = tuple(sorted({row["antigen"] for row in found if row["role"] == "marker"}))
                identity = panel_id(technique, markers)
                for row in found:
                    row["panel_id"] = identity
                inventory.add_file(file_name, study, identity, technique, markers, found)
                rows += found
            if shown:
                shown.step(file_name)
    for correction in wanted:
        if not correction.used:
            inventory.notes.append(f"{correction} fits no channel of these files; check the names")
    panels = pd.DataFrame(
        [
            {
                "study_accession": study,
                "panel_id": identity,
                "technique": TECHNIQUES[group.technique],
                "n_files": len(group.files),
                "n_markers": len(group.markers),
                "markers": ";".join(group.markers),
            }
            for (study, identity), group in sorted(inventory.panels.items())
        ],
        columns=tables.PANELS.column_names,
    )
    return HarmonizedPanels(
        panel=tables.conform(pd.DataFrame(rows, columns=tables.PANEL.column_names), tables.PANEL),
        panels=tables.conform(panels, tables.PANELS),
        presence=_presence(inventory),
        findings=find(inventory),
        failures=tables.conform(pd.DataFrame(failures, columns=tables.FAILURES.column_names), tables.FAILURES),
        corrections=corrections_.complete(rows),
    )


def panel_id(technique: str, markers: tuple[str, ...]) -> str:
    """Name of a panel: technique, number of markers, hash of technique and markers in alphabetical order."""
    unique = sorted(set(markers))
    digest = hashlib.sha256("\n".join([technique, *unique]).encode()).hexdigest()[:6]
    return f"{technique}-{len(unique)}m-{digest}"


def _channels(path: Path) -> tuple[list[_Named], str]:
    from immport_cyto import fcs

    opened = fcs.open(path)
    if not opened.channels:
        msg = f"{path}: no channel ($PAR is 0); leave the file out"
        raise FCSError(msg)
    return [_named(c.number, c.pnn, c.pns, opened.keywords) for c in opened.channels], opened.keywords.get("$CYT", "")


def _named(number: int, pnn: str, pns: str, keywords: Mapping[str, str]) -> _Named:
    """A channel and the text to read: $PnS, else $PnANALYTE and $PnTAG of FCS 3.2."""
    analyte, tag = (keywords.get(f"$P{number}{name}", "").strip() for name in ("ANALYTE", "TAG"))
    return _Named(number, pnn, pns, pns if pns.strip() or not analyte else f"{analyte} {tag}".strip())


def _read_file(
    file_name: str,
    channels: list[_Named],
    instrument: str,
    species: str,
    source: _Source,
    inventory: Inventory,
) -> tuple[list[dict[str, Any]], str]:
    """Rows of one file, without the panel id, and its technique."""
    context = Context(labels=tuple(sorted({channel.label or channel.pnn for channel in channels})))
    readings = [parse_channel(channel.pnn, channel.label, context=context) for channel in channels]
    unnamed = not any(reading.role == "marker" for reading in readings)
    stains = source.reagents.get(file_name, ()) if unnamed else ()
    rows: list[dict[str, Any]] = []
    for (number, pnn, pns, label), parsed in zip(channels, readings, strict=True):
        read = source.analytes.read(label.strip() or pnn, parsed) if source.analytes else parsed
        read = reagents_.read(pnn, read, stains)
        reading, marker_class = corrections_.apply(source.corrections, file_name, pnn, read)
        inventory.add_reading(file_name, pnn, pns, reading)
        rows.append(
            {
                "file_name": file_name,
                "panel_id": "",
                "channel_number": number,
                "fcs_colname": pnn,
                "description": pns,
                "antigen": _name(reading, species, source.naming),
                "reporter": reading.reporter,
                "marker_class": marker_class or (reading.marker_class if reading.role == "marker" else NONE),
                "role": reading.role,
                "rule": reading.rule,
                "confidence": reading.confidence,
                "analyte_accession": source.analytes.accession(reading.antigens, species) if source.analytes else "",
            }
        )
    return rows, _technique(rows, instrument)


def _species(name: str) -> str:
    return MOUSE if "mus" in name.lower() or "mouse" in name.lower() else HUMAN


def _name(reading: ChannelReading, species: str, naming: str) -> str:
    if naming == PROJECT:
        return reading.antigen
    return "/".join(immport_antigen(name, species) for name in reading.antigens)


def _technique(rows: list[dict[str, Any]], instrument: str) -> str:
    isotopes = load().isotopes
    metals = sum(row["reporter"] in isotopes for row in rows)
    if metals >= _METALS_OF_CYTOF:
        return "cytof"
    name = instrument.upper().replace("-", "").replace(" ", "")
    return "cytof" if any(word in name for word in _CYTOF_INSTRUMENTS) else "flow"


def _presence(inventory: Inventory) -> "pd.DataFrame":
    import pandas as pd

    groups = sorted(inventory.panels.items())
    markers = sorted({marker for _, group in groups for marker in group.markers})
    columns: dict[str, list[Any]] = {"marker": markers}
    for (study, identity), group in groups:
        columns[f"{study}:{identity}" if study else identity] = [int(marker in group.markers) for marker in markers]
    return pd.DataFrame(columns)
