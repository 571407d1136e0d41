"""Results of a clustering as more channels of an FCS file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs


def write_labelled(
    source: Path,
    target: Path,
    channels: Mapping[str, tuple[NDArray[np.integer], int]],
    keyword: tuple[str, Mapping[str, Any]],
) -> None:
    """Copy an FCS file and add channels of whole numbers; those of an earlier mapping are replaced.

    Parameters
    ----------
    source, target
        FCS files.
    channels
        By name: a number per event, and the largest that the model can give; $PnR is above it, so it is the same for
        all files of a model.
    keyword
        Name of a keyword that describes the model, and its content.
    """
    with fcs.open(source) as file:
        described: list[tuple[str, str] | fcs.Channel] = list(file.channels)
        position = {channel.pnn: index for index, channel in enumerate(file.channels)}
        for name in channels:
            if name not in position:
                position[name] = len(described)
                described.append((name, ""))
        values = np.empty((file.n_events, len(described)), np.float32)
        values[:, : file.n_channels] = file.events()
        keywords = dict(file.keywords)
    for name, (column, largest) in channels.items():
        index = position[name]
        values[:, index] = column
        described[index] = fcs.Channel(index + 1, name, "", range=float(largest + 1))
        keywords[f"ICYTO_P{index + 1}ROLE"] = "derived"
        keywords[f"ICYTO_P{index + 1}CLASS"] = "none"
        keywords[f"ICYTO_P{index + 1}TRANSFORM"] = "linear"
    name, content = keyword
    keywords[name] = json.dumps(content, separators=(",", ":"))
    fcs.write(target, values, described, keywords)
