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

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.panel.corrections import read_corrections, write_corrections
    from immport_cyto.panel.gates import Definition, Gate, parse_gates
    from immport_cyto.panel.harmonizer import HarmonizedPanels, harmonize
    from immport_cyto.panel.parser import parse_channel
    from immport_cyto.panel.reading import ROLES, ChannelReading, Context
    from immport_cyto.panel.vocabulary import antigen, resolve

_HOME = {
    "ChannelReading": "reading",
    "Context": "reading",
    "Definition": "gates",
    "Gate": "gates",
    "HarmonizedPanels": "harmonizer",
    "ROLES": "reading",
    "antigen": "vocabulary",
    "harmonize": "harmonizer",
    "parse_channel": "parser",
    "parse_gates": "gates",
    "read_corrections": "corrections",
    "resolve": "vocabulary",
    "write_corrections": "corrections",
}

__all__ = [
    "ROLES",
    "ChannelReading",
    "Context",
    "Definition",
    "Gate",
    "HarmonizedPanels",
    "antigen",
    "harmonize",
    "parse_channel",
    "parse_gates",
    "read_corrections",
    "resolve",
    "write_corrections",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
