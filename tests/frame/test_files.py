"""Outputs appear whole or not at all; names are harmless."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import InputError
from immport_cyto.files import (
    atomic_path,
    atomic_paths,
    available_cores,
    check_writable,
    fcs_below,
    safe_name,
    sha256,
    workers,
    write_text,
)


def test_output_appears_only_at_the_end(tmp_path):
    target = tmp_path / "deep" / "out.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert [p.name for p in target.parent.iterdir()] == ["out.txt"]


def test_an_error_leaves_the_old_output(tmp_path):
    target = tmp_path / "out.txt"
    write_text(target, "old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unwritable_place_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="choose another output path"), atomic_path(tmp_path / "file" / "out.txt"):
        pass


def test_checksum_is_the_standard_one(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="cannot be read"):
        sha256(tmp_path / "none")


@given(st.text(max_size=300), st.text(max_size=300))
def test_safe_names_are_harmless_and_stay_different(first, second):
    for name in (safe_name(first), safe_name(second)):
        assert "/" not in name
        assert name not in ("", ".", "..")
        assert not name.startswith(".")
        assert len(name) <= 220
        assert name.isascii()
    if first != second:
        assert safe_name(first) != safe_name(second)


def test_fcs_files_are_found_by_name_or_content(tmp_path):
    named = ["a.fcs", "b.FCS", "c.LMD", "d.fcs.gz", "e.lmd.gz"]
    content = {"plate.B08": b"FCS3.0    ", "tube.001": b"FCS2.0    \0"}
    others = {"._a.fcs": b"\0\5\x16\7", "notes.txt": b"FCS3.0 files", "short": b"FCS3.0", "x.csv": b"FCS3.0,A\n"}
    for name in named:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "below").mkdir()
    for name, text in {**content, **others}.items():
        (tmp_path / "below" / name).write_bytes(text)
    (tmp_path / "folder.fcs").mkdir()
    assert {path.name for path in fcs_below(tmp_path)} == {*named, *content}
    assert fcs_below(tmp_path) == sorted(fcs_below(tmp_path))


def test_ordinary_names_stay():
    assert safe_name("Ki67ccr7_Hs60022.581846.fcs") == "Ki67ccr7_Hs60022.581846.fcs"
    assert safe_name("../../etc/passwd.fcs").endswith(".fcs")


def test_cores_are_those_that_the_process_may_use():
    assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cores", "memory", "need", "expected"),
    [(8, None, 1e6, 8), (8, 4000, 500, 8), (8, 4000, 501, 7), (8, 4000, 5000, 1), (1, 4000, 1, 1), (8, -50, 200, 1)],
)
def test_fewer_processes_where_memory_is_short_but_one_in_any_case(cores, memory, need, expected):
    assert workers(cores, memory, need) == expected


def test_several_outputs_appear_together(tmp_path):
    targets = {"a": tmp_path / "x" / "a.txt", "b": tmp_path / "y" / "deep" / "b.txt", "c": tmp_path / "x" / "c.txt"}
    with atomic_paths(targets) as temporary:
        for key, path in temporary.items():
            write_text(path, key)
            assert path.name == targets[key].name
        assert not any(target.exists() for target in targets.values())
    assert {key: target.read_text() for key, target in targets.items()} == {"a": "a", "b": "b", "c": "c"}
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["a.txt", "c.txt"]
    assert [path.name for path in (tmp_path / "y" / "deep").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_none_of_several_outputs_is_there(tmp_path, error):
    write_text(tmp_path / "x" / "old.txt", "old")
    targets = {1: tmp_path / "x" / "old.txt", 2: tmp_path / "new" / "deep" / "b.txt"}

    def fail():
        with atomic_paths(targets) as temporary:
            for path in temporary.values():
                write_text(path, "new")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["old.txt"]
    assert targets[1].read_text() == "old"


def test_outputs_below_a_file_are_refused_before_work(tmp_path):
    write_text(tmp_path / "file", "")
    with pytest.raises(InputError, match=r"file/deep/a.tsv: cannot be written \(.*file is a file\); choose another"):
        check_writable(None, tmp_path / "ok" / "a.tsv", tmp_path / "file" / "deep" / "a.tsv")
    with pytest.raises(InputError, match=r"cannot be written \(it is a folder\)"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match=r"file/b: cannot be written"), atomic_paths({0: tmp_path / "file" / "b"}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
