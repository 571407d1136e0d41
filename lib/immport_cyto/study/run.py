"""The order of the stages, and what is done in parallel."""

import contextlib
import fcntl
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from immport_cyto import tables
from immport_cyto.exceptions import (
    AnalysisError,
    InputError,
    LinkError,
    OptionError,
    OutputExistsError,
    PanelError,
)
from immport_cyto.files import available_cores, sha256, workers
from immport_cyto.progress import progress
from immport_cyto.study import inputs, parity, work
from immport_cyto.study.config import StudyConfig, fingerprint
from immport_cyto.study.results import finish
from immport_cyto.study.state import RunResult, RunState
from immport_cyto.study.steps import Steps, key

if TYPE_CHECKING:
    import pandas as pd

J = TypeVar("J", work.FileJob, work.GroupJob, parity.PanelJob)
G = TypeVar("G", work.GroupJob, parity.PanelJob)
Groups = Mapping[tuple[str, str], Mapping[str, Path]]

_MARK = "run.json"


def run(
    config: StudyConfig,
    out: Path | str,
    *,
    jobs: int | None = None,
    memory_mb: int | None = None,
    resume: bool = False,
    allow_orphans: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Go the whole way and write every table of the design and ``report.html`` to `out`.

    Parameters
    ----------
    config
        What to run; see :func:`immport_cyto.study.read`.
    out
        Folder for the results. It must not exist, or be empty, unless `resume` is set.
    jobs
        Processor cores; default all. The results do not depend on it.
    memory_mb
        Memory for all processes together, in MB; fewer are started where it is short. Default no limit.
    resume
        Go on with an interrupted run in `out`; finished files are not done again.
    allow_orphans
        Report FCS files that the metadata do not know, instead of stopping.
    quiet
        Show no progress.

    Raises
    ------
    OutputExistsError
        `out` holds something and `resume` is not set, or it holds no run of this program.
    LinkError
        A file name occurs twice, or a file has no match in the metadata.
    PanelError
        No marker is measured in more than one study, so nothing can be pooled.
    AnalysisError
        No file could be used.
    """
    out = Path(out)
    log = _claim(out, config, resume=resume)

    def say(text: str) -> None:
        log.write(text + "\n")
        log.flush()

    try:
        state = RunState(config, out, jobs or available_cores(), quiet, say, Steps(out / "work"), memory_mb=memory_mb)
        state.steps.clean()
        return _run(state, allow_orphans=allow_orphans)
    except (InputError, LinkError, OptionError, PanelError):
        log.close()
        if not resume:
            _release(out)
        raise
    finally:
        log.close()


def _release(out: Path) -> None:
    """Take back what `_claim` made, where the input was refused before any step was done."""
    if any((out / "work").glob("*/*")):
        return
    for leftover in (out / "work").glob("*"):
        leftover.rmdir()
    (out / "work").rmdir()
    (out / _MARK).unlink()
    (out / "run.log").unlink()
    with contextlib.suppress(OSError):  # a folder that was there, empty, may belong to somebody else
        out.rmdir()


def _claim(out: Path, config: StudyConfig, *, resume: bool) -> TextIO:
    """Make the folder, or take up the run in it, and give its log, locked for as long as it is open."""
    mark = out / _MARK
    occupied = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if occupied and not resume:
        hint = "add --resume to go on with it, or " if mark.is_file() else ""
        msg = f"{out}: the output folder is not empty; {hint}choose another folder"
        raise OutputExistsError(msg)
    if occupied and not mark.is_file():
        msg = f"{out}: holds no run to resume ({_MARK} is missing); choose another folder"
        raise OutputExistsError(msg)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "work").mkdir(exist_ok=True)
        log = (out / "run.log").open("a", encoding="utf-8")
        _lock(log, out)
        mark.write_text(fingerprint(config) + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{out}: cannot be written ({error.strerror}); choose another folder"
        raise InputError(msg) from error
    return log


def _lock(log: TextIO, out: Path) -> None:
    """Keep a second run out of the folder; the system takes the lock away when the process ends, however it ends."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        log.close()
        msg = f"{out}: another run is at work in this folder; wait for its end, or choose another folder"
        raise OutputExistsError(msg) from error
    except OSError:
        pass  # a file system without locks: the results are still right, steps are renamed into place when complete


def _run(state: RunState, *, allow_orphans: bool) -> RunResult:
    from immport_cyto import population

    config = state.config
    definitions = inputs.definitions(config)
    files, samples = inputs.link(state, allow_orphans=allow_orphans)
    _check_formula(config, samples)
    studies = dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    state.say(f"linked {len(samples)} of {len(files)} files")
    linked = {name: files[name] for name in sorted(studies)}
    with progress("checksums", len(linked), quiet=state.quiet) as shown:
        for name, path in linked.items():
            state.checksums[name] = sha256(path)
            if shown:
                shown.step(name)
    panels = inputs.harmonise(state, linked, studies)
    if config.method == "standard":
        population.check(definitions, state.markers)
    samples = samples.drop(columns="panel_id").merge(
        panels.panel[["file_name", "panel_id"]].drop_duplicates("file_name"), on="file_name", how="left"
    )
    samples = tables.conform(samples, tables.SAMPLES)
    qc, events = _preprocess(state, linked, studies, panels.panel)
    if config.method == "metacyto":
        samples = parity.panel_ids(samples, events)
    groups = _groups(events, samples)
    analyse = _repeat_metacyto if config.method == "metacyto" else _analyse
    return finish(state, samples, panels, qc, groups, analyse(state, groups, definitions))


def _check_formula(config: StudyConfig, samples: "pd.DataFrame") -> None:
    from immport_cyto import meta, metacyto

    if config.method == "metacyto":
        metacyto.variables(config.model.formula, samples, config.model.term)
    else:
        meta.check_formula(config.model.formula, samples, config.model.term, config.model.baseline)


def _scales(state: RunState, files: Mapping[str, Path], panel: "pd.DataFrame") -> dict[str, tuple[dict[str, str], ...]]:
    """Scales that all files of a panel share, by panel; none where the transform has nothing to estimate."""
    from immport_cyto.events import scales

    options = state.config.preprocess
    if options.method != "standard" or options.transform not in {"logicle", "hyperlog"}:
        return {}
    found = scales.estimate(
        files, panel, family=options.transform, compensation=options.compensation, skip_unusable=True
    )[["panel_id", "fcs_colname", "transform"]]
    return {str(panel_id): tuple(part.to_dict("records")) for panel_id, part in found.groupby("panel_id")}


def _preprocess(
    state: RunState, files: Mapping[str, Path], studies: Mapping[str, str], panel: "pd.DataFrame"
) -> tuple["pd.DataFrame", dict[str, Path]]:
    import pandas as pd

    options = state.config.preprocess
    described = options.described()
    table = sha256(options.table) if options.table else ""
    rows = {str(name): part for name, part in panel.groupby("file_name", sort=True)}
    scales = _scales(state, {name: files[name] for name in rows}, panel)
    jobs: list[work.FileJob] = []
    for name in sorted(rows):
        records = tuple(
            {str(column): (None if pd.isna(value) else value) for column, value in row.items()}
            for row in rows[name].to_dict("records")
        )
        described_panel = json.dumps(records, default=str, sort_keys=True)
        shared = scales.get(str(records[0]["panel_id"]), ())
        chosen = {**described, "table": table, "panel": described_panel, "scales": shared}
        place = state.steps.place("preprocess", key("preprocess", chosen, {name: state.checksums[name]}))
        jobs.append(work.FileJob(name, files[name], records, options, place, shared))
    messages = _all(state, "preprocess", jobs, work.preprocess, lambda job: job.file_name)
    done: list[dict[str, Any]] = []
    events: dict[str, Path] = {}
    for job in jobs:
        if messages[job.file_name]:
            state.fail(job.file_name, studies.get(job.file_name, ""), "events preprocess", messages[job.file_name])
            continue
        row = json.loads((job.place / "qc.json").read_text(encoding="utf-8"))
        done.append(row)
        if int(row["n_events_out"]) == 0:
            state.fail(
                job.file_name,
                studies.get(job.file_name, ""),
                "events preprocess",
                "no event passed the quality control",
            )
        else:
            events[job.file_name] = job.place / "events.fcs"
    if not events:
        msg = f"none of the {len(jobs)} FCS files could be preprocessed; see {state.out / 'run.log'}"
        raise AnalysisError(msg)
    return tables.conform(pd.DataFrame(done), tables.QC), events


def _groups(events: Mapping[str, Path], samples: "pd.DataFrame") -> dict[tuple[str, str], dict[str, Path]]:
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    columns = (samples["file_name"], samples["study_accession"], samples["panel_id"])
    for name, study, panel_id in sorted(zip(*columns, strict=True)):
        if name in events:
            groups.setdefault((study, panel_id), {})[name] = events[name]
    return dict(sorted(groups.items()))


def _records(definitions: "pd.DataFrame") -> tuple[dict[str, str], ...]:
    return tuple({str(name): str(value) for name, value in row.items()} for _, row in definitions.iterrows())


def _repeat_metacyto(state: RunState, groups: Groups, definitions: "pd.DataFrame") -> dict[tuple[str, str], Path]:
    """Cluster all panels, then search in all panels for the labels of all."""
    from immport_cyto import metacyto

    state.warn(
        "method metacyto repeats the R package MetaCyto with its weaknesses (it always cuts, on a random sample; "
        "it counts files as independent; z test): for new results leave the method out"
    )
    seed, clustering = state.config.cluster.seed, state.config.cluster.clustering

    def jobs(step: str, wanted: tuple[dict[str, str], ...], clustered: Mapping[tuple[str, str], Path]) -> Any:
        for (study, panel_id), files in groups.items():
            options = {"seed": seed, "clustering": clustering, "definitions": wanted, "study": study, "panel": panel_id}
            sources = {name: path.parent.name for name, path in files.items()}
            before = clustered.get((study, panel_id))
            options["clustered"] = before.name if before else ""
            place = state.steps.place(step, key(step, options, sources))
            yield parity.PanelJob(study, panel_id, dict(files), clustering, seed, wanted, before, place)

    clustered = _by_panel(state, "cluster", list(jobs("label", (), {})), parity.cluster)
    labels = [json.loads((place / "labels.json").read_text(encoding="utf-8")) for place in clustered.values()]
    wanted = tables.concat([definitions, metacyto.unite(labels)], tables.DEFINITIONS).drop_duplicates("population")
    if not len(wanted):
        msg = "MetaCyto's clustering gave no label, and there are no populations to search for; give populations"
        raise AnalysisError(msg)
    return _by_panel(state, "search", list(jobs("search", _records(wanted), clustered)), parity.search)


def _analyse(state: RunState, groups: Groups, definitions: "pd.DataFrame") -> dict[tuple[str, str], Path]:
    records = _records(definitions)
    described = {"cluster": asdict(state.config.cluster), "definitions": records}
    jobs = []
    for (study, panel_id), files in groups.items():
        inputs = {name: path.parent.name for name, path in files.items()}
        place = state.steps.place("analyse", key("analyse", {**described, "study": study, "panel": panel_id}, inputs))
        jobs.append(work.GroupJob(study, panel_id, dict(files), state.config.cluster, records, place, state.markers))
    return _by_panel(state, "cluster and search", jobs, work.analyse)


def _by_panel(
    state: RunState, label: str, jobs: Sequence[G], function: Callable[[G], str]
) -> dict[tuple[str, str], Path]:
    """Run the jobs of the panels, pass on their notes, and give the folder of each that worked."""
    messages = _all(state, label, jobs, function, lambda job: f"{job.study_accession} {job.panel_id}")
    results = {}
    for job in jobs:
        name = f"{job.study_accession} {job.panel_id}"
        if messages[name]:
            state.warn(f"{name}: not analysed: {messages[name]}")
            continue
        for note in json.loads((job.place / "notes.json").read_text(encoding="utf-8")):
            state.warn(note if name in note else f"{name}: {note}")
        results[job.study_accession, job.panel_id] = job.place
    if not results:
        msg = f"no panel could be analysed; see the warnings in {state.out / 'run.log'}"
        raise AnalysisError(msg)
    return results


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the caller's script again: they need nothing of it, only this package.

    Otherwise a script that calls :func:`run` outside of ``if __name__ == "__main__"`` would start itself anew.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _stop_silently() -> None:
    """In a worker: an interrupt ends it at once; the main process says so, and a resumed run cleans up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _processes(state: RunState, label: str, todo: Sequence[J]) -> int:
    """How many jobs run at a time: as cores and memory allow; 1 is this process itself."""
    wanted = max(min(state.jobs, len(todo)), 1)
    if wanted == 1 or state.memory_mb is None:
        return wanted
    need = max(work.memory_mb(job) for job in todo)
    given = workers(wanted, state.memory_mb - work.OWN_MB, need)
    if given < wanted:
        state.say(f"{label}: {given} at a time and not {wanted}, for {need:.0f} MB each in {state.memory_mb} MB")
    return given


def _all(
    state: RunState, label: str, jobs: Sequence[J], function: Callable[[J], str], name_of: Callable[[J], str]
) -> dict[str, str]:
    """Run `function` on the jobs whose result is not there yet; give the message of each job by name."""
    messages = {name_of(job): "" for job in jobs}
    todo = [job for job in jobs if not job.place.is_dir()]
    state.say(f"{label}: {len(jobs)} in all, {len(jobs) - len(todo)} already done")
    processes = _processes(state, label, todo)
    with progress(label, len(todo), quiet=state.quiet) as shown:
        if processes == 1:
            for job in todo:
                messages[name_of(job)] = function(job)
                if shown:
                    shown.step(name_of(job))
            return messages
        with ProcessPoolExecutor(processes, mp_context=get_context("forkserver"), initializer=_stop_silently) as pool:
            with _without_main():
                waiting = {pool.submit(function, job): name_of(job) for job in todo}
            for finished in as_completed(waiting):
                try:
                    messages[waiting[finished]] = finished.result()
                except BrokenProcessPool as error:
                    msg = (
                        f"{label}: the system ended a worker process, often for lack of memory; "
                        "run the same command again with --resume and fewer --jobs, finished files are kept"
                    )
                    raise AnalysisError(msg) from error
                if shown:
                    shown.step(waiting[finished])
    return messages
