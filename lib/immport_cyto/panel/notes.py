"""What people write into a channel name besides its target: clones, dilutions, lots, second names in brackets."""

import re
from functools import lru_cache

from immport_cyto.panel._text import key
from immport_cyto.panel.segments import MODIFIERS, cut
from immport_cyto.panel.vocabulary import Antigen, load, rows

_BRACKETS = re.compile(r"[(\[]([^()\[\]]{1,40})[)\]]")
_DILUTION = re.compile(
    r"(?<![\w.])1\s?[:/]\s?\d{2,5}(?![\w.])|(?<![\w.])\d+(?:\.\d+)?\s?(?:ul|µl|ug|ug/ml|ng/ml|ng|nM)\b", re.IGNORECASE
)
_REMARK = re.compile(
    r"(?<![A-Za-z0-9])(?:v\d|lot[ #:]?\w*|tube ?\d+|and[ _]beads?\d?|panel ?\d+|new|old|2nd)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# kinds of cells, makers, a number in front: left out only where a known antigen is left over
_KINDS = (
    r"(?:naive |memory |total )?(?:B|T|NK|NKT|plasma|stem|mast|dendritic|Th\d+)[ -]?cells?|NK|NKT|Tregs?|TFH|Th\d{1,2}|"
    r"pDCs?|mDCs?|cDC\d?|DCs?|mono|monocytes?|macs?|macrophages?|neuts?|neutrophils?|PMN|eos|basos?|RBCs?|platelets?|"
    r"plts?|erythroid"
)
_MAKERS = (
    r"biolegend|bd|bd biosciences|bd pharmingen|pharmingen|ebioscience|ebio|miltenyi|invitrogen|thermo|tonbo|cytek|"
    r"beckman|coulter|dako|abcam|r&d|r&d systems|fluidigm|maxpar|bio-?rad|sony"
)
# kinds of cells, makers, a number in front: left out only where a known antigen is left over
_ASIDE = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_KINDS}|{_MAKERS})(?![A-Za-z0-9]|[-.]?\d)|^\d{{1,2}}(?=[ _.-]+[A-Z])", re.IGNORECASE
)
_MAKER = re.compile(rf"^(?:{_MAKERS})$", re.IGNORECASE)
_CLONE = re.compile(r"(?:(?<=[\s_,;-])|(?<=\bclone))[ _:#-]*([A-Za-z0-9][A-Za-z0-9./-]{1,14})(?=$|[\s_,;)])")
_CLONE_FORM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.:/-]{1,19}$")
_SITES = re.compile(r"^p?(?:[STY]|Ser|Thr|Tyr)\d{2,4}(?:[/-]p?(?:[STY]|Ser|Thr|Tyr)?\d{2,4})*$", re.IGNORECASE)
_SHORT = 4  # a shorter name inside a clone is chance: H3 in D21H3
_QUOTES = re.compile(r"^[\"'*#~]+|[\"'*~?!]+$")
_ALL_IN_BRACKETS = re.compile(r"^\[([^\[\]]+)\]$")
_CLONE_IN_DASHES = re.compile(r"-([A-Za-z0-9.]{2,12})(?=-|$)")
_GLUED = re.compile(r"(?<![A-Za-z])CD(\d{4,16})(?!\d)", re.IGNORECASE)
_AFTER_LINEAGE = re.compile(r"^(lin\w*|dump)[\W_]+(\d{1,3}(?:\W+\d{1,3})+)\W*$", re.IGNORECASE)
_BEFORE_WORD = re.compile(r"^(\d{1,3}(?:[/,+-]\d{1,3})+)[/,+ _-]+([A-Za-z].*)$")
_NUMBERS_ONLY = re.compile(r"^\d{1,3}(?:\s?[/,+-]\s?\d{1,3}){2,}$")
# antigens of dump channels; a run of digits such as 141619 is only read as several of these
LINEAGE = ("3", "4", "8", "14", "15", "16", "19", "20", "33", "34", "56", "61", "66", "123", "235")
_ISOFORMS = frozenset({"PTPRC"})  # names of one gene that are never one target


@lru_cache(maxsize=1)
def clones() -> frozenset[str]:
    """Keys of known antibody clones."""
    return frozenset(key(row["clone"]) for row in rows("clones"))


