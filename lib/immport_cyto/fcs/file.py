"""Open an FCS file: keywords at once, events when they are asked for."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import FCSError
from immport_cyto.fcs.check import CheckWord
from immport_cyto.fcs.datasets import MAX_DATA_SETS, data_sets
from immport_cyto.fcs.decode import CHUNK_BYTES, decode, decode_delimited, scale
from immport_cyto.fcs.header import HEADER_BYTES, Header, other_places, parse_header
from immport_cyto.fcs.layout import Layout, parse_layout
from immport_cyto.fcs.model import Channel, Finding, Report, quoted, remarks
from immport_cyto.fcs.numbers import real, whole
from immport_cyto.fcs.segments import DataSegment, fills_data, find_data
from immport_cyto.fcs.source import Bytes, map_file
from immport_cyto.fcs.spillover import Spillover, parse_spillover
from immport_cyto.fcs.text import parse_text

Channels = Sequence[int | str] | None


@dataclass
class FCSFile:
    """One data set of an FCS file; made by `open`. The events stay on disk until they are asked for.

    Attributes
    ----------
    path
        The file.
    version
        As in HEADER, such as ``"FCS3.1"``.
    dataset, datasets
        Which data set this is, from 0, and how many the file has.
    keywords
        Keywords of TEXT and supplemental TEXT in upper case, with their values as they stand.
    channels
        One `Channel` per parameter.
    n_events
        Events that can be read.
    declared_events
        $TOT; more than `n_events` in a truncated file that was opened with ``partial=True``.
    size, start
        Bytes of the whole file (decompressed), and the first byte of this data set in it.
    """

    path: Path
    version: str
    dataset: int
    datasets: int
    keywords: dict[str, str]
    channels: list[Channel]
    n_events: int
    declared_events: int
    size: int
    _layout: Layout = field(repr=False)
    _data: Bytes = field(repr=False)
    _data_end: int = field(repr=False)
    _data_set: Bytes = field(repr=False)
    _header: Header = field(repr=False)
    _report: Report = field(repr=False)
    start: int = 0

    @property
    def findings(self) -> list[Finding]:
        """Oddities met so far, and what was done about each."""
        return list(self._report.findings)

    @property
    def remarks(self) -> list[str]:
        """Of the findings those that change what the values mean or which are read, each kind once."""
        return remarks(self._report.findings)

    @property
    def n_channels(self) -> int:
        """Number of channels ($PAR)."""
        return len(self.channels)

    @property
    def names(self) -> list[str]:
        """$PnN of all channels."""
        return [channel.pnn for channel in self.channels]

    @property
    def timestep(self) -> float | None:
        """$TIMESTEP: seconds per unit of the Time channel, decimal comma understood; None where it is no number."""
        value = real(self.keywords.get("$TIMESTEP", "").replace(",", "."))
        return value if value is not None and value > 0 else None

    def index(self, channel: int | str) -> int:
        """Position of a channel, from 0, by its $PnN or itself.

        Raises
        ------
        FCSError
            There is no such channel, or more than one of the name.
        """
        if isinstance(channel, str):
            found = [i for i, name in enumerate(self.names) if name == channel]
            if len(found) == 1:
                return found[0]
            if found:
                msg = f"{self.path}: {len(found)} channels are named {quoted(channel)}; choose by position"
                raise FCSError(msg)
            msg = f"{self.path}: there is no channel {quoted(channel)}; the file has {_listed(self.names)}"
            raise FCSError(msg)
        position = int(channel)
        if not 0 <= position < self.n_channels:
            msg = f"{self.path}: there is no channel at position {position}; the file has {self.n_channels} channels"
            raise FCSError(msg)
        return position

    def raw(self, channels: Channels = None, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """Exact stored values, after the $PnR mask of integer data and before any log, gain or time scaling.

        Parameters
        ----------
        channels
            Positions from 0 or $PnN names, in the order wanted; None for all.
        start, stop
            Range of events as in a slice.

        Returns
        -------
        ndarray, events x channels
            float32 for $DATATYPE F, float64 for D and A, unsigned integers wide enough for all channels chosen for I.
            A read-only view without a copy where the file stores native numbers and all channels are asked for; copy
            it before writing into it.
        """
        indices = self._indices(channels)
        start, stop, _ = slice(start, stop).indices(self.n_events)
        stop = max(start, stop)
        if self._layout.delimited:
            table = decode_delimited(self._data, self.n_channels, self.declared_events, self._report)
            return table[start:stop, indices]
        if not indices:
            return np.empty((stop - start, 0), np.float32)
        width = self._layout.event_bytes
        return decode(self._data[start * width : stop * width], self._layout, indices, self._report)

    def events(
        self, channels: Channels = None, start: int = 0, stop: int | None = None, *, copy: bool = False
    ) -> npt.NDArray[np.float32]:
        """Values on the linear scale of the instrument, as float32.

        Logarithmic integers are made linear (``10 ** (f1 * x / R) * f2`` with $PnE f1,f2 and $PnR R), linear values
        are divided by $PnG, except those of the Time channel. $TIMESTEP is not applied. $PnE of floating-point data
        is not applied either, because it is there by mistake (a finding says so). Integers of more than 24 bits are
        rounded to float32; `raw` gives them exactly.

        Parameters
        ----------
        channels
            Positions from 0 or $PnN names, in the order wanted; None for all.
        start, stop
            Range of events as in a slice.
        copy
            Give an array of its own that may be written into; faster than copying the view.

        Returns
        -------
        ndarray of float32, events x channels
            A read-only view without a copy where stored and scaled values are the same and all channels are asked for.
        """
        indices = self._indices(channels)
        chosen = [self.channels[index] for index in indices]
        if all(c.datatype == "F" and (c.gain in (None, 1.0) or c.is_time) for c in chosen):
            values = self.raw(indices, start, stop).astype(np.float32, copy=False)
            return self._own(values, start) if copy and not values.flags.writeable else values
        start, stop, _ = slice(start, stop).indices(self.n_events)
        stop = max(start, stop)
        out = np.empty((stop - start, len(indices)), np.float32)
        step = stop - start if self._layout.delimited else max(CHUNK_BYTES // self._layout.event_bytes, 1)
        for first in range(start, stop, max(step, 1)):
            last = min(first + step, stop)
            values = self.raw(indices, first, last)
            for column, channel in enumerate(chosen):
                out[first - start : last - start, column] = scale(values[:, column], channel, self._report)
        return out

    def _own(self, view: npt.NDArray[np.float32], start: int) -> npt.NDArray[np.float32]:
        """A copy of a view of the file, read from it: a map would cost a fault for each of its pages."""
        if self.path.stat().st_size != self.size:
            # a file that was decompressed is only in the map
            return view.copy()
        first = self.data_place()[0] + slice(start, None).indices(self.n_events)[0] * self._layout.event_bytes
        return np.fromfile(self.path, np.float32, view.size, offset=first).reshape(view.shape)

    def chunks(self, n_events: int = 100_000, channels: Channels = None) -> Iterator[npt.NDArray[np.float32]]:
        """`events` in pieces of at most `n_events`, for work in bounded memory."""
        if self._layout.delimited:
            # where an event starts is known only once all before it are read
            whole = self.events(channels)
            yield from (whole[start : start + n_events] for start in range(0, self.n_events, n_events))
            return
        for start in range(0, self.n_events, n_events):
            yield self.events(channels, start, start + n_events)

    def spillover(self) -> Spillover | None:
        """The spillover matrix of the file, or None where it has none.

        Raises
        ------
        CompensationError
            The keyword is there but malformed.
        """
        return parse_spillover(self.path, self.keywords, self.channels)

    def analysis(self) -> dict[str, str]:
        """Keywords of the ANALYSIS segment; empty where there is none or it cannot be read."""
        place = self._analysis_place()
        if place is None:
            return {}
        try:
            return parse_text(self._data_set[slice(*place)].tobytes(), Report(self.path), "ANALYSIS")
        except FCSError:
            return {}

    def other(self) -> list[bytes]:
        """OTHER segments, whose offsets stand in HEADER after the six standard ones (FCS 3.1, section 3.1).

        One that is the supplemental TEXT, as MACSQuant writes it, counts as that and not as OTHER.
        """
        supplemental = _supplemental(self._data_set, self._header, self.keywords, Report(self.path))
        places = other_places(self._data_set, self._header)
        return [self._data_set[slice(*place)].tobytes() for place in places if place != supplemental]

    def segments(self) -> list[tuple[str, int, int]]:
        """Name, first byte and end (exclusive) in the file of each segment that holds keywords."""
        begin, end = self._header.text
        places: list[tuple[str, tuple[int, int] | None]] = [
            ("TEXT", (begin, min(end + 1, len(self._data_set)))),
            ("supplemental TEXT", _supplemental(self._data_set, self._header, self.keywords, Report(self.path))),
            ("ANALYSIS", self._analysis_place()),
        ]
        return [(name, place[0] + self.start, place[1] + self.start) for name, place in places if place is not None]

    def data_place(self) -> tuple[int, int]:
        """First byte and end (exclusive) in the file of the events that are read."""
        return self.start + self._data_end - len(self._data), self.start + self._data_end

    def check_word(self) -> bool | None:
        """Whether the CRC after the data set is right; None where the writer computed none. Reads the whole file."""
        last = self._last_byte()
        stored = whole(self._data_set[last + 1 : last + 9].tobytes().decode("latin-1"))
        if not stored:
            return None
        check = CheckWord(last + 1)
        for start in range(0, last + 1, CHUNK_BYTES):
            check.update(self._data_set[start : min(start + CHUNK_BYTES, last + 1)])
        return stored == check.value()

    def check_place(self) -> tuple[int, int]:
        """First byte and end (exclusive) in the file of what the CRC covers; its eight digits follow."""
        return self.start, self.start + self._last_byte() + 1

    def _last_byte(self) -> int:
        ends = [self._header.text[1], self._header.analysis[1] or 0, whole(self.keywords.get("$ENDSTEXT")) or 0]
        places = [*other_places(self._data_set, self._header), self._analysis_place() or (0, 0)]
        ends += [end - 1 for _, end in places]
        return max(*ends, self._data_end - 1)

    def _analysis_place(self) -> tuple[int, int] | None:
        begin, end = self._header.analysis
        if not begin or not end:
            begin, end = whole(self.keywords.get("$BEGINANALYSIS")), whole(self.keywords.get("$ENDANALYSIS"))
        if not begin or not end or not HEADER_BYTES <= begin < end or end > len(self._data_set):
            return None
        return begin, min(end + 1, len(self._data_set))

    def _indices(self, channels: Channels) -> list[int]:
        if channels is None:
            return list(range(self.n_channels))
        if isinstance(channels, str):
            channels = [channels]
        return [self.index(channel) for channel in channels]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the memory map; arrays made from it stay valid."""
        self._data = self._data[:0]
        self._data_set = self._data_set[:0]
        self.n_events = 0


