"""``immport-cyto panel rename``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._each_file import Each, each_options, places, write_elements


@click.command("rename")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--panel", "panel_path", required=True, type=click.Path(path_type=Path), help="panel.tsv of these files.")
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--fcs-version", type=click.Choice(["3.1", "3.2"]), default="3.2", show_default=True,
    help="Version to write; 3.2 has $PnANALYTE and $PnTAG, too.",
)  # fmt: skip
@each_options
@json_option
def rename(
    paths: tuple[Path, ...],
    files_json: Path | None,
    panel_path: Path,
    out_dir: Path,
    fcs_version: str,
    each: Each,
    json_path: Path | None,
) -> None:
    """Write copies of FCS files with the harmonised names as $PnS.

    The names as reported are kept in ICYTO_P<n>REPORTED. Events are written as float32 on the linear scale.

    \b
    Example:
      immport-cyto panel rename ResultFiles --panel panel.tsv --out-dir renamed
    """
    from immport_cyto import provenance, tables
    from immport_cyto.fcs.outputs import plain_name

    files = collect_fcs(paths, files_json)
    panel = tables.read(panel_path, tables.PANEL)
    by_file = dict(iter(panel.groupby("file_name", sort=False)))
    written = places(files, out_dir, ".fcs", each.elements, "renamed_list", plain_name)
    work = {
        name: _Job(
            name, source, written[name], panel_path.name,
            by_file[name].to_dict("records") if name in by_file else [], fcs_version,
        )
        for name, source in files.items()
    }  # fmt: skip
    found, failed = each.run("rename", work, _process, sources=files.values(), written=written.values())
    changed = sum(found.values())
    if each.elements:
        write_elements(each.elements, {"renamed_list": written})
    click.echo(f"{len(found)} files, {changed} channels renamed")
    if json_path is not None:
        entry = provenance.record(
            "panel rename",
            inputs=[*files.values(), panel_path],
            parameters={"panel": panel_path.name, "fcs_version": fcs_version},
            counts={"files": len(found), "channels_renamed": changed},
            extra={"failures": failed},
        )
        provenance.write(json_path, entry)


@dataclass(frozen=True)
class _Job:
    name: str
    source: Path
    target: Path
    table: str
    rows: list[Mapping[str, Any]]
    fcs_version: str


def _process(job: _Job) -> int:
    """Rename the channels of one file, in whatever process."""
    from immport_cyto.exceptions import PanelError
    from immport_cyto.panel.labelling import write_names

    if not job.rows:
        msg = f"{job.name} is not in {job.table}; harmonise the panels of all files first"
        raise PanelError(msg)
    return write_names(job.source, job.target, job.rows, job.fcs_version)
