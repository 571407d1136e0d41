"""``immport-cyto fcs deidentify``."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._each_file import check_elements, elements_option, numbered, write_elements

if TYPE_CHECKING:
    from immport_cyto.fcs.deidentify import FilePlan

_FILE = click.Path(path_type=Path, dir_okay=False)
_ACTIONS = ("blanked", "masked", "renamed", "left")


@click.command("deidentify")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--out-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for the de-identified files.")
@click.option("--batches", "batches_path", type=_FILE, help="Table of batch labels, one row per file, to share.")
@click.option("--changes", "changes_path", type=_FILE, help="Table of what was changed, without the values, to share.")
@click.option("--key", "key_path", type=_FILE, help="Table of original names and days. Private: do not share it.")
@click.option("--check", is_flag=True, help="Only report; exit with 1 where something is found.")
@click.option("--keep", metavar="KEYWORD", multiple=True, help="Do not touch this keyword.")
@click.option("--blank", metavar="KEYWORD", multiple=True, help="Blank this keyword too.")
@click.option("--show-values", is_flag=True, help="Print the values that were found.")
@elements_option
@json_option
def deidentify(
    paths: tuple[Path, ...],
    files_json: Path | None,
    out_dir: Path | None,
    batches_path: Path | None,
    changes_path: Path | None,
    key_path: Path | None,
    check: bool,
    keep: tuple[str, ...],
    blank: tuple[str, ...],
    show_values: bool,
    elements_path: Path | None,
    json_path: Path | None,
) -> None:
    """Blank what points to persons and days; days become batch labels.

    Give all files of a study together, because batches are numbered over them. Keywords of persons, subjects, labels
    and dates are blanked; dates and initials in file names and paths are masked; everything else stays as it is, byte
    for byte. Dates in names of files become labels too.

    \b
    Example:
      immport-cyto fcs deidentify ResultFiles --out-dir shared --batches batches.tsv --key private.tsv
    """
    from immport_cyto import provenance, tables
    from immport_cyto.exceptions import FCSError
    from immport_cyto.fcs.batches import BATCHES, CHANGES, KEY
    from immport_cyto.fcs.deidentify import apply, plan, tables_of, targets_of
    from immport_cyto.files import sha256

    if check == (out_dir is not None):
        msg = "give either --out-dir or --check"
        raise click.UsageError(msg)
    if elements_path and out_dir is None:
        msg = "--elements goes with --out-dir"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    plans = plan(files, keep=keep, blank=blank)
    targets: dict[str, Path] = {}
    if out_dir is not None:
        targets = targets_of(plans, out_dir)
        if elements_path:
            check_elements(targets, "clean")
            targets = numbered(list(targets), out_dir, ".fcs")
        apply(plans, targets)
        if elements_path:
            write_elements(elements_path, {"clean": targets})
    for target, table, contract in zip(
        (batches_path, changes_path, key_path), tables_of(plans), (BATCHES, CHANGES, KEY), strict=True
    ):
        if target is not None:
            tables.write(table, target, contract)
    found = [one for one in plans if one.changes]
    left = [one for one in plans if any(change.action == "left" for change in one.changes)]
    actions = Counter(change.action for one in plans for change in one.changes)
    if json_path is not None:
        # no names and checksums of the originals: the record may be shared with the files
        entry = provenance.record(
            "fcs deidentify",
            parameters={"check": check, "keep": sorted(keep), "blank": sorted(blank)},
            counts={
                "files": len(plans),
                "files_with_findings": len(found),
                **{action: actions[action] for action in _ACTIONS},
            },
            warnings=[f"{one.new_name}: dates or names outside of keywords are left" for one in left],
            extra={"outputs": [{"name": name, "sha256": sha256(path)} for name, path in targets.items()]},
        )
        provenance.write(json_path, entry)
    for one in plans:
        _print(one, check=check, show_values=show_values)
    if check and found:
        others = len(found) - 1
        more = f" and {others} more file{'s' if others > 1 else ''}" if others else ""
        what = "1 value points" if actions.total() == 1 else f"{actions.total()} values point"
        msg = f"{found[0].name}{more}: {what} to persons or days; run fcs deidentify with --out-dir"
        raise FCSError(msg)
    files_are = "1 file" if len(plans) == 1 else f"{len(plans)} files"
    done = ", ".join(f"{actions[action]} {action}" for action in _ACTIONS if actions[action]) or "nothing found"
    click.echo(f"{files_are}{f' written to {out_dir}' if out_dir else ''}: {done}")
    for one in left:
        click.echo(
            f"immport-cyto: warning: {one.new_name}: dates or names outside of keywords are left; look at them with "
            "--check --show-values",
            err=True,
        )


def _print(one: "FilePlan", *, check: bool, show_values: bool) -> None:
    click.echo(one.name if check else f"{one.name} -> {one.new_name}")
    if not one.changes:
        click.echo("  nothing found")
    for change in one.changes:
        where = change.keyword or change.segment
        of = f" of data set {change.dataset}" if change.dataset else ""
        value = f": {change.value!r}" if show_values else ""
        click.echo(f"  {'found' if check else change.action:8} {change.kind:9} {where}{of}{value}")
