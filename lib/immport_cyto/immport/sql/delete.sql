-- All rows of one study (:study), children first.

DELETE FROM file_panel WHERE file_info_id IN (SELECT file_info_id FROM file WHERE study_accession = :study);
DELETE FROM fcs_param WHERE file_info_id IN (SELECT file_info_id FROM file WHERE study_accession = :study);
DELETE FROM fcs WHERE file_info_id IN (SELECT file_info_id FROM file WHERE study_accession = :study);

CREATE TEMP TABLE gone AS
SELECT expsample_accession FROM expsample JOIN experiment USING (experiment_accession) WHERE study_accession = :study;

DELETE FROM expsample_biosample WHERE expsample_accession IN (SELECT expsample_accession FROM gone);
DELETE FROM expsample_file WHERE expsample_accession IN (SELECT expsample_accession FROM gone);
DELETE FROM expsample_treatment WHERE expsample_accession IN (SELECT expsample_accession FROM gone);
DELETE FROM expsample_reagent WHERE expsample_accession IN (SELECT expsample_accession FROM gone);
DELETE FROM expsample WHERE expsample_accession IN (SELECT expsample_accession FROM gone);
DROP TABLE gone;

DELETE FROM biosample_treatment WHERE biosample_accession IN
    (SELECT biosample_accession FROM biosample WHERE study_accession = :study);
DELETE FROM experiment WHERE study_accession = :study;
DELETE FROM biosample WHERE study_accession = :study;
DELETE FROM arm_subject WHERE study_accession = :study;
DELETE FROM arm WHERE study_accession = :study;
DELETE FROM visit WHERE study_accession = :study;
DELETE FROM file WHERE study_accession = :study;
DELETE FROM population_result WHERE study_accession = :study;
DELETE FROM study_source WHERE study_accession = :study;
