"""The section on the channels before and after preprocessing, and which files lie apart from their panel."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.exceptions import TableError
from immport_cyto.report.section import Drawing, Section

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from immport_cyto.report.figures.channels import ChannelCurves

_OPEN, _MOST, _LISTED = 2, 16, 12
_FEWEST_FILES = 5
_SPREADS = 5.0  # robust standard deviations
_BINS_APART = 4.0
_FURTHEST = 10_000
_KERNEL = np.exp(-0.5 * (np.arange(-4, 5) / 1.2) ** 2)


def densities(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """Channels of each study and panel over the files: as acquired, compensated, kept."""
    import pandas as pd

    from immport_cyto.report.page import sheet

    table, samples = frames.get("channel_densities"), frames.get("samples")
    if table is None:
        return None
    section = Section(
        "densities",
        "Channels before and after",
        intro="Distribution of each transformed channel over the files of a panel: as acquired, after compensation, "
        "and of the events that passed quality control, all on the transformed scale. Areas are shares of all events.",
    )
    studies = {} if samples is None else dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    study = pd.Series([studies.get(name, "") for name in table["file_name"]], index=table.index, dtype=object)
    measured, remarks = [], []
    groups = sorted(table.groupby([study, "panel_id"]), key=lambda group: group[0])
    for number, ((accession, panel_id), rows) in enumerate(groups):
        curves, distances = _panel(rows)
        where = f"{accession} {panel_id}".strip()
        distances.insert(0, "panel_id", panel_id)
        distances.insert(0, "study_accession", accession)
        measured.append(distances)
        apart = distances[distances["apart"]]
        for name, own in apart.groupby("file_name", sort=True):
            remarks.append(f"{where}: {name} lies apart from the other files in {', '.join(own['channel'])}.")
        if number >= _MOST:
            continue
        n_files = rows["file_name"].nunique()
        of = "1 file" if n_files == 1 else f"{n_files} files"
        kept = float(distances["kept"].mean())
        found = ", ".join(sorted(apart["file_name"].unique()))
        shown = Drawing(
            partial(_draw, rows),
            f"Densities of {len(curves)} channels in {of} of {where} before and after preprocessing; "
            f"{kept:.0%} of the events are kept; files that lie apart: {found or 'none'}.",
            f"{where}, {of}",
        )
        (section.pictures if number < _OPEN else section.folded).append(shown)
    section.notes += remarks[:_LISTED]
    if len(remarks) > _LISTED:
        section.notes.append(f"{len(remarks) - _LISTED} more files lie apart: see the table.")
    if len(groups) > _MOST:
        section.notes.append(f"Figures are shown for the first {_MOST} of {len(groups)} panels; the table holds all.")
    whole = pd.concat(measured).sort_values("distance", ascending=False, kind="stable", ignore_index=True)
    whole["apart"] = np.where(whole["apart"], "yes", "")
    section.sheets.append(sheet(whole, "channel_distances.tsv", "How far each file lies from its panel"))
    return section


def _draw(rows: "pd.DataFrame") -> "Figure":
    """Curves are worked out once more: kept for all panels until they are drawn they would fill the memory."""
    from immport_cyto.report.figures import channels

    return channels.channel_densities(_panel(rows)[0])


def _panel(rows: "pd.DataFrame") -> tuple[list["ChannelCurves"], "pd.DataFrame"]:
    """Curves of each channel, and the distance of each file from the others."""
    import pandas as pd

    from immport_cyto.report.figures.channels import ChannelCurves

    marker = rows["antigen"].where(rows["antigen"] != "", rows["fcs_colname"])
    twice = pd.DataFrame({"file": rows["file_name"], "marker": marker}).duplicated(keep=False)
    channel = marker.where(~twice, marker + " " + rows["fcs_colname"])
    scale = rows["transform"].str.partition(":")[0]
    order = rows.groupby([channel, scale, "step"], sort=False)["channel_number"].min().sort_values(kind="stable")
    parts = dict(iter(rows.groupby([channel, scale, "step"], sort=False)))
    curves, found = [], []
    for key in order.index:
        part = parts[key].sort_values("file_name", kind="stable")
        name, family, step = str(key[0]), str(key[1]), float(key[2])
        files = tuple(map(str, part["file_name"]))
        grid, before, compensated, after = _counts(part, step)
        total = np.maximum(before.sum(axis=1, keepdims=True), 1)
        distance, apart = _distances(after, step)
        kept = after.sum(axis=1) / total[:, 0]
        curves.append(
            ChannelCurves(
                name,
                family,
                files,
                grid,
                _smooth(before) / (total * step),
                None if compensated is None else _smooth(compensated) / (total * step),
                _smooth(after) / (total * step),
                tuple(files[i] for i in np.argsort(-distance, kind="stable") if apart[i]),
            )
        )
        medians = [_median(grid, counts) for counts in (before, after)]
        found.append(
            pd.DataFrame(
                {
                    "channel": name,
                    "file_name": files,
                    "kept": kept,
                    "median_before": medians[0],
                    "median_after": medians[1],
                    "distance": distance,
                    "apart": apart,
                }
            )
        )
    return curves, pd.concat(found, ignore_index=True)


def _counts(part: "pd.DataFrame", step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Grid, and files x grid of events as acquired, compensated (None where no file was) and kept."""
    cells = {name: [_numbers(cell, name) for cell in part[name]] for name in ("before", "compensated", "after")}
    starts = part["first"].to_numpy(dtype=np.float64, na_value=np.nan)
    if not (np.abs(starts) < _FURTHEST).all():
        msg = f"channel_densities.tsv: column 'first' of {part['file_name'].iloc[0]} is no bin; make the table again"
        raise TableError(msg)
    starts = starts.astype(np.int64)
    lengths = [len(counts) for counts in cells["before"]]
    for name in ("compensated", "after"):
        wrong = [f for f, n, c in zip(part["file_name"], lengths, cells[name], strict=True) if len(c) not in {0, n}]
        if wrong:
            msg = f"channel_densities.tsv: {wrong[0]} has histograms of different length; make the table again"
            raise TableError(msg)
    first = int(starts.min()) - 3
    size = int((starts + lengths).max()) + 3 - first
    whole = {name: np.zeros((len(part), size)) for name in cells}
    for i, start in enumerate(starts - first):
        for name, counts in cells.items():
            chosen = counts[i] if len(counts[i]) or name == "after" else cells["before"][i]
            whole[name][i, start : start + len(chosen)] = chosen
    changed = any(len(counts) for counts in cells["compensated"])
    grid = (first + np.arange(size)) * step
    return grid, whole["before"], whole["compensated"] if changed else None, whole["after"]


