"""The tables that pass between the stages: their columns, and the one way to read and write them.

A table is UTF-8 text, tab-separated, with one header line; an empty cell means unknown. A reader checks the
header and names a missing column; more columns than the contract lists are kept. On writing, tabs, line
ends and control characters inside a cell become one blank. A text cell that a spreadsheet would run as a formula
gets a leading apostrophe, which reading takes away again.
"""

from immport_cyto.tables.contract import Column, Kind, Table
from immport_cyto.tables.reading import concat, conform, escape_cell, read, to_text, write
from immport_cyto.tables.stages import (
    ALL,
    CLUSTER_MEDIANS,
    CLUSTERS,
    COUNTS,
    CUTOFFS,
    DEFINITIONS,
    EFFECTS,
    FAILURES,
    MEDIANS,
    META,
    PANEL,
    PANELS,
    POPULATIONS,
    QC,
    RESULTS,
    SAMPLES,
)

__all__ = [
    "ALL",
    "CLUSTERS",
    "CLUSTER_MEDIANS",
    "COUNTS",
    "CUTOFFS",
    "DEFINITIONS",
    "EFFECTS",
    "FAILURES",
    "MEDIANS",
    "META",
    "PANEL",
    "PANELS",
    "POPULATIONS",
    "QC",
    "RESULTS",
    "SAMPLES",
    "Column",
    "Kind",
    "Table",
    "concat",
    "conform",
    "escape_cell",
    "read",
    "to_text",
    "write",
]
