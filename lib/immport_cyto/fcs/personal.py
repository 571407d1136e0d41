"""What in an FCS file can point to a person or a day: the list of keywords, dates in text, initials in names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files as resources

# What the rules of the list do with a value; the calendars give each day a batch label.
BLANKED = frozenset(("person", "subject", "label", "site", "encoded", "time", "date"))
CALENDARS = {"acquired": "acquisition", "setup": "setup", "baseline": "baseline", "config": "configuration"}
# Values of these are masked where they hold a date or initials, not blanked.
FILE = "file"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "|".join(_MONTHS)
_FULL_YEAR = r"(?:19[89]\d|20[0-4]\d)"
_YEARS = range(1980, 2050)

# Each with the order of its groups; the first that matches at a place wins. Bounds keep other numbers out.
_ANYWHERE = (
    (rf"(?<![\d.])({_FULL_YEAR})([-/._ ]?)(0\d|1[0-2])\2([0-3]\d)(?!\d)", "y-md"),
    (rf"(?<![\d.])({_FULL_YEAR})([-/._ ])(\d{{1,2}})\2(\d{{1,2}})(?!\d)", "y-md"),
    (rf"(?<!\d)(\d{{1,2}})[-/._ ,]*({_MONTH})[a-z]*[-/._ ,]*({_FULL_YEAR}|\d\d)(?!\d)", "dMy"),
    (rf"(?<!\d)({_FULL_YEAR})[-/._ ,]*({_MONTH})[a-z]*[-/._ ,]*(\d{{1,2}})(?!\d)", "yMd"),
    (rf"(?<![a-z])({_MONTH})[a-z]*[-/._ ]*(\d{{1,2}})[-/._ ,]+({_FULL_YEAR})(?!\d)", "Mdy"),
    (rf"(?<![\d.])(\d{{1,2}})([-/._])(\d{{1,2}})\2({_FULL_YEAR})(?!\d)", "a-by"),
    (r"(?<![\d./])(\d{1,2})/(\d{1,2})/(\d\d)(?![\d/])", "aby"),
)
_IN_NAMES = (
    *_ANYWHERE,
    # glued to letters and numbers: Hs60022C200906243
    (rf"(?<!\d)({_FULL_YEAR})()(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=\d(?!\d))", "y-md"),
    (rf"(?<!\d)([0-3]\d)()([0-3]\d)({_FULL_YEAR})(?!\d)", "a-by"),
    (r"(?<!\d)(\d{1,2})([-._ ])(\d{1,2})\2(\d\d)(?!\d)", "a-by"),
    (r"(?<!\d)(\d\d)()(\d\d)(\d\d)(?!\d)", "a-by"),
)
_UUID = re.compile(r"\{?[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}\}?", re.IGNORECASE)
_HOME = re.compile(r"(?:[/\\](?:Users|Documents and Settings)|/home)[/\\]([^/\\]+)(?=[/\\])", re.IGNORECASE)
# ImmPort stores <original name>.<file_info_id>.fcs; the id is public and the way to the metadata
_FILE_INFO_ID = re.compile(r".\.(\d{5,8})\.fcs(?:\.gz)?$", re.IGNORECASE)

_NO_PERSONS = frozenset(
    """admin administrator user users operator default unknown none lab labs labo core facs flow cytometry cytometer
    facility institute university customer guest owner system service staff public instrument desktop""".split()  # noqa: SIM905
)
_NO_HOMES = _NO_PERSONS | {"galaxy", "root", "all users"}
# Words of two or three capitals that stand beside dates in file names and are no initials.
_NO_INITIALS = frozenset(
    """AF APC BAL BD BM BMC CB CD CMV CP CTL DC DN DP DNA EBV FCS FMO FSC GM GVL HC HD HIV HLA ICS ID IFN IL IMM IV LN
    LPS MC MFI MHC MM NA NC ND NK NKT NO NP NS PB PBL PBS PC PE PHA PMA PS PT QC RA RBC RNA RT SA SEB SLE SN SS SSC ST
    STD SUB TB TCR TH TI TIV TLR TNF TP TR US UN UNS V WB WBC""".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Rule:
    """One line of the list: which keywords, what kind of value, and where it was met."""

    keyword: str
    kind: str
    note: str


@dataclass(frozen=True)
class Day:
    """A date in a text: its place, and the days that it can mean by the order of its parts, the likelier first."""

    begin: int
    end: int
    by_order: tuple[tuple[str, date], ...]

    @property
    def readings(self) -> tuple[date, ...]:
        """The days that it can mean."""
        return tuple(dict.fromkeys(day for _, day in self.by_order))

    @property
    def is_day_first(self) -> bool:
        """Whether only day, month, year makes sense, as in 22/10/2014."""
        return [order for order, _ in self.by_order] == ["dmy"]

    def reading(self, day_first: bool) -> date:
        """The day, where the others of its kind are written day first, or month first."""
        return dict(self.by_order).get("dmy" if day_first else "mdy", self.by_order[0][1])


@cache
def rules() -> tuple[Rule, ...]:
    """The list of keywords, from the package's ``data/personal.tsv``."""
    lines = resources("immport_cyto.fcs").joinpath("data", "personal.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(Rule(*line.split("\t")) for line in lines[1:])


@cache
def _matcher() -> tuple[re.Pattern[str], tuple[str, ...]]:
    parts = [re.escape(rule.keyword).replace(r"\#", r"\d+").replace(r"\*", ".*") for rule in rules()]
    return re.compile("|".join(f"({part})" for part in parts)), tuple(rule.kind for rule in rules())


@cache
def kind_of(keyword: str) -> str:
    """Kind of a keyword (in upper case) by the list, or "" where it stands in no line."""
    pattern, kinds = _matcher()
    match = pattern.fullmatch(keyword)
    return kinds[match.lastindex - 1] if match and match.lastindex else ""


def days_in(text: str, *, name: bool = False) -> list[Day]:
    """Dates in a text, in order.

    Parameters
    ----------
    name
        The text is a file name or was typed in by a person: dates of six digits and without separators count too.
    """
    if _UUID.fullmatch(text.strip()):
        return []
    found: list[Day] = []
    for pattern, order in _compiled(name):
        for match in pattern.finditer(text):
            if any(match.start() < day.end and day.begin < match.end() for day in found):
                continue
            readings = _readings(order, [group for group in match.groups() if group is not None])
            if readings:
                found.append(Day(match.start(), match.end(), readings))
    return sorted(found, key=lambda day: day.begin)


def is_clean(value: str) -> bool:
    """Whether a value says nothing: blank, or masked by x already."""
    return not value.strip().lower().strip("x ")


@cache
def _compiled(name: bool) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), order) for pattern, order in (_IN_NAMES if name else _ANYWHERE))


