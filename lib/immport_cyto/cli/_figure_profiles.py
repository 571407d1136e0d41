"""``immport-cyto figure parallel`` and ``boxes``: how the events of populations are spread over the markers."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import fcs_argument
from immport_cyto.cli._common import F, collect_fcs, files_option, json_option, seed_option
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


_OPTIONS = (
    fcs_argument, files_option, markers_option, by_option, clusters_option, population_option, group_option,
    cutoffs_option, samples_option, cofactor_option, events_drawn, seed_option,
)  # fmt: skip


@dataclass(frozen=True)
class _Asked:
    """Which events and populations to draw, as the options say."""

    files: dict[str, Path]
    markers: str | None
    colour_by: str | None
    clusters: Path | None
    populations: tuple[str, ...]
    group: str | None
    cutoffs: Path | None
    samples: Path | None
    cofactor: float | None
    max_events: int
    seed: int

    def read(self) -> "_Read":
        """The events, the population of each, counts, and warnings."""
        from immport_cyto.events.sampling import common_markers

        names = list(dict.fromkeys(split(self.markers))) or common_markers(self.files)
        warnings = []
        if not self.markers and len(names) > _MOST_MARKERS:
            warnings.append(
                f"the first {_MOST_MARKERS} of {len(names)} markers are drawn; choose others with --markers"
            )
            names = names[:_MOST_MARKERS]
        by = self.colour_by
        if by is None:
            by = "density" if self.populations or self.group else _clusters_of(self.files)
        samples = samples_of(self.samples, self.files)
        cuts = Lines.read(self.cutoffs, self.files, samples)
        groups = groups_of(samples, self.group, self.files, self.samples)
        colours = Colours.of(by, self.clusters, self.populations, cuts, self.files, self.group, groups)
        each = max(self.max_events // len(self.files), 1)
        drawn, colouring = colours.sample(self.files, names, each, self.seed, self.cofactor)
        if not colouring.is_cluster or not colouring.numbers():
            what = "holds no population with events" if colouring.is_cluster else "is no channel of clusters or groups"
            msg = f"{colouring.title!r} {what}; correct --colour-by, or give --population or --group"
            raise OptionError(msg)
        counts: dict[str, Any] = counts_of(drawn) | {"populations": len(colouring.numbers())}
        assert colouring.values is not None  # noqa: S101  it is_cluster
        if other := int((colouring.values <= 0).sum()):
            counts["events_of_none"] = other
        return _Read(names, drawn, colouring, counts, warnings + colours.warnings)

    def finish(
        self, command: str, read: "_Read", out: Path, json_path: Path | None, parameters: Mapping[str, str]
    ) -> None:
        """Record and tell what was drawn; `parameters` are those of the command alone."""
        all_parameters = {"markers": read.names, "colour_by": read.colouring.title,
                          "populations": list(self.populations), "group": self.group, **parameters,
                          "cofactor": self.cofactor, "max_events": self.max_events, "seed": self.seed}  # fmt: skip
        inputs = [*self.files.values(), self.clusters, self.cutoffs, self.samples]
        finish(command, out, json_path, inputs, all_parameters, read.counts, read.warnings)


@dataclass(frozen=True)
class _Read:
    names: list[str]
    drawn: "Sample"
    colouring: "Colouring"
    counts: dict[str, int]
    warnings: list[str]

    @property
    def note(self) -> str:
        """Line below the figure."""
        other = self.counts.get("events_of_none", 0)
        return shown(self.counts) + (f", {other:,} of them of no population" if other else "")

    @property
    def title(self) -> str:
        """Line above the figure."""
        return self.drawn.files[0] if len(self.drawn.files) == 1 else f"{len(self.drawn.files)} files"


def _asked_options(command: F) -> F:
    """The options of `_Asked`, given to the command as ``asked``."""

    @functools.wraps(command)
    def collected(
        paths: tuple[Path, ...], files_json: Path | None, markers: str | None, colour_by: str | None,
        clusters_path: Path | None, populations: tuple[str, ...], group: str | None, cutoffs_path: Path | None,
        samples_path: Path | None, cofactor: float | None, max_events: int, seed: int, **named: Any,
    ) -> Any:  # fmt: skip
        asked = _Asked(collect_fcs(paths, files_json), markers, colour_by, clusters_path, populations, group,
                       cutoffs_path, samples_path, cofactor, max_events, seed)  # fmt: skip
        return command(asked=asked, **named)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected  # type: ignore[return-value]


@click.command("parallel")
@_asked_options
@click.option("--layout", type=click.Choice(["panels", "overlaid"]), default="panels", show_default=True,
              help="A panel per population, with the medians of the others in grey, or all in one panel.")  # fmt: skip
@click.option("--spread", type=click.Choice(["bands", "events"]), default="bands", show_default=True,
              help="Percentiles of the events as bands, or some events as lines.")  # fmt: skip
@click.option("--scale", type=click.Choice(["marker", "common"]), default="marker", show_default=True,
              help="Each marker from its 1st to its 99th percentile, or one axis for all.")  # fmt: skip
@out_option
@json_option
def parallel(asked: _Asked, layout: str, spread: str, scale: str, out_path: Path, json_path: Path | None) -> None:
    """Draw a line per population over the markers: parallel coordinates.

    The line is the median of its events in each marker. Up to 200 populations are drawn.

    \b
    Examples:
      immport-cyto figure parallel clustered/ --clusters clusters_named.tsv --out parallel.svg
      immport-cyto figure parallel flock/a.fcs --layout overlaid --markers CD3,CD4,CD8,CD19 --out parallel.png
    """
    from immport_cyto import report

    read = asked.read()
    if len(read.names) < 2:
        msg = (
            f"parallel coordinates need two markers or more, and there is {read.names[0]} only; name others with "
            "--markers"
        )
        raise OptionError(msg)
    figure = report.figures.parallel_coordinates(
        read.drawn.values, read.names, read.colouring, overlaid=layout == "overlaid", lines=spread == "events",
        scaled=scale == "marker", title=read.title, note=read.note,
    )  # fmt: skip
    report.save(figure, out_path)
    own = {"layout": layout, "spread": spread, "scale": scale}
    asked.finish("figure parallel", read, out_path, json_path, own)


@click.command("boxes")
@_asked_options
@click.option("--kind", type=click.Choice(["box", "violin"]), default="box", show_default=True,
              help="Percentiles of the events, or their density with the middle half.")  # fmt: skip
@out_option
@json_option
def boxes(asked: _Asked, kind: str, out_path: Path, json_path: Path | None) -> None:
    """Draw the events of each population in each marker as box or violin plots, a panel per marker.

    Boxes of fractions of samples are those of `figure populations`. Up to 200 populations are drawn.

    \b
    Example:
      immport-cyto figure boxes clustered/ --clusters clusters_named.tsv --markers CD3,CD4,CD8 --out boxes.svg
    """
    from immport_cyto import report

    read = asked.read()
    figure = report.figures.marker_boxes(
        read.drawn.values, read.names, read.colouring, violins=kind == "violin", title=read.title, note=read.note
    )
    report.save(figure, out_path)
    asked.finish("figure boxes", read, out_path, json_path, {"kind": kind})


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
