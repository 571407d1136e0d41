r"""Population definitions: ``CD3+, CD4+ CCR7- CD45RA++``, ``CD3+ (CD4+ OR CD8+) NOT CD14+``.

The grammar (HIPC's gating definitions, and what people write)::

    definition = item { [AND] item } | item { OR item }
    item       = [NOT] ( gate | population word | "(" definition ")" | "[" name of a population "]" )
    gate       = marker sign
    sign       = + | - | ++ | +- (low) | +~ (intermediate) | hi high bright | lo low dim | int mid | pos neg ...

Blanks and ``, / ; & |`` between items mean AND, as in MetaCyto's labels and in paths of gates. ``!`` is NOT, ``||`` is
OR, and so is ``|`` within brackets. AND and OR side by side need brackets.

A marker goes through the vocabulary (``HLADR+`` is ``HLA-DR+``). A number after a CD gate goes on with it:
``CD3+14-`` is ``CD3+ CD14-``. Population words (``lymphocytes``, ``singlets``, ``live``) are kept apart from the gates.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel._text import clean, key
from immport_cyto.panel.boolean import AnyOf, Gate, Part, Term, as_term, markers, normal
from immport_cyto.panel.suggest import suggestions
from immport_cyto.panel.vocabulary import load

SIGNS = ("+", "-", "++", "lo", "+~")
"""Positive, negative, high, low and intermediate, as they are written in the canonical form."""

_HIPC_SIGNS = {"lo": "+-"}
_SIGN_WORDS = {
    "+": "+", "-": "-", "++": "++", "+++": "++", "--": "-", "+-": "lo", "+/-": "lo", "+~": "+~", "~": "+~",
    "hi": "++", "high": "++", "bright": "++", "br": "++", "lo": "lo", "low": "lo", "dim": "lo",
    "int": "+~", "intermediate": "+~", "mid": "+~", "med": "+~", "medium": "+~",
    "pos": "+", "positive": "+", "neg": "-", "negative": "-",
}  # fmt: skip
_SYMBOLS = r"\+\+\+|\+\+|\+/-|\+-|\+~|--|\+|-|~"
_WORDS = "positive|negative|intermediate|medium|bright|high|low|dim|pos|neg|int|mid|med|hi|lo|br"
# a sign ends its gate: the next character begins another name, or there is none
_SIGN = re.compile(
    rf"(?:(?P<word>[ _]?(?:{_WORDS})(?:\+)?(?:/-)?)(?=$|[\s,/|;&_()!\[\]]|(?-i:(?<=[a-z])[A-Z]))"
    rf"|(?P<symbol>{_SYMBOLS}))",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[\s,/|;&]+")
_BLANK = re.compile(r"[\s,/;&]+")
_JOIN = re.compile(r"(?P<word>(?:and|or)(?=$|[\s()\[\]!]))|(?P<either>\|\|)|(?P<bar>\|)", re.IGNORECASE)
_NOT = re.compile(r"(?:not(?=$|[\s()\[\]!])|!)\s*", re.IGNORECASE)
_NAMED = re.compile(r"(?<!\w)\[([^\[\]]*)\]")
"""Another population; square brackets within a name are part of it, such as IgG2a[b]."""
_BOOLEAN = re.compile(r"[(!]|(?<!\w)\[|\|\||\b(?:or|not)\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9]")
_CD = re.compile(r"^CD\d+[A-Za-z]*$", re.IGNORECASE)
_CONTINUES = re.compile(rf"(\d{{1,3}}[a-zA-Z]?)(?P<symbol>{_SYMBOLS})")
_POPULATIONS = {
    "lymphocyte": "lymphocyte lymphocytes lymph lymphs lymp lymo ly",
    "monocyte": "monocyte monocytes mono monos mnc",
    "granulocyte": "granulocyte granulocytes gran grans neutrophils neutrophil",
    "leukocyte": "leukocyte leukocytes wbc",
    "intact": "intact intactcells intactcell cells allcells",
    "singlet": ("singlet singlets sing intactsinglets intactsinglet viablesinglets livesinglets doubletexcluded"),
    "viable": "viable live livecells viablecells livedead viablegate nondead",
    "proliferated": "proliferated proliferating",
}
_WORD_OF = {name: word for word, names in _POPULATIONS.items() for name in names.split()}
_CHOICE = re.compile(r"\b(?:either|neither|minus|and/or|without|except|excluding)\b", re.IGNORECASE)
_MAX_LENGTH, _MAX_DEPTH, _MAX_GATES = 2000, 12, 500
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Definition:
    """A population as gates on markers; ``str()`` gives the canonical form, which reads back as the same.

    Attributes
    ----------
    gates
        Gates that all of its events have, in the order written, one per marker.
    populations
        Words without a marker, such as ``lymphocyte``, ``singlet``, ``viable``.
    groups
        Alternatives, of each of which one option is met, in the order of their texts.
    """

    gates: tuple[Gate, ...]
    populations: tuple[str, ...] = ()
    groups: tuple[AnyOf, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Gates and groups, all of which hold."""
        return (*self.gates, *self.groups)

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers of the gates and groups, each once, in order."""
        return tuple(dict.fromkeys(markers(self.parts)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Markers that the vocabulary does not have; they are kept as written."""
        return tuple(name for name in self.markers if _preferred(name) is None)

    def __str__(self) -> str:
        return " ".join([*map(str, self.gates), *map(str, self.groups), *self.populations])

    def hipc(self, species: str = "") -> str:
        """The definition in HIPC's form, which ``parse_gates`` reads back: ``lymphocyte, CD3+, CD44+-``.

        With a species (``human`` or ``mouse``) the markers have ImmPort's names: ``hCD3E+``. HIPC's form has no OR;
        groups stand in it as they do here.
        """
        from immport_cyto.panel.immport_names import immport_antigen

        def written(part: Part) -> Part:
            if isinstance(part, AnyOf):
                return AnyOf(tuple(tuple(map(written, option)) for option in part.options))
            name = immport_antigen(part.marker, species) if species else part.marker
            return Gate(name, _HIPC_SIGNS.get(part.sign, part.sign))

        return ", ".join([*self.populations, *(str(written(part)) for part in self.parts)])


