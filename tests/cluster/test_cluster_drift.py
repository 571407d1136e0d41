"""Mapping of files that differ from the training: markers, outliers, drift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from immport_cyto import cluster, events, fcs, tables
from immport_cyto.cluster.drifting import drift, js_by_chance, js_distance, node_outliers
from immport_cyto.exceptions import OptionError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed

CHANNELS = ["FlowSOM_node", "FlowSOM_metacluster", "FlowSOM_outlier"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    files = {}
    for i, name in enumerate(["a.fcs", "b.fcs"]):
        files[name] = preprocessed(folder / name, blobs(T_CELLS, [2000, 1500, 1000, 500], seed=i)[0], extra=["FSC-A"])
    return cluster.flowsom_files(files, grid=(5, 5), n_metaclusters=4, study_accession="SDY1", panel_id="p"), files


def strange(folder, name="x.fcs", n=100):
    """A file of which `n` events are of a population that the training had not."""
    X, y = blobs([*T_CELLS, [4.0, 4.0, 4.0, 4.0]], [2000, 1500, 1000, 500, n], seed=7)
    return preprocessed(folder / name, X), X, y


def test_events_of_a_new_population_are_outliers(trained, tmp_path):
    model, _ = trained
    path, X, y = strange(tmp_path)
    done = cluster.map_file(model, path, tmp_path / "out.fcs", outlier_channel=True)
    with fcs.open(tmp_path / "out.fcs") as file:
        assert file.names[-3:] == CHANNELS
        assert file.channels[-1].range == 2
        node, _, flag = file.events(CHANNELS).T.astype(int)
        assert file.keywords["ICYTO_P7ROLE"] == "derived"
    assert flag[y == 4].mean() == 1
    assert flag[y < 4].mean() < 0.1
    limit = model.distance_medians_ + 4 * model.distance_mads_
    distance = np.linalg.norm(X[:, [3, 0, 1, 2]] - model.codes_[node - 1], axis=1)
    clear = np.abs(distance - limit[node - 1]) > 1e-4
    assert np.array_equal(flag[clear] == 1, (distance > limit[node - 1])[clear])
    assert done.n_outliers == flag.sum()
    assert done.outlier_counts.tolist() == np.bincount(node[flag == 1] - 1, minlength=25).tolist()
    strict = cluster.map_file(model, path, None, mad_allowed=2)
    assert strict.n_outliers > done.n_outliers
    assert np.array_equal(strict.node_counts, done.node_counts)


def test_without_the_option_an_old_outlier_channel_is_taken_away(trained, tmp_path):
    model, files = trained
    cluster.map_file(model, files["a.fcs"], tmp_path / "with.fcs", outlier_channel=True)
    cluster.map_file(model, tmp_path / "with.fcs", tmp_path / "again.fcs")
    cluster.map_file(model, files["a.fcs"], tmp_path / "plain.fcs")
    assert (tmp_path / "again.fcs").read_bytes() == (tmp_path / "plain.fcs").read_bytes()


def test_keywords_of_channels_behind_the_replaced_ones_move_with_them(trained, tmp_path):
    model, files = trained
    cluster.map_file(model, files["a.fcs"], tmp_path / "1.fcs")
    with fcs.open(tmp_path / "1.fcs") as file:
        channels = [*file.channels, fcs.Channel(8, "Later", "CD45")]
        values = np.column_stack([file.events(), np.arange(file.n_events)])
        keywords = dict(file.keywords) | {"ICYTO_P8ROLE": "marker", "ICYTO_P8CLASS": "state"}
    fcs.write(tmp_path / "2.fcs", values, channels, keywords)
    cluster.map_file(model, tmp_path / "2.fcs", tmp_path / "3.fcs")
    with fcs.open(tmp_path / "3.fcs") as file:
        assert file.names[5:] == ["Later", "FlowSOM_node", "FlowSOM_metacluster"]
        assert [file.keywords[f"ICYTO_P{n}ROLE"] for n in (5, 6, 7, 8)] == ["scatter", "marker", "derived", "derived"]
        assert events.markers(file) == {**dict(zip(MARKERS, range(4), strict=True)), "CD45": 5}
        assert np.array_equal(file.events(["Later"])[:, 0], np.arange(file.n_events))


def test_drift_of_training_files_is_small_and_of_others_is_not(trained, tmp_path):
    model, files = trained
    path, _, _ = strange(tmp_path, n=2500)
    more = preprocessed(
        tmp_path / "shuffled.fcs",
        np.column_stack([blobs(T_CELLS, [2000, 1500, 1000, 500], seed=9)[0][:, [3, 1, 2, 0]], np.zeros(5000)]),
        ["CD19", "CD4", "CD8", "CD3", "CD45"],
    )
    mapped = {
        name: cluster.map_file(model, file, None)
        for name, file in {**files, "x.fcs": path, "shuffled.fcs": more}.items()
    }
    table = drift(model, mapped).set_index("file_name")
    assert table["in_training"].to_dict() == {"a.fcs": True, "b.fcs": True, "shuffled.fcs": False, "x.fcs": False}
    assert table.loc["shuffled.fcs", "unused_markers"] == "CD45"
    assert table.loc["a.fcs", "unused_markers"] == ""
    both = 100 * (mapped["a.fcs"].n_outliers + mapped["b.fcs"].n_outliers) / 10_000
    assert table["outlier_percentage_training"].tolist() == pytest.approx([both] * 4)
    assert table.loc["shuffled.fcs", "outlier_percentage"] < 3 * both
    assert table.loc["x.fcs", "outlier_percentage"] > 30
    same, other = table.loc["shuffled.fcs"], table.loc["x.fcs"]
    assert same["js_nodes"] < 1.5 * same["js_nodes_by_chance"]
    assert other["js_nodes"] > 5 * other["js_nodes_by_chance"]
    assert other["js_metaclusters"] > 0.1 > same["js_metaclusters"]
    assert other["quantization_error"] > 2 * other["quantization_error_training"]
    p = np.bincount(model.metaclusters_ - 1, mapped["x.fcs"].node_counts)
    q = np.bincount(model.metaclusters_ - 1, model.node_counts_)
    change = 100 * (p / p.sum() - q / q.sum())
    most = int(np.abs(change).argmax())
    assert (other["most_changed_metacluster"], other["change"]) == (most + 1, pytest.approx(change[most]))


def test_outliers_per_node_are_those_of_the_file(trained, tmp_path):
    model, _ = trained
    path, _, _ = strange(tmp_path)
    done = cluster.map_file(model, path, None)
    table = node_outliers(model, {"x.fcs": done})
    assert len(table) == 25
    assert table["n_events"].sum() == 5100
    assert table["n_outliers"].sum() == done.n_outliers
    assert table["metacluster"].tolist() == model.metaclusters_.tolist()
    far = table[table["n_outliers"] > 0]
    assert (far["largest_distance"] > far["threshold"].fillna(-1)).all()
    near = table[(table["n_events"] > 0) & (table["n_outliers"] == 0)]
    assert (near["largest_distance"] <= near["threshold"]).all()
    tables.write(table, tmp_path / "o.tsv", tables.OUTLIERS)
    assert tables.read(tmp_path / "o.tsv", tables.OUTLIERS)["threshold"].equals(table["threshold"])


def test_a_file_without_events_has_no_drift(trained, tmp_path):
    model, _ = trained
    empty = preprocessed(tmp_path / "e.fcs", np.empty((0, 4)))
    mapped = {"e.fcs": cluster.map_file(model, empty, None)}
    (row,) = drift(model, mapped).to_dict("records")
    assert (row["n_events"], row["n_outliers"]) == (0, 0)
    assert np.isnan([row["outlier_percentage"], row["js_nodes"], row["change"], row["js_nodes_by_chance"]]).all()
    assert node_outliers(model, mapped)["n_events"].sum() == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=30))
def test_jensen_shannon_distance(pairs):
    p, q = np.array(pairs).T
    found = js_distance(p, q)
    if not p.sum() or not q.sum():
        assert np.isnan(found)
        return
    assert 0 <= found <= 1
    assert found == pytest.approx(js_distance(q, p), abs=1e-7)
    assert js_distance(p, p) == pytest.approx(0, abs=1e-7)
    assert found == pytest.approx(js_distance(3 * p, q), abs=1e-7)


def test_distance_by_chance_is_what_sampling_gives():
    rng = np.random.default_rng(3)
    share = rng.dirichlet(np.full(50, 2.0))
    training = rng.multinomial(200_000, share)
    found = [jensenshannon(rng.multinomial(3000, share), training, base=2) for _ in range(200)]
    assert js_by_chance(rng.multinomial(3000, share), training) == pytest.approx(np.mean(found), rel=0.05)


@pytest.mark.parametrize("allowed", [-1.0, float("nan"), float("inf")])
def test_mad_that_makes_no_sense(trained, tmp_path, allowed):
    model, files = trained
    with pytest.raises(OptionError, match=r"^mad_allowed is .*; give a number from 0 on, such as 4$"):
        cluster.map_file(model, files["a.fcs"], tmp_path / "o.fcs", mad_allowed=allowed)
    assert not (tmp_path / "o.fcs").exists()
