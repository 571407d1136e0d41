"""Populations of a FLOCK model joined: by groups of their numbers, or by their profiles."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.flock.centres import joined
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.cluster.flock.outputs import SIGNS
from immport_cyto.exceptions import OptionError, PanelError

if TYPE_CHECKING:
    import pandas as pd

OF_MEDIANS = "centres of merged populations are means of their medians, weighted by events"
EACH_LEVEL = "-/lo/+/++"


def join(model: FLOCK, new_number: NDArray[np.int32], how: str) -> FLOCK:
    """A model whose populations are those of `model` under new numbers; equal numbers are one population.

    Events get the new number of the population that they had, all of them. Counts and profiles are those of the joined
    events; so are means and geometric means, medians are weighted means of the medians.

    Parameters
    ----------
    model
        It is not changed.
    new_number
        Of each population, from 1 without gaps.
    how
        For the warnings of the model, such as "by a table".
    """
    k = model.n_populations_
    n = int(new_number.max())
    parts = [np.flatnonzero(new_number == number) for number in range(1, n + 1)]
    of_old = np.concatenate([[0], new_number]).astype(np.int32)  # part 0 holds no event
    merged = copy.copy(model)
    merged.rule_ = model.rule_.renumbered(of_old)
    merged.n_populations_ = n
    merged.counts_ = np.array([model.counts_[part].sum() for part in parts])
    merged.intervals_ = np.stack([model.intervals_[part].sum(axis=0) for part in parts])
    merged.centers_ = np.stack([joined(model.centers_[part], model.counts_[part], model.center) for part in parts])
    if hasattr(model, "labels_"):
        merged.labels_ = of_old[model.labels_]
    said = [f"{k} populations were merged {how} into {n}"]
    if n < k and model.center == "median":
        said.append(OF_MEDIANS)
    merged.warnings_ = [*model.warnings_, *said]
    return merged


def by_profile(model: FLOCK, markers: Sequence[str] | None = None, levels: str = EACH_LEVEL) -> "pd.DataFrame":
    """Which populations have equal profiles, as a table for `immport_cyto.cluster.merge`.

    Parameters
    ----------
    model
        A trained model.
    markers
        Markers of the profile that count, in any spelling; default all.
    levels
        Levels that count as one, joined by commas, between slashes: ``-,lo/+,++`` takes - for lo and + for ++.

    Returns
    -------
    pandas.DataFrame
        ``tables.MERGES`` with the profile as label and as name, such as ``CD3+ CD4-``.

    Raises
    ------
    PanelError
        The model does not have a marker.
    OptionError
        The levels are not grouped in their order, or all are one; or there are no markers.
    """
    import pandas as pd

    from immport_cyto import tables

    columns = _columns(model, markers)
    sign = _signs(levels)
    keys = [
        " ".join(f"{model.markers[column]}{sign[row[column] - 1]}" for column in columns)
        for row in model.profile_.tolist()
    ]
    frame = {
        "study_accession": model.study_accession,
        "panel_id": model.panel_id,
        "metacluster": np.arange(1, model.n_populations_ + 1),
        "population": keys,
        "merge": keys,
    }
    return tables.conform(pd.DataFrame(frame), tables.MERGES)


def _columns(model: FLOCK, markers: Sequence[str] | None) -> list[int]:
    if markers is None:
        return list(range(len(model.markers)))
    from immport_cyto import panel

    found = []
    for name in markers:
        known = name if name in model.markers else panel.resolve(name, dict.fromkeys(model.markers, 0))
        if known is None:
            msg = f"marker {name} is not in the model (it has {', '.join(model.markers)}); take markers of the model"
            raise PanelError(msg)
        found.append(model.markers.index(known))
    if not found:
        msg = "there are no markers to compare profiles by; name at least one"
        raise OptionError(msg)
    return list(dict.fromkeys(found))


def _signs(levels: str) -> list[str]:
    """How each level is written where those of a group are one."""
    groups = [[sign.strip() for sign in group.split(",")] for group in levels.split("/")]
    if [sign for group in groups for sign in group] != list(SIGNS) or len(groups) < 2:
        msg = (
            f"levels {levels!r} are not -, lo, + and ++ in this order in two groups or more; put a comma between "
            "levels that are one and a slash between the others, such as -,lo/+,++"
        )
        raise OptionError(msg)
    return [next((sign for sign in ("-", "+") if sign in group), group[0]) for group in groups for _ in group]
