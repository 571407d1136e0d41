"""The inner operation of the map in explicit vectors of 16 float32: find the nearest code, and pull codes before that.

Numba leaves the vector width to LLVM, which keeps the distances of all nodes in memory for each marker. Here the
distances of 16 nodes stay in registers over all markers: 3 times as fast. A vector holds four markers of four nodes, so
that a load of the event serves four nodes and a hundred nodes leave no vector half empty. LLVM splits a vector of 16
where registers are narrower. Nothing is reordered or fused, so every processor gives the same bits.

Codes are tiled as `immport_cyto.cluster.tiles` states.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from immport_cyto.cluster.tiles import CHAINS, LANES, NODES

_FLOAT, _INT, _SHORT = ir.FloatType(), ir.IntType(32), ir.IntType(16)
_FLOATS, _INTS = (ir.VectorType(kind, LANES) for kind in (_FLOAT, _INT))
FEW = 2
"""Few groups move if fewer than this part of all."""

Value = Any
Step = Callable[[Any, Value, Value, Value], Value]
Join = Callable[[Any, Value, Value], Value]
Finish = Callable[..., Value]
Move = Callable[[list[Value], Value], list[Value]]


def _all(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * LANES)


def _shuffled(b: Any, first: Value, second: Value, lanes: list[int]) -> Value:
    """Lanes of two vectors, those of the second counted on."""
    return b.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT, len(lanes)), lanes))


def _spread(b: Any, value: Value, kind: ir.VectorType) -> Value:
    """A scalar in all lanes."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = b.insert_element(undefined, value, ir.Constant(_INT, 0))
    return _shuffled(b, first, undefined, [0] * kind.count)


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
        turned = _shuffled(b, values, values, [i ^ half for i in range(LANES)])
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


def _itself(_b: Any, total: Value) -> Value:
    return total


def _minus_cosine(b: Any, product: Value, square: Value) -> Value:
    """Minus the cosine times the length of the event; 0 for a code of length 0."""
    length = _each(b, "sqrt", square)
    zero = _all(_FLOATS, 0.0)
    ratio = b.fdiv(b.fsub(zero, product), b.select(b.fcmp_ordered(">", length, zero), length, _all(_FLOATS, 1.0)))
    return b.select(b.fcmp_ordered(">", length, zero), ratio, zero)


class _Search:
    """Code that finds the code nearest to an event: arguments `x`, `codes`, `n_nodes`, ... of an intrinsic.

    Each of `steps` adds a block of markers to a total, one chain in each lane of a node; `join` joins the chains of a
    total, `finish` makes the value of the totals.
    """

    def __init__(
        self, b: Any, x: Any, codes: Any, n_nodes: Value, steps: tuple[Step, ...], join: Join, finish: Finish
    ) -> None:
        self.b, self.x, self.codes, self.steps, self.join, self.finish = b, x, codes, steps, join, finish
        self.groups, self.blocks, _ = cgutils.unpack_tuple(b, codes.shape)
        self.n_nodes = _spread(b, b.trunc(n_nodes, _INT), _INTS)
        self.best, self.where = cgutils.alloca_once(b, _FLOATS), cgutils.alloca_once(b, _INTS)
        b.store(_all(_FLOATS, float("inf")), self.best)
        b.store(_all(_INTS, 0), self.where)

    def each(self, handle: Callable[[list[Value]], None]) -> None:
        """Handle all groups of nodes, four at a time, and two that remain."""
        b, four = self.b, ir.Constant(self.groups.type, 4)
        whole = b.sub(self.groups, b.srem(self.groups, four))
        with cgutils.for_range_slice(b, ir.Constant(whole.type, 0), whole, four) as (group, _):
            handle(self.following(group, 4))
        with b.if_then(b.icmp_signed("<", whole, self.groups)):
            handle(self.following(whole, 2))

    def following(self, group: Value, count: int) -> list[Value]:
        """A group and those after it."""
        return [self.b.add(group, ir.Constant(group.type, i)) for i in range(count)]

    def totals(self, groups: list[Value], move: Move | None = None) -> list[list[Value]]:
        """The totals of some groups, side by side; `move` gives codes of a block after a move, which are stored."""
        b = self.b
        sums = [[cgutils.alloca_once(b, _FLOATS) for _ in self.steps] for _ in groups]
        for pointer in (pointer for of_group in sums for pointer in of_group):
            b.store(_all(_FLOATS, 0.0), pointer)
        starts = [_part(b, self.codes.data, b.mul(group, self.blocks), _FLOATS) for group in groups]
        with cgutils.for_range(b, self.blocks) as block:
            values = _markers(b, self.x.data, block.index)
            pointers = [b.gep(start, [block.index]) for start in starts]
            codes = [b.load(pointer, align=4) for pointer in pointers]
            if move is not None:
                codes = move(codes, block.index)
                for code, pointer in zip(codes, pointers, strict=True):
                    b.store(code, pointer, align=4)
            for code, of_group in zip(codes, sums, strict=True):
                for step, total in zip(self.steps, of_group, strict=True):
                    b.store(step(b, b.load(total), values, code), total)
        return [[b.load(pointer) for pointer in of_group] for of_group in sums]

    def keep_best(self, groups: list[Value], totals: list[list[Value]]) -> None:
        """Keep the best so far and of up to four following groups, in each lane."""
        b = self.b
        joined = [_joined(b, [of_group[i] for of_group in totals], self.join) for i in range(len(self.steps))]
        # lane 4 i + g has node i of group g; those of no group are beyond all nodes
        lanes = [g * NODES + i if g < len(totals) else 2**30 for i in range(NODES) for g in range(4)]
        first = b.trunc(b.mul(groups[0], ir.Constant(groups[0].type, NODES)), _INT)
        node = b.add(_spread(b, first, _INTS), ir.Constant(_INTS, lanes))
        # infinite beyond the last node before the comparison, which then is a minimum and waits for less
        value = b.select(b.icmp_signed("<", node, self.n_nodes), self.finish(b, *joined), _all(_FLOATS, float("inf")))
        best, where = b.load(self.best), b.load(self.where)
        closer = b.fcmp_ordered("<", value, best)
        b.store(b.select(closer, value, best), self.best)
        b.store(b.select(closer, node, where), self.where)

    def result(self) -> list[Value]:
        """The node with the smallest value, the first of equals, and the value."""
        b, zero = self.b, ir.Constant(_INT, 0)
        values, where = b.load(self.best), b.load(self.where)
        least = _smallest(b, values, lambda one, other: b.fcmp_ordered("<", one, other))
        # nearly always one lane has the smallest value; to find the lowest node of several takes long
        lowest = b.bitcast(b.fcmp_ordered("==", values, least), _SHORT)
        winner = cgutils.alloca_once(b, _INT)
        lane = b.zext(b.cttz(lowest, ir.Constant(ir.IntType(1), 1)), _INT)
        b.store(b.extract_element(where, lane), winner)
        with b.if_then(b.icmp_unsigned(">", b.ctpop(lowest), ir.Constant(_SHORT, 1)), likely=False):
            candidates = b.select(b.fcmp_ordered("==", values, least), where, _all(_INTS, 2**31 - 1))
            first = _smallest(b, candidates, lambda one, other: b.icmp_signed("<", one, other))
            b.store(b.extract_element(first, zero), winner)
        return [b.sext(b.load(winner), ir.IntType(64)), b.extract_element(least, zero)]


