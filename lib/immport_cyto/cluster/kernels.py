"""Compiled inner loops of the self-organising map. Importing this module imports numba.

Layout: `codes` is transposed and padded, float32 ``(markers padded to 4, nodes padded to 16)``, so that the loop
over nodes is contiguous and fills vector registers. Padding markers are 0 in codes and events and add nothing;
padding nodes hold a huge value in the first marker and are never nearest. Every kernel finds the nearest node by
the one function `_nearest`, so training, mapping and statistics agree to the bit.
"""

import numpy as np

from immport_cyto.cluster._jit import njit

MARKER_MULTIPLE = 4
NODE_MULTIPLE = 16
FAR = 1e17
"""Value of padding nodes; its square is still a float32."""
LIMIT = 1e9
"""Largest absolute value of an event, so that no scaled value comes near `FAR`."""


@njit
def _nearest(x, codes, distance):  # type: ignore[no-untyped-def]
    """Node of the smallest squared Euclidean distance to `x`, the first of equals; fills `distance`."""
    n_rows, width = codes.shape
    for j in range(width):
        distance[j] = np.float32(0.0)
    for d in range(0, n_rows, 4):
        x0, x1, x2, x3 = x[d], x[d + 1], x[d + 2], x[d + 3]
        for j in range(width):
            t0 = x0 - codes[d, j]
            t1 = x1 - codes[d + 1, j]
            t2 = x2 - codes[d + 2, j]
            t3 = x3 - codes[d + 3, j]
            distance[j] += (t0 * t0 + t1 * t1) + (t2 * t2 + t3 * t3)
    smallest = distance[0]
    for j in range(width):
        smallest = min(smallest, distance[j])
    winner = 0
    while winner < width - 1 and distance[winner] != smallest:
        winner += 1
    return winner


@njit
def _load(X, i, offset, inverse, x):  # type: ignore[no-untyped-def]
    """Copy event `i`, scaled, into the padded buffer `x`."""
    for d in range(X.shape[1]):
        x[d] = (X[i, d] - offset[d]) * inverse[d]


@njit
def assign(X, offset, inverse, codes, nodes, distances):  # type: ignore[no-untyped-def]
    """Nearest node of each event and the Euclidean distance to it, into `nodes` and `distances`."""
    x = np.zeros(codes.shape[0], np.float32)
    distance = np.empty(codes.shape[1], np.float32)
    for i in range(X.shape[0]):
        _load(X, i, offset, inverse, x)
        winner = _nearest(x, codes, distance)
        nodes[i] = winner
        distances[i] = np.sqrt(distance[winner])


@njit
def node_sums(X, offset, inverse, codes, sums, counts):  # type: ignore[no-untyped-def]
    """Add the scaled events to the sums and counts (float64, int64) of their nearest nodes."""
    x = np.zeros(codes.shape[0], np.float32)
    distance = np.empty(codes.shape[1], np.float32)
    for i in range(X.shape[0]):
        _load(X, i, offset, inverse, x)
        winner = _nearest(x, codes, distance)
        counts[winner] += 1
        for d in range(X.shape[1]):
            sums[winner, d] += x[d]


@njit
def train_online(X, order, offset, inverse, codes, grid_distance, radius, rate_first, rate_last):  # type: ignore[no-untyped-def]
    """Move `codes` in place by FlowSOM's online rule over the events ``X[order]``.

    Step t of T: the radius is ``radius (1 - t / T)``, 0.5 once below 1; the rate falls linearly; each node
    within the radius of the winner (on the grid) moves by rate x (event - code).
    """
    n_rows, width = codes.shape
    n_nodes = grid_distance.shape[0]
    x = np.zeros(n_rows, np.float32)
    distance = np.empty(width, np.float32)
    weight = np.zeros(width, np.float32)
    n_steps = order.shape[0]
    for t in range(n_steps):
        _load(X, order[t], offset, inverse, x)
        winner = _nearest(x, codes, distance)
        reach = radius * (1.0 - t / n_steps)
        rate = np.float32(rate_first - (rate_first - rate_last) * (t / n_steps))
        if reach < 1.0:  # only the winner
            for d in range(X.shape[1]):
                codes[d, winner] += rate * (x[d] - codes[d, winner])
            continue
        for j in range(n_nodes):
            weight[j] = rate if grid_distance[winner, j] <= reach else np.float32(0.0)
        for d in range(X.shape[1]):
            value = x[d]
            for j in range(width):
                codes[d, j] += weight[j] * (value - codes[d, j])


@njit
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


@njit
def squares(X, mean, total):  # type: ignore[no-untyped-def]
    """Add the squared deviations from `mean` to `total` (float64)."""
    for i in range(X.shape[0]):
        for d in range(X.shape[1]):
            deviation = np.float64(X[i, d]) - mean[d]
            total[d] += deviation * deviation
