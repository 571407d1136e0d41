"""Metaclusters merged and named by a table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import cluster, tables
from immport_cyto.cluster.merging import merge, merged_clusters, rows_of
from immport_cyto.exceptions import TableError
from support.cluster_events import T_CELLS, blobs


@pytest.fixture(scope="module")
def model():
    X, _ = blobs(T_CELLS, [500, 400, 300, 200], seed=2)
    return cluster.FlowSOM((5, 5), n_metaclusters=6).fit(X, markers=["CD3", "CD4", "CD8", "CD19"])


def table(*rows):
    """MERGES of (metacluster, population, merge)."""
    return tables.conform(pd.DataFrame(rows, columns=["metacluster", "population", "merge"]), tables.MERGES)


def test_equal_names_make_one_metacluster(model):
    merged, numbers = merge(model, table((1, "T cells", ""), (3, "T cells", ""), (2, "B cells", "")))
    assert merged.n_metaclusters_ == 5
    assert model.n_metaclusters_ == 6, "the model that came in is not changed"
    together = np.isin(model.metaclusters_, [1, 3])
    assert len(set(merged.metaclusters_[together])) == 1
    for number in (2, 4, 5, 6):
        own = model.metaclusters_ == number
        assert len(set(merged.metaclusters_[own])) == 1
        assert not (set(merged.metaclusters_[own]) & set(merged.metaclusters_[~own]))
    assert merged.codes_ is model.codes_
    assert numbers["metacluster"].tolist() == [1, 2, 3, 4, 5, 6]
    names = dict(zip(numbers["metacluster"], numbers["population"], strict=True))
    assert names == {1: "T cells", 2: "B cells", 3: "T cells", 4: "", 5: "", 6: ""}
    clusters = merged_clusters(merged, numbers)
    assert clusters["n_events"].is_monotonic_decreasing, "numbered by size"
    assert clusters["n_events"].sum() == 1400
    assert clusters["n_nodes"].sum() == 25
    by_name = clusters.set_index("population")["n_events"]
    assert by_name["T cells"] == model.node_counts_[together].sum()


def test_a_label_merges_whatever_the_names(model):
    merged, numbers = merge(model, table((1, "", "a"), (2, "lymphocytes", "a"), (3, "", "b"), (4, "", "b")))
    assert merged.n_metaclusters_ == 4
    assert numbers.loc[:3, "population"].tolist() == ["lymphocytes", "lymphocytes", "", ""]
    new = numbers["merged_metacluster"].tolist()
    assert new[0] == new[1]
    assert new[2] == new[3]
    assert len({new[0], new[2], new[4], new[5]}) == 4


def test_a_new_name_alone_merges_nothing(model):
    merged, numbers = merge(model, table((2, "B cells", "")))
    assert np.array_equal(merged.metaclusters_, model.metaclusters_)
    assert numbers["merged_metacluster"].tolist() == [1, 2, 3, 4, 5, 6]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["", "A", "B", "C"]), min_size=6, max_size=6))
def test_events_are_kept_and_numbers_are_complete(model, names):
    merged, numbers = merge(model, table(*((i + 1, name, "") for i, name in enumerate(names))))
    expected = len({name for name in names if name}) + names.count("")
    assert merged.n_metaclusters_ == expected
    assert sorted(set(merged.metaclusters_)) == list(range(1, expected + 1))
    clusters = merged_clusters(merged, numbers)
    assert clusters["fraction"].sum() == pytest.approx(1)
    new = dict(zip(numbers["metacluster"], numbers["merged_metacluster"], strict=True))
    assert [new[int(number)] for number in model.metaclusters_] == merged.metaclusters_.tolist()


def test_a_merged_model_is_saved_and_loaded(model, tmp_path):
    merged, _ = merge(model, table((1, "x", ""), (2, "x", "")))
    merged.save(tmp_path / "m.npz")
    again = cluster.load(tmp_path / "m.npz")
    assert np.array_equal(again.metaclusters_, merged.metaclusters_)
    assert again.n_metaclusters_ == 5
    assert again.warnings_ == [*model.warnings_, "6 metaclusters were merged by a table into 5"]


def test_rows_of_other_models_are_left_out(model):
    frame = tables.conform(
        pd.DataFrame({"metacluster": [1, 2, 3], "study_accession": ["", "SDY1", "SDY2"], "panel_id": ["", "p", "p"]}),
        tables.MERGES,
    )
    model.study_accession, model.panel_id = "SDY1", "p"
    try:
        assert rows_of(model, frame)["metacluster"].tolist() == [1, 2]
    finally:
        model.study_accession = model.panel_id = ""


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, "a", ""), (1, "b", "")], "metacluster 1 has two rows in the table of merges; give each one row"),
        ([(7, "a", "")], "the table of merges names metacluster 7; the model has 1 to 6"),
        ([(0, "a", "")], "the table of merges names metacluster 0; the model has 1 to 6"),
        ([(1, "a", "x"), (2, "b", "x")], "merge 'x' has two names, 'a' and 'b'; give its metaclusters one name"),
        ([(1, "a", "x"), (2, "a", "y")], "name 'a' belongs to metaclusters of different merges"),
        ([(1, "a", "x"), (2, "a", "")], "name 'a' belongs to metaclusters of different merges"),
    ],
)
def test_tables_that_contradict_themselves(model, rows, message):
    with pytest.raises(TableError, match=message):
        merge(model, table(*rows))
