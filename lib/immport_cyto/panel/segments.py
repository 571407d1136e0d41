"""The tokenizer: a channel text cut into names that the vocabulary knows, at the least cost."""

import re
from dataclasses import dataclass
from typing import Literal

from immport_cyto.panel.vocabulary import Antigen, Reporter, Word, load

Category = Literal["antigen", "reporter", "word", "modifier", "site", "number", "text"]

# letters of one case, digits; CD before a number always begins a new run: DEADCD19
_RUN = re.compile(r"[Cc][Dd](?=\d)|[A-Z]+?(?=CD\d)|[a-z]+?(?=cd\d)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SITE = re.compile(r"^p?(?:[syt]|ser|thr|tyr)\d{2,4}$")
_HARD = re.compile(r"[;,|+&:@\[\]]")
_LONGEST = 14
_ROLES_IN_TEXT = frozenset(
    {"viability", "dna", "bead", "barcode", "isotype", "tetramer", "proliferation", "dump"},
)
MODIFIERS = {
    "anti": "", "a": "", "h": "human", "hu": "human", "hs": "human", "human": "human", "m": "mouse", "ms": "mouse",
    "mu": "mouse", "mouse": "mouse", "rat": "rat", "hamster": "", "armenian": "",
    "syrian": "", "rabbit": "", "goat": "", "donkey": "",
    "nhp": "primate", "ic": "intracellular", "icc": "intracellular",
    "ics": "intracellular", "intra": "intracellular", "intracell": "intracellular", "intracellular": "intracellular",
    "cy": "intracellular", "cyt": "intracellular", "cyto": "intracellular", "nuclear": "intracellular",
    "surf": "surface", "surface": "surface", "s": "surface", "ec": "surface", "membrane": "surface", "total": "total",
    "phospho": "phospho", "phos": "phospho", "p": "phospho", "soluble": "soluble", "v": "", "conj": "", "purified": "",
    "custom": "", "clone": "", "ab": "", "mab": "", "antibody": "", "carrier": "", "stain": "", "dye": "", "marker": "",
    "pos": "", "neg": "", "positive": "", "negative": "", "hi": "", "lo": "", "high": "", "low": "", "ebio": "",
    "and": "and", "plus": "and", "or": "or", "not": "or", "minus": "or", "without": "or", "vs": "or",
}  # fmt: skip


# only before a name, without a separator: cCD3, iCD3, SmIgM, NuTdT
PREFIXES = {"c": "intracellular", "i": "intracellular", "n": "intracellular", "nu": "intracellular", "sm": "surface"}


@dataclass(frozen=True)
class Segment:
    """One piece of a channel text.

    `separator` is what stands before it ("" when glued to the piece before).
    """

    category: Category
    text: str
    key: str
    separator: str
    entry: Antigen | Reporter | Word | None = None


@dataclass(frozen=True)
class _Run:
    text: str
    separator: str


def _runs(text: str) -> list[_Run]:
    found, end = [], 0
    for match in _RUN.finditer(text):
        found.append(_Run(match.group(), text[end : match.start()]))
        end = match.end()
    return found


def cut(text: str, *, lone_codes: bool = False) -> list[Segment]:
    """Cut a text into segments.

    Every way of joining neighbouring runs of letters and digits is looked up; the cut with the fewest unread and
    then the fewest pieces wins, so the longest known names do.

    Parameters
    ----------
    text
        A cleaned text.
    lone_codes
        Accept short reporter codes (``PP``, ``PB``) without any other name in the text.
    """
    runs = _runs(text)[:60]
    n = len(runs)
    best: list[tuple[float, int, Segment | None]] = [(float("inf"), 0, None) for _ in range(n + 1)]
    best[0] = (0.0, 0, None)
    for end in range(1, n + 1):
        for start in range(end - 1, max(-1, end - 1 - _LONGEST), -1):
            if start + 1 < end and _HARD.search(runs[start + 1].separator):
                break
            segment, cost = _lookup(runs, start, end)
            if segment is None:
                continue
            total = best[start][0] + cost + _glue(runs, start)
            if total < best[end][0] - 1e-9:
                best[end] = (total, start, segment)
    result: list[Segment] = []
    end = n
    while end > 0:
        _, start, segment = best[end]
        if segment is None:  # a single run is always read, so this is never reached
            break
        result.append(segment)
        end = start
    result.reverse()
    return result if lone_codes else _drop_lone_codes(result)


def _glue(runs: list[_Run], start: int) -> float:
    """Price of a cut where no separator stands."""
    if start == 0 or runs[start].separator:
        return 0.0
    return 1.5 if runs[start].text.isdigit() else 0.3


def _lookup(runs: list[_Run], start: int, end: int) -> tuple[Segment | None, float]:
    vocabulary = load()
    parts = [runs[start].text.lower()]
    for run in runs[start + 1 : end]:
        part = run.text.lower()
        if part[0].isdigit() and parts[-1][-1].isdigit():
            if not run.separator:
                return None, 0.0
            parts.append(".")
        parts.append(part)
    name = "".join(parts)
    text = "".join((run.separator if position else "") + run.text for position, run in enumerate(runs[start:end]))
    separator = runs[start].separator

    def made(category: Category, entry: Antigen | Reporter | Word | None = None) -> Segment:
        return Segment(category, text, name, separator, entry)

    if name in vocabulary.antigens:
        return made("antigen", vocabulary.antigens[name]), 1.0
    if name.startswith("cdw") and (found := vocabulary.antigens.get("cd" + name[3:])):
        return made("antigen", found), 1.0
    word = vocabulary.words.get(name)
    if word is not None and word.role in _ROLES_IN_TEXT and (len(name) > 3 or _stands_alone(runs, start, end)):
        return made("word", word), 1.1
    reporter = vocabulary.reporters.get(name)
    if reporter is not None and (not reporter.needs_company or _stands_alone(runs, start, end)):
        return made("reporter", reporter), 1.6 if reporter.needs_company else 1.0
    if _SITE.match(name) and end - start <= 2:
        return made("site"), 1.3
    if end - start == 1:
        if name in PREFIXES and end < len(runs) and not runs[end].separator:
            return Segment("modifier", text, name, separator), 1.4
        if name in MODIFIERS or (start and text == "i"):
            return made("modifier"), 1.4
        return made("number" if name.isdigit() else "text"), 8.0 if name.isdigit() else 10.0
    if name[:2] == "bc" and name[2:].isdigit():
        return made("word", Word("barcode", "Barcode")), 1.1
    return None, 0.0


def _stands_alone(runs: list[_Run], start: int, end: int) -> bool:
    """Short words such as LD or lin count only between separators."""
    left = start == 0 or bool(runs[start].separator)
    return left and (end == len(runs) or bool(runs[end].separator) or runs[end].text.isdigit())


def _drop_lone_codes(segments: list[Segment]) -> list[Segment]:
    company = ("antigen", "word")
    if any(s.category in company or (isinstance(s.entry, Reporter) and not s.entry.needs_company) for s in segments):
        return segments
    return [
        Segment("text", s.text, s.key, s.separator) if isinstance(s.entry, Reporter) and s.entry.needs_company else s
        for s in segments
    ]
