"""What is pooled with what: the studies of each population and term of effects.tsv."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto import tables
from immport_cyto.exceptions import TableError
from immport_cyto.meta.formula import base_name

if TYPE_CHECKING:
    import pandas as pd


PARTIAL = " (partial: without "
"""In the names of matches without some gates (`population.search`), which are united with nothing."""


@dataclass(frozen=True)
class Study:
    """One row of EFFECTS."""

    study: str
    method: str
    population: str
    definition: str
    parent: str
    n: int
    estimate: float
    se: float
    ci: tuple[float, float]
    p_value: float
    df: float
    note: str

    @property
    def usable(self) -> bool:
        """Whether there is an estimate that can be pooled."""
        return bool(np.isfinite(self.estimate) and np.isfinite(self.se) and self.se > 0)


@dataclass(frozen=True)
class Family:
    """The studies of one population and term, in order of their accessions."""

    method: str
    population: str
    term: str
    scale: str
    studies: tuple[Study, ...]

    @property
    def used(self) -> list[Study]:
        """Those with an estimate."""
        return [study for study in self.studies if study.usable]

    @property
    def definitions(self) -> list[str]:
        """Different definitions, sorted."""
        return sorted({study.definition for study in self.studies} - {""})

    @property
    def key(self) -> dict[str, str]:
        """The columns that every table of results over studies begins with."""
        return {"method": self.method, "population": self.population, "term": self.term}


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


def families(effects: "pd.DataFrame", *, across_methods: bool = False) -> list[Family]:
    """The studies of each (method, population, term), populations of one definition united.

    Parameters
    ----------
    effects
        An EFFECTS table.
    across_methods
        Put the rows of all methods of one population and term together; `method` then names them, joined by ``+``.

    Raises
    ------
    TableError
        A column is missing or of the wrong kind, a key appears twice, or one term comes on several scales.
    """
    effects = tables.conform(effects, tables.EFFECTS, source="effects.tsv")
    effects["n"] = effects["n"].fillna(0)
    _check(effects)
    ordered = effects.sort_values(list(tables.EFFECTS.key), ignore_index=True)
    records = [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]
    united = _names(records)
    found: dict[tuple[str, str, str], list[Study]] = {}
    scales: dict[tuple[str, str, str], str] = {}
    together = "+".join(sorted({row["method"] for row in records}))
    for row in records:
        population = united.get((row["method"], row["study_accession"], row["population"]), row["population"])
        key = (together if across_methods else row["method"], population, row["term"])
        found.setdefault(key, []).append(
            Study(
                row["study_accession"], row["method"], row["population"], row["definition"], row["parent"],
                int(row["n"]), row["estimate"], row["se"], (row["ci_low"], row["ci_high"]), row["p_value"],
                row["df"], row["note"],
            )
        )  # fmt: skip
        scales[key] = row["scale"]
    _attach_constant(found)
    return [
        Family(*key, scales[key], tuple(sorted(studies, key=lambda s: (s.study, s.method))))
        for key, studies in sorted(found.items())
    ]


def _names(records: list[dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    """The name under which a (method, study, population) is pooled, where it is not its own."""
    by_gates: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for row in records:
        if row["definition"] and PARTIAL not in row["population"]:
            key = (row["method"], _in_order(row["definition"]), _in_order(row["parent"]))
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


def _in_order(definition: str) -> str:
    """Gates sorted, so that one population has one text; what is in brackets stays together, it is sorted already."""
    pieces, depth = [""], 0
    for letter in definition.replace(",", " "):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == " " and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return " ".join(sorted(filter(None, pieces)))


def _attach_constant(families: dict[tuple[str, str, str], list[Study]]) -> None:
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


def notes_on(family: Family) -> list[str]:
    """What a reader of a pooled effect must know about its studies."""
    population, studies, definitions = family.population, family.studies, family.definitions
    notes = [
        f"without an estimate: {study.study} ({study.note.split('; ')[0]})" for study in studies if not study.usable
    ]
    renamed = sorted({f"{study.population!r} in {study.study}" for study in studies if study.population != population})
    if renamed:
        notes.append(f"same definition under another name: {', '.join(renamed)}")
    if len(set(map(_in_order, definitions))) > 1:
        notes.append("the definition differs between studies")
    parents = sorted({study.parent or "all events" for study in studies if study.usable})
    if len(parents) > 1:
        notes.append(f"the parent differs between studies: {', '.join(parents)}")
    shared = [study.study for study in studies if study.usable and "shared subjects: " in study.note]
    if len(shared) > 1:
        notes.append(f"studies with shared subjects are not independent: {', '.join(shared)}")
    return notes
