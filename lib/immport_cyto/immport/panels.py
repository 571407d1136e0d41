"""The panel of each result file under harmonised marker names, kept in the store so that a search is a query.

Markers come from the channels of the file (``fcs_header_marker``). Where these name none, as in SDY139 or where a study
shares no headers, they come from the reagents of its samples; ``file_panel.origin`` says which.
"""

import re
import sqlite3
from collections.abc import Iterator
from itertools import groupby

from immport_cyto.immport.values import technique

CHANNELS, REAGENTS = "channels", "reagents"
_BATCH = 5000
# what else the cells of a sample went through: SDY139 lists the primers for the cells that it sorted
_NO_STAIN = re.compile(r"taqman|primer|gene expression|beadchip|\bpcr\b|luminex", re.IGNORECASE)

_CHANNELS = """
SELECT p.file_info_id, f.technique, p.pnn, p.pns FROM temp.keep_file n
CROSS JOIN file f ON f.file_info_id = n.file_info_id CROSS JOIN fcs_param p ON p.file_info_id = n.file_info_id
WHERE f.role IN ('sample', 'converted')
AND NOT EXISTS (SELECT 1 FROM file_panel k WHERE k.file_info_id = p.file_info_id) ORDER BY p.file_info_id, p.n
"""
_REAGENTS = """
SELECT f.file_info_id, f.technique, r.analyte_reported, r.analyte_preferred, r.name
FROM temp.keep_file n CROSS JOIN file f ON f.file_info_id = n.file_info_id
CROSS JOIN expsample_file ef ON ef.file_info_id = n.file_info_id
CROSS JOIN expsample_reagent er ON er.expsample_accession = ef.expsample_accession
CROSS JOIN reagent r ON r.reagent_accession = er.reagent_accession
WHERE f.role IN ('sample', 'converted')
AND NOT EXISTS (SELECT 1 FROM file_panel k WHERE k.file_info_id = f.file_info_id)
ORDER BY f.file_info_id, r.reagent_accession
"""


def index_panels(connection: sqlite3.Connection) -> None:
    """Add the panel of each result file of this load (``temp.keep_file``) that has none yet and a known marker."""
    known: dict[tuple[str, tuple[tuple[str, ...], ...]], str] = {}
    for query, origin in ((_CHANNELS, CHANNELS), (_REAGENTS, REAGENTS)):
        rows: list[tuple[int, str, str]] = []
        for number, kind, labels in _files(connection, query):
            if (kind, labels) not in known:
                names = channel_markers(labels) if origin == CHANNELS else reagents_markers(labels)
                known[kind, labels] = _panel(connection, kind, names)
            if known[kind, labels]:
                rows.append((number, known[kind, labels], origin))
        for start in range(0, len(rows), _BATCH):
            connection.executemany("INSERT INTO file_panel VALUES (?, ?, ?)", rows[start : start + _BATCH])


def _files(connection: sqlite3.Connection, query: str) -> Iterator[tuple[int, str, tuple[tuple[str, ...], ...]]]:
    for (number, kind), rows in groupby(connection.execute(query), key=lambda row: (row[0], row[1])):
        yield number, technique(kind), tuple(dict.fromkeys(tuple(text or "" for text in row[2:]) for row in rows))


def channel_markers(labels: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Markers of ($PnN, $PnS) pairs, as ``panel harmonize`` names them."""
    from immport_cyto.panel import Context, parse_channel

    context = Context(labels=tuple(sorted({pns or pnn for pnn, pns in labels})))
    readings = (parse_channel(pnn, pns, context=context) for pnn, pns in labels)
    return tuple(sorted({reading.antigen for reading in readings if reading.role == "marker" and reading.antigen}))


def reagents_markers(labels: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Markers of (analyte reported, analyte preferred, name of the reagent)."""
    found = {reagent_marker(*label) for label in labels if not _NO_STAIN.search(label[2])}
    return tuple(sorted(found - {""}))


def reagent_marker(reported: str, preferred: str, name: str) -> str:
    """The marker that a reagent binds, or ``""``.

    >>> reagent_marker("CCR7 (CD197)", "", "NCH-2011-FR-R22"), reagent_marker("", "", "anti-CD19 PE")
    ('CCR7', 'CD19')
    """
    from immport_cyto.panel import antigen, parse_channel

    for text in (reported, preferred):
        found = antigen(text) if text else None
        if found:
            return found
    for text in (reported, name):
        reading = parse_channel("", text) if text else None
        if reading is not None and reading.role == "marker" and reading.confidence >= 0.5:
            return reading.antigen
    return ""


def _panel(connection: sqlite3.Connection, kind: str, markers: tuple[str, ...]) -> str:
    """The id of a panel, which is added where it is new; ``""`` without markers."""
    from immport_cyto.panel.harmonizer import TECHNIQUES, panel_id

    if not markers:
        return ""
    short = "cytof" if kind == TECHNIQUES["cytof"] else "flow"
    identity = panel_id(short, markers)
    connection.execute(
        "INSERT OR IGNORE INTO panel VALUES (?, ?, ?, ?)",
        (identity, TECHNIQUES[short], len(markers), ";".join(markers)),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO panel_marker VALUES (?, ?)", ((marker, identity) for marker in markers)
    )
    return identity
