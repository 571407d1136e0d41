"""Effects pooled over studies, population by population."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto import tables
from immport_cyto.exceptions import OptionError, TableError
from immport_cyto.meta.formula import base_name
from immport_cyto.meta.pooling import METHODS, TESTS, benjamini_hochberg, pool

if TYPE_CHECKING:
    import pandas as pd

# with two studies, a leave-one-out row would only repeat the other study's row of effects.tsv
LEAVE_ONE_OUT_FROM = 3


@dataclass(frozen=True)
class _Study:
    """One row of EFFECTS."""

    study: str
    population: str
    definition: str
    parent: str
    n: int
    estimate: float
    se: float
    ci: tuple[float, float]
    p_value: float
    note: str

    @property
    def usable(self) -> bool:
        return bool(np.isfinite(self.estimate) and np.isfinite(self.se) and self.se > 0)


def pool_effects(
    effects: "pd.DataFrame", *, method: str = "REML", test: str = "hartung-knapp", leave_one_out: bool = True
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

    Returns
    -------
    pandas.DataFrame
        A META table in order of method, population, term and omitted study. With one study the row repeats that
        study's estimate, interval and p value; with none it is empty; `note` says so, and names the studies without
        an estimate.

    Raises
    ------
    OptionError
        Unknown `method` or `test`.
    TableError
        A column is missing or of the wrong kind, a key appears twice, or one term comes on several scales.

    Notes
    -----
    Populations are matched by name. Where studies give one definition (the same gates in any order, and the same
    parent) different names, these are united under the most frequent name, the alphabetically first on ties, and the
    note lists the others; a study that has the definition under several names keeps the one that is united, and the
    other stays a population of its own. q values are those of Benjamini and Hochberg over all pooled rows of one method
    and term. Studies are taken as independent; where subjects are shared the note of the effects says so and is
    passed on.
    """
    import pandas as pd

    for name, value, known in (("method", method, METHODS), ("test", test, TESTS)):
        if value not in known:
            msg = f"{name} {value!r} is unknown; use one of {', '.join(known)}"
            raise OptionError(msg)
    effects = tables.conform(effects, tables.EFFECTS, source="effects.tsv")
    effects["n"] = effects["n"].fillna(0)
    _check(effects)
    rows: list[dict[str, Any]] = []
    for key, studies, scale in _families(effects):
        rows += _rows(key, studies, scale, method, test, leave_one_out)
    meta = tables.conform(pd.DataFrame(rows, columns=tables.META.column_names), tables.META)
    pooled = meta[meta["omitted"] == ""]
    for index in pooled.groupby(["method", "term"]).groups.values():
        meta.loc[index, "q_value"] = benjamini_hochberg(meta.loc[index, "p_value"].to_numpy())
    return meta.sort_values(["method", "population", "term", "omitted"], ignore_index=True)


def _check(effects: "pd.DataFrame") -> None:
    if not len(effects):
        msg = "effects.tsv: there are no rows; estimate effects first"
        raise TableError(msg)
    twice = effects.duplicated(list(tables.EFFECTS.key))
    if bool(twice.any()):
        row = effects.loc[twice].iloc[0]
        what = (
            f"effects.tsv: term {row['term']!r} of population {row['population']!r} in study {row['study_accession']!r}"
        )
        msg = f"{what} has two rows; give each study once"
        raise TableError(msg)
    scales = effects.groupby("term")["scale"].agg(lambda values: sorted(set(values)))
    mixed = next(((term, found) for term, found in scales.items() if len(found) > 1), None)
    if mixed is not None:
        what = f"effects.tsv: term {mixed[0]!r} comes on the scales {', '.join(mixed[1])}, which cannot be pooled"
        msg = f"{what}; estimate all studies on one scale"
        raise TableError(msg)


