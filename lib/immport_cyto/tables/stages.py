"""The contracts between the stages, column by column."""

from immport_cyto.tables import clustering, over_studies
from immport_cyto.tables.contract import Column, Table


def _text(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "text", description, required)


def _int(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "int", description, required)


def _float(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "float", description, required)


_FILE = _text("file_name", "name of the FCS result file; unique over all studies of a run")
_STUDY = _text("study_accession", "ImmPort study, SDYn")
_PANEL_ID = _text("panel_id", "technique, number of markers and a hash of the marker names: flow-10m-3fa9c1")
_POPULATION = _text("population", "name of the population")
_DEFINITION = _text("definition", "its gates, such as CD3+ CD4+ CCR7+ CD45RA+")

SAMPLES = Table(
    "samples.tsv",
    "one row per FCS result file: the sample, the subject and the study it belongs to",
    (
        _FILE,
        _text("sample_id", "expsample accession, ESn"),
        _STUDY,
        _text("experiment_accession", "EXPn", False),
        _text("biosample_accession", "BSn", False),
        _text("subject_accession", "SUBn"),
        _text("arm_accession", "ARMn", False),
        _text("arm_name", "arm or cohort", False),
        _text("visit_accession", "planned visit, PVn", False),
        _text("visit_name", "planned visit", False),
        _float("study_time_days", "time of collection in days after the study's time zero", False),
        _text("study_time_collected", "the same as reported", False),
        _text("study_time_collected_unit", "its unit as reported: Days, Hours, ...", False),
        _text("study_time_t0_event", "the study's time zero, such as Time of enrollment", False),
        _float("age_years", "age in years at the event that the study names", False),
        Column("age_is_topcoded", "bool", "true where 90 stands for 90 and more", False),
        _text("sex", "as ImmPort gives it: Female, Male, ...", False),
        _text("race", "as ImmPort gives it", False),
        _text("ethnicity", "as ImmPort gives it", False),
        _text("species", "such as Homo sapiens", False),
        _text("biosample_type", "such as PBMC, Whole blood", False),
        _text("technique", "Flow cytometry or CyTOF", False),
        _text("treatment", "treatments of the sample, joined by ';'", False),
        _text("control_files", "compensation and control files of the sample, joined by ';'", False),
        _text("panel_id", "panel of the file, from the metadata until the file itself is read", False),
        _text("batch", "batch label, where known", False),
        _text("link_rule", "how the file was linked: file_info_id, stored_name, original_name_size, keyword", False),
    ),
    ("file_name",),
)

PANEL = Table(
    "panel.tsv",
    "one row per file and channel: what the channel measures, under the harmonised name",
    (
        _FILE,
        _PANEL_ID,
        _int("channel_number", "n of $PnN, from 1"),
        _text("fcs_colname", "$PnN as in the file"),
        _text("description", "$PnS as in the file", False),
        _text("antigen", "harmonised marker name; empty for channels that measure none"),
        _text("reporter", "fluorochrome or metal isotope (142Nd)", False),
        _text("marker_class", "type, state or none"),
        _text(
            "role",
            "marker, dump, viability, dna, bead, barcode, isotype, tetramer, proliferation, scatter, time, event, "
            "detector, empty, derived, unknown",
        ),
        _text("rule", "the rule that decided", False),
        _float("confidence", "0 to 1", False),
        _text("analyte_accession", "ImmPort analyte, ANAn, where known", False),
    ),
    ("file_name", "channel_number"),
)

PANELS = Table(
    "panels.tsv",
    "one row per panel and study",
    (
        _STUDY,
        _PANEL_ID,
        _text("technique", "Flow cytometry or CyTOF"),
        _int("n_files", "files with this panel"),
        _int("n_markers", "markers in the panel"),
        _text("markers", "harmonised names in alphabetical order, joined by ';'"),
    ),
    ("study_accession", "panel_id"),
)

