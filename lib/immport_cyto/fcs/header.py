"""HEADER: the version and the byte offsets of the segments (FCS 3.1, section 3.1)."""

import re
from dataclasses import dataclass

from immport_cyto.fcs.model import Report, quoted
from immport_cyto.fcs.source import Bytes

HEADER_BYTES = 58
KNOWN_VERSIONS = ("FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2")
# The offsets in HEADER have eight digits, so TEXT ends here at the latest.
MAX_HEADER_OFFSET = 99_999_999

_OTHER_KINDS = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<?xml", "an XML document"),
    (b"<html", "a web page"),
    (b"<!doctype", "a web page"),
    (b"\x89hdf", "an HDF5 file"),
    (b"%pdf", "a PDF document"),
)


@dataclass(frozen=True)
class Header:
    """Offsets from the start of the data set; None where a field is blank or no number; ends are inclusive."""

    version: str
    text: tuple[int, int]
    data: tuple[int | None, int | None]
    analysis: tuple[int | None, int | None]


def parse_header(data_set: Bytes, report: Report) -> Header:
    """Read HEADER of the data set whose bytes are given."""
    head = data_set[:HEADER_BYTES].tobytes()
    if not head.startswith(b"FCS"):
        report.fail(f"is {_kind_of(head)}, not an FCS file; check what was exported or downloaded")
    if len(head) < HEADER_BYTES:
        report.fail_truncated(f"ends inside HEADER after {len(head)} bytes; copy or download the file again")
    version = head[:6].decode("latin-1")
    if not re.fullmatch(r"FCS\d\.\d", version):
        report.fail(f"HEADER names the version {quoted(version)}; only FCS 2.0 to 3.2 can be read")
    if version not in KNOWN_VERSIONS:
        report.note("unknown_version", f"HEADER names {version}", "read by the rules of FCS 3.1")
    fields = [_offset(head[i : i + 8], report) for i in range(10, HEADER_BYTES, 8)]
    begin, end = fields[0], fields[1]
    if begin is None or end is None:
        report.fail("HEADER gives no offsets of TEXT; the file is damaged, export it again")
    if begin < HEADER_BYTES or end <= begin:
        report.fail(f"HEADER places TEXT at bytes {begin} to {end}, which is impossible; export the file again")
    if begin >= len(data_set) or end >= len(data_set) + 1:
        report.fail_truncated(
            f"ends after {len(data_set)} bytes, but HEADER places TEXT at bytes {begin} to {end}; "
            "copy or download the file again"
        )
    return Header(version, (begin, end), (fields[2], fields[3]), (fields[4], fields[5]))


def other_places(data_set: Bytes, header: Header) -> list[tuple[int, int]]:
    """First byte and end (exclusive) of OTHER segments: pairs of offsets between HEADER and TEXT.

    What is no pair of offsets of eight digits inside the file, which is all that most files have there, is none.
    """
    places: list[tuple[int, int]] = []
    for at in range(HEADER_BYTES, header.text[0] - 15, 16):
        pair = [data_set[i : i + 8].tobytes().strip(b" ") for i in (at, at + 8)]
        if not all(number.isdigit() for number in pair):
            break
        begin, end = int(pair[0]), int(pair[1])
        if (begin, end) == (0, 0):
            continue
        if not HEADER_BYTES <= begin <= end < len(data_set):
            break
        places.append((begin, end + 1))
    return places


def _offset(field: bytes, report: Report) -> int | None:
    text = field.strip(b" \0")
    if not text:
        return None
    if text.isdigit():
        return int(text)
    report.note("header_offset", f"an offset in HEADER reads {quoted(field.decode('latin-1'))}", "left to TEXT")
    return None


def _kind_of(head: bytes) -> str:
    lowered = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    for magic, kind in _OTHER_KINDS:
        if lowered.startswith(magic.lower()):
            return kind
    return f"a file that starts with {quoted(head[:8].decode('latin-1'))}"
