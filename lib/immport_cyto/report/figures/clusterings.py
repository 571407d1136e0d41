"""Clusterings over files: shares per sample, drift, two clusterings side by side, marker pairs, choice of k."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, file_label, label, new_figure, style
from immport_cyto.report.figures._tree import colours, ink_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FILES, _LABELS, _PANELS = 60, 40, 16
_LINE, _COLUMNS, _NAMED_COLUMNS = 0.155, 5, 1
"""Inches of a line of a legend, and how many columns it may have without and with names."""


def sample_abundances(abundances: "pd.DataFrame") -> "Figure":
    """Share of each metacluster in each file, as stacked bars; the metaclusters of most events first.

    Parameters
    ----------
    abundances
        Rows of ``abundances.tsv`` of level metacluster, of one study and panel.
    """
    table = abundances.pivot_table(index="file_name", columns="cluster", values="percentage", sort=True)
    names = {
        int(number): str(name) for number, name in zip(abundances["cluster"], abundances["population"], strict=True)
    }
    files, left_out = table.index[:_FILES], max(len(table) - _FILES, 0)
    shades = colours([int(number) for number in table.columns])
    with style():
        most = _NAMED_COLUMNS if any(names.values()) else _COLUMNS
        height = max(1.5 + 0.24 * max(len(files), 4), _LINE * (-(-len(names) // most) + 2))
        figure = new_figure(9.0, height)
        axes = figure.add_subplot()
        begin = np.zeros(len(files))
        for number, shade in zip(table.columns, shades, strict=True):
            share = table.loc[files, number].fillna(0).to_numpy(float)
            shown = f"{number}  {label(names[int(number)], 28)}".strip()
            axes.barh(range(len(files)), share, left=begin, color=shade, edgecolor="white", linewidth=0.4, label=shown)
            for row in np.flatnonzero(share >= 4):
                axes.text(
                    begin[row] + share[row] / 2, row, str(number), ha="center", va="center", fontsize=7,
                    color=ink_on(shade),
                )  # fmt: skip
            begin = begin + share
        axes.set_yticks(range(len(files)), [file_label(name) for name in files], fontsize=8)
        axes.set_ylim(len(files) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the events of the file" + (f"; {left_out} more files are not shown" if left_out else ""))
        axes.tick_params(length=0)
        handles, shown_as = axes.get_legend_handles_labels()
        fitting = int(height / _LINE) - 2
        figure.legend(
            handles, shown_as, loc="outside right upper", ncols=-(-len(handles) // fitting), fontsize=7, frameon=False,
            title="metacluster", title_fontsize=8, columnspacing=1.0,
        )  # fmt: skip
    return figure


def group_abundances(
    abundances: "pd.DataFrame", groups: Mapping[str, str], rows: "pd.DataFrame", *,
    subjects: Mapping[str, str] | None = None,
) -> "Figure":  # fmt: skip
    """Percentage of each cluster in each file, by group, with the median; those of smallest p value first.

    Parameters
    ----------
    abundances
        ABUNDANCES of one model.
    groups
        Group of each file; files without one are left out.
    rows
        Rows of ``comparison.tsv`` of one level, such as metacluster.
    subjects
        Of a paired comparison the subject of each file: a dot is then a subject (the mean of its samples in the group),
        and a line joins the dots of a subject. Left out are subjects that cannot be compared with themselves.
    """
    best = rows.sort_values(["p_value", "cluster"], na_position="last").drop_duplicates("cluster").head(_PANELS)
    names = [str(rows["reference"].iloc[0]), *sorted(set(rows["group"]))]
    own_level = abundances[abundances["level"] == rows["level"].iloc[0]]
    table = own_level.assign(group=own_level["file_name"].map(groups)).dropna(subset="percentage")
    table = _files(table) if subjects is None else _subjects(table, subjects, names)
    half = 0.4 if subjects is None else 0.2  # of the line of a median: room between groups for the lines of subjects
    columns = min(4, max(len(best), 1))
    least = "smallest " if len(names) > 2 else ""
    with style():
        figure = new_figure(2.2 * columns + 0.4, 2.3 * -(-len(best) // columns))
        for position, row in enumerate(best.itertuples(), start=1):
            axes = figure.add_subplot(-(-len(best) // columns), columns, position)
            own = table[table["cluster"] == row.cluster]
            if subjects is not None:
                _join(axes, own, names)
            for place, name in enumerate(names):
                some = own[own["group"] == name]
                values, beside = some["percentage"].to_numpy(float), place + some["beside"].to_numpy(float)
                colour = PALETTE[place % len(PALETTE)]
                axes.plot(beside, values, "o", color=colour, markersize=4, markeredgewidth=0, clip_on=False)
                if len(values):
                    axes.hlines(np.median(values), place - half, place + half, color=INK, linewidth=1.5)
            axes.set_title(f"{row.cluster}  {label(row.population, 18)}".strip(), fontsize=8)
            told = f"{least}q = {row.q_value:.2g}" if np.isfinite(row.q_value) else "no test"
            axes.text(0.98, 0.97, told, transform=axes.transAxes, ha="right", va="top", fontsize=7, color=MUTED)
            shown = [label(name, 20) for name in names]
            axes.set_xticks(range(len(names)), shown, fontsize=7, rotation=30, ha="right", rotation_mode="anchor")
            axes.set_xlim(-0.6, len(names) - 0.4)
            axes.set_ylim(0, 1.2 * max(float(own["percentage"].max()), 0.1))
            axes.tick_params(labelsize=7)
            if position % columns == 1 or columns == 1:
                axes.set_ylabel("% of events", fontsize=8)
    return figure


def _files(table: "pd.DataFrame") -> "pd.DataFrame":
    """A dot per file, those of a group beside each other in the order of their names: nothing is random."""
    table = table.sort_values("file_name")
    return table.assign(beside=_beside(table.groupby(["cluster", "group"]).cumcount(), 0.32))


def _subjects(table: "pd.DataFrame", subjects: Mapping[str, str], names: Sequence[str]) -> "pd.DataFrame":
    """A dot per subject and group; kept are subjects of the reference, the first of `names`, and of another group."""
    table = table.assign(subject=table["file_name"].map(subjects))
    table = table[table["group"].isin(names)]
    groups_of = table.groupby("subject")["group"].agg(set)
    paired = sorted(subject for subject, own in groups_of.items() if names[0] in own and len(own) > 1)
    table = table[table["subject"].isin(paired)]
    means = table.groupby(["cluster", "group", "subject"], as_index=False)["percentage"].mean()
    order = means["subject"].map({name: number for number, name in enumerate(paired)})
    return means.assign(beside=_beside(order, 0.08))


def _beside(order: "pd.Series", most: float) -> "pd.Series":
    """Distance from the middle of the group, at most `most`, so that dots of equal height do not hide each other."""
    return most * (order % 5 - 2) / 2


def _join(axes: "Axes", own: "pd.DataFrame", names: Sequence[str]) -> None:
    """A line through the dots of each subject, behind them."""
    from matplotlib.collections import LineCollection

    place = own["group"].map({name: number for number, name in enumerate(names)})
    own = own.assign(place=place + own["beside"]).sort_values(["subject", "place"])
    lines = [some[["place", "percentage"]].to_numpy(float) for _, some in own.groupby("subject")]
    axes.add_collection(LineCollection(lines, colors=MUTED, alpha=0.55, linewidths=0.6, zorder=1))


def drift(rows: "pd.DataFrame") -> "Figure":
    """How far each file is from the training of the model: share of outliers, and shift of the composition.

    Parameters
    ----------
    rows
        Rows of ``drift.tsv`` of one model.
    """
    order = rows.sort_values(["outlier_percentage", "file_name"], ascending=[False, True], na_position="last")
    shown, left_out = order.head(_FILES), max(len(order) - _FILES, 0)
    trained = shown["in_training"].fillna(False).to_numpy(bool)
    where = np.arange(len(shown))
    with style():
        figure = new_figure(8.2, 1.7 + 0.22 * max(len(shown), 4))
        left, right = figure.subplots(1, 2, sharey=True)
        for some, colour, face, text in (
            (trained, PALETTE[0], "white", "file of the training"),
            (~trained, PALETTE[1], PALETTE[1], "other file"),
        ):
            if not some.any():
                continue
            for axes, column in ((left, "outlier_percentage"), (right, "js_nodes")):
                values = shown[column].to_numpy(float)
                axes.plot(
                    values[some], where[some], "o", color=colour, markerfacecolor=face, markersize=6,
                    clip_on=False, label=text if axes is left else None,
                )  # fmt: skip
        left.axvline(
            float(shown["outlier_percentage_training"].iloc[0]), color=MUTED, linewidth=1, linestyle="--",
            label="all training events",
        )  # fmt: skip
        right.plot(
            shown["js_nodes_by_chance"].to_numpy(float), where, "|", color=MUTED, markersize=9, markeredgewidth=1.5,
            label="to expect by chance",
        )  # fmt: skip
        left.set_yticks(where, [file_label(name) for name in shown["file_name"]], fontsize=8)
        left.set_ylim(len(shown) - 0.4, -0.6)
        left.set_xlabel("events far from every code, %")
        right.set_xlabel("shift of the composition (Jensen-Shannon)")
        for axes in (left, right):
            axes.grid(axis="y", color=GRID, linewidth=0.6)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(left=0)
        right.set_xlim(0, max(0.1, 1.08 * float(np.nanmax([*shown["js_nodes"], 0.0]))))
        if left_out:
            figure.suptitle(f"the {_FILES} files with most outliers of {len(order)}", fontsize=9)
        figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def contingency(rows: "pd.DataFrame", name_a: str = "first", name_b: str = "second") -> "Figure":
    """Where the events of each cluster of one clustering are in another; matched pairs are framed.

    Parameters
    ----------
    rows
        Table ``contingency.tsv``.
    name_a, name_b
        What the two clusterings are called.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    shades = LinearSegmentedColormap.from_list("share", ["white", PALETTE[5], PALETTE[0], "#003a5c"])
    by_size = {side: rows.groupby(side)["n_events"].sum() for side in ("label_a", "label_b")}
    first = _largest(by_size["label_a"])
    matched = dict(rows.loc[rows["matched"].astype(bool), ["label_a", "label_b"]].itertuples(index=False, name=None))
    partners = [matched[name] for name in first if name in matched]
    second = [*partners, *(name for name in _largest(by_size["label_b"]) if name not in partners)][:_LABELS]
    table = rows.pivot_table(index="label_a", columns="label_b", values="share_a", fill_value=0.0)
    values = table.reindex(index=first, columns=second, fill_value=0.0).to_numpy(float)
    with style():
        figure = new_figure(2.6 + 0.34 * max(len(second), 6), 2.0 + 0.28 * max(len(first), 5))
        axes = figure.add_subplot()
        image = axes.imshow(values, cmap=shades, vmin=0, vmax=100, aspect="auto", interpolation="none")
        for row, column in np.argwhere(values >= 5):
            axes.text(
                column, row, f"{values[row, column]:.0f}", ha="center", va="center", fontsize=7,
                color="white" if values[row, column] > 50 else "black",
            )  # fmt: skip
        for row, name in enumerate(first):
            if name in matched and matched[name] in second:
                corner = (second.index(matched[name]) - 0.5, row - 0.5)
                axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=PALETTE[1], linewidth=2))
        axes.set_xticks(range(len(second)), [label(name, 22) for name in second], fontsize=8)
        axes.tick_params(axis="x", rotation=90 if max(map(len, second), default=0) > 3 else 0)
        axes.set_yticks(range(len(first)), [label(name, 26) for name in first], fontsize=8)
        axes.tick_params(length=0)
        axes.set_ylabel(label(name_a, 40) + _of_all(len(first), len(by_size["label_a"])))
        axes.set_xlabel(label(name_b, 40) + _of_all(len(second), len(by_size["label_b"])))
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("% of the events of the row", fontsize=8)
        bar.outline.set_visible(False)
    return figure


