"""Metaclusters of a model merged and named by a table."""

import copy
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.cluster.metacluster import number_by_size
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.exceptions import TableError

if TYPE_CHECKING:
    import pandas as pd


def merge(model: FlowSOM, merges: "pd.DataFrame") -> tuple[FlowSOM, "pd.DataFrame"]:
    """Merge metaclusters of a model, and name them.

    Metaclusters become one where the table gives them the same label in ``merge``; without a label, the same name in
    ``population``. A metacluster that is not in the table stays as it is, without a name. The merged metaclusters are
    numbered by events: 1 is the largest.

    Parameters
    ----------
    model
        The model; it is not changed.
    merges
        MERGES rows of this model.

    Returns
    -------
    (FlowSOM, DataFrame)
        The model with the merged metaclusters; codes, nodes and scaling are those of `model`. And MERGES of all its
        metaclusters with the new numbers.

    Raises
    ------
    TableError
        The table names a metacluster twice or one that the model does not have, names the parts of one metacluster
        differently, or gives the same name to metaclusters of different labels.
    """
    from immport_cyto import tables

    k = model.n_metaclusters_
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
    order = {part: position for position, part in enumerate(dict.fromkeys(parts[n] for n in sorted(parts)))}
    of_node = np.array([order[parts[int(number)]] for number in model.metaclusters_], np.int32)
    merged = copy.copy(model)
    merged.metaclusters_ = number_by_size(of_node, model.node_counts_)
    merged.n_metaclusters_ = int(merged.metaclusters_.max())
    merged.warnings_ = [*model.warnings_, f"{k} metaclusters were merged by a table into {merged.n_metaclusters_}"]
    new_number = {int(old): int(new) for old, new in zip(model.metaclusters_, merged.metaclusters_, strict=True)}
    of_part = {part: name for number, part in parts.items() if (name := names[number])}
    return merged, tables.conform(
        _frame(model, [(number, of_part.get(parts[number], ""), new_number[number]) for number in sorted(names)]),
        tables.MERGES,
    )


def merged_clusters(model: FlowSOM, merges: "pd.DataFrame") -> "pd.DataFrame":
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

    k = model.n_metaclusters_
    names = dict(zip(merges["merged_metacluster"].astype(int), merges["population"], strict=True))
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


def rows_of(model: FlowSOM, merges: "pd.DataFrame") -> "pd.DataFrame":
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


def _frame(model: FlowSOM, rows: list[tuple[int, str, int]]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["metacluster", "population", "merged_metacluster"])
    return frame.assign(study_accession=model.study_accession, panel_id=model.panel_id, merge="")
