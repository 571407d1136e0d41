"""Days as batch labels, and the tables of de-identified files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from immport_cyto.fcs.personal import CALENDARS
from immport_cyto.tables import Column, Table

BATCHES = Table(
    "batches.tsv",
    "one row per file: the day of each kind as a label; labels are numbered in the order of the days",
    (
        Column("file_name", "text", "name of the de-identified file"),
        Column("acquisition_batch", "text", "day of acquisition ($DATE, else the date in the file name)", False),
        Column("run_order", "int", "order within that day by $BTIM, from 1", False),
        Column("setup_batch", "text", "day of the instrument's setup (CST SETUP DATE)", False),
        Column("baseline_batch", "text", "day of the instrument's baseline (CST BASELINE DATE)", False),
        Column("configuration_batch", "text", "day of its configuration (CYTOMETER CONFIG CREATE DATE)", False),
    ),
    ("file_name",),
)

CHANGES = Table(
    "changes.tsv",
    "one row per keyword that was changed, without the values",
    (
        Column("file_name", "text", "name of the de-identified file"),
        Column("dataset", "int", "data set, from 0"),
        Column("segment", "text", "TEXT, supplemental TEXT, ANALYSIS, file name, or outside keywords"),
        Column("keyword", "text", "keyword", False),
        Column(
            "kind", "text", "person, subject, label, site, encoded, time, date, acquired, setup, baseline, config, file"
        ),
        Column("action", "text", "blanked, masked, renamed, or left (outside of keywords: look at it)"),
        Column("n_values", "int", "values of this kind there"),
        Column("n_bytes", "int", "bytes overwritten"),
    ),
    ("file_name", "dataset", "segment", "keyword", "kind", "action"),
)

KEY = Table(
    "key.tsv",
    "PRIVATE, not to be shared: original names and days of the de-identified files",
    (
        Column("file_name", "text", "name of the de-identified file"),
        Column("original_name", "text", "name before"),
        Column("acquisition_day", "text", "ISO date", False),
        Column("setup_day", "text", "ISO date", False),
        Column("baseline_day", "text", "ISO date", False),
        Column("configuration_day", "text", "ISO date", False),
    ),
    ("file_name",),
)


@dataclass(frozen=True)
class Days:
    """Days of one file: by kind, at places of its name, and the time of day when acquisition began."""

    of: dict[str, date]
    in_name: dict[tuple[int, int], date]
    clock: str


def label_days(files: Sequence[Days]) -> dict[str, dict[date, str]]:
    """Labels ``batch-01``, ``batch-02``, ... of the days of each kind over all files, in their order.

    Days in file names count as days of acquisition.
    """
    labels = {}
    for kind in CALENDARS:
        days = {file.of[kind] for file in files if kind in file.of}
        if kind == "acquired":
            days |= {day for file in files for day in file.in_name.values()}
        width = max(len(str(len(days))), 2)
        labels[kind] = {day: f"batch-{number:0{width}d}" for number, day in enumerate(sorted(days), 1)}
    return labels


def run_order(files: Mapping[str, tuple[date | None, str]]) -> dict[str, int]:
    """Order of files within their day by $BTIM (hh:mm:ss, with or without a fraction), from 1; equal times by name."""
    order: dict[str, int] = {}
    by_day: dict[date, list[tuple[float, str]]] = {}
    for name, (day, clock) in files.items():
        seconds = _seconds(clock)
        if day is not None and seconds is not None:
            by_day.setdefault(day, []).append((seconds, name))
    for same_day in by_day.values():
        order |= {name: number for number, (_, name) in enumerate(sorted(same_day), 1)}
    return order


def _seconds(clock: str) -> float | None:
    parts = clock.split(":")
    if len(parts) not in (3, 4):
        return None
    try:
        hours, minutes, seconds = int(parts[0]), int(parts[1]), float(parts[2])
        # FCS 2.0 and 3.0 count sixtieths after a third colon
        ticks = int(parts[3]) / 60 if len(parts) == 4 else 0.0
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds + ticks
