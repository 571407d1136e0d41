"""The events of chosen clusters as FCS files of their own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs
from immport_cyto.cluster.agreement import read_labels
from immport_cyto.cluster.files import METACLUSTER_CHANNEL

EXTRACT_KEYWORD = "ICYTO_EXTRACT"
_BLOCK = 65_536


@dataclass(frozen=True)
class Extracted:
    """Events of one population of one file.

    Attributes
    ----------
    population
        Name.
    clusters
        Labels that it is made of.
    n_events, n_events_in
        Events of the population and of the file.
    """

    population: str
    clusters: tuple[int, ...]
    n_events: int
    n_events_in: int


def extract(
    name: str,
    source: Path,
    wanted: Mapping[str, Sequence[int]],
    targets: Mapping[str, Path],
    *,
    channel: str = METACLUSTER_CHANNEL,
    write_empty: bool = False,
) -> list[Extracted]:
    """Write the events of each population of a labelled file, with all channels and keywords of the file.

    The keyword ``ICYTO_EXTRACT`` says what was taken.

    Parameters
    ----------
    name
        Name of the file.
    source
        FCS file with a channel of labels.
    wanted
        Labels of each population.
    targets
        File to write per population.
    channel
        The channel of labels.
    write_empty
        Write a file also for a population without events.

    Raises
    ------
    PanelError
        The file has no such channel.
    AnalysisError
        The channel does not hold labels.
    """
    labels = read_labels(name, source, channel)
    result = []
    with fcs.open(source) as file:
        for population, numbers in wanted.items():
            chosen = np.isin(labels, np.array(list(numbers), np.int64))
            n = int(chosen.sum())
            result.append(Extracted(population, tuple(sorted(numbers)), n, len(labels)))
            if not n and not write_empty:
                continue
            content = {
                "file": name, "population": population, "channel": channel, "clusters": sorted(numbers),
                "n_events_in": len(labels),
            }  # fmt: skip
            keywords = dict(file.keywords) | {EXTRACT_KEYWORD: json.dumps(content, separators=(",", ":"))}

            def blocks(chosen: NDArray[np.bool_] = chosen) -> Iterator[NDArray[np.float32]]:
                for start in range(0, len(chosen), _BLOCK):
                    own = chosen[start : start + _BLOCK]
                    if own.any():
                        yield file.events(None, start, min(start + _BLOCK, len(chosen)))[own]

            fcs.write_blocks(targets[population], blocks, n, file.channels, keywords)
    return result
