from pathlib import Path

import click

from immport_cyto.cli._common import json_option, quiet_option


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to make; it must not exist."
)
@click.option("--preset", metavar="[demo|test]", default="demo", show_default=True, help="Size of the studies.")
@click.option("--studies", type=int, help="Number of studies.  [default: 3]")
@click.option("--subjects", type=int, help="Subjects per study.  [default: 14 to 16; test: 6]")
@click.option("--events", type=int, help="Mean events per FCS file.  [default: 4000; test: 600]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all random choices.")
@json_option
@quiet_option
def group(
    out: Path, preset: str, studies: int | None, subjects: int | None, events: int | None, seed: int,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Make studies with known truth.

    Writes FCS files (flow with spillover, mass cytometry), the ImmPort Tab packages that go with them, population
    definitions, a study.yaml for `immport-cyto study run`, and under truth/ the right answers.

    \b
    Examples:
      immport-cyto simulate --out demo
      immport-cyto study run demo/study.yaml --out results
    """
    from immport_cyto import provenance, simulate

    counts = simulate.studies(
        out, preset=preset, seed=seed, studies=studies, subjects=subjects, events=events, quiet=quiet
    )
    if json_path is not None:
        parameters = {"preset": preset, "seed": seed, "studies": studies, "subjects": subjects, "events": events}
        provenance.write(json_path, provenance.record("simulate", parameters=parameters, counts=counts))
    click.echo(
        f"{out}: {counts['studies']} studies, {counts['subjects']} subjects, {counts['files']} FCS files, "
        f"{counts['events']} events; next: immport-cyto study run {out / 'study.yaml'} --out results"
    )
