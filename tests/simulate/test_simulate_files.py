import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from immport_cyto import fcs, simulate, tables
from immport_cyto.exceptions import FCSTruncatedError
from immport_cyto.simulate import LABELS, PANELS, POPULATIONS, cytof, flow
from immport_cyto.simulate.acquisition import DEAD, DEBRIS, DOUBLET, Unwanted
from immport_cyto.simulate.composition import baseline, fractions
from immport_cyto.simulate.phenotypes import NAMES, members


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def truth(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / "truth" / f"{name}.tsv", sep="\t", keep_default_na=False)


def labels(root: Path, file_name: str) -> np.lib.npyio.NpzFile:
    return np.load(root / "truth" / "labels" / f"{file_name.removesuffix('.fcs')}.npz", allow_pickle=False)


def result_files(root: Path) -> dict[str, Path]:
    return {p.name: p for p in sorted(root.glob("SDY*/ResultFiles/*/*.fcs"))}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small, tmp_path):
    simulate.studies(tmp_path / "again", preset="test", seed=1)
    assert digests(tmp_path / "again") == digests(small)
    simulate.studies(tmp_path / "other", preset="test", seed=2)
    other = digests(tmp_path / "other")
    constant = {"definitions.tsv", "study.yaml"}
    first = digests(small)
    assert {name for name in first.keys() & other.keys() if first[name] == other[name]} == constant


def test_a_study_does_not_depend_on_the_ones_beside_it(small, tmp_path):
    simulate.studies(tmp_path / "one", preset="test", seed=1, studies=1)
    alone = {k: v for k, v in digests(tmp_path / "one").items() if k.startswith("SDY9901")}
    assert alone == {k: v for k, v in digests(small).items() if k.startswith("SDY9901")}


def test_fractions_are_counts_of_the_labels(small):
    rows = truth(small, "fractions")
    assert set(rows["population"]) == {p.name for p in POPULATIONS}
    for file_name, part in rows.groupby("file_name"):
        counts = np.bincount(labels(small, file_name)["labels"], minlength=len(LABELS))[: len(NAMES)]
        for row in part.itertuples():
            inside, parent = members(row.definition), members(row.parent)
            assert row.n_events == counts[inside].sum()
            assert row.n_parent == counts[parent].sum()
            assert row.n_cells == counts.sum()
            assert float(row.fraction) == pytest.approx(row.n_events / row.n_parent, rel=1e-5)


def test_quality_counts_are_counts_of_labels_and_flags(small):
    qc = truth(small, "qc").set_index("file_name")
    paths = result_files(small)
    assert set(qc.index) == set(paths)
    for file_name, path in paths.items():
        data, row = labels(small, file_name), qc.loc[file_name]
        names = np.array(data["names"])[data["labels"]]
        assert len(names) == row["n_events"] == fcs.open(path).n_events
        for kind in ("debris", "doublet", "dead", "bead"):
            assert np.count_nonzero(names == kind) == row[f"n_{kind}"]
        assert row["n_cells"] + row[["n_debris", "n_doublet", "n_dead", "n_bead"]].sum() == row["n_events"]
        assert np.count_nonzero(data["flags"] & 1) == row["n_clog"]
        assert np.count_nonzero(data["flags"] & 2) == row["n_margin"]
    assert (qc.loc[qc["study_accession"] == "SDY9903", "n_bead"] > 0).all()
    assert (qc.loc[qc["study_accession"] != "SDY9903", "n_bead"] == 0).all()
    assert (qc.groupby("study_accession")["n_clog"].max() > 0).all()


def test_the_panel_truth_covers_every_channel_of_every_file(small):
    panel = truth(small, "panel")
    for file_name, path in result_files(small).items():
        rows = panel[panel["file_name"] == file_name]
        channels = fcs.open(path).channels
        assert rows["channel_number"].tolist() == list(range(1, len(channels) + 1))
        assert rows["fcs_colname"].tolist() == [c.pnn for c in channels]
        assert rows["description"].tolist() == [c.pns for c in channels]
        assert ((rows["antigen"] != "") == (rows["role"] == "marker")).all()
        assert rows.loc[rows["role"] == "marker", "antigen"].is_unique


