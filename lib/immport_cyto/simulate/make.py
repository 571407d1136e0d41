"""Draw the studies of a design and write them: FCS files, ImmPort packages, truth, definitions, study.yaml."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from immport_cyto import tables
from immport_cyto.exceptions import InputError, OptionError, OutputExistsError
from immport_cyto.files import write_text
from immport_cyto.progress import progress
from immport_cyto.simulate import composition, cytof, flow, truth
from immport_cyto.simulate.acquisition import Acquired, Day
from immport_cyto.simulate.design import Design, StudyDesign, check, preset
from immport_cyto.simulate.package import RESULT_FOLDER, ResultFile, Study, Written, result_files
from immport_cyto.simulate.package import tables as package_tables
from immport_cyto.simulate.panels import PANELS, PanelDesign
from immport_cyto.simulate.phenotypes import POPULATIONS
from immport_cyto.simulate.release import RELEASE, write_package
from immport_cyto.simulate.subjects import draw_samples, draw_subjects, study_accession

# what a random stream is for; a stream is named by (study, purpose, number), so no file depends on another
_SUBJECTS, _FRACTIONS, _DAYS, _FILES, _CLOGS, _HETEROGENEITY = range(6)


@dataclass
class _Truth:
    """Rows of the truth tables, file by file."""

    fractions: list[truth.Cells] = field(default_factory=list)
    panel: list[truth.Cells] = field(default_factory=list)
    qc: list[truth.Cells] = field(default_factory=list)
    samples: list[truth.Cells] = field(default_factory=list)
    n_events: int = 0


def studies(
    out: Path | str,
    *,
    preset: str = "demo",
    seed: int = 1,
    studies: int | None = None,
    subjects: int | None = None,
    events: int | None = None,
    design: Design | None = None,
    quiet: bool = True,
) -> dict[str, int]:
    """Write studies with known truth into a new folder.

    Parameters
    ----------
    out
        Folder to make; it may exist if it is empty.
    preset, studies, subjects, events
        See `simulate.preset`; not together with `design`.
    seed
        Same design and seed give the same bytes.
    design
        A design of your own, see `simulate.Design`.
    quiet
        No progress display.

    Returns
    -------
    dict
        Counts: studies, subjects, files, events.

    Raises
    ------
    OptionError
        An option or a value of the design makes no sense.
    OutputExistsError
        `out` exists and is not an empty folder.
    """
    out = Path(out)
    plan = _plan(design, preset, studies, subjects, events)
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        msg = f"simulate: seed is {seed}, out of range; use a whole number from 0 to 2^63 - 1"
        raise OptionError(msg)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out}: exists and is not empty; choose another output folder or remove this one"
        raise OutputExistsError(msg)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name[:80]}.", dir=out.parent))
    except OSError as error:
        msg = f"{out}: cannot be written ({error.strerror}); choose another output folder"
        raise InputError(msg) from error
    try:
        work.chmod(0o755)
        counts = _write(work, plan, seed, quiet)
        if out.exists():
            out.rmdir()
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return counts


def _plan(design: Design | None, name: str, n_studies: int | None, subjects: int | None, events: int | None) -> Design:
    if design is None:
        return preset(name, studies=n_studies, subjects=subjects, events=events)
    if not (n_studies is None and subjects is None and events is None):
        msg = (
            "simulate: a design has its own studies, subjects and events; leave those options out or change the design"
        )
        raise OptionError(msg)
    check(design)
    return design


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_study(design: StudyDesign, seed: int, index: int) -> Study:
    """Draw the subjects, samples and files of the study at `index`."""
    rng = _stream(seed, index, _SUBJECTS)
    subjects = draw_subjects(rng, design, index)
    samples = draw_samples(rng, design, index)
    return Study(index, design, subjects, samples, result_files(index, design, samples))


def draw_slopes(design: Design, seed: int, index: int) -> np.ndarray:
    """Effects in the study at `index`, shape (terms, splits): the means plus the study's own deviations."""
    shape = len(composition.TERMS), len(composition.SPLITS)
    return composition.slopes(design.effects, _stream(seed, index, _HETEROGENEITY).standard_normal(shape))


