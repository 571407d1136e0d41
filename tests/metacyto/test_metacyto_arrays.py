"""The parts of `metacyto` that are functions of arrays, against slow but plain versions and other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immport_cyto import metacyto
from immport_cyto.exceptions import AnalysisError, DefinitionError
from immport_cyto.metacyto import labels
from immport_cyto.metacyto.flowsom import average_tree, cut
from immport_cyto.metacyto.hierarchy import root_mean_square
from immport_cyto.metacyto.least_squares import fit, z_score
from immport_cyto.metacyto.silhouette import trim
from immport_cyto.metacyto.statistics import restricted_likelihood


@pytest.mark.parametrize(
    ("seed", "in_r"),
    [
        (1, [9, 4, 7, 1, 2, 5, 3, 10, 6, 8]),
        (42, [1, 5, 10, 8, 2, 4, 6, 9, 7, 3]),
        (123, [3, 10, 2, 8, 6, 9, 1, 7, 5, 4]),
    ],
)
def test_samples_are_those_of_r(seed, in_r):
    assert (metacyto.RSample(seed).sample(10, 10) + 1).tolist() == in_r


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 200_000), st.data())
def test_a_sample_has_no_repeats(seed, n, data):
    size = data.draw(st.integers(0, min(n, 300)))
    drawn = metacyto.RSample(seed).sample(n, size)
    assert len(set(drawn.tolist())) == size
    assert not size or (drawn.min() >= 0 and drawn.max() < n)


def test_the_stream_goes_on():
    random = metacyto.RSample(7)
    first, second = random.sample(100, 5), random.sample(100, 5)
    assert first.tolist() != second.tolist()
    assert metacyto.RSample(7).sample(100, 5).tolist() == first.tolist()
    # from ten million numbers on R draws again what was drawn
    assert len(set(metacyto.RSample(7).sample(20_000_000, 1000).tolist())) == 1000


VALUES = hnp.arrays(np.float64, st.integers(4, 40), elements=st.floats(-50, 50, width=32))


@settings(max_examples=60, deadline=None)
@given(VALUES, st.floats(-40, 40))
def test_silhouettes_are_those_of_scikit_learn(x, cut):
    from sklearn.metrics import silhouette_score

    groups = (x > cut).astype(int)
    found = metacyto.mean_silhouettes(x, [cut])[0]
    if groups.min() == groups.max():
        assert found == -2
        return
    assert found == pytest.approx(silhouette_score(x[:, None], groups), abs=1e-9)


def test_the_sparse_ends_are_left_out():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(0, 1, 5000), [-3.0, 9.0]])
    kept = trim(x)
    assert kept.min() >= 0
    width = 12 / 99
    assert 1 - 2 * width < kept.max() < 1  # the last full bin goes too


def test_the_cutoff_is_the_candidate_of_largest_silhouette():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(1, 0.3, 700), rng.normal(4, 0.5, 300)])
    found = metacyto.find_cutoff(x)
    kept = trim(x)
    candidates = np.linspace(kept.min(), kept.max(), 100)
    assert found.silhouette == metacyto.mean_silhouettes(kept, candidates).max()
    assert 1.9 < found.value < 3.1


def slow_cutoff(x: np.ndarray) -> tuple[float, float] | None:
    """The description word by word: bins and silhouettes one value at a time."""
    low, high = x.min(), x.max()
    edges = [low + (high - low) * i / 99 for i in range(100)]
    fuzz = 1e-7 * (high - low) / 99
    ends = [edge + fuzz for edge in edges[1:]]
    counts = [0] * 99
    for value in x:
        counts[next(i for i, end in enumerate(ends) if value <= end)] += 1
    full = [i for i, count in enumerate(counts) if count > max(4, np.mean(counts) / 10)]
    kept = x[(x >= edges[full[0]]) & (x < edges[full[-1]])] if full else x[:0]
    if not len(kept) or kept.min() == kept.max():
        return None
    distance = np.abs(kept[:, None] - kept[None, :])
    best = None
    for value in (kept.min() + (kept.max() - kept.min()) * i / 99 for i in range(100)):
        group = kept > value
        if value <= 0:
            continue
        widths = []
        for i, mine in enumerate(group):
            own = group == mine
            inside = distance[i][own].sum() / max(own.sum() - 1, 1)
            outside = distance[i][~own].mean() if not own.all() else np.nan
            widths.append(0 if own.sum() == 1 else (outside - inside) / max(inside, outside, 1e-300))
        mean = -2 if group.all() or not group.any() else float(np.mean(widths))
        if best is None or mean > best[1] + 1e-13:
            best = (float(value), mean)
    return best


@pytest.mark.parametrize("kind", ["one group", "two groups", "counts", "skewed", "rounded"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_cutoff_is_that_of_the_description(kind, seed):
    rng = np.random.default_rng(seed)
    x = {
        "one group": rng.normal(0, 1, 600),
        "two groups": np.concatenate([rng.normal(0.5, 0.4, 450), rng.normal(4, 0.6, 150)]),
        "counts": np.round(rng.gamma(2, 2, 200)),
        "skewed": rng.exponential(1, 400) - 0.5,
        "rounded": np.round(rng.normal(3, 1.5, 300), 1),
    }[kind]
    expected = slow_cutoff(x)
    if expected is None:
        with pytest.raises(AnalysisError):
            metacyto.find_cutoff(x)
    else:
        found = metacyto.find_cutoff(x)
        assert (found.value, found.silhouette) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.arange(30.0), "30 events has no two values that are frequent enough"),
        (np.full(2000, 3.0), "has no two values that are frequent enough"),
        (np.linspace(-9, -1, 2000), "no value above 0, where MetaCyto looks"),
        (np.array([]), "0 events"),
    ],
)
def test_a_marker_without_a_candidate_is_refused(x, why):
    with pytest.raises(AnalysisError, match=why):
        metacyto.find_cutoff(x)


def plain_ward(distances: np.ndarray) -> list[list[list[int]]]:
    """Partitions into n, n - 1, ... 1 clusters by Ward's recurrence on the distances as they are."""
    d = distances.astype(float).copy()
    np.fill_diagonal(d, np.inf)
    members = {i: [i] for i in range(len(d))}
    levels = [[list(one) for one in members.values()]]
    while len(members) > 1:
        alive = sorted(members)
        i, j = min(((a, b) for a in alive for b in alive if a < b), key=lambda pair: d[pair])
        for k in alive:
            if k not in (i, j):
                a, b, c = len(members[i]), len(members[j]), len(members[k])
                d[i, k] = d[k, i] = ((a + c) * d[i, k] + (b + c) * d[j, k] - c * d[i, j]) / (a + b + c)
        members[i] += members.pop(j)
        levels.append([sorted(one) for one in members.values()])
    return levels


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_the_large_ones_of_all_levels(seed):
    from scipy.spatial.distance import pdist, squareform

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)) + rng.integers(0, 3, 60)[:, None] * 2
    levels = plain_ward(squareform(pdist(x)))[::-1]
    expected: list[list[int]] = []
    idle = 0
    for level in levels[1:]:
        large = sorted(one for one in level if len(one) > 0.1 * 60)
        if not large:
            break
        new = [one for one in large if one not in expected]
        expected += new
        idle = 0 if new else idle + 1
        if idle == 21:
            break
    assert [one.tolist() for one in metacyto.flow_hc(x, min_fraction=0.1)] == expected


