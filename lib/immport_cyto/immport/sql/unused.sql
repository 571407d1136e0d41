-- Shared things that no study uses (any more).

DELETE FROM subject
WHERE NOT EXISTS (SELECT 1 FROM arm_subject a WHERE a.subject_accession = subject.subject_accession)
AND NOT EXISTS (SELECT 1 FROM biosample b WHERE b.subject_accession = subject.subject_accession);

DELETE FROM treatment
WHERE NOT EXISTS (SELECT 1 FROM expsample_treatment e WHERE e.treatment_accession = treatment.treatment_accession)
AND NOT EXISTS (SELECT 1 FROM biosample_treatment b WHERE b.treatment_accession = treatment.treatment_accession);

DELETE FROM panel_marker
WHERE NOT EXISTS (SELECT 1 FROM file_panel f WHERE f.panel_id = panel_marker.panel_id);

DELETE FROM panel
WHERE NOT EXISTS (SELECT 1 FROM file_panel f WHERE f.panel_id = panel.panel_id);

DELETE FROM source
WHERE NOT EXISTS (SELECT 1 FROM study_source s WHERE s.source_id = source.source_id);
