"""``immport-cyto figure``: single figures of events and of tables."""

import click

from immport_cyto.cli import _figure_density, _figure_events, _figure_profiles, _figure_scatter, _figure_tables


@click.group()
def group() -> None:
    """Draw events and tables: densities, scatter plots, heat maps, embeddings, effects (.svg, .png, .pdf)."""


for _command in (
    _figure_density.density,
    _figure_scatter.scatter,
    _figure_events.overview,
    _figure_events.embedding,
    _figure_events.scatter3d,
    _figure_profiles.parallel,
    _figure_profiles.boxes,
    _figure_tables.heatmap,
    _figure_tables.populations,
    _figure_tables.pooled,
    _figure_tables.quality,
):
    group.add_command(_command)
