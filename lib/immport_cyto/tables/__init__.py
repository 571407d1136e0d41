"""The tables that pass between the stages: their columns, and the one way to read and write them.

A table is UTF-8 text, tab-separated, with one header line; an empty cell means unknown. A reader checks the
header and names a missing column; more columns than the contract lists are kept. On writing, tabs, line
ends and control characters inside a cell become one blank. A text cell that a spreadsheet would run as a formula
gets a leading apostrophe, which reading takes away again.
"""

from immport_cyto.tables.clustering import (
    ABUNDANCES,
    AGREEMENT,
    COMPARISON,
    CONTINGENCY,
    DRIFT,
    EXTRACTED,
    MATCHES,
    MERGES,
    OUTLIERS,
    STATISTICS,
)
from immport_cyto.tables.contract import Column, Kind, Table
from immport_cyto.tables.over_studies import ASYMMETRY, BATCHES, CUMULATIVE, MODERATORS, POWER, STUDIES, SUBGROUPS
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
    MEMBERS,
    META,
    PANEL,
    PANELS,
    POPULATIONS,
    QC,
    RESULTS,
    SAMPLES,
    TRANSFORMS,
)

__all__ = [
    "ABUNDANCES",
    "AGREEMENT",
    "ALL",
    "ASYMMETRY",
    "BATCHES",
    "CLUSTERS",
    "CLUSTER_MEDIANS",
    "COMPARISON",
    "CONTINGENCY",
    "COUNTS",
    "CUMULATIVE",
    "CUTOFFS",
    "DEFINITIONS",
    "DRIFT",
    "EFFECTS",
    "EXTRACTED",
    "FAILURES",
    "MATCHES",
    "MEDIANS",
    "MEMBERS",
    "MERGES",
    "META",
    "MODERATORS",
    "OUTLIERS",
    "PANEL",
    "PANELS",
    "POPULATIONS",
    "POWER",
    "QC",
    "RESULTS",
    "SAMPLES",
    "STATISTICS",
    "STUDIES",
    "SUBGROUPS",
    "TRANSFORMS",
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
