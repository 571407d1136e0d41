"""FLOCK: populations as dense regions of a grid, without their number being given.

``FLOCK``
    The estimator (versions 1 and 2), and the model it becomes; ``save`` writes it.
``load``
    A saved model.
``flock_files``
    One model over the files of a group, each with the same number of events.
``label_file``, ``LabelledFile``
    Find the populations of a model in a file, and write it with the population of each event.
``by_profile``, ``merge_file``
    Which populations have equal profiles, for `immport_cyto.cluster.merge`; a labelled file after a merge.
``summarize``, ``abundances``
    Counts and medians per population over labelled files; counts by file.
``adjust``, ``Adjusted``
    Known populations moved to another sample (``cent_adjust``).
``Centres``, ``read_centres``
    Known populations without a model.
``outputs``
    The tables: profiles, counts, medians.

An independent implementation of Qian et al. 2010, Cytometry B 78B:S69, doi:10.1002/cyto.b.20554. It gives every event
the population that the original programs give it.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.cluster.flock.adjusting import Adjusted, adjust
    from immport_cyto.cluster.flock.files import (
        Centres,
        LabelledFile,
        check_file,
        flock_files,
        label_file,
        merge_file,
    )
    from immport_cyto.cluster.flock.merging import by_profile
    from immport_cyto.cluster.flock.model import FLOCK
    from immport_cyto.cluster.flock.outputs import read_centres
    from immport_cyto.cluster.flock.storage import load
    from immport_cyto.cluster.flock.summary import abundances, summarize

_HOME = {
    "Adjusted": "adjusting",
    "Centres": "files",
    "FLOCK": "model",
    "LabelledFile": "files",
    "abundances": "summary",
    "adjust": "adjusting",
    "by_profile": "merging",
    "check_file": "files",
    "flock_files": "files",
    "label_file": "files",
    "load": "storage",
    "merge_file": "files",
    "read_centres": "outputs",
    "summarize": "summary",
}

__all__ = [
    "FLOCK", "Adjusted", "Centres", "LabelledFile", "abundances", "adjust", "by_profile", "check_file", "flock_files",
    "label_file", "load", "merge_file", "read_centres", "summarize",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME, ("outputs",))


def __dir__() -> list[str]:
    return sorted(__all__)
