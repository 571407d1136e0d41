"""The tools and the workflow in a real Galaxy, by planemo."""

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
TOOLS = sorted(path for path in (ROOT / "tools").glob("*.xml") if path.name != "macros.xml")
WORKFLOW = ROOT / "workflows" / "cross-study-meta-analysis"
# the check of bio.tools asks the internet
LINT = ("lint", "--skip", "BioToolsValid", str(ROOT / "tools"))


def run_planemo(planemo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(planemo), *arguments], capture_output=True, text=True, check=False)


def test_lint_of_tools_is_clean(planemo):
    done = run_planemo(planemo, *LINT)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert not re.search("WARNING|ERROR", report), report
    assert report.count("Linting tool") == len(TOOLS)


def test_lint_of_the_workflow_is_clean(planemo):
    done = run_planemo(planemo, "workflow_lint", "--iwc", str(WORKFLOW))
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert not re.search("WARNING|ERROR", report), report


def planemo_test(galaxy, target: Path, folder: Path) -> list[dict]:
    """Results of ``planemo test`` on one target."""
    out = folder / "tests.json"
    done = galaxy.planemo("--test_output_json", out, "--test_output", folder / "tests.html", target)
    assert out.is_file(), f"planemo made no results\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return json.loads(out.read_text())["tests"]


def details(result: dict) -> str:
    """What a person needs to know of a test that failed."""
    data = result["data"]
    job = data.get("job") or {}
    lines = [f"{result['id']}: {data.get('status')}", *map(str, data.get("output_problems") or [])]
    lines += [f"{name}: {data[name]}" for name in ("execution_problem",) if data.get(name)]
    lines += [f"{name}: {job[name][-2000:]}" for name in ("command_line", "stderr", "stdout") if job.get(name)]
    return "\n".join(lines)


@pytest.fixture(scope="session")
def tool_results(galaxy, tmp_path_factory) -> dict[str, list[dict]]:
    """Results of all tool tests, by the tool's name."""
    found: dict[str, list[dict]] = {path.stem: [] for path in TOOLS}
    for result in planemo_test(galaxy, ROOT / "tools", tmp_path_factory.mktemp("planemo")):
        name = re.sub(r"^immport_cyto_|-\d+$", "", result["id"])
        found[name].append(result)
    return found


@pytest.mark.parametrize("name", [path.stem for path in TOOLS])
def test_tool(tool_results, name):
    results = tool_results[name]
    failed = [result for result in results if result["data"].get("status") != "success"]
    assert not failed, "\n\n".join(map(details, failed))
    assert len(results) >= 3


def test_workflow(galaxy, tmp_path):
    results = planemo_test(galaxy, WORKFLOW / "cross-study-meta-analysis.gxwf.yml", tmp_path)
    failed = [result for result in results if result["data"].get("status") != "success"]
    assert not failed, "\n\n".join(map(details, failed))
    assert len(results) == 1
