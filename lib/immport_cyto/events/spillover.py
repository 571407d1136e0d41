"""Spillover estimated from single-stain controls: which part of each fluorochrome's light every detector sees.

Each control carries one fluorochrome, so in detector j it shows ``x_j = a + s x_p`` with p its own detector and s the
spillover wanted. The line is fitted to all events by weighted least squares with Tukey's bisquare and the noise, which
grows with the signal, as weights: events that are something else (a second stain, debris, odd doublets) do not move
it. The start is the classical quotient of differences of medians (Bagwell and Adams 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.events._valley import valleys
from immport_cyto.exceptions import AnalysisError, CompensationError
from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

SPILLOVER = Table(
    "spillover_fits.tsv",
    "one row per control and detector: the line fitted to its events",
    (
        Column("file_name", "text", "name of the control"),
        Column("fcs_colname", "text", "$PnN of its own detector"),
        Column("into", "text", "$PnN of the detector that the light spills into"),
        Column("spillover", "float", "slope of the line"),
        Column("se", "float", "its standard error"),
        Column("residual", "float", "slope that is left after compensation with the whole matrix"),
        Column("n_events", "int", "events of the control that were used"),
        Column("n_positive", "int", "of these, events of the stained group"),
        Column("brightness", "float", "difference of the medians of stained and unstained events"),
    ),
    ("fcs_colname", "into"),
)

_LEAST_GROUP = 50
SEPARATION = 5.0
"""A stained group lies at least so many standard deviations of the unstained events above them."""

_BISQUARE = 4.685
_COFACTOR = 150.0
_SHOWN = 2000


@dataclass(frozen=True)
class Control:
    """The events of one control.

    Attributes
    ----------
    name
        File name.
    values
        Events x detectors, linear, not compensated.
    column
        Index of its own detector; None for the unstained one.
    """

    name: str
    values: np.ndarray
    column: int | None


@dataclass(frozen=True)
class Fit:
    """What one control says.

    Attributes
    ----------
    name
        File name of the control.
    column
        Index of its own detector.
    slopes, errors
        Spillover into each detector and its standard error; 1 and 0 for its own.
    n_events, n_positive
        Events used, and those of the stained group.
    brightness
        Difference of the medians of the stained and the other events in its own detector.
    sample
        Up to 2,000 events x detectors, for the figure.
    intercepts
        a of each line.
    """

    name: str
    column: int
    slopes: np.ndarray
    errors: np.ndarray
    n_events: int
    n_positive: int
    brightness: float
    sample: np.ndarray
    intercepts: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A spillover matrix and how it was found.

    Attributes
    ----------
    channels
        Detectors ($PnN) that have a control, in the order of the file.
    matrix
        n x n, rows are fluorochromes.
    fits
        One per channel, in the same order.
    residual
        n x n: spillover that is left in the controls after compensation with the matrix, 0 on the diagonal.
    warnings
        What to look at, one sentence each.
    """

    channels: tuple[str, ...]
    matrix: np.ndarray
    fits: tuple[Fit, ...]
    residual: np.ndarray
    warnings: tuple[str, ...] = ()

    def to_csv(self) -> str:
        """The matrix as `immport_cyto.events.compensation.read_table` reads it."""
        import csv
        import io

        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["", *self.channels])
        for name, row in zip(self.channels, self.matrix, strict=True):
            writer.writerow([name, *(f"{value:.6g}" for value in row)])
        return stream.getvalue()

    def table(self) -> "pd.DataFrame":
        """One row per control and detector, contract `SPILLOVER`."""
        import pandas as pd

        columns = [one.column for one in self.fits]
        rows = [
            {
                "file_name": one.name,
                "fcs_colname": own,
                "into": into,
                "spillover": one.slopes[column],
                "se": one.errors[column],
                "residual": self.residual[row, other],
                "n_events": one.n_events,
                "n_positive": one.n_positive,
                "brightness": one.brightness,
            }
            for row, (one, own) in enumerate(zip(self.fits, self.channels, strict=True))
            for other, (into, column) in enumerate(zip(self.channels, columns, strict=True))
        ]
        return conform(pd.DataFrame(rows, columns=SPILLOVER.column_names), SPILLOVER)


def fit(controls: Sequence[Control], names: Sequence[str]) -> Estimate:
    """Estimate the matrix from arrays.

    Parameters
    ----------
    controls
        One per detector at most, and an unstained one if any, whose events count as unstained in all.
    names
        $PnN of the columns.

    Returns
    -------
    Estimate
        Of the detectors that have a control.
    """
    blank = next((control.values for control in controls if control.column is None), None)
    stained = sorted((c for c in controls if c.column is not None), key=lambda control: control.column or 0)
    if len(stained) < 2:
        msg = f"{len(stained)} stained control is given; spillover needs one for each of two or more detectors"
        raise AnalysisError(msg)
    groups = [_split(control, blank, names) for control in stained]
    fits = tuple(_fit_one(control, *pair) for control, pair in zip(stained, groups, strict=True))
    columns = [one.column for one in fits]
    matrix = np.array([one.slopes[columns] for one in fits])
    condition = float(np.linalg.cond(matrix))
    if not condition < 1e6:
        msg = f"the spillover matrix of these controls is singular (condition number {condition:.3g}); two stain alike"
        raise CompensationError(msg)
    inverse = np.linalg.inv(matrix)
    residual = np.zeros_like(matrix)
    for row, (rest, bright) in enumerate(groups):
        residual[row], _, _ = _lines(rest[:, columns] @ inverse, bright[:, columns] @ inverse, row)
        residual[row, row] = 0
    warnings = []
    lacking = [name for i, name in enumerate(names) if i not in columns]
    if lacking:
        warnings.append(f"no control for {', '.join(lacking)}: they are not in the matrix and stay as they are")
    warnings += [
        f"{one.name}: {names[one.column]} is brighter in {names[j]} than in its own detector "
        f"(spillover {one.slopes[j]:.2f}); check which control is which"
        for one in fits
        for j in columns
        if j != one.column and one.slopes[j] > 1
    ]
    worst = np.unravel_index(int(np.argmax(np.abs(residual))), residual.shape)
    if abs(residual[worst]) > 0.02:
        pair = f"{names[columns[int(worst[0])]]} into {names[columns[int(worst[1])]]}"
        warnings.append(f"after compensation {residual[worst]:.1%} of {pair} is left: the control is not one line")
    return Estimate(tuple(names[i] for i in columns), matrix, fits, residual, tuple(warnings))


