"""The loops of `flowsom`, compiled; float64 and in the order of R's, so that the results are the same."""

import numpy as np

from immport_cyto.cluster._jit import njit


@njit
def train(X, order, codes, apart, radius, rate_first, rate_last):  # type: ignore[no-untyped-def]
    """Move `codes` in place: each event of `order` draws the nodes within the radius of its nearest node.

    The radius falls linearly from `radius` to 0, and is 0.5 once below 1; the rate falls linearly. A pass over as many
    events as there are that moves the codes by less than 1 in all is the last.
    """
    n, n_markers = X.shape
    n_steps = order.shape[0]
    reach, step = radius, radius / n_steps
    moved = 1.0
    for t in range(n_steps):
        if t % n == 0:
            if moved < 1.0:
                break
            moved = 0.0
        event = order[t]
        winner = nearest(X, event, codes)
        if reach < 1.0:
            reach = 0.5
        rate = rate_first - (rate_first - rate_last) * t / n_steps
        for node in range(codes.shape[0]):
            if apart[node, winner] > reach:
                continue
            for d in range(n_markers):
                difference = X[event, d] - codes[node, d]
                moved += abs(difference)
                codes[node, d] += difference * rate
        reach -= step


@njit
def nearest(X, event, codes):  # type: ignore[no-untyped-def]
    """Nearest code of one event by Euclidean distance, the first on ties."""
    best, least = 0, 0.0
    for node in range(codes.shape[0]):
        total = 0.0
        for d in range(X.shape[1]):
            difference = X[event, d] - codes[node, d]
            total += difference * difference
        distance = np.sqrt(total)
        if node == 0 or distance < least:
            best, least = node, distance
    return best


@njit
def nearest_codes(X, codes):  # type: ignore[no-untyped-def]
    """Nearest code of each event."""
    found = np.empty(X.shape[0], np.int64)
    for event in range(X.shape[0]):
        found[event] = nearest(X, event, codes)
    return found