def _families(effects: "pd.DataFrame") -> list[tuple[tuple[str, str, str], list[_Study], str]]:
    """Studies of each (method, population, term), populations of one definition united."""
    ordered = effects.sort_values(list(tables.EFFECTS.key), ignore_index=True)
    records = [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]
    united = _names(records)
    families: dict[tuple[str, str, str], list[_Study]] = {}
    scales: dict[tuple[str, str, str], str] = {}
    for row in records:
        population = united.get((row["method"], row["study_accession"], row["population"]), row["population"])
        key = (row["method"], population, row["term"])
        families.setdefault(key, []).append(
            _Study(
                row["study_accession"], row["population"], row["definition"], row["parent"],
                int(row["n"]), row["estimate"], row["se"],
                (row["ci_low"], row["ci_high"]), row["p_value"], row["note"],
            )
        )  # fmt: skip
        scales[key] = row["scale"]
    _attach_constant(families)
    return [(key, sorted(studies, key=lambda s: s.study), scales[key]) for key, studies in sorted(families.items())]


def _names(records: list[dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    """The name under which a (method, study, population) is pooled, where it is not its own."""
    by_gates: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for row in records:
        if row["definition"]:
            gates = " ".join(sorted(row["definition"].replace(",", " ").split()))
            key = (row["method"], gates, " ".join(sorted(row["parent"].replace(",", " ").split())))
            by_gates.setdefault(key, {}).setdefault(row["study_accession"], set()).add(row["population"])
    taken = {(row["method"], row["study_accession"], row["population"]) for row in records}
    united: dict[tuple[str, str, str], str] = {}
    for (method, _, _), studies in sorted(by_gates.items()):
        count = Counter(name for names in studies.values() for name in names)
        best = min(count, key=lambda name: (-count[name], name))
        for study, names in studies.items():
            if best not in names and (method, study, best) not in taken:
                united[method, study, min(names)] = best
    return united


def _attach_constant(families: dict[tuple[str, str, str], list[_Study]]) -> None:
    """Move `sex` of a study with one sex to `sex[Male vs Female]` of the others, where it is a missing estimate."""
    for key in sorted(families):
        method, population, term = key
        if "[" in term or any(study.usable for study in families[key]):
            continue
        others = [
            other for other in families
            if other[:2] == (method, population) and other[2] != term and base_name(other[2]) == term
        ]  # fmt: skip
        for other in others:
            families[other] += families[key]
        if others:
            del families[key]


def _rows(
    key: tuple[str, str, str], studies: list[_Study], scale: str, method: str, test: str, leave_one_out: bool
) -> list[dict[str, Any]]:
    used = [study for study in studies if study.usable]
    definitions = sorted({study.definition for study in studies} - {""})
    common = {
        "method": key[0], "population": key[1], "term": key[2], "definition": "; ".join(definitions), "scale": scale,
    }  # fmt: skip
    first = {**common, "omitted": "", **_pooled(used, method, test)}
    first["note"] = "; ".join(note for note in [first["note"], *_notes(key[1], studies, definitions)] if note)
    rows = [first]
    if leave_one_out and len(used) >= LEAVE_ONE_OUT_FROM:
        for omitted in used:
            rest = [study for study in used if study is not omitted]
            rows.append({**common, "omitted": omitted.study, **_pooled(rest, method, test)})
    return rows


def _pooled(used: list[_Study], method: str, test: str) -> dict[str, Any]:
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


def _notes(population: str, studies: list[_Study], definitions: list[str]) -> list[str]:
    notes = [
        f"without an estimate: {study.study} ({study.note.split('; ')[0]})" for study in studies if not study.usable
    ]
    renamed = sorted({f"{study.population!r} in {study.study}" for study in studies if study.population != population})
    if renamed:
        notes.append(f"same definition under another name: {', '.join(renamed)}")
    if len({" ".join(sorted(d.replace(",", " ").split())) for d in definitions}) > 1:
        notes.append("the definition differs between studies")
    parents = sorted({study.parent or "all events" for study in studies if study.usable})
    if len(parents) > 1:
        notes.append(f"the parent differs between studies: {', '.join(parents)}")
    shared = [study.study for study in studies if study.usable and "shared subjects: " in study.note]
    if len(shared) > 1:
        notes.append(f"studies with shared subjects are not independent: {', '.join(shared)}")
    return notes
