"""`meta` against metafor (R), against MetaCyto's own tables, and against published biology."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import meta
from immport_cyto.meta.pooling import pool_at
from support.meta_tables import effect_rows

pytestmark = pytest.mark.shared

TESTS = {"z": "z", "knha": "hartung-knapp"}
CLOSED = ["FE", "DL", "HE", "HS", "SJ"]
ALL = [(method, test) for method in [*CLOSED, "ML", "REML", "EB", "PM"] for test in TESTS]
# metafor stops when tau2 changes by less than 1e-5, its PM at 5e-3 of the criterion
TAU2_TOLERANCE = {"ML": 1e-7, "REML": 1e-7, "EB": 1e-7, "PM": 1e-4}


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Path:
    return shared_data / "metacyto" / "golden"


@pytest.fixture(scope="module")
def bcg(golden: Path) -> tuple[np.ndarray, np.ndarray]:
    trials = pd.read_csv(golden / "09_dat_bcg_escalc.csv")
    return trials["yi"].to_numpy(), trials["vi"].to_numpy()


@pytest.mark.parametrize(("method", "test"), ALL)
def test_all_estimators_agree_with_metafor(
    golden: Path, bcg: tuple[np.ndarray, np.ndarray], method: str, test: str
) -> None:
    y, v = bcg
    table = pd.read_csv(golden / "09_bcg_metafor_all_estimators.csv").set_index(["method", "test"])
    theirs = table.loc[(method, test)]
    ours = meta.pool(y, np.sqrt(v), method, TESTS[test])
    assert ours.tau2 == pytest.approx(theirs["tau2"], abs=TAU2_TOLERANCE.get(method, 1e-13))
    # all else to rounding, given the tau2 at which metafor stopped
    at = pool_at(y, v, float(theirs["tau2"]), method, TESTS[test])
    found = (at.estimate, at.se, at.statistic, at.p_value, *at.ci, at.i2, at.h2, at.q, at.q_p)
    names = ["b", "se", "stat", "p", "lb", "ub", "I2", "H2", "Q", "Qp"]
    assert found == pytest.approx(tuple(theirs[names]), rel=1e-11, abs=1e-15)
    assert (*at.pi, at.se_tau2) == pytest.approx(tuple(theirs[["pi_lb", "pi_ub", "se_tau2"]]), rel=1e-11, nan_ok=True)


def test_reml_agrees_with_metafor_when_both_are_tight(golden: Path, bcg: tuple[np.ndarray, np.ndarray]) -> None:
    theirs = pd.read_csv(golden / "09_bcg_REML_tight.csv").iloc[0]
    ours = meta.pool(bcg[0], np.sqrt(bcg[1]), "REML", "z")
    assert (ours.tau2, ours.estimate, ours.se) == pytest.approx(tuple(theirs[["tau2", "b", "se"]]), abs=1e-13)


def test_q_profile_interval_agrees_with_metafor(golden: Path, bcg: tuple[np.ndarray, np.ndarray]) -> None:
    theirs = pd.read_csv(golden / "09_bcg_REML_Qprofile_ci.csv").iloc[0]
    ours = meta.pool(bcg[0], np.sqrt(bcg[1]))
    assert ours.tau2_ci == pytest.approx((theirs["ci.lb"], theirs["ci.ub"]), rel=2e-4)


def test_leave_one_out_agrees_with_metafor(golden: Path, bcg: tuple[np.ndarray, np.ndarray]) -> None:
    y, v = bcg
    effects = pd.DataFrame({
        "method": "search", "population": "BCG", "study_accession": [f"{i:02d}" for i in range(13)], "n": 1,
        "term": "age_years", "n_subjects": 1, "estimate": y, "se": np.sqrt(v), "scale": "logit", "model": "",
    })  # fmt: skip
    ours = meta.pool_effects(effects, test="z").query("omitted != ''")
    theirs = pd.read_csv(golden / "09_bcg_leave1out.csv")
    for name, other, tolerance in [
        ("tau2", "tau2", 1e-6), ("estimate", "estimate", 1e-6), ("se", "se", 1e-6), ("ci_low", "ci.lb", 1e-6),
        ("p_value", "pval", 1e-8), ("q", "Q", 1e-9), ("q_p", "Qp", 1e-20), ("i2", "I2", 1e-4),
    ]:  # fmt: skip
        assert ours[name].to_numpy() == pytest.approx(theirs[other].to_numpy(), abs=tolerance), name


def metacyto_tables(golden: Path, prefix: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """MetaCyto's long table as populations.tsv and samples.tsv: its studies are panels, its files independent."""
    rows = pd.read_csv(golden / f"{prefix}_all_data_long.csv", keep_default_na=False)
    rows = rows[rows["parameter_name"] == "fraction"].drop_duplicates(["study_id", "fcs_files", "label"])
    rows["file_name"] = rows["study_id"] + "/" + rows["fcs_names"]
    populations = pd.DataFrame({
        "study_accession": rows["study_id"], "panel_id": rows["study_id"], "sample_id": rows["file_name"],
        "file_name": rows["file_name"], "method": "search", "population": rows["label"], "n_events": None,
        "n_parent": None, "fraction": rows["value"],
    })  # fmt: skip
    files = rows.drop_duplicates("file_name")
    samples = pd.DataFrame({
        "file_name": files["file_name"], "sample_id": files["file_name"], "study_accession": files["study_id"],
        "subject_accession": files["file_name"], "age_years": files["Subject Age"], "sex": files["Gender"],
    })  # fmt: skip
    return populations, samples


