"""Definitions of populations: what to look for, and with which markers of a panel.

A definition is a text of gates (``CD3+ CD4+ (CCR7- OR CD45RA-)``), in which other populations of the table stand by
their names (``CD3+ NOT [gamma-delta T cells]``). It may have alternatives, for panels that lack one of its
markers, in a column ``alternatives`` (joined by ``;``), and so may its parent in ``parent_alternatives``: the first of
all that the panel can answer is used, and the result says which. A column ``reference`` names what the fraction is of
where that is not the parent: gates, another population of the table, or all events. A column ``partial`` with ``yes``
asks for a match without the gates that a panel lacks.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel.boolean import AnyOf, Gate, Part, as_term, markers, normal

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.panel import Definition

# a marker that a panel lacks, and those that answer in its place (one chain or epitope of the same complex)
STAND_INS: Mapping[str, tuple[str, ...]] = {
    "CD8": ("CD8a", "CD8b"),
    "CD8a": ("CD8",),
    "CD3": ("CD3e",),
    "CD66b": ("CD66", "CD66abce"),
}
_WRITTEN = re.compile(r"(\S.*?)(\+\+|\+-|\+~|\+|-|lo)(?= |$)")
_MAX_CHOICES = 500
LINEAGES = (("CD3",), ("CD19", "CD20"), ("CD14",))  # no cell has markers of two of these
DONE_BY_QC = ("intact", "singlet", "viable")
ALL_EVENTS = ("all", "all events")
UNNAMED = "unclassified"  # a metacluster without any clear sign
BETWEEN = ("lo", "+-", "+~")  # above the cut and not above the second cut


Gates = tuple[Part, ...]  # all of which hold
Cuts = Mapping[str, tuple[float | None, float | None]]  # marker of a panel: (cut, second cut)


@dataclass(frozen=True)
class Choice:
    """One way to find a population: its gates, the text that they come from, and its words without a gate."""

    text: str
    gates: Gates
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """One population to look for: its gates, those of its parent and of its reference, each with alternatives.

    `references` is None where the fraction is of the parent, and holds one without gates for all events.
    `with_partial`: a match without the gates that a panel lacks is wanted too.
    """

    population: str
    choices: tuple[Choice, ...]
    parents: tuple[Gates, ...] = ()
    references: tuple[Gates, ...] | None = None
    cl_id: str = ""
    with_partial: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """Every marker that one of the gates asks for."""
        all_gates = (*(choice.gates for choice in self.choices), *self.parents, *(self.references or ()))
        return tuple(dict.fromkeys(marker for gates in all_gates for marker in markers(gates)))


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
    return found.parts, _without_qc(found.populations)


def _without_qc(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in DONE_BY_QC)


def check(definitions: "pd.DataFrame", markers: Iterable[str] | None = None) -> None:
    """Read a table of definitions for its errors only.

    Parameters
    ----------
    definitions
        DEFINITIONS.
    markers
        Those of all panels to be searched, as harmonised; None: any marker may be asked for.

    Raises
    ------
    DefinitionError
        A definition cannot be read (see `wanted`), or asks for a marker that is neither in `markers` nor in the
        vocabulary.
    """
    entries = wanted(definitions)
    if markers is not None:
        check_markers(entries, set(markers))


def check_markers(entries: Iterable[Wanted], known: Collection[str]) -> None:
    """Refuse a marker that is neither among the `known` ones nor in the vocabulary: it is a slip of the pen.

    Raises
    ------
    DefinitionError
        There is such a marker; the message offers the nearest names.
    """
    from immport_cyto import panel
    from immport_cyto.panel.suggest import suggestions

    for entry in entries:
        for marker in entry.markers:
            if marker in known or marker in STAND_INS or panel.antigen(marker) is not None:
                continue
            near = difflib.get_close_matches(marker, sorted(known), n=1, cutoff=0.5) or suggestions(marker)[:2]
            hint = f"did you mean {' or '.join(near)}?" if near else (
                f"the panels have {', '.join(sorted(known)) or 'none'}"
            )  # fmt: skip
            msg = f"population {entry.population!r}: no panel has the marker {marker!r}, and it is unknown; {hint}"
            raise DefinitionError(msg)


def wanted(definitions: "pd.DataFrame") -> list[Wanted]:
    """Read the rows of a DEFINITIONS frame.

    A parent is a definition, or the name of another population of the table with all its alternatives and parents. A
    name in square brackets within a definition is such a population too, or a standard one where the table has none
    of that name.

    Raises
    ------
    DefinitionError
        A definition cannot be read or has no gate, a name is empty, unknown or comes twice, populations go in a
        circle, or no event can meet a definition and its parent.
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
        msg = f"population {name!r} is part of itself ({circle}); correct the column definition, parent or reference"
        raise DefinitionError(msg)
    row, above = rows[name], (*seen, name)
    texts = [text.strip() for text in (row["definition"], *row.get("alternatives", "").split(";")) if text.strip()]
    if not texts:
        msg = f"population {name!r} has no definition; give its gates, such as CD3+ CD4+"
        raise DefinitionError(msg)
    choices = tuple(choice for text in texts for choice in _choices(name, text, rows, above))
    parent, reference = row.get("parent", "").strip(), row.get("reference", "").strip()
    asked = row.get("partial", "").strip().lower()
    if asked not in ("", "yes", "no"):
        msg = f"population {name!r}: the column partial holds {row['partial']!r}; write yes, no or nothing"
        raise DefinitionError(msg)
    found = Wanted(name, choices, cl_id=row.get("cl_id", ""), with_partial=asked == "yes")
    if parent in rows:
        found = replace(found, parents=_with_parents(parent, rows, above))
    elif parent:
        others = [text.strip() for text in row.get("parent_alternatives", "").split(";") if text.strip()]
        given = [choice.gates for text in (parent, *others) for choice in _choices(name, text, rows, above)]
        found = replace(found, parents=tuple(dict.fromkeys(given)))
    if reference in rows:
        found = replace(found, references=_with_parents(reference, rows, above))
    elif reference:
        whole = [Choice(reference, ())] if _is_all(reference) else _choices(name, reference, rows, above)
        found = replace(found, references=tuple(choice.gates for choice in whole))
    for kind, outer in (("parent", found.parents), ("reference", found.references or ())):
        if outer and not any(can_be(upper, choice.gates) for upper in outer for choice in found.choices):
            msg = f"population {name!r}: no event can meet both its definition and its {kind}; correct one of them"
            raise DefinitionError(msg)
    return found


