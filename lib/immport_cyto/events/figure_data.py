"""What the QC figure shows, taken from the events of one file while they are in memory: small arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from immport_cyto.events.densities import Density, density
from immport_cyto.events.qc import Channels, Quality
from immport_cyto.events.stability import Stability
from immport_cyto.events.transforms import Linear, Transform

DENSITY_EVENTS = 20_000
"""Events of which the densities are made."""

_POINTS = 4000


@dataclass(frozen=True)
class Scatter:
    """Two columns of a sample of events, with the reason code of each."""

    x: np.ndarray
    y: np.ndarray
    reason: np.ndarray
    x_label: str
    y_label: str


@dataclass(frozen=True)
class FigureData:
    """All that the figure shows, small.

    Attributes
    ----------
    file_name
        Title.
    counts
        Events by reason, kept ones under ``kept``.
    rules
        What each gate decided.
    scatters
        One or two scatter plots.
    stability
        Result of the check of time.
    densities
        One per transformed channel.
    """

    file_name: str
    counts: dict[str, int]
    rules: dict[str, str] = field(default_factory=dict)
    scatters: tuple[Scatter, ...] = ()
    stability: Stability | None = None
    densities: tuple[Density, ...] = ()


def rows(values: np.ndarray, most: int) -> np.ndarray:
    """Every k-th event, so that at most `most` are left; a copy."""
    return np.array(values[:: max(1, -(-len(values) // most))])


def collect(
    values: np.ndarray,
    before: np.ndarray,
    channels: Channels,
    quality: Quality,
    functions: Sequence[Transform],
    file_name: str,
    *,
    n_nonfinite: int,
    n_unsampled: int,
) -> FigureData:
    """Take from the events what the figure needs: every k-th event.

    Parameters
    ----------
    values
        Events x channels, compensated, not transformed.
    before
        `rows` of the same events as acquired, at most `DENSITY_EVENTS`.
    channels, quality
        As in `immport_cyto.events.qc.check`.
    functions
        Transform of each channel.
    """
    shown = np.arange(0, len(values), max(1, -(-len(values) // _POINTS)))
    counts = {"nonfinite": n_nonfinite, **quality.counts, "unsampled": n_unsampled}
    counts["kept"] = len(values) + n_nonfinite - sum(counts.values())

    def plot(x: int, y: int) -> Scatter:
        columns = []
        for index in (x, y):
            column = values[shown, index].astype(np.float64)
            if channels.roles[index] in {"dna", "bead", "viability", "marker"}:
                column = np.arcsinh(column / (5.0 if channels.technique == "cytof" else 150.0))
            columns.append(column)
        names = [_axis(channels, index) for index in (x, y)]
        return Scatter(columns[0], columns[1], quality.reason[shown], names[0], names[1])

    scatters = [plot(x, y) for x, y in _pairs(channels)]
    step = max(1, -(-len(values) // DENSITY_EVENTS))
    kept = quality.reason[::step] == 0
    labels = [label.strip() for label in channels.labels]
    densities = tuple(
        density(
            i + 1,
            channels.names[i],
            labels[i] if labels[i] != channels.names[i] else "",
            function,
            before[:, i],
            values[::step, i],
            kept,
        )
        for i, function in enumerate(functions)
        if not isinstance(function, Linear)
    )
    return FigureData(file_name, counts, dict(quality.rules), tuple(scatters), quality.stability, densities)


def _axis(channels: Channels, index: int) -> str:
    label = channels.labels[index].strip()
    return f"{channels.names[index]} {label}".strip() if label != channels.names[index] else label


def _pairs(channels: Channels) -> list[tuple[int, int]]:
    """The two plots that show most of the gates."""
    pairs: list[tuple[int, int]] = []
    dna, beads, dye = (channels.with_role(role) for role in ("dna", "bead", "viability"))
    lengths = [i for i in channels.with_role("event") if "length" in channels.names[i].lower()]
    area, height = channels.scatter(r"FSC.?A", r"FSC.*"), channels.scatter(r"FSC.?H")
    side = channels.scatter(r"SSC.?A", r"SSC.*")
    if area is not None and side is not None:
        pairs.append((area, side))
    if area is not None and height is not None and height != area:
        pairs.append((area, height))
    if dna and lengths:
        pairs.append((dna[0], lengths[0]))
    if dna and (beads or dye):
        pairs.append((dna[0], (beads or dye)[0]))
    if dye and area is not None and len(pairs) < 2:
        pairs.append((area, dye[0]))
    return pairs[:2]
