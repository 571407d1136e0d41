"""The whole way on simulated studies: the answer is the truth that was put in."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import cluster, fcs, study, tables

pytestmark = pytest.mark.xdist_group("demo")
RARE = "Plasmacytoid dendritic cells"


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    study.demo(out / "demo", seed=42, jobs=2, quiet=True)
    return out / "demo"


def table(demo: Path, contract: tables.Table) -> pd.DataFrame:
    return tables.read(demo / "results" / contract.name, contract)


def truth(demo: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(demo / "studies" / "truth" / f"{name}.tsv", sep="\t", keep_default_na=False, na_values=[""])


def test_every_file_is_linked_to_its_subject_age_and_sex(demo):
    samples = table(demo, tables.SAMPLES)
    true = truth(demo, "samples").set_index("file_name").loc[samples["file_name"]]
    assert len(samples) == len(truth(demo, "samples")) == 71
    assert samples["subject_accession"].tolist() == true["subject_accession"].tolist()
    assert samples["sex"].tolist() == true["sex"].tolist()
    known = ~true["age_missing"].to_numpy(dtype=bool)
    assert np.allclose(samples["age_years"][known], true["age_years"][known])
    assert samples["age_years"][~known].isna().all()
    assert set(samples["link_rule"]) == {"file_info_id"}


def test_all_markers_are_harmonised_right(demo):
    panel = table(demo, tables.PANEL).set_index(["file_name", "channel_number"])
    true = truth(demo, "panel").set_index(["file_name", "channel_number"]).loc[panel.index]
    markers = (true["role"] == "marker").to_numpy()
    assert (panel["role"] == "marker").tolist() == markers.tolist()
    assert panel["antigen"][markers].tolist() == true["antigen"][markers].tolist()
    assert len(table(demo, tables.PANELS)) == 4


def test_no_event_is_lost_uncounted(demo):
    qc = table(demo, tables.QC)
    reasons = [c for c in qc.columns if c.startswith("n_") and c not in ("n_events_in", "n_events_out")]
    assert (qc[reasons].sum(axis=1) + qc["n_events_out"]).tolist() == qc["n_events_in"].tolist()
    true = truth(demo, "qc").set_index("file_name").loc[qc["file_name"]]
    assert qc["n_events_in"].tolist() == true["n_events"].tolist()
    kept = qc["n_events_out"].to_numpy(dtype=float) / true["n_cells"].to_numpy(dtype=float)
    assert np.median(kept) > 0.98
    assert (kept > 0.9).all()
    assert (kept < 1.02).all()


def test_pooled_effects_of_age_hold_the_truth_in_their_intervals(demo):
    meta = table(demo, tables.META)
    pooled = meta[(meta["method"] == "search") & (meta["omitted"] == "") & (meta["term"] == "age_years")]
    true = truth(demo, "effects")
    true = true[true["study_accession"].isna() & (true["term"] == "age_years")].set_index("population")
    changed = ("Naive CD4 T cells", "Naive CD8 T cells", "Memory CD4 T cells", "Memory CD8 T cells")
    for row in pooled[pooled["k"] == 3].itertuples():
        effect = true.loc[row.population, "effect"]
        assert row.ci_low <= effect <= row.ci_high, row
        assert (row.ci_low > 0 or row.ci_high < 0) == (row.population in changed), row
    assert set(changed) <= set(pooled.loc[pooled["q_value"] < 0.05, "population"])


def test_effects_of_sex_and_group_are_found_where_they_are(demo):
    meta = table(demo, tables.META).query("method == 'search' and omitted == '' and k == 3")
    for population, term, effect in (
        ("NK cells", "sex[Male vs Female]", 0.40),
        ("CD14+ monocytes", "arm_name[Patients vs Healthy controls]", 0.50),
    ):
        row = meta[(meta["population"] == population) & (meta["term"] == term)].iloc[0]
        assert row["ci_low"] < effect < row["ci_high"]
        assert row["estimate"] > 0.2


def test_fractions_agree_with_the_labels(demo):
    found = table(demo, tables.POPULATIONS).query("method == 'search'")
    both = found.merge(truth(demo, "fractions"), on=["file_name", "population"], suffixes=("", "_true"))
    error = (both["fraction"] - both["fraction_true"]).abs().groupby(both["population"]).median()
    assert len(error) == 15
    assert (error < 0.03).all(), error
    rare = both[both["population"] == RARE]
    assert abs(rare["fraction"] - rare["fraction_true"]).median() < 0.002


def test_clusters_get_the_names_of_the_cells_in_them(demo):
    clusters = table(demo, tables.CLUSTERS)
    for technique, wanted in {
        "cytof": ["Naive CD4 T cells", "Memory CD8 T cells", "B cells", "NK cells", "CD14+ monocytes", RARE],
        "flow-12m": ["Naive CD4 T cells", "Memory CD8 T cells", "B cells", "NK cells", "CD14+ monocytes"],
    }.items():
        rows = clusters[clusters["panel_id"].str.startswith(technique)]
        assert set(wanted) <= set(rows["population"])
        named = rows[rows["definition"] != ""]
        assert named["fraction"].sum() > 0.9


def test_clusters_agree_with_the_true_labels(demo):
    from sklearn.metrics import adjusted_rand_score

    name = "D1_003_mass.99030003.fcs"
    values = fcs.open(demo / "results" / "fcs" / name)
    raw = fcs.open(next((demo / "studies").rglob(name)))
    labels = np.load(demo / "studies" / "truth" / "labels" / f"{name.removesuffix('.fcs')}.npz")["labels"]
    times, counts = np.unique(raw.events(["Time"])[:, 0], return_counts=True)
    identified = set(times[counts == 1].tolist())  # events that their time identifies
    true = dict(zip(raw.events(["Time"])[:, 0].tolist(), labels.tolist(), strict=True))
    found = [
        (true[time], cluster)
        for time, cluster in values.events(["Time", "FlowSOM_metacluster"]).tolist()
        if time in identified
    ]
    assert len(found) > 1500
    assert adjusted_rand_score(*zip(*found, strict=True)) > 0.9


def test_models_map_their_own_files_to_the_same_clusters(demo):
    model = cluster.load(next((demo / "results" / "models").glob("SDY9903-*.npz")))
    name, _ = model.training[0]
    file = fcs.open(demo / "results" / "fcs" / name)
    names = {channel.pns: channel.pnn for channel in file.channels}
    nodes = model.predict(np.ascontiguousarray(file.events([names[m] for m in model.markers])))
    assert (nodes + 1 == file.events(["FlowSOM_node"])[:, 0]).all()


def test_report_and_provenance_tell_what_was_done(demo):
    page = (demo / "results" / "report.html").read_text(encoding="utf-8")
    assert "Simulated studies with known truth" in page
    assert (
        "lower: Naive CD8 T cells, Naive CD4 T cells" in page or "lower: Naive CD4 T cells, Naive CD8 T cells" in page
    )
    entry = json.loads((demo / "results" / "provenance.json").read_text(encoding="utf-8"))
    assert entry["counts"]["files"] == entry["counts"]["files_used"] == len(entry["files"]) == 71
    assert entry["parameters"]["cluster"]["seed"] == 42
