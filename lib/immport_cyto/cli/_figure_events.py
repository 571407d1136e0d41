"""``immport-cyto figure overview``, ``embedding`` and ``scatter3d``: events of all files together as points."""

from collections.abc import Mapping
from pathlib import Path

import click

from immport_cyto.cli._cluster_results import fcs_argument
from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option, seed_option
from immport_cyto.cli._figure_colours import (
    CLUSTERS,
    Colours,
    clusters_option,
    colour_option,
    cutoffs_option,
    group_option,
    population_option,
    samples_option,
)
from immport_cyto.cli._figure_common import (
    cofactor_option,
    counts_of,
    events_option,
    finish,
    groups_of,
    out_option,
    samples_of,
    shown,
    split,
)
from immport_cyto.cli._figure_cuts import Lines
from immport_cyto.exceptions import OptionError

_MOST_MARKERS, _MOST_VIEWS = 10, 4
_CIRCLE = 360


@click.command("overview")
@fcs_argument
@files_option
@click.option("--markers", help=f"Markers or channels, separated by commas.  [default: the first {_MOST_MARKERS} "
              "markers that all files have]")  # fmt: skip
@colour_option
@clusters_option
@population_option
@group_option
@cutoffs_option
@samples_option
@cofactor_option
@events_option(10_000, "all files together, the same number of each,")
@seed_option
@out_option
@json_option
def overview(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, colour_by: str, clusters_path: Path | None,
    populations: tuple[str, ...], group: str | None, cutoffs_path: Path | None, samples_path: Path | None,
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
    samples = samples_of(samples_path, files)
    cuts = Lines.read(cutoffs_path, files, samples)
    groups = groups_of(samples, group, files, samples_path)
    colours = Colours.of(colour_by, clusters_path, populations, cuts, files, group, groups)
    drawn, colouring = colours.sample(files, names, max(max_events // len(files), 1), seed, cofactor)
    warnings += colours.warnings
    counts = counts_of(drawn)
    title = next(iter(files)) if len(files) == 1 else f"{len(files)} files"
    figure = report.figures.event_pairs(drawn.values, names, colouring, title=title, note=shown(counts))
    report.save(figure, out_path)
    parameters = {"markers": names, "colour_by": colour_by, "populations": list(populations), "group": group,
                  "cofactor": cofactor, "max_events": max_events,
                  "seed": seed}  # fmt: skip
    finish(
        "figure overview",
        out_path,
        json_path,
        [*files.values(), clusters_path, cutoffs_path, samples_path],
        parameters,
        counts,
        warnings,
    )


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
@population_option
@group_option
@cutoffs_option
@samples_option
@click.option("--neighbours", type=click.IntRange(min=2),
              help="Perplexity of t-SNE [default: 30], neighbours of UMAP [default: 15].")  # fmt: skip
@cofactor_option
@events_option(5_000, "all files together, the same number of each,")
@seed_option
@out_option
@json_option
@quiet_option
def embedding(
    paths: tuple[Path, ...], files_json: Path | None, method: str, markers: str | None, colour_by: str | None,
    clusters_path: Path | None, populations: tuple[str, ...], group: str | None, cutoffs_path: Path | None,
    samples_path: Path | None, neighbours: int | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None, quiet: bool,
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
    if colour_by is None and (populations or group):
        colour_by = "density"
    if colour_by is None:
        with fcs.open(next(iter(files.values()))) as source:
            colour_by = CLUSTERS[0] if CLUSTERS[0] in source.names else "density"
    samples = samples_of(samples_path, files)
    cuts = Lines.read(cutoffs_path, files, samples)
    groups = groups_of(samples, group, files, samples_path)
    colours = Colours.of(colour_by, clusters_path, populations, cuts, files, group, groups)
    drawn, colouring = colours.sample(files, names, max(max_events // len(files), 1), seed, cofactor)
    warnings += colours.warnings
    counts = counts_of(drawn)
    values = drawn.values
    title = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    points = embed(values, method, seed, neighbours=neighbours, quiet=quiet)
    figure = report.figures.embedding(points, values, names, colouring, method=title, note=shown(counts))
    report.save(figure, out_path)
    parameters = {"method": method, "markers": names, "colour_by": colour_by, "populations": list(populations),
                  "group": group, "neighbours": neighbours, "cofactor": cofactor, "max_events": max_events,
                  "seed": seed}  # fmt: skip
    finish(
        "figure embedding",
        out_path,
        json_path,
        [*files.values(), clusters_path, cutoffs_path, samples_path],
        parameters,
        counts,
        warnings,
    )


@click.command("scatter3d")
@fcs_argument
@files_option
@click.option("--x", "x_name", required=True, help="Marker or channel of the first axis.")
@click.option("--y", "y_name", required=True, help="Marker or channel of the second axis.")
@click.option("--z", "z_name", required=True, help="Marker or channel upwards.")
@click.option("--angles", default="-60,30", show_default=True, help="Directions from which the events are seen, one to "
              "four, separated by commas: degrees around the vertical axis.")  # fmt: skip
@click.option("--elevation", type=click.FloatRange(-90, 90), default=20.0, show_default=True,
              help="Degrees from which the eye looks down.")  # fmt: skip
@colour_option
@clusters_option
@population_option
@group_option
@cutoffs_option
@samples_option
@cofactor_option
@events_option(20_000, "all files together, the same number of each,")
@seed_option
@out_option
@json_option
def scatter3d(
    paths: tuple[Path, ...], files_json: Path | None, x_name: str, y_name: str, z_name: str, angles: str,
    elevation: float, colour_by: str, clusters_path: Path | None, populations: tuple[str, ...], group: str | None,
    cutoffs_path: Path | None, samples_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the events of a file, or of several files together, in three channels.

    A flat picture of three axes hides what lies behind, and no value can be read from it: gates and positions are read
    better from the pairs of `figure overview`. Use it to see whether groups that overlap in every pair lie apart.

    \b
    Example:
      immport-cyto figure scatter3d clustered/a.fcs --x CD3 --y CD4 --z CD8 --colour-by FlowSOM_metacluster \\
          --clusters clusters_named.tsv --angles -60,-15,30,75 --out space.png
    """
    from immport_cyto import report

    names = [x_name, y_name, z_name]
    if len(set(names)) < 3:
        msg = f"--x {x_name}, --y {y_name} and --z {z_name} name a channel twice; three different ones are needed"
        raise OptionError(msg)
    views = _angles(angles)
    files = collect_fcs(paths, files_json)
    samples = samples_of(samples_path, files)
    cuts = Lines.read(cutoffs_path, files, samples)
    groups = groups_of(samples, group, files, samples_path)
    colours = Colours.of(colour_by, clusters_path, populations, cuts, files, group, groups)
    drawn, colouring = colours.sample(files, names, max(max_events // len(files), 1), seed, cofactor)
    counts = counts_of(drawn)
    title = next(iter(files)) if len(files) == 1 else f"{len(files)} files"
    figure = report.figures.event_space(
        drawn.values, names, colouring, angles=views, elevation=elevation, title=title, note=shown(counts)
    )
    report.save(figure, out_path)
    parameters = {"x": x_name, "y": y_name, "z": z_name, "angles": views, "elevation": elevation,
                  "colour_by": colour_by, "populations": list(populations), "group": group, "cofactor": cofactor,
                  "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), clusters_path, cutoffs_path, samples_path]
    finish("figure scatter3d", out_path, json_path, inputs, parameters, counts, colours.warnings)


def _angles(text: str) -> list[float]:
    """One to four directions."""
    try:
        found = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        found = []
    if not 1 <= len(found) <= _MOST_VIEWS or not all(abs(angle) <= _CIRCLE for angle in found):
        msg = f"--angles {text!r}: give one to four numbers from -360 to 360, such as -60,30"
        raise OptionError(msg)
    return found


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
