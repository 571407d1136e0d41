"""Who was studied: subjects with age, sex and arm, their visits, and the samples taken.

Ages are spread evenly over the study's range; sex and arm are balanced in blocks of neighbouring ages, so that the
effects can be told apart in small studies. All accessions start with 99, which ImmPort has not reached.
"""

from dataclasses import dataclass

import numpy as np

from immport_cyto.simulate.design import StudyDesign

ARMS = ("Healthy controls", "Patients")
VISITS = (("Day 0", 0), ("Day 28", 28))
"""Name and day of the planned visits."""

_RACES = ("White", "White", "White", "Asian", "Black or African American", "Not Specified")
_ETHNICITIES = ("Not Hispanic or Latino", "Not Hispanic or Latino", "Hispanic or Latino", "Not Specified")


@dataclass(frozen=True)
class Subject:
    """One subject; `age_reported` is None where the package leaves the age empty."""

    accession: str
    age: int
    age_reported: int | None
    sex: str
    arm: int
    race: str
    ethnicity: str


@dataclass(frozen=True)
class Sample:
    """One biosample: a subject at a visit, measured on an acquisition day (index from 0)."""

    biosample: str
    subject: int
    visit: int
    day: int
    visit_missing: bool


def study_accession(index: int) -> str:
    """Accession of the study at `index` (from 0)."""
    return f"SDY{9901 + index}"


def accession(kind: str, study: int, number: int, digits: int = 3) -> str:
    """Artificial accession, such as SUB9901001."""
    return f"{kind}{9901 + study}{number:0{digits}d}"


def draw_subjects(rng: np.random.Generator, design: StudyDesign, index: int) -> list[Subject]:
    """Draw the subjects of a study, in the order of their accessions."""
    n = design.subjects
    low, high = design.ages
    ages = np.round(low + (high - low) * (np.arange(n) + rng.uniform(0.2, 0.8, n)) / n).astype(int)
    ages[0], ages[-1] = low, high
    cells = [(sex, arm) for sex in ("Female", "Male") for arm in (0, 1)]
    groups = [cells[k] for _ in range(-(-n // 4)) for k in rng.permutation(4)][:n]
    order = rng.permutation(n)
    races, ethnicities = rng.integers(0, len(_RACES), n), rng.integers(0, len(_ETHNICITIES), n)
    without_age = (
        int(np.argsort(np.abs(ages[order] - (low + high) / 2), kind="stable")[0]) if design.missing_age else -1
    )
    subjects = []
    for number, k in enumerate(order):
        age = int(ages[k])
        sex, arm = groups[k]
        subjects.append(
            Subject(
                accession("SUB", index, number + 1), age, None if number == without_age else age, sex, arm,
                _RACES[races[k]], _ETHNICITIES[ethnicities[k]],
            )
        )  # fmt: skip
    return subjects


def draw_samples(rng: np.random.Generator, design: StudyDesign, index: int) -> list[Sample]:
    """Draw the biosamples of a study: all subjects at the first visit, some at the second; one without a visit."""
    n = design.subjects
    again = np.sort(rng.permutation(n)[: round(n * design.second_visit)])
    taken = [(subject, 0) for subject in range(n)] + [(int(subject), 1) for subject in again]
    days = np.resize(np.arange(design.days), len(taken))[rng.permutation(len(taken))]
    without_visit = int(rng.integers(0, n))
    return [
        Sample(accession("BS", index, k + 1), subject, visit, int(days[k]), k == without_visit)
        for k, (subject, visit) in enumerate(taken)
    ]
