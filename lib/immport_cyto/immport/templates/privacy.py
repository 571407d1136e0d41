"""What points to a person or a day, in an upload package or in anything that is to be shared.

ImmPort's rules: no dates in demographics and biosamples, no age above 89 (90 stands for 90 and more), no place below a
state of the USA, no IDs that the user defined, no personal keywords in FCS files. A finding names the place, never the
value.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from immport_cyto.exceptions import FCSError
from immport_cyto.immport.package import Limits
from immport_cyto.immport.templates.cells import PRIVACY
from immport_cyto.immport.templates.definitions import Column, vocabulary
from immport_cyto.immport.templates.entities import is_accession
from immport_cyto.immport.templates.findings import Finding, Severity
from immport_cyto.immport.templates.members import LIMITS, Member, copy_of, find_members
from immport_cyto.immport.templates.reading import is_template, read_sheet
from immport_cyto.immport.templates.sheets import Grid, Sheet
from immport_cyto.immport.values import TOP_CODE_YEARS, age_years, number

if TYPE_CHECKING:
    import pandas as pd

AGE, DATE, FILE_NAME, FCS, IDENTIFIER, LOCATION = (
    "privacy-age", "privacy-date", "privacy-file-name", "privacy-fcs-keyword", "privacy-identifier", "privacy-location",
)  # fmt: skip
_TEXTS = {
    AGE: "an age above 89 must not be shared; give 90, which stands for 90 and more",
    DATE: "the text holds a date; give days after the study's time zero instead",
    FILE_NAME: "the name of the file holds a date or a name; rename the file (fcs deidentify does)",
    IDENTIFIER: "the text holds an ID that was defined by the user; such IDs are never shared",
    FCS: "keywords of the FCS file point to a person or a day; blank them with fcs deidentify",
    LOCATION: "a place that is no country and no state of the USA in lk_subject_location; give the state or country",
}
_PERSONAL = ("subject", "biosample", "expsample", "control_sample")
_DEMOGRAPHIC = ("subjecthumans", "subjectanimals", "biosamples", "labtests")
_OF_BIOSAMPLE = re.compile(r"^(Biosample |Subtype$|Type$|Study Time )")
_AGE_COLUMNS = {
    "Min Subject Age": "Age Unit", "Max Subject Age": "Age Unit", "Age At Onset Reported": "Age At Onset Unit Reported",
    "MIN_SUBJECT_AGE": "AGE_UNIT", "MAX_SUBJECT_AGE": "AGE_UNIT", "AGE_REPORTED": "AGE_UNIT",
}  # fmt: skip
_OF_SUBJECTS = ("subject", "human_subject", "arm_2_subject", "biosample")
_TABLE_SUFFIXES = (".tsv", ".txt", ".csv")
_TEXT_SUFFIXES = (*_TABLE_SUFFIXES, ".json", ".html", ".svg", ".yaml", ".yml", ".md")
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 6
_DIGIT = re.compile(r"\d")
# what every date has; the search itself costs more
_MAY_BE_DATE = re.compile(
    r"(?:19[89]|20[0-4])\d|\d[-/._ ,]*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\d/\d", re.IGNORECASE
)
_MAY_BE_DATED_NAME = re.compile(rf"{_MAY_BE_DATE.pattern}|\d\d?[-._ ]\d\d?[-._ ]\d\d|\d{{6}}", re.IGNORECASE)
_NO_PLACES = frozenset(("", "not specified", "other", "unknown", "na", "n/a"))
Placed = tuple[int, int, int, Finding]


@dataclass
class Identifiers:
    """IDs that users gave to subjects and samples.

    Attributes
    ----------
    whole
        IDs; a cell that is nothing else is one of them.
    inside
        Those that are told from ordinary words and numbers within a longer text: four characters, with a digit.
    n_short
        IDs that are not looked for: single characters, and numbers of less than six digits.
    """

    whole: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    n_short: int = 0
    _first_words: set[str] = field(default_factory=set)

    def add(self, values: Iterable[str], entity: str) -> None:
        """Take up IDs; accessions of ImmPort are public and left out."""
        for value in set(values) - self.whole:
            if not value or (entity and is_accession(value, entity)):
                continue
            if len(value) < 2 or (value.isdigit() and len(value) < 6):
                self.n_short += 1
                continue
            self.whole.add(value)
            word = _WORD.search(value)
            if len(value) >= 4 and word and _DIGIT.search(value):
                self.inside.add(value)
                self._first_words.add(word[0])

    def are_in(self, text: str) -> bool:
        """Whether a text is, or holds, one of them."""
        if text in self.whole:
            return True
        if self._first_words.isdisjoint(_WORD.findall(text)):
            return False
        places = [match.span() for match in _WORD.finditer(text)]
        return any(
            text[places[first][0] : places[last][1]] in self.inside
            for first in range(len(places))
            if text[places[first][0] : places[first][1]] in self._first_words
            for last in range(first, min(first + _MOST_WORDS, len(places)))
        )


@dataclass
class PrivacyReport:
    """What was found in files that are to be shared.

    Attributes
    ----------
    n_files
        Files that were looked into.
    skipped
        Files that are neither text nor FCS.
    n_identifiers, n_short
        IDs that were looked for, and those that are too short for that.
    """

    findings: list[Finding] = field(default_factory=list)
    n_files: int = 0
    skipped: list[str] = field(default_factory=list)
    n_identifiers: int = 0
    n_short: int = 0


def has_date(text: str, *, is_file: bool = False) -> bool:
    """Whether a text holds a date; in the name of a file those of six digits count too.

    >>> has_date("drawn 2012-03-05"), has_date("Day 14"), has_date("PBMC_030512.fcs", is_file=True)
    (True, False, True)
    """
    if not (_MAY_BE_DATED_NAME if is_file else _MAY_BE_DATE).search(text):
        return False
    from immport_cyto.fcs import personal

    days = personal.days_in(text, name=is_file)
    return bool(personal.keep_file_info_id(text, days, ()) if is_file else days)


def is_too_old(age: object, unit: object = "Years") -> bool:
    """Whether an age is above 89 and not the 90 that stands for all above.

    >>> is_too_old("91", "Years"), is_too_old("90"), is_too_old("1100", "Months"), is_too_old("30")
    (True, False, True, False)
    """
    years = age_years(age, unit)
    return years is not None and years > TOP_CODE_YEARS - 1 and years != TOP_CODE_YEARS


def is_below_state(place: str) -> bool:
    """Whether a place is none of the vocabulary's countries and states."""
    return place.strip().casefold() not in _NO_PLACES and vocabulary("lk_subject_location").find(place) is None


