"""Upload templates as a source: a package that is to be sent to ImmPort, linked and searched before it is.

A package of templates (a folder, a zip or one file; text or JSON) gives the same tables as a Tab package. Its things
have no accessions yet, so the keys are the user's own IDs: ImmPort shares no such IDs, and a finding says so.
A row of ``experimentSamples`` may describe its biosample and experiment in place; then it gives those, too.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from immport_cyto.exceptions import PackageError
from immport_cyto.immport import values
from immport_cyto.immport.aliases import TABLES, Source
from immport_cyto.immport.package import Limits, PackageSource, TableFile
from immport_cyto.immport.templates.members import Member, find_members
from immport_cyto.immport.templates.reading import is_template, read_sheet
from immport_cyto.immport.templates.sheets import Grid, Sheet

Row = dict[str, str]
Rows = dict[str, list[Row]]

_SHOWN = 3  # findings on the form of one template
_PEOPLE = {"subjecthumans": "Homo sapiens", "subjectanimals": ""}
_SAMPLES = {"flow_cytometry": "FCM", "cytof": "CyTOF"}
_DETAIL = {"FCM": "Flow cytometry result", "CyTOF": "CyTOF result"}
_DERIVED = ("fcm_derived_data", "cytof_derived_data")
_BIOSAMPLE = {
    "study_accession": "Study ID", "subject_accession": "Subject ID", "planned_visit_accession": "Planned Visit ID",
    "type": "Type", "subtype": "Subtype", "study_time_collected": "Study Time Collected",
    "study_time_collected_unit": "Study Time Collected Unit", "study_time_t0_event": "Study Time T0 Event",
    "study_time_t0_event_specify": "Study Time T0 Event Specify",
}  # fmt: skip
_AGES = {
    "min_subject_age": "Min Subject Age", "max_subject_age": "Max Subject Age", "age_unit": "Age Unit",
    "age_event": "Age Event", "age_event_specify": "Age Event Specify", "subject_phenotype": "Subject Phenotype",
}  # fmt: skip
_TREATMENT = {
    name.lower().replace(" ", "_"): name
    for name in ("Name", "Amount Value", "Amount Unit", "Duration Value", "Duration Unit", "Temperature Value",
                 "Temperature Unit")
}  # fmt: skip
_REAGENT = {
    "name": "Name", "analyte_reported": "Analyte Reported", "clone_name": "Clone Name",
    "reporter_name": "Reporter Name", "manufacturer": "Manufacturer", "catalog_number": "Catalog Number",
    "antibody_registry_id": "Antibody Registry ID",
}  # fmt: skip
_RESULT = {
    "population_name_reported": "Population Name Reported",
    "population_defnition_reported": "Gating Definition Reported",
    "parent_population_reported": "Parent Population Reported",
    "population_statistic_reported": "Population Statistic (count, percentile, etc)",
    "population_stat_unit_reported": "Population Stat Unit Reported", "comments": "Comments",
}  # fmt: skip


def find_upload(path: Path, limits: Limits) -> "UploadSource | None":
    """The upload package at `path`; None if there is no template in it."""
    try:
        members = [member for member in find_members([path]).files if is_template(member)]
    except PackageError:  # no files at all
        return None
    if not members:
        return None
    tables = {member.name: TableFile(member.name, member.opener, limits.table_bytes) for member in members}
    return UploadSource(
        path.name, "upload", "", tables, [], path, limits, is_whole_file=path.is_file(), members=members
    )


@dataclass
class UploadSource(PackageSource):
    """A package of upload templates; its rows are given as tables of a Tab package."""

    members: list[Member] = field(default_factory=list)
    _rows: Rows | None = None

    def rows(self, source: Source, findings: list[str]) -> Iterator[tuple[str, ...]]:
        """Rows in the order of ``source.columns``; see :meth:`PackageSource.rows`."""
        if self._rows is None:
            self._rows = self._read(findings)
        for row in self._rows.get(source.name, []):
            yield tuple(row.get(column.name, "") for column in source.columns)

    def _read(self, findings: list[str]) -> Rows:
        sheets = [read_sheet(member) for member in self.members]
        findings.append(
            f"{self.name}: upload templates have the IDs of their users in place of accessions; "
            "ImmPort shares no such IDs, so do not share tables made from them"
        )
        for sheet in sheets:
            wrong = [finding for finding in sheet.findings if finding.severity == "error"]
            findings += [f"{sheet.file}: {finding.message}" for finding in wrong[:_SHOWN]]
            if len(wrong) > _SHOWN:
                findings.append(f"{sheet.file}: {len(wrong) - _SHOWN} more findings; see 'immport validate'")
        return _Reader(sheets).rows()


class _Reader:
    """Tables of a Tab package from sheets."""

    def __init__(self, sheets: list[Sheet]) -> None:
        self._grids = [
            (sheet.template.name.lower(), grid) for sheet in sheets if sheet.template for grid in sheet.grids
        ]
        self._rows: Rows = {table.name: [] for table in TABLES}
        self._study = ""

    def rows(self) -> Rows:
        """All of them, each once."""
        self._study = self._only_study()
        for name, grid in self._grids:
            read = self._read_of(name, grid.block.name)
            if read:
                for record in _records(grid):
                    read(record)
        self._fill()
        return {name: list({tuple(row.items()): row for row in rows}.values()) for name, rows in self._rows.items()}

    def _only_study(self) -> str:
        """The study, where the package has one only."""
        named = set()
        for name, grid in self._grids:
            is_design = (name, grid.block.name) == ("basic_study_design", "study")
            named |= {record.get("User Defined ID" if is_design else "Study ID", "") for record in _records(grid)}
        named.discard("")
        return named.pop() if len(named) == 1 else ""

    def _read_of(self, name: str, block: str) -> Callable[[Row], None] | None:
        if name == "basic_study_design":
            return {
                "study": self._study_row, "study_2_condition_or_disease": self._condition,
                "arm_or_cohort": self._arm, "planned_visit": self._visit,
            }.get(block)  # fmt: skip
        if name in _PEOPLE:
            return lambda record: self._subject(record, _PEOPLE[name])
        if name in _SAMPLES:
            return lambda record: self._expsample(record, _SAMPLES[name])
        if name.endswith("_reagents"):
            return self._reagent
        return {
            "biosamples": self._biosample, "experiments": self._experiment, "treatments": self._treatment,
            "reagent_sets": self._reagent_set, **dict.fromkeys(_DERIVED, self._result),
        }.get(name)  # fmt: skip

    def _add(self, table: str, record: Row, columns: dict[str, str], **more: str) -> Row:
        """Add a row; a value of `more` that is a column of the template is taken from it."""
        row = {name: record.get(column, "") for name, column in {**columns, **more}.items()}
        self._rows[table].append(row)
        return row

    def _study_row(self, record: Row) -> None:
        columns = {"brief_title": "Brief Title", "minimum_age": "Minimum Age", "maximum_age": "Maximum Age",
                   "age_unit": "Age Unit"}  # fmt: skip
        self._add("study", record, columns, study_accession="User Defined ID")

    def _condition(self, record: Row) -> None:
        for row in self._rows["study"]:
            known = row.get("condition_studied", "")
            row["condition_studied"] = "; ".join(text for text in (known, record.get("Condition Reported", "")) if text)

    def _arm(self, record: Row) -> None:
        row = self._add("arm_or_cohort", record, {"name": "Name", "description": "Description", "type": "Type"},
                        arm_accession="User Defined ID")  # fmt: skip
        row["study_accession"] = self._study

    def _visit(self, record: Row) -> None:
        columns = {"name": "Name", "order_number": "Order Number", "min_start_day": "Min Start Day",
                   "max_start_day": "Max Start Day"}  # fmt: skip
        row = self._add("planned_visit", record, columns, planned_visit_accession="User Defined ID")
        row["study_accession"] = self._study

    def _subject(self, record: Row, species: str) -> None:
        columns = {"sex": "Gender", "race": "Race", "race_specify": "Race Specify", "ethnicity": "Ethnicity",
                   "species": "Species", "strain": "Strain"}  # fmt: skip
        row = self._add("subject", record, columns, subject_accession="Subject ID")
        row["species"] = row["species"] or species
        if record.get("Arm Or Cohort ID"):
            self._add("arm_2_subject", record, _AGES, arm_accession="Arm Or Cohort ID", subject_accession="Subject ID")

    def _biosample(self, record: Row) -> None:
        self._add("biosample", record, _BIOSAMPLE, biosample_accession="User Defined ID")
        self._links("biosample_2_treatment", record, "biosample_accession", "User Defined ID", "treatment_accession",
                    "Treatment ID(s)")  # fmt: skip

    def _experiment(self, record: Row) -> None:
        columns = {"study_accession": "Study ID", "measurement_technique": "Measurement Technique", "name": "Name"}
        self._add("experiment", record, columns, experiment_accession="User Defined ID")

    def _treatment(self, record: Row) -> None:
        self._add("treatment", record, _TREATMENT, treatment_accession="User Defined ID")

    def _reagent(self, record: Row) -> None:
        self._add("reagent", record, _REAGENT, reagent_accession="User Defined ID")

    def _reagent_set(self, record: Row) -> None:
        row = self._add("reagent", record, {"name": "Name"}, reagent_accession="User Defined ID")
        row["is_set"] = "Y"
        self._links("reagent_set_2_reagent", record, "reagent_set_accession", "User Defined ID", "reagent_accession",
                    "Reagent ID(s)")  # fmt: skip

    def _expsample(self, record: Row, schema: str) -> None:
        row = self._add(
            "expsample", record, {"experiment_accession": "Experiment ID"}, expsample_accession="Expsample ID"
        )
        row["result_schema"] = schema
        if record.get("Subject ID"):
            self._add("biosample", record, _BIOSAMPLE, biosample_accession="Biosample ID")
        if record.get("Measurement Technique"):
            columns = {"study_accession": "Study ID", "measurement_technique": "Measurement Technique",
                       "name": "Experiment Name"}  # fmt: skip
            self._add("experiment", record, columns, experiment_accession="Experiment ID")
        for table, column, names in (
            ("expsample_2_biosample", "biosample_accession", "Biosample ID"),
            ("expsample_2_treatment", "treatment_accession", "Treatment ID(s)"),
            ("expsample_2_reagent", "reagent_accession", "Reagent ID(s)"),
        ):
            self._links(table, record, "expsample_accession", "Expsample ID", column, names)
        for column, detail in (
            (".Fcs Result File", _DETAIL[schema]), ("Result File Name", _DETAIL[schema]),
            ("Additional Result File Names", _DETAIL[schema]),
            ("Compensation Or Control File Name(s)", "Flow cytometry compensation or control"),
        ):  # fmt: skip
            for name in _several(record.get(column, "")):
                number = str(values.file_id("", name, self._study))
                self._rows["file_info"].append({"file_info_id": number, "name": name, "original_file_name": name,
                                                "detail": detail})  # fmt: skip
                self._rows["expsample_2_file_info"].append(
                    {"expsample_accession": record.get("Expsample ID", ""), "file_info_id": number}
                )

    def _links(self, table: str, record: Row, key: str, key_column: str, other: str, other_column: str) -> None:
        self._rows[table] += [
            {key: record.get(key_column, ""), other: name} for name in _several(record.get(other_column, ""))
        ]

    def _result(self, record: Row) -> None:
        row = self._add("fcs_analyzed_result", record, _RESULT, expsample_accession="Expsample ID")
        text = "\t".join(row.values())
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2
        row["result_id"] = str(-1 - number)

    def _fill(self) -> None:
        """What a template leaves to another: the study of a sample or result, and the arms where no design is given."""
        study_of = {row["experiment_accession"]: row["study_accession"] for row in self._rows["experiment"]}
        experiment_of = {row["expsample_accession"]: row["experiment_accession"] for row in self._rows["expsample"]}
        for table in ("experiment", "biosample"):
            for row in self._rows[table]:
                row["study_accession"] = row["study_accession"] or self._study
        for row in self._rows["fcs_analyzed_result"]:
            row["study_accession"] = study_of.get(experiment_of.get(row["expsample_accession"], ""), "") or self._study
        known = {row["arm_accession"] for row in self._rows["arm_or_cohort"]}
        for row in self._rows["arm_2_subject"]:
            if row["arm_accession"] not in known:
                known.add(row["arm_accession"])
                self._rows["arm_or_cohort"].append(
                    {"arm_accession": row["arm_accession"], "study_accession": self._study}
                )


def _records(grid: Grid) -> Iterator[Row]:
    names = [column.name for column in grid.columns]
    for cells in zip(*grid.data, strict=True):
        record: Row = {}
        for name, cell in zip(names, cells, strict=True):
            record[name] = record.get(name) or cell.strip()
        yield record


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
