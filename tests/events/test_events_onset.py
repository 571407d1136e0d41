"""Where a drift began: lines with a known start, steps, and drifts that are no lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.events import _onset

LIMIT = 0.1
ERROR = 0.02


def shifts(shape: np.ndarray, slopes: tuple[float, ...], seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Channels x bins, with noise of the standard error if there is a seed."""
    shift = np.outer(slopes, shape)
    noise = 0.0 if seed is None else np.random.default_rng(seed).normal(0, ERROR, shift.shape)
    return shift + noise, np.full(shift.shape, ERROR)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("start", [40, 55, 70])
def test_a_line_points_back_to_its_start(start: int, direction: int) -> None:
    shape = np.maximum(np.arange(100) - start + 0.5, 0)[::direction]
    shift, error = shifts(shape, (0.008, -0.006, 0.0))
    bad = np.abs(shift).max(axis=0) > LIMIT
    found = _onset.lengthen(bad, shift, error, LIMIT)
    assert found[::direction].tolist() == [False] * start + [True] * (100 - start)


def test_the_start_is_found_in_noise_to_a_bin_or_two() -> None:
    shape = np.maximum(np.arange(100) - 60 + 0.5, 0)
    off = []
    for seed in range(30):
        shift, error = shifts(shape, (0.007, 0.007, -0.007, 0.007), seed)
        bad = np.arange(100) >= 72
        off.append(int(np.argmax(_onset.lengthen(bad, shift, error, LIMIT))) - 60)
    assert abs(np.mean(off)) < 1.5
    assert np.quantile(np.abs(off), 0.9) <= 4


@given(st.integers(10, 90), st.integers(1, 9), st.floats(-0.4, 0.4), st.integers(0, 2**31))
def test_a_step_is_not_lengthened_far_and_nothing_is_taken_away(
    begin: int, length: int, size: float, seed: int
) -> None:
    shape = np.zeros(100)
    shape[begin : begin + length] = 1
    shift, error = shifts(shape, (size, size), seed)
    bad = shape > 0
    found = _onset.lengthen(bad, shift, error, LIMIT)
    assert (found >= bad).all()
    assert found.sum() <= bad.sum() + 4


def test_a_fall_that_goes_on_slowly_is_not_drawn_back_into_the_stable_part() -> None:
    shape = np.where(np.arange(100) < 60, 0, np.interp(np.arange(100), [60, 99], [0.12, 0.25]))
    shift, error = shifts(shape, (1.0, -1.0))
    bad = np.arange(100) >= 60
    assert (_onset.lengthen(bad, shift, error, LIMIT) == bad).all()


def test_a_drift_over_the_whole_file_has_no_start() -> None:
    shift, error = shifts(np.linspace(-0.2, 0.2, 60), (1.0, 1.0))
    bad = np.abs(shift).max(axis=0) > LIMIT
    found = _onset.lengthen(bad, shift, error, LIMIT)
    assert not found[28:32].any()
