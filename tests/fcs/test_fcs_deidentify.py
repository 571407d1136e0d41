"""``fcs deidentify``: what is found, what is changed, and that all else stays byte for byte."""

import gzip
import json
from datetime import date

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.fcs import group
from immport_cyto.exceptions import FCSError, OutputExistsError
from immport_cyto.fcs import personal
from immport_cyto.fcs.batches import BATCHES, CHANGES, KEY
from immport_cyto.fcs.deidentify import apply, plan
from support import fcs_maker as maker

VALUES = [[1.0, 2.0], [3.0, 4.0]]
PRIVATE = {
    "$DATE": "13-APR-2011", "$BTIM": "09:23:25", "$ETIM": "09:23:51", "$OP": "Jane Roe", "$INST": "BIIR",
    "$SRC": "donor 7", "$FIL": "110413_JR_tube1.fcs", "TUBE NAME": "donor 7 PMA", "EXPORT TIME": "13-APR-2011-12:28:12",
    "CST SETUP DATE": "04/12/2011 10:41:17 AM", "CST BASELINE DATE": "04/01/2011 07:43:05 AM",
}  # fmt: skip
PUBLIC = {"$CYT": "LSR II", "$CYTSN": "20110413", "$VOL": "20110413.5", "CREATOR": "Diva 6.1.3", "SPILL": "1,C1,1"}


def make(tmp_path, name="110413_JR_tube1.fcs", private=PRIVATE, **options):
    return maker.write(tmp_path / name, maker.make(VALUES, keywords={**PUBLIC, **private}, **options))


def run(*arguments):
    return CliRunner().invoke(group, ["deidentify", *map(str, arguments)])


def test_listed_keywords_are_blanked_and_all_else_keeps_its_bytes(tmp_path):
    source = make(tmp_path, private={**PRIVATE, "NOTE": "thawed 2011-04-14 at noon"})
    (one,) = plan({source.name: source})
    apply([one], tmp_path / "out")
    before, after = source.read_bytes(), (tmp_path / "out" / one.new_name).read_bytes()
    assert len(before) == len(after)
    changed = {i for c in one.changes for begin, end in c.places for i in range(begin, end)}
    assert all(a == b for i, (a, b) in enumerate(zip(before, after, strict=True)) if i not in changed)
    old, new = fcs.open(source), fcs.open(tmp_path / "out" / one.new_name)
    assert list(old.keywords) == list(new.keywords)
    np.testing.assert_array_equal(new.raw(), VALUES)
    for key in PRIVATE.keys() - {"$FIL"}:
        assert new.keywords[key].strip() == "", key
    assert new.keywords["$FIL"] == "xxxxxx_xx_tube1.fcs"
    assert new.keywords["NOTE"] == "thawed xxxx-xx-xx at noon"
    assert {key: new.keywords[key] for key in ("$CYT", "$VOL", "CREATOR", "SPILL", "$TOT")} == {
        key: old.keywords[key] for key in ("$CYT", "$VOL", "CREATOR", "SPILL", "$TOT")
    }
    assert plan({one.new_name: tmp_path / "out" / one.new_name})[0].changes == []


def test_batches_are_numbered_over_all_files_in_the_order_of_the_days(tmp_path):
    days = {
        "c.fcs": ("02-JAN-2012", "08:00:00"), "a.fcs": ("13-APR-2011", "10:30:00"),
        "b.fcs": ("13-APR-2011", "9:15:00"), "d.fcs": (None, None),
    }  # fmt: skip
    files = {
        name: make(tmp_path, name, {**PRIVATE, "$DATE": day, "$BTIM": clock}) for name, (day, clock) in days.items()
    }
    plans = {one.name: one for one in plan(files)}
    assert {name: one.labels.get("acquired") for name, one in plans.items()} == {
        "a.fcs": "batch-01", "b.fcs": "batch-01", "c.fcs": "batch-02", "d.fcs": None,
    }  # fmt: skip
    assert {name: one.run_order for name, one in plans.items()} == {"a.fcs": 2, "b.fcs": 1, "c.fcs": 1, "d.fcs": None}
    assert {one.labels["setup"] for one in plans.values()} == {"batch-01"}
    assert plans["c.fcs"].days["setup"] == date(2011, 4, 12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("110413_JR_tube1.fcs", "batch-01_x_tube1.fcs"),  # year first: the reading that is the day of acquisition
        ("tube1 2011-04-13.fcs", "tube1 batch-01.fcs"),
        ("Hs60022C201104133.581846.fcs", "Hs60022C_batch-01_3.581846.fcs"),
        ("janeroe_NK_13APR11.fcs", "x_NK_batch-01.fcs"),
        ("tube1.110414.fcs", "tube1.110414.fcs"),  # ImmPort's file_info_id
        ("tube1.110413.fcs", "tube1.batch-01.fcs"),  # no id: it is the day of acquisition
        ("124500_PMA.fcs", "124500_PMA.fcs"),
        ("NK_041311.fcs", "NK_batch-01.fcs"),
        ("XY 041311.fcs", "x batch-01.fcs"),
    ],
)
def test_file_names(tmp_path, name, expected):
    assert plan({name: make(tmp_path, name)})[0].new_name == expected


