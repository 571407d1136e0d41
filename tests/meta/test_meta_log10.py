"""Amounts in a unit: the scale log10."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from immport_cyto import meta
from immport_cyto.exceptions import TableError
from immport_cyto.meta.amounts import amount_outcome
from support.meta_tables import populations, samples


def amounts(of: pd.DataFrame, value: Any, unit: str = "cells/uL") -> pd.DataFrame:
    frame = populations(of, np.zeros(len(of)))
    return frame.assign(n_events=None, n_parent=None, fraction=None, value=value, unit=unit)


def test_it_is_the_least_squares_of_the_logarithm_in_any_unit() -> None:
    import statsmodels.api as sm

    of = samples(30)
    value = 10 ** np.random.default_rng(5).normal(2, 0.4, 30)
    expected = sm.OLS(np.log10(value), sm.add_constant(of["age_years"].to_numpy(dtype=float))).fit()
    for factor, unit in ((1.0, "cells/uL"), (1e3, "cells/mL")):
        found = meta.effects(amounts(of, value * factor, unit), of, "age_years", scale="log10").iloc[0]
        assert found["estimate"] == pytest.approx(expected.params[1], rel=1e-9)
        assert found["se"] == pytest.approx(expected.bse[1], rel=1e-9)
        assert (found["scale"], found["model"]) == ("log10", "log10 ~ age_years; least squares")


def test_zero_is_half_of_the_smallest_and_unknown_is_left_out() -> None:
    y, zeros = amount_outcome(np.array([0.0, 4.0, 100.0, np.nan, 0.0]))
    assert zeros == 2
    np.testing.assert_allclose(y, [np.log10(2), np.log10(4), 2, np.nan, np.log10(2)])
    y, zeros = amount_outcome(np.zeros(3))
    assert zeros == 0
    assert (y == 0).all()
    of = samples(20)
    value = np.linspace(1, 20, 20)
    value[[3, 4]] = 0
    value[7] = np.nan
    note = meta.effects(amounts(of, value), of, "age_years", scale="log10").iloc[0]["note"]
    assert note == "value 0 in 2 samples, taken as half of the smallest above 0; 1 sample without a value left out"


def test_a_population_that_is_zero_everywhere_has_no_effect() -> None:
    of = samples(20)
    both = pd.concat([
        amounts(of, 0.0).assign(population="none"), amounts(of, np.linspace(1, 20, 20)).assign(population="some"),
    ])  # fmt: skip
    found = meta.effects(both, of, "age_years", scale="log10").set_index("population")
    assert np.isnan(found.loc["none", "estimate"])
    assert found.loc["none", "note"] == "no event in any sample"
    assert found.loc["some", "estimate"] == found.loc["some", "estimate"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": [None] * 20}, "column 'value' is empty, which the scale log10 needs; use logit for shares"),
        ({"value": [-3.0] + [1.0] * 19}, "has the value -3; the scale log10 needs amounts of 0 or more"),
        ({"unit": ["MFI"] + ["cells/uL"] * 19}, "are in MFI, cells/uL; bring them to one unit"),
        ({"value": ["many"] + ["1"] * 19}, "column 'value' holds 'many', which is not a number"),
    ],
)
def test_bad_amounts(change: dict[str, Any], message: str) -> None:
    of = samples(20)
    with pytest.raises(TableError, match=message):
        meta.effects(amounts(of, 1.0).assign(**change), of, "age_years", scale="log10")
