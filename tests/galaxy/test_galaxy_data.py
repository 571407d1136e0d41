"""test-data/galaxy/ is what scripts/make_galaxy_test_data.sh makes.

On one machine that is to the byte. Between processors the last digits of estimates and of transformed values
differ (order of sums in BLAS, mathematics library), so numbers are compared to a relative 1e-6, all else exactly.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from immport_cyto import fcs
from support.same_tables import difference

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "test-data" / "galaxy"
REMAKE = "test-data/galaxy/ is not what the code makes; if the change is meant, run scripts/make_galaxy_test_data.sh"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "galaxy"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = ROOT / "scripts" / "make_galaxy_test_data.sh"
    subprocess.run(["sh", str(script), str(out)], check=True, env=os.environ | {"PATH": path}, capture_output=True)
    return out


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_same_files(made):
    assert names(made) == names(KEPT), REMAKE


@pytest.mark.parametrize(
    "name", [name for name in names(KEPT) if name.endswith((".tsv", ".csv", ".flowtext", ".flowmfi"))]
)
def test_same_table(made, name):
    assert not difference((made / name).read_text(), (KEPT / name).read_text()), REMAKE


@pytest.mark.parametrize("name", [name for name in names(KEPT) if name.endswith(".fcs")])
def test_same_events(made, name):
    with fcs.open(made / name) as new, fcs.open(KEPT / name) as old:
        assert dict(new.keywords) == dict(old.keywords), REMAKE
        np.testing.assert_allclose(new.raw(), old.raw(), rtol=1e-5, atol=1e-6, err_msg=REMAKE)


@pytest.mark.parametrize("name", [name for name in names(KEPT) if name.endswith(".npz")])
def test_same_model(made, name):
    with np.load(made / name) as new, np.load(KEPT / name) as old:
        assert sorted(new) == sorted(old)
        for key in sorted(new):
            if new[key].dtype.kind == "f":
                np.testing.assert_allclose(new[key], old[key], rtol=1e-4, atol=1e-5, err_msg=f"{key}: {REMAKE}")
            elif new[key].dtype.kind in "iu" and new[key].ndim:
                np.testing.assert_array_equal(new[key], old[key], err_msg=f"{key}: {REMAKE}")


@pytest.mark.parametrize("name", [name for name in names(KEPT) if name.endswith(".zip")])
def test_same_package(made, name):
    with zipfile.ZipFile(made / name) as new, zipfile.ZipFile(KEPT / name) as old:
        assert new.namelist() == old.namelist()
        for member in new.namelist():
            assert new.read(member) == old.read(member), f"{member}: {REMAKE}"
