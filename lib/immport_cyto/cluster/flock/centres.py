"""Centres of populations: the mean, median or geometric mean of their events."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.source import prefix
from immport_cyto.exceptions import AnalysisError, OptionError

Center = Literal["mean", "median", "geometric-mean"]
CENTERS: tuple[Center, ...] = get_args(Center)


def check_center(center: str) -> None:
    """Raise an OptionError for a kind of centre that there is not."""
    if center not in CENTERS:
        msg = f"center is {center!r}; choose {', '.join(CENTERS[:-1])} or {CENTERS[-1]}"
        raise OptionError(msg)


def check_positive(X: NDArray[np.floating], markers: Sequence[str], name: str = "") -> None:
    """Raise an AnalysisError that names the first value of which there is no geometric mean."""
    for j, marker in enumerate(markers):
        fine = X[:, j] > 0
        if not fine.all():
            event = int(np.argmin(fine))
            msg = (
                f"{prefix(name)}marker {marker} is {X[event, j]:g} in event {event + 1}, and a geometric mean needs "
                "values above 0; take the mean, which on a logarithmic scale is the same, or the median"
            )
            raise AnalysisError(msg)


def centres(
    X: NDArray[np.floating], labels: NDArray[np.integer], n: int, kinds: Sequence[Center]
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Centres (NaN without events) and number of events of each label.

    Parameters
    ----------
    X
        Events x columns; of a geometric mean above 0.
    labels
        Of each event, 0 to n-1.
    n
        Number of labels.
    kinds
        Which centres.

    Returns
    -------
    centres : list of ndarray of float64, labels x columns
        One for each kind.
    counts : ndarray of int64, labels
    """
    counts = np.bincount(labels, minlength=n)
    found = [np.full((n, X.shape[1]), np.nan) for _ in kinds]
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(counts)
    for label in np.flatnonzero(counts):
        inside = X[order[ends[label] - counts[label] : ends[label]]]
        for kind, of_kind in zip(kinds, found, strict=True):
            of_kind[label] = _centre(inside, kind)
    return found, counts


def _centre(events: NDArray[np.floating], kind: Center) -> NDArray[np.float64]:
    if kind == "median":
        return np.asarray(np.median(events, axis=0), np.float64)
    if kind == "mean":
        return np.asarray(events.mean(axis=0, dtype=np.float64))
    return np.asarray(np.exp(np.log(events, dtype=np.float64).mean(axis=0)))


def joined(found: NDArray[np.float64], counts: NDArray[np.int64], center: Center) -> NDArray[np.float64]:
    """Centre of the events of several populations from their centres, weighted by events.

    Of means and geometric means this is the centre of the events; of medians it is near it.

    Parameters
    ----------
    found
        Populations x columns.
    counts
        Events in each; where all are 0 each has the same weight.
    center
        Which centre.
    """
    if len(found) == 1:
        return found[0].copy()
    weights = counts if counts.any() else np.ones_like(counts)
    if center == "geometric-mean":
        return np.asarray(np.exp(np.average(np.log(found), axis=0, weights=weights)))
    return np.asarray(np.average(found, axis=0, weights=weights))
