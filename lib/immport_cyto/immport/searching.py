"""Search a store: which studies, samples, files and panels fit a question.

Such as: CD3, CD4, CD45RA and CCR7 in one panel, in PBMC, above 60 years.
Only FCS result files count. All conditions must hold for one and the same sample; markers must be in one panel.
"""

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import LinkError, OptionError
from immport_cyto.immport import values
from immport_cyto.immport.linking import accession_order, sample_rows
from immport_cyto.immport.schema import statements
from immport_cyto.tables import PANELS, SAMPLES, Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

STUDIES = Table(
    "studies.tsv",
    "studies that a search found, with what of them fits",
    (
        Column("study_accession", "text", "ImmPort study, SDYn"),
        Column("title", "text", "brief title", False),
        Column("condition_studied", "text", "condition that the study is about", False),
        Column("release", "text", "data release, DRn", False),
        Column("species", "text", "joined by ';'", False),
        Column("technique", "text", "Flow cytometry, CyTOF; joined by ';'", False),
        Column("biosample_types", "text", "joined by ';'", False),
        Column("n_subjects", "int", "subjects that fit"),
        Column("n_biosamples", "int", "biosamples that fit"),
        Column("n_expsamples", "int", "expsamples that fit"),
        Column("n_files", "int", "FCS result files that fit"),
        Column("n_panels", "int", "panels of these files"),
        Column("age_min", "float", "years", False),
        Column("age_max", "float", "years; 90 may stand for more", False),
        Column("panel_ids", "text", "joined by ';'", False),
    ),
    ("study_accession",),
)

EXPSAMPLES = Table(
    "expsamples.tsv",
    "expsamples that a search found; several values of a sample are joined by ';'",
    (
        Column("study_accession", "text", "ImmPort study, SDYn"),
        Column("expsample_accession", "text", "ESn"),
        Column("experiment_accession", "text", "EXPn", False),
        Column("biosample_accession", "text", "BSn", False),
        Column("subject_accession", "text", "SUBn", False),
        Column("arm_name", "text", "arm or cohort", False),
        Column("visit_name", "text", "planned visit", False),
        Column("study_time_days", "float", "time of collection in days", False),
        Column("age_years", "float", "age in years", False),
        Column("sex", "text", "as ImmPort gives it", False),
        Column("biosample_type", "text", "such as PBMC", False),
        Column("technique", "text", "Flow cytometry or CyTOF", False),
        Column("n_files", "int", "FCS result files"),
        Column("panel_ids", "text", "panels of these files", False),
    ),
    ("study_accession", "expsample_accession"),
)

LEVELS = {"studies": STUDIES, "samples": EXPSAMPLES, "files": SAMPLES, "panels": PANELS}
"""What a search can list, and the contract of its table."""

_SPECIES = {"human": "homo sapiens", "mouse": "mus musculus", "rat": "rattus norvegicus"}


@dataclass(frozen=True)
class Query:
    """Conditions of a search; an empty one always holds. Text is compared without regard to case.

    Attributes
    ----------
    markers
        All of them in one panel, in any spelling.
    panel
        Its ``panel_id``, as a search lists it.
    studies
        One of these accessions.
    technique
        ``flow`` or ``cytof``, or a longer name of them.
    species, biosample_type, sex
        The whole word, as ImmPort has it; ``human`` and ``mouse`` are understood.
    age_min, age_max
        Years, both ends included; samples without an age do not fit.
    days_min, days_max
        Days of collection after the study's time zero, both ends included.
    arm, condition, visit
        A part of the name; or an accession of an arm or visit.
    """

    markers: tuple[str, ...] = ()
    panel: str = ""
    studies: tuple[str, ...] = ()
    technique: str = ""
    species: str = ""
    biosample_type: str = ""
    sex: str = ""
    age_min: float | None = None
    age_max: float | None = None
    days_min: float | None = None
    days_max: float | None = None
    arm: str = ""
    condition: str = ""
    visit: str = ""


