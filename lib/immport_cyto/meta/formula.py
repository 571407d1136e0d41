"""Model formulas that come from users: read by a grammar of our own, nothing in them is ever evaluated.

::

    formula   = ["~"] term { "+" term }
    term      = "1" | factor { ("*" | ":") factor }
    factor    = column | "C(" column [ "," ["ref" "="] level ] ")" | "num(" column ")"
              | "ordered(" column { "," level } ")" | "trend(" column { "," level } ")"
    column    = name | "`name with blanks`"
    level     = words and numbers, blanks between them | "quoted text"

``a*b`` stands for ``a + b + a:b``; ``C()`` makes a category of any column and may name its reference level, ``num()``
declares an extra column as a number, ``ordered()`` and ``trend()`` make ordered levels of one, the lowest first.
Everything else (attributes, calls, operators) is refused. With every interaction
accompanied by its main effects, treatment coding is a product of columns, so no formula library is needed behind this.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NoReturn, cast

from immport_cyto.exceptions import FormulaError

Kind = Literal["number", "category", "undeclared", "empty"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[^\W\d][\w.]*)|(?P<tick>`[^`]*`)|(?P<text>"[^"]*"|'[^']*')|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<sign>[+:*(),=~]))""",
)
_MAX_LENGTH, _MAX_TERMS, _MAX_ORDER = 1000, 30, 3
_KINDS = {"C": "category", "num": "number", "ordered": "ordered", "trend": "trend"}


@dataclass(frozen=True)
class Variable:
    """One column of the samples table as the formula uses it."""

    column: str
    kind: Literal["number", "category", "ordered", "trend"]
    reference: str | None = None
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Formula:
    """What a formula says: its variables, and its terms as tuples of column names, main effects first."""

    variables: tuple[Variable, ...]
    terms: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """Names of the terms, such as ``age_years`` and ``age_years:sex``."""
        return [":".join(term) for term in self.terms]

    def __str__(self) -> str:
        return " + ".join(self.names)


def parse(formula: str, columns: Mapping[str, Kind], *, intercept_only: bool = False) -> Formula:
    """Read a formula against the columns that it may use.

    Parameters
    ----------
    formula
        Such as ``"age_years * sex + C(arm_name, Placebo)"``.
    columns
        Columns and their kind; ``undeclared`` ones need ``C()`` or ``num()``, ``empty`` ones cannot be used.

    intercept_only
        Take ``1`` alone, which has no term.

    Raises
    ------
    FormulaError
        The text is not of the grammar, names an unknown column, or has no term.
    """
    return _Parser(formula, columns).parse(intercept_only=intercept_only)


def base_name(term: str) -> str:
    """Name in the formula of a term of the results: ``age_years:sex`` of ``age_years:sex[Male vs Female]``."""
    text, depth = [], 0
    for letter in term:
        depth += letter == "["
        if not depth:
            text.append(letter)
        depth -= letter == "]" and depth > 0
    return "".join(text)


