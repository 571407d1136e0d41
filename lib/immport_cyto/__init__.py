"""Flow and mass cytometry of many ImmPort studies, turned into one answer.

The stages, in the way of the data; each is a package with the same name in the shell
(``immport-cyto <stage> <verb>``) and in Galaxy:

``fcs``
    Read and write FCS files.
``immport``
    ImmPort packages, and the link from FCS files to subjects.
``panel``
    What each channel measures, under one name over all studies.
``events``
    Compensation, transformation and quality control.
``cluster``
    FlowSOM.
``population``
    Cut-offs, labels of clusters, search by definition, per-sample summary.
``meta``
    Effects per study, pooled effects.
``metacyto``
    The pipeline of the R package MetaCyto, repeated.
``report``
    Figures and one self-contained HTML page.

Sub-packages are imported on first use, so ``import immport_cyto`` is light.
"""

from types import ModuleType

from immport_cyto._lazy import lazy

__version__ = "0.1.0"

_STAGES = (
    "fcs",
    "immport",
    "panel",
    "events",
    "cluster",
    "population",
    "meta",
    "metacyto",
    "report",
    "simulate",
    "study",
    "tables",
)

__all__ = ["__version__", *_STAGES]


def __getattr__(name: str) -> ModuleType:
    module: ModuleType = lazy(__name__, name, {}, _STAGES)
    return module


def __dir__() -> list[str]:
    return sorted(__all__)
