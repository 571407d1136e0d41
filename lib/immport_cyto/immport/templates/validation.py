"""Validate an upload package without ImmPort: all findings, in order of files and rows, causes before consequences.

Files come in the order in which ImmPort loads them, since what an early one lacks is missing in all later ones; the
findings of a row come in the order of ImmPort's own steps: rules before, references, files, keys, vocabularies, rules
after, required, conditional, kinds, lengths.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.exceptions import PackageError
from immport_cyto.immport.package import Limits
from immport_cyto.immport.templates import cells, rules
from immport_cyto.immport.templates.cells import CellChecks
from immport_cyto.immport.templates.conditions import Rows
from immport_cyto.immport.templates.entities import Entities, in_load_order
from immport_cyto.immport.templates.findings import Finding, Severity, shown, to_frame
from immport_cyto.immport.templates.members import LIMITS, Member, find_members
from immport_cyto.immport.templates.privacy import check_sheets
from immport_cyto.immport.templates.reading import is_template, read_sheet
from immport_cyto.immport.templates.sharing import check_fcs
from immport_cyto.immport.templates.sheets import Grid, Sheet

if TYPE_CHECKING:
    import pandas as pd

_Placed = tuple[int, int, int, Finding]  # row, stage, column


@dataclass(frozen=True)
class Summary:
    """One template file of the package."""

    file: str
    template: str
    schema: str
    form: str
    rows: int


@dataclass
class Report:
    """What validation found.

    Attributes
    ----------
    findings
        All, in order.
    files
        The templates that were read, in loading order.
    n_other
        Files of the package that are no templates.
    n_accessions
        IDs that are accessions, which nothing offline can check.
    """

    findings: list[Finding] = field(default_factory=list)
    files: list[Summary] = field(default_factory=list)
    n_other: int = 0
    n_accessions: int = 0

    @property
    def errors(self) -> list[Finding]:
        """The findings for which ImmPort would refuse the package."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that ImmPort would accept."""
        return [finding for finding in self.findings if finding.severity == "warning"]

    def frame(self) -> "pd.DataFrame":
        """Findings as the table :data:`.findings.FINDINGS`."""
        return to_frame(self.findings)


def validate(
    package: Iterable[Path | str] | Path | str,
    *,
    complete: bool = False,
    look_for_files: bool = True,
    privacy: bool = True,
    limits: Limits = LIMITS,
) -> Report:
    """Check an upload package: a folder, a zip, or template files.

    Parameters
    ----------
    package
        One or several paths.
    complete
        Nothing of it is in ImmPort already: an ID that the package does not define is an error even where it holds no
        template that could define it.
    look_for_files
        Whether the files that the templates name must be in the package.
    privacy
        Whether to look for persons, dates, ages and places, in the templates and in FCS files.

    Raises
    ------
    PackageError
        There is nothing to validate, or an archive that must not be trusted.
    """
    paths = [package] if isinstance(package, (str, Path)) else list(package)
    members = find_members(paths, limits)
    given = [member for member in members.files if is_template(member)]
    if not given:
        listed = ", ".join(str(path) for path in paths)
        msg = f"{listed}: no upload template in it (a .txt, .csv or .json that begins with the name of a template)"
        raise PackageError(msg)
    others = [member for member in members.files if member not in given]
    sheets = in_load_order([read_sheet(member) for member in given])
    report = Report(n_other=len(others))
    entities = Entities()
    rows_of = [entities.add(sheet) for sheet in sheets]
    names = frozenset(member.base for member in members.files) | members.beside
    checks = CellChecks(entities, names if look_for_files else None, complete)
    context = rules.Context(entities, frozenset(sheet.file.rsplit("/", 1)[-1] for sheet in sheets))
    private = check_sheets(sheets, for_upload=True) if privacy else {}
    for sheet, rows in zip(sheets, rows_of, strict=True):
        report.findings += sheet.findings
        for number, (grid, of) in enumerate(zip(sheet.grids, rows, strict=True)):
            if grid.block.name and grid.block.required and not len(grid) and any(len(other) for other in sheet.grids):
                text = f"the block {grid.block.name!r} has no rows; fill it"
                report.findings.append(Finding(sheet.file, grid.block.name, None, "", "error", "block-rows", text))
            report.findings += _check_grid(sheet, grid, of, checks, context, private.get((sheet.file, number), ()))
        n_rows = sum(len(grid) for grid in sheet.grids)
        if sheet.template and not n_rows and not any(f.severity == "error" for f in sheet.findings):
            text = "the template holds no rows; fill it or leave it out of the package"
            report.findings.append(Finding(sheet.file, "", None, "", "warning", "no-rows", text))
        name = sheet.template.name if sheet.template else ""
        report.files.append(Summary(sheet.file, name, sheet.schema, sheet.form, n_rows))
    if privacy:
        report.findings += check_fcs([m for m in others if _is_fcs(m)], severity="warning")
    report.n_accessions = checks.unchecked
    return report


