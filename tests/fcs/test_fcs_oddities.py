"""What some writers do and the standard does not foresee: read by a rule, and said."""

import struct
import tracemalloc

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs
from immport_cyto.cli.fcs import group
from immport_cyto.exceptions import FCSError
from immport_cyto.fcs import decode
from support import fcs_maker as maker

FLOATS = [[float(i * 4 + j) + 0.5 for j in range(4)] for i in range(20)]
WIDTHS = {"F": 32, "D": 64}


def packed(code: str) -> bytes:
    return b"".join(struct.pack(f"<{code}", value) for event in FLOATS for value in event)


def codes(file: fcs.FCSFile) -> list[str]:
    return [finding.code for finding in file.findings]


@pytest.mark.parametrize(("declared", "stored"), [("F", "d"), ("D", "f")])
def test_the_width_that_fills_data_wins_over_the_type(tmp_path, declared, stored):
    """$DATATYPE F with $PnB 64, or D with 32, where DATA has exactly the events of that width."""
    bits = "64" if stored == "d" else "32"
    keywords = {f"$P{n}B": bits for n in range(1, 5)}
    content = maker.make(
        FLOATS, datatype=declared, bits=WIDTHS[declared], keywords=keywords, data=packed(stored)
    )  # fmt: skip
    f = fcs.open(maker.write(tmp_path / "x.fcs", content))
    np.testing.assert_array_equal(f.raw(), np.array(FLOATS))
    assert f.raw().dtype == np.dtype(stored)
    assert {channel.bits for channel in f.channels} == {int(bits)}
    assert codes(f) == ["float_bits"] * 4
    assert f.findings[0].action == f"{bits} bits read, which fill DATA"


@pytest.mark.parametrize("declared", ["F", "D"])
def test_the_type_wins_where_its_width_fills_data(tmp_path, declared):
    keywords = {f"$P{n}B": "64" if declared == "F" else "32" for n in range(1, 5)}
    content = maker.make(FLOATS, datatype=declared, bits=WIDTHS[declared], keywords=keywords)
    f = fcs.open(maker.write(tmp_path / "x.fcs", content))
    np.testing.assert_array_equal(f.raw(), np.array(FLOATS))
    assert codes(f) == ["float_bits"] * 4


def test_widths_that_neither_fill_data_are_refused(tmp_path):
    content = maker.make(FLOATS, keywords={f"$P{n}B": "64" for n in range(1, 5)}, data=packed("d") + b"\x01" * 24)
    path = maker.write(tmp_path / "x.fcs", content)
    with pytest.raises(FCSError, match=r"\$TOT, \$PAR or \$PnB is wrong"):
        fcs.open(path)


@pytest.mark.parametrize("text", ["1234", "1;2;3;4", "1 2 3 4", "1.2.3.4", "1, 2, 3, 4", "1,2,3,4,"])
def test_byte_order_in_other_writings(tmp_path, text):
    path = maker.write(tmp_path / "x.fcs", maker.make(FLOATS, keywords={"$BYTEORD": text}))
    if text.endswith(","):
        with pytest.raises(FCSError, match=r"\$BYTEORD is '1,2,3,4,'"):
            fcs.open(path)
        return
    f = fcs.open(path)
    np.testing.assert_array_equal(f.raw(), np.array(FLOATS))
    assert codes(f) == ([] if text == "1, 2, 3, 4" else ["byte_order"])


@pytest.mark.parametrize("text", ["1,2,2,4", "1,2,3,5", "little", "0,1,2,3", "12", "1,2,3,4,5,6,7,8,9", ""])
def test_byte_orders_that_are_none(tmp_path, text):
    path = maker.write(tmp_path / "x.fcs", maker.make(FLOATS, byteord="1,2,3,4", keywords={"$BYTEORD": text}))
    if text == "12":
        # an order of two bytes is the order of four as well
        np.testing.assert_array_equal(fcs.open(path).raw(), np.array(FLOATS))
        return
    with pytest.raises(FCSError, match=r"\$BYTEORD is .*; expected 1,2,3,4 or 4,3,2,1"):
        fcs.open(path)


def plate(count: int, absolute: bool) -> bytes:
    """Data sets of equal length, $NEXTDATA counted from their own start or from that of the file."""
    parts = [maker.make([[float(number)] * 3], next_data=11_111_111) for number in range(count)]
    length = len(parts[0])
    following = [0 if n == count - 1 else (n + 1) * length if absolute else length for n in range(count)]
    return b"".join(p.replace(b"11111111", f"{f:08d}".encode()) for p, f in zip(parts, following, strict=True))


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("count", [2, 3, 384])
def test_a_plate_in_one_file(tmp_path, count, absolute):
    path = maker.write(tmp_path / "plate.fcs", plate(count, absolute))
    for number in {0, 1, count - 1}:
        f = fcs.open(path, dataset=number)
        assert f.datasets == count
        assert f.raw().tolist() == [[float(number)] * 3]


