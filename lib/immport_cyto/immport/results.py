"""ImmPort's own population results as tables of the project: what people gated and uploaded, study by study.

A result belongs to an expsample, not to a file: 184 files of SDY144 have two expsamples whose numbers differ, because
the file was gated twice. So the key ``file_name`` of these tables is the expsample's accession (``ES786717``), and
the FCS files it was gated from are listed in the column ``fcs_files`` of the samples.

Each number goes where its unit puts it: shares into ``fraction``, counts of events into ``n_events`` (with ``n_parent``
where the parent gate was reported too), anything else into ``value`` with its ``unit``; cells per volume become
cells per microlitre. A value of 0 with a comment, such as ``No CD4 staining``, stands for a missing value.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import LinkError, OptionError
from immport_cyto.immport import schemes
from immport_cyto.immport.cells import cell_class
from immport_cyto.immport.definitions import ancestors, population_name, read_definition
from immport_cyto.immport.linking import accession_order, one_row
from immport_cyto.immport.schema import statements
from immport_cyto.immport.units import read_unit
from immport_cyto.immport.values import number
from immport_cyto.tables import RESULTS, SAMPLES, conform

if TYPE_CHECKING:
    import pandas as pd

METHOD = "immport"
NOT_REPORTED, NO_NUMBER, OUT_OF_RANGE = "not_reported", "no_number", "out_of_range"
ABOVE_PARENT = "above_parent"


@dataclass(frozen=True)
class Results:
    """Population results and the samples they are of.

    Attributes
    ----------
    populations
        The contract ``tables.RESULTS``: a ``populations.tsv`` with more columns. ``panel_id`` is the gating scheme.
    samples
        The contract ``tables.SAMPLES``, with a column ``fcs_files``; one row per expsample with results.
    findings
        Oddities, one sentence each.
    """

    populations: "pd.DataFrame"
    samples: "pd.DataFrame"
    findings: list[str] = field(default_factory=list)


@dataclass
class _Value:
    """One reported number."""

    key: str
    name: str
    definition: str
    reported: tuple[str, str, str, str, str]  # name, definition, value, unit, comment
    kind: str
    amount: float | None
    unit: str
    parent: str
    flag: str
    cl_id: str
    population: str = ""


def read_results(
    connection: sqlite3.Connection,
    studies: Iterable[str] | None = None,
    *,
    days: tuple[float, float] | None = None,
    visits: Iterable[str] = (),
) -> Results:
    """See :meth:`immport_cyto.immport.Store.results`."""
    import pandas as pd

    if days is not None and days[0] > days[1]:
        msg = f"days {days[0]:g}:{days[1]:g} is an empty range; give the earlier day first"
        raise OptionError(msg)
    asked = _ask(connection, studies)
    findings: list[str] = []
    rows: list[dict[str, Any]] = []
    cursor = connection.execute(statements("results")[3])
    names = [column[0] for column in cursor.description]
    records = (dict(zip(names, values, strict=True)) for values in cursor)
    for study, group in groupby(records, key=lambda record: record["study_accession"]):
        rows += _study_rows(study, list(group), findings)
    samples = _samples(connection, findings)
    for name in ("asked", "asked_study"):
        connection.execute(f"DROP TABLE temp.{name}")
    populations = conform(pd.DataFrame(rows, columns=RESULTS.column_names), RESULTS)
    samples = _chosen(samples, days, tuple(visits))
    # an expsample belongs to one study; its other rows would have no sample of their study
    owner = dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    kept = [
        owner.get(name) == study
        for name, study in zip(populations["file_name"], populations["study_accession"], strict=True)
    ]
    populations = populations[pd.Series(kept, dtype=bool)].sort_values(
        ["study_accession", "file_name", "population"], ignore_index=True
    )
    if not len(populations):
        among = f" among {', '.join(asked)}" if studies is not None else ""
        raise LinkError(_nothing(among, days, visits))
    return Results(populations, samples, findings)


def _nothing(among: str, days: tuple[float, float] | None, visits: Iterable[str]) -> str:
    if days is not None or tuple(visits):
        return f"no population result{among} is of the days or visits asked for; ask for others"
    return f"the store holds no population results{among} (fcs_analyzed_result); load the package of a study with them"


def _ask(connection: sqlite3.Connection, studies: Iterable[str] | None) -> list[str]:
    known = [study for (study,) in connection.execute("SELECT study_accession FROM study ORDER BY 1")]
    asked = known if studies is None else sorted(set(studies), key=accession_order)
    for study in asked:
        if study not in known:
            msg = f"study {study!r} is not in the store (it has {', '.join(known) or 'none'}); load its package first"
            raise OptionError(msg)
    for name in ("asked", "asked_study"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
    connection.execute("CREATE TEMP TABLE asked_study (study_accession TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT INTO temp.asked_study VALUES (?)", ((study,) for study in asked))
    connection.execute(
        "CREATE TEMP TABLE asked AS SELECT DISTINCT p.study_accession, "
        "coalesce(nullif(p.expsample_accession, ''), p.biosample_accession) AS file_name, "
        "coalesce(nullif(p.biosample_accession, ''), eb.biosample_accession) AS biosample_accession, "
        "p.subject_accession FROM temp.asked_study q CROSS JOIN population_result p USING (study_accession) "
        "LEFT JOIN expsample_biosample eb ON p.biosample_accession = '' "
        "AND eb.expsample_accession = p.expsample_accession"
    )
    connection.execute("DELETE FROM temp.asked WHERE coalesce(file_name, '') = ''")
    connection.execute("CREATE INDEX temp.asked_file ON asked (file_name)")
    return asked


def _study_rows(study: str, records: list[dict[str, Any]], findings: list[str]) -> list[dict[str, Any]]:
    """Rows of RESULTS of one study."""
    without = sum(not record["file_name"] for record in records)
    if without:
        findings.append(f"{study}: {without} population results name no sample and are left out")
    values = [value for record in records if record["file_name"] for value in _values(record)]
    _name(values)
    scheme = schemes.identify({
        key: frozenset((value.name, value.definition) for value in group)
        for key, group in groupby(sorted(values, key=lambda v: v.key), key=lambda v: v.key)
    })  # fmt: skip
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    twice = 0
    for value in values:
        row = rows.setdefault(
            (value.key, value.population),
            {
                "study_accession": study, "panel_id": scheme[value.key], "sample_id": value.key,
                "file_name": value.key, "method": METHOD, "population": value.population,
                "definition": value.definition, "cl_id": value.cl_id, "name_reported": value.reported[0],
                "definition_reported": value.reported[1], "kinds": set(), "flags": set(),
            },
        )  # fmt: skip
        if value.kind in row["kinds"]:
            twice += 1
            continue
        _add(row, value)
    if twice:
        findings.append(f"{study}: {twice} population results repeat a population of a sample; the first one is taken")
    _parents(rows)
    _report(study, values, findings)
    above = [row for row in rows.values() if ABOVE_PARENT in row["flags"]]
    if above:
        first = f"{above[0]['population']!r} of {above[0]['file_name']}"
        findings.append(
            f"{study}: {len(above)} counts are above the count of their parent and have no fraction ({first})"
        )
    for row in rows.values():
        row["flag"] = ";".join(sorted(row.pop("flags")))
        del row["kinds"]
    return list(rows.values())


def _values(record: Mapping[str, Any]) -> list[_Value]:
    """The number of a record, and its percentage where old releases give one beside it."""
    text = {name: str(value or "").strip() for name, value in record.items()}
    definition = text["definition_reported"] or text["definition_preferred"]
    gates = (
        read_definition(text["definition_reported"])
        or read_definition(text["definition_preferred"])
        or (read_definition(text["name_reported"]) if not definition else "")
    )
    name = population_name(text["name_reported"], text["name_preferred"], definition) or "not named"
    comment = text["comments"]
    if comment in (definition, text["name_reported"]):
        comment = ""
    found = []
    pairs = [
        (text["value_reported"] or text["value_preferred"], text["unit_reported"] or text["unit_preferred"]),
        (text["percent"], "%"),
    ]
    for shown, unit_text in pairs[: 2 if text["percent"] else 1]:
        unit = read_unit(unit_text)
        amount, flag = number(shown), ""
        if amount is None:
            flag = NO_NUMBER if shown else NOT_REPORTED
        elif amount == 0 and comment:
            amount, flag = None, NOT_REPORTED
        else:
            amount *= unit.factor
        kind = {"share": "share", "events": "events"}.get(unit.kind, "value")
        if kind == "share" and amount is not None and not 0 <= amount <= 1:
            amount, flag = None, OUT_OF_RANGE
        if kind == "events" and amount is not None and (amount < 0 or amount % 1):
            kind = "value"
        parent = text["parent_reported"] or text["parent_preferred"] or unit.parent
        found.append(
            _Value(
                text["file_name"], name, gates or " ".join(definition.split()),
                (text["name_reported"], definition, shown, unit_text, text["comments"]), kind, amount,
                unit_text if kind == "value" and unit.kind != "density" else unit.name, " ".join(parent.split()), flag,
                cell_class((text["name_preferred"], name), gates),
            )
        )  # fmt: skip
    return found


def _name(values: list[_Value]) -> None:
    """Populations by name; one that means several things in the study gets what tells them apart.

    Pooling over studies matches names, and unites one definition under several names, so a name is left alone
    where it can be.
    """
    definitions: dict[str, set[str]] = {}
    for value in values:
        definitions.setdefault(value.name, set()).add(value.definition)
    measures: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for value in values:
        several = len(definitions[value.name]) > 1 and value.definition
        value.population = f"{value.name} ({value.definition})" if several else value.name
        measures.setdefault((value.population, value.kind), set()).add((value.unit, value.parent))
    for value in values:
        found = measures[value.population, value.kind]
        words = []
        if len({parent for _, parent in found}) > 1 and value.parent:
            words.append(f"of {value.parent}")
        if len({unit for unit, _ in found}) > 1 and value.unit:
            words.append(f"[{value.unit}]")
        value.population = " ".join([value.population, *words])


def _add(row: dict[str, Any], value: _Value) -> None:
    row["kinds"].add(value.kind)
    if value.kind == "events":
        row["n_events"] = None if value.amount is None else int(value.amount)
    elif value.kind == "share":
        row["fraction"] = value.amount
    else:
        row["value"], row["unit"] = value.amount, value.unit
    if value.parent:
        row["parent"] = read_definition(value.parent) or value.parent
        row["parent_reported"] = value.parent
    if value.flag:
        row["flags"].add(value.flag)
    for column, text in zip(("value_reported", "unit_reported"), value.reported[2:4], strict=True):
        row[column] = f"{row[column]}; {text}" if column in row else text
    row["comment"] = value.reported[4]


def _parents(rows: Mapping[tuple[str, str], dict[str, Any]]) -> None:
    """The count of the parent: the population that is named so, else the nearest gate above in the path."""
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    for (key, _), row in rows.items():
        if row.get("n_events") is not None:
            for text in (row["name_reported"], " ".join(row["definition_reported"].split())):
                counted.setdefault((key, text), row)
    for (key, _), row in rows.items():
        named = row.pop("parent_reported", "")
        if row.get("n_events") is None:
            continue
        for text in [named] if named else ancestors(row["definition_reported"]):
            parent = counted.get((key, text))
            if parent is None or parent is row:
                continue
            row["parent"] = parent["definition"]
            if parent["n_events"] < row["n_events"]:
                row["flags"].add(ABOVE_PARENT)
                break
            row["n_parent"] = parent["n_events"]
            if row["n_parent"] and "share" not in row["kinds"]:
                row["fraction"] = row["n_events"] / row["n_parent"]
            break


def _report(study: str, values: list[_Value], findings: list[str]) -> None:
    missing = Counter(value.reported[4] for value in values if value.flag == NOT_REPORTED)
    if missing:
        most = ", ".join(f"{n} {text!r}" if text else f"{n} empty" for text, n in missing.most_common(4))
        findings.append(
            f"{study}: {missing.total()} values of 0 with a comment, or empty, are taken as not reported ({most})"
        )
    for flag, words in ((NO_NUMBER, "are no numbers"), (OUT_OF_RANGE, "are shares below 0 or above 100 %")):
        wrong = [value.reported[2] for value in values if value.flag == flag]
        if wrong:
            findings.append(f"{study}: {len(wrong)} values {words} and left empty (first: {wrong[0]!r})")
    unread = {value.reported[1] for value in values if value.reported[1] and not read_definition(value.reported[1])}
    unread -= {text for text in unread if any(v.reported[1] == text and v.definition != text for v in values)}
    if unread:
        findings.append(
            f"{study}: {len(unread)} definitions cannot be read as gates and stay as reported (first: {min(unread)!r})"
        )


def _samples(connection: sqlite3.Connection, findings: list[str]) -> "pd.DataFrame":
    """One row of SAMPLES per expsample with results."""
    import pandas as pd

    rows, treatments, files = statements("results")[:3]
    joined: list[dict[str, list[str]]] = [{}, {}]
    for found, query in zip(joined, (treatments, files), strict=True):
        for key, name in connection.execute(query):
            found.setdefault(key, []).append(name.replace(";", ","))
    cursor = connection.execute(rows)
    names = [column[0] for column in cursor.description]
    records = (dict(zip(names, values, strict=True)) for values in cursor)
    samples, several = [], []
    for key, group in groupby(records, key=lambda record: record["file_name"]):
        found_rows = list(group)
        studies = sorted({row["file_study"] for row in found_rows}, key=accession_order)
        if len(studies) > 1:
            several.append(key)
        row, _ = one_row([row for row in found_rows if row["file_study"] == studies[0]])
        row |= {
            "file_name": key, "study_accession": studies[0], "treatment": ";".join(joined[0].get(key, [])),
            "fcs_files": ";".join(joined[1].get(key, [])), "link_rule": "population result",
        }  # fmt: skip
        samples.append(row)
    if several:
        findings.append(
            f"{len(several)} samples have results of several studies (first: {several[0]}); those of the first are kept"
        )
    return conform(pd.DataFrame(samples, columns=[*SAMPLES.column_names, "fcs_files"]), SAMPLES)


def _chosen(samples: "pd.DataFrame", days: tuple[float, float] | None, visits: tuple[str, ...]) -> "pd.DataFrame":
    if days is not None:
        samples = samples[samples["study_time_days"].between(*days)]
    if visits:
        wanted = {visit.casefold() for visit in visits}
        named = samples["visit_name"].str.casefold().isin(wanted) | samples["visit_accession"].str.casefold().isin(
            wanted
        )
        samples = samples[named]
    return samples.reset_index(drop=True)
