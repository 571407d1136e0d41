"""``immport-cyto fcs split``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from immport_cyto.cli._common import collect_fcs, fcs_remarks, files_option, json_option, warn
from immport_cyto.cli._each_file import Each, check_elements, each_options, places, write_elements


@click.command("split")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option("--by", metavar="CHANNEL", help="Channel with whole numbers, such as File or FlowSOM_metacluster.")
@click.option("--events", type=click.IntRange(min=1), help="Instead: pieces of so many events, in order.")
@click.option("--dataset", type=click.IntRange(min=0), default=0, show_default=True, help="Data set, from 0.")
@click.option("--partial", is_flag=True, help="Take the complete events of a truncated file instead of an error.")
@each_options
@json_option
def split(
    paths: tuple[Path, ...],
    files_json: Path | None,
    out_dir: Path,
    by: str | None,
    events: int | None,
    dataset: int,
    partial: bool,
    each: Each,
    json_path: Path | None,
) -> None:
    """Take files apart: by a channel of labels, or into pieces of equal size.

    A file that "fcs merge" made is taken apart with --by File; the parts get the names of the files again. Of several
    files each has a folder of its own.

    \b
    Example:
      immport-cyto fcs split merged.fcs --by File --out-dir parts
    """
    from immport_cyto import provenance
    from immport_cyto.fcs.outputs import file_part

    if (by is None) == (events is None):
        msg = "give either --by or --events"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    several = len(files) > 1
    folders = dict.fromkeys(files, out_dir)
    if several or each.elements:
        folders = places(files, out_dir, "", each.elements, "parts_list", _folder)
    own = [folder for folder in folders.values() if folder != out_dir]
    work = {name: _Job(name, source, folders[name], by, events, dataset, partial) for name, source in files.items()}
    found, failed = each.run("split", work, _process, sources=files.values(), written=own)
    rows = {name: done.rows for name, done in found.items()}
    if each.elements:
        parts = {
            (name, row["file_name"]): folders[name] / file_part(row["file_name"])
            for name, split in rows.items()
            for row in split
        }
        check_elements([":".join(names) for names in parts], "parts_list")
        # the first is the output of a job for a single file
        flat = {} if several else {"parts": {part: path for (_, part), path in parts.items()}}
        write_elements(each.elements, {**flat, "parts_list": parts})
    warnings = [warning for done in found.values() for warning in done.remarks]
    every = [{**row, "of": name} if several else row for name, split in rows.items() for row in split]
    if json_path is not None:
        entry = provenance.record(
            "fcs split",
            inputs=files.values(),
            parameters={"by": by, "events": events, "dataset": dataset, "partial": partial},
            counts={"files": len(every), "n_events_out": sum(row["n_events"] for row in every)},
            warnings=warnings,
            extra={"files": every, "failures": failed},
        )
        provenance.write(json_path, entry)
    warn(warnings)
    for row in every:
        click.echo(f"{row['file_name']}: {row['n_events']} events")


def _folder(name: str) -> str:
    from immport_cyto.fcs.outputs import plain_name

    plain = plain_name(name)
    return plain[:-4] if plain.lower().endswith(".fcs") else f"{plain}_parts"


@dataclass(frozen=True)
class _Job:
    name: str
    source: Path
    folder: Path
    by: str | None
    n_events: int | None
    dataset: int
    partial: bool


@dataclass(frozen=True)
class _Done:
    rows: list[dict[str, Any]]
    remarks: list[str]


def _process(job: _Job) -> _Done:
    """Split one file, in whatever process."""
    from immport_cyto.fcs.split import split as split_file

    rows = split_file(
        job.name, job.source, job.folder, by=job.by, n_events=job.n_events, dataset=job.dataset, partial=job.partial
    )
    return _Done(rows, fcs_remarks({job.name: job.source}, job.dataset, partial=job.partial))
