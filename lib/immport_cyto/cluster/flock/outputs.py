"""Tables of FLOCK: profiles of the populations, their counts and medians per file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto import tables
from immport_cyto.cluster.flock.checks import check_finite
from immport_cyto.cluster.flock.files import Centres, LabelledFile
from immport_cyto.cluster.flock.inputs import POPULATION_CHANNEL, read_header, read_numbers
from immport_cyto.cluster.flock.model import FLOCK
from immport_cyto.exceptions import TableError

if TYPE_CHECKING:
    import pandas as pd

SIGNS = ("-", "lo", "+", "++")
"""Levels 1 to 4 as a definition writes them."""
_MINUS, _PLUS = 1, 3
METHOD = "flock"
MOST_NUMBER = 1_000_000

PROFILES = tables.Table(
    "flock_profiles.tsv",
    "one row per population and marker, of the training of a FLOCK model or of a file that was mapped",
    (
        tables.Column("study_accession", "text", "ImmPort study, SDYn"),
        tables.Column("panel_id", "text", "panel of the model's files"),
        tables.Column("file_name", "text", "file that the row describes; empty for the training"),
        tables.Column("population", "int", "number from 1"),
        tables.Column("phenotype", "text", "levels of all markers, such as CD3+ CD4++ CD8- CD19lo"),
        tables.Column("n_events", "int", "events in the population"),
        tables.Column("percentage", "float", "share of the events in percent"),
        tables.Column("marker", "text", "marker name"),
        tables.Column("level", "int", "1 (-), 2 (lo), 3 (+) or 4 (++)"),
        tables.Column("center", "float", "mean of the events, or the centre asked for; empty without events", False),
    ),
    ("study_accession", "panel_id", "file_name", "population", "marker"),
)


def phenotype(markers: Sequence[str], levels: Sequence[int]) -> str:
    """Profile as a definition, such as ``CD3+ CD4++ CD8- CD19lo``."""
    return " ".join(f"{marker}{SIGNS[level - 1]}" for marker, level in zip(markers, levels, strict=True))


def population_name(model: FLOCK | Centres, number: int) -> str:
    """Name of a population: of models of several groups the names differ."""
    group = f"{model.study_accession} {model.panel_id}".strip() if isinstance(model, FLOCK) else ""
    return f"FLOCK {number} of {group}" if group else f"FLOCK {number}"


def training_profiles(model: FLOCK) -> "pd.DataFrame":
    """`PROFILES` of a model over its training events."""
    ids = np.arange(1, model.n_populations_ + 1)
    return _profiles(model, "", ids, model.counts_, model.profile_, model.centers_)


def file_profiles(model: FLOCK | Centres, name: str, found: LabelledFile) -> "pd.DataFrame":
    """`PROFILES` of one file."""
    return _profiles(model, name, found.ids, found.counts, found.profile, found.centers)


def counts(model: FLOCK | Centres, name: str, found: LabelledFile) -> "pd.DataFrame":
    """``tables.COUNTS`` of one file, with the number of each population and its percentage as more columns.

    The definition is what the profile of the model's training says clearly; of centres, that of the file.
    """
    import pandas as pd

    levels = model.profile_ if isinstance(model, FLOCK) else found.profile
    frame = pd.DataFrame(
        {
            "file_name": name,
            "panel_id": _group(model)[1],
            "method": METHOD,
            "population": [population_name(model, number) for number in found.ids],
            "definition": [clear_phenotype(model.markers, [row]) for row in levels.tolist()],
            "n_events": found.counts,
            "n_parent": found.n_events,
            "number": found.ids,
            "percentage": _percentages(found.counts),
        }
    )
    return tables.conform(frame, tables.COUNTS)


def clear_phenotype(markers: Sequence[str], parts: Sequence[Sequence[int]]) -> str:
    """What profiles say together: the markers that are - in all, ++ in all, or + or ++.

    A marker that is lo is left out: the second quarter of the range holds dim cells of one marker and negative ones of
    another.
    """
    clear = []
    for marker, levels in zip(markers, zip(*parts, strict=True), strict=True):
        if max(levels) == _MINUS or min(levels) >= _PLUS:
            clear.append(f"{marker}{SIGNS[min(levels) - 1]}")
    return " ".join(clear)


def clusters(model: FLOCK, n_events: NDArray[np.int64]) -> "pd.DataFrame":
    """``tables.CLUSTERS`` of a model, so that its populations are named, counted and extracted as metaclusters are.

    The phenotype is what the profile says clearly. One more column, ``channel``, says where the files hold the numbers.

    Parameters
    ----------
    model
        The model.
    n_events
        Events in each population.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {
            "study_accession": model.study_accession,
            "panel_id": model.panel_id,
            "metacluster": np.arange(1, model.n_populations_ + 1),
            "n_nodes": np.bincount(model.rule_.population, minlength=model.n_populations_ + 1)[1:],
            "n_events": n_events,
            "fraction": n_events / max(int(n_events.sum()), 1),
            "phenotype": [clear_phenotype(model.markers, [levels]) for levels in model.profile_.tolist()],
            "channel": POPULATION_CHANNEL,
        }
    )
    return tables.conform(frame, tables.CLUSTERS)


