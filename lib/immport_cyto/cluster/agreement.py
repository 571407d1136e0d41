"""Two clusterings of the same events: adjusted Rand index, mutual information, F1 by one-to-one matching."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs
from immport_cyto.exceptions import AnalysisError, PanelError

if TYPE_CHECKING:
    import pandas as pd

Labels = NDArray[np.int64]
_MOST = 100_000


def read_labels(name: str, path: Path, channel: str) -> Labels:
    """Labels of the events of a file; 0 and below mean none.

    Raises
    ------
    PanelError
        The file has no such channel.
    AnalysisError
        The channel does not hold whole numbers.
    """
    with fcs.open(path) as file:
        if channel not in file.names:
            msg = f"{name}: has no channel {channel}; its channels are {', '.join(file.names)}"
            raise PanelError(msg)
        values = file.events([channel])[:, 0]
    if not np.isfinite(values).all() or (values != np.trunc(values)).any() or (np.abs(values) > _MOST).any():
        what = f"{name}: channel {channel} holds values that are no labels (whole numbers up to {_MOST})"
        msg = f"{what}; name a channel of clusters"
        raise AnalysisError(msg)
    return values.astype(np.int64)


def compare_clusterings(
    labels: Mapping[str, tuple[Labels, Labels]],
    names_a: Mapping[int, str] | None = None,
    names_b: Mapping[int, str] | None = None,
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Compare two clusterings file by file and over all files.

    Parameters
    ----------
    labels
        By file name: label of each event in the first and in the second clustering. Events with a label below 1 in one
        of them (ungated, unknown) are left out and counted.
    names_a, names_b
        Names of the labels; labels of one name count as one.

    Returns
    -------
    (DataFrame, DataFrame)
        ``tables.AGREEMENT`` and ``tables.CONTINGENCY``.

    Raises
    ------
    AnalysisError
        The clusterings do not label the same events, or no event has a label in both.
    """
    import pandas as pd

    from immport_cyto import tables

    coded: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    left_out = 0
    rows: list[dict[str, Any]] = []
    for name in sorted(labels):
        a, b = labels[name]
        if len(a) != len(b):
            msg = f"{name}: {len(a)} events in the first clustering and {len(b)} in the second; compare the same events"
            raise AnalysisError(msg)
        known = (a > 0) & (b > 0)
        left_out += int((~known).sum())
        coded[name] = (_named(a[known], names_a), _named(b[known], names_b))
        rows.append({"file_name": name, "n_left_out": int((~known).sum()), **agreement(*coded[name])})
    together = tuple(np.concatenate([pair[side] for pair in coded.values()] or [np.empty(0)]) for side in (0, 1))
    if not len(together[0]):
        msg = "no event has a label in both clusterings; check the channels"
        raise AnalysisError(msg)
    rows.insert(0, {"file_name": "", "n_left_out": left_out, **agreement(*together)})
    return tables.conform(pd.DataFrame(rows), tables.AGREEMENT), _contingency(*together)


def agreement(a: NDArray[Any], b: NDArray[Any]) -> dict[str, Any]:
    """Measures of two labellings of the same events; NaN without events."""
    if not len(a):
        empty = dict.fromkeys(("ari", "nmi", "mean_f1", "weighted_f1"), float("nan"))
        return {"n_events": 0, "clusters_a": 0, "clusters_b": 0, **empty}
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    table, labels_a, labels_b = _table(a, b)
    f1, matched = match_one_to_one(table)
    best = np.array([f1[row, column] if (column := matched.get(row)) is not None else 0.0 for row in range(len(table))])
    return {
        "n_events": len(a),
        "clusters_a": len(labels_a),
        "clusters_b": len(labels_b),
        "ari": float(adjusted_rand_score(a, b)),
        "nmi": float(normalized_mutual_info_score(a, b)),
        "mean_f1": float(best.mean()),
        "weighted_f1": float(best @ table.sum(axis=1) / len(a)),
    }


def match_one_to_one(table: NDArray[np.int64]) -> tuple[NDArray[np.float64], dict[int, int]]:
    """F1 of each pair, and the one-to-one matching of rows to columns with the largest sum of F1.

    Parameters
    ----------
    table
        Events per pair of clusters.

    Returns
    -------
    (ndarray, dict)
        F1 of each pair; and the column of each row, only where they share events.
    """
    from scipy.optimize import linear_sum_assignment

    f1: NDArray[np.float64] = 2 * table / np.maximum(table.sum(axis=1)[:, None] + table.sum(axis=0), 1)
    rows, columns = linear_sum_assignment(f1, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return f1, {row: column for row, column in pairs if table[row, column] > 0}


def _named(labels: Labels, names: Mapping[int, str] | None) -> NDArray[Any]:
    if not names:
        return labels
    distinct, position = np.unique(labels, return_inverse=True)
    return np.array([names.get(int(label)) or str(label) for label in distinct], dtype=str)[position]


def _table(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.int64], Sequence[Any], Sequence[Any]]:
    labels_a, rows = np.unique(a, return_inverse=True)
    labels_b, columns = np.unique(b, return_inverse=True)
    table = np.zeros((len(labels_a), len(labels_b)), np.int64)
    np.add.at(table, (rows, columns), 1)
    return table, list(labels_a), list(labels_b)


def _contingency(a: NDArray[Any], b: NDArray[Any]) -> "pd.DataFrame":
    import pandas as pd

    from immport_cyto import tables

    table, labels_a, labels_b = _table(a, b)
    f1, matched = match_one_to_one(table)
    rows = [
        {
            "label_a": str(labels_a[row]),
            "label_b": str(labels_b[column]),
            "n_events": int(table[row, column]),
            "share_a": 100 * table[row, column] / table[row].sum(),
            "share_b": 100 * table[row, column] / table[:, column].sum(),
            "f1": f1[row, column],
            "matched": matched.get(row) == column,
        }
        for row, column in np.argwhere(table > 0).tolist()
    ]
    return tables.conform(pd.DataFrame(rows), tables.CONTINGENCY)
