"""FCS to TSV, CSV, Parquet and h5ad, and back."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import InputError, OptionError, TableError
from immport_cyto.fcs import containers, delimited
from immport_cyto.fcs.description import RAW, SCALED, Description
from immport_cyto.fcs.file import open_fcs
from immport_cyto.fcs.model import Channel
from immport_cyto.fcs.writer import write
from immport_cyto.files import write_text

FORMATS = ("fcs", "tsv", "csv", "parquet", "h5ad")
_SUFFIXES = {
    ".tsv": "tsv",
    ".txt": "tsv",
    ".csv": "csv",
    ".parquet": "parquet",
    ".h5ad": "h5ad",
    ".fcs": "fcs",
    ".lmd": "fcs",
}
_DELIMITERS = {"tsv": "\t", "csv": ","}
_EVENTS = 200_000
_OURS = re.compile(r"ICYTO_P\d+[A-Z]+")


@dataclass(frozen=True)
class Converted:
    """What was written: events, columns, and what is worth a warning."""

    n_events: int
    names: tuple[str, ...]
    warnings: tuple[str, ...]


def format_of(path: Path, given: str | None = None) -> str:
    """Format of a file: the one given, else by its suffix.

    Raises
    ------
    OptionError
        The suffix says nothing.
    """
    if given:
        return given
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    found = _SUFFIXES.get(suffix.lower())
    if found is None:
        msg = f"{path}: the suffix names no format; give --from and --to (one of {', '.join(FORMATS)})"
        raise OptionError(msg)
    return found


def from_fcs(
    source: Path,
    target: Path,
    to: str,
    *,
    channels: Sequence[str] | None = None,
    raw: bool = False,
    dataset: int = 0,
    partial: bool = False,
    keywords: Path | None = None,
) -> Converted:
    """Write the events of an FCS file as a table.

    Parameters
    ----------
    to
        ``"tsv"``, ``"csv"``, ``"parquet"`` or ``"h5ad"``.
    channels
        $PnN names to write; None for all.
    raw
        Stored values instead of values on the instrument's linear scale.
    dataset, partial
        As for `open`.
    keywords
        File for channels and keywords as JSON; Parquet and h5ad hold them inside too.

    Raises
    ------
    FCSError
        The file cannot be read, or has no such channel.
    MissingExtraError
        The format needs a package that is not installed.
    """
    f = open_fcs(source, dataset, partial=partial)
    indices = list(range(f.n_channels)) if channels is None else [f.index(name) for name in channels]
    description = Description.of(f, indices, RAW if raw else SCALED)
    read = f.raw if raw else f.events

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, max(f.n_events, 1), _EVENTS):
            yield read(indices, start, start + _EVENTS)

    if to == "h5ad":
        containers.write_h5ad(target, description, np.array(read(indices)))
    elif to == "parquet":
        containers.write_parquet(target, description, blocks())
    else:
        delimited.write(target, description.names, blocks(), _DELIMITERS[to])
    if keywords is not None:
        write_text(keywords, description.to_json())
    renamed = [
        f"channel {c.number} ({c.pnn}) is column {name}, because another has that name"
        for name, c in zip(description.names, description.channels, strict=True)
        if name != c.pnn
    ]
    return Converted(f.n_events, description.names, tuple(renamed))


def to_fcs(
    source: Path, target: Path, of: str, *, channels: Sequence[str] | None = None, keywords: Path | None = None
) -> Converted:
    """Write a table of events as FCS 3.1.

    Parameters
    ----------
    of
        Format of `source`: ``"tsv"``, ``"csv"``, ``"parquet"`` or ``"h5ad"``.
    channels
        Columns to take; None for all.
    keywords
        Channels and keywords as `from_fcs` wrote them.

    Raises
    ------
    TableError
        The table cannot be read, or holds something other than numbers.
    OptionError
        It holds raw values, whose scale would be lost.
    MissingExtraError
        The format needs a package that is not installed.
    """
    if of == "parquet":
        description, values = containers.read_parquet(source)
    elif of == "h5ad":
        description, values = containers.read_h5ad(source)
    else:
        names, values = delimited.read(source, _DELIMITERS[of])
        description = Description.plain(names)
    if keywords is not None:
        description = _described(keywords, description)
    if description.values == RAW:
        msg = f"{source}: holds raw values, which FCS of floating point cannot hold as such; convert without --raw"
        raise OptionError(msg)
    if values.shape[1] != len(description.names) or not len(description.names):
        msg = f"{source}: has {values.shape[1]} columns, but {len(description.names)} are described; correct it"
        raise TableError(msg)
    indices = (
        list(range(len(description.names))) if channels is None else [_column(source, description, c) for c in channels]
    )
    chosen = [description.channels[index] for index in indices]
    keywords_kept = description.keywords
    if channels is not None:
        # roles and transforms by number, which no longer holds
        keywords_kept = {key: text for key, text in keywords_kept.items() if not _OURS.fullmatch(key)}
    write(target, values[:, indices], chosen, keywords_kept)
    return Converted(
        len(values), tuple(description.names[index] for index in indices), tuple(_doubts(values, description))
    )


def _described(keywords: Path, found: Description) -> Description:
    try:
        stored = Description.from_json(keywords.read_text(encoding="utf-8"), keywords)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{keywords}: cannot be read ({error}); check the path"
        raise InputError(msg) from error
    by_name = dict(zip(stored.names, stored.channels, strict=True))
    # a column that was added since has no description of its own
    channels = tuple(by_name.get(name, Channel(n, name)) for n, name in enumerate(found.names, 1))
    return Description(found.names, channels, stored.keywords, stored.values)


def _column(source: Path, description: Description, name: str) -> int:
    if name not in description.names:
        msg = f"{source}: there is no column {name!r}; the table has {', '.join(description.names[:8])}"
        raise TableError(msg)
    return description.names.index(name)


def _doubts(values: npt.NDArray[np.float32], description: Description) -> Iterator[str]:
    for name, column in zip(description.names, values.T, strict=True):
        missing = int((~np.isfinite(column)).sum())
        if missing:
            yield f"column {name} has {missing} values that are empty or infinite"