@pytest.mark.parametrize("prefix", ["07_shipped", "06"])
def test_effects_and_pooled_effects_agree_with_metacyto(golden: Path, prefix: str) -> None:
    effects = meta.effects(
        *metacyto_tables(golden, prefix), "age_years + sex", term="age_years", scale="zscore", min_samples=1
    )
    summary = pd.read_csv(golden / f"{prefix}_metaAnalysis_summary.csv").query("study_id != 'Summary'")
    both = summary.merge(effects, left_on=["label", "study_id"], right_on=["population", "study_accession"], how="left")
    for name, other in [
        ("estimate", "Estimate"), ("se", "Std. Error"), ("p_value", "Pr(>|t|)"), ("ci_low", "2.5 %"),
        ("ci_high", "97.5 %"), ("n", "N"),
    ]:  # fmt: skip
        assert both[name].to_numpy(float) == pytest.approx(both[other].to_numpy(), rel=1e-10), name
    pooled = meta.pool_effects(effects, test="z").query("omitted == ''")
    model = pd.read_csv(golden / f"{prefix}_metaAnalysis_REmodel.csv")
    both = model.merge(pooled, left_on="label", right_on="population", suffixes=("_r", ""))
    assert len(both) == len(model)
    assert both["k"].tolist() == both["k_r"].tolist()
    assert both["tau2"].to_numpy() == pytest.approx(both["tau2_r"].to_numpy(), abs=1e-5)
    for name, other in [("estimate", "b"), ("se", "se_r"), ("p_value", "p"), ("ci_low", "lb"), ("ci_high", "ub")]:
        assert both[name].to_numpy() == pytest.approx(both[other].to_numpy(), abs=2e-4), name


@pytest.mark.parametrize("prefix", ["07_shipped", "06"])
def test_the_small_real_studies_get_no_fake_p_values(golden: Path, prefix: str) -> None:
    """SDY420 has 4 subjects, one panel of SDY736 has 4 files: MetaCyto reports p values down to 8e-16 there."""
    effects = meta.effects(*metacyto_tables(golden, prefix))
    few = effects["study_accession"].str.contains("SDY420|FCM-2")
    assert few.sum() > 50
    assert effects.loc[few, "p_value"].isna().all()
    assert effects.loc[few, "note"].str.contains("for [23] parameters, at least [56] are needed").all()
    rest = effects.loc[~few & effects["p_value"].notna()]
    assert len(rest) > 0
    assert rest["df"].min() >= 3
    assert rest["p_value"].min() > 1e-4


