"""Count the events of named metaclusters in labelled files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.exceptions import PanelError, TableError
from immport_cyto.population.definitions import UNNAMED, meets_all, plain_signs, split_text
from immport_cyto.population.grouping import marker_channels
from immport_cyto.population.searching import median_rows

if TYPE_CHECKING:
    import pandas as pd

CHANNEL = "FlowSOM_metacluster"
METHODS = {CHANNEL: "flowsom", "FLOCK_population": "flock"}
"""Channels with the number of a cluster, and what gave them."""


def count_clusters(files: Mapping[str, Path], clusters: "pd.DataFrame") -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Count the events of each population in each labelled file of one group.

    A population that a definition names holds every metacluster whose phenotype meets that definition, so "T cells"
    holds "CD4 T cells" too and means the same in every study, whatever else its clusters could be told apart
    into. A population that has only its phenotype as name holds the metaclusters of just that name. The parent is all
    events.

    Parameters
    ----------
    files
        FCS files with the channel ``FlowSOM_metacluster`` (`immport_cyto.cluster.map_file`); or the one that
        `clusters` name, ``FLOCK_population``.
    clusters
        Labelled CLUSTERS of the one model that mapped them.

    Returns
    -------
    (DataFrame, DataFrame)
        COUNTS with ``method`` "flowsom" or "flock" and MEDIANS. Every population has a row for every file, also with
        0 events; metaclusters without a sign are left out where no event is in them.

    Raises
    ------
    PanelError
        A file does not have the channel.
    TableError
        `clusters` holds several models, or a file has a metacluster that is not in it.
    """
    import pandas as pd

    from immport_cyto import fcs, tables

    if clusters["metacluster"].duplicated().any():
        msg = "clusters.tsv holds metaclusters of several models; give the rows of the model that mapped the files"
        raise TableError(msg)
    described = clusters.sort_values("metacluster").to_dict("records")
    name_of = {int(row["metacluster"]): str(row["population"]) or UNNAMED for row in described}
    first = {name_of[int(row["metacluster"])]: row for row in reversed(described)}
    populations = members(clusters)
    label = label_channel(clusters)
    method = METHODS[label]
    channels = marker_channels(files)
    counts: list[dict[str, Any]] = []
    medians: list[dict[str, Any]] = []
    for name in sorted(files):
        source = fcs.open(files[name])
        index = next((i for i, channel in enumerate(source.channels) if channel.pnn == label), None)
        if index is None:
            command = "cluster map" if label == CHANNEL else "cluster flock-map"
            msg = f"{name}: has no channel {label}; map it with '{command}' first"
            raise PanelError(msg)
        member = np.rint(source.events([index])[:, 0]).astype(np.int64)
        strange = set(np.unique(member).tolist()) - set(name_of)
        if strange:
            msg = (
                f"{name}: metacluster {min(strange)} is not in clusters.tsv; give the table of the model that mapped it"
            )
            raise TableError(msg)
        masks = {population: np.isin(member, numbers) for population, numbers in populations.items()}
        counts += [
            {
                "file_name": name,
                "panel_id": first[population]["panel_id"],
                "method": method,
                "population": population,
                "definition": first[population]["definition"] or first[population]["phenotype"],
                "cl_id": first[population]["cl_id"],
                "parent": "",
                "n_events": int(mask.sum()),
                "n_parent": source.n_events,
            }
            for population, mask in masks.items()
        ]
        medians += median_rows(source, name, channels[name], method, masks)
    if not any(row["n_events"] for row in counts if row["population"] == UNNAMED):
        counts = [row for row in counts if row["population"] != UNNAMED]
        medians = [row for row in medians if row["population"] != UNNAMED]
    return (
        tables.concat([pd.DataFrame(counts)] if counts else [], tables.COUNTS),
        tables.concat([pd.DataFrame(medians)] if medians else [], tables.MEDIANS),
    )


def label_channel(clusters: "pd.DataFrame") -> str:
    """Channel in which the files hold the numbers of these CLUSTERS: that of their column ``channel``, or FlowSOM's.

    Raises
    ------
    TableError
        There are several, or it is none of ours.
    """
    named = {str(name) for name in clusters["channel"].dropna()} - {""} if "channel" in clusters else set()
    found = sorted(named or {CHANNEL})
    if len(found) > 1 or found[0] not in METHODS:
        msg = (
            f"clusters.tsv: column 'channel' holds {', '.join(found)}; give the rows of one model, with one of "
            f"{', '.join(METHODS)}"
        )
        raise TableError(msg)
    return found[0]


def members(clusters: "pd.DataFrame") -> dict[str, list[int]]:
    """Metaclusters of each population of labelled CLUSTERS of one model, by the rule of `count_clusters`."""
    described = clusters.sort_values("metacluster").to_dict("records")
    signs = {int(row["metacluster"]): plain_signs(split_text(str(row["phenotype"]))) for row in described}
    found: dict[str, set[int]] = {}
    for row in described:
        number = int(row["metacluster"])
        own = found.setdefault(str(row["population"]) or UNNAMED, set())
        own.add(number)
        gates = split_text(str(row["definition"]))
        if gates:
            own |= {other for other, phenotype in signs.items() if meets_all(phenotype, gates)}
    return {name: sorted(numbers) for name, numbers in found.items()}
