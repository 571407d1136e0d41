"""Which metacluster of one study and panel is which of another, by the markers that both have.

Medians are scaled per group and marker from 0 (lowest metacluster) to 1 (highest), because groups differ in instrument
and staining; a marker that varies little within its group is not stretched. The distance of two metaclusters is the
root mean square difference over the shared markers. Two are matched where each is the nearest of the other.
"""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import AnalysisError, OptionError

if TYPE_CHECKING:
    import pandas as pd

SCALES = ("range", "none")
LEAST_RANGE = 0.25
"""A range below this share of the largest range of the group counts as that share: noise is no difference."""

Group = tuple[str, str]
Float64 = NDArray[np.float64]


def match_metaclusters(
    clusters: "pd.DataFrame", cluster_medians: "pd.DataFrame", *, scale: str = "range", min_shared: int = 3
) -> "pd.DataFrame":
    """Match the metaclusters of every two groups (study and panel).

    Parameters
    ----------
    clusters, cluster_medians
        CLUSTERS and CLUSTER_MEDIANS of at least two groups; metaclusters without events are left out.
    scale
        ``"range"``, or ``"none"`` for groups of one instrument and one staining.
    min_shared
        Fewest shared markers of two groups; with fewer nothing is matched.

    Returns
    -------
    pandas.DataFrame
        ``tables.MATCHES``: for each metacluster and each other group its nearest metacluster there. ``match`` numbers
        the sets of metaclusters that are joined by mutual best matches and hold at most one of each group.

    Raises
    ------
    OptionError
        `scale` or `min_shared` makes no sense.
    AnalysisError
        There are fewer than two groups, or a metacluster is there twice.
    """
    import pandas as pd

    from immport_cyto import tables

    if scale not in SCALES:
        msg = f"scale is {scale!r}; choose one of {', '.join(SCALES)}"
        raise OptionError(msg)
    if min_shared < 1:
        msg = f"min_shared is {min_shared}; give a whole number from 1 on"
        raise OptionError(msg)
    _check_once(clusters, ["study_accession", "panel_id", "metacluster"], "clusters.tsv")
    _check_once(cluster_medians, ["study_accession", "panel_id", "metacluster", "marker"], "cluster_medians.tsv")
    filled = clusters[clusters["n_events"].fillna(0) > 0]
    groups = _groups(filled, cluster_medians, scale)
    if len(groups) < 2:
        found = ", ".join(" ".join(group).strip() for group in groups) or "none"
        msg = f"clusters.tsv has to hold metaclusters of at least two studies or panels (found: {found}); add another"
        raise AnalysisError(msg)
    names = {
        (str(row["study_accession"]), str(row["panel_id"]), int(row["metacluster"])): str(row["population"])
        for row in filled.to_dict("records")
    }
    rows: list[dict[str, Any]] = []
    for first, second in combinations(sorted(groups), 2):
        rows += _pair(first, second, groups, names, min_shared)
    _number_sets(rows)
    keys = ["study_accession", "panel_id", "metacluster", "other_study_accession", "other_panel_id"]
    return tables.conform(pd.DataFrame(rows).sort_values(keys, ignore_index=True), tables.MATCHES)


def _check_once(frame: "pd.DataFrame", key: list[str], name: str) -> None:
    twice = frame.duplicated(key)
    if bool(twice.any()):
        row = frame.loc[twice].iloc[0]
        of = " ".join(filter(None, (str(row["study_accession"]), str(row["panel_id"])))) or "the model"
        msg = f"{name} holds metacluster {row['metacluster']} of {of} twice; give the tables of each model once"
        raise AnalysisError(msg)


def distances(a: Float64, b: Float64) -> Float64:
    """Root mean square difference of each row of `a` and each of `b`."""
    found: Float64 = np.sqrt(((a[:, None] - b) ** 2).mean(axis=2))
    return found


