"""Each kind of rule: a package that keeps it, and one that breaks it."""

import pandas as pd
import pytest

from immport_cyto.exceptions import PackageError
from immport_cyto.immport import templates
from immport_cyto.immport.templates import definitions, rules
from support import upload_package as upload

STATISTIC = "Population Statistic (count, percentile, etc)"


def found(tmp_path, changes=None, *, form="text", more=(), files=None, drop=(), **options):
    """Findings on the package with some cells changed: {(template, column, row): value}."""
    package = {name: one for name, one in upload.package().items() if name not in drop}
    package |= {one.name: one for one in more}
    for (name, column, row), value in (changes or {}).items():
        block, _, column_name = column.rpartition("/")
        frame = package[name].blocks[block]
        values = list(frame[column_name]) if column_name in frame else [""] * len(frame)
        values[row] = value
        package[name].blocks[block] = frame.assign(**{column_name: values})
    folder = upload.write(package, tmp_path / "package", form, files)
    return templates.validate(folder, **{"privacy": False} | options)


def brief(report):
    return [(f.file, f.row, f.column, f.severity, f.rule) for f in report.findings]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("schema", definitions.versions())
def test_a_package_without_a_flaw(tmp_path, form, schema):
    package = upload.package(schema)
    package["basic_study_design"].blocks["study"] = package["basic_study_design"].blocks["study"].assign(
        **{"Description": ["Long"], "Intervention Agent": ["None"]}
    )  # fmt: skip
    for one in package.values():
        one.schema = schema
    report = templates.validate(upload.write(package, tmp_path, form), privacy=False)
    assert report.findings == []
    assert [file.template for file in report.files] == list(package)
    assert {file.schema for file in report.files} == {schema}
    assert sum(file.rows for file in report.files) == 22
    assert report.n_other == 5


