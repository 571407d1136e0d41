r"""Population definitions: ``CD3+, CD4+ CCR7- CD45RA++``.

The grammar (HIPC's gating definitions, and what people write)::

    definition = gate { separator gate }        separator: blank , / | ; &
    gate       = marker sign | population word
    sign       = + | - | ++ | +- (low) | +~ (intermediate) | hi high bright | lo low dim | int mid | pos neg ...

A marker goes through the vocabulary (``HLADR+`` is ``HLA-DR+``). A number after a CD gate goes on with it:
``CD3+14-`` is ``CD3+ CD14-``. Population words (``lymphocytes``, ``singlets``, ``live``) are kept apart from the gates.
"""

import re
from dataclasses import dataclass

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel._text import clean, key
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
    rf"(?:(?P<word>[ _]?(?:{_WORDS})(?:\+)?(?:/-)?)(?=$|[\s,/|;&_()]|(?-i:(?<=[a-z])[A-Z]))|(?P<symbol>{_SYMBOLS}))",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[\s,/|;&]+")
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
_CHOICE = re.compile(r"\b(?:or|either|not|minus|and/or|without)\b", re.IGNORECASE)
_MAX_LENGTH = 2000
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Gate:
    """One marker and its sign, one of `SIGNS`."""

    marker: str
    sign: str

    def __str__(self) -> str:
        return f"{self.marker}{self.sign}"


@dataclass(frozen=True)
class Definition:
    """A population as gates on markers; ``str()`` gives the canonical form, which reads back as the same.

    Attributes
    ----------
    gates
        In the order written, one per marker.
    populations
        Words without a marker, such as ``lymphocyte``, ``singlet``, ``viable``.
    """

    gates: tuple[Gate, ...]
    populations: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers of the gates, in order."""
        return tuple(gate.marker for gate in self.gates)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Markers that the vocabulary does not have; they are kept as written."""
        return tuple(name for name in self.markers if _preferred(name) is None)

    def __str__(self) -> str:
        return " ".join([*map(str, self.gates), *self.populations])

    def hipc(self, species: str = "") -> str:
        """The definition in HIPC's form, which ``parse_gates`` reads back: ``lymphocyte, CD3+, CD44+-``.

        With a species (``human`` or ``mouse``) the markers have ImmPort's names: ``hCD3E+``.
        """
        from immport_cyto.panel.immport_names import immport_antigen

        gates = [
            (immport_antigen(gate.marker, species) if species else gate.marker) + _HIPC_SIGNS.get(gate.sign, gate.sign)
            for gate in self.gates
        ]
        return ", ".join([*self.populations, *gates])


def parse_gates(text: str) -> Definition:
    """Read a population definition.

    Parameters
    ----------
    text
        Such as ``CD3+, CD4+ CCR7- CD45RA++``, ``CD14lo CD16+ monocyte``, ``Lymphocytes/Singlets/CD19+``.

    Raises
    ------
    DefinitionError
        Empty, a marker without a sign, two gates of one marker that exclude each other, or an alternative
        (``or``, ``either``), which gates cannot say.

    Examples
    --------
    >>> str(parse_gates("CD3+, HLADRhigh CD14dim"))
    'CD3+ HLA-DR++ CD14lo'
    """
    shown = clean(str(text)[:_MAX_LENGTH])[:80]
    if len(str(text)) > _MAX_LENGTH:
        msg = f"population definition of {len(str(text))} characters; write at most {_MAX_LENGTH}"
        raise DefinitionError(msg)
    # long definitions are cleaned in parts, because a cleaned text has a limited length
    cleaned = " ".join(clean(part) for part in re.split(r"[\s]+", str(text)))
    if not key(cleaned[:200]) and not _NAME.search(cleaned):
        msg = "population definition is empty; write gates such as CD3+ CD4+"
        raise DefinitionError(msg)
    choice = _CHOICE.search(cleaned)
    if choice:
        msg = f"population definition {shown!r}: {choice.group()!r} is no gate; write one definition for each case"
        raise DefinitionError(msg)
    gates, populations = _Reader(cleaned, shown).read()
    return Definition(tuple(_merge(gates, shown)), tuple(dict.fromkeys(populations)))


class _Reader:
    """Reads gates from left to right."""

    def __init__(self, text: str, shown: str) -> None:
        self.text, self.shown, self.position = text, shown, 0
        self.gates: list[Gate] = []
        self.populations: list[str] = []

    def read(self) -> tuple[list[Gate], list[str]]:
        while True:
            separator = _SEPARATOR.match(self.text, self.position)
            if separator:
                self.position = separator.end()
            if self.position >= len(self.text):
                return self.gates, self.populations
            if not (self._continuation() or self._gate() or self._population()):
                self._fail()

    def _continuation(self) -> bool:
        """``CD3+14-``: a number glued to a CD gate."""
        match = _CONTINUES.match(self.text, self.position)
        glued = self.position > 0 and self.text[self.position - 1] in "+-~"
        if not match or not glued or not self.gates or not _CD.match(self.gates[-1].marker):
            return False
        name = load().antigens.get(f"cd{match.group(1).lower()}")
        if name is None:
            return False
        self._add(name.name, match.group("symbol"), match.end())
        return True

    def _gate(self) -> bool:
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
        chosen = known or unknown
        if chosen is None:
            return False
        self._add(*chosen)
        return True

    def _add(self, marker: str, sign: str, end: int) -> None:
        word = sign.strip(" _").lower()
        self.gates.append(Gate(marker, _SIGN_WORDS.get(word) or _SIGN_WORDS[word.rstrip("+/-")]))
        self.position = end

    def _population(self) -> bool:
        """A population word, of up to two parts: ``intact singlets``."""
        for pattern in (r"[A-Za-z]+[ _][A-Za-z]+", r"[A-Za-z]+"):
            match = re.compile(pattern + r"(?=$|[\s,/|;&])").match(self.text, self.position)
            if match and (word := _WORD_OF.get(key(match.group()))):
                self.populations.append(word)
                self.position = match.end()
                return True
        return False

    def _fail(self) -> None:
        rest = self.text[self.position :]
        name = (_SEPARATOR.split(rest, maxsplit=1)[0] or rest)[:40]
        near = suggestions(name)
        hint = f"; did you mean {' or '.join(near[:2])}?" if near and key(name) not in load().antigens else ""
        msg = (
            f"population definition {self.shown!r}: {name!r} has no sign; "
            f"write a marker with + or -, such as CD4+{hint}"
        )
        raise DefinitionError(msg)


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
    return bool(key(name)) and not re.search(r"[,|;&+]|-[\s/]", name) and name[0] not in "-+~/ "


def _inside_word(text: str, match: re.Match[str]) -> bool:
    """A sign word that is the start of a longer word (``low`` in ``lower``)."""
    return bool(match.group("word")) and match.end() < len(text) and text[match.end()].islower()


def _ends_gate(text: str, match: re.Match[str]) -> bool:
    """For names that are not known: the sign is followed by a separator, the end, or a sign of a new name."""
    word = match.group("word")
    if word and len(word) < 4 and word[0] not in " _":  # of an unknown name, "hi" and "br" may be the end
        return False
    if match.end() == len(text) or _SEPARATOR.match(text, match.end()):
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
