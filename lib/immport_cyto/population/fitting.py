"""What one panel can answer of the populations that are looked for, and with which of its markers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from immport_cyto.panel.boolean import AnyOf, Gate, Part, as_term, normal
from immport_cyto.population.definitions import BETWEEN, STAND_INS, Cuts, Gates, Wanted, can_be, gates_text, union


@dataclass(frozen=True)
class Fitted:
    """A population as one panel can answer it, in the panel's markers.

    `gates` holds those of the parent and the reference too, `parent_gates` those of what the fraction is of;
    `left_out` the gates of a partial match that the panel cannot answer.
    """

    population: str
    gates: Gates
    parent_gates: Gates
    cl_id: str
    note: str = ""
    left_out: Gates = ()

    @property
    def definition(self) -> str:
        """All gates, the parent's too."""
        return gates_text(self.gates)

    @property
    def parent(self) -> str:
        """Gates of what the fraction is of; empty for all events."""
        return gates_text(self.parent_gates)


@dataclass(frozen=True)
class OnPanel:
    """Gates in the markers of a panel.

    Attributes
    ----------
    gates
        Those that the panel can answer, in its markers.
    missing
        What it lacks for the others, as (kind, marker).
    swapped
        Markers that others stand for.
    left_out
        The gates that it cannot answer, as they are written.
    """

    gates: Gates
    missing: tuple[tuple[str, str], ...]
    swapped: Mapping[str, str]
    left_out: Gates


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
        usable = next((result for result in tried if not result.missing), None)
        if usable is None:
            return None, _reason(problem for result in tried for problem in result.missing)
        above.append(usable.gates)
        swapped |= usable.swapped
    reference, parent = above
    whole = parent if entry.references is None else reference
    problems: list[tuple[str, str]] = []
    for number, choice in enumerate(entry.choices):
        own = on_panel(choice.gates, cuts)
        if own.missing:
            problems += own.missing
            continue
        notes = [f"{new} stands for {old}" for old, new in sorted({**swapped, **own.swapped}.items())]
        if number:
            notes.insert(0, f"searched as {choice.text}")
        if choice.words:
            notes.append(f"no gate for {', '.join(choice.words)}")
        note = "; ".join(notes)
        inside = union(union(reference, parent), own.gates)
        return Fitted(entry.population, inside, whole, entry.cl_id, note), note
    return None, _reason(problems)


def partial(entry: Wanted, cuts: Cuts) -> Fitted | None:
    """What is left of a population that a panel cannot answer, without the gates that it lacks; None: nothing.

    The match is wider than the definition: a gate whose marker is absent or without a cut-off is left out, a group
    with it, and a gate on a level that the marker does not have becomes ``+``. Of alternatives, the one that loses the
    fewest gates is taken. Nothing is left where all other gates are those of the parent, or negative, or where no event
    can meet them (CD20- of an alternative parent with CD20+). The name says
    what is left out and the Cell Ontology class is empty, so that it is never taken for the population.
    """
    best: list[OnPanel] = []
    for choices in (entry.references or ((),), entry.parents or ((),), [choice.gates for choice in entry.choices]):
        fitted = min((on_panel(gates, cuts) for gates in choices), key=lambda result: len(result.left_out))
        if fitted.left_out and not fitted.gates:
            return None
        best.append(fitted)
    reference, parent, own = best
    outside = union(reference.gates, parent.gates)
    inside = union(outside, own.gates)
    positive = any(not isinstance(part, Gate) or part.sign != "-" for part in inside)
    if set(inside) == set(outside) or not positive or not can_be(outside, own.gates):
        return None
    left_out = tuple(dict.fromkeys(part for result in best for part in result.left_out))
    whole = parent if entry.references is None else reference
    name = f"{entry.population} (partial: without {gates_text(left_out)})"
    return Fitted(name, inside, whole.gates, "", f"without {gates_text(left_out)}", left_out)


def on_panel(gates: Gates, cuts: Cuts) -> OnPanel:
    """Gates in the panel's markers, and what is missing for the others."""
    found: list[Part] = []
    missing: list[tuple[str, str]] = []
    left_out: list[Part] = []
    swapped: dict[str, str] = {}
    for part in gates:
        problems: list[tuple[str, str]] = []
        answered = _part(part, cuts, problems, swapped)
        if problems:
            missing += problems
            left_out.append(part)
        if answered is not None:
            found.append(answered)
    in_form = tuple(found)
    if swapped and any(isinstance(part, AnyOf) for part in found):
        in_form = normal(as_term(found)) or in_form  # options are sorted by their names
    return OnPanel(in_form, tuple(missing), swapped, tuple(left_out))


def _part(part: Part, cuts: Cuts, problems: list[tuple[str, str]], swapped: dict[str, str]) -> Part | None:
    """A part in the panel's markers; what is missing goes to `problems`, with None or what is left of the part."""
    if isinstance(part, Gate):
        name = next((m for m in (part.marker, *STAND_INS.get(part.marker, ())) if m in cuts), None)
        if name is None:
            problems.append(("not on the panel", part.marker))
            return None
        if name != part.marker:
            swapped[part.marker] = name
        cut, high = cuts[name]
        if cut is None:
            problems.append(("without a cut-off", name))
            return None
        if high is None and (part.sign == "++" or part.sign in BETWEEN):
            problems.append(("without a second cut-off", f"{name} (for {name}{part.sign})"))
            return Gate(name, "+")
        return Gate(name, part.sign)
    before = len(problems)
    options = [[_part(inner, cuts, problems, swapped) for inner in option] for option in part.options]
    if len(problems) > before:
        return None
    return AnyOf(tuple(tuple(inner for inner in option if inner is not None) for option in options))


def _reason(problems: Iterable[tuple[str, str]]) -> str:
    """Why a panel cannot answer: each kind of problem once, with its markers."""
    kinds: dict[str, list[str]] = {}
    for kind, marker in dict.fromkeys(problems):
        kinds.setdefault(kind, []).append(marker)
    return "; ".join(f"{kind}: {', '.join(markers)}" for kind, markers in kinds.items())
