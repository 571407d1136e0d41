"""Cell Ontology classes of published populations, by the terms of ImmPort's own vocabulary of cell populations.

``data/cell_populations.tsv`` holds the terms of ``lk_cell_population`` (from DR16 to DR32) that have one class. A
population gets a class by its name only, and only if its gates do not say the opposite of the term's: a name tells more
than a definition, which often leaves the parent gates out.
"""

import csv
import re
from functools import cache, lru_cache
from importlib import resources

from immport_cyto.exceptions import DefinitionError

_PREFIX = re.compile(r"^[A-Z]{1,3}: ")  # newer releases write "T: naive CD4+ T cell"
_PLURAL = re.compile(r"(cell|cyte|blast|phil|treg)s\b")
_POSITIVE = {"+", "++"}


@cache
def _terms() -> dict[str, tuple[str, str]]:
    """Term in plain form to (class, gates)."""
    text = (resources.files(__package__) / "data" / "cell_populations.tsv").read_text(encoding="utf-8")
    found = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        for name in (row["ontology_name"], row["term"]):
            found[_plain(name)] = (row["cl_id"], row["definition"])
    return found


def _plain(name: str) -> str:
    text = _PREFIX.sub("", " ".join(name.split())).casefold().replace("naïve", "naive")
    return _PLURAL.sub(r"\1", text)


@lru_cache(maxsize=65536)
def cell_class(names: tuple[str, ...], definition: str = "") -> str:
    """Cell Ontology class of a population, or ``""``.

    Parameters
    ----------
    names
        Preferred and reported name; the first that is a term decides.
    definition
        Gates in canonical form, as :func:`immport_cyto.immport.definitions.read_definition` gives them.

    Examples
    --------
    >>> cell_class(("", "CD8+ T cells")), cell_class(("T: T cell",)), cell_class(("Tfh",))
    ('CL:0000625', 'CL:0000084', '')
    >>> cell_class(("B cell",), "CD3+ CD4+")
    ''
    """
    for name in names:
        found = _terms().get(_plain(name))
        if found is not None:
            return "" if _contradict(_signs(definition), _signs(found[1])) else found[0]
    return ""


@lru_cache(maxsize=65536)
def _signs(definition: str) -> dict[str, str]:
    from immport_cyto.panel import parse_gates

    try:
        return {gate.marker: gate.sign for gate in parse_gates(definition).gates} if definition else {}
    except DefinitionError:
        return {}


def _contradict(one: dict[str, str], other: dict[str, str]) -> bool:
    pairs = ({one[marker], other[marker]} for marker in one.keys() & other.keys())
    return any("-" in pair and not _POSITIVE.isdisjoint(pair) for pair in pairs)
