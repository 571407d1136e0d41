"""Cut-offs, search and cluster counts on FCS files with known cells."""

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import population, tables
from immport_cyto.exceptions import DefinitionError, LinkError, PanelError, TableError
from support import population_files as pf

NAMED = ("NK cells", "monocytes", "B cells", "naive B cells")
GROUP = {"study_accession": "SDY1", "panel_id": "flow-6m-abc123"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three files of one group: {name: path}, {name: values}, {name: kinds}."""
    folder = tmp_path_factory.mktemp("files")
    files, values, kinds = {}, {}, {}
    for seed, name in enumerate(["b.fcs", "a.fcs", "c.fcs"]):
        values[name], kinds[name] = pf.cells(3000, seed)
        files[name] = pf.write(folder / name, values[name])
    return files, values, kinds


@pytest.fixture(scope="module")
def cuts(made):
    return population.cutoffs(made[0], **GROUP)


def definitions(**rows):
    return tables.conform(
        pd.DataFrame(
            [
                {"population": name, **(row if isinstance(row, dict) else {"definition": row})}
                for name, row in rows.items()
            ]
        ),
        tables.DEFINITIONS,
    )


def test_cutoffs_are_those_of_the_pooled_columns(made, cuts):
    _, values, _ = made
    pooled = np.concatenate([values[name] for name in sorted(values)])
    assert cuts["marker"].tolist() == list(pf.MARKERS)
    assert (cuts["method"] == "valley").all()
    assert (cuts["n_events"] == 9000).all()
    for i, row in enumerate(cuts.itertuples()):
        expected = population.cutoff(pooled[:, i])
        assert row.cutoff == pytest.approx(expected.value, abs=1e-9)
        assert row.positive_fraction == np.mean(pooled[:, i] > row.cutoff)
        assert row.median_positive == pytest.approx(4, abs=0.05)
        assert row.median_negative == pytest.approx(0.5, abs=0.05)


def test_cutoffs_do_not_depend_on_the_order_of_files(made, cuts):
    shuffled = {name: made[0][name] for name in ["c.fcs", "b.fcs", "a.fcs"]}
    pd.testing.assert_frame_equal(population.cutoffs(shuffled, **GROUP), cuts)


@pytest.fixture
def few_open_files():
    """A limit of thirty more open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_each_sign_takes_its_own_side_of_the_cuts(made, cuts):
    by_hand = cuts.copy()
    by_hand.loc[by_hand["marker"] == "CD3", "cutoff_high"] = 4.2
    signs = {"-": "CD3-", "+": "CD3+", "++": "CD3++", "lo": "CD3lo", "+-": "CD3+-", "none": "CD56-", "some": "CD56+"}
    counts, _, _ = population.search(made[0], by_hand, definitions(**signs))
    cut, other = (float(cuts.loc[cuts["marker"] == name, "cutoff"].item()) for name in ("CD3", "CD56"))
    for name, values in made[1].items():
        got = counts[counts["file_name"] == name].set_index("population")["n_events"].to_dict()
        x, y = values[:, 0], values[:, 5]
        dim = int(((x > cut) & (x <= 4.2)).sum())
        assert got == {
            "-": (x <= cut).sum(), "+": (x > cut).sum(), "++": (x > 4.2).sum(), "lo": dim, "+-": dim,
            "none": (y <= other).sum(), "some": (y > other).sum(),
        }  # fmt: skip


def test_a_group_may_have_more_files_than_can_be_open_at_once(made, cuts, few_open_files):
    many = {f"{number:03d}.fcs": made[0]["a.fcs"] for number in range(60)}
    found = population.cutoffs(many, **GROUP, markers=["CD3"])
    assert found["n_events"].tolist() == [60 * 3000]
    counts, _, _ = population.search(many, cuts, definitions(T="CD3+"))
    assert counts["n_parent"].tolist() == [3000] * 60
    assert len(set(counts["n_events"])) == 1


def test_cutoffs_of_many_events_are_found_from_a_part(made, cuts):
    found = population.cutoffs(made[0], **GROUP, max_values=3000)
    assert found["n_events"].tolist() == [3000] * 6
    assert (found["note"] == "1 of 3 values of each file was used").all()
    assert found["cutoff"].to_numpy() == pytest.approx(cuts["cutoff"].to_numpy(), abs=0.3)


def test_cutoffs_of_some_markers(made):
    found = population.cutoffs(made[0], **GROUP, markers=["CD4", "CD3"])
    assert found["marker"].tolist() == ["CD3", "CD4"]
    with pytest.raises(PanelError, match=r"marker 'CD99' is not in all files; they share: CD3, CD4"):
        population.cutoffs(made[0], **GROUP, markers=["CD99"])


def test_files_without_a_common_marker(tmp_path):
    values, _ = pf.cells(200, 0)
    files = {
        "x.fcs": pf.write(tmp_path / "x.fcs", values[:, :2], ["CD3", "CD4"]),
        "y.fcs": pf.write(tmp_path / "y.fcs", values[:, :2], ["CD19", "CD20"]),
    }
    with pytest.raises(PanelError, match="no marker is present in all 2 files"):
        population.cutoffs(files, **GROUP)
    with pytest.raises(PanelError, match="no FCS file was given"):
        population.cutoffs({}, **GROUP)


def test_search_counts_what_numpy_counts(made, cuts):
    files, values, kinds = made
    counts, medians, notes = population.search(
        files,
        cuts,
        definitions(
            T="CD3+",
            **{
                "CD4 T": {"definition": "CD3+, CD4+ CD8-", "parent": "CD3+", "cl_id": "CL:0000624"},
                "B": "CD19+ HLADR+ CD3-",
            },
        ),
    )
    assert notes == []
    assert counts["file_name"].tolist() == ["a.fcs"] * 3 + ["b.fcs"] * 3 + ["c.fcs"] * 3
    cut = dict(zip(cuts["marker"], cuts["cutoff"], strict=True))
    column = {marker: i for i, marker in enumerate(pf.MARKERS)}
    for name in files:
        above = {marker: values[name][:, i] > cut[marker] for marker, i in column.items()}
        got = counts[counts["file_name"] == name].set_index("population")
        t, b = above["CD3"], above["CD19"] & above["HLA-DR"] & ~above["CD3"]
        cd4 = t & above["CD4"] & ~above["CD8"]
        assert got.loc["T", ["n_events", "n_parent"]].tolist() == [t.sum(), 3000]
        assert got.loc["CD4 T", ["n_events", "n_parent"]].tolist() == [cd4.sum(), t.sum()]
        assert got.loc["B", "n_events"] == b.sum()
        # and what was made
        assert cd4.sum() == pytest.approx((kinds[name] == "CD4 T").sum(), abs=15)
        middle = medians[(medians["file_name"] == name) & (medians["population"] == "B")].set_index("marker")["median"]
        assert middle["CD19"] == pytest.approx(np.median(values[name][b, column["CD19"]]))
    row = counts[counts["population"] == "CD4 T"].iloc[0]
    assert (row["definition"], row["parent"], row["cl_id"]) == ("CD3+ CD4+ CD8-", "CD3+", "CL:0000624")
    assert (counts["method"] == "search").all()
    assert counts.loc[counts["population"] == "B", "definition"].iloc[0] == "CD19+ HLA-DR+ CD3-"


def test_a_parent_by_name_and_a_definition_that_leaves_it_out(made, cuts):
    rows = definitions(T="CD3+", **{"CD8 T": {"definition": "CD8+", "parent": "T"}})
    counts, _, _ = population.search(made[0], cuts, rows)
    cd8 = counts[counts["population"] == "CD8 T"].iloc[0]
    assert (cd8["definition"], cd8["parent"]) == ("CD3+ CD8+", "CD3+")
    assert cd8["n_parent"] == counts[counts["population"] == "T"]["n_events"].iloc[0]


def test_a_fraction_of_a_named_reference(made, cuts):
    rows = {
        "T": "CD3+",
        "of parent": {"definition": "CD4+", "parent": "CD3+"},
        "of all": {"definition": "CD4+", "parent": "CD3+", "reference": "all"},
        "of viable": {"definition": "CD4+", "parent": "CD3+", "reference": "viable singlets"},
        "of name": {"definition": "CD4+", "reference": "T"},
        "of gates": {"definition": "HLA-DR+", "parent": "CD19+", "reference": "CD3-"},
    }
    counts, _, notes = population.search(made[0], cuts, definitions(**rows))
    assert notes == []
    cut = {row.marker: float(row.cutoff) for row in cuts.itertuples()}
    for name, values in made[1].items():
        got = counts[counts["file_name"] == name].set_index("population")
        is_in = {marker: values[:, number] > cut[marker] for number, marker in enumerate(pf.MARKERS)}
        both, t_cells = int((is_in["CD3"] & is_in["CD4"]).sum()), int(is_in["CD3"].sum())
        b_cells = int((~is_in["CD3"] & is_in["CD19"] & is_in["HLA-DR"]).sum())
        assert got[["n_events", "n_parent"]].to_numpy().tolist() == [
            [t_cells, 3000], [both, t_cells], [both, 3000], [both, 3000], [both, t_cells], [b_cells, 3000 - t_cells],
        ]  # fmt: skip
        assert got["parent"].tolist() == ["", "CD3+", "", "", "CD3+", "CD3-"]
        assert got.loc["of name", "definition"] == "CD3+ CD4+"
        assert got.loc["of gates", "definition"] == "CD3- CD19+ HLA-DR+"


def test_or_not_and_populations_by_name(made, cuts):
    rows = {
        "T": "CD3+",
        "either": "CD3+ (CD4+ OR CD8+)",
        "neither": {"definition": "NOT (CD4+ | CD8+)", "parent": "T"},
        "no B": "HLA-DR+ NOT [B cells]",
        "rest": "NOT ([T] OR CD19+)",
        "of either": {"definition": "CD4+ !CD8+", "reference": "either"},
        "single": "CD3+ ((CD4+ CD8-) OR (CD4- CD8+))",
    }
    counts, _, notes = population.search(made[0], cuts, definitions(**rows))
    assert notes == []
    cut = {row.marker: float(row.cutoff) for row in cuts.itertuples()}
    for name, values in made[1].items():
        got = counts[counts["file_name"] == name].set_index("population")
        is_in = {marker: values[:, number] > cut[marker] for number, marker in enumerate(pf.MARKERS)}
        t, cd4, cd8 = is_in["CD3"], is_in["CD4"], is_in["CD8"]
        either = t & (cd4 | cd8)
        expected = {
            "T": (t, None), "either": (either, None), "neither": (t & ~(cd4 | cd8), t),
            "no B": (is_in["HLA-DR"] & ~(~t & is_in["CD19"]), None), "rest": (~(t | is_in["CD19"]), None),
            "of either": (t & cd4 & ~cd8, either), "single": (t & (cd4 ^ cd8), None),
        }  # fmt: skip
        for population_name, (inside, parent) in expected.items():
            counted = got.loc[population_name, ["n_events", "n_parent"]].tolist()
            assert counted == [inside.sum(), 3000 if parent is None else parent.sum()], population_name
        assert got["definition"].tolist() == [
            "CD3+", "CD3+ (CD4+ OR CD8+)", "CD3+ CD4- CD8-", "HLA-DR+ (CD3+ OR CD19-)", "CD3- CD19-",
            "CD3+ CD4+ CD8-", "CD3+ ((CD4+ CD8-) OR (CD4- CD8+))",
        ]  # fmt: skip
        assert got.loc["of either", "parent"] == "CD3+ (CD4+ OR CD8+)"


def test_what_a_panel_lacks_of_a_boolean_definition(made, cuts):
    rows = definitions(
        group="CD3+ (CD4+ OR CCR7+)", second="CD3+ NOT CD4++", by_name="CD8+ NOT [naive B cells]", fine="CD3+ CD8+"
    )
    counts, _, notes = population.search(made[0], cuts, rows)
    assert counts["population"].unique().tolist() == ["fine"]
    assert notes[0] == (
        "not possible on SDY1 flow-6m-abc123:\n"
        "  group (not on the panel: CCR7; possible in part as CD3+)\n"
        "  second (without a second cut-off: CD4 (for CD4lo); possible in part as CD3+)\n"
        "  by_name (not on the panel: CD27, IgD, CD20; possible in part as CD8+)"
    )


def test_partial_matches_are_counted_only_where_asked(made, cuts):
    rows = definitions(
        T="CD3+",
        Naive={"definition": "CD3+ CD4+ CCR7+", "parent": "T", "alternatives": "CD3+ CD4+ CD27+ CD45RA+"},
        bright={"definition": "CD19++ CD20-", "cl_id": "CL:0000236"},
        gone={"definition": "CD3+ CCR7+", "parent": "T"},
        NK="CD3- CD16+",
    )
    counts, medians, notes = population.search(made[0], cuts, rows, with_partial=True)
    assert counts["population"].unique().tolist() == [
        "T", "Naive (partial: without CCR7+)", "bright (partial: without CD19++ CD20-)",
    ]  # fmt: skip
    one = counts[counts["file_name"] == "a.fcs"].set_index("population")
    assert one["definition"].tolist() == ["CD3+", "CD3+ CD4+", "CD19+"]
    assert one["left_out"].tolist() == ["", "CCR7+", "CD19++ CD20-"]
    assert one["cl_id"].tolist() == ["", "", ""]
    assert one["n_parent"].iloc[1] == one["n_events"].iloc[0]
    assert set(medians["population"]) == set(counts["population"])
    assert notes[0] == (
        "not possible on SDY1 flow-6m-abc123:\n"
        "  Naive (not on the panel: CCR7, CD27, CD45RA; counted in part as CD3+ CD4+)\n"
        "  bright (without a second cut-off: CD19 (for CD19++); not on the panel: CD20; counted in part as CD19+)\n"
        "  gone (not on the panel: CCR7)\n"
        "  NK (not on the panel: CD16)"
    )


def test_a_partial_match_that_no_event_can_meet_is_not_offered(made, cuts):
    rows = definitions(
        plasma={"definition": "CD4+ CD19-", "parent": "CD20+ CD38+", "parent_alternatives": "CD19+ CD38+"}
    )
    assert population.search(made[0], cuts, rows)[2] == [
        "not possible on SDY1 flow-6m-abc123:\n  plasma (not on the panel: CD20, CD38)"
    ]


def test_partial_matches_of_some_populations(made, cuts):
    rows = definitions(
        asked={"definition": "CD3+ CD4+ CCR7+", "partial": "yes"}, other="CD3+ CD8+ CCR7+", whole="CD3+ CD8+"
    )
    counts, _, notes = population.search(made[0], cuts, rows)
    assert counts["population"].unique().tolist() == ["asked (partial: without CCR7+)", "whole"]
    assert counts["left_out"].tolist() == ["CCR7+", ""] * 3
    assert notes[0].endswith(
        "\n  asked (not on the panel: CCR7; counted in part as CD3+ CD4+)"
        "\n  other (not on the panel: CCR7; possible in part as CD3+ CD8+)"
    )


def test_a_reference_that_the_panel_lacks_or_that_cannot_be_read(made, cuts):
    counts, _, notes = population.search(
        made[0], cuts, definitions(T={"definition": "CD3+", "reference": "CD45+"}, B="CD19+")
    )
    assert set(counts["population"]) == {"B"}
    assert notes[0].endswith("T (not on the panel: CD45)")
    with pytest.raises(DefinitionError, match="population 'T': .*no sign"):
        population.search(made[0], cuts, definitions(T={"definition": "CD3+", "reference": "every cell"}))
    with pytest.raises(DefinitionError, match=r"'T' is part of itself \(T -> T\); correct the column"):
        population.search(made[0], cuts, definitions(T={"definition": "CD3+", "reference": "T"}))


def test_an_empty_population_has_a_row_and_no_median(made, cuts):
    counts, medians, _ = population.search(made[0], cuts, definitions(none="CD3+ CD19+ CD56+ CD8+"))
    assert counts["n_events"].tolist() == [0, 0, 0]
    assert medians["median"].isna().all()


def test_what_a_panel_cannot_answer_is_told(made, cuts):
    without = cuts.copy()
    without.loc[without["marker"] == "CD56", "cutoff"] = np.nan
    counts, _, notes = population.search(
        made[0],
        without,
        definitions(Naive="CD3+ CCR7+ CD45RA+", NK="CD3- CD56+", bright="CD19++", T="CD3+"),
    )
    assert counts["population"].unique().tolist() == ["T"]
    assert notes == [
        (
            "not possible on SDY1 flow-6m-abc123:\n"
            "  Naive (not on the panel: CCR7, CD45RA; possible in part as CD3+)\n"
            "  NK (without a cut-off: CD56)\n"
            "  bright (without a second cut-off: CD19 (for CD19++); possible in part as CD19+)"
        ),
    ]


def test_alternatives_and_stand_ins(made, cuts):
    rows = definitions(B={"definition": "CD20+", "alternatives": "CD20+ CD19+ ; CD19+ CD3-"})
    counts, _, notes = population.search(made[0], cuts, rows)
    assert counts["definition"].iloc[0] == "CD19+ CD3-"
    assert notes == ["B: on SDY1 flow-6m-abc123 searched as CD19+ CD3-"]
    renamed = cuts.replace({"marker": {"CD8": "CD8b"}})
    from immport_cyto.population.definitions import panel_cuts, wanted
    from immport_cyto.population.fitting import fit

    found, note = fit(wanted(definitions(x="CD3+ CD8+"))[0], panel_cuts(renamed))
    assert (found.definition, note) == ("CD3+ CD8b+", "CD8b stands for CD8")


def test_a_name_that_only_another_panel_has_is_no_slip_of_the_pen(made, cuts):
    rows = definitions(own="CD3+ Xyzin+", T="CD3+")
    other = cuts.assign(panel_id="flow-2m-other1", marker="Xyzin").head(1)
    told = "not possible on SDY1 flow-6m-abc123:\n  own (not on the panel: Xyzin; possible in part as CD3+)"
    both = population.search(
        made[0], pd.concat([cuts, other]), rows, study_accession="SDY1", panel_id="flow-6m-abc123"
    )  # fmt: skip
    assert both[2] == [told]
    assert population.search(made[0], cuts, rows, other_markers=["Xyzin"])[2] == [told]
    with pytest.raises(DefinitionError, match="no panel has the marker 'Xyzin', and it is unknown; the panels have "):
        population.check(rows, ["CD3", "CD4"])
    population.check(rows, ["CD3", "Xyzin"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"x": "CD3+ CD1O9+"}, "'x': no panel has the marker 'CD1O9', and it is unknown; did you mean CD19"),
        ({"x": "CD3+ CD4"}, r"population 'x': .*'CD4' at character 6 has no sign"),
        ({"x": ""}, "population 'x' has no definition"),
        ({"x": "viable singlets"}, "population 'x': 'viable singlets' has no gate on a marker"),
        ({"x": "CD3+ CD3-"}, "population 'x': .*exclude each other"),
        ({"x": {"definition": "CD3+", "parent": "y"}, "y": {"definition": "CD4+", "parent": "x"}}, "x -> y -> x"),
        ({"": "CD3+"}, "has no name"),
        ({"x": {"definition": "CD3+", "partial": "maybe"}}, "'x': the column partial holds 'maybe'; write yes, no or"),
        ({"x": "CD3+ NOT [T cell]"}, r"\[T cell\] is neither a population of the table nor a standard one; did"),
        ({"x": "CD3+ [y]", "y": "CD4+ NOT [x]"}, r"part of itself \(x -> y -> x\)"),
        ({"x": "CD3+ CD4+ OR CD8+"}, "population 'x': .*AND and OR side by side at character 14; put brackets around"),
        ({"x": {"definition": "CD4+", "parent": "CD4-"}}, "no event can meet both its definition and its parent;"),
        ({"x": " ".join(f"NOT [{name}]" for name in NAMED)}, "have too many alternatives; write gates instead"),
    ],
)  # fmt: skip
def test_definitions_that_cannot_be_used(made, cuts, rows, message):
    with pytest.raises(DefinitionError, match=message):
        population.search(made[0], cuts, definitions(**rows))


