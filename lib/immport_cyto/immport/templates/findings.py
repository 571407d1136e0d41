"""What was found in a package: one finding per cell and rule, in order of files and rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["error", "warning"]

FINDINGS = Table(
    "findings.tsv",
    "findings on an upload package, in order of the files and rows",
    (
        Column("number", "int", "from 1, in order"),
        Column("file", "text", "file of the package"),
        Column("block", "text", "table of a compound template", required=False),
        Column("row", "int", "line of the file, or number of the record in the JSON form", required=False),
        Column("column", "text", "column of the template, or keyword of an FCS file", required=False),
        Column("severity", "text", "error or warning"),
        Column("rule", "text", "rule that was broken"),
        Column("message", "text", "what is wrong and what to do"),
        Column("suggestion", "text", "value to use instead", required=False),
    ),
    ("number",),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `row` is None where it is about the whole file."""

    file: str
    block: str
    row: int | None
    column: str
    severity: Severity
    rule: str
    message: str
    suggestion: str = ""


def to_frame(findings: Iterable[Finding]) -> "pd.DataFrame":
    """Findings as the table :data:`FINDINGS`."""
    import pandas as pd

    rows = [
        (number, f.file, f.block, f.row, f.column, f.severity, f.rule, f.message, f.suggestion)
        for number, f in enumerate(findings, start=1)
    ]
    return conform(pd.DataFrame(rows, columns=FINDINGS.column_names), FINDINGS)


def shown(value: str, length: int = 60) -> str:
    """A value as it stands in a message: in quotes, shortened, without control characters."""
    text = value if len(value) <= length else value[: length - 3] + "..."
    return repr(text)
