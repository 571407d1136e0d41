-- From the staged rows (s_..., text) to the tables of the store, for the chosen studies. :rank is the release's number.
-- A thing that several studies share (subject, file, treatment, reagent) is overwritten only by the same or a newer
-- release.

INSERT INTO arm
SELECT arm_accession, study_accession, name, description, type, instr(arm_accession, ':') = 0
FROM s_arm_or_cohort
WHERE study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO NOTHING;

INSERT INTO subject
SELECT s.subject_accession, word(s.sex), word(s.race), word(s.ethnicity), s.species, s.strain,
    s.ancestral_population, :rank
FROM s_subject s
WHERE s.subject_accession <> '' AND (
    EXISTS (
        SELECT 1 FROM s_biosample b WHERE b.subject_accession = s.subject_accession
        AND b.study_accession IN (SELECT study_accession FROM chosen))
    OR EXISTS (
        SELECT 1 FROM s_arm_2_subject m JOIN s_arm_or_cohort a USING (arm_accession)
        WHERE m.subject_accession = s.subject_accession
        AND a.study_accession IN (SELECT study_accession FROM chosen)))
ON CONFLICT DO UPDATE SET
    sex = coalesce(nullif(excluded.sex, ''), sex), race = coalesce(nullif(excluded.race, ''), race),
    ethnicity = coalesce(nullif(excluded.ethnicity, ''), ethnicity),
    species = coalesce(nullif(excluded.species, ''), species),
    strain = coalesce(nullif(excluded.strain, ''), strain),
    ancestral_population = coalesce(nullif(excluded.ancestral_population, ''), ancestral_population),
    release_rank = excluded.release_rank
WHERE excluded.release_rank >= coalesce(subject.release_rank, -9);

-- an age may be in the table of subjects only (up to DR16)
INSERT INTO arm_subject
SELECT arm_accession, subject_accession, study_accession, lo, hi, unit, event, event_specify, phenotype,
    age_between(lo, hi, unit), topcoded(age_between(lo, hi, unit))
FROM (
    SELECT m.arm_accession, m.subject_accession, a.study_accession,
        CASE WHEN m.min_subject_age <> '' THEN m.min_subject_age ELSE coalesce(s.age_reported, '') END AS lo,
        CASE WHEN m.max_subject_age <> '' THEN m.max_subject_age WHEN m.min_subject_age <> '' THEN m.min_subject_age
            ELSE coalesce(s.age_reported, '') END AS hi,
        CASE WHEN m.min_subject_age <> '' OR m.max_subject_age <> '' THEN m.age_unit
            ELSE coalesce(s.age_unit, '') END AS unit,
        word(CASE WHEN m.age_event <> '' THEN m.age_event ELSE coalesce(s.age_event, '') END) AS event,
        CASE WHEN m.age_event_specify <> '' THEN m.age_event_specify
            ELSE coalesce(s.age_event_specify, '') END AS event_specify,
        m.subject_phenotype AS phenotype
    FROM s_arm_2_subject m
    JOIN s_arm_or_cohort a USING (arm_accession)
    LEFT JOIN s_subject s USING (subject_accession)
    WHERE m.subject_accession <> '' AND a.study_accession IN (SELECT study_accession FROM chosen))
WHERE true
ON CONFLICT DO NOTHING;

INSERT INTO visit
SELECT planned_visit_accession, study_accession, name, order_number, min_start_day, max_start_day
FROM s_planned_visit
WHERE study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO NOTHING;

-- a second table of the same release fills what the first left open
INSERT INTO biosample
SELECT biosample_accession, study_accession, nullif(subject_accession, ''), nullif(planned_visit_accession, ''),
    type, subtype, study_time_collected, study_time_collected_unit,
    study_days(study_time_collected, study_time_collected_unit), study_time_t0_event, study_time_t0_event_specify
FROM s_biosample
WHERE study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO UPDATE SET
    subject_accession = coalesce(subject_accession, excluded.subject_accession),
    visit_accession = coalesce(visit_accession, excluded.visit_accession),
    type = coalesce(nullif(type, ''), excluded.type), subtype = coalesce(nullif(subtype, ''), excluded.subtype),
    time_value = coalesce(nullif(time_value, ''), excluded.time_value),
    time_unit = coalesce(nullif(time_unit, ''), excluded.time_unit),
    time_days = coalesce(time_days, excluded.time_days),
    t0_event = coalesce(nullif(t0_event, ''), excluded.t0_event),
    t0_event_specify = coalesce(nullif(t0_event_specify, ''), excluded.t0_event_specify);

INSERT INTO experiment
SELECT experiment_accession, study_accession, name, technique(measurement_technique), measurement_technique
FROM s_experiment
WHERE study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO UPDATE SET technique = coalesce(nullif(technique, ''), excluded.technique);

INSERT INTO expsample
SELECT expsample_accession, nullif(experiment_accession, ''), result_schema
FROM s_expsample
WHERE expsample_accession IN (SELECT expsample_accession FROM keep_expsample)
ON CONFLICT DO NOTHING;

INSERT INTO file
SELECT k.file_info_id, k.study_accession, n, name_key(n), o, name_key(o), detail, file_role(detail, purpose, n),
    technique(detail, purpose), size, :rank
FROM (
    SELECT CAST(file_info_id AS INTEGER) AS i, stored_name(name, file_info_id) AS n,
        original_name(name, original_file_name, file_info_id) AS o, detail, purpose,
        CAST(nullif(filesize_bytes, '') AS INTEGER) AS size
    FROM s_file_info WHERE name <> '')
