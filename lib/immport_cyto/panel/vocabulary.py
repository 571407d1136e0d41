"""The vocabulary: antigens, reporters, metal isotopes and the words of cytometry panels.

The tables in ``panel/data`` are the project's own and hold facts only (names and gene symbols as the human cell
differentiation molecules workshops, HGNC and MGI give them). They are read once per process, without pandas.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from immport_cyto.panel._text import key

STATE, TYPE, NONE = "state", "type", "none"
_DONORS = frozenset({"PE", "APC", "PerCP"})
_GENE_LENGTH = 4  # shorter gene symbols collide with other words of a panel


@dataclass(frozen=True)
class Antigen:
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


@dataclass(frozen=True)
class Reporter:
    """A fluorochrome. `needs_company`: a short code that counts only beside an antigen or in $PnN.

    `laser` and `emission` are the usual excitation line and the emission maximum in nm, 0 where not known.
    """

    name: str
    kind: str
    needs_company: bool
    laser: int = 0
    emission: int = 0


@dataclass(frozen=True)
class Word:
    """A word that gives a channel its role, such as a viability dye."""

    role: str
    name: str


@dataclass(frozen=True)
class Isotope:
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
    collisions: tuple[str, ...]


def rows(table: str) -> Iterator[dict[str, str]]:
    """Rows of one table of ``panel/data`` as dictionaries."""
    text = (files("immport_cyto.panel") / "data" / f"{table}.tsv").read_text(encoding="utf-8")
    header, *lines = text.splitlines()
    names = header.split("\t")
    for line in lines:
        yield dict(zip(names, line.split("\t"), strict=True))


@lru_cache(maxsize=1)
def load() -> Vocabulary:
    """Read the vocabulary; the result is shared and must not be changed."""
    collisions: list[str] = []
    reporters, words = _reporters(), _words()
    antigens, by_name = _antigens(collisions, reporters.keys() | words.keys())
    return Vocabulary(antigens, reporters, words, _isotopes(), by_name, tuple(collisions))


def _antigens(collisions: list[str], taken: Container[str]) -> tuple[dict[str, Antigen], dict[str, Antigen]]:
    index: dict[str, Antigen] = {}
    by_name: dict[str, Antigen] = {}
    derived: list[tuple[str, Antigen]] = []
    for row in rows("antigens"):
        genes = tuple(g for g in row["gene"].split(";") if g)
        entry = Antigen(row["antigen"], genes, row["kind"], row["species"], row["marker_class"])
        by_name[entry.name] = entry
        names = [entry.name, *(s for s in row["synonyms"].split("|") if s)]
        for name in names:
            found = index.setdefault(key(name), entry)
            if found is not entry:
                collisions.append(f"{name}: {found.name} and {entry.name}")
        if entry.kind == "signalling":
            phospho = Antigen(f"p{entry.name}", genes, "phospho", entry.species, STATE)
            by_name[phospho.name] = phospho
            derived += [(f"{prefix} {name}", phospho) for name in names for prefix in ("p", "phospho", "phos", "p p")]
            derived += [(f"{prefix} {name}", entry) for name in names for prefix in ("total", "t", "tot")]
        if entry.kind == "cleavable":
            cleaved = Antigen(f"cleaved {entry.name}", genes, "cleaved", entry.species, STATE)
            by_name[cleaved.name] = cleaved
            derived += [
                (f"{prefix} {name}", cleaved)
                for name in names
                for prefix in ("c", "cl", "clv", "cleaved", "active", "act", "activated")
            ]
            derived += [(f"{name} cleaved", cleaved) for name in names]
    owners: dict[str, list[Antigen]] = {}
    for entry in by_name.values():
        if len(entry.genes) == 1 and entry.kind not in {"phospho", "cleaved"}:
            owners.setdefault(entry.genes[0], []).append(entry)
    derived += [(gene, found[0]) for gene, found in owners.items() if len(found) == 1 and len(gene) >= _GENE_LENGTH]
    for name, entry in derived:  # a name that is written out wins over one made by rule
        if key(name) not in taken:
            index.setdefault(key(name), entry)
    return index, by_name


def _reporters() -> dict[str, Reporter]:
    index: dict[str, Reporter] = {}
    for row in rows("reporters"):
        templates = [row["reporter"], *filter(None, row["synonyms"].split("|"))]
        numbers = row["numbers"].split("|")
        lasers, peaks = row["laser"].split("|"), row["emission"].split("|")
        for place, number in enumerate(numbers):
            name = row["reporter"].replace("{}", number)
            laser, peak = lasers[min(place, len(lasers) - 1)], peaks[min(place, len(peaks) - 1)]
            if peak == "=":  # named after their peak, such as BV421
                peak = "".join(filter(str.isdigit, number[:3]))
            company = row["needs_company"] == "yes"
            entry = Reporter(name, row["kind"], company, int(laser or 0), int(peak or 0))
            for template in templates:
                index.setdefault(key(template.replace("{}", number)), entry)
            donor, dash, acceptor = name.partition("-")
            if dash and row["kind"] == "tandem" and donor in _DONORS:  # Cy7APC, Cy5.5-PerCP
                index.setdefault(key(acceptor + donor), entry)
                index.setdefault(key(acceptor.replace(".", "") + donor), entry)
    return index


def _words() -> dict[str, Word]:
    index: dict[str, Word] = {}
    for row in rows("words"):
        entry = Word(row["role"], row["name"])
        for name in [row["name"], *row["synonyms"].split("|")]:
            if key(name):
                index.setdefault(key(name), entry)
    return index


def _isotopes() -> dict[str, Isotope]:
    return {
        row["isotope"]: Isotope(row["isotope"], row["element"], int(row["mass"]), row["usual_use"])
        for row in rows("metals")
    }


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
