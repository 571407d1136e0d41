"""Options and helpers that several commands share."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from immport_cyto.cli._targets import written_name
from immport_cyto.exceptions import ImmportCytoError, InputError, LinkError, OptionError
from immport_cyto.files import available_cores, check_name, fcs_below

F = TypeVar("F", bound=Callable[..., Any])


class FigurePath(click.Path):
    """A figure to write; a wrong ending is refused before anything is computed or written."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, if it ends as a figure does."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in FIGURE_ENDINGS:
            msg = f"{path}: figures are written as {' or '.join(FIGURE_ENDINGS)}; change the ending"
            raise OptionError(msg)
        return path


FIGURE_ENDINGS = (".svg", ".png", ".pdf")
FIGURE = FigurePath()
_SHOWN, _REASONS = 12, 3

json_option = click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was done (inputs with checksums, parameters, versions, counts) to this file.",
)  # fmt: skip
quiet_option = click.option("--quiet", is_flag=True, help="No progress display.")
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=42, show_default=True, help="Seed of all random choices."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), default=None,
    help="Processor cores to use.  [default: GALAXY_SLOTS, else all]",
)  # fmt: skip


def counted(count: int, noun: str) -> str:
    """A number and what it counts.

    >>> counted(1, "file"), counted(2310, "row"), counted(3, "study")
    ('1 file', '2,310 rows', '3 studies')
    """
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def instead(value: str, known: Iterable[object]) -> str:
    """The end of an error about a name that is not there: the nearest ones, or else what there is.

    >>> instead("t cells", ["T cells", "B cells"]), instead("X", ["T cells", "B cells"])
    ("did you mean 'T cells'?", 'use one of: T cells, B cells')
    """
    import difflib

    names = list(dict.fromkeys(map(str, known)))
    folded = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(value.lower(), folded, n=3, cutoff=0.9)  # T cells are no B cells
    if near:
        return f"did you mean {' or '.join(repr(folded[name]) for name in near)}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"use one of: {', '.join(sorted(names, key=len)[:_SHOWN]) if more else ', '.join(names) or 'none'}{more}"


def reasons(notes: Iterable[str]) -> list[str]:
    """The reasons why rows have no result, the most frequent first, each with the number of its rows."""
    counts = Counter(note for note in notes if note)
    lines = [f"  {counted(count, 'row')}: {note}" for note, count in counts.most_common(_REASONS)]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(_REASONS))
    return [*lines, f"  {counted(rest, 'row')}: other reasons"] if rest else lines


def n_jobs(given: int | None) -> int:
    """Cores to use: the option, else what Galaxy gives the job, else all."""
    if given:
        return given
    slots = os.environ.get("GALAXY_SLOTS", "")
    if slots.isdigit() and int(slots) > 0:
        return int(slots)
    return available_cores()


memory_option = click.option(
    "--memory", "memory_mb", type=click.IntRange(min=1), default=None, metavar="MB",
    help="Memory for all processes together; fewer are started where it is short.  [default: GALAXY_MEMORY_MB, else "
    "no limit]",
)  # fmt: skip


def memory_limit(given: int | None) -> int | None:
    """Memory to use, in MB: the option, else what Galaxy gives the job, else None."""
    if given:
        return given
    stated = os.environ.get("GALAXY_MEMORY_MB", "")
    return int(stated) if stated.isdigit() and int(stated) > 0 else None


files_option = click.option(
    "--files", "files_json", type=click.Path(path_type=Path, dir_okay=False),
    help='FCS files as a JSON list of {"name": ..., "path": ...}, where the paths do not carry the names (Galaxy).',
)  # fmt: skip


def collect_fcs(paths: Sequence[Path], files_json: Path | None = None) -> dict[str, Path]:
    """FCS files of a command as ``{file name: path}``, in order of the names.

    A file that a command of this package wrote keeps the name under which the study knows it, with blanks and ``.gz``.

    Parameters
    ----------
    paths
        Files and folders; of a folder the FCS files below it (`immport_cyto.files.fcs_below`).
    files_json
        A ``--files`` list: JSON, ``[{"name": ..., "path": ...}, ...]``. Names in it are data, never shell text.

    Raises
    ------
    click.UsageError
        Neither is given.
    InputError
        A path does not exist, a folder holds no FCS file, or the list is not of that form.
    LinkError
        Two files have the same name.
    """
    if not paths and files_json is None:
        msg = "give FCS files or folders, or a list of them with --files"
        raise click.UsageError(msg)
    pairs = [pair for path in paths for pair in _below(path)]
    if files_json is not None:
        pairs += _listed(files_json)
    return _unique(pairs)


def fcs_remarks(files: Mapping[str, Path], dataset: int = 0, *, partial: bool = False) -> list[str]:
    """What is odd about FCS files and changes what their values mean or which are read: one sentence each."""
    from immport_cyto import fcs

    return [
        f"{name}: {remark}"
        for name, path in files.items()
        for remark in fcs.open(path, dataset, partial=partial).remarks
    ]


def warn(sentences: Iterable[str]) -> None:
    """Print warnings to the error stream."""
    for sentence in sentences:
        click.echo(f"immport-cyto: warning: {sentence}", err=True)


def _below(path: Path) -> list[tuple[str, Path]]:
    if not path.is_dir():
        return [(_known_name(path), path)]
    found = fcs_below(path)
    if not found:
        msg = f"{path}: no FCS file in this folder; check the path"
        raise InputError(msg)
    return [(_known_name(p), p) for p in found]


def _known_name(path: Path) -> str:
    """The name of a file; of one that we wrote the name of its source, where the new name was made of that.

    Tables of a study name the source, such as ``Subject 1.fcs.gz``; it was written as ``Subject_1-5ac2b1e0.fcs``.
    """
    from immport_cyto import fcs

    if not path.name.lower().endswith(".fcs") or not path.is_file():
        return path.name
    try:
        with fcs.open(path) as file:
            source = file.keywords.get("ICYTO_FILE", "").strip()
    except ImmportCytoError:
        return path.name  # the command says what is wrong with it
    return source if source and written_name(source) == path.name else path.name


def _listed(files_json: Path) -> list[tuple[str, Path]]:
    import json

    try:
        rows = json.loads(files_json.read_text(encoding="utf-8"))
        return [(str(row["name"]), Path(row["path"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f'{files_json}: is not a JSON list of {{"name": ..., "path": ...}}; correct it'
        raise InputError(msg) from error


def _unique(pairs: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name, path in sorted(pairs, key=lambda pair: pair[0]):
        check_name(Path(name))
        if not path.is_file():
            msg = f"{path}: no such file; check the path"
            raise InputError(msg)
        if name in files and files[name] != path:
            msg = f"two files are named {name!r} ({files[name]} and {path}); rename one, results are kept by file name"
            raise LinkError(msg)
        files[name] = path
    return files
