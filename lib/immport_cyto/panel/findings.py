"""What a person should look at after harmonising, one sentence each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from immport_cyto.panel._text import clean
from immport_cyto.panel.reading import ChannelReading

_DOUBT = 0.7  # readings below this confidence are listed
_SHARED = 3  # near-panels share at least this many markers
_DIFFERENT = 0.2  # and differ in at most this share of them


@dataclass
class Group:
    """Files of one study with the same panel."""

    technique: str
    markers: tuple[str, ...]
    files: list[str] = field(default_factory=list)
    channels: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Files by marker by $PnN."""


@dataclass
class Inventory:
    """What was seen over all files."""

    panels: dict[tuple[str, str], Group] = field(default_factory=dict)
    unknown: dict[tuple[str, str, tuple[str, ...]], list[str]] = field(default_factory=dict)
    doubtful: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)
    repeated: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=dict)
    no_marker: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_reading(self, file_name: str, pnn: str, pns: str, reading: ChannelReading) -> None:
        """Keep what is unknown or doubtful."""
        if reading.role == "unknown":
            self.unknown.setdefault((pnn, pns, reading.alternatives), []).append(file_name)
        elif reading.confidence < _DOUBT:
            shown = f"{reading.role} {reading.antigen}".strip()
            self.doubtful.setdefault((pnn, pns, shown, reading.rule), []).append(file_name)

    def add_file(
        self,
        file_name: str,
        study: str,
        panel_id: str,
        technique: str,
        markers: tuple[str, ...],
        rows: Iterable[dict[str, Any]],
    ) -> None:
        """Keep the panel of a file, and markers that it has twice."""
        group = self.panels.setdefault((study, panel_id), Group(technique, markers))
        group.files.append(file_name)
        if not markers:
            self.no_marker.append(file_name)
        channels: dict[str, list[str]] = {}
        for row in rows:
            if row["role"] == "marker":
                channels.setdefault(row["antigen"], []).append(row["fcs_colname"])
                group.channels.setdefault(row["fcs_colname"], {}).setdefault(row["antigen"], []).append(file_name)
        for marker, names in channels.items():
            if len(names) > 1:
                self.repeated.setdefault((marker, tuple(names)), []).append(file_name)


def find(inventory: Inventory) -> list[str]:
    """All findings, in a fixed order."""
    found = list(inventory.notes)
    for (pnn, pns, alternatives), files in sorted(inventory.unknown.items()):
        hint = f"; near names: {', '.join(alternatives[:3])}" if alternatives else ""
        found.append(
            f"channel {_shown(pnn)} with the name {_shown(pns)} is not understood in {_files(files)}{hint}; "
            "add a row to the corrections"
        )
    for (pnn, pns, reading, rule), files in sorted(inventory.doubtful.items()):
        found.append(
            f"channel {_shown(pnn)} with the name {_shown(pns)} was read as {reading} with doubt ({rule}) "
            f"in {_files(files)}"
        )
    for (marker, names), files in sorted(inventory.repeated.items()):
        shown = " and ".join(_shown(name) for name in names)
        found.append(
            f"{marker} is measured in channels {shown} of {_files(files)}; "
            "the first is used unless corrections say otherwise"
        )
    if inventory.no_marker:
        found.append(f"no channel of {_files(inventory.no_marker)} names a marker; add rows to the corrections")
    return found + _two_markers(inventory) + _near(inventory) + _overlap(inventory)


def _two_markers(inventory: Inventory) -> list[str]:
    """A channel with two markers over the files of a study: within one panel, or in panels that are else alike."""
    found = []
    for (study, _), group in sorted(inventory.panels.items()):
        for channel, markers in sorted(group.channels.items()):
            if len(markers) > 1:
                found.append(_differing(study, channel, markers))
    by_study: dict[str, list[Group]] = {}
    for (study, _), group in sorted(inventory.panels.items()):
        by_study.setdefault(study, []).append(group)
    for study, groups in by_study.items():
        for first, second in combinations(groups, 2):
            shared = first.channels.keys() & second.channels.keys()
            other = sorted(c for c in shared if not first.channels[c].keys() & second.channels[c].keys())
            same = len(shared) - len(other)
            if same >= _SHARED and len(other) <= max(1, _DIFFERENT * same):
                found += [_differing(study, c, first.channels[c] | second.channels[c]) for c in other]
    return list(dict.fromkeys(found))


def _differing(study: str, channel: str, markers: dict[str, list[str]]) -> str:
    shown = " and ".join(f"{marker} in {_files(files)}" for marker, files in sorted(markers.items()))
    where = f" of {study}" if study else ""
    return f"channel {_shown(channel)}{where} measures {shown}; check whether one is a slip, and correct it"


def _near(inventory: Inventory) -> list[str]:
    """Panels of one technique that differ in few markers: often one panel with a slip."""
    distinct: dict[str, Group] = {}
    where: dict[str, set[str]] = {}
    for (study, panel_id), group in sorted(inventory.panels.items()):
        distinct.setdefault(panel_id, group)
        where.setdefault(panel_id, set()).add(study)
    found = []
    for first, second in combinations(distinct, 2):
        a, b = distinct[first], distinct[second]
        left, right = set(a.markers), set(b.markers)
        only_a, only_b, shared = sorted(left - right), sorted(right - left), left & right
        differing = max(len(only_a), len(only_b))
        if a.technique != b.technique or len(shared) < _SHARED or differing > max(1, _DIFFERENT * len(shared)):
            continue
        found.append(
            f"panels {first} and {second} differ only by {_side(only_a)} against {_side(only_b)}; "
            "corrections can make them one"
        )
    return found


def _side(markers: list[str]) -> str:
    return ", ".join(markers) or "nothing"


def _overlap(inventory: Inventory) -> list[str]:
    """Studies without a common marker cannot be compared."""
    union: dict[str, set[str]] = {}
    for (study, _), group in inventory.panels.items():
        union.setdefault(study, set()).update(group.markers)
    names = sorted(name for name in union if name)
    return [
        f"studies {first} and {second} share no marker; check the names of their channels or leave one out"
        for first, second in combinations(names, 2)
        if not union[first] & union[second]
    ]


def _files(files: list[str]) -> str:
    unique = sorted(set(files))
    return unique[0] if len(unique) == 1 else f"{len(unique)} files (first {unique[0]})"


def _shown(name: str) -> str:
    return repr(clean(name)[:60])
