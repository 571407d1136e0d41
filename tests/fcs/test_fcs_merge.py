"""``fcs merge``, ``fcs split`` and ``fcs sample``: which events, in which order, and what is refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import fcs
from immport_cyto.cli.fcs import group
from immport_cyto.exceptions import AnalysisError, FCSError, OptionError, OutputExistsError, PanelError
from immport_cyto.fcs.merge import merge
from immport_cyto.fcs.sampling import Plan, choose, quotas, sample
from immport_cyto.fcs.split import split
from support import fcs_maker as maker


def run(*arguments):
    return CliRunner().invoke(group, [*map(str, arguments)])


def make(folder, name, n, first=0.0, channels=(("A", ""), ("B", "CD3"), ("Time", "")), keywords=None):
    values = np.arange(n * len(channels), dtype=np.float32).reshape(n, len(channels)) + np.float32(first)
    fcs.write(folder / name, values, [fcs.Channel(i, *c, range=1024.0) for i, c in enumerate(channels, 1)], keywords)
    return folder / name


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shared = {"$CYT": "made", "$P2V": "450"}
    return {
        "b.fcs": make(folder, "b.fcs", 30, 1000, keywords={**shared, "$FIL": "b"}),
        "a.fcs": make(folder, "a.fcs", 10, 0, keywords={**shared, "$FIL": "a"}),
        "c.fcs": make(folder, "c.fcs", 60, 5000, keywords={**shared, "$FIL": "c", "$P3V": "1"}),
    }


COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 60), min_size=1, max_size=6)


@given(counts=COUNTS, total=st.integers(1, 250))
def test_quotas(counts, total):
    equal, proportional = quotas(counts, total, "equal"), quotas(counts, total, "proportional")
    everything = sum(counts.values())
    for given_ in (equal, proportional):
        assert sum(given_.values()) == min(total, everything)
        assert all(0 <= given_[name] <= counts[name] for name in counts)
    # nobody who could give more gives less than another, but for the remainder
    short = [equal[name] for name in counts if equal[name] < counts[name]]
    assert not short or max(equal.values()) - min(short) <= 1
    if total < everything:
        assert all(abs(proportional[name] - total * counts[name] / everything) < 1 for name in counts)


def test_quotas_by_hand():
    counts = {"a": 10, "b": 30, "c": 60}
    assert quotas(counts, 50, "equal") == {"a": 10, "b": 20, "c": 20}
    assert quotas(counts, 20, "equal") == {"a": 7, "b": 7, "c": 6}
    assert quotas(counts, 25, "proportional") == {"a": 3, "b": 7, "c": 15}
    assert quotas(counts, 500, "equal") == counts


def test_merge_takes_all_events_in_the_order_of_the_names(files, tmp_path):
    target = tmp_path / "m.fcs"
    merged = merge(files, target)
    f = fcs.open(target)
    assert f.names == ["A", "B", "Time", "File"]
    parts = [fcs.open(files[name]).events() for name in ("a.fcs", "b.fcs", "c.fcs")]
    np.testing.assert_array_equal(f.events(["A", "B", "Time"]), np.concatenate(parts))
    np.testing.assert_array_equal(f.events(["File"])[:, 0], np.repeat([1, 2, 3], [10, 30, 60]))
    assert [c.pns for c in f.channels] == ["", "CD3", "", "number of the file"]
    assert (f.keywords["$CYT"], f.keywords["$P2V"]) == ("made", "450")
    assert "$FIL" not in f.keywords
    assert "$P3V" not in f.keywords
    assert json.loads(f.keywords["ICYTO_MERGED"]) == [
        {"name": "a.fcs", "events": 10}, {"name": "b.fcs", "events": 30}, {"name": "c.fcs", "events": 60},
    ]  # fmt: skip
    assert merged.warnings == []
    reverse = tmp_path / "r.fcs"
    merge(dict(reversed(files.items())), reverse)
    assert reverse.read_bytes() == target.read_bytes()


def test_merged_file_is_split_into_the_same_files(files, tmp_path):
    merge(files, tmp_path / "m.fcs")
    rows = split("m.fcs", tmp_path / "m.fcs", tmp_path / "out", by="File")
    assert rows == [
        {"file_name": "a.fcs", "value": 1, "n_events": 10}, {"file_name": "b.fcs", "value": 2, "n_events": 30},
        {"file_name": "c.fcs", "value": 3, "n_events": 60},
    ]  # fmt: skip
    for name, path in files.items():
        old, new = fcs.open(path), fcs.open(tmp_path / "out" / name)
        np.testing.assert_array_equal(new.events(), old.events())
        assert [(c.pnn, c.pns, c.range) for c in new.channels] == [(c.pnn, c.pns, c.range) for c in old.channels]
        assert new.keywords["$CYT"] == "made"
        assert json.loads(new.keywords["ICYTO_SPLIT"])["by"] == "File"


def test_merge_of_a_sample_is_seeded(files, tmp_path):
    plan = Plan(total=50, seed=7)
    merged = merge(files, tmp_path / "m.fcs", plan)
    assert [row["n_events_out"] for row in merged.rows] == [10, 20, 20]
    values = fcs.open(tmp_path / "m.fcs").events(["A", "B", "Time"])
    b = fcs.open(files["b.fcs"]).events()
    np.testing.assert_array_equal(values[10:30], b[choose("b.fcs", 30, 20, 7)])
    merge(files, tmp_path / "again.fcs", plan)
    assert (tmp_path / "again.fcs").read_bytes() == (tmp_path / "m.fcs").read_bytes()
    merge(files, tmp_path / "other.fcs", Plan(total=50, seed=8))
    assert (tmp_path / "other.fcs").read_bytes() != (tmp_path / "m.fcs").read_bytes()
    assert json.loads(fcs.open(tmp_path / "m.fcs").keywords["ICYTO_SAMPLE"]) == {
        "per_file": None, "total": 50, "quota": "equal", "seed": 7,
    }  # fmt: skip


def test_channels_are_matched_by_name_in_any_order(files, tmp_path):
    d = make(tmp_path, "d.fcs", 2, channels=(("Time", ""), ("B", "cd-3"), ("A", "")), keywords={"$P2V": "450"})
    merge({"a.fcs": files["a.fcs"], "d.fcs": d}, tmp_path / "m.fcs", file_channel="")
    f = fcs.open(tmp_path / "m.fcs")
    assert f.names == ["A", "B", "Time"]
    np.testing.assert_array_equal(f.events(start=10), [[2, 1, 0], [5, 4, 3]])
    assert (f.channels[1].pns, f.keywords["$P2V"]) == ("CD3", "450")


def test_different_channels(files, tmp_path):
    d = make(tmp_path, "d.fcs", 2, channels=(("B", "CD3"), ("Time", ""), ("D", "")))
    both = {"a.fcs": files["a.fcs"], "d.fcs": d}
    with pytest.raises(PanelError) as caught:
        merge(both, tmp_path / "m.fcs")
    assert str(caught.value) == (
        "d.fcs: lacks A and has D in addition, compared with a.fcs; use --channels common to keep what all have"
    )
    merged = merge(both, tmp_path / "m.fcs", channels="common")
    f = fcs.open(tmp_path / "m.fcs")
    assert f.names == ["B", "Time", "File"]
    np.testing.assert_array_equal(f.events(start=10), [[0, 1, 2], [3, 4, 2]])
    assert merged.warnings == [
        "a.fcs: A left out, because not all files have it", "d.fcs: D left out, because not all files have it",
    ]  # fmt: skip
    e = make(tmp_path, "e.fcs", 2, channels=(("X", ""),))
    with pytest.raises(PanelError, match="the 2 files have no channel in common; merge files of one panel"):
        merge({"a.fcs": files["a.fcs"], "e.fcs": e}, tmp_path / "m2.fcs", channels="common")


def test_different_stains_are_an_error_unless_they_are_ignored(files, tmp_path):
    d = make(tmp_path, "d.fcs", 2, channels=(("A", "CD8"), ("B", "CD4"), ("Time", "")))
    both = {"a.fcs": files["a.fcs"], "d.fcs": d}
    with pytest.raises(PanelError, match=r"channel B is 'CD3' in a.fcs and 'CD4' in d.fcs; correct \$PnS, or merge"):
        merge(both, tmp_path / "m.fcs")
    merged = merge(both, tmp_path / "m.fcs", ignore_stains=True)
    assert merged.warnings == [
        "channel A is 'CD8', but 1 of 2 files give no stain",
        "channel B is 'CD3' in a.fcs and 'CD4' in d.fcs; merged all the same",
    ]
    assert [c.pns for c in fcs.open(tmp_path / "m.fcs").channels][:2] == ["CD8", "CD3"]


def test_keywords_that_cannot_be_shared_are_reported(tmp_path):
    names = {"a.fcs": ("1,A,1", "0.01"), "b.fcs": ("1,A,2", "0.02")}
    files = {n: make(tmp_path, n, 1, keywords={"SPILL": s, "$TIMESTEP": t}) for n, (s, t) in names.items()}
    merged = merge(files, tmp_path / "m.fcs")
    assert fcs.open(tmp_path / "m.fcs").spillover() is None
    assert merged.warnings == [
        "the files have different spillover matrices; the merged file has none, so compensate before",
        "the files have different $TIMESTEP; Time of the merged file has no single unit",
    ]


def test_roles_of_preprocessed_channels_go_with_them(tmp_path):
    three, two = (("A", ""), ("B", ""), ("C", "")), (("C", ""), ("B", ""))
    a = make(tmp_path, "a.fcs", 1, channels=three, keywords={"ICYTO_P2ROLE": "dna", "ICYTO_P3ROLE": "marker"})
    b = make(tmp_path, "b.fcs", 1, channels=two, keywords={"ICYTO_P1ROLE": "marker", "ICYTO_P2ROLE": "time"})
    merge({"a.fcs": a, "b.fcs": b}, tmp_path / "m.fcs", channels="common")
    f = fcs.open(tmp_path / "m.fcs")
    assert f.names == ["B", "C", "File"]
    assert {key: value for key, value in f.keywords.items() if key.endswith("ROLE")} == {"ICYTO_P2ROLE": "marker"}


def test_names_of_channels_that_stand_in_the_way(files, tmp_path):
    twice = tmp_path / "d.fcs"
    fcs.write(twice, [[1.0, 2.0]], [("A", ""), ("A", "")])
    with pytest.raises(PanelError, match="d.fcs: the channel name 'A' is there more than once"):
        merge({"d.fcs": twice}, tmp_path / "m.fcs")
    with pytest.raises(PanelError, match="has a channel 'Time' already; choose another name with --file-channel"):
        merge(files, tmp_path / "m.fcs", file_channel="Time")


def test_merge_of_scaled_integers_and_of_no_events(tmp_path):
    integers = maker.make([[512]], datatype="I", bits=16, ranges=[1024], amplification=["4,1"], names=["A"])
    files = {
        "a.fcs": maker.write(tmp_path / "a.fcs", integers),
        "b.fcs": make(tmp_path, "b.fcs", 0, channels=(("A", ""),)),
    }
    merge(files, tmp_path / "m.fcs")
    f = fcs.open(tmp_path / "m.fcs")
    np.testing.assert_allclose(f.events(), [[100.0, 1.0]])
    assert f.channels[0].range == 10_000.0
    merge({"b.fcs": files["b.fcs"]}, tmp_path / "none.fcs")
    assert fcs.open(tmp_path / "none.fcs").n_events == 0


def test_nan_goes_through(tmp_path):
    fcs.write(tmp_path / "a.fcs", [[np.nan], [1.0]], [("A", "")])
    merge({"a.fcs": tmp_path / "a.fcs"}, tmp_path / "m.fcs", file_channel="")
    np.testing.assert_array_equal(fcs.open(tmp_path / "m.fcs").events(), [[np.nan], [1.0]])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 300), wanted=st.integers(1, 300), seed=st.integers(0, 5))
def test_choice(n, wanted, seed):
    positions = choose("x", n, wanted, seed)
    if wanted >= n:
        assert positions is None
        return
    assert len(positions) == wanted
    assert (np.diff(positions) > 0).all()
    assert positions[0] >= 0
    assert positions[-1] < n


def test_sample_keeps_order_and_does_not_depend_on_other_files(files, tmp_path):
    rows = sample(files, {name: tmp_path / "all" / name for name in files}, Plan(per_file=20, seed=3))
    assert rows == [
        {"file_name": "a.fcs", "n_events_in": 10, "n_events_out": 10},
        {"file_name": "b.fcs", "n_events_in": 30, "n_events_out": 20},
        {"file_name": "c.fcs", "n_events_in": 60, "n_events_out": 20},
    ]
    sample({"c.fcs": files["c.fcs"]}, {"c.fcs": tmp_path / "one" / "c.fcs"}, Plan(per_file=20, seed=3))
    assert (tmp_path / "one" / "c.fcs").read_bytes() == (tmp_path / "all" / "c.fcs").read_bytes()
    old, new = fcs.open(files["c.fcs"]), fcs.open(tmp_path / "all" / "c.fcs")
    np.testing.assert_array_equal(new.events(), old.events()[choose("c.fcs", 60, 20, 3)])
    assert {
        k: v for k, v in old.keywords.items() if k not in ("$TOT", "$BEGINDATA", "$ENDDATA")
    }.items() <= new.keywords.items()
    assert json.loads(new.keywords["ICYTO_SAMPLE"]) == {
        "per_file": 20, "total": None, "quota": "equal", "seed": 3, "n_events_in": 60, "n_events_out": 20,
    }  # fmt: skip


def test_every_event_is_equally_likely(tmp_path):
    hits = np.zeros(20)
    for seed in range(2000):
        hits[choose("x", 20, 5, seed)] += 1
    # binomial with n = 2000, p = 1/4: standard deviation 19.4
    assert abs(hits - 500).max() < 5 * 19.4


def test_split_by_label_and_in_pieces(tmp_path):
    values = np.array([[1.5, 2], [2.5, 1], [3.5, 2], [4.5, -1], [5.5, 2]], np.float32)
    source = tmp_path / "s.fcs"
    fcs.write(source, values, [("A", ""), ("meta/cluster", "")], {"K": "v"})
    rows = split("day 1.fcs", source, tmp_path / "by", by="meta/cluster")
    assert [(row["file_name"], row["n_events"]) for row in rows] == [
        ("day 1_meta_cluster--1.fcs", 1), ("day 1_meta_cluster-1.fcs", 1), ("day 1_meta_cluster-2.fcs", 3),
    ]  # fmt: skip
    f = fcs.open(tmp_path / "by" / "day 1_meta_cluster-2.fcs")
    np.testing.assert_array_equal(f.events(), values[[0, 2, 4]])
    assert f.keywords["K"] == "v"
    rows = split("s.fcs", source, tmp_path / "parts", n_events=2)
    assert [(row["file_name"], row["n_events"]) for row in rows] == [
        ("s_part-001.fcs", 2), ("s_part-002.fcs", 2), ("s_part-003.fcs", 1),
    ]  # fmt: skip
    parts = [fcs.open(tmp_path / "parts" / row["file_name"]).events() for row in rows]
    np.testing.assert_array_equal(np.concatenate(parts), values)


def test_split_refuses_measurements(tmp_path):
    source = tmp_path / "s.fcs"
    fcs.write(source, [[0.5, np.nan], [1.0, 2.0]], [("A", ""), ("B", "")])
    for by in "AB":
        with pytest.raises(AnalysisError, match=f"s.fcs: channel {by} holds values that are no whole numbers"):
            split("s.fcs", source, tmp_path / "o", by=by)
    with pytest.raises(FCSError, match="there is no channel 'C'"):
        split("s.fcs", source, tmp_path / "o", by="C")
    with pytest.raises(OptionError, match="give either a channel"):
        split("s.fcs", source, tmp_path / "o")
    fcs.write(source, np.arange(2000.0)[:, None], [("A", "")])
    with pytest.raises(AnalysisError, match="holds 2000 different numbers"):
        split("s.fcs", source, tmp_path / "o", by="A")


@pytest.mark.parametrize("n", [0, 1])
def test_split_of_few_events(tmp_path, n):
    source = make(tmp_path, "s.fcs", n, channels=(("A", ""),))
    assert [row["n_events"] for row in split("s.fcs", source, tmp_path / "o", by="A")] == [1] * n
    assert [row["n_events"] for row in split("s.fcs", source, tmp_path / "p", n_events=10)] == [n]


def test_commands_record_what_they_did(files, tmp_path):
    record = tmp_path / "p.json"
    inputs = list(files.values())
    result = run(
        "merge", *inputs, "--out", tmp_path / "m.fcs", "--total", 25, "--quota", "proportional", "--json", record
    )
    assert result.stdout.splitlines() == [
        "a.fcs: 3 of 10 events", "b.fcs: 7 of 30 events", "c.fcs: 15 of 60 events",
    ]  # fmt: skip
    entry = json.loads(record.read_text())
    assert entry["counts"] == {"files": 3, "n_events_in": 100, "n_events_out": 25}
    assert entry["parameters"]["quota"] == "proportional"
    assert entry["channels"] == ["A", "B", "Time", "File"]
    result = run("sample", *inputs, "--out-dir", tmp_path / "s", "--per-file", 5, "--seed", 1, "--json", record)
    assert result.exit_code == 0, result.output
    assert json.loads(record.read_text())["counts"] == {"files": 3, "n_events_in": 100, "n_events_out": 15}
    result = run("split", tmp_path / "m.fcs", "--by", "File", "--out-dir", tmp_path / "o", "--json", record)
    assert result.stdout.splitlines() == ["a.fcs: 3 events", "b.fcs: 7 events", "c.fcs: 15 events"]
    assert json.loads(record.read_text())["counts"] == {"files": 3, "n_events_out": 25}


def test_names_of_a_list_do_not_lead_out_of_the_folder(files, tmp_path):
    listed = tmp_path / "files.json"
    listed.write_text(json.dumps([{"name": "../../x.fcs", "path": str(files["a.fcs"])}]))
    result = run("sample", "--files", listed, "--per-file", 1, "--out-dir", tmp_path / "s")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["_.._x.fcs"]


def test_wrong_use(files, tmp_path):
    source = files["a.fcs"]
    assert run("sample", source, "--out-dir", tmp_path).exit_code == 2
    assert run("sample", source, "--out-dir", tmp_path, "--total", 5, "--per-file", 5).exit_code == 2
    assert run("split", source, "--out-dir", tmp_path).exit_code == 2
    assert isinstance(run("merge", source, "--out", source).exception, OutputExistsError)
    over = run("sample", source, "--out-dir", source.parent, "--per-file", 2).exception
    assert isinstance(over, OutputExistsError)
    assert fcs.open(source).n_events == 10
    with pytest.raises(OptionError, match="exclude each other"):
        Plan(per_file=1, total=1).of({"a": 1})
    with pytest.raises(OptionError, match="0 events are wanted"):
        Plan(per_file=0).of({"a": 1})
    bad = maker.write(tmp_path / "bad.fcs", b"<html>")
    assert isinstance(run("merge", source, bad, "--out", tmp_path / "m.fcs").exception, FCSError)
    assert not (tmp_path / "m.fcs").exists()
