"""Which column of a file is which column of the template."""

import difflib
import re
from collections.abc import Sequence

from immport_cyto.immport.templates.definitions import Block, Column
from immport_cyto.immport.templates.findings import shown
from immport_cyto.immport.templates.sheets import GridColumn, Sheet


def key(text: str) -> str:
    """A header without case, blanks and line breaks."""
    return re.sub(r"\s+", "", text).casefold()


def match_columns(sheet: Sheet, block: Block, headers: Sequence[str], row: int) -> list[GridColumn]:
    """Columns of a file by the definitions; what is unknown, missing or double is noted in the sheet.

    In a template with groups of results the same columns may follow each other several times, after the separator.
    """
    meta = {key(c.name): c for c in block.part("meta")}
    result = {key(c.name): c for c in block.part("result")}
    separator = {key(c.name): c for c in block.columns if c.kind == "separator"}
    found: list[GridColumn] = []
    in_results, group, seen = False, 1, set[str]()
    for header in headers:
        name = key(header)
        if name in separator and not in_results:
            in_results = True
            found.append(GridColumn(header, separator[name]))
            continue
        in_results = in_results or (name in result and (name not in meta or name in seen))
        if in_results and (name in seen and name in result and _in_group(found, group, result[name])):
            group += 1
        column = (result if in_results else meta).get(name)
        at = group if in_results else 0
        if not in_results and name in seen:
            _note(sheet, block, "column-duplicate", header, row, "stands there twice; keep one")
            column = None
        elif column is None:
            _unknown(sheet, block, header, row)
        elif header != column.name:
            sheet.add(
                "column-name", f"the column is written {shown(header)}; write it as the template does",
                severity="warning", row=row, column=column.name, block=block.name, suggestion=column.name,
            )  # fmt: skip
        seen.add(name)
        found.append(GridColumn(header, column, at))
    _missing(sheet, block, found, row)
    return found


def _in_group(found: Sequence[GridColumn], group: int, column: Column) -> bool:
    return any(c.group == group and c.column is column for c in found)


def _unknown(sheet: Sheet, block: Block, header: str, row: int) -> None:
    names = {key(c.name): c.name for c in block.columns}
    close = difflib.get_close_matches(key(header), names, n=1, cutoff=0.6)
    suggestion = names[close[0]] if close else ""
    if not header.strip():
        sheet.add("column-unknown", "a column has cells but no name; name it or delete it", row=row, block=block.name)
        return
    known = sheet.template.schema if sheet.template else ""
    what = f"is not a column of the template (schema {known})"
    _note(sheet, block, "column-unknown", header, row, f"{what}; correct the name or delete the column", suggestion)


def _note(sheet: Sheet, block: Block, rule: str, header: str, row: int, text: str, suggestion: str = "") -> None:
    may_be_new = rule == "column-unknown" and sheet.is_newer
    sheet.add(
        rule, f"{shown(header)} {text}", severity="warning" if may_be_new else "error", row=row, column=header,
        block=block.name, suggestion=suggestion,
    )  # fmt: skip


def _missing(sheet: Sheet, block: Block, found: Sequence[GridColumn], row: int) -> None:
    there = {id(c.column) for c in found}
    may_be_renamed = sheet.is_newer and any(c.column is None for c in found)
    for column in block.columns:
        if id(column) in there:
            continue
        needed = column.required or bool(column.when) or column.kind == "separator"
        is_error = needed and not may_be_renamed
        sheet.add(
            "column-missing", f"the column {column.name!r} is missing; add it{'' if needed else ', it may be empty'}",
            severity="error" if is_error else "warning", row=row, column=column.name, block=block.name,
        )  # fmt: skip
