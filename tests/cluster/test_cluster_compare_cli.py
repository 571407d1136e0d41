"""``cluster compare`` with a model, and options that would be ignored."""

import pytest

from immport_cyto import tables
from support.cluster_study import make_study, run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), n_files=10)


def test_groups_are_compared_by_a_model_with_covariates(study, tmp_path):
    samples = tables.read(study.samples_path, tables.SAMPLES)
    samples["age_years"] = [20.0 + 3 * i for i in range(len(samples))]
    samples["arm_name"] = [f" {name} " for name in samples["arm_name"]]
    tables.write(samples, tmp_path / "s.tsv", tables.SAMPLES)
    arguments = ["compare", study.folder / "labelled", "--model", study.model_path, "--samples", tmp_path / "s.tsv"]
    shown = run(
        *arguments, "--group", "arm_name", "--reference", "control", "--test", "model", "--covariates", "age_years",
        "--out", tmp_path / "o.tsv", "--figures-dir", tmp_path, "--json", tmp_path / "o.json",
    )  # fmt: skip
    found = tables.read(tmp_path / "o.tsv", tables.COMPARISON)
    assert set(found.loc[found["p_value"].notna(), "test"]) == {"logit ~ group + age_years; least squares"}
    rows = found[(found["level"] == "metacluster") & (found["q_value"] < 0.001)]
    # four to five times as many of population 3 in cases
    assert rows["log_odds"].max() == pytest.approx(1.6, abs=0.25)
    assert "q < 0.05 for" in shown.stderr
    assert '"covariates": "age_years"' in (tmp_path / "o.json").read_text()
    dots = (tmp_path / "abundances.svg").read_text()
    assert dots.count("control") > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labels", "A", "B", "--samples", "s.tsv"], "--samples has no meaning with --labels; leave it out"),
        (["--labels", "A", "B", "--paired"], "--paired has no meaning with --labels"),
        (["--labels", "A", "B", "--clusters", "c.tsv"], "--clusters has no meaning with --labels"),
        (["--group", "sex", "--contingency", "c.tsv"], "--contingency has no meaning with --group"),
        (["--group", "sex", "--with", "f.fcs"], "--with has no meaning with --group"),
        (["--group", "sex", "--covariates", "age_years"], "--covariates needs --test model"),
        (["--group", "sex", "--paired", "--test", "model"], "--test model takes all samples of a subject as they are"),
    ],
)
def test_options_without_a_meaning_are_refused(study, more, message):
    shown = run("compare", study.labelled["a0.fcs"], "--out", "o.tsv", *more, code=2)
    assert message in shown.stderr


def test_an_unknown_covariate_is_named_as_it_was_written(study, tmp_path):
    from immport_cyto.exceptions import FormulaError

    with pytest.raises(FormulaError, match="formula 'weight': unknown term 'weight'; usable columns: "):
        run(
            "compare", study.folder / "labelled", "--model", study.model_path, "--samples", study.samples_path,
            "--group", "arm_name", "--test", "model", "--covariates", "weight", "--out", tmp_path / "o.tsv",
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
