"""FlowSOM over FCS files: markers by name, file order, mapping, summary."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from immport_cyto import cluster, events, fcs
from immport_cyto.cluster.files import digest
from immport_cyto.exceptions import AnalysisError, InputError, OptionError, PanelError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed

SMALL = {"grid": (5, 5), "n_metaclusters": 4}


@pytest.fixture
def truth():
    """Three files with different shares of the populations: name -> (events, population of each)."""
    sizes = {"b.fcs": [900, 500, 300, 100], "a.fcs": [200, 700, 300, 90], "c.fcs": [100, 100, 800, 0]}
    return {name: blobs(T_CELLS, size, seed=len(name) + i) for i, (name, size) in enumerate(sizes.items())}


@pytest.fixture
def files(truth, tmp_path):
    return {name: preprocessed(tmp_path / name, X, extra=["FSC-A"]) for name, (X, _) in truth.items()}


def mapped(model, files, folder):
    folder.mkdir()
    return {name: cluster.map_file(model, path, folder / name) and folder / name for name, path in files.items()}


def test_populations_are_found_over_files_and_mapping_keeps_the_events(files, truth, tmp_path):
    model = cluster.flowsom_files(files, **SMALL, study_accession="SDY1", panel_id="p")
    assert model.markers == ["CD19", "CD3", "CD4", "CD8"]
    assert model.training == [("a.fcs", 1290), ("b.fcs", 1800), ("c.fcs", 1000)]
    found, known, nodes = [], [], []
    for name, path in mapped(model, files, tmp_path / "out").items():
        with fcs.open(path) as new, fcs.open(files[name]) as old:
            assert new.names == [*old.names, "FlowSOM_node", "FlowSOM_metacluster"]
            assert np.array_equal(new.events(old.names), old.events())
            assert events.markers(new) == events.markers(old)
            node, label = new.events(["FlowSOM_node", "FlowSOM_metacluster"]).T.astype(int)
            assert new.channels[-1].range == 5
        assert np.array_equal(model.metaclusters_[node - 1], label)
        found.append(label)
        nodes.append(node)
        known.append(truth[name][1])
    assert adjusted_rand_score(np.concatenate(known), np.concatenate(found)) > 0.999
    # the training files map onto their model without a single difference
    assert np.array_equal(np.bincount(np.concatenate(nodes) - 1, minlength=25), model.node_counts_)


@pytest.mark.parametrize("engine", ["online", "batch"])
@pytest.mark.parametrize("limit", [None, 2000])
def test_order_of_files_and_threads_change_no_byte(files, tmp_path, engine, limit):
    for number, (jobs, names) in enumerate([(1, "abc"), (2, "cba"), (1, "bca")]):
        given = {f"{name}.fcs": files[f"{name}.fcs"] for name in names}
        model = cluster.flowsom_files(given, **SMALL, engine=engine, max_training_events=limit, n_jobs=jobs)
        model.save(tmp_path / f"{number}.npz")
        assert model.node_counts_.sum() == 4090
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_files_give_the_model_of_their_events_in_one_matrix(files, truth):
    from_files = cluster.flowsom_files(files, **SMALL, markers=MARKERS)
    X = np.concatenate([truth[name][0] for name in sorted(truth)])
    in_memory = cluster.FlowSOM((5, 5), n_metaclusters=4).fit(X, markers=MARKERS)
    assert digest(from_files) == digest(in_memory)


def test_markers_are_matched_by_name_in_any_order(files, truth, tmp_path):
    model = cluster.flowsom_files(files, **SMALL)
    X, _ = truth["a.fcs"]
    shuffled = preprocessed(tmp_path / "new.fcs", X[:, [3, 1, 0, 2]], ["CD19", "CD4", "CD3", "CD8"], extra=["SSC-A"])
    one = cluster.map_file(model, files["a.fcs"], tmp_path / "1.fcs")
    two = cluster.map_file(model, shuffled, tmp_path / "2.fcs")
    assert np.array_equal(one.node_counts, two.node_counts)
    assert one.quantization_error == two.quantization_error


def test_mapping_again_replaces_the_channels(files, tmp_path):
    model = cluster.flowsom_files(files, **SMALL)
    other = cluster.flowsom_files(files, grid=(3, 3), n_metaclusters=2, seed=7)
    cluster.map_file(other, files["a.fcs"], tmp_path / "1.fcs")
    cluster.map_file(model, tmp_path / "1.fcs", tmp_path / "2.fcs")
    cluster.map_file(model, files["a.fcs"], tmp_path / "direct.fcs")
    assert (tmp_path / "2.fcs").read_bytes() == (tmp_path / "direct.fcs").read_bytes()


def test_default_markers_are_those_of_class_type_in_all_files(truth, tmp_path):
    X, _ = truth["a.fcs"]
    kinds = ["type", "type", "state", "type"]
    files = {
        "a.fcs": preprocessed(tmp_path / "a.fcs", X, classes=kinds),
        "b.fcs": preprocessed(tmp_path / "b.fcs", X[:, :3], MARKERS[:3], classes=kinds),
    }
    assert cluster.flowsom_files(files, **SMALL).markers == ["CD3", "CD4"]
    assert cluster.flowsom_files({"a.fcs": files["a.fcs"]}, **SMALL).markers == ["CD19", "CD3", "CD4"]
    states = {"s.fcs": preprocessed(tmp_path / "s.fcs", X, classes=["state"] * 4)}
    model = cluster.flowsom_files(states, **SMALL)
    assert model.markers == sorted(MARKERS)
    assert model.warnings_[0] == "fewer than two markers have class type; all common markers are used"


def test_markers_can_be_asked_for_in_any_spelling(files):
    assert cluster.flowsom_files(files, markers=["cd8", "CD3", "CD8"], **SMALL).markers == ["CD8", "CD3"]


def test_files_that_do_not_fit_together(files, truth, tmp_path):
    X, _ = truth["a.fcs"]
    strange = {**files, "d.fcs": preprocessed(tmp_path / "d.fcs", X, ["CD14", "CD16", "CD56", "CD11c"])}
    with pytest.raises(PanelError, match=r"^d.fcs: no marker in common with the files before it \(CD14, CD16"):
        cluster.flowsom_files(strange, **SMALL)
    with pytest.raises(PanelError, match=r"^d.fcs: marker CD3 is not in the file \(it has CD14, CD16"):
        cluster.flowsom_files(strange, markers=["CD3", "CD4"], **SMALL)
    model = cluster.flowsom_files(files, **SMALL)
    with pytest.raises(PanelError, match=r"d.fcs: marker CD19, CD3, CD4, CD8 of the model is not in the file"):
        cluster.map_file(model, strange["d.fcs"], tmp_path / "out.fcs")
    assert not (tmp_path / "out.fcs").exists()
    single = {"e.fcs": preprocessed(tmp_path / "e.fcs", X[:, :1], ["CD3"])}
    with pytest.raises(AnalysisError, match="at least two markers, got CD3"):
        cluster.flowsom_files(single, **SMALL)
    with pytest.raises(OptionError, match="no FCS files to cluster"):
        cluster.flowsom_files({}, **SMALL)


def test_a_value_that_is_not_finite_is_located(files, truth, tmp_path):
    X = truth["a.fcs"][0].copy()
    X[99, 1] = np.nan
    broken = preprocessed(tmp_path / "n.fcs", X)
    with pytest.raises(AnalysisError, match=r"^n.fcs: marker CD4 is nan in event 100"):
        cluster.flowsom_files({**files, "n.fcs": broken}, **SMALL)
    model = cluster.flowsom_files(files, **SMALL)
    with pytest.raises(AnalysisError, match=r"n.fcs: marker CD4 is nan in event 100"):
        cluster.map_file(model, broken, tmp_path / "out.fcs")


def test_a_file_without_events_is_mapped(files, tmp_path):
    model = cluster.flowsom_files(files, **SMALL)
    empty = preprocessed(tmp_path / "e.fcs", np.empty((0, 4)))
    done = cluster.map_file(model, empty, tmp_path / "out.fcs")
    assert (done.n_events, done.node_counts.sum(), np.isnan(done.quantization_error)) == (0, 0, True)
    with fcs.open(tmp_path / "out.fcs") as file:
        assert file.names[-2:] == ["FlowSOM_node", "FlowSOM_metacluster"]


def test_summary_gives_counts_and_exact_medians(files, truth, tmp_path, monkeypatch):
    model = cluster.flowsom_files(files, **SMALL, markers=["CD3", "CD4", "CD8"], study_accession="SDY1", panel_id="p")
    labelled = mapped(model, files, tmp_path / "out")
    clusters, medians = cluster.summarize(model, labelled)
    X = np.concatenate([truth[name][0] for name in sorted(truth)])
    label = model.predict_metaclusters(X[:, :3])
    assert clusters["metacluster"].tolist() == [1, 2, 3, 4]
    assert clusters["n_events"].tolist() == np.bincount(label, minlength=5)[1:].tolist()
    assert clusters["fraction"].sum() == pytest.approx(1)
    assert clusters["n_nodes"].sum() == 25
    assert set(medians["marker"]) == set(MARKERS), "markers that were not clustered on are described too"
    for row in medians.itertuples():
        values = X[label == row.metacluster, MARKERS.index(row.marker)]
        assert row.median == np.median(values) if len(values) else np.isnan(row.median)
    # a few markers at a time: the same
    monkeypatch.setattr(cluster.grouped, "_VALUES_AT_ONCE", 1)
    assert cluster.summarize(model, labelled)[1].equals(medians)


def test_summary_refuses_files_of_another_model(files, tmp_path):
    model = cluster.flowsom_files(files, **SMALL)
    labelled = mapped(model, files, tmp_path / "out")
    with pytest.raises(InputError, match="was mapped onto another model"):
        cluster.summarize(cluster.flowsom_files(files, **SMALL, seed=1), labelled)
    with pytest.raises(InputError, match="there is no channel FlowSOM_metacluster; map the file first"):
        cluster.summarize(model, files)


def test_a_marker_that_a_file_lacks_is_dropped_aloud(tmp_path, truth):
    X = truth["a.fcs"][0]
    files = {
        "a.fcs": preprocessed(tmp_path / "a.fcs", X, classes=["type"] * 4),
        "b.fcs": preprocessed(tmp_path / "b.fcs", X[:, :3], MARKERS[:3], classes=["type"] * 3),
        "c.fcs": preprocessed(tmp_path / "c.fcs", X, classes=["type", "type", "state", "state"]),
    }
    model = cluster.flowsom_files(files, **SMALL)
    assert model.markers == ["CD3", "CD4"]
    assert model.warnings_[:2] == [
        "marker CD19 is not used, because b.fcs, c.fcs do not have it to cluster on",
        "marker CD8 is not used, because c.fcs does not have it to cluster on",
    ]
    asked = cluster.flowsom_files(files, **SMALL, markers=["CD3", "CD4", "CD8"])
    assert not any("not used" in warning for warning in asked.warnings_)


def test_events_that_were_not_preprocessed_and_empty_files_are_reported(tmp_path, truth):
    X = truth["a.fcs"][0]
    channels = list(zip("ABCD", MARKERS, strict=True))
    for name in ("r1.fcs", "r2.fcs"):
        fcs.write(tmp_path / name, X, channels)
    files = {name: tmp_path / name for name in ("r1.fcs", "r2.fcs")}
    files["e.fcs"] = preprocessed(tmp_path / "e.fcs", X[:0])
    model = cluster.flowsom_files(files, **SMALL)
    assert model.warnings_[0] == (
        "r1.fcs, r2.fcs were not written by 'events preprocess' and clustered on the values as they are; unless these "
        "are compensated and transformed, preprocess first"
    )
    assert model.warnings_[1] == "e.fcs has no events"
    cluster.map_file(model, files["r1.fcs"], tmp_path / "out.fcs", name="r 1.fcs")
    assert fcs.open(tmp_path / "out.fcs").keywords["ICYTO_FILE"] == "r 1.fcs"


def test_two_channels_of_one_marker_are_reported(tmp_path, truth):
    X = truth["a.fcs"][0]
    twice = preprocessed(tmp_path / "t.fcs", X, ["CD3", "CD4", "CD8", "CD4"])
    model = cluster.flowsom_files({"t.fcs": twice}, **SMALL)
    said = "t.fcs: marker CD4 is measured by the channels D1 and D3; the first is used"
    assert said in model.warnings_
    assert cluster.map_file(model, twice, None).warnings == (said,)
    both = cluster.flowsom_files({"t.fcs": twice, "u.fcs": twice}, **SMALL)
    assert "t.fcs, u.fcs: marker CD4 is measured by the channels D1 and D3; the first is used" in both.warnings_


def test_a_file_without_markers_is_named(tmp_path, truth):
    files = {"a.fcs": preprocessed(tmp_path / "a.fcs", truth["a.fcs"][0][:, :0], [], extra=["FSC-A"])}
    with pytest.raises(PanelError, match=r"a\.fcs: has no channel that measures a marker; check its panel"):
        cluster.flowsom_files(files, **SMALL)


def test_mapping_writes_all_files_or_none(files, tmp_path):
    model = cluster.flowsom_files(files, **SMALL)
    bad = blobs(T_CELLS, [50, 50, 50, 50])[0]
    bad[7, 1] = np.inf
    given = {**files, "z.fcs": preprocessed(tmp_path / "z.fcs", bad)}
    into = {name: tmp_path / "out" / name for name in given}
    with pytest.raises(AnalysisError, match=r"z\.fcs: marker CD4 is inf in event 8"):
        cluster.map_files(dict.fromkeys(given, model), given, into)
    assert not (tmp_path / "out").exists()


def test_metaclusters_without_events_are_reported():
    X, _ = blobs(T_CELLS, [300] * 4, sd=0.05)
    model = cluster.FlowSOM((6, 6), n_metaclusters=12).fit(X)
    held = np.bincount(model.metaclusters_[model.labels_], minlength=13)[1:]
    assert (held == 0).sum() > 0
    assert model.warnings_[-1] == (
        f"{(held == 0).sum()} of 12 metaclusters hold no training events, only nodes between populations; a smaller "
        "number may fit better"
    )
