"""Definitions of populations: what to look for, and with which markers of a panel.

A definition is a string of gates (``CD3+ CD4+ CCR7-``). It may have alternatives, for panels that lack one of its
markers, in a column ``alternatives`` (joined by ``;``), and so may its parent in ``parent_alternatives``: the first of
all that the panel can answer is used, and the result says which. A column ``reference`` names what the fraction is of
where that is not the parent: gates, another population of the table, or all events.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from immport_cyto.exceptions import DefinitionError

if TYPE_CHECKING:
    import pandas as pd

# a marker that a panel lacks, and those that answer in its place (one chain or epitope of the same complex)
STAND_INS: Mapping[str, tuple[str, ...]] = {
    "CD8": ("CD8a", "CD8b"),
    "CD8a": ("CD8",),
    "CD3": ("CD3e",),
    "CD66b": ("CD66", "CD66abce"),
}
_WRITTEN = re.compile(r"(\S.*?)(\+\+|\+-|\+~|\+|-|lo)(?= |$)")
LINEAGES = (("CD3",), ("CD19", "CD20"), ("CD14",))  # no cell has markers of two of these
DONE_BY_QC = ("intact", "singlet", "viable")
ALL_EVENTS = ("all", "all events")
UNNAMED = "unclassified"  # a metacluster without any clear sign
BETWEEN = ("lo", "+-", "+~")  # above the cut and not above the second cut


Gates = tuple[tuple[str, str], ...]  # (marker, sign) pairs
Cuts = Mapping[str, tuple[float | None, float | None]]  # marker of a panel: (cut, second cut)


@dataclass(frozen=True)
class Wanted:
    """One population to look for: its gates, those of its parent and of its reference, each with alternatives.

    `references` is None where the fraction is of the parent, and holds one without gates for all events.
    """

    population: str
    texts: tuple[str, ...]
    gates: tuple[Gates, ...]
    parents: tuple[Gates, ...] = ()
    references: tuple[Gates, ...] | None = None
    cl_id: str = ""


@dataclass(frozen=True)
class Fitted:
    """A population as one panel can answer it, in the panel's markers.

    `gates` holds those of the parent and the reference too, `parent_gates` those of what the fraction is of.
    """

    population: str
    gates: Gates
    parent_gates: Gates
    cl_id: str
    note: str = ""

    @property
    def definition(self) -> str:
        """All gates, the parent's too."""
        return gates_text(self.gates)

    @property
    def parent(self) -> str:
        """Gates of what the fraction is of; empty for all events."""
        return gates_text(self.parent_gates)


def standard_populations() -> "pd.DataFrame":
    """Give the built-in populations (DEFINITIONS with ``alternatives`` and ``source``), a new frame for each call."""
    from immport_cyto import tables

    place = resources.files("immport_cyto.population") / "data" / "standard_populations.tsv"
    with resources.as_file(place) as path:
        return tables.read(path, tables.DEFINITIONS)


@cache
def read_gates(text: str) -> tuple[Gates, tuple[str, ...]]:
    """Gates of a definition in preferred marker names, and its words that no marker stands for; or DefinitionError."""
    from immport_cyto import panel

    found = panel.parse_gates(text)
    words = tuple(word for word in found.populations if word not in DONE_BY_QC)
    return tuple((gate.marker, gate.sign) for gate in found.gates), words


def wanted(definitions: "pd.DataFrame") -> list[Wanted]:
    """Read the rows of a DEFINITIONS frame.

    A parent is a definition, or the name of another population of the table with all its alternatives and parents.

    Raises
    ------
    DefinitionError
        A definition cannot be read or has no gate, a name is empty or comes twice, or parents go in a circle.
    """
    rows: dict[str, dict[str, str]] = {}
    for row in definitions.fillna("").astype(str).to_dict("records"):
        name = row["population"].strip()
        if not name:
            msg = f"a population with the definition {row['definition']!r} has no name; fill in the column population"
            raise DefinitionError(msg)
        if name in rows:
            msg = f"population {name!r} is defined twice; give each a name of its own"
            raise DefinitionError(msg)
        rows[name] = {str(key): value for key, value in row.items()}
    return [_resolve(name, rows) for name in rows]


