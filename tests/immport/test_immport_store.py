import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from immport_cyto.exceptions import InputError, PackageError
from immport_cyto.immport import Store, loading, open_store

CONTENT = (
    "study", "arm", "subject", "arm_subject", "visit", "biosample", "experiment", "expsample", "file", "treatment",
    "expsample_file", "expsample_biosample", "expsample_treatment", "expsample_reagent", "reagent", "fcs", "fcs_param",
    "population_result",
)  # fmt: skip


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: sorted(store.connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
        for table in CONTENT
    }


def one(store: Store, query: str) -> Any:
    return store.connection.execute(query).fetchone()


def test_what_the_store_holds(study: Any, make_zip: Callable[..., Path]) -> None:
    store = open_store()
    report = store.load([make_zip(study)])[0]
    assert report.status == "loaded"
    assert report.findings == []
    assert report.counts == {"subjects": 2, "biosamples": 2, "expsamples": 4, "files": 7, "result_files": 4}
    assert one(store, "SELECT time_value, time_unit, time_days, t0_event FROM biosample") == (
        "36", "Hours", 1.5, "Time of enrollment",
    )  # fmt: skip
    assert one(store, "SELECT * FROM fcs") == (103, 77, 2, "", "tube_7", "abc-1", "", 1)
    assert one(store, "SELECT pnn, pns FROM fcs_param") == ("FITC-A", "CD3")
    assert store.connection.execute("SELECT reagent_accession FROM expsample_reagent ORDER BY 1").fetchall() == [
        ("ESR2",), ("ESR3",),
    ]  # fmt: skip
    assert one(store, "SELECT name_reported, value_reported, unit_reported FROM population_result") == (
        "T cells", "12.5", "%",
    )  # fmt: skip
    assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert store.studies().to_dict("records") == [
        {"study_accession": "SDY901", "title": "A study", "release": "DR30", "kind": "tab", "n_subjects": 2,
         "n_biosamples": 2, "n_result_files": 4}
    ]  # fmt: skip
    assert [source["studies"] for source in store.sources()] == ["SDY901"]


def test_no_user_defined_text_of_samples_and_subjects_is_kept(study: Any, make_zip: Callable[..., Path]) -> None:
    store = open_store()
    store.load(make_zip(study))
    dump = "\n".join(store.connection.iterdump())
    assert "my-secret-id" not in dump
    assert "Dr. X" not in dump
    assert "01-JAN-2010" not in dump


def test_loading_twice_changes_nothing(study: Any, make_zip: Callable[..., Path], tmp_path: Path) -> None:
    path, package = tmp_path / "new folder" / "s.sqlite", make_zip(study)
    with open_store(path) as store:
        store.load(package)
    before = path.read_bytes()
    with open_store(path) as store:
        report = store.load(package)[0]
        assert (report.status, report.counts["result_files"]) == ("unchanged", 4)
    assert path.read_bytes() == before


def test_a_zip_and_the_folder_that_holds_it_are_the_same_bytes(study: Any, make_zip: Callable[..., Path]) -> None:
    package = make_zip(study)
    with open_store() as store:
        assert store.load(package.parent)[0].status == "loaded"
        report = store.load(package)[0]
        assert report.status == "unchanged"
        assert report.sentence().endswith(
            ": unchanged, since it was loaded before; the store has 4 FCS result files, 2 subjects, 2 biosamples"
        )


def test_a_newer_release_replaces_and_says_what_changed(study: Any, make_zip: Callable[..., Path]) -> None:
    old = make_zip(study)
    study["biosample"][0]["TYPE"] = "Whole blood"
    study["subject"][0]["GENDER"] = "Male"
    study["file_info"] = [row for row in study["file_info"] if row["FILE_INFO_ID"] != "104"]
    study["expsample_2_file_info"] = [row for row in study["expsample_2_file_info"] if row["FILE_INFO_ID"] != "104"]
    study["arm_2_subject"][0]["MIN_SUBJECT_AGE"] = study["arm_2_subject"][0]["MAX_SUBJECT_AGE"] = "24"
    new = make_zip(study, "SDY901-DR31_Tab")
    store, fresh = open_store(), open_store()
    store.load(old)
    report = store.load(new)[0]
    assert (report.status, report.replaced_release) == ("replaced", "DR30")
    assert report.changes == [
        "arm_subject: age_years changed in 1",
        "biosample: type changed in 1",
        "file: 1 removed",
    ]
    fresh.load(new)
    assert content(store) == content(fresh)
    again = store.load(old)[0]
    assert again.status == "older"
    assert content(store) == content(fresh)


def test_other_content_of_the_same_release_replaces(study: Any, make_zip: Callable[..., Path]) -> None:
    store = open_store()
    store.load(make_zip(study))
    study["planned_visit"][0]["NAME"] = "Day zero"
    report = store.load(make_zip(study, "SDY901-DR30_Tab_corrected"))[0]
    assert (report.status, report.replaced_release, report.changes) == (
        "replaced",
        "DR30",
        ["visit: name changed in 1"],
    )


