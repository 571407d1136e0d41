"""``immport-cyto events transforms``: scales that all files of a panel share."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option


@click.command("transforms")
@click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--panel", "panel_path", type=click.Path(path_type=Path, dir_okay=False),
    help="panel.tsv of panel harmonize.  [default: read the channels from these files]",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Table of scales to write.")
@click.option(
    "--transform", "family", default="logicle", show_default=True, type=click.Choice(["logicle", "hyperlog"]),
    help="The scale whose width is estimated.",
)  # fmt: skip
@click.option(
    "--compensation", default="auto", show_default=True, metavar="auto|file|none|TABLE",
    help="As for events preprocess, so that both look at the same values.",
)  # fmt: skip
@json_option
@quiet_option
def transforms(
    paths: tuple[Path, ...],
    files_json: Path | None,
    panel_path: Path | None,
    out: Path,
    family: str,
    compensation: str,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Estimate one logicle (or hyperlog) scale per channel over all files of a panel.

    Give all files of a study together, and the table to events preprocess as --transform. Each panel gets its own rows.

    \b
    Examples:
      immport-cyto events transforms fcs/ --panel panel.tsv --out transforms.tsv
      immport-cyto events preprocess fcs/a.fcs --panel panel.tsv --transform transforms.tsv --out a.fcs --qc a.tsv
    """
    from immport_cyto import provenance, tables
    from immport_cyto.events import scales

    files = collect_fcs(paths, files_json)
    panel = tables.read(panel_path, tables.PANEL) if panel_path else None
    found = scales.estimate(files, panel, family=family, compensation=compensation)
    tables.write(found, out, tables.TRANSFORMS)
    if json_path:
        used = [Path(compensation)] if compensation not in {"auto", "file", "none"} else []
        entry = provenance.record(
            "events transforms",
            inputs=[*files.values(), *([panel_path] if panel_path else []), *used],
            parameters={"transform": family, "compensation": Path(compensation).name},
            counts={"files": len(files), "panels": found["panel_id"].nunique(), "channels": len(found)},
        )
        provenance.write(json_path, entry)
    if not quiet:
        click.echo(f"{len(found)} scales of {found['panel_id'].nunique()} panels from {len(files)} files", err=True)
