"""One row of ``samples.tsv`` per result file, whatever the file's samples, controls and treatments multiply to.

A result file may be linked to several expsamples, and those to several biosamples. Its row then has

- ``sample_id``: the first expsample by number (the store keeps all; 184 files of SDY144 have two that differ in their
  results only, 80 of SDY514 have six, one per stimulation),
- ``treatment``, ``control_files``, ``arm_accession``, ``arm_name``: all, joined by ``;``,
- any other field on which the samples agree; a field on which they differ is empty, and the difference is reported.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

from immport_cyto.immport.schema import statements

# fields that must agree over the samples of a file
_AGREEING = (
    "experiment_accession", "biosample_accession", "subject_accession", "visit_accession", "visit_name",
    "study_time_days", "study_time_collected", "study_time_collected_unit", "study_time_t0_event",
    "biosample_type", "sex", "race", "ethnicity", "species", "age_years", "age_is_topcoded",
)  # fmt: skip


@dataclass
class Linked:
    """Rows of ``samples.tsv`` and what was odd about them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    without_sample: list[int] = field(default_factory=list)


def sample_rows(connection: sqlite3.Connection, matched: Mapping[int, tuple[str, str]]) -> Linked:
    """Rows for the files of the store that were matched.

    Parameters
    ----------
    connection
        The store.
    matched
        ``{file_info_id: (file name to write, rule)}``.

    Returns
    -------
    Linked
        One row per file that has an expsample; the ids of the others are in ``without_sample``.
    """
    connection.execute("DROP TABLE IF EXISTS temp.linked")
    connection.execute("CREATE TEMP TABLE linked (file_info_id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO temp.linked VALUES (?)", ((number,) for number in matched))
    treatments, controls = (_names(connection, query) for query in statements("samples")[1:])
    linked = Linked()
    differing: dict[tuple[str, ...], list[str]] = {}
    seen = set()
    for number, group in groupby(_rows(connection), key=lambda row: row["file_info_id"]):
        seen.add(number)
        file_name, rule = matched[number]
        rows = list(group)
        row, differs = one_row(rows)
        row |= {"file_name": file_name, "link_rule": rule, "panel_id": rows[0]["panel_id"]}
        row |= {"treatment": ";".join(treatments.get(number, [])), "control_files": ";".join(controls.get(number, []))}
        linked.rows.append(row)
        if differs:
            differing.setdefault(differs, []).append(file_name)
    linked.rows.sort(key=lambda row: row["file_name"])
    linked.without_sample = sorted(set(matched) - seen)
    for fields, names in sorted(differing.items()):
        linked.findings.append(_sentence(fields, sorted(names)))
    connection.execute("DROP TABLE temp.linked")
    return linked


def _names(connection: sqlite3.Connection, query: str) -> dict[int, list[str]]:
    """Names per file_info_id, in the order of the query."""
    found: dict[int, list[str]] = {}
    for number, name in connection.execute(query):
        found.setdefault(number, []).append(name.replace(";", ","))
    return found


def _rows(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(statements("samples")[0])
    names = [column[0] for column in cursor.description]
    while batch := list(islice(cursor, 10_000)):
        for values in batch:
            yield dict(zip(names, values, strict=True))


def one_row(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """All (expsample x biosample x arm) rows of a file as one, and the fields on which they differ."""
    samples = sorted({row["sample_id"] for row in rows}, key=accession_order)
    result: dict[str, Any] = {"sample_id": samples[0]}
    differs = [] if len(samples) == 1 else [f"sample_id ({len(samples)} each)"]
    for name in _AGREEING:
        found = {row[name] for row in rows if row[name] is not None}
        result[name] = found.pop() if len(found) == 1 else None
        if found and result[name] is None:
            differs.append(name)
    if result["age_is_topcoded"] is not None:
        result["age_is_topcoded"] = bool(result["age_is_topcoded"])
    # the study that made the file; where that is unknown, the study of the biosample
    studies = [
        {row[name] for row in rows if row[name]} for name in ("experiment_study", "biosample_study", "file_study")
    ]
    known = next((found for found in studies if found), set())
    result["study_accession"] = ";".join(sorted(known, key=accession_order))
    if len(known) > 1:
        differs.append("study_accession")
    arms = sorted(
        {(row["arm_accession"], row["arm_name"] or "", row["is_accession"]) for row in rows if row["arm_accession"]},
        key=lambda arm: accession_order(arm[0]),
    )
    arms = [arm for arm in arms if arm[1] or arm[2]] or arms  # the short Subject_2 table names no arm
    result["arm_accession"] = ";".join(accession for accession, _, is_accession in arms if is_accession)
    result["arm_name"] = ";".join(name.replace(";", ",") for _, name, _ in arms if name)
    if len(arms) > 1:
        differs.append("arm_accession")
    techniques = {row["file_technique"] for row in rows} | {row["experiment_technique"] for row in rows}
    experiments = sorted({row["experiment_technique"] for row in rows if row["experiment_technique"]})
    # one experiment may hold flow and mass cytometry: the kind of the file tells more, if it says CyTOF
    result["technique"] = "CyTOF" if "CyTOF" in techniques else (experiments or [rows[0]["file_technique"] or ""])[0]
    return result, tuple(differs)


def accession_order(accession: str) -> tuple[str, int, str]:
    """Order of accessions: ES999 before ES1000."""
    head = accession.rstrip("0123456789")
    digits = accession[len(head) :]
    return head, int(digits) if digits else -1, accession


def _sentence(fields: tuple[str, ...], names: list[str]) -> str:
    several, empty = [f for f in fields if f.startswith("sample_id")], []
    joined = [f for f in fields if f.startswith(("arm_", "study_acc"))]
    empty = [f for f in fields if f not in several and f not in joined]
    first = f"{len(names)} result file{'s' if len(names) > 1 else ''} (first: {names[0]})"
    parts = []
    if several:
        parts.append(
            f"belong to several expsamples, {several[0].removeprefix('sample_id (').rstrip(')')}; the first is given"
        )
    if joined:
        parts.append(f"have several values of {', '.join(joined)}, joined by ';'")
    if empty:
        parts.append(f"have samples that differ in {', '.join(empty)}, left empty")
    return f"{first} {', and '.join(parts)}"
