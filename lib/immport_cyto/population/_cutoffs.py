"""Cut-offs of all markers of a group of files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import PanelError
from immport_cyto.population._cutoff import cutoff
from immport_cyto.population.grouping import marker_channels

if TYPE_CHECKING:
    import pandas as pd

MAX_VALUES = 10_000_000  # per marker; beyond it every k-th order statistic of each file stands for k events


def cutoffs(
    files: Mapping[str, Path],
    *,
    study_accession: str = "",
    panel_id: str = "",
    markers: Sequence[str] | None = None,
    max_values: int = MAX_VALUES,
) -> "pd.DataFrame":
    """Cut every marker that all files of a group measure; each event has the same weight.

    Parameters
    ----------
    files
        Preprocessed FCS files of one study and panel, file name to path. Their order does not matter.
    study_accession, panel_id
        Written into the table.
    markers
        Only these. Default: all that are present in every file.
    max_values
        Events per marker that are held at once. Of more, every k-th value of each file in order of size is used;
        the note says so.

    Returns
    -------
    pandas.DataFrame
        CUTOFFS, in the order of the first file's channels, with four more columns: ``cutoff_high`` (second cut,
        between ``lo`` and ``++``), ``silhouette``, ``median_negative`` and ``median_positive`` (events on both sides).

    Raises
    ------
    PanelError
        No marker is common to all files, or one of `markers` is not.
    """
    import pandas as pd

    from immport_cyto import fcs, tables

    channels = marker_channels(files)
    names = sorted(files)
    common = [marker for marker in channels[names[0]] if all(marker in channels[name] for name in names)]
    if not common:
        msg = f"no marker is present in all {len(names)} files of one group; give the files of one panel"
        raise PanelError(msg)
    if markers is not None:
        absent = [marker for marker in markers if marker not in common]
        if absent:
            msg = f"marker {absent[0]!r} is not in all files; they share: {', '.join(common)}"
            raise PanelError(msg)
        common = [marker for marker in common if marker in set(markers)]
    # files are opened one at a time: a group may have more of them than a process may hold open
    n_events = 0
    for name in names:
        with fcs.open(files[name]) as file:
            n_events += file.n_events
    with fcs.open(files[names[0]]) as file:
        numbers, keywords = [channel.number for channel in file.channels], file.keywords
    stride = max(1, -(-n_events // max_values))
    rows: list[dict[str, Any]] = []
    for marker in common:
        transform = keywords.get(f"ICYTO_P{numbers[channels[names[0]][marker]]}TRANSFORM", "")
        parts = [_column(files[name], channels[name][marker], stride) for name in names]
        found = cutoff(np.concatenate(parts), scale="arcsinh" if transform.startswith("arcsinh") else None)
        low, high = _medians(parts, found.value)
        sampled = f"1 of {stride} values of each file was used" if stride > 1 else ""
        rows.append(
            {
                "study_accession": study_accession,
                "panel_id": panel_id,
                "marker": marker,
                "cutoff": found.value,
                "method": found.method,
                "evidence": found.evidence,
                "positive_fraction": found.positive_fraction,
                "n_events": found.n,
                "note": "; ".join(note for note in (found.note, sampled) if note),
                "cutoff_high": found.high,
                "silhouette": found.silhouette,
                "median_negative": low,
                "median_positive": high,
            }
        )
    frame = tables.conform(pd.DataFrame(rows), tables.CUTOFFS)
    for name in ("cutoff_high", "silhouette", "median_negative", "median_positive"):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    return frame


def _column(path: Path, channel: int, stride: int) -> NDArray[np.float32]:
    from immport_cyto import fcs

    with fcs.open(path) as file:
        values = np.array(file.events([channel])[:, 0], dtype=np.float32)
    if stride == 1:
        return values
    values = np.sort(values[np.isfinite(values)])
    return values[(stride - 1) // 2 :: stride]


def _medians(parts: list[NDArray[np.float32]], value: float | None) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    pooled = np.concatenate(parts)
    pooled = pooled[np.isfinite(pooled)]
    above = pooled > value
    return float(np.median(pooled[~above])), float(np.median(pooled[above]))
