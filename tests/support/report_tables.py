"""A small set of tables as a run would give them, with hostile names among them."""

import numpy as np
import pandas as pd

HOSTILE = '<script>alert("x")</script>'
STUDIES = ("SDY1", "SDY2", "SDY3")
POPULATIONS = ("Naive CD4 T cell", "B cell", HOSTILE)


def make(seed: int = 1) -> dict[str, pd.DataFrame]:
    """Tables by the argument name of ``report.build``."""
    rng = np.random.default_rng(seed)
    samples, populations, qc = [], [], []
    for number, study in enumerate(STUDIES):
        for i in range(8):
            name = f"{study}_{i}.fcs" if (number, i) != (0, 0) else f"{HOSTILE}.fcs"
            age = float(rng.uniform(20, 80))
            samples.append(
                {
                    "file_name": name,
                    "sample_id": f"ES{number}{i}",
                    "study_accession": study,
                    "subject_accession": f"SUB{number}{i}",
                    "arm_name": HOSTILE if i == 0 else "Arm A",
                    "age_years": age,
                    "sex": "Female" if i % 2 else "Male",
                    "technique": "Flow cytometry",
                    "biosample_type": "PBMC",
                    "link_rule": "file_info_id",
                    "panel_id": f"flow-3m-00000{number}",
                }
            )
            qc.append(
                {
                    "file_name": name,
                    "n_events_in": 1000,
                    "n_nonfinite": 0,
                    "n_margin": 10,
                    "n_time": 20,
                    "n_debris": 100,
                    "n_doublet": 40,
                    "n_bead": 0,
                    "n_dead": 30,
                    "n_unsampled": 0,
                    "n_events_out": 800,
                    "compensation": "file:SPILL",
                    "transform": "arcsinh:cofactor=150",
                }
            )
            for k, population in enumerate(POPULATIONS):
                odds = np.exp(-1 - 0.02 * k * (age - 50) + rng.normal(0, 0.2))
                count = int(800 * odds / (1 + odds))
                populations.append(
                    {
                        "study_accession": study,
                        "panel_id": f"flow-3m-00000{number}",
                        "sample_id": f"ES{number}{i}",
                        "file_name": name,
                        "method": "search",
                        "population": population,
                        "definition": "CD3+",
                        "parent": "",
                        "n_events": count,
                        "n_parent": 800,
                        "fraction": count / 800,
                    }
                )
    effects, meta = [], []
    for k, population in enumerate(POPULATIONS):
        for study in STUDIES:
            estimate = -0.02 * k + float(rng.normal(0, 0.004))
            effects.append(
                {
                    "method": "search",
                    "population": population,
                    "study_accession": study,
                    "term": "age_years",
                    "n": 8,
                    "n_subjects": 8,
                    "estimate": estimate,
                    "se": 0.005,
                    "ci_low": estimate - 0.012,
                    "ci_high": estimate + 0.012,
                    "p_value": 0.01,
                    "df": 5.0,
                    "scale": "logit",
                    "model": "ols",
                }
            )
        for omitted in ("", *STUDIES):
            meta.append(
                {
                    "method": "search",
                    "population": population,
                    "term": "age_years",
                    "omitted": omitted,
                    "k": 3,
                    "n": 24,
                    "estimate": -0.02 * k,
                    "se": 0.004,
                    "ci_low": -0.02 * k - 0.01,
                    "ci_high": -0.02 * k + 0.01,
                    "p_value": 0.2 / (k + 1) ** 4,
                    "q_value": 0.3 / (k + 1) ** 4 if not omitted else None,
                    "pi_low": -0.02 * k - 0.02,
                    "pi_high": -0.02 * k + 0.02,
                    "tau2": 1e-5,
                    "i2": 20.0,
                    "q": 2.0,
                    "q_p": 0.3,
                    "scale": "logit",
                    "estimator": "REML + hartung-knapp",
                }
            )
    panels = [
        {
            "study_accession": study,
            "panel_id": f"flow-3m-00000{number}",
            "technique": "Flow cytometry",
            "n_files": 8,
            "n_markers": 3,
            "markers": ";".join(["CD3", "CD4", ("CD8", "CD19", HOSTILE)[number]]),
        }
        for number, study in enumerate(STUDIES)
    ]
    clusters = [
        {
            "study_accession": "SDY1",
            "panel_id": "flow-3m-000000",
            "metacluster": m,
            "n_nodes": 5,
            "n_events": 100 * m,
            "fraction": m / 10,
            "phenotype": "CD3+",
            "population": HOSTILE if m == 1 else f"population {m}",
        }
        for m in range(1, 5)
    ]
    medians = [
        {
            "study_accession": "SDY1",
            "panel_id": "flow-3m-000000",
            "metacluster": m,
            "marker": marker,
            "median": float(rng.uniform(0, 5)),
        }
        for m in range(1, 5)
        for marker in ("CD3", "CD4", "CD8")
    ]
    frames = {
        "samples": samples,
        "populations": populations,
        "qc": qc,
        "effects": effects,
        "meta": meta,
        "panels": panels,
        "clusters": clusters,
        "cluster_medians": medians,
    }
    from immport_cyto import tables

    contracts = {table.name.removesuffix(".tsv"): table for table in tables.ALL}
    return {name: tables.conform(pd.DataFrame(rows), contracts[name]) for name, rows in frames.items()}


