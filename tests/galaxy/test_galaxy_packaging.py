"""Recipes and tool shed repositories hold what they need, and the pages for Galaxy name tools that exist."""

import json
import os
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import jinja2
import pytest
import yaml

from immport_cyto import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OF_GALAXY = {
    "Get Data", "Workflows", "Build Dataset List", "Select Items", "Select All", "Auto Build List",
    "Remove file extensions", "Age and T cells", "Cross-study meta-analysis", "Filter failed datasets",
    "Flatten collection",
}  # fmt: skip
RENAMED = {"matplotlib": "matplotlib-base"}


@pytest.fixture(scope="module")
def recipe():
    text = (ROOT / "packaging/bioconda/meta.yaml").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701  a recipe, no page
    return yaml.safe_load(
        environment.from_string(text).render(PYTHON="python", pin_subpackage=lambda name, max_pin: f"{name} {max_pin}")
    )


def parts(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([a-z0-9-]+)(.*)", requirement.replace(" ", "")).groups()
    return RENAMED.get(name, name), bound


def test_the_recipe_asks_for_the_same_packages(recipe):
    extras = PROJECT["optional-dependencies"]
    wanted = {*PROJECT["dependencies"], *extras["parquet"], *extras["anndata"], f"python{PROJECT['requires-python']}"}
    assert set(map(parts, recipe["requirements"]["run"])) == set(map(parts, wanted))


def test_version_licence_and_entry_point(recipe):
    assert recipe["package"] == {"name": PROJECT["name"], "version": __version__}
    assert recipe["about"]["license"] == PROJECT["license"]
    ((name, target),) = PROJECT["scripts"].items()
    assert recipe["build"]["entry_points"] == [f"{name} = {target}"]
    assert recipe["build"]["noarch"] == "python"


def test_the_recipe_keeps_the_rules_of_bioconda(recipe):
    """Those of bioconda-utils lint that ask for entries; conda itself is not here."""
    about, build, test = recipe["about"], recipe["build"], recipe["test"]
    assert all(about[key] for key in ("home", "license", "license_file", "summary"))
    assert (ROOT / about["license_file"]).is_file()
    assert re.fullmatch(r"[0-9a-f]{64}", str(recipe["source"]["sha256"]))
    assert recipe["source"]["url"].endswith(f"immport_cyto-{__version__}.tar.gz")
    assert build["number"] == 0
    assert build["run_exports"] == ["immport-cyto x.x"]
    assert {"--no-deps", "--no-build-isolation", "--no-cache-dir"} <= set(build["script"].split())
    bounds = [line for part in ("host", "run") for line in recipe["requirements"][part] if re.search("[<>=]", line)]
    assert all(re.fullmatch(r"[a-z0-9-]+ [<>=]+[0-9.]+", line) for line in bounds)
    assert test["imports"] == ["immport_cyto"]
    assert "pip check" in test["commands"]


def test_the_container_has_the_same_version_and_copies_files_that_exist():
    text = (ROOT / "packaging/container/Containerfile").read_text()
    assert f"immport-cyto:{__version__}" in text
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists()


@pytest.fixture(scope="module")
def repositories(planemo, tmp_path_factory):
    """What planemo would send to the tool shed, by the name of the repository."""
    script = ROOT / "tests" / "support" / "shed_repositories.py"
    home = tmp_path_factory.mktemp("planemo")
    done = subprocess.run(
        [planemo.parent / "python", script, ROOT / "tools"],
        env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_suite_has_a_repository_for_each_tool(repositories):
    tools = {f"immport_cyto_{path.stem}" for path in (ROOT / "tools").glob("*_*.xml")} | {"immport_cyto_simulate"}
    assert set(repositories) == tools | {"suite_immport_cyto"}
    assert repositories["suite_immport_cyto"]["files"] == ["repository_dependencies.xml"]
    assert {name: one["findings"] for name, one in repositories.items() if one["findings"]} == {}


def test_a_repository_has_its_tool_pictures_and_the_inputs_of_its_tests(repositories):
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "test-data").rglob("*") if path.is_file()}
    for name, one in repositories.items():
        if name.startswith("suite"):
            continue
        own = f"{name.removeprefix('immport_cyto_')}.xml"
        files = set(one["files"])
        assert {file for file in files if file.endswith(".xml") and "/" not in file} == {own, "macros.xml"}
        root = ET.parse(ROOT / "tools" / own).getroot()  # noqa: S314  our own files
        given = {text for item in root.find("tests").iter() for text in (item.get("value"), item.get("file"))}
        assert {f"test-data/{text}" for text in given} & data <= files
        assert all(
            f"static/images/{image}" in files for image in re.findall(r"PATH_TO_IMAGES/(\S+)", root.findtext("help"))
        )


@pytest.mark.parametrize(
    "page", ["docs/galaxy.md", "docs/from-immport-galaxy.md", "docs/administrators.md", "docs/tutorials/cross-study.md"]
)
def test_what_a_page_names_exists(page):
    """Names of tools, labels of forms, inputs and outputs of workflows stand in italics."""
    files = [
        *(ROOT / "tools").glob("*.xml"),
        *(ROOT / "workflows").glob("*/*.gxwf.yml"),
        *(ROOT / "workflows").glob("*/README.md"),
    ]
    known = "\n".join(path.read_text() for path in files)
    text = " ".join((ROOT / page).read_text().split())
    asked = set(re.findall(r"(?<![*\w])\*([A-Z][^*→]+?)\*(?!\*)", text))
    assert asked
    assert {name for name in asked - OF_GALAXY if name not in known} == set()
