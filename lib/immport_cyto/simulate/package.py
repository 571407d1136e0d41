"""The ImmPort tables of one simulated study.

The awkward things of real packages are kept: compensation_flag is N in every header, a control file belongs to many
samples, some samples have no control file, no treatment or no planned visit, one study counts its times in hours, and
a panel's reagents may be linked as a set.
"""

from dataclasses import dataclass

from immport_cyto.simulate.design import StudyDesign
from immport_cyto.simulate.panels import PANELS, TECHNIQUE_NAMES, PanelDesign
from immport_cyto.simulate.release import Row
from immport_cyto.simulate.subjects import ARMS, VISITS, Sample, Subject, accession, study_accession

WORKSPACE = 9999
_SCHEMA = {"flow": "FCM", "cytof": "CYTOF"}
_DETAIL = {"flow": "Flow cytometry result", "cytof": "CyTOF result"}
RESULT_FOLDER = {"flow": "Flow_cytometry_result", "cytof": "CyTOF_result"}
_T0 = "Time of enrollment"


@dataclass(frozen=True)
class ResultFile:
    """One FCS result file.

    Attributes
    ----------
    number
        Running number in the study, from 1.
    original_name, file_name
        As the laboratory named it, and as ImmPort stores it: with the file_info_id before the suffix.
    expsample
        Accession of the expsample, one per file.
    sample
        Index of the biosample in the study.
    """

    number: int
    original_name: str
    file_info_id: int
    expsample: str
    sample: int
    panel: PanelDesign

    @property
    def file_name(self) -> str:
        """The key over all stages."""
        return f"{self.original_name.removesuffix('.fcs')}.{self.file_info_id}.fcs"


@dataclass(frozen=True)
class Written:
    """What the package says about a file that was written."""

    size: int
    n_events: int
    minimum: float
    maximum: float
    header_text: str


@dataclass(frozen=True)
class Study:
    """A study as it was drawn."""

    index: int
    design: StudyDesign
    subjects: list[Subject]
    samples: list[Sample]
    files: list[ResultFile]

    @property
    def accession(self) -> str:
        """SDY99nn."""
        return study_accession(self.index)

    def day_label(self, file: ResultFile) -> str:
        """Batch of a file."""
        return f"{self.accession}-day{self.samples[file.sample].day + 1}"


def result_files(index: int, design: StudyDesign, samples: list[Sample]) -> list[ResultFile]:
    """List the files of a study: every sample with every panel."""
    files: list[ResultFile] = []
    for k, sample in enumerate(samples):
        for key in design.panels:
            number = len(files) + 1
            name = f"D{sample.day + 1}_{k + 1:03d}_{key}.fcs"
            info = int(f"{9901 + index}{number:04d}")
            files.append(ResultFile(number, name, info, accession("ES", index, number, 4), k, PANELS[key]))
    return files


def tables(study: Study, written: dict[str, Written], *, orphan: bool = False) -> dict[str, list[Row]]:
    """Fill the tables of a study.

    Parameters
    ----------
    written
        By file name.
    orphan
        Whether to list one more result file that does not exist.
    """
    result: dict[str, list[Row]] = {}
    result |= _people(study)
    result |= _reagents(study)
    result |= _measurements(study, written)
    if orphan:
        _add_orphan(study, result)
    return result


def _people(study: Study) -> dict[str, list[Row]]:
    design, own = study.design, {"WORKSPACE_ID": WORKSPACE}
    technique = TECHNIQUE_NAMES[design.technique]
    arms = [accession("ARM", study.index, k + 1, 2) for k in range(len(ARMS))]
    visits = [accession("PV", study.index, k + 1, 2) for k in range(len(VISITS))]
    hours = design.time_unit == "Hours"
    return {
        "study": [
            {
                "STUDY_ACCESSION": study.accession, "ACTUAL_ENROLLMENT": len(study.subjects), "AGE_UNIT": "Years",
                "BRIEF_DESCRIPTION": "Simulated data: no subject of this study exists.",
                "BRIEF_TITLE": f"Simulated study {study.index + 1} ({technique})", "CLINICAL_TRIAL": "N",
                "CONDITION_STUDIED": "Simulation", "GENDER_INCLUDED": "Both", "INITIAL_DATA_RELEASE_VERSION": "DR99",
                "LATEST_DATA_RELEASE_VERSION": "DR99", "MINIMUM_AGE": design.ages[0], "MAXIMUM_AGE": design.ages[1],
                "OFFICIAL_TITLE": f"Simulated study {study.index + 1} ({technique})", **own,
            }
        ],
        "arm_or_cohort": [
            {
                "ARM_ACCESSION": arms[k], "DESCRIPTION": f"{name}, simulated", "NAME": name,
                "STUDY_ACCESSION": study.accession, "TYPE": "Observational", **own,
            }
            for k, name in enumerate(ARMS)
        ],
        "arm_2_subject": [
            {
                "ARM_ACCESSION": arms[s.arm], "SUBJECT_ACCESSION": s.accession, "AGE_EVENT": "Age at enrollment",
                "AGE_UNIT": "Years", "MAX_SUBJECT_AGE": s.age_reported, "MIN_SUBJECT_AGE": s.age_reported,
                "SUBJECT_PHENOTYPE": ("Healthy", "Disease")[s.arm],
            }
            for s in study.subjects
        ],
        "subject": [
            {
                "SUBJECT_ACCESSION": s.accession, "ETHNICITY": s.ethnicity, "GENDER": s.sex, "RACE": s.race,
                "SPECIES": "Homo sapiens", **own,
            }
            for s in study.subjects
        ],
        "planned_visit": [
            {
                "PLANNED_VISIT_ACCESSION": visits[k], "MIN_START_DAY": day, "MAX_START_DAY": day, "NAME": name,
                "ORDER_NUMBER": k + 1, "STUDY_ACCESSION": study.accession, **own,
            }
            for k, (name, day) in enumerate(VISITS)
        ],
        "biosample": [
            {
                "BIOSAMPLE_ACCESSION": s.biosample,
                "PLANNED_VISIT_ACCESSION": None if s.visit_missing else visits[s.visit],
                "STUDY_ACCESSION": study.accession,
                "STUDY_TIME_COLLECTED": VISITS[s.visit][1] * (24 if hours else 1),
                "STUDY_TIME_COLLECTED_UNIT": design.time_unit, "STUDY_TIME_T0_EVENT": _T0,
                "SUBJECT_ACCESSION": study.subjects[s.subject].accession, "TYPE": "PBMC", **own,
            }
            for s in study.samples
        ],
    }  # fmt: skip


