"""Events in Parquet and h5ad, with channels and keywords inside; both need an extra."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import MissingExtraError, TableError
from immport_cyto.fcs.description import Description, unique
from immport_cyto.files import atomic_path

_KEY = "immport-cyto"


def import_extra(package: str, extra: str) -> Any:
    """Import a package that an extra brings."""
    try:
        import_module(f"{package}.parquet" if package == "pyarrow" else package)
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, extra) from error


@contextmanager
def text_as_objects() -> Iterator[None]:
    """Keep pandas from turning text into its string type: anndata up to 0.12 cannot write what pandas 3 makes."""
    import pandas as pd

    with warnings.catch_warnings():
        # pandas 3 announces the end of the option at each change; every other warning is shown
        warnings.filterwarnings("ignore", "The 'future.infer_string' option is deprecated", DeprecationWarning)
        with pd.option_context("future.infer_string", False):
            yield


def write_parquet(path: Path, description: Description, blocks: Iterable[npt.NDArray[Any]]) -> None:
    """One column per channel; the description is the metadata ``immport-cyto`` of the schema."""
    pa = import_extra("pyarrow", "parquet")
    metadata = {_KEY: description.to_json()}
    with atomic_path(path) as temporary:
        writer = None
        for block in blocks:
            schema = pa.schema(
                [(name, pa.from_numpy_dtype(block.dtype)) for name in description.names], metadata=metadata
            )
            writer = writer or pa.parquet.ParquetWriter(temporary, schema, compression="zstd")
            columns = [pa.array(np.ascontiguousarray(column)) for column in block.T]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        if writer is not None:
            writer.close()


def read_parquet(path: Path) -> tuple[Description, npt.NDArray[np.float32]]:
    """The events, and the description where the file has one; else its columns are the channels.

    Raises
    ------
    TableError
        Not a Parquet file, or a column holds no numbers.
    """
    pa = import_extra("pyarrow", "parquet")
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); check the format"
        raise TableError(msg) from error
    for field in table.schema:
        if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
            msg = f"{path}: column {field.name!r} holds {field.type}, no numbers; leave it out"
            raise TableError(msg)
    values = np.empty((table.num_rows, table.num_columns), np.float32)
    for index, column in enumerate(table.columns):
        values[:, index] = column.to_numpy()
    stored = (table.schema.metadata or {}).get(_KEY.encode())
    described = Description.from_json(stored, path) if stored else Description.plain(unique(table.column_names))
    return described, values


def write_h5ad(path: Path, description: Description, values: npt.NDArray[Any]) -> None:
    """AnnData: ``X`` events x channels, ``var`` the channels, ``uns["fcs"]`` the description."""
    anndata = import_extra("anndata", "anndata")
    import pandas as pd

    with text_as_objects(), atomic_path(path) as temporary:
        channels = pd.DataFrame(
            {
                "pnn": [c.pnn for c in description.channels],
                "pns": [c.pns for c in description.channels],
                "range": [np.nan if c.scaled_range is None else c.scaled_range for c in description.channels],
            },
            index=pd.Index(description.names, dtype=object),
        )
        events = pd.DataFrame(index=pd.Index([str(number) for number in range(len(values))], dtype=object))
        data = anndata.AnnData(X=values, obs=events, var=channels, uns={"fcs": description.to_json()})
        data.write_h5ad(temporary, compression="gzip")


def read_h5ad(path: Path) -> tuple[Description, npt.NDArray[np.float32]]:
    """The events, and the description where the file has one; else ``var_names`` (and ``var["pns"]``) are the channels.

    Raises
    ------
    TableError
        Not an h5ad file, or one without events.
    """
    anndata = import_extra("anndata", "anndata")
    try:
        data = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path}: cannot be read as h5ad ({str(error).splitlines()[0]}); check the format"
        raise TableError(msg) from error
    if data.X is None:
        msg = f"{path}: has no X; the events must stand there"
        raise TableError(msg)
    dense = data.X.toarray() if hasattr(data.X, "toarray") else data.X
    stored = data.uns.get("fcs")
    if isinstance(stored, str):
        described = Description.from_json(stored, path)
    else:
        stains = [str(stain) for stain in data.var["pns"]] if "pns" in data.var else []
        described = Description.plain(unique([str(name) for name in data.var_names]), stains)
    return described, np.asarray(dense, np.float32)
