"""Valleys of a distribution of one variable: where two groups of events are clearly apart."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_GRID = 512


@dataclass(frozen=True)
class Valley:
    """A low point of the density between two peaks.

    Attributes
    ----------
    value
        Where it is.
    depth
        1 - density in the valley / density of the lower of the two peaks; 0 to 1.
    left, right
        Where the highest peaks on both sides are.
    below
        Share of all values below it.
    z
        By how many Poisson standard errors it holds fewer events than the lower peak, in equal windows.
    """

    value: float
    depth: float
    left: float
    right: float
    below: float
    z: float


def valleys(x: np.ndarray, *, min_depth: float = 0.5, min_share: float = 0.0, min_z: float = 4.0) -> list[Valley]:
    """Find the clear valleys of a sample.

    The density is a histogram smoothed by a Gaussian kernel (0.7 x Silverman's rule). Of all peaks, the pair with the
    shallowest valley between them is merged until each valley left is at least `min_depth` deep, holds fewer
    events than the lower peak by `min_z` Poisson standard errors (in equal windows), and has more
    than `min_share` of the values on both of its sides up to the next valley. A unimodal sample has none.

    Parameters
    ----------
    x
        Values; the outermost 0.05 % on both sides are left out.
    min_depth, min_share, min_z
        Demands on a valley.

    Returns
    -------
    list of Valley
        From low to high.
    """
    x = np.asarray(x, dtype=np.float64)
    x = x[np.isfinite(x)]
    total = len(x)
    if total < 20:
        return []
    low, high = np.quantile(x, [0.0005, 0.9995])
    x = np.sort(x[(x >= low) & (x <= high)])
    quartiles = np.quantile(x, [0.25, 0.75])
    spread = min(float(x.std()), float(quartiles[1] - quartiles[0]) / 1.349) or float(x.std())
    if spread <= 0 or high <= low:
        return []
    width = 0.63 * spread * len(x) ** -0.2
    grid, density = _density(x, width)
    peaks = _turning_points(density)
    peaks, lows, errors = _merge(x, grid, density, peaks, min_depth, min_share, min_z)
    found = []
    for i, (position, z) in enumerate(zip(lows, errors, strict=True)):
        depth = 1 - density[position] / min(density[peaks[i]], density[peaks[i + 1]])
        left = max(peaks[: i + 1], key=lambda peak: density[peak])
        right = max(peaks[i + 1 :], key=lambda peak: density[peak])
        below = float(np.searchsorted(x, grid[position])) / len(x)
        found.append(Valley(float(grid[position]), float(depth), float(grid[left]), float(grid[right]), below, z))
    return found


def mode(x: np.ndarray) -> float:
    """Return the highest point of the density of a sample (median for fewer than 20 values)."""
    x = np.asarray(x, dtype=np.float64)
    if len(x) < 20:
        return float(np.median(x))
    low, high = np.quantile(x, [0.0005, 0.9995])
    x = x[(x >= low) & (x <= high)]
    quartiles = np.quantile(x, [0.25, 0.75])
    spread = min(float(x.std()), float(quartiles[1] - quartiles[0]) / 1.349) or float(x.std())
    if spread <= 0:
        return float(np.median(x))
    grid, density = _density(x, 0.63 * spread * len(x) ** -0.2)
    return float(grid[int(np.argmax(density))])


def _density(x: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts per grid step, smoothed; the grid reaches four kernel widths beyond the values."""
    low, high = float(x.min()) - 4 * width, float(x.max()) + 4 * width
    # enough steps to resolve the kernel, bounded for samples with far outliers
    size = int(min(max(_GRID, 4 * (high - low) / width), 16 * _GRID))
    counts, edges = np.histogram(x, bins=size, range=(low, high))
    step = edges[1] - edges[0]
    reach = max(1, int(np.ceil(4 * width / step)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), mode="same")
    return (edges[:-1] + edges[1:]) / 2, smooth


def _turning_points(density: np.ndarray) -> list[int]:
    """Indices of the local maxima; a plateau counts once, at its middle."""
    change = np.flatnonzero(np.diff(density))
    if not len(change):
        return [int(np.argmax(density))]
    signs = np.sign(np.diff(density)[change])
    tops = np.flatnonzero((signs[:-1] > 0) & (signs[1:] < 0))
    return [int((change[i] + 1 + change[i + 1]) // 2) for i in tops] or [int(np.argmax(density))]


def _merge(
    x: np.ndarray,
    grid: np.ndarray,
    density: np.ndarray,
    peaks: list[int],
    min_depth: float,
    min_share: float,
    min_z: float,
) -> tuple[list[int], list[int], list[float]]:
    def low_between(left: int, right: int) -> int:
        part = density[left : right + 1]
        lowest = np.flatnonzero(part <= part.min() + 1e-12)
        return left + int(lowest[len(lowest) // 2])

    while len(peaks) > 1:
        lows = [low_between(a, b) for a, b in pairwise(peaks)]
        borders = np.concatenate([[0], np.searchsorted(x, grid[lows]), [len(x)]])
        shares = np.diff(borders) / len(x)
        depths, errors, failed = [], [], []
        for i, position in enumerate(lows):
            smaller = min(density[peaks[i]], density[peaks[i + 1]])
            depth = 1 - density[position] / smaller
            lower = peaks[i] if density[peaks[i]] <= density[peaks[i + 1]] else peaks[i + 1]
            # events in equal windows around both; the one of the valley must not reach into the nearer peak
            reach = min(grid[position] - grid[peaks[i]], grid[peaks[i + 1]] - grid[position]) / 3
            at_peak, at_low = (
                float(np.diff(np.searchsorted(x, [grid[k] - reach, grid[k] + reach]))[0]) for k in (lower, position)
            )
            z = float((at_peak - at_low) / np.sqrt(max(at_peak + at_low, 1.0)))
            depths.append(depth)
            errors.append(z)
            failed.append(depth < min_depth or z < min_z or min(shares[i], shares[i + 1]) < min_share)
        if not any(failed):
            return peaks, lows, errors
        worst = min((i for i in range(len(lows)) if failed[i]), key=lambda i: (depths[i], i))
        del peaks[worst if density[peaks[worst]] < density[peaks[worst + 1]] else worst + 1]
    return peaks, [], []
