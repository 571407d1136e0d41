"""Two workflows on real studies, when the shared data are there: the same bytes as on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.galaxy_api import Session
from support.same_tables import difference

pytestmark = [pytest.mark.galaxy, pytest.mark.shared]
ROOT = Path(__file__).parents[2]
PACKAGES = ("SDY144-DR28_Tab.zip", "SDY364-DR29_Tab.zip", "SDY372-DR29_Tab.zip")
POPULATIONS = """population\tdefinition\tparent\tcl_id
T cells\tCD3+\t\tCL:0000084
CD4 T cells\tCD3+ CD4+ CD8-\tCD3+\tCL:0000624
Naive CD4 T cells\tCD3+ CD4+ CCR7+ CD45RA+\tCD3+ CD4+\tCL:0000895
"""


def cyto(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "immport_cyto", *map(str, words)], check=True, capture_output=True)


def assert_same(there: str, path: Path, label: str) -> None:
    """To the byte."""
    here = path.read_text()
    assert there == here, f"{label}: {difference(there, here) or 'last digits'}"


def run(galaxy, name: str, inputs: dict, history: Session) -> dict[str, str]:
    return history.workflow(ROOT / "workflows" / name / f"{name}.gxwf.yml", inputs)


def test_published_results_of_three_studies(galaxy, shared_data, tmp_path):
    """Amounts of Fluzone and other vaccine studies, pooled as on the command line."""
    packages = [shared_data / "immport" / "tab" / name for name in PACKAGES]
    history = Session(galaxy, "Published results")
    listed = history.upload_list("packages", packages, ext="zip")
    outputs = run(
        galaxy, "published-results",
        {"ImmPort packages": {"src": "hdca", "id": listed}, "Model": "age_years", "Scale": "log10"}, history,
    )  # fmt: skip
    given = [word for path in packages for word in ("--metadata", path)]
    cyto("immport", "results", *given, "--out", tmp_path / "p.tsv", "--samples", tmp_path / "s.tsv")
    cyto(
        "meta", "effects", "--populations", tmp_path / "p.tsv", "--samples", tmp_path / "s.tsv", "--formula",
        "age_years", "--scale", "log10", "--out", tmp_path / "e.tsv",
    )  # fmt: skip
    cyto("meta", "pool", tmp_path / "e.tsv", "--out", tmp_path / "m.tsv")
    for label, name in (("Populations per sample", "p"), ("Effects", "e"), ("Pooled effects", "m")):
        assert_same(history.content(outputs[label]), tmp_path / f"{name}.tsv", label)
    assert history.content(outputs["Studies"]).count("\nSDY") == len(PACKAGES)


def test_two_studies_from_fcs_files(galaxy, shared_data, tmp_path):
    """SDY420 (CyTOF) and SDY736 (flow cytometry): the tables are those of study run."""
    data = shared_data / "metacyto" / "extdata"
    tables = sorted(data.glob("SDY*/SDY*_result.txt"))
    files = sorted(data.glob("SDY*/ResultFiles/*/*.fcs"))
    assert (len(tables), len(files)) == (2, 14)
    (tmp_path / "definitions.tsv").write_text(POPULATIONS)
    history = Session(galaxy, "SDY420 and SDY736")
    listed = history.upload_list("FCS files", files)
    packages = history.upload_list("packages", tables, ext="tabular")
    definitions = history.upload(tmp_path / "definitions.tsv")
    outputs = run(
        galaxy, "cross-study-meta-analysis",
        {
            "FCS files": {"src": "hdca", "id": listed}, "ImmPort packages": {"src": "hdca", "id": packages},
            "Population definitions": {"src": "hda", "id": definitions}, "Number of metaclusters": 15,
            "Model": "age_years",
        },
        history,
    )  # fmt: skip
    config = {
        "title": "The same by study run",
        "studies": [{"metadata": str(path), "fcs": str(path.parent)} for path in tables],
        "populations": str(tmp_path / "definitions.tsv"),
        "cluster": {"metaclusters": 15},
        "model": {"formula": "age_years"},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(config))
    cyto("study", "run", tmp_path / "study.yaml", "--out", tmp_path / "out", "--quiet")
    pairs = {
        "Panels": "panels", "Named metaclusters": "clusters", "Populations per sample": "populations",
        "Effects": "effects", "Pooled effects": "meta",
    }  # fmt: skip
    for label, name in pairs.items():
        assert_same(history.content(outputs[label]), tmp_path / "out" / f"{name}.tsv", label)
