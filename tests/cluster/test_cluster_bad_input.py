"""Bad input to the verbs of ``cluster``: one sentence that names file and field, and nothing written."""

import numpy as np
import pytest

from immport_cyto import cluster
from immport_cyto.exceptions import AnalysisError, ModelError, OptionError, PanelError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.cluster_study import PANEL, run


def events(change=None, n=60):
    X, _ = blobs(T_CELLS, [n] * 4, seed=1)
    if change:
        change(X)
    return X


def put(event, marker, value):
    def change(X):
        X[event, marker] = value

    return change


BAD = {
    "NaN": (events(put(41, 1, np.nan)), (), AnalysisError, r"^bad.fcs: marker CD4 is nan in event 42; remove such"),
    "inf": (events(put(0, 3, np.inf)), (), AnalysisError, r"^bad.fcs: marker CD19 is inf in event 1; remove such"),
    "minus inf": (events(put(9, 0, -np.inf)), (), AnalysisError, r"^bad.fcs: marker CD3 is -inf in event 10"),
    "fewer events than nodes": (events(n=3), (), AnalysisError, r"^bad.fcs: 12 events for 16 nodes \(4x4\); take"),
    "all markers constant": (np.ones((100, 4)), (), AnalysisError, r"^bad.fcs: all markers have the same value in all"),
    "one marker": (events()[:, :1], (), AnalysisError, r"^bad.fcs: FlowSOM needs at least two markers, got CD3; add"),
    "k > nodes": (events(), ("--metaclusters", 17), OptionError, r"n_metaclusters is 17; give .* to the 16 nodes"),
    "marker that is not there": (
        events(), ("--markers", "CD3,CD56"), PanelError, r"^bad.fcs: marker CD56 is not in the file \(it has CD3, CD4",
    ),
    "grid of one node": (events(), ("--grid", "1x1"), OptionError, r"grid is \(1, 1\); give rows and columns"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_flowsom_refuses(tmp_path, case):
    X, options, kind, message = BAD[case]
    path = preprocessed(tmp_path / "bad.fcs", X, MARKERS[: X.shape[1]], panel_id=PANEL)
    out = tmp_path / "out"
    with pytest.raises(kind, match=message) as error:
        run(
            "flowsom", path, "--models-dir", out / "models", "--clusters", out / "c.tsv", "--medians", out / "m.tsv",
            "--out-dir", out / "fcs", "--grid", "4x4", "--metaclusters", 3, "--quiet", *options,
        )  # fmt: skip
    assert "\n" not in str(error.value)
    assert not out.exists()


def test_a_constant_marker_is_reported_and_the_rest_is_clustered(tmp_path):
    X = events()
    X[:, 2] = 1.5
    path = preprocessed(tmp_path / "c.fcs", X, panel_id=PANEL)
    shown = run(
        "flowsom", path, "--models-dir", tmp_path / "m", "--clusters", tmp_path / "c.tsv", "--medians",
        tmp_path / "d.tsv", "--grid", "4x4", "--metaclusters", 3, "--quiet",
    )  # fmt: skip
    assert "marker CD8 has the same value in all events and does not influence the clusters" in shown.stderr


def test_no_marker_in_common(tmp_path):
    a = preprocessed(tmp_path / "a.fcs", events(), panel_id=PANEL)
    b = preprocessed(tmp_path / "b.fcs", events(), ["CD14", "CD16", "CD56", "CD11c"], panel_id=PANEL)
    with pytest.raises(PanelError, match=r"^b.fcs: no marker in common with the files before it \(CD14, CD16, CD56"):
        run(
            "flowsom", a, b, "--models-dir", tmp_path / "m", "--clusters", tmp_path / "c.tsv", "--medians",
            tmp_path / "d.tsv", "--quiet",
        )  # fmt: skip
    assert not (tmp_path / "m").exists()


def test_negative_seed_is_wrong_usage_and_an_error_in_python(tmp_path):
    path = preprocessed(tmp_path / "a.fcs", events(), panel_id=PANEL)
    shown = run("flowsom", path, "--models-dir", tmp_path / "m", "--seed", -1, code=2)
    assert "Invalid value for '--seed': -1 is not in the range x>=0" in shown.stderr
    with pytest.raises(OptionError, match="seed is -1; give a whole number from 0 on"):
        cluster.FlowSOM(seed=-1).fit(events())


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.npz"
    model = cluster.FlowSOM((4, 4), n_metaclusters=3).fit(events()[:, [3, 0, 1, 2]], markers=sorted(MARKERS))
    model.panel_id = PANEL
    model.save(path)
    return path


def test_map_refuses_what_it_cannot_map(model_path, tmp_path):
    lacking = preprocessed(tmp_path / "l.fcs", events()[:, :2], MARKERS[:2], panel_id=PANEL)
    out = tmp_path / "out"
    with pytest.raises(
        PanelError, match=r"l.fcs: marker CD19, CD8 of the model is not in the file \(it has CD3, CD4\)"
    ):
        run("map", lacking, "--model", model_path, "--out-dir", out, "--drift", tmp_path / "d.tsv", "--quiet")
    broken = preprocessed(tmp_path / "n.fcs", events(put(3, 0, np.nan)), panel_id=PANEL)
    with pytest.raises(AnalysisError, match=r"n.fcs: marker CD3 is nan in event 4; remove such events first"):
        run("map", broken, "--model", model_path, "--out-dir", out, "--drift", tmp_path / "d.tsv", "--quiet")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(model_path.read_bytes()[:-200])
    good = preprocessed(tmp_path / "g.fcs", events(), panel_id=PANEL)
    with pytest.raises(ModelError, match=r"cut.npz: not a usable FlowSOM model \(.*\); write it again"):
        run("map", good, "--model", cut, "--out-dir", out, "--quiet")
    assert not out.exists()
    assert not (tmp_path / "d.tsv").exists()


def test_markers_in_another_order_and_more_of_them_are_mapped_and_listed(model_path, tmp_path):
    X = events()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    preprocessed(tmp_path / "a" / "x.fcs", X, panel_id=PANEL)
    more = np.column_stack([np.ones(len(X)), X[:, [2, 3, 0, 1]]])
    preprocessed(tmp_path / "b" / "x.fcs", more, ["CD45", "CD8", "CD19", "CD3", "CD4"], panel_id=PANEL)
    for side in "ab":
        run(
            "map", tmp_path / side, "--model", model_path, "--out-dir", tmp_path / f"out-{side}", "--drift",
            tmp_path / f"{side}.tsv", "--quiet",
        )  # fmt: skip
    assert "\tCD45" in (tmp_path / "b.tsv").read_text()
    first, second = ((tmp_path / f"{side}.tsv").read_text().splitlines()[1].split("\t") for side in "ab")
    assert first[:-1] == second[:-1], "the same clusters whatever the order of the markers"
