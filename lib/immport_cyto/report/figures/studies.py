"""Effects over studies seen from other sides: funnel, cumulative forest, meta-regression, volcano."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._labels import name_points
from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, label, new_figure, style, term_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_NAMED, _NAMED_ANYWAY = 16, 5  # populations of the smallest p values: with q < 0.05, and whatever their q


def funnel(effects: "pd.DataFrame", meta: "pd.DataFrame", population: str, term: str) -> "Figure":
    """Effect of each study against its standard error, with the region where 95 % of studies of one effect fall.

    Parameters
    ----------
    effects, meta
        Tables ``effects.tsv`` and ``meta.tsv``, rows of one method.
    population, term
        What to show.
    """
    from matplotlib.ticker import MaxNLocator

    rows = effects[(effects["population"] == population) & (effects["term"] == term) & effects["estimate"].notna()]
    pooled = meta[(meta["population"] == population) & (meta["term"] == term) & (meta["omitted"] == "")]
    with style():
        figure = new_figure(5.2, 4)
        axes = figure.add_subplot()
        deepest = float(rows["se"].max()) * 1.15 if len(rows) else 1.0
        centre = float(pooled["estimate"].iloc[0]) if len(pooled) else float("nan")
        if centre == centre:
            reach = 1.959963984540054 * deepest
            axes.fill([centre, centre - reach, centre + reach], [0, deepest, deepest], color=GRID, linewidth=0)
            axes.plot([centre, centre], [0, deepest], color=MUTED, linewidth=1, linestyle="--")
        axes.scatter(rows["estimate"], rows["se"], s=36, color=PALETTE[0], zorder=3)
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_ylim(deepest, 0)
        scale = str(rows["scale"].iloc[0]) if len(rows) else ""
        axes.set_xlabel(f"effect of {term_label(term)} on the {scale} scale\nshaded: 95 % of studies of one effect")
        axes.set_ylabel("standard error")
        axes.set_title(label(population, 60))
        name_points(axes, rows["estimate"], rows["se"], [label(study, 16) for study in rows["study_accession"]])
    return figure


def cumulative_forest(cumulative: "pd.DataFrame", population: str, term: str) -> "Figure":
    """The pooled effect after each study of ``cumulative.tsv``, the first at the top.

    Parameters
    ----------
    cumulative
        Table ``cumulative.tsv``.
    population, term
        What to show.
    """
    rows = cumulative[(cumulative["population"] == population) & (cumulative["term"] == term)]
    rows = rows[rows["method"] == (rows["method"].iloc[0] if len(rows) else "")].sort_values("step")
    with style():
        figure = new_figure(7.2, 1.4 + 0.3 * (len(rows) + 1))
        axes = figure.add_subplot()
        for position, row in enumerate(rows.itertuples()):
            axes.plot([row.ci_low, row.ci_high], [position] * 2, color=PALETTE[0], linewidth=1.4)
            axes.scatter(row.estimate, position, s=34, marker="s", color=PALETTE[0], zorder=3)
            text = f"{row.estimate + 0.0:.3g} [{row.ci_low + 0.0:.3g}, {row.ci_high + 0.0:.3g}]"
            axes.text(1.01, position, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        _open_limits(axes, rows)
        axes.axvline(0, color=MUTED, linewidth=0.9)
        names = [
            f"+ {label(study, 16)}" + (f"  ({label(position, 12)})" if position else "")
            for study, position in zip(rows["study_accession"], rows["position"], strict=True)
        ]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        _finish(axes, rows, population, term)
    return figure


def subgroup_forest(subgroups: "pd.DataFrame", population: str, term: str) -> "Figure":
    """The pooled effect within each group of studies, and the test of their difference.

    Parameters
    ----------
    subgroups
        Table ``subgroups.tsv``, rows of one method; several properties of the studies are shown one below the other.
    population, term
        What to show.
    """
    rows = subgroups[(subgroups["population"] == population) & (subgroups["term"] == term)]
    places: list[float] = []
    names: list[str] = []
    with style():
        properties = list(dict.fromkeys(rows["property"]))
        figure = new_figure(7.2, 1.25 + 0.3 * (len(rows) + 1.2 * len(properties)))
        axes = figure.add_subplot()
        at = 0.0
        for name in properties:
            part = rows[rows["property"] == name].sort_values("subgroup")
            p = part["p_between"].dropna()
            test = f"   p of the difference = {p.iloc[0]:.2g}" if len(p) else ""
            axes.text(0, at, f"{label(name, 30)}{test}", transform=axes.get_yaxis_transform(), fontsize=8, color=MUTED,
                      va="center")  # fmt: skip
            at += 0.8
            for row in part.itertuples():
                if row.estimate == row.estimate:
                    if row.ci_low == row.ci_low:
                        axes.plot([row.ci_low, row.ci_high], [at] * 2, color=PALETTE[0], linewidth=1.4)
                    axes.scatter(row.estimate, at, s=34, marker="D", color=PALETTE[0], zorder=3)
                    text = f"{row.estimate + 0.0:.3g}"
                    if row.ci_low == row.ci_low:
                        text += f" [{row.ci_low + 0.0:.3g}, {row.ci_high + 0.0:.3g}]"
                else:
                    text = "no estimate"
                axes.text(1.01, at, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
                places.append(at)
                names.append(f"{label(row.subgroup, 24)}  (k = {row.k})")
                at += 1.0
            at += 0.4
        _open_limits(axes, rows)
        axes.axvline(0, color=MUTED, linewidth=0.9, zorder=0)
        axes.set_yticks(places, names)
        axes.set_ylim(at - 0.8, -0.7)
        _finish(axes, rows, population, term)
    return figure


def _finish(axes: "Axes", rows: "pd.DataFrame", population: str, term: str) -> None:
    """Grid, axis and title of a figure with a row of text per estimate."""
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    scale = str(rows["scale"].iloc[0]) if len(rows) else ""
    axes.set_xlabel(f"pooled effect of {term_label(term)} on the {scale} scale, with 95 % interval")
    axes.set_title(label(population, 60))


def _open_limits(axes: "Axes", rows: "pd.DataFrame") -> None:
    """All estimates; an interval of two studies can be so wide that it would hide all others, and is cut."""
    import numpy as np

    known = rows[rows["estimate"].notna()]
    if not len(known):
        return
    widths = (known["ci_high"] - known["ci_low"]).to_numpy(dtype=float)
    width = float(np.nanmedian(widths)) if np.isfinite(widths).any() else float(known["estimate"].abs().max()) or 1.0
    centre = [*known["estimate"], 0.0]
    axes.set_xlim(min(centre) - 1.2 * width, max(centre) + 1.2 * width)


def bubble(
    effects: "pd.DataFrame", studies: "pd.DataFrame", moderators: "pd.DataFrame", population: str, term: str
) -> "Figure":
    """Effect of each study against the first property of a meta-regression, with its line where it is a quantity.

    Parameters
    ----------
    effects, studies, moderators
        Tables ``effects.tsv``, ``studies.tsv`` and ``moderators.tsv``.
    population, term
        What to show.
    """
    import numpy as np
    import pandas as pd

    chosen = (moderators["population"] == population) & (moderators["term"] == term)
    fit = moderators[chosen].set_index("coefficient")
    names = [str(name) for name in fit.index if name != "intercept"]
    column = names[0].split("[")[0].split(":")[0] if names else ""
    rows = effects[(effects["population"] == population) & (effects["term"] == term) & effects["estimate"].notna()]
    known = studies[["study_accession", *([column] if column in studies.columns else [])]]
    rows = rows.merge(known, on="study_accession", how="left")
    if column not in rows.columns:
        rows[column] = ""
    numeric = pd.to_numeric(rows[column], errors="coerce")
    quantity = bool(names) and "[" not in names[0] and bool(numeric.notna().any())
    with style():
        figure = new_figure(5.4, 3.8)
        axes = figure.add_subplot()
        weight = 1 / rows["se"].to_numpy(dtype=float) ** 2
        size = 25 + 175 * weight / weight.max() if len(rows) else weight
        if quantity:
            x = numeric.to_numpy(dtype=float)
        else:
            groups = sorted(rows[column].astype(str).unique())
            x = np.array([groups.index(value) for value in rows[column].astype(str)], dtype=float)
            axes.set_xticks(range(len(groups)), [label(group, 18) for group in groups])
            axes.set_xlim(-0.6, max(len(groups), 1) - 0.4)
        axes.scatter(x, rows["estimate"], s=size, color=PALETTE[0], alpha=0.6, linewidths=0, zorder=3)
        only = quantity and len(names) == 1 and bool(np.isfinite(float(fit.loc[names[0], "estimate"])))
        if only:
            at = np.array([np.nanmin(x), np.nanmax(x)])
            axes.plot(at, float(fit.loc["intercept", "estimate"]) + at * float(fit.loc[names[0], "estimate"]),
                      color=PALETTE[1], linewidth=1.5)  # fmt: skip
        axes.axhline(0, color=MUTED, linewidth=0.9)
        axes.grid(axis="y", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        scale = str(rows["scale"].iloc[0]) if len(rows) else ""
        axes.set_xlabel(f"{term_label(column)}; size: precision of the study")
        axes.set_ylabel(f"effect of {term_label(term)} ({scale} scale)")
        p = float(fit["p_value"].get(names[0], float("nan"))) if only else float("nan")
        axes.set_title(label(population, 44) + (f"   p = {p:.2g}" if p == p else ""))
        axes.margins(y=0.12)
        known = np.isfinite(x)
        studies_of = [label(study, 16) for study in rows["study_accession"][known]]
        name_points(axes, x[known], rows["estimate"].to_numpy(dtype=float)[known], studies_of, radius=7.5)
    return figure


def volcano(meta: "pd.DataFrame", term: str) -> "Figure":
    """Pooled effect of one term against its p value, each population a point; filled where q < 0.05.

    Parameters
    ----------
    meta
        Table ``meta.tsv``.
    term
        Term of the model.
    """
    import numpy as np

    rows = meta[(meta["term"] == term) & (meta["omitted"] == "") & meta["p_value"].notna()]
    rows = rows.sort_values(["p_value", "population"], ignore_index=True)
    with style():
        figure = new_figure(6.4, 4.6)
        axes = figure.add_subplot()
        height = -np.log10(np.maximum(rows["p_value"].to_numpy(dtype=float), 1e-300))
        found = (rows["q_value"] < 0.05).to_numpy(dtype=bool)
        axes.scatter(rows["estimate"], height, s=30, edgecolors=PALETTE[0], zorder=3,
                     color=[PALETTE[0] if hit else "white" for hit in found])  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=0.9)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.2)
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        scale = str(rows["scale"].iloc[0]) if len(rows) else ""
        axes.set_xlabel(f"pooled effect of {term_label(term)} on the {scale} scale\nfilled: q < 0.05")
        axes.set_ylabel("-log10 p")
        named = [i for i in range(min(len(rows), _NAMED)) if found[i] or i < _NAMED_ANYWAY]
        points = np.column_stack([rows["estimate"].to_numpy(dtype=float), height])
        others = np.delete(points, named, axis=0)
        names = [label(rows["population"][i], 28) for i in named]
        name_points(axes, points[named, 0], points[named, 1], names, others=others)
    return figure
