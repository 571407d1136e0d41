"""Reagents of the studies: what was stained with which clone and conjugate of whom, and in which panels.

ImmPort's columns are filled in many ways (SDY404 has ``anti-human CD27`` as the clone, SDY139 ``Clone- JES6-1A12`` as
the catalogue number), so target, clone and reporter are harmonised, and the reported words stand beside them.
"""

import difflib
import re
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import OptionError
from immport_cyto.immport.linking import accession_order
from immport_cyto.immport.panels import reagent_marker
from immport_cyto.immport.searching import Listed, check_studies
from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

REAGENTS = Table(
    "reagents.tsv",
    "reagents that samples used, and where",
    (
        Column("reagent_accession", "text", "ESRn"),
        Column("target", "text", "antigen under its harmonised name; empty where it binds none that is known", False),
        Column("reporter", "text", "fluorochrome or isotope under its usual name", False),
        Column("clone", "text", "clone", False),
        Column("manufacturer", "text", "as reported", False),
        Column("catalog_number", "text", "as reported", False),
        Column("antibody_registry_id", "text", "AB_n", False),
        Column("name", "text", "as reported", False),
        Column("analyte_reported", "text", "as reported", False),
        Column("analyte_preferred", "text", "ImmPort's name of the analyte", False),
        Column("analyte_accession", "text", "ANAn", False),
        Column("studies", "text", "studies that used it, joined by ';'"),
        Column("n_expsamples", "int", "expsamples that used it"),
        Column("n_files", "int", "FCS result files of these"),
        Column("panel_ids", "text", "panels of these files, joined by ';'", False),
    ),
    ("reagent_accession",),
)

_USED = """
SELECT r.reagent_accession, r.name, r.analyte_reported, r.analyte_preferred, r.analyte_accession, r.clone, r.reporter,
    r.manufacturer, r.catalog_number, r.antibody_registry_id, listed(x.study_accession) AS studies,
    count(DISTINCT er.expsample_accession) AS n_expsamples, count(DISTINCT f.file_info_id) AS n_files,
    listed(k.panel_id) AS panel_ids
FROM reagent r JOIN expsample_reagent er USING (reagent_accession) JOIN expsample e USING (expsample_accession)
LEFT JOIN experiment x ON x.experiment_accession = e.experiment_accession
LEFT JOIN expsample_file ef ON ef.expsample_accession = er.expsample_accession
LEFT JOIN file f ON f.file_info_id = ef.file_info_id AND f.role = 'sample'
LEFT JOIN file_panel k ON k.file_info_id = f.file_info_id
GROUP BY r.reagent_accession
"""
_WORDS = ("reporter", "clone", "manufacturer", "catalog_number")
_SHOWN = 20
_NO_CLONE = re.compile(
    r"^(?:anti[- ].*|n/?a|unk(?:nown)?|none|not (?:specified|applicable|available).*|-)$", re.IGNORECASE
)
_CLONE_IN_CATALOG = re.compile(r"^clone[-: ]+(?P<clone>\S.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """What a reagent must have; an empty word is met by all."""

    target: str = ""
    reporter: str = ""
    clone: str = ""
    manufacturer: str = ""
    catalog_number: str = ""
    studies: tuple[str, ...] = ()


def list_reagents(connection: sqlite3.Connection, wanted: Wanted) -> "pd.DataFrame":
    """See :meth:`immport_cyto.immport.Store.reagents`."""
    import pandas as pd

    from immport_cyto.panel import antigen

    check_studies(connection, wanted.studies)
    connection.create_aggregate("listed", 1, Listed)  # type: ignore[arg-type]
    cursor = connection.execute(_USED)
    names = [column[0] for column in cursor.description]
    rows = [_harmonised(dict(zip(names, values, strict=True))) for values in cursor]
    target = (antigen(wanted.target) or wanted.target) if wanted.target else ""
    if target and antigen(target) is None and not any(_same(target, row["target"]) for row in rows):
        msg = f"target {wanted.target!r} is unknown; give an antigen, such as CD25"
        raise OptionError(msg)
    for name in _WORDS:
        _check_word(rows, name, getattr(wanted, name))
    kept = [row for row in rows if _fits(row, wanted, target)]
    kept.sort(
        key=lambda row: (row["target"].lower(), row["reporter"].lower(), accession_order(row["reagent_accession"]))
    )
    return conform(pd.DataFrame(kept, columns=REAGENTS.column_names), REAGENTS)


def _harmonised(row: dict[str, Any]) -> dict[str, Any]:
    text = {name: row[name] or "" for name in ("name", "analyte_reported", "analyte_preferred", "clone", "reporter")}
    found = _CLONE_IN_CATALOG.match((row["catalog_number"] or "").strip())
    clone = "" if _NO_CLONE.match(text["clone"].strip()) else text["clone"].strip()
    return row | {
        "target": reagent_marker(text["analyte_reported"], text["analyte_preferred"], text["name"]),
        "reporter": usual_reporter(text["reporter"], text["name"]),
        "clone": clone or (found.group("clone") if found else ""),
    }


@lru_cache(maxsize=65536)
def usual_reporter(reported: str, name: str = "") -> str:
    """The usual name of a fluorochrome or isotope, from its column or else from the name of the reagent.

    >>> usual_reporter("R-PE"), usual_reporter("", "CD4 PerCP-Cy5.5"), usual_reporter("NA", "IL-2")
    ('PE', 'PerCP-Cy5.5', '')
    """
    from immport_cyto.panel import parse_channel
    from immport_cyto.panel._text import key
    from immport_cyto.panel.vocabulary import load

    if _NO_CLONE.match(reported.strip()):
        reported = ""
    known = load().reporters.get(key(reported)) or load().isotopes.get(key(reported))
    if known is not None:
        return known.name
    if reported:
        return parse_channel(reported).reporter or reported.strip()
    return parse_channel("", name).reporter if name else ""


def _check_word(rows: list[dict[str, Any]], name: str, word: str) -> None:
    """Refuse a word that no reagent has: it finds nothing, which reads like an answer."""
    alone: dict[str, Any] = {name: word}
    if not word or any(_fits(row, Wanted(**alone), "") for row in rows):
        return
    present = sorted({str(row[name]) for row in rows if row[name]}, key=str.lower)
    folded = {text.lower(): text for text in present}
    near = [folded[text] for text in difflib.get_close_matches(word.lower(), folded, n=3, cutoff=0.6)]
    more = f" and {len(present) - _SHOWN} more" if len(present) > _SHOWN else ""
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(present[:_SHOWN]) or 'none'}{more}"
    msg = f"no reagent of the store has the {name.replace('_', ' ')} {word!r}; {hint}"
    raise OptionError(msg)


def _fits(row: dict[str, Any], wanted: Wanted, target: str) -> bool:
    return (
        (not target or _same(target, row["target"]) or target in row["target"].split("/"))
        and (not wanted.reporter or _same(usual_reporter(wanted.reporter), row["reporter"]))
        and (not wanted.clone or _same(wanted.clone, row["clone"]))
        and (not wanted.catalog_number or _same(wanted.catalog_number, row["catalog_number"] or ""))
        and wanted.manufacturer.lower() in (row["manufacturer"] or "").lower()
        and (not wanted.studies or not {s.upper() for s in wanted.studies}.isdisjoint(row["studies"].split(";")))
    )


def _same(one: str, other: str) -> bool:
    return bool(other) and re.sub(r"[\W_]", "", one).lower() == re.sub(r"[\W_]", "", other).lower()
