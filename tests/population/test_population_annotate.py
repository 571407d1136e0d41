"""Names of phenotypes: the Cell Ontology with its evidence."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import panel, population, tables
from immport_cyto.cli.population import group
from immport_cyto.exceptions import DefinitionError, OptionError
from immport_cyto.population.ontology import ancestors, classes, matches


def best(text: str, top: int = 3) -> list[str]:
    return population.annotate([text], top=top)["cl_id"].tolist()


@pytest.mark.parametrize(
    ("phenotype", "cl_id"),
    [
        ("CD3+", "CL:0000084"),
        ("CD19+ CD20+ CD27- IgD+", "CL:0000788"),
        ("CD3+ CD4+ CD8- CD45RA+ CCR7+ CD127+ CD25-", "CL:0000895"),
        ("CD3+ CD8+ CD4- CD45RA+ CCR7+", "CL:0000900"),
        ("CD3+ CD4+ CD25+ CD127-", "CL:0000792"),
        ("CD3+ TCRgd+", "CL:0000798"),
        ("CD14+ CD16- CD3- CD19- CD20- CD64+ CD163+ CCR2++", "CL:0002057"),
        ("CD3- CD19- CD14- CD20- CD56lo CD16+ HLA-DR-", "CL:0000939"),
        ("CD3- CD19- CD14- CD123+ HLA-DR+ CD11c-", "CL:0000784"),
        # labels of whole panels: many gates that no class asks for
        ("CCR7- CD3- CD4+ CD8- CD14+ CD16- CD19- CD25- CD45RA- CD56- CD127- HLA-DR+", "CL:0000576"),
        ("CD3- CD11c+ CD14+ CD16- CD19- CD56- CD123- HLA-DR+", "CL:0000576"),
        ("CCR7+ CD3- CD4- CD8- CD14- CD16- CD19+ CD25- CD45RA+ CD56- CD127- HLA-DR+", "CL:0000236"),
        ("CCR7- CD3+ CD4- CD8- CD25- CD45RA- CD127+ TCRgd+", "CL:0000798"),
        ("CD3+ CD11c- CD14- CD16- CD19- CD56- CD123- HLA-DR-", "CL:0000084"),
    ],
)
def test_known_phenotypes_get_their_class_first(phenotype: str, cl_id: str) -> None:
    assert best(phenotype)[0] == cl_id


def test_every_standard_population_finds_its_own_class() -> None:
    standard = population.standard_populations()
    for row in standard[standard["cl_id"] != ""].itertuples():
        assert row.cl_id in best(row.definition), row.population


def test_one_contradiction_removes_a_class() -> None:
    assert "CL:0000895" in best("CD3+ CD4+ CCR7+ CD45RA+")
    for wrong in ("CD3+ CD4+ CCR7- CD45RA+", "CD3+ CD4- CCR7+ CD45RA+", "CD3- CD4+ CCR7+ CD45RA+"):
        assert "CL:0000895" not in best(wrong, top=50)
    assert "CL:0000798" not in best("CD3+ TCRab+", top=50)  # gamma-delta T cells


def test_intracellular_markers_come_from_the_alternatives_of_standard_populations() -> None:
    row = population.annotate(["CD3+ CD4+ CD25+ FoxP3+"]).iloc[0]
    assert (row["cl_id"], row["unexplained"], row["score"]) == ("CL:0000792", "", 1.0)
    against = population.annotate(["CD3+ CD4+ CD25+ FoxP3+ CD127+"], top=50)
    assert "standard populations" not in against.loc[against["cl_id"] == "CL:0000792", "source"].tolist()


def test_alternatives_within_a_phenotype_are_told() -> None:
    rows = population.annotate(["CD3+ CD4+ (CCR7+ OR CD27+)", "(CD4+ OR CD8+)"])
    assert rows["note"].iloc[0] == "not compared: (CCR7+ OR CD27+)"
    assert rows["cl_id"].iloc[0] == "CL:0000624"
    last = "there is no gate on a marker that all events have; not compared: (CD4+ OR CD8+)"
    assert rows["note"].iloc[-1] == last


def test_cd3_stands_for_the_receptor_and_its_absence_too() -> None:
    (match,) = [m for m in matches({"CD3": "+", "CD4": "+", "CD8": "-"}, top=50) if m.cell_class.cl_id == "CL:0000492"]
    assert "TCRab+" in match.confirmed
    assert "CD3+" not in match.unexplained
    assert all("TCRab" not in m.cell_class.signs for m in matches({"CD3": "-", "CD4": "+"}, top=200))


def test_evidence_adds_up() -> None:
    signs = {"CD3": "+", "CD4": "+", "CCR7": "+", "CD38": "-"}
    for match in matches(signs, top=20):
        asked = {f"{marker}{sign}" for marker, sign in match.cell_class.signs.items()}
        assert set(match.confirmed) | set(match.untested) | set(match.contradicted) == asked
        assert match.contradicted == ()
        assert set(match.unexplained) <= {f"{marker}{sign}" for marker, sign in signs.items()}
        assert 0 < match.score <= 1
        assert any(not text.endswith("-") for text in match.confirmed)
    scores = [match.score for match in matches(signs, top=20)]
    assert scores == sorted(scores, reverse=True)


def test_ancestors_are_those_of_the_ontology() -> None:
    row = population.annotate(["CD3+ CD4+ CD8- CCR7+ CD45RA+"]).iloc[0]
    assert row["cl_id"] == "CL:0000895"
    broader = row["broader"].split("; ")
    assert broader[:2] == ["CL:0000624 CD4-positive, alpha-beta T cell", "CL:0000898 naive T cell"]
    assert broader[-3:] == ["CL:0000842 mononuclear cell", "CL:0000738 leukocyte", "CL:0000988 hematopoietic cell"]
    assert broader.index("CL:0000084 T cell") < broader.index("CL:0000542 lymphocyte")
    assert ancestors("CL:0000988") == []


def test_every_standard_population_has_its_ancestors() -> None:
    """All lead to the hematopoietic cell, nobody is its own ancestor, and T cells are no B cells."""
    for name in population.standard_populations()["cl_id"]:
        found = [text.split()[0] for text in ancestors(name)]
        assert found[-1] == "CL:0000988", name
        assert name not in found
        assert len(found) == len(set(found))
        assert not {"CL:0000084", "CL:0000236"} <= set(found)


def test_broader_classes_ask_for_less() -> None:
    """Where the ontology's ancestors are not at hand."""
    (match,) = [m for m in matches({"CD3": "+", "CD4": "+"}, top=50) if m.cell_class.cl_id == "CL:0000793"]
    assert ancestors("CL:0000793") == []
    assert match.broader == ("CL:0000084 T cells",)


