"""What FLOCK reads: preprocessed FCS files, and tab-separated tables of numbers as the old suite made them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from immport_cyto import fcs
from immport_cyto.cluster.opened import markers_of, type_markers
from immport_cyto.cluster.scale import UNSTATED, Scale
from immport_cyto.events.keywords import is_preprocessed
from immport_cyto.exceptions import InputError, PanelError, TableError
from immport_cyto.files import atomic_path

POPULATION_CHANNEL = "FLOCK_population"
TIME = "Time"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """One file of events; nothing of it stays open.

    Attributes
    ----------
    name, path
        Name that results are kept by, and where the file is.
    kind
        ``"fcs"`` or ``"text"``.
    n_events
        Events in the file.
    columns : dict of str to int
        Column or channel (0-based) of each marker that can be clustered on.
    types : frozenset of str or None
        Markers of class type; None where the file does not say.
    scale : Scale
        What the file says of transforms and compensation; of a table nothing.
    preprocessed
        Whether it was written by this package, or is a table.
    repeated : dict of str to str
        Markers that several channels measure, with the names of the channels.
    """

    name: str
    path: Path
    kind: Literal["fcs", "text"]
    n_events: int
    columns: dict[str, int]
    types: frozenset[str] | None = None
    scale: Scale = UNSTATED
    preprocessed: bool = True
    repeated: dict[str, str] = field(default_factory=dict)

    def check(self, markers: Sequence[str]) -> None:
        """Raise a PanelError where a marker is not in the file."""
        missing = [marker for marker in markers if marker not in self.columns]
        if missing:
            msg = (
                f"{self.name}: marker {', '.join(missing)} is not in the file "
                f"(it has {', '.join(self.columns) or 'no marker'}); use files of the same panel"
            )
            raise PanelError(msg)

    def read(self, markers: Sequence[str]) -> NDArray[np.floating]:
        """Events x markers: float32 of an FCS file, float64 of a table.

        Raises
        ------
        PanelError
            A marker is not in the file.
        TableError
            A row of the table has another number of cells than the header, or a cell that is no number.
        """
        self.check(markers)
        chosen = [self.columns[marker] for marker in markers]
        if self.kind == "text":
            return np.ascontiguousarray(_numbers(self.path)[:, chosen])
        with fcs.open(self.path) as file:
            return np.ascontiguousarray(file.events(chosen))


def kind_of(path: Path) -> Literal["fcs", "text"]:
    """Whether a file is FCS (also compressed by gzip) or text, by its first bytes."""
    try:
        with path.open("rb") as stream:
            start = stream.read(3)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); check the path"
        raise InputError(msg) from error
    return "fcs" if start == b"FCS" or start[:2] == _GZIP else "text"


def open_source(name: str, path: Path) -> Source:
    """See what is in a file.

    Raises
    ------
    FCSError
        An FCS file cannot be read.
    TableError
        The first line of a table is not a header of different names, separated by tabs.
    """
    path = Path(path)
    if kind_of(path) == "text":
        columns = _columns(path)
        with path.open(encoding="utf-8-sig") as lines:
            return Source(name, path, "text", sum(1 for line in lines if line.strip()) - 1, columns)
    with fcs.open(path) as file:
        channels, repeated = markers_of(file)
        return Source(
            name, path, "fcs", file.n_events, channels, type_markers(file, channels), Scale.of_file(file, channels),
            is_preprocessed(file.keywords), repeated,
        )  # fmt: skip


def open_sources(files: Mapping[str, Path]) -> list[Source]:
    """Sources in order of their names."""
    return [open_source(name, files[name]) for name in sorted(files)]


def choose_markers(sources: Sequence[Source], wanted: Sequence[str] | None = None) -> list[str]:
    """Markers to cluster on.

    Those asked for, in any spelling; else the markers of class type that all files have, or all that all files have
    where fewer than two are of that class. Markers of tables keep the order of the first table, which for FLOCK 2 can
    decide between equals; those of FCS files are in alphabetical order.

    Raises
    ------
    PanelError
        The files have no marker in common, or one lacks a marker asked for.
    """
    first = sources[0]
    if wanted is not None:
        from immport_cyto import panel

        names = [
            name if name in first.columns else panel.resolve(name, first.columns) or name
            for name in dict.fromkeys(wanted)
        ]
        for source in sources:
            if lacking := next((name for name in names if name not in source.columns), None):
                msg = (
                    f"{source.name}: marker {lacking} is not in the file (it has "
                    f"{', '.join(source.columns) or 'no marker'}); take it off the list of markers or leave out the "
                    "file"
                )
                raise PanelError(msg)
        return list(dict.fromkeys(names))
    common = list(first.columns)
    for source in sources:
        if not any(marker in source.columns for marker in common):
            msg = (
                f"{source.name}: no marker in common with the files before it "
                f"({', '.join(list(source.columns)[:6]) or 'it has no marker'}); cluster files of one panel together"
            )
            raise PanelError(msg)
        common = [marker for marker in common if marker in source.columns]
    stated = [source.types for source in sources if source.types is not None]
    typed = [marker for marker in common if all(marker in types for types in stated)]
    chosen = typed if len(typed) >= 2 else common
    return chosen if first.kind == "text" else sorted(chosen)


def write_table(source: Source, target: Path, populations: NDArray[np.integer]) -> None:
    """Copy a table, its cells as they are, with the population of each event as the last column."""
    with (
        source.path.open(encoding="utf-8") as lines,
        atomic_path(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as out,
    ):
        names = _cells(next(lines))
        kept = [j for j, name in enumerate(names) if name != POPULATION_CHANNEL]
        out.write("\t".join([*(names[j] for j in kept), POPULATION_CHANNEL]) + "\n")
        events_ = (_cells(line) for line in lines if line.strip())
        for cells, population in zip(events_, populations.tolist(), strict=True):
            out.write("\t".join([*(cells[j] for j in kept), str(population)]) + "\n")


def _cells(line: str) -> list[str]:
    return line.rstrip("\n").split("\t")


def read_numbers(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """A table of numbers: the names of its columns, and its cells.

    Raises
    ------
    TableError
        See `open_source` and `Source.read`.
    """
    return read_header(path), _numbers(path)


def _columns(path: Path) -> dict[str, int]:
    """Columns that can be clustered on: not the time, and not the populations of an earlier run."""
    return {name: j for j, name in enumerate(read_header(path)) if name not in (TIME, POPULATION_CHANNEL)}


def read_header(path: Path) -> list[str]:
    """Names of the columns of a table.

    Raises
    ------
    TableError
        See `open_source`.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            names = [name.strip().strip('"') for name in _cells(next(lines, ""))]  # R quotes names
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); check the path"
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: is neither an FCS file nor a text table; give one of them"
        raise TableError(msg) from error
    if not any(names):
        msg = f"{path}: the first line is empty; give a header with the names of the markers, separated by tabs"
        raise TableError(msg)
    if all(_is_number(name) for name in names):
        msg = f"{path}: the first line holds numbers; give a header with the names of the markers before it"
        raise TableError(msg)
    if len(names) == 1 and any(mark in names[0] for mark in ",; "):
        msg = f"{path}: the header has one column ({names[0][:40]}); separate the columns by tabs"
        raise TableError(msg)
    if "" in names or len(set(names)) < len(names):
        wrong = "is empty" if "" in names else "comes twice"
        name = "" if "" in names else next(f" {name}" for name in names if names.count(name) > 1)
        msg = f"{path}: the column name{name} {wrong} in the header; give each column a name of its own"
        raise TableError(msg)
    return names


