"""What packages hold beside what is read: tables and columns seen in releases DR16 to DR32, data and no logic.

With these a load can tell what a release has that no release had before from what is left out on purpose (other assays,
user-defined names, dates, texts).
"""

_TABLES = """
    actual_visit adverse_event assessment assessment_2_file_info assessment_component assessment_panel
    biosample_2_protocol contract_grant contract_grant_2_personnel contract_grant_2_study control_sample
    control_sample_2_file_info elisa_result elispot_result experiment_2_protocol expsample_mbaa_detail
    expsample_public_repository fcs_analyzed_result_marker fcs_annotation fcs_header_marker_2_reagent hai_result
    hla_allele_status hla_typing_result hla_typing_sys_feature hla_typing_system immune_exposure
    inclusion_exclusion intervention kir_typing_result kir_typing_system lab_test lab_test_2_protocol
    lab_test_panel lab_test_panel_2_protocol lk_adverse_event_severity lk_age_event lk_allele_status lk_analyte
    lk_ancestral_population lk_cell_population lk_cell_population_marker lk_compound_role lk_criterion_category
    lk_data_completeness lk_data_format lk_disease lk_disease_stage lk_ethnicity lk_exon_intron_interrogated
    lk_exp_measurement_tech lk_experiment_purpose lk_exposure_material lk_exposure_process
    lk_expsample_result_schema lk_feature_location lk_feature_sequence_type lk_feature_strand lk_feature_type
    lk_file_detail lk_file_purpose lk_gender lk_kir_gene lk_kir_locus lk_kir_present_absent lk_lab_test_name
    lk_lab_test_panel_name lk_locus_name lk_locus_typing_method lk_organization lk_personnel_role lk_plate_type
    lk_protocol_type lk_public_repository lk_race lk_reagent_type lk_reason_not_completed lk_research_focus
    lk_sample_type lk_source_type lk_species lk_study_file_type lk_study_panel lk_study_type lk_subject_location
    lk_t0_event lk_time_unit lk_transcript_type lk_unit_of_measure lk_user_role_type lk_virus_strain
    lk_visibility_category mbaa_result neut_ab_titer_result pcr_result period personnel planned_visit_2_arm
    program program_2_personnel protocol protocol_deviation reagent_2_fcs_marker reference_range
    reported_early_termination rna_seq_result standard_curve standard_curve_2_file_info study_2_panel
    study_2_protocol study_categorization study_data_release study_file study_glossary study_image study_link
    study_personnel study_pubmed subject_2_protocol subject_measure_definition subject_measure_result
    substance_merge workspace
"""
OTHER_TABLES = frozenset(_TABLES.split())

_COLUMNS = """
study: actual_completion_date actual_enrollment actual_start_date brief_description clinical_trial dcl_id
    description doi download_page_available endpoints final_public_release_date gender_included hypothesis
    initial_data_release_date initial_data_release_version intervention_agent latest_data_release_date objectives
    official_title planned_public_release_date sponsoring_organization target_enrollment type workspace_id
arm_or_cohort: population_selection_rule sort_order workspace_id
subject: description strain_characteristics taxonomy_id workspace_id
arm_2_subject: study_enrollment_day
planned_visit: end_rule period_accession start_rule workspace_id
biosample: actual_visit_accession biosampling_accession description name workspace_id
experiment: description graphic_summary hypothesis keywords purpose qc_measures rationale workspace_id
expsample: data_format description name result_total_recs upload_result_status workspace_id
expsample_2_biosample: experiment_accession
expsample_2_file_info: data_format experiment_accession
file_info: workspace_id
treatment: comments workspace_id
expsample_2_treatment: experiment_accession
reagent: analyte_preferred_term_id analyte_reported_description contact description lot_number type weblink
    workspace_id
reagent_set_2_reagent: workspace_id
expsample_2_reagent: experiment_accession
fcs_header: compensation_flag experiment_accession expsample_accession fcs_file_name maximum_intensity
    minimum_intensity panel_preferred panel_reported
fcs_header_marker: pnn_preferred_term_id pns_preferred_term_id
fcs_analyzed_result: experiment_accession gating_parameter_statistics other_population_statistics
    population_name_preferred_id repository_accession repository_name study_time_collected study_time_collected_unit
    workspace_file_info_id workspace_id
subject_2: biosample_description biosample_name data_format expsample_description race_specify
    reagent_accession_list reagent_detector_list reagent_name_list reagent_reporter_list reagent_user_def_id_list
"""
OTHER_COLUMNS: dict[str, frozenset[str]] = {
    table: frozenset(words.split())
    for table, _, words in (entry.partition(":") for entry in _COLUMNS.replace("\n    ", " ").strip().splitlines())
}
"""By the name that this project uses for the table."""
