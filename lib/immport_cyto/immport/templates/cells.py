"""What one cell must be: reference, file, term of a vocabulary, kind, length."""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from immport_cyto.immport.templates.conditions import NUMBER
from immport_cyto.immport.templates.definitions import Column, vocabulary
from immport_cyto.immport.templates.entities import Entities, is_accession
from immport_cyto.immport.templates.findings import Severity, shown

# of a row, what is the cause of other findings comes first
PRE, REFERENCE, FILES, KEYS, TERMS, PREFERRED, POST, REQUIRED, CONDITIONAL, KIND, LENGTH, TEXT, PRIVACY = range(13)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d\d|\d{4})")
_ISO = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_FORMULA = re.compile(r"[=@]|[+\-](?=.)")
_ODD = re.compile(r"^[=@+\-]|[\x00-\x1f\x7f\x85\u2028\u2029\\]")
_MAX_SUGGESTIONS = 200
_ANALYTES = "lk_analyte"
_GATES = "lk_cell_population_definition"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value; `stage` is its place among the findings of a row."""

    stage: int
    rule: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"


@dataclass
class CellChecks:
    """Checks of single cells against the definitions and the rest of the package.

    Attributes
    ----------
    files
        Names of the files of the package; None: files are not looked for.
    complete
        Whether nothing is in ImmPort already.
    unchecked
        How many IDs were taken for accessions of what is in ImmPort already.
    """

    entities: Entities
    files: frozenset[str] | None
    complete: bool = False
    unchecked: int = 0
    _folded_files: dict[str, str] = field(default_factory=dict)
    _suggested: dict[str, int] = field(default_factory=dict)

    def suspects(self, column: Column, values: Iterable[str], order: int) -> list[str]:
        """Values that may have a problem: a cheap test that lets through what is surely right."""
        given = [value for value in dict.fromkeys(values) if value]
        if column.is_list or column.kind not in ("text", "file", "number"):
            return given
        longest = column.length or sys.maxsize
        given_right: Callable[[str], object] = lambda value: True  # noqa: E731
        if column.references:
            known = self.entities.by_id.get(column.references, {})
            given_right = lambda value: value in known and known[value].order <= order  # noqa: E731
        elif column.kind == "file":
            files = self.files
            given_right = lambda value: (files is None or value in files) and "/" not in value  # noqa: E731
        elif column.kind == "number":
            given_right = NUMBER.fullmatch
        elif column.vocabulary or column.preferred:
            return given
        return [v for v in given if len(v) > longest or _ODD.search(v) or not given_right(v)]

    def problems(self, column: Column, value: str, order: int) -> list[Problem]:
        """What is wrong with a value that is not empty, in a template at this place of the loading order."""
        parts = [part.strip() for part in value.split(";")] if column.is_list else [value]
        parts = [part for part in parts if part]
        found: list[Problem] = []
        for part in parts:
            if column.references:
                found += self._reference(column, part, order)
            if column.kind == "file":
                found += self._file(part)
            if column.vocabulary:
                found += self._term(column, part)
            elif column.preferred:
                found += self._preferred(column, part)
            found += _kind(column, part)
            if column.length and len(part) > column.length:
                text = f"{len(part)} characters where at most {column.length} are allowed; shorten it"
                found.append(Problem(LENGTH, "length", text))
        found += _text(value)
        return found

    def is_unknown_here(self, column: Column, value: str) -> bool:
        """Whether an ID cannot be checked, because nothing of its kind is in the package."""
        entity = column.references
        return not self.complete and entity not in self.entities.can_define and not is_accession(value, entity)

    def _reference(self, column: Column, value: str, order: int) -> Iterator[Problem]:
        entity = column.references
        what = entity.replace("_", " ")
        origin = self.entities.find(entity, value)
        if origin is not None:
            if origin.order > order:
                text = f"the {what} {shown(value)} is defined in {origin.file}, which is loaded later"
                yield Problem(REFERENCE, "foreign-key", text)
            return
        if is_accession(value, entity):
            self.unchecked += 1
            return
        if entity not in self.entities.can_define and not self.complete:
            return  # noted once per column
        close = self.entities.other_case(entity, value) or self._close(
            f"id:{entity}", value, self.entities.by_id.get(entity, {})
        )
        text = f"no {what} has the ID {shown(value)} in the package; define it, or give the accession of one in ImmPort"
        yield Problem(REFERENCE, "foreign-key", text, close)

    def _file(self, value: str) -> Iterator[Problem]:
        if "/" in value or "\\" in value:
            bare = re.split(r"[/\\]", value)[-1]
            yield Problem(FILES, "file-name", f"{shown(value)} is a path; give the name of the file alone", bare)
            return
        if self.files is None or value in self.files:
            return
        if not self._folded_files:
            self._folded_files = {name.casefold(): name for name in self.files}
        other = self._folded_files.get(value.casefold(), "")
        close = other or self._close("file", value, self.files)
        text = "is spelt otherwise in the package" if other else "is not in the package; add the file"
        yield Problem(FILES, "file-exists", f"the file {shown(value)} {text}", close)

    def _term(self, column: Column, value: str) -> Iterator[Problem]:
        terms = vocabulary(column.vocabulary)
        if not terms.terms:
            return
        term = terms.find(value)
        if term is None:
            text = f"{shown(value)} is not in {column.vocabulary}; choose one of its {len(terms.terms)} terms"
            yield Problem(TERMS, "vocabulary", text, self._close(column.vocabulary, value, terms.by_key, terms.by_key))
        elif term != value:
            text = f"the vocabulary writes {shown(term)}; ImmPort will replace {shown(value)}"
            yield Problem(TERMS, "vocabulary-case", text, term, "warning")

    def _preferred(self, column: Column, value: str) -> Iterator[Problem]:
        terms = vocabulary(column.preferred)
        if not terms.terms or column.preferred == _GATES:
            return  # gating definitions are read, not looked up
        base = value.split("&")[0].strip()
        names = {base, *(part.strip() for part in base.split(" ; "))}
        term = terms.find(base) or next((t for name in names if (t := terms.find(name))), None)
        if term is None and column.preferred == _ANALYTES:
            from immport_cyto.panel import antigen

            if antigen(base):
                return  # ImmPort's own marker grammar finds what this project's vocabulary finds, and more
        if term is None:
            text = f"{shown(value)} is not a preferred term of {column.preferred}; it is kept as reported"
            close = self._close(column.preferred, base, terms.by_key, terms.by_key)
            yield Problem(PREFERRED, "preferred", text, close, "warning")
        elif base.casefold() == term.casefold() and base != term:
            text = f"the preferred term is written {shown(term)}"
            yield Problem(PREFERRED, "preferred-case", text, term, "warning")

    def _close(self, what: str, value: str, among: object, names: dict[str, str] | None = None) -> str:
        """The most similar of `among`; each vocabulary is searched for so many wrong values only."""
        self._suggested[what] = self._suggested.get(what, 0) + 1
        if self._suggested[what] > _MAX_SUGGESTIONS:
            return ""
        pool = list(among)[:5000]  # type: ignore[call-overload]
        # a marker that is almost another is none, and files have the same endings
        cutoff = 0.85 if what in (_ANALYTES, "file") else 0.6
        close = difflib.get_close_matches(value.casefold() if names else value, pool, n=1, cutoff=cutoff)
        if not close:
            return ""
        return names[close[0]] if names else str(close[0])


def _kind(column: Column, value: str) -> Iterator[Problem]:
    if column.kind in ("number", "amount"):
        if not NUMBER.fullmatch(value):
            plain = value.replace(",", "").strip("<>~% ")
            suggestion = plain if NUMBER.fullmatch(plain) else ""
            if column.kind == "number":
                yield Problem(KIND, "type", f"{shown(value)} is not a number; correct it", suggestion)
            else:
                text = f"{shown(value)} is not a number; it is kept as reported, without a preferred value"
                yield Problem(KIND, "type", text, suggestion, "warning")
    elif column.kind == "positive" and not re.fullmatch(r"0*[1-9]\d*", value):
        yield Problem(KIND, "type", f"{shown(value)} is not a whole number above 0; correct it")
    elif column.kind == "date" and not is_date(value):
        text = f"{shown(value)} is not a date such as 05-Mar-2010; write day, month and year so"
        yield Problem(KIND, "date", text, _date_of(value))


def is_date(text: str) -> bool:
    """Whether a text is a date in ImmPort's form, ``5-Mar-2010`` or ``05-mar-10``.

    >>> is_date("5-Mar-2010"), is_date("31-Feb-2010"), is_date("2010-03-05")
    (True, False, False)
    """
    found = _DATE.fullmatch(text)
    if not found or found[2].lower() not in _MONTHS:
        return False
    year = int(found[3])
    return _exists(year + (2000 if year < 50 else 1900) if len(found[3]) == 2 else year, found[2], int(found[1]))


def _exists(year: int, month: str, day: int) -> bool:
    try:
        date(year, _MONTHS.index(month.lower()) + 1, day)
    except ValueError:
        return False
    return True


def _date_of(text: str) -> str:
    found = _ISO.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= 12:
        return ""
    month = _MONTHS[int(found[2]) - 1].capitalize()
    return f"{int(found[3]):02}-{month}-{found[1]}" if _exists(int(found[1]), month, int(found[3])) else ""


def _text(value: str) -> Iterator[Problem]:
    if _CONTROL.search(value):
        plain = " ".join(_CONTROL.sub(" ", value).split())
        yield Problem(TEXT, "text", "the cell holds a line break or a control character; take it out", plain)
    if _FORMULA.match(value) and not NUMBER.fullmatch(value):
        text = f"a spreadsheet would run {shown(value, 30)} as a formula; begin the text otherwise"
        yield Problem(TEXT, "formula", text, severity="warning")
