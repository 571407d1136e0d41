"""Events: every way of storing a number, read exactly."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import fcs
from immport_cyto.exceptions import FCSError, FCSTruncatedError
from support import fcs_maker as maker


def codes(file: fcs.FCSFile) -> set[str]:
    return {finding.code for finding in file.findings}


def opened(folder: Path, content: bytes, **options: object) -> fcs.FCSFile:
    return fcs.open(maker.write(folder / "made.fcs", content), **options)  # type: ignore[arg-type]


FLOATS = [[1.5, -2.25, 3e38], [0.0, 1e-40, -7.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1", "3,4,1,2"])
def test_single_precision_in_any_byte_order(tmp_path, byteord):
    f = opened(tmp_path, maker.make(FLOATS, byteord=byteord))
    raw = f.raw()
    assert raw.dtype == np.float32
    assert raw.dtype.isnative
    np.testing.assert_array_equal(raw, np.array(FLOATS, np.float32))
    assert f.findings == []


def test_native_floats_are_not_copied(tmp_path):
    f = opened(tmp_path, maker.make(FLOATS))
    raw, events = f.raw(), f.events()
    assert np.shares_memory(raw, events)
    assert not raw.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        raw[0, 0] = 1


def test_arrays_stay_valid_after_the_file_is_let_go(tmp_path):
    path = maker.write(tmp_path / "made.fcs", maker.make(FLOATS))
    with fcs.open(path) as f:
        raw = f.raw()
    path.unlink()
    np.testing.assert_array_equal(raw, np.array(FLOATS, np.float32))


@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1"])
def test_double_precision(tmp_path, byteord):
    values = [[1.0000000001, -1e300], [np.pi, 2.0**-1000]]
    f = opened(tmp_path, maker.make(values, datatype="D", bits=64, byteord=byteord))
    assert f.raw().dtype == np.float64
    np.testing.assert_array_equal(f.raw(), np.array(values))


@pytest.mark.parametrize("bits", [8, 16, 24, 32, 40, 48, 56, 64])
@pytest.mark.parametrize("byteord", ["1,2,3,4", "4,3,2,1"])
def test_integers_of_each_width_are_exact(tmp_path, bits, byteord):
    top = 2**bits - 1
    values = [[0, top], [1, top - 1], [0x50, top // 3]]
    f = opened(tmp_path, maker.make(values, datatype="I", bits=bits, byteord=byteord, ranges=[top + 1] * 2))
    raw = f.raw()
    assert raw.dtype.kind == "u"
    assert raw.tolist() == values


def test_low_byte_of_24_bits_is_kept(tmp_path):
    content = maker.make([[336]], datatype="I", bits=24, byteord="4,3,2,1", ranges=[2**24])
    assert bytes.fromhex("000150") in content
    assert opened(tmp_path, content).raw().tolist() == [[336]]


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.sampled_from([8, 16, 24, 32, 64]), min_size=1, max_size=6),
    big=st.booleans(),
    data=st.data(),
)
def test_mixed_widths(tmp_path_factory, widths, big, data):
    n = data.draw(st.integers(1, 5))
    values = [[data.draw(st.integers(0, 2**bits - 1)) for bits in widths] for _ in range(n)]
    content = maker.make(
        values, datatype="I", bits=widths, byteord="4,3,2,1" if big else "1,2,3,4",
        ranges=[2**bits for bits in widths],
    )  # fmt: skip
    f = opened(tmp_path_factory.mktemp("mixed"), content)
    assert [[int(value) for value in event] for event in f.raw()] == values
    for index in range(len(widths)):
        assert f.raw([index])[:, 0].tolist() == [event[index] for event in values]


@pytest.mark.parametrize(
    ("limit", "bits", "stored", "read"),
    [
        (1024, 16, 0xFFFF, 1023),
        (1024, 16, 0x0401, 1),
        (1000, 16, 0xFFFF, 1023),  # no power of two: the bits that hold 0 to 999
        (65536, 16, 0xFFFF, 0xFFFF),
        (2**40, 32, 0xFFFFFFFF, 0xFFFFFFFF),  # wider than the value: nothing to mask
        ("NaN", 32, 0xFFFFFFFF, 0xFFFFFFFF),
        (0, 16, 0xFFFF, 0xFFFF),
        (1, 16, 0xFFFF, 0xFFFF),
        ("262144.0", 32, 0xFFFFFFFF, 262143),
        ("1e3", 16, 0xFFFF, 1023),
    ],
)
def test_mask_of_range(tmp_path, limit, bits, stored, read):
    f = opened(tmp_path, maker.make([[stored]], datatype="I", bits=bits, ranges=[limit]))
    assert f.raw().tolist() == [[read]]
    assert ("range_no_power_of_two" in codes(f)) == (limit in (1000, "1e3"))


def test_range_does_not_mask_floats(tmp_path):
    assert opened(tmp_path, maker.make([[5000.0]], ranges=[1024])).raw().tolist() == [[5000.0]]


def test_ten_bits_take_the_width_of_the_byte_order(tmp_path):
    content = maker.make(
        [[1023, 5], [7, 512]], version="FCS2.0", datatype="I", bits=16, byteord="1,2", ranges=[1024, 1024]
    )
    content = content.replace(b"/$P1B/16/", b"/$P1B/10/").replace(b"/$P2B/16/", b"/$P2B/10/")
    f = opened(tmp_path, content)
    assert f.raw().tolist() == [[1023, 5], [7, 512]]
    assert "odd_bits" in codes(f)


def test_text_data_of_fixed_width(tmp_path):
    f = opened(tmp_path, maker.make([[12, 3456], [7, 0]], datatype="A", bits=[4, 6]))
    assert f.raw().tolist() == [[12.0, 3456.0], [7.0, 0.0]]
    assert f.raw(["C2"], start=1).tolist() == [[0.0]]


def test_text_data_with_separators(tmp_path):
    values = [[12, 3456], [7, 0], [1, 2]]
    f = opened(tmp_path, maker.make(values, datatype="A", bits=["*", "*"]))
    assert f.raw().tolist() == values
    assert f.events(["C2"], 1, 2).tolist() == [[0.0]]
    f = opened(tmp_path, maker.make(values, datatype="A", bits=["*", "*"], data=b"12,3456\r\n7,\t0 1 2\n", tail=b""))
    assert f.raw().tolist() == values


def test_text_data_that_is_no_number(tmp_path):
    f = opened(tmp_path, maker.make([[12, 34]], datatype="A", bits=[2, 2], data=b"1234".replace(b"3", b"x")))
    with pytest.raises(FCSError, match=r"made\.fcs: DATA holds text that is no number"):
        f.raw()
    f = opened(tmp_path, maker.make([[12, 34]], datatype="A", bits=["*", "*"], data=b"12"))
    with pytest.raises(FCSTruncatedError, match="DATA holds 1 numbers, which are not 1 events of 2 channels"):
        f.raw()


def test_type_per_channel_of_fcs_3_2(tmp_path):
    values = [[1.5, 70000, 2.0**-60], [-1.0, 3, 1e200]]
    content = maker.make(
        values, version="FCS3.2", datatype="F", datatypes=["", "I", "D"], bits=[32, 32, 64],
        ranges=[1024, 2**17, 1024], keywords={"$CYT": "made", "$P1TYPE": "Raw Fluorescence", "$P1TAG": "FITC"},
    )  # fmt: skip
    f = opened(tmp_path, content)
    assert f.version == "FCS3.2"
    assert [channel.datatype for channel in f.channels] == ["F", "I", "D"]
    assert f.raw().dtype == np.float64
    assert f.raw().tolist() == values
    assert f.raw([1]).dtype == np.uint32
    assert f.raw([1]).tolist() == [[70000], [3]]
    assert f.keywords["$P1TAG"] == "FITC"


def test_time_of_32_bits_keeps_its_precision(tmp_path):
    values = [[2**31 + 1, 5]]
    f = opened(tmp_path, maker.make(values, datatype="I", bits=32, names=["Time", "A"], ranges=[2**32] * 2))
    assert f.raw().tolist() == values


def test_channels_and_events_can_be_chosen(tmp_path):
    values = [[i * 10 + j for j in range(4)] for i in range(6)]
    f = opened(tmp_path, maker.make(values, names=["A", "B", "C", "D"]))
    assert f.raw(["C", "A"], 2, 4).tolist() == [[22.0, 20.0], [32.0, 30.0]]
    assert f.events([3], start=-1).tolist() == [[53.0]]
    assert f.raw([], 0, 2).shape == (2, 0)
    assert f.raw(start=4, stop=2).shape == (0, 4)
    assert f.raw("B", stop=1).tolist() == [[1.0]]
    np.testing.assert_array_equal(np.concatenate(list(f.chunks(4))), f.events())


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("X", r"there is no channel 'X'; the file has A, A, B"),
        ("A", r"2 channels are named 'A'; choose by position"),
        (3, r"there is no channel at position 3; the file has 3 channels"),
        (-1, r"there is no channel at position -1"),
    ],
)
def test_channel_that_is_not_there(tmp_path, channel, message):
    f = opened(tmp_path, maker.make([[1.0, 2.0, 3.0]], names=["A", "A", "B"]))
    assert "duplicate_name" in codes(f)
    with pytest.raises(FCSError, match=message):
        f.raw([channel])


def test_scaled_view_of_integers(tmp_path):
    values = [[0, 0, 100, 100], [512, 512, 300, 7], [1023, 1023, 0, 0]]
    content = maker.make(
        values, datatype="I", bits=16, ranges=[1024] * 4, names=["L1", "L2", "lin", "Time"],
        amplification=["4,1", "4,0", "0,0", "0,0"], keywords={"$P3G": "4", "$P4G": "0.01", "$TIMESTEP": "0.1"},
    )  # fmt: skip
    f = opened(tmp_path, content)
    events = f.events()
    assert events.dtype == np.float32
    for row, event in enumerate(values):
        assert events[row, 0] == pytest.approx(10 ** (4 * event[0] / 1024), rel=1e-6)
        assert events[row, 1] == events[row, 0]  # an offset of 0 is read as 1
        assert events[row, 2] == event[2] / 4
        assert events[row, 3] == event[3]  # neither gain nor time step
    assert "log_offset_zero" in codes(f)
    assert f.timestep == 0.1
    assert f.channels[0].scaled_range == pytest.approx(1e4)
    assert f.channels[2].scaled_range == 256


def test_gain_of_floats_divides(tmp_path):
    f = opened(tmp_path, maker.make([[10.0, 3.0]], keywords={"$P1G": "2.5", "$P2G": "1"}))
    assert f.events().tolist() == [[4.0, 3.0]]
    assert f.raw().tolist() == [[10.0, 3.0]]


def test_log_of_floats_is_not_applied_but_reported(tmp_path):
    f = opened(tmp_path, maker.make([[10.0]], amplification=["4,1"]))
    assert f.events().tolist() == [[10.0]]
    assert codes(f) == {"log_of_float"}


def test_log_scale_without_a_range_is_an_error_not_a_guess(tmp_path):
    f = opened(tmp_path, maker.make([[10]], datatype="I", bits=16, ranges=["NaN"], amplification=["4,1"]))
    assert f.raw().tolist() == [[10]]
    with pytest.raises(FCSError, match=r"\$P1E asks for a logarithmic scale but \$P1R is no usable number"):
        f.events()


def test_not_a_number_and_infinity_pass_through(tmp_path):
    raw = opened(tmp_path, maker.make([[float("nan"), float("inf"), -float("inf")]])).raw()
    assert np.isnan(raw[0, 0])
    assert raw[0, 1:].tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("count", [0, 1])
def test_no_event_and_one_event(tmp_path, count):
    f = opened(tmp_path, maker.make([[1.0, 2.0]] * count, names=["A", "B"]))
    assert f.n_events == count
    assert f.raw().shape == f.events().shape == (count, 2)


def test_gzip_is_recognised_by_content(tmp_path):
    path = maker.write(tmp_path / "packed.fcs", gzip.compress(maker.make(FLOATS)))
    np.testing.assert_array_equal(fcs.open(path).raw(), np.array(FLOATS, np.float32))


def test_damaged_gzip(tmp_path):
    packed = gzip.compress(maker.make(FLOATS))
    with pytest.raises(FCSTruncatedError, match=r"a\.gz: the gzip stream ends too early"):
        fcs.open(maker.write(tmp_path / "a.gz", packed[:-12]))
    with pytest.raises(FCSError, match=r"b\.gz: cannot be decompressed"):
        fcs.open(maker.write(tmp_path / "b.gz", packed[:20] + b"\xff" * 20 + packed[40:]))


def test_several_data_sets(tmp_path):
    content = maker.chain(
        {"values": [[1, 2]], "datatype": "I", "bits": 16, "ranges": [1024, 1024]},
        {"values": [[70000.0, 3.0], [4.0, 5.0]]},
    )
    path = maker.write(tmp_path / "two.fcs", content)
    first, second = fcs.open(path), fcs.open(path, dataset=1)
    assert first.datasets == second.datasets == 2
    assert first.raw().tolist() == [[1, 2]]
    assert second.raw().tolist() == [[70000.0, 3.0], [4.0, 5.0]]
    assert "several_data_sets" in codes(first)
    with pytest.raises(FCSError, match=r"two\.fcs: there is no data set 2; the file has 2, counted from 0"):
        fcs.open(path, dataset=2)


def test_next_data_that_leads_nowhere(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], next_data=40_000))
    assert f.datasets == 1
    assert "next_data" in codes(f)


def test_chain_of_data_sets_that_never_ends(tmp_path):
    one = b""
    for _ in range(3):
        one = maker.make([[1.0]], next_data=len(one))
    f = opened(tmp_path, one * 5000)
    assert f.datasets == 4096
    assert "the file holds 4096 data sets or more" in str(f.findings[0])


def test_analysis_segment(tmp_path):
    f = opened(tmp_path, maker.make([[1.0]], analysis=b"/GATE1/a//b/N/3/"))
    assert f.analysis() == {"GATE1": "a/b", "N": "3"}
    assert opened(tmp_path, maker.make([[1.0]])).analysis() == {}


def test_offsets_beyond_eight_digits(tmp_path):
    """DATA starts after byte 99,999,999, so HEADER holds 0,0; the file is sparse."""
    begin = 100_000_000
    values = struct.pack("<4f", 1, 2, 3, 4)
    head = maker.make(
        [[0.0, 0.0], [0.0, 0.0]], data=b"", tail=b"", header_data=(0, 0), text_data=(begin, begin + len(values) - 1)
    )
    path = tmp_path / "large.fcs"
    with path.open("wb") as stream:
        stream.write(head)
        stream.seek(begin)
        stream.write(values + b"00000000")
    f = fcs.open(path)
    assert f.raw().tolist() == [[1, 2], [3, 4]]
    assert f.findings == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_copy_may_be_written_into_and_leaves_the_file_alone(tmp_path, packed):
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    fcs.write(tmp_path / "x.fcs", values, [("A", ""), ("B", ""), ("C", "")])
    path = tmp_path / "x.fcs"
    if packed:
        path = tmp_path / "x.fcs.gz"
        path.write_bytes(gzip.compress((tmp_path / "x.fcs").read_bytes()))
    before = path.read_bytes()
    f = fcs.open(path)
    for start, stop in ((0, None), (5, 9), (-4, None), (20, None), (7, 7)):
        copied = f.events(start=start, stop=stop, copy=True)
        np.testing.assert_array_equal(copied, values[start:stop])
        copied[:] = -1
    np.testing.assert_array_equal(f.events(), values)
    np.testing.assert_array_equal(f.events(["C", "A"], copy=True), values[:, [2, 0]])
    assert path.read_bytes() == before
