"""What commands say beside their tables: numbers with their nouns, names instead of unknown ones, reasons."""

import pytest

from immport_cyto.cli._common import counted, instead, reasons


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (2310, "other file", "2,310 other files"),
        (2, "study", "2 studies"),
    ],
)
def test_a_number_and_what_it_counts(count: int, noun: str, text: str):
    assert counted(count, noun) == text


NAMES = ["B cells", "T cells", "Naive CD8 T cells", "Naive CD4 T cells"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("naive CD8 T cells", "did you mean 'Naive CD8 T cells' or 'Naive CD4 T cells'?"),
        ("B cell", "did you mean 'B cells'?"),
        ("NK cells", "use one of: B cells, T cells, Naive CD8 T cells, Naive CD4 T cells"),
    ],
)
def test_names_instead_of_an_unknown_one(value: str, hint: str):
    assert instead(value, [*NAMES, *NAMES]) == hint


def test_many_names_are_not_all_listed_and_short_ones_come_first():
    many = [*(f"CD{number}- CD4- CD8- CD14- CD16-" for number in range(30)), "monocytes"]
    hint = instead("X", many)
    assert hint.startswith("use one of: monocytes, CD0- CD4-")
    assert hint.endswith(" and 19 more")
    assert instead("X", []) == "use one of: none"


def test_reasons_are_counted():
    notes = ["too few samples"] * 3 + ["", "b", "c", "c", "d"]
    assert reasons(notes) == [
        "  3 rows: too few samples", "  2 rows: c", "  1 row: b", "  1 row: other reasons",
    ]  # fmt: skip
    assert reasons([""]) == []