def named_populations(text: str) -> list[str]:
    """Names of other populations that a definition refers to, as in ``CD3+ NOT [B cells]``, each once."""
    return list(dict.fromkeys(name.strip() for name in _NAMED.findall(clean_definition(text))))


def clean_definition(text: str) -> str:
    """Readable text of a definition; positions in messages are of this text."""
    # long definitions are cleaned in parts, because a cleaned text has a limited length
    return " ".join(clean(part) for part in str(text).split())


def parse_gates(text: str, population: Callable[[str], Definition] | None = None) -> Definition:
    """Read a population definition.

    Parameters
    ----------
    text
        Such as ``CD3+, CD4+ CCR7- CD45RA++``, ``CD14lo CD16+ monocyte``, ``Lymphocytes/Singlets/CD19+``,
        ``CD3+ (CD4+ OR CD8+)``, ``CD3+ NOT CD14+``.
    population
        Gives the definition of another population by its name, for ``[B cells]``.

    Raises
    ------
    DefinitionError
        Empty, a marker without a sign, gates that exclude each other or that every event meets, brackets that do not
        match, or AND and OR side by side.

    Examples
    --------
    >>> str(parse_gates("CD3+, HLADRhigh CD14dim"))
    'CD3+ HLA-DR++ CD14lo'
    >>> str(parse_gates("CD3+ NOT (CD14+ OR CD19+)")), str(parse_gates("(CD8+ | CD4+) CD3+"))
    ('CD3+ CD14- CD19-', 'CD3+ (CD4+ OR CD8+)')
    """
    shown = clean(str(text)[:_MAX_LENGTH])[:80]
    if len(str(text)) > _MAX_LENGTH:
        msg = f"population definition of {len(str(text))} characters; write at most {_MAX_LENGTH}"
        raise DefinitionError(msg)
    cleaned = clean_definition(text)
    if not key(cleaned[:200]) and not _NAME.search(cleaned):
        msg = "population definition is empty; write gates such as CD3+ CD4+"
        raise DefinitionError(msg)
    choice = _CHOICE.search(_NAMED.sub(lambda match: " " * len(match.group()), cleaned))
    if choice:
        msg = (
            f"population definition {shown!r}: {choice.group()!r} is no gate; "
            "write OR between gates in brackets, NOT before a gate"
        )
        raise DefinitionError(msg)
    return _Reader(cleaned, shown, population).read()


