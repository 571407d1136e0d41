"""``immport-cyto fcs merge``."""

from pathlib import Path
from typing import Literal

import click

from immport_cyto.cli._common import collect_fcs, fcs_remarks, files_option, json_option, warn
from immport_cyto.cli._fcs_sample import make_plan, sampling_options, total_of


@click.command("merge")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FCS file to write.")
@sampling_options
@click.option(
    "--channels", type=click.Choice(["all", "common"]), default="all", show_default=True,
    help="all: files that differ in their channels are an error; common: keep the channels that all have.",
)  # fmt: skip
@click.option("--ignore-stains", is_flag=True, help="Merge channels of one $PnN although their $PnS differ.")
@click.option(
    "--file-channel", default="File", show_default=True,
    help='Channel to add with the number of the file in the order of the names; "" for none.',
)  # fmt: skip
@json_option
def merge(
    paths: tuple[Path, ...],
    files_json: Path | None,
    out: Path,
    total: int | None,
    per_file: int | None,
    quota: Literal["equal", "proportional"],
    seed: int,
    partial: bool,
    channels: Literal["all", "common"],
    ignore_stains: bool,
    file_channel: str,
    json_path: Path | None,
) -> None:
    """Put the events of many files into one, channels matched by $PnN.

    Keywords that all files share are kept; the files and their counts stand in ICYTO_MERGED. "fcs split --by File"
    takes the result apart again.

    \b
    Example:
      immport-cyto fcs merge ResultFiles --per-file 10000 --channels common --out merged.fcs
    """
    from immport_cyto import provenance
    from immport_cyto.fcs.merge import merge as merge_files
    from immport_cyto.fcs.outputs import output_path

    plan = make_plan(total, per_file, quota, seed)
    files = collect_fcs(paths, files_json)
    target = output_path(out.parent, out.name, files.values())
    merged = merge_files(
        files, target, plan, channels=channels, ignore_stains=ignore_stains, file_channel=file_channel, partial=partial
    )
    warnings = fcs_remarks(files, partial=partial) + merged.warnings
    if json_path is not None:
        counts = {"files": len(merged.rows)}
        counts |= {name: total_of(merged.rows, name) for name in ("n_events_in", "n_events_out")}
        parameters = {
            **plan.described(), "channels": channels, "ignore_stains": ignore_stains, "file_channel": file_channel,
            "partial": partial,
        }  # fmt: skip
        entry = provenance.record(
            "fcs merge", inputs=files.values(), parameters=parameters, counts=counts, warnings=warnings,
            extra={"files": merged.rows, "channels": merged.channels},
        )  # fmt: skip
        provenance.write(json_path, entry)
    warn(warnings)
    for row in merged.rows:
        click.echo(f"{row['file_name']}: {row['n_events_out']} of {row['n_events_in']} events")
