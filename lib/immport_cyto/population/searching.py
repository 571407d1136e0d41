"""Guided search: count the events that a definition describes, in every file of a group."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel.boolean import Gate, markers
from immport_cyto.population.definitions import (
    Cuts,
    Gates,
    Wanted,
    check_markers,
    gates_text,
    one_group,
    panel_cuts,
    wanted,
)
from immport_cyto.population.fitting import Fitted, fit, partial
from immport_cyto.population.grouping import marker_channels

if TYPE_CHECKING:
    import pandas as pd

Levels = NDArray[np.int8]


def search(
    files: Mapping[str, Path],
    cutoffs: "pd.DataFrame",
    definitions: "pd.DataFrame",
    *,
    study_accession: str | None = None,
    panel_id: str | None = None,
    with_partial: bool = False,
    other_markers: Iterable[str] = (),
) -> tuple["pd.DataFrame", "pd.DataFrame", list[str]]:
    """Count the events of each population in each file of one group.

    An event is ``-`` for a marker at or below its cut-off and ``+`` above it; where the marker has a second cut-off,
    ``++`` is above that and ``lo`` (also ``+-`` and ``+~``) between the two. A population is the events that have all
    signs of its definition and of its parent; its fraction is that of the parent's events, or of all events of the
    file where there is no parent. A reference takes the place of the parent in the fraction; the events have its signs
    too, so that no fraction is above 1.

    Parameters
    ----------
    files
        Preprocessed FCS files of one study and panel.
    cutoffs
        CUTOFFS of the group; rows of other groups are left out by `study_accession` and `panel_id`.
    definitions
        DEFINITIONS, with optional columns ``alternatives``, ``parent_alternatives`` and ``reference``.
    with_partial
        Count what is left of a population that the panel cannot answer, without the gates that it lacks, under a name
        of its own that says so: ``NK cells (partial: without CD14-)``. The counts then have a column ``left_out``
        with these gates. A column ``partial`` of the definitions asks for it population by population. Without either
        such matches are offered in the notes only.
    other_markers
        Markers of other panels, which this one may lack; those of all groups of `cutoffs` are known anyway.

    Returns
    -------
    counts : DataFrame
        COUNTS with ``method`` "search"; ``definition`` holds all gates in the panel's own markers.
    medians : DataFrame
        MEDIANS of every marker; empty cells for a population without events.
    notes : list of str
        One list of the populations that the panel cannot answer, a line for each with the markers that are missing or
        have no cut-off and with the partial match that there is; and one sentence per population that was searched
        with other markers than its definition names.

    Raises
    ------
    DefinitionError
        A definition cannot be read, or asks for a marker that neither a panel nor the vocabulary knows.
    PanelError
        A file lacks a marker channel.
    """
    import pandas as pd

    from immport_cyto import fcs, tables

    rows = one_group(cutoffs, study_accession, panel_id)
    cuts = panel_cuts(rows)
    entries = wanted(definitions)
    check_markers(entries, {*cutoffs["marker"], *other_markers})
    label = " ".join(word for word in (str(rows["study_accession"].iloc[0]), str(rows["panel_id"].iloc[0])) if word)
    if study_accession:
        label = f"{study_accession} {rows['panel_id'].iloc[0]}"
    found, notes = fit_all(entries, cuts, label, with_partial=with_partial)
    in_part = with_partial or any(entry.with_partial for entry in entries)
    channels = marker_channels(files)
    counts: list[dict[str, Any]] = []
    medians: list[dict[str, Any]] = []
    for name in sorted(files):
        source = fcs.open(files[name])
        levels = _levels(source, name, channels[name], cuts, found)
        masks = [mask_of(levels, population.gates, source.n_events) for population in found]
        for population, mask in zip(found, masks, strict=True):
            counts.append(
                {
                    "file_name": name,
                    "panel_id": panel_id or rows["panel_id"].iloc[0],
                    "method": "search",
                    "population": population.population,
                    "definition": population.definition,
                    "cl_id": population.cl_id,
                    "parent": population.parent,
                    "n_events": int(mask.sum()),
                    "n_parent": int(mask_of(levels, population.parent_gates, source.n_events).sum()),
                }
                | ({"left_out": gates_text(population.left_out)} if in_part else {})
            )
        medians += median_rows(
            source, name, channels[name], "search", dict(zip((p.population for p in found), masks, strict=True))
        )
    return (
        tables.concat([pd.DataFrame(counts)] if counts else [], tables.COUNTS),
        tables.concat([pd.DataFrame(medians)] if medians else [], tables.MEDIANS),
        notes,
    )


def fit_all(
    entries: Iterable[Wanted], cuts: Cuts, label: str, *, with_partial: bool = False
) -> tuple[list[Fitted], list[str]]:
    """What a panel can answer, and notes on all else; `label` names the group in the notes."""
    found, impossible, notes = [], [], []
    for entry in entries:
        population, note = fit(entry, cuts)
        if population is None:
            rest = partial(entry, cuts)
            if rest is None:
                impossible.append(f"{entry.population} ({note})")
            elif with_partial or entry.with_partial:
                impossible.append(f"{entry.population} ({note}; counted in part as {rest.definition})")
                found.append(rest)
            else:
                impossible.append(f"{entry.population} ({note}; possible in part as {rest.definition})")
            continue
        found.append(population)
        if note:
            notes.append(f"{entry.population}: on {label or 'this panel'} {note}")
    if impossible:
        notes.insert(0, "\n  ".join([f"not possible on {label or 'this panel'}:", *impossible]))
    return found, notes


def _levels(
    source: Any, name: str, channels: Mapping[str, int], cuts: Cuts, found: Iterable[Fitted]
) -> dict[str, Levels]:
    """0 at or below the cut, 1 above it, 2 above the second one, for each marker that a gate asks for."""
    result: dict[str, Levels] = {}
    for marker in dict.fromkeys(name for population in found for name in markers(population.gates)):
        if marker not in channels:
            msg = (
                f"{name}: has no channel for marker {marker!r} of the cut-offs; search the files of one panel together"
            )
            raise DefinitionError(msg)
        cut, high = cuts[marker]
        result[marker] = levels_of(source.events([channels[marker]])[:, 0], cut, high)
    return result


def levels_of(values: NDArray[np.floating], cut: float | None, high: float | None) -> Levels:
    """0 at or below the cut, 1 above it, 2 above the second one."""
    level: Levels = (values > (np.inf if cut is None else cut)).astype(np.int8)
    if high is not None:
        level += values > high
    return level


def mask_of(levels: Mapping[str, Levels], gates: Gates, n_events: int) -> NDArray[np.bool_]:
    """Events that have all gates."""
    mask = np.ones(n_events, dtype=bool)
    for part in gates:
        if isinstance(part, Gate):
            mask &= _of_sign(levels[part.marker], part.sign)
        else:
            mask &= np.logical_or.reduce([mask_of(levels, option, n_events) for option in part.options])
    return mask


def _of_sign(level: Levels, sign: str) -> NDArray[np.bool_]:
    if sign == "+":
        return level > 0
    return level == {"-": 0, "++": 2}.get(sign, 1)


def median_rows(
    source: Any, name: str, channels: Mapping[str, int], method: str, masks: Mapping[str, NDArray[np.bool_]]
) -> list[dict[str, Any]]:
    """Rows of MEDIANS for one file, one column of events at a time."""
    found: dict[tuple[str, str], float | None] = {}
    for marker, channel in channels.items():
        values = source.events([channel])[:, 0]
        for population, mask in masks.items():
            inside = values[mask]
            found[population, marker] = float(np.median(inside)) if len(inside) else None
    return [
        {
            "file_name": name,
            "method": method,
            "population": population,
            "marker": marker,
            "median": found[population, marker],
        }
        for population in masks
        for marker in channels
    ]
