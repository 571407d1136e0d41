"""``immport-cyto fcs convert``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import collect_fcs, fcs_remarks, files_option, json_option, warn
from immport_cyto.cli._each_file import Each, each_options, numbered, places, write_elements

if TYPE_CHECKING:
    from immport_cyto.fcs.convert import Converted

_FORMATS = ("fcs", "tsv", "csv", "parquet", "h5ad")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("convert")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--from", "of", type=click.Choice(_FORMATS), help="Format of the input.  [default: by its suffix, else fcs]"
)
@click.option("--to", type=click.Choice(_FORMATS), help="Format of the output.  [default: by the suffix of --out]")
@click.option("--out", type=_FILE, help="File to write, for one input.")
@click.option("--out-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to, for any number.")
@click.option(
    "--keywords", type=_FILE,
    help="Channels and keywords as JSON: written from FCS, read on the way back (TSV and CSV hold neither).",
)  # fmt: skip
@click.option(
    "--keywords-dir", type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the channels and keywords of each file as JSON, with --out-dir, from FCS.",
)  # fmt: skip
@click.option("--channels", metavar="A,B", help="Only these channels ($PnN), in this order.")
@click.option("--raw", is_flag=True, help="Stored values instead of values on the instrument's linear scale.")
@click.option("--dataset", type=click.IntRange(min=0), default=0, show_default=True, help="Data set, from 0.")
@click.option("--partial", is_flag=True, help="Take the complete events of truncated files instead of an error.")
@each_options
@json_option
def convert(
    paths: tuple[Path, ...],
    files_json: Path | None,
    of: str | None,
    to: str | None,
    out: Path | None,
    out_dir: Path | None,
    keywords: Path | None,
    keywords_dir: Path | None,
    channels: str | None,
    raw: bool,
    dataset: int,
    partial: bool,
    each: Each,
    json_path: Path | None,
) -> None:
    """Turn FCS into TSV, CSV, Parquet or h5ad, and any of these into FCS.

    Values are on the instrument's linear scale ($PnE and $PnG applied, $TIMESTEP not), or as stored with --raw.
    Parquet needs the extra "parquet", h5ad the extra "anndata".

    \b
    Examples:
      immport-cyto fcs convert a.fcs --out a.tsv --keywords a.json
      immport-cyto fcs convert ResultFiles --to h5ad --out-dir h5ad
    """
    from immport_cyto import provenance

    if (out is None) == (out_dir is None):
        msg = "give either --out or --out-dir"
        raise click.UsageError(msg)
    if out_dir is not None and to is None:
        msg = "--out-dir needs --to"
        raise click.UsageError(msg)
    if (each.elements or keywords_dir) and out_dir is None:
        msg = "--elements and --keywords-dir go with --out-dir"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    if len(files) > 1 and (out is not None or keywords is not None):
        msg = f"{len(files)} files given; use --out-dir, and --keywords-dir for --keywords, for more than one"
        raise click.UsageError(msg)
    targets = (
        dict.fromkeys(files, out)
        if out
        else places(
            files, out_dir or Path(), f".{to}", each.elements, "converted_list", lambda name: f"{_stem(name)}.{to}"
        )
    )
    described = {}
    if keywords_dir:
        described = (
            numbered(list(files), keywords_dir, ".json")
            if each.elements
            else {name: keywords_dir / f"{targets[name].stem}.json" for name in files}
        )
    chosen = None if channels is None else tuple(name.strip() for name in channels.split(",") if name.strip())
    work = {
        name: _Job(
            name, path, of, to, targets[name], described.get(name, keywords), chosen, raw, dataset, partial,
        )
        for name, path in files.items()
    }  # fmt: skip
    done, failed = each.run(
        "convert", work, _process, sources=files.values(), written=(*targets.values(), *described.values())
    )
    if each.elements:
        lists = {"converted_list": targets} | ({"description_list": described} if described else {})
        write_elements(each.elements, lists)
    warnings = [warning for one in done.values() for warning in one.warnings]
    if json_path is not None:
        entry = provenance.record(
            "fcs convert",
            inputs=[*files.values(), *([keywords] if keywords is not None and of not in (None, "fcs") else [])],
            parameters={
                "from": of, "to": to, "channels": None if chosen is None else list(chosen),
                "values": "raw" if raw else "scaled", "dataset": dataset, "partial": partial,
            },
            counts={"files": len(done), "events": sum(one.n_events for one in done.values())},
            warnings=warnings,
            extra={"failures": failed},
        )  # fmt: skip
        provenance.write(json_path, entry)
    warn(warnings)
    for name, one in done.items():
        click.echo(f"{targets[name]}: {one.n_events} events, {len(one.names)} channels")


@dataclass(frozen=True)
class _Job:
    name: str
    source: Path
    of: str | None
    to: str | None
    target: Path
    keywords: Path | None
    channels: tuple[str, ...] | None
    raw: bool
    dataset: int
    partial: bool


def _process(job: _Job) -> "Converted":
    """Convert one file, in whatever process."""
    from dataclasses import replace

    from immport_cyto.exceptions import OptionError, OutputExistsError
    from immport_cyto.fcs.convert import format_of, from_fcs, to_fcs

    # the name, not the path, has the suffix in Galaxy; instruments name FCS files in many ways
    of = job.of or _suffix_format(job.name)
    goal = job.to or format_of(job.target)
    if (of == "fcs") == (goal == "fcs"):
        msg = f"{job.name}: converting {of} to {goal} is not possible; one of the two must be fcs (--from, --to)"
        raise OptionError(msg)
    if job.target.resolve() == job.source.resolve():
        msg = f"{job.target}: is the file to read; give another output"
        raise OutputExistsError(msg)
    if of != "fcs":
        done = to_fcs(job.source, job.target, of, channels=job.channels, keywords=job.keywords)
        return replace(done, warnings=tuple(f"{job.name}: {warning}" for warning in done.warnings))
    remarks = fcs_remarks({job.name: job.source}, job.dataset, partial=job.partial)
    done = from_fcs(
        job.source, job.target, goal, channels=job.channels, raw=job.raw, dataset=job.dataset, partial=job.partial,
        keywords=job.keywords,
    )  # fmt: skip
    return replace(done, warnings=(*remarks, *(f"{job.name}: {warning}" for warning in done.warnings)))


def _suffix_format(name: str) -> str:
    suffix = Path(name).suffix.lower().lstrip(".")
    return {"txt": "tsv"}.get(suffix, suffix if suffix in _FORMATS else "fcs")


def _stem(name: str) -> str:
    stem = name[:-3] if name.lower().endswith(".gz") else name
    return Path(stem).stem if _suffix_format(stem) != "fcs" or stem.lower().endswith((".fcs", ".lmd")) else stem