# upload templates -----------------------------------------------------------------------------------------------------


def check_sheets(sheets: Sequence[Sheet], *, for_upload: bool) -> dict[tuple[str, int], list[Placed]]:
    """Findings on templates, per file and grid, each with its row, stage and column.

    In an upload package, which ImmPort curates, IDs and dates in names of files are warnings.
    """
    identifiers = Identifiers()
    for sheet in sheets:
        collect(sheet, identifiers)
    return {
        (sheet.file, number): list(_check_grid(sheet, grid, identifiers, for_upload))
        for sheet in sheets
        for number, grid in enumerate(sheet.grids)
    }


def collect(sheet: Sheet, identifiers: Identifiers) -> None:
    """Take up the IDs that a template gives to subjects and samples."""
    for grid in sheet.grids:
        for place, column in enumerate(grid.columns):
            if column.column and column.column.defines in _PERSONAL:
                identifiers.add(grid.data[place], column.column.defines)


def _check_grid(sheet: Sheet, grid: Grid, identifiers: Identifiers, for_upload: bool) -> Iterator[Placed]:
    assert sheet.template is not None  # noqa: S101 - only sheets with a template have grids
    weak: Severity = "warning" if for_upload else "error"
    entities = {e for c in grid.columns if c.column for e in (c.column.defines, c.column.references)}
    if entities.isdisjoint(_PERSONAL):
        return
    for place, column in enumerate(grid.columns):
        definition = column.column
        if definition is None or definition.defines or definition.references or definition.kind == "separator":
            continue
        values = grid.data[place]
        units = grid.values(_AGE_COLUMNS.get(definition.name, ""))
        is_age = definition.name in _AGE_COLUMNS
        checks = _checks(definition, sheet.template.name, identifiers, weak)
        if not checks and not is_age:
            continue
        known: dict[str, list[tuple[str, Severity]]] = {}
        for index, value in enumerate(values):
            if not value:
                continue
            if value not in known:
                known[value] = [(rule, severity) for rule, severity, wrong in checks if wrong(value)]
            found = known[value]
            if is_age and is_too_old(value, units[index]):
                found = [*found, (AGE, "error")]
            for rule, severity in found:
                row = grid.row(place, index)
                text = _TEXTS[rule]
                yield index, PRIVACY, place, Finding(
                    sheet.file, grid.block.name, row, column.name, severity, rule, text
                )  # fmt: skip