def test_same_new_names_stay_apart(tmp_path):
    files = {name: make(tmp_path, name) for name in ("a_2011-04-13.fcs", "a_20110413.fcs")}
    assert [one.new_name for one in plan(files)] == ["a_batch-01.fcs", "a_batch-01-2.fcs"]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("29-Nov-03", False, ["29-Nov-03"]), ("2018-03-05T10:21:27+01:00", False, ["2018-03-05"]),
        ("2025-Feb-14 11:23", False, ["2025-Feb-14"]), ("Mar 3, 2012", False, ["Mar 3, 2012"]),
        ("22/10/2014", False, ["22/10/2014"]), ("1/22/07", False, ["1/22/07"]), ("0.20120304", False, []),
        ("Windows 6.1.7601", False, []), ("919300", True, []), ("20111399", True, []), ("060909.001", True, ["060909"]),
        ("060909.001", False, []), ("{20110413-5b3a-4e44-9d03-38f9084753ec}", True, []), ("1.10.12", True, ["1.10.12"]),
        ("5-Blue 3-Red 8-Violet", True, []), ("130/405/450", False, []),
    ],
)  # fmt: skip
def test_dates_in_text(text, name, expected):
    assert [text[day.begin : day.end] for day in personal.days_in(text, name=name)] == expected


def test_both_orders_of_day_and_month_are_readings():
    (day,) = personal.days_in("05/06/2012")
    assert day.readings == (date(2012, 5, 6), date(2012, 6, 5))
    assert personal.days_in("13/06/2012")[0].readings == (date(2012, 6, 13),)


def test_order_of_day_and_month_is_that_of_all_files(tmp_path):
    files = {
        f"{i}.fcs": make(tmp_path, f"{i}.fcs", {"CST SETUP DATE": day})
        for i, day in enumerate(("05/06/2012", "22/06/2012"))
    }
    assert [str(one.days["setup"]) for one in plan(files)] == ["2012-06-05", "2012-06-22"]
    assert str(plan({"0.fcs": files["0.fcs"]})[0].days["setup"]) == "2012-05-06"


def test_list_of_keywords():
    assert personal.kind_of("@SAMPLEID4") == "subject"
    assert personal.kind_of("&13PATIENT ID") == "subject"
    assert personal.kind_of("$CYT") == ""
    rules = personal.rules()
    assert len({rule.keyword for rule in rules}) == len(rules)
    allowed = personal.BLANKED | set(personal.CALENDARS) | {personal.FILE}
    assert {rule.kind for rule in rules} <= allowed
    # what ImmPort blanks in the files that it shares
    blanked = ["$SRC", "$DATE", "$BTIM", "$ETIM", "$OP", "$INST", "$COM"]
    blanked += ["TUBE NAME", "EXPERIMENT NAME", "EXPORT USER NAME", "EXPORT TIME", "SAMPLE ID", "PATIENT ID"]
    for key in blanked:
        assert personal.kind_of(key), key


def test_escaped_delimiters_and_other_encodings(tmp_path):
    private = {"$OP": "Zoë / Café", "CST SETUP DATE": "04/12/2011", "NOTE": "é 04/12/2011"}
    source = make(tmp_path, "x.fcs", private, encoding="latin-1")
    (one,) = plan({"x.fcs": source})
    apply([one], tmp_path / "out")
    after = (tmp_path / "out" / "x.fcs").read_bytes()
    assert len(after) == source.stat().st_size
    assert b"Caf" not in after
    assert b"2011/" not in after
    assert fcs.open(tmp_path / "out" / "x.fcs").keywords["$CYT"] == "LSR II"


