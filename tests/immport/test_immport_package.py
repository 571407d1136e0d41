import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immport_cyto.exceptions import PackageError
from immport_cyto.immport import Limits, find_sources, open_store
from immport_cyto.immport.aliases import TABLES

SUBJECT = next(table for table in TABLES if table.name == "subject")


def rows_of(path: Path, **limits: Any) -> tuple[list[tuple[str, ...]], list[str]]:
    source = find_sources(path, limits=Limits(**limits))[0]
    findings: list[str] = []
    return list(source.rows(SUBJECT, findings)), findings


def with_subject(folder: Path, data: bytes) -> Path:
    (folder / "Tab" / "subject.txt").write_bytes(data)
    return folder


HEADER = b"SUBJECT_ACCESSION\tGENDER\tRACE\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends(study: Any, make_folder: Callable[..., Path], end: bytes) -> None:
    data = (HEADER + b"SUB1\tMale\tWhite\nSUB2\tFemale\t").replace(b"\n", end)
    rows, findings = rows_of(with_subject(make_folder(study), data))
    assert [row[:3] for row in rows] == [("SUB1", "Male", "White"), ("SUB2", "Female", "")]
    assert findings == []


def test_cr_lines_with_a_last_lf_as_a_real_table_has(study: Any, make_folder: Callable[..., Path]) -> None:
    data = HEADER.replace(b"\n", b"\r") + b"SUB1\tMale\tWhite\n"
    rows, _ = rows_of(with_subject(make_folder(study), data))
    assert [row[:3] for row in rows] == [("SUB1", "Male", "White")]


def test_a_lone_cr_inside_a_cell_of_lf_text_is_data(study: Any, make_folder: Callable[..., Path]) -> None:
    rows, _ = rows_of(with_subject(make_folder(study), HEADER + b"SUB1\tMa\rle\tWhite\n"))
    assert rows[0][1] == "Ma\rle"


def test_encodings_quotes_and_nuls(study: Any, make_folder: Callable[..., Path]) -> None:
    data = b"\xef\xbb\xbf" + HEADER + 'SUB1\t"Male\tNa\u00efve\n'.encode() + b"SUB2\tFem\0ale\tNa\xefve\n"
    rows, findings = rows_of(with_subject(make_folder(study), data))
    assert [row[:3] for row in rows] == [("SUB1", '"Male', "Naïve"), ("SUB2", "Female", "Naïve")]
    assert findings == ["SDY901-DR30_Tab: subject.txt: 1 rows hold NUL characters, which are left out"]


def test_short_rows_are_filled_and_long_ones_left_out(study: Any, make_folder: Callable[..., Path]) -> None:
    data = HEADER + b"SUB1\tMale\nSUB2\tFemale\tWhite\t\nSUB3\tMale\tWhite\tshifted\n"
    rows, findings = rows_of(with_subject(make_folder(study), data))
    assert [row[:3] for row in rows] == [("SUB1", "Male", ""), ("SUB2", "Female", "White")]
    assert "1 rows are shorter than the header" in findings[0]
    assert "first: line 4" in findings[1]


def test_columns_are_found_in_any_order_and_spelling(study: Any, make_folder: Callable[..., Path]) -> None:
    rows, _ = rows_of(with_subject(make_folder(study), b"sex\tSubject Accession\tNew Column\nMale\tSUB1\tx\n"))
    assert rows[0][:2] == ("SUB1", "Male")


def test_missing_tables_and_columns_are_reported_not_fatal(study: Any, make_zip: Callable[..., Path]) -> None:
    del study["planned_visit"]
    for row in study["arm_2_subject"]:
        del row["ARM_ACCESSION"]
    report = open_store().load(make_zip(study))[0]
    assert report.findings == [
        (
            "SDY901-DR30_Tab.zip: arm_2_subject.txt: column ARM_ACCESSION is missing "
            "(found: SUBJECT_ACCESSION, AGE_UNIT, MIN_SUBJECT_AGE, MAX_SUBJECT_AGE, AGE_EVENT); the table is left out"
        ),
        "SDY901-DR30_Tab.zip: planned_visit.txt is missing; what it tells stays unknown",
        (
            "SDY901-DR30_Tab.zip: 1 visit_accessions of the table biosample are described in no other; "
            "kept without details"
        ),
    ]


