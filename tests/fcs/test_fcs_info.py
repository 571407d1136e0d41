"""``fcs info``: tables, page, command."""

import json
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.fcs import group
from immport_cyto.exceptions import FCSError, InputError, LinkError
from immport_cyto.fcs.compare import UNION, compare
from immport_cyto.fcs.overview import CHANNELS, INFO
from immport_cyto.fcs.page import render
from support import fcs_maker as maker

SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = maker.make(
        [[1.0, 2.0], [3.0, 4.0]], names=["FSC-A", "FL1-A"], stains=["", "CD4"],
        keywords={"$CYT": "LSR & co", "SPILL": "1,FL1-A,1", "$P2V": "450"},
    )  # fmt: skip
    return {
        "b.fcs": maker.write(folder / "b.fcs", good),
        "a.fcs": maker.write(
            folder / "a.fcs",
            maker.make([[1, 2, 3]], datatype="I", bits=16, ranges=[1024] * 3, names=["FSC-A", SCRIPT, "=1+2"],
                       amplification=["0,0", "4,0", "4,0"], keywords={"$SPILLOVER": "2,A,B"}),
        ),
        "c.fcs": maker.write(folder / "c.fcs", good[:-15]),
    }  # fmt: skip


def test_tables(files):
    overview, channels = fcs.info(files)
    assert list(overview["file_name"]) == ["a.fcs", "b.fcs", "c.fcs"]
    a, b, c = (row for _, row in overview.iterrows())
    assert (a["version"], a["n_events"], a["n_channels"], a["datatype"], a["bits"]) == ("FCS3.1", 1, 3, "I", "16")
    assert a["spillover"].startswith("malformed: $SPILLOVER has 2 entries, but 2 channels need 6")
    assert a["findings"] == "escaped_delimiter;log_offset_zero"
    assert a["details"].split(" | ") == [
        "TEXT holds doubled delimiters; read as one delimiter inside a value",
        "$P2E is '4,0'; an offset of 0 is impossible; offset taken as 1",
        "$P3E is '4,0'; an offset of 0 is impossible; offset taken as 1",
    ]
    assert (b["instrument"], b["spillover"], b["n_stained"], b["error"]) == ("LSR & co", "SPILL 1 x 1, identity", 1, "")
    assert c["error"].startswith("declares 2 events of 8 bytes")
    assert str(files["c.fcs"]) not in c["error"]
    assert c.isna()["n_events"]
    assert list(channels["file_name"]) == ["a.fcs"] * 3 + ["b.fcs"] * 2
    last = channels.iloc[-1]
    assert (last["channel_number"], last["fcs_colname"], last["description"]) == (2, "FL1-A", "CD4")
    assert (last["range"], last["log_decades"], last["voltage"]) == (262144.0, 0.0, "450")


def test_partial(files):
    overview, _ = fcs.info({"c.fcs": files["c.fcs"]}, partial=True)
    assert (overview.loc[0, "n_events"], overview.loc[0, "findings"]) == (1, "truncated")


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_escaped_and_self_contained(files):
    html = render(*fcs.info(files))
    page = Page()
    page.feed(html)
    assert "script" not in page.tags
    assert page.links == []
    assert SCRIPT in page.text
    text = " ".join(page.text)
    for expected in (
        "LSR & co",
        "Files that cannot be read",
        "declares 2 events",
        "Set 2",
        "1 of 2",
        "CD4",
        "missing",
        "a.fcs",
    ):
        assert expected in text


def test_keywords_of_fcs_3_2_that_say_what_a_channel_is(tmp_path):
    more = {"$P1ANALYTE": "CD4", "$P1TAG": "FITC", "$P1TYPE": "Raw Fluorescence"}
    fcs.write(tmp_path / "x.fcs", [[1.0, 2.0]], [("B525-A", "CD4 FITC"), ("Time", "")], more, version="3.2")
    _, channels = fcs.info({"x.fcs": tmp_path / "x.fcs"})
    assert channels[["analyte", "tag", "type"]].to_numpy().tolist() == [["CD4", "FITC", "Raw Fluorescence"], [""] * 3]


def test_page_of_failures_only(files):
    html = render(*fcs.info({"c.fcs": files["c.fcs"]}))
    assert "cannot be read" in html
    assert "Sets of channels" not in html


def run(*arguments):
    return CliRunner().invoke(group, ["info", *map(str, arguments)])


