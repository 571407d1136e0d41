"""FlowSOM as an estimator that becomes a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import metacluster, som
from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.nodes import node_content
from immport_cyto.cluster.scale import UNSTATED, Scale
from immport_cyto.cluster.som import DISTANCES, ENGINES, Codebook, Scaling
from immport_cyto.cluster.source import Part, Scan, array_part, prefix, scan
from immport_cyto.exceptions import AnalysisError, ModelError, OptionError

SCALINGS = ("none", "zscore")
CHOICES = ("auto", "delta-area")
"""Ways to choose the number of metaclusters."""
MAX_NODES = 10_000


class FlowSOM:
    """Self-organising map, and consensus metaclusters of its nodes.

    Parameters
    ----------
    grid
        Rows and columns of the map.
    n_metaclusters
        Number of metaclusters, or ``"auto"``: the elbow of the explained variance over 1 to `max_metaclusters`, or
        ``"delta-area"``: the number after which the consensus gains no more (Monti et al. 2003).
    rlen
        Passes over the events of the online rule; their number of steps is capped by `max_steps`.
    seed
        Seed of all random choices.
    engine
        ``"online"``, ``"batch"`` or ``"minisom"``; see `immport_cyto.cluster.som`.
    distance
        ``"euclidean"``, ``"manhattan"``, ``"chebyshev"`` or ``"cosine"``: which code is nearest to an event. Codes are
        means of events, and metaclusters are found by the Euclidean distance of the codes, whichever is chosen.
    scale
        ``"none"`` (for arcsinh or logicle values) or ``"zscore"`` (mean 0, standard deviation 1 over the training
        events). Kept in the model.
    max_steps
        Cap of the steps of the online rule.
    max_metaclusters
        Largest number that is considered where it is chosen.
    n_jobs
        Threads for passes over all events. The result does not depend on it.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``) on whose workers the passes over all events run; the result
        is the same to the bit. Files are read by the workers, under the same paths; what travels are sums, and the
        events drawn for the online steps. Needs the extra ``distributed``.

    Attributes
    ----------
    codes_ : ndarray of float32, nodes x markers
        On the scaled values.
    metaclusters_ : ndarray of int32, nodes
        Metacluster of each node, from 1 = the one with the most training events.
    labels_ : ndarray of int32, events
        Node (0-based) of each training event; only after `fit`.
    n_metaclusters_ : int
    node_counts_ : ndarray of int64, nodes
        Training events per node.
    quantization_error_ : float
        Mean distance of the training events to their code.
    distance_medians_, distance_mads_ : ndarray of float64, nodes
        Median and MAD of the distances of the training events per node, for `immport_cyto.cluster.outliers`.
    outlier_share_ : float
        Share of the training events that are outliers by the default of that rule.
    explained_variance_ : ndarray of float64
        Where their number was chosen: share of the variance of the codes that is between metaclusters, for 1, 2, ...
        metaclusters; else empty.
    consensus_area_ : ndarray of float64
        Where their number was chosen: area under the distribution of the consensus for 1, 2, ... metaclusters;
        `immport_cyto.cluster.metacluster.area_gains` makes the delta area of it.
    scaling_ : Scaling
    scale_ : Scale
        What the training files say of the transforms of the markers and of compensation; nothing for events in memory.
    warnings_ : list of str
    markers : list of str
    training : list of (str, int)
        Names of the training files and their numbers of events.
    study_accession, panel_id : str
        Group of files the model belongs to; may be empty.

    Notes
    -----
    Time is O(steps x nodes x markers) for training plus O(events x nodes x markers) for mapping. Memory is the events
    drawn for training (at most 524,288), some chunks of events per thread, and with `fit` 4 bytes per event.

    References
    ----------
    Van Gassen et al. 2015, Cytometry A 87:636, doi:10.1002/cyto.a.22625.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(m, 0.3, (500, 3)) for m in (0, 4)]).astype(np.float32)
    >>> model = FlowSOM((4, 4), n_metaclusters=2).fit(X)
    >>> sorted(np.bincount(model.metaclusters_[model.labels_])[1:].tolist())
    [500, 500]
    """

    codes_: NDArray[np.float32]
    metaclusters_: NDArray[np.int32]
    labels_: NDArray[np.int32]
    n_metaclusters_: int
    node_counts_: NDArray[np.int64]
    quantization_error_: float
    distance_medians_: NDArray[np.float64]
    distance_mads_: NDArray[np.float64]
    outlier_share_: float
    explained_variance_: NDArray[np.float64]
    consensus_area_: NDArray[np.float64]
    scaling_: Scaling
    warnings_: list[str]
    markers: list[str]
    training: list[tuple[str, int]]
    scale_: Scale = UNSTATED
    study_accession: str = ""
    panel_id: str = ""

    def __init__(
        self,
        grid: tuple[int, int] = (10, 10),
        *,
        n_metaclusters: int | Literal["auto", "delta-area"] = 10,
        rlen: int = 10,
        seed: int = 42,
        engine: str = "online",
        distance: str = "euclidean",
        scale: str = "none",
        max_steps: int = 1_000_000,
        max_metaclusters: int = 20,
        n_jobs: int = 1,
        scheduler: str | None = None,
    ) -> None:
        self.grid = grid
        self.n_metaclusters = n_metaclusters
        self.rlen = rlen
        self.seed = seed
        self.engine = engine
        self.distance = distance
        self.scale = scale
        self.max_steps = max_steps
        self.max_metaclusters = max_metaclusters
        self.n_jobs = n_jobs
        self.scheduler = scheduler

    def get_params(self) -> dict[str, Any]:
        """Parameters that decide the result (all but `n_jobs` and `scheduler`), ready for JSON."""
        return {
            "grid": list(self.grid),
            "n_metaclusters": self.n_metaclusters,
            "rlen": self.rlen,
            "seed": self.seed,
            "engine": self.engine,
            "distance": self.distance,
            "scale": self.scale,
            "max_steps": self.max_steps,
            "max_metaclusters": self.max_metaclusters,
        }

    def fit(self, X: object, *, markers: Sequence[str] | None = None) -> "FlowSOM":
        """Train on events in memory.

        Parameters
        ----------
        X
            Events x markers, finite numbers; taken as float32.
        markers
            Names of the columns; default ``marker 1``, ``marker 2``, ...

        Raises
        ------
        OptionError
            A parameter makes no sense.
        AnalysisError
            NaN or infinite values, fewer events than nodes, fewer than two markers.
        """
        part = array_part(X)
        columns = part.open()(0, 0).shape[1]
        names = [f"marker {i + 1}" for i in range(columns)] if markers is None else list(markers)
        if len(names) != columns:
            msg = f"{len(names)} marker names for {columns} columns; give one name per column"
            raise OptionError(msg)
        self.labels_ = self._fit([part], names, [part], quiet=True, labels=True)[0]
        return self

    def fit_predict(self, X: object) -> NDArray[np.int32]:
        """Node (0-based) of each event, after training on the events."""
        return self.fit(X).labels_

    def fit_parts(
        self, parts: Sequence[Part], markers: Sequence[str], *, pool: Sequence[Part] | None = None, quiet: bool = True
    ) -> "FlowSOM":
        """Train on parts of events, such as files; memory does not grow with the number of events.

        Parameters
        ----------
        parts
            The events, in an order that does not depend on how files were given.
        markers
            Names of the columns.
        pool
            Events that the training may draw from; default all of `parts`.
        quiet
            Show no progress.
        """
        self._fit(parts, list(markers), pool or parts, quiet=quiet, labels=False)
        return self

    def _fit(
        self, parts: Sequence[Part], names: list[str], pool: Sequence[Part], *, quiet: bool, labels: bool
    ) -> list[NDArray[np.int32]]:
        """Train; with `labels` the node of each event per part is returned."""
        self.check_parameters()
        where = prefix(parts[0].name) if len(parts) == 1 else ""
        if len(names) < 2:
            found = names[0] if names else "none"
            advice = "add markers, or find a cut-off for a single one"
            msg = f"{where}FlowSOM needs at least two markers, got {found}; {advice}"
            raise AnalysisError(msg)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            msg = f"marker {twice} is named twice; give each marker once"
            raise OptionError(msg)
        n_nodes = self.grid[0] * self.grid[1]
        if (n := sum(part.n_events for part in pool)) < n_nodes:
            rows, columns = self.grid
            msg = f"{where}{n} events for {n_nodes} nodes ({rows}x{columns}); take a smaller grid or more events"
            raise AnalysisError(msg)
        with Execution(self.n_jobs, self.scheduler, quiet=quiet) as execution:
            moments = scan(pool, names, execution)
            if moments.constant.all():
                msg = f"{where}all markers have the same value in all events; there is nothing to cluster"
                raise AnalysisError(msg)
            map_rng, consensus_rng = np.random.default_rng(self.seed).spawn(2)
            book = som.train(
                pool, len(names), self._scaling(moments),
                grid=self.grid, distance=self.distance, rlen=self.rlen, max_steps=self.max_steps, engine=self.engine,
                rng=map_rng, execution=execution,
            )  # fmt: skip
            content = node_content(parts, book, names, execution, labels=labels, checked=pool is parts)
        self.warnings_ = [
            f"marker {name} has the same value in all events and does not influence the clusters"
            for name, constant in zip(names, moments.constant, strict=True)
            if constant
        ]
        self.codes_, self.scaling_ = book.codes, book.scaling
        self.markers = names
        self.training = [(part.name, part.n_events) for part in parts]
        self.node_counts_ = content.counts
        self.quantization_error_ = content.quantization_error
        self.distance_medians_, self.distance_mads_, self.outlier_share_ = content.distances.summary(content.counts)
        self._metacluster(consensus_rng)
        filled = len(set(self.metaclusters_[self.node_counts_ > 0].tolist()))  # numpy.unique imports numpy.ma: 12 ms
        if filled < self.n_metaclusters_:
            self.warnings_.append(
                f"{self.n_metaclusters_ - filled} of {self.n_metaclusters_} metaclusters hold no training events, only "
                "nodes between populations; a smaller number may fit better"
            )
        return content.labels

    def predict(self, X: object) -> NDArray[np.int32]:
        """Node (0-based) of each event; the columns are `markers` in their order."""
        return self.assign(array_part(X))[0]

    def predict_metaclusters(self, X: object) -> NDArray[np.int32]:
        """Metacluster (1-based) of each event; the columns are `markers` in their order."""
        return self.metaclusters_[self.predict(X)]

    def assign(self, part: Part, *, jobs: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Node (0-based) of each event of a part and the distance to its code."""
        self._check_fitted()
        columns = part.open()(0, 0).shape[1]
        if columns != len(self.markers):
            msg = (
                f"{prefix(part.name)}{columns} columns for a model of {len(self.markers)} markers; "
                f"give {', '.join(self.markers)} in this order"
            )
            raise AnalysisError(msg)
        with Execution(jobs or self.n_jobs) as execution:
            return som.assign(part, self._codebook(), self.markers, execution)

    def spanning_tree(self) -> NDArray[np.int32]:
        """Edges (nodes - 1 x 2, 0-based) of the minimum spanning tree of the codes."""
        self._check_fitted()
        return metacluster.spanning_tree(self.codes_)

    def save(self, path: Path | str) -> None:
        """Write the model as ``.npz``: no pickle, equal models give equal bytes."""
        from immport_cyto.cluster.storage import save

        self._check_fitted()
        save(self, path)

    def _metacluster(self, rng: np.random.Generator) -> None:
        k = self.n_metaclusters
        self.explained_variance_, self.consensus_area_ = np.empty(0), np.empty(0)
        if isinstance(k, str):
            ks = range(1, min(self.max_metaclusters, len(self.codes_)) + 1)
            found = metacluster.consensus(self.codes_, ks, rng)
            curve = [metacluster.explained_variance(self.codes_, found[one].labels) for one in ks]
            areas = [found[one].area for one in ks]
            self.explained_variance_, self.consensus_area_ = np.array(curve), np.array(areas)
            k = ks[metacluster.elbow(curve)] if k == "auto" else metacluster.by_delta_area(areas)
        else:
            found = metacluster.consensus(self.codes_, [k], rng)
        labels = found[k].labels
        self.metaclusters_ = metacluster.number_by_size(labels, self.node_counts_)
        self.n_metaclusters_ = int(self.metaclusters_.max())

    def _codebook(self) -> Codebook:
        return Codebook(self.codes_, self.scaling_, self.distance)

    def _scaling(self, moments: Scan) -> Scaling:
        d = len(moments.mean)
        if self.scale == "none":
            return Scaling(np.zeros(d), np.ones(d))
        # a marker that hardly varies must not be blown up to the weight of the others
        negligible = moments.std <= 1e-6 * np.maximum(1.0, np.abs(moments.mean))
        return Scaling(moments.mean, np.where(negligible, 1.0, moments.std))

    def _check_fitted(self) -> None:
        if not hasattr(self, "codes_"):
            msg = "this FlowSOM is not trained; call fit first or load a model"
            raise ModelError(msg)

    def check_parameters(self) -> None:
        """Raise an OptionError for a parameter that makes no sense."""
        rows, columns = check_grid(self.grid)
        n_nodes = rows * columns
        for name, least in (("rlen", 1), ("max_steps", 1), ("max_metaclusters", 2), ("n_jobs", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                msg = f"{name} is {value!r}; give a whole number from {least} on"
                raise OptionError(msg)
        for name, choices in (("engine", ENGINES), ("distance", DISTANCES), ("scale", SCALINGS)):
            if getattr(self, name) not in choices:
                msg = f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}"
                raise OptionError(msg)
        k = self.n_metaclusters
        if k not in CHOICES and (not isinstance(k, int | np.integer) or not 1 <= k <= n_nodes):
            msg = (
                f"n_metaclusters is {k!r}; give 'auto', 'delta-area' or a number from 1 to the {n_nodes} nodes of the "
                "grid"
            )
            raise OptionError(msg)


def check_grid(grid: object) -> tuple[int, int]:
    """Rows and columns of a grid, or an OptionError."""
    if isinstance(grid, tuple | list) and len(grid) == 2:
        rows, columns = grid
        whole = all(isinstance(side, int | np.integer) and side >= 1 for side in (rows, columns))
        if whole and 2 <= rows * columns <= MAX_NODES:
            return int(rows), int(columns)
    msg = f"grid is {grid!r}; give rows and columns with 2 to {MAX_NODES} nodes, such as 10x10"
    raise OptionError(msg)
