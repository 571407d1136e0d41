"""Average linkage, cut at given numbers of groups, and its consensus over resamples; compiled. Imports numba.

Own code because of the number of small trees per model (a hundred, cut at up to twenty numbers of groups), and because
every operation here is in a stated order, so the trees are the same on every machine.
"""

import numpy as np

from immport_cyto.cluster._jit import njit


@njit
def _nearest_group(distance, alive, i):  # type: ignore[no-untyped-def]
    """The group nearest to `i`, the first of equals, or -1."""
    nearest = -1
    for j in range(distance.shape[0]):
        if alive[j] and j != i and (nearest < 0 or distance[i, j] < distance[i, nearest]):
            nearest = j
    return nearest


@njit
def cut_average_linkage(distance, ks, labels):  # type: ignore[no-untyped-def]
    """Join the nearest groups until `ks` (falling) remain; fills ``labels[i]`` with the groups at ``ks[i]``.

    `distance` (n x n, float64, symmetric) is overwritten. A group is named by its first node. Of equally near groups
    those of the first nodes join, so there are exactly ``ks[i]`` groups whatever the ties.
    """
    n = distance.shape[0]
    size, group, alive = np.ones(n), np.arange(n), np.ones(n, np.bool_)
    nearest = np.empty(n, np.int64)
    for i in range(n):
        nearest[i] = _nearest_group(distance, alive, i)
    groups, at = n, 0
    while at < ks.shape[0]:
        if ks[at] >= groups:
            labels[at] = group
            at += 1
            continue
        one = -1
        for i in range(n):
            if alive[i] and (one < 0 or distance[i, nearest[i]] < distance[one, nearest[one]]):
                one = i
        kept, gone = min(one, nearest[one]), max(one, nearest[one])
        alive[gone] = False
        for k in range(n):
            if group[k] == gone:
                group[k] = kept
            if alive[k] and k != kept:
                joined = size[kept] * distance[kept, k] + size[gone] * distance[gone, k]
                distance[kept, k] = distance[k, kept] = joined / (size[kept] + size[gone])
        size[kept] += size[gone]
        groups -= 1
        if groups == 1:
            continue
        for k in range(n):
            if not alive[k]:
                continue
            if k == kept or nearest[k] == kept or nearest[k] == gone:
                nearest[k] = _nearest_group(distance, alive, k)
            elif distance[k, kept] < distance[k, nearest[k]]:  # by rounding only
                nearest[k] = kept


@njit
def count_together(distance, chosen, ks, drawn, together):  # type: ignore[no-untyped-def]
    """Cluster each of the resamples `chosen` (draws x nodes, ascending) and count pairs of nodes.

    `drawn` (n x n) counts the draws with both nodes, ``together[i]`` (n x n) those of them in which they are in one of
    ``ks[i]`` groups; `ks` fall.
    """
    size = chosen.shape[1]
    part, labels = np.empty((size, size)), np.empty((ks.shape[0], size), np.int64)
    for nodes in chosen:
        for a in range(size):
            for b in range(size):
                part[a, b] = distance[nodes[a], nodes[b]]
                drawn[nodes[a], nodes[b]] += 1
        cut_average_linkage(part, ks, labels)
        for i in range(ks.shape[0]):
            for a in range(size):
                for b in range(size):
                    if labels[i, a] == labels[i, b]:
                        together[i, nodes[a], nodes[b]] += 1
