"""Do small studies show other effects than large ones, as they do where weak results stay unpublished?"""

from typing import TYPE_CHECKING, Any

from immport_cyto import tables
from immport_cyto.exceptions import AnalysisError
from immport_cyto.meta.families import families, notes_on
from immport_cyto.meta.pooling import check_method, q_values
from immport_cyto.meta.regression import regress

if TYPE_CHECKING:
    import pandas as pd

# below this the test says next to nothing (Sterne et al. 2011, BMJ 343:d4002)
ENOUGH_STUDIES = 10
# two coefficients, and two degrees of freedom for how far studies differ
_FEWEST = 4
_SAME = 1e-9


def asymmetry(effects: "pd.DataFrame", *, method: str = "REML", test: str = "z") -> "pd.DataFrame":
    """Egger's test of each population and term: the effects against their standard errors.

    Parameters
    ----------
    effects
        An EFFECTS table.
    method, test
        As in `immport_cyto.meta.pool`. The default is that of metafor's ``regtest``.

    Returns
    -------
    pandas.DataFrame
        An ASYMMETRY table. With fewer than ten studies the note says that the test can hardly find anything.

    Raises
    ------
    OptionError
        `method` or `test` is unknown.
    TableError
        A column is missing or of the wrong kind, or a key appears twice.

    References
    ----------
    Egger et al. 1997, BMJ 315:629-634. Sterne and Egger 2005, in Publication Bias in Meta-Analysis, chapter 6.
    """
    import pandas as pd

    check_method(method, test)
    rows: list[dict[str, Any]] = []
    for family in families(effects):
        used, notes = family.used, notes_on(family)
        row = {**family.key, "k": len(used), "scale": family.scale, "estimator": f"{method} + {test}"}
        errors = [study.se for study in used]
        try:
            if len(used) < _FEWEST:
                msg = f"{len(used)} studies with an estimate are too few; Egger's test needs {_FEWEST}"
                raise AnalysisError(msg)
            if max(errors) - min(errors) <= _SAME * max(errors):
                msg = "all standard errors are the same; Egger's test needs studies of different size"
                raise AnalysisError(msg)
            fit = regress([study.estimate for study in used], errors, errors, ["standard error"], method, test)
        except AnalysisError as error:
            rows.append({**row, "note": "; ".join([str(error), *notes])})
            continue
        if len(used) < ENOUGH_STUDIES:
            notes.insert(0, f"with fewer than {ENOUGH_STUDIES} studies the test finds only gross asymmetry")
        rows.append(
            {
                **row, "slope": fit.estimate[1], "se": fit.se[1], "p_value": fit.p_value[1],
                "limit": fit.estimate[0], "limit_low": fit.ci_low[0], "limit_high": fit.ci_high[0],
                "note": "; ".join(notes),
            }
        )  # fmt: skip
    result = tables.conform(pd.DataFrame(rows, columns=tables.ASYMMETRY.column_names), tables.ASYMMETRY)
    for index in result.groupby(["method", "term"]).groups.values():
        result.loc[index, "q_value"] = q_values(result.loc[index, "p_value"].to_numpy())
    return result
