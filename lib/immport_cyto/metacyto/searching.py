"""MetaCyto's three steps on the files of one panel: cut-offs, clusters with labels, and the guided search."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import AnalysisError, OptionError, PanelError
from immport_cyto.metacyto import flowsom, hierarchy, labels
from immport_cyto.metacyto.randomness import RSample
from immport_cyto.metacyto.silhouette import Split, find_cutoff
from immport_cyto.metacyto.stacking import NOT_CLUSTERED, Stack

if TYPE_CHECKING:
    import pandas as pd

METHOD = "metacyto"
CLUSTERINGS = ("flowsom", "flowhc")
SAMPLE_SIZE = 2000

_LISTED = 10  # populations in a note
_FEWEST = 2  # events of a population in a panel

Mask = NDArray[np.bool_]


def cutoff(x: NDArray[np.float64], random: RSample, sample_size: int = SAMPLE_SIZE) -> Split:
    """MetaCyto's cut-off of a marker from a random sample of its events (0: from all)."""
    if 0 < sample_size < len(x):
        x = x[random.sample(len(x), sample_size)]
    return find_cutoff(x)


def cutoffs(
    events: Stack,
    *,
    study_accession: str = "",
    panel_id: str = "",
    markers: Collection[str] | None = None,
    seed: int | RSample = 42,
    sample_size: int = SAMPLE_SIZE,
    compare: bool = True,
) -> "pd.DataFrame":
    """Cut-offs of the markers of one panel.

    Parameters
    ----------
    events
        All events of the panel.
    markers
        Only these, in the order of the panel.  Default: those that MetaCyto's examples cluster.
    seed
        As of R's ``set.seed``, for this panel alone; or an `RSample` that goes on from the panel before.
    sample_size
        Events that each cut-off is found on; 0 for all.
    compare
        Say in `note` where this project's own method finds no cut-off.

    Returns
    -------
    DataFrame
        CUTOFFS; ``evidence`` is the mean silhouette. A marker on which MetaCyto stops with an error has an empty cut.
    """
    random = seed if isinstance(seed, RSample) else RSample(seed)
    wanted = None if markers is None else {marker.upper() for marker in markers}
    rows = []
    for marker in events.clustered() if wanted is None else [m for m in events.markers if m in wanted]:
        values = events.column(marker)
        used = min(len(values), sample_size or len(values))
        row: dict[str, Any] = {
            "study_accession": study_accession, "panel_id": panel_id, "marker": marker, "cutoff": None,
            "method": METHOD, "evidence": None, "positive_fraction": None, "n_events": used, "note": "",
        }  # fmt: skip
        try:
            found = cutoff(values, random, sample_size)
        except AnalysisError as error:
            row["note"] = str(error)
        else:
            row |= {"cutoff": found.value, "evidence": found.silhouette}
            row["positive_fraction"] = float((values > found.value).mean())
            row["note"] = _doubt(values, used, compare)
        rows.append(row)
    return _as_cutoffs(rows)


def described(
    events: Stack, cuts: Mapping[str, float], *, study_accession: str = "", panel_id: str = "", compare: bool = True
) -> "pd.DataFrame":
    """CUTOFFS of the cut-offs that `search` or `label` gave, doubts in the column note."""
    rows = []
    for marker, cut in cuts.items():
        values = events.column(marker)
        rows.append({
            "study_accession": study_accession, "panel_id": panel_id, "marker": marker, "cutoff": cut, "method": METHOD,
            "evidence": None, "positive_fraction": float((values > cut).mean()), "n_events": len(values),
            "note": _doubt(values, len(values), compare),
        })  # fmt: skip
    return _as_cutoffs(rows)