def test_too_many_or_too_few_events_are_refused():
    with pytest.raises(AnalysisError, match="possible up to 30,000 of a panel and not with 30,001"):
        metacyto.flow_hc(np.zeros((30_001, 2)))
    with pytest.raises(AnalysisError, match="at least 2 events, there are 1"):
        metacyto.flow_hc(np.zeros((1, 2)))


def test_scaling_is_by_the_root_mean_square():
    x = np.array([[3.0, 0.0], [4.0, 0.0]])
    assert root_mean_square(x).tolist() == [5.0, 0.0]
    assert metacyto.scaled(x) == pytest.approx(np.array([[0.6, 0], [0.8, 0]]), rel=1e-7)
    assert metacyto.scaled(x)[0, 0] == np.float32(0.6)  # rounded as in a flow frame


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        ("CD3+|CD4-", (("CD3", "+"), ("CD4", "-"))),
        ("cd3+&CD4+", (("CD3", "+"), ("CD4", "+"))),
        ("CD3+, CD4+ CCR7-", (("CD3", "+"), ("CD4", "+"), ("CCR7", "-"))),
        ("CD3 FITC+|HLA-DR-", (("CD3 FITC", "+"), ("HLA-DR", "-"))),
    ],
)
def test_labels_are_read(text, gates):
    assert labels.parse(text) == gates


@pytest.mark.parametrize("text", ["CD3", "CD3++|CD4-", "CD3^HI+", "+", "CD3+|CD4 lo", ""])
def test_labels_that_metacyto_does_not_know_are_refused(text):
    with pytest.raises(DefinitionError, match="MetaCyto knows|means all events"):
        labels.parse(text)


def test_signs_need_a_quantile_on_one_side():
    rng = np.random.default_rng(3)
    x = np.column_stack([
        np.concatenate([rng.normal(0, 0.2, 500), rng.normal(4, 0.2, 500)]),  # splits the clusters
        rng.normal(2, 1, 1000),  # cut inside each cluster
        rng.normal(0, 1, 1000),  # nearly all below its cut
    ])  # fmt: skip
    clusters = [np.arange(500), np.arange(500, 1000)]
    found = metacyto.label_clusters(x, ["A", "B", "C"], clusters, {"A": 2.0, "B": 2.0, "C": 3.0})
    assert found == ["A-", "A+"]
    # with a lower bound on both sides of the cut, C counts: nearly all events are negative
    few = metacyto.label_clusters(x, ["A", "B", "C"], clusters, {"A": 2.0, "C": 3.0}, min_fraction=0.0)
    assert few == ["A-|C-", "A+|C-"]


