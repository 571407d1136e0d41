"""Where the nodes of a self-organising map stand in a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._style import PALETTE

Float64 = NDArray[np.float64]
_MOST_MOVED = 1000
_STEPS = 300
_BEND = 0.7
"""Nodes k steps apart in the tree shall be k ** 0.7 apart in the figure: long branches bend, stars can be larger."""
_ROOM = 0.9
_SIZES = 6
_SMALLEST = 0.5


@dataclass(frozen=True)
class Nodes:
    """Nodes of a self-organising map as figures need them.

    Attributes
    ----------
    grid
        Rows and columns; nodes row by row.
    edges : ndarray of int, nodes - 1 x 2
        Minimum spanning tree, 0-based.
    metaclusters : ndarray of int, nodes
        From 1.
    n_events : ndarray of int, nodes
    names
        Names of metaclusters, for those that have one.
    """

    grid: tuple[int, int]
    edges: NDArray[np.integer]
    metaclusters: NDArray[np.integer]
    n_events: NDArray[np.integer]
    names: Mapping[int, str] = field(default_factory=dict)

    def positions(self, layout: str) -> Float64:
        """Nodes x 2; neighbours in the ``"tree"`` or on the ``"grid"`` are about 1 apart."""
        if layout == "tree":
            return self._tree
        rows, columns = np.divmod(np.arange(self.grid[0] * self.grid[1]), self.grid[1])
        return np.column_stack([columns, rows]).astype(np.float64)

    @cached_property
    def _tree(self) -> Float64:
        return tree_layout(len(self.metaclusters), self.edges)

    def radii(self, largest: float = 0.46) -> Float64:
        """Radius of each node, of six sizes: its area grows with the events; a node without events has 0."""
        root = np.sqrt(self.n_events / max(int(self.n_events.max(initial=0)), 1))
        steps = np.ceil(np.maximum(root - _SMALLEST, 0) / (1 - _SMALLEST) * (_SIZES - 1)) / (_SIZES - 1)
        return np.where(self.n_events > 0, largest * (_SMALLEST + (1 - _SMALLEST) * steps), 0.0)

    def labelled(self, layout: str) -> NDArray[np.intp]:
        """Nodes whose metacluster is worth writing: in the tree the largest of each connected piece, else all."""
        filled = np.flatnonzero(self.n_events > 0)
        if layout != "tree":
            return filled
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        same = self.edges[self.metaclusters[self.edges[:, 0]] == self.metaclusters[self.edges[:, 1]]]
        n = len(self.metaclusters)
        piece = connected_components(coo_array((np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(n, n)).tocsr())[1]
        order = np.lexsort((filled, -self.n_events[filled]))
        _, first = np.unique(piece[filled[order]], return_index=True)
        return np.sort(filled[order][first])


def colours(metaclusters: Sequence[int] | NDArray[np.integer]) -> list[tuple[float, float, float]]:
    """Colour of each metacluster: seven that are told apart with every colour vision, then lighter and darker ones.

    More than seven are not told apart by colour alone; figures write the number too.
    """
    from matplotlib.colors import to_rgb

    base = [np.array(to_rgb(colour)) for colour in (*PALETTE[:6], PALETTE[7])]
    result = []
    for number in metaclusters:
        shade, index = divmod(int(number) - 1, len(base))
        mixed = base[index]
        if shade % 3 == 1:
            mixed = mixed * 0.5 + 0.5
        elif shade % 3 == 2:
            mixed = mixed * 0.55
        result.append((float(mixed[0]), float(mixed[1]), float(mixed[2])))
    return result


def ink_on(colour: tuple[float, float, float]) -> str:
    """Black or white, whichever is read better on a colour (WCAG luminance)."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    luminance = 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    return "black" if luminance > 0.179 else "white"


def tree_layout(n: int, edges: NDArray[np.integer]) -> Float64:
    """Positions (n x 2) of the nodes of a tree with neighbours about 1 apart.

    A radial drawing without crossings, in which stress (Kamada and Kawai 1989, doi:10.1016/0020-0190(89)90102-6) is
    then lowered by majorisation (Gansner et al. 2004, doi:10.1007/978-3-540-31843-9_25). Nothing is random.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    apart = shortest_path(graph, directed=False, unweighted=True) ** _BEND
    points = _radial(n, edges, int(np.argmin(apart.max(axis=1))))
    if 2 < n <= _MOST_MOVED:
        points = _make_room(_majorise(points, apart))
    centred = points - points.mean(axis=0)
    if n > 2:
        # the longer side lies across; signs are fixed so that equal trees look equal
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        centred = centred @ axes.T
        for axis in range(2):
            if centred[np.argmax(np.abs(centred[:, axis])), axis] < 0:
                centred[:, axis] *= -1
    return np.round(centred, 4)


def _radial(n: int, edges: NDArray[np.integer], root: int) -> Float64:
    """Each subtree gets a sector as wide as its number of leaves."""
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    parent, order, depth = {root: root}, [root], {root: 0}
    for node in order:
        for other in neighbours[node]:
            if other not in parent:
                parent[other], depth[other] = node, depth[node] + 1
                order.append(other)
    leaves = dict.fromkeys(order, 0)
    for node in reversed(order):
        leaves[node] = max(leaves[node], 1)
        if node != root:
            leaves[parent[node]] += leaves[node]
    start, points = {root: 0.0}, np.zeros((n, 2))
    for node in order:
        width = 2 * np.pi / max(leaves[root], 1)
        angle = start[node] + leaves[node] * width / 2
        points[node] = depth[node] * np.cos(angle), depth[node] * np.sin(angle)
        begin = start[node]
        for other in neighbours[node]:
            if parent[other] == node and other != root:
                start[other] = begin
                begin += leaves[other] * width
    return points


def _majorise(points: Float64, apart: Float64) -> Float64:
    from scipy.spatial.distance import cdist

    weight = np.divide(1.0, apart**2, out=np.zeros_like(apart), where=apart > 0)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    inverse = np.linalg.pinv(laplacian, hermitian=True)
    for _ in range(_STEPS):
        distance = cdist(points, points)
        ratio = -np.divide(weight * apart, distance, out=np.zeros_like(apart), where=distance > 1e-9)
        np.fill_diagonal(ratio, 0.0)
        np.fill_diagonal(ratio, -ratio.sum(axis=1))
        moved: Any = inverse @ (ratio @ points)
        if float(np.abs(moved - points).max()) < 1e-5:
            return np.asarray(moved)
        points = moved
    return points


def _make_room(points: Float64) -> Float64:
    """Push nodes apart that are nearer than `_ROOM`."""
    from scipy.spatial.distance import cdist

    moved = points.copy()
    for _ in range(_STEPS):
        distance = cdist(moved, moved)
        np.fill_diagonal(distance, np.inf)
        lacking = np.maximum(_ROOM - distance, 0.0)
        if float(lacking.max()) < 0.01:
            break
        push = np.divide(lacking, distance, out=np.zeros_like(distance), where=distance > 1e-9)
        moved += 0.35 * (push.sum(axis=1)[:, None] * moved - push @ moved)
    return moved
