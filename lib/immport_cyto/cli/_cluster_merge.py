"""``immport-cyto cluster merge``: metaclusters of FlowSOM or populations of FLOCK merged and named."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli import _cluster_results, _flock_results
from immport_cyto.cli._cluster_results import FILE, FOLDER, load_any, unlike_training
from immport_cyto.cli._common import collect_fcs, files_option, jobs_option, json_option, n_jobs, quiet_option
from immport_cyto.cli._flock import check_kind, kind_of_files
from immport_cyto.cli._targets import group_stem, targets
from immport_cyto.exceptions import OptionError, OutputExistsError, TableError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.cluster import FLOCK, FlowSOM, MappedFile
    from immport_cyto.cluster.flock import LabelledFile


@dataclass(frozen=True)
class _Into:
    """Where results go; None is not written."""

    clusters: Path | None
    medians: Path | None
    profiles: Path | None
    files: Path | None
    figures: Path | None


@dataclass(frozen=True)
class _Done:
    """merges.tsv and clusters.tsv of the merged model, events of the files, and warnings."""

    numbers: "pd.DataFrame"
    clusters: "pd.DataFrame"
    events: int
    warnings: list[str]


@click.command("merge")
@click.argument("paths", metavar="[FILE]...", type=click.Path(path_type=Path), nargs=-1)
@files_option
@click.option(
    "--model", "model_path", type=FILE, required=True,
    help="Model of cluster flowsom, cluster flock or cluster merge (.npz).",
)  # fmt: skip
@click.option(
    "--table", "table_path", type=FILE,
    help="Which metacluster or FLOCK population becomes which: columns metacluster (its number), population (name), "
    "merge (any label), both optional. The same label, or without labels the same name, makes one.",
)  # fmt: skip
@click.option(
    "--by-profile", is_flag=True,
    help="Instead of a table: FLOCK populations of one profile become one, with the profile as name.",
)  # fmt: skip
@click.option(
    "--markers", help="Markers of the profile that count, joined by commas.  [default: all markers of the model]"
)
@click.option(
    "--levels",
    help="Levels of the profile that are one, joined by commas, between slashes: -,lo/+,++ takes - for lo and + for "
    "++.  [default: -/lo/+/++]",
)
@click.option("--out", "out_path", type=FILE, required=True, help="Merged model to write (.npz).")
@click.option("--clusters", "clusters_path", type=FILE, help="Table of the merged clusters, with names, to write.")
@click.option("--medians", "medians_path", type=FILE, help="Table of their medians to write; needs files.")
@click.option("--profiles", "profiles_path", type=FILE, help="Table of the merged populations of FLOCK to write.")
@click.option("--merges", "merges_path", type=FILE, help="Table to write: new number and name of each old cluster.")
@click.option("--out-dir", type=FOLDER, help="Folder for the files, labelled by the merged model.")
@click.option(
    "--figures-dir", type=FOLDER,
    help="Folder for a figure of the merged clusters (.svg): medians of FlowSOM, which need files; centres, levels and "
    "sizes of FLOCK.",
)  # fmt: skip
@jobs_option
@json_option
@quiet_option
def merge(
    paths: tuple[Path, ...], files_json: Path | None, model_path: Path, table_path: Path | None, by_profile: bool,
    markers: str | None, levels: str | None, out_path: Path, clusters_path: Path | None, medians_path: Path | None,
    profiles_path: Path | None, merges_path: Path | None, out_dir: Path | None, figures_dir: Path | None,
    jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Merge metaclusters of FlowSOM or populations of FLOCK, and name them, by a table or by their profiles.

    Nodes, centres and scaling stay, so an event goes where its old cluster went. What is not in the table stays as it
    is. Rows may name study_accession and panel_id; rows of other models are left out. With files and --out-dir the
    files are labelled by the merged model; FCS files that FLOCK adjusted its populations to keep them.

    \b
    Example:
      printf 'metacluster\\tpopulation\\n1\\tCD4 T cells\\n4\\tCD4 T cells\\n2\\tB cells\\n' > merges.tsv
      immport-cyto cluster merge clustered/ --model m.npz --table merges.tsv --out merged.npz \\
          --clusters clusters.tsv --out-dir merged
      immport-cyto cluster merge --model flock.npz --by-profile --markers CD3,CD4,CD8 --levels=-,lo/+,++ \\
          --out merged.npz --merges merges.tsv
    """
    from immport_cyto import cluster, tables

    if (table_path is not None) == by_profile:
        msg = "give either --table or --by-profile"
        raise click.UsageError(msg)
    if not by_profile and (markers is not None or levels is not None):
        msg = "--markers and --levels go with --by-profile"
        raise click.UsageError(msg)
    if bool(paths or files_json) != (out_dir is not None):
        msg = "give files and --out-dir together, or neither"
        raise click.UsageError(msg)
    if medians_path and not out_dir:
        msg = "--medians needs files and --out-dir"
        raise click.UsageError(msg)
    if out_path.exists() and model_path.exists() and out_path.samefile(model_path):
        msg = f"{model_path}: would be overwritten by the merged model; give --out another name"
        raise OutputExistsError(msg)
    model = load_any(model_path)
    warnings: list[str] = []
    if table_path is not None:
        wanted, how = _by_table(model, table_path, warnings), "by a table"
    else:
        wanted, how = _by_profile(model, model_path, markers, levels), "by their profiles"
    files = collect_fcs(paths, files_json) if out_dir else {}
    into = _Into(clusters_path, medians_path, profiles_path, out_dir, figures_dir)
    inputs = [model_path, *([table_path] if table_path else []), *files.values()]
    parameters = {"by_profile": by_profile, "markers": markers, "levels": levels}
    if isinstance(model, cluster.FLOCK):
        what, before = "populations", model.n_populations_
        populations, done = _flock(model, wanted, how, files, into, n_jobs(jobs))
        populations.save(out_path)
    else:
        _check_flowsom(model_path, into)
        what, before = "metaclusters", model.n_metaclusters_
        metaclusters, done = _flowsom(model, wanted, how, files, into, n_jobs(jobs), quiet)
        metaclusters.save(out_path)
    if merges_path:
        tables.write(done.numbers, merges_path, tables.MERGES)
    warnings += done.warnings
    named = int((done.clusters["population"] != "").sum())
    after = len(done.clusters)
    counts = {f"{what}_in": before, f"{what}_out": after, "named": named, "files": len(files), "events": done.events}
    if isinstance(model, cluster.FLOCK):
        _flock_results.record("cluster merge", json_path, [populations], inputs, parameters, counts, warnings)
    else:
        _cluster_results.record("cluster merge", json_path, [metaclusters], inputs, counts, warnings, parameters)
    click.echo(f"{out_path}: {before} {what} became {after}, {named} of them with a name", err=True)


