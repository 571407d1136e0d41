"""Normal mixtures of one marker on a fine histogram: the second opinion where two groups leave no valley."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from immport_cyto.population.shape import histogram

Floats = NDArray[np.float64]

_BINS = 400
_STEPS = 200
_STARTS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99)


@dataclass(frozen=True)
class Mixture:
    """Normal components in order of their means.

    ``bic`` is that of the binned data (lower is better). ``separations`` holds Ashman's D of neighbours [1]_: above 2
    for two normal components that can be told apart.

    References
    ----------
    .. [1] Ashman KM, Bird CM, Zepf SE. Detecting bimodality in astronomical datasets. Astron J 108:2348 (1994).
    """

    weights: Floats
    means: Floats
    sds: Floats
    bic: float

    @property
    def separations(self) -> Floats:
        """Ashman's D of each two neighbours."""
        return np.asarray(np.sqrt(2) * np.diff(self.means) / np.hypot(self.sds[1:], self.sds[:-1]))

    def crossing(self, gap: int) -> float | None:
        """Where the components above `gap` (0: between the first two) overtake those below it; None if nowhere.

        Looked for between the means of the two neighbours.
        """
        grid = np.linspace(self.means[gap], self.means[gap + 1], 4097)
        logs = _logs(grid, self.weights, self.means, self.sds**2)
        below = np.logaddexp.reduce(logs[: gap + 1], axis=0)
        above = np.logaddexp.reduce(logs[gap + 1 :], axis=0)
        ahead = above > below
        turns = np.flatnonzero(~ahead[:-1] & ahead[1:])
        return float(grid[turns[-1] + 1]) if len(turns) else None


def mixture(x: Floats, n_components: int) -> Mixture | None:
    """Fit normal components to the sorted values `x` by EM on a histogram, without any random start.

    Splits at fixed quantiles are the starts; the best likelihood wins. The outer 0.1 % of the values on each side count
    at the edge, so that single far values take no component; no component is narrower than 1 % of
    the range, so that a spike of zeros is one component. None where no start keeps all components.
    """
    low, high = np.quantile(x, [0.001, 0.999])
    if not high > low:
        return None
    counts, centres = histogram(np.clip(x, low, high), low, high, _BINS)
    counts[0] += len(x) - counts.sum()
    used = counts > 0
    centres, mass = centres[used], counts[used] / len(x)
    floor = ((high - low) / 100) ** 2
    best: tuple[float, Floats, Floats, Floats] | None = None
    starts = _STARTS if n_components < 4 else _STARTS[:-1]
    for cuts in combinations(starts, n_components - 1):
        group = np.searchsorted(np.quantile(x, cuts), centres)
        fit = _em(centres, mass, np.eye(n_components)[group].T, floor)
        if fit is not None and (best is None or fit[0] > best[0] + 1e-9):
            best = fit
    if best is None:
        return None
    likelihood, weights, means, variances = best
    order = np.argsort(means, kind="stable")
    bic = -2 * likelihood * len(x) + (3 * n_components - 1) * np.log(len(x))
    return Mixture(weights[order], means[order], np.sqrt(variances[order]), float(bic))


def _logs(x: Floats, weights: Floats, means: Floats, variances: Floats) -> Floats:
    spread = (x - means[:, None]) ** 2 / variances[:, None]
    return np.asarray(np.log(weights)[:, None] - 0.5 * (np.log(2 * np.pi * variances)[:, None] + spread))


def _em(x: Floats, mass: Floats, member: Floats, floor: float) -> tuple[float, Floats, Floats, Floats] | None:
    previous = -np.inf
    for _ in range(_STEPS):
        share = member * mass
        weights = share.sum(axis=1)
        if weights.min() < 1e-5:
            return None
        means = share @ x / weights
        variances = np.maximum((share * (x - means[:, None]) ** 2).sum(axis=1) / weights, floor)
        logs = _logs(x, weights, means, variances)
        whole = np.logaddexp.reduce(logs, axis=0)
        member = np.exp(logs - whole)
        likelihood = float(mass @ whole)
        if likelihood - previous < 1e-6:
            break
        previous = likelihood
    return likelihood, weights, means, variances
