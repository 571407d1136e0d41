"""Values as ImmPort writes them, in the units and words of ``samples.tsv``."""

import math
import re
import struct
import unicodedata
import zlib

DAYS_PER_YEAR = 365.25

_DAYS: dict[str, float] = {
    "second": 1 / 86400,
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": DAYS_PER_YEAR / 12,
    "year": DAYS_PER_YEAR,
}

# ages are whole or given in one unit: the ratio of calendar units is exact where it can be
_YEARS = {unit: days / DAYS_PER_YEAR for unit, days in _DAYS.items()} | {"month": 1 / 12, "year": 1.0}

TOP_CODE_YEARS = 90.0
"""ImmPort shares no age above 89; an age of exactly 90 years stands for 90 and more."""

# in order; the first that fits decides: technique of the experiment or of the file -> the word of samples.tsv
_TECHNIQUES = (
    (re.compile(r"cytof|mass[ _-]?cytometry|imaging mass", re.IGNORECASE), "CyTOF"),
    (re.compile(r"flow[ _-]?cytometry|\bfcm\b|\bfacs\b|fluorescence[- ]activated", re.IGNORECASE), "Flow cytometry"),
)

# in order, over purpose and detail together: releases up to DR22 say 'control' in the purpose only
_ROLES = (
    (re.compile(r"immport template", re.IGNORECASE), "other"),
    (re.compile(r"compensation|control", re.IGNORECASE), "control"),
    (re.compile(r"workspace", re.IGNORECASE), "workspace"),
    (re.compile(r"description", re.IGNORECASE), "description"),
    (re.compile(r"converted fcs", re.IGNORECASE), "converted"),
    (re.compile(r"text format", re.IGNORECASE), "text"),
    (re.compile(r"(flow[ _]cytometry|cytof|mass[ _]cytometry|fcs)[ _]result", re.IGNORECASE), "sample"),
)
_FCS_SUFFIXES = (".fcs", ".lmd", ".fcs.gz")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_FCS_END = re.compile(r"(\.(fcs|lmd))?(\.gz)?$", re.IGNORECASE)
_TRAILING_ID = re.compile(r"\.(\d{1,15})$")


def number(text: object) -> float | None:
    """A number, or None for an empty cell and for words.

    Some releases print a 32-bit float with 16 digits (``13.19999980926513``); such a value becomes the shortest
    decimal that is the same 32-bit number (13.2), so that releases agree.
    """
    if text is None:
        return None
    try:
        value = float(str(text).strip())
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    if len(str(text).strip().lstrip("-").replace(".", "")) > 9 and abs(value) < 1e30:
        single = struct.unpack("f", struct.pack("f", value))[0]
        if abs(single - value) <= 1e-14 * max(1.0, abs(value)):
            for digits in range(1, 9):
                short = float(f"{value:.{digits}g}")
                if struct.unpack("f", struct.pack("f", short))[0] == single:
                    return short
    return value


def _unit(text: object) -> str:
    return str(text or "").strip().lower().removesuffix("s")


def age_years(value: object, unit: object) -> float | None:
    """Age in years, or None where the value or the unit is unknown.

    Parameters
    ----------
    value
        The age as text or number.
    unit
        ``Years``, ``Months``, ``Weeks``, ``Days``, ``Hours`` in any case, singular or plural. ``Not Specified`` and
        an empty unit give None: an age is never guessed.

    Examples
    --------
    >>> age_years("18", "Months")
    1.5
    >>> age_years("0", "Not Specified") is None
    True
    """
    age, factor = number(value), _YEARS.get(_unit(unit))
    return None if age is None or factor is None or age < 0 else age * factor


def is_topcoded(years: float | None) -> bool | None:
    """Whether an age is ImmPort's top code (exactly 90 years); None for an unknown age."""
    return None if years is None else years == TOP_CODE_YEARS


def study_days(value: object, unit: object) -> float | None:
    """Time of collection in days after the study's time zero, or None where the value or the unit is unknown.

    >>> study_days("36", "Hours")
    1.5
    """
    time, factor = number(value), _DAYS.get(_unit(unit))
    return None if time is None or factor is None else time * factor


def technique(*texts: object) -> str:
    """``CyTOF``, ``Flow cytometry`` or ``""``, from the first of the texts that tells.

    >>> technique("FCM"), technique("Other", "CyTOF result in fcs format"), technique("ELISPOT")
    ('Flow cytometry', 'CyTOF', '')
    """
    for text in texts:
        for pattern, word in _TECHNIQUES:
            if text and pattern.search(str(text)):
                return word
    return ""


