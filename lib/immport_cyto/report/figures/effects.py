"""Effects: fractions against a covariate, and forest plots."""

from typing import TYPE_CHECKING, Any

from immport_cyto.report.figures._style import GRID, INK, MUTED, PALETTE, label, new_figure, style, term_label

_AS_SHAPES = 100  # points of a group; more are drawn as an image within the figure, or an SVG gets too large
_NARROW = "z interval would be wider"  # in the note of a pooled effect

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def effect_scatter(populations: "pd.DataFrame", samples: "pd.DataFrame", population: str, covariate: str) -> "Figure":
    """Fraction of one population against a covariate, one panel per study.

    A numeric covariate gives points with a least-squares line on the logit scale, any other box plots. Published
    results may be amounts instead, such as cells per microlitre: these are on a logarithmic axis, as is the line.

    Parameters
    ----------
    populations
        Table ``populations.tsv``, rows of one method.
    samples
        Table ``samples.tsv``; holds `covariate`.
    population, covariate
        What to show.
    """
    import pandas as pd

    rows = populations[populations["population"] == population]
    joined = rows.merge(samples[["file_name", covariate]], on="file_name", how="left")
    values = amounts_of(joined)
    amounts = values is not None
    joined["shown"] = joined["fraction"] * 100 if values is None else values.where(values > 0)
    joined = joined[joined["shown"].notna()]
    studies = sorted(joined["study_accession"].unique())
    shade = dict(zip(known := sorted(populations["study_accession"].unique()), _cycle(len(known)), strict=True))
    numeric = bool(pd.api.types.is_numeric_dtype(joined[covariate].dtype))
    with style():
        figure = new_figure(max(3.2, 2.7 * max(len(studies), 1)), 2.7)
        plots = figure.subplots(1, max(len(studies), 1), sharey=True, squeeze=False)[0]
        for axes, study in zip(plots, studies, strict=False):  # no study: an empty plot
            colour = shade[study]
            part = joined[joined["study_accession"] == study]
            if amounts:
                axes.set_yscale("log")
            if numeric:
                draw_points(axes, part, covariate, colour, "log" if amounts else "percent")
            else:
                draw_boxes(axes, part, covariate, colour)
            axes.set_title(label(study, 20))
            axes.set_xlabel(term_label(covariate))
            axes.grid(axis="y", color=GRID, linewidth=0.6)
            axes.set_axisbelow(True)
        parent = next((str(p) for p in rows["parent"] if p), "")
        share = f"% of {parent}" if parent else "% of all events"
        plots[0].set_ylabel(label("; ".join(sorted(set(joined["unit"]) - {""})) or "amount" if amounts else share))
        figure.suptitle(label(population, 60), x=0.01, ha="left", fontweight="bold")
    return figure


def amounts_of(rows: "pd.DataFrame") -> "pd.Series | None":
    """Amounts of rows of populations.tsv that have no fraction at all, as published results may; else None."""
    import pandas as pd

    if "value" not in rows or bool(rows["fraction"].notna().any()):
        return None
    values = pd.to_numeric(rows["value"], errors="coerce")
    return values if bool(values.notna().any()) else None