def _resolve(name: str, rows: Mapping[str, dict[str, str]], seen: tuple[str, ...] = ()) -> Wanted:
    if name in seen:
        circle = " -> ".join((*seen, name))
        msg = f"population {name!r} is its own parent ({circle}); correct the column parent or reference"
        raise DefinitionError(msg)
    row = rows[name]
    texts = tuple(text.strip() for text in (row["definition"], *row.get("alternatives", "").split(";")) if text.strip())
    if not texts:
        msg = f"population {name!r} has no definition; give its gates, such as CD3+ CD4+"
        raise DefinitionError(msg)
    gates = tuple(_checked(name, text) for text in texts)
    parent, reference = row.get("parent", "").strip(), row.get("reference", "").strip()
    found = Wanted(name, texts, gates, cl_id=row.get("cl_id", ""))
    if parent in rows:
        found = replace(found, parents=_with_parents(parent, rows, (*seen, name)))
    elif parent:
        others = [text.strip() for text in row.get("parent_alternatives", "").split(";") if text.strip()]
        found = replace(found, parents=tuple(dict.fromkeys(_checked(name, text) for text in (parent, *others))))
    if reference in rows:
        found = replace(found, references=_with_parents(reference, rows, (*seen, name)))
    elif reference:
        found = replace(found, references=((),) if _is_all(reference) else (_checked(name, reference),))
    return found


def _with_parents(name: str, rows: Mapping[str, dict[str, str]], seen: tuple[str, ...]) -> tuple[Gates, ...]:
    """All gates of a population of the table, in each of its alternatives."""
    found = _resolve(name, rows, seen)
    return tuple(dict.fromkeys(union(upper, mine) for mine in found.gates for upper in found.parents or ((),)))


def _is_all(text: str) -> bool:
    """Whether a reference is all events after quality control: 'all', 'viable singlets'."""
    if text.lower() in ALL_EVENTS:
        return True
    try:
        gates, words = read_gates(text)
    except DefinitionError:
        return False
    return not gates and not words


def _checked(name: str, text: str) -> Gates:
    try:
        gates, _ = read_gates(text)
    except DefinitionError as error:
        msg = f"population {name!r}: {error}"
        raise DefinitionError(msg) from error
    if not gates:
        msg = f"population {name!r}: {text!r} has no gate on a marker; add one, such as CD3+"
        raise DefinitionError(msg)
    return gates


def union(first: Gates, second: Gates) -> Gates:
    """Gates of both, each once; where `second` holds all of `first`, in its order."""
    return second if set(first) <= set(second) else tuple(dict.fromkeys([*first, *second]))


def gates_text(gates: Gates) -> str:
    """Gates as they are written in tables: ``CD3+ CD4- CD45RA++``."""
    return " ".join(f"{marker}{sign}" for marker, sign in gates)


def split_text(text: str) -> Gates:
    """Gates of a text that `gates_text` wrote; marker names may hold blanks and hyphens."""
    return tuple((marker, sign) for marker, sign in _WRITTEN.findall(text))


def meets_all(signs: Mapping[str, str], gates: Gates) -> bool:
    """Whether a phenotype (marker to ``+``, ``++`` or ``-``) has every sign that the gates ask for.

    A phenotype with markers of two lineages (CD3 and CD14, say) is one of doublets: only gates on both fit it.
    """
    asked = {marker for marker, _ in gates}
    shown = [lineage for lineage in LINEAGES if any(signs.get(marker, "-") != "-" for marker in lineage)]
    if len(shown) > 1 and not all(asked & set(lineage) for lineage in shown):
        return False
    return all(_meets(signs.get(marker, ""), sign) for marker, sign in gates)


def _meets(sign: str, wanted_sign: str) -> bool:
    if wanted_sign == "+":
        return sign in ("+", "++")
    if wanted_sign in ("-", "++"):
        return sign == wanted_sign
    return sign == "+"


