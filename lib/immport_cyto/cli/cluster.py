"""``immport-cyto cluster``: FlowSOM; each of the other verbs has a module of its own."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_compare import compare
from immport_cyto.cli._cluster_export import export
from immport_cyto.cli._cluster_extract import extract
from immport_cyto.cli._cluster_map import map_command
from immport_cyto.cli._cluster_match import match
from immport_cyto.cli._cluster_merge import merge
from immport_cyto.cli._cluster_results import fcs_argument, figures_option, record, stem, write_tables
from immport_cyto.cli._cluster_summary import summary
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
from immport_cyto.cli._metacyto import cluster_command as metacyto
from immport_cyto.cli._targets import targets
from immport_cyto.exceptions import ImmportCytoError
from immport_cyto.files import check_writable

if TYPE_CHECKING:
    from immport_cyto.cli._cluster_results import Mapped

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("cluster")
def group() -> None:
    """Cluster events with FlowSOM or FLOCK; map, compare, name and extract clusters."""


for _verb in (map_command, compare, merge, extract, match, summary, export):
    group.add_command(_verb)
group.add_command(flock)
group.add_command(flock_map)
group.add_command(metacyto)


class _Grid(click.ParamType):
    name = "ROWSxCOLUMNS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        rows, _, columns = str(value).lower().partition("x")
        if not (rows.isdecimal() and columns.isdecimal()):
            self.fail(f"{value!r} is not of the form 10x10", param, ctx)
        return int(rows), int(columns)


class _Metaclusters(click.ParamType):
    name = "N|auto|delta-area"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        if text in ("auto", "delta-area"):
            return text
        if not text.isdecimal():
            self.fail(f"{value!r} is neither a number nor auto nor delta-area", param, ctx)
        return int(text)


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
    help="Number of metaclusters; auto takes the elbow of the explained variance, delta-area the number after which "
    "the consensus gains no more.",
)  # fmt: skip
@click.option("--rlen", type=click.IntRange(min=1), default=10, show_default=True, help="Passes over the events.")
@click.option(
    "--engine", type=click.Choice(["online", "batch", "minisom"]), default="online", show_default=True,
    help="How the map is trained.",
)  # fmt: skip
@click.option(
    "--distance", type=click.Choice(["euclidean", "manhattan", "chebyshev", "cosine"]), default="euclidean",
    show_default=True, help="Distance of events to nodes.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice(["none", "zscore"]), default="none", show_default=True,
    help="Scaling of the markers; none suits transformed events.",
)  # fmt: skip
@click.option(
    "--max-training-events", type=click.IntRange(min=1), help="Train on a random subset of at most so many events."
)
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT",
    help="Train and map on the workers of this Dask scheduler, which see files and folders under the same paths; the "
    "results are the same to the bit. Needs the extra distributed.",
)  # fmt: skip
@figures_option
@seed_option
@jobs_option
@json_option
@quiet_option
def flowsom(
    paths: tuple[Path, ...], files_json: Path | None, samples_path: Path | None, models_dir: Path, clusters_path: Path,
    medians_path: Path, out_dir: Path | None, markers: str | None, grid: tuple[int, int], metaclusters: Any, rlen: int,
    engine: str, distance: str, scale: str, max_training_events: int | None, scheduler: str | None,
    figures_dir: Path | None, seed: int, jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Train a FlowSOM model on the preprocessed FCS files of each study and panel, and describe its metaclusters.

    The study of a file is that of --samples, its panel that of 'events preprocess'. A study and panel that cannot be
    clustered is reported and does not stop the others.

    \b
    Example:
      immport-cyto cluster flowsom preprocessed/ --samples samples.tsv --models-dir models --out-dir clustered \\
          --clusters clusters.tsv --medians cluster_medians.tsv
    """
    from immport_cyto import cluster, population, tables

    files = collect_fcs(paths, files_json)
    folders = [folder / "FILE" for folder in (models_dir, out_dir, figures_dir) if folder]
    check_writable(clusters_path, medians_path, json_path, *folders)
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
                    engine=engine, distance=distance, scale=scale, max_training_events=max_training_events,
                    n_jobs=threads, scheduler=scheduler, quiet=quiet,
                    study_accession=group.study_accession, panel_id=group.panel_id,
                )  # fmt: skip
            except ImmportCytoError as error:
                failures.append(error)
                warnings.append(f"{group}: not clustered: {error}")
                continue
            warnings += [f"{group}: {warning}" for warning in model.warnings_]
            mapped = {name: into[name] for name in group.files}
            cluster.map_files(
                dict.fromkeys(mapped, model), group.files, mapped, n_jobs=threads, quiet=quiet,
                scheduler=scheduler if out_dir else None,  # no other machine sees the temporary folder
            )  # fmt: skip
            done.append((model, mapped))
        if not done:
            raise failures[0]
        for warning in warnings:
            click.echo(f"immport-cyto: warning: {warning}", err=True)
        for model, _ in done:
            model.save(models_dir / f"{stem(model)}.npz")
        counts = write_tables(done, clusters_path, medians_path, figures_dir, quiet=quiet)
    inputs = [*files.values(), *([samples_path] if samples_path else [])]
    record("cluster flowsom", json_path, [model for model, _ in done], inputs, counts, warnings)
    for model, mapped in done:
        click.echo(
            f"{stem(model)}: {len(model.markers)} markers, {len(model.codes_)} nodes, {model.n_metaclusters_} "
            f"metaclusters, {len(mapped)} files, quantization error {model.quantization_error_:.4g}",
            err=True,
        )
