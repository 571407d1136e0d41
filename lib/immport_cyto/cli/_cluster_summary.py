"""``immport-cyto cluster summary``: one page, figures and tables of a model and the files mapped onto it."""

from pathlib import Path

import click

from immport_cyto.cli._cluster_results import (
    FILE,
    FOLDER,
    fcs_argument,
    load_one,
    names_option,
    number_curves,
    one_model_option,
    record,
)
from immport_cyto.cli._common import (
    collect_fcs,
    files_option,
    jobs_option,
    json_option,
    n_jobs,
    quiet_option,
    seed_option,
)
from immport_cyto.files import check_writable, write_text

_SHOWN = 20_000


@click.command("summary")
@fcs_argument
@files_option
@one_model_option
@names_option
@click.option("--out", "out_path", type=FILE, required=True, help="Page to write (.html), readable without network.")
@click.option("--title", default="FlowSOM", show_default=True, help="Heading of the page.")
@click.option(
    "--statistics", "statistics_path", type=FILE,
    help="Table to write: events, outliers, median, mean, sd, CV and MAD of every marker per node and metacluster.",
)  # fmt: skip
@click.option("--abundances", "abundances_path", type=FILE, help="Table to write: nodes and metaclusters per file.")
@click.option("--figures-dir", type=FOLDER, help="Folder for the figures of the page (.svg).")
@seed_option
@jobs_option
@json_option
@quiet_option
def summary(
    paths: tuple[Path, ...], files_json: Path | None, model_path: Path, clusters_path: Path | None, out_path: Path,
    title: str, statistics_path: Path | None, abundances_path: Path | None, figures_dir: Path | None, seed: int,
    jobs: int | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Describe a FlowSOM model and the files mapped onto it: star plots, tree, heat map, scatters, tables.

    The files are those that 'cluster flowsom' or 'cluster map' wrote with the model. --seed draws the events of the
    scatter plots, which are the only random part.

    \b
    Example:
      immport-cyto cluster summary clustered/ --model SDY1-flow-8m-3fa9c1.npz --clusters clusters_named.tsv \\
          --out flowsom.html --statistics cluster_statistics.tsv --figures-dir figures
    """
    import numpy as np

    from immport_cyto import cluster, report, tables
    from immport_cyto.cluster import describing
    from immport_cyto.cluster.drifting import drift
    from immport_cyto.cluster.sampling import sample_events
    from immport_cyto.progress import progress
    from immport_cyto.report import som_page

    files = collect_fcs(paths, files_json)
    model, names = load_one(model_path, clusters_path)
    threads = n_jobs(jobs)
    check_writable(out_path, statistics_path, abundances_path, json_path, figures_dir and figures_dir / "FIGURE")
    mapped = {}
    with progress("mapping files", len(files), quiet=quiet) as shown:
        for name, path in files.items():
            mapped[name] = cluster.map_file(model, path, None, any_scale=True, n_jobs=threads, name=name)
            if shown:
                shown.step(name)
    statistics = describing.statistics(model, files, names, mapped=mapped, quiet=quiet)
    abundances = describing.abundances(model, files, names)
    nodes = report.figures.Nodes(
        (int(model.grid[0]), int(model.grid[1])), model.spanning_tree(), model.metaclusters_,
        np.sum([file.node_counts for file in mapped.values()], axis=0), names,
    )  # fmt: skip
    sample, sample_nodes = sample_events(model, files, _SHOWN, seed)
    events = sum(file.n_events for file in mapped.values())
    explained, _, gains = number_curves(model)
    content = som_page.Summary(
        nodes=nodes,
        markers=model.markers,
        statistics=statistics,
        abundances=abundances,
        drift=drift(model, mapped),
        sample=sample,
        sample_metaclusters=model.metaclusters_[sample_nodes],
        tiles=[
            ("files", str(len(files))),
            ("events", f"{events:,}"),
            ("nodes", f"{len(model.codes_)} ({model.grid[0]} x {model.grid[1]})"),
            ("metaclusters", str(model.n_metaclusters_)),
            ("markers", str(len(model.markers))),
            ("mean distance to the code", f"{model.quantization_error_:.4g}"),
            ("outliers", f"{100 * sum(file.n_outliers for file in mapped.values()) / max(events, 1):.2f} %"),
            ("seed of the model", str(model.seed)),
        ],
        explained_variance=explained,
        delta_area=gains,
        warnings=model.warnings_,
    )
    drawn = som_page.build(out_path, content, title=title, quiet=quiet)
    if figures_dir:
        for name, picture in drawn.items():
            write_text(figures_dir / f"{name}.svg", picture.svg)
    if statistics_path:
        tables.write(statistics, statistics_path, tables.STATISTICS)
    if abundances_path:
        tables.write(abundances, abundances_path, tables.ABUNDANCES)
    counts = {"files": len(files), "events": events, "metaclusters": model.n_metaclusters_}
    inputs = [model_path, *([clusters_path] if clusters_path else []), *files.values()]
    record("cluster summary", json_path, [model], inputs, counts, [])
    click.echo(f"{out_path}: {model.n_metaclusters_} metaclusters, {events} events of {len(files)} files", err=True)
