"""The outcome of a model: the share or amount of a population, on a scale that suits a linear model."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import TableError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SCALES = ("logit", "arcsine", "zscore", "fraction", "log10", "median")
FAMILIES = ("linear", "beta-binomial")


def outcome(n_events: Array, n_parent: Array, fraction: Array, scale: str) -> Array:
    """One value per sample of one population and study; NaN where it cannot be known.

    Parameters
    ----------
    n_events, n_parent, fraction
        Counts and their ratio, NaN where unknown; see `check_shares`. Counts go first; a fraction alone is used where
        there are none. A count above that of its parent without a fraction (ImmPort has such) is unknown.
    scale
        ``logit``
            ``log((n + 0.5) / (N - n + 0.5))``, the empirical logit: the logit of (n + 0.5) / (N + 1), so that counts
            of 0 and N stay finite (Haldane 1956, Anscombe 1956). For a fraction without counts, 0 and 1 are moved
            inwards by half of the smallest distance to 0 or 1 seen in the study.
        ``arcsine``
            ``asin(sqrt(fraction))``, in radians.
        ``zscore``
            The fraction minus its mean over the samples of the study, over their standard deviation (n - 1):
            the scale of MetaCyto.
        ``fraction``
            As it is.

    See Also
    --------
    immport_cyto.meta.amounts.amount_outcome : the scale ``log10``.
    immport_cyto.meta.amounts.median_outcomes : the scale ``median``.
    """
    counted = (n_parent > 0) & (n_events <= n_parent)
    share = np.divide(n_events, n_parent, out=np.asarray(fraction, np.float64).copy(), where=counted)
    if scale == "logit":
        result = np.full(share.shape, np.nan)
        n, total = n_events[counted], n_parent[counted]
        result[counted] = np.log((n + 0.5) / (total - n + 0.5))
        alone = ~counted & np.isfinite(share)
        if alone.any():
            inner = share[np.isfinite(share) & (share > 0) & (share < 1)]
            if len(inner):
                step = min(inner.min(), 1 - inner.max()) / 2
                moved = np.clip(share[alone], step, 1 - step)
                result[alone] = np.log(moved / (1 - moved))
        return result
    if scale == "arcsine":
        return np.asarray(np.arcsin(np.sqrt(share)), dtype=np.float64)
    if scale == "zscore":
        known = share[np.isfinite(share)]
        spread = known.std(ddof=1) if len(known) > 1 else 0.0
        return (share - known.mean()) / spread if spread > 0 else share * 0.0
    return share


def check_shares(populations: "pd.DataFrame") -> None:
    """A fraction is from 0 to 1 (not in percent), and a count at least 0 and not above that of its parent.

    Raises
    ------
    TableError
        The first row that breaks this.
    """
    events, parents, fraction = (populations[name].astype("Float64") for name in ("n_events", "n_parent", "fraction"))
    for column, wrong, rule in (
        ("fraction", (fraction < 0) | (fraction > 1), "a fraction is from 0 to 1, not in percent"),
        ("n_events", events < 0, "a count is 0 or more"),
        ("n_events", (events > parents) & fraction.notna(), "a population has at most the events of its parent"),
    ):
        found = populations[wrong.fillna(False)]
        if len(found):
            row = found.iloc[0]
            what = f"populations.tsv: population {row['population']!r} of {row['file_name']!r} has {column}"
            msg = f"{what} {row[column]:g}; {rule}, correct the cell"
            raise TableError(msg)
