"""FLOCK: labels and time on the reference runs, time and memory on large made events.

    python benchmarks/flock.py --reference SHARED/data/flock       # parity and speed, run by run
    python benchmarks/flock.py --events 200000 --markers 9         # one line per version

Each run is a process of its own on one thread, after a warm-up on few events, so that compilation is not counted.
``bytes`` is the most memory that arrays take during a second fit, with the events themselves (float64), per event and
marker.
The times of the C programs (flock 1.0 of bioconda) are those that the reference states for its machine; user CPU where
it is given, else wall.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np


def make(events: int, markers: int, populations: int = 12, seed: int = 0) -> np.ndarray:
    """Events on an arcsinh scale: populations of power-law size, a fifth of the events spread between two."""
    rng = np.random.default_rng(seed)
    centres = rng.choice([0.0, 1.5, 3.0, 5.0], (populations, markers), p=[0.5, 0.15, 0.2, 0.15])
    share = rng.pareto(1.0, populations) + 0.1
    one, other = (rng.choice(populations, events, p=share / share.sum()) for _ in range(2))
    weight = np.where(rng.random(events) < 0.2, rng.random(events), 0.0)[:, None]
    return centres[one] * (1 - weight) + centres[other] * weight + rng.normal(0, 0.5, (events, markers))


def run(task: dict) -> dict:
    from immport_cyto.cluster import FLOCK

    for version in (1, 2):
        FLOCK(version).fit(make(3000, 3))
    reference = task.get("labels")
    X = np.loadtxt(task["path"], skiprows=1) if reference else make(task["events"], task["markers"])
    wall, cpu = time.perf_counter(), time.process_time()
    model = FLOCK(task["version"], **task["options"]).fit(X)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tracemalloc.start()
    FLOCK(task["version"], **task["options"]).fit(X)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "shape": X.shape,
        "wall": wall,
        "cpu": cpu,
        "bytes": most / X.size + X.itemsize,
        "populations": model.n_populations_,
        "groups": model.found_.groups,
        "own": int((model.predict(X) != model.labels_).sum()),
        "differing": int((model.labels_ != np.loadtxt(reference, dtype=int)).sum()) if reference else None,
    }


def apart(task: dict) -> dict:
    """Result of a task in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", json.dumps(task)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def reference_runs(folder: Path) -> None:
    print(
        "| run | events | labels that differ | after mapping onto itself | populations | ours, s CPU | C, s | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("flock[12]_*")):
        version, _, name = path.name.removeprefix("flock").partition("_")
        options = {"bins": 7, "density": 3} if name.endswith("_b7_d3") else {}
        stem = "galaxy_run_flock_input" if name.startswith("galaxy_input") else name
        (events,) = (p for p in (folder / "inputs").iterdir() if p.name.startswith(stem) and "label" not in p.name)
        task = {"path": str(events), "labels": str(path / "population_id.txt"), "version": int(version)}
        found = apart({**task, "options": options})
        stated = (path / "time.txt").read_text()
        c = float(re.findall(r"([\d.]+) s user", stated)[0] if " s user" in stated else stated.split()[0])
        print(
            f"| {path.name} | {found['shape'][0]} | {found['differing']} | {found['own']} | {found['populations']} | "
            f"{found['cpu']:.2f} | {c:.2f}{'' if ' s user' in stated else ' wall'} | {c / found['cpu']:.0f} |",
            flush=True,
        )


def large(events: int, markers: int) -> None:
    print("| version | events | markers | groups | populations | s wall | s CPU | bytes per event and marker |")
    print("|---|---|---|---|---|---|---|---|")
    for version in (1, 2):
        found = apart({"events": events, "markers": markers, "version": version, "options": {}})
        print(
            f"| {version} | {events} | {markers} | {found['groups']} | {found['populations']} | {found['wall']:.2f} | "
            f"{found['cpu']:.2f} | {found['bytes']:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="folder of the reference runs")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--markers", type=int, default=9)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(run(json.loads(given.task))))
    elif given.reference:
        reference_runs(given.reference)
    else:
        large(given.events, given.markers)


if __name__ == "__main__":
    main()
