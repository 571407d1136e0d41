-- The tables of the store: one row per thing, accessions of ImmPort as keys.
-- Not kept: user-defined names of samples, dates, and the text of FCS headers (only what links a file).

CREATE TABLE source (
    source_id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, release TEXT NOT NULL,
    release_rank REAL NOT NULL, sha256 TEXT NOT NULL, n_studies INTEGER NOT NULL);
CREATE TABLE study (
    study_accession TEXT PRIMARY KEY, title TEXT, condition_studied TEXT, minimum_age TEXT, maximum_age TEXT,
    age_unit TEXT, release TEXT, release_rank REAL, kind TEXT);
CREATE TABLE study_source (
    study_accession TEXT NOT NULL REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    source_id INTEGER NOT NULL REFERENCES source DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (study_accession, source_id)) WITHOUT ROWID;
CREATE TABLE arm (
    arm_accession TEXT PRIMARY KEY, study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    name TEXT, description TEXT, type TEXT,
    is_accession INTEGER NOT NULL DEFAULT 1);  -- 0: a Subject_2 table gave only the name
CREATE TABLE subject (
    subject_accession TEXT PRIMARY KEY, sex TEXT, race TEXT, ethnicity TEXT, species TEXT, strain TEXT,
    ancestral_population TEXT, release_rank REAL);
CREATE TABLE arm_subject (
    arm_accession TEXT NOT NULL REFERENCES arm DEFERRABLE INITIALLY DEFERRED,
    subject_accession TEXT NOT NULL REFERENCES subject DEFERRABLE INITIALLY DEFERRED,
    study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    age_min TEXT, age_max TEXT, age_unit TEXT, age_event TEXT, age_event_specify TEXT, phenotype TEXT,
    age_years REAL, age_is_topcoded INTEGER,
    PRIMARY KEY (arm_accession, subject_accession)) WITHOUT ROWID;
CREATE TABLE visit (
    visit_accession TEXT PRIMARY KEY, study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    name TEXT, order_number TEXT, min_start_day TEXT, max_start_day TEXT);
CREATE TABLE biosample (
    biosample_accession TEXT PRIMARY KEY,
    study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    subject_accession TEXT REFERENCES subject DEFERRABLE INITIALLY DEFERRED,
    visit_accession TEXT REFERENCES visit DEFERRABLE INITIALLY DEFERRED,
    type TEXT, subtype TEXT, time_value TEXT, time_unit TEXT, time_days REAL, t0_event TEXT, t0_event_specify TEXT);
CREATE TABLE experiment (
    experiment_accession TEXT PRIMARY KEY, study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    name TEXT, technique TEXT, technique_reported TEXT);
CREATE TABLE expsample (
    expsample_accession TEXT PRIMARY KEY,
    experiment_accession TEXT REFERENCES experiment DEFERRABLE INITIALLY DEFERRED, result_schema TEXT);
CREATE TABLE file (
    file_info_id INTEGER PRIMARY KEY,  -- negative: the source gave no id
    study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL, name_key TEXT NOT NULL, original_name TEXT, original_key TEXT,
    detail TEXT, role TEXT NOT NULL, technique TEXT, size_bytes INTEGER, release_rank REAL);
CREATE TABLE treatment (
    treatment_accession TEXT PRIMARY KEY, name TEXT, amount_value TEXT, amount_unit TEXT, duration_value TEXT,
    duration_unit TEXT, temperature_value TEXT, temperature_unit TEXT, release_rank REAL);
CREATE TABLE reagent (
    reagent_accession TEXT PRIMARY KEY, name TEXT, analyte_reported TEXT, analyte_preferred TEXT,
    analyte_accession TEXT, clone TEXT, reporter TEXT, manufacturer TEXT, catalog_number TEXT,
    antibody_registry_id TEXT, release_rank REAL);
CREATE TABLE expsample_biosample (
    expsample_accession TEXT NOT NULL REFERENCES expsample DEFERRABLE INITIALLY DEFERRED,
    biosample_accession TEXT NOT NULL REFERENCES biosample DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (expsample_accession, biosample_accession)) WITHOUT ROWID;
CREATE TABLE expsample_file (
    expsample_accession TEXT NOT NULL REFERENCES expsample DEFERRABLE INITIALLY DEFERRED,
    file_info_id INTEGER NOT NULL REFERENCES file DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (expsample_accession, file_info_id)) WITHOUT ROWID;
