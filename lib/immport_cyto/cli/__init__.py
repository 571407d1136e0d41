"""The command line: one thin module per noun, loaded only when that noun is used."""

from immport_cyto.cli._main import main

__all__ = ["main"]
