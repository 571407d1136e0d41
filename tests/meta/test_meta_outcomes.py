"""Outcomes beyond the share: change since a baseline, median intensities, and the counts themselves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.special import betaln
from scipy.stats import ttest_1samp, ttest_ind

from immport_cyto import meta, tables
from immport_cyto.cli.meta import group
from immport_cyto.exceptions import FormulaError, LinkError, OptionError
from immport_cyto.meta.counts import beta_binomial
from support.meta_tables import populations, samples

BASELINE = ("study_time_days", "0")


def visits(n: int = 16, files: int = 2, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Subjects with visits at days 0, 30, ...; logits with a level per subject and a rise of 0.3 after day 0."""
    of = samples(n, files=files, seed=seed)
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(-2, 1, n), files)
    later = of["study_time_days"].to_numpy() > 0
    return of, level + 0.3 * later + rng.normal(0, 0.2, n * files)


def test_mean_change_of_one_later_visit_is_the_paired_t_test() -> None:
    of, logits = visits()
    row = meta.effects(populations(of, logits), of, "1", change_from=BASELINE).iloc[0]
    change = logits[1::2] - logits[::2]
    expected = ttest_1samp(change, 0)
    assert row["term"] == "change"
    assert row["estimate"] == pytest.approx(change.mean(), abs=2e-5)
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-3)
    assert (row["n"], row["n_subjects"], row["df"]) == (16, 16, 15)
    assert row["model"] == "change of logit since study_time_days=0 ~ 1; least squares"


def test_change_by_group_is_the_two_sample_t_test_and_the_mean_change_is_at_average_covariates() -> None:
    of, logits = visits()
    rows = meta.effects(populations(of, logits), of, "sex", change_from=BASELINE).set_index("term")
    change, female = logits[1::2] - logits[::2], (of["sex"] == "Female").to_numpy()[::2]
    expected = ttest_ind(change[~female], change[female])
    assert rows.loc["sex[Male vs Female]", "estimate"] == pytest.approx(
        change[~female].mean() - change[female].mean(), abs=3e-5
    )
    assert rows.loc["sex[Male vs Female]", "p_value"] == pytest.approx(expected.pvalue, rel=1e-3)
    assert rows.loc["change", "estimate"] == pytest.approx(change.mean(), abs=2e-5)


def test_several_later_visits_have_a_random_intercept() -> None:
    of, logits = visits(files=4)
    rows = meta.effects(populations(of, logits), of, "num(study_time_days)", change_from=BASELINE).set_index("term")
    assert rows["model"].unique().tolist() == [
        "change of logit since study_time_days=0 ~ study_time_days; random intercept per subject, REML"
    ]
    assert abs(rows.loc["change", "estimate"] - 0.3) < 3 * rows.loc["change", "se"]
    only = meta.effects(populations(of, logits), of, "study_time_days", change_from=BASELINE, term="change")
    assert only["term"].tolist() == ["change"]


def test_subjects_without_a_baseline_are_left_out_and_counted() -> None:
    of, logits = visits()
    kept = np.ones(len(of), dtype=bool)
    kept[[0, 4]] = False
    part = of[kept].reset_index(drop=True)
    row = meta.effects(populations(part, logits[kept]), part, "1", change_from=BASELINE).iloc[0]
    assert row["n"] == 14
    assert "2 samples of subjects without a baseline left out" in row["note"]


def test_a_baseline_on_another_panel_is_no_baseline() -> None:
    of, logits = visits()
    counts = populations(of, logits, panel=np.where(of["study_time_days"] > 0, "flow-b", "flow-a"))
    row = meta.effects(counts, of, "1", change_from=BASELINE).iloc[0]
    assert np.isnan(row["estimate"])
    assert row["note"].startswith("no usable sample")


@pytest.mark.parametrize(
    ("change_from", "message"),
    [
        (("visit", "1"), "'visit', which names the baseline, is not a column of samples.tsv"),
        (("study_time_days", "7"), r"no sample has study_time_days=7; use one of: 0.0, 30.0"),
        (("visit_name", "Day 0"), "no sample has visit_name=Day 0; use one of: none, the column is empty"),
    ],
)
def test_an_unknown_baseline_is_one_sentence(change_from: tuple[str, str], message: str) -> None:
    of, logits = visits()
    with pytest.raises(OptionError, match=message):
        meta.effects(populations(of, logits), of, "1", change_from=change_from)


