"""What the documents say is what the code does."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.ipynb"), *ROOT.glob("packaging/*.md"),
     *ROOT.glob("validation/**/*.md"), *ROOT.glob("workflows/*/*.md"), *ROOT.glob("benchmarks/*.md")]
)  # fmt: skip
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"`((?:lib|docs|tests|scripts|tools|validation|workflows|packaging|requirements|benchmarks)/[\w./-]+)`"
)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as web pages for repositories make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_that_are_named_exist(page):
    found = PATH.findall(page.read_text(encoding="utf-8"))
    assert {path for path in found if not (ROOT / path).exists()} == set()


def test_file_formats_are_made_from_the_contracts(root):
    made = runpy.run_path(str(root / "scripts" / "make_docs.py"))["text"]()
    assert (root / "docs" / "file-formats.md").read_text(encoding="utf-8") == made
