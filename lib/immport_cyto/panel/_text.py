"""Clean text and comparison keys: what makes two spellings of one name equal.

A key is lower case without separators, so ``HLA-DR``, ``HLA DR`` and ``hladr`` are equal. Between two digits a
separator is kept as a dot: ``CD3-19`` is not ``CD319``, and ``Cy5-5`` is ``Cy5.5``.
"""

import re
import unicodedata
from functools import lru_cache

MAX_LENGTH = 200
"""Longer names hold no channel name; only this many characters are read."""

_GREEK = {
    "α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "κ": "k", "λ": "l", "μ": "u", "θ": "q", "ς": "s",
    "Α": "A", "Β": "B", "Γ": "G", "Δ": "D", "ß": "b", "™": "", "®": "", "©": "", "–": "-", "—": "-", "−": "-",
    "‐": "-", "‑": "-", "‒": "-", "’": "'", "′": "'", "／": "/", "⁄": "/", "∕": "/",
}  # fmt: skip
_TRANSLATE = str.maketrans(_GREEK)
_ASCII_CONTROL = dict.fromkeys((*range(32), 127), " ")
_BLANKS = re.compile(r"\s+")
_IN_BRACKETS = re.compile(r"\( ?([^() ]+) ?\)")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[^a-zA-Z0-9]+(?=[0-9])")
_KEEP = {**{n: None for n in range(128) if not (48 <= n < 58 or 97 <= n < 123)}, 0: "."}


def clean(text: str) -> str:
    """Readable text: no control or direction characters, single blanks, none inside brackets, Greek letters as Latin.

    At most `MAX_LENGTH` characters are kept.
    """
    text = str(text)[: 4 * MAX_LENGTH]
    if text.isascii():
        text = text.translate(_ASCII_CONTROL)
    else:
        text = unicodedata.normalize("NFKC", text.translate(_TRANSLATE)).translate(_TRANSLATE)
        text = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text if _printable(c))
    return _IN_BRACKETS.sub(r"(\1)", _BLANKS.sub(" ", text)).strip()[:MAX_LENGTH]


def _printable(character: str) -> bool:
    return character.isascii() or unicodedata.category(character) not in {"Cf", "Cs", "Co", "Cn"}


@lru_cache(maxsize=65536)
def key(text: str) -> str:
    """The comparison key of a name; empty when it holds no letter and no digit."""
    cleaned = text[:MAX_LENGTH] if text.isascii() else clean(text).encode("ascii", "replace").decode()
    return _BETWEEN_DIGITS.sub("\0", cleaned.replace("\0", " ")).lower().translate(_KEEP)
