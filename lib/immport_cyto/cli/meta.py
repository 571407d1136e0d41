"""``immport-cyto meta``: effects per study, pooled effects."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli import _meta_adjust, _meta_reference, _meta_studies, _metacyto
from immport_cyto.cli._common import FIGURE, instead, json_option, reasons

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def group() -> None:
    """Estimate effects per study and pool them."""


@group.command("effects")
@click.option(
    "--populations",
    type=_FILE,
    multiple=True,
    help="Fraction of each population per sample (populations.tsv); may be repeated.",
)
@click.option(
    "--medians",
    type=_FILE,
    multiple=True,
    help="Median intensities as the outcome instead (medians.tsv); may be repeated.",
)
@click.option("--marker", multiple=True, help="With --medians: only this marker; may be repeated.")
@click.option(
    "--samples",
    type=_FILE,
    required=True,
    multiple=True,
    help="One row per FCS result file (samples.tsv); may be repeated.",
)
@click.option(
    "--formula",
    default="age_years + sex",
    show_default=True,
    help="Terms of the model: columns of samples.tsv joined by + : *; C(column, reference level) for groups, "
    "num(column) for a quantity, ordered(column, lowest, ..., highest) for polynomials of ordered levels, trend(...) "
    "for one slope per step.",
)
@click.option("--term", help="Write only this term, such as age_years or 'sex[Male vs Female]'.  [default: all]")
@click.option(
    "--scale",
    type=click.Choice(["logit", "arcsine", "zscore", "fraction", "log10"]),
    default="logit",
    show_default=True,
    help="Scale of the outcome; log10 of the column value, such as cells per microlitre. Not for --medians.",
)
@click.option(
    "--baseline",
    multiple=True,
    metavar="COLUMN=LEVEL",
    help="Reference level of a category; may be repeated.  [default: first in alphabetical order]",
)
@click.option(
    "--change-from",
    metavar="COLUMN=VALUE",
    help="Take the change since each subject's baseline as the outcome, such as study_time_days=0; its mean is the "
    "term change, and --formula may be 1.",
)
@click.option(
    "--family",
    type=click.Choice(["linear", "beta-binomial"]),
    default="linear",
    show_default=True,
    help="beta-binomial: a model of the counts, for rare populations; one sample per subject.",
)
@click.option(
    "--min-samples", type=click.IntRange(min=1), help="Subjects that a fit needs.  [default: 3 more than parameters]"
)
@click.option("--exclude-flag", multiple=True, help="Leave out samples with this word in their flag; may be repeated.")
@_metacyto.method_option
@_metacyto.regression_option
@click.option("--out", type=_FILE, required=True, help="Effects to write (effects.tsv).")
@json_option
def effects(
    populations: tuple[Path, ...], samples: tuple[Path, ...], formula: str, term: str | None, scale: str,
    baseline: tuple[str, ...], change_from: str | None, family: str, min_samples: int | None,
    exclude_flag: tuple[str, ...], method: str, medians: tuple[Path, ...], marker: tuple[str, ...],
    regression_path: Path | None, out: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Estimate the effect of each term on each population, study by study.

    With --method metacyto: of the term (default: the first of the formula) on the z-scored fraction, or the median of
    one --marker, by least squares per panel of a study, each file counted as independent; --scale fraction leaves the
    z-score out.

    \b
    Example:
      immport-cyto meta effects --populations populations.tsv --samples samples.tsv --formula "age_years + sex" \\
          --out effects.tsv
    """
    from immport_cyto import meta, provenance, tables

    _metacyto.check_options(
        method,
        only_standard=("--baseline", "--change-from", "--family", "--min-samples", "--exclude-flag"),
        only_metacyto=("--regression",),
    )
    if method == "metacyto":
        scale = _metacyto.scale(scale)
    if not populations and (method == "metacyto" or not medians):
        msg = "give populations.tsv" if method == "metacyto" else "give populations.tsv or medians.tsv"
        raise click.BadParameter(msg, param_hint="--populations")
    if method != "metacyto" and populations and medians:
        msg = "give either populations.tsv or medians.tsv"
        raise click.BadParameter(msg, param_hint="--medians")
    levels = dict(_pair(text, "--baseline") for text in baseline)
    fractions = tables.concat((tables.read(path, tables.POPULATIONS) for path in populations), tables.POPULATIONS)
    known = tables.concat((tables.read(path, tables.SAMPLES) for path in samples), tables.SAMPLES)
    if method == "metacyto":
        result = _metacyto.effects(
            fractions, known, formula, term, medians, marker, regression_path, z_scored=scale == "zscore"
        )
    else:
        result = meta.effects(
            _medians(medians, known, marker) if medians else fractions, known, formula,
            term=term, scale="median" if medians else scale, baseline=levels,
            change_from=_pair(change_from, "--change-from") if change_from else None, family=family,
            min_samples=min_samples, exclude_flags=exclude_flag,
        )  # fmt: skip
    tables.write(result, out, tables.EFFECTS)
    estimated = int(result["estimate"].notna().sum())
    click.echo(f"{out}: {estimated} of {len(result)} effects estimated", err=True)
    for line in reasons(result.loc[result["estimate"].isna(), "note"].fillna("")):
        click.echo(line, err=True)
    if json_path:
        provenance.write(json_path, provenance.record(
            "meta effects", inputs=[*populations, *samples, *medians],
            parameters={"formula": formula, "term": term, "scale": scale, "baseline": levels,
                        "min_samples": min_samples, "exclude_flag": list(exclude_flag),
                        "change_from": change_from, "family": family, "marker": list(marker),
                        **({"method": method} if method != "standard" else {})},
            counts={"effects": len(result), "effects_estimated": estimated},
        ))  # fmt: skip


