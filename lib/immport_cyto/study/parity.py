"""``method: metacyto``: the steps of the R package MetaCyto, as a run does them.

MetaCyto clusters every panel, unites the labels of all clusters, and then searches for all labels in every panel; so
the files of a panel are visited twice.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import ImmportCytoError
from immport_cyto.study.steps import fill

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PanelJob:
    """Cluster, or search, the files of one panel of one study."""

    study_accession: str
    panel_id: str
    files: Mapping[str, Path]
    clustering: str
    seed: int
    definitions: tuple[Mapping[str, Any], ...]
    clustered: Path | None
    place: Path

    @property
    def sources(self) -> list[Path]:
        """The files of the panel."""
        return list(self.files.values())


def panel_ids(samples: "pd.DataFrame", events: Mapping[str, Path]) -> "pd.DataFrame":
    """Samples with MetaCyto's panel of each preprocessed file."""
    from immport_cyto import fcs

    found = {name: fcs.open(path).keywords["ICYTO_PANEL"] for name, path in events.items()}
    return samples.assign(panel_id=[found.get(name, "") for name in samples["file_name"]])


def cluster(job: PanelJob) -> str:
    """Write ``labels.json``, ``clusters.tsv`` and ``notes.json``; give the error sentence, or an empty text.

    A panel that cannot be clustered has no labels; the note says why.
    """
    from immport_cyto import metacyto, tables

    try:
        with fill(job.place) as folder:
            labels: list[str] = []
            notes: list[str] = []
            try:
                found = metacyto.auto_cluster(
                    job.files, study_accession=job.study_accession, panel_id=job.panel_id,
                    clustering=job.clustering, seed=job.seed, with_members=False,
                )  # fmt: skip
            except ImmportCytoError as error:
                notes.append(f"not clustered: {error}")
            else:
                tables.write(found.clusters, folder / tables.CLUSTERS.name, tables.CLUSTERS)
                labels, notes = found.labels, found.notes
            (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
            (folder / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
    except ImmportCytoError as error:
        return str(error)
    return ""


def search(job: PanelJob) -> str:
    """Write ``cutoffs.tsv``, ``densities.tsv``, counts, medians and notes; pass on ``clusters.tsv``."""
    import pandas as pd

    from immport_cyto import metacyto, tables
    from immport_cyto.population._densities import MAX_EVENTS, of_values

    try:
        with fill(job.place) as folder:
            wanted = metacyto.whole_labels(pd.DataFrame(list(job.definitions)))
            events = metacyto.stack(job.files)
            counts, medians, used, notes = metacyto.search(events, wanted, panel_id=job.panel_id, seed=job.seed)
            cutoffs = metacyto.described(events, used, study_accession=job.study_accession, panel_id=job.panel_id)
            tables.write(cutoffs, folder / tables.CUTOFFS.name, tables.CUTOFFS)
            shown = [marker for marker in events.markers if marker in set(cutoffs["marker"])]
            stride = max(1, -(-len(events.values) // MAX_EVENTS))
            columns = [events.markers.index(marker) for marker in shown]
            curves = of_values(
                events.values[::stride, columns], shown, study_accession=job.study_accession, panel_id=job.panel_id
            )
            tables.write(curves, folder / tables.DENSITIES.name, tables.DENSITIES)
            tables.write(counts, folder / tables.COUNTS.name, tables.COUNTS)
            tables.write(medians, folder / tables.MEDIANS.name, tables.MEDIANS)
            clusters = job.clustered / tables.CLUSTERS.name if job.clustered else None
            if clusters and clusters.is_file():
                shutil.copyfile(clusters, folder / tables.CLUSTERS.name)
            (folder / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
    except ImmportCytoError as error:
        return str(error)
    return ""
