"""`metacyto` against MetaCyto 1.20.0 (R), step by step, from the FCS files to the leave-one-out table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import fcs, metacyto, tables
from immport_cyto.metacyto.hierarchy import root_mean_square
from immport_cyto.metacyto.silhouette import trim
from immport_cyto.metacyto.statistics import restricted_likelihood

pytestmark = pytest.mark.shared

PANELS = ("SDY736_FCM-1", "SDY736_FCM-2", "SDY420_CyTOF-1")
LABEL_OF_THE_VIGNETTE = "CD3+|CD4-|CD8+|CCR7+"


@pytest.fixture(scope="module")
def golden(shared_data):
    return shared_data / "metacyto" / "golden"


def read(path: Path, **options) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values={"value": ["NA"]}, **options)


@pytest.fixture(scope="module")
def stacks(shared_data, tmp_path_factory):
    """The files of each panel, preprocessed and stacked."""
    data = shared_data / "metacyto" / "extdata"
    out = tmp_path_factory.mktemp("metacyto")
    found: dict[str, metacyto.Stack] = {}
    for panel, rows in read(data / "fcs_info.csv").groupby("study_id", sort=False):
        files = {}
        for name in rows["fcs_files"]:
            source = data / name
            files[source.name] = out / source.name
            result = metacyto.preprocess(
                source, files[source.name], file_name=source.name, rename={"CD8B": "CD8"}, max_events=5000
            )
            assert result.row["n_events_out"] == 1000
            assert result.row["compensation"] == ("none" if "CyTOF" in panel else "file:SPILL")
        panel_ids = {fcs.open(path).keywords["ICYTO_PANEL"] for path in files.values()}
        assert len(panel_ids) == 1
        found[panel] = metacyto.stack(files)
    assert tuple(found) == PANELS
    return found


def test_panels_of_the_files(shared_data, golden):
    theirs = read(golden / "01_fcsInfoParser.csv")
    found = []
    for study, assay in [("SDY420", "CyTOF"), ("SDY736", "FCM")]:
        names = [name for name in theirs["fcs_files"] if name.startswith(study)]
        files = {name: shared_data / "metacyto" / "extdata" / name for name in names}
        found.append(metacyto.fcs_info(files, study, assay))
    assert pd.concat(found, ignore_index=True).equals(theirs)


@pytest.mark.parametrize(("renamed", "when"), [({}, "before"), ({"CD8B": "CD8"}, "after")])
def test_markers_of_the_panels(shared_data, golden, tmp_path, renamed, when):
    info = read(shared_data / "metacyto" / "extdata" / "fcs_info.csv")
    one = info.drop_duplicates("study_id")  # a file of each panel
    files = {}
    for name in one["fcs_files"]:
        files[name] = tmp_path / Path(name).name
        source = shared_data / "metacyto" / "extdata" / name
        metacyto.preprocess(source, files[name], file_name=source.name, rename=renamed)
    summary = metacyto.sample_summary(one, files)
    theirs = read(golden / f"02_processed_sample_summary_{'renamed' if renamed else 'raw'}.csv")
    both = summary.merge(theirs, on=["fcs_names", "fcs_files", "study_id"], suffixes=("", "_theirs"))
    assert len(both) == len(PANELS)
    assert both["antibodies"].tolist() == both["antibodies_theirs"].tolist()
    panels = pd.read_csv(golden / f"02_panelSummary_{when}.csv", index_col=0)
    assert metacyto.panel_summary(summary).equals(panels.rename_axis(None))


@pytest.mark.parametrize("panel", PANELS)
def test_expression(golden, stacks, panel):
    theirs = pd.read_csv(golden / f"02_expr_{panel}.csv")
    assert [*stacks[panel].markers, "SAMPLE_ID"] == list(theirs.columns)
    assert np.abs(stacks[panel].values - theirs.drop(columns="SAMPLE_ID").to_numpy()).max() < 1e-9
    sizes = theirs["SAMPLE_ID"].value_counts(sort=False).tolist()
    assert list(stacks[panel].counts) == sizes


def test_expression_of_each_file(golden, stacks):
    table = pd.read_csv(golden / "02_expr_stats.csv").set_index(["study", "sample_id", "marker"])
    for panel, events in stacks.items():
        for number, part in enumerate(events.slices().values(), start=1):
            for marker in events.markers:
                x = events.column(marker)[part]
                ours = (len(x), x.mean(), x.std(ddof=1), np.median(x), x.min(), x.max())
                assert ours == pytest.approx(tuple(table.loc[(panel, number, marker)]), rel=1e-9, abs=1e-9)


def test_cutoffs_of_the_first_2000_events(golden, stacks):
    table = pd.read_csv(golden / "03_findCutoff_first2000.csv")
    for row in table.itertuples():
        x = stacks[row.study].column(row.marker)[: row.n]
        kept = trim(x)
        assert (len(kept), kept.min(), kept.max()) == pytest.approx(
            (row.n_after_baselineCut, row.min_bl, row.max_bl), rel=1e-12
        )
        found = metacyto.find_cutoff(x)
        assert (found.value, found.silhouette) == pytest.approx((row.cutoff, row.sil), rel=1e-14, abs=1e-9)
        whole = metacyto.find_cutoff(x, trimmed=False, least=None)
        assert (whole.value, whole.silhouette) == pytest.approx((row.cutoff_noBL_nominX, row.sil_noBL), rel=1e-14)


def test_silhouettes_of_all_candidates(golden, stacks):
    for (panel, marker), rows in pd.read_csv(golden / "03_silhouette_curves.csv").groupby(["study", "marker"]):
        x = trim(stacks[panel].column(marker)[:2000])
        cuts = np.linspace(x.min(), x.max(), 100)
        cuts = cuts[cuts > 0]
        assert cuts == pytest.approx(rows["v"].to_numpy(), abs=1e-12)
        assert metacyto.mean_silhouettes(x, cuts) == pytest.approx(rows["sil"].to_numpy(), abs=1e-12)


def test_cutoff_of_the_toy(golden):
    found = metacyto.find_cutoff(pd.read_csv(golden / "03_toy_bimodal_x.csv")["x"])
    theirs = pd.read_csv(golden / "03_toy_bimodal_cutoff.csv")["value"].tolist()
    assert [found.value, found.silhouette] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("panel", PANELS)
def test_scale(golden, stacks, panel):
    theirs = pd.read_csv(golden / f"04_scale_{panel}.csv").query("marker != 'SAMPLE_ID'")
    assert stacks[panel].clustered() == theirs["marker"].tolist()
    ours = [root_mean_square(stacks[panel].column(marker)) for marker in theirs["marker"]]
    assert ours == pytest.approx(theirs["rms"].tolist(), rel=1e-12)


@pytest.mark.parametrize("panel", PANELS)
def test_clusters_are_identical_and_in_the_same_order(golden, stacks, panel):
    theirs = pd.read_csv(golden / f"04_flowHC_clusters_{panel}.csv")
    expected = [(rows["cell"] - 1).tolist() for _, rows in theirs.groupby("cluster")]
    assert [sorted(members.tolist()) for members in metacyto.cluster(stacks[panel], "flowhc").members] == [
        sorted(members) for members in expected
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_clusters_of_the_map_are_identical_and_in_the_same_order(golden, stacks, panel):
    """flowSOM.MC with k = 40 and seed = 42: R's random numbers through FlowSOM and ConsensusClusterPlus."""
    theirs = pd.read_csv(golden / f"04_flowSOM_clusters_{panel}.csv")
    expected = [(rows["cell"] - 1).tolist() for _, rows in theirs.groupby("cluster")]
    found = metacyto.cluster(stacks[panel], "flowsom", n_clusters=40, seed=42).members
    assert [members.tolist() for members in found] == expected


