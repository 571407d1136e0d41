"""Damaged and hostile files: a clear error or a reading that says what it did, never a crash, a hang or a blow-up."""

import contextlib
import gzip
import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immport_cyto import fcs
from immport_cyto.exceptions import CompensationError, FCSError
from support import fcs_maker as maker

FLOATS = [[float(i * 4 + j) for j in range(4)] for i in range(20)]
INTEGERS = [[i * 10 + j for j in range(4)] for i in range(20)]
NAMES = ["FSC-A", "SSC-A", "FL1-A", "Time"]
SEEDS = {
    "float": maker.make(FLOATS, names=NAMES, keywords={"SPILL": "2,SSC-A,FL1-A,1,0.1,0,1", "$TIMESTEP": "0.01"}),
    "integer": maker.make(
        INTEGERS, names=NAMES, datatype="I", bits=[16, 8, 24, 32], byteord="4,3,2,1", ranges=[1024, 256, 2**24, 2**32],
        amplification=["4,1", "0,0", "0,0", "0,0"], version="FCS3.0",
    ),
    "text": maker.make(INTEGERS, names=NAMES, datatype="A", bits=[4, 5, 6, 7], version="FCS2.0"),
    "mixed": maker.make(FLOATS, names=NAMES, version="FCS3.2", datatypes=["", "D", "I", ""], bits=[32, 64, 16, 32],
                        ranges=[1024] * 4, supplemental=b"/X/y/", analysis=b"/G/1/"),
    "two": maker.chain({"values": FLOATS}, {"values": INTEGERS, "datatype": "I", "bits": 16, "ranges": [1024] * 4}),
}  # fmt: skip
INTERESTING = [
    b"0",
    b"-1",
    b"99999999",
    b"4294967296",
    b"9" * 18,
    b"*",
    b"\0",
    b"/",
    b"//",
    b"\xff",
    b" ",
    b"$P1N",
    b"NaN",
]


def exercise(path):
    """Read a file in every way; whatever comes back fits the description of the file."""
    for partial in (False, True):
        try:
            f = fcs.open(path, partial=partial)
            raw = f.raw()
            assert raw.shape == (f.n_events, f.n_channels)
            assert raw.dtype.isnative
            assert f.n_events * f._layout.event_bytes <= f.size
            assert f.raw([0], stop=2).shape == (min(2, f.n_events), 1)
            assert len(f.channels) == f.n_channels
            f.analysis()
            with contextlib.suppress(FCSError):
                assert f.events().shape == raw.shape
            try:
                spillover = f.spillover()
            except CompensationError:
                continue
            if spillover is not None:
                assert spillover.matrix.shape == (len(spillover.channels),) * 2
                assert np.isfinite(spillover.matrix).all()
        except FCSError as error:
            message = str(error)
            assert message.startswith(f"{path}: ")
            assert "\n" not in message
            assert len(message) < 600 + len(str(path))


def mutate(rng, content):
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        kind = rng.randrange(6)
        # HEADER and TEXT decide; most of the damage goes there
        place = rng.randrange(min(len(data), rng.choice([58, 600, len(data)])))
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.choice([1, 2, 8, 100])]
        elif kind == 2:
            piece = rng.choice(INTERESTING)
            data[place : place + len(piece)] = piece
        elif kind == 3:
            data[place:place] = rng.choice(INTERESTING)
        elif kind == 4:
            del data[place:]
        else:
            other = rng.randrange(len(data))
            data[place : place + 8] = data[other : other + 8]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("seed", sorted(SEEDS))
