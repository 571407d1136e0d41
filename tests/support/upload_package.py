"""A small upload package without a flaw, to break one thing at a time."""

from pathlib import Path

import pandas as pd

from immport_cyto.immport import templates
from immport_cyto.immport.templates import Filled

FILES = {
    "protocol.pdf": b"%PDF-1.4", "tube1.fcs": b"", "tube2.fcs": b"", "beads.fcs": b"", "gates.wsp": b"<Workspace/>",
}  # fmt: skip


def filled(name: str, rows: dict[str, list[str]], schema: str = "3.33") -> Filled:
    """A template with these cells; other columns are empty."""
    base = templates.empty(name, schema)
    n = len(next(iter(rows.values())))
    frame = pd.DataFrame({column: rows.get(column, [""] * n) for column in [*base.frame.columns]}, dtype=object)
    return Filled(base.name, {"": frame.assign(**{k: v for k, v in rows.items() if k not in frame})}, schema)


def study_design(schema: str = "3.33") -> Filled:
    """A study with one arm and one visit."""
    base = templates.empty("basic_study_design", schema)
    rows = {
        "study": {
            "User Defined ID": ["study-1"], "Brief Title": ["Title"], "Official Title": ["Official title"],
            "Brief Description": ["Brief"], "Hypothesis": ["None"], "Objectives": ["Objectives"], "Endpoints": ["End"],
            "Sponsoring Organization": ["NIAID"], "Age Unit": ["Years"], "Actual Start Date": ["05-Mar-2010"],
        },
        "study_categorization": {"Research Focus": ["Immune Response"]},
        "study_2_condition_or_disease": {"Condition Reported": ["asthma"]},
        "arm_or_cohort": {"User Defined ID": ["arm-1"], "Name": ["Arm"], "Description": ["All"], "Type": [""]},
        "study_personnel": {
            "User Defined ID": ["person-1"], "Last Name": ["Doe"], "First Name": ["A"], "Organization": ["University"],
            "Email": ["a@example.org"], "Title In Study": ["PI"], "Role In Study": ["Principal Investigator"],
            "Site Name": ["Site"],
        },
        "planned_visit": {
            "User Defined ID": ["visit-1"], "Name": ["Day 0"], "Order Number": ["1"], "Min Start Day": ["0"],
        },
        "inclusion_exclusion": {
            "User Defined ID": ["criterion-1"], "Criterion": ["Adults"], "Criterion Category": ["Inclusion"],
        },
        "study_2_protocol": {"Protocol ID": ["protocol-1"]},
    }  # fmt: skip
    blocks = {name: pd.DataFrame(rows.get(name, {}), dtype=object) for name in base.blocks}
    return Filled(base.name, blocks, schema)


def package(schema: str = "3.33") -> dict[str, Filled]:
    """The templates by name."""
    found = [
        filled("protocols", {"User Defined ID": ["protocol-1"], "File Name": ["protocol.pdf"], "Name": ["Staining"]}),
        filled(
            "flow_cytometry_reagents",
            {
                "User Defined ID": ["reagent-1", "reagent-2"], "Manufacturer": ["BD", "BD"],
                "Catalog Number": ["1", "2"], "Analyte Reported": ["CD3E", "CD4"], "Clone Name": ["UCHT1", "RPA-T4"],
                "Reporter Name": ["FITC", "PE"],
            },
        ),
        filled(
            "reagent_sets",
            {
                "User Defined ID": ["set-1"], "Reagent ID(s)": ["reagent-1;reagent-2"], "Description": ["Panel"],
                "Name": ["Panel"], "Type": ["Flow Cytometry"],
            },
        ),
        filled(
            "treatments",
            {"User Defined ID": ["treatment-1"], "Name": ["None"], "Use Treatment?": ["No"]},
        ),
        study_design(schema),
        filled(
            "subjecthumans",
            {
                "Subject ID": ["subject-1", "subject-2"], "Arm Or Cohort ID": ["arm-1", "arm-1"],
                "Gender": ["Female", "Male"], "Min Subject Age": ["30", "41.5"], "Age Unit": ["Years", "Years"],
                "Age Event": ["Age at enrollment", "Age at enrollment"], "Ethnicity": ["Not Specified"] * 2,
                "Race": ["White", "Asian"], "Subject Location": ["US: New York", "Germany"],
                "Exposure Process Reported": ["no exposure", "unknown"],
            },
        ),
        filled(
            "biosamples",
            {
                "User Defined ID": ["blood-1", "blood-2"], "Type": ["PBMC", "PBMC"],
                "Subject ID": ["subject-1", "subject-2"], "Study ID": ["study-1"] * 2,
                "Planned Visit ID": ["visit-1"] * 2, "Study Time Collected": ["0", "0.5"],
                "Study Time Collected Unit": ["Days"] * 2, "Study Time T0 Event": ["Time of enrollment"] * 2,
            },
        ),
        filled(
            "experiments",
            {
                "User Defined ID": ["experiment-1"], "Name": ["T cells"], "Measurement Technique": ["Flow Cytometry"],
                "Study ID": ["study-1"], "Protocol ID(s)": ["protocol-1"],
            },
        ),
        filled(
            "flow_cytometry",
            {
                "Expsample ID": ["tube-1", "tube-2"], "Biosample ID": ["blood-1", "blood-2"],
                "Experiment ID": ["experiment-1"] * 2, "Reagent ID(s)": ["set-1", "reagent-1;reagent-2"],
                "Treatment ID(s)": ["treatment-1"] * 2, ".Fcs Result File": ["tube1.fcs", "tube2.fcs"],
                "Compensation Or Control File Name(s)": ["beads.fcs"] * 2,
            },
        ),
        filled(
            "fcm_derived_data",
            {
                "Expsample ID": ["tube-1", "tube-2"], "Population Name Reported": ["T cell", "T cell"],
                "Gating Definition Reported": ["CD3+", "CD3+"],
                "Population Statistic (count, percentile, etc)": ["61.25", "48"],
                "Population Stat Unit Reported": ["percentage"] * 2, "Workspace File": ["gates.wsp"] * 2,
            },
        ),
    ]  # fmt: skip
    return {one.name: one for one in found}


def write(found: dict[str, Filled], folder: Path, form: str = "text", files: dict[str, bytes] | None = None) -> Path:
    """The package as a folder, with the files that it names."""
    templates.write(found.values(), folder, form=form)
    for name, content in (FILES if files is None else files).items():
        (folder / name).write_bytes(content)
    return folder
