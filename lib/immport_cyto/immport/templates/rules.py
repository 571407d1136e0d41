"""Rules over several columns of a row, and over several files: the kinds of rule of ImmPort's own validator.

A rule looks at columns and at tokens: ``new:biosample`` (the row defines it), ``study`` (the study of the row),
``study:experiment`` (that of what the row refers to), ``subject``, and the words ``yes`` and ``no``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from immport_cyto.immport.templates.conditions import NUMBER, Rows
from immport_cyto.immport.templates.definitions import Rule
from immport_cyto.immport.templates.entities import Entities, distinct, is_accession
from immport_cyto.immport.templates.findings import Severity, shown

_ID_OF = {
    "expsample": "Expsample ID", "biosample": "Biosample ID", "experiment": "Experiment ID", "subject": "Subject ID",
    "planned_visit": "Planned Visit ID",
}  # fmt: skip
_EQUAL = {
    ("yes", "new:subject"): "the subject must be new here, but it is defined before or an accession",
    ("new:biosample", "new:expsample"): "a new biosample cannot belong to an experiment sample that exists already",
    ("new:experiment", "new:expsample"): "a new experiment cannot have an experiment sample that exists already",
}
_NOT_EQUAL = "biosample and experiment exist already, so the experiment sample must be new"


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a row breaks, and where it shows."""

    index: int
    column: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"
    rule: str = ""


@dataclass(frozen=True)
class Context:
    """What the rules know beside the row: what the package defines, and which of its files are templates."""

    entities: Entities
    templates: frozenset[str]


def broken(rule: Rule, rows: Rows, context: Context) -> Iterator[Broken]:
    """The rows that break a rule, in order."""
    holds = rows.mask(rule.when) if rule.kind != "check-population-markers" else [True] * len(rows.grid)
    chosen = [index for index, here in enumerate(holds) if here]
    if chosen:
        yield from _CHECKS[rule.kind](rule, rows, context, chosen)


Check = Callable[[Rule, Rows, Context, Sequence[int]], Iterator[Broken]]