def marker_scatters(
    events: NDArray[np.floating], metaclusters: NDArray[np.integer], markers: Sequence[str],
    pairs: Sequence[tuple[int, int]],
) -> "Figure":  # fmt: skip
    """Events in two markers at a time, in the colours of their metaclusters, with the number of each at its median.

    Parameters
    ----------
    events
        Events x markers; some ten thousand are enough.
    metaclusters
        Of the events, from 1.
    markers
        Names of the columns.
    pairs
        Columns to show against each other.
    """
    columns = min(3, max(len(pairs), 1))
    rows = -(-len(pairs) // columns)
    numbers = np.unique(metaclusters)
    shades = dict(zip(numbers.tolist(), colours(numbers), strict=True))
    each = np.array([shades[number] for number in metaclusters.tolist()]).reshape(-1, 3)
    with style():
        figure = new_figure(2.9 * columns, 2.7 * rows)
        for position, (a, b) in enumerate(pairs):
            axes = figure.add_subplot(rows, columns, position + 1)
            axes.scatter(events[:, a], events[:, b], s=2.5, c=each, linewidths=0, alpha=0.6, rasterized=True)
            for number in numbers.tolist():
                own = metaclusters == number
                axes.text(
                    np.median(events[own, a]), np.median(events[own, b]), str(number), fontsize=7, fontweight="bold",
                    ha="center", va="center", color=INK,
                    bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": shades[number]},
                )  # fmt: skip
            axes.set_xlabel(label(markers[a], 18))
            axes.set_ylabel(label(markers[b], 18))
            axes.tick_params(labelsize=7)
    return figure


def number_of_metaclusters(
    explained: Sequence[float], chosen: int, delta_area: Sequence[float] | None = None
) -> "Figure":
    """What speaks for a number of metaclusters: explained variance and, where given, the gain of consensus area.

    Parameters
    ----------
    explained
        Share of the variance between metaclusters for 1, 2, ... of them.
    chosen
        Number that was taken.
    delta_area
        Relative gain of the area under the consensus distribution for 2, 3, ... metaclusters.
    """
    from matplotlib.ticker import MaxNLocator

    curves: list[tuple[str, int, Sequence[float]]] = [("explained variance", 1, explained)]
    if delta_area is not None and len(delta_area):
        curves.append(("relative gain of consensus area", 2, delta_area))
    with style():
        figure = new_figure(4.2 * len(curves), 3.0)
        for axes, (title, first, values) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
            ks = np.arange(first, first + len(values))
            axes.plot(ks, values, "-o", color=PALETTE[0], markersize=4)
            axes.axvline(chosen, color=PALETTE[1], linestyle="--", linewidth=1)
            axes.annotate(
                f"k = {chosen}", (chosen, 0.04 if first == 1 else 0.92), xycoords=("data", "axes fraction"),
                xytext=(4, 0), textcoords="offset points", color=PALETTE[1], fontsize=8,
            )  # fmt: skip
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("metaclusters")
            axes.set_ylabel(title)
            axes.set_ylim(bottom=0)
    return figure


def _of_all(shown: int, n: int) -> str:
    return f" ({shown} of {n} clusters)" if shown < n else ""


def _largest(sizes: "pd.Series") -> list[str]:
    ordered = sizes.reset_index(name="n").sort_values(["n", sizes.index.name], ascending=[False, True])
    return [str(name) for name in ordered[sizes.index.name].head(_LABELS)]