def test_zip_and_folder_say_the_same(
    study: Any, make_zip: Callable[..., Path], make_folder: Callable[..., Path]
) -> None:
    first, second = open_store(), open_store()
    first.load(make_zip(study))
    second.load(make_folder(study))
    assert content(first) == content(second)
    pd.testing.assert_frame_equal(first.link(None), second.link(None))


def test_several_studies_in_one_package_in_both_forms(
    study: Any, make_zip: Callable[..., Path], other_accessions: Callable[..., Any]
) -> None:
    other = other_accessions(study, 5000)
    merged = {name: rows + other[name] for name, rows in study.items()}
    together = open_store()
    assert [r.status for r in together.load(make_zip(merged, "ALLSTUDIES-DR30_Tab"))] == ["loaded", "loaded"]
    side_by_side = open_store()
    make_zip(study, "two-DR30", root="SDY901-DR30_Tab")
    side_by_side.load(make_zip(other, "two-DR30", root="SDY5901-DR30_Tab"))
    one_by_one = open_store()
    one_by_one.load([make_zip(other, "SDY5901-DR30_Tab"), make_zip(study)])
    frames = [store.link(None) for store in (together, side_by_side, one_by_one)]
    assert list(frames[0]["study_accession"].value_counts().items()) == [("SDY901", 4), ("SDY5901", 4)]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], frame)


def test_a_package_with_one_newer_and_one_older_study(
    study: Any, make_zip: Callable[..., Path], other_accessions: Callable[..., Any]
) -> None:
    other = other_accessions(study, 5000)
    store = open_store()
    store.load([make_zip(study, "SDY901-DR29_Tab"), make_zip(other, "SDY5901-DR40_Tab")])
    merged = {name: rows + other[name] for name, rows in study.items()}
    for row in merged["planned_visit"]:
        row["NAME"] = "changed"
    reports = store.load(make_zip(merged, "ALL-DR35_Tab"))
    assert [(r.study_accession, r.status) for r in reports] == [("SDY5901", "older"), ("SDY901", "replaced")]
    samples = store.link(None)
    names = samples.loc[samples["visit_name"] != ""].groupby("study_accession")["visit_name"].first().to_dict()
    assert names == {"SDY901": "changed", "SDY5901": "Day 0"}


def test_a_study_that_study_txt_does_not_list_is_loaded_and_reported(study: Any, make_zip: Callable[..., Path]) -> None:
    study["study"][0]["STUDY_ACCESSION"] = "SDY1"
    store = open_store()
    reports = store.load(make_zip(study))
    assert [r.study_accession for r in reports] == ["SDY1", "SDY901"]
    assert reports[0].findings == ["SDY901-DR30_Tab.zip: study.txt does not list SDY901, which other tables name"]
    assert set(store.link(None)["study_accession"]) == {"SDY901"}


def test_links_to_nothing_are_left_out_and_reported(study: Any, make_zip: Callable[..., Path]) -> None:
    study["expsample_2_file_info"].append({"EXPSAMPLE_ACCESSION": "ES999", "FILE_INFO_ID": "777"})
    study["biosample"][0]["SUBJECT_ACCESSION"] = "SUB77"
    store = open_store()
    findings = store.load(make_zip(study))[0].findings
    assert findings == [
        (
            "SDY901-DR30_Tab.zip: 1 subject_accessions of the table biosample are described in no other; "
            "kept without details"
        ),
        "SDY901-DR30_Tab.zip: 1 rows of expsample_file name a file_info_id that no table describes; they are left out",
    ]
    assert set(store.link(None)["subject_accession"]) == {"SUB77", "SUB2"}


def test_no_study_at_all(study: Any, make_zip: Callable[..., Path]) -> None:
    for rows in study.values():
        for row in rows:
            if "STUDY_ACCESSION" in row:
                row["STUDY_ACCESSION"] = ""
    with pytest.raises(PackageError, match="names no study"):
        open_store().load(make_zip(study))


def test_a_failed_load_leaves_the_store_as_it_was(
    study: Any, make_zip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    store.load(make_zip(study))
    before = content(store)
    study["planned_visit"][0]["NAME"] = "changed"
    newer = make_zip(study, "SDY901-DR31_Tab")

    def fail(*_args: object, **_kwargs: object) -> list[str]:
        msg = "disk full"
        raise OSError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_repair", fail)
        with pytest.raises(OSError, match="disk full"):
            store.load(newer)
    assert content(store) == before
    assert store.load(newer)[0].status == "replaced"


def test_what_is_no_store(tmp_path: Path) -> None:
    text = tmp_path / "a.sqlite"
    text.write_text("this is no database at all, but long enough to look at" * 20)
    with pytest.raises(InputError, match=r"a.sqlite: not a store of immport-cyto"):
        open_store(text)
    foreign = tmp_path / "b.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(InputError, match="another kind of SQLite database"):
        open_store(foreign)
    newer = tmp_path / "c.sqlite"
    with open_store(newer) as store:
        store.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="a store of version 99"):
        open_store(newer)


