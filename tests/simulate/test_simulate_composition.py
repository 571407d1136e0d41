import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import OptionError
from immport_cyto.simulate import composition
from immport_cyto.simulate.composition import SPLITS, TERMS, Effect
from immport_cyto.simulate.design import EFFECTS
from immport_cyto.simulate.phenotypes import CELL_TYPES, NAMES, POPULATIONS, members, parse

# written by hand: what each definition must mean in this model
EXPECTED = {
    "T cells": {n for n in NAMES if "T cells" in n},
    "CD4 T cells": {
        "Naive CD4 T cells", "Central memory CD4 T cells", "Effector memory CD4 T cells", "Regulatory T cells",
    },
    "CD8 T cells": {"Naive CD8 T cells", "Memory CD8 T cells", "TEMRA CD8 T cells"},
    "Naive CD4 T cells": {"Naive CD4 T cells"},
    "Memory CD4 T cells": {"Central memory CD4 T cells", "Effector memory CD4 T cells", "Regulatory T cells"},
    "Regulatory T cells": {"Regulatory T cells"},
    "Naive CD8 T cells": {"Naive CD8 T cells"},
    "Memory CD8 T cells": {"Memory CD8 T cells"},
    "TEMRA CD8 T cells": {"TEMRA CD8 T cells"},
    "Gamma-delta T cells": {"Gamma-delta T cells"},
    "B cells": {"B cells"},
    "NK cells": {"CD56dim NK cells", "CD56bright NK cells"},
    "CD14+ monocytes": {"CD14+ monocytes"},
    "CD16+ monocytes": {"CD16+ monocytes"},
    "Plasmacytoid dendritic cells": {"Plasmacytoid dendritic cells"},
}  # fmt: skip


def test_each_definition_means_the_cells_it_should():
    found = {p.name: {NAMES[k] for k in np.flatnonzero(members(p.definition))} for p in POPULATIONS}
    assert found == EXPECTED


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda p: p.name)
def test_no_definition_hangs_on_a_dim_antigen(population):
    """A cell that is dim for one gate must already be out by another, or the truth would depend on the cut-off."""
    gates = parse(population.definition)
    for cell in CELL_TYPES:
        levels = [(cell.levels.get(antigen, "neg"), positive) for antigen, positive in gates]
        if any(level == "dim" for level, _ in levels):
            assert any(level != "dim" and (level != "neg") != positive for level, positive in levels)


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda p: p.name)
def test_a_population_lies_within_its_parent(population):
    assert not np.any(members(population.definition) & ~members(population.parent))


def test_unknown_gate_is_a_clear_error():
    with pytest.raises(OptionError, match=r"gate 'CD999\+' cannot be simulated; use a sign"):
        parse("CD3+ CD999+")
    with pytest.raises(OptionError, match="gate 'CD3' cannot be simulated"):
        members("CD3")


@given(st.lists(st.floats(-6, 6), min_size=len(SPLITS), max_size=len(SPLITS)))
def test_fractions_are_a_composition_for_any_logits(logits):
    cells = composition.fractions(np.array([logits]))
    assert cells.shape == (1, len(CELL_TYPES))
    assert np.all(cells > 0)
    assert cells.sum() == pytest.approx(1)


def test_fractions_at_the_reference_are_the_tree():
    cells = dict(zip(NAMES, composition.fractions(composition.baseline()[None, :])[0], strict=True))
    t_cells = 1 - 0.10 - 0.09 - 0.16 - 0.03 - 0.001
    assert cells["Plasmacytoid dendritic cells"] == pytest.approx(0.001)
    assert cells["Naive CD4 T cells"] == pytest.approx(t_cells * 0.60 * 0.55)
    assert cells["TEMRA CD8 T cells"] == pytest.approx(t_cells * 0.35 * 0.12)
    assert cells["CD56bright NK cells"] == pytest.approx(0.10 * 0.08)


def test_effects_of_the_presets_are_exact_where_said():
    matrix = composition.slopes(EFFECTS)
    effects, exact = composition.true_effects(matrix), composition.exact_terms(matrix)
    age, sex, arm = range(3)
    assert effects["Naive CD4 T cells"] == pytest.approx([-0.030, 0, 0])
    assert effects["Memory CD4 T cells"] == pytest.approx([0.030, 0, 0])
    assert effects["Naive CD8 T cells"] == pytest.approx([-0.040, 0, 0])
    assert effects["NK cells"] == pytest.approx([0, 0.40, 0])
    assert effects["CD14+ monocytes"] == pytest.approx([0, 0, 0.50])
    assert effects["B cells"].tolist() == [0, 0, 0]
    for name in ("Naive CD4 T cells", "Memory CD4 T cells", "Naive CD8 T cells", "NK cells", "B cells"):
        assert exact[name].all()
    # the rest of three children: rises as the naive cells fall, not quite linearly
    assert 0.035 < effects["Memory CD8 T cells"][age] < 0.042
    assert not exact["Memory CD8 T cells"][age]
    # the rest at the root: no effect of age at all, effects of sex and arm that depend on each other
    assert effects["T cells"][age] == 0
    assert exact["T cells"].tolist() == [True, False, False]
    assert effects["T cells"][sex] < 0 > effects["T cells"][arm]


@given(st.sampled_from(SPLITS), st.sampled_from(TERMS[1:]), st.floats(-0.5, 0.5))
def test_an_effect_on_a_split_is_the_effect_on_its_fraction_of_the_parent(population, term, value):
    at = {p.name for p in POPULATIONS} & {population}
    matrix = composition.slopes([Effect(population, term, value)])
    for name in at:
        assert composition.true_effects(matrix)[name][TERMS.index(term)] == pytest.approx(value, abs=1e-8)


def test_deviations_of_a_study_are_scaled_by_tau():
    effects = [Effect("NK cells", "sex[Male vs Female]", 0.4, 0.1), Effect("B cells", "age_years", 0.01)]
    deviations = np.full((len(TERMS), len(SPLITS)), 2.0)
    matrix = composition.slopes(effects, deviations)
    assert matrix[TERMS.index("sex[Male vs Female]"), SPLITS.index("NK cells")] == pytest.approx(0.6)
    assert matrix[TERMS.index("age_years"), SPLITS.index("B cells")] == pytest.approx(0.01)
    assert np.count_nonzero(matrix) == 2
