"""What a contract is: a table with named columns, each of one kind."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "int", "float", "bool"]


@dataclass(frozen=True)
class Column:
    """One column of a contract; an optional one may be absent from a file and is then empty."""

    name: str
    kind: Kind
    description: str
    required: bool = True


@dataclass(frozen=True)
class Table:
    """One contract between stages."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """Names in the order in which they are written."""
        return [column.name for column in self.columns]


def text(name: str, description: str, required: bool = True) -> Column:
    """A column of text."""
    return Column(name, "text", description, required)


def integer(name: str, description: str, required: bool = True) -> Column:
    """A column of whole numbers."""
    return Column(name, "int", description, required)


def number(name: str, description: str, required: bool = True) -> Column:
    """A column of numbers."""
    return Column(name, "float", description, required)
