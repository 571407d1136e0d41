"""A section of the page, and how rows of several methods are put in order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from immport_cyto.report.page import Sheet

METHODS = {
    "search": "populations by definition",
    "flowsom": "FlowSOM populations",
    "flock": "FLOCK populations",
    "metacyto": "MetaCyto populations",
    "immport": "ImmPort's own results",
}


def named(method: object) -> str:
    """Populations of a method in words."""
    return METHODS.get(str(method), str(method))


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure of the page, to be drawn when all are known, and its text alternative."""

    draw: Callable[[], "Figure"]
    alternative: str
    caption: str


@dataclass
class Section:
    """One section of the page."""

    identifier: str
    heading: str
    intro: str = ""
    tiles: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Drawing] = field(default_factory=list)
    folded: list[Drawing] = field(default_factory=list)
    sheets: list["Sheet"] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    codes: list[tuple[str, str]] = field(default_factory=list)


def by_method(rows: "pd.DataFrame") -> list[tuple[str, str, "pd.DataFrame"]]:
    """Rows of each method and term; definitions first, then clusters, terms in the order of the model."""
    order = {method: number for number, method in enumerate(METHODS)}
    methods = sorted(rows["method"].unique(), key=lambda method: (order.get(method, len(order)), method))
    terms = list(dict.fromkeys(rows["term"]))
    parts = [(m, t, rows[(rows["method"] == m) & (rows["term"] == t)]) for m in methods for t in terms]
    return [(str(method), str(term), part) for method, term, part in parts if len(part)]
