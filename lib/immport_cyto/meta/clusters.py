"""Shares of clusters modelled on groups of samples and covariates, as populations are by `effects`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from immport_cyto.meta.per_study import check_formula, effects

if TYPE_CHECKING:
    import pandas as pd

_GROUP = "compared_group"
_STUDY = "all"


class ClusterEffect(NamedTuple):
    """Effect of a group on the share of a cluster, on the logit scale; NaN, and why in `note`, where there is none."""

    log_odds: float
    ci_low: float
    ci_high: float
    p_value: float
    model: str
    note: str


def cluster_effects(
    abundances: "pd.DataFrame", samples: "pd.DataFrame", groups: Mapping[str, str], subjects: Mapping[str, str],
    reference: str, *, covariates: str = "",
) -> dict[tuple[str, int, str], ClusterEffect]:  # fmt: skip
    """Effect of each group on the share of each cluster, adjusted for covariates.

    Parameters
    ----------
    abundances
        ABUNDANCES of one model.
    samples
        SAMPLES with the covariates.
    groups, subjects
        Group and subject of each file that counts.
    reference
        The group that the others are compared with.
    covariates
        Terms over the columns of `samples`, such as ``"age_years + sex"``: see `immport_cyto.meta.formula`.

    Returns
    -------
    dict
        By level, cluster and group: the coefficient of the group in the model of the logits that `effects` fits, by
        least squares, or with a random intercept per subject where a subject has several samples that differ.

    Raises
    ------
    FormulaError
        The covariates cannot be read, or name an unknown column.
    TableError
        A column of numbers holds text.
    """
    import pandas as pd

    if covariates.strip():
        check_formula(covariates, samples)
    code = {group: f"g{number}" for number, group in enumerate(sorted({*groups.values()} - {reference}), start=1)}
    of_code = {f"{_GROUP}[{text} vs g0]": group for group, text in code.items()}
    code[reference] = "g0"
    own = samples[samples["file_name"].isin(list(groups))].drop_duplicates("file_name")
    own = own.assign(
        **{_GROUP: own["file_name"].map({name: code[group] for name, group in groups.items()})},
        subject_accession=own["file_name"].map(dict(subjects)),
        study_accession=_STUDY,  # the groups may be of several studies
    )
    part = abundances[abundances["file_name"].isin(list(groups))]
    total = part.groupby(["level", "file_name"])["n_events"].transform("sum")
    part, total = part[total > 0], total[total > 0]
    populations = pd.DataFrame(
        {
            "study_accession": _STUDY,
            "panel_id": part["panel_id"],
            "sample_id": part["file_name"],
            "file_name": part["file_name"],
            "method": "flowsom",
            "population": part["level"] + " " + part["cluster"].astype(str),
            "n_events": part["n_events"],
            "n_parent": total,
            "fraction": part["n_events"] / total,
        }
    )
    formula = f"C({_GROUP})" + (f" + {covariates}" if covariates.strip() else "")
    found: dict[tuple[str, int, str], ClusterEffect] = {}
    for row in effects(populations, own, formula, baseline={_GROUP: "g0"}).to_dict("records"):
        group = of_code.get(str(row["term"]))
        if group is not None:
            level, cluster = str(row["population"]).split(" ")
            name = str(row["model"]).replace(_GROUP, "group")
            found[level, int(cluster), group] = ClusterEffect(
                row["estimate"], row["ci_low"], row["ci_high"], row["p_value"], model=name, note=str(row["note"])
            )
    return found
