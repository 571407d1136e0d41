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
