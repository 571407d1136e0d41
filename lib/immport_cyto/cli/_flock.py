"""``immport-cyto cluster flock`` and ``cluster flock-map``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import any_scale_option
from immport_cyto.cli._common import (
    collect_fcs,
    files_option,
    jobs_option,
    json_option,
    n_jobs,
    quiet_option,
    seed_option,
)
from immport_cyto.cli._each_file import elements_option, failures_option, places, usable, write_elements
from immport_cyto.cli._flock_results import record, write_clusters
from immport_cyto.cli._targets import group_stem, targets
from immport_cyto.exceptions import ImmportCytoError, LinkError, OptionError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.cluster.flock import FLOCK, Centres, LabelledFile
    from immport_cyto.cluster.flock.centres import Center
    from immport_cyto.population import Group

    Found = tuple[FLOCK | Centres, str, LabelledFile]

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

_paths = click.argument("paths", metavar="[FILE]...", type=click.Path(path_type=Path), nargs=-1)
_counts = click.option("--counts", "counts_path", type=_FILE, help="Table of events and percentages per file to write.")
_medians = click.option("--medians", "medians_path", type=_FILE, help="Table of medians per file to write.")
_CENTERS = click.Choice(["mean", "median", "geometric-mean"])
_out_dir = click.option(
    "--out-dir", type=_FOLDER,
    help="Folder for the files with the population of each event: a channel of FCS files, a column of tables.",
)  # fmt: skip


@click.command("flock")
@_paths
@files_option
@click.option(
    "--samples", "samples_path", type=_FILE,
    help="samples.tsv, for the study of each file.  [default: all files are of one study]",
)  # fmt: skip
@click.option("--models-dir", type=_FOLDER, required=True, help="Folder for the models, STUDY-PANEL.npz.")
@click.option("--profiles", "profiles_path", type=_FILE, required=True, help="Table of the populations to write.")
@_counts
@_medians
@_out_dir
@click.option(
    "--markers", help="Markers to cluster on, joined by commas.  [default: lineage markers that all files have]"
)
@click.option(
    "--flock-version", type=click.Choice(["1", "2"]), default="2", show_default=True,
    help="2 splits and merges clusters by the valleys between them; 1 nearly always gives 20 to 30 populations.",
)  # fmt: skip
@click.option("--bins", type=click.IntRange(6, 50), help="Bins per marker.  [default: by the data]")
@click.option(
    "--density", type=click.IntRange(min=1), help="Events from which a hyper-region is dense.  [default: by the data]"
)
@click.option(
    "--max-populations", type=click.IntRange(2, 999),
    help="Most populations; of version 1 from 5 on.  [default: 30 of version 1, no limit of version 2]",
)  # fmt: skip
@click.option(
    "--max-training-events", type=click.IntRange(min=1),
    help="Train on at most so many events of all files, each file the same number.  "
    "[default: all of a single file, 200000 of several]",
)  # fmt: skip
@click.option(
    "--center", type=_CENTERS, default="mean", show_default=True,
    help="Centre of a population: column center of the profiles, and where --adjust starts.",
)  # fmt: skip
@click.option("--adjust", is_flag=True, help="Let the populations move to where they are in each file.")
@click.option(
    "--clusters", "clusters_path", type=_FILE,
    help="Table of the populations of each model to write, as clusters.tsv: 'population label' names them.",
)  # fmt: skip
@click.option(
    "--cluster-medians", "cluster_medians_path", type=_FILE,
    help="Table of their medians over all files to write, for 'population label'.",
)  # fmt: skip
@click.option(
    "--figures-dir", type=_FOLDER,
    help="Folder for a figure of the populations of each model: centres, levels of the markers and sizes (.svg).",
)  # fmt: skip
@seed_option
@jobs_option
@json_option
@quiet_option
def flock(
    paths: tuple[Path, ...], files_json: Path | None, samples_path: Path | None, models_dir: Path, profiles_path: Path,
    counts_path: Path | None, medians_path: Path | None, out_dir: Path | None, markers: str | None, flock_version: str,
    bins: int | None, density: int | None, max_populations: int | None, max_training_events: int | None,
    center: "Center", adjust: bool, clusters_path: Path | None, cluster_medians_path: Path | None,
    figures_dir: Path | None, seed: int, jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Find populations with FLOCK in the files of each study and panel, without their number being given.

    The files are preprocessed FCS files; or tables of numbers, tab-separated, with a header, where a column Time is
    left out. The study of a file is that of --samples, the panel of an FCS file that of 'events preprocess'. A study
    and panel in which no populations can be found is reported and does not stop the others.

    \b
    Example:
      immport-cyto cluster flock preprocessed/ --samples samples.tsv --models-dir models --profiles profiles.tsv \\
          --out-dir flock
    """
    from immport_cyto import tables
    from immport_cyto.cluster import flock as stage

    files = collect_fcs(paths, files_json)
    kind = kind_of_files(files)
    check_kind(files, kind)
    samples = tables.read(samples_path, tables.SAMPLES) if samples_path else None
    wanted = None if markers is None else [name.strip() for name in markers.split(",") if name.strip()]
    parameters: dict[str, Any] = {
        "version": int(flock_version), "bins": bins, "density": density, "max_populations": max_populations,
        "center": center, "max_training_events": max_training_events, "seed": seed,
    }  # fmt: skip
    threads = n_jobs(jobs)
    into = targets(files, out_dir, ".fcs" if kind == "fcs" else "") if out_dir else {}
    models: list[FLOCK] = []
    found: list[Found] = []
    failures: list[ImmportCytoError] = []
    warnings: list[str] = []
    for group in _groups(files, kind, samples):
        if not quiet:
            click.echo(f"{group}: running FLOCK {flock_version} on {len(group.files)} files", err=True)
        try:
            model = stage.flock_files(
                group.files, markers=wanted, n_jobs=threads, study_accession=group.study_accession,
                panel_id=group.panel_id, **parameters,
            )  # fmt: skip
        except ImmportCytoError as error:
            failures.append(error)
            warnings.append(f"{group}: not clustered: {error}")
            continue
        warnings += [f"{group}: {warning}" for warning in model.warnings_]
        models.append(model)
        found += _label_all(
            dict.fromkeys(group.files, model), group.files, into, threads, quiet,
            adjust=adjust, keep_labels=bool(clusters_path or cluster_medians_path),
        )  # fmt: skip
    if not models:
        raise failures[0]
    _warn(warnings)
    for model in models:
        model.save(models_dir / f"{group_stem(model.study_accession, model.panel_id)}.npz")
    profiles = [stage.outputs.training_profiles(model) for model in models]
    tables.write(tables.concat(profiles, stage.outputs.PROFILES), profiles_path, stage.outputs.PROFILES)
    if figures_dir:
        from immport_cyto import report

        for model, rows in zip(models, profiles, strict=True):
            path = figures_dir / f"{group_stem(model.study_accession, model.panel_id)}.svg"
            report.save(report.figures.population_profiles(rows), path)
    _write_tables(found, counts_path, medians_path, None)
    if clusters_path or cluster_medians_path:
        write_clusters(found, files, clusters_path, cluster_medians_path)
    inputs = [*files.values(), *([samples_path] if samples_path else [])]
    counts = {**_counted(found), "models": len(models), "populations": sum(model.n_populations_ for model in models)}
    record("cluster flock", json_path, models, inputs, {**parameters, "adjust": adjust}, counts, warnings)
    for model in models:
        click.echo(
            f"{group_stem(model.study_accession, model.panel_id)}: {model.n_populations_} populations, "
            f"{len(model.markers)} markers, {model.found_.bins} bins, density {model.found_.density}, "
            f"{len(model.training)} files",
            err=True,
        )


