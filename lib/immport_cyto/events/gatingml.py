"""Gating-ML 2.0 files: the gates, scales and spectrum matrices that they hold.

The file is untrusted: it is parsed without a document type (so no entity is ever expanded), without any access to other
files, and with limits of size and depth.

References
----------
Spidlen J, Moore W, Brinkman RR. ISAC's Gating-ML 2.0 data exchange standard for gating description.
Cytometry A 2015;87A:683-687.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

import numpy as np

from immport_cyto.events.transforms import Hyperlog, Logicle
from immport_cyto.exceptions import InputError, OptionError

_BASE = "http://www.isac-net.org/std/Gating-ML/v"
_NAMESPACE = _BASE + "2.0/"
_MOST_BYTES = 50_000_000
_MOST_DEPTH = 50
_KINDS = ("flin", "flog", "fasinh", "logicle", "hyperlog")

Scale = Callable[[np.ndarray], np.ndarray]


@dataclass
class Node:
    """One element: its name and attributes without namespaces, its children and its text."""

    name: str
    attributes: dict[str, str]
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list["Node"]:
        """Children of this name."""
        return [child for child in self.children if child.name == name]


@dataclass(frozen=True)
class Ratio:
    """The new dimension ``A (x - B) / (y - C)``."""

    channels: tuple[str, str]
    a: float
    b: float
    c: float


@dataclass(frozen=True)
class Matrix:
    """A spectrum matrix, fluorochromes x detectors."""

    fluorochromes: tuple[str, ...]
    detectors: tuple[str, ...]
    values: np.ndarray
    inverted: bool


@dataclass(frozen=True)
class Dimension:
    """One axis of a gate.

    Attributes
    ----------
    source
        Name of a channel (or of a fluorochrome of a spectrum matrix), or a ratio.
    compensation
        ``uncompensated``, ``FCS`` or the name of a spectrum matrix.
    scale
        Name of a transformation, or empty.
    low, high
        Limits on the scale; the lower one belongs to the gate.
    """

    source: str | Ratio
    compensation: str
    scale: str = ""
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes
    ----------
    name, parent
        Its id, and that of its parent gate or empty.
    kind
        ``rectangle``, ``polygon``, ``ellipsoid``, ``and``, ``or`` or ``not``. Each part of a quadrant gate is a
        rectangle.
    dimensions
        Axes.
    points
        Polygon: vertices x 2. Ellipsoid: the mean.
    covariance, distance
        Ellipsoid: matrix and square of the distance.
    members
        Boolean: names of gates, and whether their complement is meant.
    """

    name: str
    kind: str
    parent: str = ""
    dimensions: tuple[Dimension, ...] = ()
    points: np.ndarray = field(default_factory=lambda: np.empty(0))
    covariance: np.ndarray = field(default_factory=lambda: np.empty(0))
    distance: float = 0.0
    members: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class GatingML:
    """All of one file; gates in an order in which each stands after those it refers to."""

    gates: dict[str, Gate]
    scales: dict[str, Scale]
    matrices: dict[str, Matrix]


