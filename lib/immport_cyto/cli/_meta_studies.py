"""``immport-cyto meta``: what is asked of the effects of several studies beyond the pooled effect."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import FIGURE, instead, json_option, reasons

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.tables import Table

_FILE = click.Path(path_type=Path, dir_okay=False)

effects_argument = click.argument("effects", nargs=-1, type=_FILE, required=True)
studies_option = click.option(
    "--studies",
    type=_FILE,
    required=True,
    help="One row per study (studies.tsv): study_accession and a column for each property.",
)
method_option = click.option(
    "--method",
    type=click.Choice(["REML", "FE", "DL", "HE", "HS", "SJ", "ML", "EB", "PM"]),
    default="REML",
    show_default=True,
    help="Estimator of the variance between studies; FE: one common effect.",
)


def tested_by(default: str) -> Callable[[Any], Any]:
    """--test, with the default of the command."""
    return click.option(
        "--test",
        type=click.Choice(["hartung-knapp", "hartung-knapp-adhoc", "z"]),
        default=default,
        show_default=True,
        help="Test and interval.",
    )


def out_option(name: str) -> Callable[[Any], Any]:
    """--out, named after the table."""
    return click.option("--out", type=_FILE, required=True, help=f"Table to write ({name}).")


figure_population = click.option("--population", help="Population of the figure.  [default: the first in the table]")
figure_term = click.option("--term", help="Term of the figure.  [default: the first in the table]")


def read_effects(paths: Sequence[Path]) -> "pd.DataFrame":
    """Several effects.tsv as one."""
    from immport_cyto import tables

    return tables.concat((tables.read(path, tables.EFFECTS) for path in paths), tables.EFFECTS)


def chosen(frame: "pd.DataFrame", population: str | None, term: str | None) -> tuple[str, str]:
    """Population and term of a figure: the asked ones, or the first in the table."""
    from immport_cyto.exceptions import OptionError

    if not len(frame):
        msg = "there is no row for a figure; leave the figure out"
        raise OptionError(msg)
    part = frame
    for column, value in (("term", term), ("population", population)):
        if value is not None:
            part = part[part[column] == value]
            if not len(part):
                msg = f"{column} {value!r} is not in the table; {instead(value, frame[column])}"
                raise OptionError(msg)
    return str(part["population"].iloc[0]), str(part["term"].iloc[0])


def finish(
    command: str, result: "pd.DataFrame", out: Path, table: "Table", estimate: str, json_path: Path | None,
    inputs: Sequence[Path], parameters: dict[str, Any],
) -> None:  # fmt: skip
    """Write the table, say how much of it has a result, write the provenance."""
    from immport_cyto import provenance, tables

    tables.write(result, out, table)
    done = int(result[estimate].notna().sum())
    click.echo(f"{out}: {done} of {len(result)} rows with a result", err=True)
    for line in reasons(result.loc[result[estimate].isna(), "note"].fillna("")):
        click.echo(line, err=True)
    if json_path:
        provenance.write(json_path, provenance.record(
            command, inputs=inputs, parameters=parameters, counts={"rows": len(result), "rows_with_result": done},
        ))  # fmt: skip


@click.command("regression")
@effects_argument
@studies_option
@click.option(
    "--formula",
    required=True,
    help="Properties joined by +: columns of studies.tsv, num(column) for a quantity, C(column, reference level).",
)
@click.option(
    "--across-methods",
    is_flag=True,
    help="One model over the effects of all methods (search, immport, ...); the formula may then name method.",
)
@method_option
@tested_by("hartung-knapp")
@out_option("moderators.tsv")
@click.option(
    "--figure", type=FIGURE, help="Write the effect of each study against the first property (.svg, .png, .pdf)."
)
@figure_population
@figure_term
@json_option
def regression(
    effects: tuple[Path, ...], studies: Path, formula: str, *, across_methods: bool, method: str, test: str, out: Path,
    figure: Path | None, population: str | None, term: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Meta-regression: does the effect change with a property of the studies, such as the year or the tissue?

    \b
    Example:
      immport-cyto meta regression effects.tsv --studies studies.tsv --formula "num(year)" --out moderators.tsv
    """
    from immport_cyto import meta, tables

    rows, properties = read_effects(effects), tables.read(studies, tables.STUDIES)
    result = meta.moderators(
        rows, properties, formula, method=method, test=test, across_methods=across_methods
    )  # fmt: skip
    name, of = chosen(result, population, term) if figure else ("", "")
    finish("meta regression", result, out, tables.MODERATORS, "estimate", json_path, [*effects, studies], {
        "formula": formula, "across_methods": across_methods, "method": method, "test": test,
        "population": population, "term": term,
    })  # fmt: skip
    if figure:
        from immport_cyto import report

        report.save(report.figures.bubble(rows, properties, result, name, of), figure)