def more() -> dict[str, pd.DataFrame]:
    """`make` with the tables of what else may be asked of effects and samples, most computed from it."""
    from immport_cyto import meta, tables

    found = make()
    rng = np.random.default_rng(2)
    found["samples"]["batch"] = ["b1" if i % 2 else HOSTILE for i in range(len(found["samples"]))]
    found["populations"].loc[0, "fraction"] = np.nan  # unknown in one file
    adjusted = meta.adjust(found["populations"], found["samples"])
    names = [f"SDY{number}" for number in range(1, 8)]
    years = [2012, 2015, 2019, 2013, 2014, 2020, 2021]
    studies = pd.DataFrame({"study_accession": names, "year": years, "assay": ["blood", HOSTILE] * 3 + ["blood"]})
    rows = []
    for k, population in enumerate((*POPULATIONS, *(f"population {number}" for number in range(4, 13)))):
        for study, year in zip(names, years, strict=True):
            se = float(rng.uniform(0.003, 0.009))
            estimate = -0.02 * k % 0.05 - 0.01 + 0.003 * k * (year - 2016) / 10 + float(rng.normal(0, se))
            rows.append(
                {
                    "method": "search", "population": population, "study_accession": study, "term": "age_years",
                    "n": 20, "n_subjects": 20, "estimate": estimate, "se": se, "ci_low": estimate - 2.1 * se,
                    "ci_high": estimate + 2.1 * se, "p_value": 0.01, "df": 18.0, "scale": "logit", "model": "ols",
                }
            )  # fmt: skip
    effects = tables.conform(pd.DataFrame(rows), tables.EFFECTS)
    curves = [
        {
            "method": "search", "population": population, "sex": sex, "age_group": "years", "age_years": age,
            "percentile": percentile, "fraction": 0.3 + percentile / 400 - age / 1000, "low": 0.1, "high": 0.6,
            "n_subjects": 24, "n_studies": 3,
        }
        for population in POPULATIONS
        for sex in ("Female", "Male")
        for age in (20.0, 50.0, 80.0)
        for percentile in (2.5, 10.0, 25.0, 50.0, 75.0, 90.0, 97.5)
    ]  # fmt: skip
    places = [
        {
            "file_name": f"{STUDIES[0]}_{i}.fcs", "method": "search", "population": "B cell", "sex": "Male",
            "age_years": 30.0 + i, "fraction": 0.3, "percentile": percentile, "low": 0.0, "high": 100.0,
            "note": "" if percentile is not None else HOSTILE,
        }
        for i, percentile in enumerate((1.0, 50.0, 99.0, None))
    ]  # fmt: skip
    drift = [
        {
            "study_accession": "SDY1", "panel_id": "flow-3m-000000", "file_name": name, "in_training": bool(i),
            "n_events": 800, "n_outliers": 8 * (4 - i), "outlier_percentage": 4.0 - i,
            "outlier_percentage_training": 1.0, "quantization_error": 1.0, "quantization_error_training": 0.9,
            "js_nodes": 0.1 + 0.1 * i, "js_nodes_by_chance": 0.1, "js_metaclusters": 0.1,
            "most_changed_metacluster": 1, "change": 2.0, "unused_markers": "",
        }
        for i, name in enumerate((HOSTILE, "SDY1_1.fcs", "SDY1_2.fcs"))
    ]  # fmt: skip
    outliers = [
        {
            "study_accession": "SDY1", "panel_id": "flow-3m-000000", "file_name": "SDY1_1.fcs", "node": node,
            "metacluster": 1, "n_events": 100, "n_outliers": node, "percentage": float(node), "median_training": 1.0,
            "mad_training": 0.2, "threshold": 1.8, "largest_distance": float(rng.uniform(2, 3)),
        }
        for node in (1, 2)
    ]  # fmt: skip
    annotations = [
        {"phenotype": "CD19+", "rank": 1, "cl_id": "CL:0000236", "cl_label": "B cell", "score": 0.9},
        {"phenotype": "CD19+", "rank": 2, "cl_id": "CL:0000542", "cl_label": "lymphocyte", "score": 0.5},
        {"phenotype": HOSTILE, "rank": 1, "cl_id": "", "cl_label": "", "score": None, "note": "no class fits"},
    ]
    return {
        **found,
        **_channels(),
        "populations": adjusted.populations,
        "batches": adjusted.explained,
        "effects": effects,
        "meta": meta.pool_effects(effects),
        "studies": studies,
        "moderators": meta.moderators(effects, studies, "num(year)"),
        "subgroups": meta.subgroups(effects, studies, "assay"),
        "cumulative": meta.cumulative(effects, studies, "year"),
        "asymmetry": meta.asymmetry(effects),
        "power": meta.power(effects),
        "reference": tables.conform(pd.DataFrame(curves), tables.REFERENCE),
        "places": tables.conform(pd.DataFrame(places), tables.PLACES),
        "drift": tables.conform(pd.DataFrame(drift), tables.DRIFT),
        "outliers": tables.conform(pd.DataFrame(outliers), tables.OUTLIERS),
        "annotations": tables.conform(pd.DataFrame(annotations), tables.ANNOTATIONS),
    }


