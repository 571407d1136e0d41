import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from immport_cyto import tables
from immport_cyto.cli import main
from immport_cyto.immport import ORPHANS


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["immport-cyto", "immport", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


def test_load_then_link(study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any) -> None:
    store, out = tmp_path / "s.sqlite", tmp_path / "samples.tsv"
    code, shown, _ = run("load", make_zip(study), "--store", store, "--json", tmp_path / "load.json")
    assert code == 0
    assert "SDY901 DR30 (SDY901-DR30_Tab.zip): loaded, 4 FCS result files, 2 subjects, 2 biosamples" in shown
    entry = json.loads((tmp_path / "load.json").read_text())
    assert entry["counts"] == {
        "studies": 1, "subjects": 2, "biosamples": 2, "expsamples": 4, "files": 7, "result_files": 4,
    }  # fmt: skip
    assert entry["studies"][0]["status"] == "loaded"
    absent = ", ".join(entry["studies"][0]["absent"])
    assert f"\nnot in SDY901-DR30_Tab.zip: {absent}\n" in shown
    older = tmp_path / "SDY901-DR30_Tab.zip"
    newer = make_zip(study, name="SDY901-DR31_Tab")
    again = run("load", older, newer, "--store", tmp_path / "two.sqlite")[1].splitlines()
    assert again[0].startswith("SDY901 DR30 (SDY901-DR30_Tab.zip): loaded, 4 FCS result files")
    assert again[-1] == f"not in 2 sources (first SDY901-DR30_Tab.zip): {absent}"
    names = tmp_path / "names.txt"
    names.write_text("a.101\nb.102.fcs\n\nstranger.fcs\n")
    code, shown, _ = run(
        "link", "--store", store, "--names-from", names, "--out", out, "--orphans", tmp_path / "o.tsv",
        "--allow-orphans", "--json", tmp_path / "link.json",
    )  # fmt: skip
    assert code == 0
    assert "2 of 3 files linked, 1 without metadata, 2 result files of the metadata without a file" in shown
    samples = tables.read(out, tables.SAMPLES)
    assert list(samples["subject_accession"]) == ["SUB1", "SUB1"]
    orphans = tables.read(tmp_path / "o.tsv", ORPHANS)
    assert list(orphans["file_name"]) == ["stranger.fcs", "Mass 1.104.fcs", "b.103.fcs"]
    entry = json.loads((tmp_path / "link.json").read_text())
    counts = entry["counts"]
    assert counts == {"files": 3, "linked": 2, "files_without_metadata": 1, "metadata_without_file": 2}
    assert entry["rules"] == {"file_info_id": 2}
    assert entry["sources"][0]["release"] == "DR30"


def test_link_with_metadata_and_a_list_of_files(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    rows = []
    for number, name in enumerate(["a.101", "Mass 1.104"]):
        path = tmp_path / f"dataset_{number}.dat"
        path.write_bytes(b"FCS")
        rows.append({"name": name, "path": str(path)})
    (tmp_path / "files.json").write_text(json.dumps(rows))
    code, _, error = run(
        "link", "--metadata", make_zip(study), "--files", tmp_path / "files.json", "--out", tmp_path / "s.tsv"
    )
    assert code == 0
    assert error.endswith("(first: a.101) belong to several expsamples, 2 each; the first is given\n")
    samples = tables.read(tmp_path / "s.tsv", tables.SAMPLES)
    assert samples[["file_name", "sample_id", "technique"]].to_numpy().tolist() == [
        ["Mass 1.104", "ES1002", "CyTOF"], ["a.101", "ES999", "Flow cytometry"],
    ]  # fmt: skip


def test_a_load_that_fails_leaves_no_new_store_and_an_old_one_as_it_was(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    store, other = tmp_path / "s.sqlite", tmp_path / "other.txt"
    other.write_text("a\tb\n")
    for bad in (tmp_path / "none.zip", other):
        assert run("load", bad, "--store", store)[0] == 1
        assert not store.exists()
    assert run("load", make_zip(study), "--store", store)[0] == 0
    before = store.read_bytes()
    assert run("load", other, "--store", store)[0] == 1
    assert store.read_bytes() == before


def test_all_lists_the_metadata_without_files(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    code, shown, _ = run("link", "--metadata", make_zip(study), "--all", "--out", tmp_path / "s.tsv")
    assert (code, shown.splitlines()[-1][:24]) == (0, "4 of 4 files linked, 0 w")


@pytest.mark.parametrize("allow", [False, True])
def test_a_file_without_a_match_stops_unless_allowed(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any, allow: bool
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("stranger.fcs\n")
    extra = ["--allow-orphans"] if allow else []
    code, _, error = run(
        "link", "--metadata", make_zip(study), "--names-from", names, "--out", tmp_path / "s.tsv", *extra
    )
    assert code == 1
    last = error.splitlines()[-1]
    assert last.startswith("immport-cyto: error: 1 of 1 FCS files have no match in the metadata (first: stranger.fcs: ")
    assert last.endswith(
        "so no row is left; give the packages of their studies"
        if allow
        else "give the package of their study, or add --allow-orphans to go on without them"
    )
    assert not (tmp_path / "s.tsv").exists()


def test_errors_are_one_sentence_with_exit_code_1(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    package = make_zip(study)
    (tmp_path / "empty.txt").write_text("\n")
    cases = [
        (["load", tmp_path / "no.zip", "--store", tmp_path / "x.sqlite"], "no.zip: no such file or folder"),
        (["link", "--store", tmp_path / "no.sqlite", "--all", "--out", tmp_path / "s"], "no.sqlite: no such store"),
        (["link", "--metadata", package, "--names-from", tmp_path / "empty.txt", "--out", tmp_path / "s"], "no names"),
        (
            ["link", "--metadata", package, "--names-from", tmp_path / "gone", "--out", tmp_path / "s"],
            "gone: cannot be",
        ),
        (["link", "--metadata", package, "--fcs", tmp_path / "gone", "--out", tmp_path / "s"], "gone: no such file"),
        (["load", package, "--store", package], "not a store of immport-cyto"),
    ]
    for arguments, message in cases:
        code, _, error = run(*arguments)
        assert code == 1
        assert error.startswith("immport-cyto: error: ")
        assert message in error
        assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--all"], "give one of --store, --metadata and --sheet"),
        (["--metadata", "a", "--store", "b", "--all"], "give one of --store, --metadata and --sheet"),
        (["--metadata", "a"], "give one of --fcs (or --files), --names-from and --all"),
        (["--metadata", "a", "--all", "--files", "b"], "give one of"),
    ],
)
def test_wrong_usage_exits_with_2(run: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, _, error = run("link", *arguments, "--out", tmp_path / "s.tsv")
    assert code == 2
    assert message in error


def test_samples_as_a_sample_sheet_of_galaxy_and_as_metadata_of_catalyst(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    study["expsample_2_file_info"].append({"EXPSAMPLE_ACCESSION": "ES999", "FILE_INFO_ID": "105"})
    study["file_info"].append(study["file_info"][0] | {"FILE_INFO_ID": "105", "NAME": "e.105.fcs"})
    sheet, payload, catalyst = tmp_path / "sheet.tsv", tmp_path / "sheet.json", tmp_path / "md.tsv"
    code, _, _ = run(
        "link", "--metadata", make_zip(study), "--all", "--out", tmp_path / "s.tsv", "--sample-sheet", sheet,
        "--sample-sheet-json", payload, "--catalyst", catalyst, "--condition", "arm_name",
    )  # fmt: skip
    assert code == 0
    samples = tables.read(tmp_path / "s.tsv", tables.SAMPLES)
    rows = [line.split("\t") for line in sheet.read_text().splitlines()]
    assert rows[0] == ["element_identifier", *tables.SAMPLES.column_names[1:]]
    assert [row[0] for row in rows[1:]] == list(samples["file_name"])
    found = json.loads(payload.read_text())
    kinds = {column["name"]: column["type"] for column in found["column_definitions"]}
    assert list(kinds) == tables.SAMPLES.column_names[1:]
    assert [kinds[name] for name in ("sex", "age_years", "age_is_topcoded")] == ["string", "float", "boolean"]
    values = dict(zip(kinds, found["rows"]["b.103.fcs"], strict=True))
    assert (values["age_years"], values["age_is_topcoded"], values["visit_name"]) == (90.0, True, None)
    assert [line.split("\t")[:4] for line in catalyst.read_text().splitlines()] == [
        ["file_name", "sample_id", "condition", "patient_id"],
        ["Mass 1.104.fcs", "ES1002", "Old", "SUB2"],
        ["a.101.fcs", "ES999-1", "Young", "SUB1"],
        ["b.102.fcs", "ES1000", "Young", "SUB1"],
        ["b.103.fcs", "ES1001", "Old", "SUB2"],
        ["e.105.fcs", "ES999-2", "Young", "SUB1"],
    ]


@pytest.mark.parametrize("form", ["--sample-sheet", "--sample-sheet-json"])
def test_samples_of_a_sample_sheet_are_those_it_was_made_of(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any, form: str
) -> None:
    sheet, names = tmp_path / "sheet", tmp_path / "names.txt"
    run("link", "--metadata", make_zip(study), "--all", "--out", tmp_path / "s.tsv", form, sheet)
    samples = tables.read(tmp_path / "s.tsv", tables.SAMPLES)
    code, out, _ = run("link", "--sheet", sheet, "--all", "--out", tmp_path / "again.tsv")
    assert code == 0
    again = tables.read(tmp_path / "again.tsv", tables.SAMPLES)
    pd.testing.assert_frame_equal(again.drop(columns="link_rule"), samples.drop(columns="link_rule"))
    assert set(again["link_rule"]) == {"sample_sheet"}
    # the list builder of Galaxy takes the ending off; a file without a row, rows without a file
    names.write_text("b.103\nother.fcs\n")
    orphans = tmp_path / "orphans.tsv"
    command = ["link", "--sheet", sheet, "--names-from", names, "--out", tmp_path / "two.tsv", "--orphans", orphans]
    code, _, error = run(*command)
    assert code == 1
    assert "1 of 2 FCS files have no match in the metadata (first: other.fcs: the sample sheet has no row" in error
    code, out, _ = run(*command, "--allow-orphans")
    assert code == 0
    assert "1 of 2 files linked, 1 without metadata, 3 result files" in out
    row = tables.read(tmp_path / "two.tsv", tables.SAMPLES).iloc[0]
    assert (row["file_name"], row["age_years"], row["subject_accession"]) == ("b.103", 90.0, "SUB2")
    assert orphans.read_text().count("metadata without file\t") == 3


def test_a_sample_sheet_of_ones_own(tmp_path: Path, run: Any) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(
        "element_identifier\tStudy accession\tSubject accession\tAge years\tDose\na.fcs\tSDY1\tSUB1\t30\tlow\n"
    )
    code, _, _ = run("link", "--sheet", sheet, "--all", "--out", tmp_path / "s.tsv")
    assert code == 0
    row = tables.read(tmp_path / "s.tsv", tables.SAMPLES).iloc[0]
    assert (row["sample_id"], row["age_years"], row["Dose"]) == ("a.fcs", 30.0, "low")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("element_identifier\tage_years\na\t3\n", "column 'study_accession' is missing"),
        ("a\tb\n1\t2\n", "column 'element_identifier' is missing"),
        ('{"rows": 3}', "is not a sample sheet of Galaxy"),
        (
            "element_identifier\tstudy_accession\tsubject_accession\nx\tS\tU\nx\tS\tU\n",
            "'x' has two rows; a sample sheet has one per file",
        ),
    ],
)
def test_a_sheet_that_is_none(tmp_path: Path, run: Any, text: str, message: str) -> None:
    (tmp_path / "sheet").write_text(text)
    code, _, error = run("link", "--sheet", tmp_path / "sheet", "--all", "--out", tmp_path / "s.tsv")
    assert code == 1
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "s.tsv").exists()


def test_a_condition_that_no_sample_has_writes_nothing(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, run: Any
) -> None:
    out = tmp_path / "s.tsv"
    for name, problem in (("batch", "has no value"), ("dose", "does not exist")):
        code, _, error = run(
            "link", "--metadata", make_zip(study, name), "--all", "--out", out, "--catalyst", tmp_path / "md.tsv",
            "--condition", name,
        )  # fmt: skip
        assert code == 1
        assert f"column {name!r} of samples.tsv {problem}" in error
        assert not out.exists()
