"""Work that is done file by file, several at a time, and the outputs that Galaxy finds by a list."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import click

from immport_cyto.exceptions import AnalysisError, ImmportCytoError, OptionError
from immport_cyto.files import write_text

J = TypeVar("J")
R = TypeVar("R")

# Galaxy keeps an output under "__new_primary_file_OUTPUT|ELEMENT__", in 255 characters
_ROOM = 255 - len("__new_primary_file_|__")

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


def check_elements(names: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse names that do not fit.

    Raises
    ------
    OptionError
        A name is longer than Galaxy keeps in a list that a tool makes.
    """
    room = _ROOM - max(map(len, outputs))
    for name in names:
        if len(name) > room:
            msg = f"{name[:40]}...: has {len(name)} characters; a list made in Galaxy keeps {room}, rename the element"
            raise OptionError(msg)


def write_elements(path: Path, outputs: Mapping[str, Mapping[str, Path]]) -> None:
    """Write galaxy.json: the files of each output by the names of its elements, those that were written."""
    lists = {
        output: {
            "elements": [
                {"name": name, "filename": str(file), "ext": file.suffix.removeprefix(".")}
                for name, file in files.items()
                if file.is_file()
            ]
        }
        for output, files in outputs.items()
    }
    write_text(path, json.dumps(lists, ensure_ascii=False, indent=1) + "\n")
