"""Average linkage, cut at given numbers of groups, and its consensus over resamples; compiled. Imports numba.

Own code because of the number of small trees per model (a hundred, cut at up to twenty numbers of groups), and because
every operation here is in a stated order, so the trees are the same on every machine.
"""

import numpy as np

from immport_cyto.cluster._jit import njit

GONE = 1e300
"""Distance of a group to itself, and to groups that were joined to another."""


@njit
def _first_smallest(values):  # type: ignore[no-untyped-def]
    smallest = values[0]
    for i in range(values.shape[0]):
        smallest = min(smallest, values[i])
    first = 0
    while values[first] != smallest:
        first += 1
    return first


@njit
def cut_average_linkage(distance, ks, labels):  # type: ignore[no-untyped-def]
    """Join the nearest groups until `ks` (falling) remain; fills ``labels[i]`` with the groups at ``ks[i]``.

    `distance` (n x n, float64, symmetric) is overwritten. A group is named by its first node. Of equally near groups
    those of the first nodes join, so there are exactly ``ks[i]`` groups whatever the ties.
    """
    n = distance.shape[0]
    size, group, alive = np.ones(n), np.arange(n), np.ones(n, np.bool_)
    nearest, apart = np.empty(n, np.int64), np.empty(n)
    for i in range(n):
        distance[i, i] = GONE
        nearest[i] = _first_smallest(distance[i])
        apart[i] = distance[i, nearest[i]]
    groups, at = n, 0
    while at < ks.shape[0]:
        if ks[at] >= groups:
            labels[at] = group
            at += 1
            continue
        one = _first_smallest(apart)
        kept, gone = min(one, nearest[one]), max(one, nearest[one])
        alive[gone] = False
        for k in range(n):
            if group[k] == gone:
                group[k] = kept
            if alive[k] and k != kept:
                joined = size[kept] * distance[kept, k] + size[gone] * distance[gone, k]
                distance[kept, k] = distance[k, kept] = joined / (size[kept] + size[gone])
            distance[k, gone] = distance[gone, k] = GONE
        size[kept] += size[gone]
        groups -= 1
        apart[gone] = GONE
        for k in range(n):
            # the last of these only by rounding: a mean is not smaller than the smaller of two
            if alive[k] and (k == kept or nearest[k] == kept or nearest[k] == gone or distance[k, kept] < apart[k]):
                nearest[k] = _first_smallest(distance[k])
                apart[k] = distance[k, nearest[k]]


@njit
def count_together(distance, chosen, ks, drawn, together):  # type: ignore[no-untyped-def]
    """Cluster each of the resamples `chosen` (draws x nodes, ascending) and count pairs of nodes.

    `drawn` (n x n) counts the draws with both nodes, ``together[i]`` (n x n) those of them in which they are in one of
    ``ks[i]`` groups; `ks` fall.
    """
    n, size = distance.shape[0], chosen.shape[1]
    part, labels = np.empty((size, size)), np.empty((ks.shape[0], size), np.int64)
    for nodes in chosen:
        group = np.zeros(n, np.uint16)  # 0: not drawn
        for a in range(size):
            for b in range(size):
                part[a, b] = distance[nodes[a], nodes[b]]
            group[nodes[a]] = 1
        for a in nodes:
            for b in range(n):
                drawn[a, b] += group[b]
        cut_average_linkage(part, ks, labels)
        for i in range(ks.shape[0]):
            for a in range(size):
                group[nodes[a]] = labels[i, a] + 1
            for a in nodes:
                for b in range(n):
                    together[i, a, b] += group[a] == group[b]