def _checks(column: Column, template: str, identifiers: Identifiers, weak: Severity) -> list[tuple]:
    """What is asked of the values of a column: rule, severity, and the question."""
    if column.name == "Subject Location":
        return [(LOCATION, "error", is_below_state)]
    if column.kind == "file":
        return [(FILE_NAME, weak, _file_has_date), (IDENTIFIER, weak, identifiers.are_in)]
    if column.vocabulary or column.kind not in ("text", "amount"):
        return []
    is_demographic = template in _DEMOGRAPHIC or _OF_BIOSAMPLE.match(column.name)
    return [(DATE, "error" if is_demographic else weak, has_date), (IDENTIFIER, weak, identifiers.are_in)]


def _file_has_date(text: str) -> bool:
    return any(has_date(part.strip(), is_file=True) for part in text.split(";"))


# tables ---------------------------------------------------------------------------------------------------------------


def check_tables(frames: "Mapping[str, pd.DataFrame]", identifiers: Collection[str] = ()) -> list[Finding]:
    """Findings on tables that are to be shared, such as those of a report.

    Parameters
    ----------
    frames
        Tables by their file names.
    identifiers
        IDs that users gave to subjects and samples, none of which may be in the tables.

    Returns
    -------
    list of Finding
        In order of the tables, rows and columns; the row is the line of the file, its header being line 1.
    """
    ids = Identifiers()
    ids.add(identifiers, "")
    found: list[Finding] = []
    for name, frame in frames.items():
        known = frame.notna()
        columns = {
            str(c): [str(v) if there else "" for v, there in zip(frame[c], known[c], strict=True)] for c in frame
        }
        found += _check_table(name, columns, ids)
    return found


def summarize(findings: Iterable[Finding]) -> list[str]:
    """One sentence per table, column and rule, for the warnings of a report."""
    counts: dict[tuple[str, str, str], int] = {}
    for finding in findings:
        key = finding.file, finding.column, finding.message
        counts[key] = counts.get(key, 0) + 1
    return [f"{file}, {column}: {count} rows: {text}" for (file, column, text), count in counts.items()]


def _check_table(file: str, columns: Mapping[str, Sequence[str]], identifiers: Identifiers) -> list[Finding]:
    found: list[tuple[int, int, Finding]] = []
    is_package = bool(columns) and all(name == name.upper() for name in columns)
    table = file.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    of_subjects = not is_package or table in _OF_SUBJECTS
    for place, (name, values) in enumerate(columns.items()):
        rules = list(_rules_of_column(name, of_subjects, identifiers, is_package))
        for rule, wrong in rules:
            bad = {value for value in set(values) if value and wrong(value)}
            found += [
                (index, place, Finding(file, "", index + 2, name, "error", rule, _TEXTS[rule]))
                for index, value in enumerate(values)
                if bad and value in bad
            ]
        if name in _AGE_COLUMNS or name in ("age_years", "AGE_YEARS"):
            units = columns.get(_AGE_COLUMNS.get(name, ""), ["Years"] * len(values))
            found += [
                (index, place, Finding(file, "", index + 2, name, "error", AGE, _TEXTS[AGE]))
                for index, (value, unit) in enumerate(zip(values, units, strict=True))
                if is_too_old(value, unit)
            ]
    return [finding for *_, finding in sorted(found, key=lambda item: item[:2])]


def _rules_of_column(name: str, of_subjects: bool, identifiers: Identifiers, is_package: bool) -> Iterator[tuple]:
    lower = name.lower()
    yield IDENTIFIER, identifiers.are_in
    if lower == "fcs_header_text":
        yield FCS, _header_is_personal
        return
    if lower in ("file_name", "original_file_name", "fcs_file_name") or (
        is_package and lower == "name" and not of_subjects
    ):
        yield FILE_NAME, _file_has_date
        return
    if not of_subjects or lower.endswith(("_accession", "_id")):
        return
    if "location" in lower and "finding" not in lower:
        yield LOCATION, is_below_state
    yield DATE, _is_dated_text


def _header_is_personal(text: str) -> bool:
    """Whether the keywords of a file, as ImmPort lists them (``KEY=value|KEY=value``), point to a person or a day."""
    from immport_cyto.fcs import personal

    pairs = (pair.partition("=") for pair in text.split("|"))
    return any(
        not personal.is_clean(value)
        and personal.kind_of(name.strip().upper()) in personal.BLANKED | set(personal.CALENDARS)
        for name, _, value in pairs
    )


def _is_dated_text(text: str) -> bool:
    return number(text) is None and has_date(text)


# files ----------------------------------------------------------------------------------------------------------------


