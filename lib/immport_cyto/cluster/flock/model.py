"""FLOCK as an estimator that becomes a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import regions
from immport_cyto.cluster.flock.adjusting import Adjusted, adjust
from immport_cyto.cluster.flock.centres import Center, check_center, check_positive
from immport_cyto.cluster.flock.checks import as_events, check_finite, check_names, check_training
from immport_cyto.cluster.flock.fitting import Found, find_populations
from immport_cyto.cluster.flock.partition import Float64
from immport_cyto.cluster.flock.profile import count_intervals, levels
from immport_cyto.cluster.flock.rule import Rule
from immport_cyto.cluster.scale import UNSTATED, Scale
from immport_cyto.cluster.source import prefix
from immport_cyto.exceptions import AnalysisError, ModelError, OptionError

MOST_POPULATIONS = 999
_FEWEST = {1: 5, 2: 2}


class FLOCK:
    """Populations as dense regions of a grid, without their number being given.

    Parameters
    ----------
    version
        2 splits clusters with a valley inside and merges those without one between them; 1 does not, and nearly
        always ends at 20 to 30 populations.
    bins
        Bins per marker, 6 to 50; default chosen by the data. Fewer are used where nearly every event would be alone.
    density
        Events from which a hyper-region is dense; default chosen by the data.
    max_populations
        Most populations. Version 1: 5 to 999, default 30; groups further and further apart are joined. Version 2: 2 to
        999, default no limit; the nearest populations are merged even with a valley between them.
    center
        Centre of a population that `centers_` gives: ``mean``, ``median`` or ``geometric-mean`` of its events. The
        populations do not depend on it; `adjust` starts from it.
    n_jobs
        Threads for passes over all events. The result does not depend on it.

    Attributes
    ----------
    labels_ : ndarray of int32, events
        Population of each event, from 1; only after `fit`.
    n_populations_ : int
    centers_ : ndarray of float64, populations x markers
        Centre of the events of each population, as they came in.
    intervals_ : ndarray of int64, populations x markers x 4
        Training events in each quarter of the range of the marker.
    profile_ : ndarray of int32, populations x markers
        Level of each marker by these: 1 (-), 2 (lo), 3 (+), 4 (++).
    counts_ : ndarray of int64, populations
        Training events in each.
    percentages_ : ndarray of float64, populations
        Share of the training events in percent.
    found_ : Found
        Bins and density that were used, and how many regions, groups and clusters there were on the way.
    rule_ : Rule
        Scaling, exact centres and splits.
    warnings_ : list of str
        Parameters that could not be used as given, and oddities.
    markers : list of str
    training : list of (str, int)
        Names of the training files and their numbers of events.
    scale_ : Scale
        What the training files say of the transforms of the markers and of compensation; nothing for events in memory.
    study_accession, panel_id : str
        Group of files the model belongs to; may be empty.

    Notes
    -----
    Nothing is random. Time is O(events x markers x populations) per iteration of k-means, and for version 2
    O(events x clusters) for the merges. Memory is about 8 bytes per event and marker for the scaled events, one for
    the bins and 50 per event, beside the events themselves.

    References
    ----------
    Qian et al. 2010, Cytometry B 78B:S69, doi:10.1002/cyto.b.20554.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(m, 0.3, (2000, 2)) for m in (0, 4)])
    >>> model = FLOCK().fit(X, markers=["CD3", "CD19"])
    >>> model.counts_.tolist(), model.profile_.tolist()
    ([2000, 2000], [[1, 1], [4, 4]])
    """

    labels_: NDArray[np.int32]
    n_populations_: int
    centers_: Float64
    intervals_: NDArray[np.int64]
    counts_: NDArray[np.int64]
    found_: Found
    rule_: Rule
    warnings_: list[str]
    markers: list[str]
    training: list[tuple[str, int]]
    scale_: Scale = UNSTATED
    study_accession: str = ""
    panel_id: str = ""

    def __init__(
        self,
        version: int = 2,
        *,
        bins: int | None = None,
        density: int | None = None,
        max_populations: int | None = None,
        center: Center = "mean",
        n_jobs: int = 1,
    ) -> None:
        self.version = version
        self.bins = bins
        self.density = density
        self.max_populations = max_populations
        self.center = center
        self.n_jobs = n_jobs

    def get_params(self) -> dict[str, Any]:
        """Parameters that decide the result (all but `n_jobs`), ready for JSON."""
        return {
            "version": self.version,
            "bins": self.bins,
            "density": self.density,
            "max_populations": self.max_populations,
            "center": self.center,
        }

    def fit(self, X: object, *, markers: Sequence[str] | None = None) -> "FLOCK":
        """Find the populations of the events.

        Parameters
        ----------
        X
            Events x markers, finite numbers; float32 and float64 are taken as they are.
        markers
            Names of the columns; default ``marker 1``, ``marker 2``, ...

        Raises
        ------
        OptionError
            A parameter makes no sense.
        AnalysisError
            NaN or infinite values, fewer than 50 events or two markers, a marker with one value, events too sparse for
            so many markers, a density at which too few or too many hyper-regions are dense; values of 0 or below for
            geometric means.
        """
        self.check_parameters()
        events = as_events(X)
        columns = events.shape[1]
        names = [f"marker {j + 1}" for j in range(columns)] if markers is None else markers
        names = check_names(names, columns)
        check_training(events, names)
        if self.center == "geometric-mean":
            check_positive(events, names)
        self.labels_, self.rule_, self.found_, self.warnings_ = find_populations(
            events, names, self.version,
            bins=self.bins, density=self.density, most=self.max_populations, jobs=self.n_jobs,
        )  # fmt: skip
        self.n_populations_ = n = int(self.rule_.population.max())
        self.centers_, self.counts_ = self.rule_.describe(events, self.labels_, n, self.center)
        self.intervals_ = count_intervals(events, self.labels_, n)
        self.markers = names
        self.training = [("", len(events))]
        return self

    def fit_predict(self, X: object) -> NDArray[np.int32]:
        """Population of each event, from 1, after finding them in these events."""
        return self.fit(X).labels_

    def predict(self, X: object, *, name: str = "") -> NDArray[np.int32]:
        """Population of each event, from 1; the columns are `markers` in their order.

        Events of the training get the population that they had there, all of them. `name` is the file that errors name.
        """
        events = self._checked(X, name)
        return self.rule_.assign(events, self.n_jobs)

    def adjust(self, X: object, *, name: str = "") -> Adjusted:
        """Populations of another sample, whose centres may move to where they are there; see `adjust`."""
        events = self._checked(X, name)
        return adjust(self.centers_, events, n_jobs=self.n_jobs, name=name)

    @property
    def percentages_(self) -> Float64:
        """Share of the training events in each population, in percent."""
        return 100.0 * self.counts_ / self.counts_.sum()

    @property
    def profile_(self) -> NDArray[np.int32]:
        """Level 1 to 4 of each marker in each population."""
        return levels(self.intervals_)

    def save(self, path: Path | str) -> None:
        """Write the model as ``.npz``: no pickle, equal models give equal bytes."""
        from immport_cyto.cluster.flock.storage import save

        self._check_fitted()
        save(self, path)

    def _checked(self, X: object, name: str) -> NDArray[np.floating]:
        self._check_fitted()
        events = as_events(X, name)
        if events.shape[1] != len(self.markers):
            msg = (
                f"{prefix(name)}{events.shape[1]} columns for a model of {len(self.markers)} markers; "
                f"give {', '.join(self.markers)} in this order"
            )
            raise AnalysisError(msg)
        check_finite(events, self.markers, name)
        return events

    def _check_fitted(self) -> None:
        if not hasattr(self, "rule_"):
            msg = "this FLOCK is not trained; call fit first or load a model"
            raise ModelError(msg)

    def check_parameters(self) -> None:
        """Raise an OptionError for a parameter that makes no sense."""
        if self.version not in (1, 2):
            msg = f"version is {self.version!r}; choose 1 or 2"
            raise OptionError(msg)
        check_center(self.center)
        ranges = {
            "bins": (regions.FEWEST_BINS, regions.MOST_BINS),
            "density": (1, None),
            "max_populations": (_FEWEST[self.version], MOST_POPULATIONS),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and (not whole or value < least or (most is not None and value > most)):
                limits = f"from {least} on" if most is None else f"from {least} to {most}"
                of = f" for version {self.version}" if name == "max_populations" else ""
                msg = f"{name} is {value!r}; give a whole number {limits}{of}"
                raise OptionError(msg)
        if not isinstance(self.n_jobs, int | np.integer) or self.n_jobs < 1:
            msg = f"n_jobs is {self.n_jobs!r}; give a whole number from 1 on"
            raise OptionError(msg)
