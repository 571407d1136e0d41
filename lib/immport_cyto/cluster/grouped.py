"""Labelled FCS files of one model: their labels, and the values of each cluster."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import events, fcs
from immport_cyto.cluster.files import METACLUSTER_CHANNEL, MODEL_KEYWORD, NODE_CHANNEL, digest
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.exceptions import InputError
from immport_cyto.progress import progress

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.cluster.flock.model import FLOCK

_VALUES_AT_ONCE = 64 * 2**20


def read_nodes(model: FlowSOM, path: Path) -> NDArray[np.int32]:
    """Node (0-based) of each event of a file that was mapped onto the model.

    Raises
    ------
    InputError
        The file was not mapped, or was mapped onto another model.
    """
    with fcs.open(path) as file:
        for channel in (METACLUSTER_CHANNEL, NODE_CHANNEL):
            if channel not in file.names:
                msg = f"{path}: there is no channel {channel}; map the file first with 'cluster map'"
                raise InputError(msg)
        if _model_of(file.keywords.get(MODEL_KEYWORD, "")) != digest(model):
            msg = f"{path}: the file was mapped onto another model; map it onto this one with 'cluster map'"
            raise InputError(msg)
        nodes = file.events([NODE_CHANNEL])[:, 0]
    whole = np.isfinite(nodes).all() and (nodes == np.trunc(nodes)).all()
    if len(nodes) and not (whole and nodes.min() >= 1 and nodes.max() <= len(model.codes_)):
        msg = f"{path}: channel {NODE_CHANNEL} holds numbers that are no node of the model; map the file again"
        raise InputError(msg)
    return nodes.astype(np.int32) - 1


def common_markers(paths: Sequence[Path]) -> list[str]:
    """Markers that all files have, in the first file's order."""
    common: list[str] | None = None
    for path in paths:
        with fcs.open(path) as file:
            found = events.markers(file)
        common = list(found) if common is None else [marker for marker in common if marker in found]
    return common or []


def readers(paths: Sequence[Path]) -> list[Callable[[Sequence[str]], NDArray[np.floating]]]:
    """A function per FCS file that reads markers (events x markers)."""
    return [partial(_read, path) for path in paths]


def _read(path: Path, markers: Sequence[str]) -> NDArray[np.floating]:
    with fcs.open(path) as file:
        channels = events.markers(file)
        return file.events([channels[marker] for marker in markers])


def values_by_label(
    read: Sequence[Callable[[Sequence[str]], NDArray[np.floating]]], markers: Sequence[str],
    labels: NDArray[np.integer], n_labels: int, *, what: str = "labels", quiet: bool = True,
) -> Iterator[tuple[int, int, NDArray[np.floating]]]:  # fmt: skip
    """Values of each label (0-based) and marker (its position) over all files; labels without events are left out.

    Reads as many markers at a time as memory allows.

    Parameters
    ----------
    read
        Reads markers of a file, for each file.
    markers
        Markers that all files have.
    labels
        Label of each event, file by file.
    n_labels
        Number of labels.
    what, quiet
        What is described, for the progress over the markers, and whether none is shown.
    """
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n_labels + 1))
    width = max(1, _VALUES_AT_ONCE // max(len(labels), 1))
    with progress(f"describing {what} (markers)", len(markers), quiet=quiet) as shown:
        for first in range(0, len(markers), width):
            some = markers[first : first + width]
            values = _together(read, some, len(labels))
            for column in range(len(some)):
                ordered = values[order, column]
                for label in range(n_labels):
                    low, high = bounds[label], bounds[label + 1]
                    if high > low:
                        yield label, first + column, ordered[low:high]
                if shown:
                    shown.step()


def _together(
    read: Sequence[Callable[[Sequence[str]], NDArray[np.floating]]], markers: Sequence[str], n: int
) -> NDArray[np.floating]:
    """All `n` events, float32 where the files are."""
    values = np.empty((0, len(markers)), np.float32)
    begin = 0
    for one in read:
        part = one(markers)
        if not begin:
            values = np.empty((n, len(markers)), part.dtype, order="F")  # markers are taken one by one
        values[begin : begin + len(part)] = part
        begin += len(part)
    return values


def median_rows(model: "FlowSOM | FLOCK", markers: Sequence[str], medians: NDArray[np.float64]) -> "pd.DataFrame":
    """``tables.CLUSTER_MEDIANS`` of the medians (clusters x markers) of a model; NaN is empty."""
    import pandas as pd

    from immport_cyto import tables

    k = len(medians)
    frame = {
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "metacluster": np.repeat(np.arange(1, k + 1), len(markers)),
        "marker": list(markers) * k,
        "median": medians.ravel(),
    }
    return tables.conform(pd.DataFrame(frame), tables.CLUSTER_MEDIANS)


def _model_of(keyword: str) -> str | None:
    try:
        content = json.loads(keyword)
    except ValueError:
        return None
    return content.get("model") if isinstance(content, dict) else None
