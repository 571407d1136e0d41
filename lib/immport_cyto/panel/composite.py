"""Several antigens in one channel: dumps, families, two targets on one metal; and text that may be left unread."""

import re
from dataclasses import dataclass

from immport_cyto.panel.notes import LINEAGE
from immport_cyto.panel.segments import MODIFIERS, PREFIXES, Segment
from immport_cyto.panel.suggest import near_reporter
from immport_cyto.panel.vocabulary import STATE, Antigen, Isotope, load

_CD = re.compile(r"^cd(\d+)([a-z]*)$")
_NOT_ADDED = frozenset({"1", "2", "6", "9"})  # counters, as in CD86-2
_CHANGES_TARGET = frozenset(
    {
        "ligand",
        "receptor",
        "like",
        "l",
        "r",
        "rl",
        "lg",
        "inhibitor",
        "antagonist",
        "subunit",
        "chain",
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "isoform",
        "variant",
        "active",
        "activated",
        "inactive",
        "acetyl",
        "acetylated",
        "methyl",
        "methylated",
        "ubiquitinated",
        "truncated",
        "mutant",
        "mut",
    }
)
_MUTATION = re.compile(r"^([acdefghiklmnpqrstvwy])\d{2,4}(?!\1)[acdefghiklmnpqrstvwy]$")  # IDH1 R132H
_SINGLE_TARGET = 89  # the lightest mass of a label: numbers from here on may be masses


@dataclass(frozen=True)
class Composite:
    """Antigens of one channel, and the role that their way of writing gives."""

    entries: tuple[Antigen, ...]
    role: str
    rule: str
    confidence: float
    modifiers: tuple[str, ...]


def compose(segments: list[Segment], isotope: Isotope | None) -> Composite | None:
    """Join the antigens of a text; None where a rest of the text makes the reading doubtful."""
    entries: list[Antigen] = []
    separators: list[str] = []
    modifiers: list[str] = []
    unread: list[list[Segment]] = []  # each a run of pieces that belong together, such as a clone: RPA-T4
    rule, last, previous = "antigen and reporter", None, None
    for segment in _join_clones(segments):
        added: list[Antigen] = []
        if segment.category == "antigen" and isinstance(segment.entry, Antigen):
            glued = (
                last is not None and not segment.separator and previous is not None and previous.category == "antigen"
            )
            if glued and len(segment.key) < 4 and segment.key[:2] != "cd":
                return None  # IL20RB is not IL-20 and Rb
            added = [segment.entry]
        elif segment.category == "number" and previous is not None and previous.category == "site":
            modifiers.append(f"site {segment.key}")  # T37/46
            continue
        elif segment.category == "number" and isotope is not None and segment.key == str(isotope.mass):
            modifiers.append(f"mass {segment.key}")
            continue
        elif segment.category == "number" and last is not None:
            if _is_mass(segment, isotope, entries):
                modifiers.append(f"mass {segment.key}")
                continue
            added = _numbers(segment, last)
            rule = "numbers after CD" if added else rule
        elif segment.category in {"text", "modifier"} and last is not None and len(segment.key) == 1:
            added = _letters(segment, last)
            rule = "letters after one stem" if added else rule
        if added:
            for entry in added:
                if entry not in entries:
                    entries.append(entry)
                    separators.append(segment.separator)
            last = added[-1]
        else:
            _modify(segment, modifiers, unread, continued=bool(unread) and previous is unread[-1][-1])
        previous = segment
    return _decide(entries, separators, modifiers, unread, rule, isotope)


def _modify(segment: Segment, modifiers: list[str], unread: list[list[Segment]], *, continued: bool) -> None:
    if segment.category == "modifier":
        meaning = MODIFIERS.get(segment.key) or PREFIXES.get(segment.key, "")
        if meaning and meaning != "and":
            modifiers.append(meaning)
    elif segment.category == "site":
        modifiers.append(f"site {segment.text.strip()}")
    elif segment.category in {"text", "number"}:
        if continued and segment.separator in {"", "-", "."}:
            unread[-1].append(segment)
        else:
            unread.append([segment])