def test_a_population_defined_twice(made, cuts):
    twice = pd.concat([definitions(x="CD3+"), definitions(x="CD4+")])
    with pytest.raises(DefinitionError, match="population 'x' is defined twice"):
        population.search(made[0], cuts, twice)


def test_cutoffs_of_the_wrong_group(made, cuts):
    both = pd.concat([cuts, cuts.assign(study_accession="SDY2")], ignore_index=True)
    with pytest.raises(DefinitionError, match="several studies or panels"):
        population.search(made[0], both, definitions(T="CD3+"))
    counts, _, _ = population.search(made[0], both, definitions(T="CD3+"), study_accession="SDY2")
    assert len(counts) == 3
    with pytest.raises(DefinitionError, match="no row for study SDY3 and panel flow-6m-abc123"):
        population.search(made[0], both, definitions(T="CD3+"), study_accession="SDY3", panel_id="flow-6m-abc123")


def test_a_cut_marker_that_a_file_lacks(tmp_path, cuts):
    values, _ = pf.cells(100, 0)
    path = pf.write(tmp_path / "x.fcs", values[:, 1:], pf.MARKERS[1:])
    with pytest.raises(DefinitionError, match=r"x.fcs: has no channel for marker 'CD3'"):
        population.search({"x.fcs": path}, cuts, definitions(T="CD3+"))


