"""Packages made to harm: what they ask for is refused in one sentence, or is harmless."""

import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immport_cyto import immport, tables
from immport_cyto.cli import main
from immport_cyto.exceptions import ImmportCytoError, PackageError
from immport_cyto.immport import open_store
from immport_cyto.immport.aliases import TABLES
from immport_cyto.immport.package import Limits, PackageSource, TableFile, find_sources

LINKS = next(table for table in TABLES if table.name == "expsample_2_file_info")


class Lazy(io.RawIOBase):
    """A table whose rows are made as they are read."""

    def __init__(self, n_rows: int) -> None:
        self.left = n_rows
        self.started = False

    def read(self, size: int = -1) -> bytes:
        if not self.started:
            self.started = True
            return b"EXPSAMPLE_ACCESSION\tFILE_INFO_ID\n"
        n_rows = min(self.left, 50_000)
        self.left -= n_rows
        return b"ES123456\t123456\n" * n_rows


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_ten_million_rows_need_no_more_memory_than_one_block() -> None:
    table = TableFile("links.txt", lambda: Lazy(10_000_000), 16 << 30)  # type: ignore[return-value, arg-type]
    source = PackageSource("x", "tab", "", {LINKS.name: table})
    before = memory()
    findings: list[str] = []
    n_rows, most = 0, 0
    for row in source.rows(LINKS, findings):
        n_rows += 1
        if n_rows % 1_000_000 == 0:
            most = max(most, memory() - before)
            assert row == ("ES123456", "123456", "")
    assert (n_rows, findings) == (10_000_000, [])
    assert most < 40 << 20


