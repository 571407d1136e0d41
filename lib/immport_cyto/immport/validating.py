"""Validation of an upload package as one table, beside the store."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def validate(package: Iterable[Path | str] | Path | str, *, complete: bool = False) -> "pd.DataFrame":
    """All findings on an upload package: file, row, column, severity, rule, message, suggestion.

    :func:`immport_cyto.immport.templates.validate` gives them with what was read, and has more options.

    Parameters
    ----------
    package
        A folder, a zip, or template files.
    complete
        Nothing of it is in ImmPort already, so every ID must be defined in the package.

    Raises
    ------
    PackageError
        There is nothing to validate, or an archive that must not be trusted.
    """
    from immport_cyto.immport import templates

    return templates.validate(package, complete=complete).frame()
