"""What a channel measures, read from its $PnN and $PnS together."""

import re
from dataclasses import replace
from functools import lru_cache

from immport_cyto.panel import detectors, notes
from immport_cyto.panel._text import clean, key
from immport_cyto.panel.meaning import NUMBERED, interpret, is_dye, whole_name
from immport_cyto.panel.reading import ChannelReading, Context, Hardware
from immport_cyto.panel.segments import cut
from immport_cyto.panel.vocabulary import Reporter, load

_BRACKETED = re.compile(r"^<([^<>]+)>\s*:?\s*(.*)$")
_CD_NUMBER = re.compile(r"^CD ?\d+$", re.IGNORECASE)
_DOUBLED = re.compile(r"^(.{2,40})[_. ]\1$")  # flowCore's name and description as one: Time_Time
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)")
_NEAR_INFRARED = frozenset({"nir", "nearir", "nearinfrared"})


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
    pnn, pns = (_DOUBLED.sub(r"\1", clean(text)) for text in (raw_pnn, raw_pns))
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
    image = detectors.image_role(pnn)
    if image and not label:
        return ChannelReading(image, rule="feature of an image")
    words, antigens = load().words, load().antigens
    for text in (shown, pnn):
        if key(text) in antigens:
            return None
        bare = detectors.strip_pulse(_IN_BRACKETS.sub("", text))[0]
        for name in (key(text), key(detectors.strip_pulse(text)[0]), NUMBERED.sub("", key(text)), key(bare)):
            word = words.get(name)
            if word and word.role in {"event", "derived", "time"}:
                return ChannelReading(word.role, rule=f"{word.role} parameter: {word.name}")
    return None


def _read_hardware(pnn: str) -> Hardware:
    metal = detectors.find_metal(pnn)
    if metal:
        return Hardware(isotope=metal.isotope, reporter=metal.isotope.name)
    name = detectors.strip_pulse(pnn)[0]
    known = frozenset(t for t in (key(pnn), key(name)) if t)
    vocabulary = load()
    for text in (name, detectors.strip_filters(name)):
        found = vocabulary.reporters.get(key(text))
        if found:
            return Hardware(reporter=found.name, words=known)
        word = vocabulary.words.get(key(text))
        if word and word.role in {"viability", "proliferation", "dna"} and is_dye(word):
            return Hardware(reporter=word.name, words=known)
    if detectors.is_detector(name) or detectors.is_detector(pnn):
        return Hardware(words=known)
    reporters = [s.entry.name for s in cut(name, lone_codes=True) if isinstance(s.entry, Reporter)]
    return Hardware(reporter=reporters[0] if len(reporters) == 1 else "", words=known)


def _no_label(hardware: Hardware, pnn: str, why: str, role: str = "") -> ChannelReading:
    """A channel without a marker name."""
    isotope = hardware.isotope
    if isotope is not None and isotope.element == "Ir":
        return ChannelReading("dna", reporter=isotope.name, rule="iridium intercalator", confidence=0.9)
    if isotope is not None:
        hint = (isotope.usual_use,) if isotope.usual_use not in {"", "antibody"} else ()
        return ChannelReading("empty", reporter=isotope.name, rule="isotope without a name", alternatives=hint)
    return ChannelReading(role or "detector", reporter=hardware.reporter, rule=why)


def _read_label(label: str, hardware: Hardware, context: Context | None, *, from_pnn: bool = False) -> ChannelReading:
    metal = detectors.find_metal(label, hardware.isotope)
    if metal:
        hardware = Hardware(metal.isotope, metal.isotope.name, hardware.words)
        label = metal.rest
    isotope = hardware.isotope
    if not label and isotope is None:
        return _no_label(hardware, label, "no name at all", "empty")
    if not label or (isotope and key(label) in {str(isotope.mass), key(isotope.name), isotope.element.lower()}):
        return _no_label(hardware, label, "isotope without a name")
    bare, pulsed = detectors.strip_pulse(label)
    if pulsed and key(label) in load().antigens and (key(bare) not in load().antigens or not _CD_NUMBER.match(bare)):
        bare, pulsed = label, False  # IFN-A, Glycophorin A; but CD8-A is CD8
    if isotope is None:
        bare = _without_channel_name(bare, hardware)
        vocabulary = load()
        known = key(bare) in vocabulary.antigens or key(bare) in vocabulary.reporters
        if detectors.is_colour(bare):
            return _colour(bare, hardware, pulsed=pulsed, from_pnn=from_pnn)
        if not known and (detectors.is_detector(bare) or detectors.is_detector(label)):
            return ChannelReading("detector", reporter=hardware.reporter, rule="name of a detector")
        if not known:
            bare = detectors.strip_filters(bare) or bare
    whole = whole_name(bare, hardware, dye_is_detector=pulsed or from_pnn)
    if whole:
        return _by_context(whole, context)
    rest, kept = notes.strip(bare)
    shorter = whole_name(rest, hardware, dye_is_detector=pulsed or from_pnn) if rest != bare else None
    segments = cut(notes.spell_out(rest), lone_codes=from_pnn or isotope is not None)
    reading = shorter or interpret(bare, segments, hardware, dye_is_detector=pulsed or from_pnn)
    if kept and reading.role != "unknown":
        reading = replace(reading, modifiers=(*reading.modifiers, *kept))
    return _by_context(reading, context)


def _colour(text: str, hardware: Hardware, *, pulsed: bool, from_pnn: bool) -> ChannelReading:
    """``Blue``: a viability dye or a laser, nobody can tell; ``Blue-A`` is a detector; ``NIR`` as stain is a dye."""
    if pulsed:
        return ChannelReading("detector", reporter=hardware.reporter, rule="name of a detector")
    if key(text) in _NEAR_INFRARED and not from_pnn:
        return ChannelReading("viability", reporter=hardware.reporter, rule="colour of a viability dye", confidence=0.6)
    return ChannelReading(
        "unknown", reporter=hardware.reporter, rule="colour without a name", confidence=0.0,
        alternatives=("viability", "detector"),
    )  # fmt: skip


def _without_channel_name(text: str, hardware: Hardware) -> str:
    """``CD25 407A-A`` in the channel ``407A-A`` names CD25."""
    for name in sorted(hardware.words, key=len, reverse=True):
        pattern = r"[\W_]*".join(map(re.escape, name.replace(".", "")))
        shorter = re.sub(rf"[\s_;:(-]+{pattern}[\s_)-]*$|^{pattern}[\s_;:-]+", "", text, flags=re.IGNORECASE)
        if shorter != text and key(shorter):
            return shorter.strip()
    return text


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
