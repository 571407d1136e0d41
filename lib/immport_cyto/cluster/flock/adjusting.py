"""Cross-sample adjustment: known populations move to where they are in another sample (``cent_adjust``)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock.checks import as_events, check_finite
from immport_cyto.cluster.flock.partition import Float64, kmeans, move
from immport_cyto.cluster.flock.profile import profile
from immport_cyto.exceptions import AnalysisError, OptionError

ITERATIONS = 2


@dataclass(frozen=True)
class Adjusted:
    """Populations of one sample, under the numbers that they came with.

    Attributes
    ----------
    ids : ndarray of int64, populations
    labels : ndarray of int64, events
        Number of the population of each event.
    centers : ndarray of float64, populations x columns
        Where the populations are in this sample; as given for one without events.
    counts : ndarray of int64, populations
    profile : ndarray of int32, populations x columns
        Levels 1 to 4.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    centers: Float64
    counts: NDArray[np.int64]
    profile: NDArray[np.int32]

    @property
    def percentages(self) -> Float64:
        """Share of the events in each population, in percent."""
        return 100.0 * self.counts / max(len(self.labels), 1)


def adjust(
    centers: object, X: object, *, ids: Sequence[int] | None = None, n_jobs: int = 1, name: str = ""
) -> Adjusted:
    """Give each event the nearest of known centres that may move once to the events of this sample.

    Parameters
    ----------
    centers
        Populations x columns, on the scale of `X`; nothing is scaled.
    X
        Events x columns.
    ids
        Numbers of the populations; default 1, 2, ...
    n_jobs
        Threads; the result does not depend on it.
    name
        File that errors name.

    Raises
    ------
    AnalysisError
        A value is not finite, or the columns do not fit together.

    Notes
    -----
    A population that the sample lacks may end without events; one that is new goes to the nearest known ones.
    """
    events = as_events(X, name)
    start = np.ascontiguousarray(as_events(centers, f"{name} (centres)" if name else "centres"), np.float64)
    where = f"{name}: " if name else ""
    if start.shape[1] != events.shape[1]:
        msg = f"{where}{events.shape[1]} columns for centres of {start.shape[1]}; give the columns of the centres"
        raise AnalysisError(msg)
    if not len(start) or not len(events):
        msg = f"{where}there are no {'events' if len(start) else 'centres'}; give at least one"
        raise AnalysisError(msg)
    numbers = np.arange(1, len(start) + 1) if ids is None else np.asarray(ids, np.int64)
    if len(numbers) != len(start) or len(np.unique(numbers)) < len(numbers):
        msg = f"{where}{len(numbers)} population numbers for {len(start)} centres; give each centre a number of its own"
        raise OptionError(msg)
    columns = [f"column {j + 1}" for j in range(events.shape[1])]
    check_finite(events, columns, name)
    check_finite(start, columns, f"{name} (centres)" if name else "centres")
    labels, used = kmeans(events, start, ITERATIONS, n_jobs)
    return Adjusted(
        numbers,
        numbers[labels],
        move(events, labels, used),
        np.bincount(labels, minlength=len(start)),
        profile(events, labels + 1, len(start)),
    )
