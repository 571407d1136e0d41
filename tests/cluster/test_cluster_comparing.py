"""Groups of subjects compared cluster by cluster, against scipy and statsmodels."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immport_cyto import tables
from immport_cyto.cluster.comparing import adjust, cliffs_delta, compare_groups
from immport_cyto.exceptions import AnalysisError, FormulaError, LinkError, OptionError
from immport_cyto.meta import cluster_effects


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
    with pytest.raises(OptionError, match="test is 'median'; choose one of rank, welch, model"):
        compare_groups(abundances, samples, "arm_name", test="median")
    for wrong in (
        {"test": "model"},
        {"model": cluster_effects},
        {"test": "model", "model": cluster_effects, "paired": 1},
    ):
        with pytest.raises(OptionError, match="test 'model' takes a model and is not paired, and no other test takes"):
            compare_groups(abundances, samples, "arm_name", **wrong)
    ages = samples.assign(age_years=[20.0, 21.5, 30, 41, 52, 63])
    with pytest.raises(AnalysisError, match=r"group 20\.0 of .* are needed; for a quantity such as age use 'meta eff"):
        compare_groups(abundances, ages, "age_years")


def test_a_group_that_is_too_small_does_not_stop_the_others():
    counts = np.vstack([COUNTS, COUNTS[:1]])
    abundances, samples = study(counts, [*ARMS, "a rare arm"])
    found, notes = compare_groups(abundances, samples, "arm_name")
    assert notes == ["group a rare arm of column arm_name has fewer than two subjects with events and is left out"]
    expected, _ = compare_groups(*study(COUNTS, ARMS), "arm_name")
    pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(AnalysisError, match="group a rare arm of column arm_name has 1 subjects with events"):
        compare_groups(abundances, samples, "arm_name", reference="a rare arm")
    abundances, samples = study(counts, [*ARMS, "z"], ["A", "B", "C", "A", "B", "C", "A"])
    found, notes = compare_groups(abundances, samples, "arm_name", paired=True)
    assert set(found["group"]) == {"case"}
    assert notes == ["group z of column arm_name has fewer than two pairs and is left out"]


def test_a_model_adjusts_for_covariates_as_statsmodels_does():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    counts = rng.integers(50, 500, (14, 4))
    counts[:, 3] = [1] + [0] * 13
    arms, age = ["a"] * 5 + ["<b>"] * 5 + ["c, 'd'"] * 4, rng.uniform(20, 80, 14)
    abundances, samples = study(counts, arms)
    samples["age_years"] = age
    with_age = partial(cluster_effects, covariates="age_years")
    found, notes = compare_groups(abundances, samples, "arm_name", reference="a", test="model", model=with_age)
    total = counts.sum(axis=1)
    for row in found[found["cluster"] < 4].itertuples():
        y = counts[:, row.cluster - 1]
        X = np.column_stack([np.ones(14), [arm == "<b>" for arm in arms], [arm == "c, 'd'" for arm in arms], age])
        fit = sm.OLS(np.log((y + 0.5) / (total - y + 0.5)), X.astype(float)).fit()
        at = 1 if row.group == "<b>" else 2
        expected = [fit.params[at], *fit.conf_int()[at], fit.pvalues[at]]
        assert [row.log_odds, row.ci_low, row.ci_high, row.p_value] == pytest.approx(expected, rel=1e-6)
        assert row.test == "logit ~ group + age_years; least squares"
    rare = found[found["cluster"] == 4]
    assert rare["log_odds"].isna().all()
    assert rare["p_value"].isna().all()
    assert notes == ["2 metaclusters: the population has events in few subjects only, at least 7 are needed"]
    with pytest.raises(FormulaError, match="formula 'weight': unknown term 'weight'"):
        compare_groups(
            abundances, samples, "arm_name", test="model", model=partial(cluster_effects, covariates="weight")
        )


def test_a_model_takes_several_samples_of_a_subject():
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    subjects = [f"S{i // 3}" for i in range(24)]
    visits = ["day 0", "day 7", "day 28"] * 8
    own = np.repeat(rng.normal(0, 1, 8), 3)
    counts = np.column_stack([rng.poisson(200 * np.exp(0.5 * own + 0.4 * (np.arange(24) % 3))), np.full(24, 1000)])
    abundances, samples = study(counts, visits, subjects)
    found, notes = compare_groups(abundances, samples, "arm_name", test="model", model=cluster_effects)
    assert notes == []
    y = np.log((counts[:, 0] + 0.5) / (counts[:, 1] + 0.5))
    X = np.column_stack([np.ones(24), [v == "day 28" for v in visits], [v == "day 7" for v in visits]]).astype(float)
    fit = sm.MixedLM(y, X, groups=np.array(subjects)).fit(reml=True)
    row = found[(found["cluster"] == 1) & (found["group"] == "day 28")].iloc[0]
    assert row["log_odds"] == pytest.approx(fit.params[1], abs=1e-6)
    assert row["reference"] == "day 0"
    assert row["test"] == "logit ~ group; random intercept per subject, REML"
    assert row["p_value"] < 0.001


def test_q_values_and_cliffs_delta():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    assert adjust(p)[[0, 2, 3]].tolist() == pytest.approx(stats.false_discovery_control(p[[0, 2, 3]]).tolist())
    assert np.isnan(adjust(p)[1])
    assert np.isnan(adjust(np.array([np.nan]))).all()
    assert cliffs_delta(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == -0.25
