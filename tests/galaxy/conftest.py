"""One Galaxy server for all tests of this folder, from scripts/galaxy_server.py.

``IMMPORT_CYTO_GALAXY_STATE=FOLDER`` takes a server that runs already (``scripts/galaxy.sh --state FOLDER``) and loads
the tool files anew, which saves its start while one works on a tool.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lacking(what: str, reason: str) -> None:
    """Skip, or fail where `what` is required: the rule of tests/conftest.py."""
    required = {word.strip() for word in os.environ.get("IMMPORT_CYTO_REQUIRE", "").split(",")}
    (pytest.fail if what in required else pytest.skip)(f"{what}: {reason}")


@pytest.fixture(scope="session")
def server_module():
    """scripts/galaxy_server.py as a module."""
    spec = importlib.util.spec_from_file_location("galaxy_server", ROOT / "scripts" / "galaxy_server.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["galaxy_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def planemo(server_module) -> Path:
    """The planemo program."""
    return _installed(server_module, "planemo") / "bin" / "planemo"


@pytest.fixture(scope="session")
def galaxy(server_module, planemo):
    """A running Galaxy with the tools of the working copy."""
    _installed(server_module, "galaxy")
    if state := os.environ.get("IMMPORT_CYTO_GALAXY_STATE"):
        yield server_module.Galaxy.attach(Path(state))
        return
    with server_module.running() as server:
        yield server


def _installed(module, name: str) -> Path:
    try:
        return module.environment(name)
    except (subprocess.CalledProcessError, OSError) as error:
        lacking("galaxy", f"{name} cannot be installed ({error}); it comes from PyPI and needs the network once")
        raise
