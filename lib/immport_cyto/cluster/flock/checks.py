"""Input of FLOCK that cannot be used, each with one sentence that says so."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.source import prefix
from immport_cyto.exceptions import AnalysisError, OptionError

FEWEST_EVENTS = 50
LARGEST = 1e15


def as_events(X: object, name: str = "") -> NDArray[np.floating]:
    """Events x columns as a C-ordered float32 or float64 array; not copied where it is one.

    Raises
    ------
    AnalysisError
        `X` is not a matrix of numbers.
    """
    try:
        matrix = np.asarray(X)
        if matrix.dtype not in (np.float32, np.float64):
            matrix = matrix.astype(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{prefix(name)}the events are not a matrix of numbers; give events x markers"
        raise AnalysisError(msg) from error
    if matrix.ndim != 2:
        msg = f"{prefix(name)}the events have {matrix.ndim} dimension(s) instead of two; give events x markers"
        raise AnalysisError(msg)
    return np.ascontiguousarray(matrix)


def check_names(markers: Sequence[str], columns: int) -> list[str]:
    """Names of the columns, each once.

    Raises
    ------
    OptionError
        Their number does not fit, or a name comes twice.
    AnalysisError
        There are fewer than two.
    """
    names = list(markers)
    if len(names) != columns:
        msg = f"{len(names)} marker names for {columns} columns; give one name per column"
        raise OptionError(msg)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"marker {twice} is named twice; give each marker once"
        raise OptionError(msg)
    if columns < 2:
        found = names[0] if names else "none"
        msg = f"FLOCK needs at least two markers, got {found}; add markers, or find a cut-off for a single one"
        raise AnalysisError(msg)
    return names


def check_finite(X: NDArray[np.floating], markers: Sequence[str], name: str = "") -> None:
    """Raise an AnalysisError that names marker and event of the first value that cannot be used."""
    for j, marker in enumerate(markers):
        column = X[:, j]
        finite = np.isfinite(column)
        if not finite.all():
            event = int(np.argmin(finite))
            msg = (
                f"{prefix(name)}marker {marker} is {column[event]} in event {event + 1}; "
                "remove such events first (events preprocess does)"
            )
            raise AnalysisError(msg)
        if len(column) and (largest := float(np.abs(column).max())) > LARGEST:
            msg = (
                f"{prefix(name)}marker {marker} reaches {largest:.3g}, which is too large to cluster; "
                "transform the events first (events preprocess does)"
            )
            raise AnalysisError(msg)


def check_training(X: NDArray[np.floating], markers: Sequence[str]) -> None:
    """Raise an AnalysisError where FLOCK cannot find populations in the events."""
    if len(X) < FEWEST_EVENTS:
        msg = f"{len(X)} events are too few, FLOCK needs at least {FEWEST_EVENTS}; take a larger file"
        raise AnalysisError(msg)
    check_finite(X, markers)
    for j, marker in enumerate(markers):
        if X[:, j].min() == X[:, j].max():
            msg = f"marker {marker} has the same value in all events; leave it out"
            raise AnalysisError(msg)
