"""Effects pooled over studies, population by population."""

from typing import TYPE_CHECKING, Any

from immport_cyto import tables
from immport_cyto.exceptions import OptionError
from immport_cyto.meta.families import Family, Study, families, notes_on
from immport_cyto.meta.pooling import FDR, check_method, pool, q_values

if TYPE_CHECKING:
    import pandas as pd

# with two studies, a leave-one-out row would only repeat the other study's row of effects.tsv
LEAVE_ONE_OUT_FROM = 3


def pool_effects(
    effects: "pd.DataFrame",
    *,
    method: str = "REML",
    test: str = "hartung-knapp",
    leave_one_out: bool = True,
    fdr: str = "bh",
) -> "pd.DataFrame":
    """Pool the effects of each population and term over studies.

    Parameters
    ----------
    effects
        An EFFECTS table.
    method, test
        As in `immport_cyto.meta.pool`.
    leave_one_out
        From three studies on, add a row without each study in turn.
    fdr
        ``bh`` (Benjamini-Hochberg) or ``by`` (Benjamini-Yekutieli, for tests that depend on each other in any way).

    Returns
    -------
    pandas.DataFrame
        A META table in order of method, population, term and omitted study. With one study the row repeats that
        study's estimate, interval and p value; with none it is empty; `note` says so, and names the studies without
        an estimate.

    Raises
    ------
    OptionError
        Unknown `method`, `test` or `fdr`.
    TableError
        A column is missing or of the wrong kind, a key appears twice, or one term comes on several scales.

    Notes
    -----
    Populations are matched by name. Where studies give one definition (the same gates in any order, and the same
    parent) different names, these are united under the most frequent name, the alphabetically first on ties, and the
    note lists the others; a study that has the definition under several names keeps the one that is united, and the
    other stays a population of its own. q values are taken over all pooled rows of one method
    and term. Studies are taken as independent; where subjects are shared the note of the effects says so and is
    passed on.
    """
    import pandas as pd

    check_method(method, test)
    if fdr not in FDR:
        msg = f"fdr {fdr!r} is unknown; use one of {', '.join(FDR)}"
        raise OptionError(msg)
    rows = [row for family in families(effects) for row in _rows(family, method, test, leave_one_out)]
    meta = tables.conform(pd.DataFrame(rows, columns=tables.META.column_names), tables.META)
    pooled = meta[meta["omitted"] == ""]
    for index in pooled.groupby(["method", "term"]).groups.values():
        meta.loc[index, "q_value"] = q_values(meta.loc[index, "p_value"].to_numpy(), fdr)
    return meta.sort_values(["method", "population", "term", "omitted"], ignore_index=True)


def _rows(family: Family, method: str, test: str, leave_one_out: bool) -> list[dict[str, Any]]:
    used = family.used
    common = {**family.key, "definition": "; ".join(family.definitions), "scale": family.scale}
    first = {**common, "omitted": "", **pooled_row(used, method, test)}
    first["note"] = "; ".join(note for note in [first["note"], *notes_on(family)] if note)
    rows = [first]
    if leave_one_out and len(used) >= LEAVE_ONE_OUT_FROM:
        for omitted in used:
            rest = [study for study in used if study is not omitted]
            rows.append({**common, "omitted": omitted.study, **pooled_row(rest, method, test)})
    return rows


def pooled_row(used: list[Study], method: str, test: str) -> dict[str, Any]:
    """The columns of META that pooling some studies gives; a single study keeps its own estimate."""
    counts = {"k": len(used), "n": sum(study.n for study in used), "estimator": f"{method} + {test}"}
    if not used:
        return {**counts, "note": "no study has an estimate"}
    if len(used) == 1:
        only = used[0]
        return {
            **counts, "estimate": only.estimate, "se": only.se, "ci_low": only.ci[0], "ci_high": only.ci[1],
            "p_value": only.p_value, "estimator": "single study",
            "note": f"one study ({only.study}): its own estimate, nothing is pooled",
        }  # fmt: skip
    result = pool([study.estimate for study in used], [study.se for study in used], method, test)
    return {
        **counts, "estimate": result.estimate, "se": result.se, "ci_low": result.ci[0], "ci_high": result.ci[1],
        "p_value": result.p_value, "pi_low": result.pi[0], "pi_high": result.pi[1], "tau2": result.tau2,
        "i2": result.i2, "q": result.q, "q_p": result.q_p, "note": result.note,
    }  # fmt: skip
