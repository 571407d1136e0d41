"""The tool files: their XML with the macros, and the commands that they call."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from support.commands import COMMANDS

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
FILES = sorted(path for path in TOOLS.glob("*.xml") if path.name != "macros.xml")
NAMES = [path.stem for path in FILES]
MACROS = ET.parse(TOOLS / "macros.xml").getroot()  # noqa: S314  our own files
TOKENS = {token.get("name"): token.text or "" for token in MACROS.findall("token")}


def tool(path: Path) -> ET.Element:
    """The XML of a tool, macros not expanded."""
    return ET.parse(path).getroot()  # noqa: S314  our own files


def command_of(path: Path) -> str:
    """The command that a tool calls."""
    found = [name for name in COMMANDS if re.sub("[ -]", "_", name) == path.stem]
    assert len(found) == 1, f"{path.name} is named after no command"
    return found[0]


def with_tokens(text: str) -> str:
    """A text with the tokens of macros.xml put in."""
    for _ in range(3):
        for name, value in TOKENS.items():
            text = text.replace(name, value)
    return text


def parts(root: ET.Element) -> list[ET.Element]:
    """All elements of a tool, those of its macros too."""
    found = list(root.iter())
    for use in [item for item in found if item.tag == "expand"]:
        found += [
            item for macro in MACROS.findall("xml") if macro.get("name") == use.get("macro") for item in parts(macro)
        ]
    return found


def name_of(param: ET.Element) -> str:
    """Name of a parameter."""
    return param.get("name") or param.get("argument", "").lstrip("-").replace("-", "_")