_CONDITIONS = {
    "panel": "k.panel_id = :panel",
    "biosample_type": "lower(b.type) = :biosample_type",
    "sex": "lower(s.sex) = :sex",
    "species": "lower(s.species) = :species",
    "technique": "coalesce(nullif(f.technique, ''), x.technique) = :technique",
    "age_min": "m.age_years >= :age_min",
    "age_max": "m.age_years <= :age_max",
    "days_min": "b.time_days >= :days_min",
    "days_max": "b.time_days <= :days_max",
    "arm": "(instr(lower(a.name), :arm) > 0 OR lower(a.arm_accession) = :arm)",
    "condition": "instr(lower(t.condition_studied), :condition) > 0",
    "visit": "(instr(lower(v.name), :visit) > 0 OR lower(v.visit_accession) = :visit)",
}
_PARTS = {
    "arm": "SELECT name, arm_accession FROM arm",
    "visit": "SELECT name, visit_accession FROM visit",
}
# a misspelt word of a vocabulary or part of a name finds nothing, which reads like an answer; so they are looked up
_WORDS = {
    "biosample_type": "SELECT DISTINCT type FROM biosample",
    "sex": "SELECT DISTINCT sex FROM subject",
    "species": "SELECT DISTINCT species FROM subject",
    "panel": "SELECT panel_id FROM panel",
}


def find(connection: sqlite3.Connection, query: Query, level: str) -> "pd.DataFrame":
    """See :meth:`immport_cyto.immport.Store.search`."""
    import pandas as pd

    if level not in LEVELS:
        msg = f"a search cannot list {level!r}; use one of {', '.join(LEVELS)}"
        raise OptionError(msg)
    conditions, parameters = _conditions(connection, query)
    where = "".join(f" AND {condition}" for condition in conditions)
    connection.create_aggregate("listed", 1, Listed)  # type: ignore[arg-type]
    connection.execute("DROP TABLE IF EXISTS temp.hit")
    connection.execute(f"CREATE TEMP TABLE hit AS {statements('search')[0]}{where}", parameters)
    if level == "files":
        frame = _files(connection)
    else:
        number = {"studies": 1, "samples": 2, "panels": 3}[level]
        cursor = connection.execute(statements("search")[number])
        names = [column[0] for column in cursor.description]
        frame = pd.DataFrame(cursor.fetchall(), columns=names)
    connection.execute("DROP TABLE temp.hit")
    frame = conform(frame, LEVELS[level])
    keys = [column for column in ("study_accession", "file_name", "expsample_accession", "panel_id") if column in frame]
    if level == "files":
        keys = ["file_name"]
    order = sorted(range(len(frame)), key=lambda i: [accession_order(str(frame[key].iloc[i])) for key in keys])
    return frame.iloc[order].reset_index(drop=True)