def test_mutated_bytes(tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311 - damage, not cryptography
    path = tmp_path / "mutated.fcs"
    for _ in range(400):
        path.write_bytes(mutate(rng, SEEDS[seed]))
        exercise(path)


VALUES = [
    b"0", b"-1", b"1", b"3", b"64", b"1e9", b"1e400", b"NaN", b"*", b"", b" ", b"4,1", b"1,2", b"3,4,1,2", b"1,1,1,1",
    b"I", b"F", b"D", b"A", b"C", b"0x10", b"\xff\xfe", b"1.5", b"1_000", "\u0663".encode(), b"9" * 30,
]  # fmt: skip
KEYS = [b"$TOT", b"$PAR", b"$P1B", b"$P2R", b"$NEXTDATA", b"$BEGINDATA", b"$ENDDATA", b"$BEGINSTEXT", b"SPILL"]


def mutate_keywords(rng, content):
    """Change, swap, repeat, rename and drop keywords; TEXT keeps its place where it gets no longer."""
    end = int(content[18:26])
    text = content[58 : end + 1]
    delimiter = text[:1]
    parts = text[1:-1].split(delimiter)
    for _ in range(rng.choice([1, 1, 2, 3])):
        place, kind = rng.randrange(0, len(parts) // 2 * 2, 2), rng.randrange(5)
        if kind == 0:
            parts[place + 1] = rng.choice(VALUES)
        elif kind == 1:
            parts[place + 1] = parts[rng.randrange(0, len(parts) // 2 * 2, 2) + 1]
        elif kind == 2:
            parts[place : place + 2] = []
        elif kind == 3:
            parts += [parts[place], rng.choice(VALUES)]
        else:
            parts[place] = rng.choice(KEYS)
    new = delimiter + delimiter.join(parts) + delimiter
    return content[:58] + new.ljust(len(text)) + content[end + 1 :]


@pytest.mark.parametrize("seed", sorted(SEEDS))
def test_mutated_keywords(tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311 - damage, not cryptography
    path = tmp_path / "mutated.fcs"
    for _ in range(200):
        path.write_bytes(mutate_keywords(rng, SEEDS[seed]))
        exercise(path)


def test_damaged_gzip(tmp_path):
    rng = random.Random(1)  # noqa: S311 - damage, not cryptography
    path = tmp_path / "x.fcs.gz"
    for _ in range(150):
        packed = bytearray(gzip.compress(SEEDS["float"], mtime=0))
        packed[rng.randrange(2, len(packed))] = rng.randrange(256)
        path.write_bytes(packed[: rng.choice([len(packed), rng.randrange(2, len(packed))])])
        exercise(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(
        ["$TOT", "$PAR", "$P1B", "$P2R", "$P1E", "$P3N", "$BYTEORD", "$DATATYPE", "$NEXTDATA", "$BEGINSTEXT", "$P1G",
         "SPILL", "$COMP", "$DFC1TO2", "$TIMESTEP", "$MODE", "$P4DATATYPE"]
    ),
    value=st.text(max_size=20) | st.integers().map(str) | st.floats().map(str) | st.lists(st.integers(0, 9)).map(str),
)  # fmt: skip
def test_any_value_of_a_keyword(tmp_path, key, value):
    path = tmp_path / "value.fcs"
    path.write_bytes(maker.make(FLOATS, names=NAMES, keywords={key: value}))
    exercise(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_any_text(tmp_path, text):
    path = tmp_path / "text.fcs"
    head = f"FCS3.1    {58:>8}{57 + len(text):>8}{0:>8}{0:>8}{0:>8}{0:>8}".encode()
    path.write_bytes(head + text)
    exercise(path)


@pytest.mark.parametrize("seed", ["float", "integer", "mixed"])
@pytest.mark.parametrize("change", ["$TOT", "$PAR", "$P1B", "$P4B"])
@pytest.mark.parametrize("delta", [-16, -8, -1, 1, 8, 16])
def test_contradictions_are_never_read_silently(tmp_path, seed, change, delta):
    """One structural number changed: an error, or the original matrix with a finding."""
    path = maker.write(tmp_path / "x.fcs", SEEDS[seed])
    original = fcs.open(path)
    before = int(original.keywords[change])
    old, new = f"/{change}/{before}/".encode(), f"/{change}/{before + delta}/".encode()
    if before + delta < 0 or len(new) != len(old):
        return
    path.write_bytes(SEEDS[seed].replace(old, new))
    try:
        f = fcs.open(path)
    except FCSError:
        return
    assert len(f.findings) > len(original.findings)
    np.testing.assert_array_equal(f.raw(), original.raw())


@pytest.mark.parametrize(
    "keywords",
    [
        {"$TOT": "9" * 17},
        {"$PAR": "9" * 9},
        {"$TOT": "9" * 17, "$P1B": "64"},
        {"SPILL": "1000," + "x," * 1000},
        {"$P1R": "9" * 20},
        {"$NEXTDATA": "9" * 18},
        {"$DATATYPE": "A", **{f"$P{n}B": "*" for n in range(1, 5)}, "$TOT": "9" * 15},
        {"$BEGINSTEXT": "60", "$ENDSTEXT": "9" * 18},
    ],
)
def test_declared_sizes_cost_no_memory(tmp_path, keywords):
    path = maker.write(tmp_path / "huge.fcs", maker.make(FLOATS, names=NAMES, keywords=keywords))
    tracemalloc.start()
    try:
        exercise(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_memory_of_a_large_file(tmp_path):
    """A matrix of 32 MB of packed integers costs little more than itself, a few channels little more than those."""
    n = 1_000_000
    content = maker.make(
        [[0] * 8], datatype="I", bits=32, ranges=[2**18] * 8, data=bytes(32), keywords={"$TOT": f"{n}"}, tail=b"",
        text_data=("0", "0"),
    )  # fmt: skip
    begin = int(content[26:34])
    content = content.replace(content[34:42], f"{begin + 32 * n - 1:>8}".encode(), 1)[:begin]
    path = tmp_path / "large.fcs"
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(begin + 32 * n)
    tracemalloc.start()
    try:
        f = fcs.open(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
        assert f.raw([3, 5]).nbytes == 8 * n
        assert tracemalloc.get_traced_memory()[1] < 8 * n + 40e6
        tracemalloc.reset_peak()
        assert f.events().shape == (n, 8)
        assert tracemalloc.get_traced_memory()[1] < 32 * n * 1.5 + 60e6
    finally:
        tracemalloc.stop()
