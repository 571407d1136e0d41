"""What ImmPort's upload templates are: columns, vocabularies and rules, of several schema versions side by side.

The tables below ``data`` are made by ``scripts/make_templates.py``. A template of a version that is not there is read
by the definitions of the nearest older one, or of the oldest.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files as resources
from typing import Literal

from immport_cyto.exceptions import OptionError

Kind = Literal["text", "number", "amount", "positive", "date", "file", "separator"]
NOTICE = "Please do not delete or edit this column"
FIRST_HEADER = "Column Name"


@dataclass(frozen=True)
class Column:
    """One column of a template.

    Attributes
    ----------
    name, json
        In the text form, and in the JSON form.
    kind
        ``text``, ``number``, ``amount`` (a number is expected, words are kept as reported), ``positive`` (whole number
        above 0), ``date``, ``file`` (name of a file) or ``separator``.
    is_list
        Whether a cell holds several values, joined by ``;``.
    length
        Most characters of a value; None without a limit.
    required
        Whether it must be given in every row.
    when
        When it is required otherwise; see :mod:`.conditions`.
    vocabulary, preferred
        Vocabulary that a value must, or should, come from.
    defines, references
        What the cell gives an ID of the user's to, or refers to by ID or accession.
    part
        ``meta`` or ``result`` in templates with repeated groups of results, else ``""``.
    """

    name: str
    json: str
    kind: Kind
    is_list: bool
    length: int | None
    required: bool
    when: str
    vocabulary: str
    preferred: str
    defines: str
    references: str
    part: str


@dataclass(frozen=True)
class Rule:
    """A rule over several columns, or over several files; see :mod:`.rules`."""

    stage: str
    kind: str
    columns: tuple[str, ...]
    when: str


@dataclass(frozen=True)
class Block:
    """The table of a template, or one of the tables of a compound template.

    Attributes
    ----------
    name, json
        ``""`` for the table of a template that is not compound.
    is_vertical
        Whether the names of the columns stand below each other.
    required, multiple
        Whether a compound template must have it, and whether it may have several rows.
    key
        Columns that are unique together.
    """

    name: str
    json: str
    is_vertical: bool
    required: bool
    multiple: bool
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name; where meta data and results share a name, the meta data."""
        return {column.name: column for column in reversed(self.columns)}

    def part(self, name: str) -> tuple[Column, ...]:
        """Columns of the meta data (``meta``, with all that is no result) or of a group of results (``result``)."""
        return tuple(c for c in self.columns if (c.part == "result") == (name == "result") and c.kind != "separator")

    @property
    def has_results(self) -> bool:
        """Whether groups of result columns follow the meta data."""
        return any(column.part == "result" for column in self.columns)


@dataclass(frozen=True)
class Template:
    """A template of one schema version; `order` is its place in the loading order."""

    name: str
    schema: str
    kind: str
    file: str
    json_file: str
    order: int
    blocks: tuple[Block, ...]

    @property
    def is_compound(self) -> bool:
        """Whether it has several blocks."""
        return self.kind == "compound"


@dataclass(frozen=True)
class Vocabulary:
    """Terms of a lookup table, with all that they can be called by."""

    name: str
    terms: tuple[str, ...]
    by_key: dict[str, str]

    def find(self, value: str) -> str | None:
        """The term as the vocabulary writes it, whatever the case of `value`."""
        return self.by_key.get(_key(value))

    def closest(self, value: str) -> str:
        """The most similar term, or ``""``."""
        close = difflib.get_close_matches(_key(value), self.by_key, n=1, cutoff=0.6)
        return self.by_key[close[0]] if close else ""


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


@cache
def _table(name: str) -> list[dict[str, str]]:
    text = resources("immport_cyto.immport.templates").joinpath("data", f"{name}.tsv").read_text(encoding="utf-8")
    header, *lines = text.splitlines()
    names = header.split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


@cache
def versions() -> tuple[str, ...]:
    """Schema versions of which definitions are there, the oldest first."""
    return tuple(sorted({row["schema"] for row in _table("templates")}, key=_number))


def _number(schema: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", schema))


@cache
def names() -> tuple[str, ...]:
    """Names of all templates in their loading order."""
    order = {row["template"]: int(row["order"]) for row in _table("templates")}
    return tuple(sorted(order, key=lambda name: (order[name], name)))


def check_schema(schema: str) -> str:
    """A sentence on a schema version that is written by the definitions of another; ``""`` where it is known.

    Raises
    ------
    OptionError
        It is no version.
    """
    if not schema or schema in versions():
        return ""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)+", schema):
        msg = f"schema {schema!r} is no version; give one such as {versions()[-1]}"
        raise OptionError(msg)
    older = [version for version in versions() if _number(version) <= _number(schema)]
    used = older[-1] if older else versions()[0]
    return f"schema {schema} is unknown here; the columns are those of schema {used} or older"


