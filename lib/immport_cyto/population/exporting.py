"""Populations and samples as one AnnData file (h5ad), under the names that CATALYST has for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.exceptions import LinkError, TableError
from immport_cyto.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

# CATALYST's names of what a samples table has too
_NAMES = {"subject_accession": "patient_id", "arm_name": "condition"}


def export(
    populations: "pd.DataFrame", samples: "pd.DataFrame", path: Path, medians: "pd.DataFrame | None" = None
) -> tuple[int, int]:
    """Write one AnnData file of all samples and populations.

    ``X`` holds fractions, samples (FCS files) x populations, NaN where a file has no such population. ``obs`` has the
    columns of the samples, with CATALYST's ``sample_id``, ``patient_id``, ``condition`` and ``n_cells`` (of the largest
    parent); ``var`` has ``cluster_id``, ``method``, ``definition``, ``cl_id`` and ``parent``. Layers: ``n_cells``,
    ``n_parent`` and, of each marker of `medians`, ``median <marker>``, with ``|`` for a slash in its name.

    Parameters
    ----------
    populations, samples
        POPULATIONS and SAMPLES.
    path
        File to write.
    medians
        MEDIANS of the populations.

    Returns
    -------
    (int, int)
        Samples and populations.

    Raises
    ------
    MissingExtraError
        The package anndata is not installed.
    LinkError
        A file has no row in `samples`.
    TableError
        There is no row, or a file has a population twice.
    """
    import pandas as pd

    from immport_cyto import tables
    from immport_cyto.fcs.containers import import_extra, text_as_objects

    anndata = import_extra("anndata", "anndata")
    populations = tables.conform(populations, tables.POPULATIONS, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    if not len(populations):
        msg = "populations.tsv: there are no rows; count populations first"
        raise TableError(msg)
    twice = populations.duplicated(list(tables.POPULATIONS.key))
    if bool(twice.any()):
        row = populations[twice].iloc[0]
        msg = f"populations.tsv: file {row['file_name']!r} has population {row['population']!r} twice; keep one"
        raise TableError(msg)
    unknown = sorted(set(populations["file_name"]) - set(samples["file_name"]))
    if unknown:
        msg = f"{unknown[0]}: has no row in samples.tsv; give the samples table of the same run"
        raise LinkError(msg)
    several = len(set(populations["method"])) > 1
    files, names = sorted(set(populations["file_name"])), _names(populations, several)
    wide = _Wide(files, sorted(set(names)))
    layers = {
        layer: wide.array(populations["file_name"], names, populations[column])
        for layer, column in (("n_cells", "n_events"), ("n_parent", "n_parent"))
    }
    if medians is not None:
        medians = tables.conform(medians, tables.MEDIANS, source="medians.tsv")
        of = _names(medians, several)
        known = medians["file_name"].isin(files) & of.isin(wide.populations)
        for marker, rows in medians[known].groupby("marker", sort=True):
            layers[f"median {marker}".replace("/", "|")] = wide.array(rows["file_name"], of[rows.index], rows["median"])
    X = wide.array(populations["file_name"], names, populations["fraction"])
    with text_as_objects(), atomic_path(path) as temporary:
        data = anndata.AnnData(
            X=X, obs=_samples(samples, files, layers["n_parent"]), var=_described(populations, names, wide.populations),
            layers=layers, uns={"immport-cyto": "populations 1"},
        )  # fmt: skip
        data.obs.index = pd.Index(files, dtype=object, name="file_name")
        data.write_h5ad(temporary, compression="gzip")
    return len(files), len(wide.populations)


class _Wide:
    """Long columns as samples x populations."""

    def __init__(self, files: list[str], populations: list[str]) -> None:
        self.files = {name: place for place, name in enumerate(files)}
        self.populations = {name: place for place, name in enumerate(populations)}

    def array(self, files: "pd.Series", names: "pd.Series", values: "pd.Series") -> Any:
        found = np.full((len(self.files), len(self.populations)), np.nan)
        at = files.map(self.files).to_numpy(), names.map(self.populations).to_numpy()
        found[at] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return found


def _names(table: "pd.DataFrame", several: bool) -> "pd.Series":
    """Name of a population, with its method where there are several."""
    return table["method"] + ": " + table["population"] if several else table["population"]


def _samples(samples: "pd.DataFrame", files: list[str], n_parent: Any) -> "pd.DataFrame":
    """Columns with a value, numbers as numbers and all else as text."""
    import pandas as pd

    from immport_cyto import tables

    rows = samples.set_index("file_name").loc[files]
    text = tables.to_text(rows)
    columns: dict[str, Any] = {}
    for name in rows.columns:
        if (text[name] == "").all():
            continue
        is_number = pd.api.types.is_numeric_dtype(rows[name]) and not pd.api.types.is_bool_dtype(rows[name])
        values = rows[name].to_numpy(dtype=np.float64, na_value=np.nan) if is_number else text[name].astype(object)
        columns[_NAMES.get(str(name), str(name))] = values
    largest = np.where(np.isnan(n_parent), 0, n_parent).max(axis=1)
    return pd.DataFrame({**columns, "n_cells": largest}, index=pd.Index(files, dtype=object))


def _described(populations: "pd.DataFrame", names: "pd.Series", order: dict[str, int]) -> "pd.DataFrame":
    import pandas as pd

    def all_of(column: str) -> list[str]:
        found = populations[column].groupby(names).agg(lambda texts: "; ".join(sorted(set(texts) - {""})))
        return [str(found[name]) for name in order]

    method = dict(zip(names, populations["method"], strict=True))
    columns = {"cluster_id": list(order), "method": [method[name] for name in order]}
    columns |= {column: all_of(column) for column in ("definition", "cl_id", "parent")}
    return pd.DataFrame(columns, index=pd.Index(list(order), dtype=object), dtype=object)
