"""FCS reading and writing against its peers, side by side on one machine: CPU time and memory, as ratios in one run.

    python benchmarks/fcs.py                                  # what this interpreter has
    python benchmarks/fcs.py --peers .venv-peers/bin/python   # fcsparser needs numpy < 2: an environment of its own
    python benchmarks/fcs.py --events 1000000 --repeats 1 --skip flowio-write

Each job runs in its own process on one thread; what is timed is the call alone, without imports, the best of the
repeats. The file is in the page cache. "read" means an array of all values that may be written into:
`fcs.open(...).events()` is a view of the file and costs nothing until values are used, so `copy=True` is given. Memory
is that of the process beyond what it had before the call: anonymous pages, which are its own, and not those of the
mapped file, which the system can drop at any time. A peer that is not installed is skipped with a message.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

# (ours, peer, ratio wanted, of what)
TARGETS = (
    ("read", "flowio-read", 4.0, "read, flowio as_array"),
    ("read", "fcsparser-read", 8.0, "read, fcsparser"),
    ("write", "flowio-write", 20.0, "write, flowio"),
)


Jobs = dict[str, Callable[[], Callable[[], object]]]


def jobs(path: Path) -> Jobs:
    """Each prepares (imports, makes values) and gives the call to time."""
    return read_jobs(path) | write_jobs(path)


def read_jobs(path: Path) -> Jobs:

    def read() -> Callable[[], object]:
        from immport_cyto import fcs

        return lambda: fcs.open(path).events(copy=True)

    def view() -> Callable[[], object]:
        from immport_cyto import fcs

        return lambda: fcs.open(path).events().sum()

    def two() -> Callable[[], object]:
        from immport_cyto import fcs

        return lambda: fcs.open(path).events(["C4", "C21"])

    def header() -> Callable[[], object]:
        from immport_cyto import fcs

        return lambda: fcs.open(path)

    def pages() -> Callable[[], object]:
        # one byte of each page: what any lazy reader of interleaved events pays to see them at all
        return lambda: np.memmap(path, np.uint8, "r")[::4096].sum()

    def lines() -> Callable[[], object]:
        # every cache line of the values, once, from memory: two channels of 30 that are apart lie in nearly all of them
        resident = np.fromfile(path, np.float32)
        return lambda: resident.max()

    def fromfile() -> Callable[[], object]:
        return lambda: np.fromfile(path, np.float32)

    def flowio_read() -> Callable[[], object]:
        import flowio

        return lambda: flowio.FlowData(str(path)).as_array()

    def fcsparser_read() -> Callable[[], object]:
        import fcsparser

        return lambda: fcsparser.parse(str(path), reformat_meta=False)

    return {
        "header": header, "read": read, "sum-of-view": view, "two-of-30": two, "pages": pages,
        "lines": lines, "fromfile": fromfile,
        "flowio-read": flowio_read, "fcsparser-read": fcsparser_read,
    }  # fmt: skip


def write_jobs(path: Path) -> Jobs:
    def values() -> np.ndarray:
        from immport_cyto import fcs

        return np.array(fcs.open(path).events())

    def write() -> Callable[[], object]:
        from immport_cyto import fcs

        X, f, target = values(), fcs.open(path), path.with_name("ours.fcs")
        return lambda: fcs.write(target, X, f.channels, f.keywords)

    def write_plain() -> Callable[[], object]:
        from immport_cyto import fcs

        X, f, target = values(), fcs.open(path), path.with_name("ours.fcs")
        return lambda: fcs.write(target, X, f.channels, f.keywords, crc=False)

    def flowio_write() -> Callable[[], object]:
        import flowio

        X = values()
        names = [f"C{i + 1}" for i in range(X.shape[1])]

        def call() -> None:
            with path.with_name("flowio.fcs").open("wb") as stream:
                flowio.create_fcs(stream, X.ravel(), names)

        return call

    def tofile() -> Callable[[], object]:
        X = values()
        return lambda: X.tofile(path.with_name("plain.bin"))

    return {
        "write": write, "write-without-crc": write_plain, "flowio-write": flowio_write, "tofile": tofile,
    }  # fmt: skip


def _anonymous() -> int:
    """Pages of this process that are no file's, in bytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