class _Reader:
    """Reads a definition from left to right."""

    def __init__(self, text: str, shown: str, population: Callable[[str], Definition] | None) -> None:
        self.text, self.shown, self.population = text, shown, population
        self.position = self.joined_at = self.depth = self.nested = self.count = 0
        self.is_boolean = _BOOLEAN.search(_NAMED.sub("[]", text)) is not None
        self.last: Gate | None = None
        self.words: list[str] = []

    def read(self) -> Definition:
        term = self._items()
        if self.position < len(self.text):
            self._refuse(f"{self.text[self.position]!r}{self._at()} closes no bracket; remove it")
        words = tuple(dict.fromkeys(self.words))
        if not term.of:
            return Definition((), words)
        parts = normal(term)
        if parts is None:
            self._refuse("its gates exclude each other, so that no event can meet it; correct it")
        if not parts:
            self._refuse("every event meets it; leave it out")
        gates = tuple(part for part in parts if isinstance(part, Gate))
        return Definition(gates, words, tuple(part for part in parts if isinstance(part, AnyOf)))

    def _items(self) -> Term:
        """Items up to the end or a closing bracket, joined by AND or by OR."""
        items: list[Gate | Term | str] = []
        joins: set[str] = set()
        while True:
            join = self._join()
            if self.position >= len(self.text) or self.text[self.position] in ")]":
                if join:
                    self._refuse(f"a gate is missing after {join}{self._at(self.joined_at)}; add it or remove the word")
                break
            if join and not items:
                self._refuse(f"a gate is missing before {join}{self._at(self.joined_at)}; add it or remove the word")
            if items:
                joins.add(join or "AND")
            if len(joins) > 1:
                self._refuse(f"AND and OR side by side{self._at()}; put brackets around what belongs together")
            items.append(self._item())
        terms = [item for item in items if not isinstance(item, str)]
        words = [item for item in items if isinstance(item, str)]
        if words and (joins == {"OR"} or self.depth):
            self._refuse(f"{words[0]!r} has no gate on a marker; use gates in brackets, with OR and with NOT")
        self.words += words
        if joins == {"OR"}:
            return Term("or", tuple(terms))
        merged = {gate.marker: gate for gate in _merge([t for t in terms if isinstance(t, Gate)], self.shown)}
        return Term("and", tuple(merged[term.marker] if isinstance(term, Gate) else term for term in terms))

    def _join(self) -> str:
        """What joins the next item to the one before: AND or OR where it is written, else an empty text."""
        found = ""
        while match := _BLANK.match(self.text, self.position) or _JOIN.match(self.text, self.position):
            if match.lastgroup is not None:
                kind = "OR" if match.lastgroup == "either" else match.group().upper()
                if match.lastgroup == "bar":
                    if self.depth == 0 and self.is_boolean:
                        self._refuse(f"'|'{self._at()} is OR within brackets and AND in lists; write OR or a blank")
                    kind = "OR" if self.depth else ""
                if kind and found:
                    self._refuse(f"a gate is missing between {found} and {kind}{self._at()}; add it or remove a word")
                found = found or kind
                self.joined_at = self.position
            self.position = match.end()
        return found

    def _item(self) -> Gate | Term | str:
        self.nested += 1
        if self.nested > _MAX_DEPTH:
            self._refuse(f"more than {_MAX_DEPTH} levels of brackets and NOT{self._at()}; define parts as populations")
        item = self._negated() or self._bracket() or self._named() or self._gate() or self._population()
        self.nested -= 1
        if item is None:
            self._fail()
        return item

    def _negated(self) -> Term | None:
        match = _NOT.match(self.text, self.position)
        if match is None:
            return None
        start = self.position
        self.position = match.end()
        if self.position >= len(self.text) or self.text[self.position] in ")]":
            self._refuse(f"a gate is missing after NOT{self._at(start)}; add it or remove the word")
        item = self._item()
        if isinstance(item, str):
            self.position = start
            self._refuse(f"NOT{self._at()} stands before {item!r}, which has no gate on a marker; use gates")
        return Term("not", (item,))

    def _bracket(self) -> Term | None:
        if self.text[self.position] != "(":
            return None
        start, self.last = self.position, None
        self.position += 1
        self.depth += 1
        inner = self._items()
        self.depth -= 1
        if self.position >= len(self.text) or self.text[self.position] != ")":
            self.position = start
            self._refuse(f"the bracket{self._at()} is not closed; add ')'")
        if not inner.of:
            self.position = start
            self._refuse(f"the brackets{self._at()} are empty; remove them")
        self.position += 1
        self.last = None
        return inner

    def _named(self) -> Term | None:
        match = _NAMED.match(self.text, self.position)
        if match is None:
            return None
        name = match.group(1).strip()
        if self.population is None:
            self._refuse(f"[{name}]{self._at()} names another population; write its gates, or a table of definitions")
        found = self.population(name)
        self._count(len(list(markers(found.parts))))
        self.position, self.last = match.end(), None
        return as_term(found.parts)

    def _gate(self) -> Gate | None:
        found = self._continuation() or self._known()
        if found is None:
            return None
        marker, sign, self.position = found
        word = sign.strip(" _").lower()
        self.last = Gate(marker, _SIGN_WORDS.get(word) or _SIGN_WORDS[word.rstrip("+/-")])
        self._count(1)
        return self.last

    def _continuation(self) -> tuple[str, str, int] | None:
        """``CD3+14-``: a number glued to a CD gate."""
        match = _CONTINUES.match(self.text, self.position)
        glued = self.position > 0 and self.text[self.position - 1] in "+-~"
        if not match or not glued or self.last is None or not _CD.match(self.last.marker):
            return None
        name = load().antigens.get(f"cd{match.group(1).lower()}")
        return None if name is None else (name.name, match.group("symbol"), match.end())

    def _known(self) -> tuple[str, str, int] | None:
        """The longest known marker before a sign; else the shortest unknown one."""
        unknown: tuple[str, str, int] | None = None
        known: tuple[str, str, int] | None = None
        for start in range(self.position + 1, min(len(self.text), self.position + _LONGEST_NAME + 1)):
            match = _SIGN.match(self.text, start)
            if match is None:
                continue
            name = self.text[self.position : start]
            preferred = _preferred(name) if _plain(name) else None
            if preferred is not None and not _inside_word(self.text, match):
                known = (preferred, match.group(), match.end())
            elif (
                unknown is None
                and _plain(name)
                and " " not in name
                and "/" not in name
                and _ends_gate(self.text, match)
            ):
                unknown = (name, match.group(), match.end())
            if re.search(r"[,|;]", name) or name.count(" ") > 2:
                break
        return known or unknown

    def _population(self) -> str | None:
        """A population word, of up to two parts: ``intact singlets``."""
        for pattern in (r"[A-Za-z]+[ _][A-Za-z]+", r"[A-Za-z]+"):
            match = re.compile(pattern + r"(?=$|[\s,/|;&()\[\]!])").match(self.text, self.position)
            if match and (word := _WORD_OF.get(key(match.group()))):
                self.position, self.last = match.end(), None
                return word
        return None

    def _count(self, gates: int) -> None:
        self.count += gates
        if self.count > _MAX_GATES:
            self._refuse(f"more than {_MAX_GATES} gates, those of the populations that it names included; write fewer")

    def _at(self, position: int | None = None) -> str:
        return f" at character {min(self.position if position is None else position, len(self.text) - 1) + 1}"

    def _refuse(self, what: str) -> NoReturn:
        msg = f"population definition {self.shown!r}: {what}"
        raise DefinitionError(msg)

    def _fail(self) -> NoReturn:
        rest = self.text[self.position :]
        name = (re.split(r"[\s,/|;&()\[\]]+", rest, maxsplit=1)[0] or rest)[:40]
        near = suggestions(name)
        hint = f"; did you mean {' or '.join(near[:2])}?" if near and key(name) not in load().antigens else ""
        at = self._at() if self.position else ""
        self._refuse(f"{name!r}{at} has no sign; write a marker with + or -, such as CD4+{hint}")


