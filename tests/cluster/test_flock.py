"""FLOCK as an estimator: each step against its definition, known populations, bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.cluster import FLOCK, flock
from immport_cyto.cluster.flock import kernels, partition, refine, regions
from immport_cyto.cluster.flock.profile import profile
from immport_cyto.exceptions import AnalysisError, ModelError, OptionError
from support.cluster_events import T_CELLS, blobs


@pytest.fixture(scope="module")
def cells():
    """T cell populations of 2,500 events, and the population of each event."""
    return blobs(T_CELLS, [1000, 700, 500, 300], seed=1)


def purity(labels, truth):
    """Share of the events whose FLOCK population is mostly of their true population."""
    return sum(np.bincount(truth[labels == p]).max() for p in np.unique(labels)) / len(truth)


def test_known_populations(cells):
    X, truth = cells
    model = FLOCK().fit(X, markers=["CD3", "CD4", "CD8", "CD19"])
    assert 4 <= model.n_populations_ <= 7  # FLOCK may cut a population in two, but not join two
    assert purity(model.labels_, truth) > 0.999
    assert np.array_equal(model.counts_, np.bincount(model.labels_)[1:])
    assert model.percentages_.sum() == pytest.approx(100)
    for p in range(model.n_populations_):
        inside = model.labels_ == p + 1
        assert np.allclose(model.centers_[p], X[inside].mean(axis=0, dtype=float))
        positive = np.array(T_CELLS[np.bincount(truth[inside]).argmax()]) > 0
        assert np.array_equal(model.profile_[p] >= 3, positive)
    assert model.warnings_ == []


def test_version_1_keeps_to_its_cap(cells):
    X, truth = cells
    model = FLOCK(1, max_populations=5).fit(X)
    assert 4 <= model.n_populations_ <= 5
    assert purity(model.labels_, truth) > 0.99


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_gives_its_own_events_their_population_again(cells, version, dtype):
    X = cells[0].astype(dtype)
    model = FLOCK(version).fit(X)
    assert np.array_equal(model.predict(X), model.labels_)
    shuffled = np.random.default_rng(0).permutation(len(X))
    assert np.array_equal(model.predict(X[shuffled]), model.labels_[shuffled])


def test_the_result_does_not_depend_on_threads(cells, monkeypatch):
    monkeypatch.setattr(partition, "BLOCK", 100)
    one, two = (FLOCK(n_jobs=jobs).fit(cells[0]) for jobs in (1, 2))
    assert np.array_equal(one.labels_, two.labels_)
    assert np.array_equal(one.rule_.centres, two.rule_.centres)


@pytest.mark.parametrize("version", [1, 2])
def test_shift_and_unit_of_a_marker_do_not_matter_above_zero(cells, version):
    X = cells[0].astype(np.float64) * 64 + 1024  # powers of two: the z-scores hardly change
    assert np.array_equal(FLOCK(version).fit(X).labels_, FLOCK(version).fit(X / 32).labels_)


def test_all_negative_events_can_be_clustered(cells):
    X, truth = cells
    model = FLOCK().fit(X - 100)
    assert purity(model.labels_, truth) > 0.99
    assert np.isin(model.profile_, [1, 2, 3, 4]).all()


# each step against a plain statement of it


def slow_regions(Z, n_bins):
    width = (Z.max(axis=0) - Z.min(axis=0)) / n_bins
    return np.minimum(np.floor((Z - Z.min(axis=0)) / width), n_bins - 1).astype(int)


def slow_groups(bins, density):
    """Group of each event, by the definition: all pairs compared, components by repeated spreading."""
    rows, region, size = np.unique(bins, axis=0, return_inverse=True, return_counts=True)  # in lexicographic order
    dense = np.flatnonzero(size >= density)
    near = np.abs(rows[dense][:, None] - rows[dense]).sum(axis=2) == 1
    group = np.arange(len(dense))
    for _ in dense:
        group = np.array([min([group[i], *group[near[i]]]) for i in range(len(dense))])
    # a component has the rank of its last hyper-region without a lower neighbour
    first = [i for i in range(len(dense)) if not near[i, :i].any()]
    rank = {group[i]: i for i in first}
    number = {g: n for n, g in enumerate(sorted(rank, key=rank.get))}
    of_region = np.full(len(rows), -1)
    of_region[dense] = [number[g] for g in group]
    return of_region[region.ravel()]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(2, 4), n_bins=st.integers(6, 9), density=st.integers(2, 4))
def test_regions_and_groups_by_their_definition(seed, d, n_bins, density):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(400, d)) + 3 * rng.integers(0, 2, (400, 1))
    found = regions.choose_regions(Z, Z.min(axis=0), Z.max(axis=0), n_bins)
    bins = slow_regions(Z, found.n_bins)
    assert np.array_equal(found.bins[found.region], bins)
    assert np.array_equal(np.bincount(found.region), found.size)
    assert len(np.unique(found.bins, axis=0)) == len(found.bins)
    try:
        group, n_groups, n_dense = regions.connect(found, density)
    except AnalysisError:
        assert (found.size >= density).sum() < 2
        return
    assert np.array_equal(group, slow_groups(bins, density))
    assert n_groups == group.max() + 1
    assert n_dense == (found.size >= density).sum()


def test_bins_stop_where_regions_per_bin_stop_growing():
    rng = np.random.default_rng(5)
    Z = rng.normal(size=(3000, 3)) + 4 * rng.integers(0, 2, (3000, 3))
    counts = {b: len(np.unique(slow_regions(Z, b), axis=0)) for b in range(6, 51)}
    expected = 6
    for b in range(7, 51):
        if counts[b] >= 0.95 * len(Z) or counts[b] / b < counts[expected] / expected:
            break
        expected = b
    found = regions.choose_regions(Z, Z.min(axis=0), Z.max(axis=0))
    assert (found.n_bins, len(found.size)) == (expected, counts[expected])
    for wanted in (6, 11):
        assert regions.choose_regions(Z, Z.min(axis=0), Z.max(axis=0), wanted).n_bins == wanted


@pytest.mark.parametrize(
    ("sizes", "density"),
    [
        # n(2), n(3), ...: bends n(s-1) + n(s+1) - 2 n(s)
        ([2] * 30 + [3] * 10 + [4] * 8 + [5] * 7, 3),  # 18 at 3, 1 at 4
        ([2] * 10 + [3] * 10 + [4] * 2 + [5] * 9 + [6], 4),  # -8 at 3, 15 at 4, -15 at 5
        ([2] * 5 + [3] * 9 + [4] * 3, 3),  # no bend upwards
        ([1, 2, 3], 3),
    ],
)
def test_density_is_where_the_curve_of_sizes_bends_most(sizes, density):
    assert regions.automatic_density(np.array(sizes)) == density


def slow_join(centres, reach):
    n = len(centres)
    near = (np.abs(centres[:, None] - centres) <= reach).all(axis=2)
    group = np.arange(n)
    for _ in range(n):
        group = np.array([group[near[i]].min() for i in range(n)])
    return np.unique(group, return_inverse=True)[1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 25), most=st.integers(2, 6))
def test_groups_are_joined_step_by_step(seed, n, most):
    rng = np.random.default_rng(seed)
    centres, width = np.round(rng.uniform(0, 8, (n, 2)), 1), np.array([0.7, 1.3])
    reach, before = 1.0, None
    while True:
        joined = slow_join(centres, reach * width)
        found = joined.max() + 1
        if found > most:
            before, reach = found, reach + 0.1
        elif found == 1 and n > 1 and not (before and before > most) and reach - 0.1 >= 0:
            before, reach = 1, reach - 0.1
        else:
            break
    result = partition.join_groups(centres, width, most)
    assert result.n == found
    assert np.array_equal(result.population, joined)


def test_groups_stay_apart_beyond_the_limit_of_the_reach():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    result = partition.join_groups(centres, np.ones(2), 3, (0.1, 5.0))
    assert result.n == 4
    assert result.reach == pytest.approx(5.0)


def test_kmeans_is_that_of_lloyd():
    rng = np.random.default_rng(3)
    Z, start = rng.normal(size=(500, 3)), rng.normal(size=(4, 3))
    centres = np.vstack([start, [[50.0, 50.0, 50.0]]])  # the last never gets an event and stays
    labels, used = partition.kmeans(Z, centres, 7)
    expected = centres.copy()
    for step in range(7):
        nearest = ((Z[:, None] - expected) ** 2).sum(axis=2).argmin(axis=1)
        if step < 6:
            for c in range(4):
                expected[c] = Z[nearest == c].mean(axis=0)
    assert np.array_equal(labels, nearest)
    assert np.allclose(used, expected)
    assert np.array_equal(used[4], [50.0, 50.0, 50.0])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), k=st.integers(1, 70), ties=st.booleans())
def test_energy_is_the_mean_of_the_nearest(seed, n, k, ties):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, (n, 2)).astype(float) if ties else rng.normal(size=(n, 2))
    p = np.array([0.5, 1.0])
    expected = np.sort(((points - p) ** 2).sum(axis=1))[:k].mean()
    assert kernels.near_energy(points, n, p, k, np.empty(n)) == pytest.approx(expected)


def test_a_cluster_with_a_valley_is_split_and_one_without_is_not():
    rng = np.random.default_rng(8)
    two = np.concatenate([rng.normal(1, 0.2, (300, 3)), rng.normal(4, 0.2, (200, 3))])
    one = rng.normal(2, 0.5, (400, 3))
    X, labels = np.concatenate([one, two]), np.repeat([0, 1], [400, 500]).astype(np.int32)
    splits = refine.find_splits(X, labels, 2)
    assert list(splits) == [1]
    assert np.array_equal(splits[1].second(two), np.repeat([False, True], [300, 200]))


def test_parts_of_one_population_are_merged_nearest_first():
    rng = np.random.default_rng(9)
    one = rng.normal(0, 1, (900, 2))
    Z = np.concatenate([one, rng.normal(8, 1, (300, 2)), rng.normal([8, -8], 1, (300, 2))])
    parts = np.concatenate([np.digitize(one[:, 0], [-0.5, 0.5]), np.repeat([3, 4], 300)]).astype(np.int32)
    population, forced = refine.merge_parts(Z, parts, 5)
    assert population.tolist() == [1, 1, 1, 2, 3]
    assert forced == 0
    population, forced = refine.merge_parts(Z, parts, 5, most=2)
    assert population.max() == 2
    assert forced == 1


def test_a_part_without_events_has_no_population():
    rng = np.random.default_rng(9)
    Z = np.concatenate([rng.normal(m, 0.3, (100, 2)) for m in (0, 5, 10)])
    population, _ = refine.merge_parts(Z, np.repeat([0, 2, 3], 100).astype(np.int32), 4)
    assert population.tolist() == [1, 0, 2, 3]


def test_profile_by_its_definition():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.uniform(2, 10, 1000), rng.normal(-5, 1, 1000)])
    labels = rng.integers(1, 4, 1000)
    for p, j in itertools.product(range(3), range(2)):
        low, high = X[:, j].min(), max(X[:, j].max(), 0)  # the maximum starts at 0
        edges = np.linspace(low, high, 5)
        n = [((X[labels == p + 1, j] >= edges[i]) & (X[labels == p + 1, j] < edges[i + 1])).sum() for i in range(4)]
        n[3] += (X[labels == p + 1, j] == high).sum()
        below, above = (0 if n[0] > n[1] else 1), (2 if n[2] > n[3] else 3)
        assert profile(X, labels, 3)[p, j] == (below if n[below] > n[above] else above) + 1


# parameters


def test_too_many_bins_are_capped_and_reported(cells):
    X = np.random.default_rng(2).normal(size=(600, 5))
    model = FLOCK(1, bins=40).fit(X)
    assert model.found_.bins < 40
    (warning, *_) = model.warnings_
    assert warning == (
        f"{model.found_.bins} bins are used instead of 40: with more, nearly every event is alone in its hyper-region"
    )


def test_bins_alone_or_density_alone_can_be_set(cells):
    assert FLOCK(bins=8).fit(cells[0]).found_.bins == 8
    assert FLOCK(density=5).fit(cells[0]).found_.density == 5


def test_a_most_of_populations_is_kept_and_reported(cells):
    free = FLOCK().fit(cells[0])
    model = FLOCK(max_populations=2).fit(cells[0])
    assert model.n_populations_ == 2
    (warning,) = model.warnings_
    pairs = f"{free.n_populations_ - 2} pairs of populations with a valley between them were merged"
    assert warning == f"{pairs}, because max_populations is 2"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"version": 3}, "version is 3; choose 1 or 2"),
        ({"bins": 5}, "bins is 5; give a whole number from 6 to 50"),
        ({"bins": 51}, "bins is 51; give a whole number from 6 to 50"),
        ({"bins": 7.0}, r"bins is 7\.0; give a whole number from 6 to 50"),
        ({"density": 0}, "density is 0; give a whole number from 1 on"),
        ({"max_populations": 1}, "max_populations is 1; give a whole number from 2 to 999 for version 2"),
        ({"version": 1, "max_populations": 4}, "max_populations is 4; give a whole number from 5 to 999 for version 1"),
        ({"n_jobs": 0}, "n_jobs is 0; give a whole number from 1 on"),
    ],
)
def test_parameters_that_make_no_sense(cells, parameters, message):
    with pytest.raises(OptionError, match=f"^{message}$"):
        FLOCK(**parameters).fit(cells[0])


def test_thresholds_that_leave_nothing(cells):
    with pytest.raises(AnalysisError, match=r"^density 2000 is too high: 0 of \d+ hyper-regions hold so many events"):
        FLOCK(density=2000).fit(cells[0])
    found = regions.Regions(
        6, np.ones(2), np.zeros((100_000, 2), np.uint8), np.zeros(1, np.int32), np.full(100_000, 3), crowded=False
    )
    with pytest.raises(AnalysisError, match=r"^density 3 is too low: 100000 hyper-regions hold so many events"):
        regions.connect(found, 3)


# events


def bad(X, change):
    X = X.astype(np.float64)
    change(X)
    return X


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.__setitem__((41, 2), np.nan), "^marker CD8 is nan in event 42; remove such events first"),
        (lambda X: X.__setitem__((6, 0), -np.inf), "^marker CD3 is -inf in event 7; remove such events first"),
        (lambda X: X.__setitem__((6, 0), 1e200), r"^marker CD3 reaches 1e\+200, which is too large to cluster"),
        (lambda X: X.__setitem__((slice(None), 3), 7), "^marker CD19 has the same value in all events; leave it out$"),
        (
            lambda X: X.__setitem__((slice(None), 3), np.where(X[:, 3] > 0, 0.0, 5e-324)),
            "^marker CD19 hardly varies between the events; leave it out$",
        ),
    ],
)
def test_events_that_cannot_be_used(cells, change, message):
    with pytest.raises(AnalysisError, match=message):
        FLOCK().fit(bad(cells[0], change), markers=["CD3", "CD4", "CD8", "CD19"])


def test_too_few_events_markers_names(cells):
    X = cells[0]
    with pytest.raises(AnalysisError, match="^49 events are too few, FLOCK needs at least 50; take a larger file$"):
        FLOCK().fit(X[:49])
    with pytest.raises(AnalysisError, match="^60 events are too few for 8 markers: nearly every event is alone"):
        FLOCK().fit(np.random.default_rng(0).uniform(size=(60, 8)))
    with pytest.raises(AnalysisError, match="^FLOCK needs at least two markers, got CD3; add markers"):
        FLOCK().fit(X[:, :1], markers=["CD3"])
    with pytest.raises(AnalysisError, match="1 dimension"):
        FLOCK().fit(X[:, 0])
    with pytest.raises(AnalysisError, match="not a matrix of numbers"):
        FLOCK().fit([["a", "b"]] * 60)
    with pytest.raises(OptionError, match="^3 marker names for 4 columns; give one name per column$"):
        FLOCK().fit(X, markers=["a", "b", "c"])
    with pytest.raises(OptionError, match="^marker a is named twice"):
        FLOCK().fit(X, markers=["a", "a", "b", "c"])


def test_prediction_of_what_does_not_fit(cells):
    with pytest.raises(ModelError, match="not trained; call fit first"):
        FLOCK().predict(cells[0])
    model = FLOCK().fit(cells[0], markers=["CD3", "CD4", "CD8", "CD19"])
    with pytest.raises(AnalysisError, match="^x: 3 columns for a model of 4 markers; give CD3, CD4, CD8, CD19 in this"):
        model.predict(cells[0][:, :3], name="x")
    with pytest.raises(AnalysisError, match="^marker CD4 is inf in event 4"):
        model.predict(bad(cells[0], lambda X: X.__setitem__((3, 1), np.inf)))


# adjustment to another sample


def test_populations_move_to_another_sample(cells):
    X, truth = cells
    adjusted = flock.adjust(T_CELLS, X + np.float32(0.8))
    assert np.array_equal(adjusted.labels, truth + 1)
    assert np.abs(adjusted.centers - np.array(T_CELLS) - 0.8).max() < 0.1
    model = FLOCK().fit(X)
    of_model = model.adjust(X + np.float32(0.8))
    expected = flock.adjust(model.centers_, X + np.float32(0.8))
    assert np.array_equal(of_model.labels, expected.labels)
    assert purity(of_model.labels, truth) > 0.999
    absent = flock.adjust([*T_CELLS, [90.0] * 4], X, ids=[4, 3, 2, 1, 9])
    assert np.array_equal(absent.labels, np.array([4, 3, 2, 1])[truth])
    assert absent.counts.tolist() == [1000, 700, 500, 300, 0]
    assert absent.centers[4].tolist() == [90.0] * 4
    assert absent.percentages.sum() == pytest.approx(100)


def test_centres_that_do_not_fit(cells):
    with pytest.raises(AnalysisError, match="^x: 4 columns for centres of 3; give the columns of the centres$"):
        flock.adjust(np.zeros((2, 3)), cells[0], name="x")
    with pytest.raises(AnalysisError, match="there are no events"):
        flock.adjust(np.zeros((2, 4)), cells[0][:0])
    with pytest.raises(OptionError, match="^2 population numbers for 2 centres; give each centre a number of its own$"):
        flock.adjust(np.zeros((2, 4)), cells[0], ids=[1, 1])
    with pytest.raises(AnalysisError, match="^centres: marker column 1 is nan in event 1"):
        flock.adjust(np.full((2, 4), np.nan), cells[0])
