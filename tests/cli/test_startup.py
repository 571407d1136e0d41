"""A Galaxy job is a fresh process: the command line starts without the heavy libraries."""

import subprocess
import sys

import pytest

from immport_cyto import __version__
from immport_cyto.cli._main import NOUNS

HEAVY = ("sklearn", "scipy.stats", "pandas", "matplotlib", "statsmodels", "numba")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "immport_cyto", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("noun", ["", *NOUNS])
def test_help_imports_nothing_heavy(noun):
    code = (
        "import sys\n"
        "from immport_cyto.cli._main import cli\n"
        f"cli({[noun] if noun else []!r} + ['--help'], standalone_mode=False)\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('LOADED', loaded, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stderr.strip().endswith("LOADED []"), done.stderr


def test_version_and_unknown_command():
    assert __version__ in run("--version").stdout
    wrong = run("clutser")
    assert wrong.returncode == 2
    assert "No such command" in wrong.stderr


def test_a_users_error_is_one_line_and_exit_code_1(tmp_path):
    done = run("fcs", "info", str(tmp_path / "none.fcs"), "--out", str(tmp_path / "info.tsv"))
    assert done.returncode == 1
    assert done.stderr.startswith("immport-cyto: error: ")
    assert done.stderr.count("\n") == 1
    assert "none.fcs" in done.stderr
    assert not (tmp_path / "info.tsv").exists()
