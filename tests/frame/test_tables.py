"""The tables between the stages: what is written is read back, and what is wrong is named."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto import tables
from immport_cyto.exceptions import TableError

TEXT = st.text(max_size=40).filter(lambda s: not any("\ud800" <= c <= "\udfff" for c in s))


def counts(**changes: object) -> pd.DataFrame:
    row: dict[str, object] = {
        "file_name": "a.fcs",
        "panel_id": "flow-3m-000000",
        "method": "search",
        "population": "T cell",
        "definition": "CD3+",
        "cl_id": "CL:0000084",
        "parent": "",
        "n_events": 10,
        "n_parent": 100,
    }
    return pd.DataFrame([row | changes])


def test_round_trip_keeps_values_and_kinds(tmp_path):
    frame = pd.concat([counts(), counts(file_name="b.fcs", n_parent=None)], ignore_index=True)
    tables.write(frame, tmp_path / "counts.tsv", tables.COUNTS)
    back = tables.read(tmp_path / "counts.tsv", tables.COUNTS)
    assert list(back.columns) == tables.COUNTS.column_names
    assert back["n_events"].tolist() == [10, 10]
    assert back["n_parent"].isna().tolist() == [False, True]
    assert back["definition"].tolist() == ["CD3+", "CD3+"]


@given(name=TEXT, population=TEXT)
def test_any_text_survives_without_becoming_a_formula_or_a_new_cell(tmp_path_factory, name, population):
    path = tmp_path_factory.mktemp("t") / "counts.tsv"
    tables.write(counts(file_name=name, population=population), path, tables.COUNTS)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 3
    assert lines[2] == ""
    cells = lines[1].split("\t")
    assert len(cells) == len(tables.COUNTS.columns)
    for cell in (cells[0], cells[3]):
        if cell[:1] in ("=", "+", "-", "@"):
            float(cell)  # only a plain number may start like a formula
    back = tables.read(path, tables.COUNTS)
    if name.isprintable():
        assert back["file_name"][0] == name


def test_floats_survive_exactly(tmp_path):
    values = [0.1 + 0.2, 1e-300, -3.5, 12345678.123456789]
    frame = pd.DataFrame(
        {
            "study_accession": "SDY1",
            "panel_id": "p",
            "metacluster": range(1, 5),
            "marker": "CD3",
            "median": values,
        }
    )
    tables.write(frame, tmp_path / "m.tsv", tables.CLUSTER_MEDIANS)
    assert tables.read(tmp_path / "m.tsv", tables.CLUSTER_MEDIANS)["median"].tolist() == values


def test_missing_column_is_named(tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("file_name\tpanel_id\na\tb\n")
    with pytest.raises(
        TableError, match=r"bad.tsv: column 'method' is missing from counts.tsv \(found: file_name, panel_id\)"
    ):
        tables.read(path, tables.COUNTS)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("n_events", "many", "column 'n_events' holds 'many', which is not a number"),
        ("n_events", "1.5", "column 'n_events' holds '1.5', which is not a whole number"),
    ],
)
def test_cell_of_the_wrong_kind_is_named(column, value, message):
    with pytest.raises(TableError, match=message):
        tables.conform(counts(**{column: value}), tables.COUNTS, source="x")


def test_wrong_truth_value_is_named():
    frame = pd.DataFrame(
        [
            {
                "file_name": "a",
                "sample_id": "E",
                "study_accession": "S",
                "subject_accession": "U",
                "age_is_topcoded": "maybe",
            }
        ]
    )
    with pytest.raises(TableError, match="'age_is_topcoded' holds 'maybe'"):
        tables.conform(frame, tables.SAMPLES)


def test_same_key_twice_is_refused_and_nothing_is_written(tmp_path):
    frame = pd.concat([counts(), counts()], ignore_index=True)
    with pytest.raises(TableError, match="two rows of counts.tsv have the same key"):
        tables.write(frame, tmp_path / "c.tsv", tables.COUNTS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(TableError, match=r"x.tsv: cannot be read as a table"):
        tables.read(path, tables.COUNTS)
    with pytest.raises(TableError, match=r"none\.tsv: no such file; give the counts\.tsv"):
        tables.read(tmp_path / "none.tsv", tables.COUNTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("population\tdefinition\nT\tCD3+\tx\nB\tCD19+\tx\n", "Expected 2 fields in line 2, saw 3"),
        ("population\tdefinition\tdefinition\nT\tCD3+\tCD4+\n", "column 3 has the name 'definition' of another"),
        ("population\tdefinition\t\nT\tCD3+\tx\n", "column 3 has no name; give each column a name of its own"),
    ],
)
def test_cells_without_a_column_of_their_own_never_shift_the_others(tmp_path, text, message):
    (tmp_path / "d.tsv").write_text(text)
    with pytest.raises(TableError, match=message) as caught:
        tables.read(tmp_path / "d.tsv", tables.DEFINITIONS)
    assert str(caught.value).startswith(f"{tmp_path / 'd.tsv'}: ")


def test_an_empty_column_at_the_end_a_byte_order_mark_and_windows_lines_are_harmless(tmp_path):
    (tmp_path / "d.tsv").write_bytes("\ufeffpopulation\tdefinition\t\r\nT\tCD3+\t\r\n".encode())
    frame = tables.read(tmp_path / "d.tsv", tables.DEFINITIONS)
    assert frame.to_dict("records") == [{"population": "T", "definition": "CD3+", "parent": "", "cl_id": ""}]


def test_unknown_columns_are_kept_behind_the_contract():
    frame = counts().assign(extra="kept")
    assert list(tables.conform(frame, tables.COUNTS).columns) == [*tables.COUNTS.column_names, "extra"]


def test_contracts_have_unique_columns_and_keys_among_them():
    for table in tables.ALL:
        names = table.column_names
        assert len(set(names)) == len(names)
        assert set(table.key) <= set(names)
