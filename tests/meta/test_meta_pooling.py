"""`meta.pool` against other implementations and against what must hold for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import meta
from immport_cyto.exceptions import AnalysisError, OptionError
from immport_cyto.meta import tau2 as between
from immport_cyto.meta.pooling import q_values

Y = np.array([0.10, 0.30, 0.35, 0.65, -0.20])
SE = np.array([0.10, 0.12, 0.18, 0.15, 0.25])

studies = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.05, 3)).map(lambda pair: (round(pair[0], 4), round(pair[1], 4))),
    min_size=2,
    max_size=9,
)


def restricted_log_likelihood(tau2: float, y: np.ndarray, v: np.ndarray) -> float:
    """Density of the contrasts of y: written from the definition, not from the formula of the module."""
    V = np.diag(v + tau2)
    basis = np.linalg.svd(np.ones((1, len(y))))[2][1:]  # orthonormal contrasts
    contrast, covariance = basis @ y, basis @ V @ basis.T
    return float(-0.5 * (np.linalg.slogdet(covariance)[1] + contrast @ np.linalg.solve(covariance, contrast)))


def test_dersimonian_laird_agrees_with_statsmodels() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    ours = meta.pool(Y, SE, "DL", "z")
    theirs = combine_effects(Y, SE**2, method_re="dl")
    assert ours.tau2 == pytest.approx(theirs.tau2, rel=1e-12)
    assert ours.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-12)
    assert ours.se == pytest.approx(theirs.sd_eff_w_re, rel=1e-12)
    assert ours.q == pytest.approx(theirs.q, rel=1e-12)
    assert ours.weights == pytest.approx(theirs.weights_rel_re, rel=1e-12)


def test_paule_mandel_agrees_with_statsmodels() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    theirs = combine_effects(Y, SE**2, method_re="iterated")
    assert meta.pool(Y, SE, "PM", "z").tau2 == pytest.approx(theirs.tau2, rel=1e-7)


def test_hartung_knapp_agrees_with_weighted_least_squares() -> None:
    import statsmodels.api as sm

    ours = meta.pool(Y, SE, "REML")
    fit = sm.WLS(Y, np.ones(len(Y)), weights=1 / (SE**2 + ours.tau2)).fit()
    assert (ours.estimate, ours.se, ours.p_value) == pytest.approx(
        (fit.params[0], fit.bse[0], fit.pvalues[0]), rel=1e-12
    )
    assert ours.ci == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-12)


# PyMARE leaves a file of its own open on import
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("ours", "theirs"), [("DL", "DL"), ("HE", "HE"), ("ML", "ML"), ("REML", "REML")])
def test_tau2_agrees_with_pymare(ours: str, theirs: str) -> None:
    from pymare.estimators import DerSimonianLaird, Hedges, VarianceBasedLikelihoodEstimator

    y, v, X = Y[:, None], (SE**2)[:, None], np.ones((len(Y), 1))
    estimator = {
        "DL": DerSimonianLaird(),
        "HE": Hedges(),
        "ML": VarianceBasedLikelihoodEstimator(method="ml"),
        "REML": VarianceBasedLikelihoodEstimator(method="reml"),
    }[theirs].fit(y=y, v=v, X=X)
    assert meta.pool(Y, SE, ours).tau2 == pytest.approx(float(np.ravel(estimator.params_["tau2"])[0]), abs=2e-5)


@settings(max_examples=60, deadline=None)
@given(studies)
def test_reml_is_the_largest_maximum(values: list[tuple[float, float]]) -> None:
    y, se = np.array(values).T
    tau2 = meta.pool(y, se, "REML").tau2
    best = restricted_log_likelihood(tau2, y, se**2)
    for other in np.concatenate([[0.0], np.logspace(-6, 2.5, 60), tau2 * np.array([0.99, 1.01])]):
        assert restricted_log_likelihood(float(other), y, se**2) <= best + 1e-9


@settings(max_examples=60, deadline=None)
@given(studies)
def test_paule_mandel_brings_q_to_its_expectation(values: list[tuple[float, float]]) -> None:
    y, se = np.array(values).T
    tau2 = meta.pool(y, se, "PM").tau2
    q = between.cochran_q(y, se**2, tau2)
    if tau2 > 0:
        assert q == pytest.approx(len(y) - 1, rel=1e-9)
    else:
        assert q <= len(y) - 1


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(meta.METHODS), st.sampled_from(meta.TESTS), st.randoms(use_true_random=False))
def test_any_order_and_any_unit(values: list[tuple[float, float]], method: str, test: str, random: object) -> None:
    y, se = np.array(values).T
    first = meta.pool(y, se, method, test)
    order = list(range(len(y)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = meta.pool(y[order], se[order], method, test)
    assert (again.estimate, again.se, again.ci, again.tau2) == (first.estimate, first.se, first.ci, first.tau2)
    assert again.weights.tolist() == first.weights[order].tolist()
    assert y.min() - 1e-12 <= first.estimate <= y.max() + 1e-12
    assert first.weights.sum() == pytest.approx(1)
    assert first.ci[0] <= first.estimate <= first.ci[1]
    moved = meta.pool(4 * y, 4 * se, method, test)
    assert moved.estimate == pytest.approx(4 * first.estimate, rel=1e-6, abs=1e-6)
    assert moved.tau2 == pytest.approx(16 * first.tau2, rel=1e-6, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(studies)
def test_q_profile_interval_turns_the_q_test_around(values: list[tuple[float, float]]) -> None:
    from scipy.stats import chi2

    y, se = np.array(values).T
    for end, tail in zip(meta.pool(y, se).tau2_ci, (0.025, 0.975), strict=True):
        p = chi2.sf(between.cochran_q(y, se**2, end), len(y) - 1)
        if end > 0:
            assert p == pytest.approx(tail, rel=1e-6)
        else:
            assert p >= tail - 1e-9


def test_one_study_keeps_its_estimate() -> None:
    result = meta.pool([0.5], [0.25])
    assert (result.estimate, result.se, result.k, result.test) == (0.5, 0.25, 1, "z")
    assert result.ci == pytest.approx((0.5 - 1.959963984540054 * 0.25, 0.5 + 1.959963984540054 * 0.25))
    assert result.p_value == pytest.approx(0.04550026389635842)
    assert np.isnan([result.tau2, result.i2, result.q, *result.pi]).all()
    assert result.weights.tolist() == [1.0]
    assert result.note == "one study: its own estimate, nothing is pooled"


def test_studies_that_agree_exactly_do_not_give_a_p_value_of_zero() -> None:
    result = meta.pool([0.3, 0.3, 0.3], [0.2, 0.3, 0.4])
    assert result.test == "z"
    assert result.tau2 == 0
    assert result.se == pytest.approx((1 / 0.04 + 1 / 0.09 + 1 / 0.16) ** -0.5)
    assert "agree exactly" in result.note


def test_adhoc_is_never_narrower_than_z() -> None:
    y, se = [0.30, 0.31, 0.29], [0.2, 0.2, 0.2]
    z, hk, adhoc = (meta.pool(y, se, test=test).se for test in ("z", "hartung-knapp", "hartung-knapp-adhoc"))
    assert hk < z
    assert adhoc == z


@pytest.mark.parametrize(
    ("y", "se", "message"),
    [
        ([], [], "give one of each per study"),
        ([1, 2], [1], "give one of each per study"),
        ([1, float("nan")], [1, 1], "study 2 has estimate nan"),
        ([1, 2], [1, 0], "study 2 has estimate 2.0 with standard error 0.0"),
        ([1, 2], [1, float("inf")], "leave out what has no usable estimate"),
        (["a", "b"], [1, 1], "must be numbers"),
    ],
)
def test_values_that_cannot_be_pooled(y: list[float], se: list[float], message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        meta.pool(y, se)


def test_example_of_the_docstring() -> None:
    import doctest

    from immport_cyto.meta import pooling

    assert doctest.testmod(pooling) == (0, 3)


def test_unknown_options() -> None:
    with pytest.raises(OptionError, match="method 'reml' is unknown; use one of FE, DL"):
        meta.pool([1, 2], [1, 1], "reml")
    with pytest.raises(OptionError, match="test 't' is unknown; use one of hartung-knapp"):
        meta.pool([1, 2], [1, 1], test="t")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_agree_with_statsmodels(p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert q_values(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-15)
    assert q_values(p, "by") == pytest.approx(multipletests(p, method="fdr_by")[1], abs=1e-15)


def test_q_values_leave_out_what_was_not_tested() -> None:
    q = q_values([0.01, float("nan"), 0.04])
    assert q[[0, 2]].tolist() == [0.02, 0.04]
    assert np.isnan(q[1])


def test_an_interval_narrower_than_that_of_z_is_said():
    alike = meta.pool([0.100, 0.101, 0.0995], [0.05, 0.05, 0.05])
    assert "z interval would be wider" in alike.note
    assert meta.pool([0.1, 0.2, 0.02], [0.05, 0.05, 0.05]).note == ""
    assert meta.pool([0.100, 0.101, 0.0995], [0.05, 0.05, 0.05], test="z").note == ""
