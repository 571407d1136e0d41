-- Samples of population results: temp.asked has one row per file_name (the key of the results) x biosample that it
-- names; the arm is one of the study of the results. Columns as in samples.sql, for the same reading.
SELECT a.file_name, a.study_accession AS file_study, '' AS file_technique, a.file_name AS sample_id,
    x.experiment_accession, a.study_accession AS experiment_study, x.technique AS experiment_technique,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    b.study_accession AS biosample_study, s.subject_accession, v.visit_accession,
    v.name AS visit_name, b.time_days AS study_time_days, b.time_value AS study_time_collected,
    b.time_unit AS study_time_collected_unit, t0_name(b.t0_event, b.t0_event_specify) AS study_time_t0_event,
    NULL AS panel_id, b.type AS biosample_type, s.sex, s.race, s.ethnicity,
    s.species, m.arm_accession, r.name AS arm_name, r.is_accession, m.age_years, m.age_is_topcoded
FROM temp.asked a
LEFT JOIN expsample e ON e.expsample_accession = a.file_name
LEFT JOIN experiment x ON x.experiment_accession = e.experiment_accession
LEFT JOIN biosample b ON b.biosample_accession = a.biosample_accession
LEFT JOIN visit v ON v.visit_accession = b.visit_accession
LEFT JOIN subject s ON s.subject_accession = coalesce(b.subject_accession, nullif(a.subject_accession, ''))
LEFT JOIN arm_subject m ON m.subject_accession = s.subject_accession AND m.study_accession = a.study_accession
LEFT JOIN arm r ON r.arm_accession = m.arm_accession
ORDER BY a.file_name, b.biosample_accession, m.arm_accession;

-- treatments of the expsamples and of their biosamples
SELECT file_name, name FROM (
    SELECT a.file_name, t.name FROM temp.asked a
    CROSS JOIN expsample_treatment et ON et.expsample_accession = a.file_name
    CROSS JOIN treatment t USING (treatment_accession)
    UNION
    SELECT a.file_name, t.name FROM temp.asked a CROSS JOIN biosample_treatment bt USING (biosample_accession)
    CROSS JOIN treatment t USING (treatment_accession))
WHERE name <> '' ORDER BY file_name, name;

-- FCS result files of the expsamples
SELECT DISTINCT a.file_name, f.name FROM temp.asked a
CROSS JOIN expsample_file ef ON ef.expsample_accession = a.file_name CROSS JOIN file f USING (file_info_id)
WHERE f.role = 'sample' ORDER BY a.file_name, f.name;

-- the results of the studies asked for, in the order of upload
SELECT p.study_accession, coalesce(nullif(p.expsample_accession, ''), p.biosample_accession) AS file_name,
    p.result_id, p.name_reported, p.name_preferred, p.definition_reported, p.definition_preferred, p.parent_reported,
    p.parent_preferred, p.value_reported, p.value_preferred, p.unit_reported, p.unit_preferred, p.percent, p.comments
FROM temp.asked_study q CROSS JOIN population_result p ON p.study_accession = q.study_accession
ORDER BY p.study_accession, p.result_id;
