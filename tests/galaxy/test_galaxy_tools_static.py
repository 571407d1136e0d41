"""The tool files without a server: they call commands that exist, and their tests say something."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest

from immport_cyto import __version__
from immport_cyto.cli._main import cli

TOOLS = Path(__file__).parents[2] / "tools"
FILES = sorted(path for path in TOOLS.glob("*.xml") if path.name != "macros.xml")
NAMES = [path.stem for path in FILES]
EXPECTED = [
    "cluster_flowsom", "cluster_map", "events_preprocess", "fcs_info", "immport_link", "meta_effects", "meta_pool",
    "panel_harmonize", "population_label", "population_search", "population_summary", "report_build",
]  # fmt: skip
by_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def tool(path: Path) -> ET.Element:
    return ET.parse(path).getroot()  # noqa: S314  our own files


def test_all_stages_have_their_tools():
    assert set(EXPECTED) <= set(NAMES)


def test_the_tools_ask_for_this_version():
    macros = (TOOLS / "macros.xml").read_text()
    assert f'<token name="@TOOL_VERSION@">{__version__}</token>' in macros


@by_file
def test_command_and_options_exist(path):
    """Each long option of the command section is one of the command, and none that it requires is absent."""
    text = tool(path).find("command").text
    words = re.search(r"immport-cyto ([a-z]+) ([a-z]+)", text)
    assert words, "the command section calls immport-cyto"
    assert path.stem == f"{words[1]}_{words[2]}"
    group = cli.get_command(click.Context(cli), words[1])
    command = group.get_command(click.Context(group), words[2])
    known = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    raw = path.read_text()
    used = set(re.findall(r"(?:^|\s)(--[a-z][a-z-]*)", text)) | set(re.findall(r'truevalue="(--[a-z-]+)"', raw))
    used |= {f"--{name}" for name in re.findall(r"\('([a-z-]+)', \$\w+\)", text)}
    assert used <= known
    required = {parameter.opts[0] for parameter in command.params if parameter.required and parameter.opts}
    assert {name for name in required if name.startswith("--")} <= used


@by_file
def test_identity(path):
    root = tool(path)
    assert root.get("id") == f"immport_cyto_{path.stem}"
    assert root.get("version") == "@TOOL_VERSION@+galaxy@VERSION_SUFFIX@"
    assert root.find("command").get("detect_errors") == "exit_code"
    text = root.find("help").text
    for heading in ("**What it does**", "**Input", "**Output", "**Example**"):
        assert heading in text


@by_file
def test_tests_assert_content(path):
    """No comparison by size; every test says how many outputs there are, and every output is asserted."""
    root = tool(path)
    outputs = {item.get("name") for item in root.find("outputs")}
    tests = root.findall("tests/test")
    failures = [test for test in tests if test.get("expect_failure") == "true"]
    successes = [test for test in tests if test not in failures]
    assert len(successes) >= 2
    assert failures
    assert not [item for item in root.iter() if item.get("compare") in {"sim_size", "re_match_multiline"}]
    assert not [item for item in root.iter() if item.tag in {"has_size", "has_image_size"} or item.get("delta")]
    for test in failures:
        assert test.get("expect_exit_code") == "1"
        assert test.findall("assert_stderr/has_text")
    for test in successes:
        asserted = [item for item in test if item.tag in {"output", "output_collection"}]
        assert int(test.get("expect_num_outputs")) == len(asserted)
        assert {item.get("name") for item in asserted} == outputs
        for item in asserted:
            files = item.findall("element") if item.tag == "output_collection" else [item]
            assert files
            for file in files:
                assert file.get("ftype")
                assert file.get("compare") == "diff" or len(file.find("assert_contents"))


@by_file
def test_free_text_is_limited_to_what_is_needed(path):
    macros = ET.parse(TOOLS / "macros.xml").getroot()  # noqa: S314
    safe = {name.get("name") for name in macros.findall("xml") if name.find("sanitizer") is not None}
    for item in tool(path).iter("param"):
        if item.get("type") == "text" and item.get("label"):
            expanded = {use.get("macro") for use in item.findall("expand")}
            assert item.find("sanitizer") is not None or expanded & safe, item.get("label")


@by_file
def test_shell_words_are_quoted(path):
    """Every value of a parameter in the command stands in single quotes, or is one of fixed choices."""
    root = tool(path)
    fixed = {
        item.get("name") or item.get("argument", "").lstrip("-").replace("-", "_")
        for item in root.iter("param")
        if item.get("type") in {"boolean", "select"}
    }
    for line in root.find("command").text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for found in re.finditer(r"(.?)\$\{?([\w.]+)", line):
            inside = line[: found.start(2)].count("'") % 2 == 1
            assert inside or found[2].split(".")[-1] in fixed, line


def test_sanitizers_do_not_let_through_what_ends_a_quote():
    for path in TOOLS.glob("*.xml"):
        for item in ET.parse(path).getroot().iter("valid"):  # noqa: S314
            removed = {rule.get("value") for rule in item.findall("remove")}
            assert "'" not in {rule.get("value") for rule in item.findall("add")}
            if "printable" in item.get("initial", ""):
                assert {"'", "\\"} <= removed