def _with_parents(name: str, rows: Mapping[str, dict[str, str]], seen: tuple[str, ...]) -> tuple[Gates, ...]:
    """All gates of a population of the table, in each of its alternatives."""
    found = _resolve(name, rows, seen)
    return tuple(dict.fromkeys(union(upper, mine.gates) for mine in found.choices for upper in found.parents or ((),)))


def _choices(name: str, text: str, rows: Mapping[str, dict[str, str]], seen: tuple[str, ...]) -> list[Choice]:
    """The ways to find what `text` says: one, or one for each alternative of the populations that it names."""
    from immport_cyto import panel
    from immport_cyto.panel.gates import named_populations

    names = named_populations(text)
    of_names = [_by_name(name, inner, rows, seen) for inner in names]
    if prod(map(len, of_names)) > _MAX_CHOICES:
        msg = f"population {name!r}: the populations that it names have too many alternatives; write gates instead"
        raise DefinitionError(msg)
    found: list[Choice] = []
    refused: DefinitionError | None = None
    for chosen in product(*of_names):
        known = {inner: _definition(gates) for inner, gates in zip(names, chosen, strict=True)}
        try:
            if names:
                read = panel.parse_gates(text, known.__getitem__)
                parts, words = read.parts, _without_qc(read.populations)
            else:
                parts, words = read_gates(text)
        except DefinitionError as error:
            refused = refused or error
            continue
        if not parts:
            msg = f"population {name!r}: {text!r} has no gate on a marker; add one, such as CD3+"
            raise DefinitionError(msg)
        found.append(Choice(gates_text(parts) if found else text, parts, words))
    if not found and refused:
        msg = f"population {name!r}: {refused}"
        raise DefinitionError(msg) from refused
    return found


def _definition(gates: Gates) -> "Definition":
    from immport_cyto.panel import Definition

    plain = tuple(part for part in gates if isinstance(part, Gate))
    return Definition(plain, (), tuple(part for part in gates if isinstance(part, AnyOf)))


