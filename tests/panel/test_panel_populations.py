"""Names of populations, and definitions in HIPC's form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel import Definition, Gate, parse_gates, read_population
from immport_cyto.panel.gates import SIGNS


@pytest.mark.parametrize(
    ("name", "definition", "words", "statistic"),
    [
        ("CD3_abs", "CD3+", (), "count"),
        ("TH_ICOSp_abs", "ICOS+", ("T helper cell",), "count"),
        ("CD86+ na?ve B cell", "CD86+", ("naive", "B cell"), ""),
        ("CD86+ na\ufffdve B cell", "CD86+", ("naive", "B cell"), ""),
        ("CD14lo CD16+ monocyte", "CD14lo CD16+", ("monocyte",), ""),
        ("lymphocytes/singlets/CD19+", "CD19+", ("lymphocyte", "singlet"), ""),
        ("HLA-DRhi CD16- monocyte", "HLA-DR++ CD16-", ("monocyte",), ""),
        ("CD14nCD16n", "CD14- CD16-", (), ""),
        ("CD4p_CD25p_FOXP3p_pct", "CD4+ CD25+ FoxP3+", (), "fraction"),
        ("B_CD27n_IgDp_abs", "CD27- IgD+", ("B cell",), "count"),
        ("Q3: CD19+,, CD20-,Freq. of,B lym CD19+", "CD19+ CD20-", (), "fraction"),
        ("Plasma cells,Freq. of,B lym CD27+", "", ("plasma cell",), "fraction"),
        ("CD45+ cells/uL", "CD45+", (), "cells per microlitre"),
        ("CD8 TEMRA %", "CD8+", ("terminally differentiated effector memory",), "fraction"),
        ("ICOS+ T follicular helper cell type 17", "ICOS+", ("T follicular helper cell", "type 17"), ""),
        ("ICOS+ Tfh1/17 CD4+ T cell", "ICOS+ CD4+", ("T follicular helper cell type 1/17", "T cell"), ""),
        ("CD3- CD56bright NK", "CD3- CD56++", ("NK cell",), ""),
        ("CD4+ T cells (MFI)", "CD4+", ("T cell",), "intensity"),
    ],
)
def test_names_of_real_packages(name: str, definition: str, words: tuple[str, ...], statistic: str):
    found = read_population(name)
    assert str(found.definition or "") == definition
    assert (found.words, found.statistic, found.unread) == (words, statistic, ())


def test_what_is_assumed_or_not_read_is_said():
    assert read_population("CD3_abs").notes == ("CD3 has no sign and is read as CD3+",)
    assert read_population("QCGran").unread == ("QCGran",)
    assert read_population("CD4+ CD4- cells").notes == ("CD4+ and CD4- exclude each other; CD4+ is kept",)
    assert str(read_population("CD4+ CD4- cells").definition) == "CD4+"
    assert read_population("") == read_population(" \x00")


@given(st.text(max_size=120))
def test_any_name_is_read(name: str):
    found = read_population(name)
    assert found.definition is None or parse_gates(str(found.definition)) == found.definition


_MARKERS = st.sampled_from(["CD3", "CD4", "CD8a", "CD45RA", "CCR7", "HLA-DR", "TCRgd", "Ki67", "pSTAT5", "IL-17A"])


@given(
    st.dictionaries(_MARKERS, st.sampled_from(SIGNS), min_size=1, max_size=6),
    st.lists(st.sampled_from(["lymphocyte", "singlet", "viable", "intact"]), unique=True, max_size=3),
)
def test_hipc_form_reads_back(gates: dict[str, str], populations: list[str]):
    definition = Definition(tuple(Gate(marker, sign) for marker, sign in gates.items()), tuple(populations))
    assert parse_gates(definition.hipc()) == definition


def test_hipc_form():
    definition = parse_gates("Lymphocytes/CD3+ CD44low CCR7- CD45RAhi CD25int")
    assert definition.hipc() == "lymphocyte, CD3+, CD44+-, CCR7-, CD45RA++, CD25+~"
    assert parse_gates("CD3+ HLADR-").hipc("human") == "hCD3E+, hHLA-DRA-"


@pytest.mark.parametrize(
    "text", ["CD3+" * 500, "(" * 2000, "CD3" + "+" * 1900, "a/" * 900, "=cmd|'/C calc'!A0", "\u202eCD3+"]
)
def test_hostile_definitions_and_names(text: str):
    read_population(text)
    message = ""
    try:
        definition = parse_gates(text)
    except DefinitionError as error:
        message = str(error)
    else:
        assert parse_gates(str(definition)) == definition
    assert "\n" not in message
    assert len(message) < 400