def _check_flowsom(path: Path, into: _Into) -> None:
    if into.profiles:
        msg = f"{path}: is a FlowSOM model, and only populations of FLOCK have profiles; leave --profiles out"
        raise OptionError(msg)
    if into.figures and not into.files:
        msg = f"{path}: --figures-dir draws the medians of a FlowSOM model, which need files; give them and --out-dir"
        raise OptionError(msg)


def _by_table(model: "FlowSOM | FLOCK", path: Path, warnings: list[str]) -> "pd.DataFrame":
    """Rows of the table that are about the model."""
    from immport_cyto import tables
    from immport_cyto.cluster import merging

    table = tables.read(path, tables.MERGES)
    if table.empty:
        msg = f"{path}: there are no rows; give a row for each metacluster or population to merge or name"
        raise TableError(msg)
    wanted = merging.rows_of(model, table)
    if wanted.empty:
        group = f"{model.study_accession} {model.panel_id}".strip()
        warnings.append(f"{path}: no row is about the model ({group}), which stays as it is")
        click.echo(f"immport-cyto: warning: {warnings[-1]}", err=True)
    return wanted


def _by_profile(model: "FlowSOM | FLOCK", path: Path, markers: str | None, levels: str | None) -> "pd.DataFrame":
    from immport_cyto import cluster
    from immport_cyto.cluster.flock import merging

    if not isinstance(model, cluster.FLOCK):
        msg = f"{path}: is a FlowSOM model, and only populations of FLOCK have profiles; give --table"
        raise OptionError(msg)
    names = None if markers is None else [name.strip() for name in markers.split(",") if name.strip()]
    return merging.by_profile(model, names, merging.EACH_LEVEL if levels is None else levels)


