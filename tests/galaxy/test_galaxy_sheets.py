"""A sample sheet of Galaxy carries the metadata of ImmPort: out of one link, into the next, and the same samples."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.galaxy_api import Session

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
STUDY = ROOT / "test-data" / "SDY9901"
FILES = sorted(STUDY.rglob("*.fcs"))[:2]


@pytest.fixture(scope="module")
def sheet(tmp_path_factory) -> dict:
    """What ``immport link --sample-sheet-json`` writes of two files."""
    folder = tmp_path_factory.mktemp("sheet")
    command = [
        "immport", "link", "--metadata", STUDY / "SDY9901-DR99_Tab.zip", "--fcs", *FILES, "--out",
        folder / "samples.tsv", "--sample-sheet-json", folder / "sheet.json",
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "immport_cyto", *map(str, command)], check=True, capture_output=True)
    return json.loads((folder / "sheet.json").read_text()) | {"samples": (folder / "samples.tsv").read_text()}


def test_the_rows_of_the_collection_are_the_samples(galaxy, sheet):
    session = Session(galaxy, "Sample sheet")
    listed = session.upload_list("FCS files", FILES)
    made = session.build_sample_sheet(listed, {key: sheet[key] for key in ("column_definitions", "rows")})
    given = {"files|choice": "given", "files|fcs": {"src": "hdca", "id": made}, "source|of": "sheet"}
    found = session.run_all("immport_cyto_immport_link", given)
    rows = [line.split("\t") for line in session.content(found["samples"]).splitlines()]
    expected = [line.split("\t") for line in sheet["samples"].splitlines()]
    rule = rows[0].index("link_rule")
    assert {row[rule] for row in rows[1:]} == {"sample_sheet"}
    assert [row[:rule] for row in rows] == [row[:rule] for row in expected]
    assert len(rows) == len(FILES) + 1
