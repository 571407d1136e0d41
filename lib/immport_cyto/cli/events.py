"""``immport-cyto events``: compensate, transform and check events."""

from pathlib import Path

import click

from immport_cyto.cli import _metacyto
from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option, seed_option
from immport_cyto.cli._events_gate import gate
from immport_cyto.cli._events_spillover import spillover
from immport_cyto.cli._events_transforms import transforms


@click.group("events")
def group() -> None:
    """Compensate, transform and check events."""


for command in (gate, spillover, transforms):
    group.add_command(command)


@group.command()
@click.argument("path", metavar="[FCS]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@files_option
@click.option(
    "--panel", "panel_path", type=click.Path(path_type=Path, dir_okay=False),
    help="panel.tsv of panel harmonize.  [default: read the channels from this file alone]",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FCS file to write.")
@click.option(
    "--qc", "qc_path", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="Table of where the events went.",
)  # fmt: skip
@click.option(
    "--compensation", default="auto", show_default=True, metavar="auto|file|none|TABLE",
    help="Spillover matrix: the file's own where it fits (auto), the file's own or an error (file), none, or a CSV or "
    "TSV table.",
)  # fmt: skip
@click.option(
    "--transform", default="auto", show_default=True,
    metavar="auto|arcsinh|logicle|hyperlog|log|linear|TEXT|TABLE",
    help="auto is arcsinh; TEXT gives all parameters, as in "
    "logicle:T=262144,W=0.5,M=4.5,A=0; TABLE is transforms.tsv of events transforms: one scale for all files "
    "of a panel.",
)  # fmt: skip
@click.option(
    "--cofactor", type=float,
    help="Cofactor of arcsinh.  [default: 150 for flow, 5 for CyTOF; 8 for CyTOF with --method metacyto]",
)  # fmt: skip
@_metacyto.method_option
@_metacyto.rename_option
@click.option("--no-qc", is_flag=True, help="Keep every event with finite values.")
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="TEXT",
    help="Drop by this threshold instead of the automatic gate of that reason (margin, time, bead, debris, doublet, "
    "dead), on linear, compensated values: 'debris: FSC-A < 30000', 'doublet: FSC-A / FSC-H > 1.4', 'time: shift > "
    "0.2', 'time: rate > 3', 'dead: off'.  May be given several times.",
)  # fmt: skip
@click.option(
    "--max-events", type=click.IntRange(min=1),
    help="Keep a random subset of at most so many events.  [default: all; 5000 with --method metacyto]",
)  # fmt: skip
@seed_option
@click.option(
    "--figure", "figure_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Figure (PNG) to write: quality over time, counts by reason, densities of the channels before and after.",
)  # fmt: skip
@click.option(
    "--densities", "densities_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table channel_densities.tsv to write: histograms of each channel before and after, for report build.",
)  # fmt: skip
@json_option
@quiet_option
def preprocess(
    path: Path | None,
    files_json: Path | None,
    panel_path: Path | None,
    out: Path,
    qc_path: Path,
    compensation: str,
    transform: str,
    cofactor: float | None,
    method: str,
    rename: tuple[str, ...],
    no_qc: bool,
    thresholds: tuple[str, ...],
    max_events: int | None,
    seed: int,
    figure_path: Path | None,
    densities_path: Path | None,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Compensate, check and transform the events of one FCS file.

    \b
    immport-cyto events preprocess a.fcs --panel panel.tsv --out out.fcs --qc qc.tsv --figure qc.png
    immport-cyto events preprocess a.fcs --out out.fcs --qc qc.tsv --threshold "debris: FSC-A < 30000"
    """
    import pandas as pd

    from immport_cyto import events, provenance, tables

    _metacyto.check_options(
        method,
        only_standard=("--compensation", "--transform", "--no-qc", "--threshold", "--figure", "--densities"),
        only_metacyto=("--rename",),
    )
    files = collect_fcs([path] if path else [], files_json)
    if len(files) != 1:
        msg = f"{len(files)} FCS files are given; preprocess one file at a time"
        raise click.UsageError(msg)
    [(name, source)] = files.items()
    panel = tables.read(panel_path, tables.PANEL) if panel_path else None
    if method == "metacyto":
        result = _metacyto.preprocess(
            source, out, name=name, panel=panel, cofactor=cofactor, rename=rename, max_events=max_events, seed=seed
        )
    else:
        result = events.preprocess(
            source,
            out,
            file_name=name,
            panel=panel,
            compensation=compensation,
            transform=transform,
            cofactor=cofactor,
            qc="none" if no_qc else "auto",
            thresholds=thresholds,
            max_events=max_events,
            seed=seed,
        )
    tables.write(pd.DataFrame([result.row]), qc_path, tables.QC)
    if figure_path and result.figure_data is not None:
        from immport_cyto.events import figure

        figure.save(figure.qc_figure(result.figure_data), figure_path)
    if densities_path and result.figure_data is not None:
        found = events.densities.table(result.figure_data.densities, name, result.panel_id)
        tables.write(found, densities_path, tables.CHANNEL_DENSITIES)
    if json_path:
        used = [compensation] if compensation not in {"auto", "file", "none"} else []
        used += [transform] if events.scales.is_table(transform) else []
        provenance.write(
            json_path,
            provenance.record(
                "events preprocess",
                inputs=[source, *([panel_path] if panel_path else []), *map(Path, used)],
                parameters={
                    "name": name,
                    "compensation": Path(compensation).name,
                    "transform": Path(transform).name if events.scales.is_table(transform) else transform,
                    "cofactor": cofactor,
                    "qc": "none" if no_qc else "auto",
                    **({"thresholds": list(thresholds)} if thresholds else {}),
                    **({"method": method, "rename": list(rename)} if method != "standard" else {}),
                    "max_events": max_events,
                    "seed": seed,
                },
                counts={key: value for key, value in result.row.items() if key.startswith("n_")},
                warnings=result.warnings,
                extra={"rules": result.rules, "transforms": result.transforms},
            ),
        )
    if not quiet:
        row = result.row
        click.echo(f"{row['file_name']}: {row['n_events_out']:,} of {row['n_events_in']:,} events kept", err=True)
        for warning in result.warnings:
            click.echo(f"  warning: {warning}", err=True)