def test_masked_text_stays_utf_8(tmp_path):
    source = make(tmp_path, "x.fcs", {"NOTE": "Café © 2011-04-13", "KEPT": "µ"})
    apply(plan({"x.fcs": source}), tmp_path / "out")
    f = fcs.open(tmp_path / "out" / "x.fcs")
    assert (f.keywords["NOTE"], f.keywords["KEPT"]) == ("xxxxx xx xxxx-xx-xx", "µ")
    assert "encoding" not in {finding.code for finding in f.findings}


def test_all_data_sets_and_segments(tmp_path):
    first = {"values": VALUES, "keywords": {"$OP": "Jane Roe"}, "analysis": b"/RUN BY/x/OPERATOR/Jane Roe/"}
    second = {"values": VALUES, "keywords": {"$OP": "John Doe"}}
    source = maker.write(tmp_path / "two.fcs", maker.chain(first, second))
    (one,) = plan({"two.fcs": source})
    assert [(c.dataset, c.segment, c.keyword, c.value) for c in one.changes] == [
        (0, "TEXT", "$OP", "Jane Roe"), (0, "ANALYSIS", "OPERATOR", "Jane Roe"), (1, "TEXT", "$OP", "John Doe"),
    ]  # fmt: skip
    apply([one], tmp_path / "out")
    out = tmp_path / "out" / "two.fcs"
    assert b"Roe" not in out.read_bytes()
    assert b"Doe" not in out.read_bytes()
    assert fcs.open(out, 1).datasets == 2
    assert fcs.open(out).analysis() == {"RUN BY": "x", "OPERATOR": " " * 8}


def test_check_word_is_right_again(tmp_path):
    source = tmp_path / "x.fcs"
    fcs.write(source, np.array(VALUES), [("A", ""), ("B", "")], {"$OP": "Jane Roe"})
    assert fcs.open(source).check_word() is True
    apply(plan({"x.fcs": source}), tmp_path / "out")
    out = fcs.open(tmp_path / "out" / "x.fcs")
    assert out.check_word() is True
    assert out.keywords["$OP"].strip() == ""


def test_what_stands_outside_of_keywords_is_reported_and_left(tmp_path):
    source = make(tmp_path, "x.fcs", {"$OP": "Jane Roe"}, tail=b"00000000 by Jane Roe on 13-APR-2011, 2011-04-14")
    (one,) = plan({"x.fcs": source})
    assert [(c.kind, c.value) for c in one.changes if c.action == "left"] == [
        ("date", "13-APR-2011"), ("date", "2011-04-14"), ("person", "Jane Roe"),
    ]  # fmt: skip
    result = run(source, "--out-dir", tmp_path / "out", "--changes", tmp_path / "c.tsv")
    assert result.exit_code == 0, result.output
    table = tables.read(tmp_path / "c.tsv", CHANGES)
    assert list(table["n_values"]) == [1, 2, 1]
    assert list(table["action"]) == ["blanked", "left", "left"]
    assert "warning: x.fcs: dates or names outside of keywords are left" in result.stderr


def test_user_names_in_paths(tmp_path):
    source = make(tmp_path, "x.fcs", {"FOLDER": "C:\\Users\\roe\\data\\x", "FILENAME": "/home/galaxy/files/x"})
    apply(plan({"x.fcs": source}), tmp_path / "out")
    keywords = fcs.open(tmp_path / "out" / "x.fcs").keywords
    assert keywords["FOLDER"] == "C:\\Users\\xxx\\data\\x"
    # an account of a program and no person: the path is made up, as the other one
    assert keywords["FILENAME"] == "/home/galaxy/files/x"


def test_compressed_file_is_written_without_its_gzip_header(tmp_path):
    plain = make(tmp_path, "x.fcs")
    packed = tmp_path / "x.fcs.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    apply(plan({"x.fcs.gz": packed}), tmp_path / "out")
    apply(plan({"x.fcs": plain}), tmp_path / "out2")
    assert (tmp_path / "out" / "x.fcs").read_bytes() == (tmp_path / "out2" / "x.fcs").read_bytes()