def test_a_zip_that_points_outside_is_refused(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    for name in ("../../etc/x.txt", "/etc/x.txt", "C:\\x.txt"):
        hostile = path.with_name("hostile.zip")
        with zipfile.ZipFile(hostile, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(PackageError, match="unsafe path"):
            find_sources(hostile)


def test_a_zip_bomb_is_refused_before_it_is_read(study: Any, make_zip: Callable[..., Path]) -> None:
    del study["expsample_2_reagent"]
    path = make_zip(study)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SDY901-DR30_Tab/Tab/expsample_2_reagent.txt", b"\0" * (20 << 20))
    with pytest.raises(
        PackageError, match=r"expsample_2_reagent.txt would unpack to \d+ times its size, like a zip bomb"
    ):
        open_store().load(path)


def test_limits_of_table_line_and_members(
    study: Any, make_zip: Callable[..., Path], make_folder: Callable[..., Path]
) -> None:
    package = make_zip(study)
    with pytest.raises(PackageError, match="unpacks to more than 30 bytes"):
        rows_of(package, table_bytes=30)
    folder = with_subject(make_folder(study), HEADER + b"x" * (2 << 20))
    with pytest.raises(PackageError, match="a line is longer than 1000 bytes"):
        rows_of(folder, line_bytes=1000)
    with pytest.raises(PackageError, match="files in one zip"):
        rows_of(package, members=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 broken", "a damaged zip file; download the package again"),
        (b"hello\tworld\n", r"column FILE_NAME is missing \(found: hello, world\); is this a Subject_2 table"),
        (b"", r"column FILE_NAME is missing \(found: nothing\)"),
        (b"\xff\xfeF\0", "UTF-16"),
    ],
)
def test_what_is_no_package(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(PackageError, match=message):
        open_store().load(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no such file or folder; check the path"):
        find_sources(tmp_path / "absent.zip")
    with pytest.raises(PackageError, match="no ImmPort tables in it"):
        find_sources(tmp_path)


def test_a_damaged_member_is_named(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("SDY901-DR30_Tab/Tab/subject.txt").header_offset
    data = bytearray(path.read_bytes())
    data[offset + 70 : offset + 90] = b"\xff" * 20
    path.write_bytes(bytes(data))
    with pytest.raises(PackageError, match=r"subject.txt: cannot be unpacked .* download the package again"):
        open_store().load(path)


def test_junk_of_macos_and_other_texts_are_ignored(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/SDY901-DR30_Tab/Tab/._study.txt", b"\0\1")
        archive.writestr("SDY901-DR30_Tab/Tab/subject_2_protocol.txt", "SUBJECT_ACCESSION\tPROTOCOL_ACCESSION\n")
    sources = find_sources(path)
    assert [source.kind for source in sources] == ["tab"]
    assert sources[0].unused == ["subject_2_protocol"]


def test_release_comes_from_the_folder_inside_when_the_name_is_lost(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    lost = path.with_name("dataset_1.dat")
    path.rename(lost)
    assert [(s.release, s.name) for s in find_sources(lost)] == [("DR30", "dataset_1.dat")]


def test_a_folder_of_zips_and_the_folder_itself(
    study: Any, make_zip: Callable[..., Path], make_folder: Callable[..., Path]
) -> None:
    path = make_zip(study)
    assert [s.name for s in find_sources(path.parent)] == ["SDY901-DR30_Tab.zip"]
    folder = make_folder(study, "SDY901-DR31_Tab")
    for place in (folder, folder / "Tab"):
        assert [(s.kind, s.release) for s in find_sources(place)] == [("tab", "DR31")]


def test_what_a_release_lacks_and_what_no_release_had_is_listed(study: Any, make_zip: Callable[..., Path]) -> None:
    del study["treatment"]
    study["lk_analyte"] = [{"ANALYTE_ACCESSION": "ANA1"}]  # known, left out on purpose
    study["new_table"] = [{"A": "1"}]
    study["subject"] = [row | {"NEW COLUMN": "x"} for row in study["subject"]]
    report = open_store().load(make_zip(study))[0]
    assert report.unknown == ["new_table", "subject.new_column"]
    assert "treatment" in report.absent
    assert "subject.strain" in report.absent
    assert "subject.sex" not in report.absent  # GENDER is another name for it
    assert report.findings == [
        f"SDY901-DR30_Tab.zip: 3 rows of {table} name a treatment_accession that no table describes; they are left out"
        for table in ("expsample_treatment",)
    ]


def test_columns_that_a_release_split_are_read_as_reported(study: Any, make_zip: Callable[..., Path]) -> None:
    for row in study["biosample"]:
        row["TYPE_PREFERRED"], row["TYPE_REPORTED"] = "peripheral blood mononuclear cell", row.pop("TYPE")
    for row in study["subject"]:
        row["SEX_PREFERRED"] = row.pop("GENDER")
    store = open_store()
    report = store.load(make_zip(study))[0]
    assert set(store.link(None)["biosample_type"]) == {"PBMC", "Whole blood"}
    assert set(store.link(None)["sex"]) == {"Female", "Not Specified"}
    assert report.unknown == ["biosample.type_preferred"]
