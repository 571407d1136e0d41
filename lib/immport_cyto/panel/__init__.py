"""What each channel measures, under one name over all studies.

``parse_channel``
    One channel from its $PnN and $PnS.
``parse_gates``
    A population definition such as ``CD3+ CD4+ CCR7- CD45RA++``.
``antigen``
    The preferred name of a marker spelling.
``resolve``
    The marker of a panel that a definition's marker stands for.
``harmonize``
    All channels of many files, the panels among them, and what is odd.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "ChannelReading": "parser",
    "Context": "parser",
    "Definition": "gates",
    "Gate": "gates",
    "HarmonizedPanels": "harmonizer",
    "ROLES": "parser",
    "antigen": "vocabulary",
    "harmonize": "harmonizer",
    "parse_channel": "parser",
    "parse_gates": "gates",
    "read_corrections": "corrections",
    "resolve": "vocabulary",
    "write_corrections": "corrections",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
