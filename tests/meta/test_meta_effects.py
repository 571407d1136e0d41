"""`meta.effects`: known answers, other implementations, and all that must not get an estimate."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import meta, tables
from immport_cyto.exceptions import FormulaError, LinkError, OptionError, TableError
from support.meta_tables import populations, samples


def logit(of: pd.DataFrame) -> np.ndarray:
    """The outcome of the default scale, from its definition."""
    n, total = of["n_events"].to_numpy(float), of["n_parent"].to_numpy(float)
    return np.log((n + 0.5) / (total - n + 0.5))


def row(effects: pd.DataFrame, term: str) -> pd.Series:
    return effects[effects["term"] == term].iloc[0]


def test_known_answer_without_noise_in_the_way() -> None:
    of = samples(40)
    y = -2 + 0.03 * of["age_years"] + 0.4 * (of["sex"] == "Male") + np.random.default_rng(3).normal(0, 0.01, 40)
    result = meta.effects(populations(of, y), of)
    assert result["term"].tolist() == ["age_years", "sex[Male vs Female]"]
    assert row(result, "age_years")["estimate"] == pytest.approx(0.03, abs=5e-4)
    assert row(result, "sex[Male vs Female]")["estimate"] == pytest.approx(0.4, abs=0.02)
    assert result[["n", "n_subjects", "df"]].to_numpy(float).tolist() == [[40, 40, 37]] * 2
    assert result["model"].unique().tolist() == ["logit ~ age_years + sex; least squares"]
    assert result["note"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("formula", "theirs", "names"),
    [
        (
            "age_years + sex", "y ~ age_years + C(sex)",
            {"age_years": "age_years", "sex[Male vs Female]": "C(sex)[T.Male]"},
        ),
        (
            "age_years * C(sex, Male)", "y ~ age_years * C(sex, Treatment('Male'))",
            {
                "sex[Female vs Male]": "C(sex, Treatment('Male'))[T.Female]",
                "age_years:sex[Female vs Male]": "age_years:C(sex, Treatment('Male'))[T.Female]",
            },
        ),
        (
            "C(arm_name, Placebo) + num(dose)", "y ~ C(arm_name, Treatment('Placebo')) + dose",
            {"arm_name[High vs Placebo]": "C(arm_name, Treatment('Placebo'))[T.High]", "dose": "dose"},
        ),
    ],
)  # fmt: skip
def test_agrees_with_statsmodels_ols(formula: str, theirs: str, names: dict[str, str]) -> None:
    import statsmodels.formula.api as smf

    of = samples(30, arm_name=["High", "Low", "Placebo"] * 10, dose=np.tile([0, 1, 5, 2, 9, 4], 5))
    of["age_years"] += 0.5 * of.index
    counts = populations(of, np.random.default_rng(4).normal(-2, 0.5, 30))
    result = meta.effects(counts, of, formula)
    fit = smf.ols(theirs, of.assign(y=logit(counts))).fit()
    for ours, name in names.items():
        found = row(result, ours)
        assert found["estimate"] == pytest.approx(fit.params[name], rel=1e-9)
        assert found["se"] == pytest.approx(fit.bse[name], rel=1e-9)
        assert found["p_value"] == pytest.approx(fit.pvalues[name], rel=1e-8)
        assert [found["ci_low"], found["ci_high"]] == pytest.approx(fit.conf_int().loc[name].tolist(), rel=1e-8)
        assert found["df"] == fit.df_resid


def test_files_of_one_subject_are_averaged() -> None:
    import statsmodels.formula.api as smf

    of = samples(20, files=3)
    counts = populations(of, np.random.default_rng(5).normal(-2, 0.5, 60))
    found = row(meta.effects(counts, of, "age_years"), "age_years")
    means = of.assign(y=logit(counts)).groupby("subject_accession")[["y", "age_years"]].mean()
    fit = smf.ols("y ~ age_years", means).fit()
    assert found["estimate"] == pytest.approx(fit.params["age_years"], rel=1e-9)
    assert found["p_value"] == pytest.approx(fit.pvalues["age_years"], rel=1e-8)
    assert (found["n"], found["n_subjects"], found["df"]) == (60, 20, 18)
    assert found["model"] == "logit ~ age_years; least squares on subject means"


def test_random_intercept_agrees_with_statsmodels() -> None:
    import statsmodels.formula.api as smf

    of = samples(20, files=4).drop(index=[1, 2, 7, 30, 31, 50]).reset_index(drop=True)  # unbalanced
    rng = np.random.default_rng(6)
    own = rng.normal(0, 0.6, 20)[of["subject_accession"].factorize()[0]]
    counts = populations(of, -2 + 0.01 * of["study_time_days"] + own + rng.normal(0, 0.3, len(of)))
    result = meta.effects(counts, of, "age_years + study_time_days")
    fit = smf.mixedlm("y ~ age_years + study_time_days", of.assign(y=logit(counts)), groups="subject_accession").fit(
        reml=True
    )
    for term, df in (("age_years", 20 - 2), ("study_time_days", len(of) - 20 - 1)):
        found = row(result, term)
        assert found["estimate"] == pytest.approx(fit.params[term], rel=1e-4)
        assert found["se"] == pytest.approx(fit.bse[term], rel=1e-3)
        assert found["df"] == df
    assert result["model"].iloc[0] == "logit ~ age_years + study_time_days; random intercept per subject, REML"


def test_balanced_visits_agree_with_the_paired_t_test() -> None:
    from scipy.stats import ttest_rel

    of = samples(12, files=2)
    y = np.random.default_rng(7).normal(-2, 0.5, 24) + np.repeat(np.random.default_rng(8).normal(0, 1, 12), 2)
    counts = populations(of, y)
    found = row(meta.effects(counts, of, "study_time_days"), "study_time_days")
    paired = ttest_rel(logit(counts)[1::2], logit(counts)[::2])
    assert found["p_value"] == pytest.approx(paired.pvalue, rel=1e-5)
    assert found["df"] == 11
    assert 30 * found["estimate"] == pytest.approx((logit(counts)[1::2] - logit(counts)[::2]).mean(), rel=1e-9)


@pytest.mark.parametrize(("share_within", "df"), [(0.3, 5), (0.49, 5), (0.51, 11), (0.8, 11)])
def test_degrees_of_freedom_follow_where_a_column_varies_most(share_within: float, df: int) -> None:
    from immport_cyto.meta.models import random_intercept

    subject = np.repeat(np.arange(6), 3)
    within = np.tile([-1.0, 0.0, 1.0], 6) / np.sqrt(2 / 3)
    between = np.repeat([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0], 3)
    x = np.sqrt(share_within) * within + np.sqrt(1 - share_within) * between
    y = np.random.default_rng(1).normal(size=18)
    fit = random_intercept(y, np.column_stack([np.ones(18), x]), subject)
    assert fit.df[1] == df  # 18 - 6 - 1 within subjects, 6 - 1 between them


def test_shift_between_panels_is_no_effect_of_age() -> None:
    of = samples(24).sort_values("age_years", ignore_index=True)
    panel = np.where(np.arange(24) < 12, "panel a", "panel b")  # the old ones are all on the second panel
    y = -2 + 3.0 * (panel == "panel b") + np.random.default_rng(9).normal(0, 0.1, 24)
    found = row(meta.effects(populations(of, y, panel=panel), of, "age_years"), "age_years")
    assert abs(found["estimate"]) < 4 * found["se"]
    assert found["model"] == "logit ~ age_years + panel_id; least squares"
    assert found["panel_id"] == "panel a;panel b"
    assert found["df"] == 21


def test_one_subject_on_two_panels_counts_once() -> None:
    of = samples(15, files=2)
    panel = np.tile(["panel a", "panel b"], 15)
    own = np.repeat(np.random.default_rng(10).normal(0, 1, 15), 2)
    y = -2 + own + 0.5 * (panel == "panel b") + np.random.default_rng(11).normal(0, 0.05, 30)
    found = row(meta.effects(populations(of, y, panel=panel), of, "age_years"), "age_years")
    assert (found["n"], found["n_subjects"], found["df"]) == (30, 15, 13)


@pytest.mark.parametrize("scale", ["logit", "arcsine", "zscore", "fraction"])
def test_scales(scale: str) -> None:
    import statsmodels.api as sm

    of = samples(25)
    counts = populations(of, np.random.default_rng(12).normal(-1, 0.8, 25), total=200)
    share = counts["fraction"].to_numpy()
    y = {
        "logit": logit(counts),
        "arcsine": np.arcsin(np.sqrt(share)),
        "zscore": (share - share.mean()) / share.std(ddof=1),
        "fraction": share,
    }[scale]
    found = row(meta.effects(counts, of, "age_years", scale=scale), "age_years")
    fit = sm.OLS(y, sm.add_constant(of["age_years"].to_numpy())).fit()
    assert found["estimate"] == pytest.approx(fit.params[1], rel=1e-9)
    assert found["scale"] == scale


def test_logit_of_counts_of_zero_and_all() -> None:
    of = samples(20)
    counts = populations(of, np.zeros(20), total=100)
    counts["n_events"] = [0, 100] + [50] * 18
    counts["fraction"] = counts["n_events"] / 100
    found = row(meta.effects(counts, of, "age_years"), "age_years")
    assert np.isfinite(found["estimate"])
    y = np.zeros(20)
    y[:2] = [np.log(0.5 / 100.5), np.log(100.5 / 0.5)]
    slope = np.polyfit(of["age_years"], y, 1)[0]
    assert found["estimate"] == pytest.approx(slope, rel=1e-9)


def test_reference_level_is_the_first_in_the_alphabet_unless_set() -> None:
    of = samples(30, arm_name=["Placebo", "Low", "High"] * 10)
    counts = populations(of, np.random.default_rng(13).normal(-2, 0.5, 30))
    default = meta.effects(counts, of, "arm_name")
    assert default["term"].tolist() == ["arm_name[Low vs High]", "arm_name[Placebo vs High]"]
    for other in (
        meta.effects(counts, of, "arm_name", baseline={"arm_name": "Low"}),
        meta.effects(counts, of, "C(arm_name, Low)"),
    ):
        assert other["term"].tolist() == ["arm_name[High vs Low]", "arm_name[Placebo vs Low]"]
        assert other["estimate"].iloc[0] == pytest.approx(-default["estimate"].iloc[0])


def test_reference_level_that_a_study_lacks_is_replaced_and_named() -> None:
    first, second = samples(12), samples(12, study="SDY2", race=["Black", "White"] * 6)
    first["race"] = ["Asian", "White"] * 6
    of = pd.concat([first, second], ignore_index=True)
    result = meta.effects(populations(of, np.random.default_rng(14).normal(-2, 0.5, 24)), of, "race")
    assert result["term"].tolist() == ["race[White vs Asian]", "race[White vs Black]"]
    assert result["note"].tolist() == [
        "", "no sample has the reference level Asian of race, compared with Black instead"
    ]  # fmt: skip


def test_only_the_asked_term() -> None:
    of = samples(20)
    counts = populations(of, np.random.default_rng(15).normal(-2, 0.5, 20))
    everything = meta.effects(counts, of)
    for term, name in (("sex", "sex[Male vs Female]"), ("sex[Male vs Female]",) * 2, ("age_years",) * 2):
        pd.testing.assert_frame_equal(
            meta.effects(counts, of, term=term), everything[everything["term"] == name].reset_index(drop=True)
        )
    absent = meta.effects(counts, of, term="sex[Other vs Female]").iloc[0]
    assert np.isnan(absent["estimate"])
    assert absent["note"] == "sex[Other vs Female] is not in this study"


def test_term_with_odd_characters_in_its_level() -> None:
    of = samples(20, arm_name=["Dose: 1 [mg]", "Dose: 2 [mg]"] * 10)
    counts = populations(of, np.random.default_rng(15).normal(-2, 0.5, 20))
    name = "arm_name[Dose: 2 [mg] vs Dose: 1 [mg]]"
    assert meta.effects(counts, of, "arm_name", term=name)["term"].tolist() == [name]
    assert meta.pool_effects(meta.effects(counts, of, "arm_name * age_years"))["term"].tolist() == [
        "age_years", name, f"{name}:age_years"
    ]  # fmt: skip


# what must not get an estimate ----------------------------------------------------------------------------------------


def only(effects: pd.DataFrame) -> str:
    """The one note of effects that all lack an estimate."""
    assert effects[["estimate", "se", "p_value", "ci_low", "ci_high", "df"]].isna().all(axis=None)
    notes = set(effects["note"])
    assert len(notes) == 1
    return str(notes.pop())


def test_four_subjects_as_in_sdy420_get_no_p_value() -> None:
    of = samples(4, age_years=[84.0, 84.0, 86.0, 90.0], age_is_topcoded=[False, False, False, True])
    counts = populations(of, [-2.0, -1.5, -1.0, -2.5])
    assert only(meta.effects(counts, of)) == (
        "4 subjects for 3 parameters, at least 6 are needed; age is top-coded in 1 sample"
    )
    found = meta.effects(counts, of, min_samples=4)
    assert found["df"].tolist() == [1, 1]
    assert found["p_value"].between(1e-4, 1).all()


def test_saturated_fit_is_refused_whatever_is_asked() -> None:
    of = samples(3)
    note = only(meta.effects(populations(of, [-2.0, -1.5, -1.0]), of, min_samples=1))
    assert note == "3 subjects for 3 parameters leave no degree of freedom"


def test_files_do_not_stand_in_for_subjects() -> None:
    of = samples(4, files=5)
    counts = populations(of, np.random.default_rng(16).normal(-2, 0.3, 20))
    assert only(meta.effects(counts, of, "age_years")) == "4 subjects for 2 parameters, at least 5 are needed"


def test_constant_covariate_is_left_out_and_the_others_stay() -> None:
    of = samples(20, sex="Female")
    result = meta.effects(populations(of, np.random.default_rng(17).normal(-2, 0.5, 20)), of)
    assert result["term"].tolist() == ["age_years", "sex"]
    assert np.isfinite(row(result, "age_years")["estimate"])
    assert np.isnan(row(result, "sex")["estimate"])
    assert result["note"].tolist() == ["sex is the same in all samples (Female)"] * 2


def test_all_covariates_constant() -> None:
    of = samples(20, age_years=50.0)
    note = only(meta.effects(populations(of, np.random.default_rng(17).normal(-2, 0.5, 20)), of, "age_years"))
    assert note == "age_years is the same in all samples (50)"


def test_collinear_terms_are_refused_and_the_others_stay() -> None:
    of = samples(20)
    of["arm_name"] = of["sex"].map({"Male": "A", "Female": "B"})
    result = meta.effects(
        populations(of, np.random.default_rng(18).normal(-2, 0.5, 20)), of, "age_years + sex + arm_name"
    )
    assert result["estimate"].notna().tolist() == [True, False, False]
    assert result["note"].iloc[1].startswith("cannot be told from the other terms")


def test_level_with_one_subject_is_refused() -> None:
    of = samples(20, race=["Asian"] * 9 + ["Black"] + ["White"] * 10)
    result = meta.effects(populations(of, np.random.default_rng(19).normal(-2, 0.5, 20)), of, "race")
    assert row(result, "race[Black vs Asian]")["note"] == "level Black has one subject only"
    assert np.isfinite(row(result, "race[White vs Asian]")["estimate"])


def test_constant_outcome_and_exact_fit_are_refused() -> None:
    of = samples(20)
    assert only(meta.effects(populations(of, np.full(20, -2.0)), of)) == "the outcome is the same in all samples"
    exact = populations(of, np.zeros(20)).assign(n_events=pd.NA, n_parent=pd.NA)
    exact["fraction"] = 0.1 + 0.005 * of["age_years"]
    note = only(meta.effects(exact, of, scale="fraction"))
    assert note == "the model fits the data exactly, there is nothing left to judge chance by"


def test_population_without_events_is_refused() -> None:
    of = samples(20)
    counts = populations(of, np.zeros(20))
    counts["n_parent"] = np.arange(1000, 3000, 100)  # the empirical logit of 0 varies with the number of events
    counts["n_events"] = 0
    assert only(meta.effects(counts, of)) == "no event in any sample"
    counts["n_events"] = [3, 2, 0, 1] + [0] * 16
    assert only(meta.effects(counts, of)) == "the population has events in 3 subjects only, at least 6 are needed"


def test_what_is_missing_is_counted() -> None:
    of = samples(30)
    of.loc[[0, 1], "age_years"] = np.nan
    of["sex"] = of["sex"].astype(object)
    of.loc[2, "sex"] = "Not Specified"
    of.loc[3, "subject_accession"] = ""
    counts = populations(of, np.random.default_rng(20).normal(-2, 0.5, 30))
    counts.loc[4, ["n_events", "n_parent", "fraction"]] = [0, 0, np.nan]
    counts["flag"] = [""] * 28 + ["few_events;outlier", "zero"]
    note = (
        "1 sample without a subject left out; 2 samples without age_years left out; 1 sample without sex left out; "
        "1 sample without a fraction left out"
    )
    result = meta.effects(counts, of)
    assert result["note"].tolist() == [note, note]
    assert result["n"].tolist() == [25, 25]
    fewer = meta.effects(counts, of, exclude_flags=["few_events"])
    assert fewer["note"].iloc[0] == "1 sample left out by flag; " + note
    assert fewer["n"].tolist() == [24, 24]


def test_subjects_of_two_studies_are_pointed_out() -> None:
    of = pd.concat([samples(10), samples(10, study="SDY2", seed=2)], ignore_index=True)
    of.loc[[10, 11], "subject_accession"] = ["SUBSDY100", "SUBSDY101"]
    result = meta.effects(populations(of, np.random.default_rng(21).normal(-2, 0.5, 20)), of, "age_years")
    assert result["note"].tolist() == ["shared subjects: 2 also in SDY2", "shared subjects: 2 also in SDY1"]


def test_no_usable_sample() -> None:
    of = samples(20)
    other = samples(20, study="SDY2", age_years=np.nan)
    everyone = pd.concat([of, other], ignore_index=True)
    result = meta.effects(populations(everyone, np.random.default_rng(22).normal(-2, 0.5, 40)), everyone)
    empty = result[result["study_accession"] == "SDY2"]
    assert empty["n"].tolist() == [0, 0]
    assert empty["note"].tolist() == ["no usable sample; 20 samples without age_years left out"] * 2


# wrong input ----------------------------------------------------------------------------------------------------------


def test_age_as_text_is_an_error_and_never_a_factor() -> None:
    of = samples(20)
    of["age_years"] = of["age_years"].astype(object)
    of.loc[5, "age_years"] = "71 years"
    with pytest.raises(TableError, match=r"samples.tsv: column 'age_years' holds '71 years', which is not a number"):
        meta.effects(populations(of, np.zeros(20)), of)


def test_age_as_digits_in_text_is_a_number() -> None:
    of = samples(20)
    counts = populations(of, np.random.default_rng(23).normal(-2, 0.5, 20))
    text = of.assign(age_years=of["age_years"].astype(str))
    pd.testing.assert_frame_equal(meta.effects(counts, text), meta.effects(counts, of))


def test_quantity_of_an_own_column_must_be_numbers() -> None:
    of = samples(20, titer=["1.5", "2", "high", "4"] * 5)
    counts = populations(of, np.zeros(20))
    with pytest.raises(TableError, match=r"column 'titer' holds 'high', which is not a finite number"):
        meta.effects(counts, of, "num(titer)")
    of["titer"] = ["1", "2", "3", "4"] * 5
    with pytest.raises(FormulaError, match=r"write num\(titer\) for a quantity or C\(titer\) for groups"):
        meta.effects(counts, of, "titer")
    of["age_years"] = np.inf
    with pytest.raises(TableError, match="column 'age_years' holds 'inf', which is not a finite number"):
        meta.effects(counts, of, "age_years")


def test_own_column_of_numbers_as_declared() -> None:
    of = samples(24, titer=[1, 2, 10] * 8)
    counts = populations(of, np.random.default_rng(24).normal(-2, 0.5, 24))
    assert meta.effects(counts, of, "num(titer)")["term"].tolist() == ["titer"]
    assert meta.effects(counts, of, "C(titer)")["term"].tolist() == ["titer[2 vs 1]", "titer[10 vs 1]"]


def test_unknown_terms_levels_and_options() -> None:
    of = samples(20)
    counts = populations(of, np.zeros(20))
    with pytest.raises(FormulaError, match=r"unknown term 'agee'; usable columns: age_years, sex, study_time_days$"):
        meta.effects(counts, of, "agee")
    with pytest.raises(FormulaError, match="unknown term 'subject_accession'"):
        meta.effects(counts, of, "subject_accession")
    with pytest.raises(
        FormulaError, match="no sample has a value of .race.; leave it out"
    ):  # in the contract, but without a value
        meta.effects(counts, of, "race")
    with pytest.raises(FormulaError, match="reference level 'male' of 'sex' is in no sample; use one of: Female, Male"):
        meta.effects(counts, of, "C(sex, male)")
    with pytest.raises(
        OptionError, match="baseline names 'age_years', which is not a category of the formula; use one of: sex"
    ):
        meta.effects(counts, of, baseline={"age_years": "20"})
    with pytest.raises(OptionError, match="term 'race' is not in the formula; use one of: age_years, sex"):
        meta.effects(counts, of, term="race")
    with pytest.raises(OptionError, match="scale 'log' is unknown; use one of logit"):
        meta.effects(counts, of, scale="log")
    with pytest.raises(OptionError, match="min_samples is 0"):
        meta.effects(counts, of, min_samples=0)


def test_tables_that_do_not_fit_together() -> None:
    of = samples(20)
    counts = populations(of, np.zeros(20))
    with pytest.raises(TableError, match="column 'subject_accession' is missing from samples.tsv"):
        meta.effects(counts, of.drop(columns="subject_accession"))
    with pytest.raises(TableError, match="column 'n_events' is missing from populations.tsv"):
        meta.effects(counts.drop(columns="n_events"), of)
    with pytest.raises(TableError, match="there are no rows"):
        meta.effects(counts.head(0), of)
    with pytest.raises(LinkError, match="file 'SDY1_00_0.fcs' of populations.tsv has no row in samples.tsv"):
        meta.effects(counts, of.drop(index=0))
    with pytest.raises(LinkError, match="file 'SDY1_00_0.fcs' is of study 'SDY9' in populations.tsv and of 'SDY1'"):
        meta.effects(counts.assign(study_accession="SDY9"), of)
    with pytest.raises(TableError, match="file 'SDY1_00_0.fcs' has two rows; keep one row per file"):
        meta.effects(counts, pd.concat([of, of.head(1)]))
    with pytest.raises(TableError, match="file 'SDY1_00_0.fcs' has population 'B cells' twice by method 'search'"):
        meta.effects(pd.concat([counts, counts.head(1)]), of)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fraction": 45.0}, "has fraction 45; a fraction is from 0 to 1, not in percent"),
        ({"fraction": -0.1}, "has fraction -0.1; a fraction is from 0 to 1"),
        ({"n_events": -5}, "has n_events -5; a count is 0 or more"),
        ({"n_events": 2_000_000}, r"has n_events 2e\+06; a population has at most the events of its parent"),
    ],
)
@pytest.mark.parametrize("scale", ["logit", "arcsine", "zscore", "fraction"])
def test_shares_that_cannot_be_are_errors(changes: dict[str, float], message: str, scale: str) -> None:
    of = samples(20)
    counts = populations(of, np.linspace(-2, 2, 20))
    for column, value in changes.items():
        counts.loc[3, column] = value
    with pytest.raises(TableError, match=f"^populations.tsv: population 'B cells' of 'SDY1_03_0.fcs' {message}"):
        meta.effects(counts, of, "age_years", scale=scale)


def test_count_above_its_parent_without_a_fraction_is_unknown() -> None:
    of = samples(20)
    counts = populations(of, np.linspace(-2, 2, 20))
    left_out = meta.effects(counts.drop(index=3), of, "age_years")
    counts.loc[3, "n_events"], counts.loc[3, "fraction"] = 2_000_000, np.nan
    found = meta.effects(counts, of, "age_years")
    assert found["note"].tolist() == ["1 sample without a fraction left out"]
    assert found[["n", "estimate", "se"]].equals(left_out[["n", "estimate", "se"]])


# invariants -----------------------------------------------------------------------------------------------------------


def mixed_study(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    of = pd.concat([samples(12, files=2, seed=seed), samples(15, study="SDY2", seed=seed + 1)], ignore_index=True)
    parts = [
        populations(of, rng.normal(-2, 0.5, len(of)), name=name, panel=np.tile(["a", "b", "a"], 13))
        for name in ("B", "T")
    ]
    return pd.concat(parts, ignore_index=True), of


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_and_of_columns_changes_nothing(seed: int) -> None:
    counts, of = mixed_study(seed)
    first = meta.effects(counts, of, "age_years + sex + study_time_days")
    shuffled = meta.effects(
        counts.sample(frac=1, random_state=seed)[counts.columns[::-1]],
        of.sample(frac=1, random_state=seed + 1)[of.columns[::-1]],
        "age_years + sex + study_time_days",
    )
    pd.testing.assert_frame_equal(first, shuffled, check_exact=True)
    assert first["population"].tolist() == sorted(first["population"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 100), st.floats(-1000, 1000))
def test_unit_of_a_covariate_scales_its_effect_and_nothing_else(seed: int, factor: float, offset: float) -> None:
    counts, of = mixed_study(seed)
    first = meta.effects(counts, of, "age_years + sex")
    moved = meta.effects(counts, of.assign(age_years=of["age_years"] * factor + offset), "age_years + sex")
    age = (first["term"] == "age_years").to_numpy()
    assert moved["estimate"][age].to_numpy() * factor == pytest.approx(
        first["estimate"][age].to_numpy(), rel=1e-4, abs=1e-7
    )
    assert moved["estimate"][~age].to_numpy() == pytest.approx(first["estimate"][~age].to_numpy(), rel=1e-4, abs=1e-6)
    assert moved["p_value"].to_numpy() == pytest.approx(first["p_value"].to_numpy(), rel=1e-3, abs=1e-6)


def test_result_is_of_the_contract() -> None:
    counts, of = mixed_study(1)
    result = meta.effects(counts, of)
    assert result.columns.tolist() == tables.EFFECTS.column_names
    assert not result.duplicated(list(tables.EFFECTS.key)).any()


def test_rate_of_false_positives_with_repeated_samples() -> None:
    """20 subjects x 3 files, ICC .7: the case in which each file counted as independent gives .22."""
    of = samples(20, files=3)
    rng = np.random.default_rng(25)
    draws = [
        populations(of, -2 + np.repeat(rng.normal(0, 0.7**0.5, 20), 3) + rng.normal(0, 0.3**0.5, 60), name=f"{i:03d}")
        for i in range(400)
    ]
    p = meta.effects(pd.concat(draws, ignore_index=True), of, "age_years")["p_value"]
    assert 0.03 <= (p < 0.05).mean() <= 0.075  # 95 % of exact tests: .0286 to .0714
