"""Studies as SDTM-named domains: the subject, arm, visit, sample, treatment and population tables of chosen studies.

The names follow CDISC's Study Data Tabulation Model where it has one, and RImmPort for the cells (ZB, Cellular
Quantification). They are tables for analysis, not a submission: days count from the study's time zero, which is day 0,
and hold no dates; ages are in years. Variables that SDTM does not know are marked so in their description.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import LinkError
from immport_cyto.immport.domain_tables import DOMAINS
from immport_cyto.immport.linking import accession_order
from immport_cyto.immport.schema import statements
from immport_cyto.immport.searching import check_studies
from immport_cyto.immport.units import read_unit
from immport_cyto.immport.values import number
from immport_cyto.tables import conform

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

_SEX = {"female": "F", "male": "M", "other": "UNDIFFERENTIATED", "intersex": "UNDIFFERENTIATED"}
_ISO = {"second": "T{}S", "minute": "T{}M", "hour": "T{}H", "day": "{}D", "week": "{}W", "month": "{}M", "year": "{}Y"}


def iso_duration(value: object, unit: object) -> str:
    """Time after time zero as ISO 8601 duration, as SDTM's ``--ELTM``; ``""`` where it is not known.

    >>> iso_duration("36", "Hours"), iso_duration("-7", "Days"), iso_duration("", "Days")
    ('PT36H', '-P7D', '')
    """
    amount = number(value)
    form = _ISO.get(str(unit or "").strip().lower().removesuffix("s"))
    if amount is None or form is None:
        return ""
    return f"{'-' if amount < 0 else ''}P{form.format(f'{abs(amount):.12g}')}"


def read_domains(connection: sqlite3.Connection, studies: Iterable[str] | None = None) -> dict[str, "pd.DataFrame"]:
    """See :meth:`immport_cyto.immport.Store.domains`."""
    import pandas as pd

    known = [study for (study,) in connection.execute("SELECT study_accession FROM study")]
    asked = sorted(known if studies is None else {study.upper() for study in studies}, key=accession_order)
    check_studies(connection, asked)
    parameters = {"studies": json.dumps(asked)}
    makers: dict[str, Callable[[list[Row]], Iterable[Row]]] = {
        "DM": _subjects, "TA": _arms, "TV": _planned, "SV": _visits, "BE": _biosamples, "ZT": _treatments,
    }  # fmt: skip
    rows: dict[str, list[Row]] = {}
    for (name, maker), query in zip(makers.items(), statements("domains")[:6], strict=True):
        records = _records(connection, query, parameters)
        rows[name] = list(maker(records))
        if name == "DM":
            rows["SE"] = list(_subject_arms(records))
    order = dict(connection.execute(statements("domains")[6], parameters).fetchall())
    rows["ZB"] = list(_cells(connection, asked, order))
    frames = {}
    for name, table in DOMAINS.items():
        _number(rows[name], f"{name}SEQ")
        for row in rows[name]:
            row["DOMAIN"] = name
        frames[name] = conform(pd.DataFrame(rows[name], columns=table.column_names), table)
    return frames


def _records(connection: sqlite3.Connection, query: str, parameters: Mapping[str, str]) -> list[Row]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    records = [dict(zip(names, values, strict=True)) for values in cursor]
    keys = [name for name in names if name.endswith("_accession") and name != "is_accession"]
    return sorted(records, key=lambda record: [accession_order(record[key] or "") for key in keys])


def _number(rows: list[Row], column: str) -> None:
    """Number the rows of each subject, as ``--SEQ`` asks for."""
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["STUDYID"], row.get("USUBJID") or "")
        row[column] = seen[key] = seen.get(key, 0) + 1


def _subjects(records: list[Row]) -> Iterator[Row]:
    for (study, subject), group in groupby(records, key=lambda r: (r["study_accession"], r["subject_accession"])):
        found = list(group)
        first = found[0]
        ages = {(r["age_years"], r["age_is_topcoded"]) for r in found if r["age_years"] is not None}
        age, topcoded = ages.pop() if len(ages) == 1 else (None, None)
        arms = [r for r in found if r["arm_accession"]]
        yield {
            "STUDYID": study, "USUBJID": subject, "AGE": age, "AGEU": "YEARS" if age is not None else "",
            "AGETOPFL": "Y" if topcoded else "", "AGEEVT": _joined(_event(r) for r in found),
            "SEX": _SEX.get((first["sex"] or "").lower(), "U"), "RACE": first["race"], "ETHNIC": first["ethnicity"],
            "SPECIES": first["species"], "STRAIN": first["strain"],
            "ARMCD": _joined(r["arm_accession"] for r in arms if r["is_accession"]),
            "ARM": _joined(r["arm_name"] for r in arms), "PHENO": _joined(r["phenotype"] for r in found),
        }  # fmt: skip


def _subject_arms(records: list[Row]) -> Iterator[Row]:
    for record in records:
        if record["arm_accession"]:
            yield {
                "STUDYID": record["study_accession"], "USUBJID": record["subject_accession"],
                "ETCD": record["arm_accession"] if record["is_accession"] else "", "ELEMENT": record["arm_name"],
                "AGE": record["age_years"], "AGEU": "YEARS" if record["age_years"] is not None else "",
                "AGETOPFL": "Y" if record["age_is_topcoded"] else "", "AGEEVT": _event(record),
                "PHENO": record["phenotype"],
            }  # fmt: skip


def _event(record: Row) -> str:
    return ": ".join(text for text in (record["age_event"], record["age_event_specify"]) if text)


def _joined(texts: Iterable[str | None]) -> str:
    return ";".join(dict.fromkeys(text.replace(";", ",") for text in texts if text))


def _arms(records: list[Row]) -> Iterator[Row]:
    for r in records:
        yield {
            "STUDYID": r["study_accession"], "ARMCD": r["arm_accession"] if r["is_accession"] else "",
            "ARM": r["name"], "ARMDESC": r["description"], "ARMTYPE": r["type"], "NSUBJ": r["n_subjects"],
        }  # fmt: skip


def _planned(records: list[Row]) -> Iterator[Row]:
    for r in records:
        yield {
            "STUDYID": r["study_accession"], "VISITNUM": number(r["order_number"]), "VISIT": r["name"],
            "VISITID": r["visit_accession"], "VISITDY": number(r["min_start_day"]),
            "VISITDYX": number(r["max_start_day"]),
        }  # fmt: skip


def _visits(records: list[Row]) -> Iterator[Row]:
    for r in records:
        yield {
            "STUDYID": r["study_accession"], "USUBJID": r["subject_accession"],
            "VISITNUM": number(r["order_number"]), "VISIT": r["name"], "VISITID": r["visit_accession"],
            "VISITDY": number(r["min_start_day"]), "SVSTDY": r["first_day"], "SVENDY": r["last_day"],
            "NSAMP": r["n_biosamples"],
        }  # fmt: skip


def _biosamples(records: list[Row]) -> Iterator[Row]:
    for r in records:
        yield {
            "STUDYID": r["study_accession"], "USUBJID": r["subject_accession"], "BEREFID": r["biosample_accession"],
            "BETERM": "Collecting", "BESPEC": r["type"], "BESPECSB": r["subtype"],
            "VISITNUM": number(r["order_number"]), "VISIT": r["visit_name"], "VISITID": r["visit_accession"],
            "BEDY": r["time_days"], "BEELTM": iso_duration(r["time_value"], r["time_unit"]), "BETPTREF": r["t0"],
        }  # fmt: skip


def _treatments(records: list[Row]) -> Iterator[Row]:
    for r in records:
        yield {
            "STUDYID": r["study_accession"], "USUBJID": r["subject_accession"],
            "ZTREFID": r["expsample_accession"] or r["biosample_accession"], "ZTSPID": r["treatment_accession"],
            "ZTTRT": r["name"], "ZTDOSE": r["amount_value"], "ZTDOSU": r["amount_unit"],
            "ZTDUR": iso_duration(r["duration_value"], r["duration_unit"]), "ZTTEMP": r["temperature_value"],
            "ZTTEMPU": r["temperature_unit"],
        }  # fmt: skip


def _cells(connection: sqlite3.Connection, studies: list[str], order: Mapping[str, str]) -> Iterator[Row]:
    """Rows of ZB, one per reported number; none where no study has population results."""
    from immport_cyto.immport.results import read_results

    try:
        found = read_results(connection, studies)
    except LinkError:  # no results at all
        return
    samples = {row["file_name"]: row for row in found.samples.to_dict("records")}
    for row in found.populations.to_dict("records"):
        sample = samples[row["file_name"]]
        shared = {
            "STUDYID": row["study_accession"], "USUBJID": sample["subject_accession"], "ZBTEST": row["population"],
            "ZBCAT": "Cellular Quantification", "ZBMETHOD": sample["technique"], "ZBPOPDEF": row["definition"],
            "ZBPOPNAM": row["name_reported"], "ZBCLID": row["cl_id"], "ZBBASPOP": row["parent"],
            "ZBSPEC": sample["biosample_type"], "ZBREFID": row["sample_id"],
            "ZBBIOSID": sample["biosample_accession"], "ZBSCHEME": row["panel_id"],
            "VISITNUM": number(order.get(sample["visit_accession"])), "VISIT": sample["visit_name"],
            "ZBDY": sample["study_time_days"],
            "ZBELTM": iso_duration(sample["study_time_collected"], sample["study_time_collected_unit"]),
            "ZBTPTREF": sample["study_time_t0_event"], "ZBXFN": sample["fcs_files"],
        }  # fmt: skip
        for amount, unit in _reported(row["value_reported"], row["unit_reported"]):
            yield shared | {"ZBORRES": amount, "ZBORRESU": unit} | _standard(row, unit)


def _reported(values: str, units: str) -> list[tuple[str, str]]:
    """The numbers of a row as they were reported: a share may stand beside a count."""
    one, other = values.split("; "), units.split("; ")
    return list(zip(one, other, strict=True)) if len(one) == len(other) else [(values, units)]


def _standard(row: Row, reported_unit: str) -> Row:
    unit = read_unit(reported_unit)
    if unit.kind == "share":
        amount, name = row["fraction"], "%"
        amount = None if amount != amount else round(amount * 100, 12)
    elif unit.kind == "events" and row["value"] != row["value"]:
        amount, name = row["n_events"], "events"
    else:
        amount, name = row["value"], row["unit"]
    missing = amount is None or str(amount) in ("nan", "<NA>")
    return {
        "ZBSTRESN": None if missing else float(amount), "ZBSTRESU": "" if missing else name,
        "ZBSTAT": "NOT DONE" if missing else "", "ZBREASND": row["comment"] if missing else "",
    }  # fmt: skip
