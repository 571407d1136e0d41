"""Values that are no shares as the outcome of a model: amounts such as cells per microlitre, median intensities."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import tables
from immport_cyto.exceptions import LinkError, TableError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

AMOUNT = "log10"
"""The scale of an amount in a unit."""

MEDIAN = "median"
"""The scale of a median intensity, as it was transformed."""

VALUES = (AMOUNT, MEDIAN)
"""Scales of the column `value`; the other scales are those of a share."""


def amount_outcome(value: Array) -> tuple[Array, int]:
    """``log10`` of amounts such as cells per microlitre, of one population and study; NaN where unknown.

    A change on this scale is a relative one, so it does not depend on the unit. An amount of 0 is below what could be
    counted and becomes half of the smallest positive amount of the study; the number of these is returned too. Where
    all amounts are 0 so is the outcome.
    """
    positive = value > 0
    zero = value == 0
    result = np.full(value.shape, np.nan)
    result[positive] = np.log10(value[positive])
    result[zero] = np.log10(value[positive].min() / 2) if positive.any() else 0.0
    return result, int(zero.sum()) if positive.any() else 0


def check_amounts(populations: "pd.DataFrame") -> None:
    """A log of a negative amount does not exist, and amounts in several units cannot be in one model."""
    known = populations[populations["value"].notna()]
    if not len(known):
        msg = "populations.tsv: column 'value' is empty, which the scale log10 needs; use logit for shares and counts"
        raise TableError(msg)
    negative = known[known["value"] < 0]
    if len(negative):
        row = negative.iloc[0]
        what = (
            f"populations.tsv: population {row['population']!r} of {row['file_name']!r} has the value {row['value']:g}"
        )
        msg = f"{what}; the scale log10 needs amounts of 0 or more"
        raise TableError(msg)
    units = known.groupby(["method", "population", "study_accession"])["unit"].agg(lambda found: sorted(set(found)))
    for (_, population, study), found in units.items():
        if len(found) > 1:
            what = f"populations.tsv: values of population {population!r} in study {study!r} are in {', '.join(found)}"
            msg = f"{what}; bring them to one unit"
            raise TableError(msg)


def median_outcomes(medians: "pd.DataFrame", samples: "pd.DataFrame") -> "pd.DataFrame":
    """Median intensities as values that `effects` takes on the scale ``median``.

    Parameters
    ----------
    medians
        A MEDIANS table.
    samples
        A SAMPLES table with a row for each of its files.

    Returns
    -------
    pandas.DataFrame
        A RESULTS table: the population is named ``HLA-DR on B cells``, `value` is the median on the transformed scale.

    Raises
    ------
    TableError
        A column is missing or of the wrong kind.
    LinkError
        A file has no row in `samples`.
    """
    medians = tables.conform(medians, tables.MEDIANS, source="medians.tsv")
    samples = tables.conform(samples, tables.SAMPLES, source="samples.tsv")
    missing = sorted(set(medians["file_name"]) - set(samples["file_name"]))
    if missing:
        msg = f"file {missing[0]!r} of medians.tsv has no row in samples.tsv; give the samples table of the same run"
        raise LinkError(msg)
    joined = medians.merge(samples[["file_name", "study_accession", "sample_id", "panel_id"]], on="file_name")
    joined["population"] = joined["marker"] + " on " + joined["population"]
    joined["value"], joined["unit"] = joined["median"], "transformed intensity"
    joined["n_events"] = joined["n_parent"] = None
    return tables.conform(joined.drop(columns=["marker", "median"]), tables.RESULTS)