def scaled_cutoffs(golden, panel):
    """MetaCyto's cut-offs of its scaled values, on our scale."""
    cuts = pd.read_csv(golden / f"04_flowHC_scaled_cutoffs_{panel}.csv").set_index("marker")["cutoff"]
    scale = pd.read_csv(golden / f"04_scale_{panel}.csv").set_index("marker")["rms"]
    return cuts * scale[cuts.index]


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("method", ["flowHC", "flowSOM.MC"])
def test_labels_are_identical_with_the_cutoffs_given(golden, stacks, panel, method):
    rows = pd.read_csv(golden / f"04_{method.removesuffix('.MC')}_clusters_{panel}.csv")
    clusters = [(part["cell"] - 1).to_numpy() for _, part in rows.groupby("cluster")]
    found, _ = metacyto.label(stacks[panel], clusters, cutoffs=scaled_cutoffs(golden, panel))
    theirs = read(golden / "04_labels_by_study.csv").query("study == @panel and method == @method")
    assert len(clusters) == theirs["n_clusters"].iloc[0]
    assert metacyto.close(found) == theirs["label"].tolist()


def test_autocluster_after_set_seed_1(golden, stacks):
    """One stream of random numbers over the panels, as in R: cut-offs, labels and their order."""
    random = metacyto.RSample(1)
    united = []
    for panel, events in stacks.items():
        found, cuts = metacyto.label(events, metacyto.cluster(events, "flowhc").members, seed=random)
        theirs = scaled_cutoffs(golden, panel)
        assert list(cuts) == theirs.index.tolist()
        assert list(cuts.values()) == pytest.approx(theirs.tolist(), rel=1e-12)
        united += metacyto.close(found)
    assert list(dict.fromkeys(united)) == read(golden / "05_autoCluster_flowHC_labels.csv")["label"].tolist()


