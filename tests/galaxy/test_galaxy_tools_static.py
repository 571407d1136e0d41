"""The tool files without a server: they call commands that exist, and their tests say something."""

import re
import xml.etree.ElementTree as ET

import pytest

from immport_cyto import __version__
from support.commands import COMMANDS
from support.tool_files import FILES, MACROS, NAMES, TOOLS, command_of, name_of, parts, tool, with_tokens

WITHOUT_TOOL = {
    "study run": "its stages are tools, the workflow joins them",
    "study demo": "the tool simulate and the workflow",
    "immport download": "needs the account of a person; Galaxy uploads the files",
    "immport query": "needs the account of a person; its answers are uploaded as packages are",
}
# landed in the command line, not yet in Galaxy: docs/status.md
TO_COME: set[str] = set()
OPTIONS_TO_COME: dict[str, set[str]] = {}
# A job of Galaxy has no use for these: provenance is kept by Galaxy, cores and memory are GALAXY_SLOTS and
# GALAXY_MEMORY_MB, files have their own names
NOT_OFFERED = {"--json", "--quiet", "--jobs", "--memory", "--help"}
NOT_OFFERED_BY = {
    "fcs convert": {"--out-dir"},
    "fcs deidentify": {"--check", "--show-values"},  # values of persons stay out of the job's messages
    "immport link": {"--fcs", "--names-from", "--sample-sheet-json"},
    "cluster flowsom": {
        "--out-dir",
        "--scheduler",
    },  # the tool Map onto FlowSOM labels; the server decides where jobs run
    "cluster flock": {"--out-dir"},
    "cluster compare": {"--with"},  # files under the same names cannot be in one collection
    "immport template": {"--attach", "--columns", "--list"},
    # the tool FlowSOM writes the first three; the server decides where jobs run
    "cluster map": {"--clusters", "--medians", "--figures-dir", "--scheduler"},
    "population summary": {"--clustered"},  # --files is the same
    "figure embedding": {"--method"},  # UMAP is an extra that a server may not have
}
# of thousands of files; all others take a whole list in one job anyhow
SHARDS = {
    "events_preprocess", "events_gate", "cluster_map", "cluster_flock_map", "fcs_convert", "fcs_split", "panel_rename",
}  # fmt: skip
by_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def test_each_command_has_its_tool_and_each_tool_its_command():
    expected = {re.sub("[ -]", "_", name) for name in COMMANDS if name not in WITHOUT_TOOL}
    expected -= {re.sub("[ -]", "_", name) for name in TO_COME}
    assert set(NAMES) == expected


def test_the_tools_ask_for_this_version():
    macros = (TOOLS / "macros.xml").read_text()
    assert f'<token name="@TOOL_VERSION@">{__version__}</token>' in macros


@by_file
def test_the_tool_offers_the_options_of_the_command(path):
    """Each long option that the tool uses exists; each that the command has is offered."""
    name = command_of(path)
    text = with_tokens(tool(path).find("command").text)
    assert re.search(rf"^immport-cyto {name}$", text, re.MULTILINE)
    known = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = set(re.findall(r"(?:^|[\s'])(--[a-z][a-z-]*)", text))
    used |= {f"--{name}" for name in re.findall(r"\('([a-z-]+)', \$[\w.]+\)", text)}
    for item in parts(tool(path)):
        used |= {item.get(key) for key in ("truevalue", "falsevalue", "value") if item.get(key, "").startswith("--")}
    assert used <= known
    offered = used | NOT_OFFERED | NOT_OFFERED_BY.get(name, set()) | OPTIONS_TO_COME.get(name, set())
    missing = {
        parameter.opts[0]
        for parameter in COMMANDS[name].params
        if not offered & {*parameter.opts, *parameter.secondary_opts}
    }
    assert not {option for option in missing if option.startswith("--")}


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
    found = [item for item in parts(root.find("outputs")) if item.tag in {"data", "collection"}]
    outputs = {item.get("name") for item in found}
    always = {item.get("name") for item in found if item.find("filter") is None}
    seen = set()
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
        names = {item.get("name") for item in asserted}
        assert always <= names <= outputs
        seen |= names
        for item in asserted:
            # of a list of lists the inner elements
            elements = [one for one in item.iter("element") if one.find("element") is None]
            files = elements if item.tag == "output_collection" else [item]
            assert files
            for file in files:
                assert file.get("ftype")
                assert file.get("compare") == "diff" or len(file.find("assert_contents"))
    assert seen == outputs


