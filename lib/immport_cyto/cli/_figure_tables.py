"""``immport-cyto figure heatmap``, ``populations``, ``pooled`` and ``quality``: figures of tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._cluster_results import FILE
from immport_cyto.cli._common import instead, json_option
from immport_cyto.cli._figure_common import finish, out_option
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd

_MOST = 12
_ORDER = ("search", "flowsom", "flock", "metacyto", "immport")

populations_option = click.option(
    "--population", "names", multiple=True,
    help="Population to draw; may be repeated.  [default: the 12 that hold most events]",
)  # fmt: skip
method_option = click.option("--method", help="Method of the populations, such as search or flowsom.  [default: the "
                             "first of search, flowsom, flock, metacyto, immport in the table]")  # fmt: skip


@click.command("heatmap")
@click.option("--clusters", "clusters_path", type=FILE, help="clusters.tsv, with or without names.")
@click.option("--medians", "medians_path", type=FILE, help="cluster_medians.tsv of the same.")
@click.option("--study", default=None, help="Study of --clusters.  [default: the only one]")
@click.option("--panel", default=None, help="Panel of --clusters.  [default: the only one]")
@click.option("--populations", "populations_path", type=FILE, help="populations.tsv, instead of clusters.")
@click.option("--samples", "samples_path", type=FILE, help="samples.tsv, for --group.")
@click.option("--group", help="Column of --samples to show beside the samples of --populations.")
@method_option
@out_option
@json_option
def heatmap(
    clusters_path: Path | None, medians_path: Path | None, study: str | None, panel: str | None,
    populations_path: Path | None, samples_path: Path | None, group: str | None, method: str | None, out_path: Path,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the markers of clusters, or the populations of samples, as a heat map with a dendrogram.

    Of clusters the medians are scaled per marker from the lowest to the highest; of populations the logits of the
    fractions are shown as standard deviations from the mean of the population.

    \b
    Examples:
      immport-cyto figure heatmap --clusters clusters_named.tsv --medians cluster_medians.tsv --out clusters.svg
      immport-cyto figure heatmap --populations populations.tsv --samples samples.tsv --group arm_name --out samples.svg
    """
    from immport_cyto import report, tables

    if (clusters_path is None) == (populations_path is None):
        msg = "give either --clusters with --medians, or --populations"
        raise click.UsageError(msg)
    if clusters_path is not None:
        if medians_path is None:
            msg = "--clusters needs --medians, the medians of the same clusters"
            raise click.UsageError(msg)
        clusters = _one_group(tables.read(clusters_path, tables.CLUSTERS), study, panel, clusters_path)
        medians = tables.read(medians_path, tables.CLUSTER_MEDIANS)
        first = clusters.iloc[0]
        own = medians[(medians["study_accession"] == first["study_accession"])
                      & (medians["panel_id"] == first["panel_id"])]  # fmt: skip
        if not set(clusters["metacluster"]) & set(own["metacluster"]):
            msg = f"{medians_path}: has no median of the clusters of {clusters_path}; give tables of one clustering"
            raise OptionError(msg)
        clusters = clusters[clusters["metacluster"].isin(set(own["metacluster"]))]
        figure = report.figures.cluster_heatmap(own[own["metacluster"].isin(set(clusters["metacluster"]))], clusters)
        counts = {"clusters": len(clusters), "markers": int(own["marker"].nunique())}
    elif populations_path is not None:
        rows = _one_method(tables.read(populations_path, tables.POPULATIONS), method, populations_path)
        samples = tables.read(samples_path, tables.SAMPLES) if samples_path else None
        if group is not None:
            _check_column(samples, group, samples_path, "--group")
        figure = report.figures.sample_heatmap(rows, samples if group else None, group or "")
        counts = {"populations": int(rows["population"].nunique()), "files": int(rows["file_name"].nunique())}
    report.save(figure, out_path)
    parameters = {"study": study, "panel": panel, "group": group, "method": method}
    inputs = [clusters_path, medians_path, populations_path, samples_path]
    finish("figure heatmap", out_path, json_path, inputs, parameters, counts, [])


@click.command("populations")
@click.argument("populations_path", metavar="POPULATIONS", type=FILE)
@click.option("--samples", "samples_path", type=FILE, required=True, help="samples.tsv.")
@click.option("--by", required=True, help="Column of --samples: groups such as arm_name, sex or batch give box plots, "
              "a number such as age_years points with a line.")  # fmt: skip
