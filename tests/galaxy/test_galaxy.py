"""The tools and the workflow in a real Galaxy, by planemo."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.same_tables import difference

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
TOOLS = sorted(path for path in (ROOT / "tools").glob("*.xml") if path.name != "macros.xml")
WORKFLOWS = sorted(path.parent for path in (ROOT / "workflows").glob("*/*.gxwf.yml"))
# a test waits for Galaxy most of its time
SIDE_BY_SIDE = 4
LINT = ("lint", "--skip_file", str(ROOT / "tools" / ".lint_skip"), str(ROOT / "tools"))


def run_planemo(planemo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(planemo), *arguments], capture_output=True, text=True, check=False)


def test_lint_of_tools_is_clean(planemo):
    done = run_planemo(planemo, *LINT)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert not re.search("WARNING|ERROR", report), report
    assert report.count("Linting tool") == len(TOOLS)


@pytest.mark.parametrize("folder", WORKFLOWS, ids=[folder.name for folder in WORKFLOWS])
def test_lint_of_the_workflow_is_clean(planemo, folder):
    done = run_planemo(planemo, "workflow_lint", "--iwc", str(folder))
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert not re.search("WARNING|ERROR", report), report


def planemo_test(galaxy, targets: list[Path], folder: Path) -> list[dict]:
    """Results of ``planemo test`` on some targets."""
    out = folder / "tests.json"
    done = galaxy.planemo("--test_output_json", out, "--test_output", folder / "tests.html", *targets)
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


def shares(tools: list[Path], number: int) -> list[list[Path]]:
    """The tools in parts with about the same number of tests."""
    parts: list[list[Path]] = [[] for _ in range(number)]
    sizes = [0] * number
    tests = {path: path.read_text().count("<test ") for path in tools}
    for path in sorted(tools, key=lambda one: -tests[one]):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(path)
        sizes[smallest] += tests[path]
    return parts


@pytest.fixture(scope="session")
def tool_results(galaxy, tmp_path_factory) -> dict[str, list[dict]]:
    """Results of all tool tests, by the tool's name; several runs side by side."""
    found: dict[str, list[dict]] = {path.stem: [] for path in TOOLS}
    folders = [tmp_path_factory.mktemp(f"planemo{number}") for number in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        runs = [
            pool.submit(planemo_test, galaxy, part, folder)
            for part, folder in zip(shares(TOOLS, SIDE_BY_SIDE), folders, strict=True)
        ]
    for result in [one for run in runs for one in run.result()]:
        found[re.sub(r"^immport_cyto_|-\d+$", "", result["id"])].append(result)
    return found


@pytest.mark.parametrize("name", [path.stem for path in TOOLS])
def test_tool(tool_results, name):
    results = tool_results[name]
    failed = [result for result in results if result["data"].get("status") != "success"]
    assert not failed, "\n\n".join(map(details, failed))
    assert len(results) >= 3


@pytest.mark.parametrize("folder", WORKFLOWS, ids=[folder.name for folder in WORKFLOWS])
def test_the_editor_finds_nothing_missing_in_the_workflow(galaxy, folder):
    """A value that a step does not give is an "issue" in the editor, and the run form says so too."""
    key = f"key={galaxy.user_key}"
    given = {"workflow": {"yaml_content": (folder / f"{folder.name}.gxwf.yml").read_text()}}
    made = galaxy.call("POST", f"/api/workflows?{key}", given)
    shown = galaxy.call("GET", f"/api/workflows/{made['id']}/download?style=editor&{key}")
    assert shown["upgrade_messages"] == {}
    assert not [step["errors"] for step in shown["steps"].values() if step.get("errors")]


@pytest.fixture(scope="session")
def workflow_results(galaxy, tmp_path_factory) -> dict[str, dict]:
    """Result of the test of each workflow, by its name; two at a time."""
    folders = {folder.name: tmp_path_factory.mktemp(folder.name) for folder in WORKFLOWS}
    with ThreadPoolExecutor(2) as pool:
        runs = {
            folder.name: pool.submit(planemo_test, galaxy, [folder / f"{folder.name}.gxwf.yml"], folders[folder.name])
            for folder in WORKFLOWS
        }
    return {name: run.result()[0] for name, run in runs.items()}


@pytest.mark.parametrize("name", [folder.name for folder in WORKFLOWS])
def test_workflow(workflow_results, name):
    result = workflow_results[name]
    assert result["data"].get("status") == "success", details(result)


def test_workflow_gives_the_tables_of_study_run(galaxy, workflow_results, tmp_path):
    """One way in the shell, in Galaxy the stages one by one: the same bytes."""
    key = f"key={galaxy.user_key}"
    assert workflow_results["cross-study-meta-analysis"]["data"]["status"] == "success"
    latest = galaxy.call("GET", f"/api/invocations?limit=20&sort_by=create_time&sort_desc=true&{key}")
    every = (galaxy.call("GET", f"/api/invocations/{one['id']}?{key}")["outputs"] for one in latest)
    outputs = next(found for found in every if "Pooled effects" in found and "Named metaclusters" in found)
    studies = [
        {"metadata": str(ROOT / f"test-data/{name}/{name}-DR99_Tab.zip"), "fcs": str(ROOT / f"test-data/{name}")}
        for name in ("SDY9901", "SDY9903")
    ]
    config = {
        "title": "The same by study run",
        "studies": studies,
        "populations": str(ROOT / "test-data/definitions.tsv"),
        "cluster": {"metaclusters": 15},
        "model": {"formula": "age_years"},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(config))
    command = ["study", "run", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out"), "--quiet"]
    subprocess.run([sys.executable, "-m", "immport_cyto", *command], check=True, capture_output=True)
    pairs = {
        "Samples": "samples", "Panels": "panels", "Named metaclusters": "clusters",
        "Populations per sample": "populations", "Effects": "effects", "Pooled effects": "meta",
    }  # fmt: skip
    for label, table in pairs.items():
        there = galaxy.text("GET", f"/api/datasets/{outputs[label]['id']}/display?{key}")
        here = (tmp_path / "out" / f"{table}.tsv").read_text()
        assert there == here, f"{label}: {difference(there, here) or 'last digits'}"
