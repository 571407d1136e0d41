"""Write FCS 3.1 or 3.2: float32, little-endian, whole or not at all (FCS 3.1, section 3)."""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import FCSError
from immport_cyto.fcs.check import CheckWord
from immport_cyto.fcs.header import HEADER_BYTES, MAX_HEADER_OFFSET
from immport_cyto.fcs.model import Channel
from immport_cyto.files import atomic_path

Blocks = Callable[[], Iterable[npt.NDArray[Any]]]

# DATA starts at a multiple of this, so that a memory map of it is aligned.
_ALIGNMENT = 64
# events copied, checked and written at a time: small enough to stay in the cache between these
_CHUNK_VALUES = 1 << 18

_OFFSETS = ("$BEGINANALYSIS", "$ENDANALYSIS", "$BEGINSTEXT", "$ENDSTEXT", "$BEGINDATA", "$ENDDATA")
_COMPUTED = frozenset(
    (
        *_OFFSETS, "$BYTEORD", "$DATATYPE", "$MODE", "$NEXTDATA", "$PAR", "$TOT", "$UNICODE",
    )
)  # fmt: skip
# true of the values as they are written: linear float32, so no log, gain or type of their own
_COMPUTED_PER_CHANNEL = frozenset(("B", "E", "G", "N", "R", "S", "DATATYPE"))
_PER_CHANNEL = re.compile(r"(\$|FLOWCORE_\$|FJ_\$|)P(\d+)([A-Z]+)")
# these name channels by number without being of one channel, so they hold only while all keep their numbers
_BY_NUMBER = re.compile(r"\$COMP|\$DFC\d+TO\d+|\$R\d+[IW]|\$GATE|\$GATING|\$G\d+[A-Z]")
# in the order of preference; the last cannot occur in a cleaned value
_DELIMITERS = ("|", "/", "\\", "!", "#", "~", "\x0c", "\x1e")
_CLEANED = str.maketrans({"\0": " ", "\x1e": " "})


