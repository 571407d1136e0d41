"""What each channel measures, under one name over all studies.

``parse_channel``
    One channel from its $PnN and $PnS.
``parse_gates``
    A population definition such as ``CD3+ CD4+ CCR7- CD45RA++``.
``read_population``
    The name of a population such as ``CD86+ naive B cell`` or ``TH_ICOSp_abs``.
``antigen``
    The preferred name of a marker spelling.
``resolve``
    The marker of a panel that a definition's marker stands for.
``identifiers``
    UniProt and Protein Ontology identifiers of a gene.
``harmonize``
    All channels of many files, the panels among them, and what is odd.
``read_analytes``
    ImmPort's analytes of a package: accessions, and names that the vocabulary lacks.
``immport_name``, ``compare``
    The name that ImmPort's grammar gives a label, and ImmPort's names beside ours.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.panel.analytes import Analyte, Analytes, read_analytes
    from immport_cyto.panel.boolean import AnyOf, Gate
    from immport_cyto.panel.comparison import COMPARISON, compare
    from immport_cyto.panel.corrections import read_corrections, write_corrections
    from immport_cyto.panel.gates import Definition, parse_gates
    from immport_cyto.panel.harmonizer import HarmonizedPanels, harmonize
    from immport_cyto.panel.immport_names import immport_name
    from immport_cyto.panel.parser import parse_channel
    from immport_cyto.panel.populations import PopulationName, read_population
    from immport_cyto.panel.proteins import Protein, identifiers
    from immport_cyto.panel.reading import ROLES, ChannelReading, Context
    from immport_cyto.panel.vocabulary import antigen, resolve

_HOME = {
    "Analyte": "analytes",
    "AnyOf": "boolean",
    "Analytes": "analytes",
    "COMPARISON": "comparison",
    "PopulationName": "populations",
    "Protein": "proteins",
    "compare": "comparison",
    "identifiers": "proteins",
    "immport_name": "immport_names",
    "read_analytes": "analytes",
    "read_population": "populations",
    "ChannelReading": "reading",
    "Context": "reading",
    "Definition": "gates",
    "Gate": "boolean",
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
    "COMPARISON",
    "ROLES",
    "Analyte",
    "Analytes",
    "AnyOf",
    "ChannelReading",
    "Context",
    "Definition",
    "Gate",
    "HarmonizedPanels",
    "PopulationName",
    "Protein",
    "antigen",
    "compare",
    "harmonize",
    "identifiers",
    "immport_name",
    "parse_channel",
    "parse_gates",
    "read_analytes",
    "read_corrections",
    "read_population",
    "resolve",
    "write_corrections",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
