"""Search the bytes of a file that are neither keywords nor events for dates and for values blanked elsewhere."""

import re
from collections.abc import Iterable, Sequence

from immport_cyto.fcs.source import Bytes

# HEADER is 58 bytes, and a search over gigabytes behind a damaged file is no help
_MAX_BYTES = 1 << 28
_SHORTEST = 5
_DAY = re.compile(
    rb"(?<!\d)(?:\d{1,2}-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-(?:19|20)\d\d"
    rb"|(?:19[89]|20[0-4])\d-(?:0\d|1[0-2])-[0-3]\d|\d{1,2}/\d{1,2}/(?:19[89]|20[0-4])\d)(?!\d)",
    re.IGNORECASE,
)


def leftovers(content: Bytes, places: Sequence[tuple[int, int]], private: Iterable[str]) -> list[tuple[str, str]]:
    """Kind and text of each find, once.

    Parameters
    ----------
    places
        First byte and end (exclusive) of the bytes to search.
    private
        Values of persons and subjects that keywords held; those of fewer than five characters are not looked for.
    """
    words = sorted({value.strip() for value in private if len(value.strip()) >= _SHORTEST})
    found: dict[tuple[str, str], None] = {}
    for begin, end in places:
        part = content[begin : min(end, begin + _MAX_BYTES)].tobytes()
        for match in _DAY.finditer(part):
            found["date", match[0].decode("ascii")] = None
        for word in words:
            if word.encode("utf-8") in part or word.encode("latin-1", "replace") in part:
                found["person", word] = None
    return list(found)
