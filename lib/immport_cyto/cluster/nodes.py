"""What the nodes of a trained map hold: one pass over all events of the training."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import native, som
from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.outliers import DistanceSample
from immport_cyto.cluster.som import Codebook
from immport_cyto.cluster.source import Chunk, Float32, Part, check_block, chunks


class NodeContent(NamedTuple):
    """Events per node and their distances.

    Attributes
    ----------
    counts : ndarray of int64, nodes
    quantization_error
        Mean distance of the events to their code.
    distances
        All distances, or of large data some of them per node.
    labels : list of ndarray of int32
        Node (0-based) of each event per part, if they were asked for.
    """

    counts: NDArray[np.int64]
    quantization_error: float
    distances: DistanceSample
    labels: list[NDArray[np.int32]]


class _Found(NamedTuple):
    """What one chunk gives."""

    counts: NDArray[np.int64]
    total: float
    nodes: NDArray[np.int32]
    distances: Float32
    labels: NDArray[np.int32] | None


def node_content(
    parts: Sequence[Part],
    book: Codebook,
    markers: Sequence[str],
    execution: Execution,
    *,
    labels: bool = False,
    checked: bool = False,
) -> NodeContent:
    """Map all events and describe the nodes; with `labels` the node of each event is kept too.

    `checked` says that the values of all events were found to be usable.

    Raises
    ------
    AnalysisError
        A value is NaN, infinite or larger than 1e9.
    """
    n_nodes = len(book.codes)
    stride = DistanceSample.stride(sum(part.n_events for part in parts))

    def one(chunk: Chunk) -> _Found:
        tiled = som.tile(book.codes)
        nodes, distances = np.empty(chunk.n_events, np.int32), np.empty(chunk.n_events, np.float32)
        for start, X in chunk.blocks():
            if not checked:
                check_block(X, start, chunk.part.name, markers)
            block = slice(start - chunk.start, start - chunk.start + len(X))
            som.nearest(X, book, tiled, nodes[block], distances[block])
        counts, kept = np.zeros(n_nodes, np.int64), np.empty(len(nodes), np.bool_)
        total = native.describe(nodes, distances, stride, counts, kept)
        own = nodes if labels else None
        return _Found(counts, total, *((nodes, distances) if stride == 1 else (nodes[kept], distances[kept])), own)

    counts, error, sample = np.zeros(n_nodes, np.int64), 0.0, DistanceSample(n_nodes)
    every = np.empty(sum(part.n_events for part in parts) if labels else 0, np.int32)
    done = 0
    for found in execution.map(one, chunks(parts), "mapping events"):
        counts += found.counts
        error += found.total
        sample.add(found.nodes, found.distances, -(-found.counts // stride))
        if found.labels is not None:
            every[done : done + len(found.labels)] = found.labels
            done += len(found.labels)
    ends = np.cumsum([part.n_events for part in parts])
    return NodeContent(counts, error / max(int(counts.sum()), 1), sample, np.split(every, ends[:-1]) if labels else [])
