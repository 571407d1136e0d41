"""Which cut-offs belong to which file of a figure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Lines:
    """Cut-offs, and the panel and study of each file; `studies` is None where they are not known."""

    path: Path
    table: "pd.DataFrame"
    panels: Mapping[str, str]
    studies: Mapping[str, str] | None

    @classmethod
    def read(cls, path: Path | None, files: Mapping[str, Path], samples: "pd.DataFrame | None") -> "Lines | None":
        """From cutoffs.tsv; None without one."""
        from immport_cyto import fcs, tables
        from immport_cyto.report.figures.cutoffs import numeric

        if path is None:
            return None
        panels = {}
        for name, place in files.items():
            with fcs.open(place) as source:
                panels[name] = source.keywords.get("ICYTO_PANEL", "").strip()
        studies = None if samples is None else {name: str(samples["study_accession"][name]) for name in files}
        return cls(path, numeric(tables.read(path, tables.CUTOFFS)), panels, studies)

    def of(self, marker: str, names: Iterable[str]) -> list[float]:
        """Cut-offs of a marker for files, first and second ones, ascending.

        Raises
        ------
        OptionError
            They are of several studies, and the study of a file is not known.
        """
        own = self.table[self.table["marker"] == marker]
        found: set[float] = set()
        for panel_id, study in sorted({(self.panels[name], (self.studies or {}).get(name, "")) for name in names}):
            rows = own[own["panel_id"].isin([panel_id, ""])]
            if self.studies is not None:
                of_study = rows[rows["study_accession"] == study]
                rows = of_study if len(of_study) else rows[rows["study_accession"] == ""]
            elif len(rows) > 1:
                msg = f"{self.path}: has cut-offs of {marker} of several studies; give --samples, too"
                raise OptionError(msg)
            for column in ("cutoff", "cutoff_high"):
                found |= {float(cut) for cut in rows.get(column, ()) if cut == cut}
        return sorted(found)

    def of_curves(self, curves: "pd.DataFrame", titles: Mapping[str, str]) -> "pd.DataFrame":
        """Cut-offs of each curve: columns ``marker, curve, cutoff``; `titles` says which curve a file is in."""
        import pandas as pd

        rows = [
            {"marker": marker, "curve": title, "cutoff": cut}
            for marker, title in curves[["marker", "curve"]].drop_duplicates().itertuples(index=False, name=None)
            for cut in self.of(marker, [name for name, of in titles.items() if of == title])
        ]
        return pd.DataFrame(rows, columns=["marker", "curve", "cutoff"])