class _Parser:
    def __init__(self, formula: str, columns: Mapping[str, Kind]) -> None:
        self.formula, self.columns = formula, columns
        self.tokens: list[tuple[str, str]] = []
        self.spans: list[tuple[int, int]] = []
        self.position = 0
        self.variables: dict[str, Variable] = {}
        self.terms: dict[tuple[str, ...], None] = {}

    def fail(self, what: str) -> NoReturn:
        shown = self.formula if len(self.formula) <= 80 else self.formula[:77] + "..."
        msg = f"formula {shown!r}: {what}"
        raise FormulaError(msg)

    def parse(self, *, intercept_only: bool) -> Formula:
        self._tokenize()
        self._take("sign", "~")
        while self.tokens:
            self._term()
            if self.position == len(self.tokens):
                break
            if not self._take("sign", "+"):
                kind, text = self.tokens[self.position]
                what = "write terms joined by +, such as age_years + sex"
                if kind == "sign" and text == "~":
                    what = "leave out the outcome, it is chosen by the scale, and write only the terms"
                self.fail(f"{text!r} is not expected here; {what}")
        if not self.terms and not (intercept_only and self.position):
            self.fail(f"there is no term in it; usable columns: {self._usable()}")
        ordered = sorted(self.terms, key=len)
        for term in ordered:
            missing = next((t for t in _subsets(term) if t not in self.terms), None)
            if missing is not None:
                self.fail(f"{':'.join(term)} needs {':'.join(missing)} too; write {'*'.join(term)}")
        if len(ordered) > _MAX_TERMS:
            self.fail(f"{len(ordered)} terms; use at most {_MAX_TERMS}")
        return Formula(tuple(self.variables.values()), tuple(ordered))

    def _tokenize(self) -> None:
        if len(self.formula) > _MAX_LENGTH:
            self.fail(f"{len(self.formula)} characters; use at most {_MAX_LENGTH}")
        position, text = 0, self.formula.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                found = text[position:].lstrip()[0]
                inside = self._open_level(text[:position])
                what = f'put the level in quotes, as in {inside}, "...")' if inside else (
                    "use column names, +, :, *, C(), num(), ordered() and trend()"
                )  # fmt: skip
                self.fail(f"{found!r} is not allowed; {what}")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            self.spans.append(match.span(match.lastgroup))
            position = match.end()

    @staticmethod
    def _open_level(before: str) -> str:
        """``C(column`` where the text before breaks off in one of its levels, else empty."""
        found = re.search(r"((?:C|ordered|trend)\([^(),]+),[^()]*$", before)
        return found.group(1) if found else ""

    def _peek(self, kind: str, text: str | None = None, ahead: int = 0) -> bool:
        at = self.position + ahead
        return at < len(self.tokens) and self.tokens[at][0] == kind and text in (None, self.tokens[at][1])

    def _take(self, kind: str, text: str | None = None) -> str | None:
        if not self._peek(kind, text):
            return None
        self.position += 1
        return self.tokens[self.position - 1][1]

    def _term(self) -> None:
        number = self._take("number")
        if number is not None:
            if number != "1":
                self.fail(f"the number {number} is not a term; the intercept is always in the model")
            return
        crossed: list[set[str]] = [{self._factor()}]
        while (sign := self._take("sign", "*") or self._take("sign", ":")) is not None:
            column = self._factor()
            if any(column in part for part in crossed):
                self.fail(f"{column!r} is crossed with itself; name it once in a term")
            if sign == "*":
                crossed.append({column})
            else:
                crossed[-1].add(column)
        # "a*b:c" crosses a with b:c, as in R
        for size in range(1, len(crossed) + 1):
            for chosen in combinations(crossed, size):
                term = tuple(sorted(set().union(*chosen), key=list(self.variables).index))
                if len(term) > _MAX_ORDER:
                    self.fail(f"{':'.join(term)} crosses {len(term)} columns; use at most {_MAX_ORDER}")
                self.terms[term] = None

    def _factor(self) -> str:
        wrapper = None
        if self._peek("name") and self._peek("sign", "(", ahead=1):
            wrapper = self._take("name")
            if wrapper not in _KINDS:
                self.fail(f"the function {wrapper!r} is not allowed; only C, num, ordered and trend are")
            self._take("sign", "(")
        name = self._take("name") or self._take("tick")
        if name is None:
            found = repr(self.tokens[self.position][1]) if self.position < len(self.tokens) else "the end"
            self.fail(f"a column name is expected before {found}; usable columns: {self._usable()}")
        column = name.strip("`")
        if column not in self.columns:
            self.fail(f"unknown term {column!r}; usable columns: {self._usable()}")
        kind: str = self.columns[column]
        reference, levels = None, []
        if kind == "empty":
            self.fail(f"no sample has a value of {column!r}; leave it out, or use one of: {self._usable()}")
        if wrapper is not None:
            if wrapper == "C" and self._take("sign", ","):
                reference = self._level()
            while wrapper in ("ordered", "trend") and self._take("sign", ","):
                levels.append(self._level())
            if not self._take("sign", ")"):
                self.fail(f"the bracket after {wrapper}({column} is not closed; add ')'")
            kind = _KINDS[wrapper]
            if len(set(levels)) < len(levels) or len(levels) == 1:
                self.fail(f"{wrapper}({column}) needs two or more different levels, the lowest first")
        if kind == "undeclared":
            self.fail(
                f"column {column!r} holds numbers without a declared meaning; write num({column}) for a quantity or "
                f"C({column}) for groups"
            )
        self._declare(Variable(column, cast("Literal['number', 'category']", kind), reference, tuple(levels)))
        return column

    def _level(self) -> str:
        if self._peek("name", "ref") and self._peek("sign", "=", ahead=1):
            self.position += 2
        quoted = self._take("text")
        if quoted is not None:
            return quoted[1:-1]
        first = self.position
        while self._peek("name") or self._peek("number"):  # Healthy controls, as it is written
            self.position += 1
        if self.position == first:
            self.fail("a level is expected after the comma in C(); write it in quotes")
        return self.formula[self.spans[first][0] : self.spans[self.position - 1][1]]

    def _declare(self, variable: Variable) -> None:
        known = self.variables.get(variable.column)
        if known is not None and (known.kind != variable.kind or None not in (known.reference, variable.reference)):
            if known != variable:
                self.fail(f"column {variable.column!r} is used in two ways; write it the same way each time")
            return
        if known is None or known.reference is None:
            self.variables[variable.column] = variable

    def _usable(self) -> str:
        known = sorted(name for name, kind in self.columns.items() if kind != "empty")
        return ", ".join(known) or "none (no column of the samples has values)"


def _subsets(term: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [subset for size in range(1, len(term)) for subset in combinations(term, size)]