def test_what_no_class_fits_is_kept() -> None:
    rows = population.annotate(["CD3- CD4-", "CD3+ CD19+ CD14-", "CD3+"])  # doublets of T and B cells
    assert rows["phenotype"].tolist() == ["CD3- CD4-", "CD3+ CD19+ CD14-", *["CD3+"] * 3]
    assert rows["note"].tolist()[:2] == ["no class of the table fits"] * 2
    assert rows["cl_id"].tolist()[:2] == ["", ""]
    assert rows["rank"].tolist() == [1, 1, 1, 2, 3]


def test_immports_preferred_names_stand_beside() -> None:
    row = population.annotate(["CD3+ CD4+ CD25+ CD127-"]).iloc[0]
    assert row["immport_name"] == "T: Treg"
    names = {entry.immport_name for entry in classes()} - {""}
    assert {"B: naive B cell", "M: CD16- monocyte", "NK: NK cell", "DC: plasmacytoid dendritic cell"} <= names


def test_markers_of_the_table_are_those_of_the_vocabulary() -> None:
    markers = {marker for entry in classes() for marker in entry.signs}
    assert len(markers) > 140
    assert {name for name in markers if panel.antigen(name) not in (name, None)} == set()
    known = {name for name in markers if panel.antigen(name) == name}
    assert len(known) > 0.9 * len(markers)
    ids = [entry.cl_id for entry in classes() if entry.source == "Cell Ontology"]
    assert len(ids) == len(set(ids)) > 500


def test_texts_are_read_by_the_grammar() -> None:
    assert best("CD3+, HLADR+, CD4+")[0] == best("CD3+ HLA-DR+ CD4+")[0]
    with pytest.raises(DefinitionError):
        population.annotate(["not a gate"])
    with pytest.raises(OptionError, match="top is 0; ask for 1 class or more"):
        population.annotate(["CD3+"], top=0)


def test_the_command_writes_the_table_or_shows_it(tmp_path: Path) -> None:
    out = tmp_path / "annotations.tsv"
    definitions = pd.DataFrame({"population": ["a", "b"], "definition": ["CD3+ CD4+", "CD3+ TCRgd+"]})
    tables.write(tables.conform(definitions, tables.DEFINITIONS), tmp_path / "d.tsv", tables.DEFINITIONS)
    arguments = ["annotate", "CD3-", "--definitions", str(tmp_path / "d.tsv"), "--top", "2", "--out", str(out)]
    result = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "2 of 3 phenotypes have a class" in result.output
    expected = population.annotate(["CD3-", "CD3+ CD4+", "CD3+ TCRgd+"], top=2)
    pd.testing.assert_frame_equal(tables.read(out, tables.ANNOTATIONS), expected)
    shown = CliRunner().invoke(group, ["annotate", "CD3+ CD4+ CD25+ CD127-"], catch_exceptions=False).output
    assert "1. CL:0000792 regulatory T cells [ImmPort: T: Treg]   score 1.00" in shown
    assert "for it: CD3+ CD4+ CD25+ CD127-" in shown
    nothing = CliRunner().invoke(group, ["annotate"])
    assert nothing.exit_code == 2
    assert "give phenotypes, --clusters, --definitions or --populations" in nothing.output


def test_cells_of_no_blood_lineage_come_after_those_of_the_blood():
    """CD56 is on parafollicular cells of the thyroid too, but who stains CD3, CD16 and CD56 looks at blood."""
    found = population.annotate(["CD3- CD56+ CD16+"], top=5)
    assert list(found["cl_label"])[:2] == ["CD16+ NK cells", "NK cells"]