class _Pull:
    """Code that moves groups of codes towards an event, where nodes are near the winner on the grid.

    `arrays` are `old`, `apart`, `near`, `near_apart` and `room` of `pull_nearest`.
    """

    def __init__(self, b: Any, arrays: list[Any], winner: Value, reach: Value, rate: Value) -> None:
        self.b, self.winner, self.rate, self.reach = b, winner, rate, b.trunc(reach, _SHORT)
        self.old, self.apart, self.near, self.near_apart, self.room = arrays
        _, self.groups = cgutils.unpack_tuple(b, self.near.shape)

    def group(self, place: Value) -> Value:
        """The group of nodes that is at a place of the order by nearness to the winner."""
        found = self.b.load(self.b.gep(self.near.data, [self._place(place)]))
        return self.b.zext(found, self.groups.type)

    def beyond(self, place: Value) -> Value:
        """Whether no node of the group at this place of the order is near."""
        b = self.b
        return b.icmp_unsigned(">", b.load(b.gep(self.near_apart.data, [self._place(place)])), self.reach)

    def mover(self, groups: list[Value]) -> Move:
        """What gives the codes of a block of some groups after the move."""
        b, weights = self.b, [self._weight(group) for group in groups]

        def move(codes: list[Value], block: Value) -> list[Value]:
            old = _markers(b, self.old.data, block)
            return [
                b.fadd(code, b.fmul(weight, b.fsub(old, code))) for code, weight in zip(codes, weights, strict=True)
            ]

        return move

    def _weight(self, group: Value) -> Value:
        """The rate in the lanes of nodes near the winner, else 0."""
        b, four = self.b, ir.VectorType(_SHORT, NODES)
        _, row = cgutils.unpack_tuple(b, self.apart.shape)
        place = b.add(b.mul(self.winner, row), b.mul(group, ir.Constant(group.type, NODES)))
        distance = b.load(b.bitcast(b.gep(self.apart.data, [place]), four.as_pointer()), align=2)
        near = b.icmp_unsigned("<=", distance, _spread(b, self.reach, four))
        floats = ir.VectorType(_FLOAT, NODES)
        rates = b.select(near, _spread(b, self.rate, floats), ir.Constant(floats, [0.0] * NODES))
        return _shuffled(b, rates, rates, [lane // CHAINS for lane in range(LANES)])

    def kept(self, group: Value, step: int, steps: int) -> Value:
        """Pointer to where a total of a group is kept."""
        b = self.b
        vector = b.add(b.mul(group, ir.Constant(group.type, steps)), ir.Constant(group.type, step))
        return _part(b, self.room.data, vector, _FLOATS)

    def _place(self, place: Value) -> Value:
        return self.b.add(self.b.mul(self.winner, self.groups), place)


def _nearest(steps: tuple[Step, ...], join: Join, finish: Finish = _itself) -> tuple[Any, Any]:
    """Make two intrinsics that return the node with the smallest value, the first of equals, and that value.

    ``nearest(x, codes, n_nodes)`` only searches.
    ``pull_nearest(x, codes, n_nodes, old, apart, near, near_apart, room, winner, reach, rate)`` moves the codes before,
    by ``rate (old - code)`` where ``apart[winner, node]`` is at most `reach`, and compares a moved code in the same
    pass. ``near[winner]`` has the groups of nodes, the nearest first, ``near_apart[winner]`` how near they are. Where
    few of them move, all are compared at once, and those that move a second time: so the processor has work before
    the winner is known. `room` is for the totals of all groups.
    """

    def search_for(context: Any, b: Any, signature: Any, arguments: Any) -> _Search:
        x, codes = (_array(context, b, signature, arguments, i) for i in (0, 1))
        return _Search(b, x, codes, arguments[2], steps, join, finish)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Value:
        search = search_for(context, b, signature, arguments)
        search.each(lambda groups: search.keep_best(groups, search.totals(groups)))
        return context.make_tuple(b, signature.return_type, search.result())

    def generate_pull(context: Any, b: Any, signature: Any, arguments: Any) -> Value:
        search = search_for(context, b, signature, arguments)
        arrays = [_array(context, b, signature, arguments, i) for i in range(3, 8)]
        pull = _Pull(b, arrays, *arguments[8:])

        def keep(groups: list[Value], move: Move | None = None) -> None:
            for group, totals in zip(groups, search.totals(groups, move), strict=True):
                for step, total in enumerate(totals):
                    b.store(total, pull.kept(group, step, len(steps)), align=4)

        def compare(groups: list[Value]) -> None:
            totals = [[b.load(pull.kept(group, i, len(steps)), align=4) for i in range(len(steps))] for group in groups]
            search.keep_best(groups, totals)

        few = pull.beyond(b.sdiv(search.groups, ir.Constant(search.groups.type, FEW)))
        with b.if_then(few):
            search.each(keep)
        moved, two = cgutils.alloca_once_value(b, search.groups), ir.Constant(search.groups.type, 2)
        with cgutils.for_range(b, b.sdiv(search.groups, two)) as pair:
            place = b.mul(pair.index, two)
            with b.if_then(pull.beyond(place)):
                b.store(place, moved)
                pair.do_break()
            groups = [pull.group(one) for one in search.following(place, 2)]
            keep(groups, pull.mover(groups))
        with b.if_then(b.not_(few)), cgutils.for_range_slice(b, b.load(moved), search.groups, two) as (place, _):
            keep([pull.group(one) for one in search.following(place, 2)])
        search.each(compare)
        return context.make_tuple(b, signature.return_type, search.result())

    result_type = types.Tuple((types.int64, types.float32))

    def nearest(typingctx, x, codes, n_nodes):  # type: ignore[no-untyped-def]
        return result_type(x, codes, n_nodes), generate

    def pull_nearest(typingctx, x, codes, n_nodes, old, apart, near, near_apart, room, winner, reach, rate):  # type: ignore[no-untyped-def]
        return result_type(x, codes, n_nodes, old, apart, near, near_apart, room, winner, reach, rate), generate_pull

    return intrinsic(nearest), intrinsic(pull_nearest)


def _part(b: Any, data: Value, number: Value, kind: ir.VectorType) -> Value:
    """Pointer to a vector among vectors."""
    return b.bitcast(b.gep(data, [b.mul(number, ir.Constant(number.type, kind.count))]), kind.as_pointer())


def _markers(b: Any, data: Value, block: Value) -> Value:
    """A block of markers of an event, once per node of a group."""
    four = b.load(_part(b, data, block, ir.VectorType(_FLOAT, CHAINS)), align=4)
    return _shuffled(b, four, four, [lane % CHAINS for lane in range(LANES)])


def _joined(b: Any, totals: list[Value], join: Join) -> Value:
    """The chains of up to four groups joined, 0 with 1, 2 with 3, then both: node i of group g is in lane 4 i + g."""

    def pairs(first: Value, second: Value) -> Value:
        """Neighbours in `first` and `second`, in turns of two results each."""
        even = [lane * CHAINS + i for lane in range(NODES) for i in (0, 2, LANES, LANES + 2)]
        return join(b, _shuffled(b, first, second, even), _shuffled(b, first, second, [i + 1 for i in even]))

    one, two, three, four = totals + totals[-1:] * (4 - len(totals))
    return pairs(pairs(one, two), pairs(three, four))


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
