"""The tutorial for the shell runs as it stands; what the one for Galaxy says is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from immport_cyto import tables

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all blocks of the shell tutorial were run."""
    place = tmp_path_factory.mktemp("tutorial")
    blocks = re.findall(r"```bash\n(.*?)```", (TUTORIALS / "shell.md").read_text(), re.DOTALL)
    assert len(blocks) >= 7
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=place, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (place / "out").write_text(done.stdout)
    return place


def test_the_stages_give_what_study_run_gives(folder):
    """Populations by search are the same on both ways."""
    stages = tables.read(folder / "populations.tsv", tables.POPULATIONS)
    run = tables.read(folder / "results" / "populations.tsv", tables.POPULATIONS)
    run = run[run["method"] == "search"].reset_index(drop=True)
    key = ["file_name", "population"]
    left, right = (frame.sort_values(key, ignore_index=True)[[*key, "n_events", "n_parent"]] for frame in (stages, run))
    assert left.equals(right)


def test_the_effect_is_near_the_truth(folder):
    meta = tables.read(folder / "meta.tsv", tables.META)
    row = meta[(meta["population"] == "Naive CD8 T cells") & (meta["omitted"] == "")].iloc[0]
    assert abs(row["estimate"] + 0.04) < 0.02
    assert "<title>Age and T cells</title>" in (folder / "report.html").read_text()


def test_boxes_of_the_training_network_are_closed():
    """Each hands-on, question and solution ends with its class."""
    text = (TUTORIALS / "cross-study.md").read_text()
    for title, name in (("hands-on", "hands_on"), ("question", "question"), ("solution", "solution")):
        assert text.count(f"<{title}-title>") == text.count(f"{{: .{name}}}") > 0
    header = text.split("---")[1]
    for key in ("title", "time_estimation", "questions", "objectives", "key_points", "contributions"):
        assert re.search(rf"^{key}:", header, re.MULTILINE)
