"""``cluster compare --group`` with a FLOCK model: counted here from the channel, tested here with scipy."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immport_cyto import cluster, fcs, tables
from immport_cyto.cluster import flock
from immport_cyto.exceptions import InputError, ModelError, OptionError
from support.cluster_events import T_CELLS, blobs, preprocessed
from support.cluster_study import PANEL, run
from support.flock_tables import write_text

N_SUBJECTS = 8
DIFFERS = 3
"""Of T_CELLS: three times as many events in cases, and twice as many at the second visit."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Eight subjects with two visits each, half of them cases; all files labelled by one FLOCK model."""
    folder = tmp_path_factory.mktemp("study")
    rows, files = [], {}
    for subject in range(N_SUBJECTS):
        for visit in (1, 2):
            name = f"s{subject}v{visit}.fcs"
            case = subject % 2
            X, _ = blobs(
                T_CELLS, [500 + 25 * subject, 350 - 10 * subject, 250, 60 * (1 + 2 * case) * visit], seed=subject
            )
            files[name] = preprocessed(folder / "in" / name, X, panel_id=PANEL)
            rows.append(
                {
                    "file_name": name, "sample_id": name, "study_accession": "SDY1",
                    "subject_accession": f"SUB{subject}", "arm_name": "case" if case else "control",
                    "visit_name": f"visit {visit}", "age_years": 30.0 + 7 * (subject % 3),
                }
            )  # fmt: skip
    tables.write(pd.DataFrame(rows), folder / "samples.tsv", tables.SAMPLES)
    samples = tables.read(folder / "samples.tsv", tables.SAMPLES)
    first = samples[samples["visit_name"] == "visit 1"]
    tables.write(first, folder / "first.tsv", tables.SAMPLES)
    run(
        "flock", folder / "in", "--samples", folder / "samples.tsv", "--models-dir", folder,
        "--profiles", folder / "p.tsv", "--out-dir", folder / "labelled", "--clusters", folder / "clusters.tsv",
        "--quiet",
    )  # fmt: skip
    return folder


@pytest.fixture
def model_path(study):
    return study / f"SDY1-{PANEL}.npz"


def counted(study, names):
    """Events per population of files, from the channel."""
    labels = []
    for name in names:
        with fcs.open(study / "labelled" / name) as file:
            labels.append(file.events(["FLOCK_population"])[:, 0].astype(int))
    most = max(one.max() for one in labels)
    return np.array([np.bincount(one, minlength=most + 1)[1:] for one in labels])


def logits(counts):
    rest = counts.sum(axis=1, keepdims=True) - counts
    return np.log((counts + 0.5) / (rest + 0.5))


def compare(study, model_path, out, *options, labelled=None, samples="samples.tsv"):
    shown = run(
        "compare", *(labelled or [study / "labelled"]), "--model", model_path, "--samples", study / samples,
        "--out", out / "o.tsv", "--figures-dir", out / "figures", "--json", out / "o.json", *options,
    )  # fmt: skip
    return tables.read(out / "o.tsv", tables.COMPARISON), shown


def visits(number):
    return [f"s{subject}v{number}.fcs" for subject in range(N_SUBJECTS)]


def first_visits(study):
    return [study / "labelled" / name for name in visits(1)]


def of_truth(study, model_path):
    """Number of the population that differs."""
    model = flock.load(model_path)
    centre = np.array(
        [dict(zip(("CD3", "CD4", "CD8", "CD19"), T_CELLS[DIFFERS], strict=True))[m] for m in model.markers]
    )
    return int(np.linalg.norm(model.centers_ - centre, axis=1).argmin()) + 1


def test_arms_are_compared_population_by_population(study, model_path, tmp_path):
    found, shown = compare(study, model_path, tmp_path, "--group", "arm_name", "--reference", "control",
                           labelled=first_visits(study))  # fmt: skip
    counts = counted(study, visits(1))
    share = counts / counts.sum(axis=1, keepdims=True)
    case = np.arange(N_SUBJECTS) % 2 == 1
    assert set(found["level"]) == {"population"}
    assert found["cluster"].tolist() == list(range(1, counts.shape[1] + 1))
    assert (found["study_accession"] + found["panel_id"]).unique().tolist() == [f"SDY1{PANEL}"]
    tested = [stats.mannwhitneyu(a, b).pvalue for a, b in zip(share[case].T, share[~case].T, strict=True)]
    assert found["p_value"].tolist() == pytest.approx(tested)
    assert found["q_value"].tolist() == pytest.approx(stats.false_discovery_control(tested).tolist())
    logit = logits(counts)
    assert found["log_odds"].tolist() == pytest.approx((logit[case].mean(axis=0) - logit[~case].mean(axis=0)).tolist())
    assert found["median_group"].tolist() == pytest.approx((100 * np.median(share[case], axis=0)).tolist())
    # three times as many of 60 in about 1,150
    differs = found.set_index("cluster").loc[of_truth(study, model_path)]
    assert differs["log_odds"] == pytest.approx(np.log(3), abs=0.25)
    assert (differs["cliffs_delta"], differs["p_value"]) == (1, pytest.approx(2 / 70))
    assert found["log_odds"].abs().idxmax() == differs.name - 1
    n_clear = int((found["q_value"] < 0.05).sum())
    assert f"1 group against control; q < 0.05 for {n_clear} population" in shown.stderr
    record = json.loads((tmp_path / "o.json").read_text())
    (described,) = record["models"]
    assert (described["populations"], described["panel_id"]) == (counts.shape[1], PANEL)
    assert record["counts"] == {"files": N_SUBJECTS, "rows": counts.shape[1], "q_below_0.05": n_clear}
    assert record["parameters"]["group"] == "arm_name"
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["abundances.svg"]