def scale_medians(medians: Float64) -> Float64:
    """Medians (metaclusters x markers) of one group from 0 to 1 per marker, flat markers not stretched."""
    low = medians.min(axis=0)
    span = medians.max(axis=0) - low
    least = LEAST_RANGE * float(span.max(initial=0.0))
    scaled: Float64 = (medians - low) / np.where(np.maximum(span, least) > 0, np.maximum(span, least), 1.0)
    return scaled


def _groups(clusters: "pd.DataFrame", medians: "pd.DataFrame", scale: str) -> dict[Group, "pd.DataFrame"]:
    """Medians, metaclusters x markers, of each group."""
    import pandas as pd

    found = {}
    for (study, panel_id), rows in clusters.groupby(["study_accession", "panel_id"]):
        own = medians[(medians["study_accession"] == study) & (medians["panel_id"] == panel_id)]
        table = own.pivot_table(index="metacluster", columns="marker", values="median", sort=True)
        table = table.reindex([int(number) for number in sorted(rows["metacluster"])]).dropna(axis=1)
        if not len(table.columns):
            msg = f"cluster_medians.tsv has no medians of {study} {panel_id}; give the tables of the same models"
            raise AnalysisError(msg)
        values = table.to_numpy(float)
        found[str(study), str(panel_id)] = pd.DataFrame(
            scale_medians(values) if scale == "range" else values, index=table.index, columns=table.columns
        )
    return found


def _pair(
    first: Group, second: Group, groups: dict[Group, "pd.DataFrame"], names: dict[tuple[str, str, int], str],
    min_shared: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows in both directions."""
    shared = [marker for marker in groups[first].columns if marker in groups[second].columns]
    enough = len(shared) >= min_shared
    apart = distances(groups[first][shared].to_numpy(), groups[second][shared].to_numpy()) if enough else None
    rows = []
    for one, other, table in ((first, second, apart), (second, first, None if apart is None else apart.T)):
        for position, number in enumerate(groups[one].index):
            row: dict[str, Any] = {
                "study_accession": one[0],
                "panel_id": one[1],
                "metacluster": int(number),
                "population": names.get((*one, int(number)), ""),
                "other_study_accession": other[0],
                "other_panel_id": other[1],
                "n_shared_markers": len(shared),
                "shared_markers": ";".join(shared),
                "mutual_best": False,
            }
            if table is not None:
                order = np.argsort(table[position], kind="stable")
                nearest = int(order[0])
                best = int(groups[other].index[nearest])
                row |= {
                    "other_metacluster": best,
                    "other_population": names.get((*other, best), ""),
                    "distance": float(table[position, nearest]),
                    "second_distance": float(table[position, order[1]]) if len(order) > 1 else np.nan,
                    "mutual_best": int(np.argsort(table[:, nearest], kind="stable")[0]) == position,
                }
            rows.append(row)
    return rows


def _number_sets(rows: list[dict[str, Any]]) -> None:
    """Number the sets of metaclusters that mutual best matches join, nearest first, never two of one group in a set."""
    member: dict[tuple[str, str, int], int] = {}
    sets: dict[int, set[tuple[str, str, int]]] = {}
    mutual = [row for row in rows if row["mutual_best"]]
    for row in sorted(mutual, key=lambda row: (row["distance"], *_ends(row))):
        ends = _ends(row)
        for end in ends:
            if end not in member:
                member[end] = len(sets)
                sets[len(sets)] = {end}
        a, b = (member[end] for end in ends)
        together = sets[a] | sets[b]
        if a != b and len({end[:2] for end in together}) == len(together):
            for end in sets[b]:
                member[end] = a
            sets[a], sets[b] = together, set()
    order = sorted((min(some), number) for number, some in sets.items() if len(some) > 1)
    final = {number: position for position, (_, number) in enumerate(order, start=1)}
    for row in rows:
        row["match"] = final.get(member.get((row["study_accession"], row["panel_id"], row["metacluster"]), -1))


def _ends(row: dict[str, Any]) -> list[tuple[str, str, int]]:
    return sorted(
        [
            (row["study_accession"], row["panel_id"], row["metacluster"]),
            (row["other_study_accession"], row["other_panel_id"], row["other_metacluster"]),
        ]
    )
