"""FLOCK: populations as dense regions of a grid, without their number being given.

``FLOCK``
    The estimator (versions 1 and 2), and the model it becomes; ``save`` writes it.
``load``
    A saved model.
``flock_files``
    One model over the files of a group, each with the same number of events.
``label_file``, ``LabelledFile``
    Find the populations of a model in a file, and write it with the population of each event.
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
    from immport_cyto.cluster.flock.files import Centres, LabelledFile, check_file, flock_files, label_file
    from immport_cyto.cluster.flock.model import FLOCK
    from immport_cyto.cluster.flock.outputs import read_centres
    from immport_cyto.cluster.flock.storage import load

_HOME = {
    "Adjusted": "adjusting",
    "Centres": "files",
    "FLOCK": "model",
    "LabelledFile": "files",
    "adjust": "adjusting",
    "check_file": "files",
    "flock_files": "files",
    "label_file": "files",
    "load": "storage",
    "read_centres": "outputs",
}

__all__ = [
    "FLOCK", "Adjusted", "Centres", "LabelledFile", "adjust", "check_file", "flock_files", "label_file", "load",
    "read_centres",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME, ("outputs",))


def __dir__() -> list[str]:
    return sorted(__all__)
