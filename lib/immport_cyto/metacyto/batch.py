"""MetaCyto's autoCluster on the files of one panel, in the tables of this project."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import PanelError
from immport_cyto.metacyto import labels as texts
from immport_cyto.metacyto.flowsom import N_CLUSTERS
from immport_cyto.metacyto.randomness import RSample
from immport_cyto.metacyto.searching import METHOD, cluster, label
from immport_cyto.metacyto.stacking import NOT_CLUSTERED, Stack, stack

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AutoClustered:
    """Clusters of one panel.

    Attributes
    ----------
    labels
        Set of the labels, closed, in the order in which they were found.
    clusters
        CLUSTERS: ``phenotype`` is the label; nested clusters share events.
    cutoffs
        CUTOFFS that the labels were made with.
    members
        MEMBERS; empty where not asked for.
    notes
        What weakens the result.
    """

    labels: list[str]
    clusters: "pd.DataFrame"
    cutoffs: "pd.DataFrame"
    members: "pd.DataFrame"
    notes: list[str]


def auto_cluster(
    files: Mapping[str, Path],
    *,
    study_accession: str = "",
    panel_id: str = "",
    clustering: str = "flowsom",
    n_clusters: int = N_CLUSTERS,
    channel: str | None = None,
    cutoffs: Mapping[str, float] | None = None,
    exclude: Collection[str] = NOT_CLUSTERED,
    seed: int | RSample = 42,
    quantile: float = 0.95,
    min_fraction: float = 0.05,
    with_members: bool = True,
) -> AutoClustered:
    """Cluster the preprocessed files of one panel and label the clusters.

    Parameters
    ----------
    clustering
        ``flowsom`` (MetaCyto's flowSOM.MC, its default) or ``flowhc``.
    n_clusters
        Clusters of flowsom.
    channel
        Label the clusters that this channel numbers instead.
    cutoffs
        On the transformed scale; default: found on a random sample.

    Raises
    ------
    PanelError
        A file lacks `channel`, or files differ in their channels.
    AnalysisError
        Too many events for flowhc, or fewer than 100 for flowsom.
    """
    import pandas as pd

    from immport_cyto import tables

    events = stack(files)
    if channel is None:
        found = cluster(
            events, clustering, exclude=exclude, min_fraction=min_fraction, n_clusters=n_clusters,
            seed=42 if isinstance(seed, RSample) else seed,
        )  # fmt: skip
        members, seed = found.members, found.random or seed
    else:
        members = _numbered(events, channel)
        # channels that an earlier clustering added are no markers
        exclude = [*exclude, *(name for name in events.markers if name.startswith(("FLOWSOM_", "FLOCK_")))]
    signs, cuts = label(
        events, members, cutoffs=cutoffs, exclude=exclude, seed=seed, quantile=quantile, min_fraction=min_fraction
    )
    closed = texts.close(signs)
    identity = {"study_accession": study_accession, "panel_id": panel_id}
    clusters = pd.DataFrame({
        **identity, "metacluster": np.arange(1, len(members) + 1), "n_nodes": None,
        "n_events": [len(one) for one in members], "fraction": [len(one) / len(events.values) for one in members],
        "phenotype": signs, "population": signs, "definition": signs,
    })  # fmt: skip
    used = pd.DataFrame({
        **identity, "marker": list(cuts), "cutoff": list(cuts.values()), "method": METHOD, "evidence": None,
        "positive_fraction": None, "n_events": None,
    })  # fmt: skip
    return AutoClustered(
        closed,
        tables.concat([clusters], tables.CLUSTERS),
        tables.concat([used], tables.CUTOFFS),
        tables.concat([_members(events, members, identity)] if with_members else [], tables.MEMBERS),
        _notes(signs, closed, len(events.values), random=cutoffs is None),
    )


def _numbered(events: Stack, channel: str) -> list[NDArray[np.int64]]:
    if channel.upper() not in events.markers:
        msg = f"{events.file_names[0]}: has no channel {channel}; cluster the files first, with cluster flowsom"
        raise PanelError(msg)
    numbers = np.rint(events.column(channel.upper())).astype(np.int64)
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]


def _members(events: Stack, members: list[NDArray[np.int64]], identity: Mapping[str, str]) -> "pd.DataFrame":
    import pandas as pd

    sizes = [len(one) for one in members]
    place = np.concatenate(members) if members else np.empty(0, np.int64)
    starts = np.concatenate([[0], np.cumsum(events.counts)])
    file = np.searchsorted(starts, place, side="right") - 1
    return pd.DataFrame({
        **identity, "cluster": np.repeat(np.arange(1, len(members) + 1), sizes),
        "file_name": np.asarray(events.file_names, dtype=object)[file], "event": place - starts[file] + 1,
    })  # fmt: skip


def _notes(found: list[str], closed: list[str], n_events: int, *, random: bool) -> list[str]:
    notes = []
    if random and n_events > 2000:
        notes.append("the cut-offs are found on 2,000 random events: another seed gives other labels")
    if "" in found:
        notes.append(f"{found.count('')} clusters have no sign; their empty label is not searched")
    if added := len(closed) - len(dict.fromkeys(found)):
        notes.append(f"{added} labels are not of a cluster but follow from two that differ in one sign")
    return notes


def unite(labels: Iterable[Iterable[str]]) -> "pd.DataFrame":
    """DEFINITIONS of the labels of all panels, without repeats; the empty label is left out."""
    import pandas as pd

    from immport_cyto import tables

    names = [name for name in dict.fromkeys(one for part in labels for one in part) if name]
    frame = pd.DataFrame({"population": names, "definition": names})
    return tables.conform(frame, tables.DEFINITIONS)
