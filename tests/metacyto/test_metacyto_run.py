"""``study run`` with ``method: metacyto`` on simulated studies."""

import json

import pytest
import yaml

from immport_cyto import fcs, study, tables


def run(folder, test_data, jobs, **changes):
    names = ["SDY9901", "SDY9903"]
    content = {
        "method": "metacyto",
        "studies": [
            {"metadata": str(test_data / name / f"{name}-DR99_Tab.zip"), "fcs": str(test_data / name / "ResultFiles")}
            for name in names
        ],
        "populations": [{"population": "T", "definition": "CD3+"}, {"definition": "CD4+ CD8-", "parent": "T"}],
        "cluster": {"seed": 1},
        "model": {"formula": "age_years"},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    study.run(study.read(folder / "study.yaml"), folder / "out", jobs=jobs, quiet=True)
    return folder / "out"


@pytest.fixture(scope="module")
def out(test_data, tmp_path_factory):
    return run(tmp_path_factory.mktemp("one"), test_data, 1)


def test_the_tables_hang_together(out):
    found = {
        table.name: tables.read(out / table.name, table)
        for table in (tables.SAMPLES, tables.COUNTS, tables.CLUSTERS, tables.CUTOFFS, tables.EFFECTS, tables.META)
    }
    counts = found["counts.tsv"]
    assert set(counts["method"]) == {"metacyto"}
    assert {"T", "CD4+ CD8-"} <= set(counts["population"])
    # besides the two, all labels of the clusters are searched in every panel
    labels = set(found["clusters.tsv"]["population"]) - {""}
    assert labels & set(counts["population"])
    wide = counts.pivot_table(index="file_name", columns="population", values="n_events")
    assert (wide["CD4+ CD8-"] <= wide["T"]).all()  # the parent is a gate
    panels = set(found["samples.tsv"]["panel_id"])
    assert set(counts["panel_id"]) == panels == set(found["cutoffs.tsv"]["panel_id"])
    assert all(panel.partition("-")[2].split("-")[0].endswith("c") for panel in panels)
    assert set(found["effects.tsv"]["study_accession"]) == {"SDY9901_FCM-1", "SDY9903_CyTOF-1"}
    assert set(found["effects.tsv"]["scale"]) == {"zscore"}
    over = tables.read(out / "regression.tsv", tables.META)
    assert set(over["population"]) == set(counts["population"])
    assert set(found["meta.tsv"]["estimator"]) <= {"REML + z (MetaCyto)", "single study"}
    for path in (out / "fcs").iterdir():
        assert fcs.open(path).keywords["ICYTO_METHOD"] == "metacyto"


def test_the_report_shows_the_densities_of_what_was_cut(out):
    densities, cuts = (tables.read(out / table.name, table) for table in (tables.DENSITIES, tables.CUTOFFS))
    keys = ["study_accession", "panel_id", "marker"]
    drawn = set(densities[keys].itertuples(index=False, name=None))
    assert set(cuts[keys].itertuples(index=False, name=None)) <= drawn
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Densities of the markers of " in page
    assert "MetaCyto populations" in page


def test_the_weaknesses_are_in_the_report(out):
    entry = json.loads((out / "provenance.json").read_text())
    assert entry["parameters"]["method"] == "metacyto"
    assert any("repeats the R package MetaCyto with its weaknesses" in text for text in entry["warnings"])
    assert any("another seed gives other labels" in text for text in entry["warnings"])
    assert "repeats the R package MetaCyto with its weaknesses" in (out / "report.html").read_text()


def test_the_same_bytes_with_two_processes(out, test_data, tmp_path):
    other = run(tmp_path, test_data, 2)
    for name in (
        "counts.tsv",
        "medians.tsv",
        "cutoffs.tsv",
        "clusters.tsv",
        "effects.tsv",
        "meta.tsv",
        "regression.tsv",
    ):
        assert (other / name).read_bytes() == (out / name).read_bytes(), name
