"""Population results of ImmPort as populations.tsv and samples.tsv."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from immport_cyto import meta, tables
from immport_cyto.cli import main
from immport_cyto.exceptions import LinkError, OptionError
from immport_cyto.immport import Results, open_store

BLANK = {
    "STUDY_ACCESSION": "SDY901", "EXPSAMPLE_ACCESSION": "ES999", "BIOSAMPLE_ACCESSION": "BS1",
    "SUBJECT_ACCESSION": "SUB1", "POPULATION_NAME_REPORTED": "T cell", "POPULATION_DEFNITION_REPORTED": "CD3+",
    "PARENT_POPULATION_REPORTED": "", "POPULATION_STATISTIC_REPORTED": "", "POPULATION_STAT_UNIT_REPORTED": "",
    "COMMENTS": "",
}  # fmt: skip


def results_of(*changes: dict[str, str]) -> list[dict[str, str]]:
    return [{"RESULT_ID": str(i), **BLANK, **change} for i, change in enumerate(changes, start=1)]


def value(amount: str, unit: str, **more: str) -> dict[str, str]:
    return {"POPULATION_STATISTIC_REPORTED": amount, "POPULATION_STAT_UNIT_REPORTED": unit, **more}


@pytest.fixture
def read(study: Any, make_zip: Callable[..., Path]) -> Callable[..., Results]:
    calls = 0

    def call(*changes: dict[str, str], **options: Any) -> Results:
        nonlocal calls
        calls += 1
        study["fcs_analyzed_result"] = results_of(*changes)
        store = open_store()
        store.load(make_zip(study, f"SDY901-DR{29 + calls}_Tab"))
        return store.results(**options)

    return call


def row(results: Results, population: str = "T cell") -> pd.Series:
    found = results.populations[results.populations["population"] == population]
    assert len(found) == 1
    return found.iloc[0]


def test_a_share_a_count_and_an_amount_of_one_population_share_a_row(read: Any) -> None:
    results = read(value("12.5", "% of CD45+"), value("300", "cells"), value("1.2", "10^6/mL"))
    found = row(results)
    assert (found["fraction"], found["n_events"], found["value"], found["unit"]) == (0.125, 300, 1200.0, "cells/uL")
    assert pd.isna(found["n_parent"])
    assert found["parent"] == "CD45+"
    assert (found["value_reported"], found["unit_reported"]) == ("12.5; 300; 1.2", "% of CD45+; cells; 10^6/mL")
    assert (found["method"], found["file_name"], found["sample_id"]) == ("immport", "ES999", "ES999")
    assert results.findings == []


def test_a_percentage_beside_the_count_as_in_old_releases(study: Any, make_zip: Callable[..., Path]) -> None:
    study["fcs_analyzed_result"] = [{
        "RESULT_ID": "1", "STUDY_ACCESSION": "SDY901", "EXPSAMPLE_ACCESSION": "ES999",
        "POPULATION_NAME_REPORTED": "T cell", "POPULATION_CELL_NUMBER": "40",
        "POPULATION_CELL_NUMBER_UNIT": "cells", "POPULATION_PERCENT": "20", "BASE_PARENT_POPULATION": "CD45+",
    }]  # fmt: skip
    store = open_store()
    store.load(make_zip(study))
    results = store.results()
    found = row(results)
    assert (found["n_events"], found["fraction"], found["parent"]) == (40, 0.2, "CD45+")
    assert results.samples["subject_accession"].tolist() == ["SUB1"]  # from the expsample, as no biosample is named


def test_samples_of_results_know_subject_age_visit_treatments_and_files(read: Any) -> None:
    results = read(value("5", "ul"), value("6", "ul", EXPSAMPLE_ACCESSION="ES1001", BIOSAMPLE_ACCESSION="BS2"))
    samples = results.samples.set_index("file_name")
    assert list(samples.index) == ["ES1001", "ES999"]
    first = samples.loc["ES999"]
    assert (first["subject_accession"], first["age_years"], first["sex"]) == ("SUB1", 1.5, "Female")
    assert (first["visit_name"], first["study_time_days"], first["arm_name"]) == ("Day 0", 1.5, "Young")
    assert (first["fcs_files"], first["treatment"]) == ("a.101.fcs", "Unstim")
    assert (first["technique"], first["experiment_accession"]) == ("Flow cytometry", "EXP1")
    second = samples.loc["ES1001"]
    assert (second["age_years"], bool(second["age_is_topcoded"]), second["visit_name"]) == (90.0, True, "")


def test_the_parent_of_a_count_is_the_nearest_reported_gate_above(read: Any) -> None:
    results = read(
        *(
            value(n, "cells", POPULATION_NAME_REPORTED=name, POPULATION_DEFNITION_REPORTED=path)
            for name, path, n in [
                ("live", "tube 1: viable", "1000"), ("T cell", "tube 1: viable/CD3+", "400"),
                ("Th", "tube 1: viable/CD3+/CD4+/Q1: CCR7+CD45RA-", "100"), ("odd", "tube 1: viable/CD3+/CD8+", "500"),
            ]
        ),
        value("30", "cells", POPULATION_NAME_REPORTED="B cell", POPULATION_DEFNITION_REPORTED="CD19+",
              PARENT_POPULATION_REPORTED="live"),
    )  # fmt: skip
    found = row(results, "Th")
    assert (found["n_events"], found["n_parent"], found["fraction"]) == (100, 400, 0.25)
    assert (found["definition"], found["parent"]) == ("CD3+ CD4+ CCR7+ CD45RA- viable", "CD3+ viable")
    assert pd.isna(row(results, "live")["n_parent"])
    assert row(results, "B cell")["fraction"] == 0.03
    odd = row(results, "odd")
    assert (odd["flag"], odd["parent"]) == ("above_parent", "CD3+ viable")
    assert pd.isna(odd["fraction"])
    assert results.findings == [
        "SDY901: 1 counts are above the count of their parent and have no fraction ('odd' of ES999)"
    ]


def test_a_zero_with_a_comment_is_missing_and_a_zero_without_is_zero(read: Any) -> None:
    results = read(
        value("0", "ul", COMMENTS="No CD4 staining"),
        value("0", "ul", POPULATION_NAME_REPORTED="B cell", POPULATION_DEFNITION_REPORTED="CD19+"),
        value("0", "ul", POPULATION_NAME_REPORTED="NK", POPULATION_DEFNITION_REPORTED="CD56+", COMMENTS="CD56+"),
    )
    missing = row(results)
    assert pd.isna(missing["value"])
    assert (missing["flag"], missing["comment"]) == ("not_reported", "No CD4 staining")
    assert row(results, "B cell")["value"] == 0
    assert row(results, "NK")["value"] == 0  # SDY514 repeats the definition as the comment
    assert results.findings == [
        "SDY901: 1 values of 0 with a comment, or empty, are taken as not reported (1 'No CD4 staining')"
    ]


@pytest.mark.parametrize(
    ("amount", "unit", "flag", "finding"),
    [
        ("ND", "ul", "no_number", "1 values are no numbers and left empty (first: 'ND')"),
        ("", "ul", "not_reported", "1 values of 0 with a comment, or empty, are taken as not reported (1 empty)"),
        ("120", "%", "out_of_range", "1 values are shares below 0 or above 100 % and left empty (first: '120')"),
        ("-1", "%", "out_of_range", "1 values are shares below 0 or above 100 % and left empty (first: '-1')"),
        ("nan", "%", "no_number", "1 values are no numbers and left empty (first: 'nan')"),
    ],
)
def test_values_that_are_none(read: Any, amount: str, unit: str, flag: str, finding: str) -> None:
    results = read(value(amount, unit))
    found = row(results)
    assert found["flag"] == flag
    assert found[["n_events", "fraction", "value"]].isna().all()
    assert results.findings == [f"SDY901: {finding}"]


def test_a_count_that_is_no_whole_number_is_an_amount(read: Any) -> None:
    found = row(read(value("12.5", "cells")))
    assert (found["value"], found["unit"]) == (12.5, "cells")
    assert pd.isna(found["n_events"])


def test_one_name_for_two_definitions_tells_them_apart_and_one_definition_does_not(read: Any) -> None:
    results = read(
        value("5", "ul", POPULATION_DEFNITION_REPORTED="CD3+, CD4+"),
        value("6", "ul", POPULATION_DEFNITION_REPORTED="CD3+, CD4+, CD8-", EXPSAMPLE_ACCESSION="ES1000"),
        value("7", "ul", POPULATION_NAME_REPORTED="B", POPULATION_DEFNITION_REPORTED="CD19+, HLADR+"),
        value("8", "ul", POPULATION_NAME_REPORTED="B", POPULATION_DEFNITION_REPORTED="CD19+ HLA-DR+",
              EXPSAMPLE_ACCESSION="ES1000"),
    )  # fmt: skip
    assert sorted(results.populations["population"]) == [
        "B", "B", "T cell (CD3+ CD4+ CD8-)", "T cell (CD3+ CD4+)",
    ]  # fmt: skip


def test_two_units_and_two_parents_of_one_population_are_two_populations(read: Any) -> None:
    results = read(
        value("5", "ul"), value("90", "MFI"), value("10", "% of live"), value("20", "% of CD45+"),
    )  # fmt: skip
    shares = results.populations.dropna(subset="fraction").set_index("population")["fraction"]
    assert shares.to_dict() == {"T cell of CD45+": 0.2, "T cell of live": 0.1}
    amounts = results.populations.dropna(subset="value").set_index("population")
    assert amounts["value"].to_dict() == {"T cell [MFI]": 90.0, "T cell [cells/uL]": 5.0}
    assert amounts["unit"].to_dict() == {"T cell [MFI]": "MFI", "T cell [cells/uL]": "cells/uL"}


def test_a_result_given_twice_is_taken_once(read: Any) -> None:
    results = read(value("5", "ul"), value("6", "ul"))
    assert row(results)["value"] == 5
    assert results.findings == ["SDY901: 1 population results repeat a population of a sample; the first one is taken"]


def test_a_result_without_sample_is_left_out_and_one_without_expsample_is_of_its_biosample(read: Any) -> None:
    none = {"EXPSAMPLE_ACCESSION": "", "SUBJECT_ACCESSION": ""}
    results = read(value("5", "ul", **none, BIOSAMPLE_ACCESSION=""), value("6", "ul", **none))
    assert row(results)["file_name"] == "BS1"
    assert results.samples[["file_name", "subject_accession", "age_years"]].to_numpy().tolist() == [
        ["BS1", "SUB1", 1.5]
    ]
    assert results.findings == ["SDY901: 1 population results name no sample and are left out"]


def test_days_and_visits_choose_samples(read: Any) -> None:
    changes = (value("5", "ul"), value("6", "ul", EXPSAMPLE_ACCESSION="ES1001", BIOSAMPLE_ACCESSION="BS2"))
    assert read(*changes, days=(0, 2)).populations["file_name"].tolist() == ["ES999"]
    assert read(*changes, days=(7, 7)).samples["file_name"].tolist() == ["ES1001"]
    assert read(*changes, visits=["day 0"]).samples["file_name"].tolist() == ["ES999"]
    assert read(*changes, visits=["PV1"]).samples["file_name"].tolist() == ["ES999"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"studies": ["SDY1"]}, OptionError, r"study 'SDY1' is not in the store \(it has SDY901\); load its package"),
        ({"days": (7, 0)}, OptionError, "days 7:0 is an empty range; give the earlier day first"),
        ({"days": (100, 200)}, LinkError, "no population result is of the days or visits asked for"),
        ({"visits": ["Day 99"], "studies": ["SDY901"]}, LinkError, "no population result among SDY901 is of the days"),
    ],
)
def test_what_cannot_be_asked(read: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(value("5", "ul"), **options)


def test_a_store_without_results_says_so(study: Any, make_zip: Callable[..., Path]) -> None:
    del study["fcs_analyzed_result"]
    store = open_store()
    store.load(make_zip(study))
    with pytest.raises(LinkError, match=r"the store holds no population results \(fcs_analyzed_result\); load"):
        store.results()


def many(n_subjects: int) -> tuple[list[dict[str, str]], dict[str, list[dict[str, str]]]]:
    """Subjects of 1 to n years with 10 ** (3 - age / 10 + noise) T cells per microlitre."""
    numbers = range(1, n_subjects + 1)
    extra = {
        "subject": [{"SUBJECT_ACCESSION": f"SUB{i}", "GENDER": "Female", "SPECIES": "Homo sapiens"} for i in numbers],
        "arm_2_subject": [
            {"ARM_ACCESSION": "ARM1", "SUBJECT_ACCESSION": f"SUB{i}", "AGE_UNIT": "Years", "MIN_SUBJECT_AGE": str(i),
             "MAX_SUBJECT_AGE": str(i)} for i in numbers
        ],
        "biosample": [
            {"BIOSAMPLE_ACCESSION": f"BS{i}", "STUDY_ACCESSION": "SDY901", "SUBJECT_ACCESSION": f"SUB{i}"}
            for i in numbers
        ],
        "expsample": [{"EXPSAMPLE_ACCESSION": f"ES{i}", "EXPERIMENT_ACCESSION": "EXP1"} for i in numbers],
        "expsample_2_biosample": [
            {"BIOSAMPLE_ACCESSION": f"BS{i}", "EXPSAMPLE_ACCESSION": f"ES{i}"} for i in numbers
        ],
    }  # fmt: skip
    rows = results_of(*(
        value(repr(10 ** (3 - i / 10 + 0.01 * (-1) ** i)), "cells/uL", EXPSAMPLE_ACCESSION=f"ES{i}",
              BIOSAMPLE_ACCESSION=f"BS{i}", SUBJECT_ACCESSION=f"SUB{i}")
        for i in numbers
    ))  # fmt: skip
    return rows, extra


def test_from_the_package_to_the_effect(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rows, extra = many(12)
    study |= extra
    study["fcs_analyzed_result"] = rows
    package = make_zip(study)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["immport-cyto", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    out, samples, effects = tmp_path / "populations.tsv", tmp_path / "samples.tsv", tmp_path / "effects.tsv"
    made = ("immport", "results", "--metadata", package, "--out", out, "--samples", samples)
    assert run(*made, "--study", "SDY901", "--json", tmp_path / "r.json") == 0
    assert "12 results of 12 samples, 12 subjects and 1 studies: 12 amounts, 0 shares" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["with_value"] == 12
    assert run("meta", "effects", "--populations", out, "--samples", samples, "--formula", "age_years",
               "--scale", "log10", "--out", effects) == 0  # fmt: skip
    found = tables.read(effects, tables.EFFECTS).iloc[0]
    assert found["estimate"] == pytest.approx(-0.1, abs=0.001)
    assert (found["scale"], found["n"]) == ("log10", 12)
    capsys.readouterr()
    assert run(*made, "--days", "soon") == 2
    assert "'soon' is no day and no range from one day to a later one, such as -7:0" in capsys.readouterr().err
    assert run(*made, "--study", "SDY2") == 1
    assert capsys.readouterr().err.startswith("immport-cyto: error: study 'SDY2' is not in the store")
    assert run("immport", "results", "--out", out, "--samples", samples) == 2
    assert "give either --store or --metadata" in capsys.readouterr().err
    gone = tmp_path / "gone.sqlite"
    assert run("immport", "results", "--store", gone, "--out", out, "--samples", samples) == 1
    assert "no such store; make it with" in capsys.readouterr().err


def test_results_go_through_a_file_unchanged(read: Any, tmp_path: Path) -> None:
    results = read(value("12.5", "% of CD45+"), value("300", "cells"), value("1.2", "10^6/mL"))
    tables.write(results.populations, tmp_path / "p.tsv", tables.RESULTS)
    pd.testing.assert_frame_equal(tables.read(tmp_path / "p.tsv", tables.RESULTS), results.populations)


def test_counts_are_no_amounts(read: Any) -> None:
    results = read(value("300", "cells"))
    with pytest.raises(Exception, match="column 'value' is empty, which the scale log10 needs"):
        meta.effects(results.populations, results.samples, "age_years", scale="log10")


def test_results_that_share_an_id_are_said(study: Any, make_zip: Any, other_accessions: Any) -> None:
    study["fcs_analyzed_result"] = results_of(
        value("1", "cells"), value("2", "cells", POPULATION_NAME_REPORTED="B cell")
    )
    other = other_accessions(study, 100)
    for entry in other["fcs_analyzed_result"]:
        entry["RESULT_ID"] = str(int(entry["RESULT_ID"]) - 100)
    with open_store() as store:
        (first,) = store.load(make_zip(study, "SDY901-DR30_Tab"))
        (second,) = store.load(make_zip(other, "SDY1001-DR30_Tab"))
        assert not any("RESULT_ID" in text for text in first.findings)
        said = "2 population results of SDY1001 have the RESULT_ID of another result of SDY901; they are left out"
        assert f"SDY1001-DR30_Tab.zip: {said}" in second.findings