@by_file
def test_a_tool_with_a_job_for_each_file_takes_a_list_in_one_job_too(path):
    """In one form: the macro, the list of names, the table of what was left out."""
    root = tool(path)
    alone = [
        item
        for item in root.find("inputs").iter("param")
        if item.get("type") == "data" and "fcs" in item.get("format", "").split(",") and item.get("multiple") != "true"
    ]
    assert not alone, "take the macro shard_input"
    shards = [use for use in root.iter("expand") if use.get("macro") == "shard_input"]
    assert bool(shards) == (path.stem in SHARDS)
    if not shards:
        return
    used = {use.get("macro") for use in root.iter("expand")}
    assert {"fcs_shard", "shard_left_out"} <= used
    options = with_tokens(root.find("command").text)
    assert "--elements galaxy.json" in options
    assert "--failures '$failures'" in options
    lists = [
        item for item in root.find("outputs").iter("collection") if "['per'] == 'list'" in item.find("filter").text
    ]
    found = [test for test in root.findall("tests/test") if test.findall(".//param[@value='list']")]
    assert {item.get("name") for test in found for item in test.findall("output_collection")} == {
        item.get("name") for item in lists
    }
    assert [test for test in found if test.findall("output[@name='failures']")]
    assert "*a job for each list of files*" in root.find("help").text


@by_file
def test_free_text_is_limited_to_what_is_needed(path):
    """Every text has a sanitizer and a validator; one that lets all through is never on the command line."""
    root = tool(path)
    command = with_tokens(root.find("command").text)
    for item in parts(root):
        if item.tag != "param" or item.get("type") != "text":
            continue
        inside = parts(item)
        sanitizers = [one for one in inside if one.tag == "sanitizer"]
        assert len(sanitizers) == 1, item.get("label")
        assert [one for one in inside if one.tag == "validator"], item.get("label")
        if sanitizers[0].get("sanitize") == "false":
            assert not re.search(rf"\$\{{?{name_of(item)}\b", command), item.get("label")


@by_file
def test_shell_words_are_quoted(path):
    """Every value of a parameter in the command stands in single quotes, or is one of fixed choices."""
    root = tool(path)
    fixed = {name_of(item) for item in parts(root) if item.get("type") in {"boolean", "select"}}
    for line in with_tokens(root.find("command").text).splitlines():
        if line.lstrip().startswith("#"):
            continue
        for found in re.finditer(r"(?<!\\)\$\{?([\w.]+)", line):
            inside = line[: found.start(1)].count("'") % 2 == 1
            assert inside or found[1].split(".")[-1] in fixed, line


def test_sanitizers_do_not_let_through_what_ends_a_quote():
    for path in TOOLS.glob("*.xml"):
        for item in ET.parse(path).getroot().iter("valid"):  # noqa: S314
            allowed = "".join(one.get("value") for one in item.findall("add"))
            assert "printable" not in item.get("initial", "")
            assert not set("'\\\n") & set(allowed)


def test_a_single_quote_is_kept_as_the_shell_wants_it():
    (mapping,) = MACROS.findall("xml[@name='free_text']/sanitizer/mapping/add")
    assert (mapping.get("source"), mapping.get("target")) == ("'", "'\"'\"'")
    (validator,) = MACROS.findall("xml[@name='free_text']/validator")
    refused = re.compile(validator.text)
    assert refused.match("it's `id` $HOME; <b> {x} TCRγδ Übung ~ 5 µg")
    for text in ("a\nb", "a\\b", "a\tb", "\x00", "a\n", "\u202e"):
        assert not refused.match(text)
    allowed = set(MACROS.find("xml[@name='free_text']/sanitizer/valid/add").get("value"))
    for item in MACROS.findall("xml[@name='free_text']/sanitizer/valid/add"):
        allowed |= set(item.get("value"))
    # what the validator takes, the sanitizer does not drop
    taken = {chr(code) for code in range(0x400) if refused.match(chr(code)) and not chr(code).isalnum()} - {"'"}
    assert taken <= allowed
