"""``immport-cyto cluster compare``: groups of samples, or two clusterings of the same events."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli import _flock_results
from immport_cyto.cli._cluster_results import FILE, FOLDER, fcs_argument, load_any, names_of, names_option, record
from immport_cyto.cli._common import collect_fcs, counted, files_option, json_option
from immport_cyto.exceptions import LinkError
from immport_cyto.files import safe_name

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.cluster import FlowSOM


@click.command("compare")
@fcs_argument
@files_option
@click.option("--out", "out_path", type=FILE, required=True, help="Table of the comparison to write.")
@click.option(
    "--model", "model_path", type=FILE,
    help="Model of cluster flowsom, cluster flock or cluster merge that mapped the files (.npz), to compare groups.",
)  # fmt: skip
@names_option
@click.option("--samples", "samples_path", type=FILE, help="samples.tsv with the groups.")
@click.option("--group", "column", help="Column of --samples with the group of each file, such as arm_name or sex.")
@click.option("--reference", help="Group to compare the others with.  [default: the first in alphabetical order]")
@click.option("--paired", is_flag=True, help="Compare subjects with themselves.")
@click.option(
    "--test", type=click.Choice(["rank", "welch", "model"]), default="rank", show_default=True,
    help="rank: Mann-Whitney, paired Wilcoxon; welch: Welch's t test of the logits, paired t test; model: linear model "
    "of the logits, with a random intercept per subject where subjects have several samples.",
)  # fmt: skip
@click.option(
    "--covariates", metavar="TERMS",
    help="With --test model: columns of --samples to adjust for, such as 'age_years + sex'; as in meta effects.",
)  # fmt: skip
@click.option(
    "--labels", nargs=2, metavar="CHANNEL CHANNEL",
    help="Instead of groups: two channels with clusters of the same events, such as FlowSOM_metacluster "
    "FLOCK_population.",
)  # fmt: skip
@click.option(
    "--with", "others", type=click.Path(path_type=Path), multiple=True,
    help="FCS files or folder to take the second channel from: the same events under the same names; may be repeated.",
)  # fmt: skip
@click.option("--contingency", "contingency_path", type=FILE, help="Table to write: events per pair of clusters.")
@click.option("--figures-dir", type=FOLDER, help="Folder for the figures (.svg).")
@json_option
def compare(
    paths: tuple[Path, ...], files_json: Path | None, out_path: Path, model_path: Path | None,
    clusters_path: Path | None, samples_path: Path | None, column: str | None, reference: str | None, paired: bool,
    test: str, covariates: str | None, labels: tuple[str, str] | None, others: tuple[Path, ...],
    contingency_path: Path | None, figures_dir: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Compare groups of samples cluster by cluster, or two clusterings of the same events.

    With --group: effect, test and false discovery rate for every node and metacluster of FlowSOM or population of
    FLOCK; the subject is the unit. With --labels: adjusted Rand index, mutual information and F1 by one-to-one
    matching, per file and over all.

    \b
    Examples:
      immport-cyto cluster compare clustered/ --model m.npz --samples samples.tsv --group arm_name \\
          --out comparison.tsv --figures-dir figures
      immport-cyto cluster compare clustered/ --model m.npz --samples samples.tsv --group visit_name \\
          --test model --covariates "age_years + sex" --out comparison.tsv
      immport-cyto cluster compare flock/ --model models/SDY1-flow-8m-3fa9c1.npz --samples samples.tsv \\
          --group visit_name --paired --out comparison.tsv --figures-dir figures
      immport-cyto cluster compare clustered/ --labels FlowSOM_metacluster FLOCK_population --with flock/ \\
          --out agreement.tsv --contingency contingency.tsv
    """
    if (labels is None) == (column is None):
        msg = "give either --group, to compare samples, or --labels, to compare two clusterings"
        raise click.UsageError(msg)
    if labels is not None:
        _refuse("--labels", model=model_path, clusters=clusters_path, samples=samples_path, reference=reference,
                paired=paired, covariates=covariates)  # fmt: skip
    else:
        _refuse("--group", contingency=contingency_path, **{"with": others})
        if covariates is not None and test != "model":
            msg = "--covariates needs --test model"
            raise click.UsageError(msg)
        if paired and test == "model":
            msg = "--test model takes all samples of a subject as they are; leave out --paired"
            raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    if labels is not None:
        seconds = collect_fcs(others) if others else files
        _clusterings(files, seconds, labels, out_path, contingency_path, figures_dir, json_path)
        return
    if model_path is None or samples_path is None:
        msg = "--group needs --model and --samples"
        raise click.UsageError(msg)
    _groups(
        files, model_path, clusters_path, samples_path, out_path, figures_dir, json_path,
        {"group": column, "reference": reference, "paired": paired, "test": test, "covariates": covariates},
    )  # fmt: skip


def _refuse(what: str, **options: object) -> None:
    """Options that would be ignored are an error."""
    for name, value in options.items():
        if value:
            msg = f"--{name} has no meaning with {what}; leave it out"
            raise click.UsageError(msg)