def _numbers(path: Path) -> NDArray[np.float64]:
    """All cells below the header."""
    with path.open(encoding="utf-8-sig") as lines:
        n_columns = len(_cells(next(lines)))
        body = (line for line in lines if line.strip())
        first = next(body, None)
        if first is None:
            return np.empty((0, n_columns))
        try:
            table = np.loadtxt(_chain(first, body), delimiter="\t", ndmin=2, comments=None)
        except ValueError as error:
            raise _bad_row(path, n_columns) from error
    if table.shape[1] != n_columns:
        raise _bad_row(path, n_columns)
    return table


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _bad_row(path: Path, n_columns: int) -> TableError:
    """What is wrong with the first row that cannot be read."""
    with path.open(encoding="utf-8-sig") as lines:
        names = _cells(next(lines))
        for number, line in enumerate(lines, 2):
            cells = _cells(line)
            if line.strip() and len(cells) != n_columns:
                return TableError(
                    f"{path}: line {number} has {len(cells)} cells, the header {n_columns}; correct the line"
                )
            for name, cell in zip(names, cells, strict=False):
                if line.strip() and not _is_number(cell):
                    return TableError(
                        f"{path}: column {name!r} holds {cell[:40]!r} in line {number}, which is not a number; "
                        "correct the cell or leave the column out"
                    )
    return TableError(f"{path}: cannot be read as a table of numbers; write it again")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