def test_labels_that_differ_in_one_sign_give_a_third():
    assert metacyto.close(["A+|B+", "A+|B-", "C-", "A+|B+"]) == ["A+|B+", "A+|B-", "C-", "A+"]
    # in the order of the pairs
    assert metacyto.close(["A+|B+", "C+", "C-", "A+|B-", "C+|D-"])[-2:] == ["A+", ""]
    # and again from the new one
    assert metacyto.close(["A+|B+", "A+|B-", "A-"]) == ["A+|B+", "A+|B-", "A-", "A+", ""]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(["", "+", "-"])] * 4), max_size=8))
def test_closing_a_second_time_adds_nothing(signs):
    given_labels = ["|".join(f"{m}{s}" for m, s in zip("ABCD", each, strict=True) if s) for each in signs]
    once = metacyto.close(given_labels)
    assert metacyto.close(once) == once
    assert list(dict.fromkeys(given_labels)) == once[: len(set(given_labels))]


def test_least_squares_are_those_of_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    a, b = rng.normal(size=30), rng.integers(0, 2, 30).astype(float)
    y = a - b + rng.normal(size=30)
    found = fit(y, {"a": a, "double": 2 * a + 1, "b": b})
    assert list(found) == ["a", "b"]  # the second depends on the first and is left out, as in R
    theirs = sm.OLS(y, np.column_stack([np.ones(30), a, b])).fit()
    for i, name in enumerate(found, start=1):
        ours = found[name]
        assert (ours.estimate, ours.se, ours.t, ours.p_value) == pytest.approx(
            (theirs.params[i], theirs.bse[i], theirs.tvalues[i], theirs.pvalues[i]), rel=1e-9
        )
        assert (ours.ci_low, ours.ci_high) == pytest.approx(tuple(theirs.conf_int()[i]), rel=1e-9)
        assert (ours.df, ours.n) == (27, 30)


def test_as_many_parameters_as_samples_give_an_estimate_without_error():
    found = fit(np.array([1.0, 3.0]), {"a": np.array([0.0, 1.0]), "b": np.array([0.0, 5.0])})
    assert list(found) == ["a"]
    assert found["a"].estimate == pytest.approx(2)
    assert found["a"].df == 0
    assert np.isnan([found["a"].se, found["a"].p_value, found["a"].ci_low]).all()


def test_a_constant_has_no_z_score():
    assert np.isnan(z_score(np.full(5, 2.0))).all()
    assert z_score(np.array([1.0, np.nan, 3.0])) == pytest.approx([-(2**-0.5), np.nan, 2**-0.5], nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_the_stop_of_metafor_is_near_the_root(seed, k):
    from immport_cyto import meta

    rng = np.random.default_rng(seed)
    se = rng.uniform(0.5, 1, k)
    y = rng.normal(0, 1, k) + rng.normal(0, se)
    found = restricted_likelihood(y, se**2)
    exact = meta.pool(y, se).tau2
    assert found >= 0
    # near 0 the steps are halved until they stop; elsewhere it is the root or another maximum of the likelihood
    assert found == pytest.approx(exact, abs=2e-2)


def test_uniform_numbers_go_on_from_samples():
    random, other = metacyto.RSample(3), metacyto.RSample(3)
    first = random.uniform(3)
    assert first.tolist() == [pytest.approx(0.1680415, abs=1e-7), *first[1:].tolist()]  # set.seed(3); runif(1)
    assert np.concatenate([first, random.uniform(6000)]).tolist() == other.uniform(6003).tolist()
    random.sample(10, 2)
    assert 0 <= random.uniform(1)[0] < 1


def test_average_linkage_is_that_of_scipy_without_ties():
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import pdist, squareform

    x = np.random.default_rng(5).normal(size=(40, 3))
    joined = average_tree(squareform(pdist(x)))
    for k in (2, 5, 17, 39):
        ours = cut(joined, 40, k)
        theirs = cut_tree(linkage(pdist(x), "average"), n_clusters=k)[:, 0]
        assert ours.max() == k - 1
        assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == k
        assert [ours.tolist().index(i) for i in range(k)] == sorted(ours.tolist().index(i) for i in range(k))


def test_the_map_keeps_groups_apart():
    rng = np.random.default_rng(6)
    kind = rng.integers(0, 4, 800)
    x = np.eye(4)[kind] * 5 + rng.normal(scale=0.2, size=(800, 4))
    clusters, random = metacyto.flow_som(x, n_clusters=4, seed=1)
    assert sorted(len(one) for one in clusters) == sorted(np.bincount(kind).tolist())
    assert all(len(set(kind[one].tolist())) == 1 for one in clusters)
    assert [int(one[0]) for one in clusters] == sorted(int(one[0]) for one in clusters)
    again, other = metacyto.flow_som(x, n_clusters=4, seed=1)
    assert [one.tolist() for one in again] == [one.tolist() for one in clusters]
    assert random.sample(100, 5).tolist() == other.sample(100, 5).tolist()


@pytest.mark.parametrize(
    ("n", "k", "why"), [(99, 40, "100 nodes and there are 99 events"), (200, 101, "101 clusters of 100 nodes")]
)
def test_impossible_maps_are_refused(n, k, why):
    with pytest.raises(AnalysisError, match=why):
        metacyto.flow_som(np.zeros((n, 2)), n_clusters=k)
