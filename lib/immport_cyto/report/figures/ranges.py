"""Reference ranges by age and sex."""

from typing import TYPE_CHECKING

from immport_cyto.report.figures._style import GRID, INK, PALETTE, label, new_figure, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_BANDS = ((2.5, 97.5, 0.16), (10.0, 90.0, 0.22), (25.0, 75.0, 0.3))


def reference_curves(reference: "pd.DataFrame", population: str, places: "pd.DataFrame | None" = None) -> "Figure":
    """Percentiles of one population against age, one panel per sex, with the samples that were placed.

    Parameters
    ----------
    reference
        Table ``reference.tsv``, rows of one method.
    population
        What to show.
    places
        Table ``places.tsv``: samples to show as points.
    """
    rows = reference[(reference["population"] == population) & (reference["age_group"] == "years")]
    sexes = sorted(rows["sex"].unique())
    with style():
        figure = new_figure(max(4.0, 3.4 * len(sexes)), 3.2)
        plots = figure.subplots(1, max(len(sexes), 1), sharey=True, squeeze=False)[0]
        for axes, sex, colour in zip(plots, sexes, PALETTE, strict=False):
            part = rows[rows["sex"] == sex].sort_values(["percentile", "age_years"])
            curves = {float(key): group for key, group in part.groupby("percentile")}
            for low, high, alpha in _BANDS:
                if low in curves and high in curves:
                    axes.fill_between(
                        curves[low]["age_years"], 100 * curves[low]["fraction"], 100 * curves[high]["fraction"],
                        color=colour, alpha=alpha, linewidth=0,
                    )  # fmt: skip
            if 50.0 in curves:
                axes.plot(curves[50.0]["age_years"], 100 * curves[50.0]["fraction"], color=colour, linewidth=1.8)
            if places is not None:
                at = places[(places["population"] == population) & (places["sex"] == sex)]
                axes.scatter(at["age_years"], 100 * at["fraction"], s=18, color=INK, zorder=3, linewidths=0)
            subjects = int(part["n_subjects"].max()) if len(part) else 0
            axes.set_title(f"{label(sex, 16)}  ({subjects} subjects)")
            axes.set_xlabel("age (years)")
            axes.grid(color=GRID, linewidth=0.6)
            axes.set_axisbelow(True)
        parent = next((str(p) for p in rows["parent"] if p), "")
        plots[0].set_ylabel(label(f"% of {parent}" if parent else "% of all events"))
        plots[0].set_ylim(bottom=0)
        figure.suptitle(label(population, 50) + "   median, 50, 80 and 95 % ranges", x=0.01, ha="left", fontsize=10)
    return figure
