from pathlib import Path

import pytest

from immport_cyto import simulate


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies of the preset "test", as the command makes them."""
    out = tmp_path_factory.mktemp("simulated") / "small"
    simulate.studies(out, preset="test", seed=1)
    return out