def _flowsom(
    model: "FlowSOM", wanted: "pd.DataFrame", how: str, files: Mapping[str, Path], into: _Into, threads: int,
    quiet: bool,
) -> "tuple[FlowSOM, _Done]":  # fmt: skip
    """Merge metaclusters, map the files and write the tables."""
    from immport_cyto import cluster, report, tables

    merged, numbers = cluster.merge(model, wanted, how)
    clusters = cluster.merged_clusters(merged, numbers)
    mapped: dict[str, MappedFile] = {}
    if into.files:
        placed = targets(files, into.files)
        models = dict.fromkeys(files, merged)
        mapped = cluster.map_files(models, files, placed, any_scale=True, n_jobs=threads, quiet=quiet)
        counted, medians = cluster.summarize(merged, placed)
        clusters[["n_events", "fraction"]] = counted[["n_events", "fraction"]]
        if into.medians:
            tables.write(medians, into.medians, tables.CLUSTER_MEDIANS)
        if into.figures:
            path = into.figures / f"{_cluster_results.stem(merged)}.svg"
            report.save(report.figures.cluster_heatmap(medians, clusters), path)
    if into.clusters:
        tables.write(clusters, into.clusters, tables.CLUSTERS)
    warnings = unlike_training(mapped, dict.fromkeys(mapped, merged))
    return merged, _Done(numbers, clusters, sum(file.n_events for file in mapped.values()), warnings)


def _flock(
    model: "FLOCK", wanted: "pd.DataFrame", how: str, files: Mapping[str, Path], into: _Into, threads: int
) -> "tuple[FLOCK, _Done]":
    """Merge populations, label the files and write the tables."""
    from immport_cyto import cluster, report, tables
    from immport_cyto.cluster import flock as stage
    from immport_cyto.cluster.flock.merging import OF_MEDIANS
    from immport_cyto.cluster.flock.storage import PROFILES_ONLY

    merged, numbers = cluster.merge(model, wanted, how)
    found: dict[str, LabelledFile] = {}
    clusters = cluster.merged_clusters(merged, numbers)
    if into.files:
        kind = kind_of_files(files)
        check_kind(files, kind)
        placed = targets(files, into.files, ".fcs" if kind == "fcs" else "")
        for name, path in files.items():
            stage.check_file(merged, name, path, any_scale=True)
        new_number = numbers["merged_metacluster"].astype(int).tolist()
        for name, path in files.items():
            found[name] = stage.merge_file(model, merged, new_number, name, path, placed[name], n_jobs=threads)
        counted, medians = stage.summarize(merged, files, found)
        clusters[["n_events", "fraction"]] = counted[["n_events", "fraction"]]
        if into.medians:
            tables.write(medians, into.medians, tables.CLUSTER_MEDIANS)
    if into.clusters:
        tables.write(clusters, into.clusters, tables.CLUSTERS)
    profiles = stage.outputs.training_profiles(merged)
    if into.profiles:
        tables.write(profiles, into.profiles, stage.outputs.PROFILES)
    if into.figures:
        path = into.figures / f"{group_stem(merged.study_accession, merged.panel_id)}.svg"
        names = dict(zip(clusters["metacluster"].astype(int), clusters["population"], strict=True))
        report.save(report.figures.population_profiles(profiles, names), path)
    warnings = [warning for labelled in found.values() for warning in labelled.warnings]
    if merged.n_populations_ < model.n_populations_:
        warnings += [warning for warning in merged.warnings_ if warning in (PROFILES_ONLY, OF_MEDIANS)]
    else:
        warnings.append("no two populations were merged")
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    return merged, _Done(numbers, clusters, sum(labelled.n_events for labelled in found.values()), warnings)
