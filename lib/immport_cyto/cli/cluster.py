"""``immport-cyto cluster``: FlowSOM, and mapping of files onto a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import expand_fcs, jobs_option, json_option, n_jobs, quiet_option, seed_option
from immport_cyto.exceptions import OutputExistsError
from immport_cyto.files import safe_name

if TYPE_CHECKING:
    from immport_cyto.cluster import FlowSOM

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

fcs_argument = click.argument("paths", metavar="FCS...", type=click.Path(path_type=Path), nargs=-1, required=True)
name_option = click.option(
    "--name", "names", multiple=True, help="Name of a file in all tables; once per FCS file, in the same order."
)
out_dir_option = click.option(
    "--out-dir", type=_FOLDER, required=True, help="Folder for the FCS files with cluster channels."
)


@click.group("cluster")
def group() -> None:
    """Cluster events with FlowSOM, map files onto a model."""


class _Grid(click.ParamType):
    name = "ROWSxCOLUMNS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        rows, _, columns = str(value).lower().partition("x")
        if not (rows.isdecimal() and columns.isdecimal()):
            self.fail(f"{value!r} is not of the form 10x10", param, ctx)
        return int(rows), int(columns)


class _Metaclusters(click.ParamType):
    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        if text != "auto" and not text.isdecimal():
            self.fail(f"{value!r} is neither a number nor auto", param, ctx)
        return text if text == "auto" else int(text)


@group.command("flowsom")
@fcs_argument
@name_option
@out_dir_option
@click.option("--model", "model_path", type=_FILE, required=True, help="Model to write (.npz).")
@click.option("--clusters", "clusters_path", type=_FILE, required=True, help="Table of the metaclusters to write.")
@click.option("--medians", "medians_path", type=_FILE, required=True, help="Table of medians per metacluster to write.")
@click.option(
    "--markers", help="Markers to cluster on, joined by commas.  [default: lineage markers that all files have]"
)
@click.option("--grid", type=_Grid(), default="10x10", show_default=True, help="Rows and columns of the map.")
@click.option(
    "--metaclusters", type=_Metaclusters(), default="10", show_default=True,
    help="Number of metaclusters; auto takes the elbow of the explained variance.",
)  # fmt: skip
@click.option("--rlen", type=click.IntRange(min=1), default=10, show_default=True, help="Passes over the events.")
@click.option(
    "--engine", type=click.Choice(["online", "batch", "minisom"]), default="online", show_default=True,
    help="How the map is trained.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice(["none", "zscore"]), default="none", show_default=True,
    help="Scaling of the markers; none suits transformed events.",
)  # fmt: skip
@click.option(
    "--max-training-events", type=click.IntRange(min=1), help="Train on a random subset of at most so many events."
)
@click.option("--study", "study_accession", default="", help="Study of the files, as in samples.tsv.")
@click.option("--panel", "panel_id", default="", help="Panel of the files, as in panel.tsv.")
@click.option("--figure", "figure_path", type=_FILE, help="Heat map of the medians to write (.svg).")
@seed_option
@jobs_option
@json_option
@quiet_option
def flowsom(
    paths: tuple[Path, ...], names: tuple[str, ...], out_dir: Path, model_path: Path, clusters_path: Path,
    medians_path: Path, markers: str | None, grid: tuple[int, int], metaclusters: Any, rlen: int, engine: str,
    scale: str, max_training_events: int | None, study_accession: str, panel_id: str, figure_path: Path | None,
    seed: int, jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Train one FlowSOM model on preprocessed FCS files and write them with cluster channels."""
    from immport_cyto import cluster

    files = expand_fcs(paths, names)
    targets = _targets(files, out_dir)
    wanted = None if markers is None else [name.strip() for name in markers.split(",") if name.strip()]
    threads = n_jobs(jobs)
    if not quiet:
        click.echo(f"training FlowSOM on {len(files)} files", err=True)
    model = cluster.flowsom_files(
        files, markers=wanted, grid=grid, n_metaclusters=metaclusters, rlen=rlen, seed=seed, engine=engine,
        scale=scale, max_training_events=max_training_events, n_jobs=threads, study_accession=study_accession,
        panel_id=panel_id,
    )  # fmt: skip
    for warning in model.warnings_:
        click.echo(f"warning: {warning}", err=True)
    _map_all(model, files, targets, threads, quiet)
    model.save(model_path)
    counts = _write_tables(model, targets, clusters_path, medians_path, figure_path)
    _record("cluster flowsom", json_path, model, [*files.values()], counts, model.warnings_)
    click.echo(
        f"{model_path}: {len(model.markers)} markers, {len(model.codes_)} nodes, {model.n_metaclusters_} metaclusters, "
        f"{counts['events']} events in {counts['files']} files, quantization error {model.quantization_error_:.4g}",
        err=True,
    )