def write(
    path: str | os.PathLike[str],
    values: npt.ArrayLike,
    channels: Sequence[Channel | tuple[str, str]],
    keywords: Mapping[str, str] | None = None,
    version: str = "3.1",
    *,
    crc: bool = True,
    analysis: Mapping[str, str] | None = None,
    other: Sequence[bytes] = (),
) -> None:
    """Write events as float32; the file appears whole or not at all.

    Parameters
    ----------
    path
        The file to make or replace.
    values
        Events x channels, as they shall be read again: scaled, not stored integers.
    channels
        `Channel` objects or pairs ($PnN, $PnS). $PnR is the scaled range of a `Channel` that has one, else the next
        whole number above the largest value.
    keywords
        Other keywords. Those that describe the structure or the scale ($TOT, $PAR, $DATATYPE, offsets, $PnB, $PnE,
        $PnG, $PnN, $PnR, $PnS, ...) are computed. Those of one channel ($PnV, $PnF, PnDISPLAY, ...) go with it: by
        $PnN where `keywords` has it, else by number; those of a channel that is no longer there are left out. Ours
        (``ICYTO_P<n>...``) are taken as they are: they speak of the numbers in the new file.
        All others are kept. An empty value, which the format does not know, becomes a blank.
    version
        ``"3.1"`` or ``"3.2"``.
    crc
        Compute the check word; else it is 0, which stands for none.
    analysis
        Keywords of an ANALYSIS segment.
    other
        OTHER segments, as `FCSFile.other` gives them.

    Raises
    ------
    FCSError
        TEXT and OTHER would not fit into the first 99,999,999 bytes, or a channel has no name.
    ValueError
        `values` and `channels` do not fit together, or the version is unknown.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.shape[1] != len(channels):
        msg = f"values of shape {matrix.shape} do not fit {len(channels)} channels"
        raise ValueError(msg)
    rows = max(_CHUNK_VALUES // max(matrix.shape[1], 1), 1)

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, len(matrix), rows):
            yield matrix[start : start + rows]

    write_blocks(path, blocks, len(matrix), channels, keywords, version, crc=crc, analysis=analysis, other=other)


def write_blocks(
    path: str | os.PathLike[str],
    blocks: Blocks,
    n_events: int,
    channels: Sequence[Channel | tuple[str, str]],
    keywords: Mapping[str, str] | None = None,
    version: str = "3.1",
    *,
    crc: bool = True,
    analysis: Mapping[str, str] | None = None,
    other: Sequence[bytes] = (),
) -> None:
    """`write` in bounded memory: the events come in blocks.

    Parameters
    ----------
    blocks
        Function that starts the sequence of blocks, each events x channels; called twice where a $PnR is not known.
    n_events
        Events in all blocks together.
    path, channels, keywords, version, crc, analysis, other
        As for `write`.

    Raises
    ------
    ValueError
        The blocks do not hold `n_events` events.
    """
    path = Path(path)
    if version not in ("3.1", "3.2"):
        msg = f"version {version!r} cannot be written; use '3.1' or '3.2'"
        raise ValueError(msg)
    described = [_channel(number, entry) for number, entry in enumerate(channels, 1)]
    for channel in described:
        if not channel.pnn.strip():
            msg = f"{path}: channel {channel.number} has no name; every channel needs a $PnN"
            raise FCSError(msg)
    text = _keywords(blocks, n_events, described, keywords or {}, version)
    results = _cleaned(analysis or {})
    delimiter = _delimiter(text, results)
    segment = _segment(results, delimiter) if results else b""
    head, end = _head(path, text, delimiter, 4 * n_events * len(described), version, other, len(segment))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        check = CheckWord(end + len(segment)) if crc else None
        _put(stream, head, check)
        written = 0
        for block in blocks():
            with np.errstate(over="ignore"):
                content = np.ascontiguousarray(block, dtype="<f4").reshape(-1).view(np.uint8)
            _put(stream, content, check)
            written += len(block)
        if written != n_events:
            msg = f"the blocks hold {written} events instead of {n_events}"
            raise ValueError(msg)
        _put(stream, segment, check)
        stream.write(b"00000000" if check is None else f"{check.value():08d}".encode())


def _put(stream: IO[bytes], content: bytes | npt.NDArray[np.uint8], check: CheckWord | None) -> None:
    array = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
    if check is not None:
        check.update(array)
    stream.write(array.data)


def _channel(number: int, entry: Channel | tuple[str, str]) -> Channel:
    if isinstance(entry, Channel):
        limit = entry.scaled_range
        return Channel(number, entry.pnn, entry.pns, 32, limit if limit is not None and math.isfinite(limit) else None)
    pnn, pns = entry
    return Channel(number, pnn, pns)


def _keywords(
    blocks: Blocks, n_events: int, channels: Sequence[Channel], keywords: Mapping[str, str], version: str
) -> dict[str, str]:
    """All keywords but the offsets, in a fixed order: structure, channels, the others as given."""
    text = {
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(channels)),
        "$TOT": str(n_events),
    }
    limits = _upper_limits(blocks, len(channels)) if any(channel.range is None for channel in channels) else []
    for column, channel in enumerate(channels):
        prefix = f"$P{channel.number}"
        limit = channel.range if channel.range is not None else limits[column]
        text |= {prefix + "B": "32", prefix + "E": "0,0", prefix + "N": channel.pnn, prefix + "R": _number(limit)}
        if channel.pns.strip():
            text[prefix + "S"] = channel.pns
    moved = _moved_channels({key.upper(): value for key, value in keywords.items()}, channels)
    renumbered = any(f"$P{n}N" in keywords and moved.get(n) != n for n in range(1, len(keywords) + 1))
    for key, value in keywords.items():
        upper = key.strip().upper()
        match = _PER_CHANNEL.fullmatch(upper)
        if match:
            number = moved.get(int(match[2]))
            if number is None or (match[1] == "$" and match[3] in _COMPUTED_PER_CHANNEL):
                continue
            upper = f"{match[1]}P{number}{match[3]}"
        if upper and upper not in _COMPUTED and not (renumbered and _BY_NUMBER.fullmatch(upper)):
            text.setdefault(upper, str(value))
    if version == "3.2":
        text.setdefault("$CYT", "unknown")
    return _cleaned(text)


def _cleaned(text: Mapping[str, str]) -> dict[str, str]:
    return {key.translate(_CLEANED): value.translate(_CLEANED) or " " for key, value in text.items()}


def _upper_limits(blocks: Blocks, n_channels: int) -> list[float]:
    """The next whole number above the largest finite value of each channel, at least 1."""
    largest = np.zeros(n_channels)
    for block in blocks():
        if not len(block):
            continue
        top = block.max(axis=0).astype(np.float64)
        if not np.isfinite(top).all():
            top = np.where(np.isfinite(block), block, 0).max(axis=0).astype(np.float64)
        largest = np.maximum(largest, top)
    return [float(math.floor(value) + 1) for value in largest]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _moved_channels(keywords: Mapping[str, str], channels: Sequence[Channel]) -> dict[int, int]:
    """Where the channel of each old number is now: {old number: new number}."""
    numbers = [channel.number for channel in channels]
    old = {n: keywords[f"$P{n}N"].strip() for n in range(1, len(keywords) + 1) if f"$P{n}N" in keywords}
    if not old:
        return dict(zip(numbers, numbers, strict=True))
    names = [channel.pnn for channel in channels]
    moved: dict[int, int] = {}
    for number, name in old.items():
        if number <= len(names) and names[number - 1] == name:
            moved[number] = number
        elif names.count(name) == 1 and list(old.values()).count(name) == 1:
            moved[number] = names.index(name) + 1
    return moved


def _head(
    path: Path,
    text: Mapping[str, str],
    delimiter: str,
    data_bytes: int,
    version: str,
    other: Sequence[bytes],
    analysis_bytes: int,
) -> tuple[bytes, int]:
    """All before DATA (HEADER, TEXT, OTHER), and where DATA ends (exclusive).

    HEADER has room for offsets of OTHER segments of eight digits only, so these stand before DATA.
    """
    text_begin = HEADER_BYTES + 16 * len(other)
    begin = end = 0
    while True:
        place = (begin, end - 1) if data_bytes else (0, 0)
        after = (end, end + analysis_bytes - 1) if analysis_bytes else (0, 0)
        offsets = dict(zip(_OFFSETS, map(str, (*after, 0, 0, *place)), strict=True))
        body = _segment({**offsets, **text}, delimiter)
        other_begin = text_begin + len(body)
        new_begin = -(-(other_begin + sum(map(len, other))) // _ALIGNMENT) * _ALIGNMENT
        if (new_begin, new_begin + data_bytes) == (begin, end):
            break
        # the offsets only grow, so the length of TEXT settles
        begin, end = new_begin, new_begin + data_bytes
    if begin > MAX_HEADER_OFFSET:
        msg = f"{path}: TEXT would have {len(body)} bytes, more than FCS can hold; give fewer or shorter keywords"
        raise FCSError(msg)
    pairs = [(text_begin, other_begin - 1), place, after]
    for content in other:
        pairs.append((other_begin, other_begin + len(content) - 1))
        other_begin += len(content)
    # beyond eight digits HEADER says 0, and TEXT alone has the offsets
    fields = [offset for pair in pairs for offset in (pair if pair[1] <= MAX_HEADER_OFFSET else (0, 0))]
    header = f"FCS{version}    ".encode() + "".join(f"{value:>8}" for value in fields).encode()
    return b"".join((header, body, *other)).ljust(begin, b" "), end


def _delimiter(*texts: Mapping[str, str]) -> str:
    """One that needs no escaping, because readers differ in how they take a doubled delimiter."""
    used = {character for text in texts for pair in text.items() for part in pair for character in part}
    return next(candidate for candidate in _DELIMITERS if candidate not in used)


def _segment(text: Mapping[str, str], delimiter: str) -> bytes:
    parts = [delimiter]
    for key, value in text.items():
        parts += [key, delimiter, value, delimiter]
    return "".join(parts).encode("utf-8", "replace")
