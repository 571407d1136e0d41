"""The inner operation of the map in explicit vectors of 16 float32: find the nearest code, and pull codes before that.

Numba leaves the vector width to LLVM, which keeps the distances of all nodes in memory for each marker. Here the
distances of 16 nodes stay in registers over all markers: 3 times as fast. LLVM splits a vector of 16 where registers
are narrower. Nothing is reordered or fused, so every processor gives the same bits.

Codes are tiled as `immport_cyto.cluster.tiles` states.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from immport_cyto.cluster.tiles import CHAINS, LANES

_FLOAT, _INT, _SHORT = ir.FloatType(), ir.IntType(32), ir.IntType(16)
_FLOATS, _INTS, _SHORTS = (ir.VectorType(kind, LANES) for kind in (_FLOAT, _INT, _SHORT))

Value = Any
Step = Callable[[Any, Value, Value, Value], Value]
Join = Callable[[Any, Value, Value], Value]


def _all(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * LANES)


def _spread(b: Any, value: Value, kind: ir.VectorType) -> Value:
    """A scalar in all lanes."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = b.insert_element(undefined, value, ir.Constant(_INT, 0))
    return b.shuffle_vector(first, undefined, _all(_INTS, 0))


def _array(context: Any, b: Any, signature: Any, arguments: Any, number: int) -> Any:
    """An argument that is an array."""
    return context.make_array(signature.args[number])(context, b, arguments[number])


def _each(b: Any, name: str, values: Value) -> Value:
    """A function of LLVM in each lane."""
    function = cgutils.get_or_insert_function(b.module, ir.FunctionType(_FLOATS, [_FLOATS]), f"llvm.{name}.v{LANES}f32")
    return b.call(function, [values])


def _larger(b: Any, first: Value, second: Value) -> Value:
    return b.select(b.fcmp_ordered(">", first, second), first, second)


def _smallest(b: Any, values: Value, smaller: Callable[[Value, Value], Value]) -> Value:
    """The smallest of the lanes, in all lanes."""
    half = LANES // 2
    while half:
        turned = b.shuffle_vector(values, values, ir.Constant(_INTS, [i ^ half for i in range(LANES)]))
        values = b.select(smaller(turned, values), turned, values)
        half //= 2
    return values


def _square(b: Any, total: Value, x: Value, code: Value) -> Value:
    difference = b.fsub(x, code)
    return b.fadd(total, b.fmul(difference, difference))


def _absolute(b: Any, total: Value, x: Value, code: Value) -> Value:
    return b.fadd(total, _each(b, "fabs", b.fsub(x, code)))


def _largest(b: Any, total: Value, x: Value, code: Value) -> Value:
    return _larger(b, total, _each(b, "fabs", b.fsub(x, code)))


def _product(b: Any, total: Value, x: Value, code: Value) -> Value:
    return b.fadd(total, b.fmul(x, code))


def _length(b: Any, total: Value, _x: Value, code: Value) -> Value:
    return b.fadd(total, b.fmul(code, code))


def _add(b: Any, first: Value, second: Value) -> Value:
    return b.fadd(first, second)


def _minus_cosine(b: Any, product: Value, square: Value) -> Value:
    """Minus the cosine times the length of the event; 0 for a code of length 0."""
    length = _each(b, "sqrt", square)
    zero = _all(_FLOATS, 0.0)
    ratio = b.fdiv(b.fsub(zero, product), b.select(b.fcmp_ordered(">", length, zero), length, _all(_FLOATS, 1.0)))
    return b.select(b.fcmp_ordered(">", length, zero), ratio, zero)


