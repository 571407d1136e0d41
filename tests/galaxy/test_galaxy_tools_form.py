"""What reviewers of Galaxy tools look for in the files: order, versions, identity, options, help."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
import yaml

from support.commands import COMMANDS
from support.tool_files import FILES, MACROS, NAMES, ROOT, TOKENS, command_of, parts, tool

ORDER = (
    "description", "macros", "edam_topics", "edam_operations", "xrefs", "requirements", "stdio", "version_command",
    "command", "environment_variables", "configfiles", "inputs", "outputs", "tests", "help", "citations",
)  # fmt: skip
# Galaxy's releases, newest first: the profile is of the newest whole year before the server of the tests
RELEASES = ("26.1", "26.0", "25.1")
by_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def expanded(root: ET.Element) -> list[str]:
    """Tags of a tool in their order, macros put in their places."""
    found = []
    for child in root:
        if child.tag == "expand":
            (macro,) = [one for one in MACROS.findall("xml") if one.get("name") == child.get("macro")]
            found += expanded(macro)
        else:
            found.append(child.tag)
    return found


@by_file
def test_order_and_what_has_to_be_there(path):
    tags = expanded(tool(path))
    assert tags == sorted(tags, key=ORDER.index)
    optional = {"stdio", "environment_variables", "configfiles"}
    assert set(tags) >= set(ORDER) - optional
    assert len(tags) == len(set(tags))


def test_the_profile_is_of_the_last_year():
    assert TOKENS["@PROFILE@"] in RELEASES
    server = (ROOT / "requirements" / "galaxy.txt").read_text()
    assert f"galaxy-web-apps=={RELEASES[0]}." in server


@by_file
def test_topics_operation_and_registry(path):
    found = parts(tool(path))
    assert {item.text for item in found if item.tag == "edam_topic"} == {"topic_3934", "topic_0804"}
    (use,) = [item for item in found if item.tag == "expand" and item.get("macro") == "edam"]
    assert re.fullmatch(r"operation_\d{4}", use.get("operation"))
    assert [item.text for item in found if item.tag == "xref"] == ["immport-cyto"]


def test_the_entry_for_bio_tools_says_the_same():
    entry = json.loads((ROOT / "packaging" / "biotools" / "immport-cyto.json").read_text())
    recipe = (ROOT / "packaging" / "bioconda" / "meta.yaml").read_text()
    assert entry["biotoolsID"] == entry["name"] == "immport-cyto"
    assert entry["version"] == [TOKENS["@TOOL_VERSION@"]]
    assert f"license: {entry['license']}" in recipe
    assert f"home: {entry['homepage']}" in recipe
    operations = {part.get("operation") for path in FILES for part in tool(path).iter("expand")} - {None}
    named = entry["function"][0]["operation"]
    assert {one["uri"] for one in named} == {f"http://edamontology.org/{one}" for one in operations}
    assert {one["uri"][-10:] for one in entry["topic"]} == {"topic_3934", "topic_0804"}


@by_file
def test_citations_are_dois(path):
    found = [item for item in parts(tool(path)) if item.tag == "citation"]
    assert found
    assert all(item.get("type") == "doi" and re.fullmatch(r"10\.\d{4,}/\S+", item.text) for item in found)


@by_file
def test_a_param_of_an_option_is_named_after_it(path):
    """The form shows the option, so that what a Galaxy user reads is what a shell user types."""
    root = tool(path)
    known = {option for one in COMMANDS[command_of(path)].params for option in (*one.opts, *one.secondary_opts)}
    known |= {f"--{word}" for word in re.findall(r"\('([a-z-]+)', \$[\w.]+\)", root.find("command").text)}
    for item in [item for item in parts(root.find("inputs")) if item.tag == "param"]:
        assert item.get("label"), item.attrib
        if item.get("argument"):
            assert item.get("argument") in known
    for item in root.find("inputs").iter("param"):
        if not item.get("argument"):
            assert f"--{item.get('name').replace('_', '-')}" not in known - AMBIGUOUS, item.get("name")


# a list of files, and what the option does with one of them
AMBIGUOUS = {"--fcs"}


@by_file
def test_the_help_has_tables_of_inputs_and_outputs_and_an_example(path):
    text = tool(path).find("help").text
    for heading in ("Input", "Output"):
        (section,) = re.findall(rf"^\*\*{heading}s?\*\*\n(.*?)(?=^\*\*|\Z)", text, re.MULTILINE | re.DOTALL)
        assert re.search(r"^=+ =+$", section, re.MULTILINE), heading
    (example,) = re.findall(r"^\*\*Example\*\*\n(.*)", text, re.MULTILINE | re.DOTALL)
    assert ".. image:: $PATH_TO_IMAGES/" in example
    assert len(re.sub(r"\.\. image::.*?\n\n", "", example, flags=re.DOTALL).split()) > 3


def test_the_suite_is_defined():
    shed = yaml.safe_load((ROOT / "tools" / ".shed.yml").read_text())
    assert shed["auto_tool_repositories"]["name_template"] == "{{ tool_id }}"
    assert shed["suite"]["name"] == "suite_immport_cyto"
    assert "Flow Cytometry Analysis" in shed["categories"]


def test_the_workflow_in_parts_is_the_same_otherwise():
    """Explore one study, with three steps that make lists of lists and back, and a job for each part."""

    def read(name: str) -> dict:
        return yaml.safe_load((ROOT / "workflows" / name / f"{name}.gxwf.yml").read_text())

    one, many = read("explore-one-study"), read("explore-one-study-in-parts")
    assert one["inputs"] == many["inputs"]
    assert [name for name in many["steps"] if name not in one["steps"]] == [
        "Parts of 100 files", "Preprocessed files", "Clustered files",
    ]  # fmt: skip
    changed = set()
    for name, step in one["steps"].items():
        for key in ("in", "state"):
            here, there = step.get(key, {}), many["steps"][name].get(key, {})
            assert here.keys() == there.keys()
            changed |= {f"{name}: {entry}" for entry in here if here[entry] != there[entry]}
    assert changed == {
        "Preprocess events: input|fcs", "Preprocess events: input", "Search populations: fcs", "FlowSOM: fcs",
        "Map onto FlowSOM: input|fcs", "Map onto FlowSOM: input", "Summarise populations: clustered|fcs",
        "Cytometry report: failures",
    }  # fmt: skip
    assert set(one["outputs"]) - set(many["outputs"]) == {"Quality figures"}
    assert set(many["outputs"]) - set(one["outputs"]) == {"Left out"}