def read(path: Path) -> GatingML:
    """Read a Gating-ML 2.0 file.

    Raises
    ------
    InputError
        The file cannot be read, is not Gating-ML 2.0, or contradicts itself.
    """
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, message: str) -> NoReturn:
        msg = f"{self.path}: {message}"
        raise InputError(msg)

    def read(self) -> GatingML:
        root = self.tree()
        ratios: dict[str, Ratio] = {}
        scales: dict[str, Scale] = {}
        matrices: dict[str, Matrix] = {}
        for node in root.all("transformation"):
            name = self.text(node, "id")
            if name in scales or name in ratios:
                self.fail(f"transformation {name!r} is defined twice; rename one")
            kind = next(iter(node.children), None)
            if kind is not None and kind.name == "fratio":
                x, y = (self.channel(child) for child in self.exactly(kind, "fcs-dimension", 2))
                ratios[name] = Ratio((x, y), *(self.number(kind, key) for key in "ABC"))
            else:
                scales[name] = self.scale(kind, name)
        for node in root.all("spectrumMatrix"):
            name = self.text(node, "id")
            if name in matrices:
                self.fail(f"spectrum matrix {name!r} is defined twice; rename one")
            matrices[name] = self.matrix(node, name)
        gates: dict[str, Gate] = {}
        for node in root.children:
            if node.name.endswith("Gate"):
                for gate in self.gate(node, ratios):
                    if gate.name in gates:
                        self.fail(f"gate {gate.name!r} is defined twice; rename one")
                    gates[gate.name] = gate
        if not gates:
            self.fail("holds no gates; export the gates again")
        for gate in gates.values():
            self.check(gate, gates, scales, matrices)
        return GatingML(self.ordered(gates), scales, matrices)

    def tree(self) -> Node:
        try:
            size = self.path.stat().st_size
            content = self.path.read_bytes() if size <= _MOST_BYTES else b""
        except OSError as error:
            self.fail(f"cannot be read ({error.strerror}); check the path")
        if size > _MOST_BYTES:
            self.fail(f"has {size:,} bytes, more than any Gating-ML file; check the path")
        top = Node("", {})
        stack = [top]
        parser = expat.ParserCreate(namespace_separator="}")

        def start(name: str, attributes: dict[str, str]) -> None:
            if len(stack) > _MOST_DEPTH:
                self.fail(f"nests elements more than {_MOST_DEPTH} deep; export the gates again")
            namespace, _, plain = name.rpartition("}")
            if len(stack) == 1 and not (plain == "Gating-ML" and namespace.startswith(_NAMESPACE)):
                other = namespace.startswith(_BASE) and plain == "Gating-ML"
                found = (
                    f"is Gating-ML {namespace.removeprefix(_BASE).partition('/')[0]}" if other else "is no Gating-ML"
                )
                self.fail(f"{found}; give a Gating-ML 2.0 file")
            node = Node(plain, {key.rpartition("}")[2]: value for key, value in attributes.items()})
            stack[-1].children.append(node)
            stack.append(node)

        def end(name: str) -> None:
            stack.pop()

        def data(text: str) -> None:
            stack[-1].text += text

        def doctype(*_: Any) -> None:
            self.fail("has a document type declaration, which Gating-ML does not need; remove the DOCTYPE lines")

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = data
        parser.StartDoctypeDeclHandler = doctype
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            self.fail(f"is not well-formed XML ({error}); export the gates again")
        return top.children[0]

    def text(self, node: Node, key: str) -> str:
        value = node.attributes.get(key, "").strip()
        if not value:
            self.fail(f"element {node.name} has no {key}; export the gates again")
        return value

    def number(self, node: Node, key: str, default: float | None = None) -> float:
        text = node.attributes.get(key, "").strip()
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.fail(f"{key} of element {node.name} is {text!r}, not a number; correct it")
        return value

    def exactly(self, node: Node, name: str, count: int) -> list[Node]:
        found = node.all(name)
        if len(found) != count:
            self.fail(f"element {node.name} has {len(found)} of {name} instead of {count}; export the gates again")
        return found

    def channel(self, node: Node) -> str:
        return self.text(node, "name")

    def scale(self, node: Node | None, name: str) -> Scale:
        """The scale of a transformation, with its bounds."""
        kind = node.name if node is not None else ""
        if node is None or kind not in _KINDS:
            self.fail(
                f"transformation {name!r} is {kind or 'empty'!r}; known are flin, flog, fasinh, logicle, hyperlog"
            )
        values = {key: self.number(node, key, 0.0) for key in "TWMA"}
        top, m, a = values["T"], values["M"], values["A"]
        if top <= 0 or (kind != "flin" and m <= 0) or (kind == "flin" and not 0 <= a <= top):
            self.fail(f"transformation {name!r} has impossible parameters; correct T, M or A")
        if kind in {"logicle", "hyperlog"}:
            try:
                function: Scale = (Logicle if kind == "logicle" else Hyperlog)(**values).forward
            except OptionError as error:
                self.fail(f"transformation {name!r}: {error}")
        elif kind == "flin":
            function = lambda x: (x + a) / (top + a)  # noqa: E731
        elif kind == "flog":
            function = lambda x: _log10(x / top) / m + 1  # noqa: E731
        else:
            ten = math.log(10)
            function = lambda x: (np.arcsinh(x * math.sinh(m * ten) / top) + a * ten) / ((m + a) * ten)  # noqa: E731
        low, high = self.number(node, "boundMin", -math.inf), self.number(node, "boundMax", math.inf)
        return function if low == -math.inf and high == math.inf else lambda x: np.clip(function(x), low, high)

    def matrix(self, node: Node, name: str) -> Matrix:
        fluorochromes, detectors = (
            tuple(self.channel(child) for child in self.exactly(node, part, 1)[0].all("fcs-dimension"))
            for part in ("fluorochromes", "detectors")
        )
        rows = [[self.number(cell, "value") for cell in row.all("coefficient")] for row in node.all("spectrum")]
        if len(rows) != len(fluorochromes) or any(len(row) != len(detectors) for row in rows) or not rows:
            self.fail(
                f"spectrum matrix {name!r} is not {len(fluorochromes)} x {len(detectors)}; export the gates again"
            )
        inverted = node.attributes.get("matrix-inverted-already", "").strip().lower() in {"true", "1"}
        return Matrix(fluorochromes, detectors, np.array(rows), inverted)

    def dimension(self, node: Node, ratios: dict[str, Ratio]) -> Dimension:
        children = [child for child in node.children if child.name in {"fcs-dimension", "new-dimension"}]
        if len(children) != 1:
            self.fail(f"element {node.name} names {len(children)} channels instead of one; export the gates again")
        source: str | Ratio
        if children[0].name == "fcs-dimension":
            source = self.channel(children[0])
        else:
            reference = self.text(children[0], "transformation-ref")
            if reference not in ratios:
                self.fail(f"a new dimension refers to {reference!r}, which is no fratio of the file")
            source = ratios[reference]
        return Dimension(
            source,
            self.text(node, "compensation-ref"),
            node.attributes.get("transformation-ref", "").strip(),
            self.number(node, "min", -math.inf),
            self.number(node, "max", math.inf),
        )

    def gate(self, node: Node, ratios: dict[str, Ratio]) -> Iterator[Gate]:
        """The gates of one element; each part of a quadrant gate is one."""
        name, parent = self.text(node, "id"), node.attributes.get("parent_id", "").strip()
        axes = tuple(self.dimension(child, ratios) for child in node.all("dimension"))
        if node.name == "QuadrantGate":
            yield from self.quadrants(node, parent, ratios)
        elif node.name == "BooleanGate":
            yield self.boolean(node, name, parent)
        elif not axes:
            self.fail(f"gate {name!r} has no dimensions; export the gates again")
        elif node.name == "RectangleGate":
            yield Gate(name, "rectangle", parent, axes)
        elif node.name == "PolygonGate":
            vertices = np.array([self.coordinates(vertex, 2) for vertex in node.all("vertex")])
            if len(axes) != 2 or len(vertices) < 3:
                self.fail(f"polygon {name!r} has {len(axes)} dimensions and {len(vertices)} vertices; it needs 2 and 3")
            yield Gate(name, "polygon", parent, axes, vertices)
        elif node.name == "EllipsoidGate":
            mean = np.array(self.coordinates(self.exactly(node, "mean", 1)[0], len(axes)))
            rows = self.exactly(self.exactly(node, "covarianceMatrix", 1)[0], "row", len(axes))
            covariance = np.array(
                [[self.number(e, "value") for e in self.exactly(r, "entry", len(axes))] for r in rows]
            )
            if abs(np.linalg.det(covariance)) == 0:
                self.fail(f"the covariance matrix of gate {name!r} is singular; correct it")
            distance = self.number(self.exactly(node, "distanceSquare", 1)[0], "value")
            yield Gate(name, "ellipsoid", parent, axes, mean, covariance, distance)
        else:
            self.fail(f"gate {name!r} is a {node.name}, which Gating-ML 2.0 does not know; export the gates again")

    def coordinates(self, node: Node, count: int) -> list[float]:
        return [self.number(child, "value") for child in self.exactly(node, "coordinate", count)]

    def quadrants(self, node: Node, parent: str, ratios: dict[str, Ratio]) -> Iterator[Gate]:
        dividers: dict[str, tuple[Dimension, list[float]]] = {}
        for child in node.all("divider"):
            values = sorted(self.number(Node("value", {"value": v.text}), "value") for v in child.all("value"))
            dividers[self.text(child, "id")] = (self.dimension(child, ratios), values)
        for part in node.all("Quadrant"):
            axes = []
            for position in part.all("position"):
                reference = self.text(position, "divider_ref")
                if reference not in dividers:
                    self.fail(f"a quadrant refers to divider {reference!r}, which is not there; export the gates again")
                axis, values = dividers[reference]
                where = self.number(position, "location")
                low = max((value for value in values if value <= where), default=-math.inf)
                high = min((value for value in values if value > where), default=math.inf)
                axes.append(Dimension(axis.source, axis.compensation, axis.scale, low, high))
            yield Gate(self.text(part, "id"), "rectangle", parent, tuple(axes))

    def boolean(self, node: Node, name: str, parent: str) -> Gate:
        kinds = [child for child in node.children if child.name in {"and", "or", "not"}]
        members = [
            (self.text(child, "ref"), child.attributes.get("use-as-complement", "").strip().lower() in {"true", "1"})
            for kind in kinds
            for child in kind.all("gateReference")
        ]
        if len(kinds) != 1 or not members or (kinds[0].name == "not" and len(members) != 1):
            self.fail(f"gate {name!r} is no and, or or not of other gates; export the gates again")
        return Gate(name, kinds[0].name, parent, members=tuple(members))

    def check(self, gate: Gate, gates: dict[str, Gate], scales: dict[str, Scale], matrices: dict[str, Matrix]) -> None:
        for other in [*([gate.parent] if gate.parent else []), *(name for name, _ in gate.members)]:
            if other not in gates:
                self.fail(f"gate {gate.name!r} refers to gate {other!r}, which is not there; export the gates again")
        for axis in gate.dimensions:
            if axis.scale and axis.scale not in scales:
                self.fail(f"gate {gate.name!r} refers to transformation {axis.scale!r}, which is no scale of the file")
            if axis.compensation.lower() not in {"uncompensated", "fcs"} and axis.compensation not in matrices:
                self.fail(f"gate {gate.name!r} refers to matrix {axis.compensation!r}, which is not there")

    def ordered(self, gates: dict[str, Gate]) -> dict[str, Gate]:
        """Each gate after its parent and its members."""
        done: dict[str, Gate] = {}
        waiting = dict(gates)
        while waiting:
            ready = [
                gate
                for gate in waiting.values()
                if (not gate.parent or gate.parent in done) and all(name in done for name, _ in gate.members)
            ]
            if not ready:
                self.fail(f"gates refer to each other in a circle ({', '.join(list(waiting)[:4])}); correct the file")
            for gate in ready:
                done[gate.name] = waiting.pop(gate.name)
        return done


def _log10(x: np.ndarray) -> np.ndarray:
    """Logarithm; minus infinity for what has none."""
    with np.errstate(divide="ignore"):
        return np.log10(np.maximum(x, 0.0))
