"""FLOCK over files: one model per group, and each file mapped onto it or adjusted to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock.adjusting import adjust as adjust_centres
from immport_cyto.cluster.flock.checks import check_finite
from immport_cyto.cluster.flock.inputs import (
    POPULATION_CHANNEL,
    Source,
    choose_markers,
    open_source,
    open_sources,
    write_table,
)
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.flock.partition import Float64
from immport_cyto.cluster.labels import write_labelled
from immport_cyto.cluster.scale import Scale, compare
from immport_cyto.exceptions import AnalysisError, OptionError

MODEL_KEYWORD = "ICYTO_FLOCK"
JOINT_EVENTS = 200_000
"""Events, over all files, that several files are trained on by default."""


@dataclass(frozen=True)
class Centres:
    """Known populations to find in files: a number and a centre each, on the scale of the files.

    Attributes
    ----------
    markers : list of str
    ids : ndarray of int64, populations
    centers : ndarray of float64, populations x markers
    """

    markers: list[str]
    ids: NDArray[np.int64]
    centers: Float64


@dataclass(frozen=True)
class LabelledFile:
    """What one file holds of each population.

    Attributes
    ----------
    n_events
        All of them have a population.
    ids : ndarray of int64, populations
    counts : ndarray of int64, populations
    profile : ndarray of int32, populations x markers
        Levels 1 to 4 within the file; of a model that is not adjusted, those of the model.
    medians : ndarray of float64, populations x markers
        NaN without events.
    centers : ndarray of float64, populations x markers
        Mean of the events; of a population without events NaN.
    warnings
        That the file is not on the scale of the training.
    """

    n_events: int
    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    profile: NDArray[np.int32]
    medians: Float64
    centers: Float64
    warnings: tuple[str, ...] = ()


def flock_files(
    files: Mapping[str, Path],
    *,
    markers: Sequence[str] | None = None,
    version: int = 2,
    bins: int | None = None,
    density: int | None = None,
    max_populations: int | None = None,
    max_training_events: int | None = None,
    seed: int = 42,
    n_jobs: int = 1,
    study_accession: str = "",
    panel_id: str = "",
) -> FLOCK:
    """Train one model on the files of a group.

    A single file is trained on as it is. Of several files each gives the same number of events, drawn at random: the
    share of a file in `max_training_events`, at most the number that half of the files have. A file with fewer gives
    all it has, and is reported.

    Parameters
    ----------
    files
        By file name: preprocessed FCS files, or text tables with a header, separated by tabs. Their order does not
        matter.
    markers
        Markers to cluster on, in any spelling; default see `immport_cyto.cluster.flock.inputs.choose_markers`.
    version, bins, density, max_populations, n_jobs
        See `FLOCK`.
    max_training_events
        Events to train on, over all files; default all of a single file, 200,000 of several.
    seed
        Of the draw; FLOCK itself has nothing random.
    study_accession, panel_id
        Group that the model is of; kept in it.

    Raises
    ------
    PanelError
        No marker is in all files, or a marker asked for is missing in one.
    AnalysisError
        See `FLOCK.fit`.
    OptionError
        A parameter makes no sense, or there are no files.
    """
    if not files:
        msg = "no files to cluster; give at least one"
        raise OptionError(msg)
    if max_training_events is not None and max_training_events < 1:
        msg = f"max_training_events is {max_training_events}; give a whole number from 1 on"
        raise OptionError(msg)
    model = FLOCK(version, bins=bins, density=density, max_populations=max_populations, n_jobs=n_jobs)
    model.check_parameters()
    sources = open_sources(files)
    chosen = choose_markers(sources, markers)
    quota, warnings = _quota(sources, max_training_events)
    parts = []
    for number, source in enumerate(sources):
        events = source.read(chosen)
        check_finite(events, chosen, source.name)
        if len(events) > quota:
            rng = np.random.default_rng([seed, number])
            events = events[np.sort(rng.choice(len(events), quota, replace=False))]
        parts.append(events)
    training = [(source.name, len(part)) for source, part in zip(sources, parts, strict=True)]
    together = parts[0] if len(parts) == 1 else np.concatenate(parts)
    del parts
    try:
        model.fit(together, markers=chosen)
    except AnalysisError as error:
        msg = f"{', '.join(source.name for source in sources[:3])}{', ...' if len(sources) > 3 else ''}: {error}"
        raise AnalysisError(msg) from error
    del model.labels_
    model.scale_ = Scale.joined([source.scale for source in sources], chosen)
    model.warnings_ = warnings + model.scale_.mixed() + model.warnings_
    model.training = training
    model.study_accession, model.panel_id = study_accession, panel_id
    return model


def _quota(sources: Sequence[Source], limit: int | None) -> tuple[int, list[str]]:
    """Events that each file gives to the training at most, and remarks."""
    sizes = sorted(source.n_events for source in sources)
    if len(sources) == 1:
        return (sizes[0] if limit is None else limit), []
    quota = min((JOINT_EVENTS if limit is None else limit) // len(sources), sizes[len(sizes) // 2])
    small = [source.name for source in sources if source.n_events < quota]
    if not small:
        return quota, []
    return quota, [f"{', '.join(small)}: fewer than {quota} events, so of less weight than the other files"]


def label_file(
    model: FLOCK | Centres, name: str, path: Path, target: Path | None = None, *, adjust: bool = False,
    any_scale: bool = False, n_jobs: int = 1,
) -> LabelledFile:  # fmt: skip
    """Find the populations of a model in a file, and write the file with the population of each event.

    An FCS file gets the channel ``FLOCK_population``, a table such a last column. Markers are matched by name. Results
    of an earlier run are replaced.

    Parameters
    ----------
    model
        A trained FLOCK; or centres, which always adjust.
    name, path
        The file.
    target
        File to write; none by default.
    adjust
        Let the centres of the model move to the events of this file (``cent_adjust``), instead of giving each event the
        population that it would have had in the training.
    any_scale
        Take a file that was transformed in another way than the training files, with a warning.
    n_jobs
        Threads; the result does not depend on it.

    Raises
    ------
    PanelError
        The file lacks a marker, or its keywords state another transform than those of the training files.
    AnalysisError
        A marker has a value that is not finite.
    """
    source = open_source(name, path)
    warnings = compare(model.scale_, source.scale, name, any_scale=any_scale) if isinstance(model, FLOCK) else []
    X = source.read(model.markers)
    check_finite(X, model.markers, name)
    if isinstance(model, FLOCK):
        ids, start = np.arange(1, model.n_populations_ + 1), model.centers_
    else:
        ids, start = model.ids, model.centers
    if not len(X):
        levels = model.profile_ if isinstance(model, FLOCK) else np.ones(start.shape, np.int32)
        numbers = np.empty(0, np.int64)
    elif adjust or isinstance(model, Centres):
        moved = adjust_centres(start, X, ids=ids.tolist(), n_jobs=n_jobs, name=name)
        numbers, levels = moved.labels, moved.profile
    else:
        numbers, levels = model.rule_.assign(X, n_jobs).astype(np.int64), model.profile_
    place = np.zeros(int(ids.max()) + 1, np.int64)
    place[ids] = np.arange(len(ids))
    means, medians, counts = _describe(X, place[numbers], len(ids))
    if target is not None:
        _write(source, target, numbers, model, ids, adjusted=adjust or isinstance(model, Centres))
    return LabelledFile(len(X), ids, counts, levels, medians, means, tuple(warnings))


def check_file(model: FLOCK | Centres, name: str, path: Path, *, any_scale: bool = False) -> None:
    """Refuse a file in which the populations of a model cannot be found, without reading its events.

    Raises
    ------
    PanelError
        See `label_file`.
    """
    source = open_source(name, path)
    source.check(model.markers)
    if isinstance(model, FLOCK):
        compare(model.scale_, source.scale, name, any_scale=any_scale)


def digest(model: FLOCK | Centres) -> str:
    """Twelve hexadecimal digits that are equal for models that map alike."""
    content = hashlib.sha256(json.dumps(model.markers).encode())
    if isinstance(model, Centres):
        arrays: list[NDArray[Any]] = [model.ids, model.centers]
    else:
        rule = model.rule_
        arrays = [rule.mean, rule.sd, rule.centres, rule.population, model.centers_]
        for cluster, split in rule.splits.items():
            arrays += [np.array([cluster]), split.columns, split.low, split.extent, split.centres]
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:12]


def _write(
    source: Source, target: Path, numbers: NDArray[np.int64], model: FLOCK | Centres, ids: NDArray[np.int64],
    *, adjusted: bool,
) -> None:  # fmt: skip
    if source.kind == "text":
        write_table(source, target, numbers)
        return
    content = {"model": digest(model), "populations": len(ids), "adjusted": adjusted}
    write_labelled(source.path, target, {POPULATION_CHANNEL: (numbers, int(ids.max()))}, (MODEL_KEYWORD, content))


def _describe(X: NDArray[np.floating], labels: NDArray[np.int64], n: int) -> tuple[Float64, Float64, NDArray[np.int64]]:
    """Means and medians per label and column, NaN without events, and events per label."""
    counts = np.bincount(labels, minlength=n)
    means, medians = np.full((n, X.shape[1]), np.nan), np.full((n, X.shape[1]), np.nan)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(counts)
    for label in np.flatnonzero(counts):
        inside = X[order[ends[label] - counts[label] : ends[label]]]
        means[label] = inside.mean(axis=0, dtype=np.float64)
        medians[label] = np.median(inside, axis=0)
    return means, medians, counts
