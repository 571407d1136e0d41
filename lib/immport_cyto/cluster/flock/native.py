"""The kernels of FLOCK, called without numba once they are compiled; see `immport_cyto.cluster.native`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.cluster.native import Kernel

_MODULE = "flock.kernels"


class ByType:
    """A kernel for events of float32 and of float64."""

    def __init__(self, name: str, others: str) -> None:
        self._kernels = {
            np.dtype(kind): Kernel(_MODULE, name, f"{kind}[:,:] {others}", symbol=f"flock_{name}_{kind}")
            for kind in ("float32", "float64")
        }

    def __call__(self, events: NDArray[np.floating], *others: Any) -> None:
        """Call it; `events` (events x columns) decide which."""
        self._kernels[events.dtype](events, *others)


def _kernel(name: str, parameters: str, result: str = "") -> Kernel:
    return Kernel(_MODULE, name, parameters, result, symbol=f"flock_{name}")


fill_bins = _kernel("fill_bins", "float64[:,:] float64[:] float64[:] int64 uint8[:,:]")
count_regions = _kernel("count_regions", "uint8[:,:] int32[:] int64", "int64")
number_regions = _kernel("number_regions", "uint8[:,:] int32[:] int32[:] int32[:] int64[:]", "int64")
join_neighbours = _kernel("join_neighbours", "uint8[:,:] int32[:] int64[:] bool[:] uint8[:]")
flood = _kernel(
    "flood",
    "float64[:,:] float64[:] int64[:] float64[:] float64[:] int64[:] int64[:] "
    "int64[:,:] int64[:] int64[:] int64[:] int64[:] int64[:] int64[:]",
    "int64",
)
near_energy = _kernel("near_energy", "float64[:,:] int64 float64[:] int64 float64[:]", "float64")
moments = ByType("moments", "float64[:] float64[:] float64[:] float64[:]")
add_up = ByType("add_up", "int32[:] float64[:,:] int64[:]")
assign = ByType("assign", "float64[:,:] int32[:] float64[:]")
