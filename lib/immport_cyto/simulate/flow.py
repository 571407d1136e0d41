"""A conventional flow cytometer: scatter, spillover, photon and electronic noise, limits of the detectors, clogs.

Fluorescence is made as true signal per dye, mixed by the spillover matrix, then measured: the variance of a detector
grows with its signal (photon statistics) on top of a constant (electronics), so compensated negatives spread and go
below zero, the more the brighter the spilling dye is. The values in the file are not compensated.
"""

import numpy as np

from immport_cyto.simulate.acquisition import (
    DEAD,
    DEBRIS,
    DOUBLET,
    FLAG_CLOG,
    FLAG_MARGIN,
    MONOCYTE,
    Acquired,
    Day,
    Mixture,
    Unwanted,
    lognormal,
    mix,
)
from immport_cyto.simulate.panels import PanelDesign
from immport_cyto.simulate.phenotypes import level_matrix

UPPER = 262_144
"""$PnR of all channels but time; the largest stored value is one less."""

TICK_SECONDS = 0.01
"""$TIMESTEP."""

_LOWER = -111.0
_BRIGHT = {
    "CD3": 6_000, "CD4": 9_000, "CD8": 14_000, "CD45RA": 9_000, "CCR7": 3_500, "CD19": 6_000, "CD56": 3_500,
    "CD16": 11_000, "CD14": 16_000, "CD25": 3_500, "CD127": 3_500, "HLA-DR": 11_000, "TCRgd": 7_000, "CD123": 7_000,
    "CD11c": 8_000, "CD45": 12_000,
}  # fmt: skip
_WIDTH = 0.38
_DIM, _HIGH = 0.12, 3.5
_AUTOFLUORESCENCE = 90.0


def new_day(rng: np.random.Generator, base_spill: np.ndarray) -> Day:
    """Draw the settings of one day: gains within about 10 % and a spillover close to `base_spill`, rounded to 1e-4."""
    n = len(base_spill)
    spill = base_spill * np.exp(0.05 * rng.standard_normal((n, n)))
    np.fill_diagonal(spill, 1.0)
    return Day(np.exp(0.10 * rng.standard_normal(n)), np.round(spill, 4))


