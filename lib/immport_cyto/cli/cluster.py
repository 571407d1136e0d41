"""``immport-cyto cluster``: FlowSOM, and mapping of files onto a model; FLOCK is in `_flock`."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import (
    collect_fcs,
    files_option,
    jobs_option,
    json_option,
    n_jobs,
    quiet_option,
    seed_option,
)
from immport_cyto.cli._flock import flock, flock_map
from immport_cyto.cli._metacyto import flowhc
from immport_cyto.cli._targets import group_stem, targets
from immport_cyto.exceptions import ImmportCytoError

if TYPE_CHECKING:
    from immport_cyto.cluster import FlowSOM

    Mapped = tuple[FlowSOM, dict[str, Path]]

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

fcs_argument = click.argument("paths", metavar="[FCS]...", type=click.Path(path_type=Path), nargs=-1)
figures_option = click.option(
    "--figures-dir", type=_FOLDER, help="Folder for a heat map of the medians of each model (.svg)."
)


@click.group("cluster")
def group() -> None:
    """Cluster events with FlowSOM or FLOCK, map files onto a model."""


group.add_command(flock)
group.add_command(flock_map)
group.add_command(flowhc)


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
@files_option
@click.option(
    "--samples", "samples_path", type=_FILE,
    help="samples.tsv, for the study of each file.  [default: all files are of one study]",
)  # fmt: skip
@click.option("--models-dir", type=_FOLDER, required=True, help="Folder for the models, STUDY-PANEL.npz.")
@click.option("--clusters", "clusters_path", type=_FILE, required=True, help="Table of the metaclusters to write.")
@click.option("--medians", "medians_path", type=_FILE, required=True, help="Table of medians per metacluster to write.")
@click.option("--out-dir", type=_FOLDER, help="Folder for the FCS files with cluster channels.")
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
@figures_option
@seed_option
@jobs_option
@json_option
@quiet_option
def flowsom(
    paths: tuple[Path, ...], files_json: Path | None, samples_path: Path | None, models_dir: Path, clusters_path: Path,
    medians_path: Path, out_dir: Path | None, markers: str | None, grid: tuple[int, int], metaclusters: Any, rlen: int,
    engine: str, scale: str, max_training_events: int | None, figures_dir: Path | None, seed: int, jobs: int | None,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Train a FlowSOM model on the preprocessed FCS files of each study and panel, and describe its metaclusters.

    The study of a file is that of --samples, its panel that of 'events preprocess'. A study and panel that cannot be
    clustered is reported and does not stop the others.
    """
    from immport_cyto import cluster, population, tables

    files = collect_fcs(paths, files_json)
    samples = tables.read(samples_path, tables.SAMPLES) if samples_path else None
    wanted = None if markers is None else [name.strip() for name in markers.split(",") if name.strip()]
    threads = n_jobs(jobs)
    done: list[Mapped] = []
    failures: list[ImmportCytoError] = []
    warnings: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = out_dir or Path(stack.enter_context(TemporaryDirectory(prefix="flowsom-")))
        into = targets(files, folder)
        for group in population.groups(files, samples):
            if not quiet:
                click.echo(f"{group}: training FlowSOM on {len(group.files)} files", err=True)
            try:
                model = cluster.flowsom_files(
                    group.files, markers=wanted, grid=grid, n_metaclusters=metaclusters, rlen=rlen, seed=seed,
                    engine=engine, scale=scale, max_training_events=max_training_events, n_jobs=threads,
                    study_accession=group.study_accession, panel_id=group.panel_id,
                )  # fmt: skip
            except ImmportCytoError as error:
                failures.append(error)
                warnings.append(f"{group}: not clustered: {error}")
                continue
            warnings += [f"{group}: {warning}" for warning in model.warnings_]
            mapped = {name: into[name] for name in group.files}
            _map_all(dict.fromkeys(mapped, model), group.files, mapped, threads, quiet)
            done.append((model, mapped))
        if not done:
            raise failures[0]
        for warning in warnings:
            click.echo(f"immport-cyto: warning: {warning}", err=True)
        for model, _ in done:
            model.save(models_dir / f"{_stem(model)}.npz")
        counts = _write_tables(done, clusters_path, medians_path, figures_dir)
    inputs = [*files.values(), *([samples_path] if samples_path else [])]
    _record("cluster flowsom", json_path, [model for model, _ in done], inputs, counts, warnings)
    for model, mapped in done:
        click.echo(
            f"{_stem(model)}: {len(model.markers)} markers, {len(model.codes_)} nodes, {model.n_metaclusters_} "
            f"metaclusters, {len(mapped)} files, quantization error {model.quantization_error_:.4g}",
            err=True,
        )


