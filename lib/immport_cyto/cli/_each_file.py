"""Commands that take each file on its own: several at a time, bad ones left out if asked, lists for Galaxy."""

import functools
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import click

from immport_cyto.cli._common import F, jobs_option, memory_limit, memory_option, n_jobs, quiet_option
from immport_cyto.cli._targets import targets
from immport_cyto.exceptions import AnalysisError, ImmportCytoError, InputError, OptionError, OutputExistsError
from immport_cyto.files import workers, write_text

J = TypeVar("J")
R = TypeVar("R")

# Galaxy keeps an output under "__new_primary_file_OUTPUT|ELEMENT__", in 255 characters
_ROOM = 255 - len("__new_primary_file_|__")
_EXTENSIONS = {"tsv": "tabular"}
"""Galaxy's word for a format, where it is not the ending."""

failures_option = click.option(
    "--failures", "failures_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table to write of the files that cannot be used, and why; the others go on.  [default: the first is an "
    "error]",
)  # fmt: skip
elements_option = click.option(
    "--elements", "elements_path", type=click.Path(path_type=Path, dir_okay=False),
    help="JSON to write for Galaxy (galaxy.json): which file is which element of a list. The files are then numbered, "
    "and the elements have the names of the inputs.",
)  # fmt: skip


@dataclass(frozen=True)
class Each:
    """How a command goes through its files, as `each_options` say."""

    failures: Path | None
    elements: Path | None
    jobs: int | None
    memory_mb: int | None
    quiet: bool

    def run(
        self, stage: str, work: Mapping[str, J], function: Callable[[J], R], *, sources: Iterable[Path],
        written: Iterable[Path],
    ) -> tuple[dict[str, R], dict[str, str]]:  # fmt: skip
        """What `function` gives for each file, and why others failed; both by file name.

        Parameters
        ----------
        stage
            Word of the progress and of the table of failures.
        work, function
            Both can be sent to another process, which needs 200 MB and four times its file.
        sources
            The files that are read.
        written
            Files and folders that may be written; after an error those are removed that were not there before.

        Raises
        ------
        ImmportCytoError
            A file cannot be used and no table of failures is wanted, or none can be used.
        """
        from immport_cyto.progress import progress

        need = 200 + 4 * max(source.stat().st_size for source in sources) / 1e6
        new = [path for path in written if not path.exists()]
        processes = workers(n_jobs(self.jobs), memory_limit(self.memory_mb), need)
        with progress(stage, len(work), quiet=self.quiet or len(work) == 1) as shown:
            try:
                results = each(
                    list(work.values()), function, processes, step=lambda _: shown.step() if shown else None,
                    keep_going=self.failures is not None,
                )  # fmt: skip
                return _told_apart(stage, work, results, self.failures)
            except ImmportCytoError:
                for path in new:
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
                raise


def usable(
    stage: str, files: Mapping[str, Path], function: Callable[[str], R], failures: Path | None
) -> tuple[dict[str, R], dict[str, str]]:
    """What `function` gives for the name of each file, one after another in this process, and why others failed.

    Raises
    ------
    ImmportCytoError
        A file cannot be used and no table of failures is wanted, or none can be used.
    """
    results = each(list(files), function, 1, step=lambda _: None, keep_going=failures is not None)
    return _told_apart(stage, files, results, failures)


def _told_apart(
    stage: str, names: Iterable[str], results: Iterable[R | ImmportCytoError], failures: Path | None
) -> tuple[dict[str, R], dict[str, str]]:
    """Results and reasons of failure by file name; these also as a table."""
    named = dict(zip(names, results, strict=True))
    done = {name: one for name, one in named.items() if not isinstance(one, ImmportCytoError)}
    failed = {name: str(error) for name, error in named.items() if isinstance(error, ImmportCytoError)}
    if failures:
        _write_failures(failures, stage, failed)
    if failed and not done:
        msg = f"none of {len(failed)} files can be used (first: {next(iter(failed.values()))})"
        raise InputError(msg)
    return done, failed


def each_options(command: F) -> F:
    """--failures, --elements, --jobs, --memory and --quiet, given to the command as one `Each`, ``each``."""

    @functools.wraps(command)
    def collected(
        *arguments: Any, failures_path: Path | None, elements_path: Path | None, jobs: int | None,
        memory_mb: int | None, quiet: bool, **named: Any,
    ) -> Any:  # fmt: skip
        return command(*arguments, each=Each(failures_path, elements_path, jobs, memory_mb, quiet), **named)

    for option in (quiet_option, memory_option, jobs_option, elements_option, failures_option):
        collected = option(collected)
    return collected  # type: ignore[return-value]


