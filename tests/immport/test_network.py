"""Queries and downloads against a server on this machine that behaves as ImmPort's API is documented to."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from immport_cyto import immport, tables
from immport_cyto.cli import main
from immport_cyto.exceptions import InputError, NetworkError, OptionError
from immport_cyto.immport.network import Client, connect
from support.immport_server import Immport, serve

NAMES = ("IMMPORT_USERNAME", "IMMPORT_PASSWORD", "IMMPORT_TOKEN", "IMMPORT_URL")
SECRET = "s3cret&word"
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Immport]:
    for name in (*NAMES, "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as state:
        yield state


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(server: Immport, pauses: list[float]) -> Client:
    found = connect({"IMMPORT_URL": server.url, "IMMPORT_USERNAME": "scientist", "IMMPORT_PASSWORD": SECRET})
    found.sleep = pauses.append
    return found


def rows_of(n_rows: int) -> list[dict[str, Any]]:
    return [{"fileInfoId": i, "fileName": f"{i}.fcs", "sourceAccession": f"ES{i}"} for i in range(n_rows)]


def saved(client: Client, tmp_path: Path, **options: Any) -> list[dict[str, Any]]:
    out = tmp_path / "rows.json"
    n_rows = immport.save_query(client, "filePath", "SDY1", out, **options)
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    assert len(rows) == n_rows
    return rows


# queries


@pytest.mark.parametrize("first_page", [0, 1])
@pytest.mark.parametrize("n_rows", [1, 9, 10, 11, 25])
def test_pages_give_each_row_once_whether_they_count_from_0_or_1(
    server: Immport, client: Client, tmp_path: Path, first_page: int, n_rows: int
) -> None:
    server.rows["filePath"], server.first_page = rows_of(n_rows), first_page
    assert [row["fileInfoId"] for row in saved(client, tmp_path, page_size=10)] == list(range(n_rows))


def test_a_server_that_knows_no_pages_is_asked_three_times(server: Immport, client: Client, tmp_path: Path) -> None:
    server.rows["filePath"], server.knows_pages = rows_of(30), False
    assert len(saved(client, tmp_path, page_size=10)) == 30
    assert server.n_asked("/result/filePath") == 3


def test_no_rows_and_no_list_write_nothing(server: Immport, client: Client, tmp_path: Path) -> None:
    server.rows["filePath"] = []
    with pytest.raises(NetworkError, match="SDY1: ImmPort gives no rows for filePath; check the accession"):
        saved(client, tmp_path)
    server.rows["filePath"] = ["x"]  # type: ignore[list-item]
    with pytest.raises(NetworkError, match="the answer of ImmPort is no list of rows"):
        saved(client, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_query_saves_can_be_loaded(server: Immport, client: Client, tmp_path: Path) -> None:
    server.rows["filePath"] = [
        {"fileInfoId": 11, "fileName": "a.11.fcs", "fileDetail": "CyTOF result", "sourceType": "EXPSAMPLE",
         "sourceAccession": "ES1", "studyAccession": "SDY1", "subjectAccession": "SUB1", "minSubjectAge": 20.0,
         "ageUnit": "Years", "armAccession": "ARM1", "biosampleAccession": "BS1"},
    ]  # fmt: skip
    saved(client, tmp_path)
    store = immport.open_store()
    store.load(tmp_path / "rows.json")
    assert store.link(["a.11.fcs"])[["sample_id", "subject_accession", "age_years"]].to_numpy().tolist() == [
        ["ES1", "SUB1", 20.0]
    ]


# tokens and faults


@pytest.mark.parametrize("name", ["access_token", "token"])
def test_an_expired_token_is_renewed(server: Immport, client: Client, tmp_path: Path, name: str) -> None:
    server.rows["filePath"], server.requests_per_token, server.token_name = rows_of(25), 1, name
    assert len(saved(client, tmp_path, page_size=10)) == 25
    assert server.n_asked("/auth/token") == 4  # three pages and the empty one, each with its own


def test_a_token_alone_that_is_not_accepted_is_one_sentence(server: Immport) -> None:
    client = connect({"IMMPORT_URL": server.url, "IMMPORT_TOKEN": "token-old"})
    with pytest.raises(NetworkError, match=r"the token is not accepted; set a new one, .* \(401\)") as caught:
        client.json("/data/query/result/filePath?x=1")
    assert "token-old" not in str(caught.value)
    assert server.n_asked("/auth/token") == 0


def test_a_wrong_password_is_refused_without_a_retry_and_without_being_named(server: Immport, tmp_path: Path) -> None:
    client = connect({"IMMPORT_URL": server.url, "IMMPORT_USERNAME": "scientist", "IMMPORT_PASSWORD": "wrong-word"})
    with pytest.raises(
        NetworkError, match=r"ImmPort refuses the account \(401\); check IMMPORT_USERNAME and"
    ) as caught:
        saved(client, tmp_path)
    assert "wrong-word" not in str(caught.value) + repr(client)
    assert server.asked == ["/auth/token"]


@pytest.mark.parametrize("code", [500, 502, 503, 429, 0])
def test_faults_of_the_server_are_tried_again_politely(
    server: Immport, client: Client, tmp_path: Path, pauses: list[float], code: int
) -> None:
    server.rows["filePath"] = rows_of(3)
    server.faults = [(503, {})]  # of the token
    client.json("/data/query/api/study/manifest/SDY1")
    server.faults = [(503, {}), (code, {}), (code, {"Retry-After": "7"})]
    assert len(saved(client, tmp_path)) == 3
    assert pauses == [1.0, *([1.0, 2.0, 7.0] if code else [1.0, 1.0, 2.0])]


def test_a_server_that_stays_down_is_given_up(server: Immport, client: Client, pauses: list[float]) -> None:
    client.json("/data/query/api/study/manifest/SDY1")
    server.faults = [(503, {})] * 9
    with pytest.raises(
        NetworkError, match=r"/data/query/x: the server answered 503 5 times; try again later"
    ) as caught:
        client.json("/data/query/x?secret=1")
    assert "secret" not in str(caught.value)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert len(server.faults) == 4


def test_no_server_at_all(server: Immport, pauses: list[float]) -> None:
    client = connect({"IMMPORT_URL": "http://127.0.0.1:1", "IMMPORT_TOKEN": "x"})
    client.sleep = pauses.append
    with pytest.raises(NetworkError, match=r"http://127\.0\.0\.1:1/y: the server cannot be reached \(.*\) 5 times"):
        client.json("/y")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no credentials of ImmPort in the environment, so nothing is sent; set IMMPORT_USERNAME and"),
        ({"IMMPORT_USERNAME": "u"}, "no credentials of ImmPort"),
        (
            {"IMMPORT_TOKEN": "t", "IMMPORT_URL": "http://immport.example"},
            "IMMPORT_URL: 'http://immport.example' is no",
        ),
        ({"IMMPORT_TOKEN": "t", "IMMPORT_URL": "ftp://127.0.0.1"}, "is not an https address; nothing is sent to it"),
        ({"IMMPORT_TOKEN": "t", "IMMPORT_URL": "https://[::1"}, "IMMPORT_URL: an address that cannot be read"),
        ({"IMMPORT_TOKEN": "t", "IMMPORT_URL": "https://a:port"}, "IMMPORT_URL: an address that cannot be read"),
    ],
)
def test_nothing_is_sent_without_credentials_or_in_the_clear(environment: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        connect(environment)


@pytest.mark.parametrize("token", ["s3cret token", "s3cret\nX-Other: 1", "s3cr\u00e9t", "s3cr\u4e00t"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_named(token: str) -> None:
    with pytest.raises(OptionError, match="IMMPORT_TOKEN holds characters that no token has") as caught:
        connect({"IMMPORT_TOKEN": token})
    assert "s3cr" not in str(caught.value)


def test_a_line_end_behind_the_token_does_no_harm(server: Immport) -> None:
    server.tokens["mine"] = 9
    server.rows["filePath"] = rows_of(1)
    client = connect({"IMMPORT_URL": server.url, "IMMPORT_TOKEN": " mine\n"})
    assert list(immport.downloading.pages(client, "filePath", "SDY1")) == rows_of(1)


def test_an_answer_whose_token_no_header_can_hold_is_refused_without_naming_it(
    server: Immport, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.immport_server.TOKEN", "token\r\nX: ")
    with pytest.raises(NetworkError, match="/auth/token: the answer holds no token"):
        client.json("/data/query/result/filePath")


@pytest.mark.parametrize("study", ["", "420", "SDY", "SDY1/../../x", "SDY1&fileType=all"])
def test_what_is_no_accession_is_not_sent(server: Immport, client: Client, tmp_path: Path, study: str) -> None:
    with pytest.raises(OptionError, match="is no study accession; give one such as SDY420"):
        immport.save_query(client, "filePath", study, tmp_path / "x")
    with pytest.raises(OptionError, match="is no study accession"):
        immport.fetch_manifest(client, study)
    assert (server.asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("location", ["https://[::1", "http://immport.example/x", "file:///etc/passwd", "https://a:b/"])
def test_a_redirect_to_nowhere_is_one_sentence(server: Immport, client: Client, location: str) -> None:
    client.json("/data/query/api/study/manifest/SDY1")  # the token is there
    server.faults = [(302, {"Location": location})]
    with pytest.raises(NetworkError, match="cannot be read|is not an https address|refuses the request"):
        client.json("/data/query/api/study/manifest/SDY1")


def test_an_endless_answer_is_not_read(
    server: Immport, client: Client, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rows["filePath"] = rows_of(100)
    monkeypatch.setattr("immport_cyto.immport.network._LARGEST_PAGE", 1000)
    with pytest.raises(NetworkError, match="more than 1000 bytes, which no page has"):
        list(immport.downloading.pages(client, "filePath", "SDY1"))
    assert pauses == []


# downloads


def test_addresses_with_blanks_and_letters_are_sent_encoded(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("/SDY1/a.fcs", CONTENT)
    server.signed = "&name=T\u00fcbe 1.fcs&X-Amz-Credential=a%2Fb"
    assert fetch(client, tmp_path)[0]["status"] == "downloaded"
    assert server.asked[-1].endswith("?X-Amz-Signature=signed&name=T%C3%BCbe%201.fcs&X-Amz-Credential=a%2Fb")


def test_an_address_that_cannot_be_read_shows_no_signature(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("/SDY1/a.fcs", CONTENT)
    server.storage = "https://[::1"
    with pytest.raises(NetworkError, match="an address that cannot be read") as caught:
        fetch(client, tmp_path)
    assert "signed" not in str(caught.value)


def test_two_studies_with_one_path_are_refused_before_anything_is_loaded() -> None:
    one, two = (immport.Entry("ResultFiles/a.fcs", f"uuid-{i}", "", 1, f"SDY{i}") for i in (1, 2))
    assert immport.join_entries([[one], [one]]) == [one]
    with pytest.raises(InputError, match=r"^ResultFiles/a.fcs: files of SDY1 and SDY2 have this path; download each"):
        immport.join_entries([[one], [two]])
    part = immport.Entry("ResultFiles/a.fcs.part", "uuid-3", "", 1, "SDY1")
    with pytest.raises(InputError, match=r"a.fcs.part: has the name under which ResultFiles/a.fcs is loaded"):
        immport.join_entries([[one, part]])


def fetch(client: Client, folder: Path, **options: Any) -> list[dict[str, Any]]:
    return [immport.download(client, entry, folder, **options) for entry in immport.fetch_manifest(client, "SDY1")]


def test_a_file_is_loaded_checked_and_then_kept(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("/SDY1/ResultFiles/a.11.fcs", CONTENT)
    assert [(row["path"], row["status"]) for row in fetch(client, tmp_path)] == [
        ("SDY1/ResultFiles/a.11.fcs", "downloaded")
    ]
    target = tmp_path / "SDY1" / "ResultFiles" / "a.11.fcs"
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["a.11.fcs"]
    assert fetch(client, tmp_path)[0]["status"] == "kept"
    assert len(server.storage_headers) == 1
    target.write_bytes(CONTENT[::-1])  # the same size, other bytes: loaded again
    assert fetch(client, tmp_path)[0]["status"] == "downloaded"
    assert target.read_bytes() == CONTENT


def test_the_token_never_leaves_immports_host(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("a.fcs", CONTENT)
    fetch(client, tmp_path)
    assert len(server.storage_headers) == 1
    assert "Authorization" not in server.storage_headers[0]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_bodies_that_break_off_are_loaded_from_there_on(
    server: Immport, client: Client, tmp_path: Path, ranges: bool, stream: bool
) -> None:
    server.add("a.fcs", CONTENT)
    server.ranges, server.stream, server.cut = ranges, stream, [5000, 0, 100]
    assert fetch(client, tmp_path, access="stream" if stream else "s3")[0]["status"] == "downloaded"
    assert (tmp_path / "a.fcs").read_bytes() == CONTENT
    if not stream:
        asked = [headers.get("Range") for headers in server.storage_headers]
        assert asked == [None, "bytes=5000-", "bytes=5000-", "bytes=5100-"] or not ranges


def test_a_download_goes_on_in_the_next_call(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("a.fcs", CONTENT)
    server.cut = [1000, 0, 0, 0, 0]
    with pytest.raises(NetworkError, match=r"a\.fcs: the download broke off 5 times; call again to go on from there"):
        fetch(client, tmp_path)
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("a.fcs.part", 1000)]
    server.storage_headers.clear()
    assert fetch(client, tmp_path)[0]["status"] == "resumed"
    assert server.storage_headers[0]["Range"] == "bytes=1000-"
    assert (tmp_path / "a.fcs").read_bytes() == CONTENT


def test_a_part_of_another_file_is_found_out_and_loaded_anew(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("a.fcs", CONTENT)
    (tmp_path / "a.fcs.part").write_bytes(b"x" * 500)
    assert fetch(client, tmp_path)[0]["status"] == "downloaded"
    assert (tmp_path / "a.fcs").read_bytes() == CONTENT
    (tmp_path / "a.fcs").unlink()
    (tmp_path / "a.fcs.part").write_bytes(b"x" * (len(CONTENT) + 1))  # longer than the file
    assert fetch(client, tmp_path)[0]["status"] in ("downloaded", "resumed")
    assert (tmp_path / "a.fcs").read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("a.fcs", CONTENT, md5="0" * 32)
    found = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    with pytest.raises(
        NetworkError, match=f"a.fcs: has the MD5 {found} and not 0+ as in the manifest after loading it"
    ):
        fetch(client, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.storage_headers) == 2


def test_a_file_longer_than_the_manifest_says_is_not_loaded_to_its_end(
    server: Immport, client: Client, tmp_path: Path
) -> None:
    server.add("a.fcs", CONTENT)
    server.manifest[0]["filesizeBytes"] = 10
    with pytest.raises(NetworkError, match=r"has \d+ bytes and not 10 as in the manifest"):
        fetch(client, tmp_path)


def test_a_manifest_without_checksum_is_said(server: Immport, client: Client, tmp_path: Path) -> None:
    server.add("a.fcs", CONTENT, md5="")
    row = fetch(client, tmp_path)[0]
    assert (row["status"], row["message"]) == ("downloaded", "the manifest gives no MD5; only the size is checked")


def test_a_signed_address_that_ran_out_is_an_error_of_that_file(
    server: Immport, client: Client, tmp_path: Path
) -> None:
    server.add("a.fcs", CONTENT)
    server.storage_faults = [503, 403]
    with pytest.raises(NetworkError, match=r"/bucket/uuid-0: the account may not have this; .* \(403\)") as caught:
        fetch(client, tmp_path)
    assert "Signature" not in str(caught.value)


@pytest.mark.parametrize("path", ["../a.fcs", "/SDY1/../../a.fcs", "C:/a.fcs", "a\n.fcs", ""])
def test_a_manifest_cannot_point_outside(server: Immport, client: Client, tmp_path: Path, path: str) -> None:
    server.add(path, CONTENT)
    server.manifest[0]["fileName"] = ""
    with pytest.raises(InputError, match="unsafe path|has no path"):
        fetch(client, tmp_path)


def test_saved_manifests(server: Immport, tmp_path: Path) -> None:
    server.add("/SDY1/a.fcs", CONTENT)
    server.add("/SDY1/b.txt", b"x")
    as_json, as_tsv, bad = tmp_path / "m.json", tmp_path / "m.tsv", tmp_path / "bad.tsv"
    as_json.write_text(json.dumps(server.manifest))
    names = list(server.manifest[0])
    lines = ["\t".join(names), *("\t".join(str(row[name]) for name in names) for row in server.manifest)]
    as_tsv.write_text("\n".join(lines))
    entries = immport.read_manifest(as_json)
    assert immport.read_manifest(as_tsv) == entries
    assert [(e.path, e.size, e.uuid) for e in immport.select_entries(entries, ("*.FCS",))] == [
        ("SDY1/a.fcs", len(CONTENT), "uuid-0")
    ]
    bad.write_bytes(b"\xff\xfe")
    for path, message in ((bad, "cannot be read as a manifest"), (tmp_path / "no", "cannot be read as a manifest")):
        with pytest.raises(InputError, match=message):
            immport.read_manifest(path)
    bad.write_text("path\tsize\na\t1\n")
    with pytest.raises(InputError, match="no path or no fileUUID"):
        immport.read_manifest(bad)


# the commands


@pytest.fixture
def run(
    server: Immport, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("IMMPORT_URL", server.url)
    monkeypatch.setenv("IMMPORT_USERNAME", "scientist")
    monkeypatch.setenv("IMMPORT_PASSWORD", SECRET)

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


def test_download_and_query_on_the_command_line(server: Immport, run: Any, tmp_path: Path) -> None:
    server.add("/SDY1/a.fcs", CONTENT)
    server.add("/SDY1/b.fcs", CONTENT, md5="0" * 32)
    server.add("/SDY1/c.txt", b"x")
    report, out = tmp_path / "report.tsv", tmp_path / "files"
    code, shown, _ = run("download", "sdy1", "--out-dir", out, "--list-only", "--match", "*.fcs")
    assert (code, shown) == (0, f"2 files, {2 * len(CONTENT)} bytes: 2 listed\n")
    assert not out.exists()
    code, shown, error = run(
        "download", "SDY1", "--out-dir", out, "--match", "*.fcs", "--report", report, "--json", tmp_path / "d.json"
    )
    assert code == 1
    assert "1 downloaded, 1 failed" in shown
    assert "error: 1 of 2 files were not loaded (first: SDY1/b.fcs: has the MD5" in error
    table = tables.read(report, immport.DOWNLOADS)
    assert table[["path", "status"]].to_numpy().tolist() == [["SDY1/a.fcs", "downloaded"], ["SDY1/b.fcs", "failed"]]
    server.rows["fcsAnalyzed"] = [{"a": 1}]
    code, shown, _ = run("query", "SDY1", "--endpoint", "fcsAnalyzed", "--out", tmp_path / "q.json")
    assert (code, shown) == (0, "1 rows of fcsAnalyzed of SDY1\n")
    written = "".join(path.read_text() for path in tmp_path.glob("*.*"))
    assert SECRET not in written + shown + error
    assert "token-" not in written + error


def test_without_credentials_the_commands_say_so(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IMMPORT_PASSWORD")
    for arguments in (["download", "SDY1", "--out-dir", tmp_path], ["query", "SDY1", "--out", tmp_path / "x"]):
        code, _, error = run(*arguments)
        assert code == 1
        assert error.startswith("immport-cyto: error: no credentials of ImmPort in the environment, so nothing is sent")
    assert run("download", "--out-dir", tmp_path)[0] == 2


def test_a_saved_manifest_is_listed_without_an_account(
    server: Immport, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("IMMPORT_PASSWORD")
    server.add("/SDY1/a.fcs", CONTENT)
    (tmp_path / "m.json").write_text(json.dumps(server.manifest))
    arguments = ("download", "--manifest", tmp_path / "m.json", "--out-dir", tmp_path / "out")
    assert run(*arguments, "--list-only")[:2] == (0, f"1 files, {len(CONTENT)} bytes: 1 listed\n")
    assert run(*arguments)[0] == 1
    assert server.asked == []


def test_a_study_that_is_not_there(run: Any, tmp_path: Path) -> None:
    code, _, error = run("download", "SDY9", "--out-dir", tmp_path)
    assert code == 1
    assert "there is no such thing; check the study accession (404)" in error
