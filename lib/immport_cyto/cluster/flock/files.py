"""FLOCK over files: one model per group, and each file mapped onto it or adjusted to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs
from immport_cyto.cluster.flock.adjusting import adjust as adjust_centres
from immport_cyto.cluster.flock.centres import Center, centres, check_center, check_positive
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
from immport_cyto.cluster.flock.profile import profile
from immport_cyto.cluster.labels import write_labelled
from immport_cyto.cluster.opened import dropped, remarks
from immport_cyto.cluster.scale import Scale, compare
from immport_cyto.exceptions import AnalysisError, InputError, OptionError

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
        Centre of the events; of a population without events NaN.
    labels : ndarray of int32, events
        Position of the population of each event in `ids`.
    warnings
        That the file is not on the scale of the training.
    """

    n_events: int
    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    profile: NDArray[np.int32]
    medians: Float64
    centers: Float64
    labels: NDArray[np.int32]
    warnings: tuple[str, ...] = ()


def flock_files(
    files: Mapping[str, Path],
    *,
    markers: Sequence[str] | None = None,
    version: int = 2,
    bins: int | None = None,
    density: int | None = None,
    max_populations: int | None = None,
    center: Center = "mean",
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
    version, bins, density, max_populations, center, n_jobs
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
    model = FLOCK(
        version, bins=bins, density=density, max_populations=max_populations, center=center, n_jobs=n_jobs
    )  # fmt: skip
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
    notes = [*(dropped(sources, chosen) if markers is None else []), *remarks(sources, chosen)]
    model.warnings_ = [*notes, *warnings, *model.scale_.mixed(), *model.warnings_]
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
    any_scale: bool = False, center: Center | None = None, n_jobs: int = 1,
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
    center
        Centre of the populations in the file: mean, median or geometric-mean; default that of the model, of known
        centres the mean.
    n_jobs
        Threads; the result does not depend on it.

    Raises
    ------
    PanelError
        The file lacks a marker, or its keywords state another transform than those of the training files.
    AnalysisError
        A marker has a value that is not finite, or of which there is no geometric mean.
    """
    kind = center or (model.center if isinstance(model, FLOCK) else "mean")
    source = open_source(name, path)
    warnings = compare(model.scale_, source.scale, name, any_scale=any_scale) if isinstance(model, FLOCK) else []
    X = _events(source, model, kind)
    if isinstance(model, FLOCK):
        ids, start, levels = np.arange(1, model.n_populations_ + 1), model.centers_, model.profile_
    else:
        ids, start, levels = model.ids, model.centers, np.ones(model.centers.shape, np.int32)
    if not len(X):
        numbers = np.empty(0, np.int64)
    elif adjust or isinstance(model, Centres):
        moved = adjust_centres(start, X, ids=ids.tolist(), n_jobs=n_jobs, name=name)
        numbers, levels = moved.labels, moved.profile
    else:
        numbers = model.rule_.assign(X, n_jobs).astype(np.int64)
    found = _labelled(X, ids, numbers, levels, kind, warnings)
    if target is not None:
        _write(source, target, numbers, model, ids, adjusted=adjust or isinstance(model, Centres))
    return found


def merge_file(
    model: FLOCK, merged: FLOCK, new_number: Sequence[int], name: str, path: Path, target: Path | None = None, *,
    center: Center | None = None, n_jobs: int = 1,
) -> LabelledFile:  # fmt: skip
    """Write a file with the populations of a merged model.

    The populations of an FCS file that was labelled with the model before keep their events, also where they were
    adjusted to the file. In other files, and in tables, which do not say what labelled them, populations are found as
    `label_file` does; files of another scale are taken, with a warning.

    Parameters
    ----------
    model, merged
        The model before and after the merge.
    new_number
        Number in `merged` of each population of `model`.
    name, path, target, center, n_jobs
        See `label_file`.
    """
    source = open_source(name, path)
    before = read_labelled(source, model)
    if before is None:
        return label_file(merged, name, path, target, any_scale=True, center=center, n_jobs=n_jobs)
    kind = center or merged.center
    X = _events(source, merged, kind)
    numbers = np.array([0, *new_number])[before.numbers]
    levels = profile(X, numbers, merged.n_populations_) if before.adjusted and len(X) else merged.profile_
    ids = np.arange(1, merged.n_populations_ + 1)
    found = _labelled(X, ids, numbers, levels, kind, compare(merged.scale_, source.scale, name, any_scale=True))
    if target is not None:
        _write(source, target, numbers, merged, ids, adjusted=before.adjusted)
    return found


@dataclass(frozen=True)
class Before:
    """Populations that a file has already: a number from 1 per event, and whether they were adjusted to the file."""

    numbers: NDArray[np.int64]
    adjusted: bool


def read_labelled(source: Source, model: FLOCK) -> Before | None:
    """Populations that `label_file` gave an FCS file with this model; None of any other file.

    Raises
    ------
    InputError
        The file holds numbers that the model does not have.
    """
    if source.kind == "text":
        return None
    with fcs.open(source.path) as file:
        try:
            content = json.loads(file.keywords.get(MODEL_KEYWORD, ""))
        except ValueError:
            return None
        if not isinstance(content, dict) or content.get("model") != digest(model):
            return None
        if POPULATION_CHANNEL not in file.names:
            return None
        values = file.events([POPULATION_CHANNEL])[:, 0]
    whole = np.isfinite(values).all() and (values == np.trunc(values)).all()
    if len(values) and not (whole and values.min() >= 1 and values.max() <= model.n_populations_):
        msg = f"{source.name}: channel {POPULATION_CHANNEL} holds numbers that the model does not have; map it again"
        raise InputError(msg)
    return Before(values.astype(np.int64), content.get("adjusted") is True)


def _events(source: Source, model: FLOCK | Centres, center: Center) -> NDArray[np.floating]:
    """Checked values of the markers of a model."""
    check_center(center)
    X = source.read(model.markers)
    check_finite(X, model.markers, source.name)
    if center == "geometric-mean":
        check_positive(X, model.markers, source.name)
    return X


def _labelled(
    X: NDArray[np.floating], ids: NDArray[np.int64], numbers: NDArray[np.int64], levels: NDArray[np.int32],
    center: Center, warnings: Sequence[str],
) -> LabelledFile:  # fmt: skip
    place = np.zeros(int(ids.max()) + 1, np.int32)
    place[ids] = np.arange(len(ids), dtype=np.int32)
    labels = place[numbers]
    (medians, middle), counts = centres(X, labels, len(ids), ["median", center])
    return LabelledFile(len(X), ids, counts, levels, medians, middle, labels, tuple(warnings))


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
