"""How one event is stored: type, width, byte order and mask of each channel (FCS 3.1, sections 3.2.7 and 3.2.18)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from immport_cyto.fcs.model import Channel, Report, quoted
from immport_cyto.fcs.numbers import real, whole

_FLOAT_BITS = {"F": 32, "D": 64}
_FLOAT_OF_BITS = {32: "F", 64: "D"}
_MAX_ASCII_WIDTH = 64


@dataclass(frozen=True)
class Field:
    """Where one channel lies in an event, and how its bytes become a number.

    ``order`` lists the bytes from the least to the most significant; ``mask`` is None where all bits count.
    """

    offset: int
    width: int
    datatype: str
    order: tuple[int, ...]
    mask: int | None

    @property
    def dtype(self) -> np.dtype:
        """The numpy type that holds the values exactly, in native byte order."""
        if self.datatype == "F":
            return np.dtype(np.float32)
        if self.datatype in "DA":
            return np.dtype(np.float64)
        return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if size >= self.width)}")

    @property
    def stored(self) -> np.dtype | None:
        """The numpy type of the bytes as they are, or None where numpy has none."""
        if self.datatype == "A":
            return np.dtype(f"S{self.width}")
        if self.width != self.dtype.itemsize:
            return None
        ascending = tuple(range(self.width))
        if self.order == ascending:
            return self.dtype.newbyteorder("<")
        if self.order == ascending[::-1]:
            return self.dtype.newbyteorder(">")
        return None


@dataclass(frozen=True)
class Layout:
    """All channels and their fields; ``event_bytes`` is 0 for delimited ASCII, whose events have no fixed size."""

    channels: tuple[Channel, ...]
    fields: tuple[Field, ...]
    event_bytes: int

    @property
    def delimited(self) -> bool:
        """Whether the values are text between blanks ($DATATYPE A with $PnB = *)."""
        return self.event_bytes == 0

    def uniform(self) -> np.dtype | None:
        """The stored type where all channels share one and no mask is needed to read it, else None."""
        kinds = {field.stored for field in self.fields}
        kind = kinds.pop() if len(kinds) == 1 else None
        return kind if kind is not None and kind.kind in "fu" else None


def parse_layout(keywords: dict[str, str], report: Report, fills: Callable[[int], bool]) -> Layout:
    """Read $PAR, $DATATYPE, $BYTEORD and the keywords of each channel.

    Parameters
    ----------
    fills
        Whether events of so many bytes fill the DATA: it decides where $DATATYPE and $PnB of floats contradict.
    """
    count = whole(keywords.get("$PAR"))
    if not count:
        report.fail(f"$PAR is {_shown(keywords, '$PAR')}, not a number of channels; export the file again")
    _check_mode(keywords, report)
    datatype = keywords.get("$DATATYPE", "").strip().upper()
    if datatype not in ("I", "F", "D", "A"):
        report.fail(f"$DATATYPE is {_shown(keywords, '$DATATYPE')}; only I, F, D and A can be read")
    order = _byte_order(keywords, datatype, report)
    by_bits = _bits_are_right(keywords, count, datatype, fills)
    channels: list[Channel] = []
    fields: list[Field] = []
    offset = 0
    for number in range(1, count + 1):
        kind = _kind(number, keywords, datatype, by_bits, report)
        channel, field = _channel(number, offset, keywords, kind, order, report)
        channels.append(channel)
        fields.append(field)
        offset += field.width
    _check_names(channels, report)
    _check_stray(keywords, count, report)
    widths = {field.width for field in fields}
    if 0 in widths and widths != {0}:
        report.fail("$PnB is * for some channels only; delimited ASCII needs it for all, export the file again")
    return Layout(tuple(channels), tuple(fields), offset)


def _check_mode(keywords: dict[str, str], report: Report) -> None:
    mode = keywords.get("$MODE", "").strip().upper()
    if mode in ("C", "U"):
        report.fail(f"$MODE is {mode}: a histogram, which holds no events; export the data in list mode")
    if mode != "L":
        report.note("mode", f"$MODE is {_shown(keywords, '$MODE')}", "read as list mode")


def _byte_order(keywords: dict[str, str], datatype: str, report: Report) -> tuple[int, ...]:
    """Significance of each stored byte, as $BYTEORD lists it, from 0; () where the file needs none."""
    text = keywords.get("$BYTEORD", "").strip()
    digits = re.findall("[1-8]", text)
    order = tuple(int(digit) - 1 for digit in digits)
    if re.fullmatch(r"[1-8](?:[,;. ]*[1-8]){0,7}", text) and sorted(order) == list(range(len(order))):
        if not re.fullmatch(r"\d(?:\s*,\s*\d)*", text):
            report.note("byte_order", f"$BYTEORD is {quoted(text)}", f"read as {','.join(digits)}")
        return order
    if datatype != "A":
        report.fail(f"$BYTEORD is {_shown(keywords, '$BYTEORD')}; expected 1,2,3,4 or 4,3,2,1, export the file again")
    return ()


def _order_for(width: int, order: tuple[int, ...], report: Report) -> tuple[int, ...]:
    """Positions of the bytes of one value, from the least to the most significant."""
    ascending = tuple(range(width))
    if width == 1 or order == tuple(range(len(order))):
        return ascending
    if order == tuple(range(len(order)))[::-1]:
        return ascending[::-1]
    if len(order) != width:
        shown = ",".join(str(byte + 1) for byte in order)
        report.fail(f"$BYTEORD is {shown} and does not say how {width} bytes are ordered; export the file again")
    # $BYTEORD 3,4,1,2: the byte stored first is the third in significance
    return tuple(order.index(significance) for significance in range(width))


def _bits_are_right(keywords: dict[str, str], count: int, datatype: str, fills: Callable[[int], bool]) -> bool:
    """Whether floats are as wide as $PnB says, because only that fills the DATA, and not as $DATATYPE says."""
    if datatype not in _FLOAT_BITS:
        return False
    stated = 0
    for number in range(1, count + 1):
        bits = whole(keywords.get(f"$P{number}B"))
        if bits not in _FLOAT_OF_BITS or f"$P{number}DATATYPE" in keywords:
            return False
        stated += bits
    usual = count * _FLOAT_BITS[datatype]
    return stated != usual and fills(stated // 8) and not fills(usual // 8)


def _kind(number: int, keywords: dict[str, str], datatype: str, by_bits: bool, report: Report) -> str:
    """Type of one channel."""
    kind = keywords.get(f"$P{number}DATATYPE", "").strip().upper() or datatype
    if kind not in ("I", "F", "D", "A"):
        report.fail(f"$P{number}DATATYPE is {_shown(keywords, f'$P{number}DATATYPE')}; only I, F and D can be read")
    bits = whole(keywords.get(f"$P{number}B"))
    if by_bits and bits is not None and _FLOAT_OF_BITS[bits] != kind:
        report.note(
            "float_bits",
            f"$P{number}B is {bits}, but $DATATYPE {kind} has {_FLOAT_BITS[kind]} bits",
            f"{bits} bits read, which fill DATA",
        )
        return _FLOAT_OF_BITS[bits]
    return kind


def _channel(
    number: int,
    offset: int,
    keywords: dict[str, str],
    kind: str,
    order: tuple[int, ...],
    report: Report,
) -> tuple[Channel, Field]:
    width = _width(number, keywords, kind, order, report)
    limit = _range(number, keywords, kind, report)
    name = _name(number, keywords, report)
    stain = _clean(keywords.get(f"$P{number}S", ""))
    channel = Channel(
        number, name, stain, width * 8 if kind != "A" else width, limit,
        _amplification(number, keywords, kind, report), _gain(number, keywords, report), kind,
    )  # fmt: skip
    byte_order = _order_for(width, order, report) if kind != "A" else ()
    return channel, Field(offset, width, kind, byte_order, _mask(number, keywords, kind, width, report))


def _width(number: int, keywords: dict[str, str], kind: str, order: tuple[int, ...], report: Report) -> int:
    text = keywords.get(f"$P{number}B")
    bits = whole(text)
    if kind == "A":
        if text is not None and text.strip() == "*":
            return 0
        if not bits or bits > _MAX_ASCII_WIDTH:
            report.fail(
                f"$P{number}B is {_shown(keywords, f'$P{number}B')}; ASCII data needs a width of 1 to "
                f"{_MAX_ASCII_WIDTH} characters or *, export the file again"
            )
        return bits
    if not bits or bits > 64:
        report.fail(f"$P{number}B is {_shown(keywords, f'$P{number}B')}; expected 8 to 64 bits, export the file again")
    if kind in _FLOAT_BITS:
        expected = _FLOAT_BITS[kind]
        if bits != expected:
            report.note(
                "float_bits",
                f"$P{number}B is {bits}, but $DATATYPE {kind} has {expected} bits",
                f"{expected} bits read",
            )
        return expected // 8
    if bits % 8:
        # Beckman FC 500: $PnB 10 with $BYTEORD 1,2: ten bits are used of the two bytes that $BYTEORD names
        width = max(len(order), -(-bits // 8))
        report.note("odd_bits", f"$P{number}B is {bits}, no whole number of bytes", f"read from {width} bytes")
        return width
    return bits // 8


def _range(number: int, keywords: dict[str, str], kind: str, report: Report) -> float | None:
    key = f"$P{number}R"
    value = real(keywords.get(key))
    if value is None or value <= 0:
        report.note(
            "range", f"{key} is {_shown(keywords, key)}", "no mask applied" if kind == "I" else "range taken as unknown"
        )
        return None
    return value


def _mask(number: int, keywords: dict[str, str], kind: str, width: int, report: Report) -> int | None:
    """Bits that count of an integer: those that hold the values 0 to $PnR - 1 (FCS 3.1, 3.2.20)."""
    if kind != "I":
        return None
    exact = whole(keywords.get(f"$P{number}R"))
    if exact is None:
        value = real(keywords.get(f"$P{number}R"))
        exact = int(-(-value // 1)) if value is not None and 1 < value < 2.0**70 else None
    if exact is None:
        return None
    if exact < 2:
        report.note("range", f"$P{number}R is {exact}, which leaves no bits", "no mask applied")
        return None
    bits = (exact - 1).bit_length()
    if exact & (exact - 1):
        report.note("range_no_power_of_two", f"$P{number}R is {exact}, no power of two", f"masked to {bits} bits")
    return (1 << bits) - 1 if bits < 8 * width else None


def _name(number: int, keywords: dict[str, str], report: Report) -> str:
    name = _clean(keywords.get(f"$P{number}N", ""))
    if not name:
        report.note("no_name", f"$P{number}N is absent or empty", f"channel {number} called P{number}")
        return f"P{number}"
    return name


def _clean(text: str) -> str:
    """Names become column names: control characters, which no name needs, are blanks."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _amplification(number: int, keywords: dict[str, str], kind: str, report: Report) -> tuple[float, float]:
    key = f"$P{number}E"
    text = keywords.get(key)
    if text is None or not text.strip():
        report.note("amplification", f"{key} is absent or empty", "taken as linear")
        return (0.0, 0.0)
    parts = [real(part) for part in text.split(",")]
    decades = parts[0]
    offset = parts[1] if len(parts) == 2 else None
    if decades is None or offset is None or decades < 0 or offset < 0:
        report.note("amplification", f"{key} is {quoted(text)}", "taken as linear")
        return (0.0, 0.0)
    if decades == 0:
        return (0.0, 0.0)
    if kind in _FLOAT_BITS:
        report.note(
            "log_of_float",
            f"{key} is {quoted(text)} although the data are floating point (FCS 3.1 demands 0,0)",
            "values taken as linear",
        )
    elif offset == 0:
        report.note("log_offset_zero", f"{key} is {quoted(text)}; an offset of 0 is impossible", "offset taken as 1")
        offset = 1.0
    return (decades, offset)


def _gain(number: int, keywords: dict[str, str], report: Report) -> float | None:
    key = f"$P{number}G"
    text = keywords.get(key)
    if text is None or not text.strip():
        return None
    value = real(text)
    if value is None or value <= 0:
        report.note("gain", f"{key} is {quoted(text)}", "not used")
        return None
    return value


def _check_names(channels: list[Channel], report: Report) -> None:
    seen: set[str] = set()
    for channel in channels:
        if channel.pnn in seen:
            report.note(
                "duplicate_name",
                f"the name {quoted(channel.pnn)} stands in more than one $PnN",
                "choose these by index",
            )
        seen.add(channel.pnn)


def _check_stray(keywords: dict[str, str], count: int, report: Report) -> None:
    if f"$P{count + 1}N" in keywords:
        report.note("stray_channel", f"$P{count + 1}N is present although $PAR is {count}", "ignored")


def _shown(keywords: dict[str, str], key: str) -> str:
    return quoted(keywords[key]) if key in keywords else "missing"
