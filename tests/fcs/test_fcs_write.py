"""What is written is read again, by ours and by flowio."""

import binascii
import struct

import flowio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immport_cyto import fcs
from immport_cyto.exceptions import FCSError
from immport_cyto.fcs import writer
from immport_cyto.fcs.check import CheckWord
from support import fcs_maker as maker

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\x1e"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8).filter(
    lambda name: name.strip() and name.strip().isprintable()
)
KEYS = st.text("abcXYZ_/|\\!#~ 1é", min_size=1, max_size=8).filter(lambda key: key.strip() and not key.startswith("P"))


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 4)), elements=st.floats(width=32)),
    data=st.data(),
)
def test_round_trip(tmp_path_factory, values, data):
    n = values.shape[1]
    names = data.draw(st.lists(NAMES, min_size=n, max_size=n))
    stains = data.draw(st.lists(TEXT, min_size=n, max_size=n))
    keywords = data.draw(st.dictionaries(KEYS, TEXT, max_size=6))
    path = tmp_path_factory.mktemp("trip") / "x.fcs"
    fcs.write(path, values, list(zip(names, stains, strict=True)), keywords)
    f = fcs.open(path)
    assert {finding.code for finding in f.findings} <= {"duplicate_name"}
    np.testing.assert_array_equal(f.events(), values)
    assert [channel.pnn for channel in f.channels] == [name.strip() for name in names]
    expected = {}
    for key, value in keywords.items():
        expected.setdefault(key.strip().upper(), value or " ")
    assert {key: f.keywords[key] for key in expected} == expected


