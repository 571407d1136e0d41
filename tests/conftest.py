"""What the tests need from outside: reference data, a browser, a Galaxy server.

What a machine lacks skips, saying so. ``IMMPORT_CYTO_REQUIRE=galaxy,browser,shared`` turns such skips into failures.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# the same examples in every run, so that a run which fails fails again; IMMPORT_CYTO_EXPLORE=1 looks for new ones
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("default" if os.environ.get("IMMPORT_CYTO_EXPLORE") else "repeatable")

ROOT = Path(__file__).resolve().parents[1]
REQUIRED = {word.strip() for word in os.environ.get("IMMPORT_CYTO_REQUIRE", "").split(",") if word.strip()}


def lacking(what: str, reason: str) -> None:
    """Skip the test, or fail where `what` is required."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required (IMMPORT_CYTO_REQUIRE) but missing: {reason}")
    pytest.skip(f"{what}: {reason}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `data` of the reference material."""
    folder = Path(os.environ.get("IMMPORT_CYTO_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        lacking("shared", "no reference data; set IMMPORT_CYTO_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The simulated studies that come with the project."""
    return ROOT / "test-data"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium that is installed on the machine."""
    import shutil

    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    lacking("browser", "no chromium on the PATH; on Debian: apt-get install chromium fonts-dejavu-core")
    raise AssertionError
