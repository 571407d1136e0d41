"""``immport-cyto figure parallel`` and ``boxes``: how the events of populations are spread over the markers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import fcs_argument
from immport_cyto.cli._common import collect_fcs, files_option, json_option, seed_option
from immport_cyto.cli._figure_colours import (
    CLUSTERS,
    Colours,
    clusters_option,
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
from immport_cyto.exceptions import OptionError, PanelError

if TYPE_CHECKING:
    from immport_cyto.events.sampling import Sample
    from immport_cyto.report.figures import Colouring

_MOST_MARKERS = 60

markers_option = click.option("--markers", help="Markers or channels, separated by commas, in the order wanted.  "
                              "[default: all markers that all files have]")  # fmt: skip
by_option = click.option(
    "--colour-by", metavar="NAME",
    help="Channel of clusters that says which population an event is of.  [default: FlowSOM_metacluster or "
    "FLOCK_population, whichever the files have]",
)  # fmt: skip
events_drawn = events_option(50_000, "all files together, the same number of each,")


@click.command("parallel")
@fcs_argument
@files_option
@markers_option
@by_option
@clusters_option
@population_option
@group_option
@click.option("--layout", type=click.Choice(["panels", "overlaid"]), default="panels", show_default=True,
              help="A panel per population, with the medians of the others in grey, or all in one panel.")  # fmt: skip
@click.option("--spread", type=click.Choice(["bands", "events"]), default="bands", show_default=True,
              help="Percentiles of the events as bands, or some events as lines.")  # fmt: skip
@click.option("--scale", type=click.Choice(["marker", "common"]), default="marker", show_default=True,
              help="Each marker from its 1st to its 99th percentile, or one axis for all.")  # fmt: skip
@cutoffs_option
@samples_option
@cofactor_option
@events_drawn
@seed_option
@out_option
@json_option
def parallel(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, colour_by: str | None,
    clusters_path: Path | None, populations: tuple[str, ...], group: str | None, layout: str, spread: str, scale: str,
    cutoffs_path: Path | None, samples_path: Path | None, cofactor: float | None, max_events: int, seed: int,
    out_path: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Draw a line per population over the markers: parallel coordinates.

    The line is the median of its events in each marker. Up to 200 populations are drawn.

    \b
    Examples:
      immport-cyto figure parallel clustered/ --clusters clusters_named.tsv --out parallel.svg
      immport-cyto figure parallel flock/a.fcs --layout overlaid --markers CD3,CD4,CD8,CD19 --out parallel.png
    """
    from immport_cyto import report

    files = collect_fcs(paths, files_json)
    names, drawn, colouring, counts, warnings = _events(
        files, markers, colour_by, clusters_path, populations, group, cutoffs_path, samples_path, cofactor, max_events,
        seed,
    )  # fmt: skip
    if len(names) < 2:
        msg = f"parallel coordinates need two markers or more, and there is {names[0]} only; name others with --markers"
        raise OptionError(msg)
    figure = report.figures.parallel_coordinates(
        drawn.values, names, colouring, overlaid=layout == "overlaid", lines=spread == "events",
        scaled=scale == "marker", title=_title(drawn), note=_note(counts),
    )  # fmt: skip
    report.save(figure, out_path)
    parameters = {"markers": names, "colour_by": colouring.title, "populations": list(populations), "group": group,
                  "layout": layout, "spread": spread, "scale": scale, "cofactor": cofactor, "max_events": max_events,
                  "seed": seed}  # fmt: skip
    inputs = [*files.values(), clusters_path, cutoffs_path, samples_path]
    finish("figure parallel", out_path, json_path, inputs, parameters, counts, warnings)


@click.command("boxes")
@fcs_argument
@files_option
@markers_option
@by_option
@clusters_option
@population_option
@group_option
@click.option("--kind", type=click.Choice(["box", "violin"]), default="box", show_default=True,
              help="Percentiles of the events, or their density with the middle half.")  # fmt: skip
