"""``immport-cyto events gate``: the gates of a Gating-ML 2.0 file."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option
from immport_cyto.cli._targets import targets


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
@json_option
@quiet_option
def gate(
    paths: tuple[Path, ...],
    files_json: Path | None,
    gates_path: Path,
    out: Path,
    keep: str,
    out_dir: Path | None,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Apply the gates of a Gating-ML 2.0 file to FCS files as acquired, and count.

    Scales and compensation are those that the Gating-ML file names; channels are named by $PnN.

    \b
    immport-cyto events gate fcs/ --gates gates.xml --out gates.tsv
    immport-cyto events gate fcs/ --gates gates.xml --out gates.tsv --keep Lymphocytes --out-dir lymphocytes
    """
    from immport_cyto import provenance, tables
    from immport_cyto.events import gatingml
    from immport_cyto.events.gating import GATES, gate_files

    if bool(keep) != (out_dir is not None):
        msg = "give --keep and --out-dir together"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    gating = gatingml.read(gates_path)
    written = targets(files, out_dir) if out_dir is not None else None
    found = gate_files(files, gating, keep=keep, targets=written)
    tables.write(found, out, GATES)
    if json_path:
        entry = provenance.record(
            "events gate",
            inputs=[*files.values(), gates_path],
            parameters={"keep": keep},
            counts={"files": len(files), "gates": len(gating.gates)},
        )
        provenance.write(json_path, entry)
    if not quiet:
        click.echo(f"{len(gating.gates)} gates applied to {len(files)} files", err=True)
