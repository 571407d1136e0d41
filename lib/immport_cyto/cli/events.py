"""``immport-cyto events``: compensate, transform and check events."""

import click

from immport_cyto.cli._events_gate import gate
from immport_cyto.cli._events_preprocess import preprocess
from immport_cyto.cli._events_spillover import spillover
from immport_cyto.cli._events_transforms import transforms


@click.group("events")
def group() -> None:
    """Compensate, transform and check events."""


for command in (gate, preprocess, spillover, transforms):
    group.add_command(command)
