"""Gates of a Gating-ML file in ``immport-cyto figure scatter``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._cluster_results import FILE
from immport_cyto.cli._figure_common import shown
from immport_cyto.exceptions import PanelError

if TYPE_CHECKING:
    from immport_cyto.events.gatingml import GatingML
    from immport_cyto.events.planes import Gated, Plane
    from immport_cyto.fcs import FCSFile
    from immport_cyto.report.figures import Outline, Plot

gates_option = click.option(
    "--gates", "gates_path", type=FILE,
    help="Gating-ML 2.0 file: draws its gates in --x and --y with the share of the events inside, for files as "
    "acquired. The axes are those of the gates.",
)  # fmt: skip
gate_option = click.option(
    "--gate", "wanted", multiple=True, help="Gate of --gates to draw; may be repeated.  [default: all in --x and --y]"
)
inside_option = click.option(
    "--inside", default="", metavar="GATE", help="Draw only the events in this gate of --gates."
)


@dataclass(frozen=True)
class GatedPlots:
    """What `figure scatter` draws: panels, names and marks of the axes, line below, counts and warnings."""

    plots: "list[Plot]"
    labels: tuple[str, str]
    marks: "tuple[list[tuple[float, float]], list[tuple[float, float]]]"
    note: str
    counts: dict[str, int]
    warnings: list[str]


def check_gated(gates_path: Path | None, wanted: Sequence[str], inside: str, others: Mapping[str, object]) -> None:
    """Refuse options that gates have no use for; `others` are options and their values."""
    for option, value in (("--gate", wanted), ("--inside", inside)):
        if value and gates_path is None:
            msg = f"{option} needs --gates, the file with that gate"
            raise click.UsageError(msg)
    useless = [option for option, value in others.items() if value]
    if gates_path is not None and useless:
        msg = f"--gates shows events as acquired, on the axes of the gates; leave {useless[0]} out"
        raise click.UsageError(msg)


def gated_plots(
    files: Mapping[str, Path], gates_path: Path, x: str, y: str, wanted: Sequence[str], inside: str, most: int,
    seed: int, *, pooled: bool,
) -> GatedPlots:  # fmt: skip
    """Events and gates of each file, or of all together; `most` is per file."""
    import numpy as np

    from immport_cyto import fcs, report
    from immport_cyto.events import gatingml, planes

    gating = gatingml.read(gates_path)
    of: Plane | None = None
    names = (x, y)
    found: dict[str, Gated] = {}
    for name, path in files.items():
        with fcs.open(path) as opened:
            own = (_channel(opened, x, name, gating), _channel(opened, y, name, gating))
            if of is None:
                of, names = planes.plane(gating, *own, wanted), own
            elif own != names:
                msg = f"{name}: has {x} and {y} in other channels than the files before it; name channels ($PnN)"
                raise PanelError(msg)
            found[name] = planes.gated(opened, gating, of, name, most, seed, inside)
    assert of is not None  # noqa: S101  there are files
    together = {"": list(found.values())} if pooled else {name: [one] for name, one in found.items()}
    title = f"{len(files)} files" if len(files) > 1 else next(iter(files))
    plots = [
        report.figures.Plot(
            name or title, np.concatenate([one.points for one in parts]), outlines=_outlines(of, gating, parts)
        )
        for name, parts in together.items()
    ]
    counts = {"files": len(files), "events": sum(one.n_events for one in found.values()),
              "events_shown": sum(len(one.points) for one in found.values()), "gates": len(of.gates)}  # fmt: skip
    lost = sum(one.n_nonfinite for one in found.values())
    note = "; ".join(
        [shown(counts) + (f" in {inside}" if inside else ""), "shares: every event counted",
         f"{planes.describe(of.x)}; {planes.describe(of.y)}"]
    )  # fmt: skip
    warnings = []
    if of.others and not wanted:
        listed = ", ".join(of.others[:6]) + (", ..." if len(of.others) > 6 else "")
        warnings.append(f"{len(of.others)} of {len(gating.gates)} gates are not drawn, since they are not in {x} and "
                        f"{y} alone: {listed}")  # fmt: skip
    labels = tuple(asked if asked == used else f"{asked} ({used})" for asked, used in zip((x, y), names, strict=True))
    marks = (planes.ticks(of.x, gating), planes.ticks(of.y, gating))
    return GatedPlots(plots, (labels[0], labels[1]), marks, note,
                      counts | ({"events_not_finite": lost} if lost else {}), warnings)  # fmt: skip


def _channel(opened: "FCSFile", wanted: str, name: str, gating: "GatingML") -> str:
    """Name of an axis in the gates: as it is asked for, else the $PnN of the marker."""
    from immport_cyto.events.sampling import find_channel

    sources = {axis.source for gate in gating.gates.values() for axis in gate.dimensions}
    return wanted if wanted in sources else opened.channels[find_channel(opened, wanted, name)].pnn


def _outlines(of: "Plane", gating: "GatingML", parts: "Sequence[Gated]") -> "list[Outline]":
    from immport_cyto import report
    from immport_cyto.events import planes

    made = []
    for name in of.gates:
        parent = gating.gates[name].parent
        n, total = (sum(one.counts[name][place] for one in parts) for place in (0, 1))
        share = (
            f"{100 * n / total:.3g} % of {parent or 'all events'}" if total else f"no events in {parent or 'the file'}"
        )
        made.append(report.figures.Outline(planes.outline(gating.gates[name], of), name, share))
    return made
