"""Formulas: what they mean, and that nothing in them runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import FormulaError
from immport_cyto.meta.formula import Variable, parse

COLUMNS = {
    "age_years": "number", "sex": "category", "arm_name": "category", "dose": "undeclared", "my col": "category",
    "batch": "category",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("age_years", ["age_years"]),
        ("~ age_years + sex", ["age_years", "sex"]),
        ("1 + age_years", ["age_years"]),
        (" age_years+sex + age_years ", ["age_years", "sex"]),
        ("age_years * sex", ["age_years", "sex", "age_years:sex"]),
        ("age_years + sex + sex:age_years", ["age_years", "sex", "age_years:sex"]),
        (
            "age_years*sex*batch",
            ["age_years", "sex", "batch", "age_years:sex", "age_years:batch", "sex:batch", "age_years:sex:batch"],
        ),
        ("`my col`", ["my col"]),
        ("num(dose)", ["dose"]),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert parse(text, COLUMNS).names == terms


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("C(sex)", Variable("sex", "category", None)),
        ("C(sex, Male)", Variable("sex", "category", "Male")),
        ("C(sex, ref=Male)", Variable("sex", "category", "Male")),
        ("C(sex, 'Not; in \"it')", Variable("sex", "category", 'Not; in "it')),
        ('C(arm_name, "Arm 1, low")', Variable("arm_name", "category", "Arm 1, low")),
        ("C(dose, 2)", Variable("dose", "category", "2")),
        ("C(arm_name, Healthy controls)", Variable("arm_name", "category", "Healthy controls")),
        ("C(arm_name, ref = 2nd dose)", Variable("arm_name", "category", "2nd dose")),
        (
            "ordered(arm_name, No drug,1 mg , 10  mg)",
            Variable("arm_name", "ordered", None, ("No drug", "1 mg", "10  mg")),
        ),
        ("sex + C(sex, Male)", Variable("sex", "category", "Male")),
        ("C(age_years)", Variable("age_years", "category", None)),
    ],
)
def test_declared_types_and_reference_levels(text: str, variable: Variable) -> None:
    assert parse(text, COLUMNS).variables == (variable,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no term in it; usable columns: age_years, arm_name"),
        ("1", "there is no term in it"),
        ("age_yeers", "unknown term 'age_yeers'; usable columns: age_years, arm_name, batch, dose, my col, sex"),
        ("age_years +", "a column name is expected before the end"),
        ("age_years sex", "'sex' is not expected here; write terms joined by +"),
        ("fraction ~ age_years", "unknown term 'fraction'"),
        ("sex ~ age_years", "leave out the outcome"),
        ("age_years - 1", "'-' is not allowed; use column names"),
        ("0 + age_years", "the number 0 is not a term; the intercept is always in the model"),
        ("age_years:sex", "age_years:sex needs age_years too; write age_years\\*sex"),
        ("age_years*age_years", "'age_years' is crossed with itself"),
        ("age_years*sex*batch*arm_name", "crosses 4 columns; use at most 3"),
        (
            "dose",
            "column 'dose' holds numbers without a declared meaning; write num\\(dose\\) for a quantity or C\\(dose",
        ),
        ("age_years + C(age_years)", "column 'age_years' is used in two ways"),
        ("C(sex, Male) + C(sex, Female)", "column 'sex' is used in two ways"),
        ("C(sex", "the bracket after C\\(sex is not closed"),
        ("C(sex, Male + age_years", "the bracket after C\\(sex is not closed"),
        ("C(arm_name, 13-valent)", "'-' is not allowed; put the level in quotes, as in C\\(arm_name, \"...\"\\)"),
        ("C(sex, Male) - age_years", "'-' is not allowed; use column names"),
        ("C(sex,)", "a level is expected after the comma"),
        ("ordered(arm_name, Low)", "ordered\\(arm_name\\) needs two or more different levels, the lowest first"),
        ("trend(arm_name, Low, Low)", "trend\\(arm_name\\) needs two or more different levels"),
        ("log(age_years)", "the function 'log' is not allowed"),
        ("age_years" * 200, "use at most 1000"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message) as error:
        parse(text, COLUMNS)
    assert str(error.value).startswith("formula '")
    assert "\n" not in str(error.value)


HOSTILE = [
    "__import__('os')",
    "__import__('os').system('touch {canary}')",
    "C(__import__('os').system('touch {canary}'))",
    "C(sex, __import__('os').system('touch {canary}'))",
    "C(sex, Treatment(reference=open('{canary}', 'w')))",
    "I(open('{canary}', 'w'))",
    'age_years + eval(\'open("{canary}", "w")\')',
    "Q('sex'); open('{canary}', 'w')",
    "age_years.__class__.__mro__",
    "{{open('{canary}', 'w')}}",
    "`__import__('os').system('touch {canary}')`",
    "age_years if open('{canary}', 'w') else sex",
    "[x for x in (open('{canary}', 'w'),)]",
    "lambda: open('{canary}', 'w')",
    "age_years + \x00sex",
    "age_years\n+ sex\nimport os",
    "np.load('{canary}')",
    "age_years ** 1000000",
    "(" * 400,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_and_never_run(text: str, tmp_path: object) -> None:
    canary = f"{tmp_path}/canary"
    with pytest.raises(FormulaError):
        parse(text.replace("{canary}", canary).replace("{{", "{").replace("}}", "}"), COLUMNS)
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]


@given(st.text(alphabet="age_yearssex1+:*(),=~C'\"` \t\n.-[]{}", max_size=60))
def test_any_text_is_a_formula_or_a_formula_error(text: str) -> None:
    try:
        parsed = parse(text, COLUMNS)
    except FormulaError:
        pass
    else:
        assert {column for term in parsed.terms for column in term} <= set(COLUMNS)
