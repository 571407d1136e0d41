"""FLOCK models on disk, in the form of `immport_cyto.cluster.npz`.

Entries: ``meta`` (format, version, parameters, what was found, markers, training files, group); ``mean``, ``sd`` and
``centres`` of the scaled space; ``split_*`` of the clusters that are cut in two; ``population`` of each part;
centres (``means``), ``counts`` and ``intervals`` of the populations.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster import npz
from immport_cyto.cluster.flock.fitting import Found
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.flock.profile import INTERVALS
from immport_cyto.cluster.flock.rule import Rule, Split
from immport_cyto.cluster.scale import UNKNOWN, UNSTATED, Scale
from immport_cyto.exceptions import ImmportCytoError, ModelError

FORMAT = "immport-cyto/flock"
FORMAT_VERSION = 3
"""3: with the kind of centre, and events per interval for the profiles. 2: with the scale of the training."""
PROFILES_ONLY = (
    "the model is of an older version; where its populations are merged, their profiles are made of the levels of the "
    "parts, weighted by events"
)
_WORDS = ("FLOCK", "cluster flock")

_ARRAYS = {
    "mean": "<f8",
    "sd": "<f8",
    "centres": "<f8",
    "split_cluster": "<i4",
    "split_columns": "<i4",
    "split_low": "<f8",
    "split_extent": "<f8",
    "split_centres": "<f8",
    "population": "<i4",
    "means": "<f8",
    "counts": "<i8",
    "intervals": "<i8",
}


def save(model: FLOCK, path: Path | str) -> None:
    """Write a trained model, whole or not at all."""
    meta = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "parameters": model.get_params(),
        "found": asdict(model.found_),
        "markers": model.markers,
        "training": [[name, n] for name, n in model.training],
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "warnings": model.warnings_,
        "scale": model.scale_.meta(),
    }
    rule, splits = model.rule_, list(model.rule_.splits.values())
    width = len(splits[0].columns) if splits else 0
    arrays = {
        "mean": rule.mean,
        "sd": rule.sd,
        "centres": rule.centres,
        "split_cluster": np.array(list(rule.splits), np.int32),
        "split_columns": np.array([split.columns for split in splits]).reshape(len(splits), width),
        "split_low": np.array([split.low for split in splits]).reshape(len(splits), width),
        "split_extent": np.array([split.extent for split in splits]).reshape(len(splits), width),
        "split_centres": np.array([split.centres for split in splits]).reshape(len(splits), 2, width),
        "population": rule.population,
        "means": model.centers_,
        "counts": model.counts_,
        "intervals": model.intervals_,
    }
    npz.write(path, meta, arrays, _ARRAYS)


def load(path: Path | str) -> FLOCK:
    """Read a model and check it.

    Raises
    ------
    ModelError
        The file is missing, damaged, of a newer version, or not a FLOCK model of this package.
    """
    meta, arrays = npz.read(
        path, _types, format_name=FORMAT, versions=(1, FORMAT_VERSION), what=_WORDS[0], command=_WORDS[1]
    )
    try:
        return _build(meta, arrays)
    except ModelError:
        raise
    except (
        ImmportCytoError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, IndexError
    ) as error:  # fmt: skip
        raise npz.damaged(path, error, *_WORDS) from error


def _types(version: int) -> dict[str, str]:
    """Arrays of a model of this version."""
    if version == FORMAT_VERSION:
        return _ARRAYS
    return {**{name: kind for name, kind in _ARRAYS.items() if name != "intervals"}, "profile": "<i4"}


def _build(meta: dict[str, Any], arrays: npz.Arrays) -> FLOCK:
    model = FLOCK(**meta["parameters"])
    model.check_parameters()
    model.found_ = Found(**meta["found"])
    model.markers = npz.texts(meta["markers"])
    model.training = [(str(name), int(n)) for name, n in meta["training"]]
    model.study_accession, model.panel_id = npz.texts([meta["study_accession"], meta["panel_id"]])
    model.warnings_ = npz.texts(meta["warnings"])
    if meta["version"] == 1:
        model.warnings_.append(UNKNOWN)
        model.scale_ = UNSTATED
    else:
        model.scale_ = Scale.of_meta(meta["scale"], model.markers)
    if "profile" in arrays:
        model.warnings_.append(PROFILES_ONLY)
        arrays["intervals"] = _intervals(arrays["profile"], arrays["counts"])
    _check(arrays, len(model.markers), len(set(model.markers)))
    splits = {
        int(cluster): Split(
            arrays["split_columns"][s].copy(), arrays["split_low"][s].copy(), arrays["split_extent"][s].copy(),
            arrays["split_centres"][s].copy(),
        )
        for s, cluster in enumerate(arrays["split_cluster"])
    }  # fmt: skip
    fixed = {name: arrays[name].copy() for name in ("mean", "sd", "centres", "population")}
    model.rule_ = Rule(splits=splits, **fixed)
    model.centers_, model.counts_ = arrays["means"].copy(), arrays["counts"].copy()
    model.intervals_ = arrays["intervals"].copy()
    model.n_populations_ = len(model.counts_)
    return model


def _intervals(profile: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Events per interval of a model that has the levels only: all events of a population on its level."""
    if profile.ndim != 2 or counts.shape != profile.shape[:1] or ((profile < 1) | (profile > INTERVALS)).any():
        msg = "its profile does not fit to its populations"
        raise npz.DamagedError(msg)
    return np.where(np.arange(1, INTERVALS + 1) == profile[..., None], counts[:, None, None], 0)


def _check(arrays: npz.Arrays, d: int, n_names: int) -> None:
    k, s, n = (len(arrays[name]) for name in ("centres", "split_cluster", "counts"))
    width = min(3, d) if s else 0
    shapes = {
        "mean": (d,), "sd": (d,), "centres": (k, d), "split_cluster": (s,), "split_columns": (s, width),
        "split_low": (s, width), "split_extent": (s, width), "split_centres": (s, 2, width), "population": (k + s,),
        "means": (n, d), "counts": (n,), "intervals": (n, d, INTERVALS),
    }  # fmt: skip
    if d < 2 or n_names < d or k < 1 or any(arrays[name].shape != shape for name, shape in shapes.items()):
        msg = "its arrays do not fit together"
        raise npz.DamagedError(msg)
    population, cluster, columns = (arrays[name] for name in ("population", "split_cluster", "split_columns"))
    usable = (
        all(np.isfinite(array).all() for array in arrays.values())
        and (arrays["sd"] > 0).all()
        and (arrays["split_extent"] > 0).all()
        and (np.diff(cluster) > 0).all()
        and ((cluster >= 0) & (cluster < k)).all()
        and ((columns >= 0) & (columns < d)).all()
        and np.array_equal(np.unique(population[population > 0]), np.arange(1, n + 1))
        and (population >= 0).all()
        and (arrays["counts"] >= 0).all()
        and (arrays["intervals"] >= 0).all()
        and (arrays["intervals"].sum(axis=2) == arrays["counts"][:, None]).all()
    )
    if not usable:
        msg = "it holds values that no training gives"
        raise npz.DamagedError(msg)
