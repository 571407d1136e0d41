"""Logicle and hyperlog from a table: float32 in and out, as fast as an arcsinh.

Both scales are odd around zero, so one table of ``f(|x|) - f(0)`` is enough. Its points are evenly spaced within each
power of two of ``v = |x| + c``: the leading bits of the float32 number v are the index of the segment, the others the
place in it. No search, no logarithm. c is where the scale turns from linear to logarithmic, so segments
are narrow wherever the scale bends.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from immport_cyto.events.transforms import Hyperlog, Logicle

ERROR = 1e-7
"""Largest error of the table, as a share of the scale from 0 to T; rounding to float32 adds at most as much."""

_MANTISSA = 23
_BITS = range(8, 13)
_BEYOND = 16.0
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Lookup:
    """The table of one scale.

    Attributes
    ----------
    offset
        c, a power of two.
    shift
        Bits of a float32 number that are the place in a segment.
    first
        Leading bits of c.
    values, steps
        ``f - f(0)`` at the start of each segment, and its change up to the next, float32.
    zero
        f(0).
    """

    offset: np.float32
    shift: int
    first: int
    values: np.ndarray
    steps: np.ndarray
    zero: np.float32


@lru_cache(maxsize=1024)
def lookup(scale: "Logicle | Hyperlog") -> Lookup:
    """Make the table of a scale, up to 16 T, as fine as `ERROR` asks."""
    tiny = scale.T * 1e-9
    slope = float(scale.forward([tiny])[0] - scale.forward([0.0])[0]) / tiny
    turn = 1 / (slope * (scale.M + scale.A) * np.log(10))
    offset = np.float32(2.0 ** np.floor(np.log2(turn)))
    octaves = int(np.ceil(np.log2((_BEYOND * scale.T + offset) / offset)))
    zero = float(scale.forward([0.0])[0])
    for bits in _BITS:
        count = octaves << bits
        first = int(offset.view(np.int32)) >> (_MANTISSA - bits)
        edges = ((np.arange(count + 1, dtype=np.int64) + first) << (_MANTISSA - bits)).astype(np.int32)
        points = edges.view(np.float32).astype(np.float64) - float(offset)
        exact = scale.forward(points) - zero
        middles = scale.forward((points[1:] + points[:-1]) / 2) - zero
        if np.abs(middles - (exact[1:] + exact[:-1]) / 2).max() < ERROR:
            break
    values = exact.astype(np.float32)
    return Lookup(offset, _MANTISSA - bits, first, values[:-1], np.diff(exact).astype(np.float32), np.float32(zero))


def forward(scale: "Logicle | Hyperlog", x: np.ndarray) -> np.ndarray:
    """Transform the values of one channel by the table of the scale.

    Parameters
    ----------
    x
        Values of shape (n,), rounded to float32; finite.

    Returns
    -------
    ndarray of float32
        Off by at most 2e-7 from `scale.forward`; exact beyond 16 T.
    """
    table = lookup(scale)
    values = np.ascontiguousarray(x, dtype=np.float32)
    out = np.empty_like(values)
    part = np.float32(2.0**-table.shift)
    inside = np.int32((1 << table.shift) - 1)
    last = len(table.values) - 1
    for start in range(0, len(values), _BLOCK):
        block, target = values[start : start + _BLOCK], out[start : start + _BLOCK]
        shifted = np.abs(block)
        shifted += table.offset
        bits = shifted.view(np.int32)
        index = bits >> table.shift
        index -= table.first
        place = (bits & inside).astype(np.float32)
        place *= part
        beyond = index > last if index.max(initial=0) > last else None
        np.minimum(index, last, out=index)
        place *= table.steps.take(index)
        place += table.values.take(index)
        np.copysign(place, block, out=place)
        np.add(place, table.zero, out=target)
        if beyond is not None:
            target[beyond] = scale.forward(block[beyond])
    return out
