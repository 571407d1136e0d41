"""Take persons and days out of FCS files, and leave everything else as it is, byte for byte.

A value is overwritten in place by blanks, or its dates and initials by ``x``: no byte moves, so offsets, the order of
the keywords and DATA stay. Days are not lost for the analysis: each becomes a batch label in a table of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.exceptions import FCSError
from immport_cyto.fcs import personal
from immport_cyto.fcs.batches import BATCHES, CHANGES, KEY, Days, label_days, run_order
from immport_cyto.fcs.check import CheckWord
from immport_cyto.fcs.file import open_fcs
from immport_cyto.fcs.leftover import leftovers
from immport_cyto.fcs.model import Report
from immport_cyto.fcs.numbers import real
from immport_cyto.fcs.outputs import file_part, output_path, plain_name
from immport_cyto.fcs.source import Bytes, map_file
from immport_cyto.fcs.text import Entry, parse_entries
from immport_cyto.files import atomic_path
from immport_cyto.tables import conform

if TYPE_CHECKING:
    import pandas as pd

_BLANK, _MASK = ord(" "), ord("x")
# What these say is the structure of the file; eight digits there are an offset, not a day.
_STRUCTURE = ("$TOT", "$PAR", "$NEXTDATA", "$BYTEORD", "$DATATYPE", "$MODE", "$TIMESTEP")
_STRUCTURE_PREFIX = ("$BEGIN", "$END")
_STRUCTURE_OF_CHANNEL = frozenset("BENRGDVFLOT")


@dataclass(frozen=True)
class Change:
    """One value that points to a person or a day, and what is done about it.

    Attributes
    ----------
    dataset, segment, keyword
        Where it stands; ``"file name"`` and ``"outside keywords"`` are segments too.
    kind
        ``person``, ``subject``, ``label``, ``site``, ``encoded``, ``time``, ``date``, ``acquired``, ``setup``,
        ``baseline``, ``config`` or ``file``.
    action
        ``blanked``, ``masked``, ``renamed`` or ``left``.
    value
        What stands there: private.
    places
        Bytes of the file that are overwritten, ends exclusive.
    """

    dataset: int
    segment: str
    keyword: str
    kind: str
    action: str
    value: str
    places: tuple[tuple[int, int], ...] = ()


@dataclass
class FilePlan:
    """What is to be done to one file."""

    name: str
    path: Path
    new_name: str
    changes: list[Change]
    days: dict[str, date]
    labels: dict[str, str]
    run_order: int | None
    checked: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _Seen:
    """What was read of one file."""

    name: str
    path: Path
    entries: list[tuple[int, str, Entry]]
    checked: list[tuple[int, int]]
    outside: list[tuple[int, int]]
    found: dict[str, personal.Day]


def plan(files: Mapping[str, Path], *, keep: Iterable[str] = (), blank: Iterable[str] = ()) -> list[FilePlan]:
    """Find what points to a person or a day in files; nothing is written.

    Parameters
    ----------
    files
        File names and where the files are. All of a study together: batches are numbered over them.
    keep
        Keywords that are not touched although they are listed.
    blank
        More keywords to blank.

    Raises
    ------
    FCSError
        A file cannot be read; nothing can be said about what is in it.
    """
    kinds = {key.upper(): "" for key in keep} | {key.upper(): "label" for key in blank}
    seen = [_look(name, files[name], kinds) for name in sorted(files)]
    persons = [e.value for s in seen for _, _, e in s.entries if _kind(e.key, kinds) == "person"]
    words, initials = personal.names_of(persons)
    day_first = {kind: any(s.found[kind].is_day_first for s in seen if kind in s.found) for kind in personal.CALENDARS}
    days = {s.name: _days(s, day_first) for s in seen}
    labels = label_days(list(days.values()))
    order = run_order({name: (of.of.get("acquired"), of.clock) for name, of in days.items()})
    plans, taken = [], set[str]()
    for s in seen:
        changes = [
            change
            for dataset, segment, entry in s.entries
            if (change := _change(dataset, segment, entry, kinds, words, initials)) is not None
        ]
        private = [c.value for c in changes if c.kind in ("person", "subject")]
        left = leftovers(map_file(s.path), s.outside, private)
        changes += [Change(0, "outside keywords", "", kind, "left", text) for kind, text in left]
        new_name = _new_name(s.name, days[s.name], labels["acquired"], words, initials, taken)
        if new_name != plain_name(s.name):
            changes.insert(0, Change(0, "file name", "", "file", "renamed", s.name))
        of = days[s.name].of
        own = {kind: labels[kind][day] for kind, day in of.items()}
        plans.append(FilePlan(s.name, s.path, new_name, changes, of, own, order.get(s.name), s.checked))
    return plans


def targets_of(plans: Sequence[FilePlan], folder: Path) -> dict[str, Path]:
    """Where the files of a plan go in a folder, by their new names.

    Raises
    ------
    OutputExistsError
        A file to be written is one of the files that are read.
    """
    return {one.new_name: output_path(folder, one.new_name, [other.path for other in plans]) for one in plans}


def apply(plans: Sequence[FilePlan], targets: Mapping[str, Path] | Path) -> None:
    """Write the files of a plan into a folder, or where `targets` says by their new names.

    Raises
    ------
    OutputExistsError
        See `targets_of`.
    """
    placed = targets_of(plans, targets) if isinstance(targets, Path) else targets
    for one in plans:
        path = placed[one.new_name]
        content = map_file(one.path)
        with atomic_path(path) as temporary:
            content.tofile(temporary)
            target = np.memmap(temporary, np.uint8, "r+")
            for change in one.changes:
                for begin, end in change.places:
                    target[begin:end] = _BLANK if change.action == "blanked" else _masked(target[begin:end])
            for begin, end in one.checked:
                check = CheckWord(end - begin)
                check.update(target[begin:end])
                target[end : end + 8] = np.frombuffer(f"{check.value():08d}".encode(), np.uint8)
            target.flush()
            del target


def tables_of(plans: Sequence[FilePlan]) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame"]:
    """Batches (to share), changes (to share, without the values), and the key (private: old names and days)."""
    import pandas as pd

    batches = [
        {"file_name": p.new_name, "run_order": p.run_order}
        | {f"{column}_batch": p.labels.get(kind, "") for kind, column in personal.CALENDARS.items()}
        for p in plans
    ]
    # a keyword can stand in a segment twice, and more than one find outside of keywords
    changes: dict[tuple[str, int, str, str, str, str], list[int]] = {}
    for p in plans:
        for c in p.changes:
            counts = changes.setdefault((p.new_name, c.dataset, c.segment, c.keyword, c.kind, c.action), [0, 0])
            counts[0] += 1
            counts[1] += sum(end - begin for begin, end in c.places)
    change_rows = [(*what, *counts) for what, counts in changes.items()]
    key = [
        {"file_name": p.new_name, "original_name": p.name}
        | {f"{column}_day": str(p.days.get(kind, "")) for kind, column in personal.CALENDARS.items()}
        for p in plans
    ]
    return (
        conform(pd.DataFrame(batches, columns=BATCHES.column_names), BATCHES),
        conform(pd.DataFrame(change_rows, columns=CHANGES.column_names), CHANGES),
        conform(pd.DataFrame(key, columns=KEY.column_names), KEY),
    )


def _look(name: str, path: Path, kinds: Mapping[str, str]) -> _Seen:
    first = open_fcs(path, partial=True)
    entries: list[tuple[int, str, Entry]] = []
    checked: list[tuple[int, int]] = []
    known: list[tuple[int, int]] = []
    content = map_file(path)
    for number in range(first.datasets):
        f = open_fcs(path, number, partial=True) if number else first
        known.append(f.data_place())
        for segment, begin, end in f.segments():
            found = _entries(content[begin:end], path, segment, begin)
            if found is not None:
                entries += [(number, segment, entry) for entry in found]
                known.append((begin, end))
        if f.check_word():
            checked.append(f.check_place())
    return _Seen(name, path, entries, checked, _outside(known, len(content)), _found_days(entries))


def _entries(segment: Bytes, path: Path, name: str, shift: int) -> list[Entry] | None:
    try:
        found = parse_entries(segment.tobytes(), Report(path), name)
    except FCSError:
        return None
    return [Entry(entry.key, entry.begin + shift, entry.end + shift, entry.value) for entry in found]


def _outside(known: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Bytes that are neither keywords nor events."""
    places, position = [], 0
    for begin, end in sorted(known):
        if begin > position:
            places.append((position, begin))
        position = max(position, end)
    return [*places, (position, size)] if position < size else places