def test_welch_and_a_model_with_covariates(study, model_path, tmp_path):
    import statsmodels.api as sm

    logit = logits(counted(study, visits(1)))
    case = np.arange(N_SUBJECTS) % 2 == 1
    options = ("--group", "arm_name", "--reference", "control")
    found, _ = compare(study, model_path, tmp_path, *options, "--test", "welch", labelled=first_visits(study))
    by_hand = [
        stats.ttest_ind(a, b, equal_var=False).pvalue for a, b in zip(logit[case].T, logit[~case].T, strict=True)
    ]
    assert found["p_value"].tolist() == pytest.approx(by_hand)
    found, _ = compare(study, model_path, tmp_path, *options, "--test", "model", "--covariates", "age_years",
                       labelled=first_visits(study))  # fmt: skip
    age = 30.0 + 7 * (np.arange(N_SUBJECTS) % 3)
    fits = [sm.OLS(y, np.column_stack([np.ones(N_SUBJECTS), case, age])).fit() for y in logit.T]
    assert found["log_odds"].tolist() == pytest.approx([fit.params[1] for fit in fits])
    assert found["p_value"].tolist() == pytest.approx([fit.pvalues[1] for fit in fits])
    assert set(found["test"]) == {"logit ~ group + age_years; least squares"}


@pytest.mark.parametrize("test", ["rank", "welch"])
def test_visits_are_compared_within_subjects_and_joined(study, model_path, tmp_path, test):
    found, _ = compare(study, model_path, tmp_path, "--group", "visit_name", "--paired", "--test", test)
    before, after = counted(study, visits(1)), counted(study, visits(2))
    share = [counts / counts.sum(axis=1, keepdims=True) for counts in (before, after)]
    if test == "rank":
        by_hand = [stats.wilcoxon(move).pvalue for move in (share[1] - share[0]).T]
    else:
        by_hand = [stats.ttest_rel(b, a).pvalue for a, b in zip(logits(before).T, logits(after).T, strict=True)]
    assert found["p_value"].tolist() == pytest.approx(by_hand)
    assert found["log_odds"].idxmax() == of_truth(study, model_path) - 1
    text = (tmp_path / "figures" / "abundances.svg").read_text()
    assert text.count("stroke-opacity: 0.55") == N_SUBJECTS * min(len(found), 16)


def test_names_of_clusters_tsv_and_of_a_merged_model(study, model_path, tmp_path):
    number = of_truth(study, model_path)
    clusters = tables.read(study / "clusters.tsv", tables.CLUSTERS)
    clusters.loc[clusters["metacluster"] == number, "population"] = "Null cells"
    tables.write(clusters, tmp_path / "named.tsv", tables.CLUSTERS)
    group = ("--group", "visit_name", "--paired")
    found, _ = compare(study, model_path, tmp_path, *group, "--clusters", tmp_path / "named.tsv")
    assert found["population"].tolist() == ["Null cells" if n == number else "" for n in found["cluster"]]
    assert "Null cells" in (tmp_path / "figures" / "abundances.svg").read_text()
    (tmp_path / "merges.tsv").write_text("metacluster\tpopulation\n1\tfirst two\n2\tfirst two\n")
    run(
        "merge", study / "labelled", "--model", model_path, "--table", tmp_path / "merges.tsv",
        "--out", tmp_path / "merged.npz", "--out-dir", tmp_path / "merged", "--clusters", tmp_path / "c.tsv", "--quiet",
    )  # fmt: skip
    merged, _ = compare(
        study, tmp_path / "merged.npz", tmp_path, *group, "--clusters", tmp_path / "c.tsv",
        labelled=[tmp_path / "merged"],
    )  # fmt: skip
    assert len(merged) == len(found) - 1
    counts = counted(study, visits(2))
    share = counts[:, :2].sum(axis=1) / counts.sum(axis=1)
    row = merged.set_index("population").loc["first two"]
    assert max(row["median_group"], row["median_reference"]) <= 100
    assert row["median_group"] == pytest.approx(100 * np.median(share))


