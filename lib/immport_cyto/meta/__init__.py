"""Effects per study, and the effect over studies.

``effects``
    One linear model per population and study: populations.tsv and samples.tsv give effects.tsv.
``check_formula``
    Check a formula before any work.
``pool``
    Random-effects meta-analysis of estimates and standard errors.
``pool_effects``
    `pool` for each population and term of effects.tsv: meta.tsv.
``Pooled``
    What `pool` returns.
``SCALES``, ``METHODS``, ``TESTS``
    The scales of an outcome, the estimators of the variance between studies, the tests of a pooled effect.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.meta.outcome import SCALES
    from immport_cyto.meta.over_studies import pool_effects
    from immport_cyto.meta.per_study import check_formula, effects
    from immport_cyto.meta.pooling import METHODS, TESTS, Pooled, pool

_HOME = {
    "check_formula": "per_study",
    "effects": "per_study",
    "pool": "pooling",
    "pool_effects": "over_studies",
    "Pooled": "pooling",
    "SCALES": "outcome",
    "METHODS": "pooling",
    "TESTS": "pooling",
}

__all__ = ["METHODS", "SCALES", "TESTS", "Pooled", "check_formula", "effects", "pool", "pool_effects"]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