class Watch:
    """Highest anonymous memory while a block runs."""

    def __enter__(self) -> Self:
        self.start = self.peak = _anonymous()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            self.peak = max(self.peak, _anonymous())

    def __exit__(self, *_: object) -> None:
        self.peak = max(self.peak, _anonymous())
        self._stop.set()
        self._thread.join()


def run_one(name: str, path: Path, repeats: int) -> dict[str, float]:
    """Time one job in this process."""
    call = jobs(path)[name]()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
        del result
    with Watch() as watch:
        result = call()
    del result
    return {"seconds": min(seconds), "peak": watch.peak - watch.start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--channels", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", help="python of an environment with fcsparser")
    parser.add_argument("--skip", default="", help="jobs to leave out, joined by commas")
    parser.add_argument("--folder", type=Path, help="where the files are made, a temporary folder unless given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(run_one(options.job, options.path, options.repeats)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = measure(options, Path(folder) / "events.fcs")
    report(results, options)
    if options.json:
        options.json.write_text(
            json.dumps({"events": options.events, "channels": options.channels, "jobs": results}, indent=1)
        )


def measure(options: argparse.Namespace, path: Path) -> dict[str, dict[str, float]]:
    """All jobs, each in its own process on one thread."""
    from immport_cyto import fcs

    rng = np.random.default_rng(1)
    X = rng.normal(1000, 300, (options.events, options.channels)).astype(np.float32)
    fcs.write(path, X, [(f"C{i + 1}", f"marker {i + 1}") for i in range(options.channels)], {"$CYT": "benchmark"})
    del X
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    results = {}
    for name in jobs(path):
        if name in options.skip.split(","):
            continue
        python = options.peers if name.startswith("fcsparser") and options.peers else sys.executable
        command = [python, __file__, "--job", name, "--path", str(path), "--repeats", str(options.repeats)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            print(f"{name}: skipped ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
            continue
        results[name] = json.loads(done.stdout)
        for left in path.parent.glob("*"):
            if left != path:
                left.unlink()
    return results


def report(results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Table, and ratios against what is wanted."""
    size = options.events * options.channels * 4
    print(f"{options.events:,} events x {options.channels} float32, {size / 1e6:.0f} MB")
    print(f"CPU time of one thread, best of {options.repeats}\n")
    print(f"{'':22}{'seconds':>9}{'MB/s':>9}{'peak MB':>9}")
    for name, row in results.items():
        print(f"{name:22}{row['seconds']:9.4f}{size / 1e6 / row['seconds']:9.0f}{row['peak'] / 1e6:9.0f}")
    print()
    for ours, peer, wanted, label in TARGETS:
        if ours in results and peer in results:
            ratio = results[peer]["seconds"] / results[ours]["seconds"]
            print(f"{label:32}{ratio:7.1f} x  (bar {wanted:.0f} x{'' if ratio >= wanted else ', NOT reached'})")
    if {"read", "fromfile"} <= results.keys():
        print(f"{'read, of the fromfile limit':32}{results['fromfile']['seconds'] / results['read']['seconds']:7.2f}")
        print(f"{'read, memory of the matrix':32}{results['read']['peak'] / size:7.2f} x  (bar 1.1 x)")
    if {"write", "tofile"} <= results.keys():
        print(f"{'write, of the tofile limit':32}{results['tofile']['seconds'] / results['write']['seconds']:7.2f}")
    if {"read", "two-of-30", "pages"} <= results.keys():
        share = results["two-of-30"]["seconds"] / results["read"]["seconds"]
        floor = results["pages"]["seconds"] / results["read"]["seconds"]
        reached = "" if share < 0.15 else ", NOT reached"
        print(f"{'two channels, of a full read':32}{share:7.1%}  (bar 15 %{reached}; touching every page: {floor:.1%})")
    if {"read", "lines"} <= results.keys():
        print(f"{'reading each cache line only':32}{results['lines']['seconds'] / results['read']['seconds']:7.1%}")


if __name__ == "__main__":
    main()
