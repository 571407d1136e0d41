"""What the commands of ``immport`` that ask a store share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from immport_cyto.exceptions import InputError

if TYPE_CHECKING:
    from immport_cyto.immport import Store

F = TypeVar("F", bound=Callable[..., Any])


class SeveralValues(click.Command):
    """``--fcs a b c`` means ``--fcs a --fcs b --fcs c``, for the options named here."""

    several = ("--fcs", "--metadata")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        option, has_value = "", False
        for arg in args:
            if option and has_value and not arg.startswith("-"):
                spread += [option, arg]
                continue
            if arg in self.several:
                option, has_value = arg, False
            elif option and not has_value:
                has_value = True
            else:
                option = ""
            spread.append(arg)
        return super().parse_args(ctx, spread)


def store_options(command: F) -> F:
    """``--store`` and ``--metadata``, for :func:`opened`."""
    for decorate in (
        click.option(
            "--metadata", "packages", metavar="PACKAGE...", multiple=True, type=click.Path(path_type=Path),
            help="Tab packages, Subject_2 tables, saved API responses or upload templates, instead of a store.",
        ),
        click.option(
            "--store", "store_path", type=click.Path(path_type=Path, dir_okay=False),
            help="Store made by 'immport load'.",
        ),
    ):  # fmt: skip
        command = decorate(command)
    return command


study_option = click.option(
    "--study", "studies", metavar="SDY", multiple=True, help="Only this study; may be repeated.  [default: all]"
)


@contextmanager
def opened(store_path: Path | None, packages: Sequence[Path]) -> Iterator["Store"]:
    """The store at `store_path`, or one in memory with `packages`.

    Raises
    ------
    click.UsageError
        Both or neither are given.
    InputError
        There is no store.
    """
    if bool(store_path) == bool(packages):
        msg = "give either --store or --metadata"
        raise click.UsageError(msg)
    if store_path and not store_path.is_file():
        msg = f"{store_path}: no such store; make it with 'immport-cyto immport load PACKAGE --store {store_path}'"
        raise InputError(msg)
    from immport_cyto import immport

    with immport.open_store(store_path or ":memory:") as store:
        if packages:
            store.load(packages)
            warn(store.load_findings)
        yield store


@contextmanager
def filled(path: Path) -> Iterator["Store"]:
    """The store at `path` to load into; a new one into which nothing came goes again."""
    from immport_cyto import immport

    keep = path.exists()
    try:
        with immport.open_store(path) as store:
            try:
                yield store
            finally:
                keep = keep or bool(store.sources())
    finally:
        if not keep:
            path.unlink(missing_ok=True)


def warn(findings: Sequence[str]) -> None:
    """Findings as warnings on stderr."""
    for finding in findings:
        click.echo(f"immport-cyto: warning: {finding}", err=True)
