"""Average linkage, cut at given numbers of groups, and its consensus over resamples. Imports numba.

Own code because of the number of small trees per model (a hundred, cut at up to twenty numbers of groups), and because
every operation here is in a stated order, so the trees are the same on every machine. Called through
`immport_cyto.cluster.native`, and so without arrays of its own.
"""

from immport_cyto.cluster._jit import kernel

GONE = 1e300
"""Distance of a group to itself, and to groups that were joined to another."""


@kernel
def _first_smallest(values):  # type: ignore[no-untyped-def]
    fours = values.shape[0] // 4 * 4
    a = b = c = d = values[0]
    for i in range(0, fours, 4):  # four minima at a time, so that none has to wait for the last
        a, b = min(a, values[i]), min(b, values[i + 1])
        c, d = min(c, values[i + 2]), min(d, values[i + 3])
    for i in range(fours, values.shape[0]):
        a = min(a, values[i])
    smallest = min(min(a, b), min(c, d))
    first = 0
    while values[first] != smallest:
        first += 1
    return first


@kernel
def cut_average_linkage(distance, ks, labels, sizes, apart, group, nearest):  # type: ignore[no-untyped-def]
    """Join the nearest groups until `ks` (falling) remain; fills ``labels[i]`` with the groups at ``ks[i]``.

    `distance` (n x n, float64, symmetric) is overwritten. A group is named by its first node. Of equally near groups
    those of the first nodes join, so there are exactly ``ks[i]`` groups whatever the ties. The last four arrays are
    room for n numbers each.
    """
    n = distance.shape[0]
    for i in range(n):
        sizes[i], group[i] = 1.0, i
        distance[i, i] = GONE
        nearest[i] = _first_smallest(distance[i])
        apart[i] = distance[i, nearest[i]]
    groups, at = n, 0
    while at < ks.shape[0]:
        if ks[at] >= groups:
            for k in range(n):
                labels[at, k] = group[k]
            at += 1
            continue
        one = _first_smallest(apart)
        kept, gone = min(one, nearest[one]), max(one, nearest[one])
        size, other = sizes[kept], sizes[gone]
        for k in range(n):
            distance[kept, k] = (size * distance[kept, k] + other * distance[gone, k]) / (size + other)
        distance[kept, kept] = distance[kept, gone] = GONE
        for k in range(n):
            group[k] = kept if group[k] == gone else group[k]
        sizes[kept] += other
        sizes[gone] = 0.0  # gone for good
        groups -= 1
        apart[gone] = GONE
        for k in range(n):
            if sizes[k] == 0.0:
                continue
            distance[k, kept], distance[k, gone] = distance[kept, k], GONE
            joined_is_near = k == kept or nearest[k] == kept or nearest[k] == gone
            # the last of these only by rounding: a mean is not smaller than the smaller of two
            if joined_is_near or distance[k, kept] < apart[k]:
                nearest[k] = _first_smallest(distance[k])
                apart[k] = distance[k, nearest[k]]


@kernel
def count_together(distance, chosen, ks, drawn, together, part, labels, group, sizes, apart, groups, nearest):  # type: ignore[no-untyped-def]
    """Cluster each of the resamples `chosen` (draws x nodes, ascending) and count pairs of nodes.

    `drawn` (n x n) counts the draws with both nodes, ``together[i]`` (n x n) those of them in which they are in one of
    ``ks[i]`` groups; `ks` fall. The other arrays are room: `part` (drawn x drawn nodes), `labels` (``ks`` x drawn
    nodes), `group` (n), and those of `cut_average_linkage`.
    """
    n, size = distance.shape[0], chosen.shape[1]
    for draw in range(chosen.shape[0]):
        nodes = chosen[draw]
        for b in range(n):
            group[b] = 0  # not drawn
        for a in range(size):
            for b in range(size):
                part[a, b] = distance[nodes[a], nodes[b]]
            group[nodes[a]] = 1
        for a in range(size):
            for b in range(n):
                drawn[nodes[a], b] += group[b]
        cut_average_linkage(part, ks, labels, sizes, apart, groups, nearest)
        for i in range(ks.shape[0]):
            for a in range(size):
                group[nodes[a]] = labels[i, a] + 1
            for a in range(size):
                for b in range(n):
                    together[i, nodes[a], b] += group[nodes[a]] == group[b]
