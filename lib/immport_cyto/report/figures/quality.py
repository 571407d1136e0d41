"""Where the events of each file went."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import MUTED, PALETTE, file_label, label, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

REASONS = (
    ("n_events_out", "kept", PALETTE[0]),
    ("n_debris", "debris", PALETTE[4]),
    ("n_doublet", "doublets", PALETTE[3]),
    ("n_dead", "dead", PALETTE[6]),
    ("n_bead", "beads", PALETTE[5]),
    ("n_margin", "margin", PALETTE[1]),
    ("n_time", "unstable time", PALETTE[2]),
    ("n_nonfinite", "not finite", "#7f3f98"),
    ("n_unsampled", "not sampled", "#d0d5da"),
)
_MOST_FILES = 80


def qc_bars(qc: "pd.DataFrame", samples: "pd.DataFrame | None" = None) -> "Figure":
    """Share of events kept and dropped, one bar per file; per study where there are more than 80 files.

    Parameters
    ----------
    qc
        Table ``qc.tsv``.
    samples
        Table ``samples.tsv``; orders the files by study.
    """
    import numpy as np
    import pandas as pd

    frame = qc.copy()
    studies = dict(zip(samples["file_name"], samples["study_accession"], strict=True)) if samples is not None else {}
    frame["study"] = [studies.get(name, "") for name in frame["file_name"]]
    frame = frame.sort_values(["study", "file_name"], ignore_index=True)
    columns = [column for column, *_ in REASONS]
    if len(frame) > _MOST_FILES:
        frame = frame.groupby("study", as_index=False)[[*columns, "n_events_in"]].sum()
        names = [label(name or "all files", 40) for name in frame["study"]]
    else:
        names = [file_label(name, 40) for name in frame["file_name"]]
    total = np.maximum(pd.to_numeric(frame["n_events_in"]).to_numpy(dtype=float), 1)
    left = np.zeros(len(frame))
    with style():
        figure = new_figure(8, 1.2 + 0.19 * max(len(frame), 3))
        axes = figure.add_subplot()
        for column, reason, colour in REASONS:
            share = pd.to_numeric(frame[column]).to_numpy(dtype=float) / total * 100
            if not share.any():
                continue
            axes.barh(range(len(frame)), share, left=left, color=colour, label=reason, height=0.78)
            left += share
        axes.set_yticks(range(len(frame)), names, fontsize=7)
        axes.set_ylim(len(frame) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("percent of the events in the file")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=5, frameon=False, fontsize=8, labelcolor=MUTED)
    return figure
