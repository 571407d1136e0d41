"""Figures, and the one self-contained page that shows a whole run."""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.report import figures
    from immport_cyto.report.figures import save, svg
    from immport_cyto.report.page import build

_HOME = {"build": "page", "save": "figures", "svg": "figures"}

__all__ = ["build", "figures", "save", "svg"]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME, ("figures",))


def __dir__() -> list[str]:
    return sorted(__all__)
