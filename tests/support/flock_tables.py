"""Text tables of events, as the old suite passed them on, for the tests of FLOCK."""

from pathlib import Path

import numpy as np


def write_text(path: Path, X: np.ndarray, names, time=None) -> Path:
    """A tab-separated table with a header; `time` puts a column Time before the others."""
    if time is not None:
        X, names = np.column_stack([time, X]), ["Time", *names]
    lines = ["\t".join(names), *("\t".join(repr(float(value)) for value in row) for row in X)]
    path.write_text("\n".join(lines) + "\n")
    return path
