"""How a string was read, as data and as lines for a person."""

from typing import Any

from immport_cyto.panel._text import clean, key
from immport_cyto.panel.comparison import difference
from immport_cyto.panel.gates import parse_gates
from immport_cyto.panel.immport_names import immport_name
from immport_cyto.panel.parser import parse_channel
from immport_cyto.panel.populations import read_population
from immport_cyto.panel.proteins import identifiers
from immport_cyto.panel.vocabulary import load

__all__ = ["beside_immport", "lines", "read"]

_WIDTH = 16


def read(text: str, *, pnn: str = "", kind: str = "channel") -> dict[str, Any]:
    """Everything that is known about one string.

    Parameters
    ----------
    text
        A $PnS (or $PnN), a population definition, or the name of a population.
    pnn
        $PnN of the channel.
    kind
        ``channel``, ``gates`` or ``population``.

    Raises
    ------
    DefinitionError
        A population definition that cannot be read.
    """
    answer: dict[str, Any] = {"string": clean(text)}
    if kind == "gates":
        definition = parse_gates(text)
        answer["definition"], answer["not in the vocabulary"] = str(definition), list(definition.unknown)
        return answer
    if kind == "population":
        named = read_population(text)
        answer |= {"definition": str(named.definition) if named.definition else "", "statistic": named.statistic}
        answer |= {"words": list(named.words), "not read": list(named.unread), "notes": list(named.notes)}
        return answer
    reading = parse_channel(pnn, text)
    answer |= {"role": reading.role, "antigen": list(reading.antigens), "gene": list(reading.genes)}
    answer["reporter"] = reading.reporter
    reporter = load().reporters.get(key(reading.reporter))
    if reporter is not None and reporter.laser:
        answer["laser"], answer["emission"] = reporter.laser, reporter.emission
    ids = [protein for gene in reading.genes for protein in identifiers(gene)]
    answer["uniprot"] = [f"{p.uniprot} ({p.species})" for p in ids]
    answer["protein ontology"] = [p.pr for p in ids]
    answer["class"] = reading.marker_class if reading.role == "marker" else ""
    answer["modifiers"] = list(reading.modifiers)
    answer["rule"], answer["confidence"] = reading.rule, reading.confidence
    answer["near names" if reading.role == "unknown" else "or"] = list(reading.alternatives)
    return answer


def beside_immport(text: str, *, pnn: str = "") -> dict[str, str]:
    """The name that ImmPort's grammar gives a channel, and why it means something else than what is read here."""
    name = immport_name(text)
    return {"immport_name": name, "immport_differs": difference(parse_channel(pnn, text), clean(text), name)}


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer of `read` in lines; what is empty is left out."""
    found = [answer["string"] or "(empty)"]
    for name, value in answer.items():
        if name in {"string", "confidence", "emission"} or value in ("", [], None):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if name == "rule":
            shown += f" (confidence {answer['confidence']:g})"
        if name == "laser":
            shown += f" nm, emission at {answer['emission']} nm" if answer["emission"] else " nm"
        found.append(f"  {name.replace('_', ' '):<{_WIDTH}} {shown}")
    return found
