"""``immport-cyto events gate``: the gates of a Gating-ML 2.0 file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._each_file import Each, each_options, places, write_elements

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.events.gatingml import GatingML


@click.command("gate")
@click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--gates", "gates_path", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="Gating-ML 2.0 file (XML).",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Table of counts to write.")
@click.option("--keep", default="", metavar="GATE", help="Write the events in this gate, for events preprocess.")
@click.option("--out-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for the FCS files of --keep.")
@each_options
@json_option
def gate(
    paths: tuple[Path, ...],
    files_json: Path | None,
    gates_path: Path,
    out: Path,
    keep: str,
    out_dir: Path | None,
    each: Each,
    json_path: Path | None,
) -> None:
    """Apply the gates of a Gating-ML 2.0 file to FCS files as acquired, and count.

    Scales and compensation are those that the Gating-ML file names; channels are named by $PnN.

    \b
    Examples:
      immport-cyto events gate fcs/ --gates gates.xml --out gates.tsv
      immport-cyto events gate fcs/ --gates gates.xml --out gates.tsv --keep Lymphocytes --out-dir lymphocytes
    """
    from immport_cyto import provenance, tables
    from immport_cyto.events import gatingml
    from immport_cyto.events.gating import GATES, check_gate

    if bool(keep) != (out_dir is not None):
        msg = "give --keep and --out-dir together"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    gating = gatingml.read(gates_path)
    check_gate(gating, keep)
    written = places(files, out_dir, ".fcs", each.elements, "events_list") if out_dir is not None else {}
    work = {name: _Job(name, source, gating, keep, written.get(name)) for name, source in files.items()}
    found, failed = each.run("gate", work, _process, sources=files.values(), written=written.values())
    tables.write(tables.concat(found.values(), GATES), out, GATES)
    if each.elements:
        write_elements(each.elements, {"events_list": written})
    if json_path:
        entry = provenance.record(
            "events gate",
            inputs=[*files.values(), gates_path],
            parameters={"keep": keep},
            counts={"files": len(found), "gates": len(gating.gates)},
            extra={"failures": failed},
        )
        provenance.write(json_path, entry)
    if not each.quiet:
        click.echo(f"{len(gating.gates)} gates applied to {len(found)} files", err=True)


@dataclass(frozen=True)
class _Job:
    name: str
    source: Path
    gating: "GatingML"
    keep: str
    target: Path | None


def _process(job: _Job) -> "pd.DataFrame":
    """Gate one file, in whatever process."""
    from immport_cyto.events.gating import gate_files

    targets = {job.name: job.target} if job.target else None
    return gate_files({job.name: job.source}, job.gating, keep=job.keep, targets=targets)
