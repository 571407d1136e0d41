"""What a reader finds in an FCS file: channels, findings, and how the errors are worded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from immport_cyto.exceptions import FCSError, FCSTruncatedError

_WORTH_A_WARNING = frozenset(
    {"log_of_float", "several_data_sets", "duplicate_name", "truncated", "data_longer", "float_bits"}
)


@dataclass(frozen=True)
class Finding:
    """One oddity of a file, and what was done about it.

    Attributes
    ----------
    code
        Short name that does not change, such as ``"data_end_one_too_far"``.
    message
        What is odd, one clause with the values found.
    action
        What the reader did.
    """

    code: str
    message: str
    action: str

    def __str__(self) -> str:
        return f"{self.message}; {self.action}"


@dataclass(frozen=True)
class Channel:
    """One parameter of a data set.

    Attributes
    ----------
    number
        n of $PnN, from 1.
    pnn, pns
        Short name ($PnN) and stain ($PnS, empty where there is none), blanks around them taken away.
    bits
        Bits of one stored value.
    range
        $PnR; None where the keyword is absent or no usable number.
    amplification
        $PnE as (decades, offset); (0, 0) is linear.
    gain
        $PnG; None where the keyword is absent or not a positive number.
    datatype
        ``"I"``, ``"F"``, ``"D"`` or ``"A"``: $DATATYPE, or $PnDATATYPE of FCS 3.2.
    """

    number: int
    pnn: str
    pns: str = ""
    bits: int = 32
    range: float | None = None
    amplification: tuple[float, float] = (0.0, 0.0)
    gain: float | None = None
    datatype: str = "F"

    @property
    def is_time(self) -> bool:
        """Whether this is the channel that $TIMESTEP speaks of (FCS 3.1: $PnN is Time in any case)."""
        return self.pnn.lower() == "time"

    @property
    def is_log(self) -> bool:
        """Whether the stored integers are logarithmic; $PnE of float data says nothing (FCS 3.1, 3.2.18)."""
        return self.datatype in "IA" and self.amplification[0] > 0

    @property
    def scaled_range(self) -> float | None:
        """Upper limit on the scaled view: $PnR after $PnE or $PnG; None where $PnR is unknown."""
        if self.range is None:
            return None
        limit = self.range
        if self.is_log:
            decades, offset = self.amplification
            limit = (offset or 1.0) * 10.0 ** min(decades, 300.0)
        elif self.gain is not None and not self.is_time:
            limit = self.range / self.gain
        return limit if 0 < limit < math.inf else None


def remarks(findings: Sequence[Finding]) -> list[str]:
    """Of the oddities of a file those that change what its values mean or which are read, each kind once."""
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        if finding.code in _WORTH_A_WARNING:
            by_code.setdefault(finding.code, []).append(str(finding))
    return [texts[0] + (f" (and {len(texts) - 1} more)" if len(texts) > 1 else "") for texts in by_code.values()]


class Report:
    """Collects the findings of one file and words its errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[Finding] = []

    def note(self, code: str, message: str, action: str) -> None:
        """Add a finding once."""
        finding = Finding(code, message, action)
        if finding not in self.findings:
            self.findings.append(finding)

    def fail(self, message: str) -> NoReturn:
        """Raise FCSError with the file's name in front."""
        msg = f"{self.path}: {message}"
        raise FCSError(msg)

    def fail_truncated(self, message: str) -> NoReturn:
        """Raise FCSTruncatedError with the file's name in front."""
        msg = f"{self.path}: {message}"
        raise FCSTruncatedError(msg)


def quoted(text: str, limit: int = 40) -> str:
    """A value of a file as it is shown in a message: quoted, escaped and short."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")
