"""TEXT: delimiters, empty values, encodings, names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto import fcs
from immport_cyto.exceptions import FCSError
from immport_cyto.fcs.text import split_spans, tokens_at
from support import fcs_maker as maker


def opened(folder, content):
    return fcs.open(maker.write(folder / "made.fcs", content))


def codes(file):
    return {finding.code for finding in file.findings}


@pytest.mark.parametrize("delimiter", [b"/", b"|", b"\\", b"#", b"!", b"\t", b"\x0c", b"\x1e", b"\n", b"*", b"\xff"])
def test_any_delimiter(tmp_path, delimiter):
    f = opened(tmp_path, maker.make([[1.0, 2.0]], delimiter=delimiter, keywords={"$CYT": "My cytometer"}))
    assert f.keywords["$CYT"] == "My cytometer"
    assert f.raw().tolist() == [[1.0, 2.0]]
    assert f.findings == []


def test_doubled_delimiter_is_an_escape(tmp_path):
    names = ["PE/Cy7-A", "a//b", "x/"]
    f = opened(tmp_path, maker.make([[1.0, 2.0, 3.0]], names=names))
    assert f.names == names
    assert codes(f) == {"escaped_delimiter"}


def test_doubled_delimiter_is_an_empty_value_where_the_keywords_say_so(tmp_path):
    content = maker.make(
        [[1.0, 2.0]], escape=False, keywords={"$SMNO": "", "$P1S": "", "$P2S": "CD4", "LAST": "x"}, names=["A", "B"]
    )
    f = opened(tmp_path, content)
    assert (f.keywords["$SMNO"], f.keywords["$P1S"], f.keywords["$P2S"], f.keywords["LAST"]) == ("", "", "CD4", "x")
    assert codes(f) == {"empty_values"}


def test_two_empty_values_in_a_row(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], escape=False, keywords={"$OP": "", "$SRC": "", "Z": "1"}))
    assert [f.keywords[key] for key in ("$OP", "$SRC", "Z")] == ["", "", "1"]


def test_empty_values_and_escapes_in_one_file(tmp_path):
    content = maker.make([[1.0, 2.0]], escape=False, names=["PE//Cy7", "B"], keywords={"$OP": "", "Z": "1"})
    f = opened(tmp_path, content)
    assert f.names == ["PE/Cy7", "B"]
    assert f.keywords["$OP"] == ""


def test_last_value_empty(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], escape=False, keywords={"$OP": ""}))
    assert f.keywords.get("$OP", "") == ""
    assert f.raw().tolist() == [[1.0]]


def test_one_blank_is_a_value(tmp_path):
    assert opened(tmp_path, maker.make([[1.0]], keywords={"$OP": " "})).keywords["$OP"] == " "


@pytest.mark.parametrize(
    ("encoding", "extra", "text"),
    [
        ("utf-8", {}, "µ-Flow 细胞"),
        ("latin-1", {}, "µ±°é"),
        ("cp1252", {}, "“90°” – 5 µm"),
        ("mac_roman", {"$SYS": "Macintosh System 9"}, "café µ°"),
    ],
)
def test_encodings(tmp_path, encoding, extra, text):
    f = opened(tmp_path, maker.make([[1.0]], encoding=encoding, keywords={"$SRC": text, **extra}))
    assert f.keywords["$SRC"] == text
    assert ("encoding" in codes(f)) == (encoding != "utf-8")


def test_undecodable_bytes_do_not_stop_the_reading(tmp_path):
    content = maker.make([[1.0]], keywords={"$SRC": "????"}).replace(b"????", b"\x81\x8d\xff\x80")
    assert len(opened(tmp_path, content).keywords["$SRC"]) == 4


def test_keys_are_found_in_any_case_and_with_blanks(tmp_path):
    content = maker.make([[1.0]]).replace(b"/$P1N/", b"/ $p1n/")
    f = opened(tmp_path, content.replace(b"$PAR", b"$par"))
    assert f.names == ["C1"]
    assert "key_blanks" in codes(f)


@pytest.mark.parametrize("suffix", [b" ", b"\r\n", b"   \0\0"])
def test_padding_after_the_last_delimiter(tmp_path, suffix):
    f = opened(tmp_path, maker.make([[1.0]], text_suffix=suffix))
    assert f.raw().tolist() == [[1.0]]
    assert codes(f) == {"text_padding"}


def test_text_without_its_last_delimiter(tmp_path):
    content = maker.make([[1.0]], keywords={"LAST": "value"}).replace(b"/LAST/value/", b"/LAST/valueX")
    f = opened(tmp_path, content)
    assert f.keywords["LAST"] == "valueX"
    assert "text_end" in codes(f)


def test_keyword_without_a_value(tmp_path):
    content = maker.make([[1.0]], keywords={"A": "1", "B": "2"}).replace(b"/A/1/B/2/", b"/A/1/BCDE")
    f = opened(tmp_path, content)
    assert f.keywords["A"] == "1"
    assert "BCDE" not in f.keywords
    assert "odd_tokens" in codes(f)


def test_keyword_twice(tmp_path):
    content = maker.make([[1.0]], keywords={"AAA": "1", "BBB": "2"}).replace(b"/BBB/", b"/AAA/")
    f = opened(tmp_path, content)
    assert f.keywords["AAA"] == "2"
    assert "duplicate_keyword" in codes(f)


def test_supplemental_text(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], supplemental=b"/EXTRA/a//b/$PAR/9/", keywords={"X": "y"}))
    assert f.keywords["EXTRA"] == "a/b"
    assert f.keywords["$PAR"] == "1"  # the primary segment wins
    assert f.raw().tolist() == [[1.0]]


def test_supplemental_text_that_is_something_else(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], supplemental=b"PK\x03\x04 a ZIP archive"))
    assert codes(f) == {"stext"}
    f = opened(tmp_path, maker.make([[1.0]], keywords={"$BEGINSTEXT": "900000", "$ENDSTEXT": "900100"}))
    assert codes(f) == {"stext"}
    f = opened(tmp_path, maker.make([[1.0]], keywords={"$BEGINSTEXT": "100", "$ENDSTEXT": "200"}))
    assert codes(f) == {"stext"}


def test_other_bytes_between_header_and_text(tmp_path):
    assert opened(tmp_path, maker.make([[1.0]], text_start=256)).findings == []


def test_names_of_channels(tmp_path):
    content = maker.make(
        [[1.0, 2.0, 3.0]], names=[" FSC-A ", "a\tb\0", "<script>alert(1)</script>"], stains=["", " CD4\n", ""]
    )
    f = opened(tmp_path, content)
    assert f.names == ["FSC-A", "a b", "<script>alert(1)</script>"]
    assert [channel.pns for channel in f.channels] == ["", "CD4", ""]
    f = opened(tmp_path, maker.make([[1.0, 2.0]], keywords={"$P2N": None}))
    assert f.names == ["C1", "P2"]
    assert "no_name" in codes(f)


def test_channel_beyond_par_is_ignored(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], keywords={"$P2N": "ghost"}))
    assert f.names == ["C1"]
    assert codes(f) == {"stray_channel"}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"$PAR": None}, r"\$PAR is missing, not a number of channels"),
        ({"$PAR": "0"}, r"\$PAR is '0', not a number of channels"),
        ({"$PAR": "-1"}, r"\$PAR is '-1'"),
        ({"$PAR": "1000000000"}, r"\$P3B is missing; expected 8 to 64 bits"),
        ({"$DATATYPE": "X"}, r"\$DATATYPE is 'X'; only I, F, D and A can be read"),
        ({"$DATATYPE": None}, r"\$DATATYPE is missing"),
        ({"$MODE": "C"}, r"\$MODE is C: a histogram, which holds no events"),
        ({"$MODE": "u"}, r"\$MODE is U: a histogram"),
        ({"$BYTEORD": "1,1,2,3"}, r"\$BYTEORD is '1,1,2,3'; expected 1,2,3,4 or 4,3,2,1"),
        ({"$BYTEORD": None}, r"\$BYTEORD is missing"),
        ({"$BYTEORD": "2,1,3"}, r"\$BYTEORD is 2,1,3 and does not say how 4 bytes are ordered"),
        ({"$P2B": "0"}, r"\$P2B is '0'; expected 8 to 64 bits"),
        ({"$P2B": "999"}, r"\$P2B is '999'"),
        ({"$P1DATATYPE": "Q"}, r"\$P1DATATYPE is 'Q'"),
        ({"$DATATYPE": "A", "$P1B": "*", "$P2B": "4"}, r"\$PnB is \* for some channels only"),
        ({"$DATATYPE": "A", "$P1B": "5000"}, r"\$P1B is '5000'; ASCII data needs a width of 1 to 64 characters or \*"),
    ],
)
def test_keywords_that_make_no_sense(tmp_path, keywords, message):
    with pytest.raises(FCSError, match=r"made\.fcs: .*" + message):
        opened(tmp_path, maker.make([[1.0, 2.0]], keywords=keywords))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, not an FCS file"),
        (b"<html><body>404</body></html>" * 10, "is a web page, not an FCS file"),
        (b"PK\x03\x04" + b"\0" * 100, "is a ZIP archive"),
        (b"a,b\n1,2\n" * 50, r"is a file that starts with 'a,b\\n1,2\\n', not an FCS file"),
        (b"FCS", "ends inside HEADER after 3 bytes"),
        (b"FCS9.x    " + b" " * 48, "HEADER names the version 'FCS9.x'"),
        (b"FCS3.0    " + b" " * 100, "HEADER gives no offsets of TEXT"),
        (b"FCS3.0          58      57" + b" " * 100, "HEADER places TEXT at bytes 58 to 57, which is impossible"),
        (
            b"FCS3.0          58    9999" + b" " * 100,
            "ends after 126 bytes, but HEADER places TEXT at bytes 58 to 9999",
        ),
        (b"FCS3.0          58     100" + b" " * 32 + b"ABC" * 40, "TEXT starts with 'A' instead of a delimiter"),
        (b"FCS3.0          58     100" + b" " * 32 + b"\0" * 120, "TEXT is empty"),
    ],
)
def test_what_is_not_an_fcs_file(tmp_path, content, message):
    with pytest.raises(FCSError, match=r"made\.fcs: .*" + message):
        opened(tmp_path, content)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FCSError, match=r"none\.fcs: cannot be read \(No such file or directory\); check the path"):
        fcs.open(tmp_path / "none.fcs")
    with pytest.raises(FCSError, match="is a folder, not an FCS file"):
        fcs.open(tmp_path)


def test_text_of_nothing_but_delimiters(tmp_path):
    content = b"FCS3.0          58 4000000".ljust(58) + b"/" * 4_000_100
    with pytest.raises(FCSError, match="TEXT holds more than 200000 keywords"):
        opened(tmp_path, content)


def tokens_of(body, *, empty_values):
    return tokens_at(body, split_spans(body, b"/", empty_values=empty_values), b"/")


WORDS = st.binary(min_size=1, max_size=6).filter(lambda word: b"/" not in word[:1] + word[-1:] and word.strip())


@given(st.lists(st.tuples(WORDS.filter(lambda key: b"/" not in key), WORDS), min_size=1, max_size=6))
def test_escaping_is_undone(pairs):
    tokens = [token for pair in pairs for token in pair]
    body = b"".join(token.replace(b"/", b"//") + b"/" for token in tokens)
    assert tokens_of(body, empty_values=False) == tokens
    # escapes inside values mean the same in the other reading
    assert tokens_of(body, empty_values=True) == tokens


PLAIN = st.text("ABC$ 1", min_size=1, max_size=4).filter(str.strip).map(str.encode)


@given(st.lists(st.tuples(PLAIN, PLAIN | st.just(b"")), min_size=1, max_size=6))
def test_empty_values_are_found(pairs):
    body = b"".join(key + b"/" + value + b"/" for key, value in pairs)
    assert tokens_of(body, empty_values=True) == [token for pair in pairs for token in pair]
