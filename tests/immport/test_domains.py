"""Studies as SDTM-named domains."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from immport_cyto import tables
from immport_cyto.cli import main
from immport_cyto.exceptions import OptionError
from immport_cyto.immport import DOMAINS, open_store
from immport_cyto.immport.domains import iso_duration


@pytest.fixture
def found(study: Any, make_zip: Callable[..., Path]) -> dict[str, pd.DataFrame]:
    study["fcs_analyzed_result"] += [
        study["fcs_analyzed_result"][0]
        | {"RESULT_ID": "2", "POPULATION_STATISTIC_REPORTED": "800", "POPULATION_STAT_UNIT_REPORTED": "cells/uL"},
        study["fcs_analyzed_result"][0]
        | {"RESULT_ID": "3", "EXPSAMPLE_ACCESSION": "ES1001", "POPULATION_STATISTIC_REPORTED": ""},
    ]
    store = open_store()
    store.load(make_zip(study))
    return store.domains()


def rows(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    found: list[list[object]] = frame[list(columns)].to_numpy().tolist()
    return found


def test_subjects_arms_and_visits(found: dict[str, pd.DataFrame]) -> None:
    assert list(found) == list(DOMAINS)
    for name, frame in found.items():
        assert list(frame.columns) == DOMAINS[name].column_names
        assert set(frame["DOMAIN"]) <= {name}
        assert set(frame["STUDYID"]) == {"SDY901"}
        assert not frame.duplicated(list(DOMAINS[name].key)).any()
    assert rows(found["DM"], "USUBJID", "AGE", "AGETOPFL", "SEX", "ARMCD", "ARM") == [
        ["SUB1", 1.5, "", "F", "ARM1", "Young"], ["SUB2", 90.0, "Y", "U", "ARM2", "Old"],
    ]  # fmt: skip
    assert rows(found["TA"], "ARMCD", "ARM", "NSUBJ") == [["ARM1", "Young", 1], ["ARM2", "Old", 1]]
    assert rows(found["SE"], "USUBJID", "ETCD", "AGE", "AGEEVT") == [
        ["SUB1", "ARM1", 1.5, "Age at enrollment"], ["SUB2", "ARM2", 90.0, "Age at enrollment"],
    ]  # fmt: skip
    assert rows(found["TV"], "VISITID", "VISIT") == [["PV1", "Day 0"]]
    assert rows(found["SV"], "USUBJID", "VISITID", "SVSTDY", "SVENDY", "NSAMP") == [["SUB1", "PV1", 1.5, 1.5, 1]]


def test_samples_keep_the_reported_unit_and_treatments_their_sample(found: dict[str, pd.DataFrame]) -> None:
    assert rows(found["BE"], "USUBJID", "BEREFID", "BESPEC", "BEDY", "BEELTM", "BETPTREF") == [
        ["SUB1", "BS1", "PBMC", 1.5, "PT36H", "Time of enrollment"], ["SUB2", "BS2", "Whole blood", 7.0, "P7D", ""],
    ]  # fmt: skip
    assert rows(found["ZT"], "USUBJID", "ZTREFID", "ZTTRT") == [
        ["SUB1", "ES999", "Unstim"], ["SUB1", "ES1000", "IL-6"], ["SUB1", "ES1000", "Brefeldin; 4 h"],
    ]  # fmt: skip


def test_each_reported_number_is_a_row_of_the_cellular_findings(found: dict[str, pd.DataFrame]) -> None:
    columns = ["USUBJID", "ZBREFID", "ZBTEST", "ZBORRES", "ZBORRESU", "ZBSTRESN", "ZBSTRESU", "ZBSTAT", "ZBCLID"]
    frame = found["ZB"][columns].astype(object).where(found["ZB"][columns].notna(), None)
    assert rows(frame, *columns) == [
        ["SUB2", "ES1001", "T cells", "", "%", None, "", "NOT DONE", "CL:0000084"],
        ["SUB1", "ES999", "T cells", "12.5", "%", 12.5, "%", "", "CL:0000084"],
        ["SUB1", "ES999", "T cells", "800", "cells/uL", 800.0, "cells/uL", "", "CL:0000084"],
    ]
    assert set(found["ZB"]["ZBMETHOD"]) == {"Flow cytometry"}


def test_a_subject_in_two_arms_of_a_study_is_one_subject_without_an_age_that_differs(
    study: Any, make_zip: Callable[..., Path]
) -> None:
    study["arm_2_subject"].append(study["arm_2_subject"][1] | {"SUBJECT_ACCESSION": "SUB1"})
    store = open_store()
    store.load(make_zip(study))
    found = store.domains(["sdy901"])
    subject = found["DM"].iloc[0]
    assert (subject["ARMCD"], subject["ARM"], pd.isna(subject["AGE"])) == ("ARM1;ARM2", "Young;Old", True)
    assert rows(found["SE"], "USUBJID", "SESEQ", "ETCD", "AGE") == [
        ["SUB1", 1, "ARM1", 1.5], ["SUB1", 2, "ARM2", 90.0], ["SUB2", 1, "ARM2", 90.0],
    ]  # fmt: skip


def test_an_unknown_study_is_refused(study: Any, make_zip: Callable[..., Path]) -> None:
    store = open_store()
    store.load(make_zip(study))
    with pytest.raises(OptionError, match="study 'SDY7' is not in the store; load its package first"):
        store.domains(["SDY7"])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("7", "Days", "P7D"), ("-0.5", "Weeks", "-P0.5W"), ("30", "Minutes", "PT30M"), ("2", "Months", "P2M"),
        ("1", "years", "P1Y"), ("5", "Seconds", "PT5S"), ("x", "Days", ""), ("1", "Not Specified", ""),
        (None, None, ""),
    ],
)  # fmt: skip
def test_durations(value: object, unit: object, text: str) -> None:
    assert iso_duration(value, unit) == text


def test_domains_on_the_command_line(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = ["--metadata", make_zip(study), "--out-dir", tmp_path / "d", "--json", tmp_path / "d.json"]
    monkeypatch.setattr(sys, "argv", ["immport-cyto", "immport", "domains", *map(str, arguments)])
    main()
    assert capsys.readouterr().out == "DM: 2, TA: 2, SE: 2, TV: 1, SV: 1, BE: 2, ZT: 3, ZB: 1 rows\n"
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == sorted(f"{name.lower()}.tsv" for name in DOMAINS)
    for table in DOMAINS.values():
        assert len(tables.read(tmp_path / "d" / table.name, table)) > 0
    assert json.loads((tmp_path / "d.json").read_text())["counts"]["ZB"] == 1