def _groups(
    files: Mapping[str, Path], model_path: Path, clusters_path: Path | None, samples_path: Path, out_path: Path,
    figures_dir: Path | None, json_path: Path | None, parameters: dict[str, object],
) -> None:  # fmt: skip
    from functools import partial

    from immport_cyto import cluster, meta, tables
    from immport_cyto.cluster import describing, flock

    model = load_any(model_path)
    names = names_of(model, model_path, clusters_path)
    samples = tables.read(samples_path, tables.SAMPLES)
    column, reference, paired = str(parameters["group"]), parameters["reference"], bool(parameters["paired"])
    covariates = str(parameters["covariates"] or "")
    if isinstance(model, cluster.FLOCK):
        amounts, warnings = flock.abundances(model, files, names)
    else:
        amounts, warnings = describing.abundances(model, files, names), []
    found, notes = cluster.compare_groups(
        amounts, samples, column,
        reference=None if reference is None else str(reference), paired=paired, test=str(parameters["test"]),
        model=partial(meta.cluster_effects, covariates=covariates) if parameters["test"] == "model" else None,
    )  # fmt: skip
    warnings += notes
    tables.write(found, out_path, tables.COMPARISON)
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    if figures_dir:
        if isinstance(model, cluster.FlowSOM):
            _draw_trees(model, names, found, figures_dir)
        _draw_shares(amounts, samples, column, found, figures_dir, paired=paired)
    levels = list(dict.fromkeys(found["level"]))
    clear = {level: int((found.loc[found["level"] == level, "q_value"] < 0.05).sum()) for level in levels}
    counts = {"files": len(files), "rows": len(found), "q_below_0.05": sum(clear.values())}
    inputs = [model_path, samples_path, *([clusters_path] if clusters_path else []), *files.values()]
    if isinstance(model, cluster.FLOCK):
        _flock_results.record("cluster compare", json_path, [model], inputs, parameters, counts, warnings)
    else:
        record("cluster compare", json_path, [model], inputs, counts, warnings, parameters)
    first = found.iloc[0]
    told = " and ".join(counted(clear[level], level) for level in reversed(levels))
    groups = counted(found["group"].nunique(), "group")
    click.echo(f"{out_path}: {groups} against {first['reference']}; q < 0.05 for {told}", err=True)


def _draw_trees(model: "FlowSOM", names: Mapping[int, str], found: "pd.DataFrame", figures_dir: Path) -> None:
    """The difference of each group from the reference on the tree of the nodes."""
    from immport_cyto import report

    nodes = report.figures.Nodes(
        (int(model.grid[0]), int(model.grid[1])), model.spanning_tree(), model.metaclusters_, model.node_counts_, names
    )
    for group, rows in found[found["level"] == "node"].groupby("group"):
        figure = report.figures.comparison_tree(nodes, rows)
        report.save(figure, figures_dir / safe_name(f"comparison-{group}.svg"))


def _draw_shares(
    amounts: "pd.DataFrame", samples: "pd.DataFrame", column: str, found: "pd.DataFrame", figures_dir: Path, *,
    paired: bool,
) -> None:  # fmt: skip
    """Shares of metaclusters or populations in the samples of each group."""
    from immport_cyto import report

    rows = samples.drop_duplicates("file_name").set_index("file_name")
    subjects = {str(name): str(subject) or str(name) for name, subject in rows["subject_accession"].items()}
    figure = report.figures.group_abundances(
        amounts, rows[column].astype(str).str.strip().to_dict(), found[found["level"] != "node"],
        subjects=subjects if paired else None,
    )  # fmt: skip
    report.save(figure, figures_dir / "abundances.svg")


def _clusterings(
    files: Mapping[str, Path], seconds: Mapping[str, Path], labels: tuple[str, str], out_path: Path,
    contingency_path: Path | None, figures_dir: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    from immport_cyto import tables
    from immport_cyto.cluster.agreement import compare_clusterings, read_labels

    lacking = sorted(set(files) ^ set(seconds))
    if lacking:
        msg = f"{lacking[0]}: is only in one of the two sets of files; give the same files to both"
        raise LinkError(msg)
    pairs = {
        name: (read_labels(name, path, labels[0]), read_labels(name, seconds[name], labels[1]))
        for name, path in files.items()
    }
    found, table = compare_clusterings(pairs)
    tables.write(found, out_path, tables.AGREEMENT)
    if contingency_path:
        tables.write(table, contingency_path, tables.CONTINGENCY)
    if figures_dir:
        from immport_cyto import report

        report.save(report.figures.contingency(table, *labels), figures_dir / "contingency.svg")
    total = found.iloc[0]
    counts = {"files": len(files), "events": int(total["n_events"]), "events_left_out": int(total["n_left_out"])}
    inputs = [*files.values(), *(seconds.values() if seconds is not files else [])]
    record("cluster compare", json_path, [], inputs, counts, [], {"labels": list(labels)})
    click.echo(
        f"{out_path}: {total['n_events']} events, ARI {total['ari']:.3f}, NMI {total['nmi']:.3f}, "
        f"mean F1 {total['mean_f1']:.3f}",
        err=True,
    )
