"""Names and gating definitions of population results, as reported by the people who gated.

A definition is a list of gates (``CD19+, CD3-, CD14-``) or the path of a gate in a workspace, which begins with a name
of the tube and may end with the statistic: ``T cell: viable/singlets/Lymph/CD3+/CD4+/Q1: CD45RA-CD27+``,
``Singlet/CD45+/B lym CD19+,Freq. of,CD45+``. Both become the gates of :func:`immport_cyto.panel.parse_gates`; what is
neither stays as reported.
"""

import re
from functools import lru_cache

from immport_cyto.exceptions import DefinitionError

_TUBE = re.compile(r"^[^/:,]{1,40}: *")
_QUADRANT = re.compile(r"^Q\d{1,2} *: *", re.IGNORECASE)
_STATISTIC = re.compile(r", *(?:freq\. of|count|#|mean|median|geometric mean)\b.*$", re.IGNORECASE)
_COMMAS = re.compile(r",(?:\s*,)+")
# a name of a gate before its markers: "B lym CD19+"
_NAMED = re.compile(r"^[A-Za-z]+(?: [A-Za-z]+)* (?=\S+[+\-]$)")
_LOST_LETTER = re.compile(r"\b([Nn])a(?:\?|ï|i\?)ve\b")


@lru_cache(maxsize=65536)
def read_definition(text: str) -> str:
    """Gates of a reported definition in canonical form, or ``""`` where it cannot be read as gates.

    >>> read_definition("CD19+, CD3-, CD14-")
    'CD19+ CD3- CD14-'
    >>> read_definition("Treg: viable/Lymph/CD3+/Q1: CD161-CD45RA+")
    'CD3+ CD161- CD45RA+ viable lymphocyte'
    >>> read_definition("Sum of plasma cells and plasmablasts")
    ''
    """
    path = " ".join(str(text).split())
    whole = _gates(path)
    if whole:
        return whole
    bare = _COMMAS.sub(",", _STATISTIC.sub("", _TUBE.sub("", path)))
    segments = [_segment(part) for part in bare.split("/")]
    return _gates(", ".join(segments)) if all(segments) else ""


def ancestors(text: str) -> list[str]:
    """The gates above the last one of a path, the nearest first, as they are reported elsewhere.

    >>> ancestors("Treg: viable/Lymph/CD3+")
    ['Treg: viable/Lymph', 'Treg: viable']
    """
    path = " ".join(str(text).split())
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def _segment(text: str) -> str:
    """The gates of one step of a path, or ``""``."""
    bare = _QUADRANT.sub("", text.strip())
    return _gates(bare) or _gates(_NAMED.sub("", bare))


@lru_cache(maxsize=65536)
def _gates(text: str) -> str:
    from immport_cyto.panel import parse_gates

    try:
        return str(parse_gates(text))
    except DefinitionError:
        return ""


def population_name(*texts: str) -> str:
    """The first name that says anything.

    A letter that ImmPort lost (``na?ve``) is put back, and the statistic that a workspace adds to a name
    (``,Freq. of,CD45+``) is taken off.

    >>> population_name("", "na?ve  CD4+ T cell")
    'naive CD4+ T cell'
    """
    name = next((" ".join(text.split()) for text in texts if text.split()), "")
    name = _STATISTIC.sub("", name) or name
    return _LOST_LETTER.sub(r"\1aive", name)
