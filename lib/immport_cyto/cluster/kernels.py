"""Compiled inner loops of the self-organising map. Importing this module imports numba.

Codes are tiled as `immport_cyto.cluster.tiles` states; `x` is room for one event, padded as they are. Called through
`immport_cyto.cluster.native`, and so without arrays of their own. `immport_cyto.cluster.lanes` makes what finds the
nearest node, for all kernels from the same code, so training, mapping and statistics agree to the bit.
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

EXPONENT = np.uint32(0x7F800000)
"""The bits of a float32 that are all set exactly if it is not finite."""
FAR = 1e300
"""Beyond all distances."""


@kernel
def _itself(value, x):  # type: ignore[no-untyped-def]
    return value


@kernel
def _root(value, x):  # type: ignore[no-untyped-def]
    return np.sqrt(value)


@kernel
def _one_plus(value, x):  # type: ignore[no-untyped-def]
    """Distance by the cosine, of minus the cosine times the length of `x`."""
    square = np.float32(0.0)
    for d in range(x.shape[0]):
        square += x[d] * x[d]
    if square == np.float32(0.0):
        return np.float32(1.0)
    return max(np.float32(0.0), np.float32(1.0) + value / np.sqrt(square))


def _by_distance(make):  # type: ignore[no-untyped-def]
    """A kernel for each of `native.DISTANCES`, so that a loop over events holds one, and a first run compiles one."""
    return (
        kernel(make(nearest_euclidean, pull_nearest_euclidean, _root)),
        kernel(make(nearest_manhattan, pull_nearest_manhattan, _itself)),
        kernel(make(nearest_chebyshev, pull_nearest_chebyshev, _itself)),
        kernel(make(nearest_cosine, pull_nearest_cosine, _one_plus)),
    )


@kernel
def _load(X, i, offset, inverse, x):  # type: ignore[no-untyped-def]
    """Copy event `i`, scaled, into the padded buffer `x`."""
    for d in range(X.shape[1]):
        x[d] = (X[i, d] - offset[d]) * inverse[d]


def _assign(nearest, pull_nearest, finish):  # type: ignore[no-untyped-def]
    def assign(X, offset, inverse, codes, n_nodes, nodes, distances, x):  # type: ignore[no-untyped-def]
        """Nearest node of each event and the distance to its code, into `nodes` and `distances`."""
        for i in range(X.shape[0]):
            _load(X, i, offset, inverse, x)
            winner, value = nearest(x, codes, n_nodes)
            nodes[i] = winner
            distances[i] = finish(value, x)

    return assign


assign_euclidean, assign_manhattan, assign_chebyshev, assign_cosine = _by_distance(_assign)


def _node_sums(nearest, pull_nearest, finish):  # type: ignore[no-untyped-def]
    def node_sums(X, offset, inverse, codes, sums, counts, x):  # type: ignore[no-untyped-def]
        """Add the scaled events to the sums and counts (float64, int64) of their nearest nodes."""
        for i in range(X.shape[0]):
            _load(X, i, offset, inverse, x)
            winner, _ = nearest(x, codes, counts.shape[0])
            counts[winner] += 1
            for d in range(X.shape[1]):
                sums[winner, d] += x[d]

    return node_sums


node_sums_euclidean, node_sums_manhattan, node_sums_chebyshev, node_sums_cosine = _by_distance(_node_sums)


def _train_online(nearest, pull_nearest, finish):  # type: ignore[no-untyped-def]
    def train_online(  # type: ignore[no-untyped-def]
        X, order, first, n_steps, offset, inverse, codes, apart, near, near_apart, radius, rate_first, rate_last,
        rows, room,
    ):  # fmt: skip
        """Move `codes` in place by FlowSOM's online rule over the events ``X[order]``, the steps from `first` on.

        Step t of `n_steps` T: the radius is ``radius (1 - t / T)``, 0.5 once below 1; the rate falls linearly; each
        node within the radius of the winner (on the grid) moves by rate x (event - code). `apart` (uint16) has the
        distances on the grid, nodes x padded nodes; `near` the groups of nodes by their distance from each node,
        `near_apart` that distance (uint16, nodes x groups). The codes move in the pass that looks for the node
        nearest to the next event; after the last one a pass more moves them. The events come from anywhere in memory,
        so some are copied (scaled and padded) at a time into `rows`, between the last one before them and room for
        one more, and the next ones prefetched. `room` has 32 floats for each group.
        """
        n_nodes, n_events, ahead = near.shape[0], order.shape[0], rows.shape[0] - 2
        winner, reach, rate = 0, np.int64(0), np.float32(0.0)
        for begin in range(0, n_events, ahead):
            end = min(begin + ahead, n_events)
            for d in range(X.shape[1]):
                rows[0, d] = rows[ahead, d]
            for t in range(begin, end):
                event = order[t]
                for d in range(X.shape[1]):
                    rows[t - begin + 1, d] = (X[event, d] - offset[d]) * inverse[d]
            for t in range(begin, end + 1 if end == n_events else end):
                if t + ahead < n_events:
                    prefetch(X, np.int64(order[t + ahead]))
                old, x = rows[t - begin], rows[t - begin + 1]
                winner, _ = pull_nearest(x, codes, n_nodes, old, apart, near, near_apart, room, winner, reach, rate)
                done = (first + t) / n_steps
                reach = np.int64(radius * (1.0 - done))  # distances on the grid are whole numbers
                rate = np.float32(rate_first - (rate_first - rate_last) * done)

    return train_online


train_online_euclidean, train_online_manhattan, train_online_chebyshev, train_online_cosine = _by_distance(
    _train_online
)


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
def by_node(nodes, distances, places, grouped):  # type: ignore[no-untyped-def]
    """Distances in the order of their nodes into `grouped`; `places` are where each node begins, and end behind it."""
    for i in range(nodes.shape[0]):
        node = nodes[i]
        grouped[places[node]] = distances[i]
        places[node] += 1


@kernel
def middles(grouped, ends, medians, deviations):  # type: ignore[no-untyped-def]
    """Median and median absolute deviation of each node with events, of distances that ascend within a node."""
    begin = 0
    for node in range(ends.shape[0]):
        end = ends[node]
        n = end - begin
        if n > 0:
            half = begin + n // 2
            upper = np.float64(grouped[half])
            median = upper if n % 2 == 1 else (np.float64(grouped[half - 1]) + upper) / 2
            # outwards from the median, the nearer of both sides first
            low, high = half - 1, half
            while high > begin and np.float64(grouped[high - 1]) >= median:
                low, high = low - 1, high - 1
            last = before = 0.0
            for _ in range(n // 2 + 1):
                down = median - np.float64(grouped[low]) if low >= begin else FAR
                up = np.float64(grouped[high]) - median if high < end else FAR
                before = last
                if down < up:
                    last, low = down, low - 1
                else:
                    last, high = up, high + 1
            medians[node] = median
            deviations[node] = last if n % 2 == 1 else (before + last) / 2
        begin = end


@kernel
def scan(X, total, low, high):  # type: ignore[no-untyped-def]
    """Sum, minimum and maximum per marker into the float64 arrays; returns the first event that is not finite, or -1.

    A value is not finite exactly if its exponent bits are all set; the comparison is on bits because the
    compiled arithmetic assumes that there is no NaN.
    """
    bits = X.view(np.uint32)
    n = X.shape[0]
    fours = n - n % 4
    for i in range(0, fours, 4):  # sums are loaded and stored once for four events
        worst = np.uint32(0)
        for d in range(X.shape[1]):
            first, second = max(bits[i, d] & EXPONENT, bits[i + 1, d] & EXPONENT), bits[i + 2, d] & EXPONENT
            worst = max(worst, max(max(first, second), bits[i + 3, d] & EXPONENT))
        if worst == EXPONENT:
            fours = i
            break
        for d in range(X.shape[1]):
            one, two = np.float64(X[i, d]), np.float64(X[i + 1, d])
            three, four = np.float64(X[i + 2, d]), np.float64(X[i + 3, d])
            total[d] = total[d] + one + two + three + four
            low[d] = min(low[d], min(min(one, two), min(three, four)))
            high[d] = max(high[d], max(max(one, two), max(three, four)))
    for i in range(fours, n):
        for d in range(X.shape[1]):
            if bits[i, d] & EXPONENT == EXPONENT:
                return i
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
