"""FlowSOM over preprocessed FCS files: markers by harmonised name, one model per group, files mapped one by one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.labels import write_labelled
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.cluster.opened import Opened, choose_markers, open_file, remarks
from immport_cyto.cluster.outliers import MAD_ALLOWED, outliers, thresholds
from immport_cyto.cluster.scale import Scale, compare
from immport_cyto.cluster.source import Part, array_part, draw, gather
from immport_cyto.exceptions import OptionError, PanelError
from immport_cyto.files import atomic_paths

NODE_CHANNEL = "FlowSOM_node"
METACLUSTER_CHANNEL = "FlowSOM_metacluster"
OUTLIER_CHANNEL = "FlowSOM_outlier"
MODEL_KEYWORD = "ICYTO_FLOWSOM"


@dataclass(frozen=True)
class MappedFile:
    """What mapping one file gave.

    Attributes
    ----------
    n_events
        Events in the file, all of them mapped.
    node_counts : ndarray of int64, nodes
        Events per node.
    quantization_error
        Mean distance of the events to their code; NaN without events.
    outlier_counts : ndarray of int64, nodes
        Outliers (`immport_cyto.cluster.outliers`) per node.
    largest_distances : ndarray of float64, nodes
        Largest distance of an event to its code; NaN without events.
    unused
        Markers of the file that the model does not have, in the order of the file.
    warnings
        That the file is not on the scale of the training.
    """

    n_events: int
    node_counts: NDArray[np.int64]
    quantization_error: float
    outlier_counts: NDArray[np.int64]
    largest_distances: NDArray[np.float64]
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def n_outliers(self) -> int:
        """Outliers in the file."""
        return int(self.outlier_counts.sum())


def flowsom_files(
    files: Mapping[str, Path],
    *,
    markers: Sequence[str] | None = None,
    grid: tuple[int, int] = (10, 10),
    n_metaclusters: int | Literal["auto", "delta-area"] = 10,
    rlen: int = 10,
    seed: int = 42,
    max_training_events: int | None = None,
    engine: str = "online",
    distance: str = "euclidean",
    scale: str = "none",
    n_jobs: int = 1,
    scheduler: str | None = None,
    quiet: bool = True,
    study_accession: str = "",
    panel_id: str = "",
) -> FlowSOM:
    """Train one model on the files of a group.

    Parameters
    ----------
    files
        Preprocessed FCS files by file name. Their order does not matter.
    markers
        Markers to cluster on, in any spelling; default the markers of class type that all files have, and all
        markers that all files have where no file says which are of that class.
    grid, n_metaclusters, rlen, seed, engine, distance, scale, n_jobs, scheduler
        See `FlowSOM`.
    max_training_events
        Train on at most so many events, drawn at random over all files; the counts are of all events.
    study_accession, panel_id
        Group that the model is of; kept in it.
    quiet
        Show no progress.

    Returns
    -------
    FlowSOM
        Trained; the events are not kept, only drawn ones are ever in memory together.

    Raises
    ------
    PanelError
        No marker is in all files, or a marker asked for is missing in one.
    AnalysisError
        See `FlowSOM.fit`.
    OptionError
        A parameter makes no sense, or there are no files.
    """
    if not files:
        msg = "no FCS files to cluster; give at least one"
        raise OptionError(msg)
    opened = [open_file(name, files[name]) for name in sorted(files)]
    chosen, notes = choose_markers(opened, markers)
    model = FlowSOM(
        (int(grid[0]), int(grid[1])) if len(grid) == 2 else grid,
        n_metaclusters=n_metaclusters, rlen=rlen, seed=seed, engine=engine, distance=distance,
        scale=scale, n_jobs=n_jobs, scheduler=scheduler,
    )  # fmt: skip
    model.check_parameters()
    parts = [one.part(chosen) for one in opened]
    pool = _pool(parts, len(chosen), max_training_events, seed, Execution(n_jobs, scheduler, quiet=quiet))
    model.fit_parts(parts, chosen, pool=pool, quiet=quiet)
    model.scale_ = Scale.joined([one.scale for one in opened], chosen)
    model.warnings_ = [*notes, *remarks(opened, chosen), *model.scale_.mixed(), *model.warnings_]
    model.study_accession, model.panel_id = study_accession, panel_id
    return model


def map_file(
    model: FlowSOM,
    source: Path,
    target: Path | None,
    *,
    mad_allowed: float = MAD_ALLOWED,
    outlier_channel: bool = False,
    any_scale: bool = False,
    n_jobs: int = 1,
    name: str = "",
) -> MappedFile:
    """Write an FCS file with the node and the metacluster of each event as two more channels, both from 1.

    Markers are matched by name, so their order does not matter; others in the file are kept, reported and not used.
    Channels of an earlier mapping are replaced. The keyword ``ICYTO_FLOWSOM`` names the model.

    Parameters
    ----------
    model
        A trained model.
    source, target
        FCS files; without `target` none is written.
    mad_allowed
        An event is an outlier where its distance to the code is beyond the median + so many MAD of the training events
        of the node; 0 or more.
    outlier_channel
        Add the channel ``FlowSOM_outlier``, 1 for outliers and 0 for the others.
    any_scale
        Take a file that was transformed in another way than the training files, with a warning.
    n_jobs
        Threads; the result does not depend on it.
    name
        Name of the file for messages, and for the keyword ``ICYTO_FILE`` where it has none; default that of `source`.

    Raises
    ------
    PanelError
        The file lacks a marker of the model, or its keywords state another transform than those of the training files.
    AnalysisError
        A marker has a value that is not finite.
    OptionError
        `mad_allowed` is negative or not finite.
    """
    if not 0 <= mad_allowed < np.inf:
        msg = f"mad_allowed is {mad_allowed}; give a number from 0 on, such as {MAD_ALLOWED:g}"
        raise OptionError(msg)
    source = Path(source)
    known = name or source.name
    opened = _open_for(model, source, name or str(source))
    warnings = compare(model.scale_, opened.scale, known, any_scale=any_scale)
    warnings += opened.repeats(known, model.markers)
    nodes, distances = model.assign(opened.part(model.markers), jobs=n_jobs)
    n_nodes = len(model.codes_)
    beyond = outliers(nodes, distances, thresholds(model.distance_medians_, model.distance_mads_, mad_allowed))
    if target is not None:
        content = {
            "model": digest(model),
            "seed": int(model.seed),
            "grid": list(model.grid),
            "metaclusters": model.n_metaclusters_,
        }
        added: dict[str, tuple[NDArray[np.integer], int]] = {
            NODE_CHANNEL: (nodes + 1, n_nodes),
            METACLUSTER_CHANNEL: (model.metaclusters_[nodes], model.n_metaclusters_),
        }
        if outlier_channel:
            content["mad_allowed"] = float(mad_allowed)
            added[OUTLIER_CHANNEL] = (beyond.astype(np.int8), 1)
        write_labelled(source, target, added, (MODEL_KEYWORD, content), replaces=(OUTLIER_CHANNEL,), name=known)
    largest = np.full(n_nodes, -1.0, np.float32)
    np.maximum.at(largest, nodes, distances)
    return MappedFile(
        n_events=len(nodes),
        node_counts=np.bincount(nodes, minlength=n_nodes),
        quantization_error=float(distances.mean(dtype=np.float64)) if len(distances) else float("nan"),
        outlier_counts=np.bincount(nodes[beyond], minlength=n_nodes),
        largest_distances=np.where(largest < 0, np.nan, largest.astype(np.float64)),
        unused=tuple(marker for marker in opened.columns if marker not in model.markers),
        warnings=tuple(warnings),
    )


def map_files(
    models: Mapping[str, FlowSOM],
    files: Mapping[str, Path],
    targets: Mapping[str, Path],
    *,
    mad_allowed: float = MAD_ALLOWED,
    outlier_channel: bool = False,
    any_scale: bool = False,
    n_jobs: int = 1,
    scheduler: str | None = None,
    quiet: bool = True,
) -> dict[str, MappedFile]:
    """Map files as `map_file` does, each onto its model; nothing is written if one of them cannot be mapped.

    Parameters
    ----------
    models, files, targets
        By file name: the model, the file, and the file to write.
    mad_allowed, outlier_channel, any_scale
        See `map_file`.
    n_jobs
        Threads, without a scheduler.
    scheduler
        Address of a Dask scheduler whose workers map a file each: they read and write the files under the same paths,
        and the files are the same to the bit. Needs the extra ``distributed``.
    quiet
        Show no progress.

    Raises
    ------
    PanelError, AnalysisError, OptionError
        See `map_file` and `Execution`.
    """
    for name, source in files.items():
        model = models[name]
        compare(model.scale_, _open_for(model, Path(source), name).scale, name, any_scale=any_scale)

    def one(item: tuple[str, FlowSOM, Path, Path]) -> MappedFile:
        name, model, source, target = item
        return map_file(
            model, source, target, mad_allowed=mad_allowed, outlier_channel=outlier_channel, any_scale=any_scale,
            n_jobs=n_jobs, name=name,
        )  # fmt: skip

    with atomic_paths({name: Path(targets[name]) for name in files}) as temporary:
        items = [(name, models[name], Path(files[name]), temporary[name]) for name in files]
        if scheduler is not None:  # workers may run in another folder
            items = [(name, model, source.absolute(), target.absolute()) for name, model, source, target in items]
        with Execution(1, scheduler, quiet=quiet) as execution:
            return dict(zip(files, execution.map(one, items, "mapping files"), strict=True))


def _open_for(model: FlowSOM, source: Path, name: str) -> Opened:
    opened = open_file(name, source)
    missing = [marker for marker in model.markers if marker not in opened.columns]
    if missing:
        msg = (
            f"{name}: marker {', '.join(missing)} of the model is not in the file "
            f"(it has {', '.join(opened.columns) or 'no marker'}); map files of the same panel"
        )
        raise PanelError(msg)
    return opened


def digest(model: FlowSOM) -> str:
    """Twelve hexadecimal digits that are equal for models that map alike."""
    content = hashlib.sha256(json.dumps(model.markers).encode())
    if model.distance != "euclidean":
        content.update(model.distance.encode())
    for array in (model.codes_, model.metaclusters_, model.scaling_.offset, model.scaling_.scale):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:12]


def _pool(parts: list[Part], n_markers: int, limit: int | None, seed: int, execution: Execution) -> list[Part] | None:
    total = sum(part.n_events for part in parts)
    if limit is None or limit >= total:
        return None
    if limit < 1:
        msg = f"max_training_events is {limit}; give a whole number from 1 on"
        raise OptionError(msg)
    drawn = draw(total, limit, np.random.default_rng([seed, 1]))
    with execution:
        rows = gather(parts, drawn, n_markers, execution)
    return [array_part(rows, "events drawn for training")]
