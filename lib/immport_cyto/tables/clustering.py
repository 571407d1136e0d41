"""The contracts of what is said about clusters: drift, outliers, statistics, comparisons, matches."""

from immport_cyto.tables.contract import Column, Table


def _text(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "text", description, required)


def _int(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "int", description, required)


def _float(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "float", description, required)


_STUDY = _text("study_accession", "ImmPort study of the model, SDYn")
_PANEL_ID = _text("panel_id", "panel of the model")
_FILE = _text("file_name", "name of the FCS file")
_LEVEL = _text("level", "node or metacluster")
_CLUSTER = _int("cluster", "number of the node or metacluster, from 1")
_POPULATION = _text("population", "name of the metacluster; empty without one", False)
_ANY_LEVEL = _text("level", "node or metacluster, or population of FLOCK")
_ANY_CLUSTER = _int("cluster", "number of the node, metacluster or FLOCK population, from 1")
_ANY_POPULATION = _text("population", "name of the metacluster or FLOCK population; empty without one", False)

DRIFT = Table(
    "drift.tsv",
    "one row per mapped file: how it differs from the training of its model",
    (
        _STUDY,
        _PANEL_ID,
        _FILE,
        Column("in_training", "bool", "whether the model was trained on a file of this name"),
        _int("n_events", "events in the file"),
        _int("n_outliers", "events further from their code than median + 4 MAD of the training events of the node"),
        _float("outlier_percentage", "their percentage", False),
        _float("outlier_percentage_training", "percentage of the training events beyond median + 4 MAD"),
        _float("quantization_error", "mean distance of the events to their code", False),
        _float("quantization_error_training", "that of the training"),
        _float("js_nodes", "Jensen-Shannon distance of the shares of the nodes to the training, 0 to 1", False),
        _float("js_nodes_by_chance", "the distance to expect by the number of events alone", False),
        _float("js_metaclusters", "Jensen-Shannon distance of the shares of the metaclusters, 0 to 1", False),
        _int("most_changed_metacluster", "metacluster whose share differs most", False),
        _float("change", "by how many percentage points", False),
        _text("unused_markers", "markers of the file that the model does not have, joined by ';'", False),
    ),
    ("study_accession", "panel_id", "file_name"),
)

OUTLIERS = Table(
    "outliers.tsv",
    "one row per mapped file and node: events that are far from the code",
    (
        _STUDY,
        _PANEL_ID,
        _FILE,
        _int("node", "number from 1"),
        _int("metacluster", "number from 1"),
        _int("n_events", "events of the file on the node"),
        _int("n_outliers", "those beyond the threshold"),
        _float("percentage", "n_outliers of n_events"),
        _float("median_training", "median distance of the training events; empty without any", False),
        _float("mad_training", "their MAD, x 1.4826", False),
        _float("threshold", "largest distance that is no outlier; empty where every event is one", False),
        _float("largest_distance", "of the events of the file", False),
    ),
    ("study_accession", "panel_id", "file_name", "node"),
)

STATISTICS = Table(
    "cluster_statistics.tsv",
    "one row per node or metacluster and marker, over all files together, on the transformed scale",
    (
        _STUDY,
        _PANEL_ID,
        _LEVEL,
        _CLUSTER,
        _int("metacluster", "that the node is in, or itself"),
        _POPULATION,
        _int("n_events", "events"),
        _float("percentage", "of all events of the files"),
        _int("n_outliers", "events beyond the threshold of their node"),
        _text("marker", "harmonised marker name"),
        _float("median", "empty without events", False),
        _float("mean", "empty without events", False),
        _float("sd", "standard deviation (n - 1); empty with fewer than two events", False),
        _float("cv", "sd / |mean| in percent, as FlowSOM gives it; empty where the mean is 0", False),
        _float("mad", "median absolute deviation, x 1.4826", False),
    ),
    ("study_accession", "panel_id", "level", "cluster", "marker"),
)

ABUNDANCES = Table(
    "abundances.tsv",
    "one row per file and node or metacluster, or FLOCK population",
    (
        _STUDY,
        _PANEL_ID,
        _FILE,
        _ANY_LEVEL,
        _ANY_CLUSTER,
        _ANY_POPULATION,
        _int("n_events", "events"),
        _float("percentage", "of the events of the file; empty where it has none", False),
    ),
    ("study_accession", "panel_id", "file_name", "level", "cluster"),
)

