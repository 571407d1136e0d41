"""Saved responses of the query API as sources."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immport_cyto.exceptions import PackageError
from immport_cyto.immport import LoadReport, Store, open_store

SUBJECTS = {
    "SUB1": {"gender": "Female", "race": "White", "ethnicity": None, "species": "Homo sapiens", "armAccession": "ARM1",
             "armName": "Young", "ageEvent": "Age at enrollment", "ageUnit": "Months", "minSubjectAge": 18.0,
             "maxSubjectAge": 30.0},
    "SUB2": {"gender": "Male", "race": "Asian", "ethnicity": "Other", "species": "Homo sapiens",
             "armAccession": "ARM2", "armName": "Old", "ageEvent": "Age at enrollment", "ageUnit": "Years",
             "minSubjectAge": 90.0, "maxSubjectAge": 90.0},
}  # fmt: skip
SAMPLES = {
    "ES1": {"biosampleAccession": "BS1", "subjectAccession": "SUB1", "studyTimeCollected": 36.0,
            "plannedVisitAccession": "PV1"},
    "ES2": {"biosampleAccession": "BS2", "subjectAccession": "SUB2", "studyTimeCollected": 0.0,
            "plannedVisitAccession": None},
}  # fmt: skip


def common(expsample: str) -> dict[str, Any]:
    sample = SAMPLES[expsample]
    return {
        "studyAccession": "SDY905", "studyTitle": "A study", "experimentAccession": "EXP1", "biosampleType": "PBMC",
        "studyTimeCollectedUnit": "Hours", "studyTimeT0Event": "Time of enrollment", **sample,
        **SUBJECTS[sample["subjectAccession"]],
    }  # fmt: skip


def file_row(number: int, expsample: str, **more: Any) -> dict[str, Any]:
    return {
        "filePathId": f"{number}_{expsample}", "fileInfoId": number, "fileDetail": "Flow cytometry result",
        "filesizeBytes": 1000 + number, "fileName": f"a.{number}.fcs", "originalFileName": "a.fcs",
        "sourceType": "EXPSAMPLE", "sourceAccession": expsample, "measurementTechnique": "Flow Cytometry",
        **common(expsample), "filePath": f"/SDY905/ResultFiles/Flow_cytometry_result/a.{number}.fcs", **more,
    }  # fmt: skip


def result_row(expsample: str, name: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "expsampleAccession": expsample, **common(expsample), "populationNameReported": name,
        "populationDefnitionReported": "CD3+", "populationStatisticReported": value,
        "populationStatUnitReported": "cells/uL", "comments": None, **more,
    }  # fmt: skip


FILES = [
    file_row(11, "ES1"), file_row(12, "ES2"), file_row(11, "ES1"),
    file_row(13, "ES1", fileName="v.13.txt", fileDetail="Virus neutralization result"),
    file_row(14, "ES1", sourceType="STUDY", sourceAccession="SDY905"),
]  # fmt: skip
RESULTS = [
    result_row("ES1", "T cell", "1500.5"),
    result_row("ES2", "T cell", "700"),
    result_row("ES1", "T cell", "1500.5"),
]


def as_tsv(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = ["\t".join(names), *("\t".join("" if r[n] is None else str(r[n]) for n in names) for r in rows)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., tuple[Store, list[LoadReport]]]:
    def call(*texts: str) -> tuple[Store, list[LoadReport]]:
        store = open_store()
        reports = []
        for number, text in enumerate(texts):
            path = tmp_path / f"response_{number}.txt"
            path.write_text(text, encoding="utf-8")
            reports += store.load(path)
        return store, reports

    return call


@pytest.mark.parametrize("form", [json.dumps, as_tsv, lambda rows: json.dumps({"content": rows}, indent=1)])
def test_file_paths_are_a_complete_link(load: Any, form: Callable[[Any], str]) -> None:
    store, reports = load(form(FILES))
    assert [(r.kind, r.status, r.study_accession, r.counts["result_files"]) for r in reports] == [
        ("api", "loaded", "SDY905", 2)
    ]
    assert reports[0].findings == ["response_0.txt: 1 files belong to no expsample and are left out"]
    samples = store.link(["a.11.fcs", "a.12.fcs"])
    columns = ["sample_id", "subject_accession", "age_years", "sex", "study_time_days", "arm_name", "technique"]
    assert samples[columns].to_numpy().tolist() == [
        ["ES1", "SUB1", 2.0, "Female", 1.5, "Young", "Flow cytometry"],
        ["ES2", "SUB2", 90.0, "Male", 0.0, "Old", "Flow cytometry"],
    ]
    assert samples["visit_accession"].tolist() == ["PV1", ""]
    assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("form", [json.dumps, as_tsv])
def test_population_results_alone_are_results(load: Any, form: Callable[[Any], str]) -> None:
    store, reports = load(form(RESULTS))
    assert reports[0].counts["result_files"] == 0
    results = store.results()
    assert results.findings == []  # the page that came twice counts once, though it has no result_id
    assert results.populations[["file_name", "population", "value"]].to_numpy().tolist() == [
        ["ES1", "T cell", 1500.5], ["ES2", "T cell", 700.0],
    ]  # fmt: skip
    assert results.samples[["subject_accession", "age_years"]].to_numpy().tolist() == [["SUB1", 2.0], ["SUB2", 90.0]]


def test_both_responses_of_a_study_add_up_in_any_order(load: Any) -> None:
    answers = []
    for texts in ((FILES, RESULTS), (RESULTS, FILES)):
        store, reports = load(*map(json.dumps, texts))
        assert [report.status for report in reports] == ["loaded", "added"]
        results = store.results()
        assert results.samples["fcs_files"].tolist() == ["a.11.fcs", "a.12.fcs"]
        assert set(results.samples["technique"]) == {"Flow cytometry"}
        answers.append((results.populations.to_csv(), results.samples.to_csv(), store.link(None).to_csv()))
    assert answers[0] == answers[1]


def test_the_same_response_twice_changes_nothing(load: Any) -> None:
    assert load(json.dumps(FILES), json.dumps(FILES))[1][1].status == "unchanged"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"studyAccession": "SDY1"', "is no whole JSON .*; save the response again"),
        ("[]", "the response holds no rows; ask the API for a study that has cytometry results"),
        ('{"error": "token expired"}', "the JSON is no list of rows; save the response of filePath or fcsAnalyzed"),
        ("[1, 2]", "the JSON is no list of rows"),
        ('[{"studyAccession": "SDY1", "x": 1}]', r"no subject_accession in the response \(found: STUDY_ACCESSION, X\)"),
        (
            '[{"studyAccession": "SDY1", "subjectAccession": "SUB1"}]',
            "rows of neither files nor population results; save filePath or fcsAnalyzed",
        ),
        ("[" * 100_000, "is no whole JSON"),
    ],
)
def test_bad_responses(load: Any, text: str, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        load(text)
