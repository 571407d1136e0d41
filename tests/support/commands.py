"""The commands of the program, by their words."""

import click

from immport_cyto.cli._main import cli


def leaves(command: click.Command, name: str = "") -> dict[str, click.Command]:
    """All commands that are no groups, by their words."""
    if not isinstance(command, click.Group):
        return {name: command}
    found: dict[str, click.Command] = {}
    for word in command.list_commands(click.Context(command)):
        found |= leaves(command.get_command(click.Context(command), word), f"{name} {word}".strip())
    return found


COMMANDS = leaves(cli)
