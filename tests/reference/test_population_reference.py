"""Two real studies: cut-offs beside MetaCyto's, and fractions of the large populations."""

import csv

import numpy as np
import pytest

from immport_cyto import events, panel, population

pytestmark = pytest.mark.shared

# MetaCyto's names of the three panels, one file of each, and its cofactor of arcsinh beside ours
PANELS = {
    "SDY420_CyTOF-1": ("11059_cells_found.573523.fcs", 8 / 5),
    "SDY736_FCM-1": ("Hs90208C20090205_00.583331.fcs", 1.0),
    "SDY736_FCM-2": ("Ki67ccr7_Hs60022C200906243.581846.fcs", 1.0),
}


@pytest.fixture(scope="module")
def found(shared_data, tmp_path_factory):
    """Per panel of MetaCyto: (group, its cut-offs by marker). Without quality control, as MetaCyto."""
    folder = tmp_path_factory.mktemp("preprocessed")
    sources = {path.name: path for path in sorted((shared_data / "metacyto/extdata").rglob("*.fcs"))}
    assert len(sources) == 14
    harmonised = panel.harmonize(sources)
    for name, path in sources.items():
        rows = harmonised.panel[harmonised.panel["file_name"] == name]
        events.preprocess(path, folder / name, file_name=name, panel=rows, qc="none")
    groups = population.groups({name: folder / name for name in sources})
    assert sorted(len(group.files) for group in groups) == [4, 4, 6]
    result = {}
    for title, (member, _) in PANELS.items():
        group = next(group for group in groups if member in group.files)
        cuts = population.cutoffs(group.files, study_accession="S", panel_id=group.panel_id)
        result[title] = group, cuts
    return result


@pytest.fixture(scope="module")
def metacyto(shared_data):
    """MetaCyto's cut-offs on our scale, {(panel, marker in capitals): value}."""
    with (shared_data / "metacyto/golden/05_searchCluster_cutoffs_seed1.csv").open(newline="") as stream:
        return {
            (row["study"], row["marker"]): float(np.arcsinh(PANELS[row["study"]][1] * np.sinh(float(row["cutoff"]))))
            for row in csv.DictReader(stream)
        }


# cut-offs that any reader of the histograms would put within half a unit of these
EXPECTED = {
    ("SDY420_CyTOF-1", "CD3"): 2.3,
    ("SDY420_CyTOF-1", "CD4"): 1.5,
    ("SDY420_CyTOF-1", "CD8"): 2.4,
    ("SDY420_CyTOF-1", "CD14"): 2.0,
    ("SDY420_CyTOF-1", "CD16"): 1.7,
    ("SDY420_CyTOF-1", "CD20"): 3.4,
    ("SDY420_CyTOF-1", "CD27"): 2.6,
    ("SDY420_CyTOF-1", "CD33"): 3.6,
    ("SDY420_CyTOF-1", "CD56"): 1.8,
    ("SDY420_CyTOF-1", "HLA-DR"): 2.8,
    ("SDY736_FCM-1", "CD3"): 2.6,
    ("SDY736_FCM-1", "CD4"): 3.1,
    ("SDY736_FCM-1", "CD8b"): 2.4,
    ("SDY736_FCM-1", "CD11a"): 1.0,
    ("SDY736_FCM-1", "CD16"): 1.8,
    ("SDY736_FCM-2", "CD3"): 1.4,
    ("SDY736_FCM-2", "CD4"): 2.2,
    ("SDY736_FCM-2", "CD8"): 2.8,
    ("SDY736_FCM-2", "CD28"): 1.5,
    ("SDY736_FCM-2", "CD95"): 1.6,
    ("SDY736_FCM-2", "CCR7"): 2.6,
}


@pytest.mark.parametrize(("title", "marker"), EXPECTED)
def test_cutoffs_lie_in_the_valley(found, title, marker):
    row = found[title][1].set_index("marker").loc[marker]
    assert row["cutoff"] == pytest.approx(EXPECTED[title, marker], abs=0.4)


def test_cutoffs_beside_those_of_metacyto(found, metacyto):
    """Where both cut, the events that get another sign are few."""
    from immport_cyto import fcs

    moved = {}
    for title, (group, cuts) in found.items():
        for marker, ours in zip(cuts["marker"], cuts["cutoff"], strict=True):
            theirs = metacyto.get((title, {"HLA-DR": "HLADR", "CD8b": "CD8"}.get(marker, marker.upper())))
            if theirs is None or ours != ours:
                continue
            columns = []
            for path in group.files.values():
                source = fcs.open(path)
                columns.append(source.events([events.markers(source)[marker]])[:, 0])
            pooled = np.concatenate(columns)
            moved[title, marker] = np.mean((pooled > ours) != (pooled > theirs))
    assert len(moved) >= 25
    assert np.median(list(moved.values())) < 0.05
    for key in EXPECTED:
        assert moved[key] < 0.12, (key, moved[key])


def test_markers_without_two_groups_are_not_cut(found):
    cuts = found["SDY736_FCM-2"][1].set_index("marker")
    assert cuts.loc["Ki67", "method"] == "none"  # MetaCyto: 38 % positive at 0.05
    assert found["SDY420_CyTOF-1"][1].set_index("marker").loc["TCRgd", "method"] == "none"


# mean over the files: population, panel, lowest and highest fraction of the parent
FRACTIONS = [
    ("T cells", "SDY420_CyTOF-1", 0.33, 0.48),
    ("CD4 T cells", "SDY420_CyTOF-1", 0.6, 0.8),
    ("CD8 T cells", "SDY420_CyTOF-1", 0.08, 0.25),
    ("B cells", "SDY420_CyTOF-1", 0.05, 0.16),
    ("NK cells", "SDY420_CyTOF-1", 0.06, 0.18),
    ("monocytes", "SDY420_CyTOF-1", 0.12, 0.28),
    ("T cells", "SDY736_FCM-1", 0.45, 0.65),
    ("CD4 T cells", "SDY736_FCM-1", 0.55, 0.75),
    ("CD8 T cells", "SDY736_FCM-1", 0.12, 0.3),
    ("NK cells", "SDY736_FCM-1", 0.04, 0.14),
    ("T cells", "SDY736_FCM-2", 0.15, 0.3),  # two thirds of these events are debris
    ("CD4 T cells", "SDY736_FCM-2", 0.6, 0.85),
    ("CD8 T cells", "SDY736_FCM-2", 0.08, 0.25),
]


def test_large_populations_have_the_size_that_they_have_in_blood(found):
    seen = {}
    for title, (group, cuts) in found.items():
        counts, medians, notes = population.search(group.files, cuts, population.standard_populations())
        assert (counts["n_events"] <= counts["n_parent"]).all()
        assert notes[0].startswith("not possible on")
        assert "Th17 cells (not on the panel: " in notes[0]
        share = (counts["n_events"] / counts["n_parent"]).groupby(counts["population"]).mean()
        seen.update({(name, title): value for name, value in share.items()})
        t_cells = medians[(medians["population"] == "T cells") & (medians["marker"] == "CD3")]["median"]
        cut = cuts.set_index("marker").loc["CD3", "cutoff"]
        assert (t_cells > cut).all()
    for name, title, low, high in FRACTIONS:
        assert low <= seen[name, title] <= high, (name, title, seen[name, title])
    assert ("B cells", "SDY736_FCM-1") not in seen