def test_command_writes_what_is_asked_for(files, tmp_path):
    out, channels, html, record = (tmp_path / name for name in ("i.tsv", "c.tsv", "i.html", "p.json"))
    result = run(
        files["a.fcs"].parent, "--out", out, "--channels", channels, "--html", html, "--json", record,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "warning: c.fcs: declares 2 events" in result.stderr
    assert result.stdout == ""
    assert result.stderr.endswith("3 files: 1 with findings, 1 cannot be read; 4 channel names\n")
    table = tables.read(out, INFO)
    assert list(table["file_name"]) == ["a.fcs", "b.fcs", "c.fcs"]
    assert list(table["error"] != "") == [False, False, True]
    names = list(tables.read(channels, CHANNELS)["fcs_colname"])
    assert names == ["FSC-A", SCRIPT, "=1+2", "FSC-A", "FL1-A"]
    assert "'=1+2" in channels.read_text()  # no formula for a spreadsheet
    assert html.read_text().startswith("<!doctype html>")
    entry = json.loads(record.read_text())
    assert entry["counts"] == {
        "files": 3, "files_failed": 1, "events": 3, "channels": 5, "channel_names": 4, "channel_names_differing": 4,
    }  # fmt: skip
    assert [row["n_events"] for row in entry["files"]] == [1, 2, None]
    assert [row["fcs_colname"] for row in entry["channels"]] == ["FSC-A", SCRIPT, "=1+2", "FSC-A", "FL1-A"]
    assert {row["fcs_colname"]: row["n_files"] for row in entry["union"]}["FSC-A"] == 2
    assert str(tmp_path) not in record.read_text()


def listed(tmp_path, *rows):
    path = tmp_path / "files.json"
    path.write_text(json.dumps([{"name": name, "path": str(file)} for name, file in rows]))
    return path


def test_command_prints_without_an_output_option(files, tmp_path):
    result = run("--files", listed(tmp_path, ("sample 1.fcs", files["b.fcs"])))
    assert result.stdout.splitlines()[:2] == [
        "sample 1.fcs",
        "  FCS3.1, 2 events, 2 channels (1 with a stain), $DATATYPE F, 32 bits",
    ]


def test_command_fails_when_no_file_can_be_read(files, tmp_path):
    result = run(files["c.fcs"], "--out", tmp_path / "i.tsv")
    assert isinstance(result.exception, FCSError)
    assert str(result.exception).startswith("c.fcs: declares 2 events of 8 bytes")
    assert list(tables.read(tmp_path / "i.tsv", INFO)["file_name"]) == ["c.fcs"]


def test_command_with_wrong_names(files, tmp_path):
    twice = run("--files", listed(tmp_path, ("x", files["a.fcs"]), ("x", files["b.fcs"]))).exception
    assert isinstance(twice, LinkError)
    assert "two files are named 'x'" in str(twice)
    (tmp_path / "files.json").write_text('["a.fcs"]')
    wrong = run("--files", tmp_path / "files.json").exception
    assert isinstance(wrong, InputError)
    assert 'files.json: is not a JSON list of {"name": ..., "path": ...}; correct it' in str(wrong)
    assert isinstance(run(tmp_path / "none.fcs").exception, InputError)
    assert run().exit_code == 2


def test_union_of_channels(tmp_path):
    def file(name, channels, **options):
        names, stains = zip(*channels, strict=True)
        content = maker.make([[1.0] * len(names)], names=names, stains=stains, **options)
        return maker.write(tmp_path / name, content)

    files = {
        "a.fcs": file("a.fcs", [("FSC-A", ""), ("FL1", "CD4"), ("FL2", "CD8"), ("Time", "")], ranges=[1024] * 4),
        "b.fcs": file("b.fcs", [("FSC-A", ""), ("FL2", "cd8"), ("FL1", "CD3")], ranges=[1024] * 3),
        "c.fcs": file("c.fcs", [("FSC-A", ""), ("FL1", ""), ("FL2", "CD8")], ranges=[1024, 256, 1024]),
    }
    union = compare(fcs.info(files)[1]).set_index("fcs_colname")
    assert list(union.index) == ["FSC-A", "FL1", "FL2", "Time"]
    assert list(union["differences"]) == ["", "stain;position;range", "position", "missing"]
    assert union.loc["FL1", "descriptions"] == "CD3 (1), CD4 (1), none (1)"
    assert (union.loc["FL1", "ranges"], union.loc["FL1", "positions"]) == ("1024 (2), 256 (1)", "2 (2), 3 (1)")
    assert (union.loc["Time", "n_missing"], union.loc["Time", "missing_from"]) == (2, "b.fcs;c.fcs")
    result = run(*files.values())
    assert "3 files: 4 channel names, 1 the same in all" in result.stdout
    assert "  FL1: 3 of 3 files, stain, position, range: CD3 (1), CD4 (1), none (1)" in result.stdout
    run(*files.values(), "--union", tmp_path / "u.tsv")
    assert list(tables.read(tmp_path / "u.tsv", UNION)["n_files"]) == [3, 3, 3, 1]


def test_union_of_no_readable_file_and_of_a_repeated_name(tmp_path):
    bad = maker.write(tmp_path / "bad.fcs", b"no")
    assert len(compare(fcs.info({"bad.fcs": bad})[1])) == 0
    twice = maker.write(tmp_path / "twice.fcs", maker.make([[1.0, 2.0]], names=["A", "A"]))
    assert list(compare(fcs.info({"twice.fcs": twice})[1])["differences"]) == ["repeated"]
