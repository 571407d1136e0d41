"""Metaclusters of a FlowSOM model or populations of a FLOCK model, merged and named by a table."""

import copy
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock import merging as populations
from immport_cyto.cluster.flock import outputs
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.metacluster import number_by_size
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.exceptions import TableError

if TYPE_CHECKING:
    import pandas as pd

Model = TypeVar("Model", FlowSOM, FLOCK)


def merge(model: Model, merges: "pd.DataFrame", how: str = "by a table") -> "tuple[Model, pd.DataFrame]":
    """Merge metaclusters of FlowSOM or populations of FLOCK, and name them.

    They become one where the table gives them the same label in ``merge``; without a label, the same name in
    ``population``. One that is not in the table stays as it is, without a name. Merged metaclusters are numbered by
    events: 1 is the largest. Merged populations are numbered in the order of the first of their parts.

    Parameters
    ----------
    model
        The model; it is not changed.
    merges
        MERGES rows of this model.
    how
        For the warnings of the merged model.

    Returns
    -------
    (FlowSOM or FLOCK, DataFrame)
        The merged model, which maps as `model` does: codes, nodes, centres and scaling are the same. And MERGES of all
        metaclusters or populations with the new numbers; of populations with their profiles too, and with what the
        profiles of those that became one say together.

    Raises
    ------
    TableError
        The table names a metacluster twice or one that the model does not have, names the parts of one metacluster
        differently, or gives the same name to metaclusters of different labels.
    """
    import pandas as pd

    from immport_cyto import tables

    k = model.n_populations_ if isinstance(model, FLOCK) else model.n_metaclusters_
    rows = merges.to_dict("records")
    given = [int(row["metacluster"]) for row in rows]
    _check_numbers(given, k)
    names = dict.fromkeys(range(1, k + 1), "")
    parts: dict[int, tuple[str, str]] = {number: ("alone", str(number)) for number in names}
    for number, row in zip(given, rows, strict=True):
        names[number] = str(row["population"]).strip()
        merge_label = str(row["merge"]).strip()
        if merge_label:
            parts[number] = ("label", merge_label)
        elif names[number]:
            parts[number] = ("name", names[number])
    _check_names(parts, names)
    order = {part: position for position, part in enumerate(dict.fromkeys(parts[n] for n in sorted(parts)), start=1)}
    merged, new_number = _joined(model, np.array([order[parts[number]] for number in sorted(parts)], np.int32), how)
    of_part = {part: name for number, part in parts.items() if (name := names[number])}
    frame = pd.DataFrame(
        {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "metacluster": sorted(names),
            "population": [of_part.get(parts[number], "") for number in sorted(names)],
            "merge": [parts[number][1] if parts[number][0] == "label" else "" for number in sorted(names)],
            "merged_metacluster": new_number,
        }
    )
    if isinstance(model, FLOCK):
        frame["phenotype"], frame["merged_phenotype"] = _phenotypes(model, new_number)
    return merged, tables.conform(frame, tables.MERGES)


def _joined(model: Model, group: NDArray[np.int32], how: str) -> "tuple[Model, list[int]]":
    """The model with metaclusters or populations of one `group` (from 1) as one, and the new number of each."""
    if isinstance(model, FLOCK):
        return populations.join(model, group, how), group.tolist()
    merged = copy.copy(model)
    merged.metaclusters_ = number_by_size(group[model.metaclusters_ - 1], model.node_counts_)
    merged.n_metaclusters_ = n = int(merged.metaclusters_.max())
    merged.warnings_ = [*model.warnings_, f"{len(group)} metaclusters were merged {how} into {n}"]
    of_group = dict(zip(group[model.metaclusters_ - 1].tolist(), merged.metaclusters_.tolist(), strict=True))
    return merged, [of_group[number] for number in group.tolist()]


def _phenotypes(model: FLOCK, new_number: "list[int]") -> tuple[list[str], list[str]]:
    """Profile of each population, and what those of all that get its new number say clearly."""
    profiles = model.profile_.tolist()
    of_new: dict[int, list[list[int]]] = {}
    for number, levels in zip(new_number, profiles, strict=True):
        of_new.setdefault(number, []).append(levels)
    clear = {number: outputs.clear_phenotype(model.markers, levels) for number, levels in of_new.items()}
    return [outputs.phenotype(model.markers, levels) for levels in profiles], [clear[number] for number in new_number]


def merged_clusters(model: FlowSOM | FLOCK, merges: "pd.DataFrame") -> "pd.DataFrame":
    """``tables.CLUSTERS`` of a merged model with the names of the table, by the events of its training.

    Parameters
    ----------
    model
        Merged model.
    merges
        What `merge` gave with it.
    """
    import pandas as pd

    from immport_cyto import tables

    names = dict(zip(merges["merged_metacluster"].astype(int), merges["population"], strict=True))
    if isinstance(model, FLOCK):
        phenotypes = dict(zip(merges["merged_metacluster"].astype(int), merges["merged_phenotype"], strict=True))
        clusters = outputs.clusters(model, model.counts_)
        clusters["population"] = clusters["metacluster"].map(names)
        clusters["phenotype"] = clusters["metacluster"].map(phenotypes)
        return clusters
    k = model.n_metaclusters_
    counts = np.zeros(k, np.int64)
    np.add.at(counts, model.metaclusters_ - 1, model.node_counts_)
    frame = {
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "metacluster": np.arange(1, k + 1),
        "n_nodes": np.bincount(model.metaclusters_, minlength=k + 1)[1:],
        "n_events": counts,
        "fraction": counts / max(int(counts.sum()), 1),
        "population": [names.get(number, "") for number in range(1, k + 1)],
    }
    return tables.conform(pd.DataFrame(frame), tables.CLUSTERS)


def rows_of(model: FlowSOM | FLOCK, merges: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a table that are about this model: those that name its study and panel, or none."""
    study = merges["study_accession"].isin(["", model.study_accession])
    return merges[study & merges["panel_id"].isin(["", model.panel_id])]


def _check_numbers(given: list[int], k: int) -> None:
    twice = sorted({number for number in given if given.count(number) > 1})
    if twice:
        msg = f"metacluster {twice[0]} has two rows in the table of merges; give each one row"
        raise TableError(msg)
    strange = [number for number in given if not 1 <= number <= k]
    if strange:
        msg = f"the table of merges names metacluster {strange[0]}; the model has 1 to {k}"
        raise TableError(msg)


def _check_names(parts: dict[int, tuple[str, str]], names: dict[int, str]) -> None:
    """One name per merged metacluster, and one merged metacluster per name."""
    of_part: dict[tuple[str, str], str] = {}
    of_name: dict[str, tuple[str, str]] = {}
    for number, part in parts.items():
        name = names[number]
        if not name:
            continue
        if of_part.setdefault(part, name) != name:
            msg = f"merge {part[1]!r} has two names, {of_part[part]!r} and {name!r}; give its metaclusters one name"
            raise TableError(msg)
        if of_name.setdefault(name, part) != part:
            msg = f"name {name!r} belongs to metaclusters of different merges; give them one merge label or two names"
            raise TableError(msg)