@click.command("flock-map")
@_paths
@files_option
@click.option(
    "--model", "model_paths", type=_FILE, multiple=True,
    help="Model of cluster flock (.npz). Of several each file takes the one that was trained on it, else the only one "
    "of its panel.",
)  # fmt: skip
@click.option(
    "--centers", "centers_path", type=_FILE,
    help="Instead of a model: centres of known populations, a tab-separated table of their numbers and a column per "
    "marker. They move to where they are in each file.",
)  # fmt: skip
@_counts
@_medians
@click.option("--profiles", "profiles_path", type=_FILE, help="Table of the populations of each file to write.")
@_out_dir
@click.option("--adjust", is_flag=True, help="Let the populations of a model move to where they are in each file.")
@click.option(
    "--center", type=_CENTERS,
    help="Centre of a population in the profiles of the files.  [default: that of the model, mean with --centers]",
)  # fmt: skip
@any_scale_option
@failures_option
@elements_option
@jobs_option
@json_option
@quiet_option
def flock_map(
    paths: tuple[Path, ...], files_json: Path | None, model_paths: tuple[Path, ...], centers_path: Path | None,
    counts_path: Path | None, medians_path: Path | None, profiles_path: Path | None, out_dir: Path | None,
    adjust: bool, center: "Center | None", any_scale: bool, failures_path: Path | None, elements_path: Path | None,
    jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Find the populations of a FLOCK model, or of known centres, in files.

    A model gives each event the population that it would have had in the training; a file whose keywords state another
    transform than those of the training files is an error, unless --any-scale is given. With --adjust, and always from
    centres, the populations first move to where they are in the file (cross-sample adjustment).

    \b
    Example:
      immport-cyto cluster flock-map new/ --model models/SDY1-flow-8m-3fa9c1.npz --out-dir mapped --counts counts.tsv
    """
    if bool(model_paths) == (centers_path is not None):
        msg = "give either --model or --centers"
        raise click.UsageError(msg)
    if not (counts_path or medians_path or profiles_path or out_dir):
        msg = "nothing would be written; give --out-dir, --counts, --profiles or --medians"
        raise click.UsageError(msg)
    if elements_path and out_dir is None:
        msg = "--elements goes with --out-dir"
        raise click.UsageError(msg)
    from immport_cyto.cluster import flock as stage
    from immport_cyto.cluster.scale import UNKNOWN

    files = collect_fcs(paths, files_json)
    kind = kind_of_files(files)
    ending = ".fcs" if kind == "fcs" else ".tsv" if elements_path else ""
    into = places(files, out_dir, ending, elements_path, "mapped_list") if out_dir else {}
    models: list[FLOCK] = [stage.load(path) for path in model_paths]
    centres = stage.read_centres(centers_path) if centers_path is not None else None

    def labelled_of(some: Mapping[str, Path], *, quiet: bool) -> "list[Found]":
        check_kind(some, kind)
        chosen = {name: centres or _choose(models, name, path, kind) for name, path in some.items()}
        return _label_all(chosen, some, into, n_jobs(jobs), quiet, adjust=adjust, any_scale=any_scale, center=center)

    if failures_path:
        mapped, _ = usable("map", files, lambda name: labelled_of({name: files[name]}, quiet=True), failures_path)
        found = [one for some in mapped.values() for one in some]
    else:
        found = labelled_of(files, quiet=quiet)
    if elements_path:
        write_elements(elements_path, {"mapped_list": into})
    warnings = [f"{group_stem(model.study_accession, model.panel_id)}: {UNKNOWN}"
                for model in models if UNKNOWN in model.warnings_]  # fmt: skip
    warnings += [warning for _, _, labelled in found for warning in labelled.warnings]
    _warn(warnings)
    _write_tables(found, counts_path, medians_path, profiles_path)
    inputs = [*model_paths, *files.values(), *([centers_path] if centers_path else [])]
    done = _counted(found)
    used = {"adjust": adjust, "any_scale": any_scale, "center": center}
    record("cluster flock-map", json_path, models, inputs, used, done, warnings)
    click.echo(f"{done['events']} events of {done['files']} files mapped", err=True)


def kind_of_files(files: Mapping[str, Path]) -> str:
    """FCS files, if there is one among them, or tables."""
    from immport_cyto.cluster.flock.inputs import kind_of

    return "fcs" if "fcs" in map(kind_of, files.values()) else "text"


def check_kind(files: Mapping[str, Path], kind: str) -> None:
    """FCS files or tables; not both in one call."""
    from immport_cyto.cluster.flock.inputs import kind_of

    for name, path in files.items():
        if kind_of(path) != kind:
            msg = f"{name}: is not an FCS file, others are; give FCS files and text tables in separate calls"
            raise OptionError(msg)


def _groups(files: Mapping[str, Path], kind: str, samples: "pd.DataFrame | None") -> "list[Group]":
    """Files of one study and panel; tables have no panel."""
    from immport_cyto import population

    if kind == "fcs":
        return population.groups(files, samples)
    study_of = {} if samples is None else dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    by_study: dict[str, dict[str, Path]] = {}
    for name in sorted(files):
        if samples is not None and name not in study_of:
            msg = f"{name}: has no row in samples.tsv; link it first or leave the file out"
            raise LinkError(msg)
        by_study.setdefault(study_of.get(name, ""), {})[name] = files[name]
    return [population.Group(study, "", members) for study, members in sorted(by_study.items())]


def _choose(models: "list[FLOCK]", name: str, path: Path, kind: str) -> "FLOCK":
    from immport_cyto import cluster, fcs

    panel_id = ""
    if kind == "fcs":
        with fcs.open(path) as file:
            panel_id = file.keywords.get("ICYTO_PANEL", "").strip()
    return cluster.choose_model(models, name, panel_id)


def _label_all(
    models: "Mapping[str, FLOCK | Centres]", files: Mapping[str, Path], into: Mapping[str, Path], threads: int,
    quiet: bool, *, adjust: bool, any_scale: bool = False, center: "Center | None" = None, keep_labels: bool = False,
) -> "list[Found]":  # fmt: skip
    from immport_cyto.cluster import flock as stage
    from immport_cyto.progress import progress

    for name, path in files.items():
        stage.check_file(models[name], name, path, any_scale=any_scale)
    found = []
    with progress("mapping files", len(files), quiet=quiet) as shown:
        for name, path in files.items():
            labelled = stage.label_file(
                models[name], name, path, into.get(name),
                adjust=adjust, any_scale=any_scale, center=center, n_jobs=threads,
            )  # fmt: skip
            # the labels of many files take room, and only clusters.tsv needs them
            found.append(
                (models[name], name, labelled if keep_labels else replace(labelled, labels=labelled.labels[:0]))
            )
            if shown:
                shown.step(name)
    return found


def _write_tables(
    found: "Iterable[Found]", counts_path: Path | None, medians_path: Path | None, profiles_path: Path | None
) -> None:
    from immport_cyto import tables
    from immport_cyto.cluster.flock import outputs

    rows = list(found)
    for path, table, make in (
        (counts_path, tables.COUNTS, outputs.counts),
        (medians_path, tables.MEDIANS, outputs.medians),
        (profiles_path, outputs.PROFILES, outputs.file_profiles),
    ):
        if path:
            tables.write(tables.concat((make(*row) for row in rows), table), path, table)


def _counted(found: "Iterable[Found]") -> dict[str, int]:
    events = [labelled.n_events for _, _, labelled in found]
    return {"files": len(events), "events": sum(events)}


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