def is_newer(schema: str) -> bool:
    """Whether a schema version is newer than all that are there."""
    return _number(schema) > _number(versions()[-1])


def find_name(text: str) -> str | None:
    """Name of the template that is called so: by its name or by its file name, in any case.

    >>> find_name("experimentSamples.Flow_Cytometry.txt"), find_name("BioSamples"), find_name("x")
    ('flow_cytometry', 'biosamples', None)
    """
    return _names_by_key().get(_template_key(text))


def find_file(base: str) -> str | None:
    """Name of the template whose files are named so.

    >>> find_file("bioSamples.json"), find_file("other.txt")
    ('biosamples', None)
    """
    key = _template_key(base)
    return _names_by_key()[key] if key in _file_keys() else None


@cache
def _file_keys() -> frozenset[str]:
    return frozenset(_template_key(row["file"]) for row in _table("templates"))


def closest_name(text: str) -> str:
    """The most similar name of a template, or ``""``."""
    close = difflib.get_close_matches(_template_key(text), _names_by_key(), n=1, cutoff=0.6)
    return _names_by_key()[close[0]] if close else ""


def _template_key(text: str) -> str:
    return re.sub(r"\.(txt|json|csv|tsv|xlsx)$", "", text.strip().lower())


@cache
def _names_by_key() -> dict[str, str]:
    found = {_template_key(row["file"]): row["template"] for row in _table("templates")}
    return found | {row["template"]: row["template"] for row in _table("templates")}


@cache
def template(name: str, schema: str = "") -> Template:
    """The definitions of a template for a schema version.

    Parameters
    ----------
    name
        Name of the template, as the first cell of a file gives it.
    schema
        Such as ``3.33``; the newest where it is ``""``.

    Raises
    ------
    KeyError
        There is no such template.
    """
    found = {row["schema"] for row in _table("templates") if row["template"] == name}
    known = sorted(found, key=_number)
    if not known:
        raise KeyError(name)
    older = [version for version in known if not schema or _number(version) <= _number(schema)]
    used = older[-1] if older else known[0]
    rows = [row for row in _table("templates") if (row["template"], row["schema"]) == (name, used)]
    blocks = tuple(_block(row) for row in rows)
    first = rows[0]
    stem = first["file"].rpartition(".")[0]
    return Template(name, used, first["kind"], first["file"], f"{stem}.json", int(first["order"]), blocks)


@cache
def _columns() -> dict[tuple[str, str, str], list[Column]]:
    found: dict[tuple[str, str, str], list[Column]] = {}
    for row in _table("columns"):
        column = Column(
            row["column"], row["json"], row["kind"], row["list"] == "yes",  # type: ignore[arg-type]
            int(row["length"]) if row["length"] else None, row["required"] == "yes", row["when"], row["vocabulary"],
            row["preferred"], row["defines"], row["references"], row["part"],
        )  # fmt: skip
        found.setdefault((row["schema"], row["template"], row["block"]), []).append(column)
    return found


@cache
def _rules() -> dict[tuple[str, str], list[Rule]]:
    found: dict[tuple[str, str], list[Rule]] = {}
    for row in _table("rules"):
        rule = Rule(row["stage"], row["rule"], tuple(row["columns"].split(";")), row["when"])
        found.setdefault((row["template"], row["block"]), []).append(rule)
    return found


def _block(row: dict[str, str]) -> Block:
    return Block(
        row["block"],
        row["json"] if row["block"] else "",
        row["format"] == "vertical",
        row["required"] == "yes",
        row["multiple"] == "yes",
        tuple(name for name in row["key"].split(";") if name),
        tuple(_columns()[row["schema"], row["template"], row["block"]]),
        tuple(_rules().get((row["template"], row["block"]), ())),
    )


@cache
def vocabulary(name: str) -> Vocabulary:
    """The vocabulary of a lookup table; one without terms where it is not there.

    A term such as ``CD14 ; hCD14 ; ANA1005`` or ``T: Treg`` is also found by its parts.
    """
    terms = tuple(row["term"] for row in _table("vocabularies") if row["vocabulary"] == name)
    by_key: dict[str, str] = {}
    for term in terms:
        parts = [part for part in term.split(" ; ") if part.strip("- ")]
        if re.match(r"[A-Z]{1,2}: ", term) and name == "lk_cell_population":
            parts.append(term.split(": ", 1)[1])
        for part in parts:
            by_key.setdefault(_key(part), term)
    by_key |= {_key(term): term for term in terms}
    return Vocabulary(name, terms, by_key)