JOIN keep_file k ON k.file_info_id = i
WHERE true
ON CONFLICT DO UPDATE SET
    study_accession = excluded.study_accession, name = excluded.name, name_key = excluded.name_key,
    original_name = excluded.original_name, original_key = excluded.original_key, detail = excluded.detail,
    role = excluded.role, technique = excluded.technique, size_bytes = coalesce(excluded.size_bytes, size_bytes),
    release_rank = excluded.release_rank
WHERE excluded.release_rank >= coalesce(file.release_rank, -9);

INSERT INTO treatment
SELECT treatment_accession, name, word(amount_value), word(amount_unit), word(duration_value), word(duration_unit),
    word(temperature_value), word(temperature_unit), :rank
FROM s_treatment WHERE treatment_accession <> ''
ON CONFLICT DO UPDATE SET
    name = excluded.name, amount_value = excluded.amount_value, amount_unit = excluded.amount_unit,
    duration_value = excluded.duration_value, duration_unit = excluded.duration_unit,
    temperature_value = excluded.temperature_value, temperature_unit = excluded.temperature_unit,
    release_rank = excluded.release_rank
WHERE excluded.release_rank >= coalesce(treatment.release_rank, -9);

INSERT INTO reagent
SELECT reagent_accession, name, analyte_reported, analyte_preferred, analyte_accession, clone_name, reporter_name,
    manufacturer, catalog_number, antibody_registry_id, :rank
FROM s_reagent WHERE reagent_accession <> ''
ON CONFLICT DO UPDATE SET
    name = excluded.name, analyte_reported = excluded.analyte_reported,
    analyte_preferred = excluded.analyte_preferred, analyte_accession = excluded.analyte_accession,
    clone = excluded.clone, reporter = excluded.reporter, manufacturer = excluded.manufacturer,
    catalog_number = excluded.catalog_number, antibody_registry_id = excluded.antibody_registry_id,
    release_rank = excluded.release_rank
WHERE excluded.release_rank >= coalesce(reagent.release_rank, -9);

INSERT INTO expsample_biosample
SELECT expsample_accession, biosample_accession FROM s_expsample_2_biosample
WHERE biosample_accession <> '' AND expsample_accession IN (SELECT expsample_accession FROM keep_expsample)
ON CONFLICT DO NOTHING;

INSERT INTO expsample_file
SELECT expsample_accession, CAST(file_info_id AS INTEGER) FROM s_expsample_2_file_info
WHERE file_info_id <> '' AND expsample_accession IN (SELECT expsample_accession FROM keep_expsample)
ON CONFLICT DO NOTHING;

INSERT INTO expsample_treatment
SELECT expsample_accession, treatment_accession FROM s_expsample_2_treatment
WHERE treatment_accession <> '' AND expsample_accession IN (SELECT expsample_accession FROM keep_expsample)
ON CONFLICT DO NOTHING;

INSERT INTO biosample_treatment
SELECT t.biosample_accession, t.treatment_accession
FROM s_biosample_2_treatment t JOIN s_biosample b USING (biosample_accession)
WHERE t.treatment_accession <> '' AND b.study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO NOTHING;

-- a set is a reagent too; it is replaced by its members
INSERT INTO expsample_reagent
SELECT x.expsample_accession, coalesce(m.reagent_accession, x.reagent_accession)
FROM s_expsample_2_reagent x LEFT JOIN s_reagent_set_2_reagent m ON m.reagent_set_accession = x.reagent_accession
WHERE x.reagent_accession <> '' AND x.expsample_accession IN (SELECT expsample_accession FROM keep_expsample)
ON CONFLICT DO NOTHING;

-- one header per file: ImmPort repeats it per expsample
INSERT INTO fcs
SELECT CAST(h.file_info_id AS INTEGER), CAST(nullif(h.number_of_events, '') AS INTEGER),
    CAST(nullif(h.number_of_markers, '') AS INTEGER), h.fcs_version, name_key(keyword(h.fcs_header_text, '$FIL')),
    keyword(h.fcs_header_text, 'GUID'), keyword(h.fcs_header_text, '$CYT'), has_spill(h.fcs_header_text)
FROM s_fcs_header h
JOIN (SELECT min(CAST(fcs_header_id AS INTEGER)) AS i FROM s_fcs_header GROUP BY file_info_id)
    ON i = CAST(h.fcs_header_id AS INTEGER)
JOIN keep_file k ON k.file_info_id = CAST(h.file_info_id AS INTEGER)
WHERE true
ON CONFLICT DO NOTHING;

INSERT INTO fcs_param
SELECT CAST(h.file_info_id AS INTEGER), CAST(m.parameter_number AS INTEGER), m.pnn_reported, m.pns_reported,
    m.pnn_preferred, m.pns_preferred
FROM s_fcs_header_marker m
JOIN s_fcs_header h ON h.fcs_header_id = m.fcs_header_id
JOIN keep_file k ON k.file_info_id = CAST(h.file_info_id AS INTEGER)
WHERE m.parameter_number <> ''
ON CONFLICT DO NOTHING;

INSERT INTO population_result
SELECT CAST(result_id AS INTEGER), study_accession, expsample_accession, biosample_accession, subject_accession,
    arm_accession, population_name_reported, population_name_preferred, population_defnition_reported,
    population_defnition_preferred, parent_population_reported, parent_population_preferred,
    population_statistic_reported, population_statistic_preferred, population_stat_unit_reported,
    population_stat_unit_preferred, population_percent, comments
FROM s_fcs_analyzed_result
WHERE result_id <> '' AND study_accession IN (SELECT study_accession FROM chosen)
ON CONFLICT DO NOTHING;