def test_groups_by_study_and_panel(tmp_path):
    values, _ = pf.cells(50, 0)
    files = {name: pf.write(tmp_path / name, values, panel_id=panel) for name, panel in
             [("a.fcs", "p2"), ("b.fcs", "p1"), ("c.fcs", "p1")]}  # fmt: skip
    samples = pd.DataFrame({"file_name": ["a.fcs", "b.fcs", "c.fcs"], "study_accession": ["SDY1", "SDY2", "SDY1"]})
    found = population.groups(files, samples)
    assert [(g.study_accession, g.panel_id, list(g.files)) for g in found] == [
        ("SDY1", "p1", ["c.fcs"]), ("SDY1", "p2", ["a.fcs"]), ("SDY2", "p1", ["b.fcs"]),
    ]  # fmt: skip
    assert [g.panel_id for g in population.groups(files)] == ["p1", "p2"]
    with pytest.raises(LinkError, match=r"c.fcs: has no row in samples.tsv"):
        population.groups(files, samples[:2])


@pytest.fixture
def clusters():
    rows = [
        (1, "CD3+ CD4+ CD8-", "CD4 T cells", "CD3+ CD4+ CD8-", "CL:0000624"),
        (2, "CD3+ CD4- CD8-", "T cells", "CD3+", "CL:0000084"),
        (3, "CD3- CD4- HLA-DR+", "CD3- CD4- HLA-DR+", "", ""),
        (4, "CD3- CD4- HLA-DR+", "CD3- CD4- HLA-DR+", "", ""),
        (5, "", "", "", ""),
    ]
    frame = pd.DataFrame(rows, columns=["metacluster", "phenotype", "population", "definition", "cl_id"])
    return tables.conform(frame.assign(**GROUP, n_nodes=1, n_events=1, fraction=0.2), tables.CLUSTERS)


