"""TEXT: keywords and values between delimiters (FCS 3.1, section 3.2).

The standard says that a doubled delimiter stands for one delimiter inside a value and that no value is empty.
Some writers leave values empty instead, and the same two bytes then mean "nothing in here". Which of the two a file
means cannot be seen at the place itself; so the whole segment is read both ways and the reading that contradicts
itself less is kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from immport_cyto.fcs.model import Report, quoted

# A segment of nothing but delimiters would otherwise become a list of a hundred million strings.
MAX_TOKENS = 200_000

_PADDING = b" \0\r\n\t"
_REQUIRED = ("$PAR", "$DATATYPE", "$BYTEORD", "$MODE", "$TOT")
_REQUIRED_PER_CHANNEL = ("B", "N", "R", "E")
_KEYWORD = re.compile(
    rb"\s*\$(P\d+[A-Z]{1,12}|PAR|TOT|BYTEORD|DATATYPE|MODE|NEXTDATA|(BEGIN|END)[A-Z]+)\s*", re.IGNORECASE
)
_MAX_CHANNELS_CHECKED = 10_000

Tokens = list[bytes]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Entry:
    """One keyword as it stands in a segment: its place in the bytes, and what it says.

    Attributes
    ----------
    key
        In upper case, without blanks around it.
    begin, end
        Bytes of the value in the segment, escaped as they are; `end` is exclusive.
    value
        Decoded, delimiters no longer escaped.
    """

    key: str
    begin: int
    end: int
    value: str


def parse_text(segment: bytes, report: Report, name: str = "TEXT") -> dict[str, str]:
    """Keywords of one segment, in upper case and without blanks around them, with their values.

    Parameters
    ----------
    segment
        The bytes from the first delimiter on.
    name
        Name of the segment in messages.
    """
    keywords: dict[str, str] = {}
    for entry in parse_entries(segment, report, name):
        if not entry.key:
            report.note("blank_keyword", f"a keyword of {name} is blank", "left out")
            continue
        if keywords.get(entry.key, entry.value) != entry.value:
            report.note("duplicate_keyword", f"{name} gives {quoted(entry.key)} twice", "the last one kept")
        keywords[entry.key] = entry.value
    return keywords


def parse_entries(segment: bytes, report: Report, name: str = "TEXT") -> list[Entry]:
    """All keywords of one segment in order, also blank and repeated ones, with the places of their values."""
    padded = len(segment)
    segment = segment.lstrip(b" \0")
    if not segment:
        report.fail(f"{name} is empty; export the file again")
    if len(segment) < padded:
        report.note("text_padding", f"{name} starts with blanks", "blanks ignored")
    delimiter, body = segment[:1], segment[1:]
    if delimiter.isalnum() or delimiter == b"$":
        report.fail(
            f"{name} starts with {quoted(delimiter.decode('latin-1'))} instead of a delimiter; export the file again"
        )
    if body.count(delimiter) > 2 * MAX_TOKENS:
        report.fail(f"{name} holds more than {MAX_TOKENS} keywords; it is damaged, export the file again")
    body = _trim(body, delimiter, report, name)
    spans = _choose(body, delimiter, report, name)
    if len(spans) % 2:
        shown = quoted(_decode(_token(body, spans[-1], delimiter), "latin-1"))
        report.note("odd_tokens", f"the last keyword of {name}, {shown}, has no value", "left out")
        spans.pop()
    return _entries(body, spans, delimiter, padded - len(segment) + 1, report, name)


def _trim(body: bytes, delimiter: bytes, report: Report, name: str) -> bytes:
    padding = bytes(byte for byte in _PADDING if byte != delimiter[0])
    trimmed = body.rstrip(padding)
    if trimmed.endswith(delimiter):
        if trimmed != body:
            report.note("text_padding", f"{name} goes on after its last delimiter", "blanks ignored")
        return trimmed
    report.note("text_end", f"{name} does not end with its delimiter", "the last value taken up to the end")
    return body


def _choose(body: bytes, delimiter: bytes, report: Report, name: str) -> Spans:
    standard = split_spans(body, delimiter, empty_values=False)
    if delimiter * 2 not in body:
        return standard
    empties = split_spans(body, delimiter, empty_values=True)
    if empties != standard and contradictions(tokens_at(body, empties, delimiter), delimiter) < contradictions(
        tokens_at(body, standard, delimiter), delimiter
    ):
        # the supplemental segment needs no required keywords, but lacking them counts the same for both readings
        report.note("empty_values", f"{name} holds doubled delimiters", "read as empty values, which fits the keywords")
        return empties
    report.note("escaped_delimiter", f"{name} holds doubled delimiters", "read as one delimiter inside a value")
    return standard


def split_spans(body: bytes, delimiter: bytes, *, empty_values: bool) -> Spans:
    """Where keywords and values, in turn, lie in the text after the first delimiter.

    With `empty_values` two delimiters after a keyword are an empty value; inside a value they are an escaped
    delimiter in either case.
    """
    spans: Spans = []
    begin = 0
    for match in re.finditer(re.escape(delimiter) + b"+", body):
        first, last = match.span()
        count = last - first
        at_key = len(spans) % 2 == 0
        if at_key and begin == first:
            # stray delimiters where a keyword should start
            begin = last
        elif at_key and empty_values and count % 2 == 0:
            spans += [(begin, first), (first + 1, last - 1)]
            begin = last
        elif count % 2 == 0:
            continue
        elif at_key:
            spans.append((begin, first))
            begin = first + 1
        else:
            spans.append((begin, last - 1))
            begin = last
    if body[begin:].strip(_PADDING) or len(spans) % 2:
        spans.append((begin, len(body)))
    return spans


def tokens_at(body: bytes, spans: Spans, delimiter: bytes) -> Tokens:
    """Keywords and values, in turn, with escaped delimiters made single; see `split_spans`."""
    return [_token(body, span, delimiter) for span in spans]


def _token(body: bytes, span: tuple[int, int], delimiter: bytes) -> bytes:
    return body[span[0] : span[1]].replace(delimiter * 2, delimiter)


def contradictions(tokens: Sequence[bytes], delimiter: bytes) -> int:
    """How often a list of tokens contradicts itself: lower is the better reading."""
    keys = {key.strip().upper() for key in tokens[0::2]}
    count = 5 * (len(tokens) % 2)
    count += sum(delimiter in key for key in tokens[0::2])
    count += sum(2 for value in tokens[1::2] if _KEYWORD.fullmatch(value))
    count += sum(name.encode() not in keys for name in _REQUIRED)
    by_key = {key.strip().upper(): value for key, value in zip(tokens[0::2], tokens[1::2], strict=False)}
    channels = by_key.get(b"$PAR", b"").strip()
    if channels.isdigit() and len(channels) < 8:
        for number in range(1, min(int(channels), _MAX_CHANNELS_CHECKED) + 1):
            count += sum(f"$P{number}{letter}".encode() not in keys for letter in _REQUIRED_PER_CHANNEL)
    return count


def encoding_of(tokens: Sequence[bytes], report: Report, name: str) -> str:
    """UTF-8 where the bytes allow it, MacRoman where the file says Macintosh, else Windows or ISO Latin 1."""
    # token by token: a value can be as long as the file, and joined they would be there twice
    if all(token.isascii() for token in tokens):
        return "ascii"
    if _decodable(tokens, "utf-8"):
        return "utf-8"
    encoding = "latin-1"
    if any(b"macintosh" in token.lower() for token in tokens):
        encoding = "mac_roman"
    elif _decodable(tokens, "cp1252"):
        encoding = "cp1252"
    report.note("encoding", f"{name} is not UTF-8", f"decoded as {encoding}")
    return encoding


def _decodable(tokens: Sequence[bytes], encoding: str) -> bool:
    try:
        for token in tokens:
            token.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _decode(token: bytes, encoding: str) -> str:
    return token.decode(encoding, "replace")


def _entries(body: bytes, spans: Spans, delimiter: bytes, shift: int, report: Report, name: str) -> list[Entry]:
    tokens = tokens_at(body, spans, delimiter)
    encoding = encoding_of(tokens, report, name)
    entries = []
    for raw_key, raw_value, (begin, end) in zip(tokens[0::2], tokens[1::2], spans[1::2], strict=True):
        key = _decode(raw_key, encoding)
        stripped = key.strip(" \0\r\n\t").upper()
        if stripped != key.upper():
            report.note("key_blanks", f"keywords of {name} have blanks around them", "blanks taken away")
        entries.append(Entry(stripped, begin + shift, end + shift, _decode(raw_value, encoding).strip("\0")))
    return entries
