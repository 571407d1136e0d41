import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.events import inverse, parse
from immport_cyto.events.transforms import (
    Arcsinh,
    Hyperlog,
    Linear,
    Log,
    Logicle,
    estimate_width,
    fasinh_cofactor,
    fast,
)
from immport_cyto.exceptions import OptionError

finite = st.floats(-1e5, 2.6e5, allow_nan=False)


def test_arcsinh_is_the_textbook_function() -> None:
    assert Arcsinh(150).forward([0, 150, -150]) == pytest.approx([0, math.log(1 + math.sqrt(2)), -0.881373587019543])


def test_logicle_ends_of_the_scale() -> None:
    scale = Logicle(T=1000, W=1, M=4, A=0)
    # Moore and Parks 2012: T maps to 1, 0 to (W + A) / (M + A)
    assert scale.forward([1000.0, 0.0]) == pytest.approx([1.0, 0.25], abs=1e-12)


@given(st.lists(finite, min_size=1, max_size=30), st.floats(0.1, 1e4))
def test_arcsinh_inverts(values: list[float], cofactor: float) -> None:
    there = Arcsinh(cofactor)
    assert inverse(there.forward(values), str(there)) == pytest.approx(values, rel=1e-9, abs=1e-8)


@given(st.lists(finite, min_size=1, max_size=30), st.floats(0, 2), st.floats(0, 0.5))
def test_logicle_inverts(values: list[float], w: float, a: float) -> None:
    there = Logicle(262144, w, 4.5, a)
    assert inverse(there.forward(values), str(there)) == pytest.approx(values, rel=1e-7, abs=1e-4)


@given(st.lists(finite, min_size=2, max_size=30, unique=True))
def test_transforms_keep_the_order(values: list[float]) -> None:
    x = np.sort(np.array(values))
    for there in (Arcsinh(5), Arcsinh(150), Logicle(), Linear(), Log(), Hyperlog()):
        assert (np.diff(there.forward(x)) >= 0).all()


@pytest.mark.parametrize(
    "text",
    [
        "linear",
        "arcsinh:cofactor=150",
        "arcsinh:cofactor=0.1",
        "logicle:T=262144,W=0.783,M=4.5,A=0",
        "log:T=10000,M=4",
        "hyperlog:T=262144,W=0.5,M=4.5,A=0.25",
    ],
)
def test_text_reads_back(text: str) -> None:
    assert str(parse(text)) == text


def test_shape_is_kept_and_empty_text_is_linear() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert inverse(values, "").tolist() == values.tolist()
    text = "logicle:T=10000,W=1,M=4,A=0.5"
    assert inverse(parse(text).forward(values), text) == pytest.approx(values, abs=1e-9)


