"""Small populations.tsv and samples.tsv frames for the tests of meta."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def samples(n: int = 20, *, study: str = "SDY1", files: int = 1, seed: int = 1, **columns: Any) -> pd.DataFrame:
    """`n` subjects with `files` files each: ages 20 to 80, sexes in turn; `columns` are added per file."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n), files)
    names = [f"{study}_{i:02d}_{j}.fcs" for i in range(n) for j in range(files)]
    frame = pd.DataFrame({
        "file_name": names,
        "sample_id": [f"ES{study}{i}" for i in range(len(names))],
        "study_accession": study,
        "subject_accession": [f"SUB{study}{i:02d}" for i in subject],
        "age_years": np.round(rng.uniform(20, 80, n), 1)[subject],
        "sex": np.array(["Female", "Male"])[subject % 2],
        "study_time_days": [30.0 * j for _ in range(n) for j in range(files)],
    })  # fmt: skip
    for name, values in columns.items():
        frame[name] = values
    return frame


def populations(
    of: pd.DataFrame, logits: Sequence[float] | np.ndarray, *, name: str = "B cells", total: int = 1_000_000,
    definition: str = "CD19+", method: str = "search", panel: Any = "flow-3m-aaaaaa",
) -> pd.DataFrame:  # fmt: skip
    """One population over the files of `of` whose empirical logits are `logits`, up to the rounding of counts."""
    share = 1 / (1 + np.exp(-np.asarray(logits, dtype=float)))
    counts = np.rint(share * total).astype(int)
    return pd.DataFrame({
        "study_accession": of["study_accession"].to_numpy(), "panel_id": panel, "sample_id": of["sample_id"].to_numpy(),
        "file_name": of["file_name"].to_numpy(), "method": method, "population": name, "definition": definition,
        "n_events": counts, "n_parent": total, "fraction": counts / total,
    })  # fmt: skip


def effect_rows(
    estimates: Sequence[float], ses: Sequence[float], *, name: str | Sequence[str] = "B cells", term: str = "age_years",
    studies: Sequence[str] | None = None, **columns: Any,
) -> pd.DataFrame:  # fmt: skip
    """Rows of effects.tsv, one per study."""
    k = len(estimates)
    y, se = np.asarray(estimates, dtype=float), np.asarray(ses, dtype=float)
    frame = pd.DataFrame({
        "method": "search", "population": name, "definition": "CD19+",
        "study_accession": list(studies) if studies is not None else [f"SDY{i + 1}" for i in range(k)],
        "panel_id": "p", "term": term, "n": 10, "n_subjects": 10, "estimate": y, "se": se,
        "ci_low": y - 2.2 * se, "ci_high": y + 2.2 * se, "p_value": 0.04, "df": 8.0, "scale": "logit",
        "model": "logit ~ age_years; least squares", "note": "",
    })  # fmt: skip
    for column, values in columns.items():
        frame[column] = values
    return frame