STUDY = {
    ("basic_study_design", "study/Description", 0): "Long",
    ("basic_study_design", "study/Intervention Agent", 0): "x",
}
BROKEN = [
    # references: unknown, other case, a definition that comes later, an accession (kept)
    (("biosamples", "Subject ID", 1), "subject-9", "foreign-key", "error", "subject-"),
    (("biosamples", "Subject ID", 1), "Subject-2", "foreign-key", "error", "subject-2"),
    (("biosamples", "Subject ID", 1), "SUB117", None, None, None),
    (("flow_cytometry", "Reagent ID(s)", 0), "reagent-1; nonsense", "foreign-key", "error", ""),
    (("fcm_derived_data", "Expsample ID", 0), "tube-7", "foreign-key", "error", "tube-"),
    (("subjecthumans", "Arm Or Cohort ID", 0), "arm-x", "foreign-key", "error", "arm-1"),
    # files
    (("protocols", "File Name", 0), "Protocol.pdf", "file-exists", "error", "protocol.pdf"),
    (("protocols", "File Name", 0), "staining.doc", "file-exists", "error", ""),
    (("protocols", "File Name", 0), "c:\\lab\\protocol.pdf", "file-name", "error", "protocol.pdf"),
    (("flow_cytometry", "Additional Result File Names", 1), "gates.wsp;notes.txt", "file-exists", "error", ""),
    (("flow_cytometry", "Additional Result File Names", 1), "gates.wsp", None, None, None),
    # keys
    (("protocols", "User Defined ID", 0), "", "required", "error", ""),
    (("biosamples", "User Defined ID", 1), "blood-1", "key", "error", ""),
    (("flow_cytometry", "Expsample ID", 1), "tube-1", "key", "error", ""),
    # controlled vocabularies
    (("biosamples", "Type", 0), "pbmc", "vocabulary-case", "warning", "PBMC"),
    (("biosamples", "Type", 0), "PBMCs", "vocabulary", "error", "PBMC"),
    (("biosamples", "Type", 0), "Whole blood", None, None, None),
    (("subjecthumans", "Gender", 0), "F", "vocabulary", "error", ""),
    # preferred vocabularies
    (("fcm_derived_data", "Population Name Reported", 0), "T: Treg", None, None, None),
    (("fcm_derived_data", "Population Name Reported", 0), "t: treg", "preferred-case", "warning", "T: Treg"),
    (("fcm_derived_data", "Population Name Reported", 0), "Tregs", "preferred", "warning", "T: Treg"),
    (("fcm_derived_data", "Population Name Reported", 0), "Treg&CD45RA+", None, None, None),
    (("flow_cytometry_reagents", "Analyte Reported", 0), "CD25", None, None, None),
    (("flow_cytometry_reagents", "Analyte Reported", 0), "nonsense", "preferred", "warning", ""),
    # required and conditional
    (("experiments", "Name", 0), "", "required", "error", ""),
    (("biosamples", "Description", 0), "", None, None, None),
    (("biosamples", "Subtype", 0), "", None, None, None),
    (("biosamples", "Type", 0), "Other", "conditional", "error", ""),
    (("subjecthumans", "Race", 0), "Other", "conditional", "error", ""),
    (("flow_cytometry", ".Fcs Result File", 0), "", "conditional", "error", ""),
    (("flow_cytometry", "Biosample ID", 0), "blood-9", "conditional", "error", ""),
    (("subjecthumans", "Exposure Process Reported", 0), "vaccination", "conditional", "error", ""),
    # kinds
    (("biosamples", "Study Time Collected", 0), "-7.5", None, None, None),
    (("biosamples", "Study Time Collected", 0), "1e1", None, None, None),
    (("biosamples", "Study Time Collected", 0), "day 7", "type", "error", ""),
    (("fcm_derived_data", STATISTIC, 0), "1,234", "type", "error", "1234"),
    (("fcm_derived_data", STATISTIC, 0), "nan", "type", "error", ""),
    (("basic_study_design", "planned_visit/Order Number", 0), "0", "type", "error", ""),
    (("basic_study_design", "planned_visit/Order Number", 0), "2", None, None, None),
    (("basic_study_design", "study/Actual Start Date", 0), "2010-03-05", "date", "error", "05-Mar-2010"),
    (("basic_study_design", "study/Actual Start Date", 0), "31-Feb-2010", "date", "error", ""),
    (("basic_study_design", "study/Actual Start Date", 0), "1-apr-96", None, None, None),
    # lengths
    (("fcm_derived_data", "Comments", 0), "x" * 500, None, None, None),
    (("fcm_derived_data", "Comments", 0), "x" * 501, "length", "error", ""),
    (("fcm_derived_data", "Workspace File", 0), "x" * 241, "length", "error", ""),
    (("fcm_derived_data", "Gating Definition Reported", 0), ", ".join(["CD3+"] * 30), "length", "error", ""),
    # rules before
    (("treatments", "Amount Value", 0), "5", "all-empty-or-nonempty", "error", ""),
    (("treatments", "Use Treatment?", 0), "Yes", "at-least-one-nonempty", "error", ""),
    # rules after
    (("subjecthumans", "Subject ID", 0), "SUB5", "values-equal", "error", ""),
    (("subjecthumans", "Age Unit", 0), "Months", "check-value-in-entity", "error", "Years"),
    (("flow_cytometry", "Compensation Or Control File Name(s)", 0), "beads.fcs;TUBE1.fcs",
     "check-not-contains-case-insensitive", "error", ""),
    (("flow_cytometry", ".Fcs Result File", 0), "gates.wsp", "check-result-schema-for-result-file", "error", ""),
    (("flow_cytometry", "Expsample ID", 0), "ES12", "values-not-equal", "error", ""),
    (("reagent_sets", "Reagent ID(s)", 0), "set-1", "not-equal-to-value", "error", ""),
    (("fcm_derived_data", "Gating Definition Reported", 0), "CD3+, CD4- CD45RA++", None, None, None),
    (("fcm_derived_data", STATISTIC, 0), "-3", "check-statistic", "warning", ""),
    (("fcm_derived_data", STATISTIC, 0), "100.5", "check-statistic", "warning", ""),
    (("fcm_derived_data", STATISTIC, 0), "100", None, None, None),
    (("fcm_derived_data", "Gating Definition Reported", 0), "the T cells", "check-population-markers", "warning", ""),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "value", "rule", "severity", "suggestion"), BROKEN)
def test_one_cell(tmp_path, cell, value, rule, severity, suggestion):
    report = found(tmp_path, {**STUDY, cell: value})
    if rule is None:
        assert report.findings == []
        return
    name, column, row = cell
    here = [f for f in report.findings if f.rule == rule]
    assert len(here) >= 1, brief(report)
    finding = here[0]
    assert finding.severity == severity
    assert finding.file == definitions.template(name).file
    assert finding.suggestion.startswith(suggestion) if suggestion else finding.suggestion == ""
    if "/" not in column:
        assert finding.row == 4 + row
    wrong_elsewhere = {"conditional", "all-empty-or-nonempty", "check-result-schema-for-result-file"}
    assert finding.column == column.rpartition("/")[2] or rule in wrong_elsewhere | {"at-least-one-nonempty"}