@group.command("map")
@fcs_argument
@files_option
@click.option(
    "--model", "model_paths", type=_FILE, required=True, multiple=True,
    help="Model of cluster flowsom (.npz). Of several each file takes the one that was trained on it, else the only "
    "one of its panel.",
)  # fmt: skip
@click.option("--out-dir", type=_FOLDER, required=True, help="Folder for the FCS files with cluster channels.")
@click.option("--clusters", "clusters_path", type=_FILE, help="Table of the metaclusters to write.")
@click.option("--medians", "medians_path", type=_FILE, help="Table of medians per metacluster to write.")
@figures_option
@jobs_option
@json_option
@quiet_option
def map_command(
    paths: tuple[Path, ...], files_json: Path | None, model_paths: tuple[Path, ...], out_dir: Path,
    clusters_path: Path | None, medians_path: Path | None, figures_dir: Path | None, jobs: int | None,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Write FCS files with the node and metacluster that a model gives each event."""
    from immport_cyto import cluster, fcs

    files = collect_fcs(paths, files_json)
    into = targets(files, out_dir)
    models = [cluster.load(path) for path in model_paths]
    chosen = {}
    for name, path in files.items():
        with fcs.open(path) as file:
            chosen[name] = cluster.choose_model(models, name, file.keywords.get("ICYTO_PANEL", "").strip())
    events = _map_all(chosen, files, into, n_jobs(jobs), quiet)
    counts = {"files": len(files), "events": events}
    if clusters_path or medians_path or figures_dir:
        by_model = [
            (model, mapped)
            for model in models
            if (mapped := {name: into[name] for name in files if chosen[name] is model})
        ]
        counts = _write_tables(by_model, clusters_path, medians_path, figures_dir)
    _record("cluster map", json_path, models, [*model_paths, *files.values()], counts, [])
    click.echo(f"{out_dir}: {counts['events']} events of {counts['files']} files mapped", err=True)


def _stem(model: "FlowSOM") -> str:
    """Name of a model's files."""
    return group_stem(model.study_accession, model.panel_id)


def _map_all(
    models: "Mapping[str, FlowSOM]", files: Mapping[str, Path], targets: Mapping[str, Path], threads: int, quiet: bool
) -> int:
    from immport_cyto import cluster
    from immport_cyto.progress import progress

    events = 0
    with progress("mapping files", len(files), quiet=quiet) as shown:
        for name, source in files.items():
            events += cluster.map_file(models[name], source, targets[name], n_jobs=threads).n_events
            if shown:
                shown.step(name)
    return events


def _write_tables(
    done: "Sequence[Mapped]", clusters_path: Path | None, medians_path: Path | None, figures_dir: Path | None
) -> dict[str, int]:
    from immport_cyto import cluster, tables

    summaries = [cluster.summarize(model, mapped) for model, mapped in done]
    clusters = tables.concat((one for one, _ in summaries), tables.CLUSTERS)
    if clusters_path:
        tables.write(clusters, clusters_path, tables.CLUSTERS)
    if medians_path:
        medians = tables.concat((one for _, one in summaries), tables.CLUSTER_MEDIANS)
        tables.write(medians, medians_path, tables.CLUSTER_MEDIANS)
    if figures_dir:
        from immport_cyto import report

        for (model, _), (some, medians) in zip(done, summaries, strict=True):
            report.save(report.figures.cluster_heatmap(medians, some), figures_dir / f"{_stem(model)}.svg")
    return {
        "models": len(done),
        "files": sum(len(mapped) for _, mapped in done),
        "events": int(clusters["n_events"].sum()),
        "metaclusters": len(clusters),
    }


def _record(
    command: str, path: Path | None, models: "Sequence[FlowSOM]", inputs: list[Path], counts: dict[str, int],
    warnings: list[str],
) -> None:  # fmt: skip
    if path is None:
        return
    from immport_cyto import provenance

    described = [
        {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "markers": model.markers,
            "training": [{"file_name": name, "n_events": n} for name, n in model.training],
            "quantization_error": model.quantization_error_,
            "explained_variance": model.explained_variance_.tolist(),
        }
        for model in models
    ]
    parameters = models[0].get_params()
    extra = {"models": described}
    provenance.write(
        path,
        provenance.record(command, inputs=inputs, parameters=parameters, counts=counts, warnings=warnings, extra=extra),
    )
