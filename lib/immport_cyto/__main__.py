"""``python -m immport_cyto`` is the command line."""

from immport_cyto.cli import main

main()
