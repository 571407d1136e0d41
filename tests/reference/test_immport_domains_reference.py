"""SDTM-named domains of real packages: rows are counted from the tables of the package."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from immport_cyto import tables
from immport_cyto.immport import DOMAINS, open_store

pytestmark = pytest.mark.shared


def rows_of(package: Path, table: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(package) as archive:
        member = next(name for name in archive.namelist() if name.endswith(f"/{table}.txt"))
        text = io.StringIO(archive.read(member).decode("utf-8", errors="replace"))
        return list(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize(
    "name", ["SDY139-DR16", "SDY139-DR25", "SDY144-DR28", "SDY180-DR29", "SDY364-DR29", "SDY404-DR29", "SDY514-DR32"]
)
def test_domains_hold_what_the_tables_hold(shared_data: Path, tmp_path: Path, name: str) -> None:
    package = shared_data / "immport" / "tab" / f"{name}_Tab.zip"
    store = open_store()
    store.load(package)
    found = store.domains()
    for domain, frame in found.items():
        tables.write(frame, tmp_path / DOMAINS[domain].name, DOMAINS[domain])
    assert set(found["BE"]["BEREFID"]) == {row["BIOSAMPLE_ACCESSION"] for row in rows_of(package, "biosample")}
    assert len(found["BE"]) == len(rows_of(package, "biosample"))
    # four subjects of SDY514 have samples and no arm since DR27
    subjects = {row["SUBJECT_ACCESSION"] for table in ("arm_2_subject", "biosample") for row in rows_of(package, table)}
    assert set(found["DM"]["USUBJID"]) == subjects
    assert len(found["SE"]) == len(rows_of(package, "arm_2_subject"))
    assert set(found["TA"]["ARMCD"]) == {row["ARM_ACCESSION"] for row in rows_of(package, "arm_or_cohort")}
    assert set(found["TV"]["VISITID"]) == {row["PLANNED_VISIT_ACCESSION"] for row in rows_of(package, "planned_visit")}
    sampled = {(row["SUBJECT_ACCESSION"], row["PLANNED_VISIT_ACCESSION"]) for row in rows_of(package, "biosample")}
    assert set(zip(found["SV"]["USUBJID"], found["SV"]["VISITID"], strict=True)) == {p for p in sampled if p[1]}


def test_the_cellular_findings_of_sdy139_have_all_52_results(shared_data: Path) -> None:
    """RImmPort's own table of this study has 52 rows with an empty result in each."""
    for release, column in (("DR16", "POPULATION_CELL_NUMBER"), ("DR25", "POPULATION_STATISTIC_REPORTED")):
        package = shared_data / "immport" / "tab" / f"SDY139-{release}_Tab.zip"
        store = open_store()
        store.load(package)
        cells = store.domains(["SDY139"])["ZB"]
        reported = rows_of(package, "fcs_analyzed_result")
        given = sorted(row.get(column) or row["POPULATION_STATISTIC_REPORTED"] for row in reported)
        counts = cells[cells["ZBSTRESU"] != "%"] if release == "DR16" else cells
        assert len(given) == 52
        assert sorted(counts["ZBORRES"]) == given
        assert cells["ZBSTRESN"].notna().all()
        assert set(cells["ZBSTAT"]) == {""}
        assert set(cells["ZBSPEC"]) - {""}
        assert (cells["USUBJID"].str.startswith("SUB")).all()
