"""The layout of codes in which the kernels search: tiles of 16 nodes, float32 ``(tiles, markers, 16)``.

Node = 16 x tile + lane. The number of markers is a multiple of 4 with zeros at the end, in codes and events, which add
nothing to any distance. Lanes beyond the last node never win.
"""

import numpy as np
from numpy.typing import NDArray

LANES = 16
CHAINS = 4
"""Sums of a distance: markers d, d + 4, d + 8, ... add up in one, so that an addition need not wait for the last."""

Float32 = NDArray[np.float32]


def tile(codes: Float32) -> Float32:
    """Codes (nodes x markers) in the layout of the kernels, aligned to whole vectors in memory."""
    n, d = codes.shape
    shape = (-(-n // LANES), -(-d // CHAINS) * CHAINS, LANES)
    padded = np.zeros((shape[0] * LANES, shape[1]), np.float32)
    padded[:n, :d] = codes
    buffer = np.empty(padded.size + LANES, np.float32)
    first = -(buffer.ctypes.data // 4) % LANES
    tiled = buffer[first : first + padded.size].reshape(shape)
    tiled[:] = padded.reshape(shape[0], LANES, shape[1]).transpose(0, 2, 1)
    return tiled


def untile(tiled: Float32, n_nodes: int, n_markers: int) -> Float32:
    """Codes (nodes x markers) from the layout of the kernels."""
    flat = tiled.transpose(0, 2, 1).reshape(-1, tiled.shape[1])
    return np.ascontiguousarray(flat[:n_nodes, :n_markers])


def padded(tiled: Float32) -> Float32:
    """Room for one event beside tiled codes, zeros where they have them."""
    return np.zeros(tiled.shape[1], np.float32)
