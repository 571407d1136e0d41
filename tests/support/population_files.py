"""Preprocessed FCS files with known populations, for the tests of `immport_cyto.population`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from immport_cyto import fcs

MARKERS = ("CD3", "CD4", "CD8", "CD19", "HLA-DR", "CD56")
# name: (share, signs of MARKERS); a low mode at 0.5 and a high one at 4
CELLS = {
    "CD4 T": (0.4, "++----"),
    "CD8 T": (0.2, "+-+---"),
    "B": (0.15, "---++-"),
    "NK": (0.1, "-----+"),
    "monocyte": (0.15, "----+-"),
}


def cells(n: int, seed: int, shares: Mapping[str, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Values of MARKERS (n x 6, float32) and the cell type of each event."""
    rng = np.random.default_rng(seed)
    names = list(CELLS)
    weights = np.array([(shares or {}).get(name, CELLS[name][0]) for name in names])
    kinds = rng.choice(len(names), size=n, p=weights / weights.sum())
    high = np.array([[sign == "+" for sign in CELLS[name][1]] for name in names])[kinds]
    values = np.where(high, 4.0, 0.5) + rng.normal(scale=0.4, size=high.shape)
    return values.astype(np.float32), np.array(names)[kinds]


def write(
    path: Path,
    values: np.ndarray,
    markers: Sequence[str] = MARKERS,
    *,
    panel_id: str = "flow-6m-abc123",
    extra: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """One file as `events.preprocess` leaves it: scatter, then the markers, then `extra` channels."""
    extra = dict(extra or {})
    columns = [np.full(len(values), 100.0), *values.T, *extra.values()]
    channels = [("FSC-A", "")] + [(f"FL{i}-A", marker) for i, marker in enumerate(markers, 1)]
    channels += [(name, "") for name in extra]
    keywords = {"ICYTO_FORMAT": "1", "ICYTO_PANEL": panel_id, "ICYTO_P1ROLE": "scatter"}
    for number in range(2, len(markers) + 2):
        keywords[f"ICYTO_P{number}ROLE"] = "marker"
        keywords[f"ICYTO_P{number}TRANSFORM"] = "arcsinh:cofactor=150"
    fcs.write(path, np.column_stack(columns).astype(np.float32), channels, keywords)
    return path
