"""Events of files in chunks: draws, gathering, moments; whatever runs the passes and however much is read at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.cluster import source
from immport_cyto.cluster.execution import Execution
from immport_cyto.cluster.source import array_part
from immport_cyto.exceptions import AnalysisError


@given(total=st.integers(1, 10**10), n=st.integers(1, 500), seed=st.integers(0, 2**32 - 1))
def test_a_draw_takes_one_event_of_each_share(total, n, seed):
    drawn = source.draw(total, n, np.random.default_rng(seed))
    if total <= n:
        assert drawn.tolist() == list(range(total))
    else:
        assert len(drawn) == n
        share = np.searchsorted([(i + 1) * total // n for i in range(n)], drawn, "right")
        assert share.tolist() == list(range(n))


def test_each_event_is_as_likely_to_be_drawn():
    counts = np.zeros(10)
    for seed in range(4000):
        counts[source.draw(10, 4, np.random.default_rng(seed))] += 1
    # shares of 2, 3, 2 and 3 events
    np.testing.assert_allclose(counts / 4000, np.repeat([1 / 2, 1 / 3, 1 / 2, 1 / 3], [2, 3, 2, 3]), atol=0.04)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(source, "CHUNK", 50)
    monkeypatch.setattr(source, "BLOCK", 20)


@pytest.mark.usefixtures("small")
@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 170), min_size=1, max_size=4), data=st.data())
def test_gathered_events_are_those_asked_for(sizes, data):
    X = np.random.default_rng(1).normal(size=(sum(sizes), 3)).astype(np.float32)
    parts = [array_part(piece) for piece in np.split(X, np.cumsum(sizes)[:-1])]
    wanted = np.array(sorted(data.draw(st.sets(st.integers(0, max(sum(sizes) - 1, 0)), max_size=60))), np.int64)
    wanted = wanted[wanted < sum(sizes)]
    for jobs in (1, 2):
        assert np.array_equal(source.gather(parts, wanted, 3, Execution(jobs)), X[wanted])
    for everything in (np.arange(len(X)), None):
        assert np.array_equal(source.gather(parts, everything, 3, Execution()), X)


@pytest.mark.usefixtures("small")
@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 170), min_size=1, max_size=4))
def test_moments_are_those_of_all_events_for_any_number_of_threads(sizes):
    X = np.random.default_rng(2).gamma(1, 2, (sum(sizes) + 1, 3)).astype(np.float32)
    parts = [array_part(piece) for piece in np.split(X, np.cumsum(sizes))]
    found, threaded = (source.scan(parts, list("abc"), Execution(jobs)) for jobs in (1, 3))
    assert found.n_events == len(X)
    np.testing.assert_allclose(found.mean, X.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(found.std, X.std(axis=0, dtype=float), rtol=1e-10, atol=1e-12)
    assert np.array_equal(found.low, X.min(axis=0))
    assert np.array_equal(found.high, X.max(axis=0))
    assert found.mean.tobytes() == threaded.mean.tobytes()
    assert found.std.tobytes() == threaded.std.tobytes()


@pytest.mark.parametrize("n", [1, 3, 4, 9])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_event_that_is_not_finite_is_named_wherever_it_is(n, value):
    for bad in range(n):
        X = np.ones((n, 3), np.float32)
        X[bad, 1] = value
        X[n - 1, 2] = value
        with pytest.raises(AnalysisError, match=f"in event {bad + 11};"):
            source.check_block(X, 10, "a.fcs", list("abc"))


def test_progress_of_a_pass_is_shown_where_it_is_wanted(capsys):
    assert list(Execution(quiet=False).map(abs, [-1, -2], "checking events")) == [1, 2]
    assert "checking events: 2/2" in capsys.readouterr().err
    assert list(Execution().map(abs, [-1, -2], "checking events")) == [1, 2]
    assert capsys.readouterr().err == ""
