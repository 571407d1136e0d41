"""FLOCK: populations as dense regions of a grid, without their number being given.

``FLOCK``
    The estimator (versions 1 and 2), and the model it becomes; ``save`` writes it.
``load``
    A saved model.
``adjust``, ``Adjusted``
    Known populations moved to another sample (``cent_adjust``).

An independent implementation of Qian et al. 2010, Cytometry B 78B:S69, doi:10.1002/cyto.b.20554. It gives every event
the population that the original programs give it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immport_cyto.cluster.flock.adjusting import Adjusted, adjust
    from immport_cyto.cluster.flock.model import FLOCK
    from immport_cyto.cluster.flock.storage import load

_HOME = {"Adjusted": "adjusting", "FLOCK": "model", "adjust": "adjusting", "load": "storage"}

__all__ = ["FLOCK", "Adjusted", "adjust", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
