"""Populations over labelled files: counts, also by file, and medians of all markers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs
from immport_cyto.cluster.flock import outputs
from immport_cyto.cluster.flock.files import Before, LabelledFile, read_labelled
from immport_cyto.cluster.flock.inputs import POPULATION_CHANNEL, Source, kind_of, open_source
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.grouped import median_rows, values_by_label
from immport_cyto.exceptions import InputError, OptionError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = "population"


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


def abundances(
    model: FLOCK, files: Mapping[str, Path], names: Mapping[int, str] | None = None
) -> tuple["pd.DataFrame", list[str]]:
    """Events of each population in each file that was labelled with a model.

    Parameters
    ----------
    model
        The model.
    files
        FCS files that `label_file` wrote, by name.
    names
        Names of populations.

    Returns
    -------
    (DataFrame, list of str)
        ``tables.ABUNDANCES`` of level ``"population"``; and a remark where the populations of some files only were
        adjusted to their file.

    Raises
    ------
    InputError
        A file is a table, or was not labelled, or was labelled with another model.
    OptionError
        There are no files.
    """
    import pandas as pd

    from immport_cyto import tables

    if not files:
        msg = "no labelled FCS files to count; give at least one"
        raise OptionError(msg)
    numbers = range(1, model.n_populations_ + 1)
    parts, adjusted = [], 0
    for name in sorted(files):
        found = read_populations(model, name, Path(files[name]))
        adjusted += found.adjusted
        n = len(found.numbers)
        counts = np.bincount(found.numbers - 1, minlength=len(numbers))
        frame = {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "file_name": name,
            "level": LEVEL,
            "cluster": numbers,
            "population": [(names or {}).get(number, "") for number in numbers],
            "n_events": counts,
            "percentage": 100 * counts / n if n else np.nan,
        }
        parts.append(pd.DataFrame(frame))
    notes = []
    if 0 < adjusted < len(files):
        notes.append(
            f"the populations of {adjusted} of {len(files)} files were adjusted to the file, those of the others were "
            "not; map all of them with --adjust, or none"
        )
    return tables.concat(parts, tables.ABUNDANCES), notes


def read_populations(model: FLOCK, name: str, path: Path) -> Before:
    """Population of each event of an FCS file that was labelled with a model; the errors are those of `abundances`."""
    if kind_of(path) == "text":
        msg = f"{name}: is not an FCS file, and a table does not say which model labelled it; give FCS files"
        raise InputError(msg)
    found = read_labelled(open_source(name, path), model)
    if found is None:
        with fcs.open(path) as file:
            labelled = POPULATION_CHANNEL in file.names
        what = "was labelled with another model" if labelled else f"there is no channel {POPULATION_CHANNEL}"
        msg = f"{name}: {what}; map the file onto this model with 'cluster flock-map'"
        raise InputError(msg)
    return found
