"""MetaCyto's overviews: which files make a panel, which markers are in which panel, which label is in which study."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.metacyto.preprocessing import marker_names, panel_key
from immport_cyto.metacyto.statistics import FRACTION

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ID = "SAMPLE_ID"


def fcs_info(files: Mapping[str, Path], study: str, assay: str) -> "pd.DataFrame":
    """MetaCyto's ``fcsInfoParser``: the panel of each file, numbered by first appearance.

    Parameters
    ----------
    files
        Name of the file as it shall stand in the table, and its path, in order.
    study
        Name of the study, which is that of its folder in MetaCyto.
    assay
        ``FCM`` or ``CyTOF``.

    Returns
    -------
    DataFrame
        Columns fcs_files and study_id, such as SDY736_FCM-1.
    """
    import pandas as pd

    from immport_cyto import fcs

    numbers: dict[str, int] = {}
    rows = []
    for name, path in files.items():
        number = numbers.setdefault(panel_key(fcs.open(path)), len(numbers) + 1)
        rows.append({"fcs_files": name, "study_id": f"{study}_{assay}-{number}"})
    return pd.DataFrame(rows, columns=["fcs_files", "study_id"])


def sample_summary(info: "pd.DataFrame", files: Mapping[str, Path]) -> "pd.DataFrame":
    """MetaCyto's ``processed_sample_summary.csv``: the markers of each preprocessed file, joined by ``|``.

    Parameters
    ----------
    info
        Columns fcs_files and study_id.
    files
        Preprocessed file of each of fcs_files.
    """
    import pandas as pd

    from immport_cyto import fcs

    rows = []
    for name, study in zip(info["fcs_files"], info["study_id"], strict=True):
        markers = "|".join([*marker_names(fcs.open(files[name])), SAMPLE_ID])
        rows.append({
            "fcs_names": name.rpartition("/")[2], "fcs_files": name, "study_id": study, "antibodies": markers,
        })  # fmt: skip
    return pd.DataFrame(rows)


def panel_summary(summary: "pd.DataFrame") -> "pd.DataFrame":
    """MetaCyto's ``panelSummary``: 1 where a panel has a marker; markers and panels in alphabetical order."""
    import pandas as pd

    panels = summary.drop_duplicates("study_id").set_index("study_id")["antibodies"].str.split("|")
    markers = sorted({marker for names in panels for marker in names})
    return pd.DataFrame(
        {study: [int(marker in panels[study]) for marker in markers] for study in sorted(panels.index)}, index=markers
    )


def label_summary(values: "pd.DataFrame", min_studies: int = 2) -> "pd.DataFrame":
    """MetaCyto's ``labelSummary``: studies and samples of each label and parameter that enough studies have.

    Parameters
    ----------
    values
        MetaCyto's long table: study_id, fcs_files, label, parameter_name, one row per file.
    min_studies
        Fewest studies of a label and parameter.
    """
    import pandas as pd

    rows = []
    for label, of_label in values.groupby("label", sort=False):
        for parameter, part in of_label.groupby("parameter_name", sort=False):
            studies = list(dict.fromkeys(part["study_id"]))
            if len(studies) >= min_studies:
                rows.append({
                    "label": label, "parameter_name": parameter, "number_of_study": len(studies),
                    "sample_size": len(part), "studies": "|".join(studies),
                })  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "parameter_name", "number_of_study", "sample_size", "studies"])


def long_table(populations: "pd.DataFrame", medians: "pd.DataFrame") -> "pd.DataFrame":
    """MetaCyto's ``collectData``: medians and fractions of earlier runs, one row per value.

    Parameters
    ----------
    populations, medians
        As `immport_cyto.metacyto.read_cluster_stats` gives them.
    """
    import pandas as pd

    key = ["file_name", "method", "population"]
    names = {"panel_id": "study_id", "population": "label"}
    columns = [*key, "panel_id"]
    both = pd.concat([
        medians.merge(populations[columns], on=key).rename(columns={"marker": "parameter_name", "median": "value"}),
        populations[[*columns, "fraction"]].rename(columns={"fraction": "value"}).assign(parameter_name=FRACTION),
    ])  # fmt: skip
    return both.rename(columns=names)[["study_id", "file_name", "label", "parameter_name", "value"]]
