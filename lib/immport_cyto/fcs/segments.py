"""Which bytes are the DATA: the offset rule, and what is done where $TOT, widths and offsets disagree."""

from dataclasses import dataclass

from immport_cyto.fcs.header import Header
from immport_cyto.fcs.model import Report
from immport_cyto.fcs.numbers import whole
from immport_cyto.fcs.source import Bytes

_OPTION = "partial=True, --partial"


@dataclass(frozen=True)
class DataSegment:
    """The DATA of a data set: first byte, bytes to use, complete events in them, and events declared."""

    begin: int
    length: int
    n_events: int
    declared: int


@dataclass(frozen=True)
class _Candidate:
    source: str
    begin: int
    length: int | None

    @property
    def last(self) -> str:
        return "unknown" if self.length is None else str(self.begin + self.length - 1)


def find_data(
    data_set: Bytes,
    limit: int,
    header: Header,
    keywords: dict[str, str],
    event_bytes: int,
    report: Report,
    *,
    partial: bool,
) -> DataSegment:
    """Choose between the offsets of HEADER and of TEXT, and check them against $TOT and the width of an event.

    The better candidate (1) does not overlap TEXT, (2) lies inside the file, (3) has the length $TOT x event width,
    (4) starts nearest the end of TEXT. Neither HEADER first nor TEXT first is right for all files in the wild.

    Parameters
    ----------
    data_set, limit
        Bytes from the HEADER of this data set to the end of the file, and where the next data set starts in them.
    event_bytes
        Width of an event, 0 for delimited ASCII.
    partial
        Take the complete events of a truncated or contradictory segment.

    Raises
    ------
    FCSTruncatedError
        The declared events are not all there.
    FCSError
        The offsets are impossible, or the segment holds more than the declared events.
    """
    declared = _declared(keywords, header, report)
    candidates = _candidates(header, keywords)
    if not candidates:
        if not declared:
            if declared is None:
                report.note("no_data", "neither $TOT nor offsets of DATA are given", "read as no events")
            return DataSegment(header.text[1] + 1, 0, 0, 0)
        report.fail(
            f"declares {declared} events ($TOT) but no DATA segment; it is only a header, export the file again"
        )
    required = None if declared is None or not event_bytes else declared * event_bytes
    ranked = sorted(candidates, key=lambda c: _badness(c, required, header.text, limit))
    best = ranked[0]
    if len({c.begin for c in ranked}) > 1 or len({c.length for c in ranked if c.length is not None}) > 1:
        described = ", ".join(f"{c.source} says {c.begin} to {c.last}" for c in candidates)
        report.note("data_offsets_differ", f"offsets of DATA differ: {described}", f"{best.source} used")
    if _overlaps(best, required, header.text):
        report.fail(
            f"DATA (bytes {best.begin} to {best.last}) overlaps TEXT (bytes {header.text[0]} to {header.text[1]}); "
            "export the file again"
        )
    if not event_bytes:
        return _delimited(best, limit, declared, report, partial=partial)
    return _checked(data_set, limit, best, declared, event_bytes, report, partial=partial)


def fills_data(header: Header, keywords: dict[str, str], event_bytes: int) -> bool:
    """Whether $TOT events of this width fill the DATA that HEADER or TEXT gives, to the byte (or one too far)."""
    total = whole(keywords.get("$TOT")) or 0
    lengths = {candidate.length for candidate in _candidates(header, keywords)}
    return total > 0 and not lengths.isdisjoint({total * event_bytes, total * event_bytes + 1})


def _declared(keywords: dict[str, str], header: Header, report: Report) -> int | None:
    text = keywords.get("$TOT")
    total = whole(text)
    if total is not None:
        return total
    if text is None and header.version == "FCS2.0":
        report.note("no_tot", "$TOT is absent", "events counted from the length of DATA")
        return None
    shown = "missing" if text is None else repr(text[:40])
    report.note("no_tot", f"$TOT is {shown}", "events counted from the length of DATA")
    return None


def _candidates(header: Header, keywords: dict[str, str]) -> list[_Candidate]:
    pairs = [("HEADER", *header.data), ("TEXT", whole(keywords.get("$BEGINDATA")), whole(keywords.get("$ENDDATA")))]
    found = []
    for source, begin, end in pairs:
        if begin:
            found.append(_Candidate(source, begin, end - begin + 1 if end is not None and end >= begin else None))
    return found


