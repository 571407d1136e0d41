"""Which bytes are DATA, and what happens where $TOT, $PAR, $PnB and the offsets contradict each other."""

import numpy as np
import pytest

from immport_cyto import fcs
from immport_cyto.exceptions import FCSError, FCSTruncatedError
from support import fcs_maker as maker

VALUES = [[float(10 * i + j) for j in range(3)] for i in range(8)]
INTEGERS = [[100 * i + j for j in range(3)] for i in range(8)]


def opened(folder, content, **options):
    return fcs.open(maker.write(folder / "made.fcs", content), **options)


def codes(file):
    return {finding.code for finding in file.findings}


def true_offsets(**options):
    """First and last byte of DATA in a file made with these options."""
    f = maker.make(VALUES, **options)
    return int(f[26:34]), int(f[34:42])


def test_header_right_and_text_wrong(tmp_path):
    begin, end = true_offsets()
    f = opened(tmp_path, maker.make(VALUES, text_data=(f"{begin + 46:08d}", f"{end + 46:08d}"), tail=b"x" * 200))
    assert f.raw().tolist() == VALUES
    assert codes(f) == {"data_offsets_differ"}


def test_text_right_and_header_wrong(tmp_path):
    begin, end = true_offsets()
    f = opened(tmp_path, maker.make(VALUES, header_data=(begin - 40, end)))
    assert f.raw().tolist() == VALUES
    (finding,) = f.findings
    assert str(finding) == (
        f"offsets of DATA differ: HEADER says {begin - 40} to {end}, TEXT says {begin} to {end}; TEXT used"
    )


def test_header_of_a_large_file_with_cut_digits(tmp_path):
    begin, end = true_offsets()
    f = opened(tmp_path, maker.make(VALUES, header_data=(begin, end - 30)))
    assert f.raw().tolist() == VALUES


@pytest.mark.parametrize("header", [(0, 0), ("", ""), ("abc", "def")])
def test_header_without_offsets(tmp_path, header):
    f = opened(tmp_path, maker.make(VALUES, header_data=header))
    assert f.raw().tolist() == VALUES
    assert codes(f) == ({"header_offset"} if header[0] == "abc" else set())


def test_offsets_in_header_only(tmp_path):
    f = opened(tmp_path, maker.make(VALUES, text_data=("0", "0")))
    assert f.raw().tolist() == VALUES
    assert opened(tmp_path, maker.make(VALUES, version="FCS2.0")).raw().tolist() == VALUES


def test_gap_between_text_and_data(tmp_path):
    assert opened(tmp_path, maker.make(VALUES, gap=1000)).findings == []


@pytest.mark.parametrize(("shift", "code"), [(1, "data_end_one_too_far"), (-1, "data_end_one_short")])
@pytest.mark.parametrize("tail", [b"", b"00000000"])
def test_end_off_by_one(tmp_path, shift, code, tail):
    f = opened(tmp_path, maker.make(VALUES, end_shift=shift, tail=tail))
    assert f.raw().tolist() == VALUES
    assert codes(f) == {code}


def test_padding_after_the_events(tmp_path):
    f = opened(tmp_path, maker.make(VALUES, end_shift=100, tail=b"\0" * 60 + b" " * 60))
    assert f.raw().tolist() == VALUES
    assert codes(f) == {"data_padding"}


@pytest.mark.parametrize("cut", [1, 11, 12, 50, 95])
def test_truncated_file(tmp_path, cut):
    content = maker.make(VALUES, tail=b"")[:-cut]
    complete = (len(VALUES) * 12 - cut) // 12
    with pytest.raises(
        FCSTruncatedError, match=r"made\.fcs: declares 8 events of 12 bytes from byte \d+, but the file"
    ):
        opened(tmp_path, content)
    f = opened(tmp_path, content, partial=True)
    assert (f.n_events, f.declared_events) == (complete, 8)
    assert f.raw().tolist() == VALUES[:complete]
    assert codes(f) == {"truncated"}


