"""Which population each of some events is in, by definitions and cut-offs: for figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.population.definitions import check_markers, one_group, panel_cuts, wanted
from immport_cyto.population.searching import fit_all, levels_of, mask_of

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.population.definitions import Cuts
    from immport_cyto.population.fitting import Fitted


@dataclass(frozen=True)
class Marker:
    """Populations as one panel can answer them.

    Attributes
    ----------
    markers
        Channels that `mark` needs.
    notes
        What the panel cannot answer, or answers with other markers.
    cuts, found, numbers
        Cut-offs of the panel, the populations, and their numbers.
    """

    markers: tuple[str, ...]
    notes: tuple[str, ...]
    cuts: "Cuts"
    found: "tuple[Fitted, ...]"
    numbers: Mapping[str, int]

    def mark(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """Number of the population of each event (events x `markers`), from 1; 0 for none, the last of several."""
        columns = {marker: values[:, place] for place, marker in enumerate(self.markers)}
        levels = {marker: levels_of(column, *self.cuts[marker]) for marker, column in columns.items()}
        found = np.zeros(len(values), np.int64)
        for population in self.found:
            found[mask_of(levels, population.gates, len(values))] = self.numbers[population.population]
        return found


def marker(
    definitions: "pd.DataFrame", cutoffs: "pd.DataFrame", study_accession: str | None, panel_id: str | None
) -> Marker:
    """Fit DEFINITIONS to a study and panel of CUTOFFS; populations are numbered in the order of the table.

    Raises
    ------
    DefinitionError
        A definition cannot be read, asks for a marker that nobody knows, or there are no cut-offs of the panel.
    """
    from immport_cyto.panel.boolean import markers

    rows = one_group(cutoffs, study_accession, panel_id)
    cuts = panel_cuts(rows)
    entries = wanted(definitions)
    check_markers(entries, set(cutoffs["marker"]))
    label = " ".join(word for word in (study_accession or "", panel_id or "") if word)
    found, notes = fit_all(entries, cuts, label)
    needed = dict.fromkeys(name for population in found for name in markers(population.gates))
    numbers = {entry.population: number for number, entry in enumerate(entries, start=1)}
    return Marker(tuple(needed), tuple(notes), cuts, tuple(found), numbers)
