"""``immport-cyto figure density``: one marker at a time, over files or groups of files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import fcs_argument
from immport_cyto.cli._common import collect_fcs, files_option, json_option, seed_option
from immport_cyto.cli._figure_colours import cutoffs_option, samples_option
from immport_cyto.cli._figure_common import (
    cofactor_option,
    events_option,
    finish,
    groups_of,
    out_option,
    samples_of,
    shown,
    split,
)
from immport_cyto.cli._figure_cuts import Lines
from immport_cyto.exceptions import PanelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@click.command("density")
@fcs_argument
@files_option
@click.option("--markers", help="Markers or channels, separated by commas.  [default: all markers]")
@click.option("--layout", type=click.Choice(["overlaid", "stacked"]), default="overlaid", show_default=True,
              help="All curves on one line, or one above the other.")  # fmt: skip
@samples_option
@click.option("--group", help="Column of --samples that gives the colours, such as arm_name, batch or age_years.")
@click.option("--pooled", is_flag=True, help="One curve per value of --group (without it one for all files) instead of "
              "one per file; each file counts the same.")  # fmt: skip
@cutoffs_option
@cofactor_option
@events_option(20_000, "each file")
@seed_option
@out_option
@json_option
def density(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, layout: str, samples_path: Path | None,
    group: str | None, pooled: bool, cutoffs_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the density of each marker in each file.

    A file that does not measure a marker has no curve for it.

    \b
    Example:
      immport-cyto figure density preprocessed/ --samples samples.tsv --group arm_name \\
          --cutoffs cutoffs.tsv --layout stacked --out densities.png
    """
    from immport_cyto import report

    files = collect_fcs(paths, files_json)
    samples = samples_of(samples_path, files)
    groups = groups_of(samples, group, files, samples_path)
    titles = {name: _title(groups.get(name, ""), group) if pooled else name for name in files}
    curves, counts = _curves(files, split(markers), groups, titles, max_events, seed, cofactor)
    lines = Lines.read(cutoffs_path, files, samples)
    cuts = None if lines is None else lines.of_curves(curves, titles)
    figure = report.figures.marker_densities(
        curves, cuts, stacked=layout == "stacked", group=(group or "").replace("_", " "), note=shown(counts)
    )
    report.save(figure, out_path)
    parameters = {"markers": markers, "layout": layout, "group": group, "pooled": pooled, "cofactor": cofactor,
                  "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), samples_path, cutoffs_path]
    finish("figure density", out_path, json_path, inputs, parameters, counts, [])


def _title(value: Any, group: str | None) -> str:
    """Name of the curve of all files of a group."""
    if not group:
        return "all files"
    return f"{value:g}" if isinstance(value, float) else value or "not known"


def _curves(
    files: Mapping[str, Path], markers: Sequence[str], groups: Mapping[str, Any], titles: Mapping[str, str],
    max_events: int, seed: int, cofactor: float | None,
) -> tuple["pd.DataFrame", dict[str, int]]:  # fmt: skip
    """Curves per marker and file, or group of files; what was drawn."""
    import numpy as np
    import pandas as pd

    from immport_cyto import events, fcs
    from immport_cyto.events.sampling import find_channel, sample
    from immport_cyto.population._densities import curve

    values: dict[tuple[str, str], list[np.ndarray]] = {}
    colour = {titles[name]: groups.get(name, "") for name in files}
    counts = {"files": len(files), "events": 0, "events_shown": 0}
    for name, path in files.items():
        with fcs.open(path) as source:
            own = list(markers) or list(events.markers(source))
            own = [marker for marker in own if _has(source, marker, name, find_channel)]
        drawn = sample({name: path}, own, max_events, seed, cofactor)
        counts["events"] += drawn.n_events
        counts["events_shown"] += len(drawn.values)
        for column, marker in enumerate(own):
            values.setdefault((marker, titles[name]), []).append(drawn.values[:, column])
    order = list(markers) or list(dict.fromkeys(marker for marker, _ in values))
    missing = [marker for marker in order if not any(marker == own for own, _ in values)]
    if missing or not order:
        what = f"marker or channel {missing[0]!r}; correct --markers" if missing else "marker; name channels"
        msg = f"none of the {len(files)} files has a {what}"
        raise PanelError(msg)
    frames = []
    for marker, title in sorted(values, key=lambda key: (order.index(key[0]), key[1])):
        at, height = curve(np.concatenate(_equal(values[marker, title])))
        one = {"marker": marker, "curve": title, "group": colour[title], "value": at, "density": height}
        frames.append(pd.DataFrame(one))
    return pd.concat([frames[0], *(frame for frame in frames[1:] if len(frame))], ignore_index=True), counts


def _has(source: Any, marker: str, name: str, find: Any) -> bool:
    try:
        find(source, marker, name)
    except PanelError:
        return False
    return True


def _equal(parts: "list[np.ndarray]") -> "list[np.ndarray]":
    """The same number of events of each file, evenly spread; files without events do not count."""
    import numpy as np

    held = [part for part in parts if len(part)] or list(parts)
    fewest = min((len(part) for part in held), default=0)
    return [part[np.arange(fewest) * len(part) // max(fewest, 1)] for part in held]
