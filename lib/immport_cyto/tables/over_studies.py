"""The contracts of what is asked of effects over studies beyond the pooled effect."""

from immport_cyto.tables.contract import Table, integer, number, text

_META_KEY = (
    text("method", "search, flowsom, flock or immport; several are joined by '+'"),
    text("population", "name of the population"),
    text("term", "term of the model of the effects"),
)
_POOLED = (
    integer("k", "studies with an estimate"),
    integer("n", "samples over these studies"),
    number("estimate", "pooled effect", False),
    number("se", "standard error", False),
    number("ci_low", "95 % interval", False),
    number("ci_high", "95 % interval", False),
    number("p_value", "two-sided", False),
    number("tau2", "variance between studies", False),
    number("i2", "share of the variation that is between studies, in percent", False),
)
_LAST = (
    text("scale", "scale of the outcome"),
    text("estimator", "estimator of tau2 and test, such as REML + hartung-knapp"),
    text("note", "why there is no estimate, or a warning", False),
)

STUDIES = Table(
    "studies.tsv",
    "one row per study; further columns are properties that may explain differences between studies",
    (text("study_accession", "ImmPort study, SDYn"),),
    ("study_accession",),
)

MODERATORS = Table(
    "moderators.tsv",
    "meta-regression: how the effect changes with properties of the studies",
    (
        *_META_KEY,
        text("coefficient", "intercept, or a property of the studies, such as year or sex[Male vs Female]"),
        integer("k", "studies with an estimate"),
        number("estimate", "change of the effect per unit of the property", False),
        number("se", "standard error", False),
        number("ci_low", "95 % interval", False),
        number("ci_high", "95 % interval", False),
        number("p_value", "two-sided", False),
        number("q_value", "Benjamini-Hochberg over the populations of a term and coefficient", False),
        number("tau2", "variance between studies that the properties leave", False),
        number("r2", "share of the variance between studies that they explain, in percent", False),
        number("qm_p", "p value of all properties together", False),
        number("qe_p", "p value of the heterogeneity that is left", False),
        *_LAST,
    ),
    ("method", "population", "term", "coefficient"),
)

SUBGROUPS = Table(
    "subgroups.tsv",
    "effects pooled within groups of studies, and the test of their difference",
    (
        *_META_KEY,
        text("property", "column of studies.tsv that makes the groups"),
        text("subgroup", "its value"),
        *_POOLED,
        number("q_between", "variation between the subgroups' effects", False),
        number("p_between", "its p value", False),
        *_LAST,
    ),
    ("method", "population", "term", "property", "subgroup"),
)

CUMULATIVE = Table(
    "cumulative.tsv",
    "the pooled effect as studies are added one by one",
    (
        *_META_KEY,
        integer("step", "number of the study in the order"),
        text("study_accession", "study that this step adds"),
        text("position", "its value of the column that gives the order"),
        *_POOLED,
        *_LAST,
    ),
    ("method", "population", "term", "step"),
)

ASYMMETRY = Table(
    "asymmetry.tsv",
    "Egger's test: do small studies show other effects than large ones",
    (
        *_META_KEY,
        integer("k", "studies with an estimate"),
        number("slope", "change of the effect per unit of its standard error", False),
        number("se", "standard error of the slope", False),
        number("p_value", "two-sided; small where the funnel is asymmetric", False),
        number("q_value", "Benjamini-Hochberg over the populations of a term", False),
        number("limit", "effect in a study without error", False),
        number("limit_low", "95 % interval", False),
        number("limit_high", "95 % interval", False),
        *_LAST,
    ),
    ("method", "population", "term"),
)

POWER = Table(
    "power.tsv",
    "which effect these studies could have found",
    (
        *_META_KEY,
        integer("k", "studies with an estimate"),
        integer("n", "samples over these studies"),
        number("se", "standard error that a pooled effect of these studies is expected to have", False),
        number("tau2", "variance between studies that it is expected with", False),
        number("detectable", "smallest effect that is found with the wanted power", False),
        number("effect", "effect that was asked for", False),
        number("power", "probability to find it", False),
        integer("studies_needed", "studies like these that would find it with the wanted power", False),
        number("alpha", "level of the two-sided test"),
        number("wanted_power", "power of `detectable` and `studies_needed`"),
        *_LAST,
    ),
    ("method", "population", "term"),
)

BATCHES = Table(
    "batches.tsv",
    "how much of the variation of the fractions lay between batches, before and after adjustment",
    (
        text("method", "search, flowsom, flock or immport"),
        text("study_accession", "study within which batches were compared; empty where studies are the batches"),
        integer("n_samples", "samples"),
        integer("n_populations", "populations"),
        integer("n_batches", "batches"),
        number("r2_before", "share of the variance between batches, mean over the populations", False),
        number("r2_after", "the same after adjustment", False),
    ),
    ("method", "study_accession"),
)

REFERENCE = Table(
    "reference.tsv",
    "reference ranges: percentiles of the fraction of each population by age and sex",
    (
        text("method", "search, flowsom, flock or immport"),
        text("population", "name of the population"),
        text("definition", "its gates", False),
        text("parent", "definition of the parent; empty for all events", False),
        text("sex", "as ImmPort gives it"),
        text("age_group", "years, or 'top-coded' for the subjects of 90 and more"),
        number("age_years", "age that the row is for"),
        number("percentile", "from 0 to 100"),
        number("fraction", "fraction at this percentile, in an average study"),
        number("low", "95 % interval of it, from resampled subjects"),
        number("high", "95 % interval of it"),
        integer("n_subjects", "subjects of this sex and age group"),
        integer("n_studies", "studies behind the population"),
        number("study_sd", "standard deviation of the shift between studies, on the logit scale; empty for one", False),
    ),
    ("method", "population", "sex", "age_group", "age_years", "percentile"),
)

PLACES = Table(
    "places.tsv",
    "where samples fall in reference ranges",
    (
        text("file_name", "name of the FCS result file"),
        text("method", "search, flowsom, flock or immport"),
        text("population", "name of the population"),
        text("sex", "as ImmPort gives it", False),
        number("age_years", "age in years", False),
        number("fraction", "fraction of the sample", False),
        number("percentile", "its percentile among subjects of this age and sex", False),
        number("low", "95 % interval: the reference is an estimate, and a new study may be shifted", False),
        number("high", "95 % interval", False),
        number("median", "fraction at the 50th percentile", False),
        text("note", "why there is no percentile", False),
    ),
    ("file_name", "method", "population"),
)

ALL = (BATCHES, REFERENCE, PLACES, STUDIES, MODERATORS, SUBGROUPS, CUMULATIVE, ASYMMETRY, POWER)
