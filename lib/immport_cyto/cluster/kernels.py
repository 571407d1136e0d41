"""Compiled inner loops of the self-organising map. Importing this module imports numba.

Codes are tiled as `immport_cyto.cluster.tiles` states; `x` is room for one event, padded as they are. Called through
`immport_cyto.cluster.native`, and so without arrays of their own. Every kernel finds the nearest node by the one
function `_nearest`, so training, mapping and statistics agree to the bit.
"""

import numpy as np

from immport_cyto.cluster._jit import kernel
from immport_cyto.cluster.lanes import (
    nearest_chebyshev,
    nearest_cosine,
    nearest_euclidean,
    nearest_manhattan,
    prefetch,
    pull_nearest_chebyshev,
    pull_nearest_cosine,
    pull_nearest_euclidean,
    pull_nearest_manhattan,
)

EUCLIDEAN, MANHATTAN, CHEBYSHEV, COSINE = range(4)


@kernel
def _nearest(x, codes, n_nodes, metric):  # type: ignore[no-untyped-def]
    """Node nearest to `x`, the first of equals, and a value that `_distance` makes the distance of."""
    if metric == EUCLIDEAN:
        return nearest_euclidean(x, codes, n_nodes)
    if metric == MANHATTAN:
        return nearest_manhattan(x, codes, n_nodes)
    if metric == CHEBYSHEV:
        return nearest_chebyshev(x, codes, n_nodes)
    return nearest_cosine(x, codes, n_nodes)


@kernel
def _distance(value, x, metric):  # type: ignore[no-untyped-def]
    if metric == EUCLIDEAN:
        return np.sqrt(value)
    if metric == COSINE:
        square = np.float32(0.0)
        for d in range(x.shape[0]):
            square += x[d] * x[d]
        if square == np.float32(0.0):
            return np.float32(1.0)
        return max(np.float32(0.0), np.float32(1.0) + value / np.sqrt(square))
    return value


@kernel
def _load(X, i, offset, inverse, x):  # type: ignore[no-untyped-def]
    """Copy event `i`, scaled, into the padded buffer `x`."""
    for d in range(X.shape[1]):
        x[d] = (X[i, d] - offset[d]) * inverse[d]


@kernel
def assign(X, offset, inverse, codes, n_nodes, metric, nodes, distances, x):  # type: ignore[no-untyped-def]
    """Nearest node of each event and the distance to its code, into `nodes` and `distances`."""
    for i in range(X.shape[0]):
        _load(X, i, offset, inverse, x)
        winner, value = _nearest(x, codes, n_nodes, metric)
        nodes[i] = winner
        distances[i] = _distance(value, x, metric)


@kernel
def node_sums(X, offset, inverse, codes, metric, sums, counts, x):  # type: ignore[no-untyped-def]
    """Add the scaled events to the sums and counts (float64, int64) of their nearest nodes."""
    for i in range(X.shape[0]):
        _load(X, i, offset, inverse, x)
        winner, _ = _nearest(x, codes, counts.shape[0], metric)
        counts[winner] += 1
        for d in range(X.shape[1]):
            sums[winner, d] += x[d]


@kernel
def _pull_nearest(x, codes, n_nodes, metric, old, apart, tile_apart, winner, reach, rate):  # type: ignore[no-untyped-def]
    """Pull the codes near `winner` to the event `old`, and the node that is then nearest to `x`."""
    if metric == EUCLIDEAN:
        return pull_nearest_euclidean(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate)
    if metric == MANHATTAN:
        return pull_nearest_manhattan(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate)
    if metric == CHEBYSHEV:
        return pull_nearest_chebyshev(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate)
    return pull_nearest_cosine(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate)


@kernel
def train_online(X, order, offset, inverse, codes, metric, apart, tile_apart, radius, rate_first, rate_last, rows):  # type: ignore[no-untyped-def]
    """Move `codes` in place by FlowSOM's online rule over the events ``X[order]``.

    Step t of T: the radius is ``radius (1 - t / T)``, 0.5 once below 1; the rate falls linearly; each node
    within the radius of the winner (on the grid) moves by rate x (event - code). `apart` (uint16) has the distances on
    the grid, nodes x padded nodes, `tile_apart` the smallest of them per tile. The codes move in the pass that looks
    for the node nearest to the next event. The events come from anywhere in memory, so some are copied (scaled and
    padded) at a time into `rows`, after the last one before them, and the next ones prefetched.
    """
    n_nodes = tile_apart.shape[0]
    n_steps, ahead = order.shape[0], rows.shape[0] - 1
    winner, reach, rate = 0, np.int64(0), np.float32(0.0)
    for begin in range(0, n_steps, ahead):
        end = min(begin + ahead, n_steps)
        for d in range(X.shape[1]):
            rows[0, d] = rows[ahead, d]
        for t in range(begin, end):
            event = order[t]
            for d in range(X.shape[1]):
                rows[t - begin + 1, d] = (X[event, d] - offset[d]) * inverse[d]
        for t in range(begin, end):
            if t + ahead < n_steps:
                prefetch(X, order[t + ahead])
            old, x = rows[t - begin], rows[t - begin + 1]
            winner, _ = _pull_nearest(x, codes, n_nodes, metric, old, apart, tile_apart, winner, reach, rate)
            reach = np.int64(radius * (1.0 - t / n_steps))  # distances on the grid are whole numbers
            rate = np.float32(rate_first - (rate_first - rate_last) * (t / n_steps))
    last = rows[(n_steps - 1) % ahead + 1]
    _pull_nearest(last, codes, n_nodes, metric, last, apart, tile_apart, winner, reach, rate)


@kernel
def smooth(weight, sums, counts, total, share):  # type: ignore[no-untyped-def]
    """Neighbourhood-weighted `sums` and `counts` into `total` and `share` (float64), added node by node."""
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            share[i] += weight[i, j] * counts[j]
            for d in range(sums.shape[1]):
                total[i, d] += weight[i, j] * sums[j, d]


@kernel
def describe(nodes, distances, stride, counts, kept):  # type: ignore[no-untyped-def]
    """Count the events per node; mark the first, the one `stride` later, ... of each node; returns summed distances."""
    total = 0.0
    for i in range(nodes.shape[0]):
        node = nodes[i]
        kept[i] = counts[node] % stride == 0
        counts[node] += 1
        total += np.float64(distances[i])
    return total


@kernel
def scan(X, total, low, high):  # type: ignore[no-untyped-def]
    """Sum, minimum and maximum per marker into the float64 arrays; returns the first event that is not finite, or -1.

    A value is not finite exactly if its exponent bits are all set; the comparison is on bits because the
    compiled arithmetic assumes that there is no NaN.
    """
    bits = X.view(np.uint32)
    for i in range(X.shape[0]):
        for d in range(X.shape[1]):
            if bits[i, d] & np.uint32(0x7F800000) == np.uint32(0x7F800000):
                return i
        for d in range(X.shape[1]):
            value = np.float64(X[i, d])
            total[d] += value
            low[d] = min(low[d], value)
            high[d] = max(high[d], value)
    return -1


@kernel
def squares(X, mean, total):  # type: ignore[no-untyped-def]
    """Add the squared deviations from `mean` to `total` (float64)."""
    for i in range(X.shape[0]):
        for d in range(X.shape[1]):
            deviation = np.float64(X[i, d]) - mean[d]
            total[d] += deviation * deviation