def test_a_formula_without_terms_needs_a_baseline() -> None:
    of, logits = visits()
    with pytest.raises(FormulaError, match="there is no term in it"):
        meta.effects(populations(of, logits), of, "1")
    with pytest.raises(OptionError, match="term 'change' is not in the formula"):
        meta.effects(populations(of, logits), of, "sex", term="change")


def test_medians_are_outcomes_named_after_marker_and_population() -> None:
    of = samples(20)
    rng = np.random.default_rng(2)
    medians = pd.concat([
        pd.DataFrame({"file_name": of["file_name"], "method": "search", "population": "B cells", "marker": marker,
                      "median": 2 + slope * of["age_years"] + rng.normal(0, 0.1, 20)})
        for marker, slope in (("HLA-DR", 0.01), ("CD38", 0.0))
    ])  # fmt: skip
    medians.loc[medians.index[3], "median"] = np.nan
    outcomes = meta.median_outcomes(medians, of)
    assert set(outcomes["population"]) == {"HLA-DR on B cells", "CD38 on B cells"}
    rows = meta.effects(outcomes, of, "age_years", scale="median").set_index("population")
    assert abs(rows.loc["HLA-DR on B cells", "estimate"] - 0.01) < 3 * rows.loc["HLA-DR on B cells", "se"] < 0.006
    assert rows.loc["HLA-DR on B cells", "n"] == 19
    assert "1 sample without a value left out" in rows.loc["HLA-DR on B cells", "note"]
    assert rows["scale"].tolist() == ["median", "median"]
    with pytest.raises(LinkError, match="of medians.tsv has no row in samples.tsv"):
        meta.median_outcomes(medians, of.iloc[1:])


def test_beta_binomial_maximises_its_likelihood() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(20, 80, 60)
    X = np.column_stack([np.ones(60), x])
    mean, precision = 1 / (1 + np.exp(4 - 0.03 * x)), 150.0
    total = rng.integers(500, 40_000, 60).astype(float)
    n = rng.binomial(total.astype(int), rng.beta(mean * precision, (1 - mean) * precision)).astype(float)
    fit = beta_binomial(n, total, X)
    assert abs(fit.estimate[1] - 0.03) < 3 * fit.se[1] < 0.02
    assert fit.variance == pytest.approx(1 / 151, rel=0.6)
    assert fit.df.tolist() == [58, 58]

    def likelihood(beta: np.ndarray, icc: float) -> float:
        p, s = 1 / (1 + np.exp(-X @ beta)), 1 / icc - 1
        return float((betaln(n + p * s, total - n + (1 - p) * s) - betaln(p * s, (1 - p) * s)).sum())

    best = likelihood(fit.estimate, fit.variance)
    for step in (1e-3, -1e-3):
        assert likelihood(fit.estimate + np.array([step, 0]), fit.variance) < best
        assert likelihood(fit.estimate + np.array([0, step / 50]), fit.variance) < best
        assert likelihood(fit.estimate, fit.variance * (1 + 30 * step)) < best


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_unit_of_a_covariate_changes_only_its_coefficient(unit: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=30)
    total = np.full(30, 5000.0)
    n = rng.binomial(5000, 1 / (1 + np.exp(3 - 0.3 * x + 0.2 * rng.normal(size=30)))).astype(float)
    plain = beta_binomial(n, total, np.column_stack([np.ones(30), x]))
    other = beta_binomial(n, total, np.column_stack([np.ones(30), x * unit]))
    assert other.estimate == pytest.approx(plain.estimate / [1, unit], rel=1e-4)
    assert other.se == pytest.approx(plain.se / [1, unit], rel=1e-4)


