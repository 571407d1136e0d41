"""Transforms and compensation against flowutils, side by side: CPU time per value and error, as ratios in one run.

    python benchmarks/events.py
    python benchmarks/events.py --values 1000000 --repeats 3

One thread, best of the repeats; values are half noise around zero, half log-normal, as of a compensated channel. Errors
are in parts of the scale from 0 to T, against the exact function in float64.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import argparse
import time
from collections.abc import Callable

import numpy as np
from flowutils import compensate, transforms

from immport_cyto.events import compensation as comp
from immport_cyto.events.transforms import Arcsinh, Hyperlog, Logicle, fast

TOP = 262144.0


def best(call: Callable[[], object], repeats: int) -> float:
    """Least CPU time of a call, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def scales(n: int, repeats: int) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 300, n // 2), rng.lognormal(7, 2, n - n // 2)]).astype(np.float32)
    double = x.astype(np.float64)
    print(f"{'ns per value':34}{'this':>8}{'flowutils':>11}{'ratio':>8}{'error':>10}")
    for scale, peer in ((Logicle(TOP, 0.5), transforms.logicle), (Hyperlog(TOP, 0.5), transforms.hyperlog)):
        fast(scale, x[:10])  # the table is made once per scale
        ours = best(lambda: fast(scale, x), repeats)  # noqa: B023 - called at once
        theirs = best(lambda: peer(double, None, t=TOP, m=4.5, w=0.5, a=0), repeats)  # noqa: B023
        error = float(np.abs(fast(scale, x) - scale.forward(double)).max())
        ratio = theirs / ours
        reached = "" if ratio >= 5 and error <= 1e-6 else "  (bar 5 x at 1e-6, NOT reached)"
        print(f"{scale!s:34}{ours / n * 1e9:8.1f}{theirs / n * 1e9:11.1f}{ratio:8.1f}{error:10.1e}{reached}")
    arcsinh = Arcsinh(150)
    ours = best(lambda: arcsinh.forward(x), repeats)
    theirs = best(lambda: transforms.asinh(double, None, t=TOP, m=4.5, a=0), repeats)
    print(f"{arcsinh!s:34}{ours / n * 1e9:8.1f}{theirs / n * 1e9:11.1f}{theirs / ours:8.1f}")


def compensation(n: int, n_channels: int, repeats: int) -> None:
    rng = np.random.default_rng(2)
    spill = np.eye(n_channels) + np.where(np.eye(n_channels) > 0, 0, rng.uniform(0, 0.1, (n_channels, n_channels)))
    names = [f"C{i}" for i in range(n_channels)]
    matrix = comp.fit(names, spill, names, "benchmark")
    events = (rng.lognormal(6, 2, (n // n_channels, n_channels)) @ spill).astype(np.float32)
    copies = [events.copy() for _ in range(repeats)]
    double = events.astype(np.float64)
    ours = best(lambda: comp.apply(copies.pop(), matrix), repeats)
    theirs = best(lambda: compensate.compensate(double, spill, list(range(n_channels))), repeats)
    comp.apply(events, matrix)
    error = np.abs(events / compensate.compensate(double, spill, list(range(n_channels))) - 1).max()
    label = f"compensation, {n_channels} channels"
    print(
        f"{label:34}{ours / n * 1e9:8.1f}{theirs / n * 1e9:11.1f}{theirs / ours:8.1f}{error:10.1e} (relative, float32)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=3_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    scales(options.values, options.repeats)
    compensation(options.values, 20, options.repeats)


if __name__ == "__main__":
    main()
