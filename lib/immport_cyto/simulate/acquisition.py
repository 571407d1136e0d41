"""What the two simulated cytometers share: which event is what, and what a file's acquisition returns.

Every event has one label: a cell type (intact, viable, single), or debris, doublet, dead, bead. Flags mark events that
were recorded during a clog or lie on the upper limit of a detector; they do not change the label.
"""

from dataclasses import dataclass

import numpy as np

from immport_cyto.simulate.phenotypes import CELL_TYPES, NAMES

LABELS = (*NAMES, "debris", "doublet", "dead", "bead")
"""Names of the event labels; the label is the index."""

DEBRIS, DOUBLET, DEAD, BEAD = range(len(CELL_TYPES), len(LABELS))

FLAG_CLOG, FLAG_MARGIN = 1, 2
"""Bits of the event flags."""

MONOCYTE = np.array([cell.size == "monocyte" for cell in CELL_TYPES])


@dataclass(frozen=True)
class Unwanted:
    """Mean fractions of events that are no intact viable singlets; each file deviates by about a fifth."""

    debris: float = 0.08
    doublet: float = 0.04
    dead: float = 0.05
    bead: float = 0.0


@dataclass(frozen=True)
class Day:
    """Settings of one acquisition day of one panel: the batch.

    Attributes
    ----------
    gain
        Factor on the signal of each stained channel, shape (stained,).
    spill
        Spillover of the stained channels in flow, shape (stained, stained); row: source. None in mass cytometry.
    """

    gain: np.ndarray
    spill: np.ndarray | None


@dataclass(frozen=True)
class Acquired:
    """One file as the cytometer records it, with its truth.

    Attributes
    ----------
    values : ndarray of float32, shape (events, channels)
        Raw data in the order of the panel's channels.
    labels : ndarray of uint8, shape (events,)
        Index into `LABELS`.
    flags : ndarray of uint8, shape (events,)
        Bits `FLAG_CLOG` and `FLAG_MARGIN`.
    signal : ndarray of float64, shape (events, stained)
        True signal of the stained channels, before spillover, noise and limits.
    limits : ndarray of int, shape (channels,)
        $PnR.
    """

    values: np.ndarray
    labels: np.ndarray
    flags: np.ndarray
    signal: np.ndarray
    limits: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """Labels of the events, and the cell types behind them.

    `first` is the cell type of each event, also of debris and dead cells; `second` is the other half of a doublet.
    """

    labels: np.ndarray
    first: np.ndarray
    second: np.ndarray


def mix(rng: np.random.Generator, cells: np.ndarray, unwanted: Unwanted, n_events: int) -> Mixture:
    """Draw what each event is.

    Parameters
    ----------
    cells
        Fractions of the cell types in the sample, shape (cell types,).
    """
    shares = np.array([unwanted.debris, unwanted.doublet, unwanted.dead, unwanted.bead])
    shares = shares * np.exp(0.2 * rng.standard_normal(4))
    labels = _draw(rng, np.concatenate([cells * (1 - shares.sum()), shares]), n_events)
    others = _draw(rng, cells, n_events)
    first = np.where(labels < len(CELL_TYPES), labels, others)
    return Mixture(labels.astype(np.uint8), first, _draw(rng, cells, n_events))


def _draw(rng: np.random.Generator, p: np.ndarray, n: int) -> np.ndarray:
    edges = np.cumsum(p)
    return np.minimum(np.searchsorted(edges / edges[-1], rng.random(n), side="right"), len(p) - 1)


def lognormal(rng: np.random.Generator, median: np.ndarray | float, sigma: float, n: int) -> np.ndarray:
    """`n` log-normal values around `median` (a number, or one per value)."""
    return np.asarray(median * np.exp(sigma * rng.standard_normal(n)))
