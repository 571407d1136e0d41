"""``immport-cyto population export``: populations and samples as h5ad."""

from pathlib import Path

import click

from immport_cyto.cli._common import json_option

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.option("--populations", type=_FILE, required=True, multiple=True,
              help="Fraction of each population per sample (populations.tsv); may be repeated.")  # fmt: skip
@click.option("--samples", type=_FILE, required=True, multiple=True,
              help="One row per FCS result file (samples.tsv); may be repeated.")  # fmt: skip
@click.option("--medians", type=_FILE, multiple=True,
              help="Medians of the populations (medians.tsv), as layers; may be repeated.")  # fmt: skip
@click.option("--out", type=_FILE, required=True, help="AnnData file to write (.h5ad).")
@json_option
def export(
    populations: tuple[Path, ...], samples: tuple[Path, ...], medians: tuple[Path, ...], out: Path,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Write populations and samples as AnnData, under the names of CATALYST: needs the extra "anndata".

    X holds the fractions, samples x populations; obs has the columns of the samples with sample_id, patient_id,
    condition and n_cells, var has cluster_id, definition, cl_id and parent. Layers are n_cells, n_parent and the median
    of each marker.

    \b
    Example:
      immport-cyto population export --populations populations.tsv --samples samples.tsv \\
        --medians medians.tsv --out populations.h5ad
    """
    from immport_cyto import population, provenance, tables

    n_samples, n_populations = population.export(
        tables.concat((tables.read(path, tables.POPULATIONS) for path in populations), tables.POPULATIONS),
        tables.concat((tables.read(path, tables.SAMPLES) for path in samples), tables.SAMPLES),
        out,
        tables.concat((tables.read(path, tables.MEDIANS) for path in medians), tables.MEDIANS) if medians else None,
    )
    click.echo(f"{out}: {n_populations} populations in {n_samples} samples", err=True)
    if json_path:
        provenance.write(json_path, provenance.record(
            "population export", inputs=[*populations, *samples, *medians],
            counts={"samples": n_samples, "populations": n_populations},
        ))  # fmt: skip