def test_clusters_are_counted_by_population(tmp_path, clusters):
    values, _ = pf.cells(1000, 0)
    member = np.random.default_rng(0).integers(1, 6, 1000)
    path = pf.write(tmp_path / "x.fcs", values, extra={"FlowSOM_metacluster": member})
    counts, medians = population.count_clusters({"x.fcs": path}, clusters)
    got = counts.set_index("population")["n_events"].to_dict()
    # "T cells" (CD3+) hold the CD4 T cells, too; equal phenotypes are one population
    assert got == {
        "CD4 T cells": (member == 1).sum(),
        "T cells": (member <= 2).sum(),
        "CD3- CD4- HLA-DR+": np.isin(member, [3, 4]).sum(),
        "unclassified": (member == 5).sum(),
    }
    assert (counts["n_parent"] == 1000).all()
    assert counts.set_index("population").loc["T cells", "cl_id"] == "CL:0000084"
    row = medians[(medians["population"] == "T cells") & (medians["marker"] == "CD19")]
    assert row["median"].item() == pytest.approx(np.median(values[member <= 2, 3]))


def test_files_that_do_not_fit_the_clusters(tmp_path, clusters):
    values, _ = pf.cells(100, 0)
    plain = pf.write(tmp_path / "x.fcs", values)
    with pytest.raises(PanelError, match=r"x.fcs: has no channel FlowSOM_metacluster; map it with 'cluster map' first"):
        population.count_clusters({"x.fcs": plain}, clusters)
    strange = pf.write(tmp_path / "y.fcs", values, extra={"FlowSOM_metacluster": np.full(100, 9)})
    with pytest.raises(TableError, match=r"y.fcs: metacluster 9 is not in clusters.tsv"):
        population.count_clusters({"y.fcs": strange}, clusters)
    with pytest.raises(TableError, match="metaclusters of several models"):
        population.count_clusters({"y.fcs": strange}, pd.concat([clusters, clusters]))