@pytest.fixture(scope="module")
def searched(golden, stacks):
    """Guided search after set.seed(1): counts, medians and cut-offs of each panel."""
    wanted = [*read(golden / "05_autoCluster_flowHC_labels.csv")["label"], LABEL_OF_THE_VIGNETTE]
    random = metacyto.RSample(1)
    definitions = [(text, text) for text in wanted]
    return {
        panel: metacyto.search(events, definitions, panel_id=panel, seed=random) for panel, events in stacks.items()
    }


def test_cutoffs_of_the_search_after_set_seed_1(golden, searched):
    table = pd.read_csv(golden / "05_searchCluster_cutoffs_seed1.csv")
    for panel, rows in table.groupby("study"):
        cuts = searched[panel][2]
        assert list(cuts) == rows["marker"].tolist()
        assert list(cuts.values()) == pytest.approx(rows["cutoff"].tolist(), abs=1e-12)


@pytest.mark.parametrize("panel", PANELS)
def test_counts_are_identical(golden, searched, panel):
    counts = searched[panel][0].groupby("population", sort=False)["n_events"].sum()
    theirs = read(golden / f"05_searchCluster_counts_{panel}.csv")
    assert counts.index.tolist() == theirs["label"].tolist()
    assert counts.tolist() == theirs["n"].tolist()


@pytest.mark.parametrize("panel", PANELS)
def test_fractions_and_medians_of_each_file(golden, searched, panel):
    counts, medians, _, _ = searched[panel]
    theirs = pd.read_csv(golden / f"06_cluster_stats_{panel}.csv")
    keys = list(zip(theirs["label"], theirs["fcs_names"], strict=True))
    fractions = (counts["n_events"] / counts["n_parent"]).set_axis(
        pd.MultiIndex.from_frame(counts[["population", "file_name"]])
    )
    assert fractions.index.tolist() == keys
    assert fractions.tolist() == pytest.approx(theirs["fraction"].tolist(), rel=1e-12)
    wide = medians.pivot_table(index=["population", "file_name"], columns="marker", values="median", sort=False)
    markers = [name for name in theirs.columns if name in wide.columns]
    assert len(markers) == len(theirs.columns) - 6
    assert np.abs(wide.loc[keys, markers].to_numpy() - theirs[markers].to_numpy()).max() < 1e-10


def test_pre_gate(golden, stacks):
    """Dead cells first: its cut-off is drawn first, the others are found and searched among the live events."""
    table = read(golden / "05_searchCluster_preGate.csv")
    counts, _, cuts, _ = metacyto.search(
        stacks["SDY420_CyTOF-1"], [(text, text) for text in table["label"]], pre_gate="DEAD-", seed=1
    )
    assert counts.groupby("population", sort=False)["n_events"].sum().tolist() == table["n"].tolist()
    theirs = pd.read_csv(golden / "05_searchCluster_preGate_cutoffs.csv").set_index("marker")["cutoff"]
    assert [cuts[marker] for marker in theirs.index] == pytest.approx(theirs.tolist(), abs=1e-12)
    assert set(counts["n_parent"]) == {1000}