def _decide(
    entries: list[Antigen],
    separators: list[str],
    modifiers: list[str],
    unread: list[list[Segment]],
    rule: str,
    isotope: Isotope | None,
) -> Composite | None:
    if not entries:
        return None
    confidence = 0.98
    for pieces in unread:
        segment, name = pieces[0], "".join(piece.key for piece in pieces)
        # a free-standing rest after "_", a blank or in brackets (clone, barcode set) does not change the target
        if any(piece.key in _CHANGES_TARGET for piece in pieces) or name.startswith("cd") or _MUTATION.match(name):
            return None
        if not near_reporter(name) and (
            len(entries) > 1 or not segment.separator or set(segment.separator) & set("/-+&,;|")
        ):
            return None
        confidence = 0.6
        modifiers.append(
            "unread " + "".join(("" if piece is segment else piece.separator) + piece.text for piece in pieces)
        )
    entries = _phospho(entries, modifiers)
    forms = {entry.name for entry in entries if entry.kind == "phospho"}
    entries = [entry for entry in entries if f"p{entry.name}" not in forms]  # p-p44/42 (Erk1/2) is one target
    if len(entries) == 1:
        rule = "antigen with unread text" if unread else rule
        return Composite((entries[0],), "marker", rule, confidence, tuple(modifiers))
    joined = [s.strip() for s in separators[1:]]
    family = rule == "letters after one stem"
    two_on_one_label = len(entries) == 2 and all(s == "_" for s in joined)
    function = all(entry.marker_class == STATE for entry in entries)  # IL-4/IL-13 is no dump
    role = "marker" if family or two_on_one_label or function else "dump"
    if role == "dump" and rule == "antigen and reporter":
        rule = "several antigens"
    return Composite(tuple(entries), role, rule if role == "dump" or family else "two antigens", 0.9, tuple(modifiers))


def _phospho(entries: list[Antigen], modifiers: list[str]) -> list[Antigen]:
    """``STAT5 (pY694)`` and ``phospho STAT5`` are the phospho form."""
    site = any(m.startswith("site ") for m in modifiers)
    if not site and "phospho" not in modifiers:
        return entries
    by_name = load().by_name
    return list(dict.fromkeys(by_name.get(f"p{e.name}") or _phospho_form(e) for e in entries))


def _phospho_form(entry: Antigen) -> Antigen:
    """The phospho form of an antigen whose phospho form the vocabulary does not have: never the antigen itself."""
    if entry.kind in {"phospho", "cleaved"} or not entry.genes:
        return entry
    return entry._replace(name=f"p{entry.name}", kind="phospho", marker_class=STATE)


def _is_mass(segment: Segment, isotope: Isotope | None, entries: list[Antigen]) -> bool:
    """``CD45_89``: a mass after the name, the label of a barcoded antibody."""
    number = int(segment.key) if len(segment.key) <= 3 else 0
    if isotope is not None:
        return number == isotope.mass
    if segment.separator == "-" and entries[-1].name != "CD45":
        return False
    masses = {i.mass for i in load().isotopes.values()}
    return segment.separator in {"_", " ", "-"} and number >= _SINGLE_TARGET and number in masses and len(entries) == 1


def _numbers(segment: Segment, last: Antigen) -> list[Antigen]:
    """``CD3-19-20``: numbers that go on after a CD antigen."""
    if not _CD.match(last.name.lower()) or not segment.separator or segment.key in _NOT_ADDED:
        return []
    if not segment.separator.strip() and segment.key not in LINEAGE:
        return []
    found = load().antigens.get(f"cd{segment.key}")
    return [found] if found else []


def _letters(segment: Segment, last: Antigen) -> list[Antigen]:
    """``CD158a/b/e``: letters that share the stem."""
    match = _CD.match(last.name.lower())
    if not match or not match.group(2) or segment.separator.strip() not in {"/", ",", "+"}:
        return []
    found = load().antigens.get(f"cd{match.group(1)}{segment.key}")
    return [found] if found else []


def _join_clones(segments: list[Segment]) -> list[Segment]:
    """Letters and digits glued together that are no name, such as the clones 3G8 and RPA-T4, as one piece."""
    joined: list[Segment] = []
    for segment in segments:
        before = joined[-1] if joined else None
        piece = segment.separator == "" and segment.category in {"text", "number", "modifier"}
        open_end = before is not None and before.category in {"text", "number"}
        if before is not None and piece and open_end and before.key[-1:].isdigit() != segment.key.isdigit():
            text = before.text + segment.separator + segment.text
            joined[-1] = Segment("text", text, before.key + segment.key, before.separator)
        else:
            joined.append(segment)
    return joined
