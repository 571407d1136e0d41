"""Population definitions: grammar, canonical form, errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel import Definition, Gate, antigen, parse_gates
from immport_cyto.panel.gates import SIGNS
from immport_cyto.panel.vocabulary import rows


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("CD3+, CD4+ CCR7- CD45RA++", "CD3+ CD4+ CCR7- CD45RA++"),
        ("CD3+|CD4-", "CD3+ CD4-"),
        ("CD3+CD4-CD8+", "CD3+ CD4- CD8+"),
        ("HLADR+ HLA-DR+", "HLA-DR+"),
        ("TNF-a+ IL-2+", "TNF-a+ IL-2+"),
        ("IFN-g+IL-4-", "IFN-g+ IL-4-"),
        ("CD3+14-/CD4+8-", "CD3+ CD14- CD4+ CD8-"),
        ("CD14lo CD16+ monocyte", "CD14lo CD16+ monocyte"),
        ("lymphocytes/singlets/CD19+", "CD19+ lymphocyte singlet"),
        ("live, doublet excluded, CD4+CXCR5highBCL6+", "CD4+ CXCR5++ Bcl-6+ viable singlet"),
        ("CD4 high CD8dim CD27 neg", "CD4++ CD8lo CD27-"),
        ("CD56bright CD16-", "CD56++ CD16-"),
        ("CD3+- CD4+~ CD25int", "CD3lo CD4+~ CD25+~"),
        ("CD16/32+ pERK1/2- CD158e1/e2+", "CD16/32+ pERK1/2- CD158e1/e2+"),
        ("CD235ab/CD61-", "CD235ab/CD61-"),
        ("CD45-RA+", "CD45RA+"),
        ("CD45- RA+", "CD45- RA+"),
        ("CD16-/32A+", "CD16- 32A+"),
        ("LTbR+ CD8bright+", "LTbR+ CD8++"),
        ("CD8+ CD8hi", "CD8++"),
        ("CD8hi CD8+", "CD8++"),
        ("CD4+ My-Protein7+", "CD4+ My-Protein7+"),
    ],
)
def test_canonical_form(text: str, canonical: str):
    definition = parse_gates(text)
    assert str(definition) == canonical
    assert parse_gates(str(definition)) == definition


def test_parts():
    definition = parse_gates("Lymphocytes/CD3+ HLADR- XYZ++")
    assert definition == Definition((Gate("CD3", "+"), Gate("HLA-DR", "-"), Gate("XYZ", "++")), ("lymphocyte",))
    assert definition.markers == ("CD3", "HLA-DR", "XYZ")
    assert definition.unknown == ("XYZ",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty; write gates such as CD3+ CD4+"),
        (" , ", "is empty"),
        ("CD4", "'CD4' has no sign; write a marker with + or -, such as CD4+"),
        ("CD3+ CD4 CD8+", "'CD4' at character 6 has no sign; write a marker with + or -"),
        ("CD11C+/CD3,56,19,14+", "'CD3' at character 8 has no sign"),
        ("CD4+ CD4-", "CD4+ and CD4- exclude each other; remove one"),
        ("CD8lo CD8hi", "CD8lo and CD8++ exclude each other"),
        ("HLADR- HLA-DR+", "HLA-DR- and HLA-DR+ exclude each other"),
        ("either CXCR5dim or PD1dim", "'either' is no gate; write OR between gates in brackets, NOT before a gate"),
        ("Non-naive CD4+", "has no sign"),
        ("x" * 3000, "3000 characters; write at most 2000"),
        ("<b>CD4+</b>", "has no sign"),
    ],
)
def test_errors_say_what_to_do(text: str, part: str):
    with pytest.raises(DefinitionError) as caught:
        parse_gates(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


_ANTIGENS = [row["antigen"] for row in rows("antigens") if row["kind"] != "tetramer"]
_NAMES = st.sampled_from(_ANTIGENS)


@given(
    st.dictionaries(_NAMES, st.sampled_from(SIGNS), min_size=1, max_size=8),
    st.sampled_from([" ", ", ", "/", " | ", "; "]),
)
def test_round_trip_over_the_vocabulary(gates: dict[str, str], separator: str):
    expected = Definition(tuple(Gate(marker, sign) for marker, sign in gates.items()))
    assert parse_gates(str(expected)) == expected
    if separator != "/":  # a path separator is also part of names such as CD16/32
        assert parse_gates(separator.join(map(str, expected.gates))) == expected


@pytest.mark.parametrize("sign", SIGNS)
def test_every_name_of_the_vocabulary_reads_back(sign: str):
    definitions = [Definition((Gate(name, sign),)) for name in _ANTIGENS]
    assert [parse_gates(str(definition)) for definition in definitions] == definitions


def test_square_brackets_within_a_name_are_part_of_it():
    assert parse_gates("CD3- | IgG2a[b]+ | CD19+").markers == ("CD3", "IgG2a[b]", "CD19")
    assert str(parse_gates("(IgG2a[b]+ OR IgG1+) CD19+")) == "CD19+ (IgG1+ OR IgG2a[b]+)"


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str):
    try:
        definition = parse_gates(text)
    except DefinitionError:
        return
    assert definition.gates or definition.populations
    assert all(gate.sign in SIGNS for gate in definition.gates)
    assert all(antigen(name) in {name, None} for name in definition.markers)
    assert parse_gates(str(definition)) == definition
