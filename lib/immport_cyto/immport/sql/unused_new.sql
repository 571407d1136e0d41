-- Of a fresh load, what no study uses: a package lists the treatments of all its assays.

DELETE FROM treatment
WHERE treatment_accession IN (SELECT treatment_accession FROM s_treatment)
AND NOT EXISTS (SELECT 1 FROM expsample_treatment e WHERE e.treatment_accession = treatment.treatment_accession)
AND NOT EXISTS (SELECT 1 FROM biosample_treatment b WHERE b.treatment_accession = treatment.treatment_accession);
