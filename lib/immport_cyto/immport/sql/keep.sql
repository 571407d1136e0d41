-- What of the staged package belongs to the chosen studies.

CREATE TEMP TABLE keep_experiment AS
SELECT DISTINCT experiment_accession, study_accession FROM s_experiment
WHERE study_accession IN (SELECT study_accession FROM chosen);

CREATE TEMP TABLE keep_expsample (expsample_accession TEXT PRIMARY KEY, study_accession TEXT) WITHOUT ROWID;

INSERT OR IGNORE INTO keep_expsample
SELECT e.expsample_accession, k.study_accession
FROM s_expsample e JOIN keep_experiment k USING (experiment_accession);

-- an expsample whose experiment is not listed stays, when all studies of the package are loaded
INSERT OR IGNORE INTO keep_expsample
SELECT e.expsample_accession, NULL FROM s_expsample e
WHERE NOT EXISTS (SELECT 1 FROM s_experiment x WHERE x.experiment_accession = e.experiment_accession)
AND NOT EXISTS (SELECT 1 FROM s_study WHERE study_accession NOT IN (SELECT study_accession FROM chosen));

CREATE TEMP TABLE keep_file (file_info_id INTEGER PRIMARY KEY, study_accession TEXT);

INSERT OR IGNORE INTO keep_file
SELECT CAST(l.file_info_id AS INTEGER), min(k.study_accession)
FROM s_expsample_2_file_info l JOIN keep_expsample k USING (expsample_accession) GROUP BY 1;

-- files without any expsample: of the package's study, if it has one only
INSERT OR IGNORE INTO keep_file
SELECT CAST(f.file_info_id AS INTEGER), (SELECT CASE WHEN count(*) = 1 THEN min(study_accession) END FROM s_study)
FROM s_file_info f
WHERE f.file_info_id <> ''
AND NOT EXISTS (SELECT 1 FROM s_study WHERE study_accession NOT IN (SELECT study_accession FROM chosen));
