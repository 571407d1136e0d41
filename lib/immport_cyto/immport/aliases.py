"""What the tables and columns of a shared package are called, over all releases: data, no logic.

A column is written ``name!|other name|...``: the name that this package uses for it, then what other releases call
it; ``!`` marks the columns without which a table is of no use. Names are compared in upper case with blanks as
underscores, so ``Subject Accession`` and ``SUBJECT_ACCESSION`` are the same. Seen in releases DR16 to DR32.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """The names of one column, the present one first."""

    name: str
    names: tuple[str, ...]
    required: bool


@dataclass(frozen=True)
class Source:
    """One table of a package: the names it has had, and its columns."""

    name: str
    names: tuple[str, ...]
    columns: tuple[Columns, ...]
    wanted: bool = True


def _columns(text: str) -> tuple[Columns, ...]:
    parsed = []
    for word in text.split():
        names = tuple(word.replace("!", "").split("|"))
        parsed.append(Columns(names[0], tuple(name.upper() for name in names), "!" in word))
    return tuple(parsed)


def _source(names: str, columns: str, *, wanted: bool = True) -> Source:
    words = tuple(names.split("|"))
    return Source(words[0], words, _columns(columns), wanted)


# `wanted=False`: its absence is normal and not worth a message
TABLES: tuple[Source, ...] = (
    _source(
        "study",
        "study_accession! brief_title condition_studied minimum_age maximum_age age_unit latest_data_release_version",
    ),
    _source("arm_or_cohort", "arm_accession! study_accession! name description type|type_reported"),
    _source(
        "subject",
        "subject_accession! sex|gender race race_specify ethnicity species strain "
        "ancestral_population|population_name age_reported age_unit age_event age_event_specify phenotype",
    ),
    _source(
        "arm_2_subject",
        "arm_accession! subject_accession! min_subject_age max_subject_age age_unit age_event age_event_specify "
        "subject_phenotype",
    ),
    _source(
        "planned_visit",
        "planned_visit_accession! study_accession name|visit_name order_number min_start_day max_start_day",
    ),
    _source(
        "biosample",
        "biosample_accession! study_accession! subject_accession! planned_visit_accession type|biosample_type subtype "
        "study_time_collected study_time_collected_unit study_time_t0_event study_time_t0_event_specify",
    ),
    _source("experiment", "experiment_accession! study_accession! measurement_technique name|title"),
    _source("expsample", "expsample_accession! experiment_accession! result_schema"),
    _source("expsample_2_biosample|biosample_2_expsample", "expsample_accession! biosample_accession!"),
    _source("expsample_2_file_info", "expsample_accession! file_info_id! result_schema"),
    _source(
        "file_info", "file_info_id! name! original_file_name|original_name detail|file_detail purpose filesize_bytes"
    ),
    _source(
        "treatment",
        "treatment_accession! name amount_value amount_unit duration_value duration_unit temperature_value "
        "temperature_unit",
        wanted=False,
    ),
    _source("expsample_2_treatment|treatment_2_expsample", "expsample_accession! treatment_accession!", wanted=False),
    _source("biosample_2_treatment", "biosample_accession! treatment_accession!", wanted=False),
    _source(
        "reagent",
        "reagent_accession! name analyte_reported analyte_preferred analyte_accession clone_name "
        "reporter_name|detector_name manufacturer catalog_number antibody_registry_id is_set",
        wanted=False,
    ),
    _source("reagent_set_2_reagent", "reagent_set_accession! reagent_accession!", wanted=False),
    _source("expsample_2_reagent", "expsample_accession! reagent_accession!", wanted=False),
    _source(
        "fcs_header",
        "fcs_header_id! file_info_id! number_of_events number_of_markers fcs_version fcs_header_text",
        wanted=False,
    ),
    _source(
        "fcs_header_marker",
        "fcs_header_id! parameter_number! pnn_reported pns_reported pnn_preferred pns_preferred",
        wanted=False,
    ),
    _source(
        "fcs_analyzed_result",
        "result_id! study_accession! expsample_accession biosample_accession subject_accession arm_accession "
        "population_name_reported population_name_preferred "
        "population_defnition_reported|population_definition_reported "
        "population_defnition_preferred|population_definition_preferred "
        "parent_population_reported|base_parent_population parent_population_preferred|base_parent_pop_preferred "
        "population_statistic_reported|population_cell_number population_statistic_preferred "
        "population_stat_unit_reported|population_cell_number_unit "
        "population_stat_unit_preferred|pop_cell_number_unit_preferred population_percent comments",
        wanted=False,
    ),
)

POPULATION_RESULT = next(source for source in TABLES if source.name == "fcs_analyzed_result")

SUBJECT_2 = _source(
    "subject_2",
    "file_name! study_accession! subject_accession! expsample_accession!|source_accession sex|gender "
    "subject_age|age|min_subject_age max_subject_age age_unit age_event "
    "age_event_specify race ethnicity species strain phenotype|subject_phenotype biosample_accession "
    "biosample_type|biosample_type_name biosample_subtype biosample_treatment|biosample_treatment_name "
    "study_time_collected study_time_collected_unit study_time_t0_event study_time_t0_event_specify "
    "planned_visit_accession planned_visit_name arm_accession arm_name study_title experiment_accession "
    "result_schema|expsample_result_schema "
    "expsample_treatment|expsample_treatement|expsample_treatment_name file_info_id original_file_name "
    "file_purpose file_detail filesize_bytes measurement_technique",
)
"""The ready file-to-subject table; one real copy spells ``Expsample Treatement``.

A row of a saved query-API response (filePath) has the same columns."""
