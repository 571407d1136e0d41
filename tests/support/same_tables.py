"""Comparison of tables whose numbers may differ in the last digits."""

import math
from collections.abc import Sequence


def same_cell(one: str, other: str) -> bool:
    """Equal text, or numbers that are equal but for rounding."""
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-6, abs_tol=1e-9)
    except ValueError:
        return False


def difference(new: str, old: str) -> str:
    """The first line in which two tables differ, or an empty text."""
    lines: Sequence[tuple[str, str]] = list(zip(new.splitlines(), old.splitlines(), strict=False))
    for one, other in lines:
        cells, others = one.split("\t"), other.split("\t")
        if len(cells) != len(others) or not all(map(same_cell, cells, others)):
            return f"{one!r} instead of {other!r}"
    counts = len(new.splitlines()), len(old.splitlines())
    return "" if counts[0] == counts[1] else f"{counts[0]} lines instead of {counts[1]}"