COMPARISON = Table(
    "comparison.tsv",
    "one row per node or metacluster, or FLOCK population, and group of subjects, compared with the reference group",
    (
        _STUDY,
        _PANEL_ID,
        _ANY_LEVEL,
        _ANY_CLUSTER,
        _ANY_POPULATION,
        _text("group", "group"),
        _text("reference", "group it is compared with"),
        _int("n_group", "subjects; pairs in a paired comparison"),
        _int("n_reference", "subjects"),
        _float("median_group", "median percentage of the subjects"),
        _float("median_reference", "median percentage of the subjects"),
        _float("log2_fold", "log2 of the ratio of the mean percentages; empty where one is 0", False),
        _float("log_odds", "difference of the mean logits of the shares, or that of a model", False),
        _float("ci_low", "95 % interval of log_odds", False),
        _float("ci_high", "95 % interval of log_odds", False),
        _float("cliffs_delta", "share of pairs of subjects with more in the group, less those with less; -1 to 1"),
        _float("p_value", "two-sided", False),
        _float("q_value", "Benjamini-Hochberg over all rows of the level", False),
        _text("test", "test of the p value, or the model"),
    ),
    ("study_accession", "panel_id", "level", "cluster", "group"),
)

AGREEMENT = Table(
    "agreement.tsv",
    "two clusterings of the same events: one row per file, and one for all (empty file_name)",
    (
        _text("file_name", "name of the FCS file; empty for all files together", False),
        _int("n_events", "events in both clusterings"),
        _int("n_left_out", "events without a label in one of them"),
        _int("clusters_a", "clusters of the first that hold events"),
        _int("clusters_b", "clusters of the second that hold events"),
        _float("ari", "adjusted Rand index", False),
        _float("nmi", "normalised mutual information, arithmetic mean", False),
        _float("mean_f1", "mean over the clusters of the first, by one-to-one matching; 0 for an unmatched one", False),
        _float("weighted_f1", "the same, weighted by events", False),
    ),
    ("file_name",),
)

CONTINGENCY = Table(
    "contingency.tsv",
    "events in each pair of clusters of two clusterings, over all files",
    (
        _text("label_a", "cluster of the first: its number, or its name"),
        _text("label_b", "cluster of the second: its number, or its name"),
        _int("n_events", "events in both"),
        _float("share_a", "of the events of the first, in percent"),
        _float("share_b", "of the events of the second, in percent"),
        _float("f1", "of the pair"),
        Column("matched", "bool", "whether the two are matched one to one"),
    ),
    ("label_a", "label_b"),
)

MERGES = Table(
    "merges.tsv",
    "which metacluster or FLOCK population becomes which; of FLOCK with phenotype and merged_phenotype, what the "
    "profiles of those that became one say together",
    (
        _text("study_accession", "ImmPort study of the model; needed where the table is about several models", False),
        _text("panel_id", "panel of the model; needed where the table is about several models", False),
        _int("metacluster", "number in the model"),
        _text("population", "name; those of the same name become one", False),
        _text("merge", "any label; those of the same label become one, whatever their names", False),
        _int("merged_metacluster", "number in the merged model (written, not read)", False),
    ),
    ("study_accession", "panel_id", "metacluster"),
)

EXTRACTED = Table(
    "extracted.tsv",
    "one row per file and population that was extracted",
    (
        _FILE,
        _text("population", "name of the population or clusters"),
        _text("clusters", "numbers of its clusters, joined by ';'"),
        _int("n_events", "events extracted"),
        _int("n_events_in", "events of the file"),
        _float("percentage", "n_events of n_events_in; empty where there are none", False),
        _text("written", "name of the FCS file that holds them; empty where none was written", False),
    ),
    ("file_name", "population"),
)

MATCHES = Table(
    "matches.tsv",
    "one row per metacluster and other group (study and panel): its nearest metacluster there, by shared markers",
    (
        _text("study_accession", "ImmPort study, SDYn"),
        _text("panel_id", "panel"),
        _int("metacluster", "number from 1"),
        _POPULATION,
        _text("other_study_accession", "study of the other group"),
        _text("other_panel_id", "panel of the other group"),
        _int("other_metacluster", "nearest metacluster of the other group; empty with too few shared markers", False),
        _text("other_population", "its name", False),
        _int("n_shared_markers", "markers that both groups have"),
        _text("shared_markers", "their names, joined by ';'", False),
        _float("distance", "root mean square difference of the scaled medians; 0 is equal", False),
        _float("second_distance", "distance of the next nearest one", False),
        Column("mutual_best", "bool", "whether each is the nearest of the other"),
        _int("match", "number of the set of matched metaclusters that this one is in; empty without", False),
    ),
    ("study_accession", "panel_id", "metacluster", "other_study_accession", "other_panel_id"),
)

ALL = (
    DRIFT, OUTLIERS, STATISTICS, ABUNDANCES, COMPARISON, AGREEMENT, CONTINGENCY, MERGES, EXTRACTED, MATCHES,
)  # fmt: skip