class Listed:
    """SQL aggregate: the different values that are not empty, in order, joined by ``;``."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def step(self, value: object) -> None:
        """Take one value."""
        if value is not None and value != "":
            self.found.add(str(value).replace(";", ","))

    def finalize(self) -> str:
        """All of them."""
        return ";".join(sorted(self.found, key=accession_order))


def _conditions(connection: sqlite3.Connection, query: Query) -> tuple[list[str], dict[str, Any]]:
    parameters = {
        item.name: value.strip().lower() if isinstance(value, str) else value
        for item in fields(query)
        if item.name in _CONDITIONS and (value := getattr(query, item.name)) not in ("", None)
    }
    for low, high in (("age_min", "age_max"), ("days_min", "days_max")):
        for name in (low, high):
            if math.isnan(float(parameters.get(name, 0))):
                msg = f"{name} nan is no number; leave it out, or give one"
                raise OptionError(msg)
        if parameters.get(low, 0) > parameters.get(high, float("inf")):
            msg = f"{low} {parameters[low]:g} is above {high} {parameters[high]:g}; give the smaller number first"
            raise OptionError(msg)
    if "technique" in parameters:
        parameters["technique"] = _technique(query.technique)
    if "species" in parameters:
        parameters["species"] = _SPECIES.get(parameters["species"], parameters["species"])
    for name, sql in _WORDS.items():
        if name in parameters:
            _check_word(connection, name, parameters[name], getattr(query, name), sql)
    for name, sql in _PARTS.items():
        if name in parameters:
            _check_part(connection, name, parameters[name], getattr(query, name), sql)
    conditions = [_CONDITIONS[name] for name in parameters]
    if query.studies:
        check_studies(connection, query.studies)
        _choice(connection, "asked_study", (study.upper() for study in query.studies))
        conditions.append(
            "coalesce(x.study_accession, b.study_accession, f.study_accession) IN (SELECT name FROM temp.asked_study)"
        )
    if query.markers:
        _choice(connection, "asked_panel", panels_with(connection, query.markers))
        conditions.append(
            "f.file_info_id IN (SELECT file_info_id FROM file_panel JOIN temp.asked_panel q ON q.name = panel_id)"
        )
    return conditions, parameters


def _choice(connection: sqlite3.Connection, table: str, names: Iterable[str]) -> None:
    connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
    connection.execute(f"CREATE TEMP TABLE {table} (name TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany(f"INSERT OR IGNORE INTO temp.{table} VALUES (?)", ((name,) for name in names))  # noqa: S608


def _technique(text: str) -> str:
    short = {"flow": "Flow cytometry", "mass": "CyTOF"}
    found = short.get(text.strip().lower()) or values.technique(text)
    if not found:
        msg = f"technique {text!r} is unknown; use flow or cytof"
        raise OptionError(msg)
    return found


def _check_word(connection: sqlite3.Connection, name: str, word: str, given: str, sql: str) -> None:
    present = sorted({text for (text,) in connection.execute(sql) if text}, key=str.lower)
    if word not in {text.lower() for text in present}:
        shown = ", ".join(present[:20]) or "none"
        what = name.replace("_", " ")
        msg = f"no sample of the store has the {what} {given!r}; it has: {shown}"
        raise OptionError(msg)


def _check_part(connection: sqlite3.Connection, what: str, part: str, given: str, sql: str) -> None:
    known = [(str(name or ""), str(accession or "")) for name, accession in connection.execute(sql)]
    if not any(part in name.lower() or part == accession.lower() for name, accession in known):
        shown = ", ".join(sorted({name for name, _ in known if name}, key=str.lower)[:20]) or "none"
        msg = f"no {what} of the store has {given!r} in its name; it has: {shown}"
        raise OptionError(msg)


def check_studies(connection: sqlite3.Connection, studies: Iterable[str]) -> None:
    """Refuse a study that the store does not have."""
    known = {study for (study,) in connection.execute("SELECT study_accession FROM study")}
    for study in studies:
        if study.upper() not in known:
            msg = f"study {study!r} is not in the store; load its package first"
            raise OptionError(msg)


def panels_with(connection: sqlite3.Connection, markers: Iterable[str]) -> list[str]:
    """Panels of the store that have all of some markers; ``CD8`` is met by ``CD8a``, as in a definition.

    Raises
    ------
    OptionError
        A marker that is neither in the vocabulary nor in any panel.
    """
    from immport_cyto.panel import antigen, resolve
    from immport_cyto.panel.suggest import suggestions

    wanted = [marker.strip() for marker in markers if marker.strip()]
    present = {name.lower() for (name,) in connection.execute("SELECT DISTINCT marker FROM panel_marker")}
    for marker in wanted:
        if antigen(marker) is None and marker.lower() not in present:
            near = suggestions(marker)
            hint = f"did you mean {' or '.join(near[:2])}?" if near else "give the antigen, such as CD4 or CCR7"
            msg = f"marker {marker!r} is unknown; {hint}"
            raise OptionError(msg)
    found = []
    for identity, names in connection.execute("SELECT panel_id, markers FROM panel ORDER BY panel_id"):
        available = names.split(";")
        parts = {part for name in available if "/" in name for part in name.split("/")}  # one channel, two antibodies
        if all(resolve(marker, available) or antigen(marker) in parts for marker in wanted):
            found.append(identity)
    return found


def _files(connection: sqlite3.Connection) -> "pd.DataFrame":
    """Rows of SAMPLES of the files found, with their panel."""
    import pandas as pd

    matched, panels = {}, {}
    for number, name, identity in connection.execute(
        "SELECT DISTINCT h.file_info_id, f.name, h.panel_id FROM temp.hit h JOIN file f USING (file_info_id) "
        "WHERE h.expsample_accession IS NOT NULL"
    ).fetchall():
        if name in panels:
            msg = f"two result files are named {name!r}; search one study at a time"
            raise LinkError(msg)
        matched[number] = (name, "search")
        panels[name] = identity or ""
    rows = sample_rows(connection, matched).rows
    for row in rows:
        row["panel_id"] = panels[row["file_name"]]
    return pd.DataFrame(rows, columns=SAMPLES.column_names)
