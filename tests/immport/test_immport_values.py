import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.immport import age_years, is_topcoded, study_days, technique
from immport_cyto.immport.values import (
    bare_name,
    file_id,
    file_role,
    id_in_name,
    keyword,
    name_key,
    number,
    original_name,
    release_rank,
    stored_name,
    word,
)


@pytest.mark.parametrize(
    ("value", "unit", "years"),
    [
        ("41.14", "Years", 41.14),
        ("18", "Months", 1.5),
        ("6", "Weeks", 6 * 7 / 365.25),
        ("0", "Days", 0.0),
        (90, "year", 90.0),
        ("12", "Not Specified", None),
        ("12", "", None),
        ("", "Years", None),
        ("unknown", "Years", None),
        ("-1", "Years", None),
        ("nan", "Years", None),
        (None, None, None),
    ],
)
def test_age_years_converts_units_and_never_guesses(value: object, unit: object, years: float | None) -> None:
    assert age_years(value, unit) == (years if years is None else pytest.approx(years, rel=1e-12))


def test_only_an_age_of_exactly_90_is_topcoded() -> None:
    assert [is_topcoded(age) for age in (89.0, 89.99, 90.0, 91.0, None)] == [False, False, True, False, None]
    assert is_topcoded(age_years("1080", "Months")) is True


@pytest.mark.parametrize(
    ("value", "unit", "days"),
    [
        ("36", "Hours", 1.5),
        ("-7", "Days", -7.0),
        ("2", "Weeks", 14.0),
        ("1", "Years", 365.25),
        ("90", "Minutes", 0.0625),
        ("5", "Not Specified", None),
        ("Not Specified", "Days", None),
    ],
)
def test_study_days(value: str, unit: str, days: float | None) -> None:
    assert study_days(value, unit) == days


def test_ages_printed_from_32_bits_become_what_was_entered() -> None:
    assert number("13.19999980926513") == 13.2
    assert number("15.91") == 15.91
    assert number("0.1234567890123") == 0.1234567890123  # not the digits of a 32-bit number


@given(st.floats(min_value=0.01, max_value=120).map(lambda x: round(x, 2)))
def test_a_32_bit_print_gives_the_age_back(age: float) -> None:
    import struct

    single = struct.unpack("f", struct.pack("f", age))[0]
    assert number(f"{single:.14f}".rstrip("0")) == age


def test_technique_has_two_words_over_all_releases() -> None:
    for text in ("FCM", "Flow Cytometry", "Flow_Cytometry", "flow cytometry", "FACS"):
        assert technique(text) == "Flow cytometry"
    for text in ("CyTOF", "CYTOF", "Mass cytometry", "CyTOF result in fcs format"):
        assert technique(text) == "CyTOF"
    assert technique("ELISPOT", "") == ""


@pytest.mark.parametrize(
    ("detail", "purpose", "name", "role"),
    [
        ("Flow cytometry result", "", "a.1.fcs", "sample"),
        ("CyTOF result", "", "a.1.FCS", "sample"),
        ("Flow cytometry result in fcs format", "Flow cytometry result", "a.fcs", "sample"),
        ("Flow cytometry result in fcs format", "Flow cytometry compensation or control", "a.fcs", "control"),
        ("Flow cytometry compensation or control", "", "a.fcs", "control"),
        ("Flow cytometry workspace", "Flow cytometry result", "a.jo", "workspace"),
        ("ImmPort template", "Flow cytometry result", "a.txt", "other"),
        ("Flow cytometry result in text format", "Flow cytometry result", "a.txt", "text"),
        ("Flow cytometry result", "", "a.1.txt", "text"),
        ("MBAA result", "", "a.rbx", "other"),
        ("Converted FCS file", "", "a.fcs", "converted"),
    ],
)
def test_file_roles_of_all_releases(detail: str, purpose: str, name: str, role: str) -> None:
    assert file_role(detail, purpose, name) == role


def test_words_of_old_releases() -> None:
    assert word("Not_Specified") == "Not Specified"
    assert word(" Female ") == "Female"
    assert word("BALB/c_2") == "BALB/c_2"
    assert word(None) == ""


def test_names_with_ids() -> None:
    assert id_in_name("11-0059_cells_found.573523.fcs") == 573523
    assert id_in_name("x.573523.fcs.gz") == 573523
    assert id_in_name("x.573523") == 573523
    assert id_in_name("x_573523.fcs") is None
    assert original_name("x.12.fcs", "", "12") == "x.fcs"
    assert original_name("x.12.fcs", "y.fcs", "12") == "y.fcs"
    assert bare_name("A b.FCS") == "A b"
    assert name_key("folder/A b.FCS.gz") == name_key("a B")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0\n\t", categories=["L", "N", "P"]), min_size=1)


@given(NAMES, st.integers(min_value=1, max_value=10**12))
def test_a_stored_name_carries_its_id_once(name: str, number_: int) -> None:
    stored = stored_name(f"{name}.fcs", number_)
    assert id_in_name(stored) == number_ or f".{number_}." in f"{name}.fcs"
    assert stored_name(stored, number_) == stored


@given(NAMES)
def test_name_key_does_not_change_twice_or_with_the_suffix(name: str) -> None:
    key = name_key(f"{name}.fcs")
    assert name_key(f"{key}.fcs") == key
    assert name_key(f"{name}.FCS.gz") == key


def test_a_file_without_an_id_gets_a_stable_one() -> None:
    first, again, other = (file_id("", "a.fcs", study) for study in ("SDY1", "SDY1", "SDY2"))
    assert first == again
    assert isinstance(first, int)
    assert first < 0
    assert first != other
    assert file_id("7", "a.9.fcs", "SDY1") == 7
    assert file_id("", "a.9.fcs", "SDY1") == 9


def test_keywords_of_a_header_text() -> None:
    text = "$FIL=a b.fcs|TUBE NAME= |SPILL=2,A,B,1,0,0,1|GUID=x"
    assert keyword(text, "$FIL") == "a b.fcs"
    assert keyword(text, "TUBE NAME") == ""
    assert keyword(text, "guid") == "x"
    assert keyword(None, "GUID") == ""


def test_releases_compare_as_numbers() -> None:
    assert release_rank("DR9") < release_rank("DR16") < release_rank("DR32") < release_rank("DR49.1")
    assert release_rank("") == -1
    assert math.isfinite(release_rank("nothing"))
