"""Gates joined by AND, OR and NOT, brought to one form whichever way a population is written.

A marker has three levels: at or below its cut-off, between the two cut-offs, above the second one. A sign is a set of
levels, so NOT is another set (NOT CD14+ is CD14-), and the form needs OR only: gates that all events have, and groups
of options of which at least one is met.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

LEVELS: Mapping[str, int] = {"-": 1, "lo": 2, "+~": 2, "++": 4, "+": 6}
"""Levels of each sign as bits: 1 negative, 2 between the cut-offs, 4 above the second one."""

_ALL_LEVELS, _BETWEEN = 7, 2
_SIGN = {1: "-", 4: "++", 6: "+"}
_TWO_SIGNS = (3, 5)  # negative or between, negative or high


@dataclass(frozen=True)
class Gate:
    """One marker and its sign, one of `SIGNS`."""

    marker: str
    sign: str

    def __str__(self) -> str:
        return f"{self.marker}{self.sign}"


@dataclass(frozen=True)
class AnyOf:
    """Options of which at least one is met; an option is met where all of its parts are."""

    options: tuple[tuple["Part", ...], ...]

    def __str__(self) -> str:
        return f"({' OR '.join(map(_option_text, self.options))})"


Part = Gate | AnyOf


@dataclass(frozen=True)
class Term:
    """Gates and terms as they are written, before they are brought to the one form."""

    kind: Literal["and", "or", "not"]
    of: tuple["Gate | Term", ...]


@dataclass(frozen=True)
class _Leaf:
    marker: str
    levels: int
    between: str = "lo"  # how the level between is written: lo, +~


@dataclass(frozen=True)
class _Join:
    kind: Literal["and", "or"]
    of: frozenset["_Leaf | _Join"]


_Node = _Leaf | _Join
_Known = Mapping[str, int]


def normal(term: Gate | Term) -> tuple[Part, ...] | None:
    """The one form: gates in the order in which they were written, then groups in the order of their texts.

    Options and what is within them are sorted, NOT is moved into the signs, what is said twice is said once, options
    that the other gates exclude are left out, and what all options share is taken out of them.

    Returns
    -------
    tuple of Part or None
        Empty where every event meets `term`, None where none can.

    Examples
    --------
    >>> both = Term("and", (Gate("CD3", "+"), Term("not", (Gate("CD14", "+"),))))
    >>> [str(part) for part in normal(both)]
    ['CD3+', 'CD14-']
    """
    found = _all([_pushed(term, negative=False)], {})
    if found is None:
        return None
    order = {marker: place for place, marker in enumerate(dict.fromkeys(markers([term])))}
    leaves = sorted((part for part in found if isinstance(part, _Leaf)), key=lambda leaf: order[leaf.marker])
    parts = [part for leaf in leaves for part in _written(leaf)]
    parts += [part for group in found if isinstance(group, _Join) for part in _written(group)]
    groups = sorted((part for part in parts if isinstance(part, AnyOf)), key=_order)
    return (*(part for part in parts if isinstance(part, Gate)), *groups)


def markers(parts: Iterable[Part | Term]) -> Iterator[str]:
    """Markers in the order written, each as often as it comes."""
    for part in parts:
        if isinstance(part, Gate):
            yield part.marker
        elif isinstance(part, Term):
            yield from markers(part.of)
        else:
            for option in part.options:
                yield from markers(option)


def as_term(parts: Iterable[Part]) -> Term:
    """Parts that all hold as a term again."""
    return Term(
        "and",
        tuple(
            part if isinstance(part, Gate) else Term("or", tuple(as_term(option) for option in part.options))
            for part in parts
        ),
    )


def _pushed(term: Gate | Term, *, negative: bool) -> _Node:
    """NOT moved inwards until it is a set of levels."""
    if isinstance(term, Gate):
        levels = LEVELS[term.sign]
        word = term.sign if levels == _BETWEEN else "lo"
        return _Leaf(term.marker, _ALL_LEVELS ^ levels if negative else levels, word)
    if term.kind == "not":
        return _pushed(term.of[0], negative=not negative)
    kind: Literal["and", "or"] = "and" if (term.kind == "and") != negative else "or"
    return _Join(kind, frozenset(_pushed(part, negative=negative) for part in term.of))


def _all(nodes: Iterable[_Node], known: _Known) -> frozenset[_Node] | None:
    """Leaves, one per marker, and groups that all hold where the levels `known` are given; None: they cannot."""
    leaves: dict[str, _Leaf] = {}
    groups: list[_Join] = []
    todo = list(nodes)
    while todo:
        while todo:
            node = todo.pop()
            if isinstance(node, _Leaf):
                before = leaves.get(node.marker, _Leaf(node.marker, known.get(node.marker, _ALL_LEVELS), node.between))
                leaves[node.marker] = both = _Leaf(
                    node.marker, before.levels & node.levels, min(before.between, node.between)
                )
                if not both.levels:
                    return None
            elif node.kind == "and":
                todo += node.of
            else:
                groups.append(node)
        given = {**known, **{marker: leaf.levels for marker, leaf in leaves.items()}}
        kept: list[_Join] = []
        for group in groups:
            options = _any(group.of, given)
            if not options:
                return None
            if len(options) == 1:
                todo += options[0]
            else:
                kept.append(_Join("or", frozenset(_joined(option) for option in options)))
        groups = kept
    own = (leaf for leaf in leaves.values() if leaf.levels != known.get(leaf.marker, _ALL_LEVELS))
    return frozenset([*(_plain(leaf) for leaf in own), *groups])


def _any(nodes: Iterable[_Node], known: _Known) -> list[frozenset[_Node]]:
    """Options of which one is met, as sets of parts: none where no option can be, one where that is all it says."""
    found: set[frozenset[_Node]] = set()
    single: dict[str, _Leaf] = {}  # options of one marker
    todo = list(nodes)
    while todo:
        parts = _all([todo.pop()], known)
        if parts is None:
            continue
        only = next(iter(parts)) if len(parts) == 1 else None
        if isinstance(only, _Join):
            todo += only.of
        elif isinstance(only, _Leaf):
            before = single.get(only.marker, only)
            levels, word = before.levels | only.levels, min(before.between, only.between)
            single[only.marker] = _Leaf(only.marker, levels, word)
        else:
            found.add(parts)
    for marker, leaf in single.items():
        if leaf.levels == known.get(marker, _ALL_LEVELS):
            return [frozenset()]
        found.add(frozenset([_plain(leaf)]))
    least = [option for option in found if not any(other < option for other in found)]
    shared = frozenset.intersection(*least) if len(least) > 1 else frozenset[_Node]()
    if not shared:
        return least
    return [shared | {_Join("or", frozenset(_joined(option - shared) for option in least))}]


def _joined(parts: frozenset[_Node]) -> _Node:
    return next(iter(parts)) if len(parts) == 1 else _Join("and", parts)


def _plain(leaf: _Leaf) -> _Leaf:
    """A leaf without the word for the level between, where it does not need one."""
    return leaf if leaf.levels in (_BETWEEN, 3) else _Leaf(leaf.marker, leaf.levels)


def _written(node: _Node) -> tuple[Part, ...]:
    """A node as gates and groups that all hold."""
    if isinstance(node, _Leaf):
        signs = _signs(node)
        gates = tuple(Gate(node.marker, sign) for sign in signs)
        return gates if len(gates) == 1 else (AnyOf(tuple((gate,) for gate in gates)),)
    if node.kind == "and":
        return tuple(sorted((part for inner in node.of for part in _written(inner)), key=_order))
    options: list[tuple[Part, ...]] = []
    for inner in node.of:
        if isinstance(inner, _Leaf):
            options += [(Gate(inner.marker, sign),) for sign in _signs(inner)]
        else:
            options.append(_written(inner))
    return (AnyOf(tuple(sorted(options, key=lambda option: _natural(_option_text(option))))),)


def _signs(leaf: _Leaf) -> tuple[str, ...]:
    if leaf.levels == _BETWEEN:
        return (leaf.between,)
    if leaf.levels in _TWO_SIGNS:
        return ("-", leaf.between if leaf.levels == 3 else "++")
    return (_SIGN[leaf.levels],)


def _order(part: Part) -> tuple[bool, list[tuple[int, str]]]:
    return isinstance(part, AnyOf), _natural(str(part))


def _option_text(option: tuple[Part, ...]) -> str:
    text = " ".join(map(str, option))
    return f"({text})" if len(option) > 1 else text


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that takes numbers as numbers: CD3 before CD14."""
    pieces = re.split(r"(\d+)", text)
    return [(int(piece) if piece.isdigit() else -1, piece) for piece in pieces if piece]