def test_header_only(tmp_path):
    begin, _ = true_offsets()
    content = maker.make(VALUES)[:begin]
    with pytest.raises(FCSTruncatedError, match=r"copy or download the file again$"):
        opened(tmp_path, content)
    f = opened(tmp_path, content, partial=True)
    assert f.raw().shape == (0, 3)
    assert f.names == ["C1", "C2", "C3"]


def test_no_data_segment_at_all(tmp_path):
    content = maker.make(VALUES, header_data=(0, 0), text_data=("0", "0"))
    with pytest.raises(FCSError, match=r"declares 8 events \(\$TOT\) but no DATA segment"):
        opened(tmp_path, content)


@pytest.mark.parametrize("total", [9, 16, 10**6, 10**17])
def test_more_events_declared_than_there_are(tmp_path, total):
    content = maker.make(VALUES, keywords={"$TOT": str(total)})
    with pytest.raises(FCSTruncatedError, match=f"declares {total} events of 12 bytes"):
        opened(tmp_path, content)
    f = opened(tmp_path, content, partial=True)
    assert f.raw().tolist() == VALUES


@pytest.mark.parametrize("total", [0, 1, 7])
def test_fewer_events_declared_than_there_are(tmp_path, total):
    content = maker.make(VALUES, keywords={"$TOT": str(total)})
    surplus = 12 * (8 - total)
    with pytest.raises(FCSError, match=rf"DATA is {surplus} bytes longer than {total} events"):
        opened(tmp_path, content)
    f = opened(tmp_path, content, partial=True)
    assert f.raw().tolist() == VALUES[:total]
    assert codes(f) == {"data_longer"}


@pytest.mark.parametrize("total", [None, "", "many", "-5"])
def test_no_usable_total(tmp_path, total):
    f = opened(tmp_path, maker.make(VALUES, keywords={"$TOT": total}))
    assert f.raw().tolist() == VALUES
    assert codes(f) - {"empty_values"} == {"no_tot"}
    with pytest.raises(FCSError, match="holds no whole number of events of 12 bytes"):
        opened(tmp_path, maker.make(VALUES, keywords={"$TOT": total}, end_shift=5))


@pytest.mark.parametrize("change", [{"$PAR": "2"}, {"$P1B": "16"}, {"$P2B": "8"}, {"$P3B": "64"}])
def test_wrong_width_of_an_event_never_gives_a_matrix(tmp_path, change):
    with pytest.raises(FCSError):
        opened(tmp_path, maker.make(INTEGERS, datatype="I", bits=32, ranges=[4096] * 3, keywords=change))


def test_data_that_overlaps_text(tmp_path):
    content = maker.make(VALUES, header_data=(60, 60 + 95), text_data=("60", "155"))
    with pytest.raises(FCSError, match=r"DATA \(bytes 60 to 155\) overlaps TEXT"):
        opened(tmp_path, content)


@pytest.mark.parametrize("offset", [10**6, 10**12, 10**19, 2**63, 10**30])
def test_offsets_past_the_end(tmp_path, offset):
    content = maker.make(VALUES, header_data=(0, 0), text_data=(str(offset), str(offset + 95)))
    with pytest.raises(FCSError, match=r"made\.fcs: declares 8 events"):
        opened(tmp_path, content)


def test_second_data_set_bounds_the_first(tmp_path):
    first = {"values": VALUES, "tail": b""}
    content = maker.chain(first, {"values": VALUES})
    shorter = content.replace(b"/$TOT/8/", b"/$TOT/9/", 1)
    assert opened(tmp_path, content).raw().tolist() == VALUES
    with pytest.raises(FCSTruncatedError, match="declares 9 events"):
        opened(tmp_path, shorter)


def test_both_sets_of_one_file_are_independent(tmp_path):
    content = maker.chain({"values": VALUES}, {"values": INTEGERS, "datatype": "I", "bits": 16, "ranges": [65536] * 3})
    assert opened(tmp_path, content, dataset=0).raw().tolist() == VALUES
    np.testing.assert_array_equal(opened(tmp_path, content, dataset=1).raw(), np.array(INTEGERS))
