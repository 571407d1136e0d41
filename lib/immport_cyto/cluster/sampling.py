"""Some events of labelled files, for figures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immport_cyto import events, fcs
from immport_cyto.cluster.grouped import read_nodes
from immport_cyto.cluster.model import FlowSOM


def sample_events(
    model: FlowSOM, files: Mapping[str, Path], n: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """At most `n` events drawn from all files together: values of the model's markers, and nodes (0-based).

    Parameters
    ----------
    model
        The model.
    files
        FCS files mapped onto it; their order does not matter.
    n
        Number of events.
    seed
        Of the draw.

    Raises
    ------
    InputError
        A file was not mapped, or was mapped onto another model.
    """
    names = sorted(files)
    nodes = [read_nodes(model, Path(files[name])) for name in names]
    total = sum(len(own) for own in nodes)
    drawn = np.sort(np.random.default_rng(seed).choice(total, min(n, total), replace=False))
    values, begin = [], 0
    for name, own in zip(names, nodes, strict=True):
        chosen = drawn[(drawn >= begin) & (drawn < begin + len(own))] - begin
        with fcs.open(files[name]) as file:
            channels = events.markers(file)
            values.append(file.events([channels[marker] for marker in model.markers])[chosen])
        begin += len(own)
    return np.concatenate(values), np.concatenate(nodes)[drawn]