CREATE TABLE expsample_treatment (
    expsample_accession TEXT NOT NULL REFERENCES expsample DEFERRABLE INITIALLY DEFERRED,
    treatment_accession TEXT NOT NULL REFERENCES treatment DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (expsample_accession, treatment_accession)) WITHOUT ROWID;
CREATE TABLE biosample_treatment (
    biosample_accession TEXT NOT NULL REFERENCES biosample DEFERRABLE INITIALLY DEFERRED,
    treatment_accession TEXT NOT NULL REFERENCES treatment DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (biosample_accession, treatment_accession)) WITHOUT ROWID;
CREATE TABLE expsample_reagent (  -- sets expanded
    expsample_accession TEXT NOT NULL REFERENCES expsample DEFERRABLE INITIALLY DEFERRED,
    reagent_accession TEXT NOT NULL REFERENCES reagent DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (expsample_accession, reagent_accession)) WITHOUT ROWID;
CREATE TABLE fcs (
    file_info_id INTEGER PRIMARY KEY REFERENCES file DEFERRABLE INITIALLY DEFERRED,
    n_events INTEGER, n_parameters INTEGER, fcs_version TEXT, fil_key TEXT, guid TEXT, cytometer TEXT,
    has_spill INTEGER);
CREATE TABLE fcs_param (
    file_info_id INTEGER NOT NULL REFERENCES file DEFERRABLE INITIALLY DEFERRED, n INTEGER NOT NULL,
    pnn TEXT, pns TEXT, pnn_preferred TEXT, pns_preferred TEXT, PRIMARY KEY (file_info_id, n)) WITHOUT ROWID;
CREATE TABLE panel (  -- harmonised on loading, by immport_cyto.immport.panels
    panel_id TEXT PRIMARY KEY, technique TEXT NOT NULL, n_markers INTEGER NOT NULL, markers TEXT NOT NULL);
CREATE TABLE panel_marker (
    marker TEXT NOT NULL, panel_id TEXT NOT NULL REFERENCES panel DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (marker, panel_id)) WITHOUT ROWID;
CREATE TABLE file_panel (
    file_info_id INTEGER PRIMARY KEY REFERENCES file DEFERRABLE INITIALLY DEFERRED,
    panel_id TEXT NOT NULL REFERENCES panel DEFERRABLE INITIALLY DEFERRED,
    origin TEXT NOT NULL);  -- channels or reagents
CREATE TABLE population_result (
    result_id INTEGER PRIMARY KEY, study_accession TEXT REFERENCES study DEFERRABLE INITIALLY DEFERRED,
    expsample_accession TEXT, biosample_accession TEXT, subject_accession TEXT, arm_accession TEXT,
    name_reported TEXT, name_preferred TEXT, definition_reported TEXT, definition_preferred TEXT,
    parent_reported TEXT, parent_preferred TEXT, value_reported TEXT, value_preferred TEXT,
    unit_reported TEXT, unit_preferred TEXT, percent TEXT, comments TEXT);
CREATE INDEX arm_study ON arm (study_accession);
CREATE INDEX arm_subject_subject ON arm_subject (subject_accession, study_accession);
CREATE INDEX arm_subject_study ON arm_subject (study_accession);
CREATE INDEX visit_study ON visit (study_accession);
CREATE INDEX biosample_study ON biosample (study_accession);
CREATE INDEX biosample_subject ON biosample (subject_accession);
CREATE INDEX biosample_visit ON biosample (visit_accession);
CREATE INDEX experiment_study ON experiment (study_accession);
CREATE INDEX expsample_experiment ON expsample (experiment_accession);
CREATE INDEX expsample_biosample_biosample ON expsample_biosample (biosample_accession);
CREATE INDEX expsample_file_file ON expsample_file (file_info_id);
CREATE INDEX expsample_treatment_treatment ON expsample_treatment (treatment_accession);
CREATE INDEX biosample_treatment_treatment ON biosample_treatment (treatment_accession);
CREATE INDEX expsample_reagent_reagent ON expsample_reagent (reagent_accession);
CREATE INDEX study_source_source ON study_source (source_id);
CREATE INDEX file_study ON file (study_accession, role);
CREATE INDEX file_name_key ON file (name_key);
CREATE INDEX file_original_key ON file (original_key);
CREATE INDEX fcs_guid ON fcs (guid);
CREATE INDEX fcs_fil ON fcs (fil_key);
CREATE INDEX file_panel_panel ON file_panel (panel_id);
CREATE INDEX panel_marker_panel ON panel_marker (panel_id);
CREATE INDEX population_result_study ON population_result (study_accession);
CREATE INDEX population_result_expsample ON population_result (expsample_accession);
