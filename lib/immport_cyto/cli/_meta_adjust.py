"""``immport-cyto meta adjust``: shifts between batches taken out of the fractions."""

from pathlib import Path

import click

from immport_cyto.cli._common import FIGURE, instead, json_option

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("adjust")
@click.option("--populations", type=_FILE, required=True, multiple=True,
              help="Fraction of each population per sample (populations.tsv); may be repeated.")  # fmt: skip
@click.option("--samples", type=_FILE, required=True, multiple=True,
              help="One row per FCS result file (samples.tsv); may be repeated.")  # fmt: skip
@click.option("--batch", default="batch", show_default=True,
              help="Column of samples.tsv that names the batches, compared within a study; study_accession: over "
              "studies.")  # fmt: skip
@click.option("--keep", default="", metavar="FORMULA",
              help="Terms whose effects must stay, such as 'age_years + sex'.  [default: none]")  # fmt: skip
@click.option("--out", type=_FILE, required=True, help="Adjusted fractions to write (populations.tsv).")
@click.option("--explained", type=_FILE, help="Write the variance between batches before and after (batches.tsv).")
@click.option("--figure", type=FIGURE, help="Write the means of the batches before and after (.svg, .png, .pdf).")
@click.option("--study", default="", help="Study of the figure.  [default: the first that was adjusted]")
@json_option
def adjust(
    populations: tuple[Path, ...], samples: tuple[Path, ...], batch: str, keep: str, out: Path, explained: Path | None,
    figure: Path | None, study: str, json_path: Path | None,
) -> None:  # fmt: skip
    """Take shifts between batches out of the fractions, by the method of ComBat on the logit scale.

    Adjusted fractions have no counts: they are no longer of events. What is not adjusted is named. meta effects has
    the batch of adjusted fractions as a further factor; where batches are small, the batch as a term on measured
    fractions has the better errors.

    \b
    Example:
      immport-cyto meta adjust --populations populations.tsv --samples samples.tsv --batch batch \\
        --keep "age_years + sex" --out adjusted.tsv --figure batches.svg
    """
    from immport_cyto import meta, provenance, tables
    from immport_cyto.exceptions import OptionError

    of = tables.concat((tables.read(path, tables.SAMPLES) for path in samples), tables.SAMPLES)
    result = meta.adjust(
        tables.concat((tables.read(path, tables.POPULATIONS) for path in populations), tables.POPULATIONS),
        of, batch=batch, keep=keep,
    )  # fmt: skip
    done = [name for name in result.explained["study_accession"] if name]
    if study and done and study not in done:
        msg = f"study {study!r} was not adjusted; {instead(study, done)}"
        raise OptionError(msg)
    tables.write(result.populations, out, tables.POPULATIONS)
    if explained:
        tables.write(result.explained, explained, tables.BATCHES)
    for note in result.notes:
        click.echo(f"immport-cyto: warning: {note}", err=True)
    for row in result.explained.itertuples():
        name = f"{row.study_accession} {row.method}".strip()
        click.echo(
            f"{name}: {row.n_batches} batches held {100 * row.r2_before:.0f} % of the variance of "
            f"{row.n_populations} populations, {100 * row.r2_after:.0f} % after adjustment",
            err=True,
        )
    if figure:
        from immport_cyto import report

        shown = study or (done[0] if done else "")
        report.save(report.figures.batch_shifts(result.populations, of, batch, shown), figure)
    if json_path:
        provenance.write(json_path, provenance.record(
            "meta adjust", inputs=[*populations, *samples], parameters={"batch": batch, "keep": keep, "study": study},
            counts={"rows": len(result.populations), "groups_adjusted": len(result.explained)}, warnings=result.notes,
        ))  # fmt: skip
