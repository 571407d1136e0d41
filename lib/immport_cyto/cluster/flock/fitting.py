"""The steps of FLOCK 1 and FLOCK 2 in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import native, partition, refine, regions
from immport_cyto.cluster.flock.partition import Float64
from immport_cyto.cluster.flock.rule import Rule
from immport_cyto.exceptions import AnalysisError

_MOST_1 = 30
_MOST_BEFORE_SPLITS = 128
_REACH_2 = (0.1, 5.0)
_ITERATIONS = {1: 100, 2: 10}


@dataclass(frozen=True)
class Found:
    """What there was on the way to the populations.

    Attributes
    ----------
    bins, density
        Bins per marker and events of a dense hyper-region, as used.
    regions, dense_regions, groups
        Non-empty hyper-regions, dense ones, groups of dense ones that touch.
    reach
        Largest distance of group centres that were joined, in bin widths.
    clusters
        Clusters of k-means.
    parts
        Clusters after the splits; in version 1 the same.
    """

    bins: int
    density: int
    regions: int
    dense_regions: int
    groups: int
    reach: float
    clusters: int
    parts: int


def find_populations(
    X: NDArray[np.floating],
    markers: Sequence[str],
    version: int,
    *,
    bins: int | None = None,
    density: int | None = None,
    most: int | None = None,
    jobs: int = 1,
) -> tuple[NDArray[np.int32], Rule, Found, list[str]]:
    """Populations of checked events.

    Parameters
    ----------
    X
        Raw events x columns, finite.
    markers
        Names of the columns, for errors.
    version
        1 or 2.
    bins, density, most
        Asked for; see `FLOCK`.
    jobs
        Threads.

    Returns
    -------
    labels : ndarray of int32, events
        Population from 1.
    rule : Rule
        Gives every event of `X` the same population again.
    found : Found
    warnings : list of str

    Raises
    ------
    AnalysisError
        There are no populations to find; see `FLOCK.fit`.
    """
    rule, low, high = _scaling(X, markers)
    Z = rule.scaled(X)
    centres, found, warnings = _dense_centres(Z, low, high, version, bins, density, most)
    clusters, centres = partition.kmeans(Z, centres, _ITERATIONS[version], jobs)
    n = len(centres)
    if version == 1:
        return clusters + 1, replace(rule, centres=centres, population=_numbers(n)), found, warnings
    rule = replace(rule, centres=centres, splits=refine.find_splits(X, clusters, n))
    parts = rule.parts(X, clusters)
    n_parts = n + len(rule.splits)
    population, n_forced = refine.merge_parts(Z, parts, n_parts, most)
    if n_forced:
        warnings.append(
            f"{n_forced} pair{'s' if n_forced > 1 else ''} of populations with a valley between them were merged, "
            f"because max_populations is {most}"
        )
    return population[parts], replace(rule, population=population), replace(found, parts=n_parts), warnings


def _scaling(X: NDArray[np.floating], markers: Sequence[str]) -> tuple[Rule, Float64, Float64]:
    """A rule that only scales, and the scaled minimum and maximum of each column."""
    n, d = X.shape
    mean, squares, low, high = np.zeros(d), np.zeros(d), np.full(d, np.inf), np.full(d, -np.inf)
    native.moments(X, mean, squares, low, high)
    sd = np.sqrt(squares / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (low - mean) / sd, (high - mean) / sd
    flat = ~(np.isfinite(low) & np.isfinite(high) & (high > low))
    if flat.any():
        msg = f"marker {markers[int(np.argmax(flat))]} hardly varies between the events; leave it out"
        raise AnalysisError(msg)
    return Rule(mean, sd, np.empty((0, d)), {}, _numbers(0)), low, high


def _dense_centres(
    Z: Float64, low: Float64, high: Float64, version: int, bins: int | None, density: int | None, most: int | None
) -> tuple[Float64, Found, list[str]]:
    """Where k-means starts: the centres of the dense events of the joined groups."""
    cells = regions.choose_regions(Z, low, high, bins)
    warnings = []
    if bins is not None and cells.n_bins < bins:
        warnings.append(
            f"{cells.n_bins} bins are used instead of {bins}: with more, nearly every event is alone in its "
            "hyper-region"
        )
    used = regions.automatic_density(cells.size) if density is None else density
    group, n_groups, n_dense = regions.connect(cells, used)
    if version == 1:
        limit, reach = most or _MOST_1, (0.0, np.inf)
    else:
        limit, reach = min(2 ** Z.shape[1], _MOST_BEFORE_SPLITS), _REACH_2
    joined = partition.join_groups(partition.means(Z, group, n_groups)[0], cells.width, limit, reach)
    if joined.n == 1:
        warnings.append(
            f"the {n_groups} groups of dense hyper-regions are joined to one: there is no distance at which they are "
            f"2 to {limit}"
        )
    elif joined.n > limit:
        warnings.append(f"{joined.n} instead of {limit} populations before the splits: the groups lie too far apart")
    of_event = np.where(group >= 0, joined.population[group], -1)
    centres, _ = partition.means(Z, of_event, joined.n)
    found = Found(cells.n_bins, used, len(cells.size), n_dense, n_groups, round(joined.reach, 1), joined.n, joined.n)
    return centres, found, warnings


def _numbers(n: int) -> NDArray[np.int32]:
    return np.arange(1, n + 1, dtype=np.int32)