def test_age_as_published(shared_data: Path) -> None:
    """Carr et al. 2016: naive CD4 and naive B fall, memory CD4, CD8 and NK rise, total CD4 does not change."""
    cells = {
        "naive CD4+ T cells": -1, "naive B cells": -1, "effector memory CD4+ T cells": 1,
        "CD8+ T cells": 1, "NK cells": 1, "CD4+ T cells": 0,
    }  # fmt: skip
    table = pd.read_csv(shared_data / "metacyto" / "paper" / "Liston_data_%_PBMC.csv")
    table["file_name"] = [f"{i:04d}" for i in range(len(table))]
    samples = pd.DataFrame({
        "file_name": table["file_name"], "sample_id": table["file_name"], "study_accession": "Carr",
        "subject_accession": table["PatientID"].astype(str), "age_years": table["Ageattimeofsampling.years."],
        "sex": table["Sex"].map({"F": "Female", "M": "Male"}),
    })  # fmt: skip
    populations = pd.concat([
        pd.DataFrame({
            "study_accession": "Carr", "panel_id": "p", "sample_id": table["file_name"],
            "file_name": table["file_name"], "method": "immport", "population": name, "n_events": None,
            "n_parent": None, "fraction": table[name],
        })
        for name in cells
    ])  # fmt: skip
    effects = meta.effects(populations, samples, "age_years + sex", term="age_years")
    assert effects["model"].str.endswith("random intercept per subject, REML").all()  # up to 5 samples a subject
    pooled = meta.pool_effects(effects).set_index("population")
    for name, direction in cells.items():
        found = pooled.loc[name]
        if direction:
            assert np.sign(found["estimate"]) == direction, name
            assert found["q_value"] < 0.05, name
        else:
            assert found["q_value"] > 0.05, name


def test_meta_regression_of_the_bcg_trials_agrees_with_metafor(shared_data: Path) -> None:
    """At metafor's tau2 all agrees to 1e-11; its own stop is 7e-6 (relative 9e-5) from the root in tau2."""
    from immport_cyto.meta import tau2 as between

    golden = shared_data / "metacyto" / "golden"
    trials = pd.read_csv(golden / "09_dat_bcg_escalc.csv")
    metafor = pd.read_csv(golden / "09_bcg_metareg_ablat.csv")
    y, v = trials["yi"].to_numpy(), trials["vi"].to_numpy()
    fit = meta.regress(y, np.sqrt(v), trials["ablat"], ["ablat"], test="z")
    assert fit.tau2 == pytest.approx(metafor["tau2"][0], rel=1e-4)
    assert fit.estimate == pytest.approx(metafor["b"].to_numpy(), rel=1e-4)
    assert fit.p_value == pytest.approx(metafor["p"].to_numpy(), rel=1e-3)
    assert fit.r2 == pytest.approx(metafor["R2"][0], rel=1e-4)
    X = np.column_stack([np.ones(len(y)), trials["ablat"]])
    beta, covariance = between.coefficients(y, 1 / (v + metafor["tau2"][0]), X)
    assert beta == pytest.approx(metafor["b"].to_numpy(), rel=1e-11)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(metafor["se"].to_numpy(), rel=1e-11)
    assert (beta[1] ** 2 / covariance[1, 1]) == pytest.approx(metafor["QM"][0], rel=1e-11)


def test_eggers_test_of_the_bcg_trials_agrees_with_metafor(shared_data: Path) -> None:
    golden = shared_data / "metacyto" / "golden"
    trials = pd.read_csv(golden / "09_dat_bcg_escalc.csv")
    metafor = pd.read_csv(golden / "09_bcg_egger.csv")
    effects = effect_rows(trials["yi"], np.sqrt(trials["vi"]))
    row = meta.asymmetry(effects).iloc[0]
    assert row["slope"] / row["se"] == pytest.approx(metafor["z"][0], rel=1e-6)
    assert row["p_value"] == pytest.approx(metafor["p"][0], rel=1e-6)