def _is_fcs(member: Member) -> bool:
    return member.base.lower().endswith((".fcs", ".fcs.gz"))


def _check_grid(
    sheet: Sheet, grid: Grid, rows: Rows, checks: CellChecks, context: rules.Context, private: Sequence[_Placed]
) -> list[Finding]:
    found = [
        *_rules(sheet, grid, rows, context),
        *_keys(sheet, grid, checks.entities),
        *_needed(sheet, grid, rows),
        *_columns(sheet, grid, checks),
        *private,
    ]
    found.sort(key=lambda item: item[:3])
    if not grid.block.multiple and len(grid) > 1:
        text = f"the block {grid.block.name!r} may have one row only, it has {len(grid)}"
        found.insert(0, (0, 0, 0, Finding(sheet.file, grid.block.name, grid.rows[1], "", "error", "block-rows", text)))
    return [finding for *_, finding in found]


def _placed(
    sheet: Sheet, grid: Grid, index: int, stage: int, place: int | None, rule: str, message: str, suggestion: str = "",
    severity: Severity = "error", column: str = "",
) -> _Placed:  # fmt: skip
    row = grid.rows[index] if place is None else grid.row(place, index)
    name = column or ("" if place is None else grid.columns[place].name)
    finding = Finding(sheet.file, grid.block.name, row, name, severity, rule, message, suggestion)
    return index, stage, place if place is not None else -1, finding


def _rules(sheet: Sheet, grid: Grid, rows: Rows, context: rules.Context) -> Iterator[_Placed]:
    for rule in grid.block.rules:
        stage = cells.PRE if rule.stage == "pre" else cells.POST
        for item in rules.broken(rule, rows, context):
            place = grid.position(item.column)
            yield _placed(
                sheet, grid, item.index, stage, place, rule.kind, item.message, item.suggestion, item.severity,
                item.column,
            )  # fmt: skip


def _keys(sheet: Sheet, grid: Grid, entities: Entities) -> Iterator[_Placed]:
    """Rows that repeat the key of another, and IDs that another file gives to something else."""
    assert sheet.template is not None  # noqa: S101
    key = grid.block.key
    places = [place for name in key if (place := grid.position(name)) is not None]
    if places:
        first: dict[tuple[str, ...], int] = {}
        for index, values in enumerate(zip(*(grid.data[place] for place in places), strict=True)):
            if any(values) and first.setdefault(values, index) != index:
                row = grid.row(places[0], first[values])
                text = f"{shown(', '.join(values))} stands in row {row}, too; each row needs {_named(key)} of its own"
                yield _placed(sheet, grid, index, cells.KEYS, places[0], "key", text)
    elif not grid.block.name:
        seen_rows: dict[tuple[str, ...], int] = {}
        for index, values in enumerate(zip(*grid.data, strict=True)):
            if seen_rows.setdefault(values, index) != index:
                text = f"the row is the same as row {grid.rows[seen_rows[values]]}; delete one"
                yield _placed(sheet, grid, index, cells.KEYS, None, "row-twice", text, severity="warning")
    for place, column in enumerate(grid.columns):
        entity = column.column.defines if column.column else ""
        if not entity or column.name != "User Defined ID":
            continue
        seen: dict[str, int] = {}
        for index, value in enumerate(grid.data[place]):
            origin = entities.find(entity, value)
            if origin and origin.file != sheet.file:
                text = (
                    f"{shown(value)} is the ID of another {entity.replace('_', ' ')} in {origin.file}, row {origin.row}"
                )
                yield _placed(sheet, grid, index, cells.KEYS, place, "key", text)
            elif column.group and value and seen.setdefault(value, index) != index:
                text = f"{shown(value)} stands in row {grid.rows[seen[value]]}, too; give each an ID of its own"
                yield _placed(sheet, grid, index, cells.KEYS, place, "key", text)