QC = Table(
    "qc.tsv",
    "one row per file: where its events went; n_events_in is the sum of all other counts",
    (
        _FILE,
        _int("n_events_in", "events in the file"),
        _int("n_nonfinite", "dropped: NaN or infinite value"),
        _int("n_margin", "dropped: at the upper limit of a detector"),
        _int("n_time", "dropped: unstable flow rate or signal"),
        _int("n_debris", "dropped: debris by scatter, or no DNA"),
        _int("n_doublet", "dropped: doublets; in mass cytometry also fused ion clouds"),
        _int("n_bead", "dropped: calibration beads"),
        _int("n_dead", "dropped: viability dye"),
        _int("n_unsampled", "left out by the limit of events per file"),
        _int("n_events_out", "events kept"),
        _text("compensation", "file:<keyword>, table:<name>, none, or already compensated"),
        _text("transform", "transform of the marker channels"),
        _text("warnings", "oddities and guesses, joined by '; '", False),
    ),
    ("file_name",),
)

TRANSFORMS = Table(
    "transforms.tsv",
    "one row per panel and channel that is put on a scale: the scale that all files of the panel share",
    (
        _PANEL_ID,
        _text("fcs_colname", "$PnN"),
        _text("antigen", "harmonised marker name, or $PnS", False),
        _text("transform", "such as logicle:T=262144,W=0.5,M=4.5,A=0"),
        _int("n_files", "files with this channel", False),
        _int("n_files_negative", "of these, files with enough negative values to estimate the width", False),
    ),
    ("panel_id", "fcs_colname"),
)

CHANNEL_DENSITIES = Table(
    "channel_densities.tsv",
    "one row per file and transformed channel: histograms before and after preprocessing, of a sample of the events",
    (
        _FILE,
        _PANEL_ID,
        _int("channel_number", "n of $PnN, from 1"),
        _text("fcs_colname", "$PnN"),
        _text("antigen", "harmonised marker name, or $PnS", False),
        _text("transform", "such as arcsinh:cofactor=150; the histograms are on this scale"),
        _float("step", "width of a bin, the same for all files of a transform; bin k is centred at k * step"),
        _int("first", "number k of the first bin"),
        _text("before", "events per bin as acquired, joined by ';'"),
        _text("compensated", "the same events after compensation; empty where nothing was compensated", False),
        _text("after", "events of these that passed quality control, after compensation"),
    ),
    ("file_name", "channel_number"),
)

CLUSTERS = Table(
    "clusters.tsv",
    "one row per metacluster of a FlowSOM model or population of a FLOCK model; of FLOCK a column channel says so",
    (
        _STUDY,
        _PANEL_ID,
        _int("metacluster", "number from 1"),
        _int("n_nodes", "nodes of the SOM in it; of FLOCK clusters of k-means and halves of them"),
        _int("n_events", "events of the training files in it"),
        _float("fraction", "n_events over all events of the model"),
        _text(
            "phenotype",
            "signs of the markers with a cut-off, such as CD3+ CD4+ CD8-; of FLOCK the profile without lo",
            False,
        ),
        _text("population", "name given to the phenotype", False),
        _text("definition", "the definition that gave the name", False),
        _text("cl_id", "Cell Ontology class, CL:nnnnnnn", False),
    ),
    ("study_accession", "panel_id", "metacluster"),
)

MEMBERS = Table(
    "members.tsv",
    "one row per event and cluster of MetaCyto's flowHC, whose clusters of different levels are nested",
    (
        _STUDY,
        _PANEL_ID,
        _int("cluster", "number of the cluster, from 1"),
        _FILE,
        _int("event", "number of the event in the preprocessed file, from 1"),
    ),
    ("study_accession", "panel_id", "cluster", "file_name", "event"),
)

CLUSTER_MEDIANS = Table(
    "cluster_medians.tsv",
    "median of each marker in each metacluster, on the transformed scale",
    (
        _STUDY,
        _PANEL_ID,
        _int("metacluster", "number from 1"),
        _text("marker", "harmonised marker name"),
        _float("median", "on the transformed scale"),
    ),
    ("study_accession", "panel_id", "metacluster", "marker"),
)

