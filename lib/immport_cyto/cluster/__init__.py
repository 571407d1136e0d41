"""Clustering: FlowSOM and FLOCK over one file or a collection, and mapping of files onto a model.

``FlowSOM``
    The estimator, and the model it becomes; ``save`` writes it.
``load``
    A saved model.
``flowsom_files``
    One model over the preprocessed FCS files of a group, markers by harmonised name.
``map_file``
    Write an FCS file with the node and the metacluster of each event.
``choose_model``
    The model that belongs to a file, where there are several.
``summarize``
    Counts and medians per metacluster over labelled files.
``FLOCK``
    Populations without their number being given: an estimator and model too. Its parts: `immport_cyto.cluster.flock`.

Names are imported on first use; numba is imported by the first fit or predict.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.cluster.choosing import choose_model
    from immport_cyto.cluster.files import MappedFile, flowsom_files, map_file
    from immport_cyto.cluster.flock.model import FLOCK
    from immport_cyto.cluster.model import FlowSOM
    from immport_cyto.cluster.storage import load
    from immport_cyto.cluster.summary import summarize

_HOME = {
    "FLOCK": "flock.model",
    "FlowSOM": "model",
    "MappedFile": "files",
    "choose_model": "choosing",
    "flowsom_files": "files",
    "load": "storage",
    "map_file": "files",
    "summarize": "summary",
}

__all__ = ["FLOCK", "FlowSOM", "MappedFile", "choose_model", "flowsom_files", "load", "map_file", "summarize"]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
