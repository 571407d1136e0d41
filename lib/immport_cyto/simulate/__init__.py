"""Studies with known truth: FCS files, the ImmPort packages that go with them, and the right answers.

``studies``
    Write the studies of a preset or of a design of your own.
``preset``, ``PRESETS``
    Ready designs: ``demo`` and ``test``.
``Design``, ``StudyDesign``, ``Effect``, ``Unwanted``
    What a design is made of.
``POPULATIONS``, ``PANELS``
    The populations and panels of the model.

See docs/simulation.md for the model and the truth tables.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.simulate.acquisition import LABELS, Unwanted
    from immport_cyto.simulate.composition import Effect
    from immport_cyto.simulate.design import PRESETS, Design, StudyDesign, preset
    from immport_cyto.simulate.make import studies
    from immport_cyto.simulate.panels import PANELS
    from immport_cyto.simulate.phenotypes import POPULATIONS

_HOME = {
    "LABELS": "acquisition",
    "Unwanted": "acquisition",
    "Effect": "composition",
    "PRESETS": "design",
    "Design": "design",
    "StudyDesign": "design",
    "preset": "design",
    "studies": "make",
    "PANELS": "panels",
    "POPULATIONS": "phenotypes",
}

__all__ = [
    "LABELS",
    "PANELS",
    "POPULATIONS",
    "PRESETS",
    "Design",
    "Effect",
    "StudyDesign",
    "Unwanted",
    "preset",
    "studies",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
