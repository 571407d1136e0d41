"""MetaCyto's pipeline (Hu et al. 2018, Cell Reports 24:1377-1388), step by step and number by number.

It is here to repeat published runs and to compare with; the default methods of this project are the better choice, and
each result says where a weakness of MetaCyto bears on it. Written from a description of the algorithms, not from
MetaCyto's code.

``preprocess``
    Compensate and transform one FCS file.
``stack``
    The preprocessed files of a panel, stacked.
``cutoffs``
    Cut-offs of the markers of a panel, by the silhouette of a random sample.
``cluster``, ``label``, ``close``
    flowSOM.MC or flowHC, the labels of the clusters, and what follows from them.
``auto_cluster``, ``unite``
    The same on the files of a panel, as tables; the labels of several panels.
``search``
    Events of populations that are given by their labels.
``regression``, ``effects``, ``pool``
    glmAnalysis; the two halves of metaAnalysis.
``read_cluster_stats``, ``read_sample_info``
    Tables of earlier runs.
``fcs_info``, ``sample_summary``, ``panel_summary``, ``label_summary``, ``long_table``
    MetaCyto's overviews.
``find_cutoff``, ``flow_som``, ``flow_hc``, ``label_clusters``, ``RSample``
    The parts, as functions of arrays.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.metacyto.batch import auto_cluster, unite
    from immport_cyto.metacyto.flowsom import flow_som
    from immport_cyto.metacyto.hierarchy import flow_hc, scaled
    from immport_cyto.metacyto.labels import close, label_clusters, whole_labels
    from immport_cyto.metacyto.original import read_cluster_stats, read_sample_info
    from immport_cyto.metacyto.overviews import fcs_info, label_summary, long_table, panel_summary, sample_summary
    from immport_cyto.metacyto.preprocessing import MAX_EVENTS, preprocess
    from immport_cyto.metacyto.randomness import RSample
    from immport_cyto.metacyto.searching import CLUSTERINGS, cluster, cutoffs, described, label, search
    from immport_cyto.metacyto.silhouette import find_cutoff, mean_silhouettes
    from immport_cyto.metacyto.stacking import NOT_CLUSTERED, Stack, stack
    from immport_cyto.metacyto.statistics import effects, pool, regression, variables

_HOME = {
    "CLUSTERINGS": "searching",
    "MAX_EVENTS": "preprocessing",
    "NOT_CLUSTERED": "stacking",
    "RSample": "randomness",
    "Stack": "stacking",
    "auto_cluster": "batch",
    "close": "labels",
    "cluster": "searching",
    "cutoffs": "searching",
    "described": "searching",
    "effects": "statistics",
    "fcs_info": "overviews",
    "find_cutoff": "silhouette",
    "flow_hc": "hierarchy",
    "flow_som": "flowsom",
    "label": "searching",
    "label_clusters": "labels",
    "label_summary": "overviews",
    "long_table": "overviews",
    "mean_silhouettes": "silhouette",
    "panel_summary": "overviews",
    "pool": "statistics",
    "preprocess": "preprocessing",
    "read_cluster_stats": "original",
    "read_sample_info": "original",
    "regression": "statistics",
    "sample_summary": "overviews",
    "scaled": "hierarchy",
    "search": "searching",
    "stack": "stacking",
    "unite": "batch",
    "variables": "statistics",
    "whole_labels": "labels",
}

__all__ = [
    "CLUSTERINGS",
    "MAX_EVENTS",
    "NOT_CLUSTERED",
    "RSample",
    "Stack",
    "auto_cluster",
    "close",
    "cluster",
    "cutoffs",
    "described",
    "effects",
    "fcs_info",
    "find_cutoff",
    "flow_hc",
    "flow_som",
    "label",
    "label_clusters",
    "label_summary",
    "long_table",
    "mean_silhouettes",
    "panel_summary",
    "pool",
    "preprocess",
    "read_cluster_stats",
    "read_sample_info",
    "regression",
    "sample_summary",
    "scaled",
    "search",
    "stack",
    "unite",
    "variables",
    "whole_labels",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
