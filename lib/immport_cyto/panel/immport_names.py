"""ImmPort's own names of channels, for comparison and for tables that must look like ImmPort's.

ImmPort publishes the labels that it maps to an analyte; ``panel/data/immport.tsv`` lists them per analyte. Labels are
case-sensitive there, and what is not listed stays as written. This module follows that grammar, with its errors (CD45
becomes the isoform CD45RO, a dump in brackets keeps its last member), because a comparison needs them.
"""

import re
from functools import lru_cache

from immport_cyto.panel._text import clean
from immport_cyto.panel.vocabulary import antigen, resolve, rows

HUMAN, MOUSE = "human", "mouse"
_TOKENS = re.compile(r"[\s_;,]+")
_FRAGMENTS = re.compile(r"[-/+&()\[\]]+")
_CD_RUN = re.compile(r"^(CD\d{1,3}[A-Za-z]{0,2}?)(?=CD\d)")
_CD_SPACED = re.compile(r"\bCD (?=\d)")
_LINEAGE_RUN = re.compile(r"^CD((?:14|16|19|20|56|3|15|33|34|8|4){2,})([a-z]+)?$")
_NUMBERS_AFTER = re.compile(r"^(CD\d+[a-z]?)((?:-\d{1,3})+)$")
_IN_BRACKETS = re.compile(r"^\S+\((?P<inner>[^()]+)\)$")
_SIDE_SCATTER = re.compile(r"^SSC-[AHW]$")
_SMALL_CD = re.compile(r"^cd\d{1,3}[A-Za-z]{0,2}$")
_ONE_LETTER = re.compile(r"^(CD\d{1,3})[a-z]$")
_LEAST = 4  # a label inside a longer word has at least so many characters


@lru_cache(maxsize=2)
def labels(species: str = HUMAN) -> dict[str, str]:
    """ImmPort's name by label, for one species."""
    found: dict[str, str] = {}
    for row in rows("immport"):
        if row["species"] in {species, ""}:
            for label in (row["preferred"], *filter(None, row["labels"].split("|"))):
                found[label] = row["preferred"]
    return found


@lru_cache(maxsize=65536)
def immport_name(text: str, species: str = HUMAN) -> str:
    """The name that ImmPort's grammar gives a $PnN or $PnS.

    Parameters
    ----------
    text
        As reported.
    species
        ``human`` or ``mouse``; ImmPort's labels belong to one of them.

    Returns
    -------
    str
        ImmPort's names and the words left over, joined by ``, ``; the text itself where no label fits.

    Examples
    --------
    >>> immport_name("CD80-PE"), immport_name("Tbet"), immport_name("PE CXCR3")
    ('hCD80, PE', 'Tbet', 'hCXCR3, PE')
    """
    text = clean(text)
    known = labels(species)
    if text in known:
        return known[text]
    if _SIDE_SCATTER.match(text):
        return "SSC"
    if _SMALL_CD.match(text):  # cd3 is CD3, cd45ra is CD45
        upper = "CD" + text[2:]
        return known.get(upper) or known.get("CD" + "".join(re.findall(r"\d", upper)), text)
    bracketed = _IN_BRACKETS.match(text)
    if bracketed:
        inner = [name for name in _split(bracketed.group("inner")) if name in known]
        return known[inner[-1]] if inner else text
    tokens = [token for token in _TOKENS.split(_CD_SPACED.sub("CD", text)) if token]
    first = [known[token] for token in tokens if token in known]
    rest = [part for token in tokens if token not in known for part in _fragments(token, known)]
    named = [*first, *rest]
    if not first and not any(name in known.values() for name in rest):
        return text
    kept = [name for name in named if not name.isdigit() and (len(name) > 1 or name in known.values())]
    return ", ".join(dict.fromkeys(kept))


def _split(text: str) -> list[str]:
    """``CD20CD3CD8`` as three names, ``CD3-19-20`` as CD3, CD19 and CD20."""
    run = _CD_RUN.match(text)
    if run:
        return [run.group(1), *_split(text[run.end() :])]
    numbers = _NUMBERS_AFTER.match(text)
    if numbers:
        return [numbers.group(1), *(f"CD{n}" for n in re.findall(r"\d+", numbers.group(2)))]
    return [text]


def _fragments(token: str, known: dict[str, str]) -> list[str]:
    """The parts of a token that is no label: names where they are known, else as written."""
    lineage = _LINEAGE_RUN.match(token)
    if lineage:
        found = re.findall(r"14|16|19|20|56|15|33|34|3|8|4", lineage.group(1))
        word = [known.get(lineage.group(2), lineage.group(2))] if lineage.group(2) else []
        return [*word, *(known.get(f"CD{number}", f"CD{number}") for number in found)]
    whole = _split(token)
    if len(whole) > 1 and all(name in known for name in whole):
        return [known[name] for name in whole]
    joined = _longest_start(token, known)
    if joined:
        name, rest = joined
        return [known[name], *(part for part in _FRAGMENTS.split(rest) if part)]
    parts: list[str] = []
    for part in filter(None, _FRAGMENTS.split(token)):
        for name in _split(part):
            inside = known.get(name) or _inside(name, known)
            parts.append(inside or name)
    return parts


def _longest_start(token: str, known: dict[str, str]) -> tuple[str, str] | None:
    """A label that holds a dash or slash and begins a token: ``HLA-DRor`` begins with HLA-DR."""
    for end in range(len(token) - 1, _LEAST, -1):
        if ("-" in token[:end] or "/" in token[:end]) and token[:end] in known:
            return token[:end], token[end:]
    return None


def _inside(name: str, known: dict[str, str]) -> str:
    """A label behind one capital (``VCCR7``), or a CD name before a letter that ImmPort does not have."""
    short = _ONE_LETTER.match(name)
    if short and short.group(1) in known:
        return known[short.group(1)]
    return known.get(name[1:], "") if len(name) > _LEAST and name[0].isupper() else ""


@lru_cache(maxsize=4096)
def immport_antigen(name: str, species: str = HUMAN) -> str:
    """ImmPort's name of one of our antigens: by the name itself, a name that is the same to us, or ours again.

    Where ImmPort gives a name to another antigen too (``PTPRC/iso:CD45RO`` to CD45, ``hSTAT5A`` to pSTAT5), only the
    antigen that it means has it, so that two markers of a panel never become one.

    >>> immport_antigen("CD3"), immport_antigen("CCR7"), immport_antigen("TCRgd"), immport_antigen("CD45")
    ('hCD3E', 'hCCR7', 'TCRgd', 'CD45')
    """
    known = labels(species)
    found = known.get(name) or next((given for label, given in known.items() if antigen(label) == name), name)
    meant = _meant(found)
    same = meant in {"", name} or resolve(name, [meant]) is not None or resolve(meant, [name]) is not None
    return found if same else name


def _meant(preferred: str) -> str:
    """The antigen of one of ImmPort's names, by its isoform or else its gene; empty where that is not known."""
    symbol, _, isoform = preferred.partition("/iso:")
    if isoform:
        return antigen(isoform) or ""
    return antigen(symbol.removeprefix("h").removeprefix("m")) or antigen(symbol) or ""
