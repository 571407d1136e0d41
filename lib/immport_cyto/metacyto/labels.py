"""MetaCyto's labels: what a cluster is positive and negative for, and the closure of a set of labels."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import DefinitionError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Gates = tuple[tuple[str, str], ...]

_SEPARATORS = re.compile(r"[|&,]")
_BOOLEAN = re.compile(r"(?:^|\s)(?:AND|OR|NOT)\s|^!|^\[", re.IGNORECASE)


def parse(label: str) -> Gates:
    """Markers in capitals and their signs: ``CD3+|CD4-`` gives (("CD3", "+"), ("CD4", "-")).

    Gates are separated by ``|``, ``&`` or ``,``, or by blanks.

    Raises
    ------
    DefinitionError
        A gate does not end in one + or -, or there is none.
    """
    gates = []
    for part in _parts(label):
        marker, sign = part[:-1].strip().upper(), part[-1]
        if sign not in "+-" or not marker or marker[-1] in "+-" or "^" in part or _BOOLEAN.search(part):
            msg = (
                f"{label!r}: gate {part!r} is not a marker with + or -, all that MetaCyto knows; correct the definition"
            )
            raise DefinitionError(msg)
        gates.append((marker, sign))
    if not gates:
        msg = "an empty definition means all events; give gates such as CD3+|CD4-"
        raise DefinitionError(msg)
    return tuple(gates)


def _parts(label: str) -> list[str]:
    """Texts of the gates; blanks separate them only where each word has a sign, as markers may hold blanks."""
    found: list[str] = []
    for part in (part.strip() for part in _SEPARATORS.split(label)):
        words = part.split()
        found += words if all(word[-1] in "+-" for word in words) else [part]
    return found


def write(gates: Iterable[tuple[str, str]]) -> str:
    """Gates in MetaCyto's spelling, in the order given."""
    return "|".join(f"{marker}{sign}" for marker, sign in gates)


def whole_labels(definitions: "pd.DataFrame") -> list[tuple[str, str]]:
    """Name and label of each population of DEFINITIONS, the gates of its parents taken in: MetaCyto has no parents.

    Raises
    ------
    DefinitionError
        A definition has other signs than + and -, or is its own parent.
    """
    by_name = {row["population"]: row for _, row in definitions.iterrows()}

    def gates(text: str, parent: str, above: tuple[str, ...]) -> Gates:
        own = parse(text)
        if not parent:
            return own
        if parent in above:
            msg = f"population {parent!r} is its own parent; correct the column parent"
            raise DefinitionError(msg)
        row = by_name.get(parent)
        higher = gates(row["definition"], row["parent"], (*above, parent)) if row is not None else parse(parent)
        return tuple(dict.fromkeys([*higher, *own]))

    return [
        (name, write(gates(row["definition"], row["parent"], (name,))) if row["parent"] else row["definition"])
        for name, row in by_name.items()
    ]


def label_clusters(
    x: Array,
    markers: Sequence[str],
    clusters: Iterable[NDArray[np.int64]],
    cutoffs: Mapping[str, float],
    *,
    quantile: float = 0.95,
    min_fraction: float = 0.05,
) -> list[str]:
    """Label of each cluster, such as ``CD3+|CD4-``; empty for a cluster that is like all events.

    Parameters
    ----------
    x
        Events x markers.
    markers
        Names of the columns.
    clusters
        Event numbers (from 0) of each cluster.
    cutoffs
        On the scale of `x`; markers without one get no sign.
    quantile
        A cluster is ``-`` where this quantile is below the cut-off, else ``+`` where the opposite quantile is above it.
    min_fraction
        A marker counts only if the cut-off lies between this quantile of all events and the opposite one, or on them.
    """
    used = [
        (column, marker)
        for column, marker in enumerate(markers)
        if marker in cutoffs and _splits(x[:, column], cutoffs[marker], min_fraction)
    ]
    columns = [column for column, _ in used]
    cuts = np.array([cutoffs[marker] for _, marker in used])
    labels = []
    for members in clusters:
        low, high = np.quantile(x[members][:, columns], [1 - quantile, quantile], axis=0)
        signs = [
            f"{marker}{'-' if below else '+'}"
            for (_, marker), below, above in zip(used, high < cuts, low > cuts, strict=True)
            if below or above
        ]
        labels.append("|".join(sorted(signs)))
    return labels


def _splits(values: Array, cut: float, least: float) -> bool:
    low, high = np.quantile(values, [least, 1 - least])
    return bool(low <= cut <= high)


def close(labels: Iterable[str]) -> list[str]:
    """Labels without repeats, and what follows: of two labels that differ in one sign, the label without that marker.

    Repeated until nothing is added. New labels come after those they follow from.
    """
    have = list(dict.fromkeys(labels))
    known = set(have)
    while added := [label for label in _merged(have) if label not in known]:
        have += added
        known |= set(added)
    return have


def _merged(labels: Sequence[str]) -> list[str]:
    """What follows from each pair, in the order of the pairs."""
    by_markers: dict[tuple[str, ...], list[tuple[int, list[str]]]] = {}
    for place, label in enumerate(labels):
        gates = label.split("|") if label else []
        by_markers.setdefault(tuple(gate[:-1] for gate in gates), []).append((place, gates))
    found: list[tuple[int, int, str]] = []
    for group in by_markers.values():
        for i, (first, one) in enumerate(group):
            for second, other in group[i + 1 :]:
                different = [j for j, gate in enumerate(one) if gate != other[j]]
                if len(different) == 1:
                    rest = "|".join(gate for j, gate in enumerate(one) if j != different[0])
                    found.append((first, second, rest))
    return list(dict.fromkeys(rest for _, _, rest in sorted(found)))