def test_same_input_gives_same_bytes(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    for name in ("a.fcs", "b.fcs"):
        fcs.write(tmp_path / name, values, [("A", "x"), ("B", ""), ("C", "y")], {"K": "v", "$CYT": "z"})
    assert (tmp_path / "a.fcs").read_bytes() == (tmp_path / "b.fcs").read_bytes()


def test_flowio_reads_it(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.normal(100, 50, (500, 4)).astype(np.float32)
    path = tmp_path / "x.fcs"
    fcs.write(path, values, [("FSC-A", ""), ("PE/Cy7-A", "CD3 | a"), ("B\\C", "µ"), ("Time", "")], {"$CYT": "made"})
    other = flowio.FlowData(str(path))
    assert other.event_count == 500
    assert other.pnn_labels == ["FSC-A", "PE/Cy7-A", "B\\C", "Time"]
    assert other.text["cyt"] == "made"
    np.testing.assert_array_equal(other.as_array(preprocess=False).astype(np.float32), values)


def test_we_read_what_flowio_writes(tmp_path):
    values = np.random.default_rng(4).normal(size=(50, 3)).astype(np.float32)
    path = tmp_path / "flowio.fcs"
    with path.open("wb") as stream:
        flowio.create_fcs(stream, values.ravel().tolist(), ["A", "B", "C"], opt_channel_names=["x", "", "z"])
    f = fcs.open(path)
    np.testing.assert_array_equal(f.events(), values)
    assert [(channel.pnn, channel.pns) for channel in f.channels] == [("A", "x"), ("B", ""), ("C", "z")]


def test_bytes_by_the_standard(tmp_path):
    path = tmp_path / "x.fcs"
    fcs.write(path, [[1.5, -2.0], [3.0, 4.0]], [("A", "CD4"), ("B", "")], {"$CYT": "made"})
    content = path.read_bytes()
    text_begin, text_end, begin, end, *rest = [int(content[i : i + 8]) for i in range(10, 58, 8)]
    assert content[:10] == b"FCS3.1    "
    assert (text_begin, rest) == (58, [0, 0])
    delimiter = content[58:59]
    assert content[text_end : text_end + 1] == delimiter
    parts = content[59:text_end].split(delimiter)
    keywords = dict(zip(parts[0::2], parts[1::2], strict=True))
    assert keywords[b"$BEGINDATA"] == str(begin).encode()
    assert keywords[b"$ENDDATA"] == str(end).encode()
    assert {key: keywords[key] for key in (b"$TOT", b"$PAR", b"$DATATYPE", b"$BYTEORD", b"$MODE", b"$NEXTDATA")} == {
        b"$TOT": b"2", b"$PAR": b"2", b"$DATATYPE": b"F", b"$BYTEORD": b"1,2,3,4", b"$MODE": b"L", b"$NEXTDATA": b"0",
    }  # fmt: skip
    assert (keywords[b"$P1N"], keywords[b"$P1S"], keywords[b"$P1B"], keywords[b"$P1E"], keywords[b"$P1R"]) == (
        b"A", b"CD4", b"32", b"0,0", b"4",
    )  # fmt: skip
    assert b"$P2S" not in keywords
    assert begin % 64 == 0
    assert content[begin : end + 1] == struct.pack("<4f", 1.5, -2, 3, 4)
    assert content[end + 1 :] == f"{maker.crc16(content[: end + 1]):08d}".encode()


def test_without_check_word(tmp_path):
    fcs.write(tmp_path / "x.fcs", [[1.0]], [("A", "")], crc=False)
    assert (tmp_path / "x.fcs").read_bytes().endswith(b"00000000")


def test_offsets_too_long_for_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_HEADER_OFFSET", 4000)
    values = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    fcs.write(tmp_path / "x.fcs", values, [("A", ""), ("B", ""), ("C", "")])
    content = (tmp_path / "x.fcs").read_bytes()
    assert content[26:42].split() == [b"0", b"0"]
    np.testing.assert_array_equal(fcs.open(tmp_path / "x.fcs").events(), values)


def test_text_too_long_for_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_HEADER_OFFSET", 1000)
    with pytest.raises(FCSError, match=r"x\.fcs: TEXT would have \d+ bytes, more than FCS can hold"):
        fcs.write(tmp_path / "x.fcs", [[1.0]], [("A", "")], {"LONG": "x" * 1000})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_after_an_error(tmp_path, monkeypatch):
    path = tmp_path / "x.fcs"
    path.write_bytes(b"before")

    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_put", fail)
    with pytest.raises(OSError, match="No space left"):
        fcs.write(path, [[1.0]], [("A", "")])
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_structure_is_computed_and_the_rest_kept(tmp_path):
    stale = {
        "$TOT": "99", "$PAR": "7", "$DATATYPE": "I", "$BYTEORD": "4,3,2,1", "$BEGINDATA": "1", "$ENDDATA": "2",
        "$NEXTDATA": "5000", "$P1B": "16", "$P1E": "4,1", "$P1G": "8", "$P1DATATYPE": "D", "$BEGINSTEXT": "3",
        "$cyt": "made", "SPILL": "2,A,B,1,0.1,0,1", "comment": "a\0b", "GUID": "",
    }  # fmt: skip
    path = tmp_path / "x.fcs"
    fcs.write(path, [[1.0, 2.0]], [("A", ""), ("B", "")], stale)
    f = fcs.open(path)
    assert f.findings == []
    assert f.events().tolist() == [[1.0, 2.0]]
    kept = {key: f.keywords[key] for key in ("$CYT", "SPILL", "COMMENT", "GUID")}
    assert kept == {"$CYT": "made", "SPILL": "2,A,B,1,0.1,0,1", "COMMENT": "a b", "GUID": " "}
    assert not {"$P1G", "$P1DATATYPE"} & set(f.keywords)


def test_keywords_of_a_channel_go_with_it(tmp_path):
    keywords = {
        "$P1N": "A", "$P2N": "B", "$P3N": "C", "$P1V": "100", "$P2V": "200", "$P3V": "300", "P3DISPLAY": "LOG",
        "$P2F": "530/30",
    }  # fmt: skip
    path = tmp_path / "x.fcs"
    fcs.write(path, [[1.0, 2.0, 3.0]], [("C", "x"), ("A", ""), ("new", "")], keywords)
    text = fcs.open(path).keywords
    per_channel = {key: value for key, value in text.items() if key.endswith(("V", "F", "DISPLAY"))}
    assert per_channel == {"$P1V": "300", "P1DISPLAY": "LOG", "$P2V": "100"}


def test_channels_of_one_name_keep_their_place(tmp_path):
    keywords = {"$P1N": "A", "$P2N": "A", "$P1V": "100", "$P2V": "200"}
    path = tmp_path / "x.fcs"
    fcs.write(path, [[1.0, 2.0, 3.0]], [("A", ""), ("A", ""), ("B", "")], keywords)
    text = fcs.open(path).keywords
    assert (text["$P1V"], text["$P2V"]) == ("100", "200")


def test_scaled_events_of_a_file_written_again(tmp_path):
    content = maker.make(
        [[512, 100], [1023, 40]], datatype="I", bits=16, ranges=[1024, 1024], names=["L", "G"],
        amplification=["4,1", "0,0"], keywords={"$P2G": "4", "$P1V": "350"},
    )  # fmt: skip
    f = fcs.open(maker.write(tmp_path / "x.fcs", content))
    events = f.events()
    fcs.write(tmp_path / "y.fcs", events, f.channels, f.keywords)
    again = fcs.open(tmp_path / "y.fcs")
    np.testing.assert_array_equal(again.events(), events)
    assert [channel.range for channel in again.channels] == [10000.0, 256.0]
    assert again.keywords["$P1V"] == "350"
    # and written over the file that is mapped
    fcs.write(tmp_path / "y.fcs", again.events(), again.channels, again.keywords)
    np.testing.assert_array_equal(fcs.open(tmp_path / "y.fcs").events(), events)


@pytest.mark.parametrize(
    ("column", "limit"), [([0.2, 7.5], 8), ([-5.0, -3.0], 1), ([np.nan, np.inf], 1), ([np.nan, 1023.0], 1024)]
)
def test_range_of_a_channel_without_one(tmp_path, column, limit):
    fcs.write(tmp_path / "x.fcs", np.array([column]).T, [("A", "")])
    assert fcs.open(tmp_path / "x.fcs").channels[0].range == limit


def test_version_3_2(tmp_path):
    fcs.write(tmp_path / "x.fcs", [[1.0]], [("A", "CD4")], {"$P1TAG": "FITC", "$P1ANALYTE": "CD4"}, version="3.2")
    f = fcs.open(tmp_path / "x.fcs")
    assert f.version == "FCS3.2"
    assert (f.keywords["$CYT"], f.keywords["$P1TAG"], f.keywords["$P1ANALYTE"]) == ("unknown", "FITC", "CD4")


def test_integers_and_doubles_become_float32(tmp_path):
    fcs.write(tmp_path / "x.fcs", np.array([[1, 2**24 + 2]]), [("A", ""), ("B", "")])
    assert fcs.open(tmp_path / "x.fcs").raw().tolist() == [[1.0, 2.0**24 + 2]]
    fcs.write(tmp_path / "x.fcs", np.array([[1e300, 0.1]]), [("A", ""), ("B", "")])
    assert fcs.open(tmp_path / "x.fcs").raw()[0, 0] == np.inf


def test_no_events(tmp_path):
    fcs.write(tmp_path / "x.fcs", np.empty((0, 2)), [("A", ""), ("B", "CD4")])
    f = fcs.open(tmp_path / "x.fcs")
    assert f.events().shape == (0, 2)
    assert f.findings == []
    assert (f.keywords["$BEGINDATA"], f.keywords["$ENDDATA"]) == ("0", "0")


def test_wrong_use():
    with pytest.raises(ValueError, match=r"values of shape \(1, 2\) do not fit 1 channels"):
        fcs.write("never.fcs", [[1.0, 2.0]], [("A", "")])
    with pytest.raises(ValueError, match="version '2.0' cannot be written"):
        fcs.write("never.fcs", [[1.0]], [("A", "")], version="2.0")
    with pytest.raises(FCSError, match="never.fcs: channel 1 has no name"):
        fcs.write("never.fcs", [[1.0]], [(" ", "")])


@pytest.mark.parametrize("size", [0, 1, 65533, 65534, 65535, 200_000])
@pytest.mark.parametrize("piece", [1000, 65534, 10**6])
def test_folded_check_word_equals_that_of_all_bytes(size, piece):
    content = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    check = CheckWord(size)
    for start in range(0, size, piece):
        check.update(content[start : start + piece])
    assert check.value() == binascii.crc_hqx(content.tobytes(), 0)


def test_independent_check_word():
    content = bytes(range(256)) * 300
    check = CheckWord(len(content))
    check.update(np.frombuffer(content, np.uint8))
    assert check.value() == maker.crc16(content)


def test_check_word_of_a_file(tmp_path):
    path = tmp_path / "x.fcs"
    fcs.write(path, np.arange(40_000.0).reshape(-1, 4), [("A", ""), ("B", ""), ("C", ""), ("D", "")])
    assert fcs.open(path).check_word() is True
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)
    assert fcs.open(path).check_word() is False
    fcs.write(path, [[1.0]], [("A", "")], crc=False)
    assert fcs.open(path).check_word() is None
    assert fcs.open(maker.write(path, maker.make([[1.0]], tail=b""))).check_word() is None


def test_analysis_and_other_segments(tmp_path):
    path = tmp_path / "x.fcs"
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    other = [b"PK\x03\x04 a", b"/second/"]
    fcs.write(path, values, [("A", ""), ("B", "")], {"K": "v"}, analysis={"GATE|1": "a/b", "N": ""}, other=other)
    f = fcs.open(path)
    assert f.findings == []
    np.testing.assert_array_equal(f.events(), values)
    assert f.analysis() == {"GATE|1": "a/b", "N": " "}
    assert f.other() == other
    assert f.check_word() is True
    content = path.read_bytes()
    pairs = [int(content[i : i + 8]) for i in range(10, 90, 8)]
    assert [content[pairs[i] : pairs[i + 1] + 1] for i in (6, 8)] == other
    assert (pairs[0], int(f.keywords["$BEGINANALYSIS"])) == (90, pairs[4])
    theirs = flowio.FlowData(str(path))
    np.testing.assert_array_equal(theirs.as_array(preprocess=False), values)
    assert theirs.analysis["n"] == " "


def test_keywords_of_fcs_3_2_go_with_their_channels(tmp_path):
    keywords = {
        "$P1N": "A", "$P2N": "B", "$P1TAG": "FITC", "$P2TAG": "PE", "$P2ANALYTE": "CD4", "$P1TYPE": "Raw Fluorescence",
        "$P2FEATURE": "Area", "$P2DET": "B530", "$P2DATATYPE": "D", "$BEGINDATETIME": "2020-05-06T07:08:09Z",
        "$CARRIERID": "7", "$CYT": "made",
    }  # fmt: skip
    fcs.write(tmp_path / "x.fcs", [[1.0, 2.0]], [("B", ""), ("A", "")], keywords, version="3.2")
    found = fcs.open(tmp_path / "x.fcs").keywords
    expected = {
        "$P2TAG": "FITC", "$P1TAG": "PE", "$P1ANALYTE": "CD4", "$P2TYPE": "Raw Fluorescence", "$P1FEATURE": "Area",
        "$P1DET": "B530", "$BEGINDATETIME": "2020-05-06T07:08:09Z", "$CARRIERID": "7", "$CYT": "made",
    }  # fmt: skip
    assert {key: found.get(key) for key in expected} == expected
    assert "$P1DATATYPE" not in found


def test_blocks_give_the_same_bytes_as_one_matrix(tmp_path):
    values = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)
    channels = [("A", ""), ("B", "x"), ("C", "")]
    fcs.write(tmp_path / "a.fcs", values, channels)
    fcs.write_blocks(tmp_path / "b.fcs", lambda: iter(np.array_split(values, 7)), 1000, channels)
    assert (tmp_path / "a.fcs").read_bytes() == (tmp_path / "b.fcs").read_bytes()
    with pytest.raises(ValueError, match="the blocks hold 1000 events instead of 1001"):
        fcs.write_blocks(tmp_path / "c.fcs", lambda: [values], 1001, channels)
    assert not (tmp_path / "c.fcs").exists()


def test_keywords_that_count_channels_by_number_hold_only_while_numbers_do(tmp_path):
    keywords = {"$P1N": "A", "$P2N": "B", "$DFC1TO2": "5.0", "$R1I": "P1", "ICYTO_P1ROLE": "marker", "FJ_$P2R": "9"}
    fcs.write(tmp_path / "same.fcs", [[1.0, 2.0]], [("A", ""), ("B", "")], keywords)
    assert fcs.open(tmp_path / "same.fcs").keywords["$DFC1TO2"] == "5.0"
    fcs.write(tmp_path / "less.fcs", [[2.0]], [("B", "")], keywords)
    found = fcs.open(tmp_path / "less.fcs").keywords
    assert not {"$DFC1TO2", "$R1I"} & set(found)
    assert (found["ICYTO_P1ROLE"], found["FJ_$P1R"]) == ("marker", "9")