def medians(model: FLOCK | Centres, name: str, found: LabelledFile) -> "pd.DataFrame":
    """``tables.MEDIANS`` of the markers of the model in one file."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "file_name": name,
            "method": METHOD,
            "population": np.repeat([population_name(model, number) for number in found.ids], len(model.markers)),
            "marker": model.markers * len(found.ids),
            "median": found.medians.ravel(),
        }
    )
    return tables.conform(frame, tables.MEDIANS)


def read_centres(path: Path) -> Centres:
    """Centres of known populations from a table.

    Either their numbers in the first column, then a column per marker; or `PROFILES` of one model or file.

    Raises
    ------
    TableError
        The table cannot be read, or a number of a population is not a whole number from 1 on, or comes twice; or
        the profiles are of several models or files.
    """
    columns = read_header(path)
    if {"population", "marker", "center"} <= set(columns):
        return _centres_of_profiles(path)
    names, values = read_numbers(path)
    if len(names) < 2 or not len(values):
        msg = f"{path}: there are no centres; give a row per population: its number, then the centre in each marker"
        raise TableError(msg)
    ids = values[:, 0].astype(np.int64)
    if (ids != values[:, 0]).any() or ids.min() < 1 or ids.max() > MOST_NUMBER or len(np.unique(ids)) < len(ids):
        msg = (
            f"{path}: column {names[0]!r} has to number the populations by different whole numbers from 1 to "
            f"{MOST_NUMBER}; correct it"
        )
        raise TableError(msg)
    check_finite(values[:, 1:], names[1:], str(path))
    return Centres(names[1:], ids, np.ascontiguousarray(values[:, 1:]))


def _centres_of_profiles(path: Path) -> Centres:
    frame = tables.read(path, PROFILES)
    groups = list(
        dict.fromkeys(zip(*(frame[name] for name in ("study_accession", "panel_id", "file_name")), strict=True))
    )
    if len(groups) != 1:
        named = "; ".join(" ".join(word for word in group if word) or "no name" for group in groups[:3])
        more = "; ..." if len(groups) > 3 else ""
        msg = f"{path}: has the populations of {len(groups)} models or files ({named}{more}); keep the rows of one"
        raise TableError(msg)
    frame = frame[frame["center"].notna()]
    if frame.duplicated(["population", "marker"]).any():
        row = frame[frame.duplicated(["population", "marker"])].iloc[0]
        msg = f"{path}: population {row['population']} has two rows for marker {row['marker']}; keep one"
        raise TableError(msg)
    table = frame.pivot_table("center", "population", "marker", sort=False).reindex(columns=frame["marker"].unique())
    if table.empty or table.isna().to_numpy().any():
        msg = f"{path}: a population lacks the centre of a marker; give each population a row for each marker"
        raise TableError(msg)
    values = table.to_numpy(dtype=np.float64)
    check_finite(values, list(table.columns), str(path))
    return Centres(list(table.columns), table.index.to_numpy(dtype=np.int64), np.ascontiguousarray(values))


def _profiles(
    model: FLOCK | Centres, name: str, ids: NDArray[np.int64], n_events: NDArray[np.int64],
    levels: NDArray[np.int32], centers: NDArray[np.float64],
) -> "pd.DataFrame":  # fmt: skip
    import pandas as pd

    d = len(model.markers)
    study, panel_id = _group(model)
    frame = pd.DataFrame(
        {
            "study_accession": study,
            "panel_id": panel_id,
            "file_name": name,
            "population": np.repeat(ids, d),
            "phenotype": np.repeat([phenotype(model.markers, row) for row in levels.tolist()], d),
            "n_events": np.repeat(n_events, d),
            "percentage": np.repeat(_percentages(n_events), d),
            "marker": model.markers * len(ids),
            "level": levels.ravel(),
            "center": centers.ravel(),
        }
    )
    return tables.conform(frame, PROFILES)


def _group(model: FLOCK | Centres) -> tuple[str, str]:
    return (model.study_accession, model.panel_id) if isinstance(model, FLOCK) else ("", "")


def _percentages(n_events: NDArray[np.int64]) -> NDArray[np.float64]:
    return 100.0 * n_events / max(int(n_events.sum()), 1)
