"""The vocabulary: antigens, reporters, metal isotopes and the words of cytometry panels.

The tables in ``panel/data`` are the project's own and hold facts only (names and gene symbols as the human cell
differentiation molecules workshops, HGNC and MGI give them). ``index.json`` is made from them (see ``panel.index``) and
read once per process, without pandas.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from immport_cyto.panel._text import key

STATE, TYPE, NONE = "state", "type", "none"


class Antigen(NamedTuple):
    """One target of an antibody, under its preferred name.

    Attributes
    ----------
    name
        Preferred name, the one used in gating strings: ``CD4``, ``CCR7``, ``HLA-DR``.
    genes
        Gene symbols (human where both species have it); several for complexes, none for carbohydrates.
    kind
        surface, carbohydrate, allele, intracellular, nuclear, cytokine, signalling, cleavable, phospho, cleaved,
        synthesis.
    species
        human, mouse or both.
    marker_class
        ``type`` (lineage) or ``state`` (activation, function, signalling).
    """

    name: str
    genes: tuple[str, ...]
    kind: str
    species: str
    marker_class: str


class Reporter(NamedTuple):
    """A fluorochrome. `needs_company`: a short code that counts only beside an antigen or in $PnN.

    `laser` and `emission` are the usual excitation line and the emission maximum in nm, 0 where not known.
    """

    name: str
    kind: str
    needs_company: bool
    laser: int = 0
    emission: int = 0


class Word(NamedTuple):
    """A word that gives a channel its role, such as a viability dye."""

    role: str
    name: str


class Isotope(NamedTuple):
    """A metal isotope of mass cytometry; `name` is mass first, ``142Nd``."""

    name: str
    element: str
    mass: int
    usual_use: str


@dataclass(frozen=True)
class Vocabulary:
    """All names by their comparison key (see ``_text.key``)."""

    antigens: dict[str, Antigen]
    reporters: dict[str, Reporter]
    words: dict[str, Word]
    isotopes: dict[str, Isotope]
    by_name: dict[str, Antigen]


def rows(table: str) -> Iterator[dict[str, str]]:
    """Rows of one table of ``panel/data`` as dictionaries."""
    header, *lines = _read(f"{table}.tsv").splitlines()
    names = header.split("\t")
    for line in lines:
        yield dict(zip(names, line.split("\t"), strict=True))


def _read(name: str) -> str:
    return (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def load() -> Vocabulary:
    """Read the index of the vocabulary; the result is shared and must not be changed."""
    data = json.loads(_read("index.json"))
    antigens, by_name = {}, {}
    for name, genes, kind, species, marker_class, keys in data["antigens"]:
        antigen = Antigen(name, tuple(genes), kind, species, marker_class)
        by_name[name] = antigen
        antigens.update(dict.fromkeys(keys, antigen))
    reporters: dict[str, Reporter] = {}
    for *fields, keys in data["reporters"]:
        reporters.update(dict.fromkeys(keys, Reporter(*fields)))
    words: dict[str, Word] = {}
    for role, name, keys in data["words"]:
        words.update(dict.fromkeys(keys, Word(role, name)))
    isotopes = {name: Isotope(name, element, mass, use) for name, element, mass, use, _ in data["isotopes"]}
    return Vocabulary(antigens, reporters, words, isotopes, by_name)


# A definition of the left name is met by the right one, where a panel has no channel of the left name.
_STANDS_FOR = {
    "CD8": ("CD8a", "CD8ab", "CD8b"),
    "CD8a": ("CD8", "CD8ab"),
    "CD3": ("CD3d", "CD3g"),
    "CD32": ("CD32a", "CD32b"),
    "CD66": ("CD66b", "CD66ace", "CD66a"),
    "CD235": ("CD235a", "CD235ab"),
    "CD235a": ("CD235ab", "CD235"),
    "CD235ab": ("CD235a", "CD235"),
    "CD158": ("KIR",),
    "CD41": ("CD41/61",),
}


def resolve(name: str, available: Iterable[str]) -> str | None:
    """The marker of a panel that measures what `name` asks for.

    Parameters
    ----------
    name
        A marker of a definition, in any spelling.
    available
        Markers of the panel, as harmonised.

    Returns
    -------
    str or None
        The marker itself, else one that stands for it (CD8a for CD8, because nearly all CD8 antibodies bind the
        alpha chain), else None. Isoforms (CD45RA, CD45RO) and phospho forms never stand for each other.
    """
    names = list(available)
    by_key = {key(n): n for n in names}
    wanted = antigen(name) or name
    for candidate in (wanted, *_STANDS_FOR.get(wanted, ())):
        if candidate in names:
            return candidate
        if key(candidate) in by_key:
            return by_key[key(candidate)]
    return None


def antigen(name: str) -> str | None:
    """Preferred antigen name of one marker spelling; None when the vocabulary does not have it.

    Examples
    --------
    >>> antigen("HLADR")
    'HLA-DR'
    >>> antigen("CD197")
    'CCR7'
    """
    entry = load().antigens.get(key(name))
    return entry.name if entry else None
