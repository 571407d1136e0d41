"""``immport-cyto events spillover``: a spillover matrix from single-stain controls."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option


@click.command("spillover")
@click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--controls", "controls_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table with the columns file_name and fcs_colname ($PnN of the detector of the control's fluorochrome, or "
    "unstained).  [default: the detector in which each control is brighter than the others]",
)  # fmt: skip
@click.option(
    "--panel", "panel_path", type=click.Path(path_type=Path, dir_okay=False),
    help="panel.tsv of panel harmonize.  [default: read the channels from these files]",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="Spillover matrix (CSV) to write, for --compensation of events preprocess.",
)  # fmt: skip
@click.option(
    "--fits", "fits_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table of the lines fitted: spillover, standard error, what is left after compensation.",
)  # fmt: skip
@click.option("--figure", "figure_path", type=click.Path(path_type=Path, dir_okay=False), help="Figure (PNG) to write.")
@json_option
@quiet_option
def spillover(
    paths: tuple[Path, ...],
    files_json: Path | None,
    controls_path: Path | None,
    panel_path: Path | None,
    out: Path,
    fits_path: Path | None,
    figure_path: Path | None,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Estimate the spillover matrix from single-stain controls of flow cytometry.

    Give one file per fluorochrome, all of one instrument setting, and an unstained one if there is any.

    \b
    Examples:
      immport-cyto events spillover controls/ --out spillover.csv --figure spillover.png
      immport-cyto events preprocess a.fcs --compensation spillover.csv --out out.fcs --qc qc.tsv
    """
    from immport_cyto import provenance, tables
    from immport_cyto.events import figure as drawing
    from immport_cyto.events.controls import CONTROLS, estimate
    from immport_cyto.events.spillover import SPILLOVER
    from immport_cyto.events.spillover_figure import spillover_figure
    from immport_cyto.files import write_text

    files = collect_fcs(paths, files_json)
    controls = None
    if controls_path:
        given = tables.read(controls_path, CONTROLS)
        controls = dict(zip(given["file_name"], given["fcs_colname"], strict=True))
    panel = tables.read(panel_path, tables.PANEL) if panel_path else None
    found = estimate(files, controls=controls, panel=panel)
    write_text(out, found.to_csv())
    if fits_path:
        tables.write(found.table(), fits_path, SPILLOVER)
    if figure_path:
        drawing.save(spillover_figure(found), figure_path)
    taken = {one.name: channel for one, channel in zip(found.fits, found.channels, strict=True)}
    if json_path:
        entry = provenance.record(
            "events spillover",
            inputs=[*files.values(), *(path for path in (controls_path, panel_path) if path)],
            parameters={"controls": "given" if controls_path else "found", "channels": taken},
            counts={"files": len(files), "channels": len(found.channels)},
            warnings=found.warnings,
        )
        provenance.write(json_path, entry)
    if not quiet:
        for name in files:
            click.echo(f"{name}: {taken.get(name, 'unstained')}", err=True)
        for warning in found.warnings:
            click.echo(f"  warning: {warning}", err=True)
