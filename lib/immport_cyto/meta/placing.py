"""Where samples fall in reference ranges."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from immport_cyto import tables
from immport_cyto.exceptions import TableError
from immport_cyto.meta.joining import check_keys
from immport_cyto.meta.outcome import check_shares, outcome
from immport_cyto.meta.ranges import TOP_CODED, YEARS

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def place(
    populations: "pd.DataFrame", samples: "pd.DataFrame", reference: "pd.DataFrame", *, same_study: bool = False
) -> "pd.DataFrame":
    """Percentiles of samples in reference ranges.

    Parameters
    ----------
    populations, samples
        A POPULATIONS and a SAMPLES table.
    reference
        A REFERENCE table.
    same_study
        The samples are of a study whose shift is known to be none; without it the interval counts with the shifts that
        were seen between the studies of the reference.

    Returns
    -------
    pandas.DataFrame
        A PLACES table in order of file, method and population. A sample outside the ages of the reference has a reason
        instead of a percentile. Beyond the outermost percentiles the place is given as 0 or 100.

    Raises
    ------
    LinkError
        A file of `populations` has no row in `samples`, or is of another study there.
    TableError
        A column is missing or of the wrong kind, a key appears twice, a fraction cannot be, or the reference is empty
        or has gaps.
    """
    import pandas as pd

    populations = tables.conform(populations, tables.POPULATIONS, source="populations.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    reference = tables.conform(reference, tables.REFERENCE, source="reference.tsv")
    check_shares(populations)
    check_keys(populations, samples)
    if not len(reference):
        msg = "reference.tsv: there are no rows; make a reference first"
        raise TableError(msg)
    curves = {
        (str(key[0]), str(key[1]), str(key[2]), str(key[3])): _Curves.of(part, str(key[1]))
        for key, part in reference.groupby(["method", "population", "sex", "age_group"], sort=True)
    }
    known = {key[:2] for key in curves}
    joined = populations.merge(samples[["file_name", "age_years", "age_is_topcoded", "sex"]], on="file_name")
    joined["old"] = joined["age_is_topcoded"].fillna(False).astype(bool)
    for column in ("age_years", "fraction", "n_events", "n_parent"):
        joined[column] = joined[column].astype("float64")
    # as in the reference; where there are no counts, 0 and 1 lie beyond every percentile
    n, total, fraction = (joined[c].to_numpy(dtype=np.float64) for c in ("n_events", "n_parent", "fraction"))
    alone = logit(np.clip(fraction, 1e-9, 1 - 1e-9))
    joined["y"] = np.where(np.isfinite(n) & (total > 0), outcome(n, total, fraction, "logit"), alone)
    rows = []
    for row in joined.sort_values(["file_name", "method", "population"]).itertuples():
        found = {
            "file_name": row.file_name, "method": row.method, "population": row.population, "sex": row.sex,
            "age_years": row.age_years, "fraction": row.fraction,
        }  # fmt: skip
        if (row.method, row.population) not in known:
            found["note"] = "the population is not in the reference"
        elif not np.isfinite(row.fraction):
            found["note"] = "the sample has no fraction"
        elif not row.sex:
            found["note"] = "the sample has no sex"
        else:
            curve = curves.get((row.method, row.population, row.sex, TOP_CODED if row.old else YEARS))
            found |= _place(curve, row, same_study=same_study)
        rows.append(found)
    return tables.conform(pd.DataFrame(rows, columns=tables.PLACES.column_names), tables.PLACES)


@dataclass(frozen=True)
class _Curves:
    ages: Array
    percentiles: Array
    middle: Array
    low: Array
    high: Array
    study_sd: float

    @classmethod
    def of(cls, part: "pd.DataFrame", population: str) -> "_Curves":
        part = part.sort_values(["age_years", "percentile"])
        ages, percentiles = (np.unique(part[c].to_numpy(dtype=np.float64)) for c in ("age_years", "percentile"))
        shape = (len(ages), len(percentiles))
        numbers = part[["age_years", "percentile", "fraction", "low", "high"]].to_numpy(dtype=np.float64)
        twice = bool(part.duplicated(["age_years", "percentile"]).any())
        if twice or len(part) != len(ages) * len(percentiles) or not np.isfinite(numbers).all():
            msg = (
                f"reference.tsv: population {population!r} does not have each percentile once at each age; make it anew"
            )
            raise TableError(msg)
        middle, low, high = (
            logit(np.clip(part[c].to_numpy(dtype=np.float64).reshape(shape), 1e-9, 1 - 1e-9))
            for c in ("fraction", "low", "high")
        )
        return cls(ages, percentiles, middle, low, high, float(part["study_sd"].iloc[0]))

    def at(self, age: float, which: Array) -> Array:
        """Logits at the percentiles for an age within the grid."""
        return np.array([np.interp(age, self.ages, column) for column in which.T])


def _place(curve: _Curves | None, row: Any, *, same_study: bool) -> dict[str, Any]:
    if curve is None:
        who = f"{row.sex!r} of a top-coded age" if row.old else f"{row.sex!r}"
        return {"note": f"the reference has no subjects of sex {who}"}
    # the top-coded ages are one group, wherever their ages are put
    age = float(curve.ages[0]) if row.old else float(row.age_years)
    if not np.isfinite(age):
        return {"note": "the sample has no age"}
    if not curve.ages[0] <= age <= curve.ages[-1]:
        return {"note": f"the age is outside the reference ({curve.ages[0]:g} to {curve.ages[-1]:g} years)"}
    value = float(row.y)
    unknown = not same_study and not np.isfinite(curve.study_sd)
    shift = 0.0 if same_study or unknown else 1.959963984540054 * curve.study_sd
    middle = curve.at(age, curve.middle)
    ends = [
        _percentile(value - shift, curve.at(age, curve.high), curve.percentiles),
        _percentile(value + shift, curve.at(age, curve.low), curve.percentiles),
    ]
    median = float(np.interp(50, curve.percentiles, middle))
    return {
        "percentile": _percentile(value, middle, curve.percentiles), "low": min(ends), "high": max(ends),
        "median": float(expit(median)),
        "note": "the reference is of one study: a shift of another is not known" if unknown else "",
    }  # fmt: skip


def _percentile(value: float, curve: Array, percentiles: Array) -> float:
    rising = np.maximum.accumulate(curve)
    return float(np.interp(value, rising, percentiles, left=0.0, right=100.0))
