"""The table of the Cell Ontology is what its script makes of the shared facts."""

import runpy
from importlib import resources
from pathlib import Path

import pytest

pytestmark = pytest.mark.shared


def test_the_table_is_unchanged(shared_data: Path) -> None:
    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "make_cell_ontology.py"))
    table = resources.files("immport_cyto.population") / "data" / "cell_ontology.tsv"
    assert table.read_text(encoding="utf-8") == script["text"](shared_data)