def _numbers(cell: str, column: str) -> np.ndarray:
    try:
        return np.array([int(number) for number in cell.split(";")] if cell else [], dtype=np.float64)
    except ValueError as error:
        msg = (
            f"channel_densities.tsv: column {column!r} holds {cell[:40]!r}, no whole numbers joined by ';'; correct it"
        )
        raise TableError(msg) from error


def _smooth(counts: np.ndarray) -> np.ndarray:
    kernel = _KERNEL / _KERNEL.sum()
    return np.apply_along_axis(np.convolve, 1, counts, kernel, mode="same")


def _distances(counts: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Area between the cumulative distribution of each file and the median of all files, and which are far.

    That is the earth mover's distance on the line (Wasserstein 1): how far, on average, events have to be moved. A
    file lies apart if its distance is more than five robust standard deviations above the median of the files and
    more than four bins; fewer than five files are not judged. A file without events has no distance.
    """
    total = counts.sum(axis=1)
    cumulative = np.cumsum(counts, axis=1) / np.where(total > 0, total, np.nan)[:, None]
    if not (total > 0).any():
        return np.full(len(counts), np.nan), np.zeros(len(counts), dtype=bool)
    distance = np.abs(cumulative - np.nanmedian(cumulative, axis=0)).sum(axis=1) * step
    if (total > 0).sum() < _FEWEST_FILES:
        return distance, np.zeros(len(counts), dtype=bool)
    middle = np.nanmedian(distance)
    spread = 1.4826 * np.nanmedian(np.abs(distance - middle))
    return distance, distance > max(middle + _SPREADS * spread, _BINS_APART * step)


def _median(grid: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median of each file, to the width of a bin; NaN without events."""
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1]
    return np.where(total > 0, grid[np.argmax(cumulative >= total[:, None] / 2, axis=1)], np.nan)