def word(text: object) -> str:
    """A term of a vocabulary; old releases write ``Not_Specified`` for ``Not Specified``.

    >>> word("Not_Specified")
    'Not Specified'
    """
    text = str(text or "").strip()
    return text.replace("_", " ") if re.fullmatch(r"[A-Za-z_]+", text) else text


def t0_name(event: object, specify: object) -> str:
    """The name of a study's time zero; ``Other`` is followed by what was specified.

    >>> t0_name("Time of enrollment", ""), t0_name("Other", "Day of biopsy")
    ('Time of enrollment', 'Other: Day of biopsy')
    """
    return ": ".join(text for text in (word(event), str(specify or "").strip()) if text)


def file_role(detail: object, purpose: object, name: object) -> str:
    """What a file is: sample (an FCS result file), text, control, workspace, description, converted or other.

    >>> file_role("Flow cytometry result in fcs format", "Flow cytometry compensation or control", "a.fcs")
    'control'
    """
    described = f"{purpose or ''} | {detail or ''}"
    for pattern, role in _ROLES:
        if pattern.search(described):
            if role == "sample" and not is_fcs_name(name):
                return "text"
            return role
    return "other"


def is_fcs_name(name: object) -> bool:
    """Whether a file name can be that of an FCS file: it ends so, or has no alphabetic suffix at all."""
    text = str(name or "").lower()
    return text.endswith(_FCS_SUFFIXES) or not _SUFFIX.search(text)


def bare_name(name: str) -> str:
    """A file name without ``.fcs`` and ``.gz``: Galaxy's element identifiers often lack them."""
    return _FCS_END.sub("", name.strip())


def name_key(name: object) -> str:
    """What two spellings of the same file name have in common: no folder, no suffix, case and Unicode form ignored."""
    text = unicodedata.normalize("NFC", str(name or "")).replace("\\", "/").rsplit("/", 1)[-1]
    return bare_name(text).casefold()


def id_in_name(name: object) -> int | None:
    """The file_info_id in a stored name.

    >>> id_in_name("11-0059_cells_found.573523.fcs"), id_in_name("cells.573523"), id_in_name("cells.fcs")
    (573523, 573523, None)
    """
    found = _TRAILING_ID.search(bare_name(str(name or "")))
    return int(found.group(1)) if found else None


def stored_name(name: object, file_info_id: object) -> str:
    """The name in ``ResultFiles``: with the id before the suffix. Releases before DR20 list it without, or as ``_id``.

    >>> stored_name("18001_G1_G01.fcs", 523399), stored_name("x.5.fcs", 5), stored_name("x_5.fcs", 5)
    ('18001_G1_G01.523399.fcs', 'x.5.fcs', 'x.5.fcs')
    """
    text, number_ = str(name or ""), str(file_info_id)
    if not text or int(number_) < 0 or id_in_name(text) == int(number_) or f".{number_}." in text:
        return text
    suffix = _SUFFIX.search(text)
    cut = suffix.start() if suffix else len(text)
    return f"{text[:cut].removesuffix(f'_{number_}')}.{number_}{text[cut:]}"


def original_name(name: object, original: object, file_info_id: object) -> str:
    """The name under which the file was uploaded: as given, else the stored name without the id."""
    if original:
        return str(original)
    return str(name or "").replace(f".{file_info_id}", "", 1)


def file_id(given: object, name: object, study: object) -> int | None:
    """The file_info_id: as given, else from the name, else a stable negative number in its place."""
    text = str(given or "").strip()
    if text.isdigit():
        return int(text)
    found = id_in_name(name)
    if found is not None:
        return found
    return -1 - zlib.crc32(f"{study}\t{name}".encode()) if name else None


def keyword(header: object, key: str) -> str:
    """A keyword of ``fcs_header_text`` (``KEY=value|KEY=value|...``); blanked values give ``""``."""
    found = re.search(rf"(?:^|\|){re.escape(key)}=([^|]*)", str(header or ""), re.IGNORECASE)
    return found.group(1).strip() if found else ""


def release_rank(release: object) -> float:
    """The number of a release such as ``DR28``, to compare; -1 where unknown."""
    found = re.search(r"(\d+(?:\.\d+)?)", str(release or ""))
    return float(found.group(1)) if found else -1.0
