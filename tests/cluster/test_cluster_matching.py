"""Metaclusters of several groups matched by shared markers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import tables
from immport_cyto.cluster.matching import distances, match_metaclusters, scale_medians
from immport_cyto.exceptions import AnalysisError, OptionError

CELLS = {"T4": (1, 1, 0, 0, 0), "T8": (1, 0, 1, 0, 0), "B": (0, 0, 0, 1, 0), "Mono": (0, 0.4, 0, 0, 1)}
MARKERS = ("CD3", "CD4", "CD8", "CD19", "CD14")


def group(study, cells, markers=MARKERS, *, gain=5.0, shift=0.0, n_events=100):
    """CLUSTERS and CLUSTER_MEDIANS of a study whose metaclusters are the named cells, in this order."""
    clusters = pd.DataFrame(
        {
            "study_accession": study,
            "panel_id": "p",
            "metacluster": range(1, len(cells) + 1),
            "n_nodes": 1,
            "n_events": n_events,
            "fraction": 1 / len(cells),
            "population": list(cells),
        }
    )
    medians = pd.DataFrame(
        [
            {
                "study_accession": study, "panel_id": "p", "metacluster": number, "marker": marker,
                "median": shift + gain * CELLS[cell][MARKERS.index(marker)],
            }
            for number, cell in enumerate(cells, start=1)
            for marker in markers
        ]
    )  # fmt: skip
    return tables.conform(clusters, tables.CLUSTERS), tables.conform(medians, tables.CLUSTER_MEDIANS)


def joined(*groups, **options):
    clusters = tables.concat((one for one, _ in groups), tables.CLUSTERS)
    medians = tables.concat((one for _, one in groups), tables.CLUSTER_MEDIANS)
    return match_metaclusters(clusters, medians, **options)


def test_the_same_cells_are_matched_whatever_order_instrument_and_panel():
    found = joined(
        group("SDY1", ["T4", "T8", "B", "Mono"]),
        group("SDY2", ["Mono", "B", "T8", "T4"], gain=2.0, shift=-1.0),
        group("SDY3", ["B", "T4", "T8", "Mono"], ["CD3", "CD4", "CD8"], gain=3.0),
    )
    assert len(found) == 3 * 2 * 4
    first = found[(found["study_accession"] == "SDY1") & (found["other_study_accession"] == "SDY2")]
    assert (first["population"] == first["other_population"]).all()
    assert first["mutual_best"].all()
    assert first["distance"].tolist() == pytest.approx([0] * 4)
    assert first["n_shared_markers"].tolist() == [5] * 4
    third = found[(found["study_accession"] == "SDY3") & (found["other_study_accession"] == "SDY1")]
    assert set(third["shared_markers"]) == {"CD3;CD4;CD8"}
    assert (third["population"] == third["other_population"]).all()
    sets = found.groupby("match")["population"].agg(set)
    assert sorted(map(tuple, sets)) == [("B",), ("Mono",), ("T4",), ("T8",)]


def test_cells_that_only_one_group_has_are_not_matched():
    found = joined(group("SDY1", ["T4", "T8", "B", "Mono"]), group("SDY2", ["T4", "B", "Mono"]))
    alone = found[(found["study_accession"] == "SDY1") & (found["population"] == "T8")].iloc[0]
    assert not alone["mutual_best"]
    assert pd.isna(alone["match"])
    assert alone["distance"] > 0.3
    assert alone["second_distance"] >= alone["distance"]
    assert found["mutual_best"].sum() == 6


def test_too_few_shared_markers_match_nothing():
    found = joined(group("SDY1", ["T4", "B"]), group("SDY2", ["T4", "B"], ["CD3", "CD19"]))
    assert found["other_metacluster"].isna().all()
    assert not found["mutual_best"].any()
    assert found["n_shared_markers"].tolist() == [2] * 4
    assert joined(
        group("SDY1", ["T4", "B"]), group("SDY2", ["T4", "B"], ["CD3", "CD19"]), min_shared=2
    )["mutual_best"].all()  # fmt: skip


def test_metaclusters_without_events_are_left_out():
    clusters, medians = group("SDY1", ["T4", "T8", "B"])
    clusters.loc[1, "n_events"] = 0
    medians.loc[medians["metacluster"] == 2, "median"] = np.nan
    found = joined((clusters, medians), group("SDY2", ["T4", "B"]))
    assert set(found.loc[found["study_accession"] == "SDY1", "metacluster"]) == {1, 3}
    assert found["mutual_best"].all()


def test_without_scaling_the_instrument_counts():
    found = joined(group("SDY1", ["T4", "B"]), group("SDY2", ["T4", "B"], shift=2.0), scale="none")
    assert found["distance"].tolist() == pytest.approx([2.0] * 4)


def test_a_flat_marker_is_not_stretched():
    scaled = scale_medians(np.array([[0.0, 1.0], [10.0, 1.1], [5.0, 1.0]]))
    assert scaled[:, 0].tolist() == [0, 1, 0.5]
    assert scaled[:, 1].tolist() == pytest.approx([0, 0.04, 0])
    assert scale_medians(np.full((2, 2), 3.0)).tolist() == [[0, 0], [0, 0]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 4))
def test_a_set_holds_at_most_one_metacluster_of_each_group(seed, k, n_groups):
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(n_groups):
        clusters, _ = group(f"SDY{number}", (["T4", "T8", "B", "Mono"] * 2)[:k])
        medians = pd.DataFrame(
            {
                "study_accession": f"SDY{number}", "panel_id": "p", "metacluster": np.repeat(np.arange(1, k + 1), 3),
                "marker": ["CD3", "CD4", "CD8"] * k, "median": rng.random(3 * k),
            }
        )  # fmt: skip
        parts.append((clusters, medians))
    found = joined(*parts)
    members = found.dropna(subset=["match"])[["match", "study_accession", "metacluster"]].drop_duplicates()
    assert not members.duplicated(["match", "study_accession"]).any()
    for row in found[found["mutual_best"]].itertuples():
        back = found[
            (found["study_accession"] == row.other_study_accession)
            & (found["metacluster"] == row.other_metacluster)
            & (found["other_study_accession"] == row.study_accession)
        ].iloc[0]
        assert back["other_metacluster"] == row.metacluster
        assert back["distance"] == pytest.approx(row.distance)
        assert back["mutual_best"]


def test_distances_by_hand():
    assert distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))[0, 0] == pytest.approx(np.sqrt(12.5))


def test_what_cannot_be_matched():
    one = group("SDY1", ["T4", "B"])
    with pytest.raises(
        AnalysisError, match=r"^clusters.tsv has to hold metaclusters of at least two studies or panels"
    ):
        joined(one)
    with pytest.raises(OptionError, match="min_shared is 0; give a whole number from 1 on"):
        joined(one, group("SDY2", ["T4"]), min_shared=0)
    with pytest.raises(OptionError, match="scale is 'rank'; choose one of range, none"):
        joined(one, scale="rank")
    clusters, _ = group("SDY2", ["T4"])
    with pytest.raises(AnalysisError, match=r"cluster_medians.tsv has no medians of SDY2 p"):
        joined(one, (clusters, one[1].iloc[:0]))
    with pytest.raises(
        AnalysisError, match=r"^clusters.tsv holds metacluster 1 of SDY1 p twice; give the tables of each"
    ):
        joined(one, one)
    two = group("SDY2", ["T4"])
    with pytest.raises(AnalysisError, match=r"^cluster_medians.tsv holds metacluster 1 of SDY2 p twice"):
        joined(one, two, (two[0].iloc[:0], two[1]))