def draw_fractions(design: Design, study: Study, slopes: np.ndarray, seed: int) -> np.ndarray:
    """Fractions of the cell types in each sample of a study, shape (samples, cell types)."""
    rng = _stream(seed, study.index, _FRACTIONS)
    n = len(composition.SPLITS)
    of_study = design.study_sd * rng.standard_normal(n)
    of_subject = design.subject_sd * rng.standard_normal((len(study.subjects), n))
    of_sample = design.sample_sd * rng.standard_normal((len(study.samples), n))
    who = np.array([sample.subject for sample in study.samples])
    X = composition.covariates(
        np.array([s.age for s in study.subjects]),
        np.array([s.sex == "Male" for s in study.subjects]),
        np.array([s.arm for s in study.subjects]),
    )
    subject_logits = composition.baseline() + of_study + X @ slopes + of_subject
    return composition.fractions(subject_logits[who] + of_sample)


def _write(work: Path, design: Design, seed: int, quiet: bool) -> dict[str, int]:
    drawn = [draw_study(study, seed, index) for index, study in enumerate(design.studies)]
    slopes = {study.accession: draw_slopes(design, seed, study.index) for study in drawn}
    n_files = sum(len(study.files) for study in drawn)
    result = _Truth()
    with progress("simulate", n_files, quiet=quiet) as shown:
        for study in drawn:
            cells = draw_fractions(design, study, slopes[study.accession], seed)
            days = _days(study, seed)
            clogs = _clogs(study, design.clog_every, seed)
            written: dict[str, Written] = {}
            folder = work / study.accession / "ResultFiles" / RESULT_FOLDER[study.design.technique]
            for file in study.files:
                acquired = _acquire(design, study, file, cells[file.sample], days, file.number in clogs, seed)
                written[file.file_name] = write_fcs(folder / file.file_name, file, acquired, days[_day(study, file)])
                truth.write_labels(work / "truth" / "labels" / f"{file.file_name.removesuffix('.fcs')}.npz", acquired)
                result.fractions += truth.fraction_rows(study, file, acquired.labels, cells[file.sample])
                result.panel += truth.panel_rows(study, file)
                result.qc.append(truth.qc_row(study, file, acquired))
                result.samples.append(truth.sample_row(study, file))
                result.n_events += len(acquired.labels)
                if shown is not None:
                    shown.step(file.file_name)
            orphan = design.extras and study.index == 0
            write_package(
                work / study.accession / f"{study.accession}-{RELEASE}_Tab.zip",
                study.accession,
                package_tables(study, written, orphan=orphan),
            )
            if orphan:
                _write_extras(work, design, study, cells[0], days, seed)
    _write_truth(work / "truth", design, slopes, result)
    _write_definitions(work / "definitions.tsv")
    _write_yaml(work / "study.yaml", design)
    return {
        "studies": len(drawn),
        "subjects": sum(len(study.subjects) for study in drawn),
        "files": n_files,
        "events": result.n_events,
    }


def _day(study: Study, file: ResultFile) -> tuple[str, int]:
    return file.panel.key, study.samples[file.sample].day


def _days(study: Study, seed: int) -> dict[tuple[str, int], Day]:
    """Settings of each panel on each day."""
    result = {}
    for k, key in enumerate(study.design.panels):
        rng = _stream(seed, study.index, _DAYS, k)
        n = len(PANELS[key].stained)
        spill = flow.base_spillover(rng, n)
        for day in range(study.design.days):
            is_flow = study.design.technique == "flow"
            result[key, day] = flow.new_day(rng, spill) if is_flow else cytof.new_day(rng, n)
    return result


