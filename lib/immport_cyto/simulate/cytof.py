"""A mass cytometer: ion counts with many zeros, DNA intercalator, calibration beads, event length, time.

Counts are Poisson around the true signal and are then spread over the unit below them (y - u, u uniform in [0, 1)), as
the instrument's software of those years does: zeros become values in (-1, 0].
"""

import re

import numpy as np

from immport_cyto.simulate.acquisition import (
    BEAD,
    DEAD,
    DEBRIS,
    DOUBLET,
    FLAG_CLOG,
    Acquired,
    Day,
    Mixture,
    Unwanted,
    lognormal,
    mix,
)
from immport_cyto.simulate.panels import PanelDesign
from immport_cyto.simulate.phenotypes import level_matrix

BEAD_MASSES = (140, 151, 153, 165, 175)
"""Isotopes of the calibration beads (cerium, europium, europium, holmium, lutetium)."""

_BRIGHT = {
    "CD45": 180, "CD3": 130, "CD4": 110, "CD8": 180, "CD45RA": 120, "CCR7": 45, "CD19": 70, "CD56": 55, "CD16": 110,
    "CD14": 120, "CD25": 45, "CD127": 45, "HLA-DR": 130, "TCRgd": 70, "CD123": 90, "CD11c": 80,
}  # fmt: skip
_WIDTH = 0.42
_DIM, _HIGH = 0.12, 3.5
_ZERO_SHARE, _BACKGROUND = 0.6, 0.9
_EVENT_RATE = 300.0
_NEIGHBOUR = 0.006


def mass_of(pnn: str) -> int:
    """Mass of a channel named such as Nd145Di."""
    match = re.search(r"\d+", pnn)
    return int(match.group()) if match else 0


def new_day(rng: np.random.Generator, n_stained: int) -> Day:
    """Draw the sensitivity of one day: within about 10 % per channel, and about 8 % for all together."""
    return Day(np.exp(0.08 * rng.standard_normal() + 0.10 * rng.standard_normal(n_stained)), None)


def acquire(
    rng: np.random.Generator,
    panel: PanelDesign,
    cells: np.ndarray,
    day: Day,
    *,
    n_events: int,
    unwanted: Unwanted | None = None,
    clog: bool = False,
) -> Acquired:
    """Record one file.

    Parameters
    ----------
    cells
        Fractions of the cell types, shape (cell types,).
    clog
        Whether the signal drops to a third for about a twentieth of the time.
    """
    mixture = mix(rng, cells, unwanted or Unwanted(bead=0.05), n_events)
    signal = _ions(rng, panel, mixture) * day.gain
    position = np.sort(rng.random(n_events))
    clogged = np.zeros(n_events, dtype=bool)
    if clog:
        start = rng.uniform(0.3, 0.8)
        clogged = (position >= start) & (position < start + 0.05)
        signal[clogged] /= 3.0
    drift = 1.0 - 0.08 * position  # the cones foul: sensitivity falls slowly
    masses = np.array([mass_of(c.pnn) for c in panel.stained])
    leak = np.where(np.abs(masses[:, None] - masses[None, :]) == 1, _NEIGHBOUR, 0.0) + np.eye(len(masses))
    counts = rng.poisson((signal * drift[:, None]) @ leak)
    measured = counts - rng.random(counts.shape)
    columns = {c.pnn: measured[:, k] for k, c in enumerate(panel.stained)}
    columns |= _pulse(rng, mixture)
    columns["Time"] = np.round(position * n_events / _EVENT_RATE * 1000.0)  # milliseconds
    values = np.round(np.column_stack([columns[c.pnn] for c in panel.channels]), 3)
    limits = 2 ** np.ceil(np.log2(np.maximum(values.max(axis=0), 1.0) + 1.0)).astype(int)
    return Acquired(values.astype(np.float32), mixture.labels, (FLAG_CLOG * clogged).astype(np.uint8), signal, limits)


def _pulse(rng: np.random.Generator, mixture: Mixture) -> dict[str, np.ndarray]:
    """Event length in pushes, and the parameters of the Gaussian fitted to the pulse."""
    labels, n = mixture.labels, len(mixture.labels)
    doublet = labels == DOUBLET
    length = np.select([labels == BEAD, labels == DEBRIS, doublet], [14.0, 15.0, 40.0], 25.0)
    return {
        "Event_length": np.round(np.clip(length + np.where(doublet, 5.0, 2.5) * rng.standard_normal(n), 10, 75)),
        "Center": lognormal(rng, 550.0, 0.15, n),
        "Offset": lognormal(rng, 70.0, 0.2, n),
        "Width": lognormal(rng, np.where(doublet, 75.0, 48.0), 0.12, n),
        "Residual": lognormal(rng, np.where(doublet, 130.0, 55.0), 0.25, n),
    }


def _ions(rng: np.random.Generator, panel: PanelDesign, mixture: Mixture) -> np.ndarray:
    labels, n = mixture.labels, len(mixture.labels)
    bead, debris, dead, doublet = labels == BEAD, labels == DEBRIS, labels == DEAD, labels == DOUBLET
    levels = level_matrix(list(panel.markers))
    column = {antigen: k for k, antigen in enumerate(panel.markers)}
    factor = np.array([0.0, _DIM, 1.0, _HIGH])
    size = lognormal(rng, 1.0, 0.12, n)
    fade = np.where(bead, 0.0, np.where(debris, rng.uniform(0.02, 0.15, n), np.where(dead, 0.6, 1.0)))
    dna = size * np.where(bead, 0.004, np.where(debris, rng.uniform(0.01, 0.15, n), 1.0)) * np.where(doublet, 2.0, 1.0)
    signal = np.empty((n, len(panel.stained)))
    for k, channel in enumerate(panel.stained):
        bright: np.ndarray | float
        values = np.where(rng.random(n) < _ZERO_SHARE, 0.0, _BACKGROUND * -np.log1p(-rng.random(n)))
        if channel.role == "marker":
            level = levels[:, column[channel.antigen]]
            bright = _BRIGHT[channel.antigen]
            values = values + lognormal(rng, bright * factor[level[mixture.first]], _WIDTH, n) * size * fade
            two = lognormal(rng, bright * factor[level[mixture.second]], _WIDTH, n)
            values = values + np.where(doublet, two, 0.0)
        elif channel.role == "dna":
            values = values + lognormal(rng, 320.0 if mass_of(channel.pnn) == 191 else 560.0, 0.13, n) * dna
        elif channel.role == "viability":
            bright = np.select([bead, debris, dead], [0.0, 12.0, 220.0], 5.0)
            values = values + lognormal(rng, bright, 0.4, n)
        if mass_of(channel.pnn) in BEAD_MASSES:
            values = np.where(bead, lognormal(rng, 900.0, 0.1, n), values)
        signal[:, k] = values
    return signal