def fit(entry: Wanted, cuts: Cuts) -> tuple[Fitted | None, str]:
    """Choose the alternative that a panel can answer.

    Parameters
    ----------
    entry
        The population.
    cuts
        Marker of the panel to (cut, second cut); None where the data show none.

    Returns
    -------
    (Fitted or None, str)
        What can be searched, and a note: which stand-ins or alternatives were taken, or why nothing can be.
    """
    above: list[Gates] = []  # the reference, the parent
    swapped: dict[str, str] = {}
    for choices in (entry.references or ((),), entry.parents or ((),)):
        tried = [on_panel(gates, cuts) for gates in choices]
        usable = next((result for result in tried if not result[1]), None)
        if usable is None:
            return None, _reason(problem for result in tried for problem in result[1])
        above.append(usable[0])
        swapped |= usable[2]
    reference, parent = above
    whole = parent if entry.references is None else reference
    problems: list[tuple[str, str]] = []
    for number, (text, gates) in enumerate(zip(entry.texts, entry.gates, strict=True)):
        own, missing, more_swapped = on_panel(gates, cuts)
        if missing:
            problems += missing
            continue
        notes = [f"{new} stands for {old}" for old, new in sorted({**swapped, **more_swapped}.items())]
        if number:
            notes.insert(0, f"searched as {text}")
        if words := read_gates(text)[1]:
            notes.append(f"no gate for {', '.join(words)}")
        note = "; ".join(notes)
        inside = union(union(reference, parent), own)
        return Fitted(entry.population, inside, whole, entry.cl_id, note), note
    return None, _reason(problems)


def _reason(problems: Iterable[tuple[str, str]]) -> str:
    """Why a panel cannot answer: each kind of problem once, with its markers."""
    kinds: dict[str, list[str]] = {}
    for kind, marker in dict.fromkeys(problems):
        kinds.setdefault(kind, []).append(marker)
    return "; ".join(f"{kind}: {', '.join(markers)}" for kind, markers in kinds.items())


def on_panel(gates: Gates, cuts: Cuts) -> tuple[Gates, list[tuple[str, str]], dict[str, str]]:
    """Gates in the panel's markers, what is missing for them as (kind, marker), and which markers stand for others."""
    found: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
    swapped: dict[str, str] = {}
    for marker, sign in gates:
        name = next((m for m in (marker, *STAND_INS.get(marker, ())) if m in cuts), None)
        if name is None:
            missing.append(("not on the panel", marker))
            continue
        if name != marker:
            swapped[marker] = name
        cut, high = cuts[name]
        if cut is None:
            missing.append(("without a cut-off", name))
        elif high is None and (sign == "++" or sign in BETWEEN):
            missing.append(("without a second cut-off", f"{name} (for {name}{sign})"))
        else:
            found.append((name, sign))
    return tuple(found), missing, swapped


def panel_cuts(cutoffs: "pd.DataFrame") -> Cuts:
    """Cut and second cut per marker of a CUTOFFS frame of one group."""
    high = cutoffs["cutoff_high"] if "cutoff_high" in cutoffs.columns else [None] * len(cutoffs)
    return {
        str(marker): (_number(cut), _number(second))
        for marker, cut, second in zip(cutoffs["marker"], cutoffs["cutoff"], high, strict=True)
    }


def _number(value: object) -> float | None:
    number = float(str(value)) if value is not None and str(value) not in ("", "nan", "None", "<NA>") else None
    return None if number is None or number != number else number


def one_group(cutoffs: "pd.DataFrame", study_accession: str | None, panel_id: str | None) -> "pd.DataFrame":
    """Rows of `cutoffs` for one study and panel; an empty study in the table holds for every study.

    Raises
    ------
    DefinitionError
        Rows of several groups are left, or none.
    """
    rows = cutoffs
    if panel_id is not None and (rows["panel_id"] != "").any():
        rows = rows[rows["panel_id"] == panel_id]
    if study_accession is not None:
        own = rows[rows["study_accession"] == study_accession]
        rows = own if len(own) else rows[rows["study_accession"] == ""]
    if not len(rows):
        where = f"study {study_accession or '(any)'} and panel {panel_id or '(any)'}"
        msg = f"cutoffs.tsv has no row for {where}; run 'population cutoffs' on these files"
        raise DefinitionError(msg)
    if rows["marker"].duplicated().any():
        msg = "cutoffs.tsv holds several studies or panels; give the study and the panel of these files"
        raise DefinitionError(msg)
    return rows.reset_index(drop=True)
