"""Clustering: FlowSOM and FLOCK over one file or a collection, and mapping of files onto a model.

``FlowSOM``
    The estimator, and the model it becomes; ``save`` writes it.
``load``
    A saved model.
``flowsom_files``
    One model over the preprocessed FCS files of a group, markers by harmonised name.
``map_file``, ``map_files``
    Write FCS files with the node and the metacluster of each event.
``choose_model``
    The model that belongs to a file, where there are several.
``summarize``, ``statistics``, ``abundances``
    Counts and medians per metacluster over labelled files; more of them, also per node and by file.
``drift``, ``node_outliers``
    How mapped files differ from the training.
``compare_groups``, ``compare_clusterings``
    Groups of samples cluster by cluster; two clusterings of the same events.
``merge``, ``merged_clusters``
    Metaclusters of FlowSOM or populations of FLOCK merged and named by a table.
``extract``
    Events of populations as FCS files.
``match_metaclusters``
    Metaclusters of several studies and panels matched by the markers that they share.
``FLOCK``
    Populations without their number being given: an estimator and model too. Its parts: `immport_cyto.cluster.flock`.

Names are imported on first use; numba is imported by the first fit or predict.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.cluster.agreement import compare_clusterings
    from immport_cyto.cluster.choosing import choose_model
    from immport_cyto.cluster.comparing import compare_groups
    from immport_cyto.cluster.describing import abundances, statistics
    from immport_cyto.cluster.drifting import drift, node_outliers
    from immport_cyto.cluster.extracting import extract
    from immport_cyto.cluster.files import MappedFile, flowsom_files, map_file, map_files
    from immport_cyto.cluster.flock.model import FLOCK
    from immport_cyto.cluster.matching import match_metaclusters
    from immport_cyto.cluster.merging import merge, merged_clusters
    from immport_cyto.cluster.model import FlowSOM
    from immport_cyto.cluster.storage import load
    from immport_cyto.cluster.summary import summarize

_HOME = {
    "FLOCK": "flock.model",
    "FlowSOM": "model",
    "MappedFile": "files",
    "abundances": "describing",
    "choose_model": "choosing",
    "compare_clusterings": "agreement",
    "compare_groups": "comparing",
    "drift": "drifting",
    "extract": "extracting",
    "flowsom_files": "files",
    "load": "storage",
    "map_file": "files",
    "map_files": "files",
    "match_metaclusters": "matching",
    "merge": "merging",
    "merged_clusters": "merging",
    "node_outliers": "drifting",
    "statistics": "describing",
    "summarize": "summary",
}

__all__ = [
    "FLOCK",
    "FlowSOM",
    "MappedFile",
    "abundances",
    "choose_model",
    "compare_clusterings",
    "compare_groups",
    "drift",
    "extract",
    "flowsom_files",
    "load",
    "map_file",
    "map_files",
    "match_metaclusters",
    "merge",
    "merged_clusters",
    "node_outliers",
    "statistics",
    "summarize",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
