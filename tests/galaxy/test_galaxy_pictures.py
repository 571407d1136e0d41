"""Pictures in the help of the tools: each is there, small, used, made by the script, and described in words."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "tools" / "static" / "images"
IMAGE = re.compile(r"^\.\. image:: \$PATH_TO_IMAGES/(\S+)\n((?:   :\w+: .*\n)*)", re.MULTILINE)
USES = {
    path.stem: IMAGE.findall(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tools").glob("*.xml"))
    if path.name != "macros.xml"
}


@pytest.mark.parametrize("tool", [name for name, found in USES.items() if found])
def test_the_picture_of_a_tool_exists_and_is_described(tool):
    text = (ROOT / "tools" / f"{tool}.xml").read_text(encoding="utf-8")
    assert text.count("$PATH_TO_IMAGES") == len(USES[tool])
    for name, options in USES[tool]:
        content = (IMAGES / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 60_000
        (alt,) = re.findall(r":alt: (.+)", options)
        assert len(alt) > 20
        (shown,) = re.findall(r":width: (\d+)", options)
        assert int(shown) <= int.from_bytes(content[16:20], "big")  # never blown up


def test_no_picture_is_left_over_and_the_script_makes_all():
    used = {name for found in USES.values() for name, _ in found}
    assert used == {path.name for path in IMAGES.iterdir()}
    tree = ast.parse((ROOT / "scripts" / "make_help_pictures.py").read_text(encoding="utf-8"))
    (made,) = [node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "PICTURES"]
    assert used == {f"{key.value}.png" for key in made.keys} | {"report.png"}


def test_each_tool_shows_its_example():
    assert [tool for tool, found in USES.items() if not found] == []
