-- SDTM-named domains of the studies in the JSON list :studies; columns as in domains.py, in order of accessions.

-- DM: subjects of a study, with all their arms there; the ages of the arms are compared in domains.py
SELECT m.study_accession, m.subject_accession, m.age_years, m.age_is_topcoded, m.age_event, m.age_event_specify,
    m.phenotype, s.sex, s.race, s.ethnicity, s.species, s.strain, m.arm_accession, a.name AS arm_name, a.is_accession
FROM json_each(:studies) q CROSS JOIN arm_subject m ON m.study_accession = q.value
LEFT JOIN subject s USING (subject_accession) LEFT JOIN arm a USING (arm_accession)
UNION ALL
SELECT DISTINCT b.study_accession, b.subject_accession, NULL, NULL, NULL, NULL, NULL, s.sex, s.race, s.ethnicity,
    s.species, s.strain, NULL, NULL, NULL
FROM json_each(:studies) q CROSS JOIN biosample b ON b.study_accession = q.value
LEFT JOIN subject s USING (subject_accession)
WHERE b.subject_accession IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM arm_subject m
    WHERE m.subject_accession = b.subject_accession AND m.study_accession = b.study_accession);

-- TA: arms
SELECT a.study_accession, a.arm_accession, a.name, a.description, a.type, a.is_accession,
    (SELECT count(*) FROM arm_subject m WHERE m.arm_accession = a.arm_accession) AS n_subjects
FROM json_each(:studies) q CROSS JOIN arm a ON a.study_accession = q.value;

-- TV: planned visits
SELECT v.study_accession, v.visit_accession, v.name, v.order_number, v.min_start_day, v.max_start_day
FROM json_each(:studies) q CROSS JOIN visit v ON v.study_accession = q.value;

-- SV: visits at which a subject gave a sample
SELECT b.study_accession, b.subject_accession, v.visit_accession, v.name, v.order_number, v.min_start_day,
    min(b.time_days) AS first_day, max(b.time_days) AS last_day, count(*) AS n_biosamples
FROM json_each(:studies) q CROSS JOIN biosample b ON b.study_accession = q.value
JOIN visit v USING (visit_accession)
WHERE b.subject_accession IS NOT NULL
GROUP BY b.study_accession, b.subject_accession, v.visit_accession;

-- BE: biosamples
SELECT b.study_accession, b.subject_accession,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    b.type, b.subtype, v.visit_accession,
    v.name AS visit_name, v.order_number, b.time_value, b.time_unit, b.time_days,
    t0_name(b.t0_event, b.t0_event_specify) AS t0
FROM json_each(:studies) q CROSS JOIN biosample b ON b.study_accession = q.value
LEFT JOIN visit v USING (visit_accession);

-- ZT: treatments of biosamples and of expsamples
SELECT b.study_accession, b.subject_accession,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    NULL AS expsample_accession, t.*
FROM json_each(:studies) q CROSS JOIN biosample b ON b.study_accession = q.value
JOIN biosample_treatment bt USING (biosample_accession) JOIN treatment t USING (treatment_accession)
UNION ALL
SELECT x.study_accession, b.subject_accession,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    e.expsample_accession, t.*
FROM json_each(:studies) q CROSS JOIN experiment x ON x.study_accession = q.value
JOIN expsample e USING (experiment_accession) JOIN expsample_treatment et USING (expsample_accession)
JOIN treatment t USING (treatment_accession)
LEFT JOIN expsample_biosample eb ON eb.expsample_accession = e.expsample_accession
LEFT JOIN biosample b ON b.biosample_accession = eb.biosample_accession;

-- order of the visits, for the cellular findings
SELECT v.visit_accession, v.order_number FROM json_each(:studies) q CROSS JOIN visit v ON v.study_accession = q.value;
