"""Ordered terms: polynomials and trends, their names, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto import meta
from immport_cyto.exceptions import FormulaError
from support.meta_tables import populations, samples

GRADES = ["none", "mild", "severe"]


def graded(n: int = 30, levels: list[str] | None = None) -> pd.DataFrame:
    of = samples(n, grade=(levels or GRADES) * (n // len(levels or GRADES)))
    of["age_years"] += 0.5 * of.index
    return of


def outcome(of: pd.DataFrame, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(-2, 0.5, len(of)) + 0.3 * of["grade"].map(GRADES.index).to_numpy()


def logit(table: pd.DataFrame) -> np.ndarray:
    n, total = table["n_events"].to_numpy(float), table["n_parent"].to_numpy(float)
    return np.log((n + 0.5) / (total - n + 0.5))


@pytest.mark.parametrize("levels", [GRADES, ["a", "b", "c", "d", "e"]])
def test_polynomials_are_those_of_contr_poly(levels: list[str]) -> None:
    import statsmodels.formula.api as smf

    of = graded(30, levels)
    y = np.random.default_rng(1).normal(-2, 0.5, 30)
    table = populations(of, y)
    found = meta.effects(table, of, f"age_years + ordered(grade, {', '.join(levels)})").set_index("term")
    data = of.assign(y=logit(table), grade=pd.Categorical(of["grade"], levels, ordered=True))
    theirs = smf.ols("y ~ age_years + C(grade, Poly)", data).fit()
    norm = np.sqrt(((np.arange(len(levels)) - (len(levels) - 1) / 2) ** 2).sum())
    shown = " < ".join(levels)
    for mine, their, factor in (("linear", ".Linear", norm), ("quadratic", ".Quadratic", 1.0)):
        ours, name = found.loc[f"grade[{mine}: {shown}]"], f"C(grade, Poly){their}"
        assert ours["estimate"] == pytest.approx(theirs.params[name] / factor, rel=1e-10)
        assert ours["se"] == pytest.approx(theirs.bse[name] / factor, rel=1e-10)
        assert ours["p_value"] == pytest.approx(theirs.pvalues[name], rel=1e-9)
    assert len(found) == len(levels)
    assert found.loc["age_years", "estimate"] == pytest.approx(theirs.params["age_years"], rel=1e-10)


def test_a_trend_is_the_change_per_step() -> None:
    of = graded()
    table = populations(of, outcome(of))
    found = meta.effects(table, of, "trend(grade, none, mild, severe)").iloc[0]
    assert found["term"] == "grade[per step: none < mild < severe]"
    rank = of["grade"].map(GRADES.index).to_numpy()
    assert found["estimate"] == pytest.approx(np.polyfit(rank, logit(table), 1)[0], rel=1e-9)
    other = meta.effects(table, of.assign(step=rank), "num(step)").iloc[0]
    assert found[["estimate", "se", "p_value"]].tolist() == pytest.approx(other[["estimate", "se", "p_value"]].tolist())


def test_numbers_are_in_order_without_a_list() -> None:
    of = graded().assign(dose=[10, 2, 100] * 10)
    found = meta.effects(populations(of, outcome(of)), of, "ordered(dose)")
    assert found["term"].tolist() == ["dose[linear: 2 < 10 < 100]", "dose[quadratic: 2 < 10 < 100]"]


def test_studies_without_a_level_are_pooled_by_trend_and_not_by_polynomial() -> None:
    """The step of a trend is the same where a level is missing, the polynomials are others."""
    of = pd.concat([graded(30), graded(30).assign(study_accession="SDY2")], ignore_index=True)
    of["file_name"] = [f"f{i}.fcs" for i in range(60)]
    of["subject_accession"] = [f"SUB{i}" for i in range(60)]
    of = of[~((of["study_accession"] == "SDY2") & (of["grade"] == "mild"))].reset_index(drop=True)
    table = populations(of, outcome(of))
    trend = meta.effects(table, of, "trend(grade, none, mild, severe)")
    assert trend["term"].tolist() == ["grade[per step: none < mild < severe]"] * 2
    assert trend["note"].tolist() == ["", "no sample has mild of grade"]
    assert meta.pool_effects(trend, leave_one_out=False)["k"].tolist() == [2]
    poly = meta.effects(table, of, "ordered(grade, none, mild, severe)")
    assert sorted(poly["term"]) == [
        "grade[linear: none < mild < severe]", "grade[linear: none < severe]", "grade[quadratic: none < mild < severe]",
    ]  # fmt: skip


def test_a_level_of_one_subject_is_told() -> None:
    of = graded(30)
    of["grade"] = ["severe", *["none", "mild"] * 14, "none"]
    table = populations(of, outcome(of))
    assert (
        meta.effects(table, of, "ordered(grade, none, mild, severe)")["note"].tolist()
        == ["level severe has one subject only"] * 2
    )
    assert np.isfinite(meta.effects(table, of, "trend(grade, none, mild, severe)")["estimate"]).all()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "ordered(grade)",
            r"ordered\(grade\) needs its levels, the lowest first, since they are not numbers; the column",
        ),
        ("trend(grade, none, mild)", r"trend\(grade\) leaves out 'severe', which samples.tsv has; put it in its place"),
        ("ordered(grade, none, mild, moderate, severe)", "level 'moderate' of ordered\\(grade\\) is in no sample; use"),
        ("ordered(code)", r"ordered\(code\) has 10 levels; use trend\(code\) for more than 6"),
    ],
)
def test_orders_that_cannot_be(formula: str, message: str) -> None:
    of = graded().assign(code=list(range(10)) * 3)
    with pytest.raises(FormulaError, match=message):
        meta.effects(populations(of, outcome(of)), of, formula)


def test_a_reference_level_and_an_order_exclude_each_other() -> None:
    from immport_cyto.exceptions import OptionError

    of = graded()
    with pytest.raises(OptionError, match="baseline names 'grade', which is not a category of the formula"):
        meta.effects(populations(of, outcome(of)), of, "trend(grade, none, mild, severe)", baseline={"grade": "mild"})
