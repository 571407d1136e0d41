"""``immport-cyto fcs split``."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, fcs_remarks, files_option, json_option, warn


@click.command("split")
@click.argument("path", metavar="[PATH]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@files_option
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option("--by", metavar="CHANNEL", help="Channel with whole numbers, such as File or FlowSOM_metacluster.")
@click.option("--events", type=click.IntRange(min=1), help="Instead: pieces of so many events, in order.")
@click.option("--dataset", type=click.IntRange(min=0), default=0, show_default=True, help="Data set, from 0.")
@click.option("--partial", is_flag=True, help="Take the complete events of a truncated file instead of an error.")
@json_option
def split(
    path: Path | None,
    files_json: Path | None,
    out_dir: Path,
    by: str | None,
    events: int | None,
    dataset: int,
    partial: bool,
    json_path: Path | None,
) -> None:
    """Take one file apart: by a channel of labels, or into pieces of equal size.

    A file that "fcs merge" made is taken apart with --by File; the parts get the names of the files again.

    \b
    Example:
      immport-cyto fcs split merged.fcs --by File --out-dir parts
    """
    from immport_cyto import provenance
    from immport_cyto.fcs.split import split as split_file

    if (by is None) == (events is None):
        msg = "give either --by or --events"
        raise click.UsageError(msg)
    files = collect_fcs(() if path is None else (path,), files_json)
    if len(files) != 1:
        msg = f"{len(files)} files given; split one at a time"
        raise click.UsageError(msg)
    ((name, source),) = files.items()
    rows = split_file(name, source, out_dir, by=by, n_events=events, dataset=dataset, partial=partial)
    warnings = fcs_remarks(files, dataset, partial=partial)
    if json_path is not None:
        entry = provenance.record(
            "fcs split",
            inputs=files.values(),
            parameters={"by": by, "events": events, "dataset": dataset, "partial": partial},
            counts={"files": len(rows), "n_events_out": sum(row["n_events"] for row in rows)},
            warnings=warnings,
            extra={"files": rows},
        )
        provenance.write(json_path, entry)
    warn(warnings)
    for row in rows:
        click.echo(f"{row['file_name']}: {row['n_events']} events")
