"""A template as it was read: grids of text, column by column, and what was odd about its form."""

from dataclasses import dataclass, field

from immport_cyto.immport.templates import definitions
from immport_cyto.immport.templates.definitions import Block, Column, Template
from immport_cyto.immport.templates.findings import Finding, Severity


@dataclass
class GridColumn:
    """One column of a grid.

    Attributes
    ----------
    header
        Name as in the file.
    column
        Its definition; None for a column that the template does not have.
    group
        0 for meta data, else the number of the group of results.
    line
        Line in a vertical block, where each column has its own; else 0.
    """

    header: str
    column: Column | None
    group: int = 0
    line: int = 0

    @property
    def name(self) -> str:
        """Name of the definition, else as in the file."""
        return self.column.name if self.column else self.header


@dataclass
class Grid:
    """The rows of a template, or of a block of it.

    Attributes
    ----------
    rows
        Line (or number of the record) of each row.
    data
        Per column, one text per row.
    """

    block: Block
    columns: list[GridColumn]
    rows: list[int]
    data: list[list[str]]

    def __len__(self) -> int:
        return len(self.rows)

    def position(self, name: str) -> int | None:
        """Place of a column by the name of its definition; of several, the first."""
        return next((i for i, c in enumerate(self.columns) if c.column and c.column.name == name), None)

    def values(self, name: str) -> list[str]:
        """Texts of a column; empty ones where it is not there."""
        place = self.position(name)
        return self.data[place] if place is not None else [""] * len(self)

    def row(self, place: int, index: int) -> int:
        """Where in the file a cell stands."""
        return self.columns[place].line or self.rows[index]


@dataclass
class Sheet:
    """One template file.

    Attributes
    ----------
    form
        ``text``, ``csv`` or ``json``.
    template
        Its definitions; None where the file does not say what it is.
    schema, level
        Schema version and validation level that the file names.
    """

    file: str
    form: str
    template: Template | None = None
    schema: str = ""
    level: str = ""
    grids: list[Grid] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(
        self,
        rule: str,
        message: str,
        *,
        severity: Severity = "error",
        row: int | None = None,
        column: str = "",
        block: str = "",
        suggestion: str = "",
    ) -> None:
        """Note a finding on the form of the file."""
        self.findings.append(Finding(self.file, block, row, column, severity, rule, message, suggestion))

    @property
    def is_newer(self) -> bool:
        """Whether its schema is newer than the definitions, so that a column may be new to them."""
        return definitions.is_newer(self.schema)