def _kind(key: str, kinds: Mapping[str, str]) -> str:
    return kinds[key] if key in kinds else personal.kind_of(key)


def _found_days(entries: Sequence[tuple[int, str, Entry]]) -> dict[str, personal.Day]:
    """The first day of each calendar."""
    found: dict[str, personal.Day] = {}
    for _, _, entry in entries:
        kind = personal.kind_of(entry.key)
        if kind in personal.CALENDARS and kind not in found:
            found.update((kind, day) for day in personal.days_in(entry.value)[:1])
    return found


def _days(seen: _Seen, day_first: Mapping[str, bool]) -> Days:
    of = {kind: day.reading(day_first[kind]) for kind, day in seen.found.items()}
    acquired = of.get("acquired")
    in_name = personal.keep_file_info_id(seen.name, personal.days_in(seen.name, name=True), of.values())
    readings = {(day.begin, day.end): _nearest(day, acquired) for day in in_name}
    if acquired is None and readings:
        of["acquired"] = next(iter(readings.values()))
    clock = next((entry.value.strip() for _, _, entry in seen.entries if entry.key == "$BTIM"), "")
    return Days(of, readings, clock)


def _nearest(day: personal.Day, to: date | None) -> date:
    return day.readings[0] if to is None else min(day.readings, key=lambda reading: abs((reading - to).days))


