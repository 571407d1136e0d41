"""MetaCyto's statistics on small tables, and its own tables read."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto import metacyto, tables
from immport_cyto.exceptions import FormulaError, LinkError, OptionError, TableError
from support import meta_tables


@pytest.fixture
def two_panels():
    """Study SDY1 with two panels, SDY2 with one; fraction falls with age."""
    parts, people = [], []
    for study, panel, n, seed in [
        ("SDY1", "flow-9c-aaaaaa", 12, 1), ("SDY1", "flow-9c-bbbbbb", 10, 2), ("SDY2", "cytof-30c-cccccc", 14, 3)
    ]:  # fmt: skip
        samples = meta_tables.samples(n, study=study, seed=seed)
        samples["file_name"] = f"{panel[-1]}_" + samples["file_name"]
        noise = np.random.default_rng(seed).normal(0, 0.3, n)
        parts.append(
            meta_tables.populations(
                samples, -1 - 0.02 * samples["age_years"] + noise, panel=panel, method="metacyto", name="CD19+"
            )
        )
        people.append(samples)
    return pd.concat(parts, ignore_index=True), pd.concat(people, ignore_index=True)


def test_each_panel_of_a_study_is_a_study(two_panels):
    import statsmodels.formula.api as smf

    populations, samples = two_panels
    effects = metacyto.effects(populations, samples, "age_years + sex").set_index("study_accession")
    assert effects.index.tolist() == ["SDY1_FCM-1", "SDY1_FCM-2", "SDY2_CyTOF-1"]
    assert effects["panel_id"].tolist() == ["flow-9c-aaaaaa", "flow-9c-bbbbbb", "cytof-30c-cccccc"]
    data = populations.merge(samples, on="file_name").query("panel_id == 'flow-9c-bbbbbb'")
    z = (data["fraction"] - data["fraction"].mean()) / data["fraction"].std()
    theirs = smf.ols("z ~ age_years + sex", data.assign(z=z)).fit()
    row = effects.loc["SDY1_FCM-2"]
    assert (row["estimate"], row["se"], row["p_value"], row["df"]) == pytest.approx(
        (theirs.params["age_years"], theirs.bse["age_years"], theirs.pvalues["age_years"], 7), rel=1e-9
    )
    assert (row["term"], row["scale"], row["note"], row["n"]) == ("age_years", "zscore", "", 10)


def test_a_group_is_compared_with_the_first_level(two_panels):
    populations, samples = two_panels
    effects = metacyto.effects(populations, samples, "age_years + sex", term="sex")
    assert set(effects["term"]) == {"sex[Male vs Female]"}
    swapped = metacyto.effects(populations, samples.assign(sex=samples["sex"].map({"Male": "A", "Female": "B"})), "sex")
    assert set(swapped["term"]) == {"sex[B vs A]"}


def test_one_model_over_all_studies(two_panels):
    import statsmodels.formula.api as smf

    populations, samples = two_panels
    found = metacyto.regression(populations, samples, "age_years + sex").iloc[0]
    data = populations.merge(samples, on="file_name")
    z = (data["fraction"] - data["fraction"].mean()) / data["fraction"].std()
    theirs = smf.ols("z ~ age_years + sex + panel_id", data.assign(z=z)).fit()
    assert (found["estimate"], found["se"], found["ci_low"]) == pytest.approx(
        (theirs.params["age_years"], theirs.bse["age_years"], theirs.conf_int().loc["age_years", 0]), rel=1e-9
    )
    assert (found["k"], found["n"], found["df"]) == (3, 36, 31)


@pytest.mark.parametrize("scaled", [(False, False), (False, True), (True, True)])
def test_scaling_of_outcome_and_variable(two_panels, scaled):
    """MetaCyto's ifScale."""
    import statsmodels.formula.api as smf

    populations, samples = two_panels
    data = populations.merge(samples, on="file_name")
    for name, is_scaled in zip(("fraction", "age_years"), scaled, strict=True):
        if is_scaled:
            data[name] = (data[name] - data[name].mean()) / data[name].std()
    theirs = smf.ols("fraction ~ age_years + sex + panel_id", data).fit()
    found = metacyto.regression(populations, samples, "age_years + sex", scaled=scaled).iloc[0]
    assert (found["estimate"], found["se"]) == pytest.approx(
        (theirs.params["age_years"], theirs.bse["age_years"]), rel=1e-9
    )
    effects = metacyto.effects(populations, samples, "age_years + sex", scaled=scaled)
    assert set(effects["scale"]) == {"zscore" if scaled[0] else "fraction"}
    assert effects["p_value"].tolist() == pytest.approx(
        metacyto.effects(populations, samples, "age_years + sex")["p_value"].tolist()
    )


