"""The preprocessed files of one panel, stacked as MetaCyto does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import PanelError

NOT_CLUSTERED = (
    "FSC-A", "FSC-W", "FSC-H", "SSC-A", "SSC-W", "SSC-H", "TIME", "CELL_LENGTH", "DEAD", "DNA1", "DNA2", "SAMPLE_ID",
)  # fmt: skip
"""Channels that MetaCyto's own examples leave out of clusters and labels, in capitals."""


@dataclass(frozen=True)
class Stack:
    """Events of all files of a panel.

    Attributes
    ----------
    file_names
        In order.
    counts
        Events of each file.
    markers
        MetaCyto's names of the channels, in the order of the first file. Of two channels of one name the first counts.
    values
        Events x markers, float32.
    """

    file_names: tuple[str, ...]
    counts: tuple[int, ...]
    markers: tuple[str, ...]
    values: NDArray[np.float32]

    def column(self, marker: str) -> NDArray[np.float64]:
        """All values of one marker."""
        return self.values[:, self.markers.index(marker)].astype(np.float64)

    def slices(self) -> dict[str, slice]:
        """Where the events of each file are."""
        ends = np.cumsum(self.counts).tolist()
        return {
            name: slice(end - count, end) for name, count, end in zip(self.file_names, self.counts, ends, strict=True)
        }

    def clustered(self, exclude: Collection[str] = NOT_CLUSTERED) -> list[str]:
        """Markers that are clustered and labelled: all but `exclude`, in any case of the letters."""
        left_out = {name.upper() for name in exclude}
        return [marker for marker in self.markers if marker not in left_out]


def stack(files: Mapping[str, Path]) -> Stack:
    """Read the preprocessed FCS files of one panel, in order of their names.

    Raises
    ------
    PanelError
        No file, or files that differ in their channels.
    """
    from immport_cyto import fcs
    from immport_cyto.metacyto.preprocessing import marker_names

    if not files:
        msg = "no FCS file was given; name at least one"
        raise PanelError(msg)
    markers: list[str] = []
    parts, counts = [], []
    for name in sorted(files):
        opened = fcs.open(files[name])
        found = list(dict.fromkeys(marker_names(opened)))
        markers = markers or found
        if set(found) != set(markers):
            other = min(set(found) ^ set(markers))
            msg = f"{name}: differs from {min(files)} in channel {other}; MetaCyto stacks files of one panel only"
            raise PanelError(msg)
        names = marker_names(opened)
        parts.append(opened.events([names.index(marker) for marker in markers]))
        counts.append(opened.n_events)
    return Stack(tuple(sorted(files)), tuple(counts), tuple(markers), np.concatenate(parts))