def test_the_same_antigen_is_spelled_differently_in_each_study(small):
    panel = truth(small, "panel").drop_duplicates(["study_accession", "fcs_colname", "description"])
    spelled = panel[panel["antigen"] == "CD4"].set_index("study_accession")[["fcs_colname", "description"]]
    assert spelled.loc["SDY9901"].tolist() == ["PerCP-Cy5-5-A", "CD4"]
    assert spelled.loc["SDY9902"].tolist() == ["PerCP-Cy5-5-A", "CD4 PerCP Cy 5-5-A"]
    assert spelled.loc["SDY9903"].tolist() == ["Nd145Di", "145Nd_CD4"]


def test_flow_files_carry_a_matrix_and_cytof_files_none(small):
    keywords = {"SDY9901": "SPILL", "SDY9902": "$SPILLOVER"}
    for path in result_files(small).values():
        study = path.parts[-4]
        spill = fcs.open(path).spillover()
        if study == "SDY9903":
            assert spill is None
            continue
        assert spill.keyword.lstrip("$") == keywords[study].lstrip("$")
        assert np.allclose(np.diag(spill.matrix), 1)
        assert not np.allclose(spill.matrix, spill.matrix.T)
        off = spill.matrix - np.eye(len(spill.matrix))
        assert 0.05 < off.max() < 0.5


@pytest.mark.parametrize("key", ["backbone", "tcell", "lineage"])
def test_compensation_with_the_matrix_of_the_file_recovers_the_true_signal(tmp_path, key):
    panel = PANELS[key]
    rng = np.random.default_rng(0)
    day = flow.new_day(rng, flow.base_spillover(rng, len(panel.stained)))
    cells = fractions(baseline()[None, :])[0]
    acquired = flow.acquire(rng, panel, cells, day, n_events=4000, photon_noise=0, electronic_noise=0)
    from immport_cyto.simulate.make import write_fcs
    from immport_cyto.simulate.package import ResultFile

    path = tmp_path / "x.fcs"
    write_fcs(path, ResultFile(1, "x.fcs", 1, "ES1", 0, panel), acquired, day)
    f = fcs.open(path)
    spill = f.spillover()
    assert spill.channels == [c.pnn for c in panel.stained]
    raw = f.raw(list(spill.channels)).astype(np.float64)
    inside = acquired.flags == 0
    # values are stored with two decimals as float32
    assert np.abs(raw @ np.linalg.inv(spill.matrix) - acquired.signal)[inside].max() < 0.1
    # and not compensating is plainly wrong
    assert np.abs(raw - acquired.signal)[inside].max() > 1000


def test_noise_is_unbiased_after_compensation_and_spreads_negatives_below_zero():
    panel = PANELS["backbone"]
    rng = np.random.default_rng(5)
    day = flow.new_day(rng, flow.base_spillover(rng, len(panel.stained)))
    acquired = flow.acquire(rng, panel, fractions(baseline()[None, :])[0], day, n_events=20_000)
    columns = [k for k, c in enumerate(panel.channels) if c in panel.stained]
    measured = acquired.values[:, columns].astype(float) @ np.linalg.inv(day.spill)
    cells = (acquired.labels < len(NAMES)) & (acquired.flags == 0)
    for k, channel in enumerate(panel.stained):
        difference = (measured - acquired.signal)[cells, k]
        assert abs(np.median(difference)) < 12, channel.pnn
        assert np.mean(measured[cells, k] < 0) < 0.35
    assert np.mean(measured[cells] < 0) > 0.01


