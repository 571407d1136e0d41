"""Events with known populations, and preprocessed FCS files of them, for the tests of clustering."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from immport_cyto import fcs


def blobs(centres: Sequence[Sequence[float]], sizes: Sequence[int], *, seed: int = 0, sd: float = 0.3):
    """Gaussian populations in random order: (events, population of each)."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(centres)), sizes)
    X = np.asarray(centres)[y] + rng.normal(0, sd, (len(y), len(centres[0])))
    order = rng.permutation(len(y))
    return X[order].astype(np.float32), y[order]


T_CELLS = ([4.0, 4.0, 0.0, 0.0], [4.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0])
MARKERS = ("CD3", "CD4", "CD8", "CD19")


def preprocessed(
    path: Path,
    X: np.ndarray,
    markers: Sequence[str] = MARKERS,
    *,
    classes: Sequence[str] | None = None,
    extra: Sequence[str] = (),
    panel_id: str = "",
    transform: str = "",
    compensation: str = "",
) -> Path:
    """An FCS file as `events preprocess` writes it: markers first, then channels without marker of constant 1."""
    values = np.column_stack([X, *(np.ones(len(X)) for _ in extra)]).astype(np.float32)
    channels = [(f"D{i}", marker) for i, marker in enumerate(markers)] + [(name, "") for name in extra]
    keywords = {"ICYTO_FORMAT": "1", "ICYTO_FILE": path.name, **({"ICYTO_PANEL": panel_id} if panel_id else {})}
    if compensation:
        keywords["ICYTO_COMPENSATION"] = compensation
    for number in range(1, len(channels) + 1):
        if transform:
            keywords[f"ICYTO_P{number}TRANSFORM"] = transform if number <= len(markers) else "linear"
        keywords[f"ICYTO_P{number}ROLE"] = "marker" if number <= len(markers) else "scatter"
        if classes:
            keywords[f"ICYTO_P{number}CLASS"] = classes[number - 1] if number <= len(markers) else "none"
    fcs.write(path, values, channels, keywords)
    return path