@populations_option
@click.option("--medians", "medians_path", type=FILE, help="medians.tsv of the same populations, for --marker.")
@click.option("--marker", help="Draw the median of this marker in each population instead of the fraction.")
@method_option
@out_option
@json_option
def populations(
    populations_path: Path, samples_path: Path, by: str, names: tuple[str, ...], medians_path: Path | None,
    marker: str | None, method: str | None, out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the fractions of populations by group, or against a number, a column of panels per study.

    \b
    Examples:
      immport-cyto figure populations populations.tsv --samples samples.tsv --by arm_name --out by_arm.svg
      immport-cyto figure populations populations.tsv --samples samples.tsv --by age_years --medians medians.tsv \\
          --marker CD38 --out cd38_by_age.svg
    """
    from immport_cyto import report, tables

    if (medians_path is None) != (marker is None):
        msg = "give --medians and --marker together"
        raise click.UsageError(msg)
    samples = tables.read(samples_path, tables.SAMPLES)
    _check_column(samples, by, samples_path, "--by")
    rows = _one_method(tables.read(populations_path, tables.POPULATIONS), method, populations_path)
    chosen, warnings = _named(rows, names, populations_path)
    if medians_path is not None and marker is not None:
        rows = _with_medians(rows, tables.read(medians_path, tables.MEDIANS), marker, medians_path)
    figure = report.figures.abundances(rows, samples, chosen, by, median_of=marker or "")
    report.save(figure, out_path)
    counts = {"populations": len(chosen), "files": int(rows["file_name"].nunique())}
    parameters = {"by": by, "populations": chosen, "method": method, "marker": marker}
    inputs = [populations_path, samples_path, medians_path]
    finish("figure populations", out_path, json_path, inputs, parameters, counts, warnings)


@click.command("pooled")
@click.argument("meta_path", metavar="META", type=FILE)
@click.option("--kind", type=click.Choice(["all", "one", "volcano", "funnel"]), default="all", show_default=True,
              help="all: the pooled effect on every population; one: the studies of one population; volcano: effect "
              "and p value of every population; funnel: effect and standard error of the studies of one.")  # fmt: skip
@click.option("--effects", "effects_paths", type=FILE, multiple=True,
              help="effects.tsv of the studies, for one and funnel; may be repeated.")  # fmt: skip
@click.option("--population", help="Population of one and funnel.  [default: that of the smallest p value]")
@click.option("--term", help="Term of the model.  [default: the first in the table]")
@method_option
@out_option
@json_option
def pooled(
    meta_path: Path, kind: str, effects_paths: tuple[Path, ...], population: str | None, term: str | None,
    method: str | None, out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw effects that were pooled over studies: forest plots, volcano, funnel.

    \b
    Examples:
      immport-cyto figure pooled meta.tsv --out forest.svg
      immport-cyto figure pooled meta.tsv --kind one --effects effects.tsv --population "B cells" --out b_cells.svg
    """
    from immport_cyto import report, tables

    single = kind in ("one", "funnel")
    if single and not effects_paths:
        msg = f"--kind {kind} needs --effects, the effects of the studies"
        raise click.UsageError(msg)
    if population is not None and not single:
        msg = f"--kind {kind} shows all populations; leave --population out"
        raise click.UsageError(msg)
    meta = _one_method(tables.read(meta_path, tables.META), method, meta_path)
    term = _one_of(meta, "term", term, meta_path)
    shown = meta[(meta["term"] == term) & (meta["omitted"] == "") & meta["estimate"].notna()]
    if shown.empty:
        msg = f"{meta_path}: has no estimate for term {term!r}; choose another --term"
        raise OptionError(msg)
    if not single:
        figure = (report.figures.volcano if kind == "volcano" else report.figures.forest_all)(shown, term)
        counts = {"populations": int(shown["population"].nunique())}
    else:
        best = shown.sort_values(["p_value", "population"], na_position="last")["population"].iloc[0]
        population = _one_of(shown, "population", population or str(best), meta_path)
        every = tables.concat((tables.read(path, tables.EFFECTS) for path in effects_paths), tables.EFFECTS)
        effects = every[every["method"].isin([shown["method"].iloc[0], *shown["method"].iloc[0].split("+")])]
        draw = report.figures.forest if kind == "one" else report.figures.funnel
        figure = draw(effects, meta, population, term)
        of_population = (effects["population"] == population) & (effects["term"] == term)
        counts = {"populations": 1, "studies": int(effects[of_population]["estimate"].notna().sum())}
    report.save(figure, out_path)
    parameters = {"kind": kind, "population": population, "term": term, "method": method}
    finish("figure pooled", out_path, json_path, [meta_path, *effects_paths], parameters, counts, [])


@click.command("quality")
@click.argument("qc_paths", metavar="QC...", type=FILE, nargs=-1, required=True)
@click.option("--samples", "samples_path", type=FILE, help="samples.tsv: orders the files by study.")
@out_option
@json_option
def quality(qc_paths: tuple[Path, ...], samples_path: Path | None, out_path: Path, json_path: Path | None) -> None:
    """Draw where the events of each file went, from one or more qc.tsv; per study above 80 files.

    \b
    Example:
      immport-cyto figure quality qc.tsv --samples samples.tsv --out quality.svg
    """
    from immport_cyto import report, tables

    qc = tables.concat((tables.read(path, tables.QC) for path in qc_paths), tables.QC)
    samples = tables.read(samples_path, tables.SAMPLES) if samples_path else None
    report.save(report.figures.qc_bars(qc, samples), out_path)
    counts = {"files": len(qc), "events": int(qc["n_events_in"].sum()), "events_kept": int(qc["n_events_out"].sum())}
    finish("figure quality", out_path, json_path, [*qc_paths, samples_path], {}, counts, [])


def _one_group(clusters: "pd.DataFrame", study: str | None, panel: str | None, path: Path) -> "pd.DataFrame":
    """Clusters of one study and panel."""
    rows = clusters
    for column, value, option in (("study_accession", study, "--study"), ("panel_id", panel, "--panel")):
        known = sorted(set(rows[column]))
        if value is not None and value not in known:
            msg = f"{path}: {option} {value!r} is not in it; {instead(value, known)}"
            raise OptionError(msg)
        if value is None and len(known) > 1:
            msg = f"{path}: holds clusters of {', '.join(known)}; choose one with {option}"
            raise OptionError(msg)
        rows = rows if value is None else rows[rows[column] == value]
    if rows.empty:
        msg = f"{path}: holds no cluster; give the table of a clustering"
        raise OptionError(msg)
    return rows


def _one_method(rows: "pd.DataFrame", method: str | None, path: Path) -> "pd.DataFrame":
    """Rows of one method: the asked one, or the first in our order."""
    known = sorted(set(rows["method"]), key=lambda m: (_ORDER.index(m) if m in _ORDER else len(_ORDER), m))
    if not known:
        msg = f"{path}: holds no row to draw; give the table of a run that found something"
        raise OptionError(msg)
    if method is not None and method not in known:
        msg = f"{path}: --method {method!r} is not in it; use one of: {', '.join(known)}"
        raise OptionError(msg)
    return rows[rows["method"] == (method or known[0])]


def _one_of(rows: "pd.DataFrame", column: str, value: str | None, path: Path) -> str:
    known = list(dict.fromkeys(rows[column]))
    if value is not None and value not in known:
        msg = f"{path}: --{column} {value!r} is not in it; {instead(value, known)}"
        raise OptionError(msg)
    return value or str(known[0])


def _named(rows: "pd.DataFrame", names: Sequence[str], path: Path) -> tuple[list[str], list[str]]:
    """Populations to draw, and warnings."""
    known = rows.groupby("population")["n_events"].sum().reset_index()
    if names:
        unknown = [name for name in names if name not in set(known["population"])]
        if unknown:
            msg = f"{path}: --population {unknown[0]!r} is not in it; {instead(unknown[0], known['population'])}"
            raise OptionError(msg)
        return list(dict.fromkeys(names)), []
    ordered = list(known.sort_values(["n_events", "population"], ascending=[False, True])["population"])
    if len(ordered) <= _MOST:
        return ordered, []
    return ordered[:_MOST], [f"the {_MOST} largest of {len(ordered)} populations are drawn; --population draws others"]


def _with_medians(rows: "pd.DataFrame", medians: "pd.DataFrame", marker: str, path: Path) -> "pd.DataFrame":
    """Populations with the median of a marker; empty where a file does not measure it or has no event there."""
    own = medians[medians["marker"] == marker]
    known = sorted(set(medians["marker"]))
    if own.empty:
        msg = f"{path}: --marker {marker!r} is not in it; use one of: {', '.join(known)}"
        raise OptionError(msg)
    keys = ["file_name", "method", "population"]
    joined = rows.merge(own[[*keys, "median"]], on=keys, how="left")
    if joined["median"].isna().all():
        msg = f"{path}: has no median of the populations that are drawn; give the table of the same run"
        raise OptionError(msg)
    return joined


def _check_column(samples: "pd.DataFrame | None", column: str, path: Path | None, option: str) -> None:
    if samples is None:
        msg = f"{option} needs --samples with that column"
        raise click.UsageError(msg)
    if column not in samples.columns:
        msg = f"{path}: has no column {column!r} (it has {', '.join(samples.columns)}); correct {option}"
        raise OptionError(msg)
