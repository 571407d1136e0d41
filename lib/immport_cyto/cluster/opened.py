"""Preprocessed FCS files as clustering sees them: markers, their classes and scale, and which to cluster on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from immport_cyto import fcs
from immport_cyto.cluster.scale import Scale, listed, some_markers
from immport_cyto.cluster.source import Float32, Part, Reader
from immport_cyto.events.keywords import is_preprocessed, marker_channels
from immport_cyto.exceptions import PanelError

if TYPE_CHECKING:
    from immport_cyto.fcs import FCSFile


class _Known(Protocol):
    """What remarks on a training file are made of; FlowSOM and FLOCK open files each in its own way."""

    @property
    def name(self) -> str: ...
    @property
    def n_events(self) -> int: ...
    @property
    def columns(self) -> Mapping[str, int]: ...
    @property
    def types(self) -> frozenset[str] | None: ...
    @property
    def preprocessed(self) -> bool: ...
    @property
    def repeated(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Opened:
    """What has to be known of a file to read its markers; the file itself is closed."""

    name: str
    path: Path
    n_events: int
    columns: dict[str, int]
    types: frozenset[str] | None
    """Markers of class type; None where the file does not say."""
    scale: Scale
    preprocessed: bool
    repeated: dict[str, str]
    """Markers that several channels measure, with the names of the channels."""

    def part(self, markers: Sequence[str]) -> Part:
        """Events of the file, with `markers` as columns."""
        columns = [self.columns[marker] for marker in markers]
        return Part(self.name, self.n_events, lambda: _reader(self.path.absolute(), columns))

    def repeats(self, name: str, markers: Sequence[str]) -> list[str]:
        """Remarks on those of `markers` that several channels measure."""
        return [repeat(name, marker, self.repeated[marker]) for marker in markers if marker in self.repeated]


def repeat(names: str, marker: str, channels: str) -> str:
    """That several channels of files measure a marker."""
    return f"{names}: marker {marker} is measured by the channels {channels}; the first is used"


def open_file(name: str, path: Path) -> Opened:
    """Markers and scale of a file, by its keywords; `name` is for messages."""
    with fcs.open(path) as file:
        channels, repeated = markers_of(file)
        return Opened(
            name, Path(path), file.n_events, channels, type_markers(file, channels), Scale.of_file(file, channels),
            is_preprocessed(file.keywords), repeated,
        )  # fmt: skip


def markers_of(file: "FCSFile") -> tuple[dict[str, int], dict[str, str]]:
    """Channel (0-based) of each marker, and the names of the channels of those that several measure."""
    found = marker_channels(file)
    repeated = {
        marker: " and ".join(file.channels[index].pnn for index in some)
        for marker, some in found.items()
        if len(some) > 1
    }
    return {marker: some[0] for marker, some in found.items()}, repeated


def type_markers(file: "FCSFile", channels: Mapping[str, int]) -> frozenset[str] | None:
    """Those markers that the file says are of class type; None where it does not say of any."""
    classes = {marker: file.keywords.get(f"ICYTO_P{index + 1}CLASS", "") for marker, index in channels.items()}
    return frozenset(m for m, c in classes.items() if c == "type") if any(classes.values()) else None


def _reader(path: Path, columns: list[int]) -> Reader:
    file = fcs.open(path)

    def read(start: int, stop: int) -> Float32:
        return file.events(columns, start, stop)

    return read


def choose_markers(opened: Sequence[Opened], wanted: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Markers to cluster on, in alphabetical order or in the order asked for; and remarks."""
    if wanted is not None:
        return _asked(opened, wanted), []
    common = set(opened[0].columns)
    for one in opened:
        if not one.columns:
            msg = f"{one.name}: has no channel that measures a marker; check its panel with 'panel explain'"
            raise PanelError(msg)
        if not common & set(one.columns):
            msg = (
                f"{one.name}: no marker in common with the files before it "
                f"({', '.join(list(one.columns)[:6])}); cluster files of one panel together"
            )
            raise PanelError(msg)
        common &= set(one.columns)
    stated = [one.types for one in opened if one.types is not None]
    typed = common.intersection(*stated) if stated else common
    if len(typed) >= 2:
        return sorted(typed), dropped(opened, typed)
    note = [] if typed == common else ["fewer than two markers have class type; all common markers are used"]
    return sorted(common), note + dropped(opened, common)


def dropped(opened: Sequence[_Known], used: Collection[str]) -> list[str]:
    """Remarks on markers that some files would be clustered on and others lack, or do not count as class type."""
    own = {one.name: frozenset(one.columns) if one.types is None else one.types for one in opened}
    of_files: dict[tuple[str, ...], list[str]] = {}
    for marker in sorted(set().union(*own.values()) - set(used)):
        lacking = tuple(name for name, markers in own.items() if marker not in markers)
        if lacking:
            of_files.setdefault(lacking, []).append(marker)
    return [
        f"{some_markers(markers)} {'is' if len(markers) == 1 else 'are'} not used, because "
        f"{listed(names)} {'does' if len(names) == 1 else 'do'} not have {'it' if len(markers) == 1 else 'them'} to "
        "cluster on"
        for names, markers in of_files.items()
    ]


def remarks(opened: Sequence[_Known], markers: Sequence[str]) -> list[str]:
    """What a user would want to know of training files."""
    repeated: dict[tuple[str, str], list[str]] = {}
    for one in opened:
        for marker in markers:
            if marker in one.repeated:
                repeated.setdefault((marker, one.repeated[marker]), []).append(one.name)
    notes = [repeat(listed(names), marker, channels) for (marker, channels), names in repeated.items()]
    foreign = [one.name for one in opened if not one.preprocessed]
    if foreign:
        notes.append(
            f"{listed(foreign)} {'was' if len(foreign) == 1 else 'were'} not written by 'events preprocess' and "
            "clustered on the values as they are; unless these are compensated and transformed, preprocess first"
        )
    empty = [one.name for one in opened if not one.n_events]
    if empty:
        notes.append(f"{listed(empty)} {'has' if len(empty) == 1 else 'have'} no events")
    return notes


def _asked(opened: Sequence[Opened], wanted: Sequence[str]) -> list[str]:
    from immport_cyto import panel

    chosen: list[str] = []
    for spelling in wanted:
        name = panel.resolve(spelling, opened[0].columns) or spelling
        lacking = next((one for one in opened if name not in one.columns), None)
        if lacking is not None:
            msg = (
                f"{lacking.name}: marker {spelling} is not in the file (it has "
                f"{', '.join(lacking.columns) or 'no marker'}); take it off the list of markers or leave out the file"
            )
            raise PanelError(msg)
        if name not in chosen:
            chosen.append(name)
    return chosen
