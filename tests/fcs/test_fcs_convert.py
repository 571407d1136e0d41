"""``fcs convert``: there and back without a lost bit, and each bad table."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immport_cyto import fcs
from immport_cyto.cli.fcs import group
from immport_cyto.exceptions import FCSError, InputError, MissingExtraError, OptionError, OutputExistsError, TableError
from immport_cyto.fcs import delimited
from immport_cyto.fcs.containers import text_as_objects
from immport_cyto.fcs.convert import from_fcs, to_fcs
from immport_cyto.fcs.description import unique
from support import fcs_maker as maker

VALUES = np.array([[1.5, -0.1, 3.0], [np.nan, np.inf, 2.0**24], [1e-30, 0.30000001192092896, -0.0]], np.float32)


def run(*arguments):
    return CliRunner().invoke(group, ["convert", *map(str, arguments)])


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "s.fcs"
    channels = [fcs.Channel(1, "FSC-A", range=262144.0), fcs.Channel(2, "PE, Cy7-A", "CD3"), fcs.Channel(3, "Time")]
    fcs.write(path, VALUES, channels, {"$CYT": "made", "NOTE": 'a "b" µ', "$P2V": "450"})
    return path


def same(again, source):
    old, new = fcs.open(source), fcs.open(again)
    np.testing.assert_array_equal(new.events(), old.events())
    assert (np.signbit(new.events()) == np.signbit(old.events())).all()
    assert [(c.pnn, c.pns, c.range) for c in new.channels] == [(c.pnn, c.pns, c.range) for c in old.channels]
    structure = ("$BEGIN", "$END")
    assert {k: v for k, v in new.keywords.items() if not k.startswith(structure)} == {
        k: v for k, v in old.keywords.items() if not k.startswith(structure)
    }


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_text_and_back(source, tmp_path, suffix):
    table, keywords, again = tmp_path / f"t.{suffix}", tmp_path / "k.json", tmp_path / "again.fcs"
    assert run(source, "--out", table, "--keywords", keywords).exit_code == 0
    lines = table.read_text().splitlines()
    delimiter = {"tsv": "\t", "csv": ","}[suffix]
    assert lines[0] == {"tsv": "FSC-A\tPE, Cy7-A\tTime", "csv": 'FSC-A,"PE, Cy7-A",Time'}[suffix]
    assert [line.split(delimiter) for line in lines[1:]] == [
        ["1.5", "-0.1", "3.0"], ["", "inf", "1.6777216e+07"], ["1e-30", "0.3", "-0.0"],
    ]  # fmt: skip
    result = run(table, "--out", again, "--keywords", keywords)
    assert result.exit_code == 0, result.output
    assert "warning: t." + suffix + ": column FSC-A has 1 values that are empty or infinite" in result.stderr
    same(again, source)


def test_table_without_description_gives_names_only(source, tmp_path):
    run(source, "--out", tmp_path / "t.tsv")
    run(tmp_path / "t.tsv", "--out", tmp_path / "again.fcs")
    f = fcs.open(tmp_path / "again.fcs")
    assert [(c.pnn, c.pns) for c in f.channels] == [("FSC-A", ""), ("PE, Cy7-A", ""), ("Time", "")]
    np.testing.assert_array_equal(f.events(), VALUES)


def test_added_column_keeps_the_description_of_the_others(source, tmp_path):
    table, keywords = tmp_path / "t.tsv", tmp_path / "k.json"
    run(source, "--out", table, "--keywords", keywords)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0] + "\tcluster", *[f"{line}\t7" for line in lines[1:]]]) + "\n")
    run(table, "--out", tmp_path / "again.fcs", "--keywords", keywords)
    f = fcs.open(tmp_path / "again.fcs")
    assert [(c.pnn, c.pns) for c in f.channels][1:] == [("PE, Cy7-A", "CD3"), ("Time", ""), ("cluster", "")]
    assert (f.events(["cluster"]) == 7).all()
    assert (f.keywords["$P2V"], f.keywords["$CYT"]) == ("450", "made")


@settings(max_examples=50, deadline=None)
@given(values=hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(2, 4)), elements=st.floats(width=32)))
def test_text_holds_every_float(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("text") / "t.tsv"
    names = [f"C{i}" for i in range(values.shape[1])]
    delimited.write(path, names, [values], "\t")
    found, again = delimited.read(path, "\t")
    assert found == names
    np.testing.assert_array_equal(again, values)


@pytest.mark.parametrize(("format_", "package"), [("parquet", "pyarrow"), ("h5ad", "anndata")])
def test_containers_and_back(source, tmp_path, format_, package):
    pytest.importorskip(package)
    table, again = tmp_path / f"t.{format_}", tmp_path / "again.fcs"
    from_fcs(source, table, format_)
    done = to_fcs(table, again, format_)
    assert done.names == ("FSC-A", "PE, Cy7-A", "Time")
    same(again, source)


def test_h5ad_as_others_see_it(source, tmp_path):
    anndata = pytest.importorskip("anndata")
    from_fcs(source, tmp_path / "t.h5ad", "h5ad")
    data = anndata.read_h5ad(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(data.X, VALUES)
    assert list(data.var_names) == ["FSC-A", "PE, Cy7-A", "Time"]
    assert list(data.var["pns"]) == ["", "CD3", ""]
    with text_as_objects():
        plain = anndata.AnnData(X=np.ones((2, 1), np.float32), var={"pns": ["CD4"]})
        plain.var_names = ["FITC-A"]
        plain.write_h5ad(tmp_path / "plain.h5ad")
    to_fcs(tmp_path / "plain.h5ad", tmp_path / "plain.fcs", "h5ad")
    channel = fcs.open(tmp_path / "plain.fcs").channels[0]
    assert (channel.pnn, channel.pns) == ("FITC-A", "CD4")


def test_parquet_of_text_is_an_error(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"A": [1.0], "name": ["x"]}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"column 'name' holds string, no numbers; leave it out"):
        to_fcs(tmp_path / "t.parquet", tmp_path / "x.fcs", "parquet")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(TableError, match=r"bad.parquet: cannot be read as Parquet"):
        to_fcs(tmp_path / "bad.parquet", tmp_path / "x.fcs", "parquet")


@pytest.mark.parametrize(
    ("format_", "package", "extra"), [("parquet", "pyarrow", "parquet"), ("h5ad", "anndata", "anndata")]
)
def test_missing_extra_is_named(source, tmp_path, monkeypatch, format_, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingExtraError, match=rf"{package} is not installed: run  pip install 'immport-cyto\[{extra}\]'"
    ):
        from_fcs(source, tmp_path / f"t.{format_}", format_)
    with pytest.raises(MissingExtraError):
        to_fcs(source, tmp_path / "x.fcs", format_)
    assert not (tmp_path / f"t.{format_}").exists()


def test_channels_in_the_order_asked_for(source, tmp_path):
    run(source, "--out", tmp_path / "t.tsv", "--channels", "Time,FSC-A")
    assert (tmp_path / "t.tsv").read_text().splitlines()[:2] == ["Time\tFSC-A", "3.0\t1.5"]
    run(tmp_path / "t.tsv", "--out", tmp_path / "x.fcs", "--channels", "FSC-A")
    assert fcs.open(tmp_path / "x.fcs").names == ["FSC-A"]
    result = run(source, "--out", tmp_path / "u.tsv", "--channels", "FITC-A")
    assert isinstance(result.exception, FCSError)
    assert "there is no channel 'FITC-A'" in str(result.exception)
    result = run(tmp_path / "t.tsv", "--out", tmp_path / "u.fcs", "--channels", "FITC-A")
    assert "there is no column 'FITC-A'; the table has Time, FSC-A" in str(result.exception)


def test_raw_and_scaled_integers(tmp_path):
    content = maker.make(
        [[0], [512], [1023]], datatype="I", bits=16, ranges=[1024], amplification=["4,1"], names=["FL1"]
    )
    source = maker.write(tmp_path / "s.fcs", content)
    keywords = tmp_path / "k.json"
    run(source, "--out", tmp_path / "raw.tsv", "--raw", "--keywords", keywords)
    assert (tmp_path / "raw.tsv").read_text() == "FL1\n0\n512\n1023\n"
    run(source, "--out", tmp_path / "scaled.tsv")
    assert (tmp_path / "scaled.tsv").read_text().splitlines()[:3] == ["FL1", "1.0", "100.0"]
    result = run(tmp_path / "raw.tsv", "--out", tmp_path / "x.fcs", "--keywords", keywords)
    assert isinstance(result.exception, OptionError)
    assert "holds raw values, which FCS of floating point cannot hold as such" in str(result.exception)


def test_repeated_names_get_numbers_and_come_back(tmp_path):
    source, keywords = tmp_path / "s.fcs", tmp_path / "k.json"
    fcs.write(source, [[1.0, 2.0]], [("A", "x"), ("A", "y")])
    result = run(source, "--out", tmp_path / "t.tsv", "--keywords", keywords)
    assert "warning: s.fcs: channel 2 (A) is column A_2, because another has that name" in result.stderr
    run(tmp_path / "t.tsv", "--out", tmp_path / "x.fcs", "--keywords", keywords)
    assert [(c.pnn, c.pns) for c in fcs.open(tmp_path / "x.fcs").channels] == [("A", "x"), ("A", "y")]
    assert unique(["A", "A", "A_2", "B"]) == ["A", "A_2", "A_2_2", "B"]


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_few_events(tmp_path, n, suffix):
    fcs.write(tmp_path / "s.fcs", np.full((n, 2), 3.5), [("A", ""), ("B", "")])
    run(tmp_path / "s.fcs", "--out", tmp_path / f"t.{suffix}")
    run(tmp_path / f"t.{suffix}", "--out", tmp_path / "x.fcs")
    f = fcs.open(tmp_path / "x.fcs")
    assert (f.n_events, f.names) == (n, ["A", "B"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; the first line must name the channels"),
        ("A\tA\n1\t2\n", "two columns are named 'A'; rename one"),
        ("A\t\n1\t2\n", "column 2 has no name in the first line; name it"),
        ("1\t2\n3\t4\n", "the first line holds numbers; it must name the channels"),
        ("A\tB\n1\t2\n3\tx\n", "line 3, column 'B' holds 'x', no number; correct it"),
        ("A\tB\n1\t2\n3\n", "line 3 has 1 cells, the first line 2; correct it"),
        ("A\tB\n1\t2\n3\t4\t5\n", "line 3 has 3 cells, the first line 2; correct it"),
        ("A\tB\n1\t2\t9\n3\t4\t5\n", "line 2 has 3 cells, the first line 2; correct it"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(TableError) as caught:
        to_fcs(path, tmp_path / "x.fcs", "tsv")
    assert str(caught.value) == f"{path}: {message}"
    assert not (tmp_path / "x.fcs").exists()


def test_binary_file_as_table(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xff\xfe\x00A")
    with pytest.raises(TableError, match="cannot be read as text"):
        to_fcs(path, tmp_path / "x.fcs", "tsv")


def test_many_files_to_a_folder_and_names_of_galaxy(source, tmp_path):
    listed = tmp_path / "files.json"
    listed.write_text(
        json.dumps([{"name": "day 1.fcs", "path": str(source)}, {"name": "0877.B08", "path": str(source)}])
    )
    record = tmp_path / "p.json"
    result = run("--files", listed, "--to", "tsv", "--out-dir", tmp_path / "out", "--json", record)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0877.B08.tsv", "day 1.tsv"]
    entry = json.loads(record.read_text())
    assert entry["counts"] == {"files": 2, "events": 6}
    assert entry["parameters"]["values"] == "scaled"


def test_wrong_use(source, tmp_path):
    assert run(source).exit_code == 2
    assert run(source, "--out-dir", tmp_path / "o").exit_code == 2
    assert run(source, source.with_name("t.fcs"), "--out", tmp_path / "t.tsv").exception is not None
    with_fcs = run(source, "--out", tmp_path / "x.fcs").exception
    assert isinstance(with_fcs, OptionError)
    assert "s.fcs: converting fcs to fcs is not possible" in str(with_fcs)
    assert "the suffix names no format" in str(run(source, "--out", tmp_path / "x.dat").exception)
    assert isinstance(run(source, "--out", source, "--to", "tsv").exception, OutputExistsError)
    (tmp_path / "t.tsv").write_text("A\tB\n1\t2\n")
    (tmp_path / "k.json").write_text("{}")
    wrong = run(tmp_path / "t.tsv", "--out", tmp_path / "x.fcs", "--keywords", tmp_path / "k.json").exception
    assert isinstance(wrong, InputError)
    assert "k.json: is no description of channels and keywords" in str(wrong)