def test_logicle_without_linear_part_keeps_tiny_values_at_zero() -> None:
    assert Logicle(W=0).forward([0, 1e-12, -1e-12, 1e-300, 1e-8]) == pytest.approx([0] * 5, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("biexp", "transform 'biexp' is unknown"),
        ("arcsinh:b=2", "arcsinh has no parameter 'b'; it has cofactor"),
        ("arcsinh", "has no cofactor"),
        ("arcsinh:cofactor=0", "not a positive number"),
        ("arcsinh:cofactor=x", "'cofactor=x' is not of the form name=number"),
        ("logicle:T=262144,W=3,M=4.5,A=0", "0 <= W <= M/2"),
        ("logicle:T=nan", "T > 0"),
        ("hyperlog:T=262144,W=0,M=4.5", "it needs W > 0"),
        ("log:T=0", "it needs T > 0 and M > 0"),
        ("log:W=1", "log has no parameter 'W'; it has T, M"),
    ],
)
def test_wrong_text_says_what_to_do(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        parse(text)


def test_width_is_the_closed_form_of_the_negative_quantile() -> None:
    x = np.concatenate([np.linspace(-100, -1, 100), np.linspace(1, 1e5, 100)])
    reference = abs(np.quantile(np.linspace(-100, -1, 100), 0.05))
    assert estimate_width(x, 262144) == round((4.5 - math.log10(262144 / reference)) / 2, 3)
    assert estimate_width(np.array([1.0, 2.0]), 262144) == 0.5
    assert estimate_width(np.array([-1e9]), 262144) == 2.25


def test_fasinh_cofactor_is_the_definition_of_gating_ml() -> None:
    top, m, a = 10000.0, 4.0, 1.0
    x = np.linspace(-500, 10000, 50)
    definition = (np.arcsinh(x * math.sinh(m * math.log(10)) / top) + a * math.log(10)) / ((m + a) * math.log(10))
    ours = (Arcsinh(fasinh_cofactor(top, m)).forward(x) + a * math.log(10)) / ((m + a) * math.log(10))
    assert ours == pytest.approx(definition, abs=1e-12)


@given(st.lists(st.floats(10, 2.6e5), min_size=1, max_size=30), st.floats(1, 6))
def test_log_inverts_and_is_cut_off_at_its_low_end(values: list[float], m: float) -> None:
    there = Log(262144, m)
    kept = np.maximum(values, there.low_end)
    assert inverse(there.forward(values), str(there)) == pytest.approx(kept, rel=1e-9)
    assert there.forward([there.low_end / 2, 0, -5]).tolist() == [0, 0, 0]
    assert there.forward([262144.0, 262144 / 10 ** (m / 2)]) == pytest.approx([1, 0.5])


@given(st.lists(finite, min_size=1, max_size=30), st.floats(0.05, 2), st.floats(0, 0.5))
def test_hyperlog_inverts(values: list[float], w: float, a: float) -> None:
    there = Hyperlog(262144, w, 4.5, a)
    assert inverse(there.forward(values), str(there)) == pytest.approx(values, rel=1e-7, abs=1e-4)


def test_hyperlog_ends_of_the_scale() -> None:
    # Gating-ML 2.0, section 6.5: T maps to 1, 0 to (W + A) / (M + A)
    assert Hyperlog(T=1000, W=1, M=4, A=0).forward([1000.0, 0.0]) == pytest.approx([1.0, 0.25], abs=1e-12)


@pytest.mark.parametrize("family", [Logicle, Hyperlog])
@pytest.mark.parametrize("top", [1000.0, 262144.0, 4194304.0])
@pytest.mark.parametrize("w", [0.01, 0.5, 1.3, 2.25])
@pytest.mark.parametrize("a", [0.0, 0.5])
def test_the_table_has_the_stated_error(family: type[Logicle], top: float, w: float, a: float) -> None:
    if a > 4.5 - 2 * w:
        a = 0.0
    scale = family(top, w, 4.5, a)
    rng = np.random.default_rng(1)
    x = np.concatenate([
        rng.normal(0, 1e-3 * top, 20_000), top * 10 ** rng.uniform(-7, 0.3, 20_000), np.linspace(-top, top, 20_001),
        [0, 1e-30, -1e-30, top, 15.9 * top, 16.1 * top, -40 * top, 3e5 * top],
    ]).astype(np.float32)  # fmt: skip
    found = fast(scale, x)
    assert found.dtype == np.float32
    inside = np.abs(x) <= 16 * top
    assert np.abs(found - scale.forward(x))[inside].max() <= 2e-7
    assert found[~inside] == pytest.approx(scale.forward(x[~inside]), rel=1e-6)
    assert (np.diff(found[np.argsort(x, kind="stable")]) >= 0).all()


def test_the_table_takes_any_slice() -> None:
    matrix = np.random.default_rng(2).normal(500, 2000, (40_000, 3))
    for scale in (Logicle(), Hyperlog()):
        assert fast(scale, matrix[:, 1]) == pytest.approx(scale.forward(matrix[:, 1]), abs=2e-7)
        assert fast(scale, matrix[:0, 1]).shape == (0,)


def test_without_a_table_the_transform_itself_is_used() -> None:
    x = np.linspace(-100, 1000, 50)
    for there in (Linear(), Arcsinh(5), Log()):
        assert (fast(there, x) == there.forward(x)).all()
