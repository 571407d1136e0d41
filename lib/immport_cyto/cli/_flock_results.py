"""What the verbs on FLOCK models write beside models and files: clusters.tsv, and the record."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immport_cyto.cluster.flock import FLOCK, Centres, LabelledFile


def write_clusters(
    found: "Iterable[tuple[FLOCK | Centres, str, LabelledFile]]", files: Mapping[str, Path],
    clusters_path: Path | None, medians_path: Path | None,
) -> None:  # fmt: skip
    """Write clusters.tsv, and its medians, of the models over the files that they labelled."""
    from immport_cyto import tables
    from immport_cyto.cluster import flock as stage

    of_model: dict[int, tuple[FLOCK, dict[str, LabelledFile]]] = {}
    for model, name, labelled in found:
        if isinstance(model, stage.FLOCK):
            of_model.setdefault(id(model), (model, {}))[1][name] = labelled
    done = [
        stage.summarize(model, {name: files[name] for name in labelled}, labelled)
        for model, labelled in of_model.values()
    ]
    if clusters_path:
        tables.write(tables.concat((one for one, _ in done), tables.CLUSTERS), clusters_path, tables.CLUSTERS)
    if medians_path:
        medians = tables.concat((one for _, one in done), tables.CLUSTER_MEDIANS)
        tables.write(medians, medians_path, tables.CLUSTER_MEDIANS)


def record(
    command: str, path: Path | None, models: "Iterable[FLOCK]", inputs: list[Path], parameters: dict[str, Any],
    counts: dict[str, int], warnings: list[str],
) -> None:  # fmt: skip
    """Write the ``--json`` record, with what each model is; without `path` nothing."""
    if path is None:
        return
    from immport_cyto import provenance

    described = [
        {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "parameters": model.get_params(),
            "found": asdict(model.found_),
            "populations": model.n_populations_,
            "markers": model.markers,
            "training": [{"file_name": name, "n_events": n} for name, n in model.training],
        }
        for model in models
    ]
    record = provenance.record(
        command, inputs=inputs, parameters=parameters, counts=counts, warnings=warnings, extra={"models": described}
    )
    provenance.write(path, record)