def _overlaps(candidate: _Candidate, required: int | None, text: tuple[int, int]) -> bool:
    length = candidate.length if required is None else required
    last = candidate.begin + max(length or 1, 1) - 1
    # one byte is shared in files whose ENDTEXT is one too far
    return candidate.begin < text[1] and last > text[0]


def _badness(
    candidate: _Candidate, required: int | None, text: tuple[int, int], limit: int
) -> tuple[bool, bool, int, int]:
    length = candidate.length if required is None else required
    outside = candidate.begin + (length or 0) > limit
    if candidate.length is None:
        mismatch = 2
    elif required is None or candidate.length == required:
        mismatch = 0
    else:
        mismatch = 1 if candidate.length == required + 1 else 3
    return _overlaps(candidate, required, text), outside, mismatch, abs(candidate.begin - text[1])


def _delimited(best: _Candidate, limit: int, declared: int | None, report: Report, *, partial: bool) -> DataSegment:
    length = limit - best.begin if best.length is None else best.length
    if best.begin + length > limit and not partial:
        report.fail_truncated(
            f"DATA ends at byte {best.last}, but the file has {limit}; copy the file again, "
            f"or take what is there ({_OPTION})"
        )
    length = max(min(length, limit - best.begin), 0)
    return DataSegment(best.begin, length, -1 if declared is None else declared, declared or 0)


def _checked(
    data_set: Bytes,
    limit: int,
    best: _Candidate,
    declared: int | None,
    event_bytes: int,
    report: Report,
    *,
    partial: bool,
) -> DataSegment:
    available = max(limit - best.begin, 0)
    if declared is None:
        declared = _count(best, available, event_bytes, report, partial=partial)
    required = declared * event_bytes
    # an end one byte short is as frequent a slip as one too far; more than that is a contradiction
    promised = required if best.length is None or best.length == required - 1 else best.length
    there = min(available, promised)
    if there < required:
        complete = there // event_bytes
        where = f"the file ends after {limit} bytes" if available < required else f"DATA has {best.length} bytes"
        message = f"declares {declared} events of {event_bytes} bytes from byte {best.begin}, but {where}"
        if not partial:
            rescue = f", or take the {complete} complete ones ({_OPTION})" if complete else ""
            report.fail_truncated(f"{message}; copy or download the file again{rescue}")
        report.note("truncated", message, f"{complete} complete events read")
        return DataSegment(best.begin, complete * event_bytes, complete, declared)
    if promised != best.length and best.length is not None:
        report.note("data_end_one_short", "the end of DATA is one byte before the last event ends", "event read")
    if promised > required:
        _check_surplus(data_set, best.begin, required, promised, available, declared, event_bytes, report, partial)
    return DataSegment(best.begin, required, declared, declared)


def _count(best: _Candidate, available: int, event_bytes: int, report: Report, *, partial: bool) -> int:
    length = available if best.length is None else best.length
    count, rest = divmod(length, event_bytes)
    if rest > 1 and not partial:
        report.fail(
            f"gives no $TOT, and DATA of {length} bytes holds no whole number of events of {event_bytes} bytes; "
            f"export the file again, or take the {count} complete ones ({_OPTION})"
        )
    return count


def _check_surplus(
    data_set: Bytes,
    begin: int,
    required: int,
    promised: int,
    available: int,
    declared: int,
    event_bytes: int,
    report: Report,
    partial: bool,
) -> None:
    surplus = promised - required
    if surplus == 1:
        report.note("data_end_one_too_far", "the end of DATA is one byte after the last event", "byte ignored")
        return
    rest = data_set[begin + required : begin + min(promised, available)]
    # padding to whole blocks is zeros or blanks; anything else may be events that $TOT, $PAR or $PnB deny
    padding = not any(bool(((chunk != 0) & (chunk != 32)).any()) for chunk in _chunks(rest))
    message = f"DATA is {surplus} bytes longer than {declared} events ($TOT) of {event_bytes} bytes"
    if padding:
        report.note("data_padding", message, "the rest is padding, ignored")
    elif partial:
        report.note("data_longer", message, f"the first {declared} events read")
    else:
        report.fail(f"{message}; $TOT, $PAR or $PnB is wrong: export the file again, or take {declared} ({_OPTION})")


def _chunks(values: Bytes, size: int = 1 << 20) -> list[Bytes]:
    return [values[i : i + size] for i in range(0, len(values), size)]
