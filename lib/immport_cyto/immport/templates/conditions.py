"""When a column is required and when a rule holds.

A condition is written as in ``data/columns.tsv``: terms joined by `` & ``, alternatives by `` || ``. Terms:
``new:biosample`` and ``old:biosample`` (the row defines it, or refers to one that is there), ``Type is a|b``,
``X is given``, ``X is empty``, ``X is above 89``, ``X is not in lk_disease``, ``level is HIPC``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from immport_cyto.immport.templates.definitions import vocabulary
from immport_cyto.immport.templates.sheets import Grid

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TERM = re.compile(r"(?P<column>.+?) is (?P<what>not in|above|given|empty)?\s?(?P<value>.*)")


@dataclass
class Rows:
    """The rows of a grid, with what the other files say about them.

    Attributes
    ----------
    new
        Per kind of thing that the template can define: whether the row defines it.
    studies
        Per row the study that it belongs to; ``""`` where that is not known.
    level
        Validation level of the file.
    """

    grid: Grid
    new: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    studies: Sequence[str] = ()
    level: str = ""
    _masks: dict[tuple[str, int], Sequence[bool]] = field(default_factory=dict)

    def mask(self, when: str, group: int = 0) -> Sequence[bool]:
        """Per row, whether a condition holds; ``""`` always holds. `group` is the group of results that is meant."""
        if not when:
            return [True] * len(self.grid)
        found: Sequence[bool] = [False] * len(self.grid)
        for alternative in when.split(" || "):
            terms = [self._term(term.strip(), group) for term in alternative.split(" & ")]
            both = terms[0] if len(terms) == 1 else [all(cells) for cells in zip(*terms, strict=True)]
            found = [a or b for a, b in zip(found, both, strict=True)]
        return found

    def cells(self, name: str, group: int = 0) -> Sequence[str]:
        """Texts of a column, of the group of results where the column belongs to one."""
        grid = self.grid
        places = [i for i, c in enumerate(grid.columns) if c.column and c.column.name == name]
        own = [i for i in places if grid.columns[i].group == group]
        place = next(iter(own or places), None)
        return grid.data[place] if place is not None else [""] * len(grid)

    def _term(self, term: str, group: int) -> Sequence[bool]:
        if (term, group) not in self._masks:
            self._masks[term, group] = self._evaluated(term, group)
        return self._masks[term, group]

    def _evaluated(self, term: str, group: int) -> Sequence[bool]:
        if term.startswith(("new:", "old:")):
            new = self.new.get(term[4:], [False] * len(self.grid))
            return new if term.startswith("new:") else [not value for value in new]
        found = _TERM.fullmatch(term)
        if found is None:
            msg = f"unknown condition {term!r}"
            raise ValueError(msg)
        if found["column"] == "level":
            return [self.level.casefold() == found["value"].casefold()] * len(self.grid)
        values = self.cells(found["column"], group)
        holds = {value: _holds(value, found["what"] or "", found["value"]) for value in set(values)}
        return [holds[value] for value in values]


def _holds(value: str, what: str, of: str) -> bool:
    if what == "given":
        return bool(value)
    if what == "empty":
        return not value
    if what == "above":
        return bool(NUMBER.fullmatch(value)) and float(value) > float(of)
    if what == "not in":
        return bool(value) and vocabulary(of).find(value.split(" ; ")[0]) is None
    return value.casefold() in {word.strip().casefold() for word in of.split("|")}
