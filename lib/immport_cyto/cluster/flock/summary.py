"""Populations over labelled files: counts, and medians of all markers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import outputs
from immport_cyto.cluster.flock.files import LabelledFile
from immport_cyto.cluster.flock.inputs import Source, open_source
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.grouped import median_rows, values_by_label

if TYPE_CHECKING:
    import pandas as pd


def summarize(
    model: FLOCK, files: Mapping[str, Path], found: Mapping[str, LabelledFile]
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Describe the populations of a model over files that were labelled with it.

    Parameters
    ----------
    model
        The model.
    files
        FCS files or tables, by name.
    found
        What `label_file` found in them.

    Returns
    -------
    clusters : pandas.DataFrame
        ``tables.CLUSTERS`` (see `immport_cyto.cluster.flock.outputs.clusters`), also of populations without events.
    medians : pandas.DataFrame
        ``tables.CLUSTER_MEDIANS`` of every marker that all files have, clustered on or not, exact over all events.
    """
    ordered = sorted(files)
    sources = [open_source(name, files[name]) for name in ordered]
    labels = np.concatenate([found[name].labels for name in ordered])
    markers = [marker for marker in sources[0].columns if all(marker in source.columns for source in sources)]
    k = model.n_populations_
    table = np.full((k, len(markers)), np.nan)
    read: list[Callable[[Sequence[str]], NDArray[np.floating]]] = [partial(Source.read, source) for source in sources]
    for label, column, values in values_by_label(read, markers, labels, k):
        table[label, column] = np.median(values)
    return outputs.clusters(model, np.bincount(labels, minlength=k)), median_rows(model, markers, table)
