"""``immport-cyto fcs sample``, and the options by which other commands choose events."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from immport_cyto.cli._common import F, collect_fcs, fcs_remarks, files_option, json_option, seed_option, warn
from immport_cyto.cli._each_file import elements_option, places, write_elements

if TYPE_CHECKING:
    from immport_cyto.fcs.sampling import Plan

_OPTIONS = (
    click.option("--total", type=click.IntRange(min=1), help="So many events of all files together."),
    click.option("--per-file", type=click.IntRange(min=1), help="At most so many events of each file."),
    click.option(
        "--quota", type=click.Choice(["equal", "proportional"]), default="equal", show_default=True,
        help="How --total is shared: the same number of each file, or in proportion to its events.",
    ),
    seed_option,
    click.option("--partial", is_flag=True, help="Take the complete events of truncated files instead of an error."),
)  # fmt: skip


def sampling_options(command: F) -> F:
    """--total, --per-file, --quota, --seed, --partial."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def make_plan(total: int | None, per_file: int | None, quota: Literal["equal", "proportional"], seed: int) -> "Plan":
    """The plan that the options describe."""
    from immport_cyto.fcs.sampling import Plan

    if total is not None and per_file is not None:
        msg = "give either --total or --per-file"
        raise click.UsageError(msg)
    return Plan(per_file=per_file, total=total, quota=quota, seed=seed)


def total_of(rows: list[dict[str, Any]], name: str) -> int:
    """Sum of a count over files."""
    return sum(row[name] for row in rows)


@click.command("sample")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@sampling_options
@elements_option
@json_option
def sample(
    paths: tuple[Path, ...],
    files_json: Path | None,
    out_dir: Path,
    total: int | None,
    per_file: int | None,
    quota: Literal["equal", "proportional"],
    seed: int,
    partial: bool,
    elements_path: Path | None,
    json_path: Path | None,
) -> None:
    """Take a random subset of the events of each file.

    Events keep their order, channels and keywords. The choice in a file depends on --seed and its name only.

    \b
    Example:
      immport-cyto fcs sample ResultFiles --per-file 10000 --out-dir sampled
    """
    from immport_cyto import provenance
    from immport_cyto.fcs.outputs import plain_name
    from immport_cyto.fcs.sampling import sample as sample_files

    plan = make_plan(total, per_file, quota, seed)
    if total is None and per_file is None:
        msg = "give --total or --per-file"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    targets = places(files, out_dir, ".fcs", elements_path, "sampled", plain_name)
    rows = sample_files(files, targets, plan, partial=partial)
    if elements_path:
        write_elements(elements_path, {"sampled": targets})
    warnings = fcs_remarks(files, partial=partial)
    if json_path is not None:
        counts = {"files": len(rows)} | {name: total_of(rows, name) for name in ("n_events_in", "n_events_out")}
        entry = provenance.record(
            "fcs sample", inputs=files.values(), parameters={**plan.described(), "partial": partial}, counts=counts,
            warnings=warnings, extra={"files": rows},
        )  # fmt: skip
        provenance.write(json_path, entry)
    warn(warnings)
    for row in rows:
        click.echo(f"{row['file_name']}: {row['n_events_out']} of {row['n_events_in']} events")
