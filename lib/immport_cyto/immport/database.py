"""The SQLite file of a store: open or make it, and give SQL the functions that read ImmPort's words."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from immport_cyto.exceptions import InputError
from immport_cyto.immport import schema, values


def connect_store(path: Path | str) -> sqlite3.Connection:
    """Connection to the store at `path`, made where there is none; see :func:`immport_cyto.immport.open_store`."""
    try:
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(str(path), isolation_level=None)
    except (sqlite3.Error, OSError) as error:
        msg = f"{path}: cannot be opened as a store ({error}); check the path"
        raise InputError(msg) from error
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        msg = f"{path}: not a store of immport-cyto ({error}); give the file that 'immport load' wrote"
        raise InputError(msg) from error
    except InputError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path | str) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables and application != schema.APPLICATION_ID:
        msg = f"{path}: another kind of SQLite database; give the file that 'immport load' wrote"
        raise InputError(msg)
    if tables and version != schema.VERSION:
        msg = f"{path}: a store of version {version}, this program uses {schema.VERSION}; load the packages again"
        raise InputError(msg)
    connection.execute("PRAGMA foreign_keys = ON")
    if not tables:
        connection.executescript(
            f"BEGIN; {'; '.join(schema.statements('schema'))}; PRAGMA application_id = {schema.APPLICATION_ID}; "
            f"PRAGMA user_version = {schema.VERSION}; COMMIT;"
        )
    _add_functions(connection)


def _add_functions(connection: sqlite3.Connection) -> None:
    """Make the functions of ``values`` known to SQL."""

    def topcoded(years: float | None) -> int | None:
        known = values.is_topcoded(years)
        return None if known is None else int(known)

    def age_between(low: object, high: object, unit: object) -> float | None:
        ends = [age for age in (values.age_years(low, unit), values.age_years(high, unit)) if age is not None]
        return sum(ends) / len(ends) if ends else None

    def arm_key(study: str, accession: str, name: str) -> str:
        return accession or f"{study}:{name}"

    def biosample_key(study: str, accession: str, expsample: str) -> str:
        return accession or (f"{study}:{expsample}" if expsample else "")

    def has_spill(header: object) -> int | None:
        if not header:
            return None
        return int(any(values.keyword(header, key) for key in ("SPILL", "$SPILLOVER", "SPILLOVER", "$COMP")))

    functions: dict[tuple[str, int], Callable[..., Any]] = {
        ("word", 1): values.word,
        ("technique", 1): values.technique,
        ("technique", 2): values.technique,
        ("technique", 3): values.technique,
        ("study_days", 2): values.study_days,
        ("age_between", 3): age_between,
        ("topcoded", 1): topcoded,
        ("file_role", 3): values.file_role,
        ("stored_name", 2): values.stored_name,
        ("original_name", 3): values.original_name,
        ("name_key", 1): values.name_key,
        ("file_id", 3): values.file_id,
        ("keyword", 2): values.keyword,
        ("has_spill", 1): has_spill,
        ("arm_key", 3): arm_key,
        ("biosample_key", 3): biosample_key,
        ("t0_name", 2): values.t0_name,
    }
    for (name, n_arguments), function in functions.items():
        connection.create_function(name, n_arguments, function, deterministic=True)
