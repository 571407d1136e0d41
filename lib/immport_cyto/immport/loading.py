"""Load one source into the store: stage its rows as text, choose its studies, spread them, say what changed.

Everything happens in one transaction, and the staged rows lie in SQLite's temporary file, so the memory needed does not
grow with the package and a crash leaves the store as it was.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from immport_cyto.exceptions import InputError, PackageError
from immport_cyto.immport import schema, transform, values
from immport_cyto.immport.aliases import POPULATION_RESULT, SUBJECT_2, TABLES
from immport_cyto.immport.package import PackageSource
from immport_cyto.immport.panels import index_panels
from immport_cyto.immport.unread import OTHER_TABLES

_BATCH = 5000


class LoadStatus(StrEnum):
    """What became of a study of a source."""

    LOADED = "loaded"
    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    OLDER = "older"
    COVERED = "covered"


_WORDS = {
    LoadStatus.UNCHANGED: "unchanged, since it was loaded before",
    LoadStatus.OLDER: "not loaded, since the store has a newer release",
    LoadStatus.COVERED: "not loaded, since the store has the whole package of this release",
}


@dataclass
class LoadReport:
    """One study of one source.

    Attributes
    ----------
    study_accession, source, kind, release, sha256
        What was given.
    status
        See :class:`LoadStatus`: loaded; added to other tables of the same release; replaced what an older release
        said; unchanged (the same bytes were loaded before); older than what the store has, so not loaded; covered by
        a Tab package of the same release, so not loaded.
    replaced_release
        Release that was replaced.
    counts
        Rows of the study in the store: subjects, biosamples, expsamples, files, result_files.
    changes
        Differences to the replaced release, one sentence each.
    findings
        Oddities of the source, one sentence each.
    absent
        Tables, and columns as ``table.column``, that other releases have and this source has not.
    unknown
        Tables and columns that no release known to this project has; they are not read.
    seconds
        Time taken by the whole source.
    """

    study_accession: str
    source: str
    kind: str
    release: str
    sha256: str
    status: LoadStatus
    replaced_release: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def sentence(self) -> str:
        """The report in one line."""
        release = self.release or "release unknown"
        text = f"{self.study_accession} {release} ({self.source}): {_WORDS.get(self.status, self.status)}"
        if self.replaced_release:
            text += f" {self.replaced_release}"
        if self.counts:
            text += "; the store has" if self.status in _WORDS else ","
            text += (
                f" {self.counts['result_files']} FCS result files, {self.counts['subjects']} subjects, "
                f"{self.counts['biosamples']} biosamples"
            )
        return text


def load_source(connection: sqlite3.Connection, source: PackageSource) -> list[LoadReport]:
    """Load all studies of a source, or leave the store as it was.

    Raises
    ------
    PackageError
        The source cannot be read, or names no study.
    """
    start = time.perf_counter()
    sha256 = source.digest()
    known = connection.execute(
        "SELECT study_accession FROM study_source JOIN source USING (source_id) WHERE sha256 = ? ORDER BY 1", (sha256,)
    ).fetchall()
    n_all = connection.execute("SELECT max(n_studies) FROM source WHERE sha256 = ?", (sha256,)).fetchone()[0]
    if known and len(known) == n_all:  # the same bytes, and nothing of them was replaced since
        return [
            LoadReport(
                study, source.name, source.kind, source.release, sha256, LoadStatus.UNCHANGED,
                counts=_counts(connection, study), seconds=time.perf_counter() - start,
            )
            for (study,) in known
        ]  # fmt: skip
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        msg = f"the store cannot be written ({error}); wait for the other program, or check the folder's permissions"
        raise InputError(msg) from error
    try:
        reports = _load(connection, source, sha256)
        _drop_staging(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    for report in reports:
        report.seconds = time.perf_counter() - start
    return reports


def _load(connection: sqlite3.Connection, source: PackageSource, sha256: str) -> list[LoadReport]:
    findings: list[str] = []
    _stage(connection, source, findings)
    _complete_studies(connection, source, findings)
    if not source.release and source.kind == "tab":
        _release_of_studies(connection, source, findings)
    rank = values.release_rank(source.release)
    reports = _choose(connection, source, sha256, rank)
    chosen = [r.study_accession for r in reports if r.status in _WRITTEN]
    if chosen:
        replaced = [r.study_accession for r in reports if r.status is LoadStatus.REPLACED]
        _snapshot(connection, replaced)
        for study in replaced:
            _run(connection, "delete", {"study": study})
        if replaced:
            _run(connection, "unused")
        _write(connection, source, sha256, rank, reports)
        findings += [f"{source.name}: {text}" for text in _left_out(connection)]
        findings += [f"{source.name}: {text}" for text in _repair(connection, everywhere=bool(replaced))]
        index_panels(connection)
        _run(connection, "unused" if replaced else "unused_new")
        for report in reports:
            if report.status is LoadStatus.REPLACED:
                report.changes = _changes(connection, report.study_accession)
    for report in reports:
        report.counts = _counts(connection, report.study_accession)
        report.findings = list(findings)
        report.absent, report.unknown = _absent(source), _unknown(source)
    return reports


def _absent(source: PackageSource) -> list[str]:
    tables = [table.name for table in TABLES if source.kind == "tab" and table.name not in source.tables]
    return [*tables, *(f"{table}.{name}" for table, names in source.absent.items() for name in sorted(names))]


def _unknown(source: PackageSource) -> list[str]:
    tables = [table for table in source.unused if table not in OTHER_TABLES]
    return [*tables, *(f"{table}.{name}" for table, names in source.unknown.items() for name in names)]


def _run(connection: sqlite3.Connection, step: str, values_: Mapping[str, object] | None = None) -> None:
    for statement in schema.statements(step):
        connection.execute(statement, values_ or {})


_WRITTEN = (LoadStatus.LOADED, LoadStatus.ADDED, LoadStatus.REPLACED)


def _stage(connection: sqlite3.Connection, source: PackageSource, findings: list[str]) -> None:
    _drop_staging(connection)
    for name, columns in transform.STAGED.items():
        connection.execute(f"CREATE TEMP TABLE s_{name} ({', '.join(f'{column} TEXT' for column in columns)})")
    tables = {"subject_2": (SUBJECT_2,), "api": (SUBJECT_2, POPULATION_RESULT)}.get(source.kind, TABLES)
    for table in tables:
        marks = ", ".join("?" * len(table.columns))
        rows = source.rows(table, findings)
        for batch in _batches(rows):
            connection.executemany(f"INSERT INTO s_{table.name} VALUES ({marks})", batch)  # noqa: S608
    if source.kind in ("subject_2", "api"):
        has_unit = "age_unit" not in source.absent.get(SUBJECT_2.name, frozenset())
        if not has_unit:
            findings.append(f"{source.name}: no column AGE_UNIT; ages are taken as years")
        named = {"technique": values.technique(source.name), "has_age_unit": has_unit}
        _run(connection, "spread", named)
    for number, (table_name, column) in enumerate(transform.STAGING_INDEXES):
        connection.execute(f"CREATE INDEX temp.i_{number} ON {table_name} ({column})")


def _batches(rows: Iterator[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _drop_staging(connection: sqlite3.Connection) -> None:
    for (name,) in connection.execute("SELECT name FROM temp.sqlite_master WHERE type = 'table'").fetchall():
        connection.execute(f"DROP TABLE temp.{name}")


def _complete_studies(connection: sqlite3.Connection, source: PackageSource, findings: list[str]) -> None:
    """Studies that a table names but study.txt does not list are studies of the source all the same."""
    connection.execute("DELETE FROM s_study WHERE study_accession = ''")
    extra = [study for (study,) in connection.execute(transform.NAMED_STUDIES) if study]
    if extra:
        connection.executemany("INSERT INTO s_study (study_accession) VALUES (?)", [(study,) for study in extra])
        findings.append(f"{source.name}: study.txt does not list {', '.join(sorted(extra))}, which other tables name")
    if connection.execute("SELECT count(*) FROM s_study").fetchone()[0] == 0:
        hint = "give the whole upload package" if source.kind == "upload" else "get the package from ImmPort again"
        msg = f"{source.name}: names no study (STUDY_ACCESSION is empty); {hint}"
        raise PackageError(msg)


def _release_of_studies(connection: sqlite3.Connection, source: PackageSource, findings: list[str]) -> None:
    """The release where no name tells it, as in a renamed folder: the latest in which one of the studies changed."""
    named = [name for (name,) in connection.execute("SELECT DISTINCT latest_data_release_version FROM s_study") if name]
    known = [name for name in named if values.release_rank(name) >= 0]
    if known:
        source.release = max(known, key=values.release_rank)
        findings.append(
            f"{source.name}: no name tells its data release; taken as {source.release}, when its studies changed last"
        )


def _choose(connection: sqlite3.Connection, source: PackageSource, sha256: str, rank: float) -> list[LoadReport]:
    connection.execute("CREATE TEMP TABLE chosen (study_accession TEXT PRIMARY KEY) WITHOUT ROWID")
    reports = []
    studies = connection.execute("SELECT DISTINCT study_accession FROM s_study ORDER BY 1").fetchall()
    for (study,) in studies:
        report = LoadReport(study, source.name, source.kind, source.release, sha256, LoadStatus.LOADED)
        row = connection.execute(
            "SELECT release, release_rank, kind FROM study JOIN study_source USING (study_accession) "
            "WHERE study_accession = ?",
            (study,),
        ).fetchone()
        if row is not None:
            report.status = _compare(connection, study, sha256, rank, source.kind, row)
            if report.status is LoadStatus.REPLACED:
                report.replaced_release = row[0] or "an unknown release"
        if report.status in _WRITTEN:
            connection.execute("INSERT INTO chosen VALUES (?)", (study,))
        reports.append(report)
    return reports


def _compare(
    connection: sqlite3.Connection, study: str, sha256: str, rank: float, kind: str, present: tuple[str, float, str]
) -> LoadStatus:
    same = connection.execute(
        "SELECT 1 FROM study_source JOIN source USING (source_id) WHERE study_accession = ? AND sha256 = ?",
        (study, sha256),
    ).fetchone()
    _, present_rank, present_kind = present
    if same:
        return LoadStatus.UNCHANGED
    if rank < present_rank:
        return LoadStatus.OLDER
    if rank == present_rank and kind != "tab":
        return LoadStatus.COVERED if present_kind == "tab" else LoadStatus.ADDED
    return LoadStatus.REPLACED


def _write(
    connection: sqlite3.Connection, source: PackageSource, sha256: str, rank: float, reports: list[LoadReport]
) -> None:
    source_id = connection.execute(
        "INSERT INTO source (name, kind, release, release_rank, sha256, n_studies) VALUES (?, ?, ?, ?, ?, ?)",
        (source.name, source.kind, source.release, rank, sha256, len(reports)),
    ).lastrowid
    connection.execute(
        "INSERT INTO study SELECT study_accession, max(brief_title), max(condition_studied), max(minimum_age), "
        "max(maximum_age), max(age_unit), :release, :rank, :kind FROM s_study "
        "WHERE study_accession IN (SELECT study_accession FROM chosen) GROUP BY study_accession "
        "ON CONFLICT DO UPDATE SET title = coalesce(excluded.title, title), "
        "condition_studied = coalesce(excluded.condition_studied, condition_studied), "
        "minimum_age = excluded.minimum_age, maximum_age = excluded.maximum_age, age_unit = excluded.age_unit, "
        "release = excluded.release, release_rank = excluded.release_rank, kind = excluded.kind",
        {"release": source.release, "rank": rank, "kind": source.kind},
    )
    connection.execute("INSERT INTO study_source SELECT study_accession, ? FROM chosen", (source_id,))
    _run(connection, "keep")
    _run(connection, "write", {"rank": rank})


def _left_out(connection: sqlite3.Connection) -> list[str]:
    """Population results whose RESULT_ID another result has: ImmPort gives each once, so one of the two is wrong."""
    rows = connection.execute(
        "SELECT s.study_accession, min(p.study_accession), count(*) FROM s_fcs_analyzed_result s "
        "JOIN population_result p ON p.result_id = CAST(s.result_id AS INTEGER) WHERE s.result_id <> '' "
        "AND s.study_accession IN (SELECT study_accession FROM chosen) AND (p.study_accession IS NOT s.study_accession "
        "OR coalesce(p.expsample_accession, '') <> coalesce(s.expsample_accession, '') "
        "OR coalesce(p.name_reported, '') <> coalesce(s.population_name_reported, '') "
        "OR coalesce(p.value_reported, '') <> coalesce(s.population_statistic_reported, '')) GROUP BY 1 ORDER BY 1"
    )
    return [
        f"{number} population results of {study} have the RESULT_ID of another result of {other}; they are left out"
        for study, other, number in rows
    ]


def _repair(connection: sqlite3.Connection, *, everywhere: bool) -> list[str]:
    findings = []
    for child, column, parent in transform.STUBS:
        where = "true" if everywhere else transform.NEW_ROWS[child]
        key = f"{parent}_accession"
        n_rows = connection.execute(
            f"INSERT INTO {parent} ({key}) SELECT DISTINCT {column} FROM {child} "  # noqa: S608
            f"WHERE {where} AND {column} IS NOT NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{key} = {child}.{column}) ON CONFLICT DO NOTHING"
        ).rowcount
        if n_rows > 0:
            findings.append(f"{n_rows} {column}s of the table {child} are described in no other; kept without details")
    for link, column, parent in transform.DANGLING:
        where = "true" if everywhere else transform.NEW_ROWS[link]
        n_rows = connection.execute(
            f"DELETE FROM {link} WHERE {where} "  # noqa: S608
            f"AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{column} = {link}.{column})"
        ).rowcount
        if n_rows > 0:
            findings.append(f"{n_rows} rows of {link} name a {column} that no table describes; they are left out")
    return findings


def _counts(connection: sqlite3.Connection, study: str) -> dict[str, int]:
    queries = {
        "subjects": "SELECT count(DISTINCT subject_accession) FROM arm_subject WHERE study_accession = ?",
        "biosamples": "SELECT count(*) FROM biosample WHERE study_accession = ?",
        "expsamples": "SELECT count(*) FROM expsample JOIN experiment USING (experiment_accession) "
        "WHERE study_accession = ?",
        "files": "SELECT count(*) FROM file WHERE study_accession = ?",
        "result_files": "SELECT count(*) FROM file WHERE study_accession = ? AND role = 'sample'",
    }
    return {name: connection.execute(query, (study,)).fetchone()[0] for name, query in queries.items()}


def _snapshot(connection: sqlite3.Connection, studies: list[str]) -> None:
    if not studies:
        return
    marks = ", ".join("?" * len(studies))
    for table, (key, compared) in schema.COMPARED.items():
        columns = ", ".join((*key, *compared, "study_accession"))
        query = f"CREATE TEMP TABLE old_{table} AS SELECT {columns} FROM {table} WHERE study_accession IN ({marks})"  # noqa: S608
        connection.execute(query, studies)


def _changes(connection: sqlite3.Connection, study: str) -> list[str]:
    changes = []
    for table, (key, compared) in schema.COMPARED.items():
        same = " AND ".join(f"o.{column} = n.{column}" for column in key)
        pairs = f"FROM old_{table} o JOIN {table} n ON {same} WHERE n.study_accession = :study"
        words = []
        for verb, here, there in (("removed", f"old_{table}", table), ("new", table, f"old_{table}")):
            query = (
                f"SELECT count(*) FROM {here} o WHERE o.study_accession = :study "  # noqa: S608
                f"AND NOT EXISTS (SELECT 1 FROM {there} n WHERE {same})"
            )
            n_rows = connection.execute(query, {"study": study}).fetchone()[0]
            if n_rows:
                words.append(f"{n_rows} {verb}")
        for column in compared:
            n_rows = connection.execute(
                f"SELECT count(*) {pairs} AND coalesce(o.{column}, '') IS NOT coalesce(n.{column}, '')",
                {"study": study},
            ).fetchone()[0]
            if n_rows:
                words.append(f"{column} changed in {n_rows}")
        if words:
            changes.append(f"{table}: {', '.join(words)}")
    return changes
