"""Why studies differ: meta-regression, subgroups, cumulative pooling, Egger's test, power."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import meta, tables
from immport_cyto.exceptions import AnalysisError, FormulaError, LinkError, OptionError
from immport_cyto.meta.planning import rejection
from support.meta_tables import effect_rows

Y = [0.10, 0.30, 0.35, 0.65, -0.20, 0.05, 0.42]
SE = [0.10, 0.12, 0.18, 0.15, 0.25, 0.09, 0.3]
YEAR = [2001.0, 2004, 2010, 2015, 1999, 2002, 2012]
TISSUE = ["PBMC", "PBMC", "blood", "blood", "PBMC", "PBMC", "blood"]


def properties(**changes: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"study_accession": [f"SDY{i + 1}" for i in range(7)], "year": YEAR, "tissue": TISSUE} | changes
    )


@pytest.mark.parametrize("method", ["FE", "DL", "HE", "HS", "SJ", "ML", "REML", "PM"])
def test_coefficients_are_weighted_least_squares_at_tau2(method: str) -> None:
    import statsmodels.api as sm

    ours = meta.regress(Y, SE, YEAR, ["year"], method)
    weights = 1 / (np.square(SE) + ours.tau2)
    theirs = sm.WLS(Y, sm.add_constant(np.array(YEAR)), weights=weights).fit()
    assert ours.estimate == pytest.approx(theirs.params, rel=1e-8)
    assert ours.se == pytest.approx(theirs.bse, rel=1e-8)
    assert ours.p_value == pytest.approx(theirs.pvalues, rel=1e-6)
    assert np.column_stack([ours.ci_low, ours.ci_high]) == pytest.approx(theirs.conf_int(), rel=1e-6)
    assert ours.qm_p == pytest.approx(theirs.f_pvalue, rel=1e-6)
    assert ours.df == 5


# PyMARE leaves a file of its own open on import
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", ["DL", "HE", "ML", "REML"])
def test_tau2_with_moderators_agrees_with_pymare(method: str) -> None:
    from pymare.estimators import DerSimonianLaird, Hedges, VarianceBasedLikelihoodEstimator

    X = np.column_stack([np.ones(7), np.array(YEAR) - 2005])
    theirs = {
        "DL": DerSimonianLaird(),
        "HE": Hedges(),
        "ML": VarianceBasedLikelihoodEstimator(method="ml"),
        "REML": VarianceBasedLikelihoodEstimator(method="reml"),
    }[method].fit(y=np.array(Y)[:, None], v=np.square(SE)[:, None], X=X)
    ours = meta.regress(Y, SE, X[:, 1], ["year"], method)
    assert ours.tau2 == pytest.approx(float(np.ravel(theirs.params_["tau2"])[0]), abs=2e-5)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(7)), st.sampled_from(meta.METHODS), st.sampled_from(meta.TESTS))
def test_the_order_of_the_studies_does_not_matter(order: list[int], method: str, test: str) -> None:
    def fit(at: list[int]) -> meta.MetaRegression:
        return meta.regress(np.array(Y)[at], np.array(SE)[at], np.array(YEAR)[at], ["year"], method, test)

    first, again = fit(list(range(7))), fit(order)
    assert again.estimate.tolist() == first.estimate.tolist()
    assert (again.tau2, again.qm_p, again.qe) == (first.tau2, first.qm_p, first.qe)


def test_a_true_slope_is_found_and_explains_the_differences() -> None:
    rng = np.random.default_rng(1)
    x, se = rng.uniform(0, 10, 60), np.full(60, 0.05)
    fit = meta.regress(0.3 - 0.1 * x + rng.normal(0, 0.07, 60), se, x, ["x"])
    assert abs(fit.estimate[1] + 0.1) < 3 * fit.se[1] < 0.02
    assert fit.tau2 == pytest.approx(0.07**2 - 0.05**2, abs=0.002)
    assert fit.r2 > 95


@pytest.mark.parametrize(
    ("moderators", "message"),
    [
        ([1.0] * 7, "the moderators x do not vary, or say the same, over these studies; use fewer of them"),
        ([np.nan] * 7, "do not vary"),
        (np.eye(7)[:, :6], "7 studies are too few for 7 coefficients; use fewer moderators or 9 studies"),
    ],
)
def test_what_cannot_be_regressed_is_one_sentence(moderators: object, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        meta.regress(Y, SE, moderators, ["x"])


@pytest.mark.parametrize("y", [[0.1] * 7, (0.1 + 0.07 * np.array(YEAR)).tolist()])
def test_estimates_on_a_line_have_no_p_value_out_of_rounding(y: list[float]) -> None:
    with pytest.raises(AnalysisError, match="the model fits the estimates exactly, which Hartung-Knapp cannot use"):
        meta.regress(y, SE, YEAR, ["year"])
    plain = meta.regress(y, SE, YEAR, ["year"], "REML", "z")
    careful = meta.regress(y, SE, YEAR, ["year"], "REML", "hartung-knapp-adhoc")
    assert careful.se.tolist() == plain.se.tolist()
    assert plain.se[1] > 0.001


def test_moderators_reports_each_coefficient_with_its_reference() -> None:
    result = meta.moderators(effect_rows(Y, SE), properties(), "num(year) + tissue")
    assert result["coefficient"].tolist() == ["intercept", "year", "tissue[blood vs PBMC]"]
    X = np.column_stack([YEAR, np.array(TISSUE) == "blood"])
    fit = meta.regress(Y, SE, X, ["year", "blood"])
    assert result["estimate"].tolist() == fit.estimate.tolist()
    assert result["qm_p"].tolist() == [fit.qm_p] * 3
    assert result["q_value"].tolist() == pytest.approx(fit.p_value.tolist())  # one population: nothing to correct
    assert set(result["k"]) == {7}


def test_a_study_without_a_property_is_left_out_and_named() -> None:
    rows = meta.moderators(effect_rows(Y, SE), properties(year=[*YEAR[:6], np.nan]), "num(year)")
    assert rows["k"].tolist() == [6, 6]
    assert rows["note"].tolist() == ["without year: SDY7"] * 2
    assert rows["estimate"].tolist() == meta.regress(Y[:6], SE[:6], YEAR[:6], ["year"]).estimate.tolist()


def test_an_order_that_is_not_a_number_is_unknown() -> None:
    rows = meta.cumulative(effect_rows(Y, SE), properties(year=["NaN", *map(str, YEAR[1:])]), "year")
    assert rows["study_accession"].iloc[-1] == "SDY1"
    assert rows["study_accession"].iloc[0] == "SDY5"


def test_too_few_studies_give_a_reason_and_no_number() -> None:
    rows = meta.moderators(effect_rows(Y[:3], SE[:3]), properties(), "num(year)")
    assert rows["estimate"].isna().all()
    assert rows["note"][0].startswith("3 studies are too few for 2 coefficients")


def test_a_constant_property_gives_a_reason() -> None:
    rows = meta.moderators(effect_rows(Y[:2] + Y[4:6], SE[:2] + SE[4:6],
                                       studies=["SDY1", "SDY2", "SDY5", "SDY6"]), properties(), "tissue")  # fmt: skip
    assert rows["estimate"].isna().all()
    assert "tissue is the same in all samples (PBMC)" in rows["note"][0]


def test_the_method_can_be_a_property() -> None:
    ours, theirs = effect_rows(Y[:4], SE[:4]), effect_rows(Y[3:], SE[3:], method="immport")
    both = pd.concat([ours, theirs], ignore_index=True)
    rows = meta.moderators(both, properties(), "method", across_methods=True)
    assert set(rows["method"]) == {"immport+search"}
    assert rows["coefficient"].tolist() == ["intercept", "method[search vs immport]"]
    assert set(rows["k"]) == {8}
    assert "a study with effects of several methods counts with each" in rows["note"][0]
    with pytest.raises(FormulaError, match="unknown term 'method'"):
        meta.moderators(both, properties(), "method")


def test_subgroups_are_pooled_as_if_alone_and_compared() -> None:
    rows = meta.subgroups(effect_rows(Y, SE), properties(), "tissue")
    assert rows["subgroup"].tolist() == ["PBMC", "blood"]
    assert rows["k"].tolist() == [4, 3]
    parts = [[i for i in range(7) if TISSUE[i] == name] for name in ("PBMC", "blood")]
    pooled = [meta.pool(np.array(Y)[at], np.array(SE)[at]) for at in parts]
    assert rows["estimate"].tolist() == [p.estimate for p in pooled]
    assert rows["ci_low"].tolist() == [p.ci[0] for p in pooled]
    difference = (pooled[0].estimate - pooled[1].estimate) ** 2 / (pooled[0].se ** 2 + pooled[1].se ** 2)
    assert rows["q_between"].tolist() == pytest.approx([difference] * 2)
    from scipy.stats import chi2

    assert rows["p_between"].tolist() == pytest.approx([chi2.sf(difference, 1)] * 2)


def test_studies_of_no_subgroup_are_named() -> None:
    rows = meta.subgroups(effect_rows(Y, SE), properties(tissue=[*TISSUE[:6], None]), "tissue")
    assert rows["k"].tolist() == [4, 2]
    assert rows["note"][0].endswith("without tissue: SDY7")


def test_cumulative_pooling_ends_with_all_studies_in_the_order_of_the_year() -> None:
    rows = meta.cumulative(effect_rows(Y, SE), properties(), "year")
    assert rows["study_accession"].tolist() == ["SDY5", "SDY1", "SDY6", "SDY2", "SDY3", "SDY7", "SDY4"]
    assert rows["k"].tolist() == list(range(1, 8))
    assert rows["estimate"].iloc[-1] == meta.pool(Y, SE).estimate
    assert rows["estimate"].iloc[1] == meta.pool([Y[4], Y[0]], [SE[4], SE[0]]).estimate
    assert rows["estimate"].iloc[0] == Y[4]
    words = meta.cumulative(effect_rows(Y, SE), properties(year=["10", "9", "b", "a", "", "2", "1e1"]), "year")
    assert words["study_accession"].tolist() == ["SDY6", "SDY2", "SDY1", "SDY7", "SDY4", "SDY3", "SDY5"]


def test_asymmetry_finds_small_studies_with_other_effects() -> None:
    rng = np.random.default_rng(3)
    se = rng.uniform(0.05, 0.6, 40)
    even = meta.asymmetry(effect_rows(0.2 + rng.normal(0, se), se))
    assert even["p_value"][0] > 0.05
    bent = meta.asymmetry(effect_rows(0.2 + 2 * se + rng.normal(0, se), se))
    assert bent["p_value"][0] < 1e-6
    assert bent["slope"][0] == pytest.approx(2, abs=3 * bent["se"][0])
    assert bent["limit_low"][0] < 0.2 < bent["limit_high"][0]
    few = meta.asymmetry(effect_rows(Y, SE))
    assert few["note"][0] == "with fewer than 10 studies the test finds only gross asymmetry"
    two = meta.asymmetry(effect_rows(Y[:2], SE[:2]))
    assert two["note"][0] == "2 studies with an estimate are too few; Egger's test needs 4"
    assert np.isnan(two["slope"][0])
    same = meta.asymmetry(effect_rows(Y, [0.1, 0.1 + 1e-14, *[0.1] * 5]))
    assert same["note"][0] == "all standard errors are the same; Egger's test needs studies of different size"


@pytest.mark.parametrize("df", [1.0, 4, 30])
@pytest.mark.parametrize("effect", [0.0, 0.5, -2.0])
def test_rejection_is_the_noncentral_t(effect: float, df: float) -> None:
    from scipy.stats import nct, t

    limit = t.isf(0.025, df)
    expected = nct.sf(limit, df, abs(effect) / 0.7) + nct.cdf(-limit, df, abs(effect) / 0.7)
    assert rejection(effect, 0.7, df) == pytest.approx(expected, rel=1e-6)


def test_power_of_equal_studies_agrees_with_simulation() -> None:
    k, se, tau2, true = 6, 0.2, 0.09, 0.5
    rng = np.random.default_rng(4)
    drawn = rng.normal(true, np.sqrt(se**2 + tau2), (4000, k))
    statistic = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(k))  # Hartung-Knapp of equal weights
    from scipy.stats import t

    found = float((np.abs(statistic) > t.isf(0.025, k - 1)).mean())
    assert rejection(true, np.sqrt((se**2 + tau2) / k), k - 1) == pytest.approx(found, abs=0.025)


def test_power_gives_the_detectable_effect_and_the_studies_needed() -> None:
    rows = meta.power(effect_rows(Y, SE), effect=0.2)
    pooled = meta.pool(Y, SE)
    assert rows["se"][0] == pytest.approx(float(np.sum(1 / (np.square(SE) + pooled.tau2))) ** -0.5)
    assert rejection(rows["detectable"][0], rows["se"][0], 6) == pytest.approx(0.8)
    assert rows["power"][0] == pytest.approx(rejection(0.2, rows["se"][0], 6))
    needed = int(rows["studies_needed"][0])
    se_at = [rows["se"][0] * np.sqrt(7 / k) for k in (needed - 1, needed)]
    assert rejection(0.2, se_at[0], needed - 2) < 0.8 <= rejection(0.2, se_at[1], needed - 1)
    more = meta.power(effect_rows(Y, SE), effect=1e-5)
    assert pd.isna(more["studies_needed"][0])
    assert "more than 1000 studies like these would be needed" in more["note"][0]


def test_power_of_one_study_is_that_of_its_own_test() -> None:
    rows = meta.power(effect_rows([0.3], [0.1]), test="hartung-knapp")
    assert rejection(rows["detectable"][0], 0.1, 8.0) == pytest.approx(0.8)
    assert rows["note"][0].startswith("one study (SDY1): its own test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha is 0; give the level of the test"),
        ({"wanted": 0.01}, "the wanted power is 0.01"),
        ({"effect": 0.0}, "the effect is 0; give a finite number other than 0"),
        ({"method": "XX"}, "method 'XX' is unknown"),
    ],
)
def test_power_refuses_numbers_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        meta.power(effect_rows(Y, SE), **options)


def test_the_studies_table_must_hold_the_studies_and_the_property() -> None:
    rows = effect_rows(Y, SE)
    with pytest.raises(LinkError, match=r"studies.tsv: no row for SDY6, SDY7; add the studies of the effects"):
        meta.subgroups(rows, properties().iloc[:5], "tissue")
    with pytest.raises(LinkError, match=r"studies.tsv: study 'SDY1' has two rows; keep one"):
        meta.cumulative(rows, pd.concat([properties(), properties().iloc[:1]]), "year")
    with pytest.raises(OptionError, match=r"'sex' is not a property in studies.tsv; use one of: year, tissue"):
        meta.subgroups(rows, properties(), "sex")
    with pytest.raises(FormulaError, match="unknown term 'height'; usable columns: tissue, year"):
        meta.moderators(rows, properties(), "height")


def test_results_do_not_depend_on_the_order_of_rows() -> None:
    rows = pd.concat([effect_rows(Y, SE), effect_rows(Y[::-1], SE, name="T cells")], ignore_index=True)
    mixed, mixed_properties = rows.sample(frac=1, random_state=1), properties().sample(frac=1, random_state=2)
    for function in (
        lambda e, s: meta.moderators(e, s, "num(year)"),
        lambda e, s: meta.subgroups(e, s, "tissue"),
        lambda e, s: meta.cumulative(e, s, "year"),
        lambda e, s: meta.asymmetry(e),
        lambda e, s: meta.power(e),
    ):
        pd.testing.assert_frame_equal(function(rows, properties()), function(mixed, mixed_properties))


def test_tables_keep_their_contracts(tmp_path) -> None:
    rows = effect_rows(Y, SE)
    for frame, table in (
        (meta.moderators(rows, properties(), "tissue"), tables.MODERATORS),
        (meta.subgroups(rows, properties(), "tissue"), tables.SUBGROUPS),
        (meta.cumulative(rows, properties(), "year"), tables.CUMULATIVE),
        (meta.asymmetry(rows), tables.ASYMMETRY),
        (meta.power(rows), tables.POWER),
    ):
        tables.write(frame, tmp_path / table.name, table)
        pd.testing.assert_frame_equal(tables.read(tmp_path / table.name, table), frame)
        assert not frame.duplicated(list(table.key)).any()
