"""Effects per study, and the effect over studies.

``effects``
    One linear model per population and study: populations.tsv and samples.tsv give effects.tsv.
``cluster_effects``
    The same for the shares of clusters, for `immport_cyto.cluster.compare_groups`.
``adjust``
    Shifts between batches taken out of fractions, by the method of ComBat.
``reference``, ``place``
    Reference ranges by age and sex over studies, and where samples fall in them.
``median_outcomes``
    Median intensities as outcomes of ``effects``.
``check_formula``
    Check a formula before any work.
``pool``
    Random-effects meta-analysis of estimates and standard errors.
``pool_effects``
    `pool` for each population and term of effects.tsv: meta.tsv.
``regress``, ``moderators``
    Meta-regression: of plain arrays, and of each population and term on properties of the studies.
``subgroups``, ``cumulative``, ``asymmetry``
    Effects pooled within groups of studies, as studies are added, and Egger's test.
``power``
    Which effect a collection of studies could have found.
``Pooled``, ``MetaRegression``
    What `pool` and `regress` return.
``SCALES``, ``METHODS``, ``TESTS``
    The scales of an outcome, the estimators of the variance between studies, the tests of a pooled effect.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.meta.amounts import median_outcomes
    from immport_cyto.meta.batches import Adjusted, adjust
    from immport_cyto.meta.clusters import cluster_effects
    from immport_cyto.meta.egger import asymmetry
    from immport_cyto.meta.explaining import cumulative, moderators, subgroups
    from immport_cyto.meta.outcome import SCALES
    from immport_cyto.meta.over_studies import pool_effects
    from immport_cyto.meta.per_study import check_formula, effects
    from immport_cyto.meta.placing import place
    from immport_cyto.meta.planning import power
    from immport_cyto.meta.pooling import METHODS, TESTS, Pooled, pool
    from immport_cyto.meta.ranges import reference
    from immport_cyto.meta.regression import MetaRegression, regress

_HOME = {
    "adjust": "batches",
    "Adjusted": "batches",
    "check_formula": "per_study",
    "cluster_effects": "clusters",
    "reference": "ranges",
    "place": "placing",
    "median_outcomes": "amounts",
    "effects": "per_study",
    "pool": "pooling",
    "pool_effects": "over_studies",
    "regress": "regression",
    "moderators": "explaining",
    "subgroups": "explaining",
    "cumulative": "explaining",
    "asymmetry": "egger",
    "power": "planning",
    "Pooled": "pooling",
    "MetaRegression": "regression",
    "SCALES": "outcome",
    "METHODS": "pooling",
    "TESTS": "pooling",
}

__all__ = [
    "METHODS",
    "SCALES",
    "TESTS",
    "Adjusted",
    "MetaRegression",
    "Pooled",
    "adjust",
    "asymmetry",
    "check_formula",
    "cluster_effects",
    "cumulative",
    "effects",
    "median_outcomes",
    "moderators",
    "place",
    "pool",
    "pool_effects",
    "power",
    "reference",
    "regress",
    "subgroups",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
