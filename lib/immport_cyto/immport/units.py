"""Units of population results: what a number in ``population_stat_unit`` is, in units that can be compared.

ImmPort's vocabulary of units is preferred, not controlled: ``ul`` and ``cells/uL`` are the same unit of two uploads of
one study (SDY144), ``cells`` and ``events per experiment sample`` are counts of events.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

PER_MICROLITRE = "cells/uL"

_PERCENT = re.compile(r"^(?:%|percent(?:age)?|pct|fraction|proportion)(?:\s*(?:of\s+)?(?P<of>\S.*))?$")
_EVENTS = re.compile(
    r"^(?:total |number of |absolute |raw )?(?:cells?|events?|counts?|#|n)(?: (?:count|counts|number))?"
    r"(?: per (?:experiment )?sample)?$"
)
_DENSITY = re.compile(
    r"^(?:x\s*)?(?P<many>10\s*\^\s*\d{1,2}|1e\d{1,2}|10{1,9}|k|thousands?|millions?)?\s*(?:x\s*)?"
    r"(?:cells?|events?|counts?|#)?\s*(?:/|per)?\s*"
    r"(?P<volume>ul|microlit(?:er|re)s?|mm\^?3|cubic millimet(?:er|re)s?|ml|millilit(?:er|re)s?|dl|l|lit(?:er|re)s?)"
    r"(?: of blood)?$"
)
# microlitres in one of each
_VOLUMES = {"ul": 1.0, "mic": 1.0, "mm": 1.0, "cub": 1.0, "ml": 1e3, "mil": 1e3, "dl": 1e5, "l": 1e6, "lit": 1e6}
_WORDS = {"k": 1e3, "thousand": 1e3, "million": 1e6}


@dataclass(frozen=True)
class Unit:
    """What a reported unit is.

    Attributes
    ----------
    kind
        ``share`` (of a parent), ``events`` (counted), ``density`` (cells per volume) or ``other``.
    factor
        The reported number times this is a fraction, a count, or cells per microlitre; 1 for ``other``.
    name
        The unit after that: ``""`` for a fraction, ``events``, ``cells/uL``, or the unit as reported.
    parent
        What the share is of, where the unit says so: ``CD4+ T cells`` in ``% of CD4+ T cells``.
    """

    kind: str
    factor: float
    name: str
    parent: str = ""


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit:
    """Read a unit of ``population_stat_unit``.

    >>> read_unit("ul").name, read_unit("10^3/mL").factor, read_unit("% of CD4+").parent
    ('cells/uL', 1.0, 'CD4+')
    >>> read_unit("cells per cLN").kind
    'other'
    """
    shown = " ".join(str(text).split())
    plain = shown.lower().replace("μ", "u").replace("µ", "u")
    if match := _PERCENT.match(plain):
        factor = 1.0 if plain.startswith(("fraction", "proportion")) else 0.01
        start = match.start("of")
        parent = "" if start < 0 else shown[start:]
        return Unit("share", factor, "", "" if parent.lower() in {"parent", "total", "all"} else parent)
    if _EVENTS.match(plain):
        return Unit("events", 1.0, "events")
    if match := _DENSITY.match(plain):
        return Unit("density", _many(match.group("many")) / _microlitres(match.group("volume")), PER_MICROLITRE)
    return Unit("other", 1.0, shown)


def _many(text: str | None) -> float:
    if not text:
        return 1.0
    text = text.replace(" ", "")
    if text.startswith("10^"):
        return 10.0 ** int(text[3:])
    return _WORDS.get(text.rstrip("s")) or float(text)


def _microlitres(text: str) -> float:
    return next(size for head, size in _VOLUMES.items() if text == head or (len(head) > 1 and text.startswith(head)))
