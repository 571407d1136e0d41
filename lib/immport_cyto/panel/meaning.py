"""The meaning of the pieces of a channel text together."""

import re
from collections.abc import Sequence
from dataclasses import replace

from immport_cyto.panel._text import key
from immport_cyto.panel.composite import compose
from immport_cyto.panel.reading import ChannelReading, Hardware
from immport_cyto.panel.segments import MODIFIERS, Segment
from immport_cyto.panel.suggest import suggestions
from immport_cyto.panel.vocabulary import Antigen, Reporter, Word, load

NUMBERED = re.compile(r"\.?\d{1,2}$")
_BARCODE = re.compile(r"^bc\d+$")
_BEAD_MASSES = frozenset({140, 151, 153, 165, 175, 176})  # of EQ beads: CCR4_EQ is CCR4 where beads are seen too
_DETECTOR_DYES = frozenset({"7-AAD", "PI", "DAPI", "Hoechst", "SYTOX", "DRAQ5", "DRAQ7", "CFSE"})
# where a text holds several control words, the first of these decides
_WORD_ORDER = ("dump", "tetramer", "viability", "dna", "bead", "barcode", "proliferation", "isotype")
_LIGHT_CHAINS = frozenset({"Kappa", "Lambda", "IgG", "IgM", "anti-IgG"})
_CHAIN_LETTERS = frozenset({"k", "l", "kappa", "lambda", "clone", "ctrl", "control", "ctl"})


def is_dye(word: Word) -> bool:
    """Whether the word names one dye, not only what is stained."""
    return not word.name.startswith("DNA") and word.name not in {"Viability", "Live/Dead", "Fixable"}


def whole_name(text: str, hardware: Hardware, *, dye_is_detector: bool) -> ChannelReading | None:
    """The text as one name of the vocabulary."""
    vocabulary, name = load(), key(text)
    entry = vocabulary.antigens.get(name)
    if entry:
        return _marker(entry, hardware.reporter, "antigen name")
    reporter = vocabulary.reporters.get(name)
    if reporter and (hardware.reporter or not reporter.needs_company) and hardware.isotope is None:
        return ChannelReading(
            "detector",
            reporter=(hardware.reporter if reporter.needs_company else "") or reporter.name,
            rule="reporter without a marker",
        )
    word = vocabulary.words.get(name) or vocabulary.words.get(NUMBERED.sub("", name))
    if word and word.role not in {"event", "derived", "time"}:
        return _word(word, hardware, dye_is_detector=dye_is_detector)
    return None


def _word(word: Word, hardware: Hardware, *, dye_is_detector: bool) -> ChannelReading:
    reporter = hardware.reporter
    if dye_is_detector and word.name in _DETECTOR_DYES and hardware.isotope is None:
        return ChannelReading("detector", reporter=word.name, rule="dye without a marker")
    if word.role in {"viability", "proliferation", "dna"} and hardware.isotope is None and is_dye(word):
        reporter = word.name if not reporter or word.name.startswith("Zombie") else reporter
    if word.role == "empty":
        iridium = hardware.isotope is not None and hardware.isotope.element == "Ir"
        role, rule = ("dna", "iridium intercalator") if iridium else ("empty", f"word: {word.name}")
        return ChannelReading(role, reporter=reporter, rule=rule, confidence=0.8 if iridium else 1.0)
    alternatives = (f"marker {word.name}",) if word.role == "isotype" and word.name.startswith("IgG") else ()
    confidence = 0.6 if alternatives else 0.95
    modifiers = (word.name,) if word.role in {"tetramer", "dump"} else ()
    return ChannelReading(
        word.role, reporter=reporter, modifiers=modifiers, rule=f"word: {word.name}", confidence=confidence,
        alternatives=alternatives,
    )  # fmt: skip


def _marker(
    entry: Antigen, reporter: str, rule: str, confidence: float = 1.0, modifiers: tuple[str, ...] = ()
) -> ChannelReading:
    kind = {"phospho": ("phospho",), "cleaved": ("cleaved",)}.get(entry.kind, ())
    return ChannelReading(
        "marker", (entry.name,), entry.genes, reporter, tuple(dict.fromkeys((*kind, *modifiers))), rule, confidence,
        (), entry.marker_class,
    )  # fmt: skip