def _named(key: Sequence[str]) -> str:
    return f"a {key[0]}" if len(key) == 1 else "values"


def _needed(sheet: Sheet, grid: Grid, rows: Rows) -> Iterator[_Placed]:
    given: dict[int, list[bool]] = {}
    for place, column in enumerate(grid.columns):
        if column.group > 1 and column.column:
            filled = [bool(value) for value in grid.data[place]]
            before = given.setdefault(column.group, [False] * len(grid))
            given[column.group] = [a or b for a, b in zip(before, filled, strict=True)]
    for place, column in enumerate(grid.columns):
        definition = column.column
        if definition is None or not (definition.required or definition.when) or "" not in grid.data[place]:
            continue
        needed = rows.mask("" if definition.required else definition.when, column.group)
        here = given.get(column.group)
        stage, rule = (cells.REQUIRED, "required") if definition.required else (cells.CONDITIONAL, "conditional")
        text = "is required; fill it" if definition.required else f"is required where {_readable(definition.when)}"
        for index, value in enumerate(grid.data[place]):
            if not value and needed[index] and (here is None or here[index]):
                yield _placed(sheet, grid, index, stage, place, rule, text)


def _readable(when: str) -> str:
    words = when.replace("new:", "the row defines a new ").replace("_", " ")
    text = words.replace(" || ", ", or ").replace(" & ", " and ").replace("|", " or ")
    return text if len(text) <= 200 else f"{text[:197]}..."


def _columns(sheet: Sheet, grid: Grid, checks: CellChecks) -> Iterator[_Placed]:
    assert sheet.template is not None  # noqa: S101
    order = sheet.template.order
    for place, column in enumerate(grid.columns):
        definition = column.column
        if definition is None or definition.kind == "separator":
            continue
        values = grid.data[place]
        suspects = checks.suspects(definition, values, order)
        found = {value: checks.problems(definition, value, order) for value in suspects}
        wrong = {value: problems for value, problems in found.items() if problems}
        if wrong:
            for index, value in enumerate(values):
                for problem in wrong.get(value, ()):
                    yield _placed(
                        sheet, grid, index, problem.stage, place, problem.rule, problem.message, problem.suggestion,
                        problem.severity,
                    )  # fmt: skip
        if definition.references:
            yield from _unknown(sheet, grid, place, checks)


def _unknown(sheet: Sheet, grid: Grid, place: int, checks: CellChecks) -> Iterator[_Placed]:
    """One warning for a column of IDs that cannot be checked, because the package holds nothing of their kind."""
    definition = grid.columns[place].column
    assert definition is not None  # noqa: S101
    parts = {part.strip() for value in set(grid.data[place]) for part in value.split(";")} - {""}
    unknown = {part for part in parts if checks.is_unknown_here(definition, part)}
    if not unknown:
        return
    index = next(i for i, value in enumerate(grid.data[place]) if unknown & {p.strip() for p in value.split(";")})
    what = definition.references.replace("_", " ")
    text = f"the package defines no {what}: {len(unknown)} IDs are taken for ones that are in ImmPort already"
    yield _placed(sheet, grid, index, cells.REFERENCE, place, "foreign-key-unchecked", text, severity="warning")
