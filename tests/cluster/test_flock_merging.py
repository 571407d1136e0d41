"""Populations of FLOCK merged by a table and by their profiles: a model as any other."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto import cluster, tables
from immport_cyto.cluster import FLOCK, flock
from immport_cyto.cluster.flock.centres import joined
from immport_cyto.cluster.flock.merging import EACH_LEVEL, OF_MEDIANS
from immport_cyto.cluster.flock.outputs import clear_phenotype
from immport_cyto.cluster.flock.profile import levels, profile
from immport_cyto.cluster.flock.storage import PROFILES_ONLY
from immport_cyto.exceptions import OptionError, PanelError, TableError
from support.cluster_events import MARKERS, T_CELLS, blobs
from support.old_models import as_version

CENTRES = [*T_CELLS, [4.0, 4.0, 4.0, 0.0], [1.6, 0.0, 0.0, 4.0]]


@pytest.fixture(scope="module")
def trained():
    X, _ = blobs(CENTRES, [500, 400, 300, 300, 200, 200], seed=2)
    model = FLOCK(1).fit(X + 5, markers=MARKERS)
    assert model.n_populations_ > len(CENTRES)
    return model, X + 5


def table(*rows):
    """MERGES of (population, name, label)."""
    return tables.conform(pd.DataFrame(rows, columns=["metacluster", "population", "merge"]), tables.MERGES)


def test_joined_by_a_table(trained):
    model, X = trained
    k = model.n_populations_
    merged, numbers = cluster.merge(model, table((2, "T cells", ""), (5, "T cells", ""), (1, "", "x"), (3, "", "x")))
    assert merged.n_populations_ == k - 2
    new = np.array([0, *numbers["merged_metacluster"].astype(int)])
    # numbered by the first of their parts
    assert new[1:6].tolist() == [1, 2, 1, 3, 2]
    assert np.unique(new[1:]).tolist() == list(range(1, k - 1))
    assert np.array_equal(merged.predict(X), new[model.labels_])
    assert np.array_equal(merged.labels_, new[model.labels_])
    assert np.array_equal(merged.counts_, np.bincount(merged.labels_)[1:])
    assert np.array_equal(merged.profile_, profile(X, merged.labels_, k - 2))
    means = [X[merged.labels_ == p].mean(axis=0, dtype=np.float64) for p in range(1, k - 1)]
    assert merged.centers_ == pytest.approx(np.array(means))
    assert merged.warnings_ == [*model.warnings_, f"{k} populations were merged by a table into {k - 2}"]
    assert numbers["population"].tolist()[:5] == ["", "T cells", "", "", "T cells"]
    assert model.n_populations_ == k
    assert model.labels_.max() == k


def test_a_name_alone_changes_no_number(trained):
    model, X = trained
    merged, numbers = cluster.merge(model, table((4, "B cells", "")))
    assert np.array_equal(merged.predict(X), model.labels_)
    assert numbers["merged_metacluster"].tolist() == list(range(1, model.n_populations_ + 1))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_merge_relabels_every_event_and_can_be_kept(trained, tmp_path_factory, data):
    model, X = trained
    k = model.n_populations_
    labels = data.draw(st.lists(st.sampled_from("abcd"), min_size=k, max_size=k))
    merged, numbers = cluster.merge(model, table(*((i + 1, "", label) for i, label in enumerate(labels))))
    path = tmp_path_factory.mktemp("merged") / "m.npz"
    merged.save(path)
    again = flock.load(path)
    new = np.array([0, *numbers["merged_metacluster"].astype(int)])
    assert np.array_equal(again.predict(X), new[model.labels_])
    assert np.array_equal(again.profile_, profile(X, new[model.labels_], len(set(labels))))
    assert again.counts_.sum() == len(X)
    assert numbers.groupby("merge")["merged_metacluster"].nunique().eq(1).all()


def test_populations_of_one_profile_become_one(trained):
    model, X = trained
    wanted = flock.by_profile(model)
    merged, numbers = cluster.merge(model, wanted, "by their profiles")
    profiles = [tuple(row) for row in model.profile_.tolist()]
    assert merged.n_populations_ == len(set(profiles)) < model.n_populations_
    for old, levels_ in enumerate(profiles):
        new = int(numbers["merged_metacluster"][old])
        assert tuple(merged.profile_[new - 1]) == levels_
        assert numbers["phenotype"][old] == numbers["population"][old]
        clear = [word for word in numbers["phenotype"][old].split() if not word.endswith("lo")]
        assert numbers["merged_phenotype"][old].split() == clear
    again, _ = cluster.merge(merged, flock.by_profile(merged))
    assert np.array_equal(again.predict(X), merged.predict(X))
    assert again.n_populations_ == merged.n_populations_


def test_markers_and_levels_that_count(trained):
    model, _ = trained
    wanted = flock.by_profile(model, ["cd3", "CD19"], "-,lo/+,++")
    signs = np.where(model.profile_ > 2, "+", "-")
    assert wanted["merge"].tolist() == [f"CD3{row[0]} CD19{row[3]}" for row in signs]
    merged, numbers = cluster.merge(model, wanted)
    assert merged.n_populations_ == len({(row[0], row[3]) for row in signs.tolist()})
    clusters = cluster.merged_clusters(merged, numbers)
    assert sorted(clusters["population"]) == sorted(set(wanted["merge"]))
    assert clusters["n_events"].tolist() == merged.counts_.tolist()
    assert clusters["n_nodes"].sum() == len(model.rule_.population)
    assert set(clusters["channel"]) == {"FLOCK_population"}
    for row in clusters.itertuples():
        parts = model.profile_[(numbers["merged_metacluster"] == row.metacluster).to_numpy()]
        for marker, column in zip(MARKERS, parts.T, strict=True):
            sign = {1: "-", 3: "+", 4: "++"}.get(column.min())
            clear = column.max() == 1 or column.min() >= 3
            assert (f"{marker}{sign}" in row.phenotype.split()) == clear


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        (EACH_LEVEL, ["-", "lo", "+", "++"]),
        ("-/lo,+,++", ["-", "+", "+", "+"]),
        ("-, lo / + / ++", ["-", "-", "+", "++"]),
        ("-/lo,+/++", ["-", "+", "+", "++"]),
        ("-,lo,+/++", ["-", "-", "-", "++"]),
    ],
)
def test_how_levels_are_written(trained, text, signs):
    model, _ = trained
    keys = flock.by_profile(model, ["CD4"], text)["merge"]
    assert keys.tolist() == [f"CD4{signs[row[1] - 1]}" for row in model.profile_]


@pytest.mark.parametrize("text", ["", "-,lo,+,++", "-/+/lo/++", "-/lo/+", "-/lo/+/++/", "a/b", "-,++/lo,+"])
def test_levels_that_make_no_sense(trained, text):
    with pytest.raises(OptionError, match=r"^levels '.*' are not -, lo, \+ and \+\+ in this order in two groups"):
        flock.by_profile(trained[0], None, text)


def test_markers_that_are_not_there(trained):
    with pytest.raises(PanelError, match=r"^marker CD56 is not in the model \(it has CD3, CD4, CD8, CD19\); take"):
        flock.by_profile(trained[0], ["CD3", "CD56"])
    with pytest.raises(OptionError, match="there are no markers to compare profiles by; name at least one"):
        flock.by_profile(trained[0], [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, "a", ""), (1, "b", "")], "metacluster 1 has two rows in the table of merges; give each one row"),
        ([(99, "a", "")], "the table of merges names metacluster 99; the model has 1 to"),
        ([(1, "a", "x"), (2, "b", "x")], "merge 'x' has two names, 'a' and 'b'; give its metaclusters one name"),
    ],
)
def test_tables_that_contradict_themselves(trained, rows, message):
    with pytest.raises(TableError, match=message):
        cluster.merge(trained[0], table(*rows))


@pytest.mark.parametrize("center", ["median", "geometric-mean"])
def test_other_centres_of_merged_populations(trained, center):
    _, X = trained
    model = FLOCK(1, center=center).fit(X, markers=MARKERS)
    merged, _ = cluster.merge(model, table((1, "", "x"), (3, "", "x"), (4, "", "x")))
    inside = X[merged.labels_ == 1].astype(np.float64)
    if center == "median":
        weighted = np.average(model.centers_[[0, 2, 3]], axis=0, weights=model.counts_[[0, 2, 3]])
        assert merged.centers_[0] == pytest.approx(weighted)
        assert merged.warnings_[-1] == OF_MEDIANS
    else:
        assert merged.centers_[0] == pytest.approx(np.exp(np.log(inside).mean(axis=0)))
        assert OF_MEDIANS not in merged.warnings_
    assert np.array_equal(merged.centers_[1:], np.delete(model.centers_, [0, 2, 3], axis=0))


def test_populations_without_events_are_joined_too():
    assert joined(np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([0, 0]), "mean").tolist() == [2, 4]
    assert joined(np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([0, 4]), "mean").tolist() == [3, 6]


@pytest.mark.parametrize(
    ("profiles", "text"),
    [
        ([[1, 2, 3, 4]], "CD3- CD8+ CD19++"),
        ([[1, 1, 3, 4], [1, 2, 4, 4]], "CD3- CD8+ CD19++"),
        ([[1, 2, 2, 1], [2, 2, 3, 4]], ""),
    ],
)
def test_what_profiles_say_clearly(profiles, text):
    assert clear_phenotype(MARKERS, profiles) == text


def test_a_model_of_an_older_version(trained, tmp_path):
    model, X = trained
    model.save(tmp_path / "m.npz")
    old = flock.load(as_version(tmp_path / "m.npz", tmp_path / "old.npz", 2))
    merged, numbers = cluster.merge(old, table((1, "", "x"), (2, "", "x")))
    new = np.array([0, *numbers["merged_metacluster"].astype(int)])
    assert np.array_equal(merged.predict(X), new[model.labels_])
    weights = np.zeros((len(MARKERS), 4), np.int64)
    for population in (0, 1):
        weights[np.arange(len(MARKERS)), model.profile_[population] - 1] += model.counts_[population]
    assert merged.profile_[0].tolist() == levels(weights[None])[0].tolist()
    assert PROFILES_ONLY in merged.warnings_
