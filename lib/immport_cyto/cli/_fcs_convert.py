"""``immport-cyto fcs convert``."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, fcs_remarks, files_option, json_option, warn

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
@click.option("--channels", metavar="A,B", help="Only these channels ($PnN), in this order.")
@click.option("--raw", is_flag=True, help="Stored values instead of values on the instrument's linear scale.")
@click.option("--dataset", type=click.IntRange(min=0), default=0, show_default=True, help="Data set, from 0.")
@click.option("--partial", is_flag=True, help="Take the complete events of truncated files instead of an error.")
@json_option
def convert(
    paths: tuple[Path, ...],
    files_json: Path | None,
    of: str | None,
    to: str | None,
    out: Path | None,
    out_dir: Path | None,
    keywords: Path | None,
    channels: str | None,
    raw: bool,
    dataset: int,
    partial: bool,
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
    from immport_cyto.exceptions import OptionError, OutputExistsError
    from immport_cyto.fcs.convert import format_of, from_fcs, to_fcs
    from immport_cyto.fcs.outputs import output_path

    if (out is None) == (out_dir is None):
        msg = "give either --out or --out-dir"
        raise click.UsageError(msg)
    if out is None and to is None:
        msg = "--out-dir needs --to"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    if len(files) > 1 and (out is not None or keywords is not None):
        msg = f"{len(files)} files given; use --out-dir, and no --keywords, for more than one"
        raise click.UsageError(msg)
    chosen = None if channels is None else [name.strip() for name in channels.split(",") if name.strip()]
    counts = {"files": len(files), "events": 0}
    warnings: list[str] = []
    written: list[str] = []
    for name, path in files.items():
        # the name, not the path, has the suffix in Galaxy; instruments name FCS files in many ways
        source = of or _suffix_format(name)
        target = out or output_path(out_dir or Path(), f"{_stem(name)}.{to}", files.values())
        goal = to or format_of(target)
        if (source == "fcs") == (goal == "fcs"):
            msg = f"{name}: converting {source} to {goal} is not possible; one of the two must be fcs (--from, --to)"
            raise OptionError(msg)
        if target.resolve() == path.resolve():
            msg = f"{target}: is the file to read; give another output"
            raise OutputExistsError(msg)
        if source == "fcs":
            warnings += fcs_remarks({name: path}, dataset, partial=partial)
            done = from_fcs(
                path, target, goal, channels=chosen, raw=raw, dataset=dataset, partial=partial, keywords=keywords
            )
        else:
            done = to_fcs(path, target, source, channels=chosen, keywords=keywords)
        counts["events"] += done.n_events
        warnings += [f"{name}: {warning}" for warning in done.warnings]
        written.append(f"{target}: {done.n_events} events, {len(done.names)} channels")
    if json_path is not None:
        entry = provenance.record(
            "fcs convert",
            inputs=[*files.values(), *([keywords] if keywords is not None and of not in (None, "fcs") else [])],
            parameters={
                "from": of, "to": to, "channels": chosen, "values": "raw" if raw else "scaled", "dataset": dataset,
                "partial": partial,
            },
            counts=counts,
            warnings=warnings,
        )  # fmt: skip
        provenance.write(json_path, entry)
    warn(warnings)
    for line in written:
        click.echo(line)


def _suffix_format(name: str) -> str:
    suffix = Path(name).suffix.lower().lstrip(".")
    return {"txt": "tsv"}.get(suffix, suffix if suffix in _FORMATS else "fcs")


def _stem(name: str) -> str:
    stem = name[:-3] if name.lower().endswith(".gz") else name
    return Path(stem).stem if _suffix_format(stem) != "fcs" or stem.lower().endswith((".fcs", ".lmd")) else stem
