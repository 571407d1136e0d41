"""What each node and metacluster holds: events, outliers and the spread of every marker, in all and by file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.files import MappedFile, map_file
from immport_cyto.cluster.grouped import common_markers, read_nodes, readers, values_by_label
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.cluster.outliers import MAD_TO_SD
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd

LEVELS = ("node", "metacluster")
_MEASURES = ("median", "mean", "sd", "cv", "mad")


def statistics(
    model: FlowSOM,
    files: Mapping[str, Path],
    names: Mapping[int, str] | None = None,
    *,
    mapped: Mapping[str, MappedFile] | None = None,
    n_jobs: int = 1,
    quiet: bool = True,
) -> "pd.DataFrame":
    """``tables.STATISTICS`` of every marker that all files have, clustered on or not, exact over all events.

    Parameters
    ----------
    model
        The model.
    files
        FCS files mapped onto it by `map_file`, by file name.
    names
        Names of metaclusters.
    mapped
        What `map_file` gives for the files, where it is known.
    n_jobs
        Threads, where it is not.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        A file was not mapped, or was mapped onto another model.
    """
    import pandas as pd

    from immport_cyto import tables

    paths = _paths(files)
    nodes = np.concatenate([read_nodes(model, path) for path in paths])
    markers = common_markers(paths)
    outliers = np.zeros(len(model.codes_), np.int64)
    for name, path in files.items():
        known = mapped[name] if mapped else map_file(model, path, None, n_jobs=n_jobs)
        outliers += known.outlier_counts
    node_counts = np.bincount(nodes, minlength=len(model.codes_))
    parts = []
    for level in LEVELS:
        labels = nodes if level == "node" else model.metaclusters_[nodes] - 1
        k = len(model.codes_) if level == "node" else model.n_metaclusters_
        measures = np.full((k, len(markers), len(_MEASURES)), np.nan)
        for label, column, values in values_by_label(readers(paths), markers, labels, k, what=f"{level}s", quiet=quiet):
            measures[label, column] = _measures(values.astype(np.float64))
        counts = _by_level(model, node_counts, level)
        frame = pd.DataFrame(
            {
                "study_accession": model.study_accession,
                "panel_id": model.panel_id,
                "level": level,
                **_clusters(model, level, names or {}),
                "n_events": counts,
                "percentage": 100 * counts / max(len(nodes), 1),
                "n_outliers": _by_level(model, outliers, level),
            }
        )
        long = frame.loc[frame.index.repeat(len(markers))].reset_index(drop=True)
        long["marker"] = markers * k
        for position, name in enumerate(_MEASURES):
            long[name] = measures[:, :, position].ravel()
        parts.append(long)
    return tables.concat(parts, tables.STATISTICS)


def abundances(model: FlowSOM, files: Mapping[str, Path], names: Mapping[int, str] | None = None) -> "pd.DataFrame":
    """``tables.ABUNDANCES``: events of each node and metacluster in each file that was mapped onto the model.

    Parameters and errors are those of `statistics`.
    """
    import pandas as pd

    from immport_cyto import tables

    _paths(files)
    parts = []
    for name in sorted(files):
        node_counts = np.bincount(read_nodes(model, Path(files[name])), minlength=len(model.codes_))
        n = int(node_counts.sum())
        for level in LEVELS:
            counts = _by_level(model, node_counts, level)
            clusters = _clusters(model, level, names or {})
            frame = {
                "study_accession": model.study_accession,
                "panel_id": model.panel_id,
                "file_name": name,
                "level": level,
                "cluster": clusters["cluster"],
                "population": clusters["population"],
                "n_events": counts,
                "percentage": 100 * counts / n if n else np.nan,
            }
            parts.append(pd.DataFrame(frame))
    return tables.concat(parts, tables.ABUNDANCES)


def _paths(files: Mapping[str, Path]) -> list[Path]:
    if not files:
        msg = "no labelled FCS files to describe; give at least one"
        raise OptionError(msg)
    return [Path(files[name]) for name in sorted(files)]


def _measures(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Median, mean, standard deviation, CV in percent and MAD of one marker in one cluster."""
    median, mean = float(np.median(values)), float(values.mean())
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    cv = 100 * sd / abs(mean) if mean else float("nan")
    return median, mean, sd, cv, MAD_TO_SD * float(np.median(np.abs(values - median)))


def _by_level(model: FlowSOM, node_counts: NDArray[np.int64], level: str) -> NDArray[np.int64]:
    if level == "node":
        return node_counts
    counts = np.zeros(model.n_metaclusters_, np.int64)
    np.add.at(counts, model.metaclusters_ - 1, node_counts)
    return counts


def _clusters(model: FlowSOM, level: str, names: Mapping[int, str]) -> dict[str, list[object]]:
    numbers = range(1, model.n_metaclusters_ + 1) if level == "metacluster" else range(1, len(model.codes_) + 1)
    parents = list(numbers) if level == "metacluster" else model.metaclusters_.tolist()
    return {
        "cluster": list(numbers),
        "metacluster": parents,
        "population": [names.get(number, "") for number in parents],
    }