def test_scatter_tells_debris_and_doublets_and_the_dye_tells_the_dead():
    panel = PANELS["backbone"]
    rng = np.random.default_rng(7)
    day = flow.new_day(rng, flow.base_spillover(rng, len(panel.stained)))
    acquired = flow.acquire(rng, panel, fractions(baseline()[None, :])[0], day, n_events=20_000)
    column = {c.pnn: acquired.values[:, k] for k, c in enumerate(panel.channels)}
    cells, free = acquired.labels < len(NAMES), acquired.flags == 0
    ratio = column["FSC-H"] / column["FSC-A"]
    assert np.quantile(ratio[(acquired.labels == DOUBLET) & free], 0.95) < np.quantile(ratio[cells & free], 0.005)
    assert np.quantile(column["FSC-A"][acquired.labels == DEBRIS], 0.95) < np.quantile(column["FSC-A"][cells], 0.01)
    dye = column["AmCyan-A"]
    assert np.quantile(dye[acquired.labels == DEAD], 0.02) > 3 * np.median(dye[cells])


def test_margin_flags_are_the_events_at_the_upper_limit(small):
    seen = 0
    for name, path in result_files(small).items():
        f = fcs.open(path)
        scattered = [k for k, c in enumerate(f.channels) if c.pnn != "Time"]
        at_limit = (f.raw()[:, scattered] >= 262_143).any(axis=1)
        if f.spillover() is None:
            assert not at_limit.any()
            continue
        assert np.array_equal(at_limit, (labels(small, name)["flags"] & 2) > 0)
        seen += int(at_limit.sum())
    assert seen > 10


def test_time_rises_in_every_file(small):
    for path in result_files(small).values():
        time = fcs.open(path).raw(["Time"])[:, 0]
        assert np.all(np.diff(time) >= 0)
        assert time[-1] > 500


def test_a_clog_slows_the_flow_and_dims_the_signal():
    panel = PANELS["tcell"]
    rng = np.random.default_rng(3)
    day = flow.new_day(rng, flow.base_spillover(rng, len(panel.stained)))
    cells = fractions(baseline()[None, :])[0]
    acquired = flow.acquire(rng, panel, cells, day, n_events=20_000, clog=True)
    clogged = (acquired.flags & 1) > 0
    time = acquired.values[:, [c.pnn for c in panel.channels].index("Time")]
    inside = time[clogged]
    rate = clogged.sum() / np.ptp(inside)
    usual = (~clogged).sum() / (np.ptp(time) - np.ptp(inside))
    assert rate / usual == pytest.approx(0.5, abs=0.06)
    bright = acquired.values[:, [c.pnn for c in panel.channels].index("Pacific Blue-A")]
    assert np.quantile(bright[clogged], 0.75) < 0.5 * np.quantile(bright[~clogged], 0.75)


def test_mass_cytometry_counts_have_zeros_dna_and_beads():
    panel = PANELS["mass"]
    rng = np.random.default_rng(11)
    day = cytof.new_day(rng, len(panel.stained))
    cells = fractions(baseline()[None, :])[0]
    acquired = cytof.acquire(rng, panel, cells, day, n_events=10_000, unwanted=Unwanted(bead=0.05))
    column = {c.pnn: acquired.values[:, k] for k, c in enumerate(panel.channels)}
    stained = np.column_stack([column[c.pnn] for c in panel.stained])
    assert -1 <= stained.min() <= 0
    intact = acquired.labels < len(NAMES)
    b_cells = acquired.labels == NAMES.index("B cells")
    # a count of zero is stored between -1 and 0
    assert np.mean(column["Er170Di"][b_cells] <= 0) > 0.4
    assert np.median(column["Nd142Di"][b_cells]) > 30
    beads = np.array(LABELS)[acquired.labels] == "bead"
    for pnn in ("Ce140Di", "Eu151Di", "Ho165Di"):
        assert np.quantile(column[pnn][beads], 0.01) > 300
    assert np.quantile(column["Ce140Di"][intact], 0.99) < 10
    assert np.quantile(column["Ir191Di"][beads], 0.99) < 20 < np.quantile(column["Ir191Di"][intact], 0.001)
    doublets = acquired.labels == DOUBLET
    assert np.median(column["Ir193Di"][doublets]) > 1.8 * np.median(column["Ir193Di"][intact])
    assert np.median(column["Event_length"][doublets]) > 1.4 * np.median(column["Event_length"][intact])