@click.command("subgroup")
@effects_argument
@studies_option
@click.option("--by", required=True, help="Column of studies.tsv that makes the groups.")
@method_option
@tested_by("hartung-knapp")
@out_option("subgroups.tsv")
@click.option("--figure", type=FIGURE, help="Write the pooled effects of the groups (.svg, .png, .pdf).")
@figure_population
@figure_term
@json_option
def subgroup(
    effects: tuple[Path, ...], studies: Path, by: str, method: str, test: str, out: Path, figure: Path | None,
    population: str | None, term: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Pool within groups of studies, and test whether the groups differ.

    \b
    Example:
      immport-cyto meta subgroup effects.tsv --studies studies.tsv --by technique --out subgroups.tsv
    """
    from immport_cyto import meta, tables

    result = meta.subgroups(read_effects(effects), tables.read(studies, tables.STUDIES), by, method=method, test=test)
    name, of = chosen(result, population, term) if figure else ("", "")
    parameters = {"by": by, "method": method, "test": test, "population": population, "term": term}
    finish("meta subgroup", result, out, tables.SUBGROUPS, "estimate", json_path, [*effects, studies], parameters)
    if figure:
        from immport_cyto import report

        own = result[(result["population"] == name) & (result["term"] == of)]
        report.save(report.figures.subgroup_forest(own[own["method"] == own["method"].iloc[0]], name, of), figure)


@click.command("cumulative")
@effects_argument
@studies_option
@click.option("--order", required=True, help="Column of studies.tsv that gives the order, such as year.")
@method_option
@tested_by("hartung-knapp")
@out_option("cumulative.tsv")
@click.option("--figure", type=FIGURE, help="Write the pooled effect after each study (.svg, .png, .pdf).")
@figure_population
@figure_term
@json_option
def cumulative(
    effects: tuple[Path, ...], studies: Path, order: str, method: str, test: str, out: Path, figure: Path | None,
    population: str | None, term: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Pool again as each study is added, in the order of a property such as the year.

    \b
    Example:
      immport-cyto meta cumulative effects.tsv --studies studies.tsv --order year --out cumulative.tsv
    """
    from immport_cyto import meta, tables

    result = meta.cumulative(
        read_effects(effects), tables.read(studies, tables.STUDIES), order, method=method, test=test
    )
    name, of = chosen(result, population, term) if figure else ("", "")
    finish("meta cumulative", result, out, tables.CUMULATIVE, "estimate", json_path, [*effects, studies], {
        "order": order, "method": method, "test": test, "population": population, "term": term,
    })  # fmt: skip
    if figure:
        from immport_cyto import report

        report.save(report.figures.cumulative_forest(result, name, of), figure)


@click.command("asymmetry")
@effects_argument
@method_option
@tested_by("z")
@out_option("asymmetry.tsv")
@click.option("--funnel", type=FIGURE, help="Write the funnel plot of one population (.svg, .png, .pdf).")
@figure_population
@figure_term
@json_option
def asymmetry(
    effects: tuple[Path, ...], method: str, test: str, out: Path, funnel: Path | None, population: str | None,
    term: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Egger's test and funnel plot: do small studies show other effects than large ones?

    \b
    Example:
      immport-cyto meta asymmetry effects.tsv --out asymmetry.tsv --funnel funnel.svg --population "Naive CD8 T cells"
    """
    from immport_cyto import meta, tables

    rows = read_effects(effects)
    result = meta.asymmetry(rows, method=method, test=test)
    name, of = chosen(result, population, term) if funnel else ("", "")
    finish("meta asymmetry", result, out, tables.ASYMMETRY, "slope", json_path, effects, {
        "method": method, "test": test, "population": population, "term": term,
    })  # fmt: skip
    if funnel:
        from immport_cyto import report

        pooled = meta.pool_effects(rows, method=method, leave_one_out=False)
        report.save(report.figures.funnel(rows, pooled, name, of), funnel)


@click.command("power")
@effects_argument
@click.option("--effect", type=float, help="True effect, on the scale of the effects, whose power is asked.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Level of the two-sided test.")
@click.option(
    "--power", "wanted", type=float, default=0.8, show_default=True, help="Power at which an effect counts as found."
)
@method_option
@tested_by("hartung-knapp")
@out_option("power.tsv")
@json_option
def power(
    effects: tuple[Path, ...], effect: float | None, alpha: float, wanted: float, method: str, test: str, out: Path,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Which effect could these studies have found, and how many studies would find a given one?

    \b
    Example:
      immport-cyto meta power effects.tsv --effect 0.02 --out power.tsv
    """
    from immport_cyto import meta, tables

    result = meta.power(
        read_effects(effects), effect=effect, alpha=alpha, wanted=wanted, method=method, test=test
    )  # fmt: skip
    finish("meta power", result, out, tables.POWER, "detectable", json_path, effects, {
        "effect": effect, "alpha": alpha, "power": wanted, "method": method, "test": test,
    })  # fmt: skip


COMMANDS = (regression, subgroup, cumulative, asymmetry, power)
