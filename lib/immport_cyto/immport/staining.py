"""What the files of a store were stained with, and what ImmPort calls their channels: for ``panel harmonize``."""

import sqlite3
from typing import TYPE_CHECKING

from immport_cyto.immport.panels import reagent_marker
from immport_cyto.immport.reagents import usual_reporter

if TYPE_CHECKING:
    import pandas as pd

_REAGENTS = """
SELECT DISTINCT coalesce(f.original_name, f.name), f.name, r.analyte_reported, r.analyte_preferred, r.name, r.reporter
FROM file f JOIN expsample_file ef USING (file_info_id) JOIN expsample_reagent er USING (expsample_accession)
JOIN reagent r USING (reagent_accession) WHERE f.role IN ('sample', 'converted') ORDER BY 1, r.reagent_accession
"""
_CHANNELS = """
SELECT f.study_accession, p.pnn, p.pns, p.pns_preferred, count(DISTINCT p.file_info_id)
FROM fcs_param p JOIN file f USING (file_info_id) GROUP BY 1, 2, 3, 4
"""


def file_reagents(connection: sqlite3.Connection) -> "pd.DataFrame":
    """One row per result file, under its stored and its original name, and reagent: target and reporter, harmonised."""
    import pandas as pd

    rows = [
        (
            name,
            reagent_marker(reported or "", preferred or "", reagent or ""),
            usual_reporter(reporter or "", reagent or ""),
        )
        for original, stored, reported, preferred, reagent, reporter in connection.execute(_REAGENTS)
        for name in dict.fromkeys((original, stored))
    ]
    return pd.DataFrame(rows, columns=["file_name", "target", "reporter"])


def channel_names(connection: sqlite3.Connection) -> list[tuple[str, str, str, str, int]]:
    """(study, $PnN, $PnS, ImmPort's preferred $PnS, number of files) of all headers."""
    return [
        (study or "", pnn or "", pns or "", preferred or "", number)
        for study, pnn, pns, preferred, number in connection.execute(_CHANNELS)
    ]


def is_mouse(connection: sqlite3.Connection) -> bool:
    """Whether most subjects are mice."""
    query = "SELECT count(*), sum(species LIKE 'Mus %') FROM subject WHERE species IS NOT NULL"
    subjects, mice = connection.execute(query).fetchone()
    return 2 * (mice or 0) > (subjects or 0)
