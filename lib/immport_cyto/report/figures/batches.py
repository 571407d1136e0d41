"""Batches before and after their shifts were taken out."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import GRID, MUTED, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 24


def batch_shifts(populations: "pd.DataFrame", samples: "pd.DataFrame", batch: str, study: str) -> "Figure":
    """Mean of each batch in each population, before and after adjustment, in standard deviations of the population.

    Parameters
    ----------
    populations
        A ``populations.tsv`` that `immport_cyto.meta.adjust` made: `fraction_reported` is before, `fraction` after.
    samples
        Table ``samples.tsv``.
    batch
        Its column that names the batches.
    study
        Study to show; empty for all.
    """
    rows = populations[populations["study_accession"] == study] if study else populations
    rows = rows.merge(samples[["file_name", batch]] if batch not in rows.columns else samples[["file_name"]],
                      on="file_name", how="left")  # fmt: skip
    rows = rows[rows[batch].notna() & (rows[batch].astype(str) != "")]
    names = sorted(rows["population"].unique())
    batches = sorted(rows[batch].astype(str).unique())
    before = {name: _means(rows[rows["population"] == name], "fraction_reported", batch, batches) for name in names}
    after = {name: _means(rows[rows["population"] == name], "fraction", batch, batches) for name in names}
    # those that were shifted most, the most at the top
    names = sorted(names, key=lambda name: (-_reach(before[name]), name))[:_MOST]
    with style():
        figure = new_figure(7.6, 1.5 + 0.24 * max(len(names), 3))
        plots = figure.subplots(1, 2, sharey=True, sharex=True)
        for axes, found, title in zip(plots, (before, after), ("before", "after"), strict=True):
            _dots(axes, [found[name] for name in names], batches)
            axes.set_title(title)
            axes.set_xlabel("mean of the batch (standard deviations)")
        plots[0].set_yticks(range(len(names)), [label(name, 36) for name in names])
        plots[0].set_ylim(max(len(names), 1) - 0.4, -0.6)
        if len(batches) <= 12:
            shown = plots[0].collections[: len(batches)]
            figure.legend(
                shown, [label(name, 16) for name in batches], loc="outside lower center",
                ncols=min(len(batches), 6), frameon=False, fontsize=7,
            )  # fmt: skip
    return figure


def _means(rows: "pd.DataFrame", column: str, batch: str, batches: list[str]) -> list[float]:
    import numpy as np

    share = np.clip(rows[column].to_numpy(dtype=float), 1e-6, 1 - 1e-6)
    value = np.log(share / (1 - share))
    known = np.isfinite(value)
    spread = float(value[known].std()) if known.any() else 0.0
    if spread == 0:
        return [float("nan")] * len(batches)
    value = (value - value[known].mean()) / spread
    member = rows[batch].astype(str).to_numpy()
    parts = [value[known & (member == name)] for name in batches]
    return [float(part.mean()) if len(part) else float("nan") for part in parts]


def _reach(means: list[float]) -> float:
    known = [value for value in means if value == value]
    return max(known) - min(known) if known else 0.0


def _dots(axes: "Axes", found: list[list[float]], batches: list[str]) -> None:
    colours = [colour for colour in PALETTE if colour != "#000000"]
    for i, _ in enumerate(batches):
        axes.scatter([means[i] for means in found], range(len(found)), s=22, color=colours[i % len(colours)],
                     alpha=0.85, linewidths=0, zorder=3)  # fmt: skip
    axes.axvline(0, color=MUTED, linewidth=0.9)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_axisbelow(True)
