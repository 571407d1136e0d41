"""How many of each cell a sample holds: logit-normal fractions along a tree, with effects of age, sex and arm.

Below each node of `TREE` every named child takes a fraction of its parent whose logit is linear in the covariates,
plus deviations of the study, the subject and the sample; the last child takes the rest. So for every named child, and
for a population that is the rest of two, an effect on the logit of the fraction of the parent is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immport_cyto.simulate.phenotypes import NAMES, POPULATIONS, members

AGE_CENTRE = 50.0
"""Age in years at which `TREE` holds."""

TERMS = ("age_years", "sex[Male vs Female]", "arm_name[Patients vs Healthy controls]")
"""Terms of the model; the reference levels are Female and Healthy controls."""

TREE: dict[str, tuple[dict[str, float], str]] = {
    "": (
        {
            "NK cells": 0.10,
            "B cells": 0.09,
            "CD14+ monocytes": 0.16,
            "CD16+ monocytes": 0.03,
            "Plasmacytoid dendritic cells": 0.001,
        },
        "T cells",
    ),
    "T cells": ({"CD4 T cells": 0.60, "Gamma-delta T cells": 0.05}, "CD8 T cells"),
    "CD4 T cells": ({"Naive CD4 T cells": 0.55, "Regulatory T cells": 0.06}, "Conventional memory CD4 T cells"),
    "Conventional memory CD4 T cells": ({"Effector memory CD4 T cells": 0.35}, "Central memory CD4 T cells"),
    "CD8 T cells": ({"Naive CD8 T cells": 0.40, "TEMRA CD8 T cells": 0.12}, "Memory CD8 T cells"),
    "NK cells": ({"CD56bright NK cells": 0.08}, "CD56dim NK cells"),
}
"""Node -> (fraction of the node for each named child at age 50, female, healthy; the child that is the rest)."""

SPLITS = tuple(child for children, _ in TREE.values() for child in children)
"""The children with a logit of their own, in a fixed order: the columns of every matrix of logits."""

_LEAST_REST = 0.01


@dataclass(frozen=True)
class Effect:
    """A true effect on the logit of a population's fraction of its parent.

    Attributes
    ----------
    population
        One of `SPLITS`.
    term
        One of `TERMS`; an effect of age is per year.
    value
        Mean over studies.
    tau
        Standard deviation between studies.
    """

    population: str
    term: str
    value: float
    tau: float = 0.0


def logit(p: np.ndarray | float) -> np.ndarray:
    """Log odds."""
    p = np.asarray(p, dtype=float)
    return np.asarray(np.log(p) - np.log1p(-p))


def expit(x: np.ndarray) -> np.ndarray:
    """Inverse of `logit`."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def baseline() -> np.ndarray:
    """Logits of the splits at the reference covariates, shape (splits,)."""
    return logit(np.array([p for children, _ in TREE.values() for p in children.values()]))


def slopes(effects: Sequence[Effect], deviations: np.ndarray | None = None) -> np.ndarray:
    """Effects as a matrix, shape (terms, splits).

    Parameters
    ----------
    effects
        At most one per population and term.
    deviations
        Standard normal deviations of one study, shape (terms, splits); each is multiplied by the effect's tau.
    """
    matrix = np.zeros((len(TERMS), len(SPLITS)))
    for effect in effects:
        at = TERMS.index(effect.term), SPLITS.index(effect.population)
        matrix[at] = effect.value + (0.0 if deviations is None else effect.tau * deviations[at])
    return matrix


def covariates(age_years: np.ndarray, male: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Columns of the model in the order of `TERMS`, shape (samples, terms); age is centred."""
    return np.column_stack([np.asarray(age_years) - AGE_CENTRE, male, patient]).astype(float)


def fractions(logits: np.ndarray) -> np.ndarray:
    """Fractions of the cell types among all cells.

    Parameters
    ----------
    logits
        Shape (samples, splits).

    Returns
    -------
    ndarray, shape (samples, cell types)
        Rows sum to 1. Where the named children of a node would leave less than 1 % of it to the rest, they are scaled
        down to leave that; the presets never get there.
    """
    share = dict(zip(SPLITS, expit(logits).T, strict=True))
    size: dict[str, np.ndarray] = {"": np.ones(len(logits))}
    for node, (children, rest) in TREE.items():
        parts = np.array([share[child] for child in children])
        total = parts.sum(axis=0)
        parts = parts * np.where(total > 1 - _LEAST_REST, (1 - _LEAST_REST) / total, 1.0)
        for child, part in zip(children, parts, strict=True):
            size[child] = size[node] * part
        size[rest] = size[node] * (1 - parts.sum(axis=0))
    return np.column_stack([size[name] for name in NAMES])


def of_parent(cells: np.ndarray, definition: str, parent: str) -> tuple[np.ndarray, np.ndarray]:
    """Sum the cell types of a population and of its parent.

    Parameters
    ----------
    cells
        Counts or fractions, shape (samples, cell types).

    Returns
    -------
    (population, parent)
        Each of shape (samples,).
    """
    within = members(parent)
    return cells[:, members(definition) & within].sum(axis=1), cells[:, within].sum(axis=1)


def true_effects(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Effect of each term on the logit of each population's fraction of its parent.

    Parameters
    ----------
    matrix
        Slopes, shape (terms, splits).

    Returns
    -------
    dict
        Population -> effects, shape (terms,). They are the least-squares slopes over a full grid of covariates (ages
        20 to 80) without random deviations: the exact slope where the model is linear in the logit, else the best
        linear summary of it.
    """
    age, male, patient = (g.ravel() for g in np.meshgrid(np.arange(20, 81), [0, 1], [0, 1]))
    X = covariates(age, male, patient)
    cells = fractions(baseline() + X @ matrix)
    design = np.column_stack([np.ones(len(X)), X])
    result = {}
    for population in POPULATIONS:
        part, whole = of_parent(cells, population.definition, population.parent)
        coefficients = np.linalg.lstsq(design, logit(part / whole), rcond=None)[0][1:]
        result[population.name] = np.where(np.abs(coefficients) < 1e-9, 0.0, coefficients)
    return result


def exact_terms(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Whether a population's effect of a term is the same everywhere, so that `true_effects` is exact.

    Returns
    -------
    dict
        Population -> flags, shape (terms,): whether equal steps of the term (20, 50, 80 years; 0, 1) change the logit
        equally, whatever the other terms are.
    """
    levels = (np.array([-30.0, 0.0, 30.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    grid = np.array(np.meshgrid(*levels, indexing="ij"))
    cells = fractions(baseline() + grid.reshape(len(TERMS), -1).T @ matrix)
    result = {}
    for population in POPULATIONS:
        part, whole = of_parent(cells, population.definition, population.parent)
        y = logit(part / whole).reshape(grid.shape[1:])
        steps = [np.diff(y, axis=k) for k in range(len(TERMS))]
        result[population.name] = np.array([np.ptp(step) < 1e-9 for step in steps])
    return result
