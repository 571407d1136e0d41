"""``immport-cyto immport results``: ImmPort's own population results."""

from math import nan
from pathlib import Path

import click

from immport_cyto.cli._common import json_option
from immport_cyto.cli._immport_store import SeveralValues, opened, store_options, study_option, warn

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=SeveralValues)
@store_options
@study_option
@click.option(
    "--days", metavar="DAY[:DAY]",
    help="Only samples of this day after the study's time zero, or from one day to another; 0 is often the baseline.",
)  # fmt: skip
@click.option("--visit", "visits", multiple=True, help="Only samples of this planned visit (name or PVn).")
@click.option("--out", required=True, type=_FILE, help="populations.tsv: one row per sample and population.")
@click.option("--samples", "samples_path", required=True, type=_FILE, help="samples.tsv: one row per sample.")
@json_option
def results(
    store_path: Path | None,
    packages: tuple[Path, ...],
    studies: tuple[str, ...],
    days: str | None,
    visits: tuple[str, ...],
    out: Path,
    samples_path: Path,
    json_path: Path | None,
) -> None:
    """Write the population results that the studies share, for 'meta effects'.

    Cells per volume are for --scale log10, shares and counts for the other scales.

    \b
    Example:
      immport-cyto immport results --store immport.sqlite --out populations.tsv --samples samples.tsv
    """
    period = read_days(days) if days else None
    with opened(store_path, packages) as store:
        from immport_cyto import provenance, tables

        found = store.results(studies or None, days=period, visits=visits)
        warn(found.findings)
        tables.write(found.samples, samples_path, tables.SAMPLES)
        tables.write(found.populations, out, tables.RESULTS)
        counts = {
            "results": len(found.populations),
            "samples": len(found.samples),
            "subjects": int(found.samples["subject_accession"].nunique()),
            "studies": int(found.samples["study_accession"].nunique()),
            "with_value": int(found.populations["value"].notna().sum()),
            "with_fraction": int(found.populations["fraction"].notna().sum()),
        }
        click.echo(
            f"{counts['results']} results of {counts['samples']} samples, {counts['subjects']} subjects and "
            f"{counts['studies']} studies: {counts['with_value']} amounts, {counts['with_fraction']} shares"
        )
        if json_path:
            entry = provenance.record(
                "immport results",
                inputs=list(packages),
                parameters={"studies": list(studies), "days": days, "visits": list(visits)},
                counts=counts,
                warnings=found.findings,
                extra={"sources": store.sources()},
            )
            provenance.write(json_path, entry)


def read_days(text: str) -> tuple[float, float]:
    """``"0"`` and ``"-7:0"`` as the first and the last day."""
    first, colon, last = text.partition(":")
    try:
        period = float(first), float(last if colon else first)
    except ValueError:
        period = (nan, nan)
    if not period[0] <= period[1]:
        msg = f"{text!r} is no day and no range from one day to a later one, such as -7:0"
        raise click.BadParameter(msg, param_hint="--days")
    return period