def _nearest(steps: tuple[Step, ...], join: Join, finish: Callable[..., Value] | None = None) -> tuple[Any, Any]:
    """Make two intrinsics that return the node with the smallest value, the first of equals, and that value.

    ``nearest(x, codes, n_nodes)`` only searches.
    ``pull_nearest(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate)`` moves the codes before, by
    ``rate (old - code)`` where ``apart[winner, node]`` is at most `reach`, in the same pass: to load the codes is most
    of what a move costs.

    Each of `steps` takes the markers one after another into totals of its own; `join` joins the chains of a total,
    `finish` makes the value of the totals.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Value:
        x, codes = (_array(context, b, signature, arguments, i) for i in (0, 1))
        pull = _Pull(context, b, signature, arguments) if len(arguments) > 3 else None
        tiles, markers, _ = cgutils.unpack_tuple(b, codes.shape)

        def number(value: int) -> ir.Constant:
            return ir.Constant(markers.type, value)

        best, where = cgutils.alloca_once(b, _FLOATS), cgutils.alloca_once(b, _INTS)
        b.store(_all(_FLOATS, float("inf")), best)
        b.store(_all(_INTS, 0), where)
        totals = [[cgutils.alloca_once(b, _FLOATS) for _ in range(CHAINS)] for _ in steps]
        n_nodes = _spread(b, b.trunc(arguments[2], _INT), _INTS)

        def add_up(tile: Value, move: Callable[[Value, Value], Value] | None = None) -> None:
            """All markers of a tile into the totals, after a move of the codes."""
            first_row = b.mul(tile, markers)
            with cgutils.for_range(b, b.sdiv(markers, number(CHAINS))) as four:
                for chain in range(CHAINS):
                    marker = b.add(b.mul(four.index, number(CHAINS)), number(chain))
                    value = _spread(b, b.load(b.gep(x.data, [marker])), _FLOATS)
                    pointer = _row(b, codes.data, b.add(first_row, marker))
                    code = b.load(pointer, align=4)
                    if move is not None:
                        code = move(marker, code)
                        b.store(code, pointer, align=4)
                    for step, chains in zip(steps, totals, strict=True):
                        b.store(step(b, b.load(chains[chain]), value, code), chains[chain])

        with cgutils.for_range(b, tiles) as tile:
            for pointer in (pointer for chains in totals for pointer in chains):
                b.store(_all(_FLOATS, 0.0), pointer)
            if pull is None:
                add_up(tile.index)
            else:
                with b.if_else(pull.reaches(tile.index)) as (near, far):
                    with near:
                        add_up(tile.index, pull.mover(tile.index))
                    with far:
                        add_up(tile.index)
            joined = []
            for chains in totals:
                a, c, d, e = (b.load(pointer) for pointer in chains)
                joined.append(join(b, join(b, a, c), join(b, d, e)))
            value = finish(b, *joined) if finish else joined[0]
            lanes = ir.Constant(_INTS, list(range(LANES)))
            node = b.add(_spread(b, b.trunc(b.mul(tile.index, number(LANES)), _INT), _INTS), lanes)
            closer = b.and_(b.fcmp_ordered("<", value, b.load(best)), b.icmp_signed("<", node, n_nodes))
            b.store(b.select(closer, value, b.load(best)), best)
            b.store(b.select(closer, node, b.load(where)), where)
        values, zero = b.load(best), ir.Constant(_INT, 0)
        least = _smallest(b, values, lambda one, other: b.fcmp_ordered("<", one, other))
        # nearly always one lane has the smallest value; to find the lowest node of several takes long
        lowest = b.bitcast(b.fcmp_ordered("==", values, least), _SHORT)
        winner = cgutils.alloca_once(b, _INT)
        lane = b.zext(b.cttz(lowest, ir.Constant(ir.IntType(1), 1)), _INT)
        b.store(b.extract_element(b.load(where), lane), winner)
        with b.if_then(b.icmp_unsigned(">", b.ctpop(lowest), ir.Constant(_SHORT, 1)), likely=False):
            candidates = b.select(b.fcmp_ordered("==", values, least), b.load(where), _all(_INTS, 2**31 - 1))
            first = _smallest(b, candidates, lambda one, other: b.icmp_signed("<", one, other))
            b.store(b.extract_element(first, zero), winner)
        result = [b.sext(b.load(winner), ir.IntType(64)), b.extract_element(least, zero)]
        return context.make_tuple(b, signature.return_type, result)

    result_type = types.Tuple((types.int64, types.float32))

    def nearest(typingctx, x, codes, n_nodes):  # type: ignore[no-untyped-def]
        return result_type(x, codes, n_nodes), generate

    def pull_nearest(typingctx, x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate):  # type: ignore[no-untyped-def]
        return result_type(x, codes, n_nodes, old, apart, tile_apart, winner, reach, rate), generate

    return intrinsic(nearest), intrinsic(pull_nearest)


class _Pull:
    """Moves codes towards an event, where they are near the winner on the grid (arguments of `pull_nearest`)."""

    def __init__(self, context: Any, b: Any, signature: Any, arguments: Any) -> None:
        self.b = b
        self.old, self.apart, self.tile_apart = (_array(context, b, signature, arguments, i) for i in (3, 4, 5))
        self.winner, self.reach, self.rate = arguments[6], b.trunc(arguments[7], _SHORT), arguments[8]

    def reaches(self, tile: Value) -> Value:
        """Whether any node of the tile is near."""
        b = self.b
        return b.icmp_unsigned("<=", b.load(b.gep(self.tile_apart.data, [self._place(tile)])), self.reach)

    def mover(self, tile: Value) -> Callable[[Value, Value], Value]:
        """What gives the codes of a marker in the tile after the move."""
        b = self.b
        first = b.mul(self._place(tile), ir.Constant(tile.type, LANES))
        distance = b.load(b.bitcast(b.gep(self.apart.data, [first]), _SHORTS.as_pointer()), align=2)
        near = b.icmp_unsigned("<=", distance, _spread(b, self.reach, _SHORTS))
        weight = b.select(near, _spread(b, self.rate, _FLOATS), _all(_FLOATS, 0.0))

        def move(marker: Value, code: Value) -> Value:
            value = _spread(b, b.load(b.gep(self.old.data, [marker])), _FLOATS)
            return b.fadd(code, b.fmul(weight, b.fsub(value, code)))

        return move

    def _place(self, tile: Value) -> Value:
        """Where the tile is in the row of the winner."""
        _, tiles = cgutils.unpack_tuple(self.b, self.tile_apart.shape)
        return self.b.add(self.b.mul(self.winner, tiles), tile)


def _row(b: Any, data: Value, row: Value) -> Value:
    """Pointer to 16 floats."""
    return b.bitcast(b.gep(data, [b.mul(row, ir.Constant(row.type, LANES))]), _FLOATS.as_pointer())


nearest_euclidean, pull_nearest_euclidean = _nearest((_square,), _add)
"""Value: the squared distance."""
nearest_manhattan, pull_nearest_manhattan = _nearest((_absolute,), _add)
nearest_chebyshev, pull_nearest_chebyshev = _nearest((_largest,), _larger)
nearest_cosine, pull_nearest_cosine = _nearest((_product, _length), _add, _minus_cosine)
"""Value: minus the cosine times the length of the event."""


def _prefetch(typingctx, X, row):  # type: ignore[no-untyped-def]
    """Begin to load a row of a matrix, so that it is in cache when it is needed."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Value:
        X, row = _array(context, b, signature, arguments, 0), arguments[1]
        _, columns = cgutils.unpack_tuple(b, X.shape)
        first = b.gep(X.data, [b.mul(row, columns)])
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT]), "llvm.prefetch.p0i8"
        )

        def ask(column: Value) -> None:
            read, keep, data = (ir.Constant(_INT, number) for number in (0, 3, 1))
            b.call(function, [b.bitcast(b.gep(first, [column]), byte), read, keep, data])

        one, line = (ir.Constant(columns.type, number) for number in (1, LANES))
        with cgutils.for_range_slice(b, ir.Constant(columns.type, 0), columns, line) as (column, _):
            ask(column)
        ask(b.sub(columns, one))  # rows begin anywhere in a line, so they end in one more
        return context.get_dummy_value()

    return types.void(X, row), generate


prefetch: Any = intrinsic(_prefetch)
