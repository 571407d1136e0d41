"""Population results of real studies: counts of the packages, and what changes with age."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import meta
from immport_cyto.immport import Results, open_store

pytestmark = pytest.mark.shared

CHILDREN = ("SDY144-DR28", "SDY364-DR29", "SDY372-DR29")


def results(shared_data: Path, *names: str, **options: object) -> Results:
    store = open_store()
    store.load([shared_data / "immport" / "tab" / f"{name}_Tab.zip" for name in names])
    return store.results(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "counts"),
    [  # rows, samples, amounts, counts of events, shares, gating schemes
        ("SDY139-DR16", (52, 20, 34, 18, 0, 5)), ("SDY139-DR25", (52, 20, 34, 18, 0, 5)),
        ("SDY144-DR28", (8508, 486, 8075, 0, 0, 8)), ("SDY364-DR29", (8700, 348, 8622, 0, 0, 4)),
        ("SDY372-DR29", (8076, 256, 7164, 0, 0, 4)),
        *((f"SDY514-{release}", (8468, 511, 0, 8468, 7935, 6)) for release in ("DR16", "DR20", "DR24", "DR27", "DR32")),
    ],
)  # fmt: skip
def test_counts_of_each_package(shared_data: Path, name: str, counts: tuple[int, ...]) -> None:
    found = results(shared_data, name)
    rows = found.populations
    known = rows[["value", "n_events", "fraction"]].notna().sum().tolist()
    assert (len(rows), len(found.samples), *known, rows["panel_id"].nunique()) == counts
    assert set(rows["file_name"]) == set(found.samples["file_name"])
    assert (found.samples["subject_accession"] != "").all()
    assert (found.samples["fcs_files"] != "").all()
    assert rows["fraction"].dropna().between(0, 1).all()


def test_every_reported_value_is_kept(shared_data: Path) -> None:
    """Second opinion with pandas on the table itself."""
    import zipfile

    for name in CHILDREN:
        archive = zipfile.ZipFile(shared_data / "immport" / "tab" / f"{name}_Tab.zip")
        member = next(n for n in archive.namelist() if n.endswith("fcs_analyzed_result.txt"))
        with archive.open(member) as stream:
            table = pd.read_csv(stream, sep="\t", dtype=str, keep_default_na=False, quoting=3)
        reported = table["POPULATION_STATISTIC_REPORTED"].astype(float)
        missing = (reported == 0) & (table["COMMENTS"] != "")
        expected = reported[~missing].groupby(table["EXPSAMPLE_ACCESSION"]).sum()
        found = results(shared_data, name).populations.groupby("file_name")["value"].sum()
        assert found[found > 0].to_dict() == pytest.approx(expected[expected > 0].to_dict(), rel=1e-6)


# change of log10 of the cells per microlitre per year of age at the baseline visit: estimates of the three studies,
# pooled estimate (common effect) and its z
DECLINES = {
    "B cell": ((-0.062, -0.044, -0.019), -0.0427, -7.2),
    "transitional B cell": ((-0.092, -0.067, -0.025), -0.069, -7.9),
    "monocyte": ((0.004, -0.005, 0.002), -0.0016, -0.2),
}


@pytest.fixture(scope="module")
def baseline(shared_data: Path) -> Results:
    return results(shared_data, *CHILDREN, days=(0, 0))


def test_lymphocytes_of_children_fall_with_age(baseline: Results) -> None:
    effects = meta.effects(baseline.populations, baseline.samples, "age_years", scale="log10")
    pooled = meta.pool_effects(effects, method="FE", test="z", leave_one_out=False).set_index("population")
    for name, (estimates, estimate, z) in DECLINES.items():
        rows = effects[effects["population"] == name]
        assert rows["study_accession"].tolist() == ["SDY144", "SDY364", "SDY372"]
        assert rows["n"].tolist() == [15, 23, 17]
        np.testing.assert_allclose(rows["estimate"], estimates, atol=0.0005)
        found = pooled.loc[name]
        assert found["estimate"] == pytest.approx(estimate, abs=0.00005 if name != "transitional B cell" else 0.0005)
        assert found["estimate"] / found["se"] == pytest.approx(z, abs=0.05)
    # T cells: SDY144 gated 15 of 16 files twice. Each gating for itself falls by .03; the scheme is in the model
    rows = effects[effects["population"] == "T cell"].set_index("study_accession")
    np.testing.assert_allclose(rows["estimate"], [-0.0306, -0.0274, -0.0252], atol=0.00005)
    assert rows.loc["SDY144", "model"] == "log10 ~ age_years + panel_id; random intercept per subject, REML"
    found = pooled.loc["T cell"]
    assert found["estimate"] == pytest.approx(-0.0282, abs=0.00005)
    assert found["estimate"] / found["se"] == pytest.approx(-5.6, abs=0.05)
    # naive subsets fall, too, and all of it holds with a variance between studies
    assert pooled.loc["naive B cell", "estimate"] == pytest.approx(-0.0435, abs=0.00005)
    random = meta.pool_effects(effects, leave_one_out=False).set_index("population")
    assert (random.loc[["T cell", "B cell", "transitional B cell", "naive B cell"], "estimate"] < -0.02).all()


def test_the_published_figure_for_t_cells_counts_missing_values_as_zero(baseline: Results) -> None:
    """-.022, pooled -.0257 (z -4.6): means per subject over both gatings with 0 where a value is missing."""
    rows = baseline.populations[baseline.populations["population"] == "T cell"]
    rows = rows.assign(value=rows["value_reported"].astype(float)).merge(
        baseline.samples[["file_name", "subject_accession", "age_years"]], on="file_name"
    )
    estimates, errors = [], []
    for study, group in rows.groupby("study_accession"):
        if study != "SDY144":
            group = group[group["value"] > 0]
        mean = group.groupby("subject_accession").agg(value=("value", "mean"), age=("age_years", "first"))
        x, y = mean["age"].to_numpy(), np.log10(mean["value"].to_numpy())
        (slope, _), covariance = np.polyfit(x, y, 1, cov="unscaled")
        residual = y - np.polyval(np.polyfit(x, y, 1), x)
        estimates.append(slope)
        errors.append(float(np.sqrt(covariance[0, 0] * (residual**2).sum() / (len(y) - 2))))
    np.testing.assert_allclose(estimates, [-0.022, -0.027, -0.025], atol=0.0005)
    pooled = meta.pool(estimates, errors, method="FE", test="z")
    assert pooled.estimate == pytest.approx(-0.0257, abs=0.00005)
    assert pooled.estimate / pooled.se == pytest.approx(-4.6, abs=0.05)


def test_counts_of_sdy514_show_the_known_changes_with_age(shared_data: Path) -> None:
    found = results(shared_data, "SDY514-DR32")
    effects = meta.effects(found.populations, found.samples, "age_years + sex", term="age_years")
    z = (effects["estimate"] / effects["se"]).set_axis(effects["population"])
    # naive cells fall, central memory CD8 rises, activated CD8 (HLA-DR+) rises
    assert z["naive CD8+ T cells"] == pytest.approx(-5.15, abs=0.01)
    assert z["naive CD4+ T cells"] == pytest.approx(-2.51, abs=0.01)
    assert z["transitional B cells"] == pytest.approx(-4.70, abs=0.01)
    assert z["central memory CD8+ T cells"] == pytest.approx(3.47, abs=0.01)
    assert z["HLADR+CD38-CD8+ T cells"] == pytest.approx(6.03, abs=0.01)


def test_releases_agree_in_every_number(shared_data: Path) -> None:
    first, *others = (results(shared_data, f"SDY514-{release}") for release in ("DR16", "DR22", "DR27", "DR32"))
    columns = ["file_name", "population", "definition", "parent", "n_events", "n_parent", "fraction", "panel_id"]
    for other in others:
        pd.testing.assert_frame_equal(other.populations[columns], first.populations[columns])


def test_cell_ontology_classes_of_three_studies(baseline: Results) -> None:
    named = baseline.populations.drop_duplicates("population").set_index("population")["cl_id"]
    assert (named != "").sum() >= 15
    assert named[["T cell", "B cell", "monocyte", "transitional B cell", "naive B cell"]].tolist() == [
        "CL:0000084", "CL:0000236", "CL:0000576", "CL:0000818", "CL:0000788",
    ]  # fmt: skip
