"""A person's corrections: a small table that wins over the parser, is checked, and can be written back complete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import PanelError, TableError
from immport_cyto.panel.reading import ROLES, ChannelReading
from immport_cyto.panel.vocabulary import NONE, STATE, TYPE, antigen, load
from immport_cyto.tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd

CORRECTIONS = Table(
    "corrections.tsv",
    "what a channel measures, decided by a person",
    (
        Column("file", "text", "file name, with * and ? as wildcards; * for every file"),
        Column("channel", "text", "$PnN as in the file, with * and ? as wildcards"),
        Column("antigen", "text", "marker name; empty where the role measures none"),
        Column("role", "text", "role of the channel; empty means marker", False),
        Column("marker_class", "text", "type or state; empty: by rule", False),
        Column("description", "text", "$PnS as in the file, for the reader", False),
    ),
    ("file", "channel"),
)
_WITH_ANTIGEN = frozenset({"marker", "dump", "tetramer"})


@dataclass
class Correction:
    """One row; `used` counts the channels that it changed."""

    row: int
    file: str
    channel: str
    antigen: str
    role: str
    marker_class: str
    used: int = field(default=0)

    def __str__(self) -> str:
        return f"corrections row {self.row} (file {self.file!r}, channel {self.channel!r})"


def read_corrections(path: Path | str) -> "pd.DataFrame":
    """Read the table; TableError when a column is missing."""
    from immport_cyto import tables

    return tables.read(path, CORRECTIONS)


def write_corrections(frame: "pd.DataFrame", path: Path | str) -> None:
    """Write a table of corrections, whole or not at all.

    Parameters
    ----------
    frame
        As `immport_cyto.panel.harmonize` gives it: file, channel, antigen, role, class.
    path
        Where to.

    Raises
    ------
    TableError
        A column is missing or of the wrong kind.
    """
    from immport_cyto import tables

    tables.write(frame, path, CORRECTIONS)


def check(frame: "pd.DataFrame | None") -> list[Correction]:
    """Corrections as objects.

    Raises
    ------
    TableError
        A column is missing, a role or class is not known, or an antigen stands where the role has none.
    """
    if frame is None:
        return []
    from immport_cyto import tables

    conformed = tables.conform(frame, CORRECTIONS, source="corrections")
    found: list[Correction] = []
    records: list[dict[str, Any]] = conformed.to_dict("records")
    for number, record in enumerate(records, start=1):
        values = {name: str(record[name]).strip() for name in ("file", "channel", "antigen", "role", "marker_class")}
        role = values["role"] or ("marker" if values["antigen"] else "")
        correction = Correction(
            number, values["file"] or "*", values["channel"], values["antigen"], role, values["marker_class"]
        )
        problem = _problem(correction)
        if problem:
            msg = f"{correction}: {problem}"
            raise TableError(msg)
        correction.antigen = antigen(correction.antigen) or correction.antigen
        found.append(correction)
    return found


def _problem(correction: Correction) -> str:
    if not correction.channel:
        return "column 'channel' is empty; write a $PnN name or *"
    if not correction.role:
        return "neither antigen nor role is given; fill one of them"
    if correction.role not in ROLES:
        return f"column 'role' holds {correction.role!r}; use one of {', '.join(ROLES)}"
    if correction.role == "marker" and not correction.antigen:
        return "role marker needs an antigen; fill column 'antigen'"
    if correction.antigen and correction.role not in _WITH_ANTIGEN:
        return f"role {correction.role!r} measures no antigen; empty column 'antigen' or use role marker"
    if any(character in correction.antigen for character in ";\t\n"):
        return "column 'antigen' holds a ';' or a line end; write one name"
    if correction.marker_class not in {"", TYPE, STATE, NONE}:
        return f"column 'marker_class' holds {correction.marker_class!r}; use type, state or none"
    return ""


def apply(
    corrections: Iterable[Correction], file_name: str, pnn: str, reading: ChannelReading
) -> tuple[ChannelReading, str]:
    """The reading after corrections, and the marker class asked for ("" if none).

    Raises
    ------
    PanelError
        Two rows say different things about the channel.
    """
    matching = [c for c in corrections if _matches(c, file_name, pnn)]
    if not matching:
        return reading, ""
    first = matching[0]
    for other in matching[1:]:
        if (other.antigen, other.role) != (first.antigen, first.role):
            msg = f"{first} and row {other.row} contradict each other for {file_name}, channel {pnn!r}; keep one"
            raise PanelError(msg)
    for correction in matching:
        correction.used += 1
    entry = load().by_name.get(first.antigen)
    classes = [c.marker_class for c in matching if c.marker_class]
    corrected = ChannelReading(
        first.role, (first.antigen,) if first.antigen else (), entry.genes if entry else (), reading.reporter,
        reading.modifiers, "correction", 1.0, (), entry.marker_class if entry else TYPE,
    )  # fmt: skip
    return corrected, classes[0] if classes else ""


def _matches(correction: Correction, file_name: str, pnn: str) -> bool:
    file_fits = correction.file == file_name or fnmatchcase(file_name, correction.file)
    return file_fits and (correction.channel == pnn or fnmatchcase(pnn, correction.channel))


def complete(rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    """All readings as corrections, ready to be edited and used again.

    A channel that reads the same in every file that has it gets one row for all files; else one row per file.
    """
    import pandas as pd

    by_channel: dict[str, dict[tuple[str, str, str, str], list[str]]] = {}
    for row in rows:
        decision = (
            row["antigen"] if row["role"] in _WITH_ANTIGEN else "",
            row["role"],
            row["marker_class"],
            row["description"],
        )
        by_channel.setdefault(row["fcs_colname"], {}).setdefault(decision, []).append(row["file_name"])
    lines: dict[tuple[str, str], tuple[str, ...]] = {}
    for channel, decisions in sorted(by_channel.items()):
        for decision, files in decisions.items():
            for file in ["*"] if len(decisions) == 1 else sorted(files):
                lines.setdefault((_literal(file) if file != "*" else "*", _literal(channel)), decision)
    records = [(*place, *decision) for place, decision in sorted(lines.items())]
    names = ["file", "channel", "antigen", "role", "marker_class", "description"]
    return pd.DataFrame(records, columns=names, dtype=object)


def _literal(name: str) -> str:
    """A name as a pattern that matches itself only."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
