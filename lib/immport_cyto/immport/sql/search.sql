-- What a search found, one row per result file x expsample x biosample x arm: temp.hit. The conditions are added by
-- searching.py; values are always parameters.
SELECT f.file_info_id, e.expsample_accession, x.experiment_accession,
    iif(instr(b.biosample_accession, ':'), NULL, b.biosample_accession) AS biosample_accession,
    s.subject_accession,
    coalesce(x.study_accession, b.study_accession, f.study_accession) AS study_accession, k.panel_id,
    coalesce(nullif(f.technique, ''), x.technique) AS technique, b.type AS biosample_type, b.time_days,
    v.visit_accession, v.name AS visit_name, m.arm_accession, a.name AS arm_name, m.age_years, s.sex, s.species,
    t.condition_studied
FROM file f
LEFT JOIN file_panel k ON k.file_info_id = f.file_info_id
LEFT JOIN expsample_file ef ON ef.file_info_id = f.file_info_id
LEFT JOIN expsample e ON e.expsample_accession = ef.expsample_accession
LEFT JOIN experiment x ON x.experiment_accession = e.experiment_accession
LEFT JOIN expsample_biosample eb ON eb.expsample_accession = e.expsample_accession
LEFT JOIN biosample b ON b.biosample_accession = eb.biosample_accession
LEFT JOIN subject s ON s.subject_accession = b.subject_accession
LEFT JOIN visit v ON v.visit_accession = b.visit_accession
LEFT JOIN arm_subject m ON m.subject_accession = b.subject_accession AND m.study_accession = b.study_accession
LEFT JOIN arm a ON a.arm_accession = m.arm_accession
LEFT JOIN study t ON t.study_accession = coalesce(x.study_accession, b.study_accession, f.study_accession)
WHERE f.role = 'sample';

-- studies; listed() joins the different values by ';'
SELECT h.study_accession, t.title, t.condition_studied, t.release,
    listed(nullif(h.species, '')) AS species, listed(nullif(h.technique, '')) AS technique,
    listed(nullif(h.biosample_type, '')) AS biosample_types,
    count(DISTINCT h.subject_accession) AS n_subjects, count(DISTINCT h.biosample_accession) AS n_biosamples,
    count(DISTINCT h.expsample_accession) AS n_expsamples, count(DISTINCT h.file_info_id) AS n_files,
    count(DISTINCT h.panel_id) AS n_panels, min(h.age_years) AS age_min, max(h.age_years) AS age_max,
    listed(h.panel_id) AS panel_ids
FROM temp.hit h LEFT JOIN study t USING (study_accession)
GROUP BY h.study_accession;

-- samples
SELECT h.study_accession, h.expsample_accession, min(h.experiment_accession) AS experiment_accession,
    listed(h.biosample_accession) AS biosample_accession,
    listed(h.subject_accession) AS subject_accession,
    listed(nullif(h.arm_name, '')) AS arm_name, listed(nullif(h.visit_name, '')) AS visit_name,
    min(h.time_days) AS study_time_days, min(h.age_years) AS age_years, listed(nullif(h.sex, '')) AS sex,
    listed(nullif(h.biosample_type, '')) AS biosample_type,
    listed(nullif(h.technique, '')) AS technique, count(DISTINCT h.file_info_id) AS n_files,
    listed(h.panel_id) AS panel_ids
FROM temp.hit h
WHERE h.expsample_accession IS NOT NULL
GROUP BY h.study_accession, h.expsample_accession;

-- panels
SELECT h.study_accession, h.panel_id, p.technique, count(DISTINCT h.file_info_id) AS n_files, p.n_markers, p.markers
FROM temp.hit h JOIN panel p USING (panel_id)
GROUP BY h.study_accession, h.panel_id;
