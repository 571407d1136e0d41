"""Compensation, transformation and quality control of the events of one file.

``preprocess``
    One FCS file in, one checked, compensated and transformed FCS file out.
``markers``
    Which channels of a preprocessed file measure which marker.
``inverse``
    Back from transformed values to the values before the transform.
``scales``
    Transforms that all files of a panel share.
``controls``, ``spillover``
    A spillover matrix from single-stain controls.
``gatingml``, ``gating``, ``planes``
    Gates of a Gating-ML 2.0 file, and their outlines in two channels.
``transforms``, ``compensation``, ``qc``, ``thresholds``, ``figure``
    The parts, as functions of arrays.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.events._preprocess import PreprocessResult, preprocess
    from immport_cyto.events.keywords import markers
    from immport_cyto.events.transforms import inverse, parse

_HOME = {
    "PreprocessResult": "_preprocess",
    "inverse": "transforms",
    "markers": "keywords",
    "parse": "transforms",
    "preprocess": "_preprocess",
}
_MODULES = (
    "compensation", "controls", "densities", "figure", "figure_data", "gates", "gating", "gatingml", "keywords",
    "planes", "qc", "scales", "spillover", "spillover_figure", "stability", "thresholds", "transforms",
)  # fmt: skip

__all__ = ["PreprocessResult", "inverse", "markers", "parse", "preprocess"]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME, _MODULES)


def __dir__() -> list[str]:
    return sorted(__all__)
