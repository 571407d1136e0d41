-- One row per file of temp.linked x expsample x biosample x arm; the arm is one of the biosample's study.
-- CROSS JOIN keeps SQLite from beginning with another table than the first, which may be a thousand times larger.
SELECT f.file_info_id, f.study_accession AS file_study, f.technique AS file_technique,
    e.expsample_accession AS sample_id, x.experiment_accession, x.study_accession AS experiment_study,
    x.technique AS experiment_technique,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    b.study_accession AS biosample_study,
    b.subject_accession, v.visit_accession, v.name AS visit_name, b.time_days AS study_time_days,
    b.time_value AS study_time_collected, b.time_unit AS study_time_collected_unit,
    t0_name(b.t0_event, b.t0_event_specify) AS study_time_t0_event, k.panel_id,
    b.type AS biosample_type, s.sex, s.race, s.ethnicity, s.species,
    a.arm_accession, a.name AS arm_name, a.is_accession, m.age_years, m.age_is_topcoded
FROM temp.linked l
CROSS JOIN file f ON f.file_info_id = l.file_info_id
CROSS JOIN expsample_file ef ON ef.file_info_id = f.file_info_id
CROSS JOIN expsample e ON e.expsample_accession = ef.expsample_accession
LEFT JOIN experiment x ON x.experiment_accession = e.experiment_accession
LEFT JOIN expsample_biosample eb ON eb.expsample_accession = e.expsample_accession
LEFT JOIN biosample b ON b.biosample_accession = eb.biosample_accession
LEFT JOIN subject s ON s.subject_accession = b.subject_accession
LEFT JOIN visit v ON v.visit_accession = b.visit_accession
LEFT JOIN file_panel k ON k.file_info_id = f.file_info_id
LEFT JOIN arm_subject m ON m.subject_accession = b.subject_accession AND m.study_accession = b.study_accession
LEFT JOIN arm a ON a.arm_accession = m.arm_accession
ORDER BY f.file_info_id;

-- treatments of the expsamples and of the biosamples of each file
SELECT file_info_id, name FROM (
    SELECT l.file_info_id, t.name FROM temp.linked l CROSS JOIN expsample_file ef USING (file_info_id)
    CROSS JOIN expsample_treatment et USING (expsample_accession) CROSS JOIN treatment t USING (treatment_accession)
    UNION
    SELECT l.file_info_id, t.name FROM temp.linked l CROSS JOIN expsample_file ef USING (file_info_id)
    CROSS JOIN expsample_biosample eb USING (expsample_accession)
    CROSS JOIN biosample_treatment bt USING (biosample_accession)
    CROSS JOIN treatment t USING (treatment_accession))
WHERE name <> '' ORDER BY file_info_id, name;

-- compensation and control files of the expsamples of each file
SELECT DISTINCT l.file_info_id, g.name FROM temp.linked l CROSS JOIN expsample_file ef USING (file_info_id)
CROSS JOIN expsample_file eg ON eg.expsample_accession = ef.expsample_accession
CROSS JOIN file g ON g.file_info_id = eg.file_info_id
WHERE g.role = 'control' ORDER BY l.file_info_id, g.name;
