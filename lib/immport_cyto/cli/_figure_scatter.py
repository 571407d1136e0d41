"""``immport-cyto figure scatter``: events in two channels, a panel per file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._cluster_results import fcs_argument
from immport_cyto.cli._common import collect_fcs, files_option, json_option, seed_option
from immport_cyto.cli._figure_colours import (
    Colours,
    clusters_option,
    colour_option,
    cutoffs_option,
    group_option,
    population_option,
    samples_option,
)
from immport_cyto.cli._figure_common import (
    cofactor_option,
    counts_of,
    events_option,
    finish,
    groups_of,
    out_option,
    samples_of,
    shown,
)
from immport_cyto.cli._figure_cuts import Lines
from immport_cyto.cli._figure_gates import check_gated, gate_option, gated_plots, gates_option, inside_option

if TYPE_CHECKING:
    from immport_cyto.events.sampling import Sample
    from immport_cyto.report.figures import Colouring, Plot

_MOST_PANELS = 24


@click.command("scatter")
@fcs_argument
@files_option
@click.option("--x", "x_name", required=True, help="Marker or channel across, such as CD4 or FSC-A.")
@click.option("--y", "y_name", required=True, help="Marker or channel upwards.")
@colour_option
@clusters_option
@population_option
@group_option
@click.option("--pooled", is_flag=True, help="All files in one panel instead of a panel for each.")
@cutoffs_option
@click.option("--x-line", "x_lines", type=float, multiple=True, help="Value at which to draw a line; may be repeated.")
@click.option("--y-line", "y_lines", type=float, multiple=True, help="Value at which to draw a line; may be repeated.")
@gates_option
@gate_option
@inside_option
@samples_option
@cofactor_option
@events_option(20_000, "each panel")
@seed_option
@out_option
@json_option
def scatter(
    paths: tuple[Path, ...], files_json: Path | None, x_name: str, y_name: str, colour_by: str,
    clusters_path: Path | None, populations: tuple[str, ...], group: str | None, pooled: bool,
    cutoffs_path: Path | None, x_lines: tuple[float, ...], y_lines: tuple[float, ...], gates_path: Path | None,
    wanted: tuple[str, ...], inside: str, samples_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the events in two channels, a panel per file on common axes.

    The first 24 files by name are drawn; --pooled draws all of them in one panel, the same number of events of each.

    \b
    Examples:
      immport-cyto figure scatter preprocessed/ --x CD4 --y CD8 --cutoffs cutoffs.tsv --out cd4_cd8.png
      immport-cyto figure scatter fcs/ --x FSC-A --y SSC-A --gates gates.xml --out gates.png
    """
    from immport_cyto import report

    chosen = {"--colour-by": colour_by if colour_by != "density" else "", "--clusters": clusters_path,
              "--population": populations, "--group": group, "--cutoffs": cutoffs_path, "--samples": samples_path,
              "--x-line": x_lines, "--y-line": y_lines, "--cofactor": cofactor}  # fmt: skip
    check_gated(gates_path, wanted, inside, chosen)
    files = collect_fcs(paths, files_json)
    warnings = []
    if not pooled and len(files) > _MOST_PANELS:
        warnings.append(f"the first {_MOST_PANELS} of {len(files)} files are drawn; --pooled draws all in one panel")
        files = dict(list(files.items())[:_MOST_PANELS])
    most = max(max_events // len(files), 1) if pooled else max_events
    parameters = {"x": x_name, "y": y_name, "colour_by": colour_by, "populations": list(populations), "group": group,
                  "pooled": pooled, "x_lines": list(x_lines), "y_lines": list(y_lines), "gates": list(wanted),
                  "inside": inside, "cofactor": cofactor, "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), clusters_path, cutoffs_path, samples_path, gates_path]
    if gates_path is not None:
        found = gated_plots(files, gates_path, x_name, y_name, wanted, inside, most, seed, pooled=pooled)
        figure = report.figures.event_scatter(found.plots, *found.labels, note=found.note, marks=found.marks)
        report.save(figure, out_path)
        finish("figure scatter", out_path, json_path, inputs, parameters, found.counts, warnings + found.warnings)
        return
    samples = samples_of(samples_path, files)
    cuts = Lines.read(cutoffs_path, files, samples)
    groups = groups_of(samples, group, files, samples_path)
    colours = Colours.of(colour_by, clusters_path, populations, cuts, files, group, groups)
    drawn, colouring = colours.sample(files, [x_name, y_name], most, seed, cofactor)
    plots = _plots(drawn, colouring, (x_lines, y_lines), cuts, pooled=pooled)
    counts = counts_of(drawn)
    report.save(report.figures.event_scatter(plots, x_name, y_name, note=shown(counts)), out_path)
    finish("figure scatter", out_path, json_path, inputs, parameters, counts, warnings + colours.warnings)


def _plots(
    drawn: "Sample", colouring: "Colouring", own: tuple[Sequence[float], Sequence[float]], cuts: Lines | None, *,
    pooled: bool,
) -> "list[Plot]":  # fmt: skip
    """A panel per file, or one of all, with the cut-offs of its files and the lines of one's own."""
    import numpy as np

    from immport_cyto import report

    plots = []
    for number, name in enumerate([""] if pooled else drawn.files):
        rows = np.arange(len(drawn.values)) if pooled else np.flatnonzero(drawn.file == number)
        of = drawn.files if pooled else (name,)
        x_cuts, y_cuts = (
            (*(cuts.of(column, of) if cuts is not None else ()), *lines)
            for column, lines in zip(drawn.columns, own, strict=True)
        )
        title = (f"{len(of)} files" if len(of) > 1 else of[0]) if pooled else name
        plots.append(report.figures.Plot(title, drawn.values[rows], colouring.of(rows), x_cuts, y_cuts))
    return plots
