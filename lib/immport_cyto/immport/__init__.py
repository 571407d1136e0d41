"""ImmPort packages of any release, and the link from FCS files to subjects.

``open_store``
    A store of packages, in a file or in memory: ``load``, ``link``, ``results``, ``search``, ``reagents``.
``find_sources``
    The Tab packages and Subject_2 tables at a path.
``Results``, ``Query``
    What ``Store.results`` gives and what ``Store.search`` takes.
``age_years``, ``study_days``, ``technique``
    Values of ImmPort in the units and words of ``samples.tsv``.
"""

from importlib import import_module
from typing import Any

_OFFERED = {
    "LEVELS": "searching",
    "Limits": "package",
    "Query": "searching",
    "REAGENTS": "reagents",
    "Results": "results",
    "find_sources": "package",
    "LoadReport": "loading",
    "LoadStatus": "loading",
    "ORPHANS": "store",
    "Store": "store",
    "open_store": "store",
    "age_years": "values",
    "is_topcoded": "values",
    "study_days": "values",
    "technique": "values",
}

__all__ = [
    "LEVELS",
    "ORPHANS",
    "REAGENTS",
    "Limits",
    "LoadReport",
    "LoadStatus",
    "Query",
    "Results",
    "Store",
    "age_years",
    "find_sources",
    "is_topcoded",
    "open_store",
    "study_days",
    "technique",
]


def __getattr__(name: str) -> Any:
    if name in _OFFERED:
        return getattr(import_module(f"{__name__}.{_OFFERED[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
