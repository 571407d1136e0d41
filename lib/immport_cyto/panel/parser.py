"""What a channel measures, read from its $PnN and $PnS together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from immport_cyto.panel import detectors
from immport_cyto.panel._text import clean, key
from immport_cyto.panel.composite import compose, spell_out, split_clones
from immport_cyto.panel.segments import MODIFIERS, Segment, cut
from immport_cyto.panel.suggest import suggestions
from immport_cyto.panel.vocabulary import Antigen, Isotope, Reporter, Word, load

ROLES = (
    "marker", "dump", "viability", "dna", "bead", "barcode", "isotype", "tetramer", "proliferation", "scatter", "time",
    "event", "detector", "empty", "derived", "unknown",
)  # fmt: skip

_BRACKETED = re.compile(r"^<([^<>]+)>\s*:?\s*(.*)$")
_DETECTOR_DYES = frozenset({"7-AAD", "PI", "DAPI", "Hoechst", "SYTOX", "DRAQ5", "DRAQ7", "CFSE"})
# where a text holds several control words, the first of these decides
_WORD_ORDER = ("dump", "tetramer", "viability", "dna", "bead", "barcode", "proliferation", "isotype")
_NUMBERED = re.compile(r"\.?\d{1,2}$")


@dataclass(frozen=True)
class Context:
    """What is known of the file: its technique and how often each label occurs.

    Attributes
    ----------
    technique
        ``"flow"``, ``"cytof"`` or ``""`` when not known.
    labels
        Texts of the other channels of the file.
    """

    technique: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChannelReading:
    """How one channel was read.

    Attributes
    ----------
    role
        One of `ROLES`.
    antigens
        Preferred names, in the order written; several only for composites.
    genes
        Gene symbols of the antigens.
    reporter
        Fluorochrome or isotope (``142Nd``); empty when unknown.
    modifiers
        surface, intracellular, phospho, total, site, detection through a fluorochrome, text left unread.
    rule
        The rule that decided.
    confidence
        0 to 1.
    alternatives
        Readings that were rejected, or suggestions where the channel is unknown.
    marker_class
        type, state or none.
    """

    role: str
    antigens: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    reporter: str = ""
    modifiers: tuple[str, ...] = ()
    rule: str = ""
    confidence: float = 1.0
    alternatives: tuple[str, ...] = ()
    marker_class: str = "none"

    @property
    def antigen(self) -> str:
        """Antigens joined by ``/``; empty when the channel measures none."""
        return "/".join(self.antigens)

    def describe(self) -> list[str]:
        """The reading in a few lines for a person."""
        parts = [
            ("role", self.role),
            ("antigen", ", ".join(self.antigens)),
            ("gene", ", ".join(self.genes)),
            ("reporter", self.reporter),
            ("class", self.marker_class if self.role == "marker" else ""),
            ("modifiers", ", ".join(self.modifiers)),
            ("rule", f"{self.rule} (confidence {self.confidence:g})"),
            ("near names" if self.role == "unknown" else "or", ", ".join(self.alternatives)),
        ]
        return [f"{name:<11} {value}" for name, value in parts if value]


@dataclass(frozen=True)
class _Hardware:
    """What $PnN says about the detector."""

    isotope: Isotope | None = None
    reporter: str = ""
    words: frozenset[str] = field(default_factory=frozenset)


def parse_channel(pnn: str, pns: str = "", *, context: Context | None = None) -> ChannelReading:
    """Read one channel from its short and long name.

    Parameters
    ----------
    pnn, pns
        Values of $PnN and $PnS; any text.
    context
        The file that the channel belongs to, where known.

    Returns
    -------
    ChannelReading
        Never an error: what cannot be read has the role ``unknown`` and suggestions.

    Examples
    --------
    >>> reading = parse_channel("(Nd142)Dd", "CD19")
    >>> reading.role, reading.antigen, reading.reporter
    ('marker', 'CD19', '142Nd')
    """
    return _parse(str(pnn)[:1000], str(pns)[:1000], context)


@lru_cache(maxsize=65536)
def _parse(raw_pnn: str, raw_pns: str, context: Context | None) -> ChannelReading:
    pnn, pns = clean(raw_pnn), clean(raw_pns)
    for text in (pns, pnn):
        bracketed = _BRACKETED.match(text)
        if bracketed:
            pnn, pns = bracketed.group(1), bracketed.group(2)
            break
    pnn, pns = detectors.strip_prefix(pnn), detectors.strip_prefix(pns)
    label = "" if key(pnn) == key(pns) and not pns.startswith("-") else pns
    fixed = _fixed_role(pnn, label)
    if fixed:
        return fixed
    hardware = _read_hardware(pnn)
    if label and detectors.is_empty(label):
        return _no_label(hardware, pnn, f"no name in $PnS ({label[:20]})", "empty")
    if label:
        return _read_label(label, hardware, context)
    return _read_label(pnn, hardware, context, from_pnn=True)


def _fixed_role(pnn: str, label: str) -> ChannelReading | None:
    """Scatter, time and parameters that the instrument or a program adds."""
    shown = label or pnn
    if detectors.is_scatter(pnn) or detectors.is_scatter(label):
        return ChannelReading("scatter", rule="name of light scatter")
    if detectors.is_time(pnn) or detectors.is_time(label):
        return ChannelReading("time", rule="name of time")
    words, antigens = load().words, load().antigens
    for text in (shown, pnn):
        if key(text) in antigens:
            return None
        for name in (key(text), key(detectors.strip_pulse(text)[0]), _NUMBERED.sub("", key(text))):
            word = words.get(name)
            if word and word.role in {"event", "derived", "time"}:
                return ChannelReading(word.role, rule=f"{word.role} parameter: {word.name}")
    return None


def _read_hardware(pnn: str) -> _Hardware:
    metal = detectors.find_metal(pnn)
    if metal:
        return _Hardware(isotope=metal.isotope, reporter=metal.isotope.name)
    name = detectors.strip_pulse(pnn)[0]
    known = frozenset(t for t in (key(pnn), key(name)) if t)
    vocabulary = load()
    for text in (name, detectors.strip_filters(name)):
        found = vocabulary.reporters.get(key(text))
        if found:
            return _Hardware(reporter=found.name, words=known)
        word = vocabulary.words.get(key(text))
        if word and word.role in {"viability", "proliferation", "dna"} and _is_dye(word):
            return _Hardware(reporter=word.name, words=known)
    if detectors.is_detector(name) or detectors.is_detector(pnn):
        return _Hardware(words=known)
    reporters = [s.entry.name for s in cut(name, lone_codes=True) if isinstance(s.entry, Reporter)]
    return _Hardware(reporter=reporters[0] if len(reporters) == 1 else "", words=known)


def _is_dye(word: Word) -> bool:
    """Whether the word names one dye, not only what is stained."""
    return not word.name.startswith("DNA") and word.name not in {"Viability", "Live/Dead", "Fixable"}


def _no_label(hardware: _Hardware, pnn: str, why: str, role: str = "") -> ChannelReading:
    """A channel without a marker name."""
    isotope = hardware.isotope
    if isotope is not None and isotope.element == "Ir":
        return ChannelReading("dna", reporter=isotope.name, rule="iridium intercalator", confidence=0.9)
    if isotope is not None:
        hint = (isotope.usual_use,) if isotope.usual_use not in {"", "antibody"} else ()
        return ChannelReading("empty", reporter=isotope.name, rule="isotope without a name", alternatives=hint)
    return ChannelReading(role or "detector", reporter=hardware.reporter, rule=why)


def _read_label(label: str, hardware: _Hardware, context: Context | None, *, from_pnn: bool = False) -> ChannelReading:
    metal = detectors.find_metal(label, hardware.isotope)
    if metal:
        hardware = _Hardware(metal.isotope, metal.isotope.name, hardware.words)
        label = metal.rest
    isotope = hardware.isotope
    if not label or (isotope and key(label) in {str(isotope.mass), key(isotope.name), isotope.element.lower()}):
        return _no_label(hardware, label, "isotope without a name")
    bare, pulsed = detectors.strip_pulse(label)
    if pulsed and key(label) in load().antigens and key(bare) not in load().antigens:
        bare, pulsed = label, False  # IFN-A
    if isotope is None:
        bare = _without_channel_name(bare, hardware)
        vocabulary = load()
        known = key(bare) in vocabulary.antigens or key(bare) in vocabulary.reporters
        if detectors.is_colour(bare):
            return _colour(hardware, pulsed=pulsed)
        if not known and (detectors.is_detector(bare) or detectors.is_detector(label)):
            return ChannelReading("detector", reporter=hardware.reporter, rule="name of a detector")
        if not known:
            bare = detectors.strip_filters(bare) or bare
    whole = _whole(bare, hardware, dye_is_detector=pulsed or from_pnn)
    if whole:
        return _by_context(whole, context)
    rest, clones = split_clones(bare)
    segments = cut(spell_out(rest), lone_codes=from_pnn or isotope is not None)
    reading = _interpret(bare, segments, hardware, dye_is_detector=pulsed or from_pnn)
    if clones and reading.role != "unknown":
        reading = replace(reading, modifiers=(*reading.modifiers, *(f"clone {name}" for name in clones)))
    return _by_context(reading, context)


def _colour(hardware: _Hardware, *, pulsed: bool) -> ChannelReading:
    """``Blue``: a viability dye or a laser, nobody can tell; ``Blue-A`` is a detector."""
    if pulsed:
        return ChannelReading("detector", reporter=hardware.reporter, rule="name of a detector")
    return ChannelReading(
        "unknown", reporter=hardware.reporter, rule="colour without a name", confidence=0.0,
        alternatives=("viability", "detector"),
    )  # fmt: skip


def _without_channel_name(text: str, hardware: _Hardware) -> str:
    """``CD25 407A-A`` in the channel ``407A-A`` names CD25."""
    for name in sorted(hardware.words, key=len, reverse=True):
        pattern = r"[\W_]*".join(map(re.escape, name.replace(".", "")))
        shorter = re.sub(rf"[\s_;:(-]+{pattern}[\s_)-]*$|^{pattern}[\s_;:-]+", "", text, flags=re.IGNORECASE)
        if shorter != text and key(shorter):
            return shorter.strip()
    return text


def _whole(text: str, hardware: _Hardware, *, dye_is_detector: bool) -> ChannelReading | None:
    """The text as one name of the vocabulary."""
    vocabulary, name = load(), key(text)
    entry = vocabulary.antigens.get(name)
    if entry:
        return _marker(entry, hardware.reporter, "antigen name")
    reporter = vocabulary.reporters.get(name)
    if reporter and not reporter.needs_company and (hardware.isotope is None):
        return ChannelReading("detector", reporter=reporter.name, rule="reporter without a marker")
    word = vocabulary.words.get(name) or vocabulary.words.get(_NUMBERED.sub("", name))
    if word and word.role not in {"event", "derived", "time"}:
        return _word(word, hardware, dye_is_detector=dye_is_detector)
    return None


def _word(word: Word, hardware: _Hardware, *, dye_is_detector: bool) -> ChannelReading:
    reporter = hardware.reporter
    if dye_is_detector and word.name in _DETECTOR_DYES and hardware.isotope is None:
        return ChannelReading("detector", reporter=word.name, rule="dye without a marker")
    if word.role in {"viability", "proliferation", "dna"} and hardware.isotope is None and _is_dye(word):
        reporter = word.name if not reporter or word.name.startswith("Zombie") else reporter
    if word.role == "empty":
        return ChannelReading("empty", reporter=reporter, rule=f"word: {word.name}")
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


def _by_context(reading: ChannelReading, context: Context | None) -> ChannelReading:
    """IgG1 beside IgG3 and IgG4, or IgA and IgM, is an antibody class of a B-cell panel, not a control."""
    if context is None or reading.role != "isotype" or not reading.alternatives:
        return reading
    labels = {key(label) for label in context.labels}
    if len(labels & {"igg3", "igg4", "igm", "iga", "iga1", "iga2", "ige"}) >= 2:
        name = reading.alternatives[0].removeprefix("marker ")
        return replace(
            reading, role="marker", antigens=(name,), genes=(f"IGHG{name[3:4]}",),
            rule="antibody class of a B-cell panel", alternatives=("isotype control",), marker_class="type",
        )  # fmt: skip
    return reading


def _interpret(text: str, segments: list[Segment], hardware: _Hardware, *, dye_is_detector: bool) -> ChannelReading:
    """The meaning of the segments together."""
    antigens = [s for s in segments if s.category == "antigen"]
    words = {s.entry.role: s.entry for s in reversed(segments) if isinstance(s.entry, Word)}
    reporters = list(dict.fromkeys(s.entry.name for s in segments if isinstance(s.entry, Reporter)))
    reporter = reporters[0] if reporters and hardware.isotope is None else hardware.reporter
    asked = {MODIFIERS.get(s.key, "") for s in segments if s.category == "modifier"}
    if "or" in asked and (antigens or words):
        return _unknown(text, reporter, "two readings joined by a word", antigens)
    if not antigens:
        return _without_antigen(text, segments, words, reporters, hardware, dye_is_detector=dye_is_detector)
    isotype = words.get("isotype")
    if isotype is not None and isotype.name == "Isotype":
        return replace(_word(isotype, hardware, dye_is_detector=False), reporter=reporter)
    if isotype is not None or "bead" in words:
        return _unknown(text, reporter, "an antigen and a control", antigens)
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


def _without_antigen(
    text: str,
    segments: list[Segment],
    words: dict[str, Word],
    reporters: list[str],
    hardware: _Hardware,
    *,
    dye_is_detector: bool,
) -> ChannelReading:
    """Text without any antigen: a dye, a control word, a reporter, or nothing known."""
    reporter = reporters[0] if reporters and hardware.isotope is None else hardware.reporter
    unread = [s for s in segments if s.category in {"text", "number"}]
    if words:
        role = next(name for name in _WORD_ORDER if name in words)
        texts = [s.key for s in unread if s.category == "text"]
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


def _unknown(text: str, reporter: str, rule: str, found: Sequence[Segment] = ()) -> ChannelReading:
    read = [s.entry.name for s in found if isinstance(s.entry, Antigen)]
    alternatives = tuple(dict.fromkeys((*read, *suggestions(text))))[:5]
    return ChannelReading("unknown", reporter=reporter, rule=rule, confidence=0.0, alternatives=alternatives)