def collected(golden, prefix):
    """populations.tsv, samples.tsv and medians.tsv of MetaCyto's long table."""
    rows = read(golden / f"{prefix}_all_data_long.csv")
    populations = pd.DataFrame({
        "study_accession": rows["study_id"], "panel_id": rows["study_id"], "sample_id": rows["fcs_names"],
        "file_name": rows["fcs_names"], "method": "metacyto", "population": rows["label"], "definition": rows["label"],
        "n_events": None, "n_parent": None, "fraction": rows["value"],
    })  # fmt: skip
    medians = populations.rename(columns={"fraction": "median"}).assign(marker=rows["parameter_name"])
    is_fraction = rows["parameter_name"] == "fraction"
    samples = rows.drop_duplicates("fcs_names")
    samples = pd.DataFrame({
        "file_name": samples["fcs_names"], "sample_id": samples["fcs_names"], "study_accession": samples["study_id"],
        "subject_accession": samples["fcs_names"], "age_years": samples["Subject Age"], "sex": samples["Gender"],
    })  # fmt: skip
    return (
        tables.conform(populations[is_fraction], tables.POPULATIONS),
        samples,
        tables.conform(medians[~is_fraction], tables.MEDIANS),
    )


@pytest.mark.parametrize(
    ("table", "prefix", "parameter"),
    [
        ("06_glmAnalysis_fraction_age", "06", "fraction"),
        ("07_shipped_glm_fraction", "07_shipped", "fraction"),
        ("07_shipped_glm_CD4", "07_shipped", "CD4"),
        ("07_shipped_glm_CD45RA", "07_shipped", "CD45RA"),
    ],
)
def test_regression_over_all_studies(golden, table, prefix, parameter):
    populations, samples, medians = collected(golden, prefix)
    ours = metacyto.regression(populations, samples, "age_years + sex", medians=medians, parameter=parameter)
    theirs = pd.read_csv(golden / f"{table}.csv", keep_default_na=False, na_values=["NA"])
    assert ours["population"].tolist() == theirs["label"].tolist()
    assert ours["n"].tolist() == theirs["N"].tolist()
    assert ours["estimate"].to_numpy() == pytest.approx(theirs["Effect_size"].to_numpy(), rel=1e-10)
    perfect = ours["note"].str.contains("perfect fit").to_numpy()  # R prints p = 8e-16 there
    assert perfect.sum() <= 1
    assert (theirs["SE"][perfect] < 1e-14).all()
    for name, other in [
        ("se", "SE"), ("statistic", "t_value"), ("p_value", "p_value"), ("ci_low", "lower"), ("ci_high", "upper")
    ]:  # fmt: skip
        assert ours[name].to_numpy()[~perfect] == pytest.approx(
            theirs[other].to_numpy()[~perfect], rel=1e-10, nan_ok=True
        ), name


