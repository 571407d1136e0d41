"""Gating schemes: which samples of a study were gated in the same way, told from the populations they report.

One FCS file may have been gated twice, for two expsamples; in SDY144 the T cells of the two gatings differ by a factor
of two in the same file. ImmPort has no name for it, but samples that were gated alike report alike: 486 samples of
SDY144 report 8 different sets of populations. A model over such results needs the scheme as a factor, as it needs the
panel, so it is written as ``panel_id``.
"""

import hashlib
from collections.abc import Hashable, Mapping

_ALIKE = 0.5  # a sample that leaves out some populations still belongs to its scheme
_MOST_SETS = 400


def identify(reported: Mapping[str, frozenset[Hashable]]) -> dict[str, str]:
    """The scheme of each sample, as ``gated-<populations>p-<6 hex>`` over all populations of the scheme.

    Parameters
    ----------
    reported
        Per sample, what it reports. Two sets are of one scheme if they, or a chain of others between them, share at
        least half of their union. A study with more than 400 different sets has no schemes, but one.

    Examples
    --------
    >>> found = identify({"a": frozenset("xyz"), "b": frozenset("xy"), "c": frozenset("q")})
    >>> found["a"] == found["b"], found["a"] == found["c"], found["a"][:9]
    (True, False, 'gated-3p-')
    """
    sets = sorted(set(reported.values()), key=lambda found: (-len(found), sorted(map(str, found))))
    group = list(range(len(sets)))
    if len(sets) > _MOST_SETS:
        group = [0] * len(sets)
    else:
        for i, one in enumerate(sets):
            for j, other in enumerate(sets[:i]):
                if group[i] != group[j] and len(one & other) >= _ALIKE * len(one | other):
                    low, high = sorted((group[i], group[j]))
                    group = [low if g == high else g for g in group]
    union: dict[int, set[Hashable]] = {}
    for number, found in zip(group, sets, strict=True):
        union.setdefault(number, set()).update(found)
    names = {number: _identity(found) for number, found in union.items()}
    of = {found: names[number] for number, found in zip(group, sets, strict=True)}
    return {sample: of[found] for sample, found in reported.items()}


def _identity(found: set[Hashable]) -> str:
    digest = hashlib.sha256("\n".join(sorted(map(str, found))).encode()).hexdigest()[:6]
    return f"gated-{len(found)}p-{digest}"