def test_beta_binomial_effects_agree_with_the_logit_scale_where_counts_are_large() -> None:
    of = samples(40)
    logits = -2 + 0.02 * of["age_years"] + np.random.default_rng(6).normal(0, 0.3, 40)
    counts = populations(of, logits)
    linear = meta.effects(counts, of, "age_years + sex").set_index("term")
    counted = meta.effects(counts, of, "age_years + sex", family="beta-binomial").set_index("term")
    assert (abs(counted["estimate"] - linear["estimate"]) < 0.3 * linear["se"]).all()
    assert counted["se"].to_numpy() == pytest.approx(linear["se"].to_numpy(), rel=0.25)
    assert counted["model"].unique().tolist() == ["events of parent ~ age_years + sex; beta-binomial"]
    assert set(counted["scale"]) == {"logit"}


def test_beta_binomial_adds_repeated_files_and_refuses_visits() -> None:
    of = samples(12, files=3)
    logits = np.repeat(-2 + np.random.default_rng(7).normal(0, 0.4, 12), 3)
    counts = populations(of, logits)
    added = meta.effects(counts, of, "age_years", family="beta-binomial").iloc[0]
    assert added["df"] == 10
    visit = meta.effects(counts, of, "age_years + study_time_days", family="beta-binomial")
    assert visit["estimate"].isna().all()
    assert visit["note"][0].startswith("subjects with several samples that differ in the terms")
    counts["n_events"] = counts["n_events"].astype("Int64")
    counts.loc[0, "n_events"] = pd.NA
    missing = meta.effects(counts, of, "age_years", family="beta-binomial")
    assert missing["note"][0].startswith("samples without counts, which the family beta-binomial needs")


def test_a_group_without_any_event_has_no_finite_effect() -> None:
    of = samples(20)
    logits = np.where(of["sex"] == "Male", -30.0, -3.0)
    counts = populations(of, logits + np.random.default_rng(8).normal(0, 0.2, 20))
    row = meta.effects(counts, of, "sex", family="beta-binomial").iloc[0]
    assert np.isnan(row["estimate"])
    assert row["note"].startswith("no finite estimate: collinear terms, or a group without any event")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "poisson"}, "family 'poisson' is unknown; use one of linear, beta-binomial"),
        ({"family": "beta-binomial", "scale": "arcsine"}, "models counts on the logit scale"),
        ({"family": "beta-binomial", "change_from": BASELINE}, "leave out the scale and the baseline visit"),
    ],
)
def test_families_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    of, logits = visits()
    with pytest.raises(OptionError, match=message):
        meta.effects(populations(of, logits), of, "sex", **options)


def test_the_commands_give_what_the_library_gives(tmp_path: Path) -> None:
    of, logits = visits()
    counts = populations(of, logits)
    medians = pd.DataFrame({"file_name": of["file_name"], "method": "search", "population": "B cells",
                            "marker": "CD38", "median": logits})  # fmt: skip
    tables.write(counts, tmp_path / "p.tsv", tables.POPULATIONS)
    tables.write(of, tmp_path / "s.tsv", tables.SAMPLES)
    tables.write(medians, tmp_path / "m.tsv", tables.MEDIANS)
    out = tmp_path / "e.tsv"
    common = ["--samples", str(tmp_path / "s.tsv"), "--out", str(out)]

    def run(*arguments: str) -> pd.DataFrame:
        result = CliRunner().invoke(group, ["effects", *arguments, *common], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return tables.read(out, tables.EFFECTS)

    given = ("--populations", str(tmp_path / "p.tsv"))
    expected = meta.effects(counts, of, "1", change_from=BASELINE)
    pd.testing.assert_frame_equal(
        run(*given, "--formula", "1", "--change-from", "study_time_days=0"), expected, rtol=1e-12
    )
    expected = meta.effects(meta.median_outcomes(medians, of), of, "sex", scale="median")
    pd.testing.assert_frame_equal(
        run("--medians", str(tmp_path / "m.tsv"), "--marker", "CD38", "--formula", "sex"), expected, rtol=1e-12
    )
    refused = CliRunner().invoke(group, ["effects", *common])
    assert refused.exit_code == 2
    assert "give populations.tsv or medians.tsv" in refused.output
    with pytest.raises(OptionError, match="marker 'CD99' is not in medians.tsv; use one of: CD38"):
        run("--medians", str(tmp_path / "m.tsv"), "--marker", "CD99")
