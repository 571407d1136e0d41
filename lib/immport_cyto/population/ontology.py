"""Names for phenotypes: the Cell Ontology, offline, with the evidence for and against each class.

The table ``data/cell_ontology.tsv`` holds what the Cell Ontology (CC BY 4.0, obophenotype.org) says of the surface
markers of its classes, in the marker names of this project; ``scripts/make_cell_ontology.py`` builds it. The standard
populations are classes too, by their own definitions: the ontology gives no marker to a class as plain as "T cell".
``data/cell_ancestors.tsv`` holds the parents (is_a) of the classes of the blood lineages, from the same source.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import DefinitionError, OptionError
from immport_cyto.panel.boolean import AnyOf
from immport_cyto.population.definitions import LINEAGES, Gates, gates_text, plain_signs, read_gates, split_text

if TYPE_CHECKING:
    import pandas as pd

_ONTOLOGY = "Cell Ontology"
_PLUS, _BETWEEN = ("+", "++"), ("lo", "+-", "+~")
# what a marker says of a complex or of the other names of one molecule: CD3 shows the receptor that it is part of
_SHOWN_BY: Mapping[str, tuple[str, ...]] = {
    "TCR": ("TCRab", "TCRgd", "CD3", "CD3e"),
    "TCRab": ("CD3", "CD3e"),
    "TCRgd": ("CD3", "CD3e"),
    "CD3": ("CD3e", "TCRab", "TCRgd"),
    "CD8": ("CD8a", "CD8b"),
    "B220": ("CD45R",),
    "CD16": ("CD16a", "CD16b"),
    "CD66b": ("CD66", "CD66abce"),
    "HLA-DR": ("MHC II", "HLA-DR/DP/DQ"),
    "FceRIa": ("FceRI",),
}
_EXCLUDES = {"TCRab": "TCRgd", "TCRgd": "TCRab"}
_CONFIRMED = 5 / 3
_TISSUE = re.compile(
    "thymi|thymocyte|intraepithelial|intestin|dermal|decidual|uterine|lymph node|Peyer|mucosal|splenic|liver|hepatic|"
    "lung|alveolar|tonsil|bone marrow|germinal|marginal|microglia|peritoneal|kidney|adipose|appendix|placental|fetal|"
    "yolk sac|AGM|endothelial|mesenchymal|stellate|parafollicular cell"
)
_OF_LINEAGE = {"TCR", "TCRab", "TCRgd", "CD3e", *(marker for lineage in LINEAGES for marker in lineage)}


@dataclass(frozen=True)
class CellClass:
    """A class of cells and its markers."""

    cl_id: str
    label: str
    signs: Mapping[str, str]
    immport_name: str = ""
    source: str = _ONTOLOGY


@dataclass(frozen=True)
class Match:
    """How a class fits a phenotype.

    Attributes
    ----------
    cell_class
        The class.
    score
        From 0 to 1: weighted harmonic mean of the share of the class's markers that the phenotype confirms and the
        share of the phenotype's gates that the class asks for. The first counts 5/3 times as much: a name must not
        claim what nobody measured; for the same reason a class of one tissue, such as thymus, or of no blood lineage
        has 9/10 of its score. What a cell has tells more than what it lacks: a marker that is there weighs 1, one of
        a lineage 2, one that is absent 1/4.
    confirmed, contradicted, untested
        Markers of the class with their signs: those that the phenotype has, has the other way round, says nothing of.
    unexplained
        Gates of the phenotype that the class says nothing of.
    broader
        Ancestors in the Cell Ontology, the nearest first; of classes that ``data/cell_ancestors.tsv`` has not, standard
        populations and classes with a name of ImmPort that fit too and ask for less.
    """

    cell_class: CellClass
    score: float
    confirmed: tuple[str, ...]
    contradicted: tuple[str, ...]
    untested: tuple[str, ...]
    unexplained: tuple[str, ...]
    broader: tuple[str, ...] = field(default=())


@cache
def classes() -> tuple[CellClass, ...]:
    """The classes of the built-in tables, in order of their ids; those of the standard populations first."""
    from immport_cyto import population, tables

    found: dict[str, CellClass] = {}
    names: dict[str, str] = {}
    place = resources.files("immport_cyto.population") / "data" / "cell_ontology.tsv"
    ontology = []
    for line in place.read_text(encoding="utf-8").splitlines()[2:]:
        cl_id, label, positive, negative, high, low, _, immport_name = line.split("\t")
        signs = {marker: "-" for marker in negative.split(";") if marker}
        for text, sign in ((positive, "+"), (high, "++"), (low, "lo")):
            signs |= {marker: sign for marker in text.split(";") if marker}
        ontology.append(CellClass(cl_id, label, signs, immport_name))
        names[cl_id] = immport_name
    of_table = {marker for entry in ontology for marker in entry.signs}
    standard = population.standard_populations()
    for row in tables.conform(standard, tables.DEFINITIONS).itertuples():
        first = plain_signs(read_gates(str(row.definition))[0])
        others = (plain_signs(read_gates(text)[0]) for text in str(row.alternatives).split(";") if text.strip())
        # an alternative that brings what the ontology's table has no marker for, such as FoxP3
        known = [first, *(signs for signs in others if signs.keys() - first.keys() - of_table)]
        for number, signs in enumerate(known if row.cl_id else []):
            found[f"{row.cl_id} {number}"] = CellClass(
                str(row.cl_id), str(row.population), signs, names.get(str(row.cl_id), ""), "standard populations"
            )
    return (*(found[key] for key in sorted(found)), *sorted(ontology, key=lambda entry: entry.cl_id))


@cache
def _parents() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Label and parents of each class of the lineages of blood."""
    place = resources.files("immport_cyto.population") / "data" / "cell_ancestors.tsv"
    rows = (line.split("\t") for line in place.read_text(encoding="utf-8").splitlines()[2:])
    return {cl_id: (label, tuple(filter(None, parents.split(";")))) for cl_id, label, parents in rows}


