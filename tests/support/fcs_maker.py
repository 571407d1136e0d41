"""FCS files made byte by byte for tests, from the standard alone: no code of the package, no numpy.

Everything that a real writer gets wrong can be asked for here: offsets, lengths, delimiters, byte orders, keywords.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADER_BYTES = 58


@dataclass
class Recipe:
    """What to write. `None` as a value of `keywords` leaves that keyword out."""

    values: Sequence[Sequence[float]]
    version: str = "FCS3.1"
    datatype: str = "F"
    bits: int | Sequence[int | str] = 32
    byteord: str = "1,2,3,4"
    names: Sequence[str] | None = None
    stains: Sequence[str] | None = None
    ranges: Sequence[int | float | str] | None = None
    amplification: Sequence[str] | None = None
    datatypes: Sequence[str] | None = None  # $PnDATATYPE
    keywords: Mapping[str, str | None] = field(default_factory=dict)
    delimiter: bytes = b"/"
    escape: bool = True
    encoding: str = "utf-8"
    text_start: int = HEADER_BYTES
    text_suffix: bytes = b""
    gap: int = 0  # bytes between TEXT and DATA
    data: bytes | None = None  # instead of the encoded values
    end_shift: int = 0  # added to the end of DATA, in HEADER and TEXT
    header_data: tuple[object, object] | None = None  # in HEADER
    text_data: tuple[object, object] | None = None  # $BEGINDATA, $ENDDATA
    supplemental: bytes | None = None
    analysis: bytes | None = None
    tail: bytes = b"00000000"
    next_data: int = 0

    @property
    def n_channels(self) -> int:
        return len(self.names) if self.names is not None else len(self.values[0])

    def widths(self) -> list[int | str]:
        return list(self.bits) if isinstance(self.bits, Sequence) else [self.bits] * self.n_channels

    def kinds(self) -> list[str]:
        return [kind or self.datatype for kind in (self.datatypes or [""] * self.n_channels)]


def encode_value(value: float, kind: str, bits: int, byteord: str) -> bytes:
    """One value as $DATATYPE, $PnB and $BYTEORD ask for it."""
    if kind == "A":
        return f"{value:>{bits}}".encode()
    if kind in "FD":
        little = struct.pack("<f" if kind == "F" else "<d", value)
    else:
        little = int(value).to_bytes(-(-bits // 8), "little")
    order = [int(part) - 1 for part in byteord.split(",")]
    if order == sorted(order):
        return little
    if order == sorted(order, reverse=True):
        return little[::-1]
    assert len(order) == len(little)
    return bytes(little[significance] for significance in order)


def encode(recipe: Recipe) -> bytes:
    """DATA of a recipe."""
    if recipe.data is not None:
        return recipe.data
    if recipe.datatype == "A" and "*" in recipe.widths():
        return b" ".join(str(value).encode() for event in recipe.values for value in event)
    out = bytearray()
    for event in recipe.values:
        for value, kind, bits in zip(event, recipe.kinds(), recipe.widths(), strict=True):
            out += encode_value(value, kind, int(bits), recipe.byteord)
    return bytes(out)


def text_keywords(recipe: Recipe, offsets: Mapping[str, int | object]) -> dict[str, str]:
    """Required keywords, then those of the channels, then those given."""
    n = recipe.n_channels
    text: dict[str, str] = {}
    if recipe.version != "FCS2.0":
        text |= {key: str(value) for key, value in offsets.items()}
    text |= {
        "$BYTEORD": recipe.byteord, "$DATATYPE": recipe.datatype, "$MODE": "L", "$NEXTDATA": str(recipe.next_data),
        "$PAR": str(n), "$TOT": str(len(recipe.values)),
    }  # fmt: skip
    names = recipe.names or [f"C{i + 1}" for i in range(n)]
    for i in range(n):
        text[f"$P{i + 1}N"] = names[i]
        text[f"$P{i + 1}B"] = str(recipe.widths()[i])
        text[f"$P{i + 1}R"] = str(recipe.ranges[i]) if recipe.ranges else "262144"
        text[f"$P{i + 1}E"] = recipe.amplification[i] if recipe.amplification else "0,0"
        if recipe.stains and recipe.stains[i]:
            text[f"$P{i + 1}S"] = recipe.stains[i]
        if recipe.datatypes and recipe.datatypes[i]:
            text[f"$P{i + 1}DATATYPE"] = recipe.datatypes[i]
    for key, value in recipe.keywords.items():
        text.pop(key, None)
        if value is not None:
            text[key] = value
    return text


def segment(keywords: Mapping[str, str], recipe: Recipe) -> bytes:
    """Keywords between delimiters, escaped or not."""
    delimiter = recipe.delimiter
    out = bytearray(delimiter)
    for key, value in keywords.items():
        for part in (key, value):
            raw = part.encode(recipe.encoding)
            out += (raw.replace(delimiter, delimiter * 2) if recipe.escape else raw) + delimiter
    return bytes(out)


def make(values: Sequence[Sequence[float]] = ((1.0, 2.0),), **options: object) -> bytes:
    """The bytes of one data set."""
    recipe = Recipe(values, **options)  # type: ignore[arg-type]
    data = encode(recipe)
    supplemental, analysis = recipe.supplemental or b"", recipe.analysis or b""
    placed = dict.fromkeys(("$BEGINDATA", "$ENDDATA", "$BEGINSTEXT", "$ENDSTEXT"), 0)
    placed |= {"$BEGINANALYSIS": 0, "$ENDANALYSIS": 0}
    for _ in range(5):
        shown: dict[str, object] = {key: f"{value:08d}" for key, value in placed.items()}
        if recipe.text_data is not None:
            shown["$BEGINDATA"], shown["$ENDDATA"] = recipe.text_data
        text = segment(text_keywords(recipe, shown), recipe) + recipe.text_suffix
        text_end = recipe.text_start + len(text) - 1
        begin = text_end + 1 + recipe.gap
        end = begin + len(data) - 1 + recipe.end_shift
        after = begin + len(data)
        placed["$BEGINDATA"], placed["$ENDDATA"] = begin, max(end, 0)
        if supplemental:
            placed["$BEGINSTEXT"], placed["$ENDSTEXT"] = after, after + len(supplemental) - 1
            after += len(supplemental)
        if analysis:
            placed["$BEGINANALYSIS"], placed["$ENDANALYSIS"] = after, after + len(analysis) - 1
    header_data = recipe.header_data if recipe.header_data is not None else (begin, end)
    offsets = [recipe.text_start, text_end, *header_data, placed["$BEGINANALYSIS"], placed["$ENDANALYSIS"]]
    header = f"{recipe.version}    ".encode() + "".join(f"{value!s:>8}" for value in offsets).encode()
    assert len(header) == HEADER_BYTES, header
    head = header.ljust(recipe.text_start, b" ")
    return head + text + b" " * recipe.gap + data + supplemental + analysis + recipe.tail


def chain(first: Mapping[str, object], second: Mapping[str, object]) -> bytes:
    """Two data sets in one file; $NEXTDATA of the first leads to the second."""
    length = 0
    for _ in range(3):
        head = make(**{**first, "next_data": length})  # type: ignore[arg-type]
        length = len(head)
    return head + make(**second)  # type: ignore[arg-type]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def crc16(content: bytes) -> int:
    """CRC with the CCITT polynomial x^16 + x^12 + x^5 + 1, start 0, bit by bit."""
    register = 0
    for byte in content:
        register ^= byte << 8
        for _ in range(8):
            register = ((register << 1) ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register
