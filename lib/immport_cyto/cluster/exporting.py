"""A model as plain JSON and CSV that R, Excel and other programs read, with numbers from 1 as R counts."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.model import FlowSOM
from immport_cyto.cluster.outliers import MAD_ALLOWED, thresholds
from immport_cyto.files import write_text
from immport_cyto.tables import escape_cell

FORMAT = "immport-cyto/flowsom-export"
FORMAT_VERSION = 1


def as_dict(model: FlowSOM, names: Mapping[int, str] | None = None) -> dict[str, Any]:
    """The model as lists and numbers ready for JSON.

    ``codes`` is a list of nodes, each a list of markers, on the scale of the events; a node's metacluster is at its
    place in ``metaclusters``. In R: ``m <- jsonlite::fromJSON("model.json"); colnames(m$codes) <- m$markers``. A new
    event belongs to the nearest of ``scaled_codes`` after ``(x - offset) / scale``, the first of equals. ``transforms``
    and ``compensation`` are what the training files stated, see `immport_cyto.cluster.scale.Scale`.

    Parameters
    ----------
    model
        The model.
    names
        Names of metaclusters.
    """
    limits = thresholds(model.distance_medians_, model.distance_mads_)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "markers": model.markers,
        "grid": [int(side) for side in model.grid],
        "parameters": model.get_params(),
        "codes": _numbers(event_codes(model)),
        "scaled_codes": _numbers(model.codes_),
        "offset": _numbers(model.scaling_.offset),
        "scale": _numbers(model.scaling_.scale),
        "metaclusters": model.metaclusters_.tolist(),
        "metacluster_names": [(names or {}).get(number, "") for number in range(1, model.n_metaclusters_ + 1)],
        "node_counts": model.node_counts_.tolist(),
        "spanning_tree": (model.spanning_tree() + 1).tolist(),
        "mad_allowed": MAD_ALLOWED,
        "distance_thresholds": _numbers(np.where(limits < 0, np.nan, limits)),
        **model.scale_.meta(),
        "training": [{"file_name": name, "n_events": n} for name, n in model.training],
    }


def write_json(model: FlowSOM, path: Path, names: Mapping[int, str] | None = None) -> None:
    """Write `as_dict` as JSON; what is not a number is null."""
    write_text(path, json.dumps(as_dict(model, names), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(model: FlowSOM, path: Path, names: Mapping[int, str] | None = None) -> None:
    """Write a row per node: its place on the grid, metacluster, events and code per marker on the scale of the events.

    In R: ``read.csv("codes.csv", check.names = FALSE)``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["node", "grid_row", "grid_column", "metacluster", "population", "n_events"]
    writer.writerow([*head, *(escape_cell(marker) for marker in model.markers)])
    codes = event_codes(model)
    for node, number in enumerate(model.metaclusters_.tolist()):
        row, column = divmod(node, model.grid[1])
        name = escape_cell((names or {}).get(number, ""))
        values = [repr(float(value)) for value in codes[node]]
        writer.writerow([node + 1, row + 1, column + 1, number, name, int(model.node_counts_[node]), *values])
    write_text(path, text.getvalue())


def event_codes(model: FlowSOM) -> NDArray[np.float64]:
    """Codes (nodes x markers) on the scale of the events."""
    codes: NDArray[np.float64] = model.codes_.astype(np.float64) * model.scaling_.scale + model.scaling_.offset
    return codes


def _numbers(values: NDArray[Any]) -> list[Any]:
    """Nested lists, with the shortest text that gives the number back; None where it is not finite."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    short = [float(str(value)) for value in values]
    return [value if np.isfinite(value) else None for value in short]
