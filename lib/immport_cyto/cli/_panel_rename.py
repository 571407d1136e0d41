"""``immport-cyto panel rename``."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option


@click.command("rename")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--panel", "panel_path", required=True, type=click.Path(path_type=Path), help="panel.tsv of these files.")
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--fcs-version", type=click.Choice(["3.1", "3.2"]), default="3.2", show_default=True,
    help="Version to write; 3.2 has $PnANALYTE and $PnTAG, too.",
)  # fmt: skip
@json_option
def rename(
    paths: tuple[Path, ...],
    files_json: Path | None,
    panel_path: Path,
    out_dir: Path,
    fcs_version: str,
    json_path: Path | None,
) -> None:
    """Write copies of FCS files with the harmonised names as $PnS.

    The names as reported are kept in ICYTO_P<n>REPORTED. Events are written as float32 on the linear scale.

    \b
    Example:
      immport-cyto panel rename ResultFiles --panel panel.tsv --out-dir renamed
    """
    from immport_cyto import provenance, tables
    from immport_cyto.exceptions import PanelError
    from immport_cyto.panel.labelling import write_names

    files = collect_fcs(paths, files_json)
    panel = tables.read(panel_path, tables.PANEL)
    by_file = dict(iter(panel.groupby("file_name", sort=False)))
    missing = [name for name in files if name not in by_file]
    if missing:
        msg = f"{missing[0]} is not in {panel_path.name}; harmonise the panels of all files first"
        raise PanelError(msg)
    out_dir.mkdir(parents=True, exist_ok=True)
    changed = 0
    for name, source in files.items():
        changed += write_names(source, out_dir / name, by_file[name].to_dict("records"), fcs_version)
    click.echo(f"{len(files)} files, {changed} channels renamed")
    if json_path is not None:
        entry = provenance.record(
            "panel rename",
            inputs=[*files.values(), panel_path],
            parameters={"panel": panel_path.name, "fcs_version": fcs_version},
            counts={"files": len(files), "channels_renamed": changed},
        )
        provenance.write(json_path, entry)