SUBJECT_2 = (
    "SUBJECT_ACCESSION\tGENDER\tSUBJECT_AGE\tAGE_UNIT\tBIOSAMPLE_ACCESSION\tBIOSAMPLE_TYPE_NAME\tARM_NAME\t"
    "STUDY_ACCESSION\tEXPERIMENT_ACCESSION\tEXPSAMPLE_ACCESSION\tEXPSAMPLE_TREATMENT_NAME\tREAGENT_NAME_LIST\t"
    "FILE_NAME\r"
    'SUB1\tFemale\t20\tWeeks\tBS1\tPBMC\tYoung\tSDY902\tEXP1\tES1\tUnstim\t"CD3, ""x"",CD4"\ta.11.fcs\r'
    "SUB2\tMale\t90\tYears\tBS2\tPBMC\tOld\tSDY902\tEXP1\tES2\tUnstim\t\tb.12.fcs\r"
    "SUB2\tMale\t90\tYears\tBS2\tPBMC\tOld\tSDY902\tEXP1\tES2\tLPS\t\tb.12.fcs\n"
)


def test_a_subject_2_table_links_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "SDY902-DR19_Subject_2_CyTOF_result.txt"
    path.write_bytes(SUBJECT_2.encode())
    store = open_store()
    report = store.load(path)[0]
    assert (report.kind, report.release, report.findings) == ("subject_2", "DR19", [])
    samples = store.link(["a.11.fcs", "B.12"]).set_index("file_name")
    assert list(samples["subject_accession"]) == ["SUB2", "SUB1"]
    assert list(samples["technique"]) == ["CyTOF", "CyTOF"]
    assert samples.loc["a.11.fcs", "age_years"] == pytest.approx(20 * 7 / 365.25)
    assert samples.loc["B.12", "treatment"] == "LPS;Unstim"
    assert list(samples["age_is_topcoded"]) == [True, False]
    assert list(samples["arm_name"]) == ["Old", "Young"]
    assert set(samples["arm_accession"]) == {""}


def test_two_subject_2_tables_of_a_study_add_up_and_a_tab_package_covers_them(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path
) -> None:
    flow = tmp_path / "SDY901-DR30_Subject_2_Flow_cytometry_result.txt"
    mass = tmp_path / "SDY901-DR30_Subject_2_CyTOF_result.txt"
    header = "Subject Accession\tStudy Accession\tExpsample Accession\tSubject Age\tFile Name\n"
    flow.write_text(header + "SUB1\tSDY901\tES999\t1.5\ta.101.fcs\n")
    mass.write_text(header + "SUB2\tSDY901\tES1002\t90\tMass 1.104.fcs\n")
    store = open_store()
    assert [r.status for r in store.load([flow, mass])] == ["loaded", "added"]
    assert dict(store.link(None)[["file_name", "technique"]].to_numpy().tolist()) == {
        "Mass 1.104.fcs": "CyTOF", "a.101.fcs": "Flow cytometry",
    }  # fmt: skip
    assert store.load(make_zip(study))[0].status == "replaced"
    assert store.load(flow)[0].status == "covered"
    assert len(store.link(None)) == 4


def test_a_header_without_rows_is_no_subject_2_table_and_does_not_stop_the_others(tmp_path: Path) -> None:
    header = SUBJECT_2.partition("\r")[0]
    alone = tmp_path / "alone" / "SDY902-DR19_Subject_2_CyTOF_result.txt"
    alone.parent.mkdir()
    for end in ("", "\n", "\r", "\r\n", "\n\n"):
        alone.write_bytes((header + end).encode())
        with pytest.raises(PackageError, match=r"_result\.txt: has a header and no rows, so it links no file; get the"):
            open_store().load(alone)
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "SDY902-DR19_Subject_2_CyTOF_result.txt").write_text(header)
    (folder / "SDY902-DR19_Subject_2_Flow_cytometry_result.txt").write_bytes(SUBJECT_2.encode())
    store = open_store()
    assert [(r.study_accession, r.counts["result_files"]) for r in store.load(folder)] == [("SDY902", 2)]
    assert store.load_findings == [
        "SDY902-DR19_Subject_2_CyTOF_result.txt: has a header and no rows, so it links no file; left out"
    ]


def test_a_renamed_package_has_the_release_that_its_studies_name(study: Any, make_folder: Callable[..., Path]) -> None:
    study["study"][0]["LATEST_DATA_RELEASE_VERSION"] = "DR27"
    store = open_store()
    report = store.load(make_folder(study, "renamed"))[0]
    assert (report.release, report.status) == ("DR27", "loaded")
    assert report.findings == ["renamed: no name tells its data release; taken as DR27, when its studies changed last"]
    study["study"][0]["LATEST_DATA_RELEASE_VERSION"] = "DR19"
    assert store.load(make_folder(study, "older"))[0].status == "older"
