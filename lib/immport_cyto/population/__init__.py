"""From events and clusters to named, counted populations.

``cutoff``, ``cutoffs``
    Where the positive events of a marker begin: one column, or all markers of a group of files.
``densities``
    The densities of the markers of a group of files, to be shown with the cut-offs.
``label``
    Phenotype, name and Cell Ontology class of each metacluster.
``search``
    Events of populations that are given by their gates.
``count_clusters``
    Events of the named metaclusters in each file.
``summary``
    One tidy row per population and sample, with quality flags.
``check``
    Whether a table of definitions can be read.
``export``
    Populations and samples as one AnnData file.
``standard_populations``
    The built-in definitions.
``groups``
    Files sorted into groups of one study and one panel.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.population._cutoff import Cutoff, cutoff
    from immport_cyto.population._cutoffs import cutoffs
    from immport_cyto.population._densities import densities
    from immport_cyto.population.counting import count_clusters
    from immport_cyto.population.definitions import check, standard_populations
    from immport_cyto.population.exporting import export
    from immport_cyto.population.grouping import Group, groups
    from immport_cyto.population.labelling import label
    from immport_cyto.population.ontology import annotate
    from immport_cyto.population.searching import search
    from immport_cyto.population.summarising import summary

_HOME = {
    "annotate": "ontology",
    "check": "definitions",
    "Cutoff": "_cutoff",
    "count_clusters": "counting",
    "cutoff": "_cutoff",
    "cutoffs": "_cutoffs",
    "densities": "_densities",
    "export": "exporting",
    "Group": "grouping",
    "groups": "grouping",
    "label": "labelling",
    "search": "searching",
    "standard_populations": "definitions",
    "summary": "summarising",
}

__all__ = [
    "Cutoff",
    "Group",
    "annotate",
    "check",
    "count_clusters",
    "cutoff",
    "cutoffs",
    "densities",
    "export",
    "groups",
    "label",
    "search",
    "standard_populations",
    "summary",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
