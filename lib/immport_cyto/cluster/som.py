"""Train the codes of a self-organising map, and map events to their nearest code.

Engines
-------
online
    The rule of FlowSOM (Van Gassen et al. 2015, Cytometry A, doi:10.1002/cyto.a.22625): random events one by one,
    bubble neighbourhood under the Chebyshev distance on the grid, radius and rate falling linearly. The number of
    steps, rlen x events, is capped, and they take their events from a sample: on large data the learning curve is
    flat long before.
batch
    A shorter online phase on a sample, then epochs over all events, whose statistics per chunk are added in float64 in
    a fixed order, so any number of threads or processes gives the same bits.
minisom
    The MiniSom package, for comparison.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import native
from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.source import Chunk, Float32, Part, check_block, chunks, draw, gather
from immport_cyto.cluster.tiles import CHAINS, LANES, NODES, aligned, padded, tile, untile
from immport_cyto.exceptions import MissingExtraError

ENGINES = ("online", "batch", "minisom")
DISTANCES = native.DISTANCES
RATE_FIRST, RATE_LAST = 0.05, 0.01
SAMPLE = 2**19
"""Most events that the steps of the online rule are drawn from."""
BATCH_WARM_UP = 400_000
"""Most steps of the online rule before the epochs of the batch engine."""
BATCH_RADII = (0.3, 0.0)
"""Radius of the Gaussian neighbourhood per epoch of the batch engine; 0 is a plain Lloyd step."""
MINISOM_STEPS = 100_000
STEPS_AT_ONCE = 65_536
"""Steps of the online rule that are drawn at a time: to draw all at once takes memory that has to be cleared first."""


class Scaling(NamedTuple):
    """Values enter the map as ``(x - offset) / scale``, in float32."""

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    def kernel(self) -> tuple[Float32, Float32]:
        """Offset and reciprocal scale as the kernels take them."""
        return self.offset.astype(np.float32), (1.0 / self.scale).astype(np.float32)

    def apply(self, X: Float32) -> Float32:
        """Scaled events, by the same float32 operations as in the native."""
        offset, inverse = self.kernel()
        scaled: Float32 = (X - offset) * inverse
        return scaled


class Codebook(NamedTuple):
    """Codes with all that it takes to find the nearest of an event.

    Attributes
    ----------
    codes : ndarray of float32, nodes x markers
        On the scaled values.
    scaling
        Of the events.
    distance
        One of `DISTANCES`.
    """

    codes: Float32
    scaling: Scaling
    distance: str = "euclidean"


def grid_distance(grid: tuple[int, int]) -> NDArray[np.float64]:
    """Chebyshev distance between the nodes of a grid, nodes row by row."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    distance: NDArray[np.float64] = np.maximum(np.abs(rows[:, None] - rows), np.abs(columns[:, None] - columns)).astype(
        np.float64
    )
    return distance


def first_radius(distance: NDArray[np.float64]) -> float:
    """The 0.67 quantile of the distances on the grid, to the bit that of `numpy.quantile`, whose import takes 20 ms."""
    ordered = np.sort(distance, axis=None)
    position = 0.67 * (len(ordered) - 1)
    low = int(position)
    below, above, share = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)]), position - low
    return above - (above - below) * (1 - share) if share >= 0.5 else below + (above - below) * share


def train(
    parts: Sequence[Part],
    n_markers: int,
    scaling: Scaling,
    *,
    grid: tuple[int, int],
    distance: str,
    rlen: int,
    max_steps: int,
    engine: str,
    rng: np.random.Generator,
    execution: Execution,
) -> Codebook:
    """Train the codes.

    `parts` are in their final order (files by name). The codes start as different random events.
    """
    total = sum(part.n_events for part in parts)
    n_nodes = grid[0] * grid[1]
    steps = min(
        rlen * total, {"online": max_steps, "batch": BATCH_WARM_UP, "minisom": MINISOM_STEPS}[engine], max_steps
    )
    size = max(n_nodes, min(steps, SAMPLE))
    sample = gather(parts, draw(total, size, rng) if size < total else None, n_markers, execution)
    start = scaling.apply(sample[rng.choice(len(sample), n_nodes, replace=False)])
    book = Codebook(start, scaling, distance)
    if engine == "minisom":
        events = scaling.apply(sample)[rng.integers(0, len(sample), steps)]
        return book._replace(codes=_minisom(events, start, grid, distance))
    order = (rng.integers(0, len(sample), n, np.int32) for n in _pieces(steps))
    book = online(sample, order, steps, book, grid)
    if engine == "batch":
        for radius in BATCH_RADII:
            book = batch_epoch(parts, book, grid, radius, execution)
    return book


def _pieces(steps: int) -> Iterator[int]:
    """Sizes of pieces that many steps are drawn in; drawn in one, they would be the same."""
    for first in range(0, steps, STEPS_AT_ONCE):
        yield min(STEPS_AT_ONCE, steps - first)


