"""MetaCyto's steps on FCS files made for the test."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto import fcs, metacyto
from immport_cyto.exceptions import AnalysisError, DefinitionError, InputError, OptionError, PanelError
from immport_cyto.metacyto.preprocessing import panel_id
from support import fcs_maker, population_files

CHANNELS = [("FSC-A", ""), ("SSC-A", ""), ("FITC-A", "CD3"), ("PE-A", "CD8b"), ("PE-Cy7-A", "CD45RA"), ("Time", "")]
SPILL = "2,FITC-A,PE-A,1,0.2,0.1,1"
NEWER = "FCS3.1 is treated as FCS3.0; MetaCyto asks for version 3 exactly"


def raw(path, *, n=50, seed=1, keywords=None, channels=CHANNELS, version="3.1"):
    """An FCS file as acquired, and its values."""
    values = np.random.default_rng(seed).uniform(-100, 5000, (n, len(channels))).astype(np.float32)
    fcs.write(path, values, channels, keywords or {}, version=version)
    return values.astype(np.float64)


def preprocessed(tmp_path, name="a.fcs", keywords=None, **options):
    values = raw(tmp_path / name, keywords=keywords)
    out = tmp_path / f"out-{name}"
    result = metacyto.preprocess(tmp_path / name, out, file_name=name, **options)
    return values, fcs.open(out), result


def test_compensation_and_arcsinh(tmp_path):
    values, written, result = preprocessed(tmp_path, keywords={"SPILL": SPILL})
    expected = values.copy()
    expected[:, 2:4] = values[:, 2:4] @ np.linalg.inv([[1, 0.2], [0.1, 1]])
    expected[:, 1:5] = np.arcsinh(expected[:, 1:5] / 150)  # SSC-A too; FSC-A and Time stay
    assert written.events() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert [channel.pns for channel in written.channels] == ["", "", "CD3", "CD8B", "CD45RA", ""]
    assert result.row["compensation"] == "file:SPILL"
    assert result.row["transform"] == "arcsinh:cofactor=150"
    assert result.row["n_events_in"] == result.row["n_events_out"] == 50
    assert "SPILL" not in written.keywords  # no other program compensates a second time
    assert written.keywords["ICYTO_METHOD"] == "metacyto"
    assert written.keywords["ICYTO_P3TRANSFORM"] == "arcsinh:cofactor=150"
    assert result.warnings == [NEWER]


@pytest.mark.parametrize(
    ("keywords", "warning"),
    [
        ({}, None),
        ({"$SPILLOVER": SPILL}, "MetaCyto knows the keyword SPILL only and passes over $SPILLOVER"),
        ({"SPILL": "2,FITC-A,PE-A,1,0.2,0.2,1"}, "takes a symmetric matrix for one that was applied already"),
        ({"SPILL": "2,FITC-A,PE-A,1,0,0,1"}, None),
    ],
)
def test_what_metacyto_does_not_compensate(tmp_path, keywords, warning):
    values, written, result = preprocessed(tmp_path, keywords=keywords)
    assert written.events(["FITC-A"])[:, 0] == pytest.approx(np.arcsinh(values[:, 2] / 150), rel=1e-6)
    assert result.row["compensation"] == "none"
    assert [warning in text for text in result.warnings if text != NEWER] == ([True] if warning else [])


def test_names_that_hold_an_excluded_name_stay_linear(tmp_path):
    channels = [("FSC-Area", ""), ("TIMESTAMP", ""), ("Cell_lengthDi", ""), ("FSC-B", ""), ("PE-A", "CD3")]
    values = raw(tmp_path / "a.fcs", channels=channels)
    metacyto.preprocess(tmp_path / "a.fcs", tmp_path / "o.fcs", file_name="a.fcs", technique="flow")
    linear = (fcs.open(tmp_path / "o.fcs").events() == values.astype(np.float32)).all(axis=0)
    assert linear.tolist() == [True, True, True, False, False]


def test_a_marker_is_renamed_as_a_whole(tmp_path):
    _, written, result = preprocessed(tmp_path, rename={"CD8B": "CD8", "cd4": "CD4T"})
    assert metacyto.stack({"a.fcs": written.path}).markers == ("FSC-A", "SSC-A", "CD3", "CD8", "CD45RA", "TIME")
    assert result.warnings[1:] == [
        "CD4 is renamed as a whole; MetaCyto's nameUpdator would also make CD4T5RA of CD45RA"
    ]
    with pytest.raises(OptionError, match="two channels are CD3"):
        preprocessed(tmp_path, "b.fcs", rename={"CD8B": "CD3"})


def test_a_random_subset_depends_on_content_and_seed(tmp_path):
    _, one, result = preprocessed(tmp_path, max_events=20, seed=3)
    _, again, _ = preprocessed(tmp_path, "b.fcs", max_events=20, seed=3)
    _, other, _ = preprocessed(tmp_path, "c.fcs", max_events=20, seed=4)
    assert np.array_equal(one.events(), again.events())
    assert not np.array_equal(one.events(), other.events())
    assert (result.row["n_unsampled"], result.row["n_events_out"]) == (30, 20)
    with pytest.raises(OptionError, match="max_events is 0"):
        preprocessed(tmp_path, "d.fcs", max_events=0)


def test_gain_is_left_alone(tmp_path):
    names = {"names": ["FL1-A", "FL2-A"], "stains": ["CD3", "CD4"]}
    path = fcs_maker.write(
        tmp_path / "gain.fcs", fcs_maker.make([[300.0, 600.0], [150.0, 30.0]], keywords={"$P1G": "2"}, **names)
    )
    assert fcs.open(path).events()[:, 0].tolist() == [150, 75]
    metacyto.preprocess(path, tmp_path / "out.fcs", file_name="gain.fcs", technique="flow")
    assert fcs.open(tmp_path / "out.fcs").events()[:, 0] == pytest.approx(np.arcsinh([2, 1]), rel=1e-6)


def test_fcs_2_is_logarithmic(tmp_path):
    names = {"names": ["FL1-A", "FSC-A"], "stains": ["CD3", ""]}
    path = fcs_maker.write(
        tmp_path / "old.fcs", fcs_maker.make([[100.0, 7.0], [1000.0, 9.0]], version="FCS2.0", **names)
    )
    result = metacyto.preprocess(path, tmp_path / "out.fcs", file_name="old.fcs", technique="flow")
    assert fcs.open(tmp_path / "out.fcs").events() == pytest.approx(np.array([[2, 7], [3, 9]]), rel=1e-6)
    assert "decadic logarithm" in result.warnings[0]


def test_refused_input(tmp_path):
    _, written, _ = preprocessed(tmp_path)
    with pytest.raises(InputError, match="was written by events preprocess already"):
        metacyto.preprocess(written.path, tmp_path / "x.fcs", file_name="a.fcs")
    raw(tmp_path / "empty.fcs", n=0)
    with pytest.raises(AnalysisError, match=r"empty\.fcs: the file holds no events"):
        metacyto.preprocess(tmp_path / "empty.fcs", tmp_path / "x.fcs", file_name="empty.fcs")
    raw(tmp_path / "b.fcs")
    with pytest.raises(OptionError, match="technique 'imaging' is unknown"):
        metacyto.preprocess(tmp_path / "b.fcs", tmp_path / "x.fcs", file_name="b.fcs", technique="imaging")


def test_panels_differ_in_any_name(tmp_path):
    raw(tmp_path / "a.fcs")
    raw(tmp_path / "b.fcs", channels=[*CHANNELS[:2], ("APC-A", "CD3"), *CHANNELS[3:]])
    raw(tmp_path / "c.fcs", seed=9)
    info = metacyto.fcs_info({name: tmp_path / name for name in ("a.fcs", "b.fcs", "c.fcs")}, "SDY1", "FCM")
    assert info["study_id"].tolist() == ["SDY1_FCM-1", "SDY1_FCM-2", "SDY1_FCM-1"]
    ids = [panel_id(fcs.open(tmp_path / name), "flow") for name in ("a.fcs", "b.fcs", "c.fcs")]
    assert ids[0] == ids[2] != ids[1]
    assert ids[0].startswith("flow-6c-")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three preprocessed files of one panel, cells known."""
    folder = tmp_path_factory.mktemp("cells")
    found = {}
    for i, name in enumerate(["a.fcs", "b.fcs", "c.fcs"]):
        values, _ = population_files.cells(1000, seed=i)
        found[name] = population_files.write(folder / name, values)
    return found


