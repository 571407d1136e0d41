"""Read template files: tab-separated text, the same with commas, and JSON.

The text form: line 1 ``<template> TAB Schema Version 3.xx``, line 2 a notice, line 3 ``Column Name TAB <columns>``,
then rows that begin with an empty cell. Compound templates have blocks instead, each with its name on a line of its
own; some blocks are vertical, with the name of the column first on each line. Nothing here fails for what a user wrote:
it is noted, and what can be read is read.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from immport_cyto.immport.templates import definitions
from immport_cyto.immport.templates.definitions import FIRST_HEADER, NOTICE, Block, Template
from immport_cyto.immport.templates.findings import shown
from immport_cyto.immport.templates.headers import key, match_columns
from immport_cyto.immport.templates.json_form import looks_like_json, read_json
from immport_cyto.immport.templates.members import Member
from immport_cyto.immport.templates.sheets import Grid, GridColumn, Sheet

_SCHEMA = re.compile(r"schema\s*version\s*(\d+(?:\.\d+)*)?", re.IGNORECASE)
Line = tuple[int, list[str]]
MOST_ROWS = 1_000_000


def is_template(member: Member) -> bool:
    """Whether a file of a package is a template: by its name, or by how it begins."""
    if not member.may_be_template:
        return False
    if definitions.find_file(member.base):
        return True
    start = member.start()
    if looks_like_json(start):
        return b'"schemaVersion"' in start or b'"templateType"' in start
    first = start.splitlines()[0].decode("utf-8-sig", errors="replace") if start.strip() else ""
    cell = re.split(r"[\t,;]", first)[0].strip('" ')
    return bool(_SCHEMA.search(first)) or (definitions.find_name(cell) is not None and cell == first.strip())


def read_sheet(member: Member) -> Sheet:
    """Read one template file."""
    if member.base.lower().endswith(".xlsx"):
        sheet = Sheet(member.name, "text")
        sheet.add("form", "a spreadsheet cannot be read here; save it as tab-separated text")
        return sheet
    content = member.content()
    if looks_like_json(content[:4096]):
        return read_json(member.name, content)
    sheet = Sheet(member.name, "text")
    if content.count(b"\n") > MOST_ROWS:
        sheet.add("form", f"more than {MOST_ROWS} rows, which no template has; split the file")
        return sheet
    text = _decoded(content, sheet)
    if text is None:
        return sheet
    lines = _lines(text, sheet)
    del text
    _read_head(sheet, member.base, lines)
    if sheet.template is None:
        return sheet
    if sheet.template.is_compound:
        _read_blocks(sheet, sheet.template, lines)
    else:
        _read_table(sheet, sheet.template.blocks[0], lines)
    return sheet


def _decoded(content: bytes, sheet: Sheet) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        sheet.add("encoding", "the file is UTF-16 text; save it as UTF-8")
        return None
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        row = content[: content.index(b"\0")].count(b"\n") + 1
        sheet.add("encoding", "the file holds NUL characters, as a damaged or binary file does; save it again", row=row)
        content = content.replace(b"\0", b"")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        sheet.add(
            "encoding", "the text is not UTF-8 and is read as Windows-1252; save it as UTF-8",
            severity="warning", row=row,
        )  # fmt: skip
        text = content.decode("cp1252", errors="replace")
    text = text.replace("\r\n", "\n")
    return text.replace("\r", "\n") if "\n" not in text else text


def _lines(text: str, sheet: Sheet) -> list[Line]:
    """Lines with their numbers, cut into cells."""
    first = text.split("\n", 1)[0]
    if "\t" not in first and ("," in first or ";" in first or sheet.file.lower().endswith(".csv")):
        sheet.form = "csv"
        return list(_comma_lines(text, sheet, ";" if ";" in first and "," not in first else ","))
    lines = [(number, line.split("\t")) for number, line in enumerate(text.split("\n"), start=1)]
    if '"' in text:
        _unquote(lines, sheet)
    return lines


def _comma_lines(text: str, sheet: Sheet, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        sheet.add("quotes", f"the quotes are broken here ({error}); what follows is not read", row=before + 1)


def _unquote(lines: list[Line], sheet: Sheet) -> None:
    """Take off the quotes that a spreadsheet puts around cells; a cell that only begins with one is data."""
    for number, cells in lines:
        if not any(cell[:1] == '"' for cell in cells):
            continue
        for place, cell in enumerate(cells):
            if len(cell) >= 2 and cell[0] == cell[-1] == '"':
                cells[place] = cell[1:-1].replace('""', '"')
                sheet.add(
                    "quotes", "a cell stands in quotes, which would become part of the value; save without quotes",
                    severity="warning", row=number, suggestion=cells[place],
                )  # fmt: skip
            elif cell[:1] == '"' and cell.count('"') % 2:
                sheet.add(
                    "quotes", "a cell begins with a quote that is never closed, as where a cell held a line break; "
                    "take out the quote or the line break", row=number,
                )  # fmt: skip


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _read_head(sheet: Sheet, base: str, lines: list[Line]) -> None:
    """Take the three lines of the head off, and find out what the template is."""
    head: list[Line] = []
    while lines and len(head) < 3 and not _starts_table(lines[0][1]):
        if _is_blank(lines[0][1]) and not head:
            lines.pop(0)
            continue
        head.append(lines.pop(0))
        if len(head) == 2 and lines and not _is_blank(lines[0][1]):
            break
    first = [cell.strip() for cell in head[0][1]] if head else []
    name = definitions.find_name(first[0]) if first else None
    by_file = definitions.find_file(base)
    if name is None and (first or not by_file):
        given = first[0] if first else base
        close = definitions.closest_name(given)
        sheet.add(
            "template-name", f"line 1 names no template ({shown(given)}); begin with the name of the template",
            row=1, suggestion=close,
        )  # fmt: skip
    if name and by_file and name != by_file:
        sheet.add(
            "template-name", f"line 1 names the template {name!r}, the file is named as {by_file!r}; correct one",
            severity="warning", row=1, suggestion=by_file,
        )  # fmt: skip
    name = name or by_file
    found = next((match for cell in first[1:] if (match := _SCHEMA.search(cell))), None)
    _set_schema(sheet, name, found[1] or "" if found else "", row=1)
    sheet.level = next((word for cell in first[1:] for word in ("HIPC", "Standard") if word in cell), "")
    notice = head[1][1][0].strip() if len(head) > 1 and head[1][1] else ""
    if notice != NOTICE:
        sheet.add("header-line", f"line 2 must begin with {NOTICE!r}", row=2, suggestion=NOTICE)


def _starts_table(cells: Sequence[str]) -> bool:
    return bool(cells) and key(cells[0]) == key(FIRST_HEADER)


def _set_schema(sheet: Sheet, name: str | None, schema: str, row: int | None) -> None:
    sheet.schema = schema
    newest = definitions.versions()[-1]
    if not schema:
        sheet.add(
            "schema-version", "no schema version is given ('Schema Version 3.xx' after the name of the template)",
            row=row, suggestion=f"Schema Version {newest}",
        )  # fmt: skip
    if name is None:
        return
    sheet.template = definitions.template(name, schema)
    if schema and sheet.template.schema != schema:
        sheet.add(
            "schema-version",
            f"schema {schema} is read by the definitions of {sheet.template.schema}, the nearest known",
            severity="warning", row=row,
        )  # fmt: skip


def _read_table(sheet: Sheet, block: Block, lines: list[Line]) -> None:
    while lines and _is_blank(lines[0][1]):
        lines.pop(0)
    if not lines:
        sheet.add("header-line", f"the line of the column names ({FIRST_HEADER}, ...) is missing", row=3)
        return
    row, cells = lines.pop(0)
    body = [line for line in lines if not _is_blank(line[1])]
    if _starts_table(cells):
        headers, shift = cells[1:], 1
    else:
        sheet.add("header-line", f"the line of the column names must begin with {FIRST_HEADER!r}", row=row)
        named = key(cells[0]) in {key(c.name) for c in block.columns}
        headers = cells if named else cells[1:]
        shift = 0 if named and any(line[1][0].strip() for line in body) else 1
    columns = match_columns(sheet, block, [header.strip() for header in _trimmed(headers, body, shift)], row)
    sheet.grids.append(_grid(sheet, block, columns, body, shift))


def _trimmed(headers: Sequence[str], body: Sequence[Line], shift: int) -> list[str]:
    """Names without the empty ones at the end, which spreadsheets leave where nothing stands below them."""
    found = list(headers)
    while found and not found[-1].strip() and not any(
        len(line[1]) >= len(found) + shift and line[1][len(found) + shift - 1].strip() for line in body
    ):  # fmt: skip
        found.pop()
    return found


def _grid(sheet: Sheet, block: Block, columns: list[GridColumn], body: Sequence[Line], shift: int) -> Grid:
    width = len(columns) + shift
    rows, kept = [], []
    for number, cells in body:
        if shift and cells[0].strip():
            sheet.add(
                "first-cell", f"the first cell of a row must be empty, it holds {shown(cells[0])}; is the row shifted?",
                row=number, block=block.name,
            )  # fmt: skip
        if len(cells) < width:
            cells = cells + [""] * (width - len(cells))
        elif len(cells) > width:
            if not _is_blank(cells[width:]):
                sheet.add(
                    "row-cells", f"the row has {len(cells) - shift} cells for {len(columns)} columns; "
                    "look for a tab inside a cell", row=number, block=block.name,
                )  # fmt: skip
            cells = cells[:width]
        rows.append(number)
        kept.append(cells)
    data = [[cell.strip() for cell in column] for column in zip(*kept, strict=True)][shift:] if kept else []
    return Grid(block, columns, rows, data or [[] for _ in columns])


def _read_blocks(sheet: Sheet, template: Template, lines: list[Line]) -> None:
    if lines and _starts_table(lines[0][1]):
        lines.pop(0)
    blocks = {block.name.casefold(): block for block in template.blocks}
    parts: list[tuple[Block, int, list[Line]]] = []
    in_block, after_blank = False, True
    for number, cells in lines:
        filled = [cell.strip() for cell in cells if cell.strip()]
        if not filled:
            after_blank = True
            continue
        named = blocks.get(filled[0].casefold()) if len(filled) == 1 else None
        # a lone name after a blank line begins a block, though one that the template does not have
        lone = after_blank and len(filled) == 1 and not (in_block and len(parts[-1][0].columns) == 1)
        after_blank = False
        if named:
            parts.append((named, number, []))
            in_block = True
        elif in_block and not lone:
            parts[-1][2].append((number, cells))
        elif in_block or lone or not parts:
            sheet.add(
                "block-name", f"{shown(filled[0])} is no block of the template; what follows is not read",
                row=number, suggestion=_closest_block(filled[0], template),
            )  # fmt: skip
            in_block = False
    for block, number, body in parts:
        if any(block is grid.block for grid in sheet.grids):
            sheet.add("block-name", f"the block {block.name!r} stands there twice", row=number, block=block.name)
            continue
        sheet.grids.append(_read_block(sheet, block, number, body))
    there = {grid.block.name for grid in sheet.grids}
    for block in template.blocks:
        if block.required and block.name not in there:
            sheet.add("block-missing", f"the block {block.name!r} is missing; add it", block=block.name)
    place = {block.name: i for i, block in enumerate(template.blocks)}
    sheet.grids.sort(key=lambda grid: place[grid.block.name])


def _closest_block(text: str, template: Template) -> str:
    import difflib

    close = difflib.get_close_matches(text.casefold(), [block.name for block in template.blocks], n=1, cutoff=0.6)
    return close[0] if close else ""


def _read_block(sheet: Sheet, block: Block, number: int, body: list[Line]) -> Grid:
    """One block: vertical where each line begins with the name of a column, else a header line and rows."""
    if not body:
        return Grid(block, [], [], [])
    if all(cells and not cells[0].strip() for _, cells in body):
        body = [(n, cells[1:]) for n, cells in body]  # as in the other templates, with an empty first cell
    elif _starts_table(body[0][1]):
        body = [(n, cells[1:]) for n, cells in body]
    names = {key(c.name) for c in block.columns}
    first_cells = [key(cells[0]) for _, cells in body]
    across = sum(key(cell) in names for cell in body[0][1])
    names_below = sum(name in names for name in first_cells)
    is_vertical = across == 1 and (names_below > 1 or (len(block.columns) == 1 and _rest(body[0])))
    if not is_vertical:
        head, *rows = body
        columns = match_columns(sheet, block, [h.strip() for h in _trimmed(head[1], rows, 0)], head[0])
        return _grid(sheet, block, columns, rows, 0)
    width = max(len(cells) - 1 for _, cells in body)
    columns = match_columns(sheet, block, [cells[0].strip() for _, cells in body], body[0][0])
    for column, (n, _) in zip(columns, body, strict=True):
        column.line = n
    data = [[cell.strip() for cell in cells[1:]] + [""] * (width - len(cells) + 1) for _, cells in body]
    used = [i for i in range(width) if any(column[i] for column in data)]
    return Grid(block, columns, [number] * len(used), [[column[i] for i in used] for column in data])


def _rest(line: Line) -> bool:
    return any(cell.strip() for cell in line[1][1:])
