"""Terms of models and columns of tables in words."""

import re

_UNITS = (("_years", "years"), ("_days", "days"))
_BETWEEN = re.compile(r":(?![^\[]*\])")  # of an interaction, not within brackets


def words(term: object) -> str:
    """A term or column as people say it.

    Examples
    --------
    >>> words("age_years")
    'age (years)'
    >>> words("arm_name[Patients vs Controls]")
    'arm name: Patients vs Controls'
    >>> words("age_years:sex[Male vs Female]")
    'age (years) × sex: Male vs Female'
    """
    return " × ".join(_one(part) for part in _BETWEEN.split(str(term)))


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _one(term: str) -> str:
    name, bracket, levels = term.partition("[")
    unit = next(((end, unit) for end, unit in _UNITS if name.endswith(end)), None)
    if unit:
        name = f"{name.removesuffix(unit[0])} ({unit[1]})"
    name = name.replace("_", " ")
    return f"{name}: {levels.removesuffix(']')}" if bracket else name