def test_files_are_stacked_in_order_of_their_names(files):
    events = metacyto.stack(dict(reversed(files.items())))
    assert events.file_names == ("a.fcs", "b.fcs", "c.fcs")
    assert events.counts == (1000, 1000, 1000)
    assert events.markers == ("FSC-A", "CD3", "CD4", "CD8", "CD19", "HLA-DR", "CD56")
    assert events.clustered() == list(events.markers[1:])
    part = events.slices()["b.fcs"]
    assert np.array_equal(events.values[part], fcs.open(files["b.fcs"]).events())


def test_files_of_different_panels_are_refused(files, tmp_path):
    values, _ = population_files.cells(10, seed=1)
    other = population_files.write(tmp_path / "d.fcs", values[:, :5], markers=population_files.MARKERS[:5])
    with pytest.raises(PanelError, match=r"d\.fcs: differs from a\.fcs in channel CD56"):
        metacyto.stack({**files, "d.fcs": other})
    with pytest.raises(PanelError, match="no FCS file was given"):
        metacyto.stack({})


def test_cutoffs_say_where_they_are_doubtful(files):
    events = metacyto.stack(files)
    table = metacyto.cutoffs(events, study_accession="SDY1", panel_id="p", seed=1).set_index("marker")
    assert table.index.tolist() == ["CD3", "CD4", "CD8", "CD19", "HLA-DR", "CD56"]
    assert table["cutoff"].between(1.2, 3.3).all()
    assert (table["evidence"] > 0.8).all()
    assert table["note"].str.startswith("found on a random 2,000 of 3,000 events").all()
    noise = np.random.default_rng(1).normal(2, 0.5, (4000, 1)).astype(np.float32)
    one_group = metacyto.Stack(("n.fcs",), (4000,), ("CD3",), noise)
    row = metacyto.cutoffs(one_group, sample_size=0).iloc[0]
    assert row["note"] == "MetaCyto always cuts; the default method finds one group of events and no cut-off"
    assert row["n_events"] == 4000
    flat = metacyto.Stack(("n.fcs",), (4000,), ("CD3",), np.zeros((4000, 1), np.float32))
    row = metacyto.cutoffs(flat).iloc[0]
    assert pd.isna(row["cutoff"])
    assert "no two values that are frequent enough" in row["note"]


