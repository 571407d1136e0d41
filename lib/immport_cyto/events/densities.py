"""Distribution of each channel before and after preprocessing, on bins that all files of a panel share.

The bins depend on the family of the transform only, so files that were preprocessed one by one can be laid upon each
other and averaged. Bin ``k`` is centred at ``k * step``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.events.transforms import Arcsinh, Transform, fast

if TYPE_CHECKING:
    import pandas as pd

_STEP = {Arcsinh.name: 0.1}
_STEP_OF_UNIT_SCALE = 0.0125  # log, logicle and hyperlog run from 0 to 1
_FURTHEST = 500  # bins; the outermost take what lies beyond


@dataclass(frozen=True)
class Density:
    """Counts of one channel on its transformed scale.

    Attributes
    ----------
    number
        n of $PnN, from 1.
    name, label
        $PnN, and the marker or $PnS; the label is empty where it says no more than the name.
    scale
        Text of the transform.
    step
        Width of a bin.
    first
        Number of the first bin.
    before, compensated, after
        Events per bin: all as acquired, all after compensation (None where nothing was compensated), and those that
        passed the quality control.
    """

    number: int
    name: str
    label: str
    scale: str
    step: float
    first: int
    before: np.ndarray
    compensated: np.ndarray | None
    after: np.ndarray

    @property
    def middles(self) -> np.ndarray:
        """Middle of each bin."""
        return (self.first + np.arange(len(self.before))) * self.step

    def curve(self, counts: np.ndarray) -> np.ndarray:
        """Smoothed counts as shares of all events per unit, so the area below `after` is the share kept."""
        kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.2) ** 2)
        smooth = np.convolve(np.pad(counts, 4), kernel / kernel.sum(), mode="valid")
        return smooth / (max(int(self.before.sum()), 1) * self.step)


def density(
    number: int,
    name: str,
    label: str,
    function: Transform,
    acquired: np.ndarray,
    compensated: np.ndarray,
    kept: np.ndarray,
) -> Density:
    """Count one channel of a sample of events.

    Parameters
    ----------
    number, name, label
        As in `Density`.
    function
        Transform of the channel.
    acquired, compensated
        Linear values of the same events before and after compensation.
    kept
        Which of the events passed the quality control.
    """
    step = _STEP.get(function.name, _STEP_OF_UNIT_SCALE)
    changed = not np.array_equal(acquired, compensated)
    before = _bins(function, acquired, step)
    then = _bins(function, compensated, step) if changed else before
    first = int(min(before.min(initial=0), then.min(initial=0)))
    length = int(max(before.max(initial=0), then.max(initial=0))) - first + 1

    def count(bins: np.ndarray) -> np.ndarray:
        return np.bincount(bins - first, minlength=length)

    middle = count(then) if changed else None
    return Density(number, name, label, str(function), step, first, count(before), middle, count(then[kept]))


def _bins(function: Transform, values: np.ndarray, step: float) -> np.ndarray:
    return np.clip(np.rint(fast(function, values) / step), -_FURTHEST, _FURTHEST).astype(np.int64)


def table(densities: Sequence[Density], file_name: str, panel_id: str) -> "pd.DataFrame":
    """Rows of channel_densities.tsv of one file, one per channel that is transformed."""
    import pandas as pd

    from immport_cyto import tables

    rows = [
        {
            "file_name": file_name,
            "panel_id": panel_id,
            "channel_number": density.number,
            "fcs_colname": density.name,
            "antigen": density.label,
            "transform": density.scale,
            "step": density.step,
            "first": density.first,
            "before": _text(density.before),
            "compensated": _text(density.compensated) if density.compensated is not None else "",
            "after": _text(density.after),
        }
        for density in densities
    ]
    return tables.concat([pd.DataFrame(rows)] if rows else [], tables.CHANNEL_DENSITIES)


def _text(counts: np.ndarray) -> str:
    return ";".join(map(str, counts.tolist()))