def _by_name(name: str, inner: str, rows: Mapping[str, dict[str, str]], seen: tuple[str, ...]) -> tuple[Gates, ...]:
    """All gates of the population that a definition names, in each of its alternatives."""
    if inner in rows:
        return _with_parents(inner, rows, seen)
    standard = {str(row["population"]): row for row in standard_populations().fillna("").to_dict("records")}
    if inner in standard:
        return _with_parents(inner, standard, ())
    close = difflib.get_close_matches(inner, [*rows, *standard], n=1, cutoff=0.5)
    hint = f"did you mean [{close[0]}]?" if close else "add it to the table"
    msg = f"population {name!r}: [{inner}] is neither a population of the table nor a standard one; {hint}"
    raise DefinitionError(msg)


def _is_all(text: str) -> bool:
    """Whether a reference is all events after quality control: 'all', 'viable singlets'."""
    if text.lower() in ALL_EVENTS:
        return True
    try:
        gates, words = read_gates(text)
    except DefinitionError:
        return False
    return not gates and not words


def union(first: Gates, second: Gates) -> Gates:
    """Gates of both in their one form; where `second` holds all of `first`, in its order."""
    if set(first) <= set(second):
        return second
    both = tuple(dict.fromkeys([*first, *second]))
    return normal(as_term(both)) or both


def can_be(first: Gates, second: Gates) -> bool:
    """Whether an event can meet the gates of both."""
    return normal(as_term([*first, *second])) is not None


def gates_text(gates: Gates) -> str:
    """Gates as they are written in tables: ``CD3+ CD4- CD45RA++``."""
    return " ".join(map(str, gates))


def plain_signs(gates: Gates) -> dict[str, str]:
    """Markers and signs of the gates that all events have; groups are left out."""
    return {part.marker: part.sign for part in gates if isinstance(part, Gate)}


def split_text(text: str) -> Gates:
    """Gates of a text that `gates_text` wrote; marker names may hold blanks and hyphens.

    >>> [str(part) for part in split_text("CD3+ IL 2- ((CD4+ CD8-) OR CD56+)")]
    ['CD3+', 'IL 2-', '((CD4+ CD8-) OR CD56+)']
    """
    parts: list[Part] = []
    position = 0
    while position < len(text):
        if text[position] == "(" and (end := _closing(text, position)):
            options = tuple(split_text(_bare(option)) for option in _options(text[position + 1 : end]))
            parts.append(AnyOf(options))
            position = end + 1
        elif found := _WRITTEN.match(text, position):
            parts.append(Gate(*found.groups()))
            position = found.end()
        else:
            position += 1
    return tuple(parts)


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` closes, 0: nowhere."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return 0


def _options(text: str) -> list[str]:
    """What stands between the outermost ORs."""
    found, start = [], 0
    for match in re.finditer(" OR ", text):
        if text.count("(", start, match.start()) == text.count(")", start, match.start()):
            found.append(text[start : match.start()])
            start = match.end()
    return [*found, text[start:]]


def _bare(option: str) -> str:
    return option[1:-1] if option.startswith("(") and _closing(option, 0) == len(option) - 1 else option


def meets_all(signs: Mapping[str, str], gates: Gates) -> bool:
    """Whether a phenotype (marker to ``+``, ``++`` or ``-``) has every sign that the gates ask for.

    A phenotype with markers of two lineages (CD3 and CD14, say) is one of doublets: only gates on both fit it.
    """
    asked = set(markers(gates))
    shown = [lineage for lineage in LINEAGES if any(signs.get(marker, "-") != "-" for marker in lineage)]
    if len(shown) > 1 and not all(asked & set(lineage) for lineage in shown):
        return False
    return _meets_parts(signs, gates)


def _meets_parts(signs: Mapping[str, str], gates: Gates) -> bool:
    return all(
        _meets(signs.get(part.marker, ""), part.sign)
        if isinstance(part, Gate)
        else any(_meets_parts(signs, option) for option in part.options)
        for part in gates
    )


def _meets(sign: str, wanted_sign: str) -> bool:
    if wanted_sign == "+":
        return sign in ("+", "++")
    if wanted_sign in ("-", "++"):
        return sign == wanted_sign
    return sign == "+"


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
