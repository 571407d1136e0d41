"""Labels, summary and standard populations: tables in, tables out."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto import population, tables
from immport_cyto.exceptions import DefinitionError, LinkError, TableError
from immport_cyto.panel import AnyOf, Gate
from immport_cyto.population.counting import members
from immport_cyto.population.definitions import gates_text, split_text, wanted

GROUP = {"study_accession": "SDY1", "panel_id": "p"}
CUT = {"CD3": 2.0, "CD4": 2.0, "CD8": 2.0, "CD16": 2.0, "CD10": np.nan}


def cutoffs(high=None):
    frame = pd.DataFrame(
        {"marker": list(CUT), "cutoff": list(CUT.values()), "method": "valley", "n_events": 10, **GROUP}
    ).assign(median_negative=0.0, median_positive=4.0)
    frame["cutoff_high"] = [(high or {}).get(marker, np.nan) for marker in CUT]
    return tables.conform(frame, tables.CUTOFFS)


def model(*medians):
    clusters = pd.DataFrame({"metacluster": range(1, len(medians) + 1), "n_nodes": 1, "n_events": 10, "fraction": 0.1})
    rows = [
        {"metacluster": number, "marker": marker, "median": value, **GROUP}
        for number, values in enumerate(medians, 1)
        for marker, value in zip(CUT, values, strict=True)
    ]
    return tables.conform(clusters.assign(**GROUP), tables.CLUSTERS), pd.DataFrame(rows)


def define(*rows):
    frame = pd.DataFrame(rows, columns=["population", "definition", "parent", "cl_id"])
    return tables.conform(frame, tables.DEFINITIONS)


T_CELLS = define(
    ("T", "CD3+", "", "CL:0000084"),
    ("CD4 T", "CD3+ CD4+ CD8-", "CD3+", "CL:0000624"),
    ("CD8 T", "CD8+ CD4-", "T", "CL:0000625"),
    ("bright", "CD16++", "", ""),
)


def test_the_most_specific_definition_names_a_metacluster():
    got = population.label(
        *model((4, 4, 0, 0, 9), (4, 0, 4, 0, 9), (4, 0, 0, 0, 9), (0, 4, 4, 4, 9), (4, 2.1, 0, 0, 9)),
        cutoffs(),
        T_CELLS,
    )
    assert got["population"].tolist() == ["CD4 T", "CD8 T", "T", "CD3- CD4+ CD8+ CD16+", "T"]
    assert got["phenotype"].tolist() == [
        "CD3+ CD4+ CD8- CD16-",
        "CD3+ CD4- CD8+ CD16-",
        "CD3+ CD4- CD8- CD16-",
        "CD3- CD4+ CD8+ CD16+",  # fits no definition: the phenotype is the name
        "CD3+ CD8- CD16-",  # CD4 at 2.1 is nearer to the cut at 2.0 than a tenth of 4.0: not called
    ]
    assert got["definition"].tolist() == ["CD3+ CD4+ CD8-", "CD3+ CD8+ CD4-", "CD3+", "", "CD3+"]
    assert got["cl_id"].tolist() == ["CL:0000624", "CL:0000625", "CL:0000084", "", "CL:0000084"]


@pytest.mark.parametrize(("median", "phenotype"), [(1.59, "CD3-"), (1.61, ""), (2.39, ""), (2.41, "CD3+")])
def test_a_median_within_a_tenth_of_the_groups_distance_is_not_called(median, phenotype):
    got = population.label(*model((median, 2, 2, 2, 2)), cutoffs(), T_CELLS)
    assert got["phenotype"].item() == phenotype


def test_a_second_cut_gives_bright_and_dim():
    rows = define(("bright", "CD16++", "", ""), ("dim", "CD16lo", "", ""), ("any", "CD16+ CD3-", "", ""))
    got = population.label(*model((0, 0, 0, 6, 0), (4, 0, 0, 3, 0), (4, 0, 0, 6, 0)), cutoffs({"CD16": 5.0}), rows)
    assert got["phenotype"].tolist() == ["CD3- CD4- CD8- CD16++", "CD3+ CD4- CD8- CD16+", "CD3+ CD4- CD8- CD16++"]
    assert got["population"].tolist() == ["any", "dim", "bright"]


def test_doublets_of_two_lineages_are_no_t_cells():
    clusters, medians = model((4, 4, 0, 0, 0), (4, 4, 0, 0, 0))
    lineage = medians["marker"].replace({"CD16": "CD14"})
    medians = medians.assign(marker=lineage)
    medians.loc[(medians["metacluster"] == 2) & (lineage == "CD14"), "median"] = 4.0
    cuts = cutoffs().replace({"marker": {"CD16": "CD14"}})
    got = population.label(clusters, medians, cuts)
    assert got["population"].tolist() == ["CD4 T cells", "CD3+ CD4+ CD8- CD14+"]
    asked = population.label(clusters, medians, cuts, define(("doublets", "CD3+ CD14+", "", ""), ("T", "CD3+", "", "")))
    assert asked["population"].tolist() == ["T", "doublets"]


def test_a_metacluster_without_any_sign():
    got = population.label(*model((2, 2, 2, 2, 2)), cutoffs(), T_CELLS)
    assert (got["phenotype"].item(), got["population"].item()) == ("", "unclassified")


def test_labels_of_two_groups_use_their_own_cuts():
    first = model((3, 0, 0, 0, 0))
    second = tuple(frame.assign(study_accession="SDY2") for frame in first)
    cuts = cutoffs()
    other = cuts.assign(study_accession="SDY2", cutoff=cuts["cutoff"] + 2)
    got = population.label(
        pd.concat([first[0], second[0]]), pd.concat([first[1], second[1]]), pd.concat([cuts, other]), T_CELLS
    )
    assert got["population"].tolist() == ["T", "CD3- CD4- CD8- CD16-"]


def test_labels_with_the_standard_populations():
    clusters, medians = model((4, 4, 0, 0, 0))
    assert population.label(clusters, medians, cutoffs())["population"].item() == "CD4 T cells"


def test_tables_that_do_not_fit_together():
    clusters, medians = model((4, 4, 0, 0, 0), (0, 0, 0, 0, 0))
    with pytest.raises(TableError, match=r"no row for metacluster 2 of SDY1 p; give the tables of the same model"):
        population.label(clusters, medians[medians["metacluster"] == 1], cutoffs())
    with pytest.raises(DefinitionError, match="no row for study SDY1 and panel p; run 'population cutoffs'"):
        population.label(clusters, medians, cutoffs().assign(study_accession="SDY9"))


def test_standard_populations_are_sound():
    frame = population.standard_populations()
    entries = wanted(frame)
    assert len(entries) == len(frame) > 30
    assert frame["cl_id"].str.fullmatch(r"CL:\d{7}").all()
    assert not frame["cl_id"].duplicated().any()
    assert (frame["source"] != "").all()
    for entry in entries:
        for parent in entry.parents[:1]:
            # the first definition says all that its parent says
            assert set(parent) <= set(entry.choices[0].gates), entry.population
    naive = next(entry for entry in entries if entry.population == "naive CD4 T cells")
    assert gates_text(naive.choices[0].gates) == "CD3+ CD4+ CD8- CCR7+ CD45RA+"


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        ("CD3+ HLA-DR++ CD8-", (Gate("CD3", "+"), Gate("HLA-DR", "++"), Gate("CD8", "-"))),
        ("TCR Va7.2+ PD-1- CD14lo", (Gate("TCR Va7.2", "+"), Gate("PD-1", "-"), Gate("CD14", "lo"))),
        (
            "CD3+ ((CD4+ (IL 2+ OR My (x)-)) OR CD8++)",
            (
                Gate("CD3", "+"),
                AnyOf((
                    (Gate("CD4", "+"), AnyOf(((Gate("IL 2", "+"),), (Gate("My (x)", "-"),)))),
                    (Gate("CD8", "++"),),
                )),
            ),
        ),
        ("", ()),
    ],
)  # fmt: skip
def test_written_gates_are_read_again(text, gates):
    assert split_text(text) == gates
    assert gates_text(gates) == text


def test_labels_by_a_boolean_definition():
    rows = tables.conform(
        pd.DataFrame({
            "population": ["T", "single", "neither"],
            "definition": ["CD3+", "CD3+ ((CD4+ NOT CD8+) OR (CD8+ NOT CD4+))", "CD3+ NOT (CD4+ OR CD8+)"],
        }),
        tables.DEFINITIONS,
    )  # fmt: skip
    clusters, medians = model((4, 4, 0, 0, 0), (4, 0, 4, 0, 0), (4, 0, 0, 0, 0), (4, 4, 4, 0, 0))
    got = population.label(clusters, medians, cutoffs(), rows)
    assert got["population"].tolist() == ["single", "single", "neither", "T"]
    assert got["definition"].iloc[0] == "CD3+ ((CD4+ CD8-) OR (CD4- CD8+))"
    assert members(got) == {"single": [1, 2], "neither": [3], "T": [1, 2, 3, 4]}


def counted(fractions, n_parent=1000):
    return tables.conform(
        pd.DataFrame(
            [
                {
                    "file_name": name, "panel_id": "p", "method": "search", "population": population,
                    "n_events": round(value * n_parent), "n_parent": n_parent,
                }
                for name, values in fractions.items()
                for population, value in values.items()
            ]
        ),
        tables.COUNTS,
    )  # fmt: skip


def known(names):
    return pd.DataFrame({"file_name": names, "sample_id": [f"ES-{n}" for n in names], "study_accession": "SDY1"})


def test_summary_joins_and_flags():
    counts = counted({"b": {"T": 0.5, "B": 0.0}, "a": {"T": 0.25, "B": 0.1}})
    counts.loc[3, ["n_events", "n_parent"]] = [2, 40]
    counts.loc[2, ["n_events", "n_parent"]] = [0, 0]
    got = population.summary(counts, known(["a", "b", "c"]))
    assert got["file_name"].tolist() == ["a", "a", "b", "b"]
    assert got["sample_id"].tolist() == ["ES-a", "ES-a", "ES-b", "ES-b"]
    assert got["flag"].tolist() == ["few_events;zero_events", "few_events", "", "zero_events"]
    assert np.isnan(got["fraction"][0])
    assert got["fraction"].tolist()[1:] == [0.05, 0.5, 0.0]


def test_fewer_than_fifty_events_in_the_parent_are_few():
    counts = counted({"a": {"T": 0.5}, "b": {"T": 0.5}})
    counts["n_events"], counts["n_parent"] = [20, 20], [49, 50]
    assert population.summary(counts, known(["a", "b"]))["flag"].tolist() == ["few_events", ""]


@pytest.mark.parametrize(("distance", "flagged"), [(2.9, False), (3.1, True)])
def test_a_composition_is_outlying_from_three_robust_deviations_on(distance, flagged):
    logits = np.array([-1.4, -1.2, -1.0, -0.8, -0.6, -1.0, -1.3, -0.7, -1.1, -0.9, 0.0])
    others = np.append(logits[:-1], 0.0)
    middle = np.median(logits)
    for _ in range(50):  # the far sample is part of the spread it is measured in
        others[-1] = middle + distance * 1.4826 * np.median(np.abs(others - middle))
        middle = np.median(others)
    fractions = {f"s{i:02}": {"T": 1 / (1 + np.exp(-x))} for i, x in enumerate(others)}
    got = population.summary(counted(fractions, 100_000_000), known(list(fractions)))
    assert got.loc[got["flag"] != "", "file_name"].tolist() == (["s10"] if flagged else [])


def test_an_outlying_composition_is_flagged_and_kept():
    rng = np.random.default_rng(0)
    fractions = {
        f"s{i:02}": {p: m * np.exp(rng.normal(0, 0.1)) for p, m in [("T", 0.5), ("B", 0.1), ("NK", 0.1), ("M", 0.15)]}
        for i in range(20)
    }
    fractions["s07"] = {"T": 0.02, "B": 0.6, "NK": 0.01, "M": 0.3}
    got = population.summary(counted(fractions, 10_000), known(list(fractions)))
    assert len(got) == 80
    assert got.loc[got["flag"] != "", "file_name"].unique().tolist() == ["s07"]
    assert (got.loc[got["file_name"] == "s07", "flag"] == "composition_outlier").all()
    few = population.summary(counted(dict(list(fractions.items())[5:11]), 10_000), known(list(fractions)))
    assert (few["flag"] == "").all()


def test_summary_of_files_that_are_not_linked():
    with pytest.raises(LinkError, match=r"b: is counted but has no row in samples.tsv"):
        population.summary(counted({"b": {"T": 0.5}}), known(["a"]))
    with pytest.raises(LinkError, match=r"a: has two rows in samples.tsv; keep one"):
        population.summary(counted({"a": {"T": 0.5}}), known(["a", "a"]))
