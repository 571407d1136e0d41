"""The steps that run in worker processes: one file, or one group of files.

Each takes plain values and paths, writes its results to the folder that it is given, and returns nothing or a
message. A user's error (a damaged file, too few events) comes back as its sentence, so that one file never stops
the others; a bug is raised.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from immport_cyto.exceptions import ImmportCytoError
from immport_cyto.study.config import ClusterOptions, PreprocessOptions
from immport_cyto.study.steps import fill

OWN_MB = 250
"""What the process that starts the others needs."""
_FILE_MB, _GROUP_MB = (200, 4.0), (300, 2.0)  # a process, and for each MB of its FCS files; docs/administrators.md
_GZIP = 3


class Job(Protocol):
    """What one process does with some FCS files."""

    @property
    def sources(self) -> list[Path]:
        """The files that it reads."""


def memory_mb(job: Job) -> float:
    """Memory that a job needs at most, in MB, from the sizes of its files."""
    size = sum(path.stat().st_size * (_GZIP if path.suffix.lower() == ".gz" else 1) for path in job.sources) / 1e6
    process, each = _FILE_MB if isinstance(job, FileJob) else _GROUP_MB
    return process + each * size


@dataclass(frozen=True)
class FileJob:
    """Preprocess one file."""

    file_name: str
    source: Path
    panel_rows: tuple[Mapping[str, Any], ...]
    options: PreprocessOptions
    place: Path
    scales: tuple[Mapping[str, Any], ...] = ()

    @property
    def sources(self) -> list[Path]:
        """The file."""
        return [self.source]


def preprocess(job: FileJob) -> str:
    """Write ``events.fcs``, ``channel_densities.tsv`` and ``qc.json``; give the error sentence, or an empty text."""
    from immport_cyto import events, tables

    try:
        with fill(job.place) as folder:
            result = _preprocess_file(job, folder / "events.fcs")
            if result.figure_data is not None:
                curves = events.densities.table(result.figure_data.densities, job.file_name, result.panel_id)
                tables.write(curves, folder / "channel_densities.tsv", tables.CHANNEL_DENSITIES)
            (folder / "qc.json").write_text(json.dumps(result.row, default=str), encoding="utf-8")
    except ImmportCytoError as error:
        return str(error)
    return ""


def _preprocess_file(job: FileJob, target: Path) -> Any:
    import pandas as pd

    from immport_cyto import events, metacyto

    options, panel = job.options, pd.DataFrame(list(job.panel_rows))
    if options.method == "metacyto":
        return metacyto.preprocess(
            job.source,
            target,
            file_name=job.file_name,
            panel=panel,
            cofactor=options.cofactor,
            rename=dict(options.rename),
            max_events=options.max_events or metacyto.MAX_EVENTS,
            seed=options.seed,
        )
    return events.preprocess(
        job.source,
        target,
        file_name=job.file_name,
        panel=panel,
        compensation=options.compensation,
        transform=pd.DataFrame(list(job.scales)) if job.scales else options.transform,
        cofactor=options.cofactor,
        qc=options.qc,
        thresholds=options.thresholds,
        max_events=options.max_events,
        seed=options.seed,
    )


@dataclass(frozen=True)
class GroupJob:
    """Cluster and search the files of one panel of one study."""

    study_accession: str
    panel_id: str
    files: Mapping[str, Path]
    options: ClusterOptions
    definitions: tuple[Mapping[str, Any], ...]
    place: Path
    markers: tuple[str, ...] = ()
    """Those of all panels of the run."""

    @property
    def sources(self) -> list[Path]:
        """The files of the group."""
        return list(self.files.values())


def analyse(job: GroupJob) -> str:
    """Find cut-offs, cluster, label, search and count; give the error sentence, or an empty text.

    Written to the group's folder: ``cutoffs.tsv``, ``densities.tsv``, ``clusters.tsv``, ``cluster_medians.tsv``,
    ``counts.tsv``, ``medians.tsv``, ``model.npz``, ``notes.json`` and one labelled FCS file per file, numbered in
    order of the names.
    """
    try:
        with fill(job.place) as folder:
            notes = _analyse_group(job, folder)
            (folder / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
    except ImmportCytoError as error:
        return str(error)
    return ""


def _analyse_group(job: GroupJob, folder: Path) -> list[str]:
    import pandas as pd

    from immport_cyto import population, tables

    definitions = tables.conform(pd.DataFrame(list(job.definitions)), tables.DEFINITIONS) if job.definitions else None
    cutoffs = population.cutoffs(job.files, study_accession=job.study_accession, panel_id=job.panel_id)
    tables.write(cutoffs, folder / "cutoffs.tsv", tables.CUTOFFS)
    curves = population.densities(job.files, study_accession=job.study_accession, panel_id=job.panel_id)
    tables.write(curves, folder / "densities.tsv", tables.DENSITIES)
    counts: list[Any] = []
    medians: list[Any] = []
    notes: list[str] = []
    if definitions is not None:
        found, found_medians, notes = population.search(job.files, cutoffs, definitions, other_markers=job.markers)
        counts.append(found)
        medians.append(found_medians)
    try:
        clustered, clustered_medians, remarks = _cluster_group(job, folder, cutoffs, definitions)
    except ImmportCytoError as error:
        notes.append(f"not clustered: {error}")
    else:
        notes += [f"FlowSOM: {remark}" for remark in remarks]
        counts.append(clustered)
        medians.append(clustered_medians)
    tables.write(tables.concat(counts, tables.COUNTS), folder / "counts.tsv", tables.COUNTS)
    tables.write(tables.concat(medians, tables.MEDIANS), folder / "medians.tsv", tables.MEDIANS)
    return [str(note) for note in notes]


def _cluster_group(job: GroupJob, folder: Path, cutoffs: Any, definitions: Any) -> tuple[Any, Any, list[str]]:
    from immport_cyto import cluster, population, tables

    options = job.options
    model = cluster.flowsom_files(
        job.files,
        markers=list(options.markers) if options.markers else None,
        grid=options.grid,
        n_metaclusters=options.metaclusters,
        rlen=options.rlen,
        seed=options.seed,
        study_accession=job.study_accession,
        panel_id=job.panel_id,
    )
    labelled = {name: folder / f"{number:06d}.fcs" for number, name in enumerate(sorted(job.files), start=1)}
    for name, target in labelled.items():
        cluster.map_file(model, job.files[name], target)
    clusters, cluster_medians = cluster.summarize(model, labelled)
    clusters = population.label(clusters, cluster_medians, cutoffs, definitions, other_markers=job.markers)
    tables.write(clusters, folder / "clusters.tsv", tables.CLUSTERS)
    tables.write(cluster_medians, folder / "cluster_medians.tsv", tables.CLUSTER_MEDIANS)
    counts, medians = population.count_clusters(labelled, clusters)
    model.save(folder / "model.npz")
    return counts, medians, model.warnings_
