"""The examples of the documents, run as they are written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("real")]
BLOCK = re.compile(r"<!-- run: (shell|python) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def folder(shared_data, tmp_path) -> Path:
    for study in ("SDY420", "SDY736"):
        shutil.copytree(shared_data / "metacyto" / "extdata" / study, tmp_path / study)
    return tmp_path


def run(kind: str, text: str, folder: Path) -> str:
    command = ["bash", "-euo", "pipefail", "-c", text] if kind == "shell" else [sys.executable, "-c", text]
    names = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=names, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_readme(folder, root):
    blocks = BLOCK.findall((root / "README.md").read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks] == ["shell", "python"]
    shell, python = (run(kind, text, folder) for kind, text in blocks)
    assert "14 of 14 files of 2 studies" in shell
    assert "'files': 14" in python
    assert "Naive CD4 T cells" in python
    assert (folder / "results" / "meta.tsv").read_bytes() == (folder / "results-python" / "meta.tsv").read_bytes()


def test_the_stages_one_by_one_give_what_the_run_gives(folder, root):
    blocks = BLOCK.findall((root / "docs" / "shell.md").read_text(encoding="utf-8"))
    assert len(blocks) == 6
    for kind, text in blocks:
        run(kind, text, folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for heading in ("Pooled effects", "Studies and links", "Panels", "Quality control", "Clusters", "Populations"):
        assert f">{heading}</h2>" in page
    (readme,) = (
        text for kind, text in BLOCK.findall((root / "README.md").read_text(encoding="utf-8")) if kind == "shell"
    )
    run("shell", readme, folder)
    for name in ("cluster_medians.tsv", "panels.tsv"):
        assert (folder / name).read_bytes() == (folder / "results" / name).read_bytes(), name
