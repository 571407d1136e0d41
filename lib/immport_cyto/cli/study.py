"""``immport-cyto study``: the whole way in one call."""

from pathlib import Path

import click

from immport_cyto.cli._common import jobs_option, memory_option, quiet_option, seed_option
from immport_cyto.study.config import EXAMPLE


@click.group()
def group() -> None:
    """The whole way in one call: link, harmonise, preprocess, cluster, search, estimate, pool, report."""


resume_option = click.option("--resume", is_flag=True, help="Go on with an interrupted run in the output folder.")
out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results."
)


@group.command("run")
@click.argument("config", metavar="STUDY.YAML", type=click.Path(path_type=Path, dir_okay=False))
@out_option
@resume_option
@click.option("--allow-orphans", is_flag=True, help="Leave out FCS files without a match in the metadata, and say so.")
@jobs_option
@memory_option
@quiet_option
def run_command(
    config: Path, out: Path, *, resume: bool, allow_orphans: bool, jobs: int | None, memory_mb: int | None, quiet: bool
) -> None:
    from immport_cyto import study
    from immport_cyto.cli._common import memory_limit, n_jobs

    result = study.run(
        study.read(config), out, jobs=n_jobs(jobs), memory_mb=memory_limit(memory_mb), resume=resume,
        allow_orphans=allow_orphans, quiet=quiet,
    )  # fmt: skip
    _tell(result)


run_command.help = f"""Run everything that STUDY.YAML describes and write the tables and report.html to --out.

Finished files are kept: after an interruption run the same command with --resume.
A file that cannot be used is listed in failures.tsv and does not stop the others.

\b
Example of STUDY.YAML (only `studies` is required; paths are relative to the file):
{EXAMPLE}"""


@group.command("demo")
@out_option
@seed_option
@resume_option
@jobs_option
@quiet_option
def demo_command(out: Path, *, seed: int, resume: bool, jobs: int | None, quiet: bool) -> None:
    """Simulate three ImmPort studies with known truth and run the whole way on them.

    The studies are written to OUT/studies, the results to OUT/results.

    \b
    Example:
      immport-cyto study demo --out demo
    """
    from immport_cyto import study
    from immport_cyto.cli._common import n_jobs

    _tell(study.demo(out, seed=seed, jobs=n_jobs(jobs), resume=resume, quiet=quiet))


def _tell(result: "study.RunResult") -> None:  # type: ignore[name-defined]  # noqa: F821
    counts = result.counts
    studies = "study" if counts["studies"] == 1 else "studies"
    click.echo(
        f"{counts['files_used']} of {counts['files']} files of {counts['studies']} {studies}, "
        f"{counts['events_used']:,} of {counts['events_in']:,} events, {counts['populations']} populations"
    )
    for row in result.failures.itertuples():
        click.echo(f"not used: {row.file_name} ({row.stage}): {row.message}", err=True)
    if result.warnings:
        n = len(result.warnings)
        click.echo(f"{n} {'warning' if n == 1 else 'warnings'}, listed in the report", err=True)
    click.echo(f"report: {result.report.resolve()}")
