"""``immport-cyto fcs``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import collect_fcs, counted, files_option, json_option
from immport_cyto.cli._fcs_convert import convert
from immport_cyto.cli._fcs_deidentify import deidentify
from immport_cyto.cli._fcs_merge import merge
from immport_cyto.cli._fcs_sample import sample
from immport_cyto.cli._fcs_split import split

if TYPE_CHECKING:
    import pandas as pd


@click.group("fcs")
def group() -> None:
    """Look into FCS files, convert, merge, split, sample and de-identify them."""


for command in (convert, deidentify, merge, sample, split):
    group.add_command(command)


@group.command("info")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Table with one row per file.")
@click.option(
    "--channels", type=click.Path(path_type=Path, dir_okay=False), help="Table with one row per file and channel."
)
@click.option(
    "--union", "union_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table with one row per channel name over all files: who has it, and what differs.",
)  # fmt: skip
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="The same as a page to read.")
@click.option("--partial", is_flag=True, help="Take the complete events of truncated files instead of an error.")
@json_option
def info(
    paths: tuple[Path, ...],
    files_json: Path | None,
    out: Path | None,
    channels: Path | None,
    union_path: Path | None,
    html: Path | None,
    partial: bool,
    json_path: Path | None,
) -> None:
    """Say what is in FCS files: events, channels, spillover, and everything odd about them.

    PATH is a file or a folder. A file that cannot be read is listed with its error; the others go on. Without an
    output option the result is printed.

    \b
    Example:
      immport-cyto fcs info ResultFiles --out files.tsv --union channels.tsv
    """
    from immport_cyto import provenance, tables
    from immport_cyto.exceptions import FCSError
    from immport_cyto.fcs.compare import UNION, compare
    from immport_cyto.fcs.overview import CHANNELS, INFO, info
    from immport_cyto.fcs.page import render
    from immport_cyto.files import write_text

    files = collect_fcs(paths, files_json)
    file_table, channel_table = info(files, partial=partial)
    union = compare(channel_table)
    failed = file_table[file_table["error"] != ""]
    if out is not None:
        tables.write(file_table, out, INFO)
    if channels is not None:
        tables.write(channel_table, channels, CHANNELS)
    if union_path is not None:
        tables.write(union, union_path, UNION)
    if html is not None:
        write_text(html, render(file_table, channel_table))
    if json_path is not None:
        entry = provenance.record(
            "fcs info",
            inputs=files.values(),
            parameters={"partial": partial},
            counts={
                "files": len(file_table),
                "files_failed": len(failed),
                "events": int(file_table["n_events"].fillna(0).sum()),
                "channels": len(channel_table),
                "channel_names": len(union),
                "channel_names_differing": int((union["differences"] != "").sum()),
            },
            warnings=[f"{row.file_name}: {row.error}" for row in failed.itertuples()],
            extra={
                name: table.astype(object).where(table.notna(), None).to_dict("records")
                for name, table in (("files", file_table), ("channels", channel_table), ("union", union))
            },
        )
        provenance.write(json_path, entry)
    if not any((out, channels, union_path, html, json_path)):
        for row in file_table.itertuples():
            _print(row)
        if len(file_table) - len(failed) > 1:
            _print_union(union, len(file_table) - len(failed))
    if len(failed) == len(file_table):
        first = failed.iloc[0]
        more = f" (and {len(failed) - 1} more files)" if len(failed) > 1 else ""
        msg = f"{first['file_name']}: {first['error']}{more}"
        raise FCSError(msg)
    for row in failed.itertuples():
        click.echo(f"immport-cyto: warning: {row.file_name}: {row.error}", err=True)
    if any((out, channels, union_path, html, json_path)):
        odd = int(((file_table["error"] == "") & (file_table["findings"] != "")).sum())
        click.echo(
            f"{counted(len(file_table), 'file')}: {odd} with findings, {len(failed)} cannot be read; "
            f"{counted(len(union), 'channel name')}",
            err=True,
        )


def _print_union(union: "pd.DataFrame", n_files: int) -> None:
    differing = union[union["differences"] != ""]
    click.echo(f"{n_files} files: {len(union)} channel names, {len(union) - len(differing)} the same in all")
    for row in differing.itertuples():
        text = f"  {row.fcs_colname}: {row.n_files} of {n_files} files, {row.differences.replace(';', ', ')}"
        if "stain" in row.differences:
            text += f": {row.descriptions}"
        click.echo(text)


def _print(row: object) -> None:
    values = row._asdict()  # type: ignore[attr-defined]
    if values["error"]:
        return
    click.echo(values["file_name"])
    click.echo(
        f"  {values['version']}, {values['n_events']} events, {values['n_channels']} channels "
        f"({values['n_stained']} with a stain), $DATATYPE {values['datatype']}, {values['bits']} bits"
    )
    for label, name in (("instrument", "instrument"), ("software", "software"), ("spillover", "spillover")):
        if values[name]:
            click.echo(f"  {label}: {values[name]}")
    for detail in values["details"].split(" | "):
        if detail:
            click.echo(f"  note: {detail}")
