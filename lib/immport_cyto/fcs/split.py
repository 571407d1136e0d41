"""One FCS file into many: by a channel of labels, or pieces of equal size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import AnalysisError, OptionError, OutputExistsError
from immport_cyto.fcs.file import FCSFile, open_fcs
from immport_cyto.fcs.merge import FILE_CHANNEL_STAIN, MERGED
from immport_cyto.fcs.outputs import file_part, output_path
from immport_cyto.fcs.writer import write

SPLIT = "ICYTO_SPLIT"
# above this a channel is a measurement, not a label
_MAX_PARTS = 1000


@dataclass(frozen=True)
class _Part:
    file_name: str
    value: int
    chosen: npt.NDArray[np.intp] | slice


def split(
    name: str,
    source: Path,
    folder: Path,
    *,
    by: str | None = None,
    n_events: int | None = None,
    dataset: int = 0,
    partial: bool = False,
) -> list[dict[str, Any]]:
    """Write the events of a file into several, each with all keywords and ``ICYTO_SPLIT``.

    Parameters
    ----------
    name
        Name of the file.
    by
        Channel with whole numbers, such as a cluster: one file per number. For the channel that `merge` added, the
        files get their names back and the channel is left out.
    n_events
        Instead: pieces of so many events, in order.

    Returns
    -------
    list of dict
        ``file_name`` (on disk `immport_cyto.fcs.outputs.file_part` of it), ``value`` (of the channel, or number of the
        piece) and ``n_events``.

    Raises
    ------
    OptionError
        Neither or both of `by` and `n_events` are given, or `n_events` is below 1.
    FCSError
        There is no such channel.
    AnalysisError
        The channel does not hold whole numbers, or too many different ones.
    OutputExistsError
        Two parts would have the same name, or that of the file.
    """
    if (by is None) == (n_events is None) or (n_events is not None and n_events < 1):
        msg = "give either a channel to split by (--by) or a number of events of 1 or more (--events)"
        raise OptionError(msg)
    f = open_fcs(source, dataset, partial=partial)
    stem = name.rpartition(".")[0] or name
    values = f.events()
    keep = list(range(f.n_channels))
    if by is None:
        parts = _pieces(stem, f.n_events, n_events or 1)
    else:
        column = f.index(by)
        merged = _merged_names(f, column)
        parts = _by_label(stem, by, _labels(name, by, values[:, column]), merged)
        if merged:
            keep.remove(column)
    targets = [output_path(folder, part.file_name, [source]) for part in parts]
    if len(set(targets)) < len(targets):
        msg = f"{name}: two parts would be written under the same name; rename the files before merging them"
        raise OutputExistsError(msg)
    rows = []
    for target, part in zip(targets, parts, strict=True):
        record = json.dumps({"file": name, "by": by, "value": part.value, "n_events_in": f.n_events}, sort_keys=True)
        keywords = {key: text for key, text in f.keywords.items() if key != MERGED} | {SPLIT: record}
        events = values[part.chosen][:, keep]
        write(target, events, [f.channels[index] for index in keep], keywords)
        rows.append({"file_name": part.file_name, "value": part.value, "n_events": len(events)})
    return rows


def _pieces(stem: str, n_events: int, size: int) -> list[_Part]:
    starts = range(0, max(n_events, 1), size)
    width = max(len(str(len(starts))), 3)
    return [
        _Part(f"{stem}_part-{number:0{width}d}.fcs", number, slice(start, start + size))
        for number, start in enumerate(starts, 1)
    ]


def _by_label(stem: str, by: str, labels: npt.NDArray[np.int64], names: Mapping[int, str]) -> list[_Part]:
    order = np.argsort(labels, kind="stable")
    distinct, starts = np.unique(labels[order], return_index=True)
    pieces = np.split(order, starts[1:]) if len(distinct) else []
    return [
        _Part(names.get(label, f"{stem}_{file_part(by)}-{label}.fcs"), label, piece)
        for label, piece in zip(distinct.tolist(), pieces, strict=True)
    ]


def _labels(name: str, by: str, column: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    if not np.isfinite(column).all() or (column != np.trunc(column)).any():
        msg = f"{name}: channel {by} holds values that are no whole numbers; split by a channel of labels"
        raise AnalysisError(msg)
    labels = column.astype(np.int64)
    number = len(np.unique(labels))
    if number > _MAX_PARTS:
        msg = (
            f"{name}: channel {by} holds {number} different numbers; split by a channel of at most {_MAX_PARTS} labels"
        )
        raise AnalysisError(msg)
    return labels


def _merged_names(f: FCSFile, column: int) -> dict[int, str]:
    """Names by number where the channel is the one that `merge` added as the last."""
    if MERGED not in f.keywords or f.channels[column].pns != FILE_CHANNEL_STAIN:
        return {}
    try:
        names = [str(entry["name"]) for entry in json.loads(f.keywords[MERGED])]
    except (ValueError, TypeError, KeyError):
        return {}
    return {number: name if name.lower().endswith(".fcs") else f"{name}.fcs" for number, name in enumerate(names, 1)}