def base_spillover(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw the spillover of a configuration: neighbours up to about 15 %, falling with distance, not symmetric."""
    i = np.arange(n)
    distance = np.abs(i[:, None] - i[None, :])
    spill = 0.30 * np.exp(-distance / 1.3) * rng.uniform(0.15, 1.0, (n, n))
    spill[(distance > 3) | (spill < 0.003)] = 0.0
    np.fill_diagonal(spill, 1.0)
    return spill


def acquire(
    rng: np.random.Generator,
    panel: PanelDesign,
    cells: np.ndarray,
    day: Day,
    *,
    n_events: int,
    unwanted: Unwanted | None = None,
    clog: bool = False,
    photon_noise: float = 5.0,
    electronic_noise: float = 55.0,
) -> Acquired:
    """Record one file.

    Parameters
    ----------
    cells
        Fractions of the cell types, shape (cell types,).
    clog
        Whether a clog slows the flow and dims the signal for about a tenth of the time.
    photon_noise
        Variance per unit of signal.
    electronic_noise
        Standard deviation without signal.
    """
    mixture = mix(rng, cells, unwanted or Unwanted(), n_events)
    time, clogged = _time(rng, n_events, clog)
    scatter = _scatter(rng, mixture)
    signal = _fluorescence(rng, panel, mixture) * day.gain
    if clog:
        signal[clogged] *= 0.35
    assert day.spill is not None  # noqa: S101 - a flow day always has one
    mixed = signal @ day.spill
    measured = mixed + rng.standard_normal(mixed.shape) * np.sqrt(photon_noise * mixed + electronic_noise**2)
    measured = np.maximum(measured, _LOWER)
    columns = {**scatter, **{c.pnn: measured[:, k] for k, c in enumerate(panel.stained)}, "Time": time}
    values = np.column_stack([columns[c.pnn] for c in panel.channels])
    # a few events hit the upper end of a detector for no reason that the cell has
    hit = np.flatnonzero(rng.random(n_events) < 0.004)
    names = [c.pnn for c in panel.channels]
    ends = [names.index("FSC-A"), names.index("SSC-A"), *(names.index(c.pnn) for c in panel.stained)]
    values[hit, np.array(ends)[rng.integers(0, len(ends), len(hit))]] = UPPER
    at_end = np.zeros(n_events, dtype=bool)
    for k, channel in enumerate(panel.channels):
        if channel.role != "time":
            over = values[:, k] >= UPPER - 1
            values[over, k] = UPPER - 1
            at_end |= over
    flags = (FLAG_CLOG * clogged + FLAG_MARGIN * at_end).astype(np.uint8)
    limits = np.array([UPPER] * len(panel.channels))
    # two decimals: the last bits of exp and of matrix products differ between machines, the file must not
    return Acquired(np.round(values, 2).astype(np.float32), mixture.labels, flags, signal, limits)


def _time(rng: np.random.Generator, n: int, clog: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ticks of a minute at a steady rate, and which events fall into the clog (half the rate, a tenth of the time)."""
    seconds = 60.0
    at = np.sort(rng.random(n)) * seconds
    clogged = np.zeros(n, dtype=bool)
    if clog:
        start = rng.uniform(0.3, 0.8) * seconds
        length = 0.1 * seconds
        # events of the window and of the moment after it share the same period of time: a lower rate, then a normal one
        u = np.sort(rng.random(n)) * (seconds - length / 2)
        inside = (u >= start) & (u < start + length / 2)
        at = np.where(u < start, u, np.where(inside, start + 2 * (u - start), u + length / 2))
        clogged = inside
    return np.round(at / TICK_SECONDS, 1), clogged


def _scatter(rng: np.random.Generator, mixture: Mixture) -> dict[str, np.ndarray]:
    labels, n = mixture.labels, len(mixture.labels)

    def size(kind: np.ndarray, lymphocyte: float, monocyte: float, sigma: float) -> np.ndarray:
        return lognormal(rng, np.where(MONOCYTE[kind], monocyte, lymphocyte), sigma, n)

    forward, side = size(mixture.first, 80e3, 118e3, 0.08), size(mixture.first, 26e3, 66e3, 0.14)
    other_forward, other_side = size(mixture.second, 80e3, 118e3, 0.08), size(mixture.second, 26e3, 66e3, 0.14)
    debris, dead, doublet = labels == DEBRIS, labels == DEAD, labels == DOUBLET
    forward = np.where(debris, lognormal(rng, 14e3, 0.45, n), forward * np.where(dead, 0.72, 1.0))
    side = np.where(debris, lognormal(rng, 8e3, 0.5, n), side * np.where(dead, 1.4, 1.0))
    result = {}
    for name, one, two in (("FSC", forward, other_forward), ("SSC", side, other_side)):
        area = one + np.where(doublet, two, 0.0)
        # the height of a doublet is little more than that of its larger cell: the pulse is longer, not higher
        height = np.where(doublet, 1.06 * np.maximum(one, two), one) * 0.82 * lognormal(rng, 1.0, 0.025, n)
        result[f"{name}-A"], result[f"{name}-H"] = area, height
        result[f"{name}-W"] = np.minimum(area / height * 65_536 * 0.9, UPPER - 2)
    return result


def _fluorescence(rng: np.random.Generator, panel: PanelDesign, mixture: Mixture) -> np.ndarray:
    labels, n = mixture.labels, len(mixture.labels)
    debris, dead, doublet = labels == DEBRIS, labels == DEAD, labels == DOUBLET
    levels = level_matrix(list(panel.markers))
    column = {antigen: k for k, antigen in enumerate(panel.markers)}
    factor = np.array([0.0, _DIM, 1.0, _HIGH])
    size_first, size_second = lognormal(rng, 1.0, 0.12, n), lognormal(rng, 1.0, 0.12, n)
    fade = np.where(debris, rng.uniform(0.02, 0.2, n), np.where(dead, 0.6, 1.0))
    signal = np.empty((n, len(panel.stained)))
    for k, channel in enumerate(panel.stained):
        bright: np.ndarray | float
        auto = lognormal(rng, _AUTOFLUORESCENCE, 0.35, n) * np.where(MONOCYTE[mixture.first], 1.6, 1.0)
        auto *= np.where(debris, 0.4, np.where(dead, 2.2, 1.0))
        if channel.role == "viability":
            bright = np.where(dead, 16e3, np.where(debris, 600.0, 60.0))
            signal[:, k] = auto + lognormal(rng, bright, 0.4, n)
        elif channel.role == "marker":
            level = levels[:, column[channel.antigen]]
            bright = _BRIGHT[channel.antigen]
            one = lognormal(rng, bright * factor[level[mixture.first]], _WIDTH, n) * size_first * fade
            two = lognormal(rng, bright * factor[level[mixture.second]], _WIDTH, n) * size_second
            signal[:, k] = auto + one + np.where(doublet, two + _AUTOFLUORESCENCE, 0.0)
        else:
            signal[:, k] = auto
    return signal