def _reagents(study: Study) -> dict[str, list[Row]]:
    """Antibodies of each panel, and their link to the samples: one by one, or as a set."""
    reagents: list[Row] = []
    members: list[Row] = []
    of_panel: dict[str, list[str]] = {}
    technique = TECHNIQUE_NAMES[study.design.technique]
    for key in study.design.panels:
        single: list[str] = []
        for channel in PANELS[key].channels:
            if channel.role not in ("marker", "viability", "dna"):
                continue
            single.append(accession("ESR", study.index, len(reagents) + 1, 4))
            reagents.append(
                {
                    "REAGENT_ACCESSION": single[-1], "ANALYTE_REPORTED": channel.antigen or channel.pns,
                    "CATALOG_NUMBER": f"SIM-{len(reagents) + 1:03d}", "CLONE_NAME": "simulated", "IS_SET": "N",
                    "MANUFACTURER": "Simulated", "NAME": f"{channel.antigen or channel.pns} {channel.reporter}",
                    "REPORTER_NAME": channel.reporter, "TYPE": technique, "WORKSPACE_ID": WORKSPACE,
                }
            )  # fmt: skip
        if study.design.use_reagent_set:
            one = accession("ESR", study.index, len(reagents) + 1, 4)
            reagents.append(
                {
                    "REAGENT_ACCESSION": one, "CATALOG_NUMBER": "N/A", "IS_SET": "Y", "MANUFACTURER": "N/A",
                    "NAME": f"{study.accession}_{key}", "TYPE": technique, "WORKSPACE_ID": WORKSPACE,
                }
            )  # fmt: skip
            members += [
                {"REAGENT_SET_ACCESSION": one, "REAGENT_ACCESSION": r, "WORKSPACE_ID": WORKSPACE} for r in single
            ]
            single = [one]
        of_panel[key] = single
    links: list[Row] = [
        {"EXPSAMPLE_ACCESSION": file.expsample, "REAGENT_ACCESSION": reagent}
        for file in study.files
        for reagent in of_panel[file.panel.key]
    ]
    return {"reagent": reagents, "reagent_set_2_reagent": members, "expsample_2_reagent": links}