@pytest.mark.parametrize("prefix", ["06", "07_shipped"])
def test_meta_analysis(golden, prefix):
    populations, samples, _ = collected(golden, prefix)
    effects = metacyto.effects(populations, samples, "age_years + sex")
    theirs = read(golden / f"{prefix}_metaAnalysis_summary.csv")
    both = theirs.merge(effects, left_on=["label", "study_id"], right_on=["population", "study_accession"])
    assert len(both) == (theirs["study_id"] != "Summary").sum()
    for name, other in [
        ("estimate", "Estimate"), ("se", "Std. Error"), ("p_value", "Pr(>|t|)"), ("ci_low", "2.5 %"),
        ("ci_high", "97.5 %"), ("n", "N"),
    ]:  # fmt: skip
        assert both[name].to_numpy(float) == pytest.approx(both[other].to_numpy(), rel=1e-10), name
    pooled = metacyto.pool(effects)
    model = read(golden / f"{prefix}_metaAnalysis_REmodel.csv")
    both = model.merge(pooled[pooled["omitted"] == ""], left_on="label", right_on="population", suffixes=("_r", ""))
    assert len(both) == len(model)
    for name, other in [
        ("k", "k_r"), ("estimate", "b"), ("se", "se_r"), ("statistic", "z"), ("p_value", "p"), ("ci_low", "lb"),
        ("ci_high", "ub"), ("tau2", "tau2_r"), ("se_tau2", "se.tau2"), ("i2", "I2"), ("h2", "H2"), ("q", "Q"),
        ("q_p", "Qp"),
    ]:  # fmt: skip
        assert both[name].to_numpy(float) == pytest.approx(both[other].to_numpy(float), rel=1e-10, abs=1e-14), name
    left_out = read(golden / f"{prefix}_metaAnalysis_leave1out.csv")
    ours = pd.concat([
        pooled[(pooled["population"] == label) & (pooled["omitted"] != "")] for label in model["label"]
    ])  # fmt: skip
    for name, other in [
        ("estimate", "estimate"), ("se", "se"), ("statistic", "zval"), ("p_value", "pval"), ("ci_low", "ci.lb"),
        ("ci_high", "ci.ub"), ("q", "Q"), ("q_p", "Qp"), ("tau2", "tau2"), ("i2", "I2"), ("h2", "H2"),
    ]:  # fmt: skip
        assert ours[name].to_numpy(float) == pytest.approx(left_out[other].to_numpy(float), rel=1e-9, abs=1e-12), name


def test_labels_of_several_studies(shared_data, golden):
    theirs = read(golden / "06_labelSummary_min2.csv")
    assert same_rows(metacyto.label_summary(read(golden / "06_all_data_long.csv")), theirs)
    folder = shared_data / "metacyto" / "extdata"
    earlier = metacyto.read_cluster_stats(sorted(folder.glob("cluster_stats_in_each_sample_*.csv")))
    ours = metacyto.label_summary(metacyto.long_table(*earlier))
    assert same_rows(ours, read(golden / "07_shipped_labelSummary.csv"))


