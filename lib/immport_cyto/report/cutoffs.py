"""The section on cut-offs: densities with their cuts, and whether studies and panels could share them."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from immport_cyto.report.section import Drawing, Section

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 12
_TECHNIQUES = {"flow": "flow cytometry", "cytof": "mass cytometry"}


def cutoffs(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    """Cut-offs of the markers of each study and panel; panels of one technique are compared."""
    from immport_cyto.report import figures
    from immport_cyto.report.figures.cutoffs import numeric
    from immport_cyto.report.page import sheet

    table, densities = frames.get("cutoffs"), frames.get("densities")
    if table is None:
        return None
    table = numeric(table)
    section = Section(
        "cutoffs", "Cut-offs", intro="The value above which an event is positive, per marker, study and panel."
    )
    for technique, rows in _by_technique(table):
        name = _TECHNIQUES.get(technique, technique) or "all panels"
        if densities is not None:
            groups = set(rows[["study_accession", "panel_id"]].itertuples(index=False, name=None))
            keys = densities[["study_accession", "panel_id"]].itertuples(index=False, name=None)
            curves = densities[[key in groups for key in keys]]
            if len(curves):
                of = "1 panel" if len(groups) == 1 else f"{len(groups)} panels"
                cut = int(rows["cutoff"].notna().sum())
                section.pictures.append(
                    Drawing(
                        partial(figures.cutoff_densities, curves, rows),
                        f"Densities of the markers of {of}, {name}; {cut} of {len(rows)} have a cut-off.",
                        f"Densities and cut-offs, {name}",
                    )
                )
        shared = rows[rows["cutoff"].notna()].groupby("marker").size()
        if bool((shared > 1).any()):
            apart = _apart(rows)
            section.notes += apart[:_LISTED]
            if len(apart) > _LISTED:
                section.notes.append(f"{len(apart) - _LISTED} more cut-offs could not be shared: see the figure.")
            section.pictures.append(
                Drawing(
                    partial(figures.cutoff_drift, rows),
                    f"Cut-offs of {int((shared > 1).sum())} markers over studies and panels, {name}; "
                    f"{len(apart)} lie outside the negative and positive events of another panel.",
                    f"Cut-offs over studies and panels, {name}",
                )
            )
    section.sheets.append(sheet(table, "cutoffs.tsv", "Cut-offs between negative and positive"))
    return section


def _by_technique(table: "pd.DataFrame") -> list[tuple[str, "pd.DataFrame"]]:
    """Rows of each technique, which is the first word of the panel."""
    technique = table["panel_id"].astype(str).str.split("-").str[0]
    technique = technique.where(technique.isin(list(_TECHNIQUES)), "")
    return [(str(name), table[technique == name]) for name in sorted(set(technique), reverse=True)]


def _apart(rows: "pd.DataFrame") -> list[str]:
    """Cut-offs that do not lie between the negative and the positive events of another panel."""
    if "median_negative" not in rows or "median_positive" not in rows:
        return []
    found = []
    known = rows[rows["cutoff"].notna() & rows["median_negative"].notna() & rows["median_positive"].notna()]
    for marker, part in known.sort_values(["study_accession", "panel_id"]).groupby("marker", sort=True):
        for row in part.itertuples():
            outside = part[(part["median_negative"] > row.cutoff) | (part["median_positive"] < row.cutoff)]
            if len(outside):
                others = ", ".join(
                    f"{study} {panel}".strip()
                    for study, panel in zip(outside["study_accession"], outside["panel_id"], strict=True)
                )
                found.append(
                    f"{marker}: the cut-off {row.cutoff:.3g} of {row.study_accession} {row.panel_id} does not part the "
                    f"negative from the positive events of {others}; look at both, or set it by hand."
                )
    return found
