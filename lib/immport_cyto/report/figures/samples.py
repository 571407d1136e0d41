"""Populations of samples: fractions by group or against a number, and all of them as a heat map."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._style import GRID, MUTED, PALETTE, file_label, label, new_figure, style, term_label
from immport_cyto.report.figures._tree import colours
from immport_cyto.report.figures.clusters import draw_dendrogram, leaves, linkage_of
from immport_cyto.report.figures.effects import amounts_of, draw_boxes, draw_points

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FILES, _NAMED_FILES, _POPULATIONS, _GROUPS = 400, 60, 80, 12
_LIMIT = 2.5  # standard deviations


def abundances(
    populations: "pd.DataFrame", samples: "pd.DataFrame", names: Sequence[str], covariate: str, *, median_of: str = ""
) -> "Figure":
    """Fractions of populations by group, or against a number: a row of panels per population, a column per study.

    Parameters
    ----------
    populations
        Table ``populations.tsv``, rows of one method.
    samples
        Table ``samples.tsv``; holds `covariate`.
    names
        Populations, one row of panels each.
    covariate
        Column; a numeric one gives points with a least-squares line on the logit scale, any other box plots.
    median_of
        A marker: its median, in a column ``median`` of `populations`, is shown instead of the fraction.
    """
    import pandas as pd

    joined = populations[populations["population"].isin(list(names))].merge(
        samples[["file_name", covariate]], on="file_name", how="left"
    )
    studies = sorted(joined["study_accession"].unique())
    numeric = bool(pd.api.types.is_numeric_dtype(joined[covariate].dtype))
    shades = [colour for colour in PALETTE if colour != "#000000"]
    with style():
        figure = new_figure(max(3.6, 2.6 * max(len(studies), 1) + 0.4), 2.0 * max(len(names), 1) + 0.4)
        grid = figure.subplots(max(len(names), 1), max(len(studies), 1), squeeze=False, sharey="row")
        for row, name in enumerate(names):
            rows = joined[joined["population"] == name]
            values = None if median_of else amounts_of(rows)
            share = rows["median"] if median_of else rows["fraction"] * 100
            shown = rows.assign(shown=share if values is None else values.where(values > 0))
            scale = "linear" if median_of else "percent" if values is None else "log"
            for column, study in enumerate(studies):
                axes = grid[row, column]
                part = shown[(shown["study_accession"] == study) & shown["shown"].notna()]
                colour = shades[column % len(shades)]
                if values is not None:
                    axes.set_yscale("log")
                if not len(part):
                    axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=MUTED, fontsize=8)
                    axes.set_xticks([])
                elif numeric:
                    draw_points(axes, part, covariate, colour, scale)
                else:
                    draw_boxes(axes, part, covariate, colour)
                axes.grid(axis="y", color=GRID, linewidth=0.6)
                axes.set_axisbelow(True)
                axes.tick_params(labelsize=7)
                if row == 0:
                    axes.set_title(label(study, 20))
                if row == len(names) - 1:
                    axes.set_xlabel(term_label(covariate))
            parent = next((str(p) for p in rows["parent"] if p), "")
            unit = f"% of {parent}" if parent else "% of all events"
            unit = f"median {median_of}" if median_of else unit
            unit = unit if values is None else "; ".join(sorted(set(rows["unit"]) - {""})) or "amount"
            grid[row, 0].set_ylabel(f"{label(name, 30)}\n{label(unit, 34)}", fontsize=7.5)
    return figure


def sample_heatmap(populations: "pd.DataFrame", samples: "pd.DataFrame | None" = None, group: str = "") -> "Figure":
    """Populations by samples: logits of the fractions, as standard deviations from the mean of the population.

    Rows and columns are ordered by average linkage; samples without a population are grey there.

    Parameters
    ----------
    populations
        Table ``populations.tsv``, rows of one method.
    samples
        Table ``samples.tsv``.
    group
        Its column that is shown as a coloured strip above the samples.
    """
    from matplotlib import colormaps

    table, left_out = _scaled(populations)
    values = table.to_numpy(float)
    filled = np.nan_to_num(values)
    tree = linkage_of(filled)
    rows, columns = leaves(tree, len(filled)), leaves(linkage_of(filled.T), filled.shape[1])
    files = [str(table.columns[i]) for i in columns]
    wide = len(files) <= _NAMED_FILES
    with style():
        figure = new_figure(3.6 + float(np.clip(0.17 * len(files), 2.2, 9)), 1.6 + 0.2 * max(len(rows), 4) +
                            (1.2 if wide else 0))  # fmt: skip
        shades = colormaps["PuOr_r"].with_extremes(bad="#d9dde1")
        strip = 1 if group and samples is not None else 0
        ratios = [0.5, max(float(np.clip(0.17 * len(files), 2.2, 9)), 1), 0.12]
        grid = figure.add_gridspec(1 + strip, 3, width_ratios=ratios,
                                   height_ratios=[0.25, max(0.2 * len(rows), 0.8)][1 - strip :])  # fmt: skip
        heat = figure.add_subplot(grid[strip, 1])
        image = heat.imshow(values[np.ix_(rows, columns)], aspect="auto", cmap=shades, vmin=-_LIMIT, vmax=_LIMIT,
                            interpolation="none")  # fmt: skip
        heat.set_yticks(range(len(rows)), [label(table.index[i], 34) for i in rows], fontsize=7)
        heat.yaxis.tick_right()
        if wide:
            heat.set_xticks(range(len(files)), [file_label(name, 26) for name in files], rotation=90, fontsize=6)
        else:
            heat.set_xticks([])
            heat.set_xlabel(f"{len(files)} samples")
        heat.tick_params(length=0)
        for side in heat.spines.values():
            side.set_visible(False)
        draw_dendrogram(figure.add_subplot(grid[strip, 0]), tree, len(rows))
        bar = figure.colorbar(image, cax=figure.add_subplot(grid[strip, 2]), extend="both")
        bar.set_label("standard deviations from the mean", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
        if strip and samples is not None:
            of = dict(zip(samples["file_name"], samples[group].astype(object), strict=True))
            _strip(figure, figure.add_subplot(grid[0, 1]), [of.get(name) for name in files], group)
        if left_out:
            figure.supxlabel(left_out, fontsize=7, color=MUTED, x=0.01, ha="left")
    return figure


def _scaled(populations: "pd.DataFrame") -> tuple["pd.DataFrame", str]:
    """Populations by files, scaled; and what is not shown. Zeros are half an event."""
    half = 0.5 / populations["n_parent"].astype(float).clip(lower=1)
    share = populations["fraction"].clip(lower=half, upper=1 - half)
    table = populations.assign(logit=np.log(share / (1 - share))).pivot_table(
        index="population", columns="file_name", values="logit", sort=True
    )
    n_files, n_rows = table.shape[1], table.shape[0]
    table = table.loc[sorted(table.index, key=lambda name: (-int(table.loc[name].notna().sum()), str(name)))]
    table = table.iloc[:_POPULATIONS, :_FILES]
    spread = table.std(axis=1, ddof=0)
    scaled = table.sub(table.mean(axis=1), axis=0).div(spread.where(spread > 0, 1.0), axis=0)
    missing = []
    if n_rows > _POPULATIONS:
        missing.append(f"{n_rows - _POPULATIONS} populations")
    if n_files > _FILES:
        missing.append(f"{n_files - _FILES} samples")
    return scaled, f"not shown: {' and '.join(missing)}" if missing else ""


def _strip(figure: "Figure", axes: "Axes", values: Sequence[object], group: str) -> None:
    """A row of colours above the samples, with its legend."""
    from matplotlib.patches import Patch

    texts = ["" if value is None or value != value else str(value) for value in values]
    numbers = [float(v) if isinstance(v, int | float) and v == v else float("nan") for v in values]
    known = sorted(set(texts) - {""})
    strip: NDArray[np.floating]
    if len(known) > _GROUPS and np.isfinite(numbers).any():
        image = axes.imshow([numbers], aspect="auto", cmap="viridis", interpolation="none")
        bar = figure.colorbar(image, ax=axes, location="top", shrink=0.4, aspect=25)
        bar.set_label(term_label(group), fontsize=8)
        bar.ax.tick_params(labelsize=7)
    else:
        shown = known[:_GROUPS]
        shade = dict(zip(shown, colours(range(1, len(shown) + 1)), strict=True))
        strip = np.array([[shade.get(text, (0.85, 0.87, 0.89)) for text in texts]])
        axes.imshow(strip, aspect="auto", interpolation="none")
        handles = [Patch(facecolor=colour, label=label(name, 24)) for name, colour in shade.items()]
        if len(known) > _GROUPS:
            handles.append(Patch(facecolor="white", label=f"and {len(known) - _GROUPS} more"))
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4), fontsize=7,
                      frameon=False, title=term_label(group), title_fontsize=8)  # fmt: skip
    axes.set_axis_off()