def same_rows(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return sorted(map(tuple, one.to_numpy())) == sorted(map(tuple, other.to_numpy()))


def test_restricted_likelihood_stops_where_metafor_stops(golden):
    trials = pd.read_csv(golden / "09_dat_bcg_escalc.csv")
    table = pd.read_csv(golden / "09_bcg_metafor_all_estimators.csv").set_index(["method", "test"])
    found = restricted_likelihood(trials["yi"].to_numpy(), trials["vi"].to_numpy())
    assert found == pytest.approx(table.loc[("REML", "z"), "tau2"], rel=1e-14)
    assert found != pytest.approx(pd.read_csv(golden / "09_bcg_REML_tight.csv")["tau2"].iloc[0], rel=1e-8)


def test_earlier_runs_are_read(shared_data, golden):
    """The tables shipped with MetaCyto give its shipped results."""
    folder = shared_data / "metacyto" / "extdata"
    populations, medians = metacyto.read_cluster_stats(sorted(folder.glob("cluster_stats_in_each_sample_*.csv")))
    samples = metacyto.read_sample_info([folder / "sample_info.csv"], populations)
    assert set(samples["study_accession"]) == {"SDY420", "SDY736"}
    ours = metacyto.regression(populations, samples, medians=medians).set_index("population")
    theirs = pd.read_csv(golden / "07_shipped_glm_fraction.csv", keep_default_na=False, na_values=["NA"])
    theirs = theirs.set_index("label")
    assert set(ours.index) == set(theirs.index)
    assert ours["estimate"].to_numpy() == pytest.approx(theirs.loc[ours.index, "Effect_size"].to_numpy(), rel=1e-10)


def test_a_run_gives_the_results_of_the_vignette(shared_data, golden, tmp_path):
    """With seed 1 its first panel: labels, cut-offs and counts; the other panels go on with R's stream, not ours."""
    import yaml

    from immport_cyto import study

    data = shared_data / "metacyto" / "extdata"
    files = {
        "SDY420": "SDY420-DR19_Subject_2_CyTOF_result.txt",
        "SDY736": "SDY736-DR19_Subject_2_Flow_cytometry_result.txt",
    }
    content = {
        "method": "metacyto",
        "studies": [{"metadata": str(data / s / f), "fcs": str(data / s / "ResultFiles")} for s, f in files.items()],
        "populations": [LABEL_OF_THE_VIGNETTE.replace("|", " ")],
        "preprocess": {"rename": {"CD8B": "CD8"}},
        "cluster": {"clustering": "flowhc", "seed": 1},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    out = tmp_path / "out"
    study.run(study.read(tmp_path / "study.yaml"), out, jobs=2, quiet=True)
    clusters = tables.read(out / "clusters.tsv", tables.CLUSTERS)
    first = clusters.groupby("panel_id").filter(lambda part: "CD62L" in " ".join(part["phenotype"]))
    theirs = read(golden / "04_labels_by_study.csv").query("study == @PANELS[0] and method == 'flowHC'")["label"]
    assert list(dict.fromkeys(first["phenotype"])) == theirs.tolist()
    panel = first["panel_id"].iloc[0]
    cutoffs = tables.read(out / "cutoffs.tsv", tables.CUTOFFS)
    cutoffs = cutoffs[cutoffs["panel_id"] == panel].set_index("marker")["cutoff"]
    golden_cuts = pd.read_csv(golden / "05_searchCluster_cutoffs_seed1.csv").query("study == @PANELS[0]")
    assert cutoffs[golden_cuts["marker"]].tolist() == pytest.approx(golden_cuts["cutoff"].tolist(), abs=1e-12)
    counts = tables.read(out / "counts.tsv", tables.COUNTS)
    sums = counts[counts["panel_id"] == panel].groupby("population")["n_events"].sum()
    golden_counts = read(golden / f"05_searchCluster_counts_{PANELS[0]}.csv")
    golden_counts["label"] = golden_counts["label"].replace(
        LABEL_OF_THE_VIGNETTE, LABEL_OF_THE_VIGNETTE.replace("|", " ")
    )
    ours = sums[sums.index.isin(golden_counts["label"])]
    assert ours.to_dict() == golden_counts.set_index("label")["n"].to_dict()
    effects = tables.read(out / "effects.tsv", tables.EFFECTS)
    assert set(effects["study_accession"]) == set(PANELS)


def test_published_percentages_with_missing_ages(shared_data):
    """Carr et al.: 241 of 921 ages are missing; rows are left out before the outcome is scaled."""
    import statsmodels.api as sm

    table = pd.read_csv(shared_data / "metacyto" / "paper" / "Liston_data_%_PBMC.csv")
    cells = list(table.columns[table.columns.get_loc("B cells") :])
    assert len(cells) == 20
    names = [f"{i:04d}" for i in range(len(table))]
    samples = pd.DataFrame({
        "file_name": names, "sample_id": names, "study_accession": "Carr", "subject_accession": table["PatientID"],
        "age_years": table["Ageattimeofsampling.years."], "sex": table["Sex"],
    })  # fmt: skip
    populations = pd.concat([
        pd.DataFrame({
            "study_accession": "Carr", "panel_id": "Carr", "sample_id": names, "file_name": names,
            "method": "metacyto", "population": cell, "n_events": None, "n_parent": None, "fraction": table[cell],
        })
        for cell in cells
    ])  # fmt: skip
    ours = metacyto.regression(populations, samples, "age_years + sex").set_index("population")
    for cell in cells:
        used = table[[cell, "Ageattimeofsampling.years.", "Sex"]].dropna()
        y = (used[cell] - used[cell].mean()) / used[cell].std()
        x = np.column_stack([np.ones(len(used)), used["Ageattimeofsampling.years."], used["Sex"] == "M"])
        theirs = sm.OLS(y.to_numpy(), x.astype(float)).fit()
        row = ours.loc[cell]
        assert row["n"] == len(used)
        assert (row["estimate"], row["se"], row["p_value"]) == pytest.approx(
            (theirs.params[1], theirs.bse[1], theirs.pvalues[1]), rel=1e-8
        )
    assert (ours.loc[["naive CD4+ T cells", "naive B cells"], "estimate"] < 0).all()
    assert (ours.loc[["effector memory CD4+ T cells", "CD8+ T cells", "NK cells"], "estimate"] > 0).all()
