"""Options and outputs that the verbs of ``immport-cyto cluster`` share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._targets import group_stem
from immport_cyto.exceptions import ModelError, OptionError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.cluster import FLOCK, FlowSOM, MappedFile

    Mapped = tuple[FlowSOM, dict[str, Path]]

ALARM = 0.2
"""A file with so much larger a share of outliers than the training is worth a warning."""

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

fcs_argument = click.argument("paths", metavar="[FCS]...", type=click.Path(path_type=Path), nargs=-1)
models_option = click.option(
    "--model", "model_paths", type=FILE, required=True, multiple=True,
    help="Model of cluster flowsom (.npz). Of several each file takes the one that was trained on it, else the only "
    "one of its panel.",
)  # fmt: skip
one_model_option = click.option(
    "--model", "model_path", type=FILE, required=True, help="Model of cluster flowsom or cluster merge (.npz)."
)
any_scale_option = click.option(
    "--any-scale", is_flag=True,
    help="Take files that were transformed in another way than the training files, with a warning.",
)  # fmt: skip
names_option = click.option(
    "--clusters", "clusters_path", type=FILE,
    help="clusters.tsv with the names of the clusters (population label, cluster merge).",
)  # fmt: skip
figures_option = click.option(
    "--figures-dir",
    type=FOLDER,
    help="Folder for a heat map of the medians of each model, and the curves from which a number of metaclusters was "
    "chosen (.svg).",
)


def stem(model: "FlowSOM") -> str:
    """Name of a model's files, without ending."""
    return group_stem(model.study_accession, model.panel_id)


def choose_models(models: "Sequence[FlowSOM]", files: Mapping[str, Path]) -> "dict[str, FlowSOM]":
    """The model of each file."""
    from immport_cyto import cluster, fcs

    chosen = {}
    for name, path in files.items():
        with fcs.open(path) as file:
            chosen[name] = cluster.choose_model(list(models), name, file.keywords.get("ICYTO_PANEL", "").strip())
    return chosen


def unlike_training(mapped: "Mapping[str, MappedFile]", models: "Mapping[str, FlowSOM]") -> list[str]:
    """Warnings, shown too, on files that are on another scale or of which many more events are outliers."""
    from immport_cyto.cluster.scale import UNKNOWN

    unknown = {stem(model): f"{stem(model)}: {UNKNOWN}" for model in models.values() if UNKNOWN in model.warnings_}
    warnings = [*unknown.values(), *(warning for file in mapped.values() for warning in file.warnings)]
    warnings += [
        f"{name}: {100 * file.n_outliers / file.n_events:.1f} % of the events are far from every code "
        f"(training: {100 * models[name].outlier_share_:.1f} %); check transformation and panel, or train again"
        for name, file in mapped.items()
        if file.n_events and file.n_outliers > (models[name].outlier_share_ + ALARM) * file.n_events
    ]
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    return warnings


def write_tables(
    done: "Sequence[Mapped]", clusters_path: Path | None, medians_path: Path | None, figures_dir: Path | None, *,
    quiet: bool,
) -> dict[str, int]:  # fmt: skip
    """Write clusters.tsv, medians and heat maps of labelled files; what was counted."""
    from immport_cyto import cluster, tables

    summaries = [cluster.summarize(model, mapped, quiet=quiet) for model, mapped in done]
    clusters = tables.concat((one for one, _ in summaries), tables.CLUSTERS)
    if clusters_path:
        tables.write(clusters, clusters_path, tables.CLUSTERS)
    if medians_path:
        medians = tables.concat((one for _, one in summaries), tables.CLUSTER_MEDIANS)
        tables.write(medians, medians_path, tables.CLUSTER_MEDIANS)
    if figures_dir:
        from immport_cyto import report

        for (model, _), (some, medians) in zip(done, summaries, strict=True):
            report.save(report.figures.cluster_heatmap(medians, some), figures_dir / f"{stem(model)}.svg")
            if len(model.explained_variance_):
                curve = report.figures.number_of_metaclusters(*number_curves(model))
                report.save(curve, figures_dir / f"{stem(model)}-number.svg")
    return {
        "models": len(done),
        "files": sum(len(mapped) for _, mapped in done),
        "events": int(clusters["n_events"].sum()),
        "metaclusters": len(clusters),
    }


def record(
    command: str, path: Path | None, models: "Sequence[FlowSOM]", inputs: Sequence[Path], counts: dict[str, int],
    warnings: Sequence[str], parameters: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write the ``--json`` record, with what each model is; without `path` nothing."""
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
    used = {**(models[0].get_params() if models else {}), **(parameters or {})}
    extra = {"models": described}
    provenance.write(
        path,
        provenance.record(command, inputs=inputs, parameters=used, counts=counts, warnings=warnings, extra=extra),
    )


def number_curves(model: "FlowSOM") -> tuple[list[float], int, list[float]]:
    """Explained variance for 1, 2, ... metaclusters, the number that the model has, and the delta area for 2, 3, ..."""
    from immport_cyto.cluster.metacluster import area_gains

    gains = area_gains(model.consensus_area_.tolist()).tolist() if len(model.consensus_area_) > 1 else []
    return model.explained_variance_.tolist(), model.n_metaclusters_, gains


def load_any(path: Path) -> "FlowSOM | FLOCK":
    """A model of either kind.

    Raises
    ------
    ModelError
        The file is no model.
    """
    from immport_cyto import cluster
    from immport_cyto.cluster import flock, npz
    from immport_cyto.cluster.flock.storage import FORMAT

    kind = npz.format_of(path)
    if path.is_file() and not kind:
        msg = f"{path}: not a usable model; give the .npz of cluster flowsom, cluster flock or cluster merge"
        raise ModelError(msg)
    return flock.load(path) if kind == FORMAT else cluster.load(path)


def load_one(path: Path, clusters_path: Path | None) -> "tuple[FlowSOM, dict[int, str]]":
    """A model of FlowSOM, and the names that clusters.tsv gives its metaclusters; errors are those of `names_of`."""
    from immport_cyto import cluster

    model = cluster.load(path)
    return model, names_of(model, path, clusters_path)


def names_of(model: "FlowSOM | FLOCK", path: Path, clusters_path: Path | None) -> dict[int, str]:
    """Names that clusters.tsv gives the metaclusters of a model, or the populations of FLOCK; without a table none.

    Raises
    ------
    OptionError
        The table has no cluster of the model.
    """
    from immport_cyto import cluster, tables
    from immport_cyto.cluster.flock.inputs import POPULATION_CHANNEL
    from immport_cyto.population.counting import label_channel

    if clusters_path is None:
        return {}
    is_flock = isinstance(model, cluster.FLOCK)
    rows = rows_of_group(tables.read(clusters_path, tables.CLUSTERS), model.study_accession, model.panel_id)
    if rows.empty or (label_channel(rows) == POPULATION_CHANNEL) != is_flock:
        what = "population" if is_flock else "metacluster"
        msg = f"{clusters_path}: has no {what} of {path}; give the table that was written with the model"
        raise OptionError(msg)
    return {
        int(number): str(name) for number, name in zip(rows["metacluster"], rows["population"], strict=True) if name
    }


def rows_of_group(clusters: "pd.DataFrame", study_accession: str, panel_id: str) -> "pd.DataFrame":
    """Rows of clusters.tsv of one study and panel; rows without a study are of every study."""
    return clusters[(clusters["panel_id"] == panel_id) & clusters["study_accession"].isin([study_accession, ""])]
