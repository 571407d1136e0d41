"""Figures as pure functions: tables in, a matplotlib figure out. `svg` and `save` write them."""

from immport_cyto.report.figures._style import save, svg
from immport_cyto.report.figures.clusters import cluster_heatmap
from immport_cyto.report.figures.effects import effect_scatter, forest, forest_all
from immport_cyto.report.figures.panels import panel_presence
from immport_cyto.report.figures.quality import qc_bars

__all__ = ["cluster_heatmap", "effect_scatter", "forest", "forest_all", "panel_presence", "qc_bars", "save", "svg"]