def _channels() -> dict[str, pd.DataFrame]:
    """Tables on channels and cut-offs, of two panels of one technique, and a file that could not be used."""
    from immport_cyto import tables

    at = np.linspace(-1, 5, 40)
    panel, cutoffs, densities, channels = [], [], [], []
    for number, study in enumerate(STUDIES[:2]):
        group = {"study_accession": study, "panel_id": f"flow-3m-00000{number}"}
        for place, marker in enumerate(("CD3", "CD4", HOSTILE), start=1):
            panel.append({"file_name": f"{study}_1.fcs", "panel_id": group["panel_id"], "channel_number": place,
                          "fcs_colname": f"FL{place}-A", "description": marker, "antigen": marker,
                          "marker_class": "type", "role": "marker"})  # fmt: skip
            cutoffs.append({**group, "marker": marker, "cutoff": 2.0 + 4 * number if place == 1 else 2.0,
                            "method": "valley", "evidence": 0.9, "n_events": 800, "median_negative": 0.5,
                            "median_positive": 4.0 + 4 * number})  # fmt: skip
            height = np.exp(-((at - 0.5) ** 2)) + np.exp(-((at - 4) ** 2))
            densities += [{**group, "marker": marker, "value": x, "density": y}
                          for x, y in zip(at, height / height.sum(), strict=True)]  # fmt: skip
            counts = ";".join(str(int(100 * y)) for y in height)
            channels.append({**{key: panel[-1][key] for key in ("file_name", "panel_id", "channel_number",
                                                                "fcs_colname", "antigen")},
                             "transform": "arcsinh:cofactor=150", "step": 0.15, "first": -7, "before": counts,
                             "compensated": "", "after": counts})  # fmt: skip
    failures = [{"file_name": f"{HOSTILE}.fcs", "stage": "read", "message": f"{HOSTILE} is damaged"}]
    made = {"panel": panel, "cutoffs": cutoffs, "densities": densities, "channel_densities": channels,
            "failures": failures}  # fmt: skip
    contracts = {table.name.removesuffix(".tsv"): table for table in tables.ALL}
    return {name: tables.conform(pd.DataFrame(rows), contracts[name]) for name, rows in made.items()}