def draw_points(axes: "Axes", part: "pd.DataFrame", covariate: str, colour: str, scale: str) -> None:
    """Values (column ``shown``) against a number, with a least-squares line.

    The line is straight on the `scale`: logits of ``"percent"``, logarithms (``"log"``), or the values (``"linear"``).
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    known = part[part[covariate].notna()]
    x = known[covariate].to_numpy(dtype=float)
    y = known["shown"].to_numpy(dtype=float)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.scatter(x, y, s=16, color=colour, alpha=0.75, linewidths=0, rasterized=len(x) > _AS_SHAPES)
    if len(x) >= 3 and np.ptp(x) > 0:
        at = np.linspace(x.min(), x.max(), 50)
        if scale == "linear":
            line = np.polyval(np.polyfit(x, y, 1), at)
        elif scale == "log":
            slope, level = np.polyfit(x, np.log10(y), 1)
            line = 10 ** (level + slope * at)
        else:
            inside = np.clip(y / 100, 1e-5, 1 - 1e-5)
            slope, level = np.polyfit(x, np.log(inside / (1 - inside)), 1)
            line = 100 / (1 + np.exp(-(level + slope * at)))
        axes.plot(at, line, color=colour, linewidth=1.5)


def draw_boxes(axes: "Axes", part: "pd.DataFrame", covariate: str, colour: str) -> None:
    """Values (column ``shown``) of each group, as boxes with all points."""
    import numpy as np

    groups = sorted({str(value) for value in part[covariate] if str(value)})
    values = [part.loc[part[covariate].astype(str) == group, "shown"].to_numpy(dtype=float) for group in groups]
    if not groups:
        return
    axes.boxplot(values, showfliers=False, widths=0.5, medianprops={"color": INK}, boxprops={"color": MUTED})
    for position, points in enumerate(values, start=1):
        spread = np.linspace(-0.12, 0.12, len(points)) if len(points) > 1 else np.zeros(len(points))
        axes.scatter(position + spread, points, s=14, color=colour, alpha=0.7, linewidths=0,
                     rasterized=len(points) > _AS_SHAPES)  # fmt: skip
    axes.set_xticks(
        range(1, len(groups) + 1), [label(group, int(np.clip(40 / len(groups), 8, 22))) for group in groups]
    )


def forest(
    effects: "pd.DataFrame", meta: "pd.DataFrame", population: str, term: str, truth: float | None = None
) -> "Figure":
    """Forest plot of one population and term: each study, the pooled effect, its prediction interval.

    Parameters
    ----------
    effects, meta
        Tables ``effects.tsv`` and ``meta.tsv``, rows of one method.
    population, term
        What to show.
    truth
        The true effect, where the data are simulated.
    """
    rows = effects[(effects["population"] == population) & (effects["term"] == term) & effects["estimate"].notna()]
    rows = rows.sort_values("study_accession")
    pooled = meta[(meta["population"] == population) & (meta["term"] == term) & (meta["omitted"] == "")]
    with style():
        figure = new_figure(7.2, 1.35 + 0.3 * (len(rows) + 2))
        axes = figure.add_subplot()
        widest = float((1 / rows["se"] ** 2).max()) if len(rows) else 1.0
        texts: list[tuple[float, str]] = []
        ticks: list[tuple[float, str]] = []
        for position, row in enumerate(rows.itertuples()):
            weight = (1 / row.se**2) / widest if row.se else 1.0
            axes.plot([row.ci_low, row.ci_high], [position] * 2, color=PALETTE[0], linewidth=1.4, solid_capstyle="butt")
            axes.scatter(row.estimate, position, s=22 + 70 * weight, marker="s", color=PALETTE[0], zorder=3)
            ticks.append((position, f"{label(row.study_accession, 16)}  (n = {row.n})"))
            texts.append((position, _interval(row)))
        last, has_prediction = len(rows), False
        for row in pooled.itertuples():
            if row.estimate != row.estimate:
                continue
            last += 1
            if row.pi_low == row.pi_low:
                has_prediction = True
                axes.plot([row.pi_low, row.pi_high], [last - 0.3] * 2, color=PALETTE[1], linewidth=1, linestyle=":")
            axes.fill(
                [row.ci_low, row.estimate, row.ci_high, row.estimate],
                [last - 0.3, last - 0.55, last - 0.3, last - 0.05],
                color=PALETTE[1],
            )
            ticks.append((last - 0.3, f"pooled  (k = {row.k})"))
            texts.append((last - 0.3, _interval(row)))
        _finish_forest(axes, ticks, texts, truth)
        scale = str(rows["scale"].iloc[0]) if len(rows) else ""
        legend = ["dotted: prediction interval, where a further study would be"] if has_prediction else []
        legend += ["†: the z interval would be wider"] if any("†" in text for _, text in texts) else []
        below = "\n" + "; ".join(legend) if legend else ""
        axes.set_xlabel(f"effect of {term_label(term)} on the {scale} scale, with 95 % interval{below}")
        axes.set_title(label(population, 60))
    return figure


def forest_all(meta: "pd.DataFrame", term: str, truth: "dict[str, float] | None" = None) -> "Figure":
    """Pooled effect of one term on every population, from the lowest to the highest.

    Filled symbols have q < 0.05. A dagger marks an interval that is narrower than that of a z test.

    Parameters
    ----------
    meta
        Table ``meta.tsv``; where it holds several methods, the method stands behind the population.
    term
        Term of the model.
    truth
        True effect by population, where the data are simulated.
    """
    rows = meta[(meta["term"] == term) & (meta["omitted"] == "") & meta["estimate"].notna()]
    rows = rows.sort_values(["estimate", "population"], ignore_index=True)
    several = len(set(rows["method"])) > 1
    with style():
        longest = max((len(label(name, 40)) for name in rows["population"]), default=0) + (9 if several else 0)
        figure = new_figure(8 + 0.075 * max(longest - 26, 0), 1.4 + 0.26 * max(len(rows), 3))
        axes = figure.add_subplot()
        texts: list[tuple[float, str]] = []
        ticks: list[tuple[float, str]] = []
        for position, row in enumerate(rows.itertuples()):
            significant = row.q_value == row.q_value and row.q_value < 0.05
            if row.ci_low == row.ci_low:
                axes.plot([row.ci_low, row.ci_high], [position] * 2, color=PALETTE[0], linewidth=1.6)
            axes.scatter(
                row.estimate, position, s=34, zorder=3, edgecolors=PALETTE[0],
                color=PALETTE[0] if significant else "white",
            )  # fmt: skip
            true = (truth or {}).get(str(row.population))
            if true is not None:
                axes.scatter(true, position, marker="|", s=130, color=PALETTE[1], zorder=4, linewidths=2)
            method = f"{row.method}, " if several else ""
            ticks.append((position, f"{label(row.population, 40)}  ({method}k = {row.k})"))
            q = f"   q = {row.q_value:.2g}" if row.q_value == row.q_value else ""
            texts.append((position, _interval(row) + q))
        cut = _limits(axes, rows, truth)
        _finish_forest(axes, ticks, texts, None)
        scale = str(rows["scale"].iloc[0]) if len(rows) else ""
        legend = ["filled: q < 0.05"] + (["triangle: the interval goes on"] if cut else [])
        if truth:
            legend.append("orange: simulated truth")
        if any(_NARROW in str(note) for note in rows["note"]):
            legend.append("†: the z interval would be wider")
        axes.set_xlabel(f"pooled effect of {term_label(term)} on the {scale} scale\n{'; '.join(legend)}")
    return figure


def _limits(axes: "Axes", rows: "pd.DataFrame", truth: "dict[str, float] | None") -> bool:
    """Show all estimates; an interval of a few studies may be cut, so that one does not flatten all others.

    A triangle marks where it is cut; whether one is.
    """
    import numpy as np

    if not len(rows):
        return False
    centre = [*rows["estimate"], *(truth or {}).values(), 0.0]
    width = float(np.nanmedian((rows["ci_high"] - rows["ci_low"]).to_numpy(dtype=float))) if len(rows) else 1.0
    if not np.isfinite(width):
        width = max(abs(float(v)) for v in centre) or 1.0
    low, high = min(centre) - 1.2 * width, max(centre) + 1.2 * width
    axes.set_xlim(low, high)
    inside = 0.012 * (high - low)
    beyond = [(low + inside, "<", rows["ci_low"] < low), (high - inside, ">", rows["ci_high"] > high)]
    for edge, marker, cut in beyond:
        at = np.flatnonzero(cut)
        axes.plot(np.full(len(at), edge), at, linestyle="", marker=marker, markersize=5, color=PALETTE[0],
                  clip_on=False)  # fmt: skip
    return any(bool(cut.any()) for _, _, cut in beyond)


def _interval(row: Any) -> str:
    estimate = f"{row.estimate + 0.0:.3g}"
    if row.ci_low != row.ci_low:
        return estimate
    mark = " †" if _NARROW in str(getattr(row, "note", "")) else ""
    return f"{estimate} [{row.ci_low + 0.0:.3g}, {row.ci_high + 0.0:.3g}]{mark}"


def _finish_forest(
    axes: "Axes", ticks: list[tuple[float, str]], texts: list[tuple[float, str]], truth: float | None
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.axvline(0, color=MUTED, linewidth=0.9)
    if truth is not None:
        axes.axvline(truth, color=PALETTE[2], linewidth=1.4, linestyle="--")
        axes.text(truth, 1.0, " truth", transform=axes.get_xaxis_transform(), color=PALETTE[2], fontsize=7, va="bottom")
    axes.set_yticks([position for position, _ in ticks], [text for _, text in ticks])
    bottom = max((position for position, _ in ticks), default=0) + 0.7
    axes.set_ylim(bottom, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for position, text in texts:
        axes.text(1.01, position, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    if not ticks:
        axes.text(0.5, 0.5, "no estimate", transform=axes.transAxes, ha="center")


def _cycle(n: int) -> list[str]:
    colours = [colour for colour in PALETTE if colour != "#000000"]
    return [colours[i % len(colours)] for i in range(n)]
