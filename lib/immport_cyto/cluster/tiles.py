"""The layout of codes in which the kernels search: float32 ``(groups, blocks, 16)``.

A group is four nodes, a block four markers; a vector of 16 has the block of all four nodes of a group: node = 4 x group
+ lane // 4, marker = 4 x block + lane % 4. The number of groups is even. What fills up groups and blocks are zeros:
markers that add nothing to any distance, and nodes that never win.
"""

import numpy as np
from numpy.typing import NDArray

LANES = 16
CHAINS = 4
"""Sums of a distance: markers d, d + 4, d + 8, ... add up in one, so that an addition need not wait for the last."""
NODES = LANES // CHAINS
"""Nodes of a group."""

Float32 = NDArray[np.float32]


def tile(codes: Float32) -> Float32:
    """Codes (nodes x markers) in the layout of the kernels, aligned to whole vectors in memory."""
    n, d = codes.shape
    groups, blocks = -(-n // (2 * NODES)) * 2, -(-d // CHAINS)
    padded = np.zeros((groups * NODES, blocks * CHAINS), np.float32)
    padded[:n, :d] = codes
    tiled = aligned(padded.size).reshape(groups, blocks, LANES)
    tiled[:] = padded.reshape(groups, NODES, blocks, CHAINS).swapaxes(1, 2).reshape(tiled.shape)
    return tiled


def aligned(size: int) -> Float32:
    """An array without values that begins at a whole vector in memory."""
    buffer = np.empty(size + LANES, np.float32)
    first = -(buffer.ctypes.data // 4) % LANES
    return buffer[first : first + size]


def untile(tiled: Float32, n_nodes: int, n_markers: int) -> Float32:
    """Codes (nodes x markers) from the layout of the kernels."""
    groups, blocks, _ = tiled.shape
    flat = tiled.reshape(groups, blocks, NODES, CHAINS).swapaxes(1, 2).reshape(groups * NODES, blocks * CHAINS)
    return np.ascontiguousarray(flat[:n_nodes, :n_markers])


def padded(tiled: Float32) -> Float32:
    """Room for one event beside tiled codes, zeros where they have them."""
    return np.zeros(tiled.shape[1] * CHAINS, np.float32)