def online(
    X: Float32, order: Iterable[NDArray[np.int32]], n_steps: int, book: Codebook, grid: tuple[int, int]
) -> Codebook:
    """The codes after the online rule.

    Parameters
    ----------
    X
        Events x markers.
    order
        Rows of `X` in the order of the steps, in one or several pieces.
    n_steps
        Rows in all pieces.
    book
        The codes before.
    grid
        Rows and columns.
    """
    tiled = tile(book.codes)
    distance = grid_distance(grid)
    n, groups = len(distance), len(tiled)
    apart = np.full((n, groups * NODES), 2**16 - 1, np.uint16)
    apart[:, :n] = distance
    closest = apart.reshape(n, groups, NODES).min(axis=2)
    near = np.argsort(closest, axis=1, kind="stable").astype(np.uint16)
    near_apart = np.take_along_axis(closest, near, axis=1)
    rows = np.zeros((native.AHEAD + 2, tiled.shape[1] * CHAINS), np.float32)
    room, first = aligned(2 * LANES * groups), 0
    for piece in order:
        native.train_online(
            book.distance, X, piece, first, n_steps, *book.scaling.kernel(), tiled, apart, near, near_apart,
            first_radius(distance), RATE_FIRST, RATE_LAST, rows, room,
        )  # fmt: skip
        first += len(piece)
    return Codebook(untile(tiled, *book.codes.shape), book.scaling, book.distance)


def batch_epoch(
    parts: Sequence[Part], book: Codebook, grid: tuple[int, int], radius: float, execution: Execution
) -> Codebook:
    """Codes as means of the events near them on the grid, weighted by a Gaussian; at radius 0 of their own events."""
    sums, counts = node_sums(parts, book, execution)
    if radius:
        # rounded, because the last bit of an exponential is not the same on every machine
        weight = np.round(np.exp(-(grid_distance(grid) ** 2) / (2.0 * radius**2)), 9)
        total, share = np.zeros_like(sums), np.zeros_like(counts)
        native.smooth(weight, sums, counts, total, share)
        sums, counts = total, share
    filled = counts > 0
    codes = book.codes.copy()
    codes[filled] = (sums[filled] / counts[filled, None]).astype(np.float32)
    return Codebook(codes, book.scaling, book.distance)


def node_sums(
    parts: Sequence[Part], book: Codebook, execution: Execution
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (nodes x markers) and counts of the events per nearest node: the statistics that merge over chunks."""
    shape = book.codes.shape

    def one(chunk: Chunk) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        tiled = tile(book.codes)
        sums, counts = np.zeros(shape), np.zeros(shape[0], np.int64)
        for _, X in chunk.blocks():
            native.node_sums(book.distance, X, *book.scaling.kernel(), tiled, sums, counts, padded(tiled))
        return sums, counts

    sums, counts = np.zeros(shape), np.zeros(shape[0], np.int64)
    for some_sums, some_counts in execution.map(one, chunks(parts), "training"):
        sums += some_sums
        counts += some_counts
    return sums, counts.astype(np.float64)


def nearest(X: Float32, book: Codebook, tiled: Float32, nodes: NDArray[np.int32], distances: Float32) -> None:
    """Fill `nodes` (0-based) and `distances` for events that were checked; `tiled` are the codes of `book`."""
    scaling, n = book.scaling.kernel(), len(book.codes)
    native.assign(book.distance, X, *scaling, tiled, n, nodes, distances, padded(tiled))


def assign(
    part: Part, book: Codebook, markers: Sequence[str], execution: Execution
) -> tuple[NDArray[np.int32], Float32]:
    """Nearest node of each event of a part (0-based) and the distance to its code.

    Raises
    ------
    AnalysisError
        A value is NaN, infinite or larger than 1e9.
    """
    nodes, distances = np.empty(part.n_events, np.int32), np.empty(part.n_events, np.float32)
    tiled = tile(book.codes)

    def one(chunk: Chunk) -> None:
        for start, X in chunk.blocks():
            check_block(X, start, part.name, markers)
            stop = start + len(X)
            nearest(X, book, tiled, nodes[start:stop], distances[start:stop])

    for _ in execution.map(one, chunks([part]), "mapping events"):
        pass
    return nodes, distances


def _minisom(X: Float32, codes: Float32, grid: tuple[int, int], distance: str) -> Float32:
    """Codes by the MiniSom package with its own rule, on events already in random order."""
    try:
        from minisom import MiniSom
    except ImportError as error:
        package = extra = "minisom"
        raise MissingExtraError(package, extra) from error
    som = MiniSom(
        *grid, codes.shape[1], sigma=max(1.0, max(grid) / 5), learning_rate=0.1, random_seed=0,
        activation_distance=distance,
    )  # fmt: skip
    som._weights = codes.reshape(*grid, -1).astype(np.float64)
    som.train(X.astype(np.float64), len(X), random_order=False)
    return som.get_weights().reshape(codes.shape).astype(np.float32)
