"""The keywords of a preprocessed FCS file: what is written, and how a later stage reads it.

All begin with ``ICYTO_``, so no other program takes them for its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from immport_cyto.fcs import personal

if TYPE_CHECKING:
    from immport_cyto.fcs import FCSFile

PREFIX = "ICYTO_"
FORMAT = 1

# the writer makes $PnB, $PnE, $PnG, $PnN, $PnR, $PnS and $PnDATATYPE itself
_STALE = re.compile(r"\$P\d+(D|CALIBRATION)|P\d+(DISPLAY|BS|MS)")


def is_preprocessed(keywords: Mapping[str, str]) -> bool:
    """Tell whether a file was written by this stage."""
    return bool(keywords.get(f"{PREFIX}FORMAT", "").strip())


def build(
    kept: Mapping[str, str],
    *,
    file_name: str,
    sha256: str,
    panel_id: str,
    technique: str,
    compensation: str,
    spillover: str,
    roles: Sequence[str],
    classes: Sequence[str],
    transforms: Sequence[str],
    counts: Mapping[str, int],
    seed: int,
) -> dict[str, str]:
    """Keywords of the output: those of the input that are still true, and ours.

    A spillover matrix moves to ``ICYTO_SPILLOVER`` (the one applied) or ``ICYTO_UNUSED_<keyword>`` (not applied): left
    under its own name, any other program would compensate a second time. Scales of single channels ($PnD,
    $PnCALIBRATION, PnDISPLAY) no longer hold and are left out; $PnE, $PnG and $PnR are the writer's. What points to a
    person or a day is left out, too, since results are shared.
    """
    result: dict[str, str] = {}
    for key, value in kept.items():
        upper = key.upper()
        if upper.startswith(PREFIX) or is_channel_scale(upper) or is_private(upper, value):
            continue
        if is_spillover(upper):
            if not spillover:
                result[f"{PREFIX}UNUSED_{upper.lstrip('$')}"] = value
            continue
        result[upper] = value
    ours = {
        "FORMAT": str(FORMAT),
        "FILE": file_name,
        "SOURCE_SHA256": sha256,
        "PANEL": panel_id,
        "TECHNIQUE": technique,
        "COMPENSATION": compensation,
        "SPILLOVER": spillover,
        "SEED": str(seed),
        "QC": json.dumps(dict(counts), separators=(",", ":")),
    }
    for number, (role, kind, transform) in enumerate(zip(roles, classes, transforms, strict=True), 1):
        ours[f"P{number}ROLE"] = role
        ours[f"P{number}CLASS"] = kind
        ours[f"P{number}TRANSFORM"] = transform
    result.update({f"{PREFIX}{key}": value for key, value in ours.items() if value})
    return result


def is_private(key: str, value: str) -> bool:
    """Tell whether a keyword points to a person or a day, by the list and the dates of ``fcs deidentify``."""
    if personal.is_clean(value):
        return False
    kind = personal.kind_of(key)
    if kind in personal.BLANKED or kind in personal.CALENDARS:
        return True
    is_number = value.strip().replace(".", "", 1).isdigit()
    is_structure = key.startswith(("$P", "$BEGIN", "$END")) or is_spillover(key)
    return not is_number and not is_structure and bool(personal.days_in(value, name=kind == personal.FILE))


def is_spillover(key: str) -> bool:
    """Tell whether a keyword holds a spillover or compensation matrix, or a number of one ($DFCmTOn)."""
    if key in {"$SPILLOVER", "SPILLOVER", "$SPILL", "SPILL", "$COMP", "COMP"}:
        return True
    return re.fullmatch(r"\$?DFC\d+TO\d+", key) is not None


def is_channel_scale(key: str) -> bool:
    """Tell whether a keyword says how the numbers of one channel are scaled or shown ($P3D, P3DISPLAY, ...)."""
    return _STALE.fullmatch(key) is not None


def markers(fcsfile: "FCSFile") -> dict[str, int]:
    """Channels of a file that measure a marker.

    Parameters
    ----------
    fcsfile
        An open FCS file. In a preprocessed one the ``ICYTO_P<n>ROLE`` keywords decide and $PnS is the marker; in any
        other the names are read by `immport_cyto.panel.parse_channel`.

    Returns
    -------
    dict
        Marker to index of the channel, 0-based, in the order of the channels. Of two channels with one marker the
        first counts.
    """
    return {marker: channels[0] for marker, channels in marker_channels(fcsfile).items()}


def marker_channels(fcsfile: "FCSFile") -> dict[str, list[int]]:
    """All channels of each marker, as `markers` gives the first."""
    found: dict[str, list[int]] = {}
    if is_preprocessed(fcsfile.keywords):
        for index, channel in enumerate(fcsfile.channels):
            if fcsfile.keywords.get(f"{PREFIX}P{channel.number}ROLE") == "marker":
                found.setdefault(channel.pns.strip() or channel.pnn, []).append(index)
        return found
    from immport_cyto.panel import parse_channel

    for index, channel in enumerate(fcsfile.channels):
        reading = parse_channel(channel.pnn, channel.pns)
        if reading.role == "marker":
            found.setdefault(reading.antigen, []).append(index)
    return found
