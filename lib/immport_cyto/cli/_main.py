import sys
from importlib import import_module

import click

from immport_cyto import __version__
from immport_cyto.exceptions import ImmportCytoError

# noun -> one line of help; the module of that name holds `group`
NOUNS = {
    "fcs": "Look into FCS files; convert, merge, split, sample, de-identify them.",
    "immport": "Load ImmPort packages; link FCS files to subjects; search; published results.",
    "panel": "Name what each channel measures.",
    "events": "Compensate, transform and check events.",
    "cluster": "Cluster events with FlowSOM or FLOCK, map files onto a model.",
    "population": "Find, name and count populations.",
    "meta": "Estimate effects per study and pool them.",
    "figure": "Draw densities, scatter plots, heat maps, embeddings and effects.",
    "report": "Write the HTML report.",
    "study": "The whole way in one call.",
    "simulate": "Make studies with known truth.",
}


class LazyNouns(click.Group):
    """A group whose commands are imported on use, so that ``--help`` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NOUNS:
            return None
        command: click.Command = import_module(f"immport_cyto.cli.{cmd_name}").group
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


@click.group(cls=LazyNouns, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="immport-cyto")
def cli() -> None:
    """Flow and mass cytometry of many ImmPort studies, turned into one answer.

    \b
    The whole way:   immport-cyto study run study.yaml --out results
    Try it:          immport-cyto study demo --out demo
    """


def main() -> None:
    """Run the command line; a user's error is one sentence on stderr and exit code 1, wrong usage 2."""
    try:
        cli(prog_name="immport-cyto", standalone_mode=False)
    except ImmportCytoError as error:
        click.echo(f"immport-cyto: error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("immport-cyto: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