def interpret(text: str, segments: list[Segment], hardware: Hardware, *, dye_is_detector: bool) -> ChannelReading:
    """The meaning of the segments together."""
    antigens = [s for s in segments if s.category == "antigen"]
    words = {s.entry.role: s.entry for s in reversed(segments) if isinstance(s.entry, Word)}
    reporters = list(dict.fromkeys(s.entry.name for s in segments if isinstance(s.entry, Reporter)))
    reporter = _reporter(segments, hardware)
    asked = {MODIFIERS.get(s.key, "") for s in segments if s.category == "modifier"}
    if "or" in asked and (antigens or words):
        return _unknown(text, reporter, "two readings joined by a word", antigens)
    if not antigens:
        return _without_antigen(text, segments, words, reporters, hardware, dye_is_detector=dye_is_detector)
    isotype = words.get("isotype")
    chains = all(isinstance(s.entry, Antigen) and s.entry.name in _LIGHT_CHAINS for s in antigens)
    if isotype is not None and (isotype.name == "Isotype" or chains):
        return replace(_word(isotype, hardware, dye_is_detector=False), reporter=reporter)
    shared = hardware.isotope is not None and hardware.isotope.mass in _BEAD_MASSES and _is_eq(segments)
    if isotype is not None or ("bead" in words and not shared):
        return _unknown(text, reporter, "an antigen and a control", antigens)
    if any(_BARCODE.match(s.key) for s in segments):  # CD45_BC1: an antibody that marks the sample
        carriers = tuple(dict.fromkeys(s.entry.name for s in antigens if s.entry))
        return ChannelReading("barcode", reporter=reporter, modifiers=carriers, rule="word: barcode", confidence=0.9)
    if len(antigens) > 1 and any(isinstance(s.entry, Antigen) and s.entry.name == "CAR" for s in antigens):
        target = [f"against {s.entry.name}" for s in antigens if s.entry is not load().by_name["CAR"] and s.entry]
        return _marker(load().by_name["CAR"], reporter, "chimeric antigen receptor", 0.9, tuple(target))
    composite = compose(segments, hardware.isotope)
    if composite is None:
        return _unknown(text, reporter, "a name among others that are not known", antigens)
    names = tuple(entry.name for entry in composite.entries)
    if "tetramer" in words and any(entry.kind != "tetramer" for entry in composite.entries):
        modifiers = (words["tetramer"].name, *names)
        return ChannelReading("tetramer", (), (), reporter, modifiers, "word: tetramer", 0.9)
    through = [f"through {name}" for name in reporters if hardware.isotope is not None]
    dyes = [role for role in ("viability", "dna", "proliferation") if role in words]
    modifiers = tuple(dict.fromkeys([*composite.modifiers, *through, *dyes]))
    role = "dump" if dyes or "dump" in words else composite.role
    if role == "marker" and len(names) == 1:
        rule = "antigen name" if len(segments) == 1 else composite.rule
        return _marker(composite.entries[0], reporter, rule, composite.confidence, modifiers)
    genes = tuple(dict.fromkeys(gene for entry in composite.entries for gene in entry.genes))
    marker_class = composite.entries[0].marker_class if role == "marker" else "none"
    return ChannelReading(
        role, names, genes, reporter, modifiers, composite.rule, composite.confidence, (), marker_class
    )  # fmt: skip


def _is_eq(segments: list[Segment]) -> bool:
    """Whether the last piece, and it alone, names the EQ beads."""
    beads = [s for s in segments if isinstance(s.entry, Word) and s.entry.role == "bead"]
    return len(beads) == 1 and beads[0] is segments[-1] and beads[0].key == "eq"


def _without_antigen(
    text: str,
    segments: list[Segment],
    words: dict[str, Word],
    reporters: list[str],
    hardware: Hardware,
    *,
    dye_is_detector: bool,
) -> ChannelReading:
    """Text without any antigen: a dye, a control word, a reporter, or nothing known."""
    reporter = _reporter(segments, hardware)
    unread = [s for s in segments if s.category in {"text", "number"}]
    if words:
        role = next(name for name in _WORD_ORDER if name in words)
        if role == "viability" and "dna" in words and words[role].name in _DETECTOR_DYES:
            role = "dna"  # DNA (PI)
        texts = [s.key for s in unread if s.category == "text" and s.key not in _CHAIN_LETTERS]
        if any(t.startswith("cd") for t in texts) or (texts and role in {"isotype", "barcode", "dna"}):
            return _unknown(text, reporter, "unread text")
        read = _word(words[role], replace(hardware, reporter=reporter), dye_is_detector=dye_is_detector)
        return replace(read, confidence=min(read.confidence, 0.7)) if unread else read
    if reporters and not unread:
        if hardware.isotope is not None:
            secondary = load().by_name.get(f"anti-{reporters[0]}")
            if secondary is None:
                return _unknown(text, reporter, "a fluorochrome under a metal")
            return _marker(secondary, hardware.reporter, "fluorochrome under a metal", 0.7)
        return ChannelReading("detector", reporter=reporter, rule="reporter without a marker")
    return _unknown(text, reporter, "no known name")


def _reporter(segments: list[Segment], hardware: Hardware) -> str:
    """The label: what the text says, but for short codes and haptens, which only add to what $PnN says."""
    if hardware.isotope is not None:
        return hardware.reporter
    found = [s.entry for s in segments if isinstance(s.entry, Reporter)]
    dyes = [entry for entry in found if entry.kind != "hapten"]
    certain = [entry for entry in dyes if not entry.needs_company or any(c.isdigit() for c in entry.name)]
    if certain:
        return certain[0].name
    return hardware.reporter or (dyes or found)[0].name if found else hardware.reporter


def _unknown(text: str, reporter: str, rule: str, found: Sequence[Segment] = ()) -> ChannelReading:
    read = [s.entry.name for s in found if isinstance(s.entry, Antigen)]
    alternatives = tuple(dict.fromkeys((*read, *suggestions(text))))[:5]
    return ChannelReading("unknown", reporter=reporter, rule=rule, confidence=0.0, alternatives=alternatives)