def test_command_writes_tables_without_private_values(tmp_path):
    source = make(tmp_path)
    out, batches, changes, key, record = (tmp_path / n for n in ("out", "b.tsv", "c.tsv", "k.tsv", "p.json"))
    result = run(source, "--out-dir", out, "--batches", batches, "--changes", changes, "--key", key, "--json", record)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [
        "110413_JR_tube1.fcs -> batch-01_x_tube1.fcs", "  renamed  file      file name",
    ]  # fmt: skip
    assert "  blanked  person    $OP" in result.stdout
    assert result.stdout.splitlines()[-1] == f"1 file written to {out}: 10 blanked, 1 masked, 1 renamed"
    assert tables.read(batches, BATCHES).iloc[0].to_dict() == {
        "file_name": "batch-01_x_tube1.fcs", "acquisition_batch": "batch-01", "run_order": 1, "setup_batch": "batch-01",
        "baseline_batch": "batch-01", "configuration_batch": "",
    }  # fmt: skip
    table = tables.read(changes, CHANGES)
    assert dict(zip(table["keyword"], table["action"], strict=True))["$FIL"] == "masked"
    assert tables.read(key, KEY).iloc[0].to_dict() == {
        "file_name": "batch-01_x_tube1.fcs", "original_name": "110413_JR_tube1.fcs", "acquisition_day": "2011-04-13",
        "setup_day": "2011-04-12", "baseline_day": "2011-04-01", "configuration_day": "",
    }  # fmt: skip
    for public in (batches, changes, record):
        text = public.read_text()
        assert not any(word in text for word in ("110413", "2011", "Roe", "JR", "donor")), public
    assert json.loads(record.read_text())["counts"] == {
        "files": 1, "files_with_findings": 1, "blanked": 10, "masked": 1, "renamed": 1, "left": 0,
    }  # fmt: skip


def test_check_writes_nothing_and_fails_on_findings(tmp_path):
    source = make(tmp_path)
    result = run(source, "--check")
    assert isinstance(result.exception, FCSError)
    assert str(result.exception) == (
        "110413_JR_tube1.fcs: 12 values point to persons or days; run fcs deidentify with --out-dir"
    )
    assert "Roe" not in result.stdout
    assert "person    $OP: 'Jane Roe'" in run(source, "--check", "--show-values").stdout
    clean = make(tmp_path, "clean.fcs", {"$OP": " ", "$DATE": " "})
    assert run(clean, "--check").stdout == "clean.fcs\n  nothing found\n1 file: nothing found\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["110413_JR_tube1.fcs", "clean.fcs"]


def test_keep_and_blank(tmp_path):
    source = make(tmp_path, "x.fcs", {"$OP": "Jane Roe", "$COM": "stained twice", "BOX": "7"})
    run(source, "--out-dir", tmp_path / "out", "--keep", "$com", "--blank", "Box")
    keywords = fcs.open(tmp_path / "out" / "x.fcs").keywords
    assert (keywords["$COM"], keywords["BOX"].strip(), keywords["$OP"].strip()) == ("stained twice", "", "")


def test_input_is_never_overwritten(tmp_path):
    source = make(tmp_path, "x.fcs")
    before = source.read_bytes()
    result = run(source, "--out-dir", tmp_path)
    assert isinstance(result.exception, OutputExistsError)
    assert "is one of the files to read; give another folder" in str(result.exception)
    assert source.read_bytes() == before


def test_wrong_use_and_unreadable_file(tmp_path):
    source = make(tmp_path, "x.fcs")
    assert run(source).exit_code == 2
    assert run(source, "--check", "--out-dir", tmp_path / "out").exit_code == 2
    bad = maker.write(tmp_path / "bad.fcs", b"<html>")
    result = run(source, bad, "--out-dir", tmp_path / "out")
    assert isinstance(result.exception, FCSError)
    assert "bad.fcs: is a web page" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_no_events(tmp_path):
    source = maker.write(tmp_path / "x.fcs", maker.make([], names=["A"], keywords={"$OP": "Jane Roe"}))
    apply(plan({"x.fcs": source}), tmp_path / "out")
    f = fcs.open(tmp_path / "out" / "x.fcs")
    assert (f.n_events, f.keywords["$OP"].strip()) == (0, "")
