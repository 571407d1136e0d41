"""Markers from the reagents of a study, where the files name detectors only.

A reagent belongs to the channel of its fluorochrome: by name (a PE antibody in ``PE-A``), or by the laser and the
filter that the detector's name gives (a V450 antibody in ``Violet B 450/50-A``). It is taken where exactly one target
fits.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from immport_cyto.panel._text import key
from immport_cyto.panel.reading import ChannelReading
from immport_cyto.panel.vocabulary import Reporter, antigen, load

if TYPE_CHECKING:
    import pandas as pd

_LASERS = {
    "uv": (355,), "ultraviolet": (355,), "violet": (405,), "blue": (488,), "green": (532, 561), "yg": (561,),
    "yellow": (561,), "red": (640,), "v": (405,), "b": (488,), "g": (532, 561), "y": (561,), "r": (640,),
}  # fmt: skip
_LASER = re.compile(r"^(uv|ultraviolet|violet|blue|green|yg|yellow|red|v|b|g|y|r)(?=[\s_\d-])", re.IGNORECASE)
_BAND = re.compile(r"(\d{3})\s?[/\\]\s?(\d{2,3})")
_LONG_PASS = re.compile(r"(\d{3})\s?LP", re.IGNORECASE)
_TOLERANCE = 6  # nm between a peak and the edge of a filter
_WIDEST = 80  # nm that a long-pass filter is taken to reach
# dyes with PE are excited by the blue laser too
_BLUE_TOO = ("PE", "RPE")


@dataclass(frozen=True)
class Reagent:
    """One reagent that a sample was stained with: its target and its fluorochrome."""

    target: str
    reporter: str


def by_file(table: "pd.DataFrame | None") -> dict[str, tuple[Reagent, ...]]:
    """Reagents per file, from a table with the columns file_name, target and reporter."""
    found: dict[str, dict[Reagent, None]] = {}
    if table is not None:
        for row in table.to_dict("records"):
            reagent = Reagent(antigen(str(row["target"])) or str(row["target"]), str(row["reporter"]))
            found.setdefault(str(row["file_name"]), {})[reagent] = None
    return {name: through_biotin(reagents) for name, reagents in found.items()}


def through_biotin(reagents: Iterable[Reagent]) -> tuple[Reagent, ...]:
    """One biotinylated antibody and one streptavidin are one reagent: the target with the fluorochrome."""
    known = list(reagents)
    biotin = [r for r in known if r.reporter == "Biotin" and r.target]
    second = [r for r in known if r.target in {"", "Streptavidin"} and r.reporter not in {"", "Biotin", "Streptavidin"}]
    if len(biotin) == 1 and len(second) == 1:
        known.append(Reagent(biotin[0].target, second[0].reporter))
    return tuple(r for r in known if r.target and r.reporter not in {"", "Biotin"})


def read(pnn: str, reading: ChannelReading, reagents: Iterable[Reagent]) -> ChannelReading:
    """The marker of a channel without a name by the reagents of its sample; else the reading as it is.

    Where several targets fit, they are its alternatives.
    """
    if reading.role != "detector":
        return reading
    fitting: dict[str, Reagent] = {}
    for reagent in reagents:
        if (reading.reporter and reagent.reporter == reading.reporter) or _detects(pnn, reagent.reporter):
            fitting.setdefault(reagent.target, reagent)
    if len(fitting) != 1:
        return replace(reading, alternatives=tuple(sorted(fitting))) if fitting else reading
    (reagent,) = fitting.values()
    entry = load().by_name.get(reagent.target)
    if entry is None:
        return reading
    named = reagent.reporter == reading.reporter
    return ChannelReading(
        "marker", (entry.name,), entry.genes, reagent.reporter, (),
        "reagent of the sample" if named else "reagent of the sample by laser and filter", 0.9 if named else 0.7, (),
        entry.marker_class,
    )  # fmt: skip


def _detects(pnn: str, name: str) -> bool:
    """Whether a detector with its laser and filter in the name is the one for a fluorochrome."""
    reporter = load().reporters.get(key(name))
    laser, band, long_pass = _LASER.match(pnn.strip()), _BAND.search(pnn), _LONG_PASS.search(pnn)
    if reporter is None or not reporter.emission or laser is None or not (band or long_pass):
        return False
    if not set(_LASERS[laser.group(1).lower()]) & _excited_by(reporter):
        return False
    if band:
        return abs(reporter.emission - int(band.group(1))) <= int(band.group(2)) / 2 + _TOLERANCE
    return long_pass is not None and -_TOLERANCE <= reporter.emission - int(long_pass.group(1)) <= _WIDEST


def _excited_by(reporter: Reporter) -> set[int]:
    first = re.split(r"[- ]", reporter.name)[0]
    return {reporter.laser, *((488, 532) if first in _BLUE_TOO else ())}