CUTOFFS = Table(
    "cutoffs.tsv",
    "one row per marker, panel and study: the value above which an event is positive",
    (
        _STUDY,
        _PANEL_ID,
        _text("marker", "harmonised marker name"),
        _float("cutoff", "on the transformed scale; empty where no cut is justified", False),
        _text("method", "how it was found"),
        _float("evidence", "strength of the evidence for two groups, 0 to 1", False),
        _float("positive_fraction", "events above the cut-off", False),
        _int("n_events", "events used"),
        _text("note", "why there is no cut, or a warning", False),
    ),
    ("study_accession", "panel_id", "marker"),
)

DENSITIES = Table(
    "densities.tsv",
    "density of each marker of a study and panel, to be shown with its cut-off",
    (
        _STUDY,
        _PANEL_ID,
        _text("marker", "harmonised marker name"),
        _float("value", "on the transformed scale"),
        _float("density", "events per unit of the value, as a share of all events"),
    ),
    ("study_accession", "panel_id", "marker", "value"),
)

DEFINITIONS = Table(
    "definitions.tsv",
    "populations to search for",
    (
        _POPULATION,
        _DEFINITION,
        _text("parent", "definition of the parent population; empty for all events", False),
        _text("cl_id", "Cell Ontology class", False),
    ),
    ("population",),
)

COUNTS = Table(
    "counts.tsv",
    "events of each population in each file",
    (
        _FILE,
        _PANEL_ID,
        _text("method", "search, flowsom, flock or metacyto"),
        _POPULATION,
        _text("definition", "its gates; empty for a cluster without a name", False),
        _text("cl_id", "Cell Ontology class", False),
        _text("parent", "definition of the parent; empty for all events", False),
        _int("n_events", "events in the population"),
        _int("n_parent", "events in the parent"),
    ),
    ("file_name", "method", "population"),
)

MEDIANS = Table(
    "medians.tsv",
    "median of each marker in each population of each file, on the transformed scale",
    (
        _FILE,
        _text("method", "search, flowsom, flock or metacyto"),
        _POPULATION,
        _text("marker", "harmonised marker name"),
        _float("median", "on the transformed scale; empty without events", False),
    ),
    ("file_name", "method", "population", "marker"),
)

POPULATIONS = Table(
    "populations.tsv",
    "tidy: one row per population and sample",
    (
        _STUDY,
        _PANEL_ID,
        _text("sample_id", "expsample accession, ESn"),
        _FILE,
        _text("method", "search, flowsom, flock, metacyto or immport"),
        _POPULATION,
        _text("definition", "its gates", False),
        _text("cl_id", "Cell Ontology class", False),
        _text("parent", "definition of the parent; empty for all events", False),
        _int("n_events", "events in the population"),
        _int("n_parent", "events in the parent"),
        _float("fraction", "n_events over n_parent", False),
        _text("flag", "per-sample quality flags, joined by ';'", False),
    ),
    ("file_name", "method", "population"),
)

RESULTS = Table(
    "results.tsv",
    "ImmPort's own population results: a populations.tsv with the values that are neither shares nor counts of events",
    (
        *POPULATIONS.columns,
        _float("value", "amount in the unit, such as cells per microlitre; empty for shares and counts", False),
        _text("unit", "cells/uL, or the unit as reported", False),
        _text("name_reported", "name of the population as reported", False),
        _text("definition_reported", "definition as reported", False),
        _text("value_reported", "value as reported; several are joined by '; '", False),
        _text("unit_reported", "unit as reported; several are joined by '; '", False),
        _text("comment", "comment on the value", False),
    ),
    ("file_name", "method", "population"),
)

