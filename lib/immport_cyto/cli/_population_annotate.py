"""``immport-cyto population annotate``: names of phenotypes by the Cell Ontology."""

from pathlib import Path

import click

from immport_cyto.cli._common import json_option

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("annotate")
@click.argument("phenotypes", metavar="[PHENOTYPE]...", nargs=-1)
@click.option("--clusters", type=_FILE, help="Phenotypes of named metaclusters (clusters.tsv).")
@click.option("--definitions", type=_FILE, help="Definitions of populations (definitions.tsv).")
@click.option("--populations", type=_FILE, help="Definitions of counted populations (populations.tsv).")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes for each phenotype.")
@click.option("--out", type=_FILE, help="Table to write (annotations.tsv).  [default: shown on the screen]")
@json_option
def annotate(
    phenotypes: tuple[str, ...], clusters: Path | None, definitions: Path | None, populations: Path | None, top: int,
    out: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Name phenotypes by the Cell Ontology, offline, with the markers that speak for a class.

    A class is left out where one marker contradicts it. What no class fits is kept as it is.

    \b
    Example:
      immport-cyto population annotate "CD3+ CD4+ CCR7+ CD45RA+" "CD3- CD56+ CD16+"
    """
    from immport_cyto import population, provenance, tables

    texts = list(phenotypes)
    for path, table, column in (
        (clusters, tables.CLUSTERS, "phenotype"),
        (definitions, tables.DEFINITIONS, "definition"),
        (populations, tables.POPULATIONS, "definition"),
    ):
        if path:
            texts += [text for text in tables.read(path, table)[column] if text]
    if not texts:
        msg = "there is nothing to name; give phenotypes, --clusters, --definitions or --populations"
        raise click.UsageError(msg)
    result = population.annotate(texts, top=top)
    named = int(result.loc[result["cl_id"] != "", "phenotype"].nunique())
    if out:
        tables.write(result, out, tables.ANNOTATIONS)
        click.echo(f"{out}: {named} of {result['phenotype'].nunique()} phenotypes have a class", err=True)
    else:
        _show(result)
    if json_path:
        provenance.write(json_path, provenance.record(
            "population annotate", inputs=[path for path in (clusters, definitions, populations) if path],
            parameters={"phenotypes": list(phenotypes), "top": top},
            counts={"phenotypes": int(result["phenotype"].nunique()), "phenotypes_named": named},
        ))  # fmt: skip


def _show(result: "pd.DataFrame") -> None:  # type: ignore[name-defined]  # noqa: F821
    for phenotype, rows in result.groupby("phenotype", sort=False):
        click.echo(phenotype)
        for row in rows.itertuples():
            if not row.cl_id:
                click.echo(f"  {row.note}")
                continue
            preferred = f" [ImmPort: {row.immport_name}]" if row.immport_name else ""
            click.echo(f"  {row.rank}. {row.cl_id} {row.cl_label}{preferred}   score {row.score:.2f}")
            click.echo(f"     for it: {row.confirmed}")
            for title, text in (("not tested", row.untested), ("not explained", row.unexplained)):
                if text:
                    click.echo(f"     {title}: {text}")
            if row.broader:
                click.echo(f"     broader: {row.broader}")