def _as_cutoffs(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    from immport_cyto import tables

    return tables.conform(pd.DataFrame(rows, columns=list(tables.CUTOFFS.column_names)), tables.CUTOFFS)


def _doubt(values: NDArray[np.float64], used: int, compare: bool) -> str:
    doubts = []
    if used < len(values):
        doubts.append(f"found on a random {used:,} of {len(values):,} events; another seed gives another cut-off")
    if compare:
        from immport_cyto import population

        if population.cutoff(values).value is None:
            doubts.append("MetaCyto always cuts; the default method finds one group of events and no cut-off")
    return "; ".join(doubts)


@dataclass(frozen=True)
class Clusters:
    """Clusters of the events of one panel; those of flowhc are nested.

    Attributes
    ----------
    markers
        Markers that were clustered.
    members
        Event numbers (from 0, over the stacked files) of each cluster.
    random
        The stream of random numbers after flowsom; None for flowhc, which draws none.
    """

    markers: tuple[str, ...]
    members: list[NDArray[np.int64]] = field(default_factory=list)
    random: RSample | None = None


def cluster(
    events: Stack,
    clustering: str = "flowsom",
    *,
    exclude: Collection[str] = NOT_CLUSTERED,
    min_fraction: float = 0.05,
    n_clusters: int = flowsom.N_CLUSTERS,
    seed: int = 42,
) -> Clusters:
    """Cluster the events of a panel, on all markers but `exclude`.

    Parameters
    ----------
    clustering
        ``flowsom`` (`flow_som`, with `n_clusters` and `seed`) or ``flowhc`` (`flow_hc`, with `min_fraction`).

    Raises
    ------
    OptionError
        Unknown `clustering`.
    PanelError
        All channels are excluded.
    AnalysisError
        Too few or too many events.
    """
    if clustering not in CLUSTERINGS:
        msg = f"clustering {clustering!r} is unknown; use one of {', '.join(CLUSTERINGS)}"
        raise OptionError(msg)
    markers = events.clustered(exclude)
    if not markers:
        msg = "no channel is left to cluster; exclude fewer"
        raise PanelError(msg)
    columns = [events.markers.index(marker) for marker in markers]
    values = hierarchy.scaled(events.values[:, columns])
    if clustering == "flowhc":
        return Clusters(tuple(markers), hierarchy.flow_hc(values, min_fraction=min_fraction))
    return Clusters(tuple(markers), *flowsom.flow_som(values, n_clusters=n_clusters, seed=seed))


def label(
    events: Stack,
    clusters: Sequence[NDArray[np.int64]],
    *,
    cutoffs: Mapping[str, float] | None = None,
    exclude: Collection[str] = NOT_CLUSTERED,
    seed: int | RSample = 42,
    quantile: float = 0.95,
    min_fraction: float = 0.05,
) -> tuple[list[str], dict[str, float]]:
    """Label clusters on scaled values as MetaCyto's ``autoCluster`` does.

    Parameters
    ----------
    cutoffs
        On the transformed scale. Those of other markers are found here, on a random sample of the scaled values.

    Returns
    -------
    labels : list of str
        One per cluster; `labels.close` makes the set of them.
    cutoffs : dict
        Marker to cut-off on the transformed scale.
    """
    random = seed if isinstance(seed, RSample) else RSample(seed)
    markers = events.clustered(exclude)
    columns = [events.markers.index(marker) for marker in markers]
    values = events.values[:, columns].astype(np.float64)
    scale = hierarchy.root_mean_square(values)
    scale[scale == 0] = 1
    scaled = hierarchy.scaled(values)
    cuts: dict[str, float] = {}
    given = {} if cutoffs is None else dict(cutoffs)
    for column, marker in enumerate(markers):
        if not set(markers) <= set(given):  # one that is missing, and MetaCyto draws for all
            try:
                cuts[marker] = cutoff(scaled[:, column], random).value
            except AnalysisError:
                continue
        if marker in given:
            cuts[marker] = given[marker] / scale[column]
    found = labels.label_clusters(scaled, markers, clusters, cuts, quantile=quantile, min_fraction=min_fraction)
    return found, {marker: cuts[marker] * scale[markers.index(marker)] for marker in cuts}


def search(
    events: Stack,
    definitions: Iterable[tuple[str, str]],
    *,
    panel_id: str = "",
    cutoffs: Mapping[str, float] | None = None,
    pre_gate: str = "",
    seed: int | RSample = 42,
    sample_size: int = SAMPLE_SIZE,
) -> tuple["pd.DataFrame", "pd.DataFrame", dict[str, float], list[str]]:
    """Count the events of populations that are given by their labels.

    Parameters
    ----------
    definitions
        Pairs (name, label), such as ``("CD8 T cells", "CD3+|CD8+")``.
    cutoffs
        On the transformed scale. Those of other markers that a definition asks for are found here, in the order of the
        panel.
    pre_gate
        Only events with these signs are searched, such as ``DEAD-``; fractions stay those of all events.

    Returns
    -------
    counts, medians : DataFrame
        COUNTS and MEDIANS with method "metacyto"; medians of every channel. A population of fewer than two events in
        all files of the panel, before the pre-gate, is left out, as by MetaCyto, with a note.
    cutoffs : dict
        Marker to the cut-off that was used.
    notes : list of str
        What MetaCyto leaves out without a word.

    Raises
    ------
    DefinitionError
        A label has other signs than + and -.
    """
    import pandas as pd

    from immport_cyto import tables

    random = seed if isinstance(seed, RSample) else RSample(seed)
    notes: list[str] = []
    wanted, asked = _possible(events, definitions, notes)
    cuts: dict[str, float] = {}
    inside = whole = np.ones(len(events.values), dtype=bool)
    if pre_gate:
        gates = labels.parse(pre_gate)
        absent = [marker for marker, _ in gates if marker not in events.markers]
        if absent:
            msg = f"pre-gate {pre_gate!r}: the panel has no channel {absent[0]}; it has {', '.join(events.markers)}"
            raise PanelError(msg)
        cuts |= _cuts(events, dict.fromkeys(marker for marker, _ in gates), cutoffs, whole, random, sample_size, notes)
        missing = next((marker for marker, _ in gates if marker not in cuts), None)
        if missing is not None:
            msg = f"pre-gate {pre_gate!r}: {missing} has no cut-off; give one with cutoffs, or another pre-gate"
            raise PanelError(msg)
        inside = _mask(events, gates, cuts, whole)
    cuts |= _cuts(events, [m for m in events.markers if m in asked], cutoffs, inside, random, sample_size, notes)
    counts: list[dict[str, Any]] = []
    medians: list[dict[str, Any]] = []
    for name, text, gates in wanted:
        without = [marker for marker, _ in gates if marker not in cuts]
        if without:
            notes.append(f"{name}: marker {without[0]} has no cut-off")
            continue
        mask = _mask(events, gates, cuts, whole)
        if (found := int(mask.sum())) < _FEWEST:
            notes.append(f"{name}: {found} events in all files of the panel; MetaCyto leaves it out")
            continue
        notes += _same_size(events, name, gates, cuts, found)
        mask &= inside
        for file_name, part in events.slices().items():
            chosen = mask[part]
            common = {"file_name": file_name, "method": METHOD, "population": name}
            counts.append({
                **common, "panel_id": panel_id, "definition": text, "cl_id": "", "parent": "",
                "n_events": int(chosen.sum()), "n_parent": len(chosen),
            })  # fmt: skip
            rows = events.values[part][chosen].astype(np.float64)
            middle = np.median(rows, axis=0).tolist() if len(rows) else [None] * len(events.markers)
            medians += [
                {**common, "marker": marker, "median": value}
                for marker, value in zip(events.markers, middle, strict=True)
            ]
    return (
        tables.concat([pd.DataFrame(counts)] if counts else [], tables.COUNTS),
        tables.concat([pd.DataFrame(medians)] if medians else [], tables.MEDIANS),
        cuts,
        notes,
    )


def _possible(
    events: Stack, definitions: Iterable[tuple[str, str]], notes: list[str]
) -> tuple[list[tuple[str, str, labels.Gates]], set[str]]:
    """Populations that the panel can answer, and all markers that are asked for, also by those that it cannot."""
    wanted, impossible = [], []
    asked: set[str] = set()
    for name, text in definitions:
        if not text.strip():
            notes.append("an empty label stands for all events and is not searched")
            continue
        gates = labels.parse(text)
        asked |= {marker for marker, _ in gates}
        absent = list(dict.fromkeys(marker for marker, _ in gates if marker not in events.markers))
        if absent:
            impossible.append(f"{name} (no {', '.join(absent)})")
        else:
            wanted.append((name, text, gates))
    if impossible:
        more = f"; and {len(impossible) - _LISTED} more" if len(impossible) > _LISTED else ""
        notes.append(f"{len(impossible)} not possible on this panel: {'; '.join(impossible[:_LISTED])}{more}")
    return wanted, asked


def _cuts(
    events: Stack, asked: Collection[str], given: Mapping[str, float] | None, inside: Mask, random: RSample,
    sample_size: int, notes: list[str],
) -> dict[str, float]:  # fmt: skip
    """Cut-offs of the markers in order: the given ones, else found; with one missing, MetaCyto draws for all."""
    known = {} if given is None else dict(given)
    if set(asked) <= set(known):
        return {marker: known[marker] for marker in asked}
    cuts = {}
    for marker in asked:
        try:
            cuts[marker] = cutoff(events.column(marker)[inside], random, sample_size).value
        except AnalysisError as error:
            if marker not in known:
                notes.append(f"{marker}: {error}")
        if marker in known:
            cuts[marker] = known[marker]
    return cuts


def _mask(events: Stack, gates: labels.Gates, cuts: Mapping[str, float], inside: Mask) -> Mask:
    mask = inside.copy()
    for marker, sign in gates:
        values = events.column(marker)
        mask &= values > cuts[marker] if sign == "+" else values < cuts[marker]
    return mask


def _same_size(events: Stack, name: str, gates: labels.Gates, cuts: Mapping[str, float], found: int) -> list[str]:
    whole = np.ones(len(events.values), dtype=bool)
    sizes = {int(_mask(events, (gate,), cuts, whole).sum()) for gate in gates}
    if len(gates) > 1 and len(sizes) == 1:
        return [f"{name}: its gates select {sizes.pop()} events each, so that MetaCyto finds 0 where there are {found}"]
    return []