def strip(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without clones, dilutions, remarks and repeated names in brackets; and what is worth keeping."""
    kept: list[str] = []
    text = _ALL_IN_BRACKETS.sub(r"\1", _QUOTES.sub("", text) or text)
    if len(text) < 4:
        return text, ()
    shorter = _REMARK.sub(" ", _DILUTION.sub(" ", text))
    text = shorter if key(shorter) else text
    shorter = _ASIDE.sub(" ", text)
    if shorter != text and key(shorter) in load().antigens:
        kept += [f"beside {' '.join(aside.split())}" for aside in _ASIDE.findall(text)]
        text = shorter
    text = _BRACKETS.sub(lambda match: _bracket(text[: match.start()], match, kept), text)
    for match in sorted((*_CLONE.finditer(text), *_CLONE_IN_DASHES.finditer(text)), key=lambda m: -m.start()):
        if key(match.group(1)) in clones() and key(match.group(1)) not in load().antigens:
            rest = text[: match.start()] + " " + text[match.end() :]
            if key(rest):
                text = rest
                kept.append(f"clone {match.group(1)}")
    return " ".join(text.split()).strip(" ,;"), tuple(kept)


def _bracket(before: str, match: re.Match[str], kept: list[str]) -> str:
    """What stands for a bracket: nothing for a clone or a second name of what stands before it."""
    content, whole = match.group(1), match.group(0)
    listed = [part.strip() for part in re.split(r"[,;]", content)]
    if all(_is_clone(part) or key(part) in clones() or _MAKER.match(part) for part in listed):
        kept.append(f"clone {content}")
        return " "
    first = load().antigens.get(key(before))
    if first is None:
        return whole
    if content.strip().isdigit() and content.strip() not in LINEAGE:
        kept.append(f"clone {content.strip()}")
        return " "
    parts = [load().antigens.get(key(part)) for part in re.split(r"[,;]", content)]
    return " " if any(_same(first, part) for part in parts) else whole


def _same(first: Antigen, other: Antigen | None) -> bool:
    """Whether two names are one target: the same entry, or names of the same gene that are no isoforms."""
    if other is None or first.kind in {"phospho", "cleaved"} or other.kind in {"phospho", "cleaved"}:
        return other is first
    return other is first or bool((set(first.genes) & set(other.genes)) - _ISOFORMS)


def _is_clone(text: str) -> bool:
    """Letters and digits in brackets that are nothing else: no antigen, dye, control word or phospho site."""
    if not _CLONE_FORM.match(text) or not any(c.isdigit() for c in text):
        return False
    if not (any(c.isalpha() for c in text) or "." in text) or key(text) in MODIFIERS:
        return False
    if any(load().antigens.get(key(part)) for part in re.split(r"[/,;]", text)) or _SITES.match(text):
        return False
    return all(s.category in {"text", "number", "modifier"} or len(s.key) < _SHORT for s in cut(text))


def spell_out(text: str) -> str:
    """``CD141619dead`` becomes ``CD14/CD16/CD19 dead``, ``3/14/19`` becomes ``CD3/CD14/CD19``: lineage numbers only."""
    if _NUMBERS_ONLY.match(text):
        numbers = re.findall(r"\d+", text)
        return "/".join(f"CD{n}" for n in numbers) if set(numbers) <= set(LINEAGE) else text
    before = _BEFORE_WORD.match(text)
    if before and set(re.findall(r"\d+", before.group(1))) <= set(LINEAGE):
        return "/".join(f"CD{n}" for n in re.findall(r"\d+", before.group(1))) + f" {before.group(2)}"
    after = _AFTER_LINEAGE.match(text)
    if after and set(re.findall(r"\d+", after.group(2))) <= set(LINEAGE):
        return f"{after.group(1)} " + "/".join(f"CD{n}" for n in re.findall(r"\d+", after.group(2)))
    return _GLUED.sub(lambda match: _glued(match.group(1)) or match.group(0), text)


def _glued(digits: str) -> str:
    ways: list[list[str]] = []

    def split(rest: str, taken: list[str]) -> None:
        if not rest:
            ways.append(taken)
        for number in LINEAGE:
            if rest.startswith(number) and len(ways) < 2:
                split(rest[len(number) :], [*taken, number])

    split(digits, [])
    return "/".join(f"CD{number}" for number in ways[0]) + " " if len(ways) == 1 else ""