def test_a_zip_whose_members_lie_over_each_other_is_refused(tmp_path: Path) -> None:
    """The kernel of a large table is stored once, and the directory names it a hundred times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/Tab/study.txt", os.urandom(50_000))
        first = archive.infolist()[0]
        for i in range(100):
            double = zipfile.ZipInfo(f"a{i}/Tab/study.txt")
            for name in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(double, name, getattr(first, name))
            archive.filelist.append(double)
    path = tmp_path / "overlap.zip"
    path.write_bytes(content.getvalue())
    with pytest.raises(PackageError, match=r"overlap\.zip: files of the zip lie over each other, like in a zip bomb"):
        find_sources(path)


def test_many_small_bombs_are_one_bomb(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(10):
            archive.writestr(f"{i}/Tab/study.txt", b"\n" * (15 << 20))
    with pytest.raises(PackageError, match=r"many\.zip: would unpack to \d+ times its size, like a zip bomb"):
        find_sources(path)


def test_a_zip_that_lies_about_a_size_is_not_unpacked_further(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.infolist() if m.filename.endswith("/biosample.txt"))
    name = member.filename.encode()
    for head, offset in ((b"PK\x01\x02", 46), (b"PK\x03\x04", 30)):
        at = content.index(name, content.index(head))
        while content[at - offset : at - offset + 4] != head:
            at = content.index(name, at + 1)
        size_at = at - offset + (24 if head == b"PK\x01\x02" else 22)
        content[size_at : size_at + 4] = (20).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(PackageError, match=r"biosample\.txt: cannot be unpacked \(.*\); download the package again"):
        open_store().load(path)


def test_an_encrypted_package_is_one_sentence(study: Any, make_zip: Callable[..., Path]) -> None:
    path = make_zip(study)
    content = bytearray(path.read_bytes())
    for head, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):  # the bit that says so, in each header
        at = content.find(head)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(head, at + 1)
    path.write_bytes(bytes(content))
    with pytest.raises(PackageError, match=r"cannot be unpacked \(.*password"):
        open_store().load(path)


@pytest.mark.parametrize(
    ("cell", "arm"),
    [
        ('"Young', '"Young'), ('Young"', 'Young"'), ('"Yo"ung"', 'Yo"ung'), ('"""Young"""', '"Young"'), ('"', '"'),
        ('""', ""),
    ],
)  # fmt: skip
def test_broken_quotes_of_a_subject_2_table_stay_in_their_cell(tmp_path: Path, cell: str, arm: str) -> None:
    path = tmp_path / "SDY902-DR19_Subject_2_CyTOF_result.txt"
    header = "Subject Accession\tStudy Accession\tExpsample Accession\tArm Name\tFile Name\n"
    path.write_text(f"{header}SUB1\tSDY902\tES1\t{cell}\ta.11.fcs\nSUB2\tSDY902\tES2\tOld\tb.12.fcs\n")
    store = open_store()
    store.load(path)
    assert store.link(None)[["file_name", "arm_name"]].to_numpy().tolist() == [["a.11.fcs", arm], ["b.12.fcs", "Old"]]


def test_a_line_end_inside_a_quoted_cell_splits_no_row(tmp_path: Path) -> None:
    path = tmp_path / "SDY902-DR19_Subject_2_CyTOF_result.txt"
    header = "Subject Accession\tStudy Accession\tExpsample Accession\tArm Name\tFile Name\n"
    rows = 'SUB1\tSDY902\tES1\t"Young\nand\nhealthy"\ta.11.fcs\nSUB2\tSDY902\tES2\tOld\tb.12.fcs\n'
    path.write_text(header + rows)
    store = open_store()
    assert store.load(path)[0].findings == [f"{path.name}: no column AGE_UNIT; ages are taken as years"]
    assert store.link(None)[["sample_id", "arm_name"]].to_numpy().tolist() == [
        ["ES1", "Young and healthy"], ["ES2", "Old"],
    ]  # fmt: skip
    path.write_text(header + 'SUB1\tSDY902\tES1\t"Young\n')  # and never closed
    assert (
        open_store()
        .load(path)[0]
        .findings[0]
        .endswith("rows are shorter than the header; their last cells are taken as empty")
    )


def test_quotes_of_a_tab_package_are_plain_characters(study: Any, make_zip: Callable[..., Path]) -> None:
    study["arm_or_cohort"][0]["NAME"] = '"Young" or "not'
    store = open_store()
    store.load(make_zip(study))
    assert set(store.link(None)["arm_name"]) == {'"Young" or "not', "Old"}


def test_nuls_and_bytes_of_no_encoding_are_kept_from_the_tables(
    study: Any, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    study["arm_or_cohort"][0]["NAME"] = "Yo@@ung"
    folder = make_folder(study)
    path = folder / "Tab" / "arm_or_cohort.txt"
    path.write_bytes(path.read_bytes().replace(b"@@", b"\0\x81\xfc"))
    store = open_store()
    report = store.load(folder)[0]
    samples = store.link(None)
    assert set(samples["arm_name"]) == {"Yo\ufffdüung", "Old"}
    assert report.findings == ["SDY901-DR30_Tab: arm_or_cohort.txt: 1 rows hold NUL characters, which are left out"]
    tables.write(samples, tmp_path / "s.tsv", tables.SAMPLES)
    assert b"\0" not in (tmp_path / "s.tsv").read_bytes()


FORMULAS = ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_table_holds_a_cell_that_a_spreadsheet_would_run(
    study: Any, make_zip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formula: str
) -> None:
    for table, column in (
        ("study", "BRIEF_TITLE"), ("arm_or_cohort", "NAME"), ("subject", "RACE"), ("biosample", "TYPE"),
        ("treatment", "NAME"), ("reagent", "NAME"), ("planned_visit", "NAME"),
        ("fcs_analyzed_result", "POPULATION_NAME_REPORTED"),
    ):  # fmt: skip
        for row in study[table]:
            row[column] = formula
    package = make_zip(study)
    out = tmp_path / "out"
    for verb, *arguments in (
        ("link", "--all", "--out", out / "s.tsv", "--orphans", out / "o.tsv", "--sample-sheet", out / "g.tsv",
         "--catalyst", out / "c.tsv"),
        ("search", "--out", out / "studies.tsv"), ("search", "--list", "samples", "--out", out / "found.tsv"),
        ("results", "--out", out / "p.tsv", "--samples", out / "ps.tsv"), ("reagents", "--out", out / "r.tsv"),
        ("domains", "--out-dir", out / "domains"),
    ):  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["immport-cyto", "immport", verb, "--metadata", str(package),
                                          *map(str, arguments)])  # fmt: skip
        main()
    written = list(out.rglob("*.tsv"))
    assert len(written) == 17
    found = 0
    for path in written:
        for line in path.read_text().splitlines():
            for cell in line.split("\t"):
                assert not cell.startswith(("=", "+", "@")), path.name
                assert not cell.startswith("-") or cell.lstrip("-").replace(".", "").isdigit(), path.name
                found += cell == f"'{formula}"
    assert found > 10
    assert set(tables.read(out / "s.tsv", tables.SAMPLES)["arm_name"]) == {formula}


def test_names_are_never_sql(study: Any, make_zip: Callable[..., Path], tmp_path: Path) -> None:
    hostile = "SDY901'); DROP TABLE file; --"
    for rows in study.values():
        for row in rows:
            if "STUDY_ACCESSION" in row:
                row["STUDY_ACCESSION"] = hostile
    store = open_store()
    package = make_zip(study)
    store.load(package)
    assert set(store.link(None)["study_accession"]) == {hostile}
    store.load(make_zip(study, "SDY901-DR31_Tab"))  # the same study is deleted and written again
    assert len(store.link([f"x'; DROP TABLE file; --.{number}.fcs" for number in (101, 999)])) == 1
    assert len(store.search("studies", condition="' OR 1=1 --")) == 0
    assert len(store.link(None)) == 4


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": ' * 50_000, '[{"studyAccession": "SDY1", "subjectAccession":', '[1, 2]', '[{"a": 1e999}]'],
)  # fmt: skip
def test_hostile_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "response.json"
    path.write_text(text)
    with pytest.raises(ImmportCytoError) as caught:
        open_store().load(path)
    assert "response.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_without_end_is_given_up_early() -> None:
    class Endless(io.RawIOBase):
        n_read = 0

        def read(self, size: int = -1) -> bytes:
            self.n_read += 1
            return b"x" * (1 << 20)

    stream = Endless()
    source = PackageSource("x", "tab", "", {LINKS.name: TableFile("links.txt", lambda: stream, 16 << 30)})  # type: ignore[return-value, arg-type]
    with pytest.raises(PackageError, match=r"links\.txt: a line is longer than 4194304 bytes; not an ImmPort table"):
        list(PackageSource(source.name, "tab", "", source.tables, limits=Limits(line_bytes=4 << 20)).rows(LINKS, []))
    assert stream.n_read <= 6


def test_every_public_reader_refuses_a_folder_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackageError, match="no ImmPort tables in it"):
        immport.find_sources(tmp_path / "empty")
