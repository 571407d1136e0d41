"""Results of a clustering as more channels of an FCS file."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs

_BLOCK = 65_536
_OF_CHANNEL = re.compile(r"ICYTO_P(\d+)([A-Z]+)")


def write_labelled(
    source: Path,
    target: Path,
    channels: Mapping[str, tuple[NDArray[np.integer], int]],
    keyword: tuple[str, Mapping[str, Any]],
    *,
    replaces: Collection[str] = (),
    name: str = "",
) -> None:
    """Copy an FCS file and add channels of whole numbers behind its own; those of an earlier mapping are taken out.

    Parameters
    ----------
    source, target
        FCS files. The events are copied in blocks.
    channels
        By name: a number per event, and the largest that the model can give; $PnR is above it, so it is the same for
        all files of a model.
    keyword
        Name of a keyword that describes the model, and its content.
    replaces
        Names of channels that an earlier mapping may have added and this one does not.
    name
        Name of the file, for the keyword ``ICYTO_FILE`` of a file that was not preprocessed.
    """
    old = {*channels, *replaces}
    with fcs.open(source) as file:
        kept = [index for index, channel in enumerate(file.channels) if channel.pnn not in old]
        described = [file.channels[index] for index in kept]
        keywords = renumbered(file.keywords, kept)
        keywords.pop(keyword[0], None)
        if name:
            keywords.setdefault("ICYTO_FILE", name)
        for name, (_, largest) in channels.items():
            number = len(described) + 1
            described.append(fcs.Channel(number, name, "", range=float(largest + 1)))
            keywords[f"ICYTO_P{number}ROLE"] = "derived"
            keywords[f"ICYTO_P{number}CLASS"] = "none"
            keywords[f"ICYTO_P{number}TRANSFORM"] = "linear"
        keywords[keyword[0]] = json.dumps(keyword[1], separators=(",", ":"))

        def blocks() -> Iterator[NDArray[np.float32]]:
            for start in range(0, file.n_events, _BLOCK):
                stop = min(start + _BLOCK, file.n_events)
                block = np.empty((stop - start, len(described)), np.float32)
                block[:, : len(kept)] = file.events(kept, start, stop)
                for column, (labels, _) in enumerate(channels.values(), start=len(kept)):
                    block[:, column] = labels[start:stop]
                yield block

        fcs.write_blocks(target, blocks, file.n_events, described, keywords)


def renumbered(keywords: Mapping[str, str], kept: list[int]) -> dict[str, str]:
    """Keywords for a file that has only the channels `kept` (0-based): ours of a channel move with it."""
    number = {index + 1: new for new, index in enumerate(kept, start=1)}
    result = {}
    for key, value in keywords.items():
        found = _OF_CHANNEL.fullmatch(key)
        if found is None:
            result[key] = value
        elif int(found[1]) in number:
            result[f"ICYTO_P{number[int(found[1])]}{found[2]}"] = value
    return result
