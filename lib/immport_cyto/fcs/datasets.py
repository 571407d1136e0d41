"""Where the data sets of a file start: the chain of $NEXTDATA (FCS 3.1, section 3.2.13)."""

from pathlib import Path

from immport_cyto.exceptions import FCSError
from immport_cyto.fcs.header import HEADER_BYTES, parse_header
from immport_cyto.fcs.model import Report
from immport_cyto.fcs.numbers import whole
from immport_cyto.fcs.source import Bytes
from immport_cyto.fcs.text import parse_text

# A plate of 1,536 wells in one file is the most that is written; the search in a file of nothing else must end.
MAX_DATA_SETS = 4096


def data_sets(content: Bytes, path: Path) -> list[int]:
    """First byte of each data set; the first one is at 0.

    $NEXTDATA counts from the start of its own data set. Some writers count from the start of the file; that is what is
    meant where the chain comes to its end ($NEXTDATA 0) so, and does not the other way.

    Raises
    ------
    FCSError
        The first data set cannot be read.
    """
    starts, ended = _follow(content, path, absolute=False)
    if not ended:
        others, others_ended = _follow(content, path, absolute=True)
        if others_ended:
            return others
    return starts


def _follow(content: Bytes, path: Path, *, absolute: bool) -> tuple[list[int], bool]:
    """Starts of the data sets, and whether the last one says that it is the last."""
    starts = [0]
    while len(starts) < MAX_DATA_SETS:
        start = starts[-1]
        # findings of a chain that is only followed belong to no open data set
        silent = Report(path)
        try:
            header = parse_header(content[start:], silent)
            begin, end = header.text
            following = whole(parse_text(content[start + begin : start + end + 1].tobytes(), silent).get("$NEXTDATA"))
        except FCSError:
            if start == 0:
                raise
            return starts[:-1], False
        if not following:
            return starts, True
        place = following if absolute else start + following
        if place <= start + begin or place + HEADER_BYTES > len(content):
            return starts, False
        if content[place : place + 3].tobytes() != b"FCS":
            return starts, False
        starts.append(place)
    return starts, False
