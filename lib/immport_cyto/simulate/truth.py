"""The tables that say what is true: labels of the events, fractions, effects, panels, counts for quality control."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from immport_cyto.files import atomic_path, write_text
from immport_cyto.simulate.acquisition import BEAD, DEAD, DEBRIS, DOUBLET, FLAG_CLOG, FLAG_MARGIN, LABELS, Acquired
from immport_cyto.simulate.composition import TERMS, exact_terms, of_parent, true_effects
from immport_cyto.simulate.package import ResultFile, Study
from immport_cyto.simulate.panels import TECHNIQUE_NAMES, PanelDesign
from immport_cyto.simulate.phenotypes import CELL_TYPES, POPULATIONS, parse
from immport_cyto.simulate.subjects import ARMS, VISITS

Cells = Sequence[str | int | float | bool | None]

FRACTIONS = (
    "file_name", "study_accession", "sample_id", "population", "definition", "parent", "on_panel", "n_events",
    "n_parent", "n_cells", "fraction", "fraction_of_all", "expected_fraction",
)  # fmt: skip
EFFECTS = ("population", "definition", "parent", "term", "study_accession", "effect", "scale", "exact")
PANEL = (
    "file_name", "study_accession", "panel", "channel_number", "fcs_colname", "description", "antigen", "reporter",
    "role",
)  # fmt: skip
QC = (
    "file_name", "study_accession", "n_events", "n_cells", "n_debris", "n_doublet", "n_dead", "n_bead", "n_margin",
    "n_clog",
)  # fmt: skip
SAMPLES = (
    "file_name", "study_accession", "sample_id", "biosample_accession", "subject_accession", "technique", "panel",
    "arm_name", "visit_name", "visit_missing", "study_time_days", "age_years", "age_missing", "sex", "batch",
)  # fmt: skip


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Cells]) -> None:
    """Write a truth table: tab-separated, numbers with six significant digits, empty for unknown."""
    lines = ["\t".join(columns), *("\t".join(_cell(value) for value in row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: str | float | bool | None) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def write_labels(path: Path, acquired: Acquired) -> None:
    """Write the truth of a file's events as ``.npz``.

    Arrays: ``labels`` and ``flags`` (uint8 per event), ``names`` and ``flag_names`` (text). The archive is stored
    uncompressed with a fixed time stamp, so that the same truth is the same bytes.
    """
    arrays = {
        "labels": acquired.labels,
        "flags": acquired.flags,
        "names": np.array(LABELS),
        "flag_names": np.array(["clog", "margin"]),
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            with archive.open(member, "w") as stream:
                np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)


def fraction_rows(study: Study, file: ResultFile, labels: np.ndarray, expected: np.ndarray) -> list[Cells]:
    """Rows of fractions.tsv for one file.

    Parameters
    ----------
    labels
        Of the file's events.
    expected
        Fractions of the cell types that the sample was drawn from, shape (cell types,).
    """
    counts = np.bincount(labels, minlength=len(LABELS))[: len(CELL_TYPES)][None, :]
    n_cells = int(counts.sum())
    rows: list[Cells] = []
    for population in POPULATIONS:
        part, whole = (int(v[0]) for v in of_parent(counts, population.definition, population.parent))
        wanted, wanted_parent = (v[0] for v in of_parent(expected[None, :], population.definition, population.parent))
        rows.append(
            (
                file.file_name, study.accession, file.expsample, population.name, population.definition,
                population.parent, on_panel(file.panel, population.definition), part, whole, n_cells,
                part / whole if whole else None, part / n_cells if n_cells else None, float(wanted / wanted_parent),
            )
        )  # fmt: skip
    return rows


def on_panel(panel: PanelDesign, definition: str) -> bool:
    """Whether a panel has all markers of a definition."""
    return {antigen for antigen, _ in parse(definition)} <= set(panel.markers)


def qc_row(study: Study, file: ResultFile, acquired: Acquired) -> Cells:
    """Row of qc.tsv for one file."""
    counts = np.bincount(acquired.labels, minlength=len(LABELS))
    return (
        file.file_name, study.accession, len(acquired.labels), int(counts[: len(CELL_TYPES)].sum()),
        *(int(counts[label]) for label in (DEBRIS, DOUBLET, DEAD, BEAD)),
        int(np.count_nonzero(acquired.flags & FLAG_MARGIN)), int(np.count_nonzero(acquired.flags & FLAG_CLOG)),
    )  # fmt: skip


def panel_rows(study: Study, file: ResultFile) -> list[Cells]:
    """Rows of panel.tsv for one file."""
    return [
        (file.file_name, study.accession, file.panel.key, n, c.pnn, c.pns, c.antigen, c.reporter, c.role)
        for n, c in enumerate(file.panel.channels, 1)
    ]


def sample_row(study: Study, file: ResultFile) -> Cells:
    """Row of samples.tsv for one file: what is true, whether or not the package tells it."""
    sample = study.samples[file.sample]
    subject = study.subjects[sample.subject]
    visit, day = VISITS[sample.visit]
    return (
        file.file_name, study.accession, file.expsample, sample.biosample, subject.accession,
        TECHNIQUE_NAMES[study.design.technique], file.panel.key, ARMS[subject.arm], visit, sample.visit_missing, day,
        subject.age, subject.age_reported is None, subject.sex, study.day_label(file),
    )  # fmt: skip


def effect_rows(mean: np.ndarray, of_study: dict[str, np.ndarray]) -> list[Cells]:
    """Rows of effects.tsv: the mean over studies (study_accession empty), then each study's own.

    Parameters
    ----------
    mean, of_study
        Slopes, shape (terms, splits).
    """
    rows: list[Cells] = []
    for name, matrix in {"": mean, **of_study}.items():
        effects, exact = true_effects(matrix), exact_terms(matrix)
        for population in POPULATIONS:
            for k, term in enumerate(TERMS):
                value = float(effects[population.name][k])
                rows.append(
                    (
                        population.name, population.definition, population.parent, term, name, value, "logit",
                        bool(exact[population.name][k]),
                    )
                )  # fmt: skip
    return rows
