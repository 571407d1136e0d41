"""Numbers in keyword values, which are text that a person or a program may have written in many ways."""

import math
import re

# more digits than any offset, count or range that a 64-bit format can hold
_WHOLE = re.compile(r"\+?(\d{1,20})(?:\.0*)?")


def whole(text: str | None) -> int | None:
    """A whole number that is not negative, or None."""
    match = _WHOLE.fullmatch(text.strip(" \t\r\n\0")) if text is not None else None
    return int(match[1]) if match else None


def real(text: str | None) -> float | None:
    """A finite number, or None."""
    if text is None or len(text) > 64:
        return None
    try:
        number = float(text.strip(" \t\r\n\0"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
