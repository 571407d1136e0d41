"""FLOCK 1 and 2 as a plain statement of their steps: all pairs compared, every reach tried, no result kept."""

import numpy as np

E = 2.7183


class EmptyPartError(Exception):
    """A part without events: the description does not say what happens to it."""


def plain_flock(X, version, density, *, wanted=None, most=None):
    """Population of each event, from 1, for automatic or `wanted` bins and a given density.

    `most` is the most populations of version 1.
    """
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    d = Z.shape[1]
    bins, width = _bins(Z, wanted)
    group = _groups(bins, density)
    centres = np.array([Z[group == g].mean(axis=0) for g in range(group.max() + 1)])
    most = (most or 30) if version == 1 else min(2**d, 128)
    joined = _join(centres, width, most, *((0, np.inf), (0.1, 5.0))[version - 1])
    start = np.where(group >= 0, joined[group], -1)
    k = joined.max() + 1
    labels, _ = _kmeans(Z, np.array([Z[start == p].mean(axis=0) for p in range(k)]), {1: 100, 2: 10}[version])
    return labels + 1 if version == 1 else _merge(Z, *_split(X, labels, k))


def _bins(Z, wanted):
    n = len(Z)
    low, high = Z.min(axis=0), Z.max(axis=0)
    best = None
    for b in range(6, (wanted or 50) + 1):
        width = (high - low) / b
        bins = np.minimum(np.floor((Z - low) / width), b - 1).astype(int)
        found = len(np.unique(bins, axis=0))
        if found >= 0.95 * n or (best and not wanted and found / b < best[0]):
            break
        best = found / b, bins, width
    return best[1:]


def _groups(bins, density):
    rows, region, size = np.unique(bins, axis=0, return_inverse=True, return_counts=True)
    dense = np.flatnonzero(size >= density)
    near = np.abs(rows[dense][:, None] - rows[dense]).sum(axis=2) == 1
    component = _components(near)
    rank = {component[i]: i for i in range(len(dense)) if not near[i, :i].any()}
    number = {c: i for i, c in enumerate(sorted(rank, key=rank.get))}
    of_region = np.full(len(rows), -1)
    of_region[dense] = [number[c] for c in component]
    return of_region[region.ravel()]


def _components(near):
    """Smallest member of the component of each one."""
    near = near | np.eye(len(near), dtype=bool)
    group = np.arange(len(near))
    while True:
        lower = np.array([group[row].min() for row in near])
        if np.array_equal(lower, group):
            return group
        group = lower


def _join(centres, width, most, least_reach, most_reach):
    reach, before = 1.0, 0
    while True:
        near = (np.abs(centres[:, None] - centres) <= reach * width).all(axis=2)
        joined = np.unique(_components(near), return_inverse=True)[1]
        found = joined.max() + 1
        if found > most and reach + 0.1 <= most_reach:
            before, reach = found, reach + 0.1
        elif found == 1 and len(centres) > 1 and before <= most and reach - 0.1 >= least_reach:
            before, reach = found, reach - 0.1
        else:
            return joined


def _kmeans(Z, centres, iterations):
    centres = centres.copy()
    for step in range(iterations):
        distance = np.zeros((len(Z), len(centres)))
        for j in range(Z.shape[1]):
            distance += (Z[:, j, None] - centres[:, j]) ** 2
        labels = distance.argmin(axis=1)
        if step < iterations - 1:
            for c in np.unique(labels):
                centres[c] = Z[labels == c].mean(axis=0)
    return labels, centres


def _energies(points, one, other, k):
    places = [one + (other - one) * share for share in (0, 0.25, 0.5, 0.75, 1)]
    return [np.sort(((points - p) ** 2).sum(axis=1))[:k].mean() for p in places]


def _split(X, labels, k):
    labels, n = labels.copy(), k
    for cluster in range(k):
        inside = np.flatnonzero(labels == cluster)
        if len(inside) < 2:
            continue
        low, high = X[inside].min(axis=0), np.maximum(X[inside].max(axis=0), 0)
        P = (X[inside] - low) / np.where(high > low, high - low, 1)
        P = P[:, np.argsort(-P.std(axis=0), kind="stable")[:3]]
        start = np.array([P.mean(axis=0)] * 2)
        start[:, 0] = start[0, 0] / 2, (start[0, 0] + 1) / 2
        halves, _ = _kmeans(P, start, 10)
        sizes = np.bincount(halves, minlength=2)
        near = int(E * int(np.sqrt(sizes.min())))
        if near:
            energy = _energies(P, P[halves == 0].mean(axis=0), P[halves == 1].mean(axis=0), near)
            if max(energy[1:4]) > max(energy[0], energy[4]):
                labels[inside[halves == 1]] = n
                n += 1
    return labels, n


def _merge(Z, labels, n):
    if (np.bincount(labels, minlength=n) == 0).any():
        raise EmptyPartError
    labels, d = labels.copy(), Z.shape[1]
    while len(numbers := np.unique(labels)) > 2:
        centre = {c: Z[labels == c].mean(axis=0) for c in numbers}
        pairs = sorted((((centre[a] - centre[b]) ** 2).sum(), a, b) for a in numbers for b in numbers if a < b)
        for _, a, b in pairs:
            both = Z[(labels == a) | (labels == b)]
            extent = both.max(axis=0) - both.min(axis=0)
            ratio = np.abs(centre[a] - centre[b]) / np.where(extent > 0, extent, 1)
            columns = np.argsort(-ratio, kind="stable")[:3]
            near = int(np.sqrt(min((labels == a).sum(), (labels == b).sum())))
            near = int(E * near) if d <= 3 else near
            energy = _energies(both[:, columns], centre[a][columns], centre[b][columns], near)
            if max(energy[1:4]) <= max(energy[0], energy[4]):
                labels[labels == b] = a
                break
        else:
            break
    return np.unique(labels, return_inverse=True)[1] + 1
