"""``immport-cyto cluster export``: a model for R, and events with their clusters for FlowJo."""

from pathlib import Path

import click

from immport_cyto.cli._cluster_results import (
    FILE,
    FOLDER,
    fcs_argument,
    load_one,
    names_option,
    one_model_option,
    record,
)
from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._each_file import elements_option, places, write_elements


@click.command("export")
@fcs_argument
@files_option
@one_model_option
@names_option
@click.option(
    "--model-json", type=FILE, help="The model as JSON to write: codes, metaclusters, tree; jsonlite reads it."
)
@click.option(
    "--codes", "codes_path", type=FILE, help="Table to write (.csv): a row per node with its code; R reads it."
)
@click.option(
    "--events-dir", type=FOLDER,
    help="Folder for the events of each file (.csv, a row per event in the order of the file), as FlowJo imports them.",
)  # fmt: skip
@click.option(
    "--columns", type=click.Choice(["all", "clusters"]), default="all", show_default=True,
    help="Columns of the events: all channels, or only those of the clusters.",
)  # fmt: skip
@elements_option
@json_option
def export(
    paths: tuple[Path, ...], files_json: Path | None, model_path: Path, clusters_path: Path | None,
    model_json: Path | None, codes_path: Path | None, events_dir: Path | None, columns: str,
    elements_path: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Write a FlowSOM model as JSON and CSV for R, and mapped files as CSV for FlowJo.

    \b
    Example:
      immport-cyto cluster export clustered/ --model m.npz --model-json m.json --codes codes.csv --events-dir csv
    """
    from immport_cyto.cluster import exporting
    from immport_cyto.cluster.grouped import read_nodes
    from immport_cyto.fcs import convert

    if not (model_json or codes_path or events_dir):
        msg = "nothing would be written; give --model-json, --codes or --events-dir"
        raise click.UsageError(msg)
    model, names = load_one(model_path, clusters_path)
    files = collect_fcs(paths, files_json) if events_dir else {}
    events = 0
    if events_dir:
        into = places(files, events_dir, ".csv", elements_path, "events")
        for path in files.values():
            read_nodes(model, path)
        for name, path in files.items():
            events += convert.from_fcs(path, into[name], "csv", channels=_channels(path, columns)).n_events
        if elements_path:
            write_elements(elements_path, {"events": into})
    if model_json:
        exporting.write_json(model, model_json, names)
    if codes_path:
        exporting.write_csv(model, codes_path, names)
    inputs = [model_path, *([clusters_path] if clusters_path else []), *files.values()]
    counts = {"files": len(files), "events": events, "nodes": len(model.codes_)}
    record("cluster export", json_path, [model], inputs, counts, [], {"columns": columns})
    click.echo(f"{len(model.codes_)} nodes, {events} events of {len(files)} files exported", err=True)


def _channels(path: Path, columns: str) -> list[str] | None:
    from immport_cyto import fcs

    if columns == "all":
        return None
    with fcs.open(path) as file:
        return [name for name in file.names if name.startswith("FlowSOM_")]