def places(
    files: Mapping[str, Path], folder: Path, ending: str, elements: Path | None, output: str,
    named: Callable[[str], str] | None = None,
) -> dict[str, Path]:  # fmt: skip
    """Where the result of each file goes: under its name, or numbered as elements of a list of Galaxy.

    Parameters
    ----------
    elements, output
        galaxy.json, and the output that it describes; None for names.
    named
        Name of the result, blanks and the like kept.  [default: see `immport_cyto.cli._targets.targets`]

    Raises
    ------
    OptionError
        See `check_elements`.
    OutputExistsError
        Two results would get the same name, or an input would be overwritten.
    """
    from immport_cyto.fcs.outputs import output_path

    if elements is not None:
        check_elements(files, output)
        return numbered(list(files), folder, ending)
    if named is None:
        return targets(files, folder, ending)
    found: dict[str, Path] = {}
    for name in files:
        target = output_path(folder, named(name), files.values())
        if target in found.values():
            msg = f"{target}: two input files would be written to this name; rename one"
            raise OutputExistsError(msg)
        found[name] = target
    return found


def _write_failures(path: Path, stage: str, failed: Mapping[str, str]) -> None:
    """Write and tell what failed."""
    import pandas as pd

    from immport_cyto import tables

    rows = [
        {"file_name": name, "study_accession": "", "stage": stage, "message": text} for name, text in failed.items()
    ]
    tables.write(tables.concat([pd.DataFrame(rows)] if rows else [], tables.FAILURES), path, tables.FAILURES)
    for name, text in failed.items():
        click.echo(f"immport-cyto: warning: {name} is left out: {text}", err=True)


def each(
    jobs: Sequence[J], function: Callable[[J], R], processes: int, *, step: Callable[[J], None], keep_going: bool
) -> list[R | ImmportCytoError]:
    """What `function` gives for each job, in their order; a user's error in its place.

    Parameters
    ----------
    jobs, function
        Both can be sent to another process.
    processes
        How many run at a time; 1 is this process itself.
    step
        Called after each job.
    keep_going
        Otherwise the first error is raised, and jobs that wait are not begun.
    """

    def take(job: J, result: R | ImmportCytoError) -> None:
        if isinstance(result, ImmportCytoError) and not keep_going:
            raise result
        found.append(result)
        step(job)

    found: list[R | ImmportCytoError] = []
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            take(job, _guarded(function, job))
        return found
    with ProcessPoolExecutor(min(processes, len(jobs)), mp_context=get_context("forkserver")) as pool:
        waiting = [pool.submit(_guarded, function, job) for job in jobs]
        try:
            for job, future in zip(jobs, waiting, strict=True):
                take(job, future.result())
        except BrokenProcessPool as error:
            msg = "the system ended a worker process, often for lack of memory; give fewer --jobs or less --memory"
            raise AnalysisError(msg) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return found


def _guarded(function: Callable[[J], R], job: J) -> R | ImmportCytoError:
    try:
        return function(job)
    except ImmportCytoError as error:
        return error


def numbered(names: Sequence[str], folder: Path, ending: str) -> dict[str, Path]:
    """Where each file goes when the elements carry the names."""
    return {name: folder / f"{number:06d}{ending}" for number, name in enumerate(names, start=1)}


def check_elements(names: Iterable[str], output: str) -> None:
    """Refuse names that do not fit into a list that Galaxy finds under `output`.

    Raises
    ------
    OptionError
        A name is longer than Galaxy keeps there.
    """
    room = _ROOM - len(output)
    for name in names:
        if len(name) > room:
            msg = f"{name[:40]}...: has {len(name)} characters; a list made in Galaxy keeps {room}, rename the element"
            raise OptionError(msg)


def write_elements(path: Path, outputs: "Mapping[str, Mapping[str, Path] | Mapping[tuple[str, str], Path]]") -> None:
    """Write galaxy.json: the files of each output by the names of its elements, those that were written.

    Two names are those of a list and of an element in it.
    """
    lists = {
        output: {"elements": [_element(name, file) for name, file in files.items() if file.is_file()]}
        for output, files in outputs.items()
    }
    write_text(path, json.dumps(lists, ensure_ascii=False, indent=1) + "\n")


def _element(name: str | tuple[str, str], file: Path) -> dict[str, str]:
    suffix = file.suffix.removeprefix(".")
    element = {"filename": str(file), "ext": _EXTENSIONS.get(suffix, suffix)}
    if isinstance(name, str):
        return {"name": name, **element}
    return {"name": name[1], "identifier_0": name[0], "identifier_1": name[1], **element}
