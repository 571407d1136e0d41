"""What ``panel harmonize`` takes from ImmPort packages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.panel import Analytes


@dataclass
class Package:
    """Analytes, reagents per file, ImmPort's names beside ours, and what is odd about them."""

    analytes: "Analytes | None" = None
    reagents: "pd.DataFrame | None" = None
    comparison: "pd.DataFrame | None" = None
    warnings: list[str] = field(default_factory=list)

    def about(self, antigens: Iterable[str]) -> list[str]:
        """What is odd in the packages, with the conflicts about these antigens."""
        named = {name for joined in antigens for name in joined.split("/")}
        conflicts = self.analytes.conflicts if self.analytes else ()
        return [*self.warnings, *(sentence for name, sentence in conflicts if name in named)]


def read_packages(paths: Sequence[Path], *, compared: bool) -> Package:
    """Read the packages; a package without an analyte table (before DR20) is only a warning."""
    if compared and not paths:
        msg = "--immport-names needs the package: add --metadata"
        raise click.UsageError(msg)
    if not paths:
        return Package()
    from immport_cyto import immport, panel
    from immport_cyto.exceptions import TableError
    from immport_cyto.immport import staining

    package = Package()
    try:
        package.analytes = panel.read_analytes(paths)
    except TableError as error:
        package.warnings.append(str(error))
    with immport.open_store(":memory:") as store:
        store.load(paths)
        package.reagents = staining.file_reagents(store.connection)
        if compared:
            channels, mouse = staining.channel_names(store.connection), staining.is_mouse(store.connection)
            package.comparison = panel.compare(channels, "mouse" if mouse else "human")
            differing = int((~package.comparison["agrees"]).sum())
            package.warnings.append(f"{differing} of {len(package.comparison)} channel names differ from ImmPort's")
    return package
