"""`meta.pool_effects`: which rows are pooled, and what the notes say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import meta, tables
from immport_cyto.exceptions import OptionError, TableError
from support.meta_tables import effect_rows, populations, samples


def pooled_row(frame: pd.DataFrame, population: str = "B cells") -> pd.Series:
    return frame[(frame["omitted"] == "") & (frame["population"] == population)].iloc[0]


def test_pooled_row_is_that_of_pool() -> None:
    y, se = [0.1, 0.3, 0.35], [0.1, 0.12, 0.18]
    found = pooled_row(meta.pool_effects(effect_rows(y, se)))
    expected = meta.pool(y, se)
    assert found[["k", "n"]].tolist() == [3, 30]
    names = ["estimate", "se", "p_value", "tau2", "i2", "q", "q_p"]
    assert found[names].tolist() == [getattr(expected, name) for name in names]
    assert found[["ci_low", "ci_high", "pi_low", "pi_high"]].tolist() == [*expected.ci, *expected.pi]
    assert (found["estimator"], found["scale"], found["note"]) == ("REML + hartung-knapp", "logit", "")


def test_leave_one_out_rows_are_pools_of_the_rest() -> None:
    y, se = np.array([0.1, 0.3, 0.35]), np.array([0.1, 0.12, 0.18])
    result = meta.pool_effects(effect_rows(y, se), method="DL", test="z")
    assert result["omitted"].tolist() == ["", "SDY1", "SDY2", "SDY3"]
    for i in range(3):
        rest = meta.pool(np.delete(y, i), np.delete(se, i), "DL", "z")
        assert result.loc[i + 1, ["k", "estimate", "se"]].tolist() == [2, rest.estimate, rest.se]
    assert result["q_value"].isna().tolist() == [False, True, True, True]
    assert meta.pool_effects(effect_rows(y, se), leave_one_out=False)["omitted"].tolist() == [""]
    assert meta.pool_effects(effect_rows(y[:2], se[:2]))["omitted"].tolist() == [""]


def test_one_study_keeps_its_own_interval() -> None:
    found = pooled_row(meta.pool_effects(effect_rows([0.2], [0.1])))
    assert found[["k", "estimate", "se", "ci_low", "ci_high", "p_value"]].tolist() == pytest.approx(
        [1, 0.2, 0.1, -0.02, 0.42, 0.04]
    )
    assert found[["tau2", "i2", "pi_low", "q"]].isna().all()
    assert (found["estimator"], found["q_value"]) == ("single study", 0.04)
    assert found["note"] == "one study (SDY1): its own estimate, nothing is pooled"


def test_study_without_an_estimate_is_named() -> None:
    rows = effect_rows([0.2, 0.3, np.nan], [0.1, 0.1, np.nan])
    rows.loc[2, "note"] = "4 subjects for 3 parameters, at least 6 are needed; age is top-coded in 1 sample"
    found = pooled_row(meta.pool_effects(rows))
    assert found["k"] == 2
    assert found["note"] == "without an estimate: SDY3 (4 subjects for 3 parameters, at least 6 are needed)"


def test_no_study_with_an_estimate() -> None:
    rows = effect_rows([np.nan], [np.nan], note="no event in any sample")
    found = pooled_row(meta.pool_effects(rows))
    assert found["k"] == 0
    assert np.isnan(found["estimate"])
    assert np.isnan(found["q_value"])
    assert found["note"] == "no study has an estimate; without an estimate: SDY1 (no event in any sample)"


def test_q_values_are_over_the_populations_of_one_method_and_term() -> None:
    parts = [
        effect_rows([0.2], [0.1], name="A", p_value=0.01),
        effect_rows([0.2], [0.1], name="B", p_value=0.03),
        effect_rows([0.2], [0.1], name="C", p_value=np.nan, definition="", estimate=np.nan),
        effect_rows([0.2], [0.1], name="A", term="sex[Male vs Female]", p_value=0.03),
        effect_rows([0.2], [0.1], name="A", method="flowsom", p_value=0.03),
    ]
    for part, definition in zip(parts, ["CD1+", "CD2+", "", "CD1+", "CD1+"], strict=True):
        part["definition"] = definition
    result = meta.pool_effects(pd.concat(parts)).set_index(["method", "population", "term"])["q_value"]
    assert result["search", "A", "age_years"] == 0.02
    assert result["search", "B", "age_years"] == 0.03
    assert np.isnan(result["search", "C", "age_years"])
    assert result["search", "A", "sex[Male vs Female]"] == 0.03
    assert result["flowsom", "A", "age_years"] == 0.03


def test_one_definition_under_two_names_is_united() -> None:
    rows = effect_rows([0.1, 0.2, 0.3], [0.1] * 3, name=["Helper T", "CD4 T", "CD4 T"])
    rows["definition"] = ["CD4+ CD3+", "CD3+ CD4+", "CD3+, CD4+"]
    result = meta.pool_effects(rows, leave_one_out=False)
    assert result["population"].tolist() == ["CD4 T"]
    assert result["k"].tolist() == [3]
    assert result["note"].tolist() == ["same definition under another name: 'Helper T' in SDY1"]


def test_boolean_definitions_are_compared_with_their_brackets() -> None:
    rows = effect_rows([0.1, 0.2, 0.3], [0.1] * 3, name=["A", "B", "C"])
    rows["definition"] = ["(CD4+ OR CD8+) CD3+", "CD3+ (CD4+ OR CD8+)", "CD4+ (CD3+ OR CD8+)"]
    result = meta.pool_effects(rows, leave_one_out=False)
    assert result[["population", "k"]].to_numpy().tolist() == [["A", 2], ["C", 1]]


def test_partial_matches_are_united_with_nothing() -> None:
    names = ["NK cells", "NK cells (partial: without CD14-)", "NK cells (partial: without CD14-)"]
    rows = effect_rows([0.1, 0.2, 0.3], [0.1] * 3, name=names)
    rows["definition"] = ["CD3- CD56+"] * 3
    result = meta.pool_effects(rows, leave_one_out=False).set_index("population")
    assert result["k"].to_dict() == {"NK cells": 1, "NK cells (partial: without CD14-)": 2}


def test_one_definition_of_two_parents_is_not_united() -> None:
    rows = effect_rows([0.1, 0.2], [0.1] * 2, name=["of all", "of T"], parent=["", "CD3+"])
    assert meta.pool_effects(rows)["population"].tolist() == ["of T", "of all"]


def test_a_study_is_never_pooled_with_itself() -> None:
    rows = effect_rows(
        [0.1, 0.2, 0.3], [0.1] * 3, name=["CD4 T", "Helper T", "CD4 T"], studies=["SDY1", "SDY1", "SDY2"]
    )
    result = meta.pool_effects(rows, leave_one_out=False).set_index("population")
    assert result["k"].to_dict() == {"CD4 T": 2, "Helper T": 1}


def test_one_name_with_two_definitions_or_parents_is_noted() -> None:
    rows = effect_rows([0.1, 0.2], [0.1] * 2, definition=["CD19+", "CD20+"], parent=["", "CD45+"])
    found = pooled_row(meta.pool_effects(rows))
    assert found["k"] == 2
    assert found["definition"] == "CD19+; CD20+"
    assert found["note"] == (
        "the definition differs between studies; the parent differs between studies: CD45+, all events"
    )


def test_constant_factor_of_a_study_is_named_where_the_others_are_pooled() -> None:
    rows = pd.concat([
        effect_rows([0.1, 0.2], [0.1] * 2, term="sex[Male vs Female]"),
        effect_rows([np.nan], [np.nan], term="sex", studies=["SDY3"], note="sex is the same in all samples (Male)"),
    ])  # fmt: skip
    result = meta.pool_effects(rows)
    assert result["term"].tolist() == ["sex[Male vs Female]"]
    assert result["note"].tolist() == ["without an estimate: SDY3 (sex is the same in all samples (Male))"]


def test_shared_subjects_are_passed_on() -> None:
    rows = effect_rows(
        [0.1, 0.2], [0.1] * 2, note=["shared subjects: 4 also in SDY2", "shared subjects: 4 also in SDY1"]
    )
    assert pooled_row(meta.pool_effects(rows))["note"] == "studies with shared subjects are not independent: SDY1, SDY2"


def test_wrong_input() -> None:
    rows = effect_rows([0.1, 0.2], [0.1, 0.1])
    with pytest.raises(TableError, match="column 'term' is missing from effects.tsv"):
        meta.pool_effects(rows.drop(columns="term"))
    with pytest.raises(TableError, match="column 'se' holds 'small', which is not a number"):
        meta.pool_effects(rows.assign(se=["0.1", "small"]))
    with pytest.raises(TableError, match="there are no rows; estimate effects first"):
        meta.pool_effects(rows.head(0))
    with pytest.raises(TableError, match="of population 'B cells' in study 'SDY1' has two rows; give each study once"):
        meta.pool_effects(pd.concat([rows, rows.head(1)]))
    with pytest.raises(TableError, match="term 'age_years' comes on the scales logit, zscore, which cannot be pooled"):
        meta.pool_effects(rows.assign(scale=["logit", "zscore"]))
    with pytest.raises(OptionError, match="method 'reml' is unknown"):
        meta.pool_effects(rows, method="reml")
    with pytest.raises(OptionError, match="test 'x' is unknown"):
        meta.pool_effects(rows, test="x")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_order_of_rows_changes_nothing(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        effect_rows(rng.normal(size=k), rng.uniform(0.1, 1, k), name=name, definition=definition)
        for name, definition in (("A", "CD1+"), ("B", "CD2+"), ("C", ""))
    ]
    rows = pd.concat(parts, ignore_index=True)
    first = meta.pool_effects(rows)
    pd.testing.assert_frame_equal(first, meta.pool_effects(rows.sample(frac=1, random_state=seed)), check_exact=True)
    assert first.columns.tolist() == tables.META.column_names
    assert not first.duplicated(list(tables.META.key)).any()


def test_intervals_hold_the_known_effect_as_often_as_they_say() -> None:
    """Six studies whose slopes differ; 100 populations; the pooled 95 % interval holds the mean slope."""
    rng = np.random.default_rng(2)
    of = pd.concat([samples(30, study=f"SDY{i}", seed=100 + i) for i in range(6)], ignore_index=True)
    study = of["study_accession"].factorize()[0]
    parts = []
    for i in range(100):
        slope = 0.02 + rng.normal(0, 0.005, 6)[study]
        y = -3 + slope * of["age_years"] + 0.25 * (of["sex"] == "Male") + 0.3 * study + rng.normal(0, 0.3, len(of))
        parts.append(populations(of, y, name=f"{i:02d}", definition=""))
    pooled = meta.pool_effects(meta.effects(pd.concat(parts, ignore_index=True), of), leave_one_out=False)
    for term, truth in (("age_years", 0.02), ("sex[Male vs Female]", 0.25)):
        found = pooled[pooled["term"] == term]
        held = ((found["ci_low"] < truth) & (truth < found["ci_high"])).mean()
        assert 0.89 <= held <= 0.99  # 95 % +- 2.8 standard errors
        assert found["estimate"].mean() == pytest.approx(truth, abs=4 * found["estimate"].std() / 10)
        assert found["k"].eq(6).all()


def test_the_false_discovery_rate_is_chosen() -> None:
    rows = pd.concat([effect_rows([0.2 + 0.1 * i, 0.3], [0.1, 0.1], name=f"P{i}") for i in range(5)])
    bh, by = (meta.pool_effects(rows, fdr=fdr) for fdr in ("bh", "by"))
    factor = sum(1 / rank for rank in range(1, 6))
    assert by["q_value"].tolist() == pytest.approx(np.minimum(1, bh["q_value"] * factor).tolist())
    with pytest.raises(OptionError, match="fdr 'bonferroni' is unknown; use one of bh, by"):
        meta.pool_effects(rows, fdr="bonferroni")