def test_effects_can_be_recovered_from_the_labels(tmp_path):
    """Least squares on the label counts of the demo gives each study's true effects within their errors."""
    simulate.studies(tmp_path / "demo", preset="demo", seed=1)
    rows = truth(tmp_path / "demo", "fractions").merge(truth(tmp_path / "demo", "samples"), on="file_name")
    rows = rows[(rows["on_panel"]) & (rows["visit_name"] == "Day 0")]
    effects = truth(tmp_path / "demo", "effects").set_index(["population", "term", "study_accession"])["effect"]
    deviations = []
    for population, terms in {
        "Naive CD4 T cells": ["age_years"], "Naive CD8 T cells": ["age_years"], "Memory CD4 T cells": ["age_years"],
        "Memory CD8 T cells": ["age_years"], "NK cells": ["sex[Male vs Female]"],
        "CD14+ monocytes": ["arm_name[Patients vs Healthy controls]"],
        "B cells": ["age_years", "sex[Male vs Female]", "arm_name[Patients vs Healthy controls]"],
    }.items():  # fmt: skip
        for study in ("SDY9901", "SDY9902", "SDY9903"):
            part = rows[(rows["population"] == population) & (rows["study_accession_x"] == study)]
            n, total = part["n_events"].to_numpy(float), part["n_parent"].to_numpy(float)
            y = np.log((n + 0.5) / (total - n + 0.5))
            X = np.column_stack(
                [
                    np.ones(len(part)), part["age_years"], part["sex"] == "Male", part["arm_name"] == "Patients",
                ]
            ).astype(float)  # fmt: skip
            beta, rss, *_ = np.linalg.lstsq(X, y, rcond=None)
            se = np.sqrt(rss[0] / (len(y) - 4) * np.diag(np.linalg.inv(X.T @ X)))
            for term in terms:
                k = 1 + ["age_years", "sex[Male vs Female]", "arm_name[Patients vs Healthy controls]"].index(term)
                deviations.append((beta[k] - effects[population, term, study]) / se[k])
                if population.startswith("Naive"):
                    assert beta[k] / se[k] < -4
    assert np.abs(deviations).max() < 4
    assert np.sqrt(np.mean(np.square(deviations))) < 1.5


def test_definitions_and_study_yaml_fit_together(small):
    definitions = tables.read(small / "definitions.tsv", tables.DEFINITIONS)
    assert definitions["population"].tolist() == [p.name for p in POPULATIONS]
    assert definitions["cl_id"].str.fullmatch(r"CL:\d{7}").all()
    study = yaml.safe_load((small / "study.yaml").read_text())
    assert study["populations"] == "definitions.tsv"
    assert [entry["fcs"] for entry in study["studies"]] == [f"SDY990{k}/ResultFiles" for k in (1, 2, 3)]
    for entry in study["studies"]:
        assert (small / entry["metadata"]).is_file()
        assert list((small / entry["fcs"]).rglob("*.fcs"))
    assert study["model"] == {"formula": "age_years + sex", "scale": "logit"}
    assert (small / study["truth"]).is_file()


def test_the_damaged_file_is_a_cut_copy_and_the_orphan_is_unknown(small):
    (damaged,) = (small / "damaged").iterdir()
    whole = result_files(small)[damaged.name].read_bytes()
    assert whole.startswith(damaged.read_bytes())
    with pytest.raises(FCSTruncatedError):
        fcs.open(damaged)
    (orphan,) = (small / "orphan").iterdir()
    assert orphan.name not in result_files(small)
    assert fcs.open(orphan).n_events > 300


def test_the_rare_population_is_one_in_a_thousand(tmp_path):
    simulate.studies(tmp_path / "demo", preset="demo", seed=1)
    rows = truth(tmp_path / "demo", "fractions")
    rare = rows[rows["population"] == "Plasmacytoid dendritic cells"]
    assert rare["n_events"].sum() / rare["n_cells"].sum() == pytest.approx(0.001, rel=0.35)
