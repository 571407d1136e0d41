"""The command ``study run``: errors of a user are one sentence; a bar on a terminal, plain lines in a log."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

COMMAND = [sys.executable, "-m", "immport_cyto", "study", "run"]


def write_config(folder: Path, data: Path, **changes: object) -> Path:
    content: dict[str, object] = {
        "studies": [{"metadata": str(data / "SDY9903" / "SDY9903-DR99_Tab.zip"), "fcs": str(data / "SDY9903")}],
        "populations": [{"population": "T cells", "definition": "CD3+"}],
        "cluster": {"grid": [4, 4], "metaclusters": 4},
        "model": {"formula": "age_years"},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"formula": "age_years + hight"}}, "hight"),
        ({"clutser": {}}, "did you mean 'cluster'"),
        ({"populations": "none.tsv"}, "populations names 'none.tsv', which does not exist"),
        ({"populations": [{"population": "x", "definition": "CD3"}]}, "CD3"),
    ],
)
def test_a_users_error_is_one_sentence_and_exit_code_1(test_data, tmp_path, changes, told):
    done = run(write_config(tmp_path, test_data, **changes), "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("immport-cyto: error: ")
    assert told in line


def test_an_existing_folder_is_refused(test_data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("mine")
    done = run(write_config(tmp_path, test_data), "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.endswith("the output folder is not empty; choose another folder\n")


def test_missing_option_is_wrong_usage(test_data, tmp_path):
    done = run(write_config(tmp_path, test_data))
    assert done.returncode == 2
    assert "Missing option '--out'" in done.stderr


def test_progress_is_plain_lines_in_a_log(test_data, tmp_path):
    done = run(write_config(tmp_path, test_data), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr
    assert "preprocess: 7/7 in " in done.stderr
    assert done.stdout.splitlines()[0].startswith("7 of 7 files of 1 study, ")
    assert done.stdout.splitlines()[-1] == f"report: {tmp_path / 'out' / 'report.html'}"


def test_progress_is_a_bar_on_a_terminal(test_data, tmp_path):
    ours, theirs = pty.openpty()
    config = write_config(tmp_path, test_data)
    with subprocess.Popen(
        [*COMMAND, str(config), "--out", str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        assert process.wait() == 0
    os.close(ours)
    text = seen.decode()
    assert "\r\x1b[2Kpreprocess " in text
    assert "█" in text
    assert "preprocess: 7/7 in " in text