def _all_empty_or_nonempty(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    columns = [rows.cells(name) for name in rule.columns]
    names = " and ".join(rule.columns)
    for index in chosen:
        given = [bool(column[index]) for column in columns]
        if any(given) and not all(given):
            yield Broken(index, rule.columns[given.index(False)], f"give {names} together, or neither")


def _empty_value(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    for name in rule.columns:
        column = rows.cells(name)
        for index in chosen:
            if column[index]:
                yield Broken(index, name, f"must be empty where {rule.when}")


def _at_least_one(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    columns = [rows.cells(name) for name in rule.columns]
    for index in chosen:
        if not any(column[index] for column in columns):
            yield Broken(index, rule.columns[0], f"give at least one of {', '.join(rule.columns)} where {rule.when}")


def _tokens(token: str, rows: Rows, context: Context) -> Sequence[str]:
    """What a token stands for in each row."""
    n = len(rows.grid)
    if token in ("yes", "no"):
        return [token] * n
    if token.startswith("new:"):
        return ["yes" if new else "no" for new in rows.new.get(token[4:], [False] * n)]
    if token == "study":  # noqa: S105
        return rows.studies
    entity = token.removeprefix("study:")
    origins = context.entities.by_id.get(entity, {})
    return [origins[name].study if name in origins else "" for name in rows.cells(_ID_OF[entity])]


def _values_equal(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    first, second = rule.columns
    ones, twos = (_tokens(token, rows, context) for token in rule.columns)
    if first.startswith("study"):
        name = _ID_OF[second.removeprefix("study:")]
        other = "study of the row" if first == "study" else "study of the experiment"
        for index in chosen:
            if ones[index] != twos[index] and distinct(ones[index], twos[index]):
                text = f"it belongs to the study {shown(twos[index])}, but the {other} is {shown(ones[index])}"
                yield Broken(index, name, text)
        return
    name = _ID_OF[second.removeprefix("new:")]
    ids = rows.cells(name)
    for index in chosen:
        if ids[index] and ones[index] != twos[index]:
            yield Broken(index, name, _EQUAL[first, second])


def _values_not_equal(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    name = _ID_OF[rule.columns[1].removeprefix("new:")]
    ids = [rows.cells(_ID_OF[token.removeprefix("new:")]) for token in rule.columns]
    ones, twos = (_tokens(token, rows, context) for token in rule.columns)
    for index in chosen:
        if ones[index] == twos[index] and all(column[index] for column in ids):
            yield Broken(index, name, _NOT_EQUAL)


def _value_in_entity(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    if rule.columns[0] == "subject":
        subjects = rows.cells("Subject ID")
        for index in chosen:
            of = context.entities.studies_of_subject.get(subjects[index], set())
            study = rows.studies[index]
            if of and all(distinct(one, study) for one in of):
                text = f"the subject is in no arm of the study {shown(study)}, but of {shown(', '.join(sorted(of)))}"
                yield Broken(index, "Subject ID", text)
        return
    units = rows.cells(rule.columns[0])
    for index in chosen:
        expected = context.entities.age_units.get(rows.studies[index], "")
        if expected and units[index] and units[index].casefold() != expected.casefold():
            text = f"the study gives ages in {shown(expected)}, this row in {shown(units[index])}; use one unit"
            yield Broken(index, rule.columns[0], text, expected)


def _not_contains(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    one, other = (rows.cells(name) for name in rule.columns)
    for index in chosen:
        if not one[index] or not other[index]:
            continue
        both = {part.strip().casefold() for part in one[index].split(";")} & {
            part.strip().casefold() for part in other[index].split(";")
        }
        for name in sorted(both - {""}):
            text = f"the file {shown(name)} stands in {rule.columns[0]!r}, too; a file has one role"
            yield Broken(index, rule.columns[1], text)


def _schema_for_accession(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    ids = rows.cells(rule.columns[0])
    allowed = rule.columns[1].split("|")
    for index in chosen:
        origin = context.entities.find("expsample", ids[index])
        if origin and origin.template not in allowed:
            text = (
                f"the experiment sample is of the template {origin.template!r} ({origin.file}), not of {allowed[0]!r}"
            )
            yield Broken(index, rule.columns[0], text)


def _schema_for_file(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    name, suffix = rule.columns
    files = rows.cells(name)
    for index in chosen:
        if files[index] and not files[index].lower().endswith(suffix):
            yield Broken(index, name, f"the result file {shown(files[index])} must be a {suffix} file")


def _immport_template(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    name = rule.columns[0]
    files = rows.cells(name)
    for index in chosen:
        if not files[index]:
            yield Broken(index, name, f"name the template that holds the results, because {rule.when}")
        elif files[index] not in context.templates:
            yield Broken(index, name, f"{shown(files[index])} is not a template of the package, but {rule.when}")


def _no_sets(rule: Rule, rows: Rows, context: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    name = rule.columns[0]
    cells = rows.cells(name)
    for index in chosen:
        for part in (part.strip() for part in cells[index].split(";")):
            origin = context.entities.find("reagent", part)
            if origin and origin.template == "reagent_sets" and not is_accession(part, "reagent"):
                yield Broken(index, name, f"{shown(part)} is itself a reagent set; list its reagents")


def _population_markers(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    name = rule.columns[0]
    strict = rows.level.casefold() == "hipc"
    severity: Severity = "error" if strict else "warning"
    cells = rows.cells(name)
    for index in chosen:
        if cells[index] and (text := unreadable_gates(cells[index])):
            yield Broken(index, name, text, severity=severity)


def _statistic(rule: Rule, rows: Rows, _: Context, chosen: Sequence[int]) -> Iterator[Broken]:
    """A share outside of 0 to 100, or less than no cells; ImmPort takes them."""
    name, unit = rule.columns
    values, units = rows.cells(name), rows.cells(unit)
    for index in chosen:
        text = values[index]
        if not NUMBER.fullmatch(text):
            continue
        is_share = units[index].casefold().startswith("percent")
        if float(text) < 0 or (is_share and float(text) > 100):
            why = "outside of 0 to 100 percent" if is_share else "less than nothing"
            yield Broken(index, name, f"{text} is {why}; look at the analysis", severity="warning")


@lru_cache(maxsize=65536)
def unreadable_gates(definition: str) -> str:
    """What cannot be read in a gating definition, or ``""``."""
    from immport_cyto.immport.definitions import read_definition
    from immport_cyto.panel import antigen, parse_gates

    readable = read_definition(definition)
    if not readable:
        return f"{shown(definition)} cannot be read as gates; write them as 'CD3+, CD4+, CCR7-'"
    unknown = [marker for marker in parse_gates(readable).markers if antigen(marker) is None]
    if unknown:
        return f"the marker {shown(unknown[0])} is not known; use the name of lk_analyte"
    return ""


_CHECKS: dict[str, Check] = {
    "all-empty-or-nonempty": _all_empty_or_nonempty,
    "at-least-one-nonempty": _at_least_one,
    "check-immport-template": _immport_template,
    "check-not-contains-case-insensitive": _not_contains,
    "check-population-markers": _population_markers,
    "check-result-schema-for-accession": _schema_for_accession,
    "check-result-schema-for-result-file": _schema_for_file,
    "check-statistic": _statistic,
    "check-value-in-entity": _value_in_entity,
    "empty-value": _empty_value,
    "not-equal-to-value": _no_sets,
    "values-equal": _values_equal,
    "values-not-equal": _values_not_equal,
}
