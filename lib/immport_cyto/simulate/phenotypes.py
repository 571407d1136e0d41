"""The cells of the model: which antigens each cell type carries, and the populations that follow from it.

Cell types are the leaves of one tree of blood mononuclear cells. Populations are defined by gates, as a user would
write them; which cell types belong to a population is computed from the antigens, never written down twice.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from immport_cyto.exceptions import OptionError

Level = Literal["neg", "dim", "pos", "high"]
Size = Literal["lymphocyte", "monocyte"]

_GATE = re.compile(r"^(?P<antigen>.+?)(?P<sign>[+-])$")


@dataclass(frozen=True)
class CellType:
    """One leaf of the tree; antigens that are not named are negative."""

    name: str
    size: Size
    levels: dict[str, Level]


@dataclass(frozen=True)
class Population:
    """One row of definitions.tsv."""

    name: str
    definition: str
    parent: str
    cl_id: str


def _cell(name: str, positive: str, *, dim: str = "", high: str = "", size: Size = "lymphocyte") -> CellType:
    levels: dict[str, Level] = dict.fromkeys(("CD45", *positive.split()), "pos")
    levels.update(dict.fromkeys(dim.split(), "dim"))
    levels.update(dict.fromkeys(high.split(), "high"))
    return CellType(name, size, levels)


CELL_TYPES = (
    _cell("Naive CD4 T cells", "CD3 CD4 CD45RA CCR7 CD127"),
    _cell("Central memory CD4 T cells", "CD3 CD4 CCR7 CD127"),
    _cell("Effector memory CD4 T cells", "CD3 CD4 CD127"),
    _cell("Regulatory T cells", "CD3 CD4 CCR7 CD25"),
    _cell("Naive CD8 T cells", "CD3 CD8 CD45RA CCR7 CD127"),
    _cell("Memory CD8 T cells", "CD3 CD8 CD127"),
    _cell("TEMRA CD8 T cells", "CD3 CD8 CD45RA"),
    _cell("Gamma-delta T cells", "CD3 TCRgd CD127"),
    _cell("B cells", "CD19 HLA-DR CD45RA CCR7"),
    _cell("CD56dim NK cells", "CD56 CD16 CD45RA"),
    _cell("CD56bright NK cells", "CD45RA", high="CD56"),
    _cell("CD14+ monocytes", "CD14 HLA-DR CD11c", dim="CD4", size="monocyte"),
    _cell("CD16+ monocytes", "CD16 HLA-DR CD11c", dim="CD4", size="monocyte"),
    _cell("Plasmacytoid dendritic cells", "CD123 HLA-DR CD45RA", dim="CD4"),
)
"""Leaves of the tree, in the order of the event labels."""

NAMES = tuple(cell.name for cell in CELL_TYPES)

POPULATIONS = (
    Population("T cells", "CD3+", "", "CL:0000084"),
    Population("CD4 T cells", "CD3+ CD4+ CD8-", "CD3+", "CL:0000624"),
    Population("CD8 T cells", "CD3+ CD4- CD8+", "CD3+", "CL:0000625"),
    Population("Naive CD4 T cells", "CD3+ CD4+ CD8- CCR7+ CD45RA+", "CD3+ CD4+ CD8-", "CL:0000895"),
    Population("Memory CD4 T cells", "CD3+ CD4+ CD8- CD45RA-", "CD3+ CD4+ CD8-", "CL:0000897"),
    Population("Regulatory T cells", "CD3+ CD4+ CD8- CD25+ CD127-", "CD3+ CD4+ CD8-", "CL:0000792"),
    Population("Naive CD8 T cells", "CD3+ CD4- CD8+ CCR7+ CD45RA+", "CD3+ CD4- CD8+", "CL:0000900"),
    Population("Memory CD8 T cells", "CD3+ CD4- CD8+ CD45RA-", "CD3+ CD4- CD8+", "CL:0000909"),
    Population("TEMRA CD8 T cells", "CD3+ CD4- CD8+ CCR7- CD45RA+", "CD3+ CD4- CD8+", "CL:0001062"),
    Population("Gamma-delta T cells", "CD3+ TCRgd+", "CD3+", "CL:0000798"),
    Population("B cells", "CD3- CD19+", "", "CL:0000236"),
    Population("NK cells", "CD3- CD19- CD14- CD56+", "", "CL:0000623"),
    Population("CD14+ monocytes", "CD3- CD19- CD14+", "", "CL:0001054"),
    Population("CD16+ monocytes", "CD3- CD19- CD14- CD56- CD16+ HLA-DR+", "", "CL:0002396"),
    Population("Plasmacytoid dendritic cells", "CD3- CD19- CD14- CD123+ HLA-DR+", "", "CL:0000784"),
)
"""What definitions.tsv holds. The rarest, plasmacytoid dendritic cells, is one event in a thousand."""


@cache
def antigens() -> tuple[str, ...]:
    """All antigens of the model, in alphabetical order."""
    return tuple(sorted({antigen for cell in CELL_TYPES for antigen in cell.levels}))


def parse(definition: str) -> list[tuple[str, bool]]:
    """Read gates such as ``CD3+ CD4-`` as pairs of antigen and sign (true: positive).

    Raises
    ------
    OptionError
        A gate does not end in + or -, or names an antigen that no cell of the model carries.
    """
    gates = []
    for text in definition.split():
        match = _GATE.match(text)
        if match is None or match["antigen"] not in antigens():
            msg = f"simulate: gate {text!r} cannot be simulated; use a sign + or - after one of {', '.join(antigens())}"
            raise OptionError(msg)
        gates.append((match["antigen"], match["sign"] == "+"))
    return gates


def members(definition: str) -> np.ndarray:
    """Which cell types fulfil a definition; an empty one is fulfilled by all.

    Returns
    -------
    ndarray of bool, shape (cell types,)
        A cell that carries an antigen dimly is neither positive nor negative for it.
    """
    inside = np.ones(len(CELL_TYPES), dtype=bool)
    for antigen, positive in parse(definition):
        levels = [cell.levels.get(antigen, "neg") for cell in CELL_TYPES]
        inside &= np.array([level in ("pos", "high") if positive else level == "neg" for level in levels])
    return inside


def level_matrix(names: list[str]) -> np.ndarray:
    """Levels of the antigens `names` in all cell types: 0 negative, 1 dim, 2 positive, 3 high.

    Returns
    -------
    ndarray of int8, shape (cell types, antigens)
    """
    code = {"neg": 0, "dim": 1, "pos": 2, "high": 3}
    return np.array([[code[cell.levels.get(name, "neg")] for name in names] for cell in CELL_TYPES], dtype=np.int8)
