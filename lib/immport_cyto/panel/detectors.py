"""Names that instruments give: scatter, time, detectors, pulse suffixes, metal isotopes."""

import re
from dataclasses import dataclass
from functools import lru_cache

from immport_cyto.panel._text import key
from immport_cyto.panel.vocabulary import Isotope, load

_PREFIX = re.compile(
    r"^(?:[*#~\s]+|X(?=\d))?(?:<?(?:FJ)?[-_ ]?(?:Comp|Compensated|Uncomp|cp)[-_. ]+|<)?(?=\S)", re.IGNORECASE
)
_PULSE = re.compile(
    r"(?:[-_. :,]+(?:(?:Log|Lin|H|A|W)?(?:Area|Height|Width|Peak|Integral|Log|Lin|HLin|HLog|ALin|ALog|WLin)|"
    r"LogH|LogA|LinH|LinA|LogW|LinW|(?-i:[AHW]))|[-_. ]+(?:INT|PEAK|TOF)(?:[-_. ]+(?:LIN|LOG))?|[-_. ]+(?:LIN|LOG)|"
    r" ?\((?:Peak|Area|Height|Width)\))$",
    re.IGNORECASE,
)  # fmt: skip
_PULSE_SMALL = re.compile(r"[-_. ][ahw]$")
_SCATTER = re.compile(
    r"^(?:\d{3}(?:nm)?[ _-]?)?(?:[VBRUYG]|UV|NUV|DUV|IR|VIOLET|BLUE|GREEN|YELLOW|YG|RED)?[ _-]?"
    r"(?:FSC|SSC|FS|SS|BSC|FALS|RALS|LALS|MALS|FLS|FWSC|SDSC|PMT FSC|SALS|"
    r"(?:small|large|medium|wide|low)[ _-]?angle(?: (?:light )?scatter)?|light ?loss|axial light loss|"
    r"(?:forward|side|back)[ _-]?(?:angle )?(?:light )?scatter\w*)"
    r"[ _-]?(?:PAR|PERP|PMT|PW|para|perp)?\d?"
    r"(?:[ ._-]?\(?(?:B|V|R|Y|YG|G|UV|IR|DUV|NUV|VIOLET|BLUE|RED|GREEN|YELLOW|IMAGING)\)?){0,2}"
    r"(?:[ ._-]*(?:Area|Height|Width|A|H|W|Lin|Log|HLin|HLog|ALin|INT|PEAK|TOF))*\d?"
    r"(?: \([^)]*\))?(?:[ _-]*(?:ratio|diff))?$",
    re.IGNORECASE,
)  # fmt: skip
_TIME = re.compile(
    r"^(?:HDR[ _-]?T|time|zeit|tijd|temps|tiempo|tempo)\d?"
    r"(?:\W*\(?[\d.]* ?(?:s|sec|secs|seconds|ms|min)\.?\)?|[ _](?:lsw|msw|lsb|msb|low|high|1|2))?$",
    re.IGNORECASE,
)  # fmt: skip
_FILTER = re.compile(
    r"[\[(]?(?<![\d.])\d{3}\s?[/\\]\s?\d{2,3}(?!\d)(?:\s?nm)?(?:\s?@\s?\d{3}(?:/\w+)?)?[\])]?|"
    r"[\[(]?(?<!\w)\d{3}\s?(?:LP|SP|BP|nm)(?!\w)[\])]?|\(\d{3}\)"
)
_COLOUR = (
    r"(?:UV|NUV|DUV|Ultraviolet|Deep ?Blue|Violet|Blue|Green|Yellow|Yel|YG|YelGrn|Red|Grn|Orange|NIR|Near[ -]?IR|IR|"
    r"Far ?Red|Vio|Blu|Gre|Org)"
)
_DETECTOR = re.compile(
    rf"^(?:FL[ _-]?\d{{1,2}}(?:[ _]?(?:{_COLOUR}|[A-Z]))?|"
    rf"(?:UV|V|B|R|Y|YG|G|BL|RL|VL|YL|GL|UL|YGL|IR|FR|NUV|DUV|U|O|GR|VR|NIR)[ _-]?\d{{1,3}}|"
    rf"\d{{3}}[ _-]{_COLOUR}|"
    rf"{_COLOUR}[ _.-]?(?:laser)?[ _.-]?(?:[A-Z]|\d{{1,3}})|"
    rf"{_COLOUR}[ _.-](?:B|R|V|Y|G)(?:[ _.-]?fluorescence)?(?: \(.*\))?|"
    r"(?:channel|chan|ch|param|parameter|det|detector|PMT|ADC|pulse)[ _-]?(?:[A-Z]|\d{1,3})|"
    r"[mP][ _-]?\d{1,2}|\d{3}[ _-]?[A-H]|"
    r"AF|autofluorescence|auto[ _-]?fluor\w*|.*\bfluorescence\b.*)$",
    re.IGNORECASE,
)  # fmt: skip
_COLOUR_ALONE = re.compile(rf"^{_COLOUR}$", re.IGNORECASE)
_BARE = re.compile(rf"^(?:{_COLOUR}|[A-Z]{{1,3}}|\d{{3}})$", re.IGNORECASE)
_METAL = re.compile(
    r"\((?P<e1>[A-Z][a-z]?|BCKG)(?P<m1>\d{2,3})\)(?P<d1>D[ido])?|"
    r"(?<![A-Za-z0-9])(?P<m2>\d{2,3})[-_ ]?(?P<e2>[A-Z][a-z]?|BCKG)(?P<d2>D[ido])?(?![A-Za-z0-9])|"
    r"(?<![A-Za-z0-9])(?P<e3>[A-Z][a-z]?|BCKG)[-_]?(?P<m3>\d{2,3})(?P<d3>D[ido])?(?![A-Za-z0-9])"
)
_IMAGE = re.compile(r"_(?:M\d{2}|MC)(?:_Ch\d{1,2})?$|_Ch\d{2}$")
_EMPTY = re.compile(r"^(?:[\W_]*|x{3,}|\?+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Metal:
    """A metal isotope found in a text, and the text without it."""

    isotope: Isotope
    rest: str


def strip_prefix(text: str) -> str:
    """Take away compensation prefixes such as ``Comp-`` and ``FJComp-``, and a leading ``<``."""
    return _PREFIX.sub("", text)


def strip_pulse(text: str) -> tuple[str, bool]:
    """The name without its pulse suffix (``-A``, ``-Height``, ``INT LOG``), and whether there was one."""
    stripped = _PULSE.sub("", text)
    if stripped == text and _PULSE_SMALL.search(text) and key(text[:-2]) in load().reporters:
        stripped = text[:-2]  # pe-a is a detector, IFN-a is not
    while stripped != (again := _PULSE.sub("", stripped)):
        stripped = again
    return (stripped, True) if stripped and stripped != text else (text, False)


def strip_filters(text: str) -> str:
    """The name without optical filters and laser lines: ``530/30``, ``(488)``, ``670LP``."""
    bare = _FILTER.sub(" ", text)
    return text if bare == text else " ".join(bare.split()).strip(" -_;/@")


def image_role(text: str) -> str:
    """Role of a feature of an imaging cytometer (``Area_M01``, ``Intensity_MC_Ch02``); empty for other names."""
    if not _IMAGE.search(text):
        return ""
    return "detector" if text.lower().startswith("intensity") else "event"


def is_empty(text: str) -> bool:
    """True for no text, punctuation only, ``xxxx``."""
    return bool(_EMPTY.match(text))


def is_scatter(text: str) -> bool:
    """Light scatter, under the names of all makers."""
    return bool(_SCATTER.match(text)) or bool(_SCATTER.match(strip_filters(strip_pulse(text)[0])))


def is_time(text: str) -> bool:
    """Time of acquisition."""
    return bool(_TIME.match(text))


def is_detector(text: str) -> bool:
    """A detector by number, colour or filter, without any dye."""
    if _DETECTOR.match(text):
        return True
    bare = strip_filters(text)
    return bare != text and (bare == "" or bool(_BARE.match(bare)) or bool(_DETECTOR.match(bare)))


def is_colour(text: str) -> bool:
    """A colour alone."""
    return bool(_COLOUR_ALONE.match(text))


@lru_cache(maxsize=16384)
def find_metal(text: str, expected: Isotope | None = None) -> Metal | None:
    """Find a metal isotope: ``(Nd142)Dd``, ``Nd142Di``, ``142Nd_CD19``, ``CD19_Nd142``.

    ``Cd112`` is read as cadmium only with ``Di``/``Dd``, in brackets, mass first, or where it is the `expected`
    isotope (of $PnN), because ``CD112`` is an antigen.
    """
    isotopes = load().isotopes
    for match in _METAL.finditer(text):
        group = match.groupdict()
        form = next(n for n in "123" if group[f"e{n}"])
        element, mass = group[f"e{form}"], group[f"m{form}"]
        isotope = isotopes.get(f"{mass}{element}")
        if isotope is None:
            continue
        if form == "3" and element == "Cd" and not group["d3"] and isotope != expected:
            continue
        rest = " ".join((text[: match.start()] + " " + text[match.end() :]).split()).strip(" _-")
        again = find_metal(rest, expected) if rest else None  # 176Lu_(Lu176Di)
        return again if again is not None and again.isotope == isotope else Metal(isotope, rest)
    return None
