"""Suggestions for a name that is not known: near names of the vocabulary, never taken without asking."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from immport_cyto.panel._text import key
from immport_cyto.panel.vocabulary import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST = 24
_LENGTHS_DIFFER = 2
_NEAR = 0.75
_REPORTER_NEAR = 0.8


@lru_cache(maxsize=4096)
def suggestions(text: str, limit: int = 5) -> tuple[str, ...]:
    """Preferred names of the antigens whose spelling is nearest to a part of the text, best first."""
    from difflib import SequenceMatcher

    pieces = [key(text), *(key(part) for part in re.split(r"[\s_;,/|+()-]+", text)[:6])]
    antigens = load().antigens
    scores: dict[str, float] = {}
    for piece in dict.fromkeys(p for p in pieces if 2 < len(p) <= _LONGEST):
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(piece)
        for name in _letters().share(piece):
            matcher.set_seq1(name)
            score = matcher.ratio()
            entry = antigens[name]
            if score >= _NEAR and score > scores.get(entry.name, 0.0):
                scores[entry.name] = score
    return tuple(sorted(scores, key=lambda name: (-scores[name], name))[:limit])


@dataclass(frozen=True)
class _Letters:
    """How often each letter is in each name of the vocabulary: names x letters.

    The letters that two names share bound their `SequenceMatcher.ratio` from above (its ``quick_ratio``), for all
    names at once.
    """

    names: tuple[str, ...]
    alphabet: dict[str, int]
    counts: "NDArray[np.uint8]"

    def share(self, piece: str) -> list[str]:
        """The names that could be near, of nearly the same length, in the order of the vocabulary."""
        import numpy as np

        own = np.zeros(len(self.alphabet), np.uint8)
        for letter in piece:
            if letter in self.alphabet:
                own[self.alphabet[letter]] += 1
        lengths = self.counts.sum(axis=1, dtype=np.int64)
        shared = np.minimum(self.counts, own).sum(axis=1, dtype=np.int64)
        near = (np.abs(lengths - len(piece)) <= _LENGTHS_DIFFER) & (2 * shared >= _NEAR * (lengths + len(piece)))
        return [self.names[index] for index in np.flatnonzero(near)]


@lru_cache(maxsize=1)
def _letters() -> _Letters:
    import numpy as np

    names = tuple(name for name in load().antigens if len(name) <= _LONGEST + _LENGTHS_DIFFER)
    alphabet = {letter: number for number, letter in enumerate(sorted(set().union(*names)))}
    counts = np.zeros((len(names), len(alphabet)), np.uint8)
    for row, name in enumerate(names):
        for letter in name:
            counts[row, alphabet[letter]] += 1
    return _Letters(names, alphabet, counts)


@lru_cache(maxsize=4096)
def near_reporter(name: str) -> bool:
    """Whether a key is a misspelt fluorochrome (``perpcp``) and not near any antigen."""
    from difflib import SequenceMatcher

    if not 4 <= len(name) <= _LONGEST or suggestions(name):
        return False
    return any(
        abs(len(known) - len(name)) <= 1
        and SequenceMatcher(None, known, name, autojunk=False).ratio() >= _REPORTER_NEAR
        for known in load().reporters
    )
