"""FlowSOM on data of any size: CPU time, throughput and memory on memory-mapped files, and the rate of mapping.

    python benchmarks/flowsom_large.py --events 5000000                    # one collection
    python benchmarks/flowsom_large.py --events 100000000 --folder BIG     # 12 GB are written to BIG and kept
    python benchmarks/flowsom_large.py --mapping                           # mapping alone, against the matrix product

The collection is made once, in files of five million events x 30 markers (float32), and read through memory maps.
``memory`` is the most that the process holds beyond mapped files (RssAnon of Linux) above its start; the whole model is
trained, mapped and metaclustered by one process on one thread, with the progress display.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from flowsom import make

FILE = 5_000_000


def collection(folder: Path, events: int, markers: int) -> list[Path]:
    """Files of the collection; those that are missing are made, from the second on as the first with noise added."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, start in enumerate(range(0, events, FILE)):
        n = min(FILE, events - start)
        path = folder / f"{number:04d}_{n}x{markers}.npy"
        if not path.exists():
            target = np.lib.format.open_memmap(path, "w+", np.float32, (n, markers))
            if number == 0:
                target[:] = make(n, markers, 20, seed=1)[0]
            else:
                rng, model = np.random.default_rng(number), np.load(paths[0], mmap_mode="r")
                for first in range(0, n, 500_000):
                    rows = model[first : min(first + 500_000, n)]
                    target[first : first + len(rows)] = rows + 0.2 * rng.standard_normal(rows.shape, np.float32)
            target.flush()
            del target
        paths.append(path)
    return paths


class Memory(threading.Thread):
    """The most anonymous memory of this process while it runs, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.over = 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, anonymous())


def anonymous() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def train(paths: list[Path], markers: int, engine: str) -> None:
    from immport_cyto.cluster import FlowSOM
    from immport_cyto.cluster.source import Part

    def part(path: Path) -> Part:
        n = np.load(path, mmap_mode="r").shape[0]
        return Part(path.name, n, lambda: lambda start, stop: np.load(path, mmap_mode="r")[start:stop])

    names = [f"marker {i}" for i in range(markers)]
    FlowSOM(n_metaclusters=20, engine=engine).fit(make(3000, markers, 5, seed=2)[0])
    parts = [part(path) for path in paths]
    n = sum(one.n_events for one in parts)
    before, watch = anonymous(), Memory()
    watch.start()
    cpu, wall = time.process_time(), time.perf_counter()
    model = FlowSOM(n_metaclusters=20, engine=engine).fit_parts(parts, names, quiet=False)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    watch.over.set()
    watch.join()
    print(
        f"{engine:8}{n:>12} events x {markers}: CPU {cpu:.2f} s, wall {wall:.2f} s, {n / cpu / 1e6:.1f}M events per "
        f"CPU second, memory {watch.most - before:.0f} MB, QE {model.quantization_error_:.4f}"
    )


def mapping(markers: int) -> None:
    """Rate of mapping on one core, and its share of the rate at which BLAS multiplies matrices that fit the cache."""
    from threadpoolctl import threadpool_limits

    from immport_cyto.cluster import FlowSOM, som
    from immport_cyto.cluster.execution import Execution
    from immport_cyto.cluster.source import array_part

    X = make(1_000_000, markers, 20, seed=1)[0]
    model = FlowSOM().fit(X[:20_000])
    a, b = (np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32) for _ in range(2))
    out = np.empty((1024, 1024), np.float32)
    book, names = som.Codebook(model.codes_, model.scaling_), model.markers
    rates, limits = [], []
    for _ in range(9):
        start = time.process_time()
        som.assign(array_part(X), book, names, Execution())
        rates.append(len(X) / (time.process_time() - start))
        start = time.process_time()
        with threadpool_limits(1):
            for _ in range(10):
                np.matmul(a, b, out=out)
        limits.append(10 * 2 * 1024**3 / (time.process_time() - start))
    rate, limit = np.median(rates), np.median(limits)
    used = rate * 2 * len(model.codes_) * markers
    print(
        f"mapping: {rate / 1e6:.1f}M events per second and core at {len(model.codes_)} nodes x {markers} markers, with "
        f"the check for NaN; {used / 1e9:.0f} of {limit / 1e9:.0f} GFLOP/s of sgemm ({100 * used / limit:.0f} %, "
        "counting 2 operations per node and marker as in a product; a distance without fused products takes 3)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--markers", type=int, default=30)
    parser.add_argument("--engine", default="online")
    parser.add_argument("--folder", type=Path, help="where the collection is kept  [default: a temporary folder]")
    parser.add_argument("--mapping", action="store_true")
    arguments = parser.parse_args()
    if arguments.mapping:
        mapping(arguments.markers)
    if arguments.events:
        with tempfile.TemporaryDirectory() as temporary:
            start = time.perf_counter()
            paths = collection(arguments.folder or Path(temporary), arguments.events, arguments.markers)
            print(f"{len(paths)} files in {time.perf_counter() - start:.0f} s", file=sys.stderr)
            train(paths, arguments.markers, arguments.engine)


if __name__ == "__main__":
    main()