def test_every_kind_of_rule_is_broken_somewhere():
    """The rules that need more than one cell to be wrong are in the tests below."""
    below = {"empty-value", "check-immport-template", "check-result-schema-for-accession"}
    kinds = {r.kind for name in definitions.names() for b in definitions.template(name).blocks for r in b.rules}
    broken = {rule for _, _, rule, _, _ in BROKEN} & set(rules._CHECKS)
    assert kinds == broken | below
    assert kinds == set(rules._CHECKS)


def test_findings_of_a_row_come_in_the_order_of_the_steps(tmp_path):
    changes = {
        ("biosamples", "Study Time Collected", 1): "late",
        ("biosamples", "Name", 0): "x" * 201,
        ("biosamples", "Subject ID", 1): "subject-9",
        ("biosamples", "Type", 1): "whole bloood",
        ("biosamples", "Study Time T0 Event", 1): "",
        ("protocols", "Name", 0): "",
    }
    report = found(tmp_path, {**STUDY, **changes})
    assert brief(report) == [
        ("protocols.txt", 4, "Name", "error", "required"),
        ("bioSamples.txt", 4, "Name", "error", "length"),
        ("bioSamples.txt", 5, "Subject ID", "error", "foreign-key"),
        ("bioSamples.txt", 5, "Type", "error", "vocabulary"),
        ("bioSamples.txt", 5, "Study Time T0 Event", "error", "required"),
        ("bioSamples.txt", 5, "Study Time Collected", "error", "type"),
    ]
    assert [f.message for f in report.findings][1:4] == [
        "201 characters where at most 200 are allowed; shorten it",
        "no subject has the ID 'subject-9' in the package; define it, or give the accession of one in ImmPort",
        "'whole bloood' is not in lk_sample_type; choose one of its 57 terms",
    ]
    frame = report.frame()
    assert frame["number"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame.loc[3, ["row", "suggestion"]].tolist() == [5, "Whole blood"]


def test_a_reference_to_what_is_loaded_later(tmp_path):
    sets = upload.filled("reagent_sets", {"User Defined ID": ["set-2"], "Reagent ID(s)": ["set-3"],
                         "Description": ["x"], "Name": ["x"], "Type": ["Other"]})  # fmt: skip
    report = found(tmp_path, {**STUDY, ("protocols", "Name", 0): "x"}, more=[sets])
    assert ("Reagent_Sets.txt", 4, "Reagent ID(s)", "error", "foreign-key") in brief(report)
    study = {("basic_study_design", "study_2_protocol/Protocol ID", 0): "protocol-1"}
    assert found(tmp_path / "kept", {**STUDY, **study}).findings == []


def test_ids_of_things_that_the_package_does_not_hold(tmp_path):
    report = found(tmp_path, STUDY, drop=["protocols"])
    unchecked = [f for f in report.findings if f.rule == "foreign-key-unchecked"]
    assert [(f.file, f.row, f.column, f.severity) for f in unchecked] == [
        ("basic_study_design.txt", unchecked[0].row, "Protocol ID", "warning"),
        ("experiments.txt", 4, "Protocol ID(s)", "warning"),
    ]
    assert report.errors == []
    strict = found(tmp_path / "strict", STUDY, drop=["protocols"], complete=True)
    assert [(f.column, f.rule) for f in strict.errors] == [
        ("Protocol ID", "foreign-key"), ("Protocol ID(s)", "foreign-key"),
    ]  # fmt: skip


def test_ids_of_ones_own_that_look_like_accessions(tmp_path):
    """ARM1 is what many would call their first arm; defined in the package, it is theirs."""
    changes = {
        ("basic_study_design", "arm_or_cohort/User Defined ID", 0): "ARM1",
        ("subjecthumans", "Arm Or Cohort ID", 0): "ARM1", ("subjecthumans", "Arm Or Cohort ID", 1): "ARM1",
        ("subjecthumans", "Subject ID", 0): "SUB001",
        ("biosamples", "Subject ID", 0): "SUB001",
    }  # fmt: skip
    assert found(tmp_path, {**STUDY, **changes}).findings == []
    unknown = found(tmp_path / "unknown", {**STUDY, **changes, ("biosamples", "Subject ID", 0): "SUB002"})
    assert [(f.rule, f.suggestion) for f in unknown.findings] == [("foreign-key", "SUB001")]


def test_treatment_rules_together(tmp_path):
    amounts = {("treatments", "Amount Value", 0): "5", ("treatments", "Amount Unit", 0): "ml"}
    report = found(tmp_path, {**STUDY, **amounts})
    assert [(f.column, f.rule) for f in report.findings] == [
        ("Amount Value", "empty-value"), ("Amount Unit", "empty-value"),
    ]  # fmt: skip
    kept = found(tmp_path / "kept", {**STUDY, **amounts, ("treatments", "Use Treatment?", 0): "Yes"})
    assert kept.findings == []


def test_results_of_samples_of_another_assay(tmp_path):
    rows = {
        "Expsample ID": ["tube-1"], "Population Name Reported": ["T cell"], "Gating Definition Reported": ["CD3+"],
        STATISTIC: ["1"], "Population Stat Unit Reported": ["cells"], "Workspace File": ["gates.wsp"],
    }  # fmt: skip
    report = found(tmp_path, STUDY, more=[upload.filled("cytof_derived_data", rows)])
    assert brief(report) == [
        ("CyTOF_Derived_data.txt", 4, "Expsample ID", "error", "check-result-schema-for-accession")
    ]
    assert "'flow_cytometry'" in report.findings[0].message


def mbaa(flag, result):
    rows = {
        "Expsample ID": ["mbaa-1"], "Biosample ID": ["blood-1"], "Experiment ID": ["experiment-1"],
        "Reagent ID(s)": ["reagent-1"], "Treatment ID(s)": ["treatment-1"], "Dilution Factor": ["1"],
        "Assay ID": ["plate-1"], "ImmPort Template?": [flag], "Result File Name": [result],
    }  # fmt: skip
    return upload.filled("mbaa", rows, "3.20")


def test_the_result_file_that_is_said_to_be_a_template(tmp_path):
    report = found(tmp_path, STUDY, more=[mbaa("Yes", "gates.wsp")])
    assert [(f.column, f.rule) for f in report.errors] == [("Result File Name", "check-immport-template")]
    missing = found(tmp_path / "missing", STUDY, more=[mbaa("Yes", "")])
    assert "check-immport-template" in {f.rule for f in missing.errors}
    assert found(tmp_path / "no", STUDY, more=[mbaa("No", "gates.wsp")]).errors == []


def test_samples_and_subjects_of_two_studies(tmp_path):
    changes = {("biosamples", "Study ID", 1): "study-2"}
    report = found(tmp_path, {**STUDY, **changes})
    assert [(f.row, f.column, f.rule) for f in report.findings] == [
        (5, "Study ID", "foreign-key"), (5, "Subject ID", "check-value-in-entity"),
        (5, "Planned Visit ID", "values-equal"), (5, "Biosample ID", "values-equal"),
    ]  # fmt: skip
    assert "belongs to the study 'study-1', but the study of the row is 'study-2'" in report.findings[2].message


def test_new_biosamples_and_experiments_in_the_template_of_the_samples(tmp_path):
    """What the row defines must be described, once: the second row refers to the first."""
    new = {
        "Study ID": "study-1", "Biosample ID": "blood-3", "Experiment ID": "experiment-2", "Subject ID": "subject-1",
        "Planned Visit ID": "visit-1", "Type": "PBMC", "Study Time Collected": "0", "Study Time Collected Unit": "Days",
        "Study Time T0 Event": "Time of enrollment", "Protocol ID(s)": "protocol-1", "Experiment Name": "B cells",
        "Measurement Technique": "Flow Cytometry",
    }  # fmt: skip
    changes = {("flow_cytometry", column, 0): value for column, value in new.items()}
    changes |= {("flow_cytometry", c, 1): new[c] for c in ("Biosample ID", "Experiment ID")}
    assert found(tmp_path, {**STUDY, **changes}).findings == []
    del changes["flow_cytometry", "Experiment Name", 0]
    report = found(tmp_path / "broken", {**STUDY, **changes})
    assert [(f.row, f.column, f.rule) for f in report.findings] == [(4, "Experiment Name", "conditional")]
    assert report.findings[0].message == "is required where the row defines a new experiment"
    old_sample = {("flow_cytometry", "Expsample ID", 0): "ES4"}
    report = found(tmp_path / "old", {**STUDY, **changes, ("flow_cytometry", "Experiment Name", 0): "B", **old_sample})
    assert [f.message for f in report.errors if f.rule == "values-equal"] == [
        "a new biosample cannot belong to an experiment sample that exists already",
        "a new experiment cannot have an experiment sample that exists already",
    ]


def test_groups_of_results(tmp_path):
    """A second group is asked for only where it is begun."""
    second = {("subjecthumans", "Exposure Process Reported [2]", 1): "vaccination"}
    report = found(tmp_path, {**STUDY, **second})
    assert [(f.row, f.column, f.rule) for f in report.findings] == [
        (5, "Exposure Material Reported", "conditional"), (5, "Exposure Material ID", "conditional"),
    ][:1]  # fmt: skip
    without = {("subjecthumans", "Exposure Process Reported", 0): ""}
    report = found(tmp_path / "first", {**STUDY, **without})
    assert [(f.row, f.column, f.rule) for f in report.findings] == [(4, "Exposure Process Reported", "required")]


def test_hipc_asks_for_more(tmp_path):
    folder = tmp_path / "package"
    found(tmp_path, {**STUDY, ("fcm_derived_data", "Gating Definition Reported", 0): "CD3+, Xyz9+"})
    path = folder / "FCM_Derived_data.txt"
    path.write_text(path.read_text().replace("Schema Version 3.33", "Schema Version 3.33\tHIPC", 1))
    report = templates.validate(folder, privacy=False)
    assert brief(report) == [
        ("FCM_Derived_data.txt", 4, "Gating Definition Reported", "error", "check-population-markers")
    ]
    assert report.findings[0].message == "the marker 'Xyz9' is not known; use the name of lk_analyte"


def test_an_id_of_two_files(tmp_path):
    rows = {
        "User Defined ID": ["reagent-2"], "Manufacturer": ["DVS"], "Catalog Number": ["9"],
        "Analyte Reported": ["CD8A"], "Clone Name": ["x"], "Reporter Name": ["142Nd"],
    }  # fmt: skip
    report = found(tmp_path, STUDY, more=[upload.filled("cytof_reagents", rows)])
    assert brief(report) == [("reagents.CyTOF.txt", 4, "User Defined ID", "error", "key")]
    assert report.findings[0].message == (
        "'reagent-2' is the ID of another reagent in reagents.Flow_Cytometry.txt, row 5"
    )


def test_blocks_of_a_compound_template(tmp_path):
    design = upload.study_design()
    design.blocks["study"] = pd.concat([design.blocks["study"]] * 2, ignore_index=True)
    design.blocks["arm_or_cohort"] = design.blocks["arm_or_cohort"].iloc[:0]
    report = templates.validate(upload.write({"x": design}, tmp_path), privacy=False)
    errors = [(f.block, f.rule) for f in report.errors]
    assert ("study", "block-rows") in errors
    assert ("study", "key") in errors
    assert ("arm_or_cohort", "block-rows") in errors
    kept = found(tmp_path / "kept", STUDY)
    assert kept.findings == []


def test_nothing_to_validate(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing\n")
    with pytest.raises(PackageError, match="no upload template in it"):
        templates.validate(tmp_path)
    with pytest.raises(PackageError, match="no such file or folder; check the path"):
        templates.validate(tmp_path / "none")


def test_the_same_row_twice(tmp_path):
    """Results have no key of their own; protocols have one, so that a second row is an error."""
    package = upload.package()
    package["fcm_derived_data"].blocks[""] = pd.concat([package["fcm_derived_data"].frame] * 2, ignore_index=True)
    report = templates.validate(upload.write(package, tmp_path), privacy=False)
    twice = [f for f in report.findings if f.rule == "row-twice"]
    assert [(f.file, f.row, f.severity) for f in twice] == [
        ("FCM_Derived_data.txt", 6, "warning"), ("FCM_Derived_data.txt", 7, "warning"),
    ]  # fmt: skip
    assert twice[0].message == "the row is the same as row 4; delete one"


def test_a_template_without_rows(tmp_path):
    templates.write(templates.empty("protocols"), tmp_path)
    report = templates.validate(tmp_path)
    assert brief(report) == [("protocols.txt", None, "", "warning", "no-rows")]