@cutoffs_option
@samples_option
@cofactor_option
@events_drawn
@seed_option
@out_option
@json_option
def boxes(
    paths: tuple[Path, ...], files_json: Path | None, markers: str | None, colour_by: str | None,
    clusters_path: Path | None, populations: tuple[str, ...], group: str | None, kind: str, cutoffs_path: Path | None,
    samples_path: Path | None, cofactor: float | None, max_events: int, seed: int, out_path: Path,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Draw the events of each population in each marker as box or violin plots, a panel per marker.

    Boxes of fractions of samples are those of `figure populations`. Up to 200 populations are drawn.

    \b
    Example:
      immport-cyto figure boxes clustered/ --clusters clusters_named.tsv --markers CD3,CD4,CD8 --out boxes.svg
    """
    from immport_cyto import report

    files = collect_fcs(paths, files_json)
    names, drawn, colouring, counts, warnings = _events(
        files, markers, colour_by, clusters_path, populations, group, cutoffs_path, samples_path, cofactor, max_events,
        seed,
    )  # fmt: skip
    figure = report.figures.marker_boxes(
        drawn.values, names, colouring, violins=kind == "violin", title=_title(drawn), note=_note(counts)
    )
    report.save(figure, out_path)
    parameters = {"markers": names, "colour_by": colouring.title, "populations": list(populations), "group": group,
                  "kind": kind, "cofactor": cofactor, "max_events": max_events, "seed": seed}  # fmt: skip
    inputs = [*files.values(), clusters_path, cutoffs_path, samples_path]
    finish("figure boxes", out_path, json_path, inputs, parameters, counts, warnings)


def _events(
    files: Mapping[str, Path], markers: str | None, by: str | None, clusters: Path | None,
    populations: tuple[str, ...], group: str | None, cutoffs: Path | None, samples_path: Path | None,
    cofactor: float | None, most: int, seed: int,
) -> "tuple[list[str], Sample, Colouring, dict[str, int], list[str]]":  # fmt: skip
    """Markers, events, the population of each, counts, and warnings."""
    from immport_cyto.events.sampling import common_markers

    names = list(dict.fromkeys(split(markers))) or common_markers(files)
    warnings = []
    if not markers and len(names) > _MOST_MARKERS:
        warnings.append(f"the first {_MOST_MARKERS} of {len(names)} markers are drawn; choose others with --markers")
        names = names[:_MOST_MARKERS]
    if by is None:
        by = "density" if populations or group else _clusters_of(files)
    samples = samples_of(samples_path, files)
    cuts = Lines.read(cutoffs, files, samples)
    groups = groups_of(samples, group, files, samples_path)
    colours = Colours.of(by, clusters, populations, cuts, files, group, groups)
    drawn, colouring = colours.sample(files, names, max(most // len(files), 1), seed, cofactor)
    if not colouring.is_cluster or not colouring.numbers():
        what = "holds no population with events" if colouring.is_cluster else "is no channel of clusters or groups"
        msg = f"{colouring.title!r} {what}; correct --colour-by, or give --population or --group"
        raise OptionError(msg)
    counts: dict[str, Any] = counts_of(drawn) | {"populations": len(colouring.numbers())}
    assert colouring.values is not None  # noqa: S101  it is_cluster
    other = int((colouring.values <= 0).sum())
    return names, drawn, colouring, counts | ({"events_of_none": other} if other else {}), warnings + colours.warnings


def _clusters_of(files: Mapping[str, Path]) -> str:
    """The channel of clusters that all files have."""
    from immport_cyto import fcs

    held: set[str] = set(CLUSTERS)
    for name, path in files.items():
        with fcs.open(path) as source:
            held &= set(source.names)
        if not held & {CLUSTERS[0], CLUSTERS[2]}:
            msg = (
                f"{name}: has no channel of clusters that all files have; cluster them, or give --population or --group"
            )
            raise PanelError(msg)
    return CLUSTERS[0] if CLUSTERS[0] in held else CLUSTERS[2]


def _note(counts: Mapping[str, int]) -> str:
    other = counts.get("events_of_none", 0)
    return shown(counts) + (f", {other:,} of them of no population" if other else "")


def _title(drawn: "Sample") -> str:
    return drawn.files[0] if len(drawn.files) == 1 else f"{len(drawn.files)} files"
