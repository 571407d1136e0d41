"""Templates as pandas frames: to and from the text form and the JSON form, in loading order."""

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from immport_cyto.exceptions import OptionError, PackageError, TableError
from immport_cyto.files import atomic_path, write_text
from immport_cyto.immport.templates import definitions
from immport_cyto.immport.templates.conditions import NUMBER
from immport_cyto.immport.templates.definitions import FIRST_HEADER, NOTICE, Block, Column, Template
from immport_cyto.immport.templates.findings import shown
from immport_cyto.immport.templates.headers import key
from immport_cyto.immport.templates.members import find_members
from immport_cyto.immport.templates.reading import is_template, read_sheet
from immport_cyto.immport.templates.sheets import Grid, Sheet

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["text", "json"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_FORMULA = re.compile(r"[=@]|[+\-](?=.)")
_GROUP = re.compile(r"(.*) \[(\d+)\]")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass
class Filled:
    """A template with its rows.

    Attributes
    ----------
    name
        Name of the template.
    blocks
        Per block a frame of text; the key is ``""`` where the template is not compound. Columns have the names of the
        template; those of the second group of results end in `` [2]``.
    schema
        Schema version.
    notes
        What was left out, and why.
    """

    name: str
    blocks: "dict[str, pd.DataFrame]"
    schema: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def frame(self) -> "pd.DataFrame":
        """The rows of a template that is not compound."""
        return self.blocks[""]

    @property
    def template(self) -> Template:
        """Its definitions."""
        return definitions.template(self.name, self.schema)


def empty(name: str, schema: str = "") -> Filled:
    """A template without rows, to fill in.

    Raises
    ------
    OptionError
        There is no such template.
    """
    import pandas as pd

    found = definitions.find_name(name)
    if found is None:
        close = definitions.closest_name(name)
        hint = f"; did you mean {close!r}?" if close else "; see --list"
        msg = f"{name!r} is no template of ImmPort{hint}"
        raise OptionError(msg)
    template = definitions.template(found, schema)
    blocks = {b.name: pd.DataFrame({n: [] for n in _names(b, 1)}, dtype=object) for b in template.blocks}
    return Filled(found, blocks, schema or template.schema)


def _names(block: Block, n_groups: int) -> list[str]:
    """Names of the columns of a frame."""
    meta = [c.name for c in block.part("meta")]
    results = [_group_name(c.name, group, meta) for group in range(1, n_groups + 1) for c in block.part("result")]
    return [*meta, *results]


def _group_name(name: str, group: int, meta: Sequence[str]) -> str:
    return name if group == 1 and name not in meta else f"{name} [{group}]"


def read(path: Path | str) -> list[Filled]:
    """All templates of a package, or the one in a file, in loading order.

    Raises
    ------
    PackageError
        No template is there, or one cannot be read; :func:`.validation.validate` says all that is wrong.
    """
    sheets = [read_sheet(member) for member in find_members([path]).files if is_template(member)]
    for sheet in sheets:
        if sheet.template is None:
            reason = sheet.findings[0].message if sheet.findings else "no template"
            msg = f"{sheet.file}: {reason}"
            raise PackageError(msg)
    if not sheets:
        msg = f"{path}: no upload template in it; give files that begin with the name of a template"
        raise PackageError(msg)
    return [_filled(sheet) for sheet in sorted(sheets, key=lambda s: (s.template.order if s.template else 0, s.file))]


def _filled(sheet: Sheet) -> Filled:
    assert sheet.template is not None  # noqa: S101
    blocks = {grid.block.name: _frame(grid) for grid in sheet.grids}
    return Filled(sheet.template.name, blocks, sheet.schema or sheet.template.schema)


def _frame(grid: Grid) -> "pd.DataFrame":
    import pandas as pd

    meta = [c.name for c in grid.block.part("meta")]
    columns: dict[str, list[str]] = {}
    for column, values in zip(grid.columns, grid.data, strict=True):
        if column.column is None or column.column.kind == "separator":
            continue
        name = _group_name(column.name, column.group, meta) if column.group else column.name
        columns.setdefault(name, values)
    return pd.DataFrame(columns, dtype=object)


def write(
    filled: Iterable[Filled] | Filled, target: Path | str, *, form: Form = "text", attach: Iterable[Path | str] = ()
) -> list[str]:
    """Write templates to a zip in loading order (``target`` ends in ``.zip``), else to files in a folder.

    Parameters
    ----------
    attach
        More files for the package: those that the templates name.

    Returns
    -------
    list of str
        Names of the files, in order.

    Raises
    ------
    TableError
        A frame has a column that the template lacks, or a cell that a spreadsheet would run as a formula.
    PackageError
        Two files of the package have one name, or an attached file is not there.
    """
    given = [filled] if isinstance(filled, Filled) else list(filled)
    given.sort(key=lambda one: (one.template.order, one.name))
    contents: dict[str, str] = {}
    for one in given:
        name = one.template.json_file if form == "json" else one.template.file
        if name in contents:
            msg = f"{name}: two templates of this name; join their rows"
            raise PackageError(msg)
        contents[name] = to_json(one) if form == "json" else to_text(one)
    attached = {Path(path).name: Path(path) for path in attach}
    for name, path in attached.items():
        if not path.is_file() or name in contents:
            msg = f"{path}: {'has the name of a template' if name in contents else 'no such file'}; check --attach"
            raise PackageError(msg)
    target = Path(target)
    if target.suffix.lower() == ".zip":
        _write_zip(target, contents, attached)
    else:
        for name, text in contents.items():
            write_text(target / name, text)
        for name, path in attached.items():
            with atomic_path(target / name) as temporary:
                temporary.write_bytes(path.read_bytes())
    return [*contents, *attached]


def _write_zip(target: Path, contents: Mapping[str, str], attached: Mapping[str, Path]) -> None:
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
        for name, path in attached.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as copy:
                while chunk := source.read(1 << 20):
                    copy.write(chunk)


def to_text(filled: Filled) -> str:
    """The text form."""
    template = filled.template
    lines = [f"{template.name}\tSchema Version {filled.schema or template.schema}", NOTICE]
    if not template.is_compound:
        block = template.blocks[0]
        columns, rows = _cells(filled, block)
        lines.append("\t".join([FIRST_HEADER, *columns]))
        lines += ["\t".join(["", *row]) for row in rows]
        return "\n".join(lines) + "\n"
    lines.append(FIRST_HEADER)
    for block in template.blocks:
        columns, rows = _cells(filled, block)
        lines += ["", block.name]
        if block.is_vertical:
            lines += ["\t".join([name, *(row[place] for row in rows)]) for place, name in enumerate(columns)]
        else:
            lines += ["\t".join(columns), *("\t".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _cells(filled: Filled, block: Block) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of a block in the text form, the groups of results after the separator."""
    frame = _checked(filled, block)
    n_groups = _n_groups(frame, block)
    separator = [c.name for c in block.columns if c.kind == "separator"]
    meta = [c.name for c in block.part("meta")]
    results = [c.name for _ in range(n_groups) for c in block.part("result")]
    names = _names(block, n_groups)
    values = [frame[name].tolist() if name in frame else [""] * len(frame) for name in names]
    if separator:
        values.insert(len(meta), [""] * len(frame))
    return [*meta, *separator, *results], [list(row) for row in zip(*values, strict=True)]


def _n_groups(frame: "pd.DataFrame", block: Block) -> int:
    groups = [int(found[2]) for name in frame.columns if (found := _GROUP.fullmatch(str(name)))]
    return max([1, *groups]) if block.has_results else 0


def _checked(filled: Filled, block: Block) -> "pd.DataFrame":
    """The frame of a block as text, with the names of the template."""
    import pandas as pd

    frame = filled.blocks.get(block.name)
    if frame is None:
        return pd.DataFrame({name: [] for name in _names(block, 1)}, dtype=object)
    known = {key(name): name for name in _names(block, _n_groups(frame, block))}
    columns: dict[str, list[str]] = {}
    for name in frame.columns:
        if key(str(name)) not in known:
            msg = f"{filled.template.file}: {shown(str(name))} is not a column of the template; rename or drop it"
            raise TableError(msg)
        columns[known[key(str(name))]] = [_text(value, filled, str(name)) for value in frame[name]]
    return pd.DataFrame(columns, dtype=object)


def _text(value: Any, filled: Filled, column: str) -> str:
    if isinstance(value, (list, tuple)):
        return ";".join(_text(v, filled, column) for v in value)
    if value is None or (not isinstance(value, str) and str(value) in ("<NA>", "nan", "NaT")):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = _CONTROL.sub(" ", str(value)).strip()
    if _FORMULA.match(text) and not NUMBER.fullmatch(text):
        where = f"{filled.template.file}, {column}"
        msg = f"{where}: {shown(text)} would run as a formula in a spreadsheet; begin it otherwise"
        raise TableError(msg)
    return text


def to_json(filled: Filled) -> str:
    """The JSON form; empty cells are left out."""
    template = filled.template
    document: dict[str, Any] = {
        "fileName": template.json_file,
        "name": template.name,
        "schemaVersion": filled.schema or template.schema,
        "templateType": template.kind,
    }
    if template.is_compound:
        data: dict[str, Any] = {}
        for block in template.blocks:
            records = _records(filled, block)
            if records:
                data[block.json] = records if block.multiple else records[0]
        document["data"] = data
    else:
        document["data"] = _records(filled, template.blocks[0])
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _records(filled: Filled, block: Block) -> list[dict[str, Any]]:
    frame = _checked(filled, block)
    meta = [c.name for c in block.part("meta")]
    found = []
    for row in frame.to_dict("records"):
        record = _record(row, block.part("meta"), 0, meta)
        if block.has_results:
            groups = [_record(row, block.part("result"), g, meta) for g in range(1, _n_groups(frame, block) + 1)]
            record = {"metaData": record, "resultData": [group for group in groups if group]}
        found.append(record)
    return found


def _record(row: Mapping[Any, str], columns: Sequence[Column], group: int, meta: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in columns:
        value = row.get(_group_name(column.name, group, meta) if group else column.name, "")
        if value:
            found[column.json] = _json_value(column, value)
    return found


def _json_value(column: Column, value: str) -> Any:
    if column.is_list:
        return [part.strip() for part in value.split(";") if part.strip()]
    if column.kind in ("number", "positive", "amount") and NUMBER.fullmatch(value):
        found = float(value)
        return int(found) if found.is_integer() and re.fullmatch(r"[+-]?\d+", value) else found
    return value
