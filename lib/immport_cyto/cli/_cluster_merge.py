"""``immport-cyto cluster merge``: metaclusters merged and named by a table."""

from pathlib import Path

import click

from immport_cyto.cli._cluster_results import (
    FILE,
    FOLDER,
    fcs_argument,
    one_model_option,
    record,
    unlike_training,
)
from immport_cyto.cli._common import collect_fcs, files_option, jobs_option, json_option, n_jobs, quiet_option
from immport_cyto.cli._targets import targets
from immport_cyto.exceptions import TableError


@click.command("merge")
@fcs_argument
@files_option
@one_model_option
@click.option(
    "--table", "table_path", type=FILE, required=True,
    help="Which metacluster becomes which: columns metacluster, population (name), merge (any label), both optional. "
    "The same label, or without labels the same name, makes one metacluster.",
)  # fmt: skip
@click.option("--out", "out_path", type=FILE, required=True, help="Merged model to write (.npz).")
@click.option("--clusters", "clusters_path", type=FILE, help="Table of the merged metaclusters, with names, to write.")
@click.option("--medians", "medians_path", type=FILE, help="Table of their medians to write; needs FCS files.")
@click.option("--merges", "merges_path", type=FILE, help="Table to write: new number and name of each old metacluster.")
@click.option("--out-dir", type=FOLDER, help="Folder for the FCS files, mapped onto the merged model.")
@jobs_option
@json_option
@quiet_option
def merge(
    paths: tuple[Path, ...], files_json: Path | None, model_path: Path, table_path: Path, out_path: Path,
    clusters_path: Path | None, medians_path: Path | None, merges_path: Path | None, out_dir: Path | None,
    jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Merge metaclusters of a model, and name them, by a table.

    Nodes and codes stay, so events keep their nodes. A metacluster that is not in the table stays as it is. Rows may
    name study_accession and panel_id; rows of other models are left out. With FCS files and --out-dir the files are
    mapped onto the merged model.

    \b
    Example:
      printf 'metacluster\\tpopulation\\n1\\tCD4 T cells\\n4\\tCD4 T cells\\n2\\tB cells\\n' > merges.tsv
      immport-cyto cluster merge clustered/ --model m.npz --table merges.tsv --out merged.npz \\
          --clusters clusters.tsv --out-dir merged
    """
    from immport_cyto import cluster, tables
    from immport_cyto.cluster import merging

    if bool(paths or files_json) != (out_dir is not None):
        msg = "give FCS files and --out-dir together, or neither"
        raise click.UsageError(msg)
    if medians_path and not out_dir:
        msg = "--medians needs FCS files and --out-dir"
        raise click.UsageError(msg)
    model = cluster.load(model_path)
    table = tables.read(table_path, tables.MERGES)
    if table.empty:
        msg = f"{table_path}: there are no rows; give a row for each metacluster to merge or name"
        raise TableError(msg)
    wanted = merging.rows_of(model, table)
    merged, numbers = merging.merge(model, wanted)
    clusters = merging.merged_clusters(merged, numbers)
    files = collect_fcs(paths, files_json) if out_dir else {}
    events = 0
    warnings: list[str] = []
    if wanted.empty:
        group = f"{model.study_accession} {model.panel_id}".strip()
        warnings.append(f"{table_path}: no row is about the model ({group}), which stays as it is")
        click.echo(f"immport-cyto: warning: {warnings[0]}", err=True)
    if out_dir:
        into = targets(files, out_dir)
        models = dict.fromkeys(files, merged)
        mapped = cluster.map_files(models, files, into, any_scale=True, n_jobs=n_jobs(jobs), quiet=quiet)
        warnings += unlike_training(mapped, models)
        events = sum(file.n_events for file in mapped.values())
        counted, medians = cluster.summarize(merged, into)
        clusters[["n_events", "fraction"]] = counted[["n_events", "fraction"]]
        if medians_path:
            tables.write(medians, medians_path, tables.CLUSTER_MEDIANS)
    merged.save(out_path)
    if clusters_path:
        tables.write(clusters, clusters_path, tables.CLUSTERS)
    if merges_path:
        tables.write(numbers, merges_path, tables.MERGES)
    named = int((clusters["population"] != "").sum())
    counts = {
        "metaclusters_in": model.n_metaclusters_, "metaclusters_out": merged.n_metaclusters_, "named": named,
        "files": len(files), "events": events,
    }  # fmt: skip
    record("cluster merge", json_path, [merged], [model_path, table_path, *files.values()], counts, warnings)
    done = f"{model.n_metaclusters_} metaclusters became {merged.n_metaclusters_}, {named} of them with a name"
    click.echo(f"{out_path}: {done}", err=True)
