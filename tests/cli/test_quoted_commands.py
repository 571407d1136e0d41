"""Command lines that documents and help texts quote are command lines of this program."""

import re
import shlex
from pathlib import Path

import click
import pytest

from support.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.ipynb"), *ROOT.glob("packaging/*.md"),
     *ROOT.glob("validation/*.md"), *ROOT.glob("workflows/*/README.md")]
)  # fmt: skip
BLOCK = re.compile(r"^```(?:bash|sh)?\n(.*?)^```|((?:^ {4}[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(immport-cyto [^`]+)`(?!`)")


def lines_of(text: str) -> list[str]:
    """Command lines of a shell text: continued lines joined, redirections and what follows a command cut off."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    found = re.findall(r"(?:^|[\s(])immport-cyto +([a-z][^\n]*)", joined)
    return [re.split(r"\s(?:2?>|\|\||\||&&|#)\s|;\s|\s+#|2>", line)[0].strip() for line in found]


def command_of(words: list[str]) -> tuple[str, click.Command, list[str]] | None:
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, COMMANDS[name], words[length:]
    return None


def complete(text: str) -> list[str]:
    return [line for line in lines_of(text) if line and "..." not in line and "--help" not in line and "<" not in line]


QUOTED = [
    pytest.param(line, id=f"{page.relative_to(ROOT)}: {line[:60]}")
    for page in PAGES
    if page.suffix == ".md"
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    for line in complete("".join(block))
]
HELPED = [
    pytest.param(line, id=f"{name} --help: {line[:60]}")
    for name, command in COMMANDS.items()
    for line in complete((command.help or "").replace("\b", ""))
]


@pytest.mark.parametrize("line", [*QUOTED, *HELPED])
def test_a_quoted_command_line_is_complete_and_right(line):
    """Each option exists and has a value that it takes, and nothing that is required is missing."""
    found = command_of([word for word in shlex.split(line) if not re.fullmatch(r"\$\w+", word)])  # $qc: more options
    assert found, f"no such command: {line}"
    name, command, arguments = found
    try:
        command.make_context(name, arguments)
    except click.UsageError as error:
        pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_in_running_text_exist(page):
    for text in INLINE.findall(page.read_text(encoding="utf-8")):
        line = " ".join(text.split()).removeprefix("immport-cyto ")
        if line.startswith(("-", "<")):
            continue
        found = command_of(line.split())
        words = line.split()
        assert found or words[0] in {name.split()[0] for name in COMMANDS}, text
        if found:
            known = {option for one in found[1].params for option in (*one.opts, *one.secondary_opts)} | {
                "--help",
                "-h",
            }
            assert set(re.findall(r"(?<!\S)--[a-z-]+", line)) <= known, text


def test_the_readme_lists_every_command():
    """In its table: a word after a noun is a verb of this noun."""
    listed, noun = set(), ""
    for row in re.findall(r"^\|(?!-)(.+)\|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        for words in re.findall(r"`([a-z][^`]*)`", row.split("|")[1]):
            noun = words.split()[0] if " " in words else noun
            listed.add(words if " " in words or words in COMMANDS else f"{noun} {words}")
    assert listed == set(COMMANDS) - {"study run", "study demo"}


def test_there_are_quoted_command_lines():
    assert len(QUOTED) > 30
    assert len(HELPED) > 30


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example(name):
    text = (COMMANDS[name].help or "").replace("\b", "")
    assert re.search(r"^ *Examples?[: ]", text, re.MULTILINE), "a line 'Example:' comes before the example"
    assert f"immport-cyto {name}" in text or name == "study run"  # whose example is the file that it takes