def _measurements(study: Study, written: dict[str, Written]) -> dict[str, list[Row]]:
    technique, own = study.design.technique, {"WORKSPACE_ID": WORKSPACE}
    schema, detail = _SCHEMA[technique], _DETAIL[technique]
    experiments = {key: accession("EXP", study.index, k + 1, 2) for k, key in enumerate(study.design.panels)}
    treatment = accession("TRT", study.index, 1, 2)
    last = len(study.files) - 1
    header_of = {file.file_name: int(f"{9901 + study.index}{file.number:05d}") for file in study.files}
    result: dict[str, list[Row]] = {
        "experiment": [
            {
                "EXPERIMENT_ACCESSION": experiments[key], "MEASUREMENT_TECHNIQUE": TECHNIQUE_NAMES[technique],
                "DESCRIPTION": "Simulated", "NAME": f"Immunophenotyping, {key} panel",
                "STUDY_ACCESSION": study.accession, **own,
            }
            for key in study.design.panels
        ],
        "treatment": [
            {
                "TREATMENT_ACCESSION": treatment, "AMOUNT_UNIT": "Not Specified", "AMOUNT_VALUE": "Not_Specified",
                "DURATION_UNIT": "Not Specified", "DURATION_VALUE": "Not_Specified", "NAME": "No treatment",
                "TEMPERATURE_UNIT": "Not Specified", "TEMPERATURE_VALUE": "Not_Specified", **own,
            }
        ],
        "expsample": [
            {
                "EXPSAMPLE_ACCESSION": file.expsample, "EXPERIMENT_ACCESSION": experiments[file.panel.key],
                "RESULT_SCHEMA": schema, "UPLOAD_RESULT_STATUS": "Parsed", **own,
            }
            for file in study.files
        ],
        "expsample_2_biosample": [
            {"EXPSAMPLE_ACCESSION": f.expsample, "BIOSAMPLE_ACCESSION": study.samples[f.sample].biosample}
            for f in study.files
        ],
        # the last file has no treatment on record
        "expsample_2_treatment": [
            {"EXPSAMPLE_ACCESSION": f.expsample, "TREATMENT_ACCESSION": treatment} for f in study.files[:last]
        ],
        "expsample_2_file_info": [
            {"EXPSAMPLE_ACCESSION": f.expsample, "FILE_INFO_ID": f.file_info_id, "RESULT_SCHEMA": schema}
            for f in study.files
        ],
        "file_info": [
            {
                "FILE_INFO_ID": f.file_info_id, "DETAIL": detail, "FILESIZE_BYTES": written[f.file_name].size,
                "NAME": f.file_name, "ORIGINAL_FILE_NAME": f.original_name, **own,
            }
            for f in study.files
        ],
        "fcs_header": [
            {
                "FCS_HEADER_ID": header_of[f.file_name], "COMPENSATION_FLAG": "N", "EXPSAMPLE_ACCESSION": f.expsample,
                "FCS_FILE_NAME": f.original_name, "FCS_HEADER_TEXT": written[f.file_name].header_text,
                "FCS_VERSION": f.panel.version, "FILE_INFO_ID": f.file_info_id,
                "MAXIMUM_INTENSITY": written[f.file_name].maximum, "MINIMUM_INTENSITY": written[f.file_name].minimum,
                "NUMBER_OF_EVENTS": written[f.file_name].n_events, "NUMBER_OF_MARKERS": len(f.panel.channels),
                "PANEL_REPORTED": "|".join(c.pns or c.pnn for c in f.panel.channels),
            }
            for f in study.files
        ],
        "fcs_header_marker": [
            {
                "FCS_HEADER_ID": header_of[f.file_name], "PARAMETER_NUMBER": n, "PNN_REPORTED": c.pnn,
                "PNS_REPORTED": c.pns,
            }
            for f in study.files
            for n, c in enumerate(f.panel.channels, 1)
        ],
    }  # fmt: skip
    if technique == "flow":
        _add_controls(study, result)
    return result


def _add_controls(study: Study, result: dict[str, list[Row]]) -> None:
    """List one compensation control per day and panel, linked to all files of that day but the very last file."""
    ids: dict[tuple[int, str], int] = {}
    for file in study.files[:-1]:
        key = study.samples[file.sample].day, file.panel.key
        if key not in ids:
            ids[key] = int(f"{9901 + study.index}{9001 + len(ids):04d}")
            name = f"Compensation Controls_D{key[0] + 1}_{key[1]}"
            result["file_info"].append(
                {
                    "FILE_INFO_ID": ids[key], "DETAIL": "Flow cytometry compensation or control",
                    "FILESIZE_BYTES": 100_000, "NAME": f"{name}.{ids[key]}.fcs", "ORIGINAL_FILE_NAME": f"{name}.fcs",
                    "WORKSPACE_ID": WORKSPACE,
                }
            )  # fmt: skip
        result["expsample_2_file_info"].append(
            {"EXPSAMPLE_ACCESSION": file.expsample, "FILE_INFO_ID": ids[key], "RESULT_SCHEMA": "FCM"}
        )


def _add_orphan(study: Study, result: dict[str, list[Row]]) -> None:
    """List a result of the first biosample whose file does not exist."""
    technique = study.design.technique
    info, sample = int(f"{9901 + study.index}8001"), accession("ES", study.index, 8001, 4)
    name = f"D1_900_{study.design.panels[0]}"
    result["file_info"].append(
        {
            "FILE_INFO_ID": info, "DETAIL": _DETAIL[technique], "FILESIZE_BYTES": 100_000, "NAME": f"{name}.{info}.fcs",
            "ORIGINAL_FILE_NAME": f"{name}.fcs", "WORKSPACE_ID": WORKSPACE,
        }
    )  # fmt: skip
    first = dict(result["expsample"][0])
    result["expsample"].append({**first, "EXPSAMPLE_ACCESSION": sample})
    result["expsample_2_biosample"].append(
        {"EXPSAMPLE_ACCESSION": sample, "BIOSAMPLE_ACCESSION": study.samples[0].biosample}
    )
    result["expsample_2_file_info"].append(
        {"EXPSAMPLE_ACCESSION": sample, "FILE_INFO_ID": info, "RESULT_SCHEMA": _SCHEMA[technique]}
    )