def _clogs(study: Study, every: int, seed: int) -> set[int]:
    """Numbers of the files with a clog: one in `every`, at least one of a study."""
    if not every:
        return set()
    n = len(study.files)
    chosen = _stream(seed, study.index, _CLOGS).permutation(n)[: max(1, n // every)]
    return {int(k) + 1 for k in chosen}


def _acquire(
    design: Design,
    study: Study,
    file: ResultFile,
    cells: np.ndarray,
    days: dict[tuple[str, int], Day],
    clog: bool,
    seed: int,
) -> Acquired:
    rng = _stream(seed, study.index, _FILES, file.number)
    n_events = max(20, round(design.events * float(np.exp(0.15 * rng.standard_normal()))))
    record = flow.acquire if file.panel.technique == "flow" else cytof.acquire
    return record(
        rng, file.panel, cells, days[_day(study, file)], n_events=n_events, unwanted=study.design.unwanted, clog=clog
    )


def write_fcs(path: Path, file: ResultFile, acquired: Acquired, day: Day) -> Written:
    """Write one file as its cytometer would, with the keywords that ImmPort blanks blank."""
    from immport_cyto import fcs

    panel = file.panel
    channels = [
        fcs.Channel(number=n, pnn=c.pnn, pns=c.pns, range=float(limit))
        for n, (c, limit) in enumerate(zip(panel.channels, acquired.limits, strict=True), 1)
    ]
    keywords = {"$FIL": file.original_name, "$CYT": panel.cytometer, "$SRC": " ", "EXPERIMENT NAME": " ", "$OP": " "}
    if day.spill is not None:
        keywords["$TIMESTEP"] = str(flow.TICK_SECONDS)
        keywords[panel.spill_keyword] = spill_text(panel, day.spill)
    fcs.write(path, acquired.values, channels, keywords, version=panel.version)
    text = "|".join(f"{key}={value}" for key, value in keywords.items())
    low, high = float(acquired.values.min()), float(acquired.values.max())
    return Written(path.stat().st_size, len(acquired.values), round(low, 2), round(high, 2), text)


def spill_text(panel: PanelDesign, spill: np.ndarray) -> str:
    """Value of $SPILLOVER: number of channels, their names, the matrix row by row."""
    names = [c.pnn for c in panel.stained]
    return ",".join([str(len(names)), *names, *(f"{v:.4f}".rstrip("0").rstrip(".") for v in spill.ravel())])


def _write_extras(
    work: Path, design: Design, study: Study, cells: np.ndarray, days: dict[tuple[str, int], Day], seed: int
) -> None:
    """Add a damaged copy of the first file, and a file that the metadata do not know."""
    first = study.files[0]
    source = work / study.accession / "ResultFiles" / RESULT_FOLDER[study.design.technique] / first.file_name
    content = source.read_bytes()
    damaged = work / "damaged" / first.file_name
    damaged.parent.mkdir()
    damaged.write_bytes(content[: int(len(content) * 0.6)])
    stranger = ResultFile(
        901, f"D1_901_{first.panel.key}.fcs", int(f"{9901 + study.index}8002"), "", first.sample, first.panel
    )
    acquired = _acquire(design, study, stranger, cells, days, clog=False, seed=seed)
    write_fcs(work / "orphan" / stranger.file_name, stranger, acquired, days[_day(study, stranger)])


def _write_truth(folder: Path, design: Design, slopes: dict[str, np.ndarray], result: _Truth) -> None:
    effects = truth.effect_rows(composition.slopes(design.effects), slopes)
    for name, columns, rows in (
        ("fractions", truth.FRACTIONS, result.fractions),
        ("effects", truth.EFFECTS, effects),
        ("panel", truth.PANEL, result.panel),
        ("qc", truth.QC, result.qc),
        ("samples", truth.SAMPLES, result.samples),
    ):
        truth.write_table(folder / f"{name}.tsv", columns, rows)


def _write_definitions(path: Path) -> None:
    import pandas as pd

    rows: Sequence[dict[str, str]] = [
        {"population": p.name, "definition": p.definition, "parent": p.parent, "cl_id": p.cl_id} for p in POPULATIONS
    ]
    tables.write(pd.DataFrame(rows), path, tables.DEFINITIONS)


def _write_yaml(path: Path, design: Design) -> None:
    import yaml

    names = [study_accession(k) for k in range(len(design.studies))]
    content = {
        "title": design.title,
        "studies": [{"metadata": f"{s}/{s}-{RELEASE}_Tab.zip", "fcs": f"{s}/ResultFiles"} for s in names],
        "preprocess": {"compensation": "auto", "transform": "auto", "qc": "auto"},
        "cluster": {"grid": [10, 10], "metaclusters": design.metaclusters, "seed": 42},
        "populations": "definitions.tsv",
        "model": {"formula": design.formula, "scale": "logit"},
        "pool": {"method": "REML", "test": "hartung-knapp"},
        "truth": "truth/effects.tsv",
    }
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
