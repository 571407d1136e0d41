"""Counts and medians per metacluster over labelled files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.cluster.grouped import common_markers, median_rows, read_nodes, readers, values_by_label
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd


def summarize(
    model: FlowSOM, files: Mapping[str, Path], *, quiet: bool = True
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Describe the metaclusters of a model over files that were mapped onto it.

    Parameters
    ----------
    model
        The model.
    files
        FCS files written by `map_file` with this model, by file name.
    quiet
        Show no progress.

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
    nodes = np.concatenate([read_nodes(model, path) for path in paths])
    markers = common_markers(paths)
    labels = (model.metaclusters_[nodes] - 1).astype(np.uint16)
    k = model.n_metaclusters_
    counts = np.bincount(labels, minlength=k)
    clusters = pd.DataFrame(
        {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "metacluster": np.arange(1, k + 1),
            "n_nodes": np.bincount(model.metaclusters_, minlength=k + 1)[1:],
            "n_events": counts,
            "fraction": counts / max(int(counts.sum()), 1),
        }
    )
    table = np.full((k, len(markers)), np.nan)
    for cluster, column, values in values_by_label(
        readers(paths), markers, labels, k, what="metaclusters", quiet=quiet
    ):
        table[cluster, column] = np.median(values)
    return tables.conform(clusters, tables.CLUSTERS), median_rows(model, markers, table)
