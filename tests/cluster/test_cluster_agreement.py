"""Two clusterings of the same events, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score

from immport_cyto.cluster.agreement import agreement, compare_clusterings, match_one_to_one
from immport_cyto.exceptions import AnalysisError

labels = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=80)


def test_equal_clusterings_under_other_numbers_agree_fully():
    a = np.repeat([1, 2, 3], [50, 30, 5])
    found = agreement(a, np.array([0, 7, 9, 2])[a])
    assert [found[name] for name in ("ari", "nmi", "mean_f1", "weighted_f1")] == pytest.approx([1, 1, 1, 1])


def test_a_split_cluster_by_hand():
    a = np.repeat([1, 2], [60, 40])
    b = np.repeat([1, 3, 2], [40, 20, 40])
    found = agreement(a, b)
    # cluster 1 (60) is matched with 1 (40): 2 * 40 / (60 + 40); cluster 2 with 2
    assert found["mean_f1"] == pytest.approx((0.8 + 1) / 2)
    assert found["weighted_f1"] == pytest.approx(0.6 * 0.8 + 0.4)
    assert (found["clusters_a"], found["clusters_b"]) == (2, 3)


@settings(deadline=None, max_examples=60)
@given(labels)
def test_measures_are_those_of_scikit_learn_and_matching_is_the_best(pairs):
    a, b = np.array(pairs).T
    found = agreement(a, b)
    assert found["ari"] == pytest.approx(adjusted_rand_score(a, b))
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(a, b))
    values_a, rows = np.unique(a, return_inverse=True)
    values_b, columns = np.unique(b, return_inverse=True)
    table = np.zeros((len(values_a), len(values_b)), int)
    np.add.at(table, (rows, columns), 1)
    f1, matched = match_one_to_one(table)
    assert len(set(matched.values())) == len(matched)
    for row, column in matched.items():
        expected = f1_score(a == values_a[row], b == values_b[column])
        assert f1[row, column] == pytest.approx(expected)
    swapped = agreement(b, a)
    assert swapped["ari"] == pytest.approx(found["ari"])
    assert swapped["mean_f1"] * len(values_b) == pytest.approx(found["mean_f1"] * len(values_a))


def test_files_and_all_together_with_events_left_out():
    pairs = {
        "b.fcs": (np.array([1, 1, 2, 0]), np.array([5, 5, 6, 6])),
        "a.fcs": (np.array([1, 2]), np.array([5, 0])),
    }
    found, table = compare_clusterings(pairs, {1: "T cells"}, {5: "CD3+", 6: "CD3+"})
    assert found["file_name"].tolist() == ["", "a.fcs", "b.fcs"]
    assert found["n_events"].tolist() == [4, 1, 3]
    assert found["n_left_out"].tolist() == [2, 1, 1]
    cells = {(row.label_a, row.label_b): row for row in table.itertuples()}
    assert set(cells) == {("T cells", "CD3+"), ("2", "CD3+")}
    both = cells["T cells", "CD3+"]
    assert (both.n_events, both.share_a, both.share_b, both.matched) == (3, 100, 75, True)
    assert both.f1 == pytest.approx(2 * 3 / (3 + 4))
    assert not cells["2", "CD3+"].matched


def test_a_file_without_labelled_events_has_no_measures():
    pairs = {"a.fcs": (np.array([1, 2]), np.array([1, 2])), "b.fcs": (np.array([0]), np.array([1]))}
    found, _ = compare_clusterings(pairs)
    assert found.loc[2, "n_events"] == 0
    assert found.loc[2, ["ari", "nmi", "mean_f1", "weighted_f1"]].isna().all()


def test_other_events_and_no_labels():
    with pytest.raises(AnalysisError, match=r"^a: 2 events in the first clustering and 1 in the second"):
        compare_clusterings({"a": (np.array([1, 2]), np.array([1]))})
    with pytest.raises(AnalysisError, match="no event has a label in both clusterings"):
        compare_clusterings({"a": (np.array([1, 0]), np.array([0, 1]))})