def _preferred(name: str) -> str | None:
    """Preferred name of a marker, or of the members of a composite such as CD235ab/CD61."""
    antigens = load().antigens
    entry = antigens.get(key(name))
    if entry is not None:
        return entry.name
    members = [antigens.get(key(part)) for part in name.split("/")]
    if len(members) < 2 or " " in name:
        return None
    found = [member.name for member in members if member is not None]
    return "/".join(found) if len(found) == len(members) else None


def _plain(name: str) -> bool:
    """Whether a text may be the name of a marker; brackets within it match, such as in CD279 (PD-1)."""
    outside = re.sub(r"(?<=\w)\[\w+\]", "", name)
    if not key(name) or re.search(r"[,|;&+!\[\]]|-[\s/]", outside) or name[0] in "-+~/ (":
        return False
    return name.count("(") == name.count(")")


def _inside_word(text: str, match: re.Match[str]) -> bool:
    """A sign word that is the start of a longer word (``low`` in ``lower``)."""
    return bool(match.group("word")) and match.end() < len(text) and text[match.end()].islower()


def _ends_gate(text: str, match: re.Match[str]) -> bool:
    """For names that are not known: the sign is followed by a separator, the end, or a sign of a new name."""
    word = match.group("word")
    if word and len(word) < 4 and word[0] not in " _":  # of an unknown name, "hi" and "br" may be the end
        return False
    if match.end() == len(text) or text[match.end()] in "()[]!" or _SEPARATOR.match(text, match.end()):
        return True
    return match.group("symbol") is not None and match.group("symbol") != "-" and text[match.end()].isalnum()


def _merge(gates: list[Gate], shown: str) -> list[Gate]:
    """One gate per marker: a level (``++``, ``lo``) makes a ``+`` more precise; exclusive signs are an error."""
    merged: dict[str, Gate] = {}
    for gate in gates:
        before = merged.get(gate.marker)
        if before is None or (before.sign == "+" and gate.sign != "-"):
            merged[gate.marker] = gate
        elif gate.sign != before.sign and (gate.sign != "+" or before.sign == "-"):
            msg = f"population definition {shown!r}: {before} and {gate} exclude each other; remove one"
            raise DefinitionError(msg)
    return list(merged.values())
