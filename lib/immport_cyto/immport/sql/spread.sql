-- A Subject_2 table (s_subject_2) spread over the staging tables of a Tab package. What has no accession in it (an arm,
-- a treatment, a biosample) gets a name of ours: study, colon, name. :technique is what the file name tells, or "".

INSERT INTO s_study (study_accession, brief_title)
SELECT study_accession, max(study_title) FROM s_subject_2 GROUP BY study_accession;

INSERT INTO s_arm_or_cohort (arm_accession, study_accession, name)
SELECT DISTINCT arm_key(study_accession, arm_accession, arm_name), study_accession, arm_name FROM s_subject_2;

INSERT INTO s_subject (subject_accession, sex, race, ethnicity, species, strain, ancestral_population)
SELECT subject_accession, max(sex), max(race), max(ethnicity), max(species), max(strain), ''
FROM s_subject_2 GROUP BY subject_accession;

-- the short form of the table has no unit; its ages are years
INSERT INTO s_arm_2_subject (
    arm_accession, subject_accession, min_subject_age, max_subject_age, age_unit, age_event, age_event_specify,
    subject_phenotype)
SELECT DISTINCT arm_key(study_accession, arm_accession, arm_name), subject_accession, subject_age,
    CASE WHEN max_subject_age <> '' THEN max_subject_age ELSE subject_age END,
    CASE WHEN :has_age_unit THEN age_unit ELSE 'Years' END, age_event, age_event_specify, phenotype
FROM s_subject_2;

INSERT INTO s_planned_visit (planned_visit_accession, study_accession, name)
SELECT DISTINCT planned_visit_accession, study_accession, planned_visit_name
FROM s_subject_2 WHERE planned_visit_accession <> '';

INSERT INTO s_biosample (
    biosample_accession, study_accession, subject_accession, planned_visit_accession, type, subtype,
    study_time_collected, study_time_collected_unit, study_time_t0_event, study_time_t0_event_specify)
SELECT DISTINCT biosample_key(study_accession, biosample_accession, expsample_accession), study_accession,
    subject_accession, planned_visit_accession, biosample_type,
    biosample_subtype, study_time_collected, study_time_collected_unit, study_time_t0_event,
    study_time_t0_event_specify
FROM s_subject_2 WHERE biosample_accession <> '' OR expsample_accession <> '';

INSERT INTO s_experiment (experiment_accession, study_accession, measurement_technique)
SELECT experiment_accession, study_accession, max(technique(measurement_technique, file_detail, :technique))
FROM s_subject_2 WHERE experiment_accession <> '' GROUP BY experiment_accession, study_accession;

INSERT INTO s_expsample (expsample_accession, experiment_accession, result_schema)
SELECT expsample_accession, max(experiment_accession), max(result_schema)
FROM s_subject_2 WHERE expsample_accession <> '' GROUP BY expsample_accession;

INSERT INTO s_expsample_2_biosample (expsample_accession, biosample_accession)
SELECT DISTINCT expsample_accession, biosample_key(study_accession, biosample_accession, expsample_accession)
FROM s_subject_2;

INSERT INTO s_expsample_2_file_info (expsample_accession, file_info_id)
SELECT DISTINCT expsample_accession, file_id(file_info_id, file_name, study_accession) FROM s_subject_2;

INSERT INTO s_file_info (file_info_id, name, original_file_name, detail, purpose, filesize_bytes)
SELECT DISTINCT file_id(file_info_id, file_name, study_accession), file_name, original_file_name,
    CASE WHEN file_detail <> '' THEN file_detail WHEN :technique = 'CyTOF' THEN 'CyTOF result'
        WHEN :technique <> '' THEN 'Flow cytometry result' ELSE 'FCS result' END,
    file_purpose, filesize_bytes
FROM s_subject_2;

INSERT INTO s_treatment (treatment_accession, name)
SELECT study_accession || ':' || expsample_treatment, expsample_treatment
FROM s_subject_2 WHERE expsample_treatment <> ''
UNION
SELECT study_accession || ':' || biosample_treatment, biosample_treatment
FROM s_subject_2 WHERE biosample_treatment <> '';

INSERT INTO s_expsample_2_treatment (expsample_accession, treatment_accession)
SELECT DISTINCT expsample_accession, study_accession || ':' || expsample_treatment
FROM s_subject_2 WHERE expsample_treatment <> '';

INSERT INTO s_biosample_2_treatment (biosample_accession, treatment_accession)
SELECT DISTINCT biosample_accession, study_accession || ':' || biosample_treatment
FROM s_subject_2 WHERE biosample_treatment <> '' AND biosample_accession <> '';