def test_pooled_effects_and_leave_one_out(two_panels):
    from immport_cyto import meta

    populations, samples = two_panels
    effects = metacyto.effects(populations, samples)
    pooled = metacyto.pool(effects)
    assert pooled["omitted"].tolist() == ["", "SDY1_FCM-1", "SDY1_FCM-2", "SDY2_CyTOF-1"]
    assert pooled["k"].tolist() == [3, 2, 2, 2]
    theirs = meta.pool(effects["estimate"], effects["se"], "REML", "z")
    first = pooled.iloc[0]
    assert (first["estimate"], first["se"]) == pytest.approx((theirs.estimate, theirs.se), rel=1e-3)
    assert (first["q"], first["q_p"]) == pytest.approx((theirs.q, theirs.q_p), rel=1e-12)
    assert "the z test rejects too often with 3 studies" in first["note"]


def test_files_of_one_subject_are_said_to_be_counted_as_independent():
    samples = meta_tables.samples(6, files=3)
    populations = meta_tables.populations(samples, np.linspace(-3, -1, 18), method="metacyto")
    effects = metacyto.effects(populations, samples, "age_years")
    row = effects.iloc[0]
    assert (row["n"], row["n_subjects"], row["df"]) == (18, 6, 16)
    assert row["note"] == "18 files of 6 subjects are counted as independent: p too small"
    assert "files of one subject are counted as independent" in metacyto.pool(effects)["note"].iloc[0]


def test_fits_without_error_are_said(two_panels):
    samples = meta_tables.samples(3)
    populations = meta_tables.populations(samples, [-1.0, -2.0, -2.5], method="metacyto")
    row = metacyto.effects(populations, samples, "age_years + sex").iloc[0]
    assert np.isnan(row["se"])
    assert row["note"] == "as many parameters as files: no standard error"
    pooled = metacyto.pool(pd.DataFrame([row])).iloc[0]
    assert (pooled["k"], np.isnan(pooled["estimate"])) == (0, True)
    assert "without an estimate: SDY1_FCM-1 (as many parameters as files" in pooled["note"]
    four = meta_tables.samples(4)
    exact = meta_tables.populations(four, [-1.0] * 4, method="metacyto")
    exact["fraction"] = four["age_years"] / 100
    row = metacyto.effects(exact, four, "age_years").iloc[0]
    assert "perfect fit: standard error and p are rounding errors" in row["note"]
    constant = exact.assign(fraction=0.5)
    row = metacyto.effects(constant, four, "age_years").iloc[0]
    assert np.isnan(row["estimate"])
    assert row["note"] == "skipped, as by MetaCyto: the outcome does not vary over 4 files"
    over = metacyto.regression(constant, four, "age_years").iloc[0]
    assert (np.isnan(over["estimate"]), over["n"], over["note"]) == (True, 4, row["note"])
    one_sex = metacyto.effects(exact, four.assign(sex="Male"), "age_years + sex").iloc[0]
    assert one_sex["note"] == "skipped, as by MetaCyto: sex does not vary over 4 files"


def test_rows_with_an_empty_cell_are_left_out_before_scaling(two_panels):
    populations, samples = two_panels
    populations, samples = populations.iloc[:12].copy(), samples.copy()
    samples.loc[[0, 5], "age_years"] = np.nan
    samples.loc[2, "sex"] = ""
    populations.loc[3, "fraction"] = np.nan
    found = metacyto.effects(populations, samples).iloc[0]
    kept = [i for i in range(12) if i not in (0, 2, 3, 5)]
    alone = metacyto.effects(populations.iloc[kept], samples.iloc[kept]).iloc[0]
    assert found["n"] == 8
    assert (found["estimate"], found["se"]) == pytest.approx((alone["estimate"], alone["se"]), rel=1e-12)


def test_one_study_keeps_its_result(two_panels):
    populations, samples = two_panels
    effects = metacyto.effects(populations, samples).query("study_accession == 'SDY2_CyTOF-1'")
    pooled = metacyto.pool(effects)
    assert len(pooled) == 1
    assert pooled["p_value"].iloc[0] == effects["p_value"].iloc[0]
    assert "MetaCyto stops here" in pooled["note"].iloc[0]


