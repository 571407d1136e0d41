"""Names for metaclusters: signs of the markers, then the most specific definition that fits them."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from immport_cyto.exceptions import TableError
from immport_cyto.panel.boolean import Gate
from immport_cyto.population.definitions import (
    UNNAMED,
    Cuts,
    check_markers,
    gates_text,
    meets_all,
    one_group,
    panel_cuts,
    standard_populations,
    wanted,
)
from immport_cyto.population.fitting import Fitted, fit

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.1  # of the distance between the medians of negative and positive events: too near to the cut to call


def label(
    clusters: "pd.DataFrame",
    cluster_medians: "pd.DataFrame",
    cutoffs: "pd.DataFrame",
    definitions: "pd.DataFrame | None" = None,
    *,
    other_markers: Iterable[str] = (),
) -> "pd.DataFrame":
    """Give each metacluster its phenotype, and the name of the population that it is.

    A marker is ``+`` where the metacluster's median is above the cut-off, ``++`` above the second one, ``-`` at or
    below. It is left out of the phenotype where it has no cut-off, or where the median is nearer to the cut-off than a
    tenth of the distance between the medians of all negative and all positive events.

    The definition with the most gates of which all are met gives the name: of equals the first in the table, of
    alternatives the one that `search` takes on this panel. A gate on a marker that was left out is not met. Without
    such a definition the phenotype is the name, and without any sign "unclassified". A metacluster that is positive for
    two lineages (of CD3, CD19 or CD20, CD14) holds doublets: only a definition that gates on both names it.

    Parameters
    ----------
    clusters, cluster_medians, cutoffs
        CLUSTERS, CLUSTER_MEDIANS and CUTOFFS, of one or several groups.
    definitions
        DEFINITIONS. None: the built-in standard populations.
    other_markers
        Markers of other panels than those of `cutoffs`, which a definition may ask for.

    Returns
    -------
    pandas.DataFrame
        `clusters` with ``phenotype``, ``population``, ``definition`` and ``cl_id`` filled in.

    Raises
    ------
    TableError
        A metacluster has no medians.
    DefinitionError
        A definition cannot be read, or names an unknown marker; or a group has no cut-offs.
    """
    from immport_cyto import tables

    entries = wanted(standard_populations() if definitions is None else definitions)
    check_markers(entries, {*cutoffs["marker"], *other_markers})
    result = tables.conform(clusters, tables.CLUSTERS)
    keys = ["study_accession", "panel_id"]
    for (study, panel_id), rows in result.groupby(keys, sort=False):
        own_cuts = one_group(cutoffs, study, panel_id)
        cuts, margins = panel_cuts(own_cuts), _margins(own_cuts)
        fitted = [found for entry in entries if (found := fit(entry, cuts)[0]) is not None]
        is_own = (cluster_medians["study_accession"] == study) & (cluster_medians["panel_id"] == panel_id)
        medians = cluster_medians[is_own]
        for index, number in rows["metacluster"].items():
            own = medians[medians["metacluster"] == number]
            if own.empty:
                where = f"metacluster {number} of {study} {panel_id}"
                msg = f"cluster_medians.tsv has no row for {where}; give the tables of the same model"
                raise TableError(msg)
            values = dict(zip(own["marker"], own["median"].astype(float), strict=True))
            signs = phenotype(values, cuts, margins)
            named = _name(signs, fitted)
            text = gates_text(tuple(Gate(*pair) for pair in signs.items()))
            result.loc[index, ["phenotype", "population", "definition", "cl_id"]] = [
                text,
                named.population if named else text or UNNAMED,
                named.definition if named else "",
                named.cl_id if named else "",
            ]
    return result


def phenotype(medians: dict[str, float], cuts: Cuts, margins: dict[str, float]) -> dict[str, str]:
    """Sign of each marker with a clear answer, in natural order (CD3, CD4, CD16)."""
    signs: dict[str, str] = {}
    for marker in sorted(medians, key=natural):
        cut, high = cuts.get(marker, (None, None))
        value = medians[marker]
        if cut is None or value != value or abs(value - cut) < margins.get(marker, 0.0):
            continue
        signs[marker] = "-" if value <= cut else "++" if high is not None and value > high else "+"
    return signs


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that takes numbers as numbers."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", text) if part]


def _margins(cutoffs: "pd.DataFrame") -> dict[str, float]:
    import pandas as pd

    if not {"median_negative", "median_positive"} <= set(cutoffs.columns):
        return {}
    # columns beyond the contract are text where the table was read from a file
    low, high = (pd.to_numeric(cutoffs[name], errors="coerce") for name in ("median_negative", "median_positive"))
    return {m: MARGIN * float(d) for m, d in zip(cutoffs["marker"], high - low, strict=True) if d == d}


def _name(signs: dict[str, str], fitted: list[Fitted]) -> Fitted | None:
    """The population with the most gates, all of them met."""
    best = None
    for population in fitted:
        if meets_all(signs, population.gates) and (best is None or len(population.gates) > len(best.gates)):
            best = population
    return best