def open_fcs(path: str | os.PathLike[str], dataset: int = 0, *, partial: bool = False) -> FCSFile:
    """Read the keywords of an FCS file and map its events.

    Parameters
    ----------
    path
        The file; a gzip-compressed one is recognised by its content.
    dataset
        Which data set, from 0. Instruments of Beckman Coulter write the same events twice, as set 0 with 10 bits and
        as set 1 with full resolution.
    partial
        Take the complete events of a truncated file, and the declared events where DATA holds more than $TOT says,
        instead of an error; a finding states it.

    Returns
    -------
    FCSFile

    Raises
    ------
    FCSError
        Not an FCS file, or one whose keywords and offsets contradict each other.
    FCSTruncatedError
        The file ends before the events that it declares.

    References
    ----------
    Spidlen J et al. (2010) Data File Standard for Flow Cytometry, version FCS 3.1. Cytometry A 77A:97-100.
    Spidlen J et al. (2021) Data File Standard for Flow Cytometry, version FCS 3.2. Cytometry A 99A:100-102.
    """
    path = Path(path)
    content = map_file(path)
    starts = data_sets(content, path)
    if not 0 <= dataset < len(starts):
        msg = f"{path}: there is no data set {dataset}; the file has {len(starts)}, counted from 0"
        raise FCSError(msg)
    report = Report(path)
    start = starts[dataset]
    limit = (starts[dataset + 1] if dataset + 1 < len(starts) else len(content)) - start
    data_set = content[start:]
    header = parse_header(data_set, report)
    keywords = _keywords(data_set, header, report)
    if len(starts) > 1:
        held = f"{len(starts)} data sets" + (" or more" if len(starts) == MAX_DATA_SETS else "")
        report.note("several_data_sets", f"the file holds {held}", f"data set {dataset} read (from 0)")
    elif whole(keywords.get("$NEXTDATA")):
        report.note("next_data", f"$NEXTDATA is {keywords['$NEXTDATA'].strip()}, where no data set starts", "ignored")
    layout = parse_layout(keywords, report, lambda event_bytes: fills_data(header, keywords, event_bytes))
    segment = find_data(data_set, limit, header, keywords, layout.event_bytes, report, partial=partial)
    data = data_set[segment.begin : segment.begin + segment.length]
    channels = list(layout.channels)
    n_events = segment.n_events
    if layout.delimited and n_events < 0:
        n_events = len(decode_delimited(data, len(channels), -1, report))
    return FCSFile(
        path, header.version, dataset, len(starts), keywords, channels, n_events, _known(segment, n_events),
        len(content), layout, data, segment.begin + segment.length, data_set, header, report, start,
    )  # fmt: skip


