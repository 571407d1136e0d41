"""FlowSOM models on disk, in the form of `immport_cyto.cluster.npz`.

Entries: ``meta`` (format, version, parameters, markers, training files, group) and the arrays ``codes``,
``metaclusters``, ``node_counts``, ``offset``, ``scale``, ``explained_variance``, ``consensus_area``,
``distance_medians``, ``distance_mads``.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import npz
from immport_cyto.cluster.model import MAX_NODES, FlowSOM
from immport_cyto.cluster.scale import UNKNOWN, UNSTATED, Scale
from immport_cyto.cluster.som import Scaling
from immport_cyto.exceptions import ImmportCytoError, ModelError

FORMAT = "immport-cyto/flowsom"
FORMAT_VERSION = 3
"""3: with the scale of the training. Version 2 is read; version 1 had no distances per node."""
OLDEST_VERSION = 2
_WORDS = ("FlowSOM", "cluster flowsom")

_ARRAYS = {
    "codes": "<f4",
    "metaclusters": "<i4",
    "node_counts": "<i8",
    "offset": "<f8",
    "scale": "<f8",
    "explained_variance": "<f8",
    "consensus_area": "<f8",
    "distance_medians": "<f8",
    "distance_mads": "<f8",
}


def save(model: FlowSOM, path: Path | str) -> None:
    """Write a trained model, whole or not at all."""
    meta = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "parameters": model.get_params(),
        "markers": model.markers,
        "training": [[name, n] for name, n in model.training],
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "quantization_error": model.quantization_error_,
        "outlier_share": model.outlier_share_,
        "warnings": model.warnings_,
        "scale": model.scale_.meta(),
    }
    arrays = {
        "codes": model.codes_,
        "metaclusters": model.metaclusters_,
        "node_counts": model.node_counts_,
        "offset": model.scaling_.offset,
        "scale": model.scaling_.scale,
        "explained_variance": model.explained_variance_,
        "consensus_area": model.consensus_area_,
        "distance_medians": model.distance_medians_,
        "distance_mads": model.distance_mads_,
    }
    npz.write(path, meta, arrays, _ARRAYS)


def load(path: Path | str) -> FlowSOM:
    """Read a model and check it.

    Raises
    ------
    ModelError
        The file is missing, damaged, of a newer or too old version, or not a model of this package.
    """
    meta, arrays = npz.read(
        path, _ARRAYS, format_name=FORMAT, versions=(OLDEST_VERSION, FORMAT_VERSION), what=_WORDS[0], command=_WORDS[1]
    )
    try:
        return _build(meta, arrays)
    except ModelError:
        raise
    except (
        ImmportCytoError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError
    ) as error:  # fmt: skip
        raise npz.damaged(path, error, *_WORDS) from error


def _build(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> FlowSOM:
    parameters = dict(meta["parameters"])
    parameters["grid"] = tuple(parameters["grid"])
    model = FlowSOM(**parameters)
    model.check_parameters()
    model.markers = npz.texts(meta["markers"])
    model.training = [(str(name), int(n)) for name, n in meta["training"]]
    model.study_accession, model.panel_id = npz.texts([meta["study_accession"], meta["panel_id"]])
    model.warnings_ = npz.texts(meta["warnings"])
    if meta["version"] < FORMAT_VERSION:
        model.warnings_.append(UNKNOWN)
        model.scale_ = UNSTATED
    else:
        model.scale_ = Scale.of_meta(meta["scale"], model.markers)
    model.quantization_error_ = float(meta["quantization_error"])
    model.outlier_share_ = float(meta["outlier_share"])
    model.codes_ = arrays["codes"].copy()
    model.metaclusters_ = arrays["metaclusters"].copy()
    model.node_counts_ = arrays["node_counts"].copy()
    model.explained_variance_ = arrays["explained_variance"].copy()
    model.consensus_area_ = arrays["consensus_area"].copy()
    model.distance_medians_ = arrays["distance_medians"].copy()
    model.distance_mads_ = arrays["distance_mads"].copy()
    model.scaling_ = Scaling(arrays["offset"].copy(), arrays["scale"].copy())
    model.n_metaclusters_ = int(model.metaclusters_.max(initial=0))
    _check(model)
    return model


def _check(model: FlowSOM) -> None:
    n, d = model.grid[0] * model.grid[1], len(model.markers)
    shapes = [
        model.codes_.shape == (n, d) and d >= 2,
        model.metaclusters_.shape == (n,),
        model.node_counts_.shape == (n,),
        model.scaling_.offset.shape == (d,),
        model.scaling_.scale.shape == (d,),
        model.explained_variance_.ndim == 1,
        model.consensus_area_.shape == model.explained_variance_.shape,
        model.distance_medians_.shape == (n,),
        model.distance_mads_.shape == (n,),
    ]
    if n > MAX_NODES or not all(shapes):
        msg = "its arrays do not fit together"
        raise npz.DamagedError(msg)
    if len(set(model.markers)) < d:
        msg = "a marker is named twice"
        raise npz.DamagedError(msg)
    present = np.unique(model.metaclusters_)
    usable = (
        np.isfinite(model.codes_).all()
        and np.abs(model.codes_).max() < 1e16
        and np.isfinite(model.scaling_.offset).all()
        and np.isfinite(model.scaling_.scale).all()
        and (model.scaling_.scale >= 1e-6).all()
        and (np.abs(model.scaling_.offset) <= 1e9).all()
        and (model.node_counts_ >= 0).all()
        and 0 < int(model.node_counts_.astype(np.float64).sum()) <= 2**53
        and all(n >= 0 for _, n in model.training)
        and 0 <= model.quantization_error_ < np.inf
        and 0 <= model.outlier_share_ <= 1
        and np.isfinite(model.explained_variance_).all()
        and np.isfinite(model.consensus_area_).all()
        and _distances(model.distance_medians_, model.node_counts_)
        and _distances(model.distance_mads_, model.node_counts_)
        and np.array_equal(present, np.arange(1, len(present) + 1))
    )
    if not usable:
        msg = "it holds values that no training gives"
        raise npz.DamagedError(msg)


def _distances(values: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether each node with events has a distance, and no other."""
    filled = counts > 0
    return bool(np.isnan(values[~filled]).all() and (values[filled] >= 0).all() and (values[filled] < 1e32).all())
