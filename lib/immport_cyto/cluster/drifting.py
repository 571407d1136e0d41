"""How files differ from the training of their model: distances to the codes, and shares of the nodes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.files import MappedFile
from immport_cyto.cluster.model import FlowSOM
from immport_cyto.cluster.outliers import MAD_ALLOWED, thresholds

if TYPE_CHECKING:
    import pandas as pd


def js_distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Jensen-Shannon distance of two compositions given as counts, 0 (equal) to 1 (nothing shared), NaN without events.

    The square root of the divergence in bits (Endres and Schindelin 2003, doi:10.1109/TIT.2003.813506).
    """
    from scipy.spatial.distance import jensenshannon

    if not first.sum() or not second.sum():
        return float("nan")
    # rounding can leave a divergence just below 0, whose root is NaN
    distance = float(jensenshannon(first.astype(np.float64), second.astype(np.float64), base=2))
    return 0.0 if np.isnan(distance) else distance


def js_by_chance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Jensen-Shannon distance to expect of two samples from the same composition, by their sizes alone.

    The divergence is about chi-squared / (8 ln 2) with as many degrees of freedom as nodes that hold events, less one.
    """
    n, m = int(first.sum()), int(second.sum())
    if not n or not m:
        return float("nan")
    occupied = int(((first + second) > 0).sum())
    return float(min(1.0, np.sqrt((occupied - 1) / (8 * np.log(2)) * (1 / n + 1 / m))))


def drift(model: FlowSOM, mapped: Mapping[str, MappedFile]) -> "pd.DataFrame":
    """``tables.DRIFT``: one row per file, with its distances and its composition against the training.

    Parameters
    ----------
    model
        The model.
    mapped
        What `map_file` gave for files mapped onto it, by file name.
    """
    import pandas as pd

    from immport_cyto import tables

    trained = {name for name, _ in model.training}
    k = model.n_metaclusters_
    expected = _by_metacluster(model, model.node_counts_)
    rows = []
    for name in sorted(mapped):
        file = mapped[name]
        found = _by_metacluster(model, file.node_counts)
        change = 100 * (found / max(file.n_events, 1) - expected / expected.sum())
        most = int(np.argmax(np.abs(change)))
        rows.append(
            {
                "study_accession": model.study_accession,
                "panel_id": model.panel_id,
                "file_name": name,
                "in_training": name in trained,
                "n_events": file.n_events,
                "n_outliers": file.n_outliers,
                "outlier_percentage": 100 * file.n_outliers / file.n_events if file.n_events else np.nan,
                "outlier_percentage_training": 100 * model.outlier_share_,
                "quantization_error": file.quantization_error,
                "quantization_error_training": model.quantization_error_,
                "js_nodes": js_distance(file.node_counts, model.node_counts_),
                "js_nodes_by_chance": js_by_chance(file.node_counts, model.node_counts_),
                "js_metaclusters": js_distance(found, expected) if k > 1 else 0.0,
                "most_changed_metacluster": most + 1 if file.n_events else None,
                "change": float(change[most]) if file.n_events else np.nan,
                "unused_markers": ";".join(file.unused),
            }
        )
    return tables.conform(pd.DataFrame(rows, columns=tables.DRIFT.column_names), tables.DRIFT)


def node_outliers(model: FlowSOM, mapped: Mapping[str, MappedFile], mad_allowed: float = MAD_ALLOWED) -> "pd.DataFrame":
    """``tables.OUTLIERS``: one row per file and node."""
    import pandas as pd

    from immport_cyto import tables

    limits = thresholds(model.distance_medians_, model.distance_mads_, mad_allowed)
    n = len(model.codes_)
    parts = [
        pd.DataFrame(
            {
                "study_accession": model.study_accession,
                "panel_id": model.panel_id,
                "file_name": name,
                "node": np.arange(1, n + 1),
                "metacluster": model.metaclusters_,
                "n_events": mapped[name].node_counts,
                "n_outliers": mapped[name].outlier_counts,
                "percentage": 100 * mapped[name].outlier_counts / np.maximum(mapped[name].node_counts, 1),
                "median_training": model.distance_medians_,
                "mad_training": model.distance_mads_,
                "threshold": np.where(limits < 0, np.nan, limits),
                "largest_distance": mapped[name].largest_distances,
            }
        )
        for name in sorted(mapped)
    ]
    return tables.concat(parts, tables.OUTLIERS)


def _by_metacluster(model: FlowSOM, node_counts: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros(model.n_metaclusters_, np.int64)
    np.add.at(counts, model.metaclusters_ - 1, node_counts)
    return counts