def _pair(text: str, option: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        msg = f"{text!r} is not of the form COLUMN=VALUE"
        raise click.BadParameter(msg, param_hint=option)
    return column, value


def _medians(paths: tuple[Path, ...], samples: "pd.DataFrame", markers: tuple[str, ...]) -> "pd.DataFrame":
    """Median intensities of the chosen markers as outcomes."""
    from immport_cyto import meta, tables
    from immport_cyto.exceptions import OptionError

    found = tables.concat((tables.read(path, tables.MEDIANS) for path in paths), tables.MEDIANS)
    for name in markers:
        if name not in set(found["marker"]):
            msg = f"marker {name!r} is not in medians.tsv; {instead(name, sorted(set(found['marker'])))}"
            raise OptionError(msg)
    return meta.median_outcomes(found[found["marker"].isin(markers)] if markers else found, samples)


@group.command("pool")
@click.argument("effects", nargs=-1, type=_FILE, required=True)
@click.option("--out", type=_FILE, required=True, help="Pooled effects to write (meta.tsv).")
@click.option(
    "--method",
    type=click.Choice(["REML", "FE", "DL", "HE", "HS", "SJ", "ML", "EB", "PM", "metacyto"]),
    default="REML",
    show_default=True,
    help="Estimator of the variance between studies; FE: one common effect; metacyto: REML where metafor stops it and "
    "the z test, as the R package MetaCyto.",
)
@click.option(
    "--test",
    type=click.Choice(["hartung-knapp", "hartung-knapp-adhoc", "z"]),
    default="hartung-knapp",
    show_default=True,
    help="Test and interval of the pooled effect.",
)
@click.option(
    "--leave-one-out/--no-leave-one-out",
    default=True,
    show_default=True,
    help="From three studies on, add a row without each study in turn.",
)
@click.option(
    "--fdr",
    type=click.Choice(["bh", "by"]),
    default="bh",
    show_default=True,
    help="q values over populations: Benjamini-Hochberg, or Benjamini-Yekutieli for tests of any dependence.",
)
@click.option("--forest", type=FIGURE, help="Write a forest plot of all populations (.svg, .png, .pdf).")
@click.option("--term", help="Term of the forest plot.  [default: the first in the table]")
@json_option
def pool(
    effects: tuple[Path, ...], out: Path, method: str, test: str, leave_one_out: bool, fdr: str,
    forest: Path | None, term: str | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Pool the effects of EFFECTS (one or more effects.tsv) over studies.

    \b
    Example:
      immport-cyto meta pool effects.tsv --out meta.tsv --forest forest.svg
    """
    from immport_cyto import meta, provenance, tables
    from immport_cyto.exceptions import OptionError

    estimated = tables.concat((tables.read(path, tables.EFFECTS) for path in effects), tables.EFFECTS)
    if method == "metacyto":
        _metacyto.check_options(method, only_standard=("--test", "--leave-one-out", "--fdr"))
        result, test = _metacyto.pool(estimated), "z"
    else:
        result = meta.pool_effects(estimated, method=method, test=test, leave_one_out=leave_one_out, fdr=fdr)
    terms = list(dict.fromkeys(result["term"]))
    if term is not None and term not in terms:
        msg = f"term {term!r} is not in the effects; {instead(term, terms)}"
        raise OptionError(msg)
    tables.write(result, out, tables.META)
    pooled = result[result["omitted"] == ""]
    alone, none = int((pooled["k"] == 1).sum()), int((pooled["k"] == 0).sum())
    others = ((alone, "of one study only"), (none, "estimated in no study"))
    rest = ", ".join(f"{count} {what}" for count, what in others if count)
    click.echo(
        f"{out}: {len(pooled) - alone - none} of {len(pooled)} effects pooled over studies{rest and f' ({rest})'}",
        err=True,
    )
    if forest:
        from immport_cyto import report

        report.save(report.figures.forest_all(result, term or terms[0]), forest)
    if json_path:
        provenance.write(json_path, provenance.record(
            "meta pool", inputs=effects,
            parameters={"method": method, "test": test, "leave_one_out": leave_one_out, "fdr": fdr, "term": term},
            counts={"rows": len(result), "effects": len(pooled), "effects_pooled": int((pooled["k"] > 1).sum())},
        ))  # fmt: skip


for command in (_meta_adjust.adjust, *_meta_studies.COMMANDS, *_meta_reference.COMMANDS):
    group.add_command(command)