def ancestors(cl_id: str) -> list[str]:
    """Ancestors of a class in the Cell Ontology, the nearest first, as ``CL:0000084 T cell``; empty where not known.

    >>> ancestors("CL:0000798")
    ['CL:0000084 T cell', 'CL:0000542 lymphocyte', 'CL:0000842 mononuclear cell', 'CL:0000738 leukocyte', \
'CL:0000988 hematopoietic cell']
    """
    known = _parents()
    found: dict[str, None] = {}
    level = [cl_id]
    while level:
        level = list(dict.fromkeys(parent for name in level for parent in known.get(name, ("", ()))[1]))
        for name in level:
            found.pop(name, None)  # as far away as its longest way
            found[name] = None
    return [f"{name} {known[name][0]}" for name in found]


def matches(phenotype: Mapping[str, str], *, top: int = 5) -> list[Match]:
    """Classes that fit a phenotype, the best first.

    Parameters
    ----------
    phenotype
        Sign (``+ ++ - lo +- +~``) of each marker, in the vocabulary's names.
    top
        How many to give.

    Returns
    -------
    list of Match
        Only classes that nothing contradicts and at least one positive marker confirms; of a class that comes from
        both tables the better fit. Empty where there is none, as for a phenotype with markers of two lineages.
    """
    lineages = [names for names in LINEAGES if any(phenotype.get(name, "-") != "-" for name in names)]
    if len(lineages) > 1:
        return []
    found: dict[str, Match] = {}
    fits = [_match(entry, phenotype) for entry in classes()]
    # a phenotype that contradicts one definition of a standard population does not pass by an alternative
    against = {match.cell_class.cl_id for match in fits if match.contradicted and match.cell_class.source != _ONTOLOGY}
    for match in fits:
        entry = match.cell_class
        positive = any(not text.endswith("-") for text in match.confirmed)
        if match.contradicted or not positive or (entry.source != _ONTOLOGY and entry.cl_id in against):
            continue
        known = found.get(entry.cl_id)
        if known is None or match.score > known.score:
            found[entry.cl_id] = match
    ranked = sorted(found.values(), key=_order)
    return [_with_broader(match, ranked) for match in ranked[:top]]


def _order(match: Match) -> tuple[float, int, bool, str]:
    return -round(match.score, 9), len(match.untested), match.cell_class.source == _ONTOLOGY, match.cell_class.cl_id


def _match(entry: CellClass, phenotype: Mapping[str, str]) -> Match:
    confirmed: list[str] = []
    contradicted: list[str] = []
    untested: list[str] = []
    used: set[str] = set()
    for marker, sign in entry.signs.items():
        shown, by = _shown(marker, phenotype)
        used |= by
        text = f"{marker}{sign}"
        agrees = _agrees(sign, shown)
        (untested if agrees is None else confirmed if agrees else contradicted).append(text)
    if any(marker in ("TCR", "TCRab", "TCRgd") for marker in entry.signs):
        used |= {"CD3", "CD3e"}  # a part of the receptor
    unexplained = [f"{marker}{sign}" for marker, sign in phenotype.items() if marker not in used]
    weights = {f"{marker}{sign}": _weight(marker, sign) for marker, sign in entry.signs.items()}
    recall = sum(map(weights.__getitem__, confirmed)) / sum(weights.values())
    shares = {marker: _weight(marker, sign) for marker, sign in phenotype.items()}
    precision = sum(weight for marker, weight in shares.items() if marker in used) / sum(shares.values())
    score = (1 + _CONFIRMED) * recall * precision / (recall + _CONFIRMED * precision) if recall and precision else 0.0
    if _TISSUE.search(entry.label):
        score *= 0.9
    return Match(entry, score, tuple(confirmed), tuple(contradicted), tuple(untested), tuple(unexplained))


