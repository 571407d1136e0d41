"""Statistics and abundances of clusters, against pandas on the raw events."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from immport_cyto import cluster, fcs
from immport_cyto.cluster import describing
from immport_cyto.cluster.sampling import sample_events
from immport_cyto.exceptions import InputError, OptionError
from support.cluster_events import MARKERS, preprocessed
from support.cluster_study import make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), n_files=3)


def test_statistics_are_those_of_the_events(study):
    found = describing.statistics(study.model, study.labelled, {1: "largest"})
    X = np.concatenate([fcs.open(study.files[name]).events(list(range(4))) for name in sorted(study.files)])
    nodes = study.model.predict(X[:, [MARKERS.index(name) for name in study.model.markers]])
    levels = {"node": nodes + 1, "metacluster": study.model.metaclusters_[nodes]}
    assert len(found) == (25 + 6) * 4
    for level, labels in levels.items():
        rows = found[found["level"] == level]
        assert rows.drop_duplicates("cluster")["n_events"].sum() == len(X)
        assert rows.drop_duplicates("cluster")["percentage"].sum() == pytest.approx(100)
        for row in rows.itertuples():
            values = X[labels == row.cluster, MARKERS.index(row.marker)].astype(float)
            assert row.n_events == len(values)
            if len(values) < 2:
                assert np.isnan(row.sd)
                continue
            expected = [np.median(values), values.mean(), values.std(ddof=1), 1.4826 * median_abs_deviation(values)]
            assert [row.median, row.mean, row.sd, row.mad] == pytest.approx(expected, rel=1e-6)
            assert row.cv == pytest.approx(100 * values.std(ddof=1) / abs(values.mean()), rel=1e-6)
    assert set(found.loc[found["metacluster"] == 1, "population"]) == {"largest"}
    assert set(found.loc[found["metacluster"] != 1, "population"]) == {""}


def test_outliers_are_counted_once_per_cluster(study):
    found = describing.statistics(study.model, study.labelled)
    mapped = [cluster.map_file(study.model, path, None) for path in study.files.values()]
    for level in ("node", "metacluster"):
        rows = found[found["level"] == level].drop_duplicates("cluster")
        assert rows["n_outliers"].sum() == sum(file.n_outliers for file in mapped)


def test_abundances_of_each_file(study):
    found = describing.abundances(study.model, study.labelled)
    assert len(found) == 3 * (25 + 6)
    for name, path in study.labelled.items():
        with fcs.open(path) as file:
            node, metacluster = file.events(["FlowSOM_node", "FlowSOM_metacluster"]).T.astype(int)
        own = found[found["file_name"] == name]
        for level, labels, k in (("node", node, 25), ("metacluster", metacluster, 6)):
            rows = own[own["level"] == level]
            assert rows["n_events"].tolist() == np.bincount(labels, minlength=k + 1)[1:].tolist()
            assert rows["percentage"].sum() == pytest.approx(100)


def test_a_file_without_events_has_counts_but_no_percentages(study, tmp_path):
    empty = preprocessed(tmp_path / "e.fcs", np.empty((0, 4)))
    cluster.map_file(study.model, empty, tmp_path / "out.fcs")
    found = describing.abundances(study.model, {"e.fcs": tmp_path / "out.fcs"})
    assert found["n_events"].sum() == 0
    assert found["percentage"].isna().all()
    statistics = describing.statistics(study.model, {"e.fcs": tmp_path / "out.fcs"})
    assert statistics["median"].isna().all()
    assert (statistics["percentage"] == 0).all()


def test_a_sample_of_the_events_does_not_depend_on_the_order_of_files(study):
    values, nodes = sample_events(study.model, study.labelled, 500, seed=3)
    again, _ = sample_events(study.model, dict(reversed(study.labelled.items())), 500, seed=3)
    assert np.array_equal(values, again)
    assert np.array_equal(study.model.predict(values), nodes)
    every, _ = sample_events(study.model, study.labelled, 10**6, seed=3)
    assert len(every) == sum(len(y) for y in study.truth.values())


def test_files_that_were_not_mapped_onto_the_model(study, tmp_path):
    with pytest.raises(InputError, match="there is no channel FlowSOM_metacluster; map the file first"):
        describing.statistics(study.model, study.files)
    with pytest.raises(OptionError, match="no labelled FCS files to describe"):
        describing.abundances(study.model, {})
    with fcs.open(study.labelled["a0.fcs"]) as file:
        values, channels, keywords = np.array(file.events()), file.channels, dict(file.keywords)
    values[3, channels.index(next(c for c in channels if c.pnn == "FlowSOM_node"))] = 26
    fcs.write(tmp_path / "b.fcs", values, channels, keywords)
    with pytest.raises(InputError, match=r"b.fcs: channel FlowSOM_node holds numbers that are no node of the model"):
        describing.abundances(study.model, {"b.fcs": tmp_path / "b.fcs"})
