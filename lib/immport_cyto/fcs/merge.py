"""Many FCS files into one, channels matched by name."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import PanelError
from immport_cyto.fcs.file import FCSFile, open_fcs
from immport_cyto.fcs.model import Channel
from immport_cyto.fcs.sampling import Plan, choose, taken
from immport_cyto.fcs.writer import write_blocks

MERGED = "ICYTO_MERGED"
FILE_CHANNEL_STAIN = "number of the file"
_LISTED = 6
_CHANNEL_KEYWORD = re.compile(r"(\$|ICYTO_|FLOWCORE_\$|FJ_\$|)P(\d+)([A-Z]+)")
_SPILLOVER = re.compile(r"\$?SPILL(OVER)?|\$COMP|\$DFC\d+TO\d+")


@dataclass(frozen=True)
class Merged:
    """What a merge took: one row per file, and what is worth a warning."""

    rows: list[dict[str, Any]]
    channels: list[str]
    warnings: list[str]


def merge(
    files: Mapping[str, Path],
    target: Path,
    plan: Plan | None = None,
    *,
    channels: Literal["all", "common"] = "all",
    ignore_stains: bool = False,
    file_channel: str = "File",
    partial: bool = False,
) -> Merged:
    """Write the events of many files, or a random subset of each, into one file.

    Channels are matched by $PnN and stand in the order of the first file by name. Keywords that all files share are
    kept; ``ICYTO_MERGED`` lists the files in order with their counts, ``ICYTO_SAMPLE`` holds the plan.

    Parameters
    ----------
    plan
        How many events of each file; None for all.
    channels
        ``"all"``: files that differ in their channels are an error; ``"common"``: only those of all files are kept.
    ignore_stains
        Merge channels whose $PnS differ; the stain of the first file that has one is kept.
    file_channel
        Channel to add, with the number of the file in the order of the names, from 1; empty for none.

    Raises
    ------
    PanelError
        The files differ in channels or stains, or a name is there twice.
    """
    plan = plan or Plan()
    names = sorted(files)
    opened = [open_fcs(files[name], partial=partial) for name in names]
    for name, f in zip(names, opened, strict=True):
        _check_unique(name, f)
    kept, warnings = _matched(names, opened, channels)
    if file_channel in kept:
        msg = f"{names[0]}: has a channel {file_channel!r} already; choose another name with --file-channel"
        raise PanelError(msg)
    described = [_channel(pnn, names, opened, warnings, ignore_stains=ignore_stains) for pnn in kept]
    wanted = plan.of({name: f.n_events for name, f in zip(names, opened, strict=True)})
    keywords, lost = _shared_keywords(opened, kept)
    if any(_SPILLOVER.fullmatch(key) for key in lost):
        warnings.append("the files have different spillover matrices; the merged file has none, so compensate before")
    if "$TIMESTEP" in lost and any(c.is_time for c in described):
        warnings.append("the files have different $TIMESTEP; Time of the merged file has no single unit")
    rows = [
        {"file": number, "file_name": name, "n_events_in": f.n_events, "n_events_out": wanted[name]}
        for number, (name, f) in enumerate(zip(names, opened, strict=True), 1)
    ]
    keywords[MERGED] = json.dumps([{"name": row["file_name"], "events": row["n_events_out"]} for row in rows])
    keywords["ICYTO_SAMPLE"] = json.dumps(plan.described(), sort_keys=True)
    if file_channel:
        described.append(Channel(len(described) + 1, file_channel, FILE_CHANNEL_STAIN, range=float(len(names) + 1)))

    def blocks() -> Iterator[npt.NDArray[np.float32]]:
        for number, (name, f) in enumerate(zip(names, opened, strict=True), 1):
            positions = choose(name, f.n_events, wanted[name], plan.seed)
            indices = [f.index(pnn) for pnn in kept]
            for block in taken(f, positions, indices):
                yield np.column_stack((block, np.full(len(block), number, np.float32))) if file_channel else block

    write_blocks(target, blocks, sum(wanted.values()), described, keywords)
    return Merged(rows, [c.pnn for c in described], warnings)


def _check_unique(name: str, f: FCSFile) -> None:
    repeated = sorted({pnn for pnn in f.names if f.names.count(pnn) > 1})
    if repeated:
        msg = f"{name}: the channel name {repeated[0]!r} is there more than once, so it cannot be matched; rename one"
        raise PanelError(msg)


def _matched(names: Sequence[str], opened: Sequence[FCSFile], channels: str) -> tuple[list[str], list[str]]:
    """Names of the channels to keep in the order of the first file, and what is lost."""
    first = opened[0].names
    common = [pnn for pnn in first if all(pnn in f.names for f in opened)]
    warnings = []
    for name, f in zip(names, opened, strict=True):
        lacks, more = [c for c in first if c not in f.names], [c for c in f.names if c not in first]
        if channels == "all" and (lacks or more):
            parts = [f"lacks {_list(lacks)}"] if lacks else []
            parts += [f"has {_list(more)} in addition"] if more else []
            msg = (
                f"{name}: {' and '.join(parts)}, compared with {names[0]}; use --channels common to keep what all have"
            )
            raise PanelError(msg)
        dropped = [c for c in f.names if c not in common]
        if dropped:
            warnings.append(f"{name}: {_list(dropped)} left out, because not all files have it")
    if not common:
        msg = f"{names[0]}: the {len(names)} files have no channel in common; merge files of one panel"
        raise PanelError(msg)
    return common, warnings


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _channel(
    pnn: str, names: Sequence[str], opened: Sequence[FCSFile], warnings: list[str], *, ignore_stains: bool
) -> Channel:
    found = [f.channels[f.index(pnn)] for f in opened]
    stains = {_folded(c.pns): (c.pns, name) for c, name in reversed(list(zip(found, names, strict=True))) if c.pns}
    if len(stains) > 1:
        (one, a), (other, b) = sorted(stains.values(), key=lambda pair: names.index(pair[1]))[:2]
        text = f"channel {pnn} is {one!r} in {a} and {other!r} in {b}"
        if not ignore_stains:
            msg = f"{text}; correct $PnS, or merge them all the same with --ignore-stains"
            raise PanelError(msg)
        warnings.append(f"{text}; merged all the same")
    stain = next((c.pns for c in found if c.pns), "")
    if stain and not all(c.pns for c in found):
        lacking = sum(not c.pns for c in found)
        warnings.append(f"channel {pnn} is {stain!r}, but {lacking} of {len(found)} files give no stain")
    limits = [c.scaled_range for c in found]
    limit = None if None in limits else max(value for value in limits if value is not None)
    return Channel(found[0].number, pnn, stain, range=limit)


def _folded(stain: str) -> str:
    return re.sub(r"[\s_-]+", "", stain).casefold()


def _shared_keywords(opened: Sequence[FCSFile], kept: Sequence[str]) -> tuple[dict[str, str], set[str]]:
    """Keywords of the first file that all have with the same value, those of channels by $PnN; and the other keys."""
    by_meaning = [_by_meaning(f) for f in opened]
    first = by_meaning[0]
    shared = {meaning for meaning, value in first.items() if all(other.get(meaning) == value for other in by_meaning)}
    lost = {key for other in by_meaning for key, pnn in other.keys() - shared if not pnn}
    numbers = {c.pnn: c.number for c in opened[0].channels}
    keywords = {f"$P{number}N": pnn for pnn, number in numbers.items()}
    for key, pnn in first:
        if (key, pnn) not in shared:
            continue
        if key.startswith("ICYTO_P#"):
            # the writer moves the others from the numbers of the first file; ours must have the new ones
            if pnn in kept:
                keywords[key.replace("#", str(kept.index(pnn) + 1))] = first[key, pnn]
        else:
            keywords[key.replace("#", str(numbers[pnn])) if pnn else key] = first[key, pnn]
    return keywords, lost


def _by_meaning(f: FCSFile) -> dict[tuple[str, str], str]:
    """Values by keyword and channel name, such as ("$P#V", "FSC-A"); the name is empty for keywords of the file."""
    result = {}
    for key, value in f.keywords.items():
        match = _CHANNEL_KEYWORD.fullmatch(key)
        if match and 1 <= int(match[2]) <= f.n_channels:
            result[f"{match[1]}P#{match[3]}", f.names[int(match[2]) - 1]] = value
        elif not match:
            result[key, ""] = value
    return result
