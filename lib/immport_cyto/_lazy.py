"""Names of a package that are imported on first use, so that importing the package is light."""

from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, name: str, homes: Mapping[str, str], modules: Collection[str] = ()) -> Any:
    """What a package's ``__getattr__`` gives.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    name
        The attribute asked for.
    homes
        Module of the package that defines each name, relative to it (``"flock.model"``).
    modules
        Modules of the package that may be asked for themselves.

    Raises
    ------
    AttributeError
        The package offers no such name.
    """
    if name in homes:
        return getattr(import_module(f"{package}.{homes[name]}"), name)
    if name in modules:
        return import_module(f"{package}.{name}")
    msg = f"module {package!r} has no attribute {name!r}"
    raise AttributeError(msg)
