"""One tidy row per population and sample, with flags for samples that need a look."""

from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.exceptions import LinkError

if TYPE_CHECKING:
    import pandas as pd

FEW_EVENTS = 50  # in the parent
MIN_SAMPLES = 8  # of a group, for the comparison of compositions
OUTLYING = 3.0  # root mean square of robust z scores
_WINSOR = 8.0


def summary(counts: "pd.DataFrame", samples: "pd.DataFrame") -> "pd.DataFrame":
    """Join counts with samples, and flag what may mislead; no row is dropped.

    Flags, joined by ``;``:

    - ``few_events``: fewer than 50 events in the parent.
    - ``zero_events``: no event in the population.
    - ``partial``: a match without some gates of its definition (``left_out`` of the counts), which has a name of its
      own.
    - ``composition_outlier``: the sample's fractions are far from those of its study, panel and method. For each
      population the logit of ``(n + 0.5) / (parent + 1)`` is compared with the median over the samples, in units of the
      larger of 1.4826 median absolute deviations and the counting error; the root mean square over the
      populations, each at most 8, is above 3. Looked for from 8 samples on.

    Parameters
    ----------
    counts
        COUNTS of one or several groups and methods.
    samples
        SAMPLES.

    Returns
    -------
    pandas.DataFrame
        POPULATIONS, in order of study, panel, method, file and as in `counts`; ``fraction`` is empty where the
        parent has no event.

    Raises
    ------
    LinkError
        A file of `counts` has no row in `samples`, or has two.
    """
    import pandas as pd

    from immport_cyto import tables

    counts = tables.conform(counts, tables.COUNTS)
    known = samples.set_index("file_name")
    if not known.index.is_unique:
        msg = f"{known.index[known.index.duplicated()][0]}: has two rows in samples.tsv; keep one"
        raise LinkError(msg)
    unknown = sorted(set(counts["file_name"]) - set(known.index))
    if unknown:
        msg = f"{unknown[0]}: is counted but has no row in samples.tsv; link it first or leave it out of the counts"
        raise LinkError(msg)
    table = counts.copy()
    table["study_accession"] = table["file_name"].map(known["study_accession"])
    table["sample_id"] = table["file_name"].map(known["sample_id"])
    events, parents = (table[name].to_numpy(dtype=np.float64) for name in ("n_events", "n_parent"))
    table["fraction"] = np.divide(events, parents, out=np.full(len(table), np.nan), where=parents > 0)
    left_out = table["left_out"].fillna("") if "left_out" in table else [""] * len(table)
    outliers = _outliers(table)
    table["flag"] = [
        ";".join(
            flag
            for flag, is_set in (
                ("few_events", n_parent < FEW_EVENTS),
                ("zero_events", n_events == 0),
                ("partial", bool(without)),
                ("composition_outlier", (method, name) in outliers),
            )
            if is_set
        )
        for n_events, n_parent, method, name, without in zip(
            events, parents, table["method"], table["file_name"], left_out, strict=True
        )
    ]
    table = table.sort_values(["study_accession", "panel_id", "method", "file_name"], kind="stable")
    return tables.conform(pd.DataFrame(table), tables.POPULATIONS)


def _outliers(table: "pd.DataFrame") -> set[tuple[str, str]]:
    """(method, file) pairs whose composition is far from their group's."""
    found: set[tuple[str, str]] = set()
    for _, rows in table.groupby(["study_accession", "panel_id", "method"], sort=True):
        wide_events: Any = rows.pivot_table(index="file_name", columns="population", values="n_events", aggfunc="first")
        wide_parents: Any = rows.pivot_table(
            index="file_name", columns="population", values="n_parent", aggfunc="first"
        )
        if len(wide_events) < MIN_SAMPLES:
            continue
        n, parent = wide_events.to_numpy(dtype=np.float64), wide_parents.to_numpy(dtype=np.float64)
        fraction = (n + 0.5) / (parent + 1)
        logits = np.log(fraction / (1 - fraction))
        error = np.sqrt(1 / (n + 0.5) + 1 / (parent - n + 0.5))
        middle = np.nanmedian(logits, axis=0)
        spread = np.maximum(1.4826 * np.nanmedian(np.abs(logits - middle), axis=0), error)
        z = np.clip((logits - middle) / spread, -_WINSOR, _WINSOR)
        distance = np.sqrt(np.nanmean(z**2, axis=1))
        method = str(rows["method"].iloc[0])
        found |= {(method, str(name)) for name, far in zip(wide_events.index, distance > OUTLYING, strict=True) if far}
    return found
