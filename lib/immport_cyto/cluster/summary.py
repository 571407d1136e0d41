"""Counts and medians per metacluster over labelled files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import events, fcs
from immport_cyto.cluster.files import METACLUSTER_CHANNEL, MODEL_KEYWORD, digest
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.exceptions import InputError, OptionError

if TYPE_CHECKING:
    import pandas as pd

_VALUES_AT_ONCE = 64 * 2**20


def summarize(model: FlowSOM, files: Mapping[str, Path]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Describe the metaclusters of a model over files that were mapped onto it.

    Parameters
    ----------
    model
        The model.
    files
        FCS files written by `map_file` with this model, by file name.

    Returns
    -------
    clusters : pandas.DataFrame
        ``tables.CLUSTERS`` with empty phenotype, one row per metacluster, also for those without events.
    medians : pandas.DataFrame
        ``tables.CLUSTER_MEDIANS`` of every marker that all files have, clustered on or not, exact over all events;
        NaN for a metacluster without events.

    Raises
    ------
    InputError
        A file was not mapped, or was mapped onto another model.
    """
    import pandas as pd

    from immport_cyto import tables

    if not files:
        msg = "no labelled FCS files to summarize; give at least one"
        raise OptionError(msg)
    paths = [Path(files[name]) for name in sorted(files)]
    labels, markers = _labels(model, paths)
    k = model.n_metaclusters_
    counts = np.bincount(labels, minlength=k + 1)[1:]
    group = {"study_accession": model.study_accession, "panel_id": model.panel_id}
    clusters = pd.DataFrame(
        {
            **group,
            "metacluster": np.arange(1, k + 1),
            "n_nodes": np.bincount(model.metaclusters_, minlength=k + 1)[1:],
            "n_events": counts,
            "fraction": counts / max(int(counts.sum()), 1),
        }
    )
    table = _medians(paths, markers, labels, k)
    medians = pd.DataFrame(
        {
            **group,
            "metacluster": np.repeat(np.arange(1, k + 1), len(markers)),
            "marker": markers * k,
            "median": table.ravel(),
        }
    )
    return tables.conform(clusters, tables.CLUSTERS), tables.conform(medians, tables.CLUSTER_MEDIANS)


def _labels(model: FlowSOM, paths: list[Path]) -> tuple[NDArray[np.uint16], list[str]]:
    """Metacluster of each event over all files, and the markers that all files have, in the first file's order."""
    expected = digest(model)
    labels, common = [], None
    for path in paths:
        with fcs.open(path) as file:
            if METACLUSTER_CHANNEL not in file.names:
                msg = f"{path}: there is no channel {METACLUSTER_CHANNEL}; map the file first with 'cluster map'"
                raise InputError(msg)
            if _model_of(file.keywords.get(MODEL_KEYWORD, "")) != expected:
                msg = f"{path}: the file was mapped onto another model; map it onto this one with 'cluster map'"
                raise InputError(msg)
            labels.append(file.events([METACLUSTER_CHANNEL])[:, 0].astype(np.uint16))
            found = events.markers(file)
            common = list(found) if common is None else [marker for marker in common if marker in found]
    return np.concatenate(labels), common or []


def _model_of(keyword: str) -> str | None:
    try:
        content = json.loads(keyword)
    except ValueError:
        return None
    return content.get("model") if isinstance(content, dict) else None


def _medians(paths: list[Path], markers: list[str], labels: NDArray[np.uint16], k: int) -> NDArray[np.float64]:
    """Median per metacluster and marker; reads as many markers at a time as memory allows."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(1, k + 2))
    result = np.full((k, len(markers)), np.nan)
    width = max(1, _VALUES_AT_ONCE // max(len(labels), 1))
    for first in range(0, len(markers), width):
        some = markers[first : first + width]
        values = np.empty((len(labels), len(some)), np.float32)
        begin = 0
        for path in paths:
            with fcs.open(path) as file:
                channels = events.markers(file)
                values[begin : begin + file.n_events] = file.events([channels[marker] for marker in some])
                begin += file.n_events
        for column in range(len(some)):
            ordered = values[order, column]
            for cluster in range(k):
                low, high = bounds[cluster], bounds[cluster + 1]
                if high > low:
                    result[cluster, first + column] = np.median(ordered[low:high])
    return result