def _known(segment: DataSegment, n_events: int) -> int:
    return max(segment.declared, n_events)


def _keywords(data_set: Bytes, header: Header, report: Report) -> dict[str, str]:
    begin, end = header.text
    keywords = parse_text(data_set[begin : end + 1].tobytes(), report)
    place = _supplemental(data_set, header, keywords, report)
    if place is None:
        return keywords
    # the standard keeps the required keywords in the primary segment, so that one wins
    return {**parse_text(data_set[slice(*place)].tobytes(), report, "supplemental TEXT"), **keywords}


def _supplemental(
    data_set: Bytes, header: Header, keywords: Mapping[str, str], report: Report
) -> tuple[int, int] | None:
    """Bytes of supplemental TEXT, end exclusive; None where there is none that can be used."""
    begin, end = header.text
    first, last = whole(keywords.get("$BEGINSTEXT")), whole(keywords.get("$ENDSTEXT"))
    if not first or not last or last <= first:
        return None
    place = f"bytes {first} to {last}"
    if first <= end and last >= begin:
        if (first, last) != (begin, end):
            report.note("stext", f"supplemental TEXT ({place}) overlaps TEXT", "ignored")
        return None
    if last >= len(data_set) + 1 or first < HEADER_BYTES:
        report.note("stext", f"supplemental TEXT ({place}) lies outside the file", "ignored")
        return None
    if data_set[first] != data_set[begin]:
        report.note("stext", f"supplemental TEXT ({place}) does not start with the delimiter of TEXT", "ignored")
        return None
    return first, min(last + 1, len(data_set))


def _listed(names: Sequence[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