@group.command("map")
@fcs_argument
@name_option
@click.option("--model", "model_path", type=_FILE, required=True, help="Model of cluster flowsom (.npz).")
@out_dir_option
@click.option("--clusters", "clusters_path", type=_FILE, help="Table of the metaclusters to write.")
@click.option("--medians", "medians_path", type=_FILE, help="Table of medians per metacluster to write.")
@click.option("--figure", "figure_path", type=_FILE, help="Heat map of the medians to write (.svg).")
@jobs_option
@json_option
@quiet_option
def map_command(
    paths: tuple[Path, ...], names: tuple[str, ...], model_path: Path, out_dir: Path, clusters_path: Path | None,
    medians_path: Path | None, figure_path: Path | None, jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Write FCS files with the node and metacluster that a model gives each event."""
    from immport_cyto import cluster

    files = expand_fcs(paths, names)
    targets = _targets(files, out_dir)
    model = cluster.load(model_path)
    events = _map_all(model, files, targets, n_jobs(jobs), quiet)
    counts = {"files": len(files), "events": events}
    if clusters_path or medians_path or figure_path:
        counts = _write_tables(model, targets, clusters_path, medians_path, figure_path)
    _record("cluster map", json_path, model, [model_path, *files.values()], counts, [])
    click.echo(f"{out_dir}: {counts['events']} events of {counts['files']} files mapped", err=True)


def _targets(files: Mapping[str, Path], out_dir: Path) -> dict[str, Path]:
    """Where each file goes: its own name, with the ending .fcs."""
    targets: dict[str, Path] = {}
    for name, source in files.items():
        stem = name[:-3] if name.lower().endswith(".gz") else name
        target = out_dir / safe_name(stem if stem.lower().endswith(".fcs") else f"{stem}.fcs")
        if target in targets.values():
            msg = f"{target}: two input files would be written to this name; rename one"
            raise OutputExistsError(msg)
        if target.exists() and any(target.samefile(path) for path in files.values()):
            msg = f"{source}: would be overwritten by its own result; choose another --out-dir"
            raise OutputExistsError(msg)
        targets[name] = target
    return targets


def _map_all(
    model: "FlowSOM", files: Mapping[str, Path], targets: Mapping[str, Path], threads: int, quiet: bool
) -> int:
    from immport_cyto import cluster
    from immport_cyto.progress import progress

    events = 0
    with progress("mapping files", len(files), quiet=quiet) as shown:
        for name, source in files.items():
            events += cluster.map_file(model, source, targets[name], n_jobs=threads).n_events
            if shown:
                shown.step(name)
    return events


def _write_tables(
    model: "FlowSOM", targets: dict[str, Path], clusters_path: Path | None, medians_path: Path | None,
    figure_path: Path | None,
) -> dict[str, int]:  # fmt: skip
    from immport_cyto import cluster, tables

    clusters, medians = cluster.summarize(model, targets)
    if clusters_path:
        tables.write(clusters, clusters_path, tables.CLUSTERS)
    if medians_path:
        tables.write(medians, medians_path, tables.CLUSTER_MEDIANS)
    if figure_path:
        from immport_cyto import report

        report.save(report.figures.cluster_heatmap(medians, clusters), figure_path)
    return {"files": len(targets), "events": int(clusters["n_events"].sum()), "metaclusters": len(clusters)}


def _record(
    command: str, path: Path | None, model: "FlowSOM", inputs: list[Path], counts: dict[str, int], warnings: list[str]
) -> None:
    if path is None:
        return
    from immport_cyto import provenance

    extra = {
        "markers": model.markers,
        "training": [{"file_name": name, "n_events": n} for name, n in model.training],
        "quantization_error": model.quantization_error_,
        "explained_variance": model.explained_variance_.tolist(),
    }
    entry = provenance.record(
        command, inputs=inputs, parameters=model.get_params(), counts=counts, warnings=warnings, extra=extra
    )
    provenance.write(path, entry)
