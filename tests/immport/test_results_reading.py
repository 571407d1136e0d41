"""Units, definitions and gating schemes of population results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.immport.cells import cell_class
from immport_cyto.immport.definitions import ancestors, population_name, read_definition
from immport_cyto.immport.schemes import identify
from immport_cyto.immport.units import read_unit


@pytest.mark.parametrize(
    ("text", "kind", "factor", "name"),
    [
        ("ul", "density", 1.0, "cells/uL"), ("cells/uL", "density", 1.0, "cells/uL"),
        ("Cells/μL", "density", 1.0, "cells/uL"), ("mm3", "density", 1.0, "cells/uL"),
        ("10^3/mL", "density", 1.0, "cells/uL"), ("x10^9/L", "density", 1e3, "cells/uL"),
        ("K/uL", "density", 1e3, "cells/uL"), ("million cells/mL", "density", 1e3, "cells/uL"),
        ("1000 cells/ul", "density", 1e3, "cells/uL"), ("cells per liter", "density", 1e-6, "cells/uL"),
        ("cells/dL", "density", 1e-5, "cells/uL"),
        ("%", "share", 0.01, ""), ("Percentage", "share", 0.01, ""), ("% of parent", "share", 0.01, ""),
        ("fraction", "share", 1.0, ""), ("proportion of live", "share", 1.0, ""),
        ("cells", "events", 1.0, "events"), ("Events", "events", 1.0, "events"),
        ("cell count", "events", 1.0, "events"),
        ("events per experiment sample", "events", 1.0, "events"),
        ("cells per cLN", "other", 1.0, "cells per cLN"), ("MFI", "other", 1.0, "MFI"), ("", "other", 1.0, ""),
        ("ml/min", "other", 1.0, "ml/min"),
    ],
)  # fmt: skip
def test_units(text: str, kind: str, factor: float, name: str) -> None:
    unit = read_unit(text)
    assert (unit.kind, unit.name) == (kind, name)
    assert unit.factor == pytest.approx(factor)


def test_the_parent_in_a_unit() -> None:
    assert read_unit("% of CD4+ T cells").parent == "CD4+ T cells"
    assert read_unit("percent CD45+").parent == "CD45+"
    assert read_unit("% of Parent").parent == ""


@given(st.text(max_size=40))
def test_any_text_is_some_unit(text: str) -> None:
    unit = read_unit(text)
    assert unit.kind in {"share", "events", "density", "other"}
    assert unit.factor > 0


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        ("CD19+, CD3-, CD14-", "CD19+ CD3- CD14-"),
        ("T cell: viable/Lymph/CD3+/CD4+/Q1: CD45RA-CD27+", "CD3+ CD4+ CD45RA- CD27+ viable lymphocyte"),
        ("CXCR3 FMO: viable", "viable"),
        ("Singlet/CD45+,Count", "CD45+ singlet"),
        (
            "Singlet/CD45+/B lym CD19+/Q2: CD19+,, CD20+/CD27-,, IgD+,Freq. of,Q2: CD19+, CD20+",
            "CD45+ CD19+ CD20+ CD27- IgD+ singlet",
        ),
        ("Sum of Plasma cells and Plasmablast", ""),
        ("CD4+ CD44high,either CXCR5dim or PD1dim", ""),
        ("CD3+/some gate/CD4+", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_definitions(text: str, gates: str) -> None:
    assert read_definition(text) == gates


@given(st.text(max_size=120))
def test_a_definition_is_gates_that_read_back_or_nothing(text: str) -> None:
    gates = read_definition(text)
    assert gates == "" or read_definition(gates) == gates


def test_ancestors_are_the_gates_above() -> None:
    assert ancestors("Treg: viable/Lymph/CD3+") == ["Treg: viable/Lymph", "Treg: viable"]
    assert ancestors("CD3+, CD4+") == []


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (("na?ve CD4+ T cell",), "naive CD4+ T cell"), (("CD86+ Naïve B cell",), "CD86+ Naive B cell"),
        (("", "B  cell"), "B cell"), (("B lym CD19+,Freq. of,WBC CD45+",), "B lym CD19+"), (("", " "), ""),
        ((",Count",), ",Count"),
    ],
)  # fmt: skip
def test_names(texts: tuple[str, ...], name: str) -> None:
    assert population_name(*texts) == name


def test_schemes_do_not_depend_on_the_order_and_forgive_what_is_left_out() -> None:
    one = {f"a{i}": frozenset(range(20)) - {i} for i in range(5)}
    other = {f"b{i}": frozenset([0, *range(30, 40)]) for i in range(5)}
    samples = list((one | other).items())
    found = identify(dict(samples))
    assert {found[name] for name in one} == {found["a0"]}
    assert {found[name] for name in other} == {found["b0"]}
    assert found["a0"].startswith("gated-20p-")
    assert found["b0"].startswith("gated-11p-")
    assert identify(dict(samples[::-1])) == found
    assert identify(dict(samples[5:] + samples[:5])) == found


def test_a_study_where_no_two_samples_report_alike_has_one_scheme() -> None:
    found = identify({str(i): frozenset([i, -1]) for i in range(401)})
    assert set(found.values()) == {found["0"]}
    assert found["0"].startswith("gated-402p-")


@pytest.mark.parametrize(
    ("names", "definition", "cl_id"),
    [
        (("T: naive CD4+ T cell", "Naive"), "", "CL:0000895"),  # the preferred name of newer releases
        (("", "Naïve CD4+ T cells"), "CD3+ CD4+ CCR7+ CD45RA+", "CL:0000895"),
        (("", "naive thymus-derived CD4-positive, alpha-beta T cell"), "", "CL:0000895"),
        (("", "monocytes"), "CD14+ CD3- viable", "CL:0000576"),
        (("", "B cell"), "CD3+ CD19-", ""),  # the gates say the opposite of the name
        (("", "non-Tc1/Tc17 CD8+ T cell"), "", ""),  # two classes in ImmPort's vocabulary
        (("", "ICOS+ T cell"), "CD3+", ""), (("", "viable"), "", ""),
    ],
)  # fmt: skip
def test_cell_ontology_classes(names: tuple[str, ...], definition: str, cl_id: str) -> None:
    assert cell_class(names, definition) == cl_id
