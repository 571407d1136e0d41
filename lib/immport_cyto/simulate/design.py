"""Designs: what to simulate, as data. Presets, and the checks that a custom design has to pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from immport_cyto.exceptions import OptionError
from immport_cyto.simulate.acquisition import Unwanted
from immport_cyto.simulate.composition import SPLITS, TERMS, Effect
from immport_cyto.simulate.panels import PANELS

EFFECTS = (
    Effect("Naive CD4 T cells", "age_years", -0.030, 0.002),
    Effect("Naive CD8 T cells", "age_years", -0.040, 0.002),
    Effect("NK cells", "sex[Male vs Female]", 0.40, 0.03),
    Effect("CD14+ monocytes", "arm_name[Patients vs Healthy controls]", 0.50, 0.03),
)
"""Effects of the presets. Memory CD4 and CD8 rise with age as the naive cells fall; B cells have no effect."""

MAX_STUDIES, MAX_SUBJECTS, MAX_EVENTS = 99, 999, 1_000_000


@dataclass(frozen=True)
class StudyDesign:
    """One study.

    Attributes
    ----------
    panels
        Keys of `panels.PANELS`, all of one technique; each sample is measured once with each.
    subjects
        Number of subjects.
    ages
        Youngest and oldest age in years; 90 is a top code, as in ImmPort.
    second_visit
        Fraction of the subjects who come again after 28 days.
    days
        Acquisition days, each a batch.
    time_unit
        Unit of study_time_collected: Days or Hours.
    use_reagent_set
        Whether the reagents of a panel are linked to the samples as one set, to be expanded.
    missing_age
        Whether one subject has no age.
    unwanted
        Fractions of debris, doublets, dead cells, beads.
    """

    panels: tuple[str, ...]
    subjects: int = 15
    ages: tuple[int, int] = (20, 80)
    second_visit: float = 0.2
    days: int = 3
    time_unit: str = "Days"
    use_reagent_set: bool = False
    missing_age: bool = False
    unwanted: Unwanted = field(default_factory=Unwanted)

    @property
    def technique(self) -> str:
        """Flow or mass cytometry: that of the panels."""
        return PANELS[self.panels[0]].technique


@dataclass(frozen=True)
class Design:
    """Several studies of one model.

    Attributes
    ----------
    events
        Mean number of events per file; files vary by about 15 %.
    effects
        True effects, see `composition.Effect`.
    study_sd, subject_sd, sample_sd
        Standard deviations of the logits between studies, subjects of a study, and samples of a subject.
    clog_every
        One file in so many has a clog; 0 for none.
    extras
        Whether to add ``damaged/`` (a copy of one result file, cut in its data) and the orphans: a result file that the
        metadata do not know, in ``orphan/``, and a result in the metadata that has no file.
    metaclusters, formula
        Written to study.yaml.
    """

    studies: tuple[StudyDesign, ...]
    events: int = 4000
    effects: tuple[Effect, ...] = EFFECTS
    study_sd: float = 0.15
    subject_sd: float = 0.22
    sample_sd: float = 0.08
    clog_every: int = 10
    extras: bool = False
    metaclusters: int = 15
    formula: str = "age_years + sex + arm_name"
    title: str = "Simulated studies with known truth"


_STUDIES = (
    StudyDesign(("backbone",), ages=(20, 80), missing_age=True),
    StudyDesign(("tcell", "lineage"), subjects=14, ages=(21, 74), time_unit="Hours", use_reagent_set=True),
    StudyDesign(("mass",), subjects=16, ages=(24, 90), unwanted=Unwanted(bead=0.05)),
)

PRESETS: Mapping[str, Design] = MappingProxyType(
    {
        "demo": Design(_STUDIES),
        "test": Design(
            tuple(replace(study, subjects=6, days=2, second_visit=0.17) for study in _STUDIES), events=600, extras=True,
            formula="age_years + sex", title="Simulated studies for the tests",
        ),
    }
)  # fmt: skip
"""The designs to choose from by name."""


def preset(name: str, *, studies: int | None = None, subjects: int | None = None, events: int | None = None) -> Design:
    """A preset, with its size changed if asked.

    Parameters
    ----------
    studies
        Number of studies; the three kinds of the preset are repeated in their order.
    subjects
        Subjects per study.
    events
        Mean events per file.

    Raises
    ------
    OptionError
        No preset of that name, or a size out of range.
    """
    if name not in PRESETS:
        msg = f"simulate: preset {name!r} is not known; use one of {', '.join(PRESETS)}"
        raise OptionError(msg)
    design = PRESETS[name]
    if studies is not None:
        _in_range("studies", studies, 1, MAX_STUDIES)
        kinds = design.studies
        design = replace(design, studies=tuple(kinds[i % len(kinds)] for i in range(studies)))
    if subjects is not None:
        design = replace(design, studies=tuple(replace(study, subjects=subjects) for study in design.studies))
    if events is not None:
        design = replace(design, events=events)
    check(design)
    return design


def check(design: Design) -> None:
    """Check a design before anything is written.

    Raises
    ------
    OptionError
        Names the first value that makes no sense.
    """
    _in_range("studies", len(design.studies), 1, MAX_STUDIES)
    _in_range("events", design.events, 50, MAX_EVENTS)
    _in_range("metaclusters", design.metaclusters, 2, 90)
    _in_range("clog_every", design.clog_every, 0, MAX_SUBJECTS)
    for name in ("study_sd", "subject_sd", "sample_sd"):
        _in_range(name, getattr(design, name), 0, 1)
    seen: set[tuple[str, str]] = set()
    for effect in design.effects:
        _among("population of an effect", effect.population, SPLITS)
        _among("term of an effect", effect.term, TERMS)
        _in_range(f"effect of {effect.term} on {effect.population}", effect.value, -5, 5)
        _in_range(f"tau of {effect.term} on {effect.population}", effect.tau, 0, 1)
        if (effect.population, effect.term) in seen:
            msg = f"simulate: two effects of {effect.term} on {effect.population}; give one"
            raise OptionError(msg)
        seen.add((effect.population, effect.term))
    for study in design.studies:
        _check_study(study)


def _check_study(study: StudyDesign) -> None:
    if not study.panels:
        msg = f"simulate: a study has no panel; give one or more of {', '.join(PANELS)}"
        raise OptionError(msg)
    for key in study.panels:
        _among("panel", key, tuple(PANELS))
    if len({PANELS[key].technique for key in study.panels}) > 1 or len(set(study.panels)) < len(study.panels):
        msg = f"simulate: panels {', '.join(study.panels)} of one study must differ and be of one technique; split them"
        raise OptionError(msg)
    _in_range("subjects", study.subjects, 4, MAX_SUBJECTS)
    _in_range("days", study.days, 1, 99)
    _in_range("second_visit", study.second_visit, 0, 1)
    _in_range("youngest age", study.ages[0], 0, 90)
    _in_range("oldest age", study.ages[1], study.ages[0], 90)
    _among("time_unit", study.time_unit, ("Days", "Hours"))
    for name in ("debris", "doublet", "dead", "bead"):
        _in_range(f"fraction of {name}", getattr(study.unwanted, name), 0, 0.2)


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        msg = f"simulate: {name} is {value}, out of range; use {low} to {high}"
        raise OptionError(msg)


def _among(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        msg = f"simulate: {name} is {value!r}, which is not known; use one of {', '.join(known)}"
        raise OptionError(msg)
