"""What the templates of a package define: subjects, biosamples, reagents, ... by the IDs that the user gave them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from immport_cyto.immport.templates.conditions import Rows
from immport_cyto.immport.templates.sheets import Grid, Sheet

_PREFIX = {
    "subject": "SUB", "biosample": "BS", "expsample": "ES", "experiment": "EXP", "study": "SDY", "arm_or_cohort": "ARM",
    "planned_visit": "PV", "protocol": "PTL", "reagent": "ESR", "treatment": "TRT", "study_personnel": "PSN",
    "inclusion_exclusion": "CRIT",
}  # fmt: skip


def is_accession(text: str, entity: str) -> bool:
    """Whether an ID has the form of ImmPort's accessions for such a thing, so that it is in ImmPort already.

    >>> is_accession("SUB123", "subject"), is_accession("S123", "subject"), is_accession("SUB001", "subject")
    (True, False, False)
    """
    return _pattern(entity).fullmatch(text) is not None


@cache
def _pattern(entity: str) -> re.Pattern[str]:
    return re.compile(rf"{_PREFIX.get(entity, '[A-Z]{2,4}')}[1-9]\d*")


@dataclass(frozen=True)
class Origin:
    """Where something is defined."""

    file: str
    row: int
    order: int
    template: str
    study: str


@dataclass
class Entities:
    """All that is defined in a package.

    Attributes
    ----------
    by_id
        Per kind of thing, where each ID is defined first.
    can_define
        Kinds of things of which the package has a template.
    studies_of_subject
        The studies of each subject, by its arms.
    age_units
        The age unit of each study.
    """

    by_id: dict[str, dict[str, Origin]] = field(default_factory=dict)
    can_define: set[str] = field(default_factory=set)
    studies_of_subject: dict[str, set[str]] = field(default_factory=dict)
    age_units: dict[str, str] = field(default_factory=dict)
    _folded: dict[str, dict[str, str]] = field(default_factory=dict)

    def find(self, entity: str, text: str) -> Origin | None:
        """Where an ID is defined."""
        return self.by_id.get(entity, {}).get(text)

    def study_of(self, entity: str, text: str) -> str:
        """The study of something, or ``""``."""
        origin = self.find(entity, text)
        return origin.study if origin else ""

    def other_case(self, entity: str, text: str) -> str:
        """An ID that differs in case only, or ``""``."""
        if entity not in self._folded:
            self._folded[entity] = {name.casefold(): name for name in self.by_id.get(entity, {})}
        return self._folded[entity].get(text.casefold(), "")

    def add(self, sheet: Sheet) -> list[Rows]:
        """Take up what a file defines, and say of each of its grids what is new in which row and of which study."""
        study = ""
        found = []
        for grid in sheet.grids:
            if grid.block.name == "study" and len(grid):
                study = grid.values("User Defined ID")[0]
                self.age_units[study] = grid.values("Age Unit")[0]
            rows = self._add_grid(sheet, grid, study)
            found.append(rows)
        return found

    def _add_grid(self, sheet: Sheet, grid: Grid, study: str) -> Rows:
        assert sheet.template is not None  # noqa: S101 - only sheets with a template have grids
        studies = self._studies(grid, study)
        new: dict[str, list[bool]] = {}
        for place, column in enumerate(grid.columns):
            entity = column.column.defines if column.column else ""
            if not entity:
                continue
            self.can_define.add(entity)
            known = self.by_id.setdefault(entity, {})
            is_new = []
            for index, text in enumerate(grid.data[place]):
                is_own = column.name == "User Defined ID" or not is_accession(text, entity)
                fresh = bool(text) and text not in known and is_own
                if fresh:
                    row = grid.row(place, index)
                    known[text] = Origin(sheet.file, row, sheet.template.order, sheet.template.name, studies[index])
                is_new.append(fresh)
            new.setdefault(entity, is_new)
        for subject, of in zip(grid.values("Subject ID"), studies, strict=True):
            if of and "subject" in new:
                self.studies_of_subject.setdefault(subject, set()).add(of)
        return Rows(grid, new, studies, sheet.level)

    def _studies(self, grid: Grid, study: str) -> list[str]:
        """Per row: the study that it names, else that of its biosample, experiment or arm."""
        if study:
            return [study] * len(grid)
        named = grid.values("Study ID")
        others = [
            (entity, grid.values(name))
            for entity, name in (
                ("biosample", "Biosample ID"),
                ("experiment", "Experiment ID"),
                ("arm_or_cohort", "Arm Or Cohort ID"),
                ("expsample", "Expsample ID"),
            )
            if grid.position(name) is not None
        ]
        return [
            text or next((of for entity, ids in others if (of := self.study_of(entity, ids[index]))), "")
            for index, text in enumerate(named)
        ]


def distinct(*studies: str) -> bool:
    """Whether these are surely different studies: all known, and none an accession that may stand for another.

    >>> distinct("A", "B"), distinct("A", ""), distinct("A", "SDY1")
    (True, False, False)
    """
    known = [text for text in studies if text]
    kinds = {is_accession(text, "study") for text in known}
    return len(known) == len(studies) and len(set(known)) > 1 and len(kinds) == 1


def in_load_order(sheets: Iterable[Sheet]) -> Sequence[Sheet]:
    """Sheets in the order in which ImmPort loads them; those that no one can read come first."""
    return sorted(sheets, key=lambda sheet: (sheet.template.order if sheet.template else 0, sheet.file))
