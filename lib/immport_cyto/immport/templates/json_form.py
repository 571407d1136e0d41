"""The JSON form of a template.

``{"fileName": ..., "name": ..., "schemaVersion": "3.33", "templateType": ..., "data": [{...}, ...]}`` with the columns
under their JSON names. Groups of results stand in ``resultData`` beside ``metaData``; blocks of a compound template
are keys of ``data``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from immport_cyto.immport.templates import definitions
from immport_cyto.immport.templates.definitions import Block, Column
from immport_cyto.immport.templates.findings import shown
from immport_cyto.immport.templates.sheets import Grid, GridColumn, Sheet

META, RESULTS = "metaData", "resultData"
_NUMBERS = ("number", "positive")


def looks_like_json(start: bytes) -> bool:
    """Whether a file that begins so is JSON."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def read_json(file: str, content: bytes) -> Sheet:
    """Read one JSON template."""
    sheet = Sheet(file, "json")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        sheet.add("form", f"the file is no whole JSON in UTF-8 ({str(error)[:80]}); save it again")
        return sheet
    if not isinstance(document, dict):
        sheet.add("form", "the JSON must be an object with 'name', 'schemaVersion' and 'data'")
        return sheet
    given = str(document.get("name") or document.get("fileName") or "")
    name = definitions.find_name(given) or definitions.find_file(file.rsplit("/", 1)[-1])
    if definitions.find_name(given) is None:
        close = definitions.closest_name(given)
        sheet.add("template-name", f"'name' names no template ({shown(given)})", column="name", suggestion=close)
    sheet.schema = str(document.get("schemaVersion") or "")
    sheet.level = str(document.get("validationLevel") or "")
    if not sheet.schema:
        sheet.add("schema-version", "no 'schemaVersion' is given", suggestion=definitions.versions()[-1])
    if name is None:
        return sheet
    sheet.template = definitions.template(name, sheet.schema)
    if sheet.schema and sheet.template.schema != sheet.schema:
        text = f"schema {sheet.schema} is read by the definitions of {sheet.template.schema}, the nearest known"
        sheet.add("schema-version", text, severity="warning")
    _read_data(sheet, document.get("data"))
    return sheet


def _read_data(sheet: Sheet, data: Any) -> None:
    assert sheet.template is not None  # noqa: S101 - set by the caller
    if not sheet.template.is_compound:
        block = sheet.template.blocks[0]
        records = _records(data if data is not None else [], sheet, block, "data")
        sheet.grids.append(_grid(sheet, block, records))
        return
    parts: dict[str, Any] = {}
    for part in data if isinstance(data, list) else [data]:
        if not isinstance(part, dict):
            sheet.add("form", "'data' of a compound template must be an object with its blocks")
            return
        parts |= part
    known = {block.json: block for block in sheet.template.blocks}
    for name in parts:
        if name not in known:
            sheet.add("block-name", f"{shown(name)} is not a block of the template", block=name)
    for block in sheet.template.blocks:
        if not parts.get(block.json):
            if block.required and parts:
                sheet.add("block-missing", f"the block {block.name!r} is missing; add it", block=block.name)
            continue
        records = _records(parts[block.json], sheet, block, block.json)
        sheet.grids.append(_grid(sheet, block, records))


def _records(data: Any, sheet: Sheet, block: Block, name: str) -> list[dict[str, Any]]:
    found = data if isinstance(data, list) else [data]
    if not all(isinstance(record, dict) for record in found):
        sheet.add("form", f"{name!r} must be a list of objects", block=block.name)
        return []
    return found


def _grid(sheet: Sheet, block: Block, records: Sequence[Mapping[str, Any]]) -> Grid:
    metas: list[Mapping[str, Any]] = []
    results: list[list[Mapping[str, Any]]] = []
    for number, record in enumerate(records, start=1):
        if block.has_results and (META in record or RESULTS in record):
            meta, groups = record.get(META, {}), record.get(RESULTS, [])
            groups = groups if isinstance(groups, list) else [groups]
            if not isinstance(meta, dict) or not all(isinstance(group, dict) for group in groups):
                text = f"{META!r} must be an object and {RESULTS!r} a list of objects"
                sheet.add("form", text, row=number, block=block.name)
                meta, groups = {}, []
        else:
            meta, groups = record, []
        metas.append(meta)
        results.append(groups)
    n_groups = max((len(groups) for groups in results), default=0)
    columns = [GridColumn(c.name, c) for c in block.part("meta")]
    data = [_column(sheet, block, c.column, metas) for c in columns if c.column]
    for group in range(max(n_groups, 1) if block.has_results else 0):
        part = [groups[group] if group < len(groups) else {} for groups in results]
        for column in block.part("result"):
            columns.append(GridColumn(column.name, column, group + 1))
            data.append(_column(sheet, block, column, part))
    _unknown(sheet, block, "meta", metas)
    _unknown(sheet, block, "result", [group for groups in results for group in groups])
    return Grid(block, columns, list(range(1, len(records) + 1)), data)


def _column(sheet: Sheet, block: Block, column: Column, records: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for number, record in enumerate(records, start=1):
        value = record.get(column.json)
        if isinstance(value, list) and column.is_list and not any(isinstance(v, (dict, list)) for v in value):
            found.append(";".join(_text(v) for v in value))
            continue
        wrong = isinstance(value, (dict, list, bool))
        is_text = isinstance(value, str) and value.strip() and (column.kind in _NUMBERS or column.is_list)
        if wrong or is_text:
            expected = "a list" if column.is_list else "a number" if column.kind in _NUMBERS else "text"
            message = f"{column.json!r} must be {expected} in the JSON form"
            sheet.add(
                "type", message, row=number, column=column.name, block=block.name,
                severity="error" if wrong else "warning",
            )  # fmt: skip
        found.append(_text(value))
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value).strip()


def _unknown(sheet: Sheet, block: Block, part: str, records: Sequence[Mapping[str, Any]]) -> None:
    known = {column.json for column in block.part(part)}
    known |= {column.json for column in block.columns if column.kind == "separator"}
    first: dict[str, int] = {}
    for number, record in enumerate(records, start=1):
        for name in record:
            if name not in known:
                first.setdefault(name, number)
    for name, number in first.items():
        severity = "warning" if sheet.is_newer else "error"
        text = f"{shown(name)} is not a column of the template; correct the name or delete it"
        sheet.add("column-unknown", text, row=number, column=name, block=block.name, severity=severity)  # type: ignore[arg-type]
