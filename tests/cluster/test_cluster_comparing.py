"""Groups of subjects compared cluster by cluster, against scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immport_cyto import tables
from immport_cyto.cluster.comparing import adjust, cliffs_delta, compare_groups
from immport_cyto.exceptions import AnalysisError, LinkError, OptionError


def study(counts, groups, subjects=None, level="metacluster"):
    """Abundances (files x clusters) and samples."""
    names = [f"f{i}.fcs" for i in range(len(counts))]
    rows = [
        {
            "study_accession": "SDY1", "panel_id": "p", "file_name": name, "level": level, "cluster": j + 1,
            "population": "", "n_events": n, "percentage": 100 * n / max(sum(row), 1),
        }
        for name, row in zip(names, counts, strict=True)
        for j, n in enumerate(row)
    ]  # fmt: skip
    samples = pd.DataFrame(
        {
            "file_name": names,
            "sample_id": names,
            "study_accession": "SDY1",
            "subject_accession": subjects or [f"S{i}" for i in range(len(names))],
            "arm_name": groups,
        }
    )
    return tables.conform(pd.DataFrame(rows), tables.ABUNDANCES), tables.conform(samples, tables.SAMPLES)


COUNTS = np.array([[500, 400, 100], [520, 380, 90], [480, 410, 120], [500, 300, 300], [510, 280, 350], [490, 310, 280]])
ARMS = ["b control"] * 3 + ["case"] * 3


def test_effects_and_tests_are_those_of_scipy():
    abundances, samples = study(COUNTS, ARMS)
    found, notes = compare_groups(abundances, samples, "arm_name", reference="b control")
    assert notes == []
    share = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    logit = np.log((COUNTS + 0.5) / (COUNTS.sum(axis=1, keepdims=True) - COUNTS + 0.5))
    for j, row in enumerate(found.itertuples()):
        assert (row.cluster, row.group, row.reference, row.n_group, row.n_reference) == (
            j + 1,
            "case",
            "b control",
            3,
            3,
        )
        assert row.p_value == pytest.approx(stats.mannwhitneyu(share[3:, j], share[:3, j]).pvalue)
        welch = stats.ttest_ind(logit[3:, j], logit[:3, j], equal_var=False)
        interval = welch.confidence_interval()
        assert [row.ci_low, row.ci_high] == pytest.approx([interval.low, interval.high])
        assert row.log_odds == pytest.approx(logit[3:, j].mean() - logit[:3, j].mean())
        assert row.log2_fold == pytest.approx(np.log2(share[3:, j].mean() / share[:3, j].mean()))
        assert row.median_group == pytest.approx(100 * np.median(share[3:, j]))
    assert found["q_value"].tolist() == pytest.approx(stats.false_discovery_control(found["p_value"]).tolist())
    assert found.loc[2, "cliffs_delta"] == 1
    assert found.loc[1, "cliffs_delta"] == -1
    welch, _ = compare_groups(abundances, samples, "arm_name", test="welch")
    assert welch.loc[2, "reference"] == "b control"
    assert welch.loc[2, "p_value"] == pytest.approx(stats.ttest_ind(logit[3:, 2], logit[:3, 2], equal_var=False).pvalue)
    assert set(welch["test"]) == {"Welch's t test of logits"}


def test_subjects_are_compared_with_themselves():
    subjects = ["A", "B", "C", "A", "B", "C"]
    abundances, samples = study(COUNTS, ARMS, subjects)
    with pytest.raises(AnalysisError, match=r"^subject A has samples in both case and b control of column arm_name"):
        compare_groups(abundances, samples, "arm_name")
    found, notes = compare_groups(abundances, samples, "arm_name", paired=True)
    share = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    assert found.loc[2, "p_value"] == pytest.approx(stats.wilcoxon(share[3:, 2] - share[:3, 2]).pvalue)
    assert (found["n_group"].tolist(), notes) == ([3, 3, 3], [])
    logit = np.log((COUNTS + 0.5) / (COUNTS.sum(axis=1, keepdims=True) - COUNTS + 0.5))
    t_test, _ = compare_groups(abundances, samples, "arm_name", paired=True, test="welch")
    assert t_test.loc[2, "p_value"] == pytest.approx(stats.ttest_rel(logit[3:, 2], logit[:3, 2]).pvalue)
    abundances, samples = study(COUNTS, ARMS, ["A", "B", "X", "A", "B", "C"])
    _, notes = compare_groups(abundances, samples, "arm_name", paired=True)
    assert notes == ["case against b control: 2 subjects are in one group only and left out"]
    abundances, samples = study(COUNTS, ARMS, ["A", "Y", "X", "A", "B", "C"])
    with pytest.raises(AnalysisError, match="1 subjects have samples in both case and b control"):
        compare_groups(abundances, samples, "arm_name", paired=True)


def test_several_samples_of_a_subject_are_one_unit():
    counts = np.vstack([COUNTS, COUNTS[0] * 2])
    abundances, samples = study(counts, [*ARMS, "b control"], ["A", "B", "C", "D", "E", "F", "A"])
    found, notes = compare_groups(abundances, samples, "arm_name")
    assert found["n_reference"].tolist() == [3, 3, 3]
    assert notes == ["7 files of 6 subjects: several samples of a subject in a group are averaged"]
    alone, _ = compare_groups(*study(COUNTS, ARMS), "arm_name")
    assert found["p_value"].tolist() == alone["p_value"].tolist()


def test_three_groups_and_files_without_a_group():
    counts = np.vstack([COUNTS, COUNTS[:3], [[1, 1, 1]]])
    abundances, samples = study(counts, [*ARMS, *["other"] * 3, ""])
    found, notes = compare_groups(abundances, samples, "arm_name", reference="case")
    assert found.groupby("group")["reference"].first().to_dict() == {"b control": "case", "other": "case"}
    assert notes == ["1 files have no arm_name and are left out"]
    assert found["q_value"].tolist() == pytest.approx(stats.false_discovery_control(found["p_value"]).tolist())


def test_clusters_without_difference_or_events():
    counts = np.array([[10, 0, 5], [20, 0, 10], [10, 0, 5], [20, 0, 10]])
    found, _ = compare_groups(*study(counts, ["a", "a", "b", "b"]), "arm_name")
    assert found["p_value"].tolist() == [1, 1, 1]
    assert found.loc[1, ["log2_fold"]].isna().all()
    assert found["cliffs_delta"].tolist() == [0, 0, 0]
    zero, _ = compare_groups(*study(np.array([[1, 0], [1, 0], [5, 5], [5, 6]]), ["a", "a", "b", "b"]), "arm_name")
    assert np.isnan(zero.loc[1, "log2_fold"])
    assert zero.loc[1, "log_odds"] > 0


def test_a_file_without_events_is_left_out():
    abundances, samples = study(np.vstack([COUNTS, [[0, 0, 0]]]), [*ARMS, "case"])
    found, notes = compare_groups(abundances, samples, "arm_name")
    assert found["n_group"].tolist() == [3, 3, 3]
    assert notes == ["1 files without events are left out"]


def test_what_cannot_be_compared():
    abundances, samples = study(COUNTS, ARMS)
    with pytest.raises(OptionError, match="samples.tsv has no column 'weight' to group by; it has file_name, "):
        compare_groups(abundances, samples, "weight")
    with pytest.raises(OptionError, match=r"'x' is not a group of column arm_name \(groups: b control, case\)"):
        compare_groups(abundances, samples, "arm_name", reference="x")
    with pytest.raises(AnalysisError, match="holds only SDY1 for these files; at least two groups are compared"):
        compare_groups(abundances, samples, "study_accession")
    with pytest.raises(AnalysisError, match="holds no group for these files"):
        compare_groups(abundances, samples, "sex")
    with pytest.raises(LinkError, match=r"^f5.fcs: has no row in samples.tsv"):
        compare_groups(abundances, samples.iloc[:-1], "arm_name")
    with pytest.raises(AnalysisError, match="group case of column arm_name has 1 subjects with events"):
        compare_groups(*study(COUNTS, ["c", "c", "c", "c", "c", "case"]), "arm_name")
    with pytest.raises(OptionError, match="test is 'median'; choose one of rank, welch"):
        compare_groups(abundances, samples, "arm_name", test="median")


def test_q_values_and_cliffs_delta():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    assert adjust(p)[[0, 2, 3]].tolist() == pytest.approx(stats.false_discovery_control(p[[0, 2, 3]]).tolist())
    assert np.isnan(adjust(p)[1])
    assert np.isnan(adjust(np.array([np.nan]))).all()
    assert cliffs_delta(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == -0.25