def _split(control: Control, blank: np.ndarray | None, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Unstained and stained events of a control; the unstained control counts to the first."""
    own = int(control.column or 0)
    stained, unstained = _groups(control.values[:, own], blank is not None)
    rest, bright = control.values[unstained], control.values[stained]
    if blank is not None:
        rest = np.concatenate([rest, blank])
    enough = min(len(bright), len(rest)) >= _LEAST_GROUP
    if not enough or _distance(rest, bright, own) < SEPARATION * max(spread(rest[:, own]), 1e-9):
        msg = (
            f"{control.name}: shows no stained group in {names[own]!r}; check that it is the control of this channel, "
            "or leave it out"
        )
        raise AnalysisError(msg)
    return rest, bright


def _distance(rest: np.ndarray, bright: np.ndarray, own: int) -> float:
    return float(np.median(bright[:, own]) - np.median(rest[:, own]))


def _fit_one(control: Control, rest: np.ndarray, bright: np.ndarray) -> Fit:
    own = int(control.column or 0)
    slopes, errors, intercepts = _lines(rest, bright, own)
    shown = control.values[:: max(1, -(-len(control.values) // _SHOWN))]
    return Fit(
        control.name, own, slopes, errors, len(control.values), len(bright), _distance(rest, bright, own), shown,
        intercepts,
    )  # fmt: skip


def _lines(rest: np.ndarray, bright: np.ndarray, own: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope, standard error and intercept of each detector over the detector of the control."""
    events = np.concatenate([rest, bright])
    x = events[:, own]
    start = (np.median(bright, axis=0) - np.median(rest, axis=0)) / _distance(rest, bright, own)
    lines = [
        (1.0, 0.0, 0.0)
        if j == own
        else _line(x, events[:, j], float(start[j]), float(np.median(rest[:, j])), len(rest))
        for j in range(events.shape[1])
    ]
    slopes, errors, intercepts = (np.array(column) for column in zip(*lines, strict=True))
    return slopes, errors, intercepts


def _groups(x: np.ndarray, has_blank: bool) -> tuple[np.ndarray, np.ndarray]:
    """Stained and unstained events of a control; without a valley, the upper and the lower third."""
    scaled = np.arcsinh(x / _COFACTOR)
    found = valleys(scaled, min_share=0.01)
    if found:
        best = max(found, key=lambda valley: valley.depth)
        stained = scaled > best.value
        return stained, ~stained
    low, high = np.quantile(scaled, [1 / 3, 2 / 3])
    if has_blank:
        return np.ones(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
    return scaled >= high, scaled <= low


def _line(x: np.ndarray, y: np.ndarray, slope: float, level: float, n_rest: int) -> tuple[float, float, float]:
    """Slope, its standard error and intercept of the robust line; the first `n_rest` events are unstained."""
    intercept = level - slope * float(np.median(x[:n_rest]))
    noise = _noise(x, y - intercept - slope * x, n_rest)
    base = 1 / noise**2
    for _ in range(50):
        scaled = (y - intercept - slope * x) / noise / _BISQUARE
        weights = base * np.where(np.abs(scaled) < 1, (1 - scaled**2) ** 2, 0.0)
        # sums, not products of BLAS, whose last digits depend on the number of threads
        total = weights.sum()
        mean_x, mean_y = (weights * x).sum() / total, (weights * y).sum() / total
        apart = x - mean_x
        power = (weights * apart**2).sum()
        new = float((weights * apart * (y - mean_y)).sum() / power)
        intercept = float(mean_y - new * mean_x)
        if abs(new - slope) < 1e-9:
            slope = new
            break
        slope = new
    return slope, float(1 / np.sqrt(power)), intercept


def _noise(x: np.ndarray, residual: np.ndarray, n_rest: int) -> np.ndarray:
    """Standard deviation of each event: of the unstained ones together, of the stained ones in 10 groups by signal."""
    noise = np.empty(len(x))
    least = max(spread(residual[:n_rest] - np.median(residual[:n_rest])), 1e-6 * float(np.abs(x).max()), 1e-12)
    noise[:n_rest] = least
    order = n_rest + np.argsort(x[n_rest:], kind="stable")
    for group in np.array_split(order, 10):
        if len(group):
            noise[group] = max(spread(residual[group] - np.median(residual[group])), least)
    return noise


def spread(x: np.ndarray) -> float:
    """Standard deviation by the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(x - np.median(x))))