def _weight(marker: str, sign: str) -> float:
    return 0.25 if sign == "-" else 2.0 if marker in _OF_LINEAGE else 1.0


def _shown(marker: str, phenotype: Mapping[str, str]) -> tuple[str, set[str]]:
    """Sign of a marker in a phenotype, by itself or by what shows it, and the gates that say so; ``""``: nothing."""
    if marker in phenotype:
        return phenotype[marker], {marker}
    other = _EXCLUDES.get(marker)
    if other and phenotype.get(other, "") in _PLUS:
        return "-", {other}
    found = [name for name in _SHOWN_BY.get(marker, ()) if name in phenotype]
    for name in found:
        if phenotype[name] in _PLUS:
            return phenotype[name], {name}
    # one chain that is absent does not make a complex absent, CD3 does
    firm = [name for name in found if name in ("CD3", "CD3e", "CD8a")] if len(found) < 2 else found
    return (phenotype[firm[0]], set(firm)) if firm else ("", set())


def _agrees(asked: str, shown: str) -> bool | None:
    """Whether a sign is as asked; None where nothing is known."""
    if not shown:
        return None
    if asked == "-":
        return shown == "-"
    if asked == "lo":
        return shown in (*_BETWEEN, "+")
    if asked == "++":
        return shown in _PLUS
    return shown in (*_PLUS, *_BETWEEN)


def _with_broader(match: Match, ranked: list[Match]) -> Match:
    if of_ontology := ancestors(match.cell_class.cl_id):
        return replace(match, broader=tuple(of_ontology))
    own = set(match.cell_class.signs.items())
    wider = [
        other for other in ranked
        if other.cell_class.cl_id != match.cell_class.cl_id
        and (other.cell_class.immport_name or other.cell_class.source != _ONTOLOGY)
        and _plain(other.cell_class.signs) < _plain(dict(own))
    ]  # fmt: skip
    wider.sort(key=lambda other: (-len(other.cell_class.signs), other.cell_class.cl_id))
    broader = tuple(f"{other.cell_class.cl_id} {other.cell_class.label}" for other in wider)
    return replace(match, broader=broader)


def _plain(signs: Mapping[str, str]) -> set[tuple[str, bool]]:
    """Markers and whether they are there; a complex counts as CD3."""
    return {("CD3" if marker in ("TCR", "TCRab") else marker, sign != "-") for marker, sign in signs.items()}


def annotate(phenotypes: Iterable[str], *, top: int = 3) -> "pd.DataFrame":
    """Name phenotypes by the Cell Ontology.

    Parameters
    ----------
    phenotypes
        Gating strings such as ``CD3+ CD4+ CCR7+ CD45RA+``, each once in the result.
    top
        Classes to give for each.

    Returns
    -------
    pandas.DataFrame
        An ANNOTATIONS table, best class first; a phenotype that no class fits has one row with an empty class, and is
        kept as such.

    Raises
    ------
    DefinitionError
        A text is not a gating string.
    OptionError
        `top` is below 1.
    """
    import pandas as pd

    from immport_cyto import tables

    if top < 1:
        msg = f"top is {top}; ask for 1 class or more"
        raise OptionError(msg)
    rows: list[dict[str, Any]] = []
    for text in dict.fromkeys(phenotypes):
        gates = _gates(text)
        signs = plain_signs(gates)
        groups = gates_text(tuple(part for part in gates if isinstance(part, AnyOf)))
        aside = f"not compared: {groups}" if groups else ""
        found = matches(signs, top=top) if signs else []
        rows += [_row(text, rank, match) | {"note": aside} for rank, match in enumerate(found, start=1)]
        if not found:
            note = "no class of the table fits" if signs else "there is no gate on a marker that all events have"
            rows.append({"phenotype": text, "rank": 1, "note": "; ".join(filter(None, (note, aside)))})
    return tables.conform(pd.DataFrame(rows, columns=tables.ANNOTATIONS.column_names), tables.ANNOTATIONS)


def _gates(text: str) -> Gates:
    try:
        return read_gates(text)[0]
    except DefinitionError:
        gates = split_text(text)  # a phenotype that this project wrote; its markers may be unknown to the vocabulary
        if not gates or gates_text(gates).split() != text.split():
            raise
        return gates


def _row(text: str, rank: int, match: Match) -> dict[str, Any]:
    entry = match.cell_class
    return {
        "phenotype": text, "rank": rank, "cl_id": entry.cl_id, "cl_label": entry.label,
        "immport_name": entry.immport_name, "score": round(match.score, 4), "confirmed": " ".join(match.confirmed),
        "untested": " ".join(match.untested), "unexplained": " ".join(match.unexplained),
        "broader": "; ".join(match.broader[:16]), "source": entry.source, "note": "",
    }  # fmt: skip