def test_medians_as_outcome(two_panels):
    populations, samples = two_panels
    medians = pd.DataFrame({
        "file_name": populations["file_name"], "method": "metacyto", "population": "CD19+", "marker": "CD28",
        "median": np.linspace(0, 5, len(populations)),
    })  # fmt: skip
    found = metacyto.effects(populations, samples, medians=medians[:30], parameter="CD28")
    assert found["n"].tolist() == [12, 10, 8]
    assert found["study_accession"].tolist() == ["SDY1_FCM-1", "SDY1_FCM-2", "SDY2_CyTOF-1"]
    with pytest.raises(TableError, match="has no marker 'CD29'; use fraction or one of CD28"):
        metacyto.effects(populations, samples, medians=medians, parameter="CD29")
    with pytest.raises(OptionError, match="parameter 'CD28' is a median"):
        metacyto.effects(populations, samples, parameter="CD28")


@pytest.mark.parametrize(
    ("formula", "term", "why"),
    [
        ("age_years * sex", None, "'age_years \\* sex' is no column"),
        ("weight", None, "'weight' is no column of samples.tsv"),
        ("age_years", "sex", "term 'sex' is not in the formula"),
        ("", None, "'' is no column"),
    ],
)
def test_models_that_metacyto_does_not_have(two_panels, formula, term, why):
    with pytest.raises(FormulaError, match=why):
        metacyto.effects(*two_panels, formula, term=term)


STATS = """study_id,fcs_files,cluster_id,label,fcs_names,CD3,CD28,fraction
Data_SDY9_FCM-1,Data/SDY9/a.fcs,cluster1,CD3+|CD4+,a.fcs,2.5,NA,0.25
Data_SDY9_FCM-1,Data/SDY9/b.fcs,cluster1,CD3+|CD4+,b.fcs,2.0,1.5,0.5
"""
INFO = """fcs_files,Subject Age,Gender,Race,Dose
Data/SDY9/a.fcs,84,Male,White,1
Data/SDY9/b.fcs,NA,Female,NA,2
Data/SDY9/c.fcs,31,Female,Asian,3
"""


def test_tables_of_earlier_runs(tmp_path):
    (tmp_path / "stats.csv").write_text(STATS)
    (tmp_path / "stats.txt").write_text(STATS.replace(",", "\t").replace("a.fcs", "d.fcs").replace("b.fcs", "e.fcs"))
    (tmp_path / "info.csv").write_text(INFO)
    populations, medians = metacyto.read_cluster_stats([tmp_path / "stats.csv", tmp_path / "stats.txt"])
    assert populations["file_name"].tolist() == ["a.fcs", "b.fcs", "d.fcs", "e.fcs"]
    assert populations["fraction"].tolist() == [0.25, 0.5, 0.25, 0.5]
    assert set(populations["study_accession"]) == {"SDY9"}
    assert set(populations["panel_id"]) == {"Data_SDY9_FCM-1"}
    assert medians.query("file_name == 'b.fcs'")["median"].tolist() == [2.0, 1.5]
    assert medians.query("file_name == 'a.fcs' and marker == 'CD28'")["median"].isna().all()
    samples = metacyto.read_sample_info([tmp_path / "info.csv"], populations).set_index("file_name")
    assert samples.loc["a.fcs", ["age_years", "sex", "race", "Dose"]].tolist() == [84, "Male", "White", "1"]
    assert np.isnan(samples.loc["b.fcs", "age_years"])
    assert samples.loc["b.fcs", "race"] == ""
    assert samples.loc["c.fcs", "study_accession"] == "SDY9"
    tables.conform(populations, tables.POPULATIONS)


def test_row_names_of_r_are_no_marker(tmp_path):
    rows = STATS.splitlines()
    numbered = [f'"",{rows[0]}', *(f"{i},{row}" for i, row in enumerate(rows[1:], start=1))]
    (tmp_path / "stats.csv").write_text("\n".join(numbered) + "\n")
    populations, medians = metacyto.read_cluster_stats([tmp_path / "stats.csv"])
    assert populations["fraction"].tolist() == [0.25, 0.5]
    assert set(medians["marker"]) == {"CD3", "CD28"}


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        (STATS.replace("fraction", "share"), TableError, "column 'fraction' is missing"),
        (STATS.replace("0.25", "much"), TableError, "column 'fraction' holds 'much'"),
        (STATS.replace("SDY9/b", "SDY8/a"), LinkError, "two files are named 'a.fcs'"),
    ],
)
def test_damaged_tables_of_earlier_runs(tmp_path, text, error, why):
    (tmp_path / "stats.csv").write_text(text)
    with pytest.raises(error, match=why):
        metacyto.read_cluster_stats([tmp_path / "stats.csv"])


def test_a_missing_table(tmp_path):
    with pytest.raises(TableError, match=r"no\.csv: cannot be read as a table of MetaCyto"):
        metacyto.read_sample_info([tmp_path / "no.csv"])