EFFECTS = Table(
    "effects.tsv",
    "one row per population, study and term",
    (
        _text("method", "search, flowsom, flock, metacyto or immport"),
        _POPULATION,
        _text("definition", "its gates", False),
        _text("parent", "definition of the parent; empty for all events", False),
        _STUDY,
        _text("panel_id", "panel; several are joined by ';'", False),
        _text("term", "term of the model, such as age_years or sex[Male]"),
        _int("n", "samples used"),
        _int("n_subjects", "subjects used"),
        _float("estimate", "change of the outcome per unit of the term, on the scale named", False),
        _float("se", "standard error", False),
        _float("ci_low", "95 % interval", False),
        _float("ci_high", "95 % interval", False),
        _float("p_value", "two-sided", False),
        _float("df", "residual degrees of freedom", False),
        _text("scale", "scale of the outcome: logit, arcsine, zscore, fraction, log10"),
        _text("model", "formula and estimator"),
        _text("note", "why there is no estimate, or a warning", False),
    ),
    ("method", "population", "study_accession", "term"),
)

META = Table(
    "meta.tsv",
    "one row per population and term, pooled over studies; leave-one-out rows name the omitted study",
    (
        _text("method", "search, flowsom, flock, metacyto or immport"),
        _POPULATION,
        _text("definition", "its gates", False),
        _text("term", "term of the model"),
        _text("omitted", "study left out; empty for the pooled row", False),
        _int("k", "studies pooled"),
        _int("n", "samples over all studies"),
        _float("estimate", "pooled effect", False),
        _float("se", "standard error", False),
        _float("ci_low", "95 % interval", False),
        _float("ci_high", "95 % interval", False),
        _float("p_value", "two-sided", False),
        _float("q_value", "Benjamini-Hochberg over the populations of a term; pooled rows only", False),
        _float("pi_low", "95 % prediction interval", False),
        _float("pi_high", "95 % prediction interval", False),
        _float("tau2", "variance between studies", False),
        _float("i2", "share of the variation that is between studies, in percent", False),
        _float("q", "Cochran's Q", False),
        _float("q_p", "its p value", False),
        _text("scale", "scale of the outcome"),
        _text("estimator", "estimator of tau2 and test, such as REML + hartung-knapp"),
        _text("note", "warning, such as a single study", False),
    ),
    ("method", "population", "term", "omitted"),
)

ANNOTATIONS = Table(
    "annotations.tsv",
    "names of phenotypes by the Cell Ontology, with the evidence",
    (
        _text("phenotype", "gating string or phenotype as given"),
        _int("rank", "1 is the best fit"),
        _text("cl_id", "Cell Ontology class; empty where none fits", False),
        _text("cl_label", "its label, or the name of the standard population", False),
        _text("immport_name", "ImmPort's preferred name of the class", False),
        _float("score", "0 to 1: how well the markers of class and phenotype agree", False),
        _text("confirmed", "markers of the class that the phenotype has", False),
        _text("untested", "markers of the class that the phenotype says nothing of", False),
        _text("unexplained", "gates of the phenotype that the class says nothing of", False),
        _text("broader", "ancestors in the Cell Ontology, the nearest first; else classes that ask for less", False),
        _text("source", "Cell Ontology, or standard populations", False),
        _text("note", "why there is no class", False),
    ),
    ("phenotype", "rank"),
)

FAILURES = Table(
    "failures.tsv",
    "files that could not be used, and why",
    (
        _FILE,
        _text("study_accession", "ImmPort study, where known", False),
        _text("stage", "where it failed"),
        _text("message", "one sentence"),
    ),
    ("file_name", "stage"),
)

ALL = (
    SAMPLES, PANEL, PANELS, QC, TRANSFORMS, CHANNEL_DENSITIES, CLUSTERS, MEMBERS, CLUSTER_MEDIANS, CUTOFFS, DENSITIES,
    DEFINITIONS, COUNTS, MEDIANS, ANNOTATIONS, POPULATIONS, RESULTS, EFFECTS, META, FAILURES,
    *clustering.ALL,
    *over_studies.ALL,
)  # fmt: skip
