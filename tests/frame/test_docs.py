"""What the documents say is what the code does."""

import runpy


def test_file_formats_are_made_from_the_contracts(root):
    made = runpy.run_path(str(root / "scripts" / "make_docs.py"))["text"]()
    assert (root / "docs" / "file-formats.md").read_text(encoding="utf-8") == made