def test_adjusted_and_other_files_together_are_told(study, model_path, tmp_path):
    run("flock-map", study / "in", "--model", model_path, "--out-dir", tmp_path / "adjusted", "--adjust", "--quiet")
    mixed = [*(study / "labelled" / name for name in visits(1)), *(tmp_path / "adjusted" / name for name in visits(2))]
    _, shown = compare(study, model_path, tmp_path, "--group", "visit_name", "--paired", labelled=mixed)
    assert "warning: the populations of 8 of 16 files were adjusted to the file, those of the others were not" in (
        shown.stderr
    )
    assert "8 of 16 files" in json.loads((tmp_path / "o.json").read_text())["warnings"][0]
    _, shown = compare(
        study, model_path, tmp_path, "--group", "visit_name", "--paired", labelled=[tmp_path / "adjusted"]
    )
    assert "warning" not in shown.stderr


def test_what_the_model_did_not_label_is_refused(study, model_path, tmp_path):
    group = ("--group", "arm_name", "--out", tmp_path / "o.tsv", "--samples", study / "first.tsv")
    with pytest.raises(
        InputError, match=r"^s0v1.fcs: there is no channel FLOCK_population; map the file onto this mod"
    ):
        run("compare", study / "in" / "s0v1.fcs", "--model", model_path, *group)
    other = flock.flock_files({"s0v1.fcs": study / "in" / "s0v1.fcs"}, study_accession="SDY1", panel_id=PANEL)
    other.save(tmp_path / "other.npz")
    with pytest.raises(
        InputError, match=r"^s0v1.fcs: was labelled with another model; map the file onto this model with"
    ):
        run("compare", study / "labelled" / "s0v1.fcs", "--model", tmp_path / "other.npz", *group)
    write_text(tmp_path / "t.tsv", np.ones((5, 2)), ["CD3", "FLOCK_population"])
    with pytest.raises(
        InputError, match=r"^t.tsv: is not an FCS file, and a table does not say which model labelled it"
    ):
        run("compare", tmp_path / "t.tsv", "--model", model_path, *group)
    (tmp_path / "no.npz").write_bytes(b"PK nothing")
    with pytest.raises(
        ModelError, match=r"no.npz: not a usable model; give the .npz of cluster flowsom, cluster flock"
    ):
        run("compare", study / "labelled", "--model", tmp_path / "no.npz", *group)
    som = cluster.flowsom_files(
        {"s0v1.fcs": study / "in" / "s0v1.fcs"}, grid=(3, 3), n_metaclusters=3, study_accession="SDY1", panel_id=PANEL
    )
    som.save(tmp_path / "som.npz")
    with pytest.raises(
        InputError, match="there is no channel FlowSOM_metacluster; map the file first with 'cluster map'"
    ):
        run("compare", study / "labelled", "--model", tmp_path / "som.npz", *group)
    with pytest.raises(OptionError, match=r"clusters.tsv: has no metacluster of .*som.npz; give the table that was"):
        run(
            "compare", study / "labelled", "--model", tmp_path / "som.npz", *group, "--clusters", study / "clusters.tsv"
        )
    bare = tables.read(study / "clusters.tsv", tables.CLUSTERS).drop(columns="channel")
    tables.write(bare, tmp_path / "bare.tsv", tables.CLUSTERS)
    with pytest.raises(
        OptionError, match=r"bare.tsv: has no population of .*SDY1-.*npz; give the table that was written"
    ):
        run("compare", study / "labelled", "--model", model_path, *group, "--clusters", tmp_path / "bare.tsv")
    assert not (tmp_path / "o.tsv").exists()


def test_counts_per_file(study, model_path):
    files = {name: study / "labelled" / name for name in visits(1)}
    found, notes = flock.abundances(flock.load(model_path), files, {1: "one"})
    table = found.pivot_table(index="file_name", columns="cluster", values="n_events")
    assert np.array_equal(table.to_numpy(), counted(study, visits(1)))
    assert found.groupby("file_name")["percentage"].sum().to_numpy() == pytest.approx(np.full(N_SUBJECTS, 100))
    assert found.loc[found["population"] == "one", "cluster"].unique().tolist() == [1]
    assert notes == []
    with pytest.raises(OptionError, match="no labelled FCS files to count; give at least one"):
        flock.abundances(flock.load(model_path), {})
