import json
import subprocess
import sys

HEAVY = ("pandas", "sklearn", "scipy.stats", "matplotlib", "statsmodels", "numba")


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", "from immport_cyto.cli import main; main()", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_writes_and_says_what_comes_next(tmp_path):
    done = run(
        "simulate", "--out", "sim", "--preset", "test", "--studies", "1", "--subjects", "4", "--events", "80",
        "--seed", "5", "--json", "what.json", "--quiet", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "sim: 1 studies, 4 subjects, 5 FCS files" in done.stdout
    assert "immport-cyto study run sim/study.yaml --out results" in done.stdout
    record = json.loads((tmp_path / "what.json").read_text())
    assert record["parameters"] == {"preset": "test", "seed": 5, "studies": 1, "subjects": 4, "events": 80}
    assert record["counts"]["files"] == len(list((tmp_path / "sim" / "SDY9901").rglob("*.fcs"))) == 5


def test_a_bad_option_is_one_sentence_and_exit_code_1(tmp_path):
    done = run("simulate", "--out", "sim", "--subjects", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "immport-cyto: error: simulate: subjects is 2, out of range; use 4 to 999\n"
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_exit_code_2(tmp_path):
    assert run("simulate", cwd=tmp_path).returncode == 2


def test_an_output_that_exists_is_refused(tmp_path):
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "x").write_text("")
    done = run("simulate", "--out", "sim", "--preset", "test", cwd=tmp_path)
    assert done.returncode == 1
    assert "sim: exists and is not empty; choose another output folder" in done.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from immport_cyto.cli._main import cli\n"
        "print(CliRunner().invoke(cli, ['simulate', '--help']).exit_code)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n[]\n"
