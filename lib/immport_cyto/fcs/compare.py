"""The channels of many files side by side: their union, and how files differ in them."""

from typing import TYPE_CHECKING

from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

UNION = Table(
    "union.tsv",
    "one row per channel name ($PnN) over all readable files",
    (
        Column("fcs_colname", "text", "$PnN"),
        Column("n_files", "int", "files that have it"),
        Column("n_missing", "int", "readable files that lack it"),
        Column(
            "differences", "text", "what differs: missing, stain, position, range, log, gain, repeated; joined by ';'"
        ),
        Column("descriptions", "text", "all $PnS with the number of files, the most frequent first: CD4 (3), none (1)"),
        Column("ranges", "text", "all $PnR with the number of files", False),
        Column("positions", "text", "all n of $PnN with the number of files", False),
        Column("missing_from", "text", "the first three files that lack it, joined by ';'", False),
    ),
    ("fcs_colname",),
)

_SHOWN = 3


def compare(channels: "pd.DataFrame") -> "pd.DataFrame":
    """Union of the channels of files, and what differs between the files.

    Parameters
    ----------
    channels
        Table `CHANNELS` of `info`.

    Returns
    -------
    DataFrame
        Contract `UNION`: channels of all files first, in the order of the first file that has them.
    """
    import pandas as pd

    files = sorted(channels["file_name"].unique())
    rows = []
    for name, found in channels.groupby("fcs_colname", sort=False):
        having = set(found["file_name"])
        missing = [file for file in files if file not in having]
        # stains that differ only in case or blanks are one
        stains = found["description"].fillna("").str.strip().str.casefold()
        varying = {
            "missing": bool(missing),
            "stain": _varies(stains),
            "position": _varies(found["channel_number"]) and len(having) == len(found),
            "range": _varies(found["range"].fillna(0.0)),
            "log": _varies(found["log_decades"]),
            "gain": _varies(found["gain"].fillna(1.0)),
            "repeated": len(having) < len(found),
        }
        rows.append(
            {
                "fcs_colname": name,
                "n_files": len(having),
                "n_missing": len(missing),
                "differences": ";".join(code for code, differs in varying.items() if differs),
                "descriptions": _counted(found["description"].fillna("").replace("", "none")),
                "ranges": _counted(found["range"].map(lambda value: "none" if value != value else f"{value:.10g}")),
                "positions": _counted(found["channel_number"].astype(str)),
                "missing_from": ";".join(missing[:_SHOWN]) + (";..." if len(missing) > _SHOWN else ""),
            }
        )
    rows.sort(key=lambda row: -int(row["n_files"]))
    return conform(pd.DataFrame(rows, columns=UNION.column_names), UNION)


def _varies(values: "pd.Series") -> bool:
    return len(set(values)) > 1


def _counted(values: "pd.Series") -> str:
    counts = values.value_counts(sort=False)
    ordered = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    if len(ordered) == 1:
        return str(ordered[0][0])
    return ", ".join(f"{value} ({count})" for value, count in ordered)
