"""Lines and cells of the tables of a package, as they are read from it, a block at a time."""

from collections.abc import Iterator
from operator import itemgetter
from typing import IO

from immport_cyto.exceptions import PackageError

_CHUNK = 1 << 20


def lines_of(stream: IO[bytes], label: str, limit: int, line_bytes: int) -> Iterator[str]:
    """Lines in LF, CR LF or bare CR, decoded as UTF-8, else as Windows-1252; a byte order mark is dropped."""
    rest = b""
    total = 0
    end: bytes | None = None
    first = True
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > limit:
            msg = f"{label}: unpacks to more than {limit} bytes, which no ImmPort table does; not loaded"
            raise PackageError(msg)
        if first:
            first = False
            if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
                msg = f"{label}: is UTF-16 text; save it as UTF-8"
                raise PackageError(msg)
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        if end is None:
            end = _line_end(chunk)
        if end == b"\r":  # such a text may still end in LF, as a real one does
            chunk = chunk.replace(b"\n", b"\r")
        block, found, tail = chunk.rpartition(end)
        if not found:
            rest += tail
        else:
            yield from _decode(rest + block, end)
            rest = tail
        if len(rest) > line_bytes:
            msg = f"{label}: a line is longer than {line_bytes} bytes; not an ImmPort table"
            raise PackageError(msg)
    if rest:
        yield from _decode(rest, end or b"\n")


def _line_end(chunk: bytes) -> bytes:
    """CR where the header line ends so; a lone CR inside a line of LF text is data."""
    cr, lf = chunk.find(b"\r"), chunk.find(b"\n")
    return b"\r" if cr >= 0 and (lf < 0 or cr < lf - 1) else b"\n"


def _decode(block: bytes, end: bytes) -> list[str]:
    """Lines of a block of whole lines."""
    try:
        lines = block.decode("utf-8").split(end.decode())
    except UnicodeDecodeError:
        lines = [_decode_line(line) for line in block.split(end)]
    return [line.removesuffix("\r") for line in lines] if b"\r" in block else lines


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def position(columns: list[str], names: tuple[str, ...]) -> int | None:
    """Place of a column; releases split some into what was reported and ImmPort's word for it (``TYPE_REPORTED``)."""
    forms = (*names, *(f"{name}{ending}" for ending in ("_REPORTED", "_PREFERRED") for name in names))
    return next((columns.index(name) for name in forms if name in columns), None)


def rows_of(
    lines: Iterator[str], width: int, where: list[int | None], quoted: bool, label: str, findings: list[str]
) -> Iterator[tuple[str, ...]]:
    """The cells of each line at the places `where`; what is odd about the lines is counted in `findings`."""
    short = long = nul = 0
    first_long = 0
    # an absent column is the empty cell that each row gets at its end
    pick = itemgetter(*(width if at is None else at for at in where), width)
    for number, line in enumerate(_joined(lines, width) if quoted else lines, start=2):
        if not line:
            continue
        if "\0" in line:
            nul += 1
            line = line.replace("\0", "")
        cells = cells_of(line, quoted)
        if len(cells) < width:
            short += 1
            cells += [""] * (width - len(cells))
        elif len(cells) > width:
            if any(cells[width:]):
                long += 1
                first_long = first_long or number
                continue
            del cells[width:]
        cells.append("")
        yield pick(cells)[:-1]
    if short:
        findings.append(f"{label}: {short} rows are shorter than the header; their last cells are taken as empty")
    if long:
        findings.append(
            f"{label}: {long} rows have more cells than the header (first: line {first_long}) and are left out, "
            "since their columns cannot be told"
        )
    if nul:
        findings.append(f"{label}: {nul} rows hold NUL characters, which are left out")


def _joined(lines: Iterator[str], width: int) -> Iterator[str]:
    """Lines, those joined that a line end inside a quoted cell has split: too few cells, and a quote left open."""
    pending = ""
    for line in lines:
        if pending:
            line = f"{pending} {line}"
        is_open = line.count('"') % 2 == 1 and line.count("\t") + 1 < width
        pending = line if is_open and len(line) < _CHUNK else ""
        if not pending:
            yield line
    if pending:
        yield pending


def cells_of(line: str, quoted: bool) -> list[str]:
    """Cells of a line; with `quoted`, quotes around a cell are taken off."""
    cells = line.split("\t")
    if quoted and '"' in line:
        return [
            cell[1:-1].replace('""', '"') if len(cell) >= 2 and cell[0] == cell[-1] == '"' else cell for cell in cells
        ]
    return cells