def test_clusters_get_the_labels_of_their_cells(files):
    result = metacyto.auto_cluster(files, study_accession="SDY1", panel_id="p", clustering="flowhc", seed=1)
    assert "CD19-|CD3+|CD4+|CD56-|CD8-|HLA-DR-" in result.labels  # CD4 T cells
    assert "CD19+|CD3-|CD4-|CD56-|CD8-|HLA-DR+" in result.labels  # B cells
    assert result.clusters["phenotype"].tolist() == result.clusters["population"].tolist()
    sizes = result.members.groupby("cluster").size().tolist()
    assert sizes == result.clusters["n_events"].tolist()
    assert result.members["event"].between(1, 1000).all()
    assert (result.clusters["fraction"] > 0.05).all()
    assert any("another seed gives other labels" in note for note in result.notes)
    united = metacyto.unite([result.labels, ["CD3+", ""]])
    assert united["population"].tolist() == [*[label for label in result.labels if label], "CD3+"]


def test_clusters_of_a_channel_are_labelled(files, tmp_path):
    values, kinds = population_files.cells(900, seed=5)
    number = np.unique(kinds, return_inverse=True)[1] + 1.0
    path = population_files.write(tmp_path / "x.fcs", values, extra={"FlowSOM_metacluster": number})
    result = metacyto.auto_cluster({"x.fcs": path}, channel="FlowSOM_metacluster", seed=1)
    assert len(result.clusters) == 5
    assert "CD19-|CD3-|CD4-|CD56+|CD8-|HLA-DR-" in result.labels  # NK cells
    assert not any("FLOWSOM" in label for label in result.labels)
    with pytest.raises(PanelError, match="has no channel FlowSOM_metacluster; cluster the files first"):
        metacyto.auto_cluster(files, channel="FlowSOM_metacluster")


CUTS = dict.fromkeys(["CD3", "CD4", "CD8", "CD19", "HLA-DR", "CD56"], 2.25)


