"""``immport-cyto cluster map``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._cluster_results import (
    FILE,
    FOLDER,
    any_scale_option,
    choose_models,
    fcs_argument,
    figures_option,
    models_option,
    record,
    stem,
    unlike_training,
    write_tables,
)
from immport_cyto.cli._common import collect_fcs, files_option, jobs_option, json_option, n_jobs, quiet_option
from immport_cyto.cli._each_file import elements_option, failures_option, places, usable, write_elements

if TYPE_CHECKING:
    from immport_cyto.cluster import FlowSOM, MappedFile


@click.command("map")
@fcs_argument
@files_option
@models_option
@click.option("--out-dir", type=FOLDER, required=True, help="Folder for the FCS files with cluster channels.")
@click.option("--clusters", "clusters_path", type=FILE, help="Table of the metaclusters to write.")
@click.option("--medians", "medians_path", type=FILE, help="Table of medians per metacluster to write.")
@click.option(
    "--drift", "drift_path", type=FILE,
    help="Table to write: outliers and shift of the composition of each file against the training.",
)  # fmt: skip
@click.option("--outliers", "outliers_path", type=FILE, help="Table to write: outliers per file and node.")
@click.option(
    "--mad", "mad_allowed", type=click.FloatRange(min=0), default=4.0, show_default=True,
    help="An event is an outlier where its distance to the code is above the median + so many MAD of the training.",
)  # fmt: skip
@click.option("--outlier-channel", is_flag=True, help="Add the channel FlowSOM_outlier (1: outlier, 0: not).")
@any_scale_option
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT",
    help="Map on the workers of this Dask scheduler, a file each, which see files and folders under the same paths; "
    "the results are the same to the bit. Needs the extra distributed.",
)  # fmt: skip
@figures_option
@failures_option
@elements_option
@jobs_option
@json_option
@quiet_option
def map_command(
    paths: tuple[Path, ...], files_json: Path | None, model_paths: tuple[Path, ...], out_dir: Path,
    clusters_path: Path | None, medians_path: Path | None, drift_path: Path | None, outliers_path: Path | None,
    mad_allowed: float, outlier_channel: bool, any_scale: bool, scheduler: str | None, figures_dir: Path | None,
    failures_path: Path | None, elements_path: Path | None, jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Write FCS files with the node and metacluster that a model gives each event.

    Markers are matched by name, in any order; markers that the model does not have are listed in --drift. A file
    that lacks a marker of the model is an error, and so is one whose keywords state another transform than those of the
    training files, unless --any-scale is given. With --figures-dir the drift is drawn too.

    \b
    Example:
      immport-cyto cluster map new/*.fcs --model SDY1-flow-8m-3fa9c1.npz --out-dir mapped --drift drift.tsv
    """
    from immport_cyto import cluster, tables
    from immport_cyto.cluster.drifting import drift, node_outliers

    files = collect_fcs(paths, files_json)
    into = places(files, out_dir, ".fcs", elements_path, "clustered_list")
    models = [cluster.load(path) for path in model_paths]

    def mapped_by(chosen: "Mapping[str, FlowSOM]", *, quiet: bool) -> "dict[str, MappedFile]":
        return cluster.map_files(
            chosen, {name: files[name] for name in chosen}, into, mad_allowed=mad_allowed,
            outlier_channel=outlier_channel, any_scale=any_scale, n_jobs=n_jobs(jobs), scheduler=scheduler, quiet=quiet,
        )  # fmt: skip

    chosen: dict[str, FlowSOM] = {}
    failed: dict[str, str] = {}
    if failures_path:

        def one(name: str) -> "MappedFile":
            chosen.update(choose_models(models, {name: files[name]}))
            return mapped_by({name: chosen[name]}, quiet=True)[name]

        mapped, failed = usable("map", files, one, failures_path)
        files = {name: files[name] for name in mapped}
    else:
        chosen = choose_models(models, files)
        mapped = mapped_by(chosen, quiet=quiet)
    by_model = [(model, names) for model in models if (names := [name for name in files if chosen[name] is model])]
    drifts = [drift(model, {name: mapped[name] for name in names}) for model, names in by_model]
    if drift_path:
        tables.write(tables.concat(drifts, tables.DRIFT), drift_path, tables.DRIFT)
    if outliers_path:
        per_node = [node_outliers(model, {name: mapped[name] for name in names}, mad_allowed)
                    for model, names in by_model]  # fmt: skip
        tables.write(tables.concat(per_node, tables.OUTLIERS), outliers_path, tables.OUTLIERS)
    if elements_path:
        write_elements(elements_path, {"clustered_list": into})
    counts = {"files": len(files), "events": sum(file.n_events for file in mapped.values())}
    if clusters_path or medians_path or figures_dir:
        labelled = [(model, {name: into[name] for name in names}) for model, names in by_model]
        counts = write_tables(labelled, clusters_path, medians_path, figures_dir, quiet=quiet)
    if figures_dir:
        from immport_cyto import report

        for (model, _), rows in zip(by_model, drifts, strict=True):
            report.save(report.figures.drift(rows), figures_dir / f"{stem(model)}-drift.svg")
    counts["left_out"] = len(failed)
    counts["outliers"] = sum(file.n_outliers for file in mapped.values())
    warnings = unlike_training(mapped, chosen)
    parameters = {"mad": mad_allowed, "outlier_channel": outlier_channel, "any_scale": any_scale}
    record("cluster map", json_path, models, [*model_paths, *files.values()], counts, warnings, parameters)
    click.echo(
        f"{out_dir}: {counts['events']} events of {counts['files']} files mapped, {counts['outliers']} outliers",
        err=True,
    )
