"""The notebook of the tutorial runs from end to end; what it and the tutorial for Galaxy say is what comes out."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from immport_cyto import tables

AGE = {"term": "age_years"}


@pytest.fixture(scope="module")
def notebook(root):
    return nbformat.read(root / "docs" / "tutorials" / "cross-study.ipynb", as_version=4)


@pytest.fixture(scope="module")
def executed(notebook, tmp_path_factory):
    """The folder that the notebook worked in, and what each cell printed or showed."""
    place = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(place)}})
    with pytest.MonkeyPatch.context() as patch:  # nothing is left in the home folder
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
            (place / name).mkdir()
            patch.setenv(name, str(place / name))
        client.execute()
    (work,) = (place / "TMPDIR").glob("cytometry-*")
    return work, {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


@pytest.fixture(scope="module")
def texts(root):
    """The prose of both tutorials, without line breaks."""
    folder = root / "docs" / "tutorials"
    cells = json.loads((folder / "cross-study.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [" ".join(text.split()) for text in (prose, (folder / "cross-study.md").read_text(encoding="utf-8"))]


def rows(frame, **values):
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def text_of(outputs):
    return "".join(part.get("text") or part.get("data", {}).get("text/plain", "") for part in outputs)


def test_no_outputs_are_stored_and_names_of_cells_are_unique(root):
    cells = json.loads((root / "docs" / "tutorials" / "cross-study.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in cells}) == len(cells)
    questions = [cell for cell in cells if "**Question" in "".join(cell["source"])]
    assert len(questions) == sum("".join(cell["source"]).count("</details>") for cell in questions) == 6


def test_cells_show_what_the_text_next_to_them_says(executed):
    _, shown = executed
    assert text_of(shown["files"]).startswith("(71, ['SDY9901-DR99_Tab.zip'")
    assert "71 files linked, 0 files" in text_of(shown["orphans"])
    assert "Gamma-delta T cells (not on the panel: TCRgd)" in text_of(shown["search-code"])
    assert "145Nd_CD4: marker, CD4, 145Nd" in text_of(shown["explain"])
    for name in ("presence", "quality-figure", "densities", "heatmap", "scatter", "forest"):
        assert "image/png" in shown[name][0]["data"], name
    assert text_of(shown["one-call-code"]).rstrip().endswith("effect: 0.0")


def test_the_effect_is_near_the_truth(executed):
    work, _ = executed
    meta = tables.read(work / "results" / "meta.tsv", tables.META)
    (pooled,) = rows(meta, population="Naive CD4 T cells", method="search", omitted="", **AGE).itertuples()
    assert pooled.estimate == pytest.approx(-0.03, abs=0.005)
    assert pooled.ci_low < -0.03 < pooled.ci_high < -0.01
    assert pooled.q_value < 0.05
    (b_cells,) = rows(meta, population="B cells", method="search", omitted="", **AGE).itertuples()
    assert b_cells.ci_low < 0 < b_cells.ci_high


def test_both_tutorials_quote_these_figures(executed, texts):
    """Who changes a result changes the tutorials."""
    results = executed[0] / "results"
    effects, meta = (tables.read(results / table.name, table) for table in (tables.EFFECTS, tables.META))
    quality = tables.read(results / "qc.tsv", tables.QC)
    notebook, galaxy = texts
    naive = {"population": "Naive CD4 T cells", **AGE}
    (pooled,) = rows(meta, method="search", omitted="", **naive).itertuples()
    (clusters,) = rows(meta, method="flowsom", omitted="", **naive).itertuples()
    (b_cells,) = rows(meta, method="search", omitted="", population="B cells", **AGE).itertuples()
    studies = [f"{one:.3f}" for one in rows(effects, method="search", **naive)["estimate"]]
    assert f"{pooled.estimate:.3f} per year" in notebook
    assert f"`flowsom` the effect on naive CD4 T cells is {clusters.estimate:.3f}" in notebook
    assert f"{studies[0]}, {studies[1]} and {studies[2]} per year; pooled {pooled.estimate:.3f}" in galaxy
    assert f"(interval {pooled.ci_low:.3f} to {pooled.ci_high:.3f})" in galaxy
    assert f"For `flowsom`, the effect on naive CD4 T cells is {clusters.estimate:.3f}" in galaxy
    assert f"B cells: {b_cells.estimate:.3f}, p = {b_cells.p_value:.2f}" in galaxy
    sums = {name.removeprefix("n_"): f"{int(quality[name].sum()):,}" for name in quality.filter(regex="^n_")}
    assert f"Of {sums['events_in']} events {sums['events_out']} stay" in galaxy
    assert f"debris ({sums['debris']}), dead cells ({sums['dead']}), doublets ({sums['doublet']})" in galaxy
    panels = set(tables.read(results / "panels.tsv", tables.PANELS)["panel_id"])
    assert panels == set(re.findall(r"\b(?:flow|cytof)-\d+m-[0-9a-f]{6}\b", galaxy))