def _readings(order: str, groups: list[str]) -> tuple[tuple[str, date], ...]:
    parts = [part for part, letter in zip(groups, order, strict=True) if letter != "-"]
    letters = order.replace("-", "")
    if letters == "aby":
        first, second, last = parts
        orders = {"mdy": (last, first, second), "dmy": (last, second, first)}
        if len(first) == len(second) == len(last) == 2:
            # 110413: also year first
            orders["ymd"] = (first, second, last)
    else:
        by = dict(zip(letters, parts, strict=True))
        month = by.get("m") or str(_MONTHS.index(by["M"].lower()[:3]) + 1)
        orders = {"": (by["y"], month, by["d"])}
    days = {order: _day(*(int(part) for part in parts), short=len(parts[0]) == 2) for order, parts in orders.items()}
    return tuple((order, day) for order, day in days.items() if day is not None)


def _day(year: int, month: int, day: int, *, short: bool) -> date | None:
    if short:
        year += 1900 if year >= 80 else 2000
    if year not in _YEARS:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def keep_file_info_id(name: str, days: Iterable[Day], known: Iterable[date]) -> list[Day]:
    """Days of a file name without the one that is ImmPort's file id: digits right before ``.fcs`` that no day explains.

    Parameters
    ----------
    known
        Days at which the file was acquired, by its keywords.
    """
    match = _FILE_INFO_ID.search(name)
    acquired = set(known)
    return [day for day in days if not match or day.begin != match.start(1) or acquired & set(day.readings)]


def home_folders(text: str) -> list[tuple[int, int]]:
    r"""Places of user names in paths such as ``C:\Users\name\``."""
    return [
        match.span(1) for match in _HOME.finditer(text) if not is_clean(match[1]) and match[1].lower() not in _NO_HOMES
    ]


def names_of(persons: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Words (lower case, from four letters on) and initials of the persons that keywords name."""
    words: set[str] = set()
    initials: set[str] = set()
    for person in persons:
        parts = re.findall(r"[A-Z][a-z]+|[a-z]+|[A-Z]+", person)
        if not parts or any(part.lower() in _NO_PERSONS for part in parts):
            continue
        words |= {part.lower() for part in parts if len(part) > 3}
        whole = "".join(parts)
        if len(whole) > 3:
            words.add(whole.lower())
        if len(parts) == 1 and person.strip().isupper() and 2 <= len(whole) <= 3:
            initials.add(whole)
        if 2 <= len(parts) <= 3:
            initials.add("".join(part[0] for part in parts).upper())
    return frozenset(words), frozenset(initials - _NO_INITIALS)


def persons_in(
    text: str, days: Iterable[Day], words: frozenset[str], initials: frozenset[str]
) -> list[tuple[int, int]]:
    """Places of names and initials in a file name or a text that a person typed.

    Names and initials count where a keyword of a person gives them; two or three capitals beside a date count too,
    unless they are a word of the field.
    """
    edges = {day.begin for day in days} | {day.end for day in days}
    places = []
    for match in re.finditer(r"[A-Za-z]+", text):
        token = match[0]
        beside = {match.start() - 1, match.end() + 1, match.start(), match.end()} & edges
        separate = _separate(text, match.start() - 1) and _separate(text, match.end())
        if token.lower() in words or (
            separate
            and (token in initials or (beside and re.fullmatch("[A-Z]{2,3}", token) and token not in _NO_INITIALS))
        ):
            places.append(match.span())
    return places


def _separate(text: str, position: int) -> bool:
    return not 0 <= position < len(text) or text[position] in " _-.,()[]/\\"