def test_data_before_text(tmp_path):
    """The standard leaves the order of the segments open."""
    usual = maker.make(FLOATS)
    begin, end = int(usual[10:18]), int(usual[18:26])
    data = usual[end + 1 : end + 1 + 320]
    text = usual[begin : end + 1]
    for key, value in ((b"$BEGINDATA/", 58), (b"$ENDDATA/", 58 + 319)):
        place = text.index(key) + len(key)
        text = text[:place] + b"%08d" % value + text[place + 8 :]
    offsets = (58 + 320, 58 + 320 + len(text) - 1, 58, 58 + 319, 0, 0)
    content = b"FCS3.1    " + b"".join(b"%8d" % offset for offset in offsets) + data + text + b"00000000"
    f = fcs.open(maker.write(tmp_path / "x.fcs", content))
    np.testing.assert_array_equal(f.raw(), np.array(FLOATS))
    assert f.findings == []


@pytest.mark.parametrize("separator", [b" ", b",", b", ", b"\r\n", b"\t"])
def test_delimited_text_is_read_by_blocks(tmp_path, monkeypatch, separator):
    monkeypatch.setattr(decode, "_TEXT_BLOCK", 7)
    values = [[n * 37 % 1000, -n] for n in range(100)]
    data = separator.join(b"%d" % value for event in values for value in event) + separator
    content = maker.make(values, datatype="A", bits=["*", "*"], data=data)
    f = fcs.open(maker.write(tmp_path / "x.fcs", content))
    assert f.raw().tolist() == values
    content = maker.make(values, datatype="A", bits=["*", "*"], data=data, version="FCS2.0", keywords={"$TOT": None})
    assert fcs.open(maker.write(tmp_path / "y.fcs", content)).n_events == 100


@pytest.mark.parametrize("data", [b"1 " * 200_000 + b"9" * 600_000, b"9" * 600_000 + b" 1" * 200_000, b"7" * 3_000_000])
def test_a_word_as_long_as_the_file_costs_no_memory(tmp_path, data):
    content = maker.make([[1, 2]], datatype="A", bits=["*", "*"], data=data, keywords={"$TOT": "100000"})
    path = maker.write(tmp_path / "x.fcs", content)
    tracemalloc.start()
    try:
        with pytest.raises(FCSError, match="DATA holds text that is no number"):
            fcs.open(path).raw()
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["F", "D", "I"])
def test_a_huge_number_of_channels_costs_no_time(tmp_path, kind):
    bits = WIDTHS.get(kind, 32)
    content = maker.make(FLOATS, datatype=kind, bits=bits, keywords={"$PAR": "999999999"}, data=packed("f"))
    path = maker.write(tmp_path / "x.fcs", content)
    with pytest.raises(FCSError, match=r"\$P5B is missing"):
        fcs.open(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "--out", "out/a.tsv"],
        ["sample", "--per-file", "5", "--out-dir", "out"],
        ["split", "--events", "10", "--out-dir", "out"],
        ["merge", "--out", "out/m.fcs"],
    ],
)
def test_commands_say_which_data_set_they_took(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    content = maker.chain({"values": FLOATS}, {"values": FLOATS[:5]})
    maker.write(tmp_path / "a.lmd", content)
    done = CliRunner().invoke(group, [arguments[0], "a.lmd", *arguments[1:]], catch_exceptions=False)
    assert done.exit_code == 0
    assert "warning: a.lmd: the file holds 2 data sets; data set 0 read (from 0)" in done.output


def test_convert_says_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker.write(tmp_path / "a.fcs", maker.make(FLOATS))
    done = CliRunner().invoke(group, ["convert", "a.fcs", "--out", "a.tsv"], catch_exceptions=False)
    assert done.output == "a.tsv: 20 events, 4 channels\n"


def test_a_value_of_many_megabytes_is_not_copied_often(tmp_path):
    value = "é" * 10_000_000
    path = maker.write(tmp_path / "x.fcs", maker.make([[1.0]], keywords={"PROTOCOL": value}, encoding="latin-1"))
    size = path.stat().st_size
    tracemalloc.start()
    try:
        f = fcs.open(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f.keywords["PROTOCOL"] == value
    assert peak < 5.5 * size
