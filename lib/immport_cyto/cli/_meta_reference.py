"""``immport-cyto meta``: reference ranges, and where samples fall in them."""

from pathlib import Path

import click

from immport_cyto.cli._common import FIGURE, counted, instead, json_option, quiet_option, reasons, seed_option

_FILE = click.Path(path_type=Path, dir_okay=False)

_populations = click.option(
    "--populations",
    type=_FILE,
    required=True,
    multiple=True,
    help="Fraction of each population per sample (populations.tsv); may be repeated.",
)
_samples = click.option(
    "--samples",
    type=_FILE,
    required=True,
    multiple=True,
    help="One row per FCS result file (samples.tsv); may be repeated.",
)


@click.command("reference")
@_populations
@_samples
@click.option("--only", multiple=True, metavar="COLUMN=VALUE",
              help="Only samples with this value, such as arm_name=Healthy; may be repeated.")  # fmt: skip
@click.option("--age", "ages", type=float, multiple=True,
              help="Age in years to give percentiles for; may be repeated.  [default: every five years, and the "
              "ends]")  # fmt: skip
@click.option("--min-subjects", type=click.IntRange(min=20), default=40, show_default=True,
              help="Subjects that a population needs.")  # fmt: skip
@seed_option
@click.option("--out", type=_FILE, required=True, help="Percentiles to write (reference.tsv).")
@click.option("--figure", type=FIGURE, help="Write the curves of one population (.svg, .png, .pdf).")
@click.option("--population", help="Population of the figure.  [default: the first in the table]")
@json_option
@quiet_option
def reference(
    populations: tuple[Path, ...], samples: tuple[Path, ...], only: tuple[str, ...], ages: tuple[float, ...],
    min_subjects: int, seed: int, out: Path, figure: Path | None, population: str | None, json_path: Path | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Reference ranges: percentiles of each population by age and sex, over studies.

    One row per subject counts; shifts between studies are taken out; subjects whose age stands for 90 and more are
    kept apart. Give samples of healthy subjects, or choose them with --only.

    \b
    Example:
      immport-cyto meta reference --populations populations.tsv --samples samples.tsv --only arm_name=Healthy \\
        --out reference.tsv --figure reference.svg
    """
    from immport_cyto import meta, provenance, tables
    from immport_cyto.exceptions import OptionError

    of = tables.concat((tables.read(path, tables.SAMPLES) for path in samples), tables.SAMPLES)
    counts = tables.concat((tables.read(path, tables.POPULATIONS) for path in populations), tables.POPULATIONS)
    for text in only:
        column, equals, value = text.partition("=")
        if not equals or column not in of.columns:
            msg = f"--only {text}: give a column of samples.tsv and its value, such as arm_name=Healthy"
            raise OptionError(msg)
        of = of[of[column].astype("string").fillna("") == value]
        if not len(of):
            msg = f"--only {text}: no sample has this value; look it up in samples.tsv"
            raise OptionError(msg)
    counts = counts[counts["file_name"].isin(set(of["file_name"]))] if only else counts
    result, notes = meta.reference(
        counts, of, ages=list(ages) or None, min_subjects=min_subjects, seed=seed, quiet=quiet
    )
    names = list(dict.fromkeys(result["population"]))
    if population is not None and population not in names:
        msg = f"population {population!r} has no reference; {instead(population, names)}"
        raise OptionError(msg)
    tables.write(result, out, tables.REFERENCE)
    for note in notes:
        click.echo(f"immport-cyto: warning: {note}", err=True)
    click.echo(f"{out}: reference ranges of {counted(len(names), 'population')}", err=True)
    if figure:
        from immport_cyto import report

        shown = result[result["method"] == result["method"].iloc[0]] if population is None else result
        report.save(report.figures.reference_curves(shown, population or names[0]), figure)
    if json_path:
        provenance.write(json_path, provenance.record(
            "meta reference", inputs=[*populations, *samples],
            parameters={"only": list(only), "ages": list(ages), "min_subjects": min_subjects, "seed": seed,
                        "population": population},
            counts={"populations": len(names), "rows": len(result)}, warnings=notes,
        ))  # fmt: skip


@click.command("place")
@_populations
@_samples
@click.option("--reference", "reference_path", type=_FILE, required=True, help="Reference ranges (reference.tsv).")
@click.option("--same-study", is_flag=True,
              help="The samples are of a study without a shift: do not count with shifts between studies.")  # fmt: skip
@click.option("--out", type=_FILE, required=True, help="Percentiles of the samples to write (places.tsv).")
@click.option("--figure", type=FIGURE, help="Write the curves of one population with the samples (.svg, .png, .pdf).")
@click.option("--population", help="Population of the figure.  [default: the first in the reference]")
@json_option
def place(
    populations: tuple[Path, ...], samples: tuple[Path, ...], reference_path: Path, *, same_study: bool, out: Path,
    figure: Path | None, population: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Where samples fall in reference ranges: percentiles with their uncertainty.

    \b
    Example:
      immport-cyto meta place --populations new.tsv --samples new_samples.tsv --reference reference.tsv \\
        --out places.tsv
    """
    from immport_cyto import meta, provenance, tables
    from immport_cyto.exceptions import OptionError

    ranges = tables.read(reference_path, tables.REFERENCE)
    names = list(dict.fromkeys(ranges["population"]))
    if population is not None and population not in names:
        msg = f"population {population!r} has no reference; {instead(population, names)}"
        raise OptionError(msg)
    result = meta.place(
        tables.concat((tables.read(path, tables.POPULATIONS) for path in populations), tables.POPULATIONS),
        tables.concat((tables.read(path, tables.SAMPLES) for path in samples), tables.SAMPLES),
        ranges, same_study=same_study,
    )  # fmt: skip
    tables.write(result, out, tables.PLACES)
    placed = int(result["percentile"].notna().sum())
    click.echo(f"{out}: {placed} of {len(result)} fractions placed", err=True)
    for line in reasons(result.loc[result["percentile"].isna(), "note"].fillna("")):
        click.echo(line, err=True)
    if figure:
        from immport_cyto import report

        report.save(report.figures.reference_curves(ranges, population or names[0], result), figure)
    if json_path:
        provenance.write(json_path, provenance.record(
            "meta place", inputs=[*populations, *samples, reference_path], parameters={"same_study": same_study},
            counts={"rows": len(result), "placed": placed},
        ))  # fmt: skip


COMMANDS = (reference, place)
