"""Suggestions for a name that is not known: near names of the vocabulary, never taken without asking."""

import re
from functools import lru_cache

from immport_cyto.panel._text import key
from immport_cyto.panel.vocabulary import load

_LONGEST = 24
_NEAR = 0.75
_REPORTER_NEAR = 0.8


@lru_cache(maxsize=4096)
def suggestions(text: str, limit: int = 5) -> tuple[str, ...]:
    """Preferred names of the antigens whose spelling is nearest to a part of the text, best first."""
    from difflib import SequenceMatcher

    pieces = [key(text), *(key(part) for part in re.split(r"[\s_;,/|+()-]+", text)[:6])]
    scores: dict[str, float] = {}
    for piece in dict.fromkeys(p for p in pieces if 2 < len(p) <= _LONGEST):
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(piece)
        for name, entry in load().antigens.items():
            if abs(len(name) - len(piece)) > 2:
                continue
            matcher.set_seq1(name)
            if matcher.real_quick_ratio() < _NEAR or matcher.quick_ratio() < _NEAR:
                continue
            score = matcher.ratio()
            if score >= _NEAR and score > scores.get(entry.name, 0.0):
                scores[entry.name] = score
    return tuple(sorted(scores, key=lambda name: (-scores[name], name))[:limit])


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
