"""Figures as pure functions: tables in, a matplotlib figure out. `svg` and `save` write them."""

from immport_cyto.report.figures._points import Colouring
from immport_cyto.report.figures._style import save, svg
from immport_cyto.report.figures._tree import Nodes
from immport_cyto.report.figures.batches import batch_shifts
from immport_cyto.report.figures.channels import ChannelCurves, channel_densities
from immport_cyto.report.figures.clusterings import (
    contingency,
    drift,
    group_abundances,
    marker_scatters,
    number_of_metaclusters,
    sample_abundances,
)
from immport_cyto.report.figures.clusters import cluster_heatmap, population_profiles
from immport_cyto.report.figures.cutoffs import cutoff_densities, cutoff_drift
from immport_cyto.report.figures.densities import marker_densities
from immport_cyto.report.figures.effects import amounts_of, effect_scatter, forest, forest_all
from immport_cyto.report.figures.events import Plot, embedding, event_pairs, event_scatter
from immport_cyto.report.figures.outlines import Outline
from immport_cyto.report.figures.panels import panel_presence
from immport_cyto.report.figures.profiles import marker_boxes, parallel_coordinates
from immport_cyto.report.figures.quality import qc_bars
from immport_cyto.report.figures.ranges import reference_curves
from immport_cyto.report.figures.samples import abundances, sample_heatmap
from immport_cyto.report.figures.som import comparison_tree, marker_trees, metacluster_tree, star_plot
from immport_cyto.report.figures.space import event_space
from immport_cyto.report.figures.studies import bubble, cumulative_forest, funnel, subgroup_forest, volcano

__all__ = [
    "ChannelCurves",
    "Colouring",
    "Nodes",
    "Outline",
    "Plot",
    "abundances",
    "amounts_of",
    "batch_shifts",
    "bubble",
    "channel_densities",
    "cluster_heatmap",
    "comparison_tree",
    "contingency",
    "cumulative_forest",
    "cutoff_densities",
    "cutoff_drift",
    "drift",
    "effect_scatter",
    "embedding",
    "event_pairs",
    "event_scatter",
    "event_space",
    "forest",
    "forest_all",
    "funnel",
    "group_abundances",
    "marker_boxes",
    "marker_densities",
    "marker_scatters",
    "marker_trees",
    "metacluster_tree",
    "number_of_metaclusters",
    "panel_presence",
    "parallel_coordinates",
    "population_profiles",
    "qc_bars",
    "reference_curves",
    "sample_abundances",
    "sample_heatmap",
    "save",
    "star_plot",
    "subgroup_forest",
    "svg",
    "volcano",
]
