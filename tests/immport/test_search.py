"""Searching a store."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immport_cyto import tables
from immport_cyto.cli import main
from immport_cyto.exceptions import InputError, LinkError, OptionError
from immport_cyto.immport import LEVELS, Store, open_store


def channels(file_header: str, *pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"FCS_HEADER_ID": file_header, "PARAMETER_NUMBER": str(i), "PNN_REPORTED": pnn, "PNS_REPORTED": pns}
        for i, (pnn, pns) in enumerate(pairs, start=1)
    ]


@pytest.fixture
def package(study: Any, make_zip: Callable[..., Path]) -> Path:
    """File 103 has channels of four markers, 101 reagents of two, 104 is CyTOF, and of 102 nothing is known."""
    study["fcs_header"].append(
        {"FCS_HEADER_ID": "2", "FILE_INFO_ID": "104", "NUMBER_OF_EVENTS": "5", "NUMBER_OF_MARKERS": "2"}
    )
    study["fcs_header_marker"] = [
        *channels("1", ("FSC-A", ""), ("FITC-A", "CD3"), ("PE-A", "CD4"), ("APC-A", "HLADR"), ("V450-A", "CD158a/b")),
        *channels("2", ("Nd142Di", "142Nd_CD19"), ("Nd143Di", "143Nd_CD45RA"), ("Nd145Di", "145Nd_CD4")),
    ]
    study["study"][0]["CONDITION_STUDIED"] = "Influenza, vaccination"
    return make_zip(study)


@pytest.fixture
def store(package: Path) -> Store:
    store = open_store()
    store.load(package)
    return store


def names(store: Store, **conditions: Any) -> list[str]:
    return store.search("files", **conditions)["file_name"].tolist()


def test_the_panels_of_the_store_are_harmonised_on_loading(store: Store) -> None:
    rows = store.connection.execute(
        "SELECT file_info_id, origin, markers FROM file_panel JOIN panel USING (panel_id) ORDER BY 1"
    ).fetchall()
    assert rows == [
        (101, "reagents", "CD3;CD4"), (103, "channels", "CD158a/CD158b;CD3;CD4;HLA-DR"),
        (104, "channels", "CD19;CD4;CD45RA"),
    ]  # fmt: skip
    assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize(
    ("conditions", "files"),
    [
        ({}, ["Mass 1.104.fcs", "a.101.fcs", "b.102.fcs", "b.103.fcs"]),
        ({"markers": ["CD4"]}, ["Mass 1.104.fcs", "a.101.fcs", "b.103.fcs"]),
        ({"markers": "cd4"}, ["Mass 1.104.fcs", "a.101.fcs", "b.103.fcs"]),
        ({"markers": ["CD3", "HLA DR"]}, ["b.103.fcs"]),
        ({"markers": ["CD3", "CD19"]}, []),  # both are there, but never in one panel
        ({"markers": ["CD158a"]}, ["b.103.fcs"]),  # one channel, two antibodies
        ({"markers": ["CCR7"]}, []),
        ({"technique": "cytof"}, ["Mass 1.104.fcs"]),
        ({"technique": "Flow Cytometry"}, ["a.101.fcs", "b.102.fcs", "b.103.fcs"]),
        ({"species": "human", "biosample_type": "pbmc"}, ["a.101.fcs", "b.102.fcs"]),
        ({"age_min": 60}, ["Mass 1.104.fcs", "b.103.fcs"]),
        ({"age_max": 1.5}, ["a.101.fcs", "b.102.fcs"]),
        ({"age_min": 2, "age_max": 60}, []),
        ({"sex": "FEMALE"}, ["a.101.fcs", "b.102.fcs"]),
        ({"arm": "old"}, ["Mass 1.104.fcs", "b.103.fcs"]),
        ({"arm": "arm2"}, ["Mass 1.104.fcs", "b.103.fcs"]),
        ({"visit": "day"}, ["a.101.fcs", "b.102.fcs"]),
        ({"visit": "pv1"}, ["a.101.fcs", "b.102.fcs"]),
        ({"days_min": 1, "days_max": 2}, ["a.101.fcs", "b.102.fcs"]),
        ({"condition": "INFLUENZA"}, ["Mass 1.104.fcs", "a.101.fcs", "b.102.fcs", "b.103.fcs"]),
        ({"condition": "lupus"}, []),
        ({"studies": "sdy901", "markers": ["CD3"]}, ["a.101.fcs", "b.103.fcs"]),
    ],
)
def test_conditions(store: Store, conditions: dict[str, Any], files: list[str]) -> None:
    assert names(store, **conditions) == files


def test_files_of_a_panel(store: Store) -> None:
    for row in store.search("panels").to_dict("records"):
        files = store.search("files", panel=row["panel_id"].upper())
        assert set(files["panel_id"]) == {row["panel_id"]}
        assert len(files) == row["n_files"]


def test_files_are_samples_with_their_panel(store: Store) -> None:
    row = store.search("files", markers=["HLA-DR"]).iloc[0]
    assert (row["subject_accession"], row["age_years"], bool(row["age_is_topcoded"])) == ("SUB2", 90.0, True)
    assert row["panel_id"].startswith("flow-4m-")
    assert row["link_rule"] == "search"


def test_studies_count_what_fits(store: Store, package: Path) -> None:
    row = store.search(age_max=2).iloc[0]
    assert row[["study_accession", "n_subjects", "n_biosamples", "n_expsamples", "n_files", "n_panels"]].tolist() == [
        "SDY901", 1, 1, 2, 2, 1,
    ]  # fmt: skip
    assert (row["age_min"], row["age_max"], row["condition_studied"]) == (1.5, 1.5, "Influenza, vaccination")
    assert store.search()["technique"].tolist() == ["CyTOF;Flow cytometry"]
    empty = store.search(age_min=95)
    assert len(empty) == 0
    assert list(empty.columns) == LEVELS["studies"].column_names


def test_samples_and_panels(store: Store) -> None:
    samples = store.search("samples").set_index("expsample_accession")
    assert list(samples.index) == ["ES999", "ES1000", "ES1001", "ES1002"]
    assert samples["n_files"].tolist() == [1, 2, 1, 1]
    assert samples.loc["ES1001", ["subject_accession", "biosample_type", "age_years"]].tolist() == [
        "SUB2", "Whole blood", 90.0,
    ]  # fmt: skip
    panels = store.search("panels", markers=["CD4"])
    assert panels[["technique", "n_files", "n_markers", "markers"]].to_numpy().tolist() == [
        ["CyTOF", 1, 3, "CD19;CD4;CD45RA"], ["Flow cytometry", 1, 2, "CD3;CD4"],
        ["Flow cytometry", 1, 4, "CD158a/CD158b;CD3;CD4;HLA-DR"],
    ]  # fmt: skip


def test_a_newer_release_replaces_the_panels(store: Store, study: Any, make_zip: Callable[..., Path]) -> None:
    newer = copy.deepcopy(study)
    newer["fcs_header_marker"] = channels("1", ("FITC-A", "CD8"))
    newer["expsample_2_reagent"] = [{"EXPSAMPLE_ACCESSION": "ES1002", "REAGENT_ACCESSION": "ESR3"}]
    store.load(make_zip(newer, "SDY901-DR31_Tab"))
    rows = store.connection.execute(
        "SELECT file_info_id, markers FROM file_panel JOIN panel USING (panel_id) ORDER BY 1"
    ).fetchall()
    assert rows == [(103, "CD8"), (104, "CD4")]
    assert store.connection.execute("SELECT count(*) FROM panel").fetchone() == (2,)
    assert names(store, markers=["CD8a"]) == ["b.103.fcs"]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"markers": ["CD3X"]}, "marker 'CD3X' is unknown; did you mean CD3"),
        ({"markers": ["@@"]}, "marker '@@' is unknown; give the antigen, such as CD4 or CCR7"),
        ({"studies": ["SDY1"]}, "study 'SDY1' is not in the store; load its package first"),
        ({"technique": "ELISPOT"}, "technique 'ELISPOT' is unknown; use flow or cytof"),
        ({"biosample_type": "PBMCs"}, "no sample of the store has the biosample type 'PBMCs'; it has: PBMC, Whole"),
        ({"species": "mouse"}, "no sample of the store has the species 'mouse'; it has: Homo sapiens"),
        ({"sex": "F"}, "no sample of the store has the sex 'F'; it has: Female, Not Specified"),
        ({"age_min": 60, "age_max": 50}, "age_min 60 is above age_max 50; give the smaller number first"),
        ({"days_min": 7, "days_max": 0}, "days_min 7 is above days_max 0; give the smaller number first"),
        ({"age_min": float("nan")}, "age_min nan is no number; leave it out, or give one"),
        ({"arm": "placebos"}, "no arm of the store has 'placebos' in its name; it has: "),
        ({"visit": "PV99"}, "no visit of the store has 'PV99' in its name; it has: "),
        ({"arm": "' OR 1=1 --"}, "no arm of the store has \"' OR 1=1 --\" in its name; it has: Old, Young"),
        ({"panel": "flow-9m-000000"}, "no sample of the store has the panel 'flow-9m-000000'; it has: "),
        ({"level": "subjects"}, "a search cannot list 'subjects'; use one of studies, samples, files, panels"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(store: Store, conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        store.search(**conditions)


def test_files_of_one_name_are_not_mixed(study: Any, make_zip: Callable[..., Path]) -> None:
    study["file_info"][1]["NAME"] = study["file_info"][2]["NAME"] = "b.fcs.1.fcs"
    store = open_store()
    store.load(make_zip(study))
    store.connection.execute("UPDATE file SET name = 'b.fcs' WHERE file_info_id IN (102, 103)")
    with pytest.raises(LinkError, match="two result files are named 'b.fcs'; search one study at a time"):
        store.search("files")


def test_a_store_of_an_older_version_asks_to_load_again(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(path) as store:
        store.connection.execute("PRAGMA user_version = 1")
    with pytest.raises(InputError, match="a store of version 1, this program uses 3; load the packages again"):
        open_store(path)


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


def test_search_on_the_command_line(package: Path, tmp_path: Path, run: Any) -> None:
    store, out = tmp_path / "s.sqlite", tmp_path / "found.tsv"
    assert run("load", package, "--store", store)[0] == 0
    before = store.read_bytes()
    code, shown, _ = run("search", "--store", store, "--marker", "CD3, CD4", "--marker", "HLADR", "--out", out)
    assert (code, shown) == (0, "1 study: SDY901\n")
    assert tables.read(out, LEVELS["studies"])["n_files"].tolist() == [1]
    code, shown, _ = run("search", "--store", store, "--list", "files", "--days", "0:2", "--out", out,
                         "--json", tmp_path / "j.json")  # fmt: skip
    assert (code, shown) == (0, "2 files of 1 study: SDY901\n")
    assert tables.read(out, tables.SAMPLES)["file_name"].tolist() == ["a.101.fcs", "b.102.fcs"]
    entry = json.loads((tmp_path / "j.json").read_text())
    assert entry["parameters"] == {"list": "files", "days_min": 0.0, "days_max": 2.0}
    assert store.read_bytes() == before  # a search only reads
    code, _, error = run("search", "--store", store, "--marker", "CD3X", "--out", tmp_path / "no.tsv")
    assert (code, error[:51]) == (1, "immport-cyto: error: marker 'CD3X' is unknown; did ")
    assert not (tmp_path / "no.tsv").exists()
    assert run("search", "--metadata", package, "--age-min", "old", "--out", out)[0] == 2
    for wrong in (("--days", "0:"), ("--days", "nan"), ("--days", "7:0"), ("--marker", " , ")):
        assert run("search", "--store", store, *wrong, "--out", tmp_path / "no.tsv")[0] == 2, wrong
    assert run("search", "--out", out)[0] == 2
