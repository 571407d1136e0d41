"""``immport-cyto report``."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from immport_cyto.cli._common import json_option, quiet_option

_PATH = click.Path(path_type=Path, dir_okay=False)
_TABLES = (
    "samples", "panel", "panels", "qc", "channel_densities", "cutoffs", "densities", "clusters", "cluster_medians",
    "drift", "outliers", "annotations", "populations", "batches", "reference", "places", "effects", "meta", "studies",
    "moderators", "subgroups", "cumulative", "asymmetry", "power", "failures",
)  # fmt: skip


@click.group()
def group() -> None:
    """Write the HTML report."""


@click.pass_context
def _build(
    context: click.Context, /, title: str, batch: str, out: Path, json_path: Path | None, quiet: bool,
    **given: tuple[Path, ...],
) -> None:  # fmt: skip
    from immport_cyto import provenance, report, tables

    if not any(given.values()):
        msg = "give at least one table, such as --meta meta.tsv"
        raise click.UsageError(msg, context)
    contracts = {table.name.removesuffix(".tsv"): table for table in tables.ALL}
    frames = {
        name: tables.concat([tables.read(path, contracts[name]) for path in paths], contracts[name])
        for name, paths in given.items()
        if paths
    }
    inputs = [path for paths in given.values() for path in paths]
    entry = provenance.record(
        "report build",
        inputs=inputs,
        parameters={"title": title, **({"batch": batch} if given["batches"] else {})},
        counts={n: len(f) for n, f in frames.items()},
        extra={"repeat": _command(title, batch if given["batches"] else "", given)},
    )
    report.build(out, title=title, provenance=entry, warnings=(), batch=batch, quiet=quiet, **frames)
    if json_path:
        provenance.write(json_path, entry)
    click.echo(f"report: {out}")


def _command(title: str, batch: str, given: Mapping[str, tuple[Path, ...]]) -> str:
    """The command line that builds the page again, files by their names."""
    lines = [f"immport-cyto report build --title {shlex.quote(title)}"]
    lines += [f"--batch {shlex.quote(batch)}"] if batch else []
    lines += [f"--{name.replace('_', '-')} {shlex.quote(path.name)}" for name, paths in given.items() for path in paths]
    return " \\\n    ".join([*lines, "--out report.html"])


_options = [
    click.Option(["--title"], default="Cytometry of ImmPort studies", show_default=True, help="Heading of the page."),
    *(
        click.Option(
            [f"--{name.replace('_', '-')}"],
            type=_PATH,
            multiple=True,
            help=f"Table {name}.tsv; may be repeated.",
        )
        for name in _TABLES
    ),
    click.Option(
        ["--batch"],
        default="batch",
        show_default=True,
        help="Column of samples.tsv that names the batches of --batches.",
    ),
    click.Option(["--out"], type=_PATH, required=True, help="The HTML file to write."),
]
build_command = click.Command(
    "build",
    callback=_build,
    params=list(_options),
    help="Write one self-contained HTML page from the tables that are given.\n\n\b\n"
    "Example:\n  immport-cyto report build --samples samples.tsv --meta meta.tsv --out report.html",
)
group.add_command(quiet_option(json_option(build_command)))
