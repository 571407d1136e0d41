"""``immport-cyto events preprocess``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli import _metacyto
from immport_cyto.cli._common import (
    collect_fcs,
    files_option,
    json_option,
    seed_option,
)
from immport_cyto.cli._each_file import Each, each_options, places, write_elements

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--panel", "panel_path", type=_FILE,
    help="panel.tsv of panel harmonize.  [default: read the channels from each file alone]",
)  # fmt: skip
@click.option("--out", type=_FILE, help="FCS file to write, where one file is given.")
@click.option("--out-dir", type=_FOLDER, help="Folder to write to, for any number of files.")
@click.option(
    "--qc", "qc_path", required=True, type=_FILE, help="Table of where the events went.",
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
    help="Keep a random subset of at most so many events of a file.  [default: all; 5000 with --method metacyto]",
)  # fmt: skip
@seed_option
@click.option(
    "--figure", "figure_path", type=_FILE,
    help="Figure (PNG) to write, where one file is given: quality over time, counts by reason, densities of the "
    "channels before and after.",
)  # fmt: skip
@click.option("--figures-dir", type=_FOLDER, help="Folder for the figure of each file.")
@click.option(
    "--densities", "densities_path", type=_FILE,
    help="Table channel_densities.tsv to write: histograms of each channel before and after, for report build.",
)  # fmt: skip
@each_options
@json_option
def preprocess(
    paths: tuple[Path, ...], files_json: Path | None, panel_path: Path | None, out: Path | None, out_dir: Path | None,
    qc_path: Path, compensation: str, transform: str, cofactor: float | None, method: str, rename: tuple[str, ...],
    no_qc: bool, thresholds: tuple[str, ...], max_events: int | None, seed: int, figure_path: Path | None,
    figures_dir: Path | None, densities_path: Path | None, each: Each, json_path: Path | None,
) -> None:  # fmt: skip
    """Compensate, check and transform the events of FCS files, each on its own.

    \b
    Examples:
      immport-cyto events preprocess a.fcs --panel panel.tsv --out out.fcs --qc qc.tsv --figure qc.png
      immport-cyto events preprocess a.fcs --out out.fcs --qc qc.tsv --threshold "debris: FSC-A < 30000"
      immport-cyto events preprocess ResultFiles --panel panel.tsv --out-dir events --qc qc.tsv --failures failures.tsv
    """
    import pandas as pd

    from immport_cyto import provenance, tables
    from immport_cyto.events.scales import is_table

    _metacyto.check_options(
        method,
        only_standard=(
            "--compensation", "--transform", "--no-qc", "--threshold", "--figure", "--figures-dir", "--densities",
        ),
        only_metacyto=("--rename",),
    )  # fmt: skip
    files = collect_fcs(paths, files_json)
    events, figures = _places(files, out, out_dir, figure_path, figures_dir, each.elements)
    panel = tables.read(panel_path, tables.PANEL) if panel_path else None
    options: dict[str, Any] = {"cofactor": cofactor, "max_events": max_events, "seed": seed}
    if method == "metacyto":
        options["rename"] = _metacyto.pairs(rename, "--rename")
    else:
        options |= {
            "compensation": compensation, "transform": transform, "qc": "none" if no_qc else "auto",
            "thresholds": thresholds,
        }  # fmt: skip
    work = {
        name: _Job(
            name, source, events[name], figures.get(name),
            None if panel is None else panel[panel["file_name"] == name], method, options,
        )
        for name, source in files.items()
    }  # fmt: skip
    found, failed = each.run(
        "preprocess", work, _process, sources=files.values(), written=(*events.values(), *figures.values())
    )
    done = list(found.values())
    tables.write(pd.DataFrame([one.row for one in done]), qc_path, tables.QC)
    if densities_path:
        drawn = [one.densities for one in done if one.densities is not None]
        tables.write(tables.concat(drawn, tables.CHANNEL_DENSITIES), densities_path, tables.CHANNEL_DENSITIES)
    if each.elements:
        lists = {"events_list": events, "figures": figures} if figures else {"events_list": events}
        write_elements(each.elements, lists)
    if json_path:
        tables_used = [compensation] if compensation not in {"auto", "file", "none"} else []
        tables_used += [transform] if is_table(transform) else []
        parameters = options | {
            "compensation": Path(compensation).name,
            "transform": Path(transform).name if is_table(transform) else transform,
            "method": method, "rename": list(rename), "thresholds": list(thresholds),
        }  # fmt: skip
        entry = provenance.record(
            "events preprocess",
            inputs=[*files.values(), *([panel_path] if panel_path else []), *map(Path, tables_used)],
            parameters=parameters,
            counts={"files": len(done)} | {key: sum(one.row[key] for one in done) for key in _counted(done)},
            warnings=[f"{one.row['file_name']}: {text}" for one in done for text in one.warnings],
            extra={"files": {one.row["file_name"]: one.how for one in done}, "failures": failed},
        )
        provenance.write(json_path, entry)
    for one in done if not each.quiet else []:
        row = one.row
        click.echo(f"{row['file_name']}: {row['n_events_out']:,} of {row['n_events_in']:,} events kept", err=True)
        for warning in one.warnings:
            click.echo(f"  warning: {warning}", err=True)


@dataclass(frozen=True)
class _Job:
    name: str
    source: Path
    target: Path
    figure: Path | None
    panel: "pd.DataFrame | None"
    method: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class _Done:
    row: dict[str, Any]
    warnings: list[str]
    how: dict[str, Any]
    densities: "pd.DataFrame | None"


def _process(job: _Job) -> _Done:
    """Preprocess one file, in whatever process."""
    from immport_cyto import events, metacyto

    if job.method == "metacyto":
        options = dict(job.options) | {"max_events": job.options["max_events"] or metacyto.MAX_EVENTS}
        result = metacyto.preprocess(job.source, job.target, file_name=job.name, panel=job.panel, **options)
    else:
        result = events.preprocess(job.source, job.target, file_name=job.name, panel=job.panel, **job.options)
    densities = None
    if result.figure_data is not None:
        densities = events.densities.table(result.figure_data.densities, job.name, result.panel_id)
        if job.figure:
            from immport_cyto.events import figure

            figure.save(figure.qc_figure(result.figure_data), job.figure)
    how = {"rules": result.rules, "transforms": result.transforms}
    return _Done(dict(result.row), list(result.warnings), how, densities)


def _places(
    files: Mapping[str, Path], out: Path | None, out_dir: Path | None, figure: Path | None, figures_dir: Path | None,
    elements: Path | None,
) -> tuple[dict[str, Path], dict[str, Path]]:  # fmt: skip
    """Where the events and the figure of each file go."""
    if (out is None) == (out_dir is None):
        msg = "give either --out or --out-dir"
        raise click.UsageError(msg)
    if out_dir is None:
        if len(files) != 1:
            msg = f"{len(files)} FCS files are given; --out takes one, give --out-dir for more"
            raise click.UsageError(msg)
        if figures_dir or elements:
            msg = "--figures-dir and --elements go with --out-dir"
            raise click.UsageError(msg)
        name = next(iter(files))
        return {name: out or Path()}, {name: figure} if figure else {}
    if figure:
        msg = "--figure goes with --out; give --figures-dir"
        raise click.UsageError(msg)
    events = places(files, out_dir, ".fcs", elements, "events_list")
    figures = {name: figures_dir / f"{path.stem}.png" for name, path in events.items()} if figures_dir else {}
    for folder in filter(None, (out_dir, figures_dir)):
        folder.mkdir(parents=True, exist_ok=True)
    return events, figures


def _counted(done: list[_Done]) -> list[str]:
    return [key for key in done[0].row if key.startswith("n_")]
