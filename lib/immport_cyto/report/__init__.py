"""Figures, and the one self-contained page that shows a whole run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immport_cyto.report import figures
    from immport_cyto.report.figures import save, svg
    from immport_cyto.report.page import build

__all__ = ["build", "figures", "save", "svg"]


def __getattr__(name: str) -> Any:
    if name == "figures":
        return import_module("immport_cyto.report.figures")
    if name == "build":
        return import_module("immport_cyto.report.page").build
    if name in ("save", "svg"):
        return getattr(import_module("immport_cyto.report.figures"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
