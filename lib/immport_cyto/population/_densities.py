"""Densities of the markers of a group of files, to be shown with their cut-offs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.population.grouping import marker_channels

if TYPE_CHECKING:
    import pandas as pd

MAX_EVENTS = 100_000  # of a group; a curve does not change with more
_POINTS = 96
_BLOCK = 200_000  # events that are read at once
_EDGE = 0.0005  # share of the events left out on each side


def densities(
    files: Mapping[str, Path], *, study_accession: str = "", panel_id: str = "", max_events: int = MAX_EVENTS
) -> "pd.DataFrame":
    """Smoothed histograms of the markers that all files of a group measure.

    Parameters
    ----------
    files
        Preprocessed FCS files of one study and panel, file name to path. Their order does not matter.
    study_accession, panel_id
        Written into the table.
    max_events
        Of more, every k-th event of each file is used.

    Returns
    -------
    pandas.DataFrame
        DENSITIES: 96 points from the 0.05th to the 99.95th percentile of each marker.

    Raises
    ------
    PanelError
        A file has no channel that measures a marker.
    """
    from immport_cyto import fcs

    channels = marker_channels(files)
    names = sorted(files)
    common = [marker for marker in channels[names[0]] if all(marker in channels[name] for name in names)]
    n_events = 0
    for name in names:
        with fcs.open(files[name]) as file:
            n_events += file.n_events
    stride = max(1, -(-n_events // max_events))
    block = max(_BLOCK // stride, 1) * stride
    parts = [np.empty((0, len(common)), dtype=np.float32)]
    for name in names:
        columns = [channels[name][marker] for marker in common]
        with fcs.open(files[name]) as file:
            for start in range(0, file.n_events, block):
                stop = min(start + block, file.n_events)
                parts.append(np.array(file.events(columns, start, stop)[::stride]))
    return of_values(np.concatenate(parts), common, study_accession=study_accession, panel_id=panel_id)


def of_values(
    values: NDArray[np.float32], markers: Sequence[str], *, study_accession: str = "", panel_id: str = ""
) -> "pd.DataFrame":
    """DENSITIES of events x markers in memory."""
    import pandas as pd

    from immport_cyto import tables

    frames = []
    for column, marker in enumerate(markers):
        at, height = curve(values[:, column])
        frames.append(pd.DataFrame({"marker": marker, "value": at, "density": height}))
    joined = pd.concat(frames) if frames else pd.DataFrame({"marker": [], "value": [], "density": []})
    return tables.conform(joined.assign(study_accession=study_accession, panel_id=panel_id), tables.DENSITIES)


def curve(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and density, smoothed with a normal kernel whose width falls with the number of events."""
    from scipy.ndimage import gaussian_filter1d

    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return np.empty(0), np.empty(0)
    low, high = np.quantile(known, [_EDGE, 1 - _EDGE])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(known, bins=_POINTS, range=(low, high))
    width = edges[1] - edges[0]
    smooth = gaussian_filter1d(counts / (len(known) * width), float(np.clip(20 / len(known) ** 0.25, 1, 4)),
                               mode="nearest")  # fmt: skip
    return (edges[:-1] + edges[1:]) / 2, smooth
