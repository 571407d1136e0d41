"""What points to a person or a day, in an upload package or in anything that is to be shared.

ImmPort's rules: no dates in demographics and biosamples, no age above 89 (90 stands for 90 and more), no place below a
state of the USA, no IDs that the user defined, no personal keywords in FCS files. A finding names the place, never the
value.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from immport_cyto.immport.templates.cells import PRIVACY
from immport_cyto.immport.templates.definitions import Column, vocabulary
from immport_cyto.immport.templates.entities import is_accession
from immport_cyto.immport.templates.findings import Finding, Severity
from immport_cyto.immport.templates.sheets import Grid, Sheet
from immport_cyto.immport.values import TOP_CODE_YEARS, age_years

AGE, DATE, FILE_NAME, FCS, IDENTIFIER, LOCATION = (
    "privacy-age", "privacy-date", "privacy-file-name", "privacy-fcs-keyword", "privacy-identifier", "privacy-location",
)  # fmt: skip
TEXTS = {
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
AGE_COLUMNS = {
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
        (sheet.file, number): list(check_grid(sheet, grid, identifiers, for_upload))
        for sheet in sheets
        for number, grid in enumerate(sheet.grids)
    }


def collect(sheet: Sheet, identifiers: Identifiers) -> None:
    """Take up the IDs that a template gives to subjects and samples."""
    for grid in sheet.grids:
        for place, column in enumerate(grid.columns):
            if column.column and column.column.defines in _PERSONAL:
                identifiers.add(grid.data[place], column.column.defines)


def check_grid(sheet: Sheet, grid: Grid, identifiers: Identifiers, for_upload: bool) -> Iterator[Placed]:
    """Findings on one grid, with row, stage and column to sort by."""
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
        units = grid.values(AGE_COLUMNS.get(definition.name, ""))
        is_age = definition.name in AGE_COLUMNS
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
                text = TEXTS[rule]
                yield index, PRIVACY, place, Finding(
                    sheet.file, grid.block.name, row, column.name, severity, rule, text
                )  # fmt: skip


def _checks(column: Column, template: str, identifiers: Identifiers, weak: Severity) -> list[tuple]:
    """What is asked of the values of a column: rule, severity, and the question."""
    if column.name == "Subject Location":
        return [(LOCATION, "error", is_below_state)]
    if column.kind == "file":
        return [(FILE_NAME, weak, file_has_date), (IDENTIFIER, weak, identifiers.are_in)]
    if column.vocabulary or column.kind not in ("text", "amount"):
        return []
    is_demographic = template in _DEMOGRAPHIC or _OF_BIOSAMPLE.match(column.name)
    return [(DATE, "error" if is_demographic else weak, has_date), (IDENTIFIER, weak, identifiers.are_in)]


def file_has_date(text: str) -> bool:
    """Whether the name of a file, or of one of several, holds a date."""
    return any(has_date(part.strip(), is_file=True) for part in text.split(";"))
