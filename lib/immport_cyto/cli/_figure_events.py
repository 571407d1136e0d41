"""``immport-cyto figure density``, ``scatter``, ``overview`` and ``embedding``: figures of events."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import FILE, fcs_argument
from immport_cyto.cli._common import FIGURE, collect_fcs, files_option, json_option, seed_option
from immport_cyto.cli._figure_cuts import Lines
from immport_cyto.exceptions import LinkError, OptionError, PanelError, TableError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from immport_cyto.events.sampling import Sample
    from immport_cyto.report.figures import Colouring

_MOST_PANELS, _MOST_MARKERS = 24, 10
_CLUSTERS = ("FlowSOM_metacluster", "FlowSOM_node", "FLOCK_population")

out_option = click.option("--out", "out_path", type=FIGURE, required=True, help="Figure to write (.svg, .png, .pdf).")
samples_option = click.option("--samples", "samples_path", type=FILE, help="samples.tsv.")
cutoffs_option = click.option(
    "--cutoffs", "cutoffs_path", type=FILE,
    help="cutoffs.tsv: lines to draw, those of the panel of each file, and of its study where --samples is given.",
)  # fmt: skip
cofactor_option = click.option(
    "--cofactor", type=click.FloatRange(min=0, min_open=True),
    help="For files that are not preprocessed: show arcsinh(value / COFACTOR) of the markers.",
)  # fmt: skip
markers_option = click.option("--markers", help="Markers or channels, separated by commas.")
colour_option = click.option(
    "--colour-by", default="density", show_default=True, metavar="density|NAME",
    help="Colour of the events: how many are nearby, a channel of clusters (FlowSOM_metacluster, "
    "FLOCK_population), or a marker.",
)  # fmt: skip
clusters_option = click.option(
    "--clusters", "clusters_path", type=FILE,
    help="clusters.tsv with the names of the metaclusters, for --colour-by FlowSOM_metacluster.",
)  # fmt: skip


def events_option(default: int, of: str) -> Any:
    """The limit of events, with the rule by which they are drawn."""
    return click.option(
        "--max-events", type=click.IntRange(min=1), default=default, show_default=True,
        help=f"Events of {of} at most. Of a larger file one event is drawn, by --seed and the name of the file, from "
        "each of so many equal runs of events.",
    )  # fmt: skip


@click.command("density")
@fcs_argument
@files_option
@click.option("--markers", help="Markers or channels, separated by commas.  [default: all markers]")
@click.option("--layout", type=click.Choice(["overlaid", "stacked"]), default="overlaid", show_default=True,
              help="All curves on one line, or one above the other.")  # fmt: skip
@samples_option
@click.option("--group", help="Column of --samples that gives the colours, such as arm_name, batch or age_years.")
@click.option("--pooled", is_flag=True, help="One curve per value of --group (without it one for all files) instead of "
              "one per file; each file counts the same.")  # fmt: skip
@cutoffs_option
@cofactor_option
@events_option(20_000, "each file")
@seed_option
@out_option
@json_option
def density(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, layout: str, samples_path: Path | None,
    group: str | None, pooled: bool, cutoffs_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the density of each marker in each file.

    A file that does not measure a marker has no curve for it.

    \b
    Example:
      immport-cyto figure density preprocessed/ --samples samples.tsv --group arm_name \\
          --cutoffs cutoffs.tsv --layout stacked --out densities.png
    """
    from immport_cyto import report

    files = collect_fcs(paths, files_json)
    if group and samples_path is None:
        msg = "--group needs --samples with that column"
        raise click.UsageError(msg)
    samples = _samples(samples_path, files)
    groups = _groups(samples, group, files, samples_path)
    titles = {name: _title(groups.get(name, ""), group) if pooled else name for name in files}
    curves, counts = _curves(files, split(markers), groups, titles, max_events, seed, cofactor)
    lines = Lines.read(cutoffs_path, files, samples)
    cuts = None if lines is None else lines.of_curves(curves, titles)
    figure = report.figures.marker_densities(
        curves, cuts, stacked=layout == "stacked", group=(group or "").replace("_", " "), note=_shown(counts)
    )
    report.save(figure, out_path)
    parameters = {"markers": markers, "layout": layout, "group": group, "pooled": pooled, "cofactor": cofactor,
                  "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), samples_path, cutoffs_path]
    finish("figure density", out_path, json_path, inputs, parameters, counts, [])


@click.command("scatter")
@fcs_argument
@files_option
@click.option("--x", "x_name", required=True, help="Marker or channel across, such as CD4 or FSC-A.")
@click.option("--y", "y_name", required=True, help="Marker or channel upwards.")
@colour_option
@clusters_option
@click.option("--pooled", is_flag=True, help="All files in one panel instead of a panel for each.")
@cutoffs_option
@click.option("--x-line", "x_lines", type=float, multiple=True, help="Value at which to draw a line; may be repeated.")
@click.option("--y-line", "y_lines", type=float, multiple=True, help="Value at which to draw a line; may be repeated.")
@samples_option
@cofactor_option
@events_option(20_000, "each panel")
@seed_option
@out_option
@json_option
def scatter(
    paths: tuple[Path, ...], files_json: Path | None, x_name: str, y_name: str, colour_by: str,
    clusters_path: Path | None, pooled: bool, cutoffs_path: Path | None, x_lines: tuple[float, ...],
    y_lines: tuple[float, ...], samples_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the events in two channels, a panel per file on common axes.

    The first 24 files by name are drawn; --pooled draws all of them in one panel, the same number of events of each.

    \b
    Example:
      immport-cyto figure scatter preprocessed/ --x CD4 --y CD8 --cutoffs cutoffs.tsv --out cd4_cd8.png
    """
    import numpy as np

    from immport_cyto import report
    from immport_cyto.events.sampling import sample

    files = collect_fcs(paths, files_json)
    samples = _samples(samples_path, files)
    warnings = []
    if not pooled and len(files) > _MOST_PANELS:
        warnings.append(f"the first {_MOST_PANELS} of {len(files)} files are drawn; --pooled draws all in one panel")
        files = dict(list(files.items())[:_MOST_PANELS])
    columns = [x_name, y_name, *([] if colour_by == "density" else [colour_by])]
    drawn = sample(files, columns, max(max_events // len(files), 1) if pooled else max_events, seed, cofactor)
    colouring = _colouring(drawn, 2, colour_by, files, clusters_path)
    cuts = Lines.read(cutoffs_path, files, samples)
    plots = []
    for number, name in enumerate([""] if pooled else drawn.files):
        rows = np.arange(len(drawn.values)) if pooled else np.flatnonzero(drawn.file == number)
        of = files if pooled else {name: files[name]}
        lines = [() if cuts is None else cuts.of(column, of) for column in (x_name, y_name)]
        title = (f"{len(files)} files" if len(files) > 1 else next(iter(files))) if pooled else name
        plots.append(
            report.figures.Plot(
                title, drawn.values[rows, :2], colouring.of(rows), (*lines[0], *x_lines), (*lines[1], *y_lines)
            )
        )
    counts = _counts(drawn)
    report.save(report.figures.event_scatter(plots, x_name, y_name, note=_shown(counts)), out_path)
    parameters = {"x": x_name, "y": y_name, "colour_by": colour_by, "pooled": pooled, "x_lines": list(x_lines),
                  "y_lines": list(y_lines), "cofactor": cofactor, "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), clusters_path, cutoffs_path, samples_path]
    finish("figure scatter", out_path, json_path, inputs, parameters, counts, warnings)


@click.command("overview")
@fcs_argument
@files_option
@click.option("--markers", help=f"Markers or channels, separated by commas.  [default: the first {_MOST_MARKERS} "
              "markers that all files have]")  # fmt: skip
@colour_option
@clusters_option
@cofactor_option
@events_option(10_000, "all files together, the same number of each,")
@seed_option
@out_option
@json_option
def overview(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, colour_by: str, clusters_path: Path | None,
    cofactor: float | None, max_events: int, seed: int, out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw all pairs of markers of a file, or of several files together.

    \b
    Example:
      immport-cyto figure overview clustered/a.fcs --markers CD3,CD4,CD8,CD19 \\
          --colour-by FlowSOM_metacluster --clusters clusters_named.tsv --out overview.png
    """
    from immport_cyto import report

    files = collect_fcs(paths, files_json)
    names, warnings = _chosen(files, markers, _MOST_MARKERS)
    if len(names) < 2:
        msg = f"an overview needs two markers or more, and there is {', '.join(names)} only; name others with --markers"
        raise OptionError(msg)
    drawn, colouring = _together(files, names, colour_by, clusters_path, max_events, seed, cofactor)
    counts = _counts(drawn)
    title = next(iter(files)) if len(files) == 1 else f"{len(files)} files"
    figure = report.figures.event_pairs(
        drawn.values[:, : len(names)], names, colouring, title=title, note=_shown(counts)
    )
    report.save(figure, out_path)
    parameters = {"markers": names, "colour_by": colour_by, "cofactor": cofactor, "max_events": max_events,
                  "seed": seed}  # fmt: skip
    finish("figure overview", out_path, json_path, [*files.values(), clusters_path], parameters, counts, warnings)


@click.command("embedding")
@fcs_argument
@files_option
@click.option("--method", type=click.Choice(["tsne", "umap"]), default="tsne", show_default=True,
              help="t-SNE, or UMAP (pip install 'immport-cyto[umap]').")  # fmt: skip
@click.option("--markers", help="Markers, separated by commas.  [default: all that all files have]")
@click.option(
    "--colour-by", metavar="density|NAME",
    help="Colour of the first panel.  [default: FlowSOM_metacluster where the files have it, else density]",
)  # fmt: skip
@clusters_option
@click.option("--neighbours", type=click.IntRange(min=2),
              help="Perplexity of t-SNE [default: 30], neighbours of UMAP [default: 15].")  # fmt: skip
@cofactor_option
@events_option(5_000, "all files together, the same number of each,")
@seed_option
@out_option
@json_option
def embedding(
    paths: tuple[Path, ...], files_json: Path | None, method: str, markers: str | None, colour_by: str | None,
    clusters_path: Path | None, neighbours: int | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the events of the files by t-SNE or UMAP, coloured by cluster and by each marker.

    The same files, options and versions of the libraries give the same figure, whatever the number of threads.

    \b
    Example:
      immport-cyto figure embedding clustered/ --clusters clusters_named.tsv --out tsne.png
    """
    from immport_cyto import fcs, report
    from immport_cyto.cluster.embedding import embed

    files = collect_fcs(paths, files_json)
    names, warnings = _chosen(files, markers, None)
    if colour_by is None:
        with fcs.open(next(iter(files.values()))) as source:
            colour_by = _CLUSTERS[0] if _CLUSTERS[0] in source.names else "density"
    drawn, colouring = _together(files, names, colour_by, clusters_path, max_events, seed, cofactor)
    counts = _counts(drawn)
    values = drawn.values[:, : len(names)]
    points = embed(values, method, seed, neighbours=neighbours)
    title = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    figure = report.figures.embedding(points, values, names, colouring, method=title, note=_shown(counts))
    report.save(figure, out_path)
    parameters = {"method": method, "markers": names, "colour_by": colour_by, "neighbours": neighbours,
                  "cofactor": cofactor, "max_events": max_events, "seed": seed}  # fmt: skip
    finish("figure embedding", out_path, json_path, [*files.values(), clusters_path], parameters, counts, warnings)


def split(text: str | None) -> list[str]:
    """Words of a list with commas."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def finish(
    command: str, out_path: Path, json_path: Path | None, inputs: Sequence[Path | None], parameters: Mapping[str, Any],
    counts: Mapping[str, int], warnings: Sequence[str],
) -> None:  # fmt: skip
    """Show warnings and what was written, and write the record."""
    from immport_cyto import provenance

    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    if json_path:
        used = [path for path in inputs if path]
        entry = provenance.record(command, inputs=used, parameters=parameters, counts=counts, warnings=warnings)
        provenance.write(json_path, entry)
    done = ", ".join(f"{number} {what}" for what, number in counts.items()).replace("_", " ")
    click.echo(f"{out_path}: {done}", err=True)


def _counts(drawn: "Sample") -> dict[str, int]:
    counts = {"files": len(drawn.files), "events": drawn.n_events, "events_shown": len(drawn.values)}
    return counts | ({"events_not_finite": drawn.n_nonfinite} if drawn.n_nonfinite else {})


def _shown(counts: Mapping[str, int]) -> str:
    shown, total = counts["events_shown"], counts["events"]
    return f"{shown:,} of {total:,} events" if shown < total else f"{total:,} events"


def _samples(path: Path | None, files: Mapping[str, Path]) -> "pd.DataFrame | None":
    from immport_cyto import tables

    if path is None:
        return None
    samples = tables.read(path, tables.SAMPLES).drop_duplicates("file_name").set_index("file_name", drop=False)
    missing = [name for name in files if name not in samples.index]
    if missing:
        msg = f"{missing[0]}: has no row in {path}; link it first or leave the file out"
        raise LinkError(msg)
    return samples


def _groups(
    samples: "pd.DataFrame | None", column: str | None, files: Mapping[str, Path], path: Path | None
) -> dict[str, Any]:
    """Value of each file in a column: a float, or text where the column is text or a number is unknown."""
    import pandas as pd

    if samples is None or not column:
        return {}
    if column not in samples.columns:
        msg = f"{path}: has no column {column!r} (it has {', '.join(samples.columns)}); correct --group"
        raise OptionError(msg)
    values = samples[column]
    if pd.api.types.is_float_dtype(values.dtype) and bool(values.loc[list(files)].notna().all()):
        return {name: float(values[name]) for name in files}
    return {name: "" if pd.isna(values[name]) else str(values[name]) for name in files}


def _title(value: Any, group: str | None) -> str:
    """Name of the curve of all files of a group."""
    if not group:
        return "all files"
    return f"{value:g}" if isinstance(value, float) else value or "not known"


def _curves(
    files: Mapping[str, Path], markers: Sequence[str], groups: Mapping[str, Any], titles: Mapping[str, str],
    max_events: int, seed: int, cofactor: float | None,
) -> tuple["pd.DataFrame", dict[str, int]]:  # fmt: skip
    """Curves per marker and file, or group of files; what was drawn."""
    import numpy as np
    import pandas as pd

    from immport_cyto import events, fcs
    from immport_cyto.events.sampling import find_channel, sample
    from immport_cyto.population._densities import curve

    values: dict[tuple[str, str], list[np.ndarray]] = {}
    colour = {titles[name]: groups.get(name, "") for name in files}
    counts = {"files": len(files), "events": 0, "events_shown": 0}
    for name, path in files.items():
        with fcs.open(path) as source:
            own = list(markers) or list(events.markers(source))
            own = [marker for marker in own if _has(source, marker, name, find_channel)]
        drawn = sample({name: path}, own, max_events, seed, cofactor)
        counts["events"] += drawn.n_events
        counts["events_shown"] += len(drawn.values)
        for column, marker in enumerate(own):
            values.setdefault((marker, titles[name]), []).append(drawn.values[:, column])
    order = list(markers) or list(dict.fromkeys(marker for marker, _ in values))
    missing = [marker for marker in order if not any(marker == own for own, _ in values)]
    if missing or not order:
        what = f"marker or channel {missing[0]!r}; correct --markers" if missing else "marker; name channels"
        msg = f"none of the {len(files)} files has a {what}"
        raise PanelError(msg)
    frames = []
    for marker, title in sorted(values, key=lambda key: (order.index(key[0]), key[1])):
        at, height = curve(np.concatenate(_equal(values[marker, title])))
        one = {"marker": marker, "curve": title, "group": colour[title], "value": at, "density": height}
        frames.append(pd.DataFrame(one))
    return pd.concat([frames[0], *(frame for frame in frames[1:] if len(frame))], ignore_index=True), counts


def _has(source: Any, marker: str, name: str, find: Any) -> bool:
    try:
        find(source, marker, name)
    except PanelError:
        return False
    return True


def _equal(parts: "list[np.ndarray]") -> "list[np.ndarray]":
    """The same number of events of each file, evenly spread; files without events do not count."""
    import numpy as np

    held = [part for part in parts if len(part)] or list(parts)
    fewest = min((len(part) for part in held), default=0)
    return [part[np.arange(fewest) * len(part) // max(fewest, 1)] for part in held]


def _chosen(files: Mapping[str, Path], markers: str | None, most: int | None) -> tuple[list[str], list[str]]:
    """Columns of a figure of all files together, and warnings."""
    from immport_cyto.events.sampling import common_markers

    names = list(dict.fromkeys(split(markers)))
    if names:
        return names, []
    names = common_markers(files)
    if most is not None and len(names) > most:
        return names[:most], [f"the first {most} of {len(names)} markers are drawn; choose others with --markers"]
    return names, []


def _together(
    files: Mapping[str, Path], names: Sequence[str], colour_by: str, clusters_path: Path | None, max_events: int,
    seed: int, cofactor: float | None,
) -> "tuple[Sample, Colouring]":  # fmt: skip
    """The same number of events of each file, and their colours."""
    from immport_cyto.events.sampling import sample

    columns = [*names, *([] if colour_by == "density" else [colour_by])]
    drawn = sample(files, columns, max(max_events // len(files), 1), seed, cofactor)
    return drawn, _colouring(drawn, len(names), colour_by, files, clusters_path)


def _colouring(
    drawn: "Sample", column: int, colour_by: str, files: Mapping[str, Path], clusters_path: Path | None
) -> "Colouring":
    """What the events are coloured by: the column behind those that are drawn."""
    import numpy as np

    from immport_cyto import report

    if colour_by == "density":
        if clusters_path is not None:
            msg = "--clusters names metaclusters, so it needs --colour-by FlowSOM_metacluster"
            raise click.UsageError(msg)
        return report.figures.Colouring()
    values = drawn.values[:, column]
    if not _is_clusters(colour_by, next(iter(files.values()))):
        return report.figures.Colouring(colour_by, values)
    if len(values) and not np.array_equal(values, np.rint(values)):
        msg = f"channel {colour_by!r} does not hold whole numbers of clusters; choose another for --colour-by"
        raise OptionError(msg)
    names = _cluster_names(clusters_path, files) if clusters_path else {}
    return report.figures.Colouring(colour_by, np.rint(values).astype(np.int64), names, is_cluster=True)


def _is_clusters(name: str, path: Path) -> bool:
    """Whether a channel holds numbers of clusters: one of ours, or one that a stage of ours derived."""
    from immport_cyto import fcs
    from immport_cyto.events.sampling import find_channel

    if name in _CLUSTERS:
        return True
    with fcs.open(path) as source:
        number = source.channels[find_channel(source, name, path.name)].number
        return source.keywords.get(f"ICYTO_P{number}ROLE") == "derived"


def _cluster_names(path: Path, files: Mapping[str, Path]) -> dict[int, str]:
    """Names of the metaclusters of the one panel that the files are of."""
    from immport_cyto import fcs, tables

    clusters = tables.read(path, tables.CLUSTERS)
    panels = set()
    for file in files.values():
        with fcs.open(file) as source:
            panels.add(source.keywords.get("ICYTO_PANEL", "").strip())
    rows = clusters[clusters["panel_id"].isin([*panels, ""])]
    if rows["metacluster"].duplicated().any() or rows.empty:
        what = "metaclusters of several models" if len(rows) else "no metacluster"
        msg = f"{path}: holds {what} for these files; give files and clusters of one study and panel"
        raise TableError(msg)
    return {int(n): str(name or phenotype)
            for n, name, phenotype in zip(rows["metacluster"], rows["population"], rows["phenotype"], strict=True)
            if name or phenotype}  # fmt: skip