def test_search_counts_and_medians(files):
    events = metacyto.stack(files)
    counts, medians, cuts, notes = metacyto.search(
        events, [("B", "CD19+|HLA-DR+"), ("T", "CD3+"), ("", ""), ("X", "CD99+|CD3+")], panel_id="p", cutoffs=CUTS
    )
    row = counts[(counts["population"] == "B") & (counts["file_name"] == "b.fcs")].iloc[0]
    x = fcs.open(files["b.fcs"]).events()
    inside = (x[:, 4] > 2.25) & (x[:, 5] > 2.25)
    assert (row["n_events"], row["n_parent"], row["method"]) == (inside.sum(), 1000, "metacyto")
    of_b = medians[(medians["population"] == "B") & (medians["file_name"] == "b.fcs")].set_index("marker")["median"]
    assert of_b["FSC-A"] == 100
    assert of_b["CD4"] == pytest.approx(np.median(x[inside, 2].astype(float)))
    assert set(counts["population"]) == {"B", "T"}
    assert list(cuts) == ["CD3", "CD19", "HLA-DR"]  # in the order of the panel
    assert notes == [
        "an empty label stands for all events and is not searched", "1 not possible on this panel: X (no CD99)"
    ]  # fmt: skip


def test_events_at_the_cutoff_are_in_no_gate(files):
    values = np.array([[1, 1, 2.25, 3]] * 2, np.float32).T
    events = metacyto.Stack(("a.fcs",), (4,), ("CD3", "CD4"), values)
    counts, _, _, notes = metacyto.search(
        events, [("m", "CD3-"), ("both", "CD3-|CD4-"), ("one", "CD3+"), ("none", "CD3+|CD4-")], cutoffs=CUTS
    )
    assert counts.set_index("population")["n_events"].to_dict() == {"m": 2, "both": 2}
    assert "both: its gates select 2 events each, so that MetaCyto finds 0 where there are 2" in notes
    assert "one: 1 events in all files of the panel; MetaCyto leaves it out" in notes
    assert "none: 0 events in all files of the panel; MetaCyto leaves it out" in notes


def test_cutoffs_that_are_not_given_are_found(files):
    events = metacyto.stack(files)
    wanted = [("B", "CD19+|CD3-"), ("X", "CD99+|CD56+")]
    _, _, found, _ = metacyto.search(events, wanted, seed=1)
    assert list(found) == ["CD3", "CD19", "CD56"]  # CD56 too, though no population of the panel needs it
    _, _, some, _ = metacyto.search(events, wanted, cutoffs={"CD3": 9.0}, seed=1)
    assert some == {**found, "CD3": 9.0}
    members = [np.arange(100), np.arange(100, 3000)]
    _, free = metacyto.label(events, members, seed=1)
    _, partly = metacyto.label(events, members, cutoffs={"CD8": 1.5}, seed=1)
    assert partly == pytest.approx({**free, "CD8": 1.5})


def test_a_population_that_the_pre_gate_empties_stays(files):
    counts, medians, _, _ = metacyto.search(metacyto.stack(files), [("CD4", "CD4+")], cutoffs=CUTS, pre_gate="CD4-")
    assert counts["n_events"].tolist() == [0, 0, 0]
    assert medians["median"].isna().all()


def test_pre_gate(files):
    events = metacyto.stack(files)
    counts, _, cuts, _ = metacyto.search(events, [("CD4", "CD4+")], cutoffs=CUTS, pre_gate="CD8-|CD3+")
    x = events.values.astype(float)
    assert counts["n_events"].sum() == ((x[:, 1] > 2.25) & (x[:, 2] > 2.25) & (x[:, 3] < 2.25)).sum()
    assert counts["n_parent"].tolist() == [1000, 1000, 1000]
    assert list(cuts) == ["CD8", "CD3", "CD4"]
    with pytest.raises(PanelError, match="pre-gate 'DEAD-': the panel has no channel DEAD"):
        metacyto.search(events, [("CD4", "CD4+")], pre_gate="DEAD-")


def test_parents_become_gates():
    table = pd.DataFrame({
        "population": ["T", "CD4 T", "Naive"], "definition": ["CD3+", "CD4+ CD3+", "CCR7+"],
        "parent": ["", "T", "CD4 T"],
    })  # fmt: skip
    assert metacyto.whole_labels(table) == [("T", "CD3+"), ("CD4 T", "CD3+|CD4+"), ("Naive", "CD3+|CD4+|CCR7+")]
    gates = table.assign(parent=["", "CD45+", "CD3+ CD4+"])
    assert metacyto.whole_labels(gates)[1:] == [("CD4 T", "CD45+|CD4+|CD3+"), ("Naive", "CD3+|CD4+|CCR7+")]
    with pytest.raises(DefinitionError, match="population 'T' is its own parent"):
        metacyto.whole_labels(table.assign(parent=["CD4 T", "T", ""]))