def _change(
    dataset: int, segment: str, entry: Entry, kinds: Mapping[str, str], words: frozenset[str], initials: frozenset[str]
) -> Change | None:
    if entry.key in kinds and not kinds[entry.key]:
        return None
    kind = _kind(entry.key, kinds)
    if kind in personal.BLANKED or kind in personal.CALENDARS:
        if personal.is_clean(entry.value):
            return None
        return Change(dataset, segment, entry.key, kind, "blanked", entry.value, ((entry.begin, entry.end),))
    if not kind and (_is_structure(entry.key) or _is_number(entry)):
        return None
    days = personal.days_in(entry.value, name=kind == personal.FILE)
    days = personal.keep_file_info_id(entry.value, days, ())
    spans = [(day.begin, day.end) for day in days] + personal.home_folders(entry.value)
    if kind == personal.FILE:
        spans += personal.persons_in(entry.value, days, words, initials)
    if not spans:
        return None
    places = _in_bytes(entry, spans)
    return Change(dataset, segment, entry.key, kind or "date", "masked", entry.value, places)


def _is_structure(key: str) -> bool:
    if key in _STRUCTURE or key.startswith(_STRUCTURE_PREFIX):
        return True
    return key.startswith("$P") and key[2:-1].isdigit() and key[-1] in _STRUCTURE_OF_CHANNEL


def _is_number(entry: Entry) -> bool:
    """A serial number or a setting is no day, unless the keyword speaks of one."""
    return real(entry.value) is not None and not any(word in entry.key for word in ("DATE", "DAY", "TIME"))


def _in_bytes(entry: Entry, spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Places of parts of a value in the file; the whole value where its characters are not single bytes."""
    if len(entry.value) != entry.end - entry.begin or not entry.value.isascii():
        return ((entry.begin, entry.end),)
    return tuple(sorted((entry.begin + begin, entry.begin + end) for begin, end in spans))


def _masked(content: Bytes) -> Bytes:
    """Letters and digits as x, also each byte of other scripts; what stands between them stays."""
    is_word = np.array([byte > 127 or chr(byte).isalnum() for byte in range(256)])
    return np.where(is_word[content], _MASK, content).astype(np.uint8)


def _new_name(
    old: str,
    days: Days,
    labels: Mapping[date, str],
    words: frozenset[str],
    initials: frozenset[str],
    taken: set[str],
) -> str:
    name = plain_name(old)
    in_name = [personal.Day(begin, end, (("", day),)) for (begin, end), day in days.in_name.items()]
    parts = {(day.begin, day.end): labels[day.readings[0]] for day in in_name}
    for begin, end in personal.persons_in(name, in_name, words, initials):
        if not any(begin < last and first < end for first, last in parts):
            parts[begin, end] = "x"
    for (begin, end), label in sorted(parts.items(), reverse=True):
        before = "_" if begin and name[begin - 1].isalnum() and label != "x" else ""
        after = "_" if end < len(name) and name[end].isalnum() and label != "x" else ""
        name = name[:begin] + before + label + after + name[end:]
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, ""
    unique, number = name, 2
    while file_part(unique) in taken:
        unique = f"{stem}-{number}{dot}{suffix}"
        number += 1
    taken.add(file_part(unique))
    return unique
