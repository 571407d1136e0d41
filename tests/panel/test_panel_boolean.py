"""OR, NOT and brackets in definitions: what they mean, that one population has one form, and the errors."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel import AnyOf, Definition, Gate, parse_gates
from immport_cyto.panel.boolean import LEVELS
from immport_cyto.panel.gates import named_populations


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("CD3+ (CD4+ | CD8+)", "CD3+ (CD4+ OR CD8+)"),
        ("(CD8+ or CD4+) and CD3+", "CD3+ (CD4+ OR CD8+)"),
        ("CD3+, (CD8+ || CD4+)", "CD3+ (CD4+ OR CD8+)"),
        ("(CD3+ CD4+) OR (CD8+ CD3+)", "CD3+ (CD4+ OR CD8+)"),
        ("CD4+ OR CD8+", "(CD4+ OR CD8+)"),
        ("CD14+ OR CD3+ OR CD19+", "(CD3+ OR CD14+ OR CD19+)"),
        ("!CD19+", "CD19-"),
        ("CD3+ NOT CD14+ CD4+", "CD3+ CD14- CD4+"),
        ("CD3+ NOT NOT CD14+", "CD3+ CD14+"),
        ("CD3+ NOT (CD14+ OR CD19+)", "CD3+ CD14- CD19-"),
        ("CD3+ !(CD4+ CD8+)", "CD3+ (CD4- OR CD8-)"),
        ("NOT CD45RA++", "(CD45RA- OR CD45RAlo)"),
        ("NOT CD45RA+~", "(CD45RA- OR CD45RA++)"),
        ("CD4+ NOT CD4++", "CD4lo"),
        ("CD4++ OR CD4lo", "CD4+"),
        ("CD3+ (CD3- OR CD8+)", "CD3+ CD8+"),
        ("CD3+ (CD3+ OR CD8+)", "CD3+"),
        ("CD3+ (CD4+ OR (CD4+ CD8+))", "CD3+ CD4+"),
        ("CD3+ (CD4+ OR (CD8+ (CD56+ OR CD16+)))", "CD3+ ((CD8+ (CD16+ OR CD56+)) OR CD4+)"),
        ("CD16/32+ OR TCRgd+ OR HLADR-", "(CD16/32+ OR HLA-DR- OR TCRgd+)"),
        ("CD3+(CD25+XYZ-)", "CD3+ CD25+ XYZ-"),
        ("viable CD3+ (CD4hi OR CD8dim)", "CD3+ (CD4++ OR CD8lo) viable"),
        ("CD3+|CD4-", "CD3+ CD4-"),
        ("ORAI1+ Notch1+", "Orai1+ Notch1+"),
    ],
)
def test_canonical_form(text: str, canonical: str):
    definition = parse_gates(text)
    assert str(definition) == canonical
    assert parse_gates(str(definition)) == definition


def test_parts():
    definition = parse_gates("CD3+ (CD8+ OR (CD4+ XYZ-)) singlet")
    group = AnyOf(((Gate("CD4", "+"), Gate("XYZ", "-")), (Gate("CD8", "+"),)))
    assert definition == Definition((Gate("CD3", "+"),), ("singlet",), (group,))
    assert definition.markers == ("CD3", "CD4", "XYZ", "CD8")
    assert definition.unknown == ("XYZ",)
    assert definition.hipc() == "singlet, CD3+, ((CD4+ XYZ-) OR CD8+)"
    assert parse_gates(parse_gates("CD3+ (CD4lo OR CD8-)").hipc()) == parse_gates("CD3+ (CD8- OR CD4lo)")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CD3+ CD4+ OR CD8+", "AND and OR side by side at character 14; put brackets around what belongs together"),
        ("CD3+ (CD4+ CD8- OR CD8+)", "AND and OR side by side at character 20"),
        ("CD3+ | !CD19+", "'|' at character 6 is OR within brackets and AND in lists; write OR or a blank"),
        ("CD3+ (CD4+", "the bracket at character 6 is not closed; add ')'"),
        ("CD3+ CD4+)", "')' at character 10 closes no bracket; remove it"),
        ("CD3+ ()", "the brackets at character 6 are empty; remove them"),
        ("OR CD3+", "a gate is missing before OR at character 1; add it or remove the word"),
        ("CD3+ OR", "a gate is missing after OR at character 6"),
        ("CD3+ OR and CD4+", "a gate is missing between OR and AND at character 9"),
        ("CD3+ NOT", "a gate is missing after NOT at character 6"),
        ("CD3+ OR CD3-", "every event meets it; leave it out"),
        ("CD3+ (CD3- OR CD3-)", "its gates exclude each other, so that no event can meet it; correct it"),
        ("CD3+ (CD4+ CD4-)", "CD4+ and CD4- exclude each other; remove one"),
        ("CD3+ NOT monocyte", "NOT at character 6 stands before 'monocyte', which has no gate on a marker; use gates"),
        ("monocyte OR CD14+", "'monocyte' has no gate on a marker; use gates in brackets, with OR and with NOT"),
        ("CD3+ (CD4 OR CD8+)", "'CD4' at character 7 has no sign"),
        ("CD3+ [B cells]", "[B cells] at character 6 names another population; write its gates"),
        ("(" * 13 + "CD3+" + ")" * 13, "more than 12 levels of brackets and NOT at character 13"),
        ("NOT " * 400 + "CD3+", "more than 12 levels of brackets and NOT"),
    ],
)
def test_errors_say_where(text: str, part: str):
    with pytest.raises(DefinitionError) as caught:
        parse_gates(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_of_populations():
    """Other populations come in with all that defines them; a name may hold words and signs of the grammar."""
    known = {"B cells": parse_gates("CD3- CD19+"), "not CD4+ or CD8+": parse_gates("CD4- CD8-")}
    assert named_populations("CD3+ NOT [B cells] [ not CD4+ or CD8+ ] ![B cells]") == ["B cells", "not CD4+ or CD8+"]
    assert str(parse_gates("CD56+ NOT [B cells]", known.__getitem__)) == "CD56+ (CD3+ OR CD19-)"
    assert str(parse_gates("CD3+ NOT [B cells]", known.__getitem__)) == "CD3+"
    assert str(parse_gates("[not CD4+ or CD8+] CD3+", known.__getitem__)) == "CD4- CD8- CD3+"
    many = Definition((), (), (AnyOf(tuple((Gate(f"X{i}", "+"),) for i in range(300))),))
    with pytest.raises(DefinitionError, match="more than 500 gates, those of the populations that it names included"):
        parse_gates("[a] [a]", lambda _: many)


_GATES = st.tuples(st.sampled_from(["CD3", "CD4", "CD8"]), st.sampled_from(["+", "-", "++", "lo"]))
_TREES = st.recursive(
    _GATES,
    lambda inner: st.one_of(
        st.tuples(st.just("NOT"), inner),
        st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)
_CELLS = [dict(zip(("CD3", "CD4", "CD8"), levels, strict=True)) for levels in product((1, 2, 4), repeat=3)]


def _text(tree) -> str:
    kind, inner = tree
    if kind == "NOT":
        return f"NOT {_text(inner)}"
    if kind in ("AND", "OR"):
        return "(" + f" {kind} ".join(map(_text, inner)) + ")"
    return kind + inner


def _is_met(tree, cell: dict[str, int]) -> bool:
    kind, inner = tree
    if kind == "NOT":
        return not _is_met(inner, cell)
    if kind in ("AND", "OR"):
        return (all if kind == "AND" else any)(_is_met(part, cell) for part in inner)
    return bool(LEVELS[inner] & cell[kind])


def _meets(parts, cell: dict[str, int]) -> bool:
    return all(
        LEVELS[part.sign] & cell[part.marker]
        if isinstance(part, Gate)
        else any(_meets(option, cell) for option in part.options)
        for part in parts
    )


@given(_TREES)
@settings(max_examples=300, deadline=None)
def test_the_form_means_what_was_written(tree):
    """Against a truth table of all levels of three markers; what no or every event meets is refused."""
    truth = [_is_met(tree, cell) for cell in _CELLS]
    refusal = _refusal(tree)
    if not refusal:
        definition = parse_gates(_text(tree))
        assert [_meets(definition.parts, cell) for cell in _CELLS] == truth
        assert parse_gates(str(definition)) == definition
    elif "no event can meet it" in refusal:
        assert not any(truth)
    elif "every event meets it" in refusal:
        assert all(truth)
    else:  # two gates of one list, whatever else there is; NOT too often
        assert "exclude each other; remove one" in refusal or "levels of brackets" in refusal


@given(_TREES, st.randoms())
@settings(max_examples=200, deadline=None)
def test_order_and_double_negation_change_nothing(tree, random):
    def shuffled(node):
        kind, inner = node
        if kind == "NOT":
            return kind, shuffled(inner)
        if kind in ("AND", "OR"):
            parts = [shuffled(part) for part in inner] + [shuffled(inner[0])] * random.randint(0, 1)
            random.shuffle(parts)
            return kind, parts
        return ("NOT", ("NOT", node)) if random.random() < 0.3 else node

    def form(node) -> set[str] | str:
        try:
            definition = parse_gates(_text(node))
        except DefinitionError:
            return "refused"
        return {str(part) for part in definition.parts}

    other = shuffled(tree)
    if not any(word in _refusal(tree) + _refusal(other) for word in ("remove one", "levels of brackets")):
        assert form(tree) == form(other)


def _refusal(tree) -> str:
    try:
        parse_gates(_text(tree))
    except DefinitionError as error:
        return str(error)
    return ""
