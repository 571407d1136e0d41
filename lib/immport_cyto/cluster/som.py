"""Train the codes of a self-organising map, and map events to their nearest code.

Engines
-------
online
    The rule of FlowSOM (Van Gassen et al. 2015, Cytometry A, doi:10.1002/cyto.a.22625): random events one by one,
    bubble neighbourhood under the Chebyshev distance on the grid, radius and rate falling linearly. The number of
    steps, rlen x events, is capped: on large data the learning curve is flat long before.
batch
    All events per epoch; statistics per block of events are added in float64 in a fixed order, so any number of
    threads gives the same bits. Starts from a short online phase.
minisom
    The MiniSom package, for comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.source import Float32, Part, check_block, gather, map_blocks
from immport_cyto.exceptions import MissingExtraError

ENGINES = ("online", "batch", "minisom")
RATE_FIRST, RATE_LAST = 0.05, 0.01
BATCH_RADII = (2.0, 1.66, 1.32, 0.98, 0.64, 0.3, 0.0, 0.0, 0.0, 0.0)
"""Radius of the Gaussian neighbourhood per epoch of the batch engine; 0 is a plain Lloyd step."""
BATCH_WARM_UP = 100_000
MINISOM_STEPS = 100_000


@dataclass(frozen=True)
class Scaling:
    """Values enter the map as ``(x - offset) / scale``, in float32."""

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    def kernel(self) -> tuple[Float32, Float32]:
        """Offset and reciprocal scale as the kernels take them."""
        return self.offset.astype(np.float32), (1.0 / self.scale).astype(np.float32)

    def apply(self, X: Float32) -> Float32:
        """Scaled events, by the same float32 operations as in the kernels."""
        offset, inverse = self.kernel()
        scaled: Float32 = (X - offset) * inverse
        return scaled


def grid_distance(grid: tuple[int, int]) -> NDArray[np.float64]:
    """Chebyshev distance between the nodes of a grid, nodes row by row."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    distance: NDArray[np.float64] = np.maximum(np.abs(rows[:, None] - rows), np.abs(columns[:, None] - columns)).astype(
        np.float64
    )
    return distance


def pad(codes: Float32) -> Float32:
    """Codes (nodes x markers) in the layout of the kernels."""
    from immport_cyto.cluster import kernels

    n, d = codes.shape
    padded = np.zeros((_up(d, kernels.MARKER_MULTIPLE), _up(n, kernels.NODE_MULTIPLE)), np.float32)
    padded[:d, :n] = codes.T
    padded[0, n:] = kernels.FAR
    return padded


def unpad(padded: Float32, n_nodes: int, n_markers: int) -> Float32:
    """Codes (nodes x markers) from the layout of the kernels."""
    return np.ascontiguousarray(padded[:n_markers, :n_nodes].T)


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def train(
    parts: Sequence[Part],
    n_markers: int,
    scaling: Scaling,
    *,
    grid: tuple[int, int],
    rlen: int,
    max_steps: int,
    engine: str,
    rng: np.random.Generator,
    jobs: int = 1,
) -> Float32:
    """Codes, nodes x markers, on the scaled values.

    `parts` are in their final order (files by name). The codes start as different random events.
    """
    total = sum(part.n_events for part in parts)
    n_nodes = grid[0] * grid[1]
    start = np.sort(rng.choice(total, n_nodes, replace=False))
    codes = scaling.apply(gather(parts, start, n_markers)[rng.permutation(n_nodes)])
    steps = min(rlen * total, max_steps)
    if engine == "batch":
        steps = min(steps, BATCH_WARM_UP)
    elif engine == "minisom":
        steps = min(steps, MINISOM_STEPS)
    drawn, order = np.unique(rng.integers(0, total, steps), return_inverse=True)
    sample = gather(parts, drawn, n_markers)
    if engine == "minisom":
        return _minisom(scaling.apply(sample)[order], codes, grid)
    codes = online(sample, order.astype(np.int64), scaling, codes, grid)
    return batch(parts, scaling, codes, grid, jobs) if engine == "batch" else codes


def online(X: Float32, order: NDArray[np.int64], scaling: Scaling, codes: Float32, grid: tuple[int, int]) -> Float32:
    """Codes after the online rule over the events ``X[order]``."""
    from immport_cyto.cluster import kernels

    padded = pad(codes)
    distance = grid_distance(grid)
    radius = float(np.quantile(distance, 0.67))
    kernels.train_online(X, order, *scaling.kernel(), padded, distance, radius, RATE_FIRST, RATE_LAST)
    return unpad(padded, *codes.shape)


def batch(parts: Sequence[Part], scaling: Scaling, codes: Float32, grid: tuple[int, int], jobs: int = 1) -> Float32:
    """Codes after the epochs of the batch engine over all events of `parts`."""
    squared = grid_distance(grid) ** 2
    for radius in BATCH_RADII:
        sums, counts = node_sums(parts, scaling, codes, jobs)
        if radius:
            weight = np.exp(-squared / (2.0 * radius**2))
            # einsum without optimisation adds in a fixed order, unlike a threaded matrix product
            sums, counts = np.einsum("ij,jk->ik", weight, sums), np.einsum("ij,j->i", weight, counts)
        filled = counts > 0
        codes = codes.copy()
        codes[filled] = (sums[filled] / counts[filled, None]).astype(np.float32)
    return codes


def node_sums(
    parts: Sequence[Part], scaling: Scaling, codes: Float32, jobs: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (nodes x markers) and counts of the events per nearest node: the statistics that merge over files."""
    from immport_cyto.cluster import kernels

    padded = pad(codes)
    offset, inverse = scaling.kernel()

    def one(_start: int, X: Float32) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        block_sums, block_counts = np.zeros(codes.shape), np.zeros(len(codes), np.int64)
        kernels.node_sums(X, offset, inverse, padded, block_sums, block_counts)
        return block_sums, block_counts

    sums, counts = np.zeros(codes.shape), np.zeros(len(codes), np.int64)
    for part in parts:
        for block_sums, block_counts in map_blocks(part, one, jobs):
            sums += block_sums
            counts += block_counts
    return sums, counts.astype(np.float64)


def assign(
    part: Part, scaling: Scaling, codes: Float32, markers: Sequence[str], jobs: int = 1
) -> tuple[NDArray[np.int32], Float32]:
    """Nearest node of each event of a part (0-based) and the distance to its code.

    Raises
    ------
    AnalysisError
        A value is NaN, infinite or larger than 1e9.
    """
    from immport_cyto.cluster import kernels

    padded = pad(codes)
    offset, inverse = scaling.kernel()
    nodes, distances = np.empty(part.n_events, np.int32), np.empty(part.n_events, np.float32)

    def one(start: int, X: Float32) -> None:
        check_block(X, start, part.name, markers)
        stop = start + len(X)
        kernels.assign(X, offset, inverse, padded, nodes[start:stop], distances[start:stop])

    for _ in map_blocks(part, one, jobs):
        pass
    return nodes, distances


def _minisom(X: Float32, codes: Float32, grid: tuple[int, int]) -> Float32:
    """Codes by the MiniSom package with its own rule, on events already in random order."""
    try:
        from minisom import MiniSom
    except ImportError as error:
        package = extra = "minisom"
        raise MissingExtraError(package, extra) from error
    som = MiniSom(*grid, codes.shape[1], sigma=max(1.0, max(grid) / 5), learning_rate=0.1, random_seed=0)
    som._weights = codes.reshape(*grid, -1).astype(np.float64)
    som.train(X.astype(np.float64), len(X), random_order=False)
    return som.get_weights().reshape(codes.shape).astype(np.float32)