def check_fcs(members: Iterable[Member], *, severity: Severity = "error") -> list[Finding]:
    """Personal keywords of FCS files, by the check of ``fcs deidentify``; an unreadable file is an error."""
    from immport_cyto.fcs.deidentify import plan

    found: list[Finding] = []
    with TemporaryDirectory() as folder:
        for member in members:
            try:
                plans = plan({member.base: copy_of(member, Path(folder))})
            except FCSError as error:
                reason = str(error).rsplit("/", 1)[-1]
                found.append(Finding(member.name, "", None, "", "error", "fcs-unreadable", f"not readable: {reason}"))
                continue
            for change in plans[0].changes:
                if change.segment == "file name":
                    found.append(Finding(member.name, "", None, "", severity, FILE_NAME, _TEXTS[FILE_NAME]))
                    continue
                where = change.keyword or change.segment
                text = f"the value points to a person or a day ({change.kind}); blank it with fcs deidentify"
                found.append(Finding(member.name, "", None, where, severity, FCS, text))
    return found


def check_privacy(
    paths: Iterable[Path | str] | Path | str,
    *,
    identifiers: Iterable[Path | str] | Path | str = (),
    limits: Limits = LIMITS,
) -> PrivacyReport:
    """What in files that are to be shared points to a person or a day.

    Parameters
    ----------
    paths
        Folders, zips and files: upload templates, Tab packages, tables, FCS files, and any other text.
    identifiers
        Upload packages whose user-defined IDs must not stand anywhere in `paths`. IDs of templates in `paths`
        themselves are looked for in any case.

    Raises
    ------
    PackageError
        A path is not there, or an archive must not be trusted.
    """
    members = find_members([paths] if isinstance(paths, (str, Path)) else list(paths), limits)
    given = [identifiers] if isinstance(identifiers, (str, Path)) else list(identifiers)
    ids = Identifiers()
    for member in find_members(given, limits).files if given else []:
        _collect_member(member, ids)
    sheets = {member.name: read_sheet(member) for member in members.files if is_template(member)}
    for sheet in sheets.values():
        collect(sheet, ids)
    report = PrivacyReport(n_identifiers=len(ids.whole), n_short=ids.n_short)
    for member in members.files:
        found = _check_member(member, sheets.get(member.name), ids, limits)
        if found is None:
            report.skipped.append(member.name)
        else:
            report.n_files += 1
            report.findings += found
    return report


def _check_member(
    member: Member, sheet: Sheet | None, identifiers: Identifiers, limits: Limits
) -> list[Finding] | None:
    """Findings on one file; None where it is neither text nor FCS."""
    if sheet:
        found: list[Finding] = []
        for grid in sheet.grids:
            placed = sorted(_check_grid(sheet, grid, identifiers, for_upload=False), key=lambda item: item[:3])
            found += [finding for *_, finding in placed]
        return found
    if member.base.lower().endswith((".fcs", ".fcs.gz")):
        return check_fcs([member])
    if member.base.lower().endswith(_TEXT_SUFFIXES):
        return _check_text(member, identifiers, limits)
    return None


def _collect_member(member: Member, identifiers: Identifiers) -> None:
    """IDs of a template, or of a table with a column of user-defined IDs."""
    if is_template(member):
        collect(read_sheet(member), identifiers)
        return
    if not member.base.lower().endswith(_TABLE_SUFFIXES):
        return
    for name, values in _columns_of(_lines_of(member.content())).items():
        if name.upper().replace(" ", "_").endswith("USER_DEFINED_ID"):
            identifiers.add(values, member.base.rsplit(".", 1)[0].lower())


def _lines_of(content: bytes) -> list[str]:
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").split("\n") if "\n" in text else text.split("\r")


def _columns_of(lines: Sequence[str]) -> dict[str, list[str]]:
    """Columns of a table with tabs; nothing where it is none."""
    header = lines[0].split("\t") if lines else []
    if len(header) < 2 or len(set(header)) < len(header):
        return {}
    rows = [line.split("\t") for line in lines[1:]]
    while rows and rows[-1] == [""]:
        rows.pop()
    rows = [row + [""] * (len(header) - len(row)) for row in rows]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _check_text(member: Member, identifiers: Identifiers, limits: Limits) -> list[Finding]:
    lines = _lines_of(member.content(limits))
    columns = _columns_of(lines) if member.base.lower().endswith(_TABLE_SUFFIXES) else {}
    if columns:
        return _check_table(member.name, columns, identifiers)
    text = _TEXTS[IDENTIFIER]
    return [
        Finding(member.name, "", index, "", "error", IDENTIFIER, text)
        for index, line in enumerate(lines, start=1)
        if identifiers.inside and identifiers.are_in(line)
    ]
